/**
 * The colour scales of the map and its legend. A scale colours a concentration by the class limits of an index; it is not
 * the index: indices are defined on averages (hours to a year), the map shows the latest reading. The legend says both.
 */
import { INDICES, type AirQualityIndex, type IndexCategory, type IndexScale } from '../../model/indices.ts';
import { property, type PropertyKey } from '../../model/properties.ts';
import type { EpochMs } from '../../model/time.ts';

export interface Words {
  readonly zh: string;
  readonly en: string;
}

export interface ScaleClass {
  /** Upper limit in the property's unit, inclusive after rounding to the scale's step; the last class has Infinity. */
  readonly to: number;
  readonly color: string;
  /** The colour for eyes that do not tell red from green, where the index names one. */
  readonly safe?: string;
  readonly name: Words;
}

export interface Scale {
  readonly id: string;
  readonly name: Words;
  readonly source: string;
  readonly classes: Partial<Record<PropertyKey, readonly ScaleClass[]>>;
  /** Of an index: what differs from quantity to quantity. */
  readonly rules: Partial<Record<PropertyKey, Rule>>;
}

interface Rule {
  /** On which average the limits are defined. */
  readonly averaging: Words;
  /** How a value meets a limit: rounded or truncated to `step` first. */
  readonly step: number;
  readonly rounding: 'round' | 'truncate';
}

const NO_WORDS: Words = { zh: '', en: '' };
const NO_RULE: Rule = { averaging: NO_WORDS, step: 0.001, rounding: 'round' };
const classes = (limits: readonly number[], colours: readonly string[]): ScaleClass[] =>
  colours.map((color, i) => ({ to: limits[i] ?? Infinity, color, name: NO_WORDS }));

/** Light to dark, one hue family moving from sand over teal to ink: readable in grey as well. */
const PLAIN = ['#f3ecd2', '#d9e3b4', '#aed3a5', '#79bda1', '#4aa3a0', '#2f8397', '#2b6287', '#33416d', '#2c2447'];
const WARM = ['#2c4d8a', '#3f7fb0', '#7cb3c4', '#c4dcc6', '#f2e6b1', '#f0bf6c', '#dd8140', '#b84a2c', '#7c1f25'];

const PLAIN_LIMITS: Partial<Record<PropertyKey, readonly [readonly number[], readonly string[]]>> = {
  pm1: [[5, 10, 15, 25, 35, 50, 75, 125], PLAIN],
  pm25: [[5, 10, 15, 25, 35, 50, 75, 125], PLAIN],
  pm4: [[5, 10, 15, 25, 35, 50, 75, 125], PLAIN],
  pm25_b: [[5, 10, 15, 25, 35, 50, 75, 125], PLAIN],
  pm10: [[10, 20, 30, 45, 70, 100, 150, 250], PLAIN],
  temperature: [[5, 10, 15, 20, 24, 28, 32, 36], WARM],
  humidity: [[30, 40, 50, 60, 70, 80, 90, 95], PLAIN],
  pressure: [[850, 900, 950, 980, 1000, 1010, 1015, 1020], PLAIN],
  co2: [[450, 600, 800, 1000, 1200, 1500, 2000, 3000], PLAIN],
  tvoc: [[65, 130, 220, 440, 660, 1100, 2200, 5500], PLAIN],
  noise_laeq: [[40, 45, 50, 55, 60, 65, 70, 80], PLAIN],
  water_level: [[0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2], PLAIN],
  rain: [[0, 0.5, 1, 2, 5, 10, 20, 50], PLAIN],
  no2: [[5, 10, 20, 30, 50, 75, 100, 200], PLAIN],
  o3: [[20, 40, 55, 70, 85, 105, 150, 200], PLAIN],
  co: [[0.5, 1, 2, 4, 6, 9, 15, 30], PLAIN],
  so2: [[2, 5, 10, 20, 35, 75, 150, 200], PLAIN],
};

/** What an index averages over, said in words. */
const AVERAGING: Record<IndexScale['averaging'], Words> = {
  '5min': { zh: '5 分鐘值', en: '5 min values' },
  '1h': { zh: '小時平均', en: 'hourly means' },
  '8h': { zh: '8 小時平均', en: '8 h means' },
  '24h': { zh: '24 小時平均', en: '24 h means' },
  '1a': { zh: '年平均', en: 'annual means' },
  nowcast: { zh: 'NowCast（近 12 小時加權平均）', en: 'the NowCast (weighted mean of 12 h)' },
  realtime: { zh: '即時移動平均（近 12 小時與 4 小時各半）', en: 'the real-time mean (half 12 h, half 4 h)' },
};

/**
 * An index of `model/indices.ts` as colours of a concentration: neighbouring lines of one category become one class. Of two scales for a quantity the
 * first, and only one that begins at 0: the one-hour table of Taiwan's ozone knows nothing below 101 ppb.
 */
function bands(index: AirQualityIndex): Scale {
  const found: Scale['classes'] = {};
  const rules: Scale['rules'] = {};
  for (const scale of index.scales) {
    if (found[scale.pollutant] || property(scale.pollutant).unit !== scale.unit || scale.breaks[0]?.low !== 0) continue;
    const list: ScaleClass[] = [];
    for (const line of scale.breaks) {
      const category = index.categories[line.category] as IndexCategory;
      if (list.at(-1)?.name.zh === category.zh) list.pop();
      list.push({ to: line.high, color: category.colour, safe: category.colourSafe, name: category });
    }
    const last = list.at(-1) as ScaleClass;
    list[list.length - 1] = { ...last, to: Infinity };
    found[scale.pollutant] = list;
    rules[scale.pollutant] = {
      averaging: AVERAGING[scale.averaging],
      step: scale.step > 0 ? scale.step : NO_RULE.step,
      rounding: scale.to === 'truncate' ? 'truncate' : 'round',
    };
  }
  return { id: index.key, name: index.name, source: index.source, classes: found, rules };
}

const inForce = (now: EpochMs): AirQualityIndex[] =>
  INDICES.filter((i) => (i.from === null || i.from <= now) && (i.until === null || now < i.until));

export const SCALES: readonly Scale[] = [
  ...inForce(Date.now()).map(bands),
  {
    id: 'plain',
    name: { zh: '數值', en: 'plain values' },
    source: '',
    rules: {},
    classes: Object.fromEntries(
      Object.entries(PLAIN_LIMITS).map(([key, [limits, colours]]) => [key, classes(limits, colours)]),
    ),
  },
];

/** Corrected minus raw: how far the correction moved a value. Blue lowered, brown raised, pale nearly unchanged. */
export const DIFFERENCE: Scale = {
  id: 'difference',
  name: { zh: '校正造成的差異', en: 'change by the correction' },
  source: '',
  classes: {},
  rules: {},
};
const DIFFERENCE_COLOURS = ['#1f4e8c', '#4c86bd', '#9cc3dc', '#ece7dc', '#e5b579', '#bf7430', '#7f3f0c'];

/** A step that gives the diverging scale seven readable classes for a property. */
const DIFFERENCE_STEP: Partial<Record<PropertyKey, number>> = {
  pm10: 5,
  temperature: 0.5,
  humidity: 3,
  co2: 50,
  pressure: 1,
};

const differenceClasses = (key: PropertyKey): ScaleClass[] => {
  const s = DIFFERENCE_STEP[key] ?? 2;
  return classes([-8 * s, -4 * s, -s, s, 4 * s, 8 * s], DIFFERENCE_COLOURS);
};

export const scaleById = (id: string): Scale | undefined => SCALES.find((s) => s.id === id);
/** Scales that say something about a property; never empty (plain colours by the plausible span where there is no table). */
export const scalesFor = (key: PropertyKey): Scale[] =>
  SCALES.filter((s) => s.id === 'plain' || s.classes[key] !== undefined);

/** The scale that is really used for a property: the wished one where it has limits for it, else plain values. */
export const effectiveScale = (id: string, key: PropertyKey): Scale =>
  scalesFor(key).find((s) => s.id === id) ?? (SCALES[SCALES.length - 1] as Scale);

/** Reversed cividis (Nuñez, Anderton & Renslow 2018, doi:10.1371/journal.pone.0199239), sampled: readable with any colour vision and in grey. */
const CIVIDIS = [
  '#fee838',
  '#e1cc55',
  '#c3b369',
  '#a69d75',
  '#8a8678',
  '#707173',
  '#575d6d',
  '#38486b',
  '#123570',
  '#00204d',
];

const mix = (a: string, b: string, f: number): string => {
  const channel = (i: number): string => {
    const from = Number.parseInt(a.slice(i, i + 2), 16);
    const to = Number.parseInt(b.slice(i, i + 2), 16);
    return Math.round(from + (to - from) * f)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(1)}${channel(3)}${channel(5)}`;
};

/** Colour `i` of `n` of the colour-vision-safe ramp. */
export function safeColour(i: number, n: number): string {
  const at = n < 2 ? 0 : (i / (n - 1)) * (CIVIDIS.length - 1);
  const low = Math.min(CIVIDIS.length - 2, Math.floor(at));
  return mix(CIVIDIS[low] as string, CIVIDIS[low + 1] as string, at - low);
}

export interface Palette {
  readonly scale: Scale;
  readonly classes: readonly ScaleClass[];
  readonly rule: Rule;
}

/** Classes and colours for what the map shows now. */
export function palette(scaleId: string, key: PropertyKey, difference: boolean, safe: boolean): Palette {
  if (difference) return { scale: DIFFERENCE, classes: differenceClasses(key), rule: NO_RULE };
  const scale = effectiveScale(scaleId, key);
  const found = scale.classes[key] ?? classes([], ['#4aa3a0']);
  return {
    scale,
    rule: scale.rules[key] ?? NO_RULE,
    classes: safe ? found.map((c, i) => ({ ...c, color: c.safe ?? safeColour(i, found.length) })) : found,
  };
}

/** Index of the class that holds a value; values below the first limit (also negative corrected ones) are in the first. */
export function classOf(p: Palette, value: number): number {
  const steps = 1 / p.rule.step;
  const v =
    p.rule.rounding === 'truncate' ? Math.floor(value * steps + 1e-6) / steps : Math.round(value * steps) / steps;
  const last = p.classes.length - 1;
  for (let i = 0; i < last; i++) if (v <= (p.classes[i] as ScaleClass).to + 1e-9) return i;
  return last;
}

/** Black or white, whichever reads better on a colour (WCAG relative luminance). */
export function inkOn(color: string): '#000000' | '#ffffff' {
  const [r, g, b] = [1, 3, 5].map((i) => {
    const c = Number.parseInt(color.slice(i, i + 2), 16) / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000000' : '#ffffff';
}

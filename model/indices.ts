/**
 * Air quality indices as named, versioned tables: the one place from which API, map and legend take break points, words and
 * colours.
 *
 * A concentration and an index are different things. Every index says over which averaging time its breaks hold; a single
 * five-minute value must never be shown "as AQI" (finding of Taiwan's MOE project 109).
 */
import type { EpochMs } from './time.ts';

export type IndexPollutant = 'pm25' | 'pm10' | 'o3' | 'no2' | 'so2' | 'co';

export interface IndexCategory {
  readonly key: string;
  readonly zh: string;
  readonly en: string;
  /** Official colour of the index. */
  readonly colour: string;
  /** Colour that stays in order for people who do not tell red from green. */
  readonly colourSafe: string;
}

/** One line of a table: concentrations up to `high` (inclusive) belong to `category`, index runs from `from` to `to`. */
export interface IndexBreak {
  readonly low: number;
  readonly high: number;
  readonly from: number;
  readonly to: number;
  readonly category: number;
}

export interface IndexScale {
  /** `<pollutant>` or `<pollutant>_<averaging>` where an index has two tables. */
  readonly pollutant: IndexPollutant;
  readonly unit: 'ug/m3' | '[ppb]' | '[ppm]' | 'mg/m3';
  /** Over what the concentration has to be averaged before the table is used. */
  readonly averaging: '5min' | '1h' | '8h' | '24h' | '1a' | 'nowcast' | 'realtime';
  /** Concentrations are brought to this step first: Taiwan rounds, the US EPA truncates. */
  readonly step: number;
  readonly to: 'round' | 'truncate' | 'none';
  readonly breaks: readonly IndexBreak[];
}

export interface AirQualityIndex {
  readonly key: string;
  readonly name: { readonly zh: string; readonly en: string };
  readonly version: string;
  /** In force from (inclusive) and until (exclusive); null = open. */
  readonly from: EpochMs | null;
  readonly until: EpochMs | null;
  readonly source: string;
  /** Whether the index is a number between breaks, or only a category. */
  readonly kind: 'interpolated' | 'category';
  readonly categories: readonly IndexCategory[];
  readonly scales: readonly IndexScale[];
}

export interface IndexValue {
  readonly index: string;
  /** Rounded index, or the number of the category (from 1) of an index without numbers. */
  readonly value: number;
  /** Place in `categories`. */
  readonly category: number;
}

// Viridis-like ramps (matplotlib's cividis, CC0): lightness falls steadily, so the order survives every kind of colour vision.
const SAFE6 = ['#FDE737', '#C8B866', '#94907A', '#64697B', '#31446B', '#00224E'] as const;
const SAFE10 = [
  '#FEE838',
  '#E1CC55',
  '#C4B56C',
  '#A89F76',
  '#8E8A79',
  '#757575',
  '#5D616E',
  '#434E6C',
  '#263B6E',
  '#00224E',
] as const;
const SAFE4 = ['#FDE737', '#AFA371', '#5F656F', '#00224E'] as const;

const AQI_CATEGORIES = (hazardous: string): IndexCategory[] => [
  { key: 'good', zh: '良好', en: 'Good', colour: '#00E400', colourSafe: SAFE6[0] },
  { key: 'moderate', zh: '普通', en: 'Moderate', colour: '#FFFF00', colourSafe: SAFE6[1] },
  {
    key: 'sensitive',
    zh: '對敏感族群不健康',
    en: 'Unhealthy for sensitive groups',
    colour: '#FF7E00',
    colourSafe: SAFE6[2],
  },
  { key: 'unhealthy', zh: '對所有族群不健康', en: 'Unhealthy', colour: '#FF0000', colourSafe: SAFE6[3] },
  { key: 'very_unhealthy', zh: '非常不健康', en: 'Very unhealthy', colour: '#8F3F97', colourSafe: SAFE6[4] },
  { key: 'hazardous', zh: '危害', en: 'Hazardous', colour: hazardous, colourSafe: SAFE6[5] },
];

const AQI_STEPS = [
  [0, 50],
  [51, 100],
  [101, 150],
  [151, 200],
  [201, 300],
  [301, 400],
  [401, 500],
] as const;

/** Breaks from upper bounds; the next lower bound is one `step` above. `steps` gives the index range of each. */
function interpolated(
  highs: readonly number[],
  step: number,
  steps: readonly (readonly [number, number])[],
): IndexBreak[] {
  return highs.map((high, i) => {
    const [from, to] = steps[i] as readonly [number, number];
    const below = i === 0 ? null : (highs[i - 1] as number);
    return {
      low: below === null ? 0 : Math.round((below + step) / step) * step,
      high,
      from,
      to,
      category: Math.min(i, 5),
    };
  });
}

function categorical(highs: readonly number[], step: number): IndexBreak[] {
  return [...highs, Infinity].map((high, i) => ({
    low: i === 0 ? 0 : (highs[i - 1] as number) + step,
    high,
    from: i + 1,
    to: i + 1,
    category: i,
  }));
}

const taiwan = (pm25: readonly number[], pm10: readonly number[]): IndexScale[] => [
  {
    pollutant: 'pm25',
    unit: 'ug/m3',
    averaging: 'realtime',
    step: 0.1,
    to: 'round',
    breaks: interpolated(pm25, 0.1, AQI_STEPS),
  },
  {
    pollutant: 'pm10',
    unit: 'ug/m3',
    averaging: 'realtime',
    step: 1,
    to: 'round',
    breaks: interpolated(pm10, 1, AQI_STEPS),
  },
];

const TAIPEI = 8 * 3_600_000;
/** Midnight in Taipei. */
const taipeiMidnight = (year: number, month: number, day: number): EpochMs => Date.UTC(year, month - 1, day) - TAIPEI;

export const TAIWAN_AQI_2025: AirQualityIndex = {
  key: 'tw_aqi',
  name: { zh: '空氣品質指標', en: 'Taiwan AQI' },
  version: '2025-01-01',
  from: taipeiMidnight(2025, 1, 1),
  until: null,
  source: '環境部空氣品質監測網 airtw.moenv.gov.tw (2025-01-01)',
  kind: 'interpolated',
  categories: AQI_CATEGORIES('#7E0023'),
  scales: [
    ...taiwan([12.4, 30.4, 50.4, 125.4, 225.4, 325.4, 500.4], [30, 75, 190, 354, 424, 504, 604]),
    {
      pollutant: 'o3',
      unit: '[ppb]',
      averaging: '8h',
      step: 1,
      to: 'round',
      breaks: interpolated([54, 70, 85, 105, 200], 1, AQI_STEPS),
    },
    {
      pollutant: 'o3',
      unit: '[ppb]',
      averaging: '1h',
      step: 1,
      to: 'round',
      // Below 101 ppb the eight-hour table decides.
      breaks: [
        { low: 101, high: 134, from: 101, to: 150, category: 2 },
        { low: 135, high: 204, from: 151, to: 200, category: 3 },
        { low: 205, high: 404, from: 201, to: 300, category: 4 },
        { low: 405, high: 504, from: 301, to: 400, category: 5 },
        { low: 505, high: 604, from: 401, to: 500, category: 5 },
      ],
    },
  ],
};

export const TAIWAN_AQI_2016: AirQualityIndex = {
  ...TAIWAN_AQI_2025,
  version: '2016-12-01',
  from: taipeiMidnight(2016, 12, 1),
  until: taipeiMidnight(2025, 1, 1),
  // Of its breaks 35.4 stands in the news of 2016, the others are from memory.
  source: '環保署 (2016-12-01)',
  scales: taiwan([15.4, 35.4, 54.4, 150.4, 250.4, 350.4, 500.4], [54, 125, 254, 354, 424, 504, 604]),
};

export const US_AQI_2024: AirQualityIndex = {
  key: 'us_aqi',
  name: { zh: '美國 AQI', en: 'US AQI' },
  version: '2024-05-06',
  from: Date.UTC(2024, 4, 6),
  until: null,
  source: 'US EPA, 89 FR 16202 (40 CFR 58 appendix G), in force from 2024-05-06',
  kind: 'interpolated',
  categories: AQI_CATEGORIES('#7E0023'),
  scales: [
    {
      pollutant: 'pm25',
      unit: 'ug/m3',
      averaging: 'nowcast',
      step: 0.1,
      to: 'truncate',
      breaks: interpolated([9.0, 35.4, 55.4, 125.4, 225.4, 325.4], 0.1, [
        ...AQI_STEPS.slice(0, 5),
        [301, 500],
      ] as (readonly [number, number])[]),
    },
    {
      pollutant: 'pm10',
      unit: 'ug/m3',
      averaging: 'nowcast',
      step: 1,
      to: 'truncate',
      breaks: interpolated([54, 154, 254, 354, 424, 604], 1, [...AQI_STEPS.slice(0, 5), [301, 500]] as (readonly [
        number,
        number,
      ])[]),
    },
  ],
};

const EUROPEAN_CATEGORIES: readonly IndexCategory[] = [
  { key: 'good', zh: '良好', en: 'Good', colour: '#50F0E6', colourSafe: SAFE6[0] },
  { key: 'fair', zh: '尚可', en: 'Fair', colour: '#50CCAA', colourSafe: SAFE6[1] },
  { key: 'moderate', zh: '普通', en: 'Moderate', colour: '#F0E641', colourSafe: SAFE6[2] },
  { key: 'poor', zh: '差', en: 'Poor', colour: '#FF5050', colourSafe: SAFE6[3] },
  { key: 'very_poor', zh: '很差', en: 'Very poor', colour: '#960032', colourSafe: SAFE6[4] },
  { key: 'extremely_poor', zh: '極差', en: 'Extremely poor', colour: '#7D2181', colourSafe: SAFE6[5] },
];

const european = (pollutant: IndexPollutant, highs: readonly number[]): IndexScale => ({
  pollutant,
  unit: 'ug/m3',
  averaging: '1h',
  step: 0,
  to: 'none',
  breaks: categorical(highs, 0),
});

export const EUROPEAN_AQI_2025: AirQualityIndex = {
  key: 'eaqi',
  name: { zh: '歐洲空氣品質指數', en: 'European AQI' },
  version: '2025',
  from: Date.UTC(2025, 0, 1),
  until: null,
  source: 'ETC HE Report 2024/17, table 5.2 (hourly values)',
  kind: 'category',
  categories: EUROPEAN_CATEGORIES,
  scales: [
    european('pm25', [5, 15, 50, 90, 140]),
    european('pm10', [15, 45, 120, 195, 270]),
    european('no2', [10, 25, 60, 100, 150]),
    european('o3', [60, 100, 120, 160, 180]),
    european('so2', [20, 40, 125, 190, 275]),
  ],
};

function guideline(
  pollutant: IndexPollutant,
  averaging: IndexScale['averaging'],
  highs: readonly number[],
  unit: IndexScale['unit'] = 'ug/m3',
): IndexScale {
  return { pollutant, unit, averaging, step: 0, to: 'none', breaks: categorical(highs, 0) };
}

/**
 * WHO global air quality guidelines 2021: levels, not an index. Shown as "within / above the guideline", for particles with the interim targets; of
 * gases the guideline alone. Ozone's peak season level (60 µg/m³) is left out: it is a mean over half a year.
 */
export const WHO_2021: AirQualityIndex = {
  key: 'who',
  name: { zh: 'WHO 2021 準則', en: 'WHO 2021 guideline' },
  version: '2021',
  from: null,
  until: null,
  source:
    'WHO global air quality guidelines 2021, ISBN 978-92-4-003422-8, tables 0.1 and 3.26 (particles: interim targets 4, 3)',
  kind: 'category',
  categories: [
    { key: 'within', zh: '符合準則', en: 'Within the guideline', colour: '#4DAC26', colourSafe: SAFE4[0] },
    { key: 'interim4', zh: '高於準則', en: 'Above the guideline', colour: '#F1B6DA', colourSafe: SAFE4[1] },
    { key: 'interim3', zh: '高於過渡目標 4', en: 'Above interim target 4', colour: '#D01C8B', colourSafe: SAFE4[2] },
    { key: 'above3', zh: '高於過渡目標 3', en: 'Above interim target 3', colour: '#7B0050', colourSafe: SAFE4[3] },
  ],
  scales: [
    guideline('pm25', '24h', [15, 25, 37.5]),
    guideline('pm10', '24h', [45, 50, 75]),
    guideline('no2', '24h', [25]),
    guideline('so2', '24h', [40]),
    guideline('o3', '8h', [100]),
    guideline('co', '24h', [4], 'mg/m3'),
    guideline('pm25', '1a', [5, 10, 15]),
    guideline('pm10', '1a', [15, 20, 30]),
    guideline('no2', '1a', [10]),
  ],
};

const TEN = [
  '#9CFF9C',
  '#31FF00',
  '#31CF00',
  '#FFFF00',
  '#FFCF00',
  '#FF9A00',
  '#FF6464',
  '#FF0000',
  '#990000',
  '#CE30FF',
];
const TEN_BANDS = [
  ['低', 'Low'],
  ['中', 'Moderate'],
  ['高', 'High'],
  ['非常高', 'Very high'],
] as const;

/** 紫爆 is level 10. The scale of Taiwan's old EPA (2014–2016, after the UK DAQI) that the LASS maps still wear. */
export const TAIWAN_TEN_LEVELS: AirQualityIndex = {
  key: 'tw_ten',
  name: { zh: 'PM2.5 十級指標（紫爆）', en: 'PM2.5 ten levels' },
  version: '2014-10',
  from: null,
  until: null,
  source: '環保署 PM2.5 指標對照表 2014-10-01, after UK DAQI; colours as in six open map codes of the LASS community',
  kind: 'category',
  categories: TEN.map((colour, i) => {
    const [zh, en] = TEN_BANDS[i === 9 ? 3 : Math.floor(i / 3)] as readonly [string, string];
    return {
      key: `level${i + 1}`,
      zh: i === 9 ? `${i + 1} 級 ${zh}（紫爆）` : `${i + 1} 級 ${zh}`,
      en: `Level ${i + 1}, ${en.toLowerCase()}`,
      colour,
      colourSafe: SAFE10[i] as string,
    };
  }),
  scales: [
    {
      pollutant: 'pm25',
      unit: 'ug/m3',
      averaging: '1h',
      step: 1,
      to: 'round',
      breaks: categorical([11, 23, 35, 41, 47, 53, 58, 64, 70], 1),
    },
  ],
};

export const INDICES: readonly AirQualityIndex[] = [
  TAIWAN_AQI_2025,
  TAIWAN_AQI_2016,
  US_AQI_2024,
  EUROPEAN_AQI_2025,
  WHO_2021,
  TAIWAN_TEN_LEVELS,
];

/** The table of that name in force at `time`, undefined when none was. */
export const indexAt = (key: string, time: EpochMs): AirQualityIndex | undefined =>
  INDICES.find(
    (index) =>
      index.key === key && (index.from === null || index.from <= time) && (index.until === null || time < index.until),
  );

/**
 * Index and category of a concentration that is already averaged as the scale asks. Negative counts as 0; above the last break
 * an interpolated index goes on with the slope of the last line (Taiwan's end with their table: 500, of 8 h ozone 300).
 * Returns null when the index has no scale for the pollutant or the value is no number.
 */
export function indexOf(
  index: AirQualityIndex,
  pollutant: IndexPollutant,
  concentration: number,
  averaging?: IndexScale['averaging'],
): IndexValue | null {
  const scale = index.scales.find(
    (s) => s.pollutant === pollutant && (averaging === undefined || s.averaging === averaging),
  );
  if (!scale || !Number.isFinite(concentration)) return null;
  const c = bring(Math.max(0, concentration), scale);
  const first = scale.breaks[0] as IndexBreak;
  if (c < first.low) return null;
  const last = scale.breaks[scale.breaks.length - 1] as IndexBreak;
  const line = scale.breaks.find((b) => c <= b.high) ?? last;
  if (index.kind === 'category') return { index: index.key, value: line.from, category: line.category };
  const value = Math.round(((line.to - line.from) / (line.high - line.low)) * (c - line.low) + line.from);
  return {
    index: index.key,
    value: index.key === 'tw_aqi' ? Math.min(value, last.to) : value,
    category: line.category,
  };
}

function bring(c: number, scale: IndexScale): number {
  if (scale.to === 'none') return c;
  const steps = Math.round(1 / scale.step);
  // 12.3 is not exactly 12.3 in binary: without the tiny push, truncation would lose a step.
  return scale.to === 'round' ? Math.round(c * steps) / steps : Math.floor(c * steps + 1e-6) / steps;
}

/** Grams in a mole. */
const MOLAR_MASS: Readonly<Partial<Record<IndexPollutant, number>>> = {
  no2: 46.0055,
  o3: 47.9982,
  so2: 64.064,
  co: 28.0101,
};
/** Litres in a mole of air at 293 K and 101.3 kPa. */
const MOLAR_VOLUME = 24.055;

/**
 * A concentration in the unit of a scale. Between mole fraction and mass the index's own convention holds, 293 K and 101.3 kPa (Directive 2008/50/EC
 * annex VI part C; the WHO's levels are read the same way): it is no statement about the air's real temperature.
 * @returns null where there is no way
 */
export function inUnitOf(scale: IndexScale, pollutant: IndexPollutant, value: number, unit: string): number | null {
  if (unit === scale.unit) return value;
  const fraction = unit === '[ppb]' ? value : unit === '[ppm]' ? 1000 * value : null;
  if (fraction === null) return null;
  if (scale.unit === '[ppb]') return fraction;
  if (scale.unit === '[ppm]') return fraction / 1000;
  const mass = MOLAR_MASS[pollutant];
  if (mass === undefined) return null;
  const micrograms = (fraction * mass) / MOLAR_VOLUME;
  return scale.unit === 'mg/m3' ? micrograms / 1000 : micrograms;
}

/** Colour of a concentration on an index, `safe` for the palette that needs no telling red from green. */
export function indexColour(
  index: AirQualityIndex,
  value: IndexValue,
  palette: 'official' | 'safe' = 'official',
): string {
  const category = index.categories[value.category] as IndexCategory;
  return palette === 'safe' ? category.colourSafe : category.colour;
}

const given = (v: number | null | undefined): v is number => v !== null && v !== undefined && Number.isFinite(v);

/**
 * US EPA NowCast of PM: up to 12 hour means, newest first, null = missing. Weight w = 1 − (max − min)/max, at least 0.5;
 * NowCast = Σ wⁱ·cᵢ / Σ wⁱ. Null unless two of the newest three hours are there. All zero gives 0 (w = 1).
 */
export function nowCast(hours: readonly (number | null)[]): number | null {
  const window = hours.slice(0, 12);
  if (window.slice(0, 3).filter(given).length < 2) return null;
  const values = window.filter(given);
  const max = Math.max(...values);
  const w = max > 0 ? Math.max(0.5, 1 - (max - Math.min(...values)) / max) : 1;
  let sum = 0;
  let weights = 0;
  window.forEach((c, i) => {
    if (!given(c)) return;
    sum += w ** i * c;
    weights += w ** i;
  });
  return sum / weights;
}

/**
 * Taiwan's real-time PM average: 0.5 · mean of the last 12 hour means + 0.5 · mean of the last 4, newest first, null = missing.
 * Null unless at least 2 of the 4 and 6 of the 12 are there.
 */
export function taiwanRealtime(hours: readonly (number | null)[]): number | null {
  const twelve = hours.slice(0, 12).filter(given);
  const four = hours.slice(0, 4).filter(given);
  if (four.length < 2 || twelve.length < 6) return null;
  const mean = (v: number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
  return 0.5 * mean(twelve) + 0.5 * mean(four);
}

/**
 * A small seeded country for the pages: boxes round real towns, some flagged, silent, indoor, unclaimed, some with awkward
 * names, and reference stations. Only what a browser can see of a server; the air is a formula, so every value can be asked again.
 */
import { PROPERTIES, type PropertyKey } from '../../model/properties.ts';
import { HOUR, MINUTE, formatTime } from '../../model/time.ts';

/** mulberry32: the same seed gives the same city on every machine. */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** name, latitude, longitude, spread [°], share of boxes. */
const TAIPEI = ['臺北', 25.045, 121.53, 0.045, 20] as const;
const TOWNS: readonly (readonly [string, number, number, number, number])[] = [
  TAIPEI,
  ['新北', 25.02, 121.46, 0.05, 16],
  ['桃園', 24.97, 121.27, 0.06, 11],
  ['新竹', 24.8, 120.98, 0.03, 7],
  ['苗栗', 24.56, 120.82, 0.03, 2],
  ['臺中', 24.15, 120.67, 0.06, 14],
  ['彰化', 24.06, 120.53, 0.03, 5],
  ['雲林', 23.7, 120.46, 0.05, 4],
  ['嘉義', 23.48, 120.45, 0.03, 4],
  ['臺南', 23.0, 120.22, 0.045, 8],
  ['高雄', 22.66, 120.34, 0.045, 11],
  ['屏東', 22.67, 120.49, 0.03, 3],
  ['宜蘭', 24.75, 121.75, 0.025, 2],
  ['花蓮', 23.98, 121.59, 0.02, 2],
  ['臺東', 22.76, 121.14, 0.02, 1],
];

const AWKWARD = [
  '<img src=x onerror="window.hacked=1">',
  '一個名字非常非常非常長的感測盒放在學校後門圍牆旁邊第三根路燈上面靠近榕樹的那一側請勿移動謝謝大家的合作',
  'صندوق الهواء',
  '  ',
  'O’Brien & Sons “lab” <b>bold</b>',
];

export interface FakeThing {
  readonly id: string;
  readonly name: string;
  readonly kind: 'box' | 'station';
  readonly lat: number;
  readonly lon: number;
  readonly exposure: 'outdoor' | 'indoor';
  readonly claimed: boolean;
  readonly mood: 'ok' | 'suspect' | 'refused' | 'silent' | 'stale' | 'empty' | 'single';
  readonly gain: number;
  readonly offset: number;
  readonly phase: number;
}

export interface FakeValue {
  readonly time: number;
  readonly value: number | null;
  readonly flag: number;
  readonly reasons: string[];
  readonly lo90: number | null;
  readonly hi90: number | null;
  readonly model: string;
  readonly correctionLevel: string;
}

export interface FakeCity {
  readonly things: readonly FakeThing[];
  readonly value: (
    thing: FakeThing,
    property: PropertyKey,
    level: 'raw' | 'corrected',
    time: number,
  ) => FakeValue | null;
  readonly latest: (
    thing: FakeThing,
    property: PropertyKey,
    level: 'raw' | 'corrected',
    now: number,
  ) => FakeValue | null;
}

const BASE: Partial<Record<PropertyKey, readonly [middle: number, swing: number]>> = {
  pm10: [34, 12],
  pm1: [13, 5],
  temperature: [24, 4],
  humidity: [72, 12],
  co2: [520, 90],
  noise_laeq: [58, 8],
  wind_speed: [3, 2],
  wind_direction: [270, 30],
};

/** One box in eight carries a wind vane. */
export const hasWind = (thing: FakeThing): boolean => thing.kind === 'box' && Math.floor(thing.phase) % 8 === 0;

export function city(count: number, seed = 1): FakeCity {
  const rand = random(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - rand())) * Math.cos(2 * Math.PI * rand());
  const things: FakeThing[] = [];
  const total = TOWNS.reduce((n, t) => n + t[4], 0);
  const stations = Math.max(6, Math.min(77, Math.round(count / 20)));
  for (let i = 0; i < count + stations; i++) {
    const station = i >= count;
    let pick = rand() * total;
    const town = TOWNS.find((t) => (pick -= t[4]) < 0) ?? TAIPEI;
    const mood = rand();
    things.push({
      id: station ? `station-${String(i - count + 1).padStart(4, '0')}` : `box-${String(i + 1).padStart(6, '0')}`,
      name: station ? `${town[0]}測站 ${i - count + 1}` : (AWKWARD[i] ?? `${town[0]}街燈 ${i + 1}`),
      kind: station ? 'station' : 'box',
      lat: town[1] + normal() * town[3],
      lon: town[2] + normal() * town[3],
      exposure: !station && rand() < 0.07 ? 'indoor' : 'outdoor',
      claimed: station || rand() > 0.08,
      mood:
        station || i < AWKWARD.length
          ? 'ok'
          : mood < 0.8
            ? 'ok'
            : mood < 0.86
              ? 'suspect'
              : mood < 0.91
                ? 'refused'
                : mood < 0.96
                  ? 'silent'
                  : mood < 0.98
                    ? 'stale'
                    : mood < 0.99
                      ? 'empty'
                      : 'single',
      gain: station ? 1 : Math.exp(normal() * 0.18 + 0.35),
      offset: station ? 0 : normal() * 1.5,
      phase: rand() * 5 * MINUTE,
    });
  }

  /** What a plume that drifts over Taichung adds [µg/m³]. */
  const plume = (lat: number, lon: number, time: number): number => {
    const middle = 120.5 + 0.05 * ((time / HOUR) % 10);
    return 70 * Math.exp(-(((lat - 24.12) / 0.06) ** 2 + ((lon - middle) / 0.07) ** 2));
  };

  /** PM2.5 [µg/m³] at a place and time: dirtier in the south-west, morning and evening peaks, one plume drifting over Taichung. */
  const truth = (lat: number, lon: number, time: number): number => {
    const hour = ((time / HOUR + 8) % 24) + 0;
    const day = Math.sin(time / (31 * HOUR)) * 0.3 + Math.sin(time / (117 * HOUR)) * 0.35;
    const daily = 0.25 * Math.cos(((hour - 8) / 12) * 2 * Math.PI) + 0.15 * Math.cos(((hour - 20) / 24) * 2 * Math.PI);
    const south =
      11 +
      22 * Math.max(0, Math.min(1, (25 - lat) / 2.6)) -
      9 * Math.max(0, (lon - 120.9) / 0.7) * (lat < 24.6 ? 1 : 0.2);
    return Math.max(2, south * (1 + day + daily) + plume(lat, lon, time));
  };
  /** Noise that depends on box and time alone, so that every question gets the same answer. */
  const jitter = (thing: FakeThing, time: number, n: number): number => {
    const x = Math.sin(thing.phase * 12.9898 + (time / MINUTE) * 78.233 + n * 37.719) * 43758.5453;
    return (x - Math.floor(x)) * 2 - 1;
  };
  const round = (x: number): number => Math.round(x * 10) / 10;

  const value: FakeCity['value'] = (thing, property, level, time) => {
    const p = PROPERTIES.find((q) => q.key === property);
    if (!p || thing.mood === 'empty') return null;
    const base = BASE[property];
    if (property !== 'pm25' && (!base || thing.kind === 'station' || property === 'noise_laeq'))
      if (property !== 'pm10') return null;
    if (property.startsWith('wind_') && !hasWind(thing)) return null;
    const pm = truth(thing.lat, thing.lon, time);
    const good =
      property === 'pm25'
        ? pm
        : property === 'pm10'
          ? pm * 1.7 + 4
          : (base as readonly [number, number])[0] +
            (base as readonly [number, number])[1] * Math.sin(time / (3.8 * HOUR) + thing.lat) * 0.8;
    const particle = property === 'pm25' || property === 'pm10';
    const humidity = 1 + 0.25 * Math.max(0, Math.sin(time / (3.8 * HOUR) + thing.lat));
    const raw = Math.max(
      0,
      particle && thing.kind === 'box'
        ? good * thing.gain * humidity + thing.offset + jitter(thing, time, 1) * 2
        : good + jitter(thing, time, 1),
    );
    const spiky = thing.mood === 'suspect' && Math.floor(time / (20 * MINUTE)) % 3 === 0;
    const flag = thing.mood === 'refused' ? 4 : thing.mood === 'suspect' ? 3 : 1;
    const reasons =
      flag === 4
        ? [`${property}.stuck_zero`, 'humidity.saturated']
        : flag === 3
          ? [spiky ? `${property}.spatial` : `${property}.outlier`]
          : property === 'pm25' && thing.kind === 'box' && plume(thing.lat, thing.lon, time) > 20
            ? ['pm25.event']
            : [];
    const none = { lo90: null, hi90: null, model: '', correctionLevel: '' };
    if (level === 'raw')
      return { time, value: flag === 4 ? null : round(spiky ? raw * 1.9 : raw), flag, reasons, ...none };
    if (flag === 4 || thing.kind === 'station') return { time, value: null, flag, reasons, ...none };
    const corrected = good * (1 + jitter(thing, time, 2) * 0.06) * (spiky ? 1.9 : 1);
    const half = 2 + corrected * 0.16;
    return {
      time,
      value: round(corrected),
      flag,
      reasons,
      lo90: round(corrected - half),
      hi90: round(corrected + half),
      model: particle ? `pms-l4-${thing.id.slice(-3)}` : '',
      correctionLevel: particle ? 'L4' : '',
    };
  };
  const latest: FakeCity['latest'] = (thing, property, level, now) => {
    const late = thing.mood === 'silent' ? 9 * HOUR : thing.mood === 'stale' ? 40 * MINUTE : 0;
    const step = thing.kind === 'station' ? HOUR : 5 * MINUTE;
    const time =
      Math.floor((now - late - (thing.kind === 'station' ? HOUR : thing.phase % step)) / step) * step +
      (thing.kind === 'station' ? 0 : Math.floor((thing.phase % step) / 1000) * 1000);
    return value(thing, property, level, Math.min(time, now));
  };
  return { things, value, latest };
}

export const feature = (
  thing: FakeThing,
  property: PropertyKey,
  level: 'raw' | 'corrected',
  v: FakeValue | null,
): unknown => ({
  type: 'Feature',
  geometry: { type: 'Point', coordinates: [Math.round(thing.lon * 1e5) / 1e5, Math.round(thing.lat * 1e5) / 1e5] },
  properties: {
    id: thing.id,
    name: thing.name,
    nativeId: '',
    kind: thing.kind,
    property,
    value: v?.value ?? null,
    unit: PROPERTIES.find((p) => p.key === property)?.unit,
    level,
    flag: v?.flag ?? 9,
    reasons: v?.reasons ?? [`${property}.missing`],
    lo90: v?.lo90 ?? null,
    hi90: v?.hi90 ?? null,
    model: v?.model ?? '',
    correctionLevel: v?.correctionLevel ?? '',
    phenomenonTime: v ? formatTime(v.time) : null,
    claimed: thing.claimed,
    exposure: thing.exposure,
  },
});

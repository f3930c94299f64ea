/**
 * Made-up places whose air is known, each meant to break the correction in its own way: other climates, other sensors, few stations,
 * stations that lie, boxes that drift. The simulator's city and boxes, with another climate laid over them. A name and a seed are a world.
 */
import type { BacktestInput, ReadingTable } from '../../calibration/backtest/input.ts';
import type { Colocation, StageBox } from '../../calibration/stage.ts';
import { createBox, type BoxErrors, type SimBox } from '../../firmware-sim/box.ts';
import { createCity, moveKm, type Air, type City, type Position } from '../../firmware-sim/city.ts';
import { hash01, hashNormal, smoothNoise } from '../../firmware-sim/random.ts';
import { DAY, formatTime, HOUR } from '../../model/time.ts';

export interface World {
  readonly about: string;
  readonly boxes?: number;
  readonly stations?: number;
  /** Boxes beside stations. */
  readonly beside?: number;
  readonly days?: number;
  /** µg/m³. */
  readonly level?: number;
  readonly plumesPerDay?: number;
  /** Standard deviation of log of what sets places apart for good. */
  readonly places?: number;
  /** Mean temperature [°C] and humidity [%]. */
  readonly weather?: readonly [number, number];
  readonly centre?: Position;
  readonly radiusKm?: number;
  readonly sensor?: string;
  /** Of a box: median gain, spread of log gain, hygroscopicity. */
  readonly gain?: number;
  readonly gainSpread?: number;
  readonly kappa?: number;
  /** µg/m³ at which the sensor shows half of what it should. */
  readonly saturates?: number;
  /** Share of desert dust that the sensor sees; days with dust come and go. */
  readonly seesDust?: number;
  readonly stepMs?: number;
  readonly intervalMs?: number;
  /** What boxes without station number i suffer from. */
  readonly errors?: (i: number, seed: number) => Partial<BoxErrors>;
  readonly indoor?: (i: number) => boolean;
  /** What becomes of a reference value of station i; NaN = missing. */
  readonly reference?: (i: number, time: number, y: number, seed: number) => number;
  readonly clockMs?: number;
  /** Every so many rows twice; every second box where the one before it is. */
  readonly twice?: number;
  readonly twins?: boolean;
  /** Pairs are found by distance instead of declared. */
  readonly found?: boolean;
  /** Another place in the same network. */
  readonly also?: World;
}

const START = Date.UTC(2025, 9, 6);
const DELHI: Position = { lat: 28.61, lon: 77.21 };
const OSLO: Position = { lat: 59.91, lon: 10.75 };
const ACCRA: Position = { lat: 5.6, lon: -0.19 };
const gap = (i: number, time: number, seed: number, share: number): boolean =>
  hash01(seed ^ 0x6a, Math.floor(time / (9 * HOUR)), i) < share;

const OSLO_AIR = {
  level: 4,
  gain: 1,
  gainSpread: 0.1,
  kappa: 0.03,
  centre: OSLO,
  weather: [2, 78],
  plumesPerDay: 1,
} as const;

/** 400 km from where the other worlds are. */
const FAR: Position = moveKm({ lat: 24.147, lon: 120.674 }, 0, 400);
export const DRY = { about: 'dry', weather: [18, 38], kappa: 0.02, gain: 1.1, gainSpread: 0.12 } as const;
export const HUMID = {
  about: 'humid',
  weather: [27, 88],
  kappa: 0.12,
  gain: 1.7,
  gainSpread: 0.12,
  centre: FAR,
} as const;

export const WORLDS = {
  town: { about: 'thirty boxes, four stations, three of them with a box' },
  'two stations': { about: 'ten boxes, two stations with one box each', boxes: 12, stations: 2, beside: 2 },
  'one station': { about: 'ten boxes, one station with a box', boxes: 11, stations: 1, beside: 1 },
  'no box beside': {
    about: 'three stations, the nearest boxes a kilometre or two away',
    boxes: 24,
    stations: 3,
    beside: 0,
  },
  'no station': { about: 'nothing but the equation', boxes: 20, stations: 0, beside: 0 },
  'ten stations': {
    about: 'forty boxes, ten stations, eight with a box',
    boxes: 40,
    stations: 10,
    beside: 8,
    radiusKm: 15,
  },
  'unlike boxes': { about: 'gains of boxes spread by 35 %', gainSpread: 0.35 },
  'unlike places': { about: 'places spread by 30 %', places: 0.3 },
  Delhi: {
    about: 'SDS011 in dirty air',
    boxes: 16,
    stations: 3,
    beside: 2,
    level: 130,
    centre: DELHI,
    sensor: 'SDS011',
    gain: 0.75,
    gainSpread: 0.2,
    kappa: 0.08,
    weather: [18, 68],
    plumesPerDay: 6,
  },
  'Delhi, raw nearly right': {
    about: 'SDS011 whose raw values are about right',
    boxes: 16,
    stations: 3,
    beside: 2,
    level: 130,
    centre: DELHI,
    sensor: 'SDS011',
    gain: 0.95,
    gainSpread: 0.1,
    kappa: 0.05,
    weather: [18, 60],
    plumesPerDay: 6,
  },
  'Delhi, Plantower': {
    about: '300 µg/m³ and a sensor that gives way',
    boxes: 16,
    stations: 3,
    beside: 2,
    level: 300,
    centre: DELHI,
    gain: 1.7,
    saturates: 900,
    weather: [16, 75],
    plumesPerDay: 6,
  },
  Oslo: {
    about: '5 µg/m³, raw values about right',
    ...OSLO_AIR,
  },
  'Oslo, one station': {
    about: 'the same with one box beside the one station',
    boxes: 12,
    stations: 1,
    beside: 1,
    ...OSLO_AIR,
  },
  Accra: { about: 'humid tropics', level: 25, kappa: 0.1, centre: ACCRA, weather: [27, 90], plumesPerDay: 3 },
  dust: {
    about: 'desert dust that the sensor hardly sees',
    level: 25,
    centre: ACCRA,
    weather: [30, 45],
    seesDust: 0.25,
  },
  'unknown sensor': {
    about: 'a name nobody has heard, twice too high and ten above',
    sensor: 'XYZ-9000',
    gain: 2.2,
    errors: () => ({ offset: 10 }),
  },
  'no sensor name': { about: 'the field is empty', sensor: '', gain: 1.1, gainSpread: 0.12, kappa: 0.04 },
  drift: { about: 'boxes without station lose 1 % a day', days: 40, errors: () => ({ driftPerDay: -0.01 }) },
  indoor: {
    about: 'every third box hangs indoors, nobody said so',
    boxes: 36,
    stations: 4,
    beside: 1,
    indoor: (i) => i % 3 === 2,
  },
  liar: { about: 'one of four stations shows twice and a half', reference: (i, _t, y) => (i === 0 ? 2.5 * y : y) },
  'liar of three': {
    about: 'one of three stations shows 40 %',
    boxes: 20,
    stations: 3,
    beside: 3,
    reference: (i, _t, y) => (i === 0 ? 0.4 * y : y),
  },
  'three days': { about: 'a tiny set', days: 3 },
  'dirty reference': {
    about: 'gaps, error codes, some of them averaged in, zeros',
    reference: (i, t, y, seed) => {
      const u = hash01(seed ^ 0x6b, t / HOUR, i);
      return gap(i, t, seed, 0.25) ? NaN : u < 0.01 ? -999 : u < 0.02 ? 985 : u < 0.03 ? y - 200 : u < 0.04 ? 0 : y;
    },
  },
  'wrong clock': { about: 'the reference is eight hours off (another zone)', clockMs: 8 * HOUR },
  minutes: {
    about: 'a reading every five minutes',
    boxes: 14,
    stations: 3,
    beside: 2,
    days: 12,
    intervalMs: 5 * 60_000,
  },
  daily: { about: 'daily means', days: 150, stepMs: DAY, intervalMs: DAY },
  twins: { about: 'two boxes on each place, every seventh row twice', twins: true, twice: 7 },
  'two climates': { ...DRY, boxes: 20, also: { ...HUMID, boxes: 20 } },
  'two climates, one station there': {
    ...DRY,
    boxes: 20,
    also: { ...HUMID, boxes: 12, stations: 1, beside: 1 },
  },
  'two climates, no station there': { ...DRY, boxes: 20, also: { ...HUMID, boxes: 12, stations: 0, beside: 0 } },
  'two places of one climate': { about: 'the same air twice', boxes: 20, also: { about: '', boxes: 20, centre: FAR } },
  'found pairs': { about: 'pairs found by distance', found: true },
} as const satisfies Record<string, World>;

export type WorldName = keyof typeof WORLDS;

interface Judged {
  readonly box: string;
  readonly time: number;
  /** What a reference monitor at the box would show. */
  readonly y: number;
}

export interface MadeWorld {
  readonly input: BacktestInput;
  readonly stepMs: number;
  /** By row of the input. */
  readonly truth: readonly Judged[];
  /** Boxes beside a station. */
  readonly beside: ReadonlySet<string>;
  /** Boxes of which the air outside is not to be expected. */
  readonly indoor: ReadonlySet<string>;
  readonly judgeFrom: number;
}

/** Smooth over a kilometre or two, variance 1: what sets places apart for good. */
function placeNoise(seed: number, centre: Position): (p: Position) => number {
  const waves = Array.from({ length: 24 }, (_, k) => ({
    east: 0.9 * hashNormal(seed ^ 0x55, k, 1),
    north: 0.9 * hashNormal(seed ^ 0x55, k, 2),
    phase: 2 * Math.PI * hash01(seed ^ 0x55, k, 3),
  }));
  return (p) => {
    const north = 111.2 * (p.lat - centre.lat);
    const east = 111.2 * (p.lon - centre.lon) * Math.cos((centre.lat * Math.PI) / 180);
    return (
      Math.sqrt(2 / waves.length) * waves.reduce((s, w) => s + Math.cos(w.east * east + w.north * north + w.phase), 0)
    );
  };
}

export function makeWorld(world: World, seed: number): MadeWorld {
  if (!world.also) return makePlace(world, seed);
  const { also, ...here } = world;
  return together(makePlace(here, seed), makeWorld(also, seed + 1000));
}

/** Two places as one network; names of the second begin with `z`. */
function together(a: MadeWorld, b: MadeWorld): MadeWorld {
  const z = (id: string): string => `z${id}`;
  const of = b.input;
  const [r, q] = [a.input.readings, of.readings];
  const column = (key: 'time' | 'pm25' | 'pm10' | 'pm1' | 'temperature' | 'humidity'): number[] => [
    ...r[key],
    ...q[key],
  ];
  const numbered = <T extends { readonly id: string }>(
    list: readonly T[],
    more: readonly T[],
  ): (T & { num: number })[] =>
    [...list, ...more.map((v) => ({ ...v, id: z(v.id) }))].map((v, i) => ({ ...v, num: i + 1 }));
  return {
    input: {
      boxes: numbered(a.input.boxes, of.boxes),
      stations: numbered(a.input.stations, of.stations),
      readings: {
        length: r.length + q.length,
        boxes: [...r.boxes, ...q.boxes.map(z)],
        box: [...r.box, ...[...q.box].map((at) => at + r.boxes.length)],
        timeText: [...r.timeText, ...q.timeText],
        pm25b: null,
        time: column('time'),
        pm25: column('pm25'),
        pm10: column('pm10'),
        pm1: column('pm1'),
        temperature: column('temperature'),
        humidity: column('humidity'),
      },
      reference: [...a.input.reference, ...of.reference.map((v) => ({ ...v, station: z(v.station) }))],
      colocations: [
        ...(a.input.colocations ?? []),
        ...(of.colocations ?? []).map((c) => ({ ...c, box: z(c.box), station: z(c.station) })),
      ],
    },
    stepMs: a.stepMs,
    truth: [...a.truth, ...b.truth.map((t) => ({ ...t, box: z(t.box) }))],
    beside: new Set([...a.beside, ...[...b.beside].map(z)]),
    indoor: new Set([...a.indoor, ...[...b.indoor].map(z)]),
    judgeFrom: Math.max(a.judgeFrom, b.judgeFrom),
  };
}

function makePlace(world: World, seed: number): MadeWorld {
  const count = world.boxes ?? 30;
  const stationCount = world.stations ?? 4;
  const besideCount = world.beside ?? 3;
  const days = world.days ?? 20;
  const stepMs = world.stepMs ?? HOUR;
  const intervalMs = world.intervalMs ?? HOUR;
  const [temperature, humidity] = world.weather ?? [23, 74];
  const bare = createCity({
    seed,
    centre: world.centre ?? { lat: 24.147, lon: 120.674 },
    radiusKm: world.radiusKm ?? 6,
    background: world.level ?? 18,
    plumesPerDay: world.plumesPerDay ?? 3,
  });
  const scale = (world.level ?? 18) / 18;
  const noise = placeNoise(seed, bare.centre);
  const places = world.places ?? 0.12;
  const dustAt = (time: number): number =>
    world.seesDust === undefined ? 0 : 80 * Math.max(0, smoothNoise(seed ^ 0x91d, time / (2.5 * DAY)) - 0.3);
  const city: City = {
    ...bare,
    at(where, time): Air {
      const air = bare.at(where, time);
      const pm25 = (1 + (air.pm25 - 1) * Math.min(1, scale + 0.2)) * Math.exp(places * noise(where));
      return {
        pm1: 0.68 * pm25,
        pm25,
        pm10: 1.4 * pm25,
        temperature: temperature + (air.temperature - 23),
        humidity: Math.min(96, Math.max(12, humidity + (air.humidity - 74))),
      };
    },
  };
  const stations = Array.from({ length: stationCount }, (_, i) => ({ id: `s${i}`, ...bare.place(i, 0xb1) }));
  const boxes: SimBox[] = [];
  for (let i = 0; i < count; i++) {
    const at = stations[i];
    const beside = i < besideCount && at !== undefined;
    const before = boxes[i - 1];
    boxes.push(
      createBox(city, {
        id: `b${String(i).padStart(2, '0')}`,
        index: i,
        place: beside ? moveKm(at, 0.01, 0.005) : world.twins && i % 2 === 1 && before ? before : bare.place(i, 0xb2),
        errors: {
          gain: (world.gain ?? 1.45) * Math.exp((world.gainSpread ?? 0.15) * hashNormal(seed, i, 0x21)),
          offset: 0.8 * hashNormal(seed, i, 0x22),
          kappa: (world.kappa ?? 0.06) * (0.8 + 0.4 * hash01(seed, i, 0x23)),
          ...(beside ? {} : world.errors?.(i, seed)),
          ...(world.sensor === 'XYZ-9000' ? world.errors?.(i, seed) : {}),
        },
        fault: !beside && world.indoor?.(i) ? 'indoor' : null,
        installed: START,
      }),
    );
  }
  const mean = (of: (time: number) => number, from: number, span: number): number => {
    const n = span >= DAY ? 8 : span >= HOUR ? 4 : 1;
    let sum = 0;
    for (let k = 0; k < n; k++) sum += of(from + ((k + 0.5) * span) / n);
    return sum / n;
  };
  const truthAt = (p: Position, time: number, index: number): number =>
    mean((t) => city.at(p, t).pm25 + dustAt(t), time, stepMs) +
    1.2 * hashNormal(seed ^ 0x77, Math.floor(time / HOUR), index);
  const reference = stations
    .flatMap((s, i) =>
      Array.from({ length: Math.floor((days * DAY) / stepMs) }, (_, k) => {
        const time = START + k * stepMs;
        const y = truthAt(s, time, 1000 + i);
        return {
          station: s.id,
          time: time - (world.clockMs ?? 0),
          pm25: world.reference ? world.reference(i, time, y, seed) : y,
        };
      }),
    )
    .filter((r) => !Number.isNaN(r.pm25));
  const rows: { box: number; time: number; pm25: number; temperature: number; humidity: number; y: number }[] = [];
  const known = new Map<string, number>();
  for (let time = START; time < START + days * DAY; time += intervalMs) {
    for (const [i, box] of boxes.entries()) {
      const seen = { pm25: 0, temperature: 0, humidity: 0 };
      const n = intervalMs >= DAY ? 8 : intervalMs >= HOUR ? 4 : 1;
      for (let k = 0; k < n; k++) {
        const m = box.measure(time + Math.floor((k * intervalMs) / n));
        const dust = (world.seesDust ?? 0) * dustAt(m.trueTime) * box.errors.gain;
        const x = m.pm25 + dust;
        seen.pm25 += (world.saturates ? x / (1 + x / world.saturates) : x) / n;
        seen.temperature += m.temperature / n;
        seen.humidity += m.humidity / n;
      }
      const step = Math.floor((time - START) / stepMs) * stepMs + START;
      const key = `${i} ${step}`;
      let y = known.get(key);
      if (y === undefined) known.set(key, (y = truthAt(box, step, i)));
      rows.push({ box: i, time, ...seen, y });
      if (world.twice && rows.length % world.twice === 0)
        rows.push({ ...(rows.at(-1) as (typeof rows)[number]), pm25: 1 });
    }
  }
  const ids = boxes.map((b) => b.id);
  const column = (of: (r: (typeof rows)[number]) => number): number[] => rows.map((r) => Math.round(10 * of(r)) / 10);
  const readings: ReadingTable = {
    length: rows.length,
    boxes: ids,
    box: rows.map((r) => r.box),
    time: rows.map((r) => r.time),
    timeText: rows.map((r) => formatTime(r.time)),
    pm25: column((r) => r.pm25),
    pm25b: null,
    pm10: rows.map(() => NaN),
    pm1: rows.map(() => NaN),
    temperature: column((r) => r.temperature),
    humidity: column((r) => r.humidity),
  };
  const pairs: Colocation[] = Array.from({ length: Math.min(besideCount, stationCount) }, (_, i) => ({
    box: ids[i] as string,
    station: `s${i}`,
  }));
  return {
    input: {
      boxes: boxes.map((b, i): StageBox => ({
        id: b.id,
        num: i + 1,
        lat: b.lat,
        lon: b.lon,
        sensor: world.sensor ?? 'PMS5003',
        field: '',
        trusted: true,
        exposure: 'unknown',
      })),
      stations: stations.map((s, i) => ({ ...s, num: i + 1 })),
      readings,
      reference,
      colocations: world.found ? null : pairs,
    },
    stepMs,
    truth: rows.map((r) => ({ box: ids[r.box] as string, time: r.time, y: r.y })),
    beside: new Set(pairs.map((p) => p.box)),
    indoor: new Set(boxes.filter((b) => b.fault === 'indoor').map((b) => b.id)),
    judgeFrom: START + Math.min(7, days / 2) * (stepMs === DAY ? 4 : 1) * DAY,
  };
}

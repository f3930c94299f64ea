/**
 * The fault bench for PM2.5 quality control: clean-ish boxes of four Taiwan cities (March 2017, hourly), 2 % of the readings falsified by a
 * fixed recipe (README of the data set, baseline 2), judged hour by hour.
 */
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const SET = new URL('../../shared/data/taiwan_airbox_2017_03/canonical/', import.meta.url);
export const FAULT_SET = 'shared/data/taiwan_airbox_2017_03';
export const hasFaultSet = (): boolean => existsSync(SET);

export interface BenchBox {
  readonly id: string;
  readonly lat: number;
  readonly lon: number;
  /** One value an hour. */
  readonly values: readonly number[];
}

/** Equirectangular distance with the cosine of the mean latitude [km], as the recipe says. */
export function flatKm(a: { lat: number; lon: number }, b: { lat: number; lon: number }): number {
  const rad = Math.PI / 180;
  const x = (a.lon - b.lon) * rad * Math.cos(((a.lat + b.lat) / 2) * rad);
  return 6371 * Math.hypot(x, (a.lat - b.lat) * rad);
}

export function median(values: readonly number[]): number {
  const s = values.toSorted((a, b) => a - b);
  const n = s.length;
  return n === 0 ? Number.NaN : n % 2 ? (s[n >> 1] as number) : ((s[n / 2 - 1] as number) + (s[n / 2] as number)) / 2;
}

function correlation(x: readonly number[], y: readonly number[]): number {
  const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
  const [mx, my] = [mean(x), mean(y)];
  let sxy = 0;
  let sxx = 0;
  let syy = 0;
  for (const [i, xi] of x.entries()) {
    const yi = y[i] as number;
    sxy += (xi - mx) * (yi - my);
    sxx += (xi - mx) ** 2;
    syy += (yi - my) ** 2;
  }
  return sxy / Math.sqrt(sxx * syy);
}

const CITIES: Record<string, [number, number, number]> = {
  Taipei: [25.04, 121.53, 10],
  Taichung: [24.16, 120.67, 8],
  Kaohsiung: [22.63, 120.31, 10],
  Tainan: [23.0, 120.21, 8],
};

export interface FaultSet {
  readonly times: readonly number[];
  /** All boxes of the recipe's step 1. */
  readonly boxes: readonly BenchBox[];
  readonly cities: Record<string, BenchBox[]>;
  /** Towns outside the four cities, where parameters were chosen. */
  readonly towns: BenchBox[][];
}

export function loadFaultSet(): FaultSet {
  const byId = new Map<string, { id: string; lat: number; lon: number; values: number[] }>();
  for (const line of readFileSync(new URL('boxes.csv', SET), 'utf8').trim().split('\n').slice(1)) {
    const [id = '', lat, lon] = line.split(',');
    byId.set(id, { id, lat: Number(lat), lon: Number(lon), values: [] });
  }
  const times = new Set<string>();
  const text = gunzipSync(readFileSync(new URL('readings.csv.gz', SET))).toString();
  for (const line of text.trim().split('\n').slice(1)) {
    const [id = '', time = '', x] = line.split(',');
    byId.get(id)?.values.push(Number(x));
    times.add(time);
  }
  const taiwan = [...byId.values()].filter((b) => b.lat > 21.8 && b.lat < 25.4 && b.lon > 119.2 && b.lon < 122.1);
  const spot = (b: BenchBox): string => `${b.lat},${b.lon}`;
  const shared = new Map<string, number>();
  for (const b of taiwan) shared.set(spot(b), (shared.get(spot(b)) ?? 0) + 1);
  const placed = taiwan.filter((b) => (shared.get(spot(b)) as number) < 38);
  const boxes = placed.filter((b) => {
    const near = placed
      .filter((o) => o !== b)
      .map((o) => ({ o, km: flatKm(b, o) }))
      .sort((p, q) => p.km - q.km)
      .slice(0, 8);
    const around = b.values.map((_, h) => median(near.map((n) => n.o.values[h] as number)));
    return correlation(b.values, around) >= 0.6;
  });
  const cities: Record<string, BenchBox[]> = {};
  for (const [name, [lat, lon, km]] of Object.entries(CITIES))
    cities[name] = boxes.filter((b) => flatKm(b, { lat, lon }) < km);
  const inCity = new Set(Object.values(cities).flat());
  let rest: BenchBox[] = boxes.filter((b) => !inCity.has(b));
  const towns: BenchBox[][] = [];
  for (;;) {
    let best: BenchBox[] = [];
    for (const b of rest) {
      const group = rest.filter((o) => flatKm(b, o) < 10);
      if (group.length > best.length) best = group;
    }
    if (best.length < 10) break;
    towns.push(best);
    const taken = new Set(best);
    rest = rest.filter((b) => !taken.has(b));
  }
  return { times: [...times].map((t) => Date.parse(t)), boxes, cities, towns };
}

export const FAULTS = ['x2', 'x3', 'x0.5', 'x0.3', '+30', 'x1.5'] as const;

/** One reading of the bench; null = left out (pm25 ≤ 0). `fault` −1 = as it was. */
export interface Injected {
  readonly value: number;
  readonly fault: number;
}
/** rows[hour][box]. */
export type Rows = (Injected | null)[][];

export function inject(boxes: readonly BenchBox[], seed = 7, share = 0.02): Rows {
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const hours = boxes[0]?.values.length ?? 0;
  const rows: Rows = [];
  for (let h = 0; h < hours; h++)
    rows.push(
      boxes.map((b) => {
        const x = b.values[h] as number;
        if (!(x > 0)) return null;
        if (random() >= share) return { value: x, fault: -1 };
        const fault = Math.floor(random() * 6);
        return { value: [x * 2, x * 3, x * 0.5, x * 0.3, x + 30, x * 1.5][fault] as number, fault };
      }),
    );
  return rows;
}

/** flagged[hour][box]; null = untested. */
export type Verdicts = (boolean | null)[][];
export type Detector = (boxes: readonly BenchBox[], rows: Rows, times: readonly number[]) => Verdicts;

export interface Score {
  tp: number;
  fp: number;
  fn: number;
  tn: number;
  untested: number;
  /** Per fault: found, all. */
  byFault: [number, number][];
}

export function score(rows: Rows, verdicts: Verdicts): Score {
  const s: Score = { tp: 0, fp: 0, fn: 0, tn: 0, untested: 0, byFault: FAULTS.map(() => [0, 0]) };
  for (const [h, row] of rows.entries())
    for (const [i, x] of row.entries()) {
      if (!x) continue;
      const flagged = verdicts[h]?.[i] ?? null;
      if (flagged === null) {
        s.untested++;
        continue;
      }
      if (x.fault >= 0) {
        const f = s.byFault[x.fault] as [number, number];
        f[1]++;
        if (flagged) f[0]++;
      }
      if (flagged && x.fault >= 0) s.tp++;
      else if (flagged) s.fp++;
      else if (x.fault >= 0) s.fn++;
      else s.tn++;
    }
  return s;
}

export function pool(scores: readonly Score[]): Score {
  const sum: Score = { tp: 0, fp: 0, fn: 0, tn: 0, untested: 0, byFault: FAULTS.map(() => [0, 0]) };
  for (const s of scores) {
    for (const key of ['tp', 'fp', 'fn', 'tn', 'untested'] as const) sum[key] += s[key];
    for (const [i, f] of s.byFault.entries()) {
      const total = sum.byFault[i] as [number, number];
      total[0] += f[0];
      total[1] += f[1];
    }
  }
  return sum;
}

export function rates(s: Score): { precision: number; recall: number; f1: number; fpr: number } {
  const precision = s.tp / Math.max(1, s.tp + s.fp);
  const recall = s.tp / Math.max(1, s.tp + s.fn);
  return {
    precision,
    recall,
    f1: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall),
    fpr: s.fp / Math.max(1, s.fp + s.tn),
  };
}

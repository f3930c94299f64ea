/** The shared data sets as inputs of a backtest, and the pairs of reading and reference by the rules of their README. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readInput, type BacktestInput } from '../../calibration/backtest/input.ts';
import type { BacktestOutput } from '../../calibration/backtest/run.ts';

const ROOT = fileURLToPath(new URL('../../../shared/data/', import.meta.url));
export const folder = (set: string): string => `${ROOT}${set}/canonical/`;
export const hasSet = (set: string): boolean => existsSync(folder(set));

export function loadSet(set: string): Promise<BacktestInput> {
  const at = folder(set);
  const either = (name: string): string => (existsSync(`${at}${name}.gz`) ? `${at}${name}.gz` : `${at}${name}`);
  const reference = existsSync(`${at}reference.csv`);
  return readInput({
    boxes: `${at}boxes.csv`,
    readings: either('readings.csv'),
    ...(reference ? { stations: `${at}stations.csv`, reference: `${at}reference.csv` } : {}),
    ...(existsSync(`${at}colocation.csv`) ? { colocation: `${at}colocation.csv` } : {}),
  });
}

/** Lines of an extra file of a set, without the header. */
export const extraLines = (set: string, name: string): string[] =>
  readFileSync(`${folder(set)}${name}`, 'utf8')
    .trim()
    .split('\n')
    .slice(1);

/** One step of one box beside a reference. */
export interface Pair {
  readonly box: string;
  readonly time: number;
  readonly y: number;
  readonly x: number;
  readonly rh: number;
  readonly temp: number;
  /** Mean of the corrected rows of the step, NaN when none was given. */
  readonly corrected: number;
  readonly intervals: readonly (readonly [number, number])[];
}

export interface PairRules {
  readonly stepMs: number;
  /** True time of the reference = label + this. */
  readonly shiftMs?: number;
  /** Rows a step needs. */
  readonly rows?: number;
  readonly dual?: boolean;
}

/** `out` null = only what the baselines need. Filter of the data README: 0 ≤ pm < 1500, 0 < RH ≤ 100, −40 < T < 80, −900 < ref < 1000. */
export function pairsOf(input: BacktestInput, out: BacktestOutput | null, rules: PairRules): Pair[] {
  const { readings: r } = input;
  const station = new Map((input.colocations ?? []).map((c) => [c.box, c.station]));
  const reference = new Map<string, number>();
  for (const row of input.reference) {
    const key = `${row.station} ${row.time + (rules.shiftMs ?? 0)}`;
    if (!reference.has(key)) reference.set(key, row.pm25);
  }
  interface Sum {
    box: string;
    time: number;
    n: number;
    x: number;
    rh: number;
    temp: number;
    corrected: number;
    intervals: [number, number][];
    ok: boolean;
  }
  const sums = new Map<string, Sum>();
  for (let i = 0; i < r.length; i++) {
    const box = r.boxes[r.box[i] as number] as string;
    const time = Math.floor((r.time[i] as number) / rules.stepMs) * rules.stepMs;
    const key = `${box} ${time}`;
    let s = sums.get(key);
    if (!s) sums.set(key, (s = { box, time, n: 0, x: 0, rh: 0, temp: 0, corrected: 0, intervals: [], ok: true }));
    else if ((rules.rows ?? 1) === 1) continue; // the first row counts
    const x = rules.dual && r.pm25b ? ((r.pm25[i] as number) + (r.pm25b[i] as number)) / 2 : (r.pm25[i] as number);
    const rh = r.humidity[i] as number;
    const temp = r.temperature[i] as number;
    if (!(x >= 0 && x < 1500 && rh > 0 && rh <= 100 && temp > -40 && temp < 80)) s.ok = false;
    s.n++;
    s.x += x;
    s.rh += rh;
    s.temp += temp;
    const c = out?.corrected[i] ?? NaN;
    if (!Number.isNaN(c)) {
      s.corrected += c;
      s.intervals.push([out?.lo90[i] as number, out?.hi90[i] as number]);
    }
  }
  const pairs: Pair[] = [];
  for (const s of sums.values()) {
    const y = reference.get(`${station.get(s.box)} ${s.time}`);
    if (y === undefined || !(y > -900 && y < 1000) || !s.ok || s.n < (rules.rows ?? 1)) continue;
    pairs.push({
      box: s.box,
      time: s.time,
      y,
      x: s.x / s.n,
      rh: s.rh / s.n,
      temp: s.temp / s.n,
      corrected: s.intervals.length === 0 ? NaN : s.corrected / s.intervals.length,
      intervals: s.intervals,
    });
  }
  return pairs.sort((a, b) => (a.box === b.box ? a.time - b.time : a.box < b.box ? -1 : 1));
}

/** First floor(share·n) pairs of each box, and the rest. */
export function splitByBox(pairs: readonly Pair[], share: number): { fit: Pair[]; test: Pair[] } {
  const fit: Pair[] = [];
  const test: Pair[] = [];
  for (const [, list] of Map.groupBy(pairs, (p) => p.box)) {
    const cut = Math.floor(share * list.length);
    fit.push(...list.slice(0, cut));
    test.push(...list.slice(cut));
  }
  return { fit, test };
}

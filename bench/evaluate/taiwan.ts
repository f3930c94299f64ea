/**
 * Left-out EPA stations in the two national snapshots (README of taiwan_scmpm_snapshots): PM2.5 at a station from the corrected boxes
 * within 3 km, its own reference taken away. References are labelled by the end of their hour: they are moved one hour earlier, each
 * reading is also placed in that hour, and the lag is 0.
 */
import type { BacktestInput, ReadingTable } from '../../calibration/backtest/input.ts';
import { runBacktest } from '../../calibration/backtest/run.ts';
import { HOUR } from '../../model/time.ts';
import { flatKm, median } from '../qc_faults.ts';
import { type Neighbour, pairSpread } from './performance.ts';
import { extraLines } from './sets.ts';

const SET = 'taiwan_scmpm_snapshots';
const FIRST_ROWS = 3088;
const NOON = Date.parse('2020-05-23T12:00:00Z');

interface Spot {
  readonly row: number;
  readonly lat: number;
  readonly lon: number;
  readonly x: number;
}

const inTaiwan = (p: { lat: number | null; lon: number | null }): p is { lat: number; lon: number } =>
  p.lat !== null && p.lon !== null && p.lat > 21.5 && p.lat < 25.5 && p.lon > 119.9 && p.lon < 122.1;

export interface SnapshotResult {
  readonly stations: number;
  readonly median: number;
  readonly single: number;
  readonly lassMedian: number;
  readonly lassSingle: number;
  readonly rawMedian: number;
  readonly coverage: number;
  /** By how much screened boxes less than 1 km apart differ, raw and corrected with every station [%]; and how many pairs there are. */
  readonly rawPairs: number;
  readonly correctedPairs: number;
  readonly pairs: number;
}

const rms = (errors: readonly number[]): number => Math.sqrt(errors.reduce((s, e) => s + e * e, 0) / errors.length);

export function snapshot(
  input: BacktestInput,
  day: 0 | 1,
  onStation: (share: number) => void = () => {},
): SnapshotResult {
  const { readings: all } = input;
  const rows = Array.from({ length: all.length }, (_, i) => i).filter((i) => i < FIRST_ROWS === (day === 0));
  const reference = input.reference
    .filter((r) => r.time < NOON === (day === 0))
    .map((r) => ({ ...r, time: r.time - HOUR }));
  const hour = (reference[0] as { time: number }).time;
  const take = (column: readonly number[]): number[] => [...rows, ...rows].map((i) => column[i] as number);
  const time = [...rows.map((i) => hour + ((all.time[i] as number) % HOUR)), ...rows.map((i) => all.time[i] as number)];
  const readings: ReadingTable = {
    ...all,
    length: time.length,
    box: take(all.box),
    time,
    timeText: time.map(String),
    pm25: take(all.pm25),
    pm25b: null,
    pm10: take(all.pm10),
    pm1: take(all.pm1),
    temperature: take(all.temperature),
    humidity: take(all.humidity),
  };
  const places = new Map(input.boxes.map((b) => [b.id, b]));
  const boxes: Spot[] = rows.flatMap((i, at) => {
    const b = places.get(all.boxes[all.box[i] as number] as string);
    const x = all.pm25[i] as number;
    return b && inTaiwan(b) && !Number.isNaN(x) ? [{ row: rows.length + at, lat: b.lat, lon: b.lon, x }] : [];
  });
  const kept = screen(boxes);
  const cd0 = extraLines(SET, 'lass_cd0.csv').map((line) => Number(line.split(',')[2] || NaN));
  const lass = (s: Spot): number => cd0[rows[s.row - rows.length] as number] as number;

  const errors = {
    median: [] as number[],
    single: [] as number[],
    lassM: [] as number[],
    lassS: [] as number[],
    raw: [] as number[],
  };
  let hits = 0;
  let intervals = 0;
  const stations = new Map(input.stations.map((s) => [s.id, s]));
  const targets = reference.flatMap((r) => {
    const station = stations.get(r.station);
    if (!station || !inTaiwan(station)) return [];
    const near = kept
      .map((b) => ({ b, km: flatKm(b, station) }))
      .filter((v) => v.km < 3)
      .sort((a, b) => a.km - b.km)
      .map((v) => v.b);
    const judged = boxes.some((b) => b.x > 0 && !Number.isNaN(lass(b)) && flatKm(b, station) < 3);
    return near.length >= 2 && judged ? [{ name: r.station, y: r.pm25, near }] : [];
  });
  for (const [done, target] of targets.entries()) {
    onStation(done / targets.length);
    const out = runBacktest(
      { ...input, readings, reference: reference.filter((r) => r.station !== target.name) },
      { stepMs: HOUR, lagMs: 0, fitUntil: null },
    );
    const answered = target.near.filter((b) => !Number.isNaN(out.corrected[b.row] as number));
    const first = answered[0];
    if (first) {
      errors.median.push(median(answered.slice(0, 15).map((b) => out.corrected[b.row] as number)) - target.y);
      errors.single.push((out.corrected[first.row] as number) - target.y);
    }
    errors.raw.push(median(target.near.slice(0, 15).map((b) => b.x)) - target.y);
    const peers = target.near.filter((b) => !Number.isNaN(lass(b)));
    if (peers.length >= 2) {
      errors.lassM.push(median(peers.slice(0, 15).map(lass)) - target.y);
      errors.lassS.push(lass(peers[0] as Spot) - target.y);
    }
    for (const b of answered) {
      intervals++;
      if (target.y >= (out.lo90[b.row] as number) && target.y <= (out.hi90[b.row] as number)) hits++;
    }
  }
  const whole = runBacktest({ ...input, readings, reference }, { stepMs: HOUR, lagMs: 0, fitUntil: null });
  const answered = kept.filter((b) => !Number.isNaN(whole.corrected[b.row] as number));
  const spread = (value: (s: Spot) => number): { percent: number; pairs: number } =>
    pairSpread(
      answered.map((s): Neighbour => ({ lat: s.lat, lon: s.lon, value: value(s) })),
      flatKm,
    );
  const corrected = spread((s) => whole.corrected[s.row] as number);
  return {
    stations: targets.length,
    median: rms(errors.median),
    single: rms(errors.single),
    lassMedian: rms(errors.lassM),
    lassSingle: rms(errors.lassS),
    rawMedian: rms(errors.raw),
    coverage: (100 * hits) / intervals,
    rawPairs: spread((s) => s.x).percent,
    correctedPairs: corrected.percent,
    pairs: corrected.pairs,
  };
}

/** Step 2 of the recipe: boxes that agree with those within 5 km. */
function screen(boxes: readonly Spot[]): Spot[] {
  const alive = boxes.filter((b) => b.x > 0 && b.x < 500);
  return alive.filter((b) => {
    const logs = alive
      .filter((o) => o !== b && Math.abs(o.lat - b.lat) < 0.05 && Math.abs(o.lon - b.lon) < 0.05 && flatKm(o, b) < 5)
      .map((o) => Math.log(o.x + 3));
    if (logs.length < 4) return true;
    const m = median(logs);
    const s = Math.max(0.15, 1.4826 * median(logs.map((l) => Math.abs(l - m))));
    return Math.abs(Math.log(b.x + 3) - m) / s < 3.5;
  });
}

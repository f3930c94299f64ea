/**
 * Recorded readings through the live stage in time order: the row of time t is the live answer at t (design §8).
 *
 * All rows of one time are one slice, in the order of box names, so the order in the file changes nothing. A reference row
 * reaches the stage when `time + step + lag` has come, never before.
 */
import { FLAG, reason, reasonStrings } from '../../model/flags.ts';
import type { CorrectedReading, RawReading, RawValue } from '../../model/observation.ts';
import type { EpochMs } from '../../model/time.ts';
import { createStage } from '../create.ts';
import type { CorrectionSettings } from '../correction/settings.ts';
import { mergedPm25 } from '../qc/draft.ts';
import type { ReferenceValue, StageBox } from '../stage.ts';
import type { BacktestInput } from './input.ts';

export interface BacktestOptions {
  /** Averaging interval of the reference [ms]. */
  readonly stepMs: number;
  /** How long after the end of its interval a reference value is known [ms]. */
  readonly lagMs: number;
  /** Reference rows that start at or after this have no effect. */
  readonly fitUntil: EpochMs | null;
  /** Called now and then with the share done (0–1). */
  readonly onProgress?: (share: number) => void;
  readonly settings?: Partial<CorrectionSettings>;
}

/** One per input row, same order. NaN = empty. */
export interface BacktestOutput {
  readonly raw: Float64Array;
  readonly corrected: Float64Array;
  readonly lo90: Float64Array;
  readonly hi90: Float64Array;
  readonly flag: Uint8Array;
  readonly reasons: string[];
  readonly level: string[];
  readonly model: string[];
}

const DUPLICATE = reasonStrings('pm25', reason('duplicate'))[0] as string;
const OTHERS = ['pm10', 'pm1', 'temperature', 'humidity'] as const;

export function runBacktest(input: BacktestInput, options: BacktestOptions): BacktestOutput {
  const { readings } = input;
  const n = readings.length;
  const out: BacktestOutput = {
    raw: new Float64Array(n).fill(NaN),
    corrected: new Float64Array(n).fill(NaN),
    lo90: new Float64Array(n).fill(NaN),
    hi90: new Float64Array(n).fill(NaN),
    flag: new Uint8Array(n).fill(FLAG.missing),
    reasons: Array.from({ length: n }, () => ''),
    level: Array.from({ length: n }, () => ''),
    model: Array.from({ length: n }, () => ''),
  };
  const stage = createStage({
    stepMs: options.stepMs,
    lagMs: options.lagMs,
    fitUntil: options.fitUntil,
    ...(options.settings ? { settings: options.settings } : {}),
  });
  const known = new Map(input.boxes.map((b) => [b.id, b]));
  const first = firstTimes(readings);
  const boxes: StageBox[] = readings.boxes.map((id, i) => ({
    ...(known.get(id) ?? {
      id,
      num: input.boxes.length + i + 1,
      lat: null,
      lon: null,
      sensor: '',
      field: '',
      trusted: true,
      exposure: 'unknown',
    }),
    since: first[i] as number,
  }));
  const numOf = new Map(boxes.map((b) => [b.id, b.num]));
  for (const station of [...input.stations].sort((a, b) => (a.id < b.id ? -1 : 1))) stage.setStation(station);
  for (const box of [...boxes].sort((a, b) => (a.id < b.id ? -1 : 1))) stage.setBox(box);
  stage.setColocations(input.colocations);

  const wait = options.stepMs + options.lagMs;
  const reference = input.reference
    .map((r, at) => ({ ...r, at }))
    .filter((r) => options.fitUntil === null || r.time < options.fitUntil)
    .sort((a, b) => a.time - b.time || (a.station < b.station ? -1 : a.station > b.station ? 1 : a.at - b.at));
  const rank = rankOf(readings.boxes);
  const order = Array.from({ length: n }, (_, i) => i).sort(
    (i, j) =>
      (readings.time[i] as number) - (readings.time[j] as number) ||
      (rank[readings.box[i] as number] as number) - (rank[readings.box[j] as number] as number) ||
      i - j,
  );

  let nextReference = 0;
  for (let from = 0; from < n;) {
    const time = readings.time[order[from] as number] as number;
    for (let next = reference[nextReference]; next && next.time + wait <= time; next = reference[nextReference]) {
      const due = next.time + wait;
      const step: ReferenceValue[] = [];
      for (let r = reference[nextReference]; r && r.time + wait === due; r = reference[nextReference]) {
        step.push(r);
        nextReference++;
      }
      stage.reference(step);
      stage.advance(due);
    }
    stage.advance(time);

    const slice: RawReading[] = [];
    const rows: number[] = [];
    let to = from;
    let last = -1;
    for (; to < n && readings.time[order[to] as number] === time; to++) {
      const row = order[to] as number;
      const box = readings.box[row] as number;
      const pm25 = readings.pm25[row] as number;
      if (box === last) {
        out.raw[row] = plainMerge(pm25, readings.pm25b?.[row] ?? NaN);
        out.flag[row] = FLAG.fail;
        out.reasons[row] = DUPLICATE;
        continue;
      }
      last = box;
      const id = readings.boxes[box] as string;
      const values: RawValue[] = [{ property: 'pm25', raw: pm25 }];
      const b = readings.pm25b?.[row] ?? NaN;
      if (!Number.isNaN(b)) values.push({ property: 'pm25_b', raw: b });
      for (const key of OTHERS) {
        const v = readings[key][row] as number;
        if (!Number.isNaN(v)) values.push({ property: key, raw: v });
      }
      slice.push({
        stage: 'raw',
        thing: id,
        thingNum: numOf.get(id) as number,
        phenomenonTime: time,
        resultTime: time,
        clock: 'box',
        seq: 0,
        values,
      });
      rows.push(row);
    }
    const checked = stage.check(slice);
    checked.forEach((reading, i) => {
      out.raw[rows[i] as number] = tidy(mergedPm25(reading));
    });
    stage.correct(checked).forEach((reading, i) => write(out, rows[i] as number, reading));
    from = to;
    if (options.onProgress) options.onProgress(from / n);
  }
  return out;
}

/** Mean of two channels without the dust of binary fractions. */
const tidy = (v: number): number => (Number.isNaN(v) ? v : Math.round(v * 1e6) / 1e6);
const plainMerge = (a: number, b: number): number => tidy(Number.isNaN(b) ? a : Number.isNaN(a) ? b : (a + b) / 2);

/** Time of each box's first row: nothing else is known of its age. */
function firstTimes({ boxes, box, time }: BacktestInput['readings']): number[] {
  const first = boxes.map(() => Infinity);
  box.forEach((at, row) => {
    first[at] = Math.min(first[at] as number, time[row] as number);
  });
  return first;
}

function rankOf(ids: readonly string[]): number[] {
  const rank: number[] = [];
  [...ids.keys()]
    .sort((i, j) => ((ids[i] as string) < (ids[j] as string) ? -1 : 1))
    .forEach((at, r) => {
      rank[at] = r;
    });
  return rank;
}

function write(out: BacktestOutput, row: number, reading: CorrectedReading): void {
  const reasons: string[] = [];
  for (const value of reading.values) {
    reasons.push(...reasonStrings(value.property, value.reasons));
    if (value.property !== 'pm25') continue;
    out.flag[row] = value.flag;
    if (value.corrected !== null) {
      out.corrected[row] = value.corrected;
      out.lo90[row] = value.lo90 as number;
      out.hi90[row] = value.hi90 as number;
    }
    out.level[row] = value.level;
    out.model[row] = value.model;
  }
  out.reasons[row] = reasons.join(';');
}

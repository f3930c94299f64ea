/** A recording that can be cut, turned and spoilt, with what the air was kept beside it. */
import type { BacktestInput, ReadingTable } from '../../calibration/backtest/input.ts';
import type { Colocation, StageBox, StageStation } from '../../calibration/stage.ts';
import { DAY, HOUR } from '../../model/time.ts';
import type { Step } from './causal.ts';

export interface Reading {
  box: string;
  time: number;
  pm25: number;
  b: number;
  rh: number;
  temp: number;
}

export interface Reference {
  station: string;
  time: number;
  y: number;
}

export interface Scene {
  boxes: StageBox[];
  stations: StageStation[];
  readings: Reading[];
  /** What the files say, with all their faults. */
  reference: Reference[];
  /** What the air was: judged by this. */
  truth: Reference[];
  /** Where the boxes stand. */
  stands: Map<string, string>;
  colocations: Colocation[] | null;
  stepMs: number;
  lagMs: number;
  fitUntil: number | null;
  /** Pairs from this time on are judged. */
  from: number;
  /** Between readings [ms]. */
  every: number;
  /** Boxes that are judged, answered without their station; null = all, with it. */
  alone: ReadonlySet<string> | null;
}

export type Change = (s: Scene) => void;

export function sceneOf(input: BacktestInput, stepMs: number, every: number, shiftMs = 0): Scene {
  const { readings: r } = input;
  const readings = Array.from({ length: r.length }, (_, i) => ({
    box: r.boxes[r.box[i] as number] as string,
    time: r.time[i] as number,
    pm25: r.pm25[i] as number,
    b: r.pm25b?.[i] ?? NaN,
    rh: r.humidity[i] as number,
    temp: r.temperature[i] as number,
  }));
  const reference = input.reference.map((v) => ({ station: v.station, time: v.time, y: v.pm25 }));
  return {
    boxes: [...input.boxes],
    stations: [...input.stations],
    readings,
    reference,
    truth: reference.map((v) => ({ ...v, time: v.time + shiftMs })),
    stands: new Map((input.colocations ?? []).map((c) => [c.box, c.station])),
    colocations: input.colocations === null ? null : [...input.colocations],
    stepMs,
    lagMs: HOUR,
    fitUntil: null,
    from: NaN,
    every,
    alone: null,
  };
}

/** A copy that may be changed. */
export const copy = (s: Scene): Scene => ({
  ...s,
  boxes: s.boxes.map((b) => ({ ...b })),
  stations: s.stations.map((b) => ({ ...b })),
  readings: s.readings.map((r) => ({ ...r })),
  reference: s.reference.map((r) => ({ ...r })),
  truth: s.truth.map((r) => ({ ...r })),
  stands: new Map(s.stands),
  colocations: s.colocations && [...s.colocations],
});

export function inputOf(s: Scene): BacktestInput {
  const boxes = [...new Set(s.readings.map((r) => r.box))];
  const at = new Map(boxes.map((b, i) => [b, i]));
  const readings: ReadingTable = {
    length: s.readings.length,
    boxes,
    box: s.readings.map((r) => at.get(r.box) as number),
    time: s.readings.map((r) => r.time),
    timeText: s.readings.map((r) => String(r.time)),
    pm25: s.readings.map((r) => r.pm25),
    pm25b: s.readings.some((r) => !Number.isNaN(r.b)) ? s.readings.map((r) => r.b) : null,
    pm10: s.readings.map(() => NaN),
    pm1: s.readings.map(() => NaN),
    temperature: s.readings.map((r) => r.temp),
    humidity: s.readings.map((r) => r.rh),
  };
  const { boxes: list, stations, colocations } = s;
  const reference = s.reference.map((r) => ({ station: r.station, time: r.time, pm25: r.y }));
  return { boxes: list, stations, colocations, reference, readings };
}

export interface JudgedStep extends Step {
  /** Rows of the step in `readings`. */
  readonly rows: number[];
}

/** The steps that have a reading without an obvious error, by the filter of the data README. */
export function stepsOf(s: Scene): JudgedStep[] {
  const by = (list: readonly Reference[]): Map<string, number> => {
    const out = new Map<string, number>();
    for (const r of list) if (!out.has(`${r.station} ${r.time}`)) out.set(`${r.station} ${r.time}`, r.y);
    return out;
  };
  const [said, was] = [by(s.reference), by(s.truth)];
  const sums = new Map<string, { box: string; time: number; rows: number[] }>();
  for (const [i, r] of s.readings.entries()) {
    const time = Math.floor(r.time / s.stepMs) * s.stepMs;
    const key = `${r.box} ${time}`;
    let sum = sums.get(key);
    if (!sum) sums.set(key, (sum = { box: r.box, time, rows: [] }));
    sum.rows.push(i);
  }
  const out: JudgedStep[] = [];
  for (const { box, time, rows } of sums.values()) {
    const mean = (of: (r: Reading) => number): number =>
      rows.reduce((t, i) => t + of(s.readings[i] as Reading), 0) / rows.length;
    const station = s.stands.get(box);
    if (station === undefined) continue;
    const x = mean((r) => (Number.isNaN(r.b) ? r.pm25 : (r.pm25 + r.b) / 2));
    const [rh, temp] = [mean((r) => r.rh), mean((r) => r.temp)];
    const [y, truth] = [said.get(`${station} ${time}`) ?? NaN, was.get(`${station} ${time}`) ?? NaN];
    if (!(x >= 0 && x < 5000) || rh <= 0 || rh > 100.5 || (Number.isNaN(y) && Number.isNaN(truth))) continue;
    if (rows.length < 0.7 * (s.stepMs / s.every)) continue;
    out.push({
      box,
      station,
      time,
      x,
      rh,
      temp,
      y: y > -100 ? y : NaN,
      truth: truth > -100 && truth < 2000 ? truth : NaN,
      rows,
    });
  }
  return out;
}

const within = (from: number, to: number) => (v: { time: number }) => v.time >= from && v.time < to;

export function cut(from: number, to: number): Change {
  return (s) => {
    s.readings = s.readings.filter(within(from, to));
    s.reference = s.reference.filter(within(from, to));
    s.truth = s.truth.filter(within(from, to));
  };
}

export const span = (s: Scene): [number, number] => {
  let [from, to] = [Infinity, -Infinity];
  for (const r of s.readings) [from, to] = [Math.min(from, r.time), Math.max(to, r.time)];
  return [Math.floor(from / DAY) * DAY, Math.ceil(to / DAY) * DAY];
};

/** Time runs backwards. */
export const reversed: Change = (s) => {
  const [from, to] = span(s);
  for (const r of s.readings) r.time = from + to - s.every * (Math.floor(r.time / s.every) + 1);
  for (const r of new Set([...s.reference, ...s.truth])) r.time = from + to - r.time - s.stepMs;
};

/** The second half comes first. */
export const swapped: Change = (s) => {
  const [from, to] = span(s);
  const half = Math.round((to - from) / 2 / DAY) * DAY;
  const turn = (t: number): number => (t < from + half ? t + (to - from - half) : t - half);
  for (const r of [...s.readings, ...new Set([...s.reference, ...s.truth])]) r.time = turn(r.time);
};

export const each =
  (change: (r: Reading, s: Scene) => void): Change =>
  (s) => {
    for (const r of s.readings) change(r, s);
  };

/** Of what the files say; the truth stays. */
export const spoil =
  (change: (r: Reference, i: number, s: Scene) => Partial<Reference> | null): Change =>
  (s) => {
    s.reference = s.reference.flatMap((r, i) => {
      const more = change(r, i, s);
      return more === null ? [] : [{ ...r, ...more }];
    });
  };

/** Of the air itself. */
export const renew =
  (change: (r: Reference, s: Scene) => Partial<Reference>): Change =>
  (s) => {
    s.reference = s.reference.map((r) => ({ ...r, ...change(r, s) }));
    s.truth = s.truth.map((r) => ({ ...r, ...change(r, s) }));
  };

export function keepBoxes(keep: (id: string, i: number) => boolean): Change {
  return (s) => {
    s.boxes = s.boxes.filter((b, i) => keep(b.id, i));
    const ids = new Set(s.boxes.map((b) => b.id));
    s.readings = s.readings.filter((r) => ids.has(r.box));
    for (const id of s.stands.keys()) if (!ids.has(id)) s.stands.delete(id);
    const at = new Set(s.stands.values());
    s.stations = s.stations.filter((t) => at.has(t.id));
    s.reference = s.reference.filter((r) => at.has(r.station));
    s.truth = s.truth.filter((r) => at.has(r.station));
    if (s.colocations) s.colocations = s.colocations.filter((c) => ids.has(c.box));
  };
}

/** These stations say nothing; boxes there are judged as without station. */
export function silence(which: (id: string, i: number) => boolean): Change {
  return (s) => {
    const quiet = new Set(s.stations.filter((t, i) => which(t.id, i)).map((t) => t.id));
    s.reference = s.reference.filter((r) => !quiet.has(r.station));
    if (s.colocations) s.colocations = s.colocations.filter((c) => !quiet.has(c.station));
    s.stations = s.stations.filter((t) => !quiet.has(t.id));
    s.alone = new Set([...s.stands].filter(([, at]) => quiet.has(at)).map(([box]) => box));
  };
}

export const means =
  (stepMs: number): Change =>
  (s) => {
    const of = (list: Reference[]): Reference[] =>
      [
        ...Map.groupBy(
          list.filter((r) => r.y > -50 && r.y < 1000),
          (r) => `${r.station} ${Math.floor(r.time / stepMs)}`,
        ).values(),
      ]
        .filter((rows) => rows.length >= (0.75 * stepMs) / s.stepMs)
        .map((rows) => ({
          station: (rows[0] as Reference).station,
          time: Math.floor((rows[0] as Reference).time / stepMs) * stepMs,
          y: rows.reduce((sum, r) => sum + r.y, 0) / rows.length,
        }));
    s.reference = of(s.reference);
    s.truth = of(s.truth);
    s.stepMs = stepMs;
  };

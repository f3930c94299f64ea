/** Observations as chart columns: gaps stay gaps, flagged readings are apart. Pure. */
import { FLAG } from '../../model/flags.ts';
import type { Observation } from './api.ts';

export interface Series {
  /** Seconds since 1970, ascending: what uPlot wants. */
  readonly time: number[];
  readonly corrected: (number | null)[];
  readonly lo: (number | null)[];
  readonly hi: (number | null)[];
  readonly raw: (number | null)[];
  /** Raw (or corrected) value of readings with flag 3 or 4. */
  readonly flagged: (number | null)[];
}

export interface Summary {
  readonly n: number;
  readonly flagged: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

/** A silence longer than this many usual steps breaks the line. */
const GAP_STEPS = 3.5;
/** What is usual is the median of so many steps on each side: a box may have been set to another interval. */
const AROUND = 5;

export function series(corrected: readonly Observation[], raw: readonly Observation[]): Series {
  const at = new Map<number, { c?: Observation; r?: Observation }>();
  for (const o of corrected) at.set(o.time, { c: o });
  for (const o of raw) {
    const both = at.get(o.time);
    if (both) both.r = o;
    else at.set(o.time, { r: o });
  }
  const times = [...at.keys()].sort((a, b) => a - b);
  const steps = times.slice(1).map((t, i) => t - (times[i] as number));
  const usualAt = (i: number): number => {
    const near = steps.slice(Math.max(0, i - AROUND), i + AROUND + 1).sort((a, b) => a - b);
    return near[near.length >> 1] ?? Infinity;
  };
  const s: Series = { time: [], corrected: [], lo: [], hi: [], raw: [], flagged: [] };
  times.forEach((t, i) => {
    const before = times[i - 1];
    const usual = usualAt(i - 1);
    if (before !== undefined && t - before > usual * GAP_STEPS) {
      s.time.push((before + usual) / 1000);
      for (const list of [s.corrected, s.lo, s.hi, s.raw, s.flagged]) list.push(null);
    }
    const { c, r } = at.get(t) as { c?: Observation; r?: Observation };
    const flag = c?.flag ?? r?.flag ?? FLAG.notEvaluated;
    const doubted = flag === FLAG.suspect || flag === FLAG.fail;
    s.time.push(t / 1000);
    s.corrected.push(c?.value ?? null);
    s.lo.push(c?.lo90 ?? null);
    s.hi.push(c?.hi90 ?? null);
    s.raw.push(flag === FLAG.fail ? null : (r?.value ?? null));
    s.flagged.push(doubted ? (r?.value ?? c?.value ?? null) : null);
  });
  return s;
}

export function summary(list: readonly Observation[]): Summary {
  const values = list.flatMap((o) => (o.value === null ? [] : [o.value]));
  return {
    n: values.length,
    flagged: list.filter((o) => o.flag === FLAG.suspect || o.flag === FLAG.fail).length,
    min: Math.min(...values),
    max: Math.max(...values),
    mean: values.reduce((a, b) => a + b, 0) / values.length,
  };
}

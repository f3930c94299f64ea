/**
 * What a box near a station showed lately, in bins of a quarter reference step: enough to pair it with reference values whose
 * clock may turn out to be wrong. Only boxes that stand near a station have one.
 */
import type { EpochMs } from '../../model/time.ts';
import { median } from './linear.ts';

export interface History {
  readonly binMs: number;
  /** Start of each bin that has readings, ascending; the other arrays run along. */
  time: number[];
  count: number[];
  /** Sums over the readings of a bin. */
  x: number[];
  rh: number[];
  rhCount: number[];
  temp: number[];
  tempCount: number[];
  /** Answer and scale given for the first reading of the bin; NaN = declined. */
  answer: number[];
  scale: number[];
  /** Median input of the neighbours at the first reading of the bin [µg/m³]; NaN = too few. */
  middle: number[];
  /** Typical distance of readings [ms], 0 = not known. */
  interval: number;
  lastReading: EpochMs;
}

export const newHistory = (binMs: number): History => ({
  binMs,
  time: [],
  count: [],
  x: [],
  rh: [],
  rhCount: [],
  temp: [],
  tempCount: [],
  answer: [],
  scale: [],
  middle: [],
  interval: 0,
  lastReading: -Infinity,
});

/** First index with time ≥ t. */
export function lowerBound(times: readonly number[], t: number): number {
  let lo = 0;
  let hi = times.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((times[mid] as number) < t) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** NaN humidity or temperature = not usable. Late readings are put in their place. */
export function record(
  h: History,
  time: EpochMs,
  x: number,
  rh: number,
  temp: number,
  answer: number,
  scale: number,
  middle = NaN,
): void {
  if (time > h.lastReading) {
    const gap = time - h.lastReading;
    // A slow minimum-like mean: long gaps say nothing about the rhythm.
    if (Number.isFinite(gap)) {
      if (h.interval === 0) h.interval = gap;
      else if (gap < 3 * h.interval) h.interval += 0.1 * (gap - h.interval);
      else h.interval *= 1.02;
    }
    h.lastReading = time;
  }
  const bin = Math.floor(time / h.binMs) * h.binMs;
  const n = h.time.length;
  let at = n - 1;
  if (n === 0 || (h.time[n - 1] as number) < bin) {
    at = n;
    insert(h, at, bin, answer, scale, middle);
  } else if ((h.time[n - 1] as number) > bin) {
    at = lowerBound(h.time, bin);
    if (h.time[at] !== bin) insert(h, at, bin, answer, scale, middle);
  }
  h.count[at] = (h.count[at] as number) + 1;
  h.x[at] = (h.x[at] as number) + x;
  if (!Number.isNaN(rh)) {
    h.rh[at] = (h.rh[at] as number) + rh;
    h.rhCount[at] = (h.rhCount[at] as number) + 1;
  }
  if (!Number.isNaN(temp)) {
    h.temp[at] = (h.temp[at] as number) + temp;
    h.tempCount[at] = (h.tempCount[at] as number) + 1;
  }
}

function insert(h: History, at: number, bin: number, answer: number, scale: number, middle: number): void {
  if (at === h.time.length) {
    h.time.push(bin);
    h.count.push(0);
    h.x.push(0);
    h.rh.push(0);
    h.rhCount.push(0);
    h.temp.push(0);
    h.tempCount.push(0);
    h.answer.push(answer);
    h.scale.push(scale);
    h.middle.push(middle);
    return;
  }
  h.time.splice(at, 0, bin);
  for (const column of [h.count, h.x, h.rh, h.rhCount, h.temp, h.tempCount]) column.splice(at, 0, 0);
  h.answer.splice(at, 0, answer);
  h.scale.splice(at, 0, scale);
  h.middle.splice(at, 0, middle);
}

export function forget(h: History, before: EpochMs): void {
  const cut = lowerBound(h.time, before);
  // In blocks, so that the arrays are not moved for every bin.
  if (cut < 96) return;
  for (const column of [h.time, h.count, h.x, h.rh, h.rhCount, h.temp, h.tempCount, h.answer, h.scale, h.middle]) {
    column.splice(0, cut);
  }
}

export interface StepMean {
  readonly x: number;
  readonly rh: number;
  readonly temp: number;
}

/**
 * Mean over [from, from + step). A reading stands for the time until the next one, so hourly means also serve reference hours
 * that begin at half past. Null when less than 3/4 of the step is covered; a box whose rhythm is not known yet, or slower than
 * the step, counts with any reading inside.
 */
export function stepMean(h: History, from: EpochMs, stepMs: number): StepMean | null {
  const cover = h.interval === 0 ? 0 : Math.min(Math.max(h.interval, h.binMs), stepMs);
  // Bins are a quarter step: rhythm slower than that is covered by its own length.
  const spread = cover > 1.5 * h.binMs ? Math.min(stepMs, Math.round(cover / h.binMs) * h.binMs) : h.binMs;
  let weight = 0;
  let x = 0;
  let rh = 0;
  let rhWeight = 0;
  let temp = 0;
  let tempWeight = 0;
  for (let i = lowerBound(h.time, from - spread + 1); i < h.time.length; i++) {
    const start = h.time[i] as number;
    if (start >= from + stepMs) break;
    let overlap = Math.min(start + spread, from + stepMs) - Math.max(start, from);
    if (h.interval === 0 || h.interval > 1.5 * stepMs) overlap = start >= from ? stepMs : 0;
    if (overlap <= 0) continue;
    const n = h.count[i] as number;
    weight += overlap;
    x += (overlap * (h.x[i] as number)) / n;
    if ((h.rhCount[i] as number) > 0) {
      rh += (overlap * (h.rh[i] as number)) / (h.rhCount[i] as number);
      rhWeight += overlap;
    }
    if ((h.tempCount[i] as number) > 0) {
      temp += (overlap * (h.temp[i] as number)) / (h.tempCount[i] as number);
      tempWeight += overlap;
    }
  }
  if (weight < 0.74 * stepMs) return null;
  return {
    x: x / weight,
    rh: rhWeight >= 0.5 * weight ? rh / rhWeight : NaN,
    temp: tempWeight >= 0.5 * weight ? temp / tempWeight : NaN,
  };
}

/**
 * What was answered to one reading of a step, and its scale, of another part of the step from step to step: each reading has an interval of its
 * own, and midnights are not days. Null when nothing was answered.
 */
export function answerIn(h: History, from: EpochMs, stepMs: number): { y: number; scale: number } | null {
  const given: number[] = [];
  for (let i = lowerBound(h.time, from); i < h.time.length && (h.time[i] as number) < from + stepMs; i++)
    if (!Number.isNaN(h.answer[i])) given.push(i);
  const at = given[Math.floor(from / stepMs) % given.length];
  return at === undefined ? null : { y: h.answer[at] as number, scale: h.scale[at] as number };
}

/** The middle of what several boxes showed, from four on without those far from the others. */
export function middleOf(means: readonly StepMean[]): StepMean {
  const logs = means.map((k) => Math.log(k.x + 3));
  const mid = median(logs);
  const mad = Math.max(0.15, 1.4826 * median(logs.map((l) => Math.abs(l - mid))));
  const kept = means.length < 4 ? means : means.filter((_, i) => Math.abs((logs[i] as number) - mid) < 3.5 * mad);
  const of = (v: number[]): number => {
    const given = v.filter((z) => !Number.isNaN(z));
    return given.length === 0 ? NaN : median(given);
  };
  return { x: median(kept.map((k) => k.x)), rh: of(kept.map((k) => k.rh)), temp: of(kept.map((k) => k.temp)) };
}

/** Mean of what the neighbours' middle was in a step; NaN = not known. */
export function stepMiddle(h: History, from: EpochMs, stepMs: number): number {
  let sum = 0;
  let n = 0;
  for (let i = lowerBound(h.time, from); i < h.time.length && (h.time[i] as number) < from + stepMs; i++) {
    const middle = h.middle[i] as number;
    if (Number.isNaN(middle)) continue;
    sum += middle;
    n++;
  }
  return n === 0 ? NaN : sum / n;
}

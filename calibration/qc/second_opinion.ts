/**
 * A second opinion on a drift that the nights of a box tell of (nightly.ts): Kolmogorov and Smirnov's two-sample test, log-ratios to the
 * neighbours at all hours of the last week against those of the first nights. Alone it cries wolf; what the nights suspect it confirms where
 * it is true and mostly not where it is false (docs/methods.md). Counts in eight bins each, 36 bytes a box.
 */
const BINS = 8;
/** Width of a bin [log]. */
const WIDTH = 0.12;
/** What is left of the counts of the last days after another night, and how many days they stand for. */
const KEEP = 6 / 7;
const RECENT_DAYS = 7;
/** Neighbouring hours are alike: half a day counts as one. */
const PER_DAY = 2;
/** Two-sided, p < 0.01: D > 1.63·√((n + m)/(n·m)) (Smirnov 1948, large samples). */
const CRITICAL = 1.63;
/** Fewer readings than this say nothing. */
const LEAST = 48;
const FULL = 60_000;

/** 32-bit fields of a record, from `at` on: the middle of the bins + MIDDLE (0 = not known yet), then counts of the start and of the last days, two in each. */
export const SECOND_WORDS = 1 + BINS;
const MIDDLE = 16;
const START = 1;
const RECENT = 1 + BINS / 2;

const count = (u: Uint32Array, from: number, bin: number): number =>
  ((u[from + (bin >> 1)] as number) >>> (16 * (bin & 1))) & 0xffff;
function setCount(u: Uint32Array, from: number, bin: number, n: number): void {
  const shift = 16 * (bin & 1);
  u[from + (bin >> 1)] = (((u[from + (bin >> 1)] as number) & ~(0xffff << shift)) | (n << shift)) >>> 0;
}
function shrink(u: Uint32Array, from: number, share: number): void {
  for (let bin = 0; bin < BINS; bin++) setCount(u, from, bin, Math.round(share * count(u, from, bin)));
}
function add(u: Uint32Array, from: number, bin: number): void {
  if (count(u, from, bin) >= FULL) shrink(u, from, 0.5);
  setCount(u, from, bin, count(u, from, bin) + 1);
}

/** Where the first day has shown the box to stand: the bins are laid around it. */
export function layBins(f: Float32Array, u: Uint32Array, at: number, deviation: number): void {
  forgetSecond(u, at);
  f[at] = deviation + MIDDLE;
}

export const binsLaid = (f: Float32Array, at: number): boolean => f[at] !== 0;

/** @param starting whether the reading belongs to the nights that everything later is held against */
export function takeSecond(f: Float32Array, u: Uint32Array, at: number, deviation: number, starting: boolean): void {
  const bin = Math.floor((deviation - ((f[at] as number) - MIDDLE)) / WIDTH) + BINS / 2;
  const held = Math.max(0, Math.min(BINS - 1, bin));
  add(u, at + RECENT, held);
  if (starting) add(u, at + START, held);
}

/** Once a night. @param nights that the start has lasted, and those since */
export function secondConfirms(u: Uint32Array, at: number, startNights: number, since: number): boolean {
  let [n, m] = [0, 0];
  for (let bin = 0; bin < BINS; bin++) {
    n += count(u, at + START, bin);
    m += count(u, at + RECENT, bin);
  }
  let [below, now, largest] = [0, 0, 0];
  for (let bin = 0; bin < BINS; bin++) {
    below += count(u, at + START, bin) / n;
    now += count(u, at + RECENT, bin) / m;
    largest = Math.max(largest, Math.abs(below - now));
  }
  shrink(u, at + RECENT, KEEP);
  if (n < LEAST || m < LEAST) return false;
  const a = PER_DAY * startNights;
  const b = PER_DAY * Math.min(RECENT_DAYS, since);
  return b > 0 && largest > CRITICAL * Math.sqrt((a + b) / (a * b));
}

export function forgetSecond(u: Uint32Array, at: number): void {
  u.fill(0, at, at + SECOND_WORDS);
}

/**
 * 90 % intervals that hold what they promise: a scale per level (calibration note §8.4) times two quantiles that follow the scores
 * (y − ŷ)/u of the box itself, or of its level where the box has no station: conformal quantiles of the latest scores, with a tail
 * that adapts (Gibbs & Candès 2021), so that coverage is right in the long run whatever the distribution does.
 */
import type { CorrectionLevel } from '../../model/observation.ts';
import { HOUR } from '../../model/time.ts';

const SCALE: Partial<Record<CorrectionLevel, readonly [number, number]>> = {
  L5: [2, 0.08],
  L4: [2.5, 0.12],
  L3: [3, 0.15],
  L2: [4, 0.2],
  L1: [6, 0.35],
};
/** Growth of the error per km from the reference (Sofia 2026: 3.84–5.62 %). */
const PER_KM = 0.02;
const MAX_KM = 15;

/**
 * Standard uncertainty to start from [µg/m³].
 *
 * @param left standard deviation of log of what of the box's own gain is not known
 */
export function startScale(level: CorrectionLevel, y: number, km: number, left: number): number {
  const bare = level.replace('+', '') as CorrectionLevel;
  const [a, b] = SCALE[bare] ?? [6, 0.35];
  const level0 = Math.max(0, y);
  const box = bare === 'L5' ? 0 : left * (level0 + 5);
  const far = bare === 'L4' && Number.isFinite(km) ? PER_KM * Math.min(km, MAX_KM) * level0 : 0;
  return Math.hypot(a + b * level0, box, far);
}

/** Share of values below the interval and above it. */
export const TAIL = 0.05;

/** ŷ − low·u … ŷ + high·u. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Added to a level before its logarithm is taken [µg/m³]. */
export const OFFSET = 5;
export const logLevel = (y: number): number => Math.log(Math.max(0, y) + OFFSET);

/** How the scale has to lean on the level of the answer: u · exp(power · (log(ŷ + 5) − middle)). */
export interface Tilt {
  power: number;
  middle: number;
  /** Running mean of |score| without the tilt. */
  mean: number;
}

export const newTilt = (): Tilt => ({ power: 0, middle: Math.log(15), mean: 0 });

/** No more than this is read out of scores. */
export const STEEPEST = 0.75;
const TILT_STEP = 0.004;
const SLOW = 0.002;

/** Factor of the scale at an answer. */
export const tilted = (t: Pick<Tilt, 'power' | 'middle'>, y: number): number =>
  Math.exp(t.power * Math.min(2, Math.max(-2, logLevel(y) - t.middle)));

/** Small steps towards the most likely power, |score| taken as exponential around its mean (stochastic gradient). */
export function lean(t: Tilt, score: number, y: number): void {
  const even = Math.min(WILD, Math.abs(score)) / tilted(t, y);
  t.mean = t.mean === 0 ? even : t.mean + SLOW * (even - t.mean);
  const from = logLevel(y) - t.middle;
  const power = t.power + TILT_STEP * (even / Math.max(0.05, t.mean) - 1) * from;
  t.power = Math.min(STEEPEST, Math.max(-STEEPEST, power));
  t.middle += SLOW * from;
}

/** Scores beyond this say no more. */
const WILD = 4;

/** Errors come in spells: how large |score| has been lately, and usually is. */
export interface Unrest {
  lately: number;
  usually: number;
}

export const newUnrest = (): Unrest => ({ lately: 1, usually: 1 });

/** Weights of a new score: half a dozen make a spell, a hundred what is usual. */
const LATELY = 0.15;
const USUALLY = 0.01;
/** Fewer than ten, and a box that begins in rough air is too sure for weeks (docs/methods.md). */
const ASSUMED = 10;
const CALM = 0.1;

/** Factor of the scale now: the square root of the ratio, because a spell may have ended. */
export const unrestNow = (u: Unrest): number => Math.sqrt((u.lately + CALM) / (u.usually + CALM));

/** @param before scores that there have been: the first ones are a mean with `ASSUMED` ones of 1, not small steps away from it */
export function stir(u: Unrest, score: number, before = Infinity): void {
  const size = Math.min(WILD, Math.abs(score));
  const plain = 1 / (before + ASSUMED);
  u.lately += Math.max(LATELY, plain) * (size - u.lately);
  u.usually += Math.max(USUALLY, plain) * (size - u.usually);
}

/** Per power of e of the steps; measured by replaying recorded answers (docs/methods.md). */
const LATE = 0.06;
/**
 * Factor of the scale where references come late: scores are of other air by then. Not part of the scores, else they would learn it away.
 *
 * @param lateMs after the end of their interval
 */
export const lateness = (lateMs: number, stepMs: number): number =>
  1 + LATE * Math.log(Math.max(1, lateMs / Math.max(stepMs, HOUR)));

/** Scores (y − ŷ)/u of answers given before y was known, newest last, and the interval made of them: [ŷ − low·u, ŷ + high·u]. */
export interface Quantiles {
  low: number;
  high: number;
  n: number;
  readonly scores: number[];
  at: number;
  readonly size: number;
  tailLow: number;
  tailHigh: number;
}

/** Scores kept of one box, and of all boxes of a type on one level. */
export const BOX_SCORES = 400;
export const POOL_SCORES = 2000;

export const newQuantiles = (size = BOX_SCORES): Quantiles => ({
  low: 1.645,
  high: 1.645,
  n: 0,
  scores: [],
  at: 0,
  size,
  tailLow: TAIL,
  tailHigh: TAIL,
});

/** Step of the adaptive tail: a miss more than expected widens, Gibbs & Candès 2021. */
const GAMMA = 0.02;
const GAMMA_OF_ALL = 0.012;
/** Below so many own scores the others of the level help. */
const ENOUGH = 60;
/** Quantiles of thousands are made anew only now and then. */
const EVERY = 12;

/** @param others scores to lean on while there are few of its own */
export function track(q: Quantiles, score: number, tail = TAIL, others: Quantiles | null = null): void {
  const alone = q.size <= BOX_SCORES;
  const step = alone ? GAMMA : GAMMA_OF_ALL;
  q.tailHigh = adapt(q.tailHigh, tail, score > q.high ? 1 : 0, step);
  q.tailLow = adapt(q.tailLow, tail, -score > q.low ? 1 : 0, step);
  q.scores[q.at] = score;
  q.at = (q.at + 1) % q.size;
  q.n++;
  if (alone || q.n < ENOUGH || q.n % EVERY === 0) settle(q, others);
}

/** Many scores of one step: what they say of the tails counts once. */
export function trackStep(q: Quantiles, scores: readonly number[]): void {
  if (scores.length === 0) return;
  const share = (missed: (score: number) => boolean): number => scores.filter(missed).length / scores.length;
  const high = share((score) => score > q.high);
  const low = share((score) => -score > q.low);
  // The very first quantiles are no promise that could have been missed.
  if (q.n > 0) {
    q.tailHigh = adapt(q.tailHigh, TAIL, high, GAMMA);
    q.tailLow = adapt(q.tailLow, TAIL, low, GAMMA);
  }
  for (const score of scores) {
    q.scores[q.at] = score;
    q.at = (q.at + 1) % q.size;
    q.n++;
  }
  settle(q, null);
}

const adapt = (current: number, aim: number, missed: number, step: number): number =>
  Math.min(2 * aim, Math.max(0.2 * aim, current + step * (aim - missed)));

function settle(q: Quantiles, others: Quantiles | null): void {
  const all = q.scores.slice();
  const borrowed = others?.scores ?? PRIOR_SCORES;
  pad(all, borrowed);
  const sorted = Float64Array.from(all).sort();
  q.high = Math.max(0.2, quantileOf(sorted, 1 - q.tailHigh));
  q.low = Math.max(0.2, -quantileOf(sorted, q.tailLow));
}

/** Few scores are filled up with as many of others, evenly taken. */
export function pad(scores: number[], borrowed: readonly number[]): void {
  const missing = Math.max(0, ENOUGH - scores.length);
  if (missing === 0 || borrowed.length === 0) return;
  const sorted = Float64Array.from(borrowed).sort();
  for (let i = 0; i < missing; i++) scores.push(sorted[Math.floor(((i + 0.5) / missing) * sorted.length)] as number);
}

/** Conformal quantile: the (n + 1)-th part counts, so that few values give a wider interval. */
export function quantileOf(sorted: Float64Array, p: number): number {
  const n = sorted.length;
  const at = p * (n + 1) - 1;
  const i = Math.min(n - 1, Math.max(0, Math.floor(at)));
  const j = Math.min(n - 1, i + 1);
  const f = Math.min(1, Math.max(0, at - i));
  return (sorted[i] as number) * (1 - f) + (sorted[j] as number) * f;
}

/** Standard normal scores, for the very first answers. */
export const PRIOR_SCORES = [
  -2.24, -1.64, -1.28, -1.04, -0.84, -0.67, -0.52, -0.39, -0.25, -0.13, 0, 0.13, 0.25, 0.39, 0.52, 0.67, 0.84, 1.04,
  1.28, 1.64, 2.24,
];

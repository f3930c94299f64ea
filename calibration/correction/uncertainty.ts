/**
 * 90 % intervals that hold what they promise: a scale per level (calibration note §8.4) times two quantiles that follow the scores
 * (y − ŷ)/u of the box itself, or of its level where the box has no station: conformal quantiles of the latest scores, with a tail
 * that adapts (Gibbs & Candès 2021), so that coverage is right in the long run whatever the distribution does.
 */
import type { CorrectionLevel } from '../../model/observation.ts';

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
const TAIL = 0.05;

/** Scores of one place, latest ones. */
export interface Scores {
  readonly values: number[];
  at: number;
}

export const newScores = (): Scores => ({ values: [], at: 0 });

export function keep(s: Scores, score: number): void {
  // One wild hour must not stretch the interval of all boxes.
  s.values[s.at] = Math.min(MAX_SCORE, Math.max(-MAX_SCORE, score));
  s.at = (s.at + 1) % BOX_SCORES;
}

const MAX_SCORE = 8;

/** ŷ − low·u … ŷ + high·u. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** What is assumed of the variance of places' means, as part of the variance from hour to hour, and how many places that is worth. */
const PLACE = { share: 1, worth: 3 };
const NORMAL = 1.645;

/**
 * Interval for a place that is none of those the scores come from. A score is the place's own persistent part and what changes from
 * hour to hour. Of the latter there is plenty, and its quantiles are taken as they are; of the former there are as many as places, so
 * its variance leans on what is known beforehand. With few places that is far better than quantiles of all scores together, which
 * know nothing of a place that is worse than the ones seen.
 */
export function intervalForNewPlace(places: readonly Scores[]): Interval {
  const rest: number[] = [];
  let variance = 0;
  let worth = 0;
  for (const { values } of places) {
    if (values.length < 6) continue;
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    // Scores of neighbouring hours are alike: a dozen say as much as one.
    let within = 0;
    for (const v of values) {
      within += (v - mean) ** 2;
      rest.push(v - mean);
    }
    const trust = values.length / (values.length + 24);
    variance += trust * Math.max(0, mean * mean - (12 * within) / values.length ** 2);
    worth += trust;
  }
  pad(rest, PRIOR_SCORES);
  const hourly = rest.reduce((sum, v) => sum + v * v, 0) / rest.length;
  const place = (NORMAL ** 2 * (variance + PLACE.worth * PLACE.share * hourly)) / (worth + PLACE.worth);
  const sorted = Float64Array.from(rest).sort();
  return {
    low: Math.sqrt(Math.max(0, -quantileOf(sorted, TAIL)) ** 2 + place),
    high: Math.sqrt(Math.max(0, quantileOf(sorted, 1 - TAIL)) ** 2 + place),
  };
}

/**
 * Tail to aim at for a box that is none of those the scores come from: with few stations the next place may be worse than all seen
 * (after the group-wise correction of Dunn, Wasserman & Ramdas 2022, softened: theirs has no finite answer below ten groups).
 */
export const tailForNewPlace = (stations: number): number => (TAIL * stations) / (stations + 5);

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
const GAMMA = 0.012;
/** Below so many own scores the others of the level help. */
const ENOUGH = 60;
const EVERY = 12;

/** @param others scores to lean on while there are few of its own */
export function track(q: Quantiles, score: number, tail = TAIL, others: Quantiles | null = null): void {
  q.tailHigh = adapt(q.tailHigh, tail, score > q.high);
  q.tailLow = adapt(q.tailLow, tail, -score > q.low);
  q.scores[q.at] = score;
  q.at = (q.at + 1) % q.size;
  q.n++;
  if (q.n < ENOUGH || q.n % EVERY === 0) settle(q, others);
}

const adapt = (current: number, aim: number, miss: boolean): number =>
  Math.min(2 * aim, Math.max(0.2 * aim, current + GAMMA * (aim - (miss ? 1 : 0))));

function settle(q: Quantiles, others: Quantiles | null): void {
  const all = q.scores.slice();
  const borrowed = others?.scores ?? PRIOR_SCORES;
  pad(all, borrowed);
  const sorted = Float64Array.from(all).sort();
  q.high = Math.max(0.2, quantileOf(sorted, 1 - q.tailHigh));
  q.low = Math.max(0.2, -quantileOf(sorted, q.tailLow));
}

/** Few scores are filled up with as many of others, evenly taken. */
function pad(scores: number[], borrowed: readonly number[]): void {
  const missing = Math.max(0, ENOUGH - scores.length);
  if (missing === 0 || borrowed.length === 0) return;
  const sorted = Float64Array.from(borrowed).sort();
  for (let i = 0; i < missing; i++) scores.push(sorted[Math.floor(((i + 0.5) / missing) * sorted.length)] as number);
}

/** Conformal quantile: the (n + 1)-th part counts, so that few values give a wider interval. */
function quantileOf(sorted: Float64Array, p: number): number {
  const n = sorted.length;
  const at = p * (n + 1) - 1;
  const i = Math.min(n - 1, Math.max(0, Math.floor(at)));
  const j = Math.min(n - 1, i + 1);
  const f = Math.min(1, Math.max(0, at - i));
  return (sorted[i] as number) * (1 - f) + (sorted[j] as number) * f;
}

/** Standard normal scores, for the very first answers. */
const PRIOR_SCORES = [
  -2.24, -1.64, -1.28, -1.04, -0.84, -0.67, -0.52, -0.39, -0.25, -0.13, 0, 0.13, 0.25, 0.39, 0.52, 0.67, 0.84, 1.04,
  1.28, 1.64, 2.24,
];

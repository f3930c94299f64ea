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
/** Spread of boxes of one type against each other, where a box has no history of its own. */
const U_BOX = 0.1;
/** Growth of the error per km from the reference (Sofia 2026: 3.84–5.62 %). */
const PER_KM = 0.05;
const MAX_KM = 15;

/** Standard uncertainty to start from [µg/m³]. */
export function startScale(level: CorrectionLevel, y: number, km: number): number {
  const bare = level.replace('+', '') as CorrectionLevel;
  const [a, b] = SCALE[bare] ?? [6, 0.35];
  const level0 = Math.max(0, y);
  const box = bare === 'L5' ? 0 : U_BOX * level0;
  const far = bare === 'L4' && Number.isFinite(km) ? PER_KM * Math.min(km, MAX_KM) * level0 : 0;
  return Math.hypot(a + b * level0, box, far);
}

/** Share of values below the interval and above it. */
const TAIL = 0.05;

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
  const missing = Math.max(0, ENOUGH - all.length);
  if (missing > 0 && borrowed.length > 0) {
    const sorted = Float64Array.from(borrowed).sort();
    for (let i = 0; i < missing; i++) all.push(sorted[Math.floor(((i + 0.5) / missing) * sorted.length)] as number);
  }
  const sorted = Float64Array.from(all).sort();
  q.high = Math.max(0.2, quantileOf(sorted, 1 - q.tailHigh));
  q.low = Math.max(0.2, -quantileOf(sorted, q.tailLow));
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

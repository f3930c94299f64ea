/**
 * 90 % intervals that hold what they promise: a scale per level (calibration note §8.4) times two quantiles that follow the scores
 * (y − ŷ)/u of the box itself, or of its level where the box has no station. Online quantile tracking (Gibbs & Candès 2021,
 * Angelopoulos et al. 2023): each miss widens that side, each hit narrows it a little; coverage is right in the long run
 * whatever the distribution does.
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

export interface Quantiles {
  /** The interval is [ŷ − low·u, ŷ + high·u]. */
  low: number;
  high: number;
  n: number;
}

export const newQuantiles = (low = 1.645, high = 1.645): Quantiles => ({ low, high, n: 0 });

/** @param score (y − ŷ)/u */
export function track(q: Quantiles, score: number, slowest = 0.03): void {
  q.n++;
  const spread = Math.max(0.2, (q.low + q.high) / 2);
  const step = spread * Math.max(slowest, 0.5 / (q.n + 4) ** 0.6);
  q.high += step * (score > q.high ? 1 - TAIL : -TAIL);
  q.low += step * (-score > q.low ? 1 - TAIL : -TAIL);
}

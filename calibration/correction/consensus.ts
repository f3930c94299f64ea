/**
 * Boxes without a station keep each other honest: what persistently sets a box apart from the boxes around it is mostly its own gain,
 * the less the farther they are. That part of the persistent log-ratio is taken away; what remains is the place.
 *
 * κ = v_box / (v_box + v_place(d) + v_gain/m + v_noise/n): share of the ratio that is believed to be the box's, with
 * v_box the variance of gains of one sensor type (raw pairs < 1 km differ by CV 40–81 %, calibration note §8.4; after QC about
 * 22 %), v_place the variance of true persistent differences d km apart, n independent comparisons.
 */
import { DAY, type EpochMs } from '../../model/time.ts';
import { median } from './linear.ts';

/** Persistent ratio of a box to those around it; constant size. */
export interface Gain {
  /** log of the answer of the box before this correction, and when it was given. */
  log: number;
  time: EpochMs;
  /** Whether the box has its own co-location: then it counts for more. */
  anchored: boolean;
  /** Running mean of the log-ratio. */
  ratio: number;
  n: number;
}

export const newGain = (): Gain => ({ log: NaN, time: -Infinity, anchored: false, ratio: 0, n: 0 });

export interface ConsensusNumbers {
  readonly boxVariance: number;
  /** Of a box with its own co-location. */
  readonly anchoredVariance: number;
  /** Variance of true persistent log-ratios at `placeKm` and beyond; grows linearly up to there. */
  readonly placeVariance: number;
  readonly placeKm: number;
  readonly noiseVariance: number;
}

export const CONSENSUS: ConsensusNumbers = {
  boxVariance: 0.05,
  anchoredVariance: 0.01,
  placeVariance: 0.1,
  placeKm: 1,
  noiseVariance: 0.1,
};

const OFFSET = 5;
const MEMORY_MS = 6 * DAY;
/** Readings within this count of steps are of the same air. */
const CORRELATED = 6;
const ENOUGH = 400;
const MAX_RATIO = 1;

export const logOf = (y: number): number => Math.log(Math.max(0, y) + OFFSET);

export interface Around {
  readonly gain: Gain;
  readonly km: number;
}

/** Updates the ratio with this reading and returns the answer without the box's part of it. */
export function consent(
  own: Gain,
  y: number,
  time: EpochMs,
  around: readonly Around[],
  maxAgeMs: number,
  numbers: ConsensusNumbers,
): number {
  const log = logOf(y);
  const logs: number[] = [];
  const weights: number[] = [];
  let places = 0;
  let precision = 0;
  for (const a of around) {
    if (Number.isNaN(a.gain.log) || time - a.gain.time > maxAgeMs || a.gain.time > time) continue;
    logs.push(a.gain.log);
    const place = numbers.placeVariance * Math.min(1, a.km / numbers.placeKm);
    const gain = a.gain.anchored ? numbers.anchoredVariance : numbers.boxVariance;
    weights.push(1 / (gain + place));
    places += place / (gain + place);
    precision += 1 / gain;
  }
  let total = 0;
  if (logs.length > 0) {
    const middle = median(logs);
    let sum = 0;
    logs.forEach((l, i) => {
      const w = weights[i] as number;
      total += w;
      // One sick neighbour must not pull.
      sum += w * Math.min(middle + 0.5, Math.max(middle - 0.5, l));
    });
    const gap = Math.min(MAX_RATIO, Math.max(-MAX_RATIO, log - sum / total));
    const since = Number.isFinite(own.time) ? time - own.time : 0;
    const rate = Math.max(1 / (own.n + 1), 1 - Math.exp(-Math.min(since, maxAgeMs) / MEMORY_MS));
    own.ratio += rate * (gap - own.ratio);
    own.n = Math.min(ENOUGH, own.n + 1);
  }
  own.log = log;
  own.time = time;
  if (total === 0 || own.n < CORRELATED) return y;
  const share =
    numbers.boxVariance /
    (numbers.boxVariance + places / total + 1 / precision + (numbers.noiseVariance * CORRELATED) / own.n);
  return (Math.max(0, y) + OFFSET) * Math.exp(-share * own.ratio) - OFFSET + Math.min(0, y);
}

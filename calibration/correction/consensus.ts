/**
 * Boxes without a station keep each other honest: what persistently sets a box apart from the boxes around it is mostly its own gain,
 * the less the farther they are. That part of the persistent log-ratio is taken away; what remains is the place.
 *
 * κ = v_box / (v_box + v_place(d) + v_gain/m + v_noise/n): share of the ratio that is believed to be the box's, with
 * v_box the variance of gains of one sensor type (raw pairs < 1 km differ by CV 40–81 %, calibration note §8.4; after QC about
 * 22 %), v_place the variance of true persistent differences d km apart, n independent comparisons.
 */
import { DAY, HOUR, type EpochMs } from '../../model/time.ts';
import { median } from './linear.ts';
import { BESIDE_KM } from './settings.ts';

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

/** What is taken for known before pairs say more: variances, and the places and boxes that is worth (8.4 of the calibration note). */
export const PRIOR_SPREAD = { box: 0.02, boxes: 4, place: 0.08, places: 4 };

/** Variances as the night has found them for a type; beyond a kilometre one place is as different as another. */
export const consensusOf = (spread: { readonly box: number; readonly place: number }): ConsensusNumbers => ({
  boxVariance: spread.box,
  anchoredVariance: ANCHORED * spread.box,
  placeVariance: spread.place,
  placeKm: PLACE_KM,
  noiseVariance: NOISE,
});

/** Of the variance of gains that of one beside its station. */
const ANCHORED = 0.25;
const PLACE_KM = 1;
const NOISE = 0.1;

const OFFSET = 5;
const MEMORY_MS = 6 * DAY;
/** Readings within this count of steps are of the same air. */
const CORRELATED = 6;
const ENOUGH = 144;
/** Hours (of daily means days) after which a ratio says how far boxes differ for good. */
const LASTING = 48;
/** More than this is no gain: wrong units and dead channels are the control's to find [log]. */
const MAX_RATIO = 1;
const ENOUGH_AROUND = 4;
/** What a drift that has been found may have come to, as variance of log. */
const DRIFTED = 0.09;

export const logOf = (y: number): number => Math.log(Math.max(0, y) + OFFSET);

/** The answer moved by a log-ratio. */
export const shifted = (y: number, log: number): number =>
  (Math.max(0, y) + OFFSET) * Math.exp(log) - OFFSET + Math.min(0, y);

export interface Around {
  readonly gain: Gain;
  readonly km: number;
}

/**
 * Boxes beside stations tell how far all others of the type are off together: few stations mean few boxes in the pooled model, which
 * may happen to be of the same kind. Follows the log-ratio of a box beside its station to at least ENOUGH_AROUND without.
 */
export function witness(own: Gain, y: number, time: EpochMs, around: readonly Around[], maxAgeMs: number): void {
  const log = logOf(y);
  const logs: number[] = [];
  for (const { gain } of around) {
    if (!gain.anchored && !Number.isNaN(gain.log) && time - gain.time <= maxAgeMs && gain.time <= time)
      logs.push(gain.log);
  }
  if (logs.length >= ENOUGH_AROUND) follow(own, log - median(logs), time, maxAgeMs);
  own.log = log;
  own.time = time;
  own.anchored = true;
}

function follow(own: Gain, gap: number, time: EpochMs, maxAgeMs: number): void {
  const since = Number.isFinite(own.time) ? time - own.time : 0;
  // Readings of one hour are of the same air.
  const weight = own.n === 0 ? 1 : Math.min(1, since / HOUR);
  const rate = Math.max(weight / (own.n + weight + 1e-9), 1 - Math.exp(-Math.min(since, maxAgeMs) / MEMORY_MS));
  own.ratio += rate * (Math.min(MAX_RATIO, Math.max(-MAX_RATIO, gap)) - own.ratio);
  own.n = Math.min(ENOUGH, own.n + weight);
}

/** Log-ratio that has lasted; 0 while too few hours say so. */
export const persistent = (gain: Gain): number => (gain.n < CORRELATED ? 0 : gain.ratio);

/** For a box judged without its station: boxes beside the same one say what the station says. */
export const strangersAmong = (around: readonly Around[]): Around[] =>
  around.filter((a) => !(a.gain.anchored && a.km <= BESIDE_KM));

/** What the boxes around say now: weighted mean of their logs, its weight (0 = nothing), variance of places among them. */
interface Heard {
  readonly mean: number;
  readonly total: number;
  readonly place: number;
}

function hear(time: EpochMs, around: readonly Around[], maxAgeMs: number, numbers: ConsensusNumbers): Heard {
  const logs: number[] = [];
  const weights: number[] = [];
  let places = 0;
  for (const a of around) {
    if (Number.isNaN(a.gain.log) || time - a.gain.time > maxAgeMs || a.gain.time > time) continue;
    logs.push(a.gain.log);
    const place = numbers.placeVariance * Math.min(1, a.km / numbers.placeKm);
    const gain = a.gain.anchored ? numbers.anchoredVariance : numbers.boxVariance;
    // Both places have their own; that of the box asked about does not go away by asking many.
    const weight = 1 / (gain + 2 * place);
    weights.push(weight);
    places += weight * place;
  }
  if (logs.length === 0) return { mean: NaN, total: 0, place: 0 };
  const middle = median(logs);
  let total = 0;
  let sum = 0;
  logs.forEach((l, i) => {
    const w = weights[i] as number;
    total += w;
    // One sick neighbour must not pull.
    sum += w * Math.min(middle + 0.5, Math.max(middle - 0.5, l));
  });
  return { mean: sum / total, total, place: places / total };
}

export interface Consented {
  readonly y: number;
  /** Standard deviation of log of what of the box's own gain is still not known. */
  readonly left: number;
}

/** Updates the ratio with this reading and returns the answer without the box's part of it. */
export function consent(
  own: Gain,
  y: number,
  time: EpochMs,
  around: readonly Around[],
  maxAgeMs: number,
  numbers: ConsensusNumbers,
  drifting = false,
): Consented {
  const heard = hear(time, around, maxAgeMs, numbers);
  const log = logOf(y);
  if (heard.total > 0) follow(own, log - heard.mean, time, maxAgeMs);
  own.log = log;
  own.time = time;
  return without(own, y, heard, numbers, drifting);
}

/** The same by what is known of the box so far; nothing is learnt. */
export const consented = (
  own: Gain,
  y: number,
  time: EpochMs,
  around: readonly Around[],
  maxAgeMs: number,
  numbers: ConsensusNumbers,
): Consented => without(own, y, hear(time, around, maxAgeMs, numbers), numbers, false);

/** Boxes on one spot see the same air: what differs from hour to hour grows with the distance as the places do. */
const noiseOf = (n: number, near: number, numbers: Pick<ConsensusNumbers, 'noiseVariance'>): number =>
  (numbers.noiseVariance * CORRELATED * (0.1 + 0.9 * near)) / n;

function without(
  own: Gain,
  y: number,
  { total, place }: Heard,
  numbers: ConsensusNumbers,
  drifting: boolean,
): Consented {
  // Places do not drift.
  const box = numbers.boxVariance + (drifting ? DRIFTED : 0);
  if (total === 0 || own.n < CORRELATED) return { y, left: Math.sqrt(box) };
  const noise = noiseOf(own.n, place / numbers.placeVariance, numbers);
  const share = box / (box + place + 1 / total + noise);
  return {
    y: shifted(y, -share * own.ratio),
    // Half as normal variables have it, half by how far this box is off: nobody knows for sure which part is the place.
    left: Math.sqrt((1 - share) * (0.5 * box + 0.5 * share * own.ratio ** 2)),
  };
}

/** The lasting ratio of a box, and how many times the variances of gains and of places are in its variance; `noise` on top. */
export interface Apart {
  readonly ratio: number;
  readonly gains: number;
  readonly places: number;
  readonly noise: number;
}

/** Null = too few boxes without station have been heard around it, or for too short a time. */
export function apart({ ratio, n, anchored }: Gain, around: readonly Around[]): Apart | null {
  if (anchored || n < LASTING) return null;
  let [heard, alone, km, gains] = [0, 0, 0, 0];
  for (const a of around) {
    if (Number.isNaN(a.gain.log)) continue;
    heard++;
    if (!a.gain.anchored) alone++;
    km += Math.min(1, a.km / PLACE_KM);
    gains += a.gain.anchored ? ANCHORED : 1;
  }
  if (alone < ENOUGH_AROUND) return null;
  const near = km / heard;
  return {
    ratio,
    gains: 1 + gains / heard ** 2,
    places: near * (1 + 1 / heard),
    noise: noiseOf(n, near, { noiseVariance: NOISE }),
  };
}

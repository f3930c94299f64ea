/**
 * Intervals for a box without station: what the answers at the stations would have been worth if the stations were not there. A score is
 * the place's own persistent part and what changes from hour to hour.
 */
import {
  BOX_SCORES,
  logLevel,
  OFFSET,
  pad,
  PRIOR_SCORES,
  quantileOf,
  startScale,
  STEEPEST,
  TAIL,
  tilted,
  type Interval,
  type Tilt,
} from './uncertainty.ts';

/** Latest scores of one place, and log(ŷ + 5) of the answers that they belong to. */
export interface Scores {
  readonly values: number[];
  readonly levels: number[];
  at: number;
}

export const newScores = (): Scores => ({ values: [], levels: [], at: 0 });

/** One wild hour must not stretch the interval of all boxes. */
const MAX_SCORE = 8;

/** @param y the answer that the score belongs to */
export function keep(s: Scores, score: number, y: number): void {
  s.values[s.at] = Math.min(MAX_SCORE, Math.max(-MAX_SCORE, score));
  s.levels[s.at] = logLevel(y);
  s.at = (s.at + 1) % BOX_SCORES;
}

/** Fewer scores say nothing of a place. */
const LEAST_SCORES = 6;
export const isKnown = ({ values }: Scores): boolean => values.length >= LEAST_SCORES;

export interface PlaceInterval extends Interval {
  readonly tilt: Pick<Tilt, 'power' | 'middle'>;
}

/** Scores of neighbouring hours are alike: so many count as one. */
const ALIKE = 12;
/** Prior of a tilt of none, in independent scores of unit variance of the log of the level. */
const TILT_PRIOR = 2;

/** Maximum likelihood of |score| ~ exponential with mean exp(a + power · (level − middle)), by Newton. */
function tiltOf(places: readonly Scores[]): Pick<Tilt, 'power' | 'middle'> {
  let n = 0;
  let middle = 0;
  for (const { levels } of places) {
    for (const level of levels) middle += level;
    n += levels.length;
  }
  middle /= Math.max(1, n);
  let power = 0;
  for (let round = 0; round < 4; round++) {
    // Sums of |score| without the tilt, times powers of the distance to the middle level.
    let [s0, s1, s2] = [1e-9, 0, 0];
    for (const { values, levels } of places) {
      for (let i = 0; i < values.length; i++) {
        const z = (levels[i] as number) - middle;
        const v = Math.abs(values[i] as number) * Math.exp(-power * z);
        s0 += v;
        s1 += v * z;
        s2 += v * z * z;
      }
    }
    const gradient = (n * s1) / s0 / ALIKE - TILT_PRIOR * power;
    const curvature = (n * (s2 / s0 - (s1 / s0) ** 2)) / ALIKE + TILT_PRIOR;
    power = Math.min(STEEPEST, Math.max(-STEEPEST, power + gradient / curvature));
  }
  return { power, middle };
}

/** What is assumed of the variance of places' means, as part of the variance from hour to hour, and how many places that is worth. */
export interface PlacePrior {
  readonly share: number;
  readonly worth: number;
}
export const OTHER_PLACES: PlacePrior = { share: 1, worth: 3 };
/** Boxes at one station differ by their gains alone (measured in Denver and Virginia: 0.06 and 0.04 of the hourly variance). */
export const SAME_PLACE: PlacePrior = { share: 0.3, worth: 3 };
const NORMAL = 1.645;

/** 95 % quantile of Student's t by its expansion in the normal quantile (Abramowitz & Stegun 26.7.5, two terms; 0.5 % at 3 degrees). */
const student95 = (freedom: number): number =>
  NORMAL +
  (NORMAL ** 3 + NORMAL) / (4 * freedom) +
  (5 * NORMAL ** 5 + 16 * NORMAL ** 3 + 3 * NORMAL) / (96 * freedom ** 2);

/**
 * Interval for a place that is none of those the scores come from. Of what changes from hour to hour there is plenty, and its quantiles
 * are taken as they are; of places there are as many as stations, so their variance leans on what is known beforehand, and the next
 * place's part is Student's t. With few places that is far better than quantiles of all scores together, which know nothing of a place
 * that is worse than the ones seen.
 *
 * @param least variance of places' means that is assumed at least (`gainsInScores`): whatever two or three boxes beside stations say
 */
export function intervalForNewPlace(
  places: readonly Scores[],
  prior: PlacePrior = OTHER_PLACES,
  least = 0,
): PlaceInterval {
  const used = places.filter(isKnown);
  const tilt = tiltOf(used);
  const rest: number[] = [];
  let variance = 0;
  let worth = 0;
  for (const { values, levels } of used) {
    const even = values.map((v, i) => v * Math.exp(-tilt.power * ((levels[i] as number) - tilt.middle)));
    const mean = even.reduce((a, b) => a + b, 0) / even.length;
    let within = 0;
    for (const v of even) {
      within += (v - mean) ** 2;
      rest.push(v - mean);
    }
    const trust = even.length / (even.length + 2 * ALIKE);
    variance += trust * Math.max(0, mean * mean - (ALIKE * within) / even.length ** 2);
    worth += trust;
  }
  pad(rest, PRIOR_SCORES);
  const hourly = rest.reduce((sum, v) => sum + v * v, 0) / rest.length;
  const freedom = worth + prior.worth;
  const assumed = Math.max(prior.share * hourly, least);
  const place = student95(freedom) ** 2 * ((variance + prior.worth * assumed) / freedom);
  const sorted = Float64Array.from(rest).sort();
  return {
    low: Math.sqrt(Math.max(0, -quantileOf(sorted, TAIL)) ** 2 + place),
    high: Math.sqrt(Math.max(0, quantileOf(sorted, 1 - TAIL)) ** 2 + place),
    tilt,
  };
}

/**
 * Mean variance of scores that gains alone make: the next box is as unlike the others as boxes of its type are.
 * @param gains variance of log
 */
export function gainsInScores(places: readonly Scores[], level: 'L4' | 'L3', gains: number): number {
  let [sum, n] = [0, 0];
  for (const { levels } of places) {
    for (const log of levels) {
      const u = startScale(level, Math.exp(log) - OFFSET, 0, Math.sqrt(gains));
      sum += (gains * Math.exp(2 * log)) / u ** 2;
    }
    n += levels.length;
  }
  return sum / Math.max(1, n);
}

/** Factor of the scale that belongs to the interval. */
export const scaleFor = (interval: Interval | PlaceInterval, y: number): number =>
  'tilt' in interval ? tilted(interval.tilt, y) : 1;

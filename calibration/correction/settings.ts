/** The numbers the correction runs on, in one place; where a number was chosen by measurement, docs/methods.md has the table. */
import { DAY, HOUR } from '../../model/time.ts';

export interface CorrectionSettings {
  /** Pairs older than this are forgotten [ms]. */
  readonly memoryMs: number;
  /** Half-life of a pair's weight in the pooled model [ms]. */
  readonly pooledHalfLifeMs: number;
  /** Half-life of a pair's weight in a box's own correction [ms]. */
  readonly ownHalfLifeMs: number;
  /** After a co-location has ended: half-life of its mean difference, and of its slopes [ms]; of its pairs among each other. */
  readonly endedHalfLifeMs: number;
  readonly endedSlopesHalfLifeMs: number;
  readonly endedPairHalfLifeMs: number;
  /** Prior standard deviations of a box's own coefficients around the pooled ones: intercept [µg/m³], slope, RH and T [per 10]. */
  readonly ownSpread: readonly [number, number, number, number];
  /** Hourly residuals are alike: this many count as one. */
  readonly correlatedPairs: number;
  /** How much the answer is moved by the short-term residual of the station (0 = off). */
  readonly shortTerm: number;
  /** Standard deviations after which a residual counts less (Huber). */
  readonly huber: number;
  /** Whether growth of particles in humid air is a term of the model. */
  readonly growth: boolean;
  readonly fieldLengthKm: number;
  readonly fieldNugget: number;
  /** Whether boxes without station are held against those around them. */
  readonly consensus: boolean;
  readonly scanClocks: boolean;
  /** Variance grows as (1 + ŷ/this)² in fits; Infinity = plain least squares. */
  readonly varianceKnee: number;
}

export const SETTINGS: CorrectionSettings = {
  memoryMs: 180 * DAY,
  pooledHalfLifeMs: 25 * DAY,
  ownHalfLifeMs: 20 * DAY,
  endedHalfLifeMs: 700 * DAY,
  endedSlopesHalfLifeMs: 400 * DAY,
  endedPairHalfLifeMs: 120 * DAY,
  ownSpread: [2.5, 0.15, 0.3, 0.3],
  correlatedPairs: 6,
  shortTerm: 1,
  huber: 2,
  growth: false,
  fieldLengthKm: 30,
  fieldNugget: 2,
  consensus: true,
  scanClocks: true,
  varianceKnee: 30,
};

/** A box is beside a station within this distance [km] (L5: 50 m). */
export const COLOCATED_KM = 0.05;
/** A box this near to a station is told what the boxes beside it learn [km]. */
export const BESIDE_KM = 0.25;
/** Boxes within this distance speak about the air at a station [km]. */
export const NEAR_KM = 3;
/** Where no box of a type is that near to any station: within this (shortest seasonal radius of FILTER is 11.5 km, calibration note §1.9). */
export const REGION_KM = 15;
export const NEAR_BOXES = 15;
/** Own co-location is used from so many days and pairs on (hourly pairs; of daily ones 7). */
export const OWN_MIN_DAYS = 7;
export const OWN_MIN_PAIRS = 100;
/** A type without published prior may start from so much beside a station, if that pays on days left out. */
export const YOUNG_MS = 3 * DAY;
export const YOUNG_PAIRS = 48;
/** History of box readings kept for pairing and for the scan of clocks. */
export const HISTORY_MS = 45 * DAY;
export const FIT_HOUR = 3 * HOUR;
/** Prior standard deviation of the share of growth (contest.ts) of a box, or a zone, around the pooled one. */
export const OWN_GROWTH = 0.15;

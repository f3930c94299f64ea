/**
 * Level L4 in a dense network: the regression of this very hour over all stations with boxes near them, and the log-ratio that is left
 * at each station, kriged. A model of another day transfers badly; the hourly refresh is what wins (calibration note §2.4).
 */
import type { EpochMs } from '../../model/time.ts';
import { logOf, shifted } from './consensus.ts';
import { middleOf, type StepMean } from './history.ts';
import { fitRobust, newRows } from './linear.ts';
import { krige, type SpatialEstimate, type Spot } from './spatial.ts';
import type { CorrectionSettings } from './settings.ts';

/** A station in one reference step: what the boxes there showed (or the pooled model made of it), and the reference. */
export interface StationStep {
  readonly station: string;
  readonly spot: Spot;
  readonly x: number;
  readonly y: number;
  /** 1 = this step; less for earlier ones. */
  readonly weight: number;
}

/** What the boxes of one type at a station showed in a step: those beside it, and those around it (all, or two and more). */
export interface StationBoxes {
  readonly y: number;
  readonly beside: StepMean[];
  readonly near: StepMean[];
}

/** A median of normal values is as good as a mean of so many fewer. */
const MEDIAN = Math.PI / 2;

/**
 * What boxes showed of the air at a station. One beside it has a gain of its own, many around it have other places: they count by the
 * variance of each (log), as the night has found it for the type.
 */
export function airAt(
  { beside, near }: StationBoxes,
  spread: { readonly box: number; readonly place: number },
): StepMean {
  if (beside.length === 0) return middleOf(near);
  const own = middleOf(beside);
  if (near.length === 0) return own;
  const around = middleOf(near);
  const few = beside.length / spread.box;
  const share = few / (few + near.length / (MEDIAN * (spread.box + spread.place)));
  const of = (a: number, b: number): number =>
    Number.isNaN(a) ? b : Number.isNaN(b) ? a : share * a + (1 - share) * b;
  return {
    x: Math.max(0, shifted(around.x, share * (logOf(own.x) - logOf(around.x)))),
    rh: of(own.rh, around.rh),
    temp: of(own.temp, around.temp),
  };
}

export interface Network {
  readonly time: EpochMs;
  readonly intercept: number;
  readonly slope: number;
  readonly stations: readonly string[];
  readonly spots: readonly Spot[];
  readonly logRatios: readonly number[];
  /** Whether x is raw PM2.5 or the pooled model's answer. */
  readonly on: 'raw' | 'pooled';
  readonly yMax: number;
}

export const MIN_STATIONS = 8;
/** Added before a logarithm is taken of what is left at a station: noise of stations in clean air is no ratio [µg/m³]. */
const OFFSET = 5;
/** The same where means are held against each other [µg/m³]. */
const FLOOR = 2;
const MAX_LOG_RATIO = Math.LN2;

/** The regression alone. */
export const onLine = (n: { readonly intercept: number; readonly slope: number }, x: number): number =>
  Math.max(1, n.intercept + n.slope * x);

export function fitNetwork(
  steps: readonly StationStep[],
  time: EpochMs,
  on: 'raw' | 'pooled',
  pool: string,
  without = '',
): Network | null {
  const rows = newRows(2);
  for (const s of steps) {
    if (s.station === without) continue;
    rows.x.push(1, s.x);
    rows.y.push(s.y);
    rows.w.push(s.weight);
    rows.n++;
  }
  if (rows.n < MIN_STATIONS - 1) return null;
  const plantower = pool.startsWith('plantower');
  const prior =
    on === 'pooled'
      ? { mean: [0, 1], spread: [5, 0.3] }
      : { mean: [2, plantower ? 0.5 : 0.8], spread: [10, plantower ? 0.35 : 0.8] };
  const fit = fitRobust(rows, prior, 1.345, 0.5, 12);
  if (!fit) return null;
  const [bare, steep] = fit.beta as [number, number];
  if (steep < 0) return null;
  // A robust line runs through the middle of the stations; errors have a long upper side, and what is wanted is the mean
  // (smearing after Duan 1983), within bounds so that no outlier comes in by this door.
  let observed = 0;
  let expected = 0;
  for (const s of steps) {
    if (s.station === without) continue;
    observed += s.weight * (Math.max(0, s.y) + FLOOR);
    expected += s.weight * (onLine({ intercept: bare, slope: steep }, s.x) + FLOOR);
  }
  const smear = Math.min(1.15, Math.max(0.9, observed / expected));
  const intercept = smear * (bare + FLOOR) - FLOOR;
  const slope = smear * steep;
  const now = steps.filter((s) => s.weight === 1 && s.station !== without);
  return {
    time,
    intercept,
    slope,
    on,
    stations: now.map((s) => s.station),
    spots: now.map((s) => s.spot),
    logRatios: now.map((s) =>
      clampLog(Math.log((Math.max(0, s.y) + OFFSET) / (onLine({ intercept, slope }, s.x) + OFFSET))),
    ),
    yMax: Math.max(...now.map((s) => s.y)),
  };
}

const clampLog = (r: number): number => Math.min(2 * MAX_LOG_RATIO, Math.max(-2 * MAX_LOG_RATIO, r));

export const ratioAt = (network: Network, place: Spot, settings: CorrectionSettings): SpatialEstimate =>
  krige(network.spots, network.logRatios, place, settings.fieldLengthKm, settings.fieldNugget);

/** @param share how much of the kriged log-ratio still counts, 1 at first, falling with age */
export function applyNetwork(network: Network, x: number, logRatio: number, share: number): number {
  const g = onLine(network, x);
  const r = Math.min(MAX_LOG_RATIO, Math.max(-MAX_LOG_RATIO, logRatio * share));
  return (g + OFFSET) * Math.exp(r) - OFFSET;
}

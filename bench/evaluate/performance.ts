/**
 * How good answers are by the measures that agencies ask of a sensor: US EPA's performance targets for PM2.5 (base: 24 h means; USEPA/sensortoolkit
 * `_targets.py`) and the relative expanded uncertainty of the EU's Guide to the Demonstration of Equivalence (calibration note §3.1, §3.3).
 */
import { DAY, HOUR } from '../../model/time.ts';
import type { Pair } from './sets.ts';

/** A day needs this share of its hours, as every mean does. */
const SHARE = 0.75;

interface Mean {
  /** Reference and answer [µg/m³]. */
  readonly x: number;
  readonly y: number;
}

export interface Performance {
  /** Means of 24 h that are judged. */
  readonly days: number;
  /** Of answers on reference, ordinary least squares. */
  readonly slope: number;
  readonly r2: number;
  /** RMSE over the mean of the reference [%]. */
  readonly nrmse: number;
  /** Relative expanded uncertainty (k = 2) at 30 µg/m³ [%]. */
  readonly reu30: number;
  /** By how much the RMSE of single answers is below that of raw values [%]. */
  readonly overRaw: number;
}

/** Means of 24 h (UTC) of each box, from pairs of `stepMs`. */
function dayMeans(pairs: readonly Pair[], stepMs: number): Mean[] {
  if (stepMs >= DAY) return pairs.map((p) => ({ x: p.y, y: p.corrected }));
  const needed = SHARE * (DAY / Math.max(HOUR, stepMs));
  const means: Mean[] = [];
  for (const list of Map.groupBy(pairs, (p) => `${p.box} ${Math.floor(p.time / DAY)}`).values()) {
    if (list.length < needed) continue;
    means.push({ x: mean(list.map((p) => p.y)), y: mean(list.map((p) => p.corrected)) });
  }
  return means;
}

const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;

/** Moments of the population, as GDE has them. */
function moments(v: readonly Mean[]): { mx: number; my: number; sx: number; sy: number; sxy: number } {
  const mx = mean(v.map((p) => p.x));
  const my = mean(v.map((p) => p.y));
  return {
    mx,
    my,
    sx: mean(v.map((p) => (p.x - mx) ** 2)),
    sy: mean(v.map((p) => (p.y - my) ** 2)),
    sxy: mean(v.map((p) => (p.x - mx) * (p.y - my))),
  };
}

/**
 * GDE 2010, orthogonal regression (λ = 1), divided by the value at the limit; the reference is taken as without error (u_ref = 0), which makes the
 * number rather too high than too low.
 * @param at concentration [µg/m³]
 * @returns k = 2 uncertainty [% of `at`]
 */
export function expandedUncertainty(v: readonly Mean[], at: number): number {
  const { mx, my, sx, sy, sxy } = moments(v);
  const b1 = (sy - sx + Math.sqrt((sy - sx) ** 2 + 4 * sxy * sxy)) / (2 * sxy);
  const b0 = my - b1 * mx;
  const rss = v.reduce((sum, p) => sum + (p.y - b0 - b1 * p.x) ** 2, 0);
  return (200 / at) * Math.sqrt(rss / (v.length - 2) + (b0 + (b1 - 1) * at) ** 2);
}

/** @returns null with fewer than 30 means: too few for a slope */
export function performance(pairs: readonly Pair[], stepMs: number): Performance | null {
  const given = pairs.filter((p) => !Number.isNaN(p.corrected));
  const means = dayMeans(given, stepMs);
  if (means.length < 30) return null;
  const { mx, sx, sy, sxy } = moments(means);
  const error = (of: (p: Pair) => number): number => mean(given.map((p) => (of(p) - p.y) ** 2));
  return {
    days: means.length,
    slope: sxy / sx,
    r2: (sxy * sxy) / (sx * sy),
    nrmse: (100 * Math.sqrt(mean(means.map((p) => (p.y - p.x) ** 2)))) / mx,
    reu30: expandedUncertainty(means, 30),
    overRaw: 100 * (1 - Math.sqrt(error((p) => p.corrected) / error((p) => p.x))),
  };
}

/** A box, and what it says in one hour. */
export interface Neighbour {
  readonly lat: number;
  readonly lon: number;
  readonly value: number;
}

/**
 * By how much neighbours differ: coefficient of variation of two, pooled over all pairs 20 m to 1 km apart [%] (README of taiwan_scmpm_snapshots:
 * 81 and 40 % for the raw values of screened boxes).
 */
export function pairSpread(
  boxes: readonly Neighbour[],
  km: (a: Neighbour, b: Neighbour) => number,
): { percent: number; pairs: number } {
  let [pairs, squares, sum] = [0, 0, 0];
  for (const [i, a] of boxes.entries()) {
    for (const b of boxes.slice(i + 1)) {
      if (Math.abs(a.lat - b.lat) > 0.01 || Math.abs(a.lon - b.lon) > 0.012) continue;
      const d = km(a, b);
      if (d <= 0.02 || d >= 1) continue;
      pairs++;
      squares += (a.value - b.value) ** 2 / 2;
      sum += (a.value + b.value) / 2;
    }
  }
  return { percent: (100 * Math.sqrt(squares / pairs)) / (sum / pairs), pairs };
}

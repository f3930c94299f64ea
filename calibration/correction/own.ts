/**
 * Level L5: a box's own co-location, shrunken onto the pooled model (calibration note §2.3). The difference to the pooled model is
 * fitted around the means of the window with a prior of mean zero, so few days move little and many days decide.
 */
import type { EpochMs } from '../../model/time.ts';
import { featureCount, featureSet, fillFeatures, type FeatureSet } from './features.ts';
import { dot, fitRobust, newRows } from './linear.ts';
import { varianceWeight } from './pooled.ts';
import { OWN_GROWTH, type CorrectionSettings } from './settings.ts';
import type { Betas, Pairs, PooledModel } from './solution.ts';

export interface OwnModel {
  readonly betas: Betas;
  /** Difference to the pooled model of the time of the fit. */
  readonly deltas: Betas;
  /** Means of the features in the window; not in states of earlier versions. */
  readonly means?: Betas;
  /** Fitted after the end of the co-location. */
  readonly whole?: boolean;
  readonly pairs: number;
  readonly days: number;
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly scale: number;
}

const SETS: readonly FeatureSet[] = ['PRT', 'PR', 'P'];

const MAX_ROWS = 1500;

/** @param grow whether Huber's bounds grow with the concentration (`boundsGrow`) */
export function fitOwn(
  pairs: Pairs,
  pooled: Pick<PooledModel, 'betas' | 'scale'>,
  correlated: number,
  settings: CorrectionSettings,
  grow = false,
): OwnModel | null {
  const n = pairs.time.length;
  if (n === 0) return null;
  // Old against its own newest pairs.
  const newest = pairs.time[n - 1] as number;
  const betas: Betas = {};
  const deltas: Betas = {};
  const middles: Betas = {};
  const days = new Set<number>();
  let scale = pooled.scale;
  for (const t of pairs.time) days.add(Math.floor(t / 86_400_000));
  const stride = Math.max(1, Math.ceil(n / MAX_ROWS));
  for (const set of SETS) {
    const base = pooled.betas[set];
    if (!base) continue;
    const p = featureCount(set, settings);
    const rows = newRows(p);
    const spreads: number[] = [];
    const row = new Float64Array(p);
    const means = new Float64Array(p);
    let total = 0;
    for (let i = (n - 1) % stride; i < n; i += stride) {
      const rh = pairs.rh[i] as number;
      const temp = pairs.temp[i] as number;
      const richest = featureSet(rh, temp);
      if ((set === 'PRT' && richest !== 'PRT') || (set === 'PR' && richest === 'P')) continue;
      const x = pairs.x[i] as number;
      const even = varianceWeight(x, settings);
      const w = stride * (0.5 ** ((newest - (pairs.time[i] as number)) / settings.ownHalfLifeMs) / correlated) * even;
      if (w * correlated < 0.002 * stride) continue;
      fillFeatures(row, 0, set, settings, x, rh, temp);
      for (let k = 0; k < p; k++) {
        rows.x.push(row[k] as number);
        means[k] = (means[k] as number) + w * (row[k] as number);
      }
      rows.y.push((pairs.y[i] as number) - dot(row, 0, base));
      rows.w.push(w);
      spreads.push(1 / Math.sqrt(even));
      rows.n++;
      total += w;
    }
    if (rows.n === 0) continue;
    for (let k = 1; k < p; k++) means[k] = (means[k] as number) / total;
    for (let i = 0; i < rows.n; i++) {
      for (let k = 1; k < p; k++) rows.x[i * p + k] = (rows.x[i * p + k] as number) - (means[k] as number);
    }
    const spread = settings.ownSpread.slice(0, set === 'P' ? 2 : set === 'PR' ? 3 : 4);
    if (settings.growth && set !== 'P') spread.push(OWN_GROWTH);
    const prior = { mean: spread.map(() => 0), spread };
    const fit = fitRobust(rows, prior, settings.huber, 1, betas.PRT ? 1 : 3, grow ? spreads : null);
    if (!fit) continue;
    const delta = fit.beta.slice();
    for (let k = 1; k < p; k++) delta[0] = (delta[0] as number) - (fit.beta[k] as number) * (means[k] as number);
    deltas[set] = delta;
    middles[set] = [1, ...means.slice(1)];
    betas[set] = base.map((b, k) => b + (delta[k] as number));
    scale = fit.scale;
  }
  if (Object.keys(betas).length === 0) return null;
  return {
    betas,
    deltas,
    means: middles,
    pairs: n,
    days: days.size,
    from: pairs.time[0] as number,
    to: pairs.time[n - 1] as number,
    scale,
  };
}

/**
 * A co-location that has ended: its difference to the pooled model of its own time is put on the pooled model of today, so that the
 * season goes on, and fades slowly as boxes age. What it says of the mean of its days lasts longer than what it says of how the box
 * follows level, humidity and temperature: that was learnt in one season.
 */
export function carryOwn(
  own: OwnModel,
  pooled: Pick<PooledModel, 'betas'>,
  now: EpochMs,
  settings: CorrectionSettings,
): OwnModel {
  const age = Math.max(0, now - own.to);
  const faded = 0.5 ** (age / settings.endedHalfLifeMs);
  const slopes = 0.5 ** (age / settings.endedSlopesHalfLifeMs);
  const betas: Betas = {};
  for (const set of SETS) {
    const base = pooled.betas[set];
    const delta = own.deltas[set];
    if (!base || !delta) continue;
    const means = own.means?.[set] ?? [1];
    const left = delta.map((d, k) => (k === 0 ? 0 : slopes * d));
    left[0] = faded * dot(delta, 0, means);
    for (let k = 1; k < Math.min(base.length, delta.length); k++) {
      left[0] -= (left[k] as number) * (means[k] ?? 0);
    }
    betas[set] = base.map((b, k) => b + (left[k] ?? 0));
  }
  return { ...own, betas };
}

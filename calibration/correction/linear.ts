/**
 * Weighted least squares with a Gaussian prior on the coefficients (ridge towards a known model), robust by Huber weights.
 */
import { cholesky, solveCholesky } from '../geo/kriging.ts';

/** Rows of `p` features (row by row), targets and weights. */
export interface Rows {
  readonly p: number;
  n: number;
  readonly x: number[];
  readonly y: number[];
  readonly w: number[];
}

export const newRows = (p: number): Rows => ({ p, n: 0, x: [], y: [], w: [] });

export interface Prior {
  readonly mean: readonly number[];
  /** Standard deviation of each coefficient around the mean; Infinity = no prior. */
  readonly spread: readonly number[];
}

export interface Normal {
  readonly p: number;
  /** XᵀWX, row by row. */
  readonly a: Float64Array;
  /** XᵀWy */
  readonly b: Float64Array;
}

export const newNormal = (p: number): Normal => ({ p, a: new Float64Array(p * p), b: new Float64Array(p) });

export function accumulate(into: Normal, x: ArrayLike<number>, at: number, y: number, w: number): void {
  const { p, a, b } = into;
  for (let i = 0; i < p; i++) {
    const wx = w * (x[at + i] as number);
    b[i] = (b[i] as number) + wx * y;
    for (let j = 0; j <= i; j++) a[i * p + j] = (a[i * p + j] as number) + wx * (x[at + j] as number);
  }
}

/** Solves (XᵀWX + σ²·Λ) β = XᵀWy + σ²·Λ·mean. Null when there is neither data nor prior enough. */
export function solve(normal: Normal, prior: Prior, noise: number): number[] | null {
  const { p } = normal;
  const a = normal.a.slice();
  const b = normal.b.slice();
  for (let i = 0; i < p; i++) {
    const spread = prior.spread[i] as number;
    const precision = spread === 0 ? 1e12 : (noise * noise) / (spread * spread);
    a[i * p + i] = (a[i * p + i] as number) + precision + 1e-9;
    b[i] = (b[i] as number) + precision * (prior.mean[i] as number);
  }
  try {
    cholesky(a, p);
  } catch {
    return null;
  }
  const beta = [...solveCholesky(a, p, b)];
  return beta.every(Number.isFinite) ? beta : null;
}

export interface RobustFit {
  readonly beta: number[];
  /** Robust standard deviation of the residuals, 1.4826·median|r|, at least `floor`. */
  readonly scale: number;
  /** Final weights, one per row. */
  readonly weights: Float64Array;
}

export const dot = (x: ArrayLike<number>, at: number, beta: readonly number[]): number => {
  let sum = 0;
  for (let i = 0; i < beta.length; i++) sum += (x[at + i] as number) * (beta[i] as number);
  return sum;
};

export function median(values: number[]): number {
  if (values.length === 0) return NaN;
  const sorted = Float64Array.from(values).sort();
  const mid = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[mid] as number) : ((sorted[mid - 1] as number) + (sorted[mid] as number)) / 2;
}

/** A scale needs no more than this many values. */
const THIN = 600;
function thin(values: number[]): number[] {
  const stride = Math.ceil(values.length / THIN);
  return stride <= 1 ? values : values.filter((_, i) => i % stride === 0);
}

/**
 * Iteratively reweighted least squares with Huber's weights; `k` in robust standard deviations, Infinity = plain.
 *
 * @param spreads by row, how many times as large as others its residual is expected to be; null = all alike
 */
export function fitRobust(
  rows: Rows,
  prior: Prior,
  k: number,
  floor: number,
  rounds = 4,
  spreads: ArrayLike<number> | null = null,
): RobustFit | null {
  const { p, n } = rows;
  const weights = Float64Array.from(rows.w);
  let scale = Math.max(floor, 3);
  let beta: number[] | null = null;
  for (let round = 0; round < rounds; round++) {
    const normal = newNormal(p);
    for (let i = 0; i < n; i++) accumulate(normal, rows.x, i * p, rows.y[i] as number, weights[i] as number);
    beta = solve(normal, prior, scale);
    if (!beta) return null;
    const residuals: number[] = [];
    for (let i = 0; i < n; i++) {
      const off = Math.abs((rows.y[i] as number) - dot(rows.x, i * p, beta));
      residuals[i] = spreads ? off / (spreads[i] as number) : off;
    }
    scale = Math.max(floor, n > 0 ? 1.4826 * median(thin(residuals)) : floor);
    for (let i = 0; i < n; i++) {
      const r = (residuals[i] as number) / scale;
      weights[i] = (rows.w[i] as number) * (r > k ? k / r : 1);
    }
  }
  return beta && { beta, scale, weights };
}

/**
 * The interpolated field: local ordinary kriging on a grid of the screen. Pure; runs in `field.worker.ts`.
 *
 * Exponential covariance of range 10 km, nugget equal to the sill, 16 neighbours: the best of the compared methods by
 * leave-one-out on Taiwanese boxes (calibration note §5, table of interpolation methods). The prediction is of the smooth field, so its
 * variance leaves the nugget of the target out. Nothing is drawn where no value lies near or the variance nears the sill.
 */
import KDBush from 'kdbush';

export interface FieldInput {
  /** Kilometres east and north of a common origin. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly value: Float64Array;
  /** Share of the nugget a value has: 1 for a box, less for a reference station. */
  readonly noise: Float64Array;
}

export interface FieldGrid {
  readonly value: Float32Array;
  /** 1 = as sure as it gets, 0 = not drawn. */
  readonly certainty: Float32Array;
}

const RANGE_KM = 10;
const NUGGET = 1;
const NEIGHBOURS = 16;
/** Farther from every value than this there is no field [km]. */
export const SUPPORT_KM = 7;
/** Nor where the variance of the prediction is above this share of the sill. */
const MAX_VARIANCE = 0.8;
const SEARCH_KM = [2, 4, 8, 14];

const covariance = (km: number): number => Math.exp(-km / RANGE_KM);

/** Solves the symmetric system in place by Gaussian elimination with partial pivoting; false when singular. */
function solve(a: Float64Array, b: Float64Array, n: number): boolean {
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++)
      if (Math.abs(a[i * n + k] as number) > Math.abs(a[pivot * n + k] as number)) pivot = i;
    const p = a[pivot * n + k] as number;
    if (Math.abs(p) < 1e-12) return false;
    if (pivot !== k) {
      for (let j = k; j < n; j++) {
        const t = a[k * n + j] as number;
        a[k * n + j] = a[pivot * n + j] as number;
        a[pivot * n + j] = t;
      }
      const t = b[k] as number;
      b[k] = b[pivot] as number;
      b[pivot] = t;
    }
    for (let i = k + 1; i < n; i++) {
      const f = (a[i * n + k] as number) / (a[k * n + k] as number);
      if (f === 0) continue;
      for (let j = k; j < n; j++) a[i * n + j] = (a[i * n + j] as number) - f * (a[k * n + j] as number);
      b[i] = (b[i] as number) - f * (b[k] as number);
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    let s = b[i] as number;
    for (let j = i + 1; j < n; j++) s -= (a[i * n + j] as number) * (b[j] as number);
    b[i] = s / (a[i * n + i] as number);
  }
  return true;
}

/** @param gx,gy places of the grid [km], same origin as the input */
export function interpolate(input: FieldInput, gx: Float64Array, gy: Float64Array): FieldGrid {
  const n = input.x.length;
  const out: FieldGrid = { value: new Float32Array(gx.length).fill(NaN), certainty: new Float32Array(gx.length) };
  if (n === 0) return out;
  const tree = new KDBush(n);
  for (let i = 0; i < n; i++) tree.add(input.x[i] as number, input.y[i] as number);
  tree.finish();
  const size = NEIGHBOURS + 1;
  const a = new Float64Array(size * size);
  const b = new Float64Array(size);
  const k = new Float64Array(size);
  for (let g = 0; g < gx.length; g++) {
    const [px, py] = [gx[g] as number, gy[g] as number];
    let found: number[] = [];
    for (const radius of SEARCH_KM) {
      found = tree.within(px, py, radius);
      if (found.length >= NEIGHBOURS) break;
    }
    const near = found
      .map((i) => ({ i, d: Math.hypot((input.x[i] as number) - px, (input.y[i] as number) - py) }))
      .sort((p, q) => p.d - q.d)
      .slice(0, NEIGHBOURS);
    if (near.length === 0 || (near[0] as { d: number }).d > SUPPORT_KM) continue;
    const m = near.length;
    const order = m + 1;
    for (let i = 0; i < m; i++) {
      const p = near[i] as { i: number; d: number };
      for (let j = 0; j < m; j++) {
        const q = near[j] as { i: number; d: number };
        const d = Math.hypot(
          (input.x[p.i] as number) - (input.x[q.i] as number),
          (input.y[p.i] as number) - (input.y[q.i] as number),
        );
        a[i * order + j] = covariance(d) + (i === j ? NUGGET * (input.noise[p.i] as number) : 0);
      }
      a[i * order + m] = 1;
      a[m * order + i] = 1;
      b[i] = k[i] = covariance(p.d);
    }
    a[m * order + m] = 0;
    b[m] = 1;
    k[m] = 1;
    if (!solve(a, b, order)) continue;
    let value = 0;
    let variance = 1;
    for (let i = 0; i < m; i++) {
      value += (b[i] as number) * (input.value[(near[i] as { i: number }).i] as number);
      variance -= (b[i] as number) * (k[i] as number);
    }
    variance -= b[m];
    if (variance > MAX_VARIANCE) continue;
    out.value[g] = value;
    out.certainty[g] = Math.max(0.12, Math.min(1, 1 - variance / MAX_VARIANCE + 0.08));
  }
  return out;
}

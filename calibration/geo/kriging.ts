/**
 * Kriging with an exponential covariance and a nugget, sill 1: K = exp(−d/ℓ) + nugget·I (Cressie, Statistics for Spatial
 * Data, §3.2 and §3.4). The unit of variance is the sill; callers scale it by what they find.
 */
import { distanceKm } from './distance.ts';
import { type Place, createNeighbourIndex } from './neighbours.ts';

/** exp(−d/ℓ): 1 at distance 0, 0.37 at ℓ. */
export const exponentialCovariance = (km: number, lengthKm: number): number => Math.exp(-km / lengthKm);

/** Covariance matrix of places with the nugget on the diagonal, row by row (n × n). Places may coincide when nugget > 0. */
export function covarianceMatrix(places: readonly Place[], lengthKm: number, nugget: number): Float64Array {
  const n = places.length;
  const k = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const a = places[i] as Place;
    k[i * n + i] = 1 + nugget;
    for (let j = 0; j < i; j++) {
      const b = places[j] as Place;
      k[i * n + j] = k[j * n + i] = exponentialCovariance(distanceKm(a.lat, a.lon, b.lat, b.lon), lengthKm);
    }
  }
  return k;
}

/**
 * Lower Cholesky factor of a symmetric positive definite matrix, in place (the upper triangle is left as it was).
 * @throws RangeError when the matrix is not positive definite
 */
export function cholesky(a: Float64Array, n: number): Float64Array {
  for (let j = 0; j < n; j++) {
    let diagonal = a[j * n + j] as number;
    for (let k = 0; k < j; k++) diagonal -= (a[j * n + k] as number) ** 2;
    if (!(diagonal > 1e-12)) throw new RangeError('covariance matrix is not positive definite: use a nugget above 0');
    const root = Math.sqrt(diagonal);
    a[j * n + j] = root;
    for (let i = j + 1; i < n; i++) {
      let sum = a[i * n + j] as number;
      for (let k = 0; k < j; k++) sum -= (a[i * n + k] as number) * (a[j * n + k] as number);
      a[i * n + j] = sum / root;
    }
  }
  return a;
}

/** Solves L Lᵀ x = b with the factor from `cholesky`; b is overwritten with x. */
export function solveCholesky(l: Float64Array, n: number, b: Float64Array): Float64Array {
  for (let i = 0; i < n; i++) {
    let sum = b[i] as number;
    for (let k = 0; k < i; k++) sum -= (l[i * n + k] as number) * (b[k] as number);
    b[i] = sum / (l[i * n + i] as number);
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i] as number;
    for (let k = i + 1; k < n; k++) sum -= (l[k * n + i] as number) * (b[k] as number);
    b[i] = sum / (l[i * n + i] as number);
  }
  return b;
}

/** Inverse of a symmetric positive definite matrix, K⁻¹ = L⁻ᵀL⁻¹; the argument is overwritten. */
export function invertSpd(a: Float64Array, n: number): Float64Array {
  const l = cholesky(a, n);
  // L⁻¹, row by row, in the place of L.
  for (let i = 0; i < n; i++) {
    const diagonal = 1 / (l[i * n + i] as number);
    for (let j = 0; j < i; j++) {
      let sum = 0;
      for (let k = j; k < i; k++) sum -= (l[i * n + k] as number) * (l[k * n + j] as number);
      l[i * n + j] = sum * diagonal;
    }
    l[i * n + i] = diagonal;
  }
  const inverse = new Float64Array(n * n);
  for (let k = 0; k < n; k++)
    for (let i = 0; i <= k; i++) {
      const lki = l[k * n + i] as number;
      for (let j = 0; j <= i; j++) inverse[i * n + j] = (inverse[i * n + j] as number) + lki * (l[k * n + j] as number);
    }
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) inverse[i * n + j] = inverse[j * n + i] as number;
  return inverse;
}

/**
 * Mean by generalised least squares: μ = 1ᵀK⁻¹y / 1ᵀK⁻¹1.
 * @param inverse K⁻¹, n × n
 */
export function glsMean(inverse: Float64Array, n: number, y: ArrayLike<number>): number {
  let weighted = 0;
  let total = 0;
  for (let i = 0; i < n; i++) {
    let rowSum = 0;
    for (let j = 0; j < n; j++) rowSum += inverse[i * n + j] as number;
    weighted += rowSum * (y[i] as number);
    total += rowSum;
  }
  return weighted / total;
}

/**
 * Leave-one-out residuals of ordinary kriging for all places from one inverse (Dubrule 1983, Math. Geol. 15:687): with
 * Q = K⁻¹ − K⁻¹11ᵀK⁻¹ / 1ᵀK⁻¹1, r_i = (Qy)_i / Q_ii = (K⁻¹(y−μ))_i / Q_ii is exactly y_i less its prediction from the others, mean estimated
 * from the others too, and its variance is 1/Q_ii in units of the sill. (Dividing by (K⁻¹)_ii, as titanlib does, keeps the mean of all.)
 */
export function leaveOneOutResiduals(
  inverse: Float64Array,
  n: number,
  y: ArrayLike<number>,
): { residuals: Float64Array; variances: Float64Array } {
  const mean = glsMean(inverse, n, y);
  const rowSums = new Float64Array(n);
  let total = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) rowSums[i] = (rowSums[i] as number) + (inverse[i * n + j] as number);
    total += rowSums[i] as number;
  }
  const residuals = new Float64Array(n);
  const variances = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += (inverse[i * n + j] as number) * ((y[j] as number) - mean);
    const q = (inverse[i * n + i] as number) - (rowSums[i] as number) ** 2 / total;
    residuals[i] = sum / q;
    variances[i] = 1 / q;
  }
  return { residuals, variances };
}

export interface KrigingOptions {
  readonly lengthKm: number;
  /** Variance of a single value against the field, in units of the sill. */
  readonly nugget: number;
  /** How many of the nearest values are used for one estimate. */
  readonly neighbours: number;
  readonly maxKm: number;
  /** A known mean (simple kriging), or 'estimated' from the neighbours used (ordinary kriging). */
  readonly mean: number | 'estimated';
}

export interface Estimate {
  readonly value: number;
  /** Variance of the field (without nugget) at that place in units of the sill; with estimated mean includes the mean's part. */
  readonly variance: number;
  /** How many values took part; 0 = none within reach, then value is the known mean or NaN, variance 1. */
  readonly used: number;
  /** Distance to the nearest value used [km]. */
  readonly nearestKm: number;
}

export interface Field {
  /** Estimate at a place. `skip` leaves out values by their position (leave one out). */
  at(lat: number, lon: number, skip?: (index: number) => boolean): Estimate;
}

/** A field kriged from scattered values: local systems of the nearest values, so 3,000 or 30,000 values are no matter. */
export function createField(values: readonly (Place & { readonly value: number })[], options: KrigingOptions): Field {
  const { lengthKm, nugget, neighbours, maxKm, mean } = options;
  const index = createNeighbourIndex(values);
  return {
    at(lat, lon, skip) {
      const near = index.nearest(lat, lon, neighbours, maxKm, skip && ((i) => !skip(i)));
      const n = near.length;
      if (n === 0)
        return { value: mean === 'estimated' ? Number.NaN : mean, variance: 1, used: 0, nearestKm: Infinity };
      const used = near.map((v) => values[v.index] as Place & { value: number });
      const l = cholesky(covarianceMatrix(used, lengthKm, nugget), n);
      const c = Float64Array.from(near, (v) => exponentialCovariance(v.km, lengthKm));
      const weights = solveCholesky(l, n, c.slice());
      const ones = solveCholesky(l, n, new Float64Array(n).fill(1));
      let mu = 0;
      let sumOnes = 0;
      let sumWeights = 0;
      let explained = 0;
      for (let i = 0; i < n; i++) {
        sumOnes += ones[i] as number;
        sumWeights += weights[i] as number;
        explained += (weights[i] as number) * (c[i] as number);
        mu += (ones[i] as number) * (used[i] as { value: number }).value;
      }
      mu = mean === 'estimated' ? mu / sumOnes : mean;
      let value = mu;
      for (let i = 0; i < n; i++) value += (weights[i] as number) * ((used[i] as { value: number }).value - mu);
      // Cressie eq. 3.4.5: the last term is what not knowing the mean costs.
      const variance = 1 - explained + (mean === 'estimated' ? (1 - sumWeights) ** 2 / sumOnes : 0);
      return { value, variance: Math.max(0, variance), used: n, nearestKm: (near[0] as { km: number }).km };
    },
  };
}

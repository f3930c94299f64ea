/**
 * Gaussian evidence on the coefficients of a line, and effects integrated out of it: with (XᵀWX, XᵀWy) of the pairs, A and b, an effect of
 * precision P on top of the coefficients leaves A − A (A + P)⁻¹ A and b − A (A + P)⁻¹ b.
 */
import { cholesky, solveCholesky } from '../geo/kriging.ts';
import { dot, type Normal } from './linear.ts';

/** Precision matrix of coefficients whose level at `mean` and slopes are known to within `spread`. */
export function precisionAround(mean: Float64Array, spread: readonly number[], factor: number): Float64Array {
  const p = spread.length;
  const out = new Float64Array(p * p);
  const level = 1 / (factor * (spread[0] as number)) ** 2;
  for (let i = 0; i < p; i++) {
    for (let j = 0; j < p; j++)
      out[i * p + j] = level * (i === 0 ? 1 : (mean[i] as number)) * (j === 0 ? 1 : (mean[j] as number));
    if (i > 0) out[i * p + i] = (out[i * p + i] as number) + 1 / (factor * (spread[i] as number)) ** 2;
  }
  return out;
}

export const logSpread = (spread: readonly number[], factor: number): number =>
  spread.reduce((sum, s) => sum + Math.log(factor * s), 0);

/** Gaussian evidence on coefficients: information, vector, and log of how likely the effects are that have been integrated out. */
export interface Evidence {
  readonly information: Float64Array;
  readonly vector: Float64Array;
  readonly log: number;
}

export const nothing = (p: number): Evidence => ({
  information: new Float64Array(p * p),
  vector: new Float64Array(p),
  log: 0,
});

export const combine = (a: Evidence, b: Evidence, sign: number): Evidence => ({
  information: a.information.map((v, i) => v + sign * (b.information[i] as number)),
  vector: a.vector.map((v, i) => v + sign * (b.vector[i] as number)),
  log: a.log + sign * b.log,
});

export const sumOf = (list: Iterable<Evidence>, p: number): Evidence => {
  let sum = nothing(p);
  for (const e of list) sum = combine(sum, e, 1);
  return sum;
};

/** The evidence plus a precision, ready to be solved. */
export function factorOf({ information }: Evidence, precision: Float64Array): Float64Array {
  return cholesky(
    information.map((v, i) => v + (precision[i] as number)),
    Math.sqrt(precision.length),
  );
}

export const halfLogOf = (factor: Float64Array, p: number): number => {
  let log = 0;
  for (let i = 0; i < p; i++) log += Math.log(factor[i * p + i] as number);
  return log;
};

/** What the evidence says of the coefficients when an effect of this precision lies on top of them. */
export function marginalOf(e: Evidence, precision: Float64Array, logSd: number): Evidence {
  const p = e.vector.length;
  const factor = factorOf(e, precision);
  const mean = solveCholesky(factor, p, e.vector.slice());
  const information = e.information.slice();
  for (let j = 0; j < p; j++) {
    const column = Float64Array.from({ length: p }, (_, i) => e.information[i * p + j] as number);
    const taken = times(e.information, solveCholesky(factor, p, column));
    for (let i = 0; i < p; i++) information[i * p + j] = (information[i * p + j] as number) - (taken[i] as number);
  }
  const taken = times(e.information, mean);
  return {
    information,
    vector: e.vector.map((v, i) => v - (taken[i] as number)),
    log: e.log + 0.5 * dot(e.vector, 0, [...mean]) - halfLogOf(factor, p) - logSd,
  };
}

export const full = ({ p, a }: Normal): Float64Array => {
  const out = a.slice();
  for (let i = 0; i < p; i++) for (let j = i + 1; j < p; j++) out[i * p + j] = out[j * p + i] as number;
  return out;
};

export function times(a: Float64Array, v: ArrayLike<number>): Float64Array {
  const p = v.length;
  const out = new Float64Array(p);
  for (let i = 0; i < p; i++) {
    let sum = 0;
    for (let j = 0; j < p; j++) sum += (a[i * p + j] as number) * (v[j] as number);
    out[i] = sum;
  }
  return out;
}

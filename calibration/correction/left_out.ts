/** What a fit says without some of its rows: without a station, as if it were not there; without days, to tell how far it can be trusted. */
import { accumulate, dot, newNormal, solve, type Normal, type Prior, type Rows } from './linear.ts';

/**
 * Coefficients without the rows of each key, in one pass: the sums of a key are taken away from those of all.
 *
 * @param keys by row
 * @param noise standard deviation of the residuals
 */
export function solutionsWithout<Key>(
  rows: Rows,
  weights: Float64Array,
  keys: readonly Key[],
  prior: Prior,
  noise: number,
): Map<Key, number[]> {
  const { p, n } = rows;
  const whole = newNormal(p);
  const parts = new Map<Key, Normal>();
  for (let i = 0; i < n; i++) {
    const key = keys[i] as Key;
    let part = parts.get(key);
    if (!part) parts.set(key, (part = newNormal(p)));
    for (const sums of [whole, part]) accumulate(sums, rows.x, i * p, rows.y[i] as number, weights[i] as number);
  }
  const out = new Map<Key, number[]>();
  for (const [key, part] of parts) {
    const minus = (all: Float64Array, some: Float64Array): Float64Array => all.map((v, i) => v - (some[i] as number));
    const beta = solve({ p, a: minus(whole.a, part.a), b: minus(whole.b, part.b) }, prior, noise);
    if (beta) out.set(key, beta);
  }
  return out;
}

/** Days are left out by so many blocks at most. */
export const DAY_BLOCKS = 10;

/** Block of each day: neighbouring ones together. */
export function blocksOf(days: Iterable<number>): ReadonlyMap<number, number> {
  const all = [...new Set(days)].sort((a, b) => a - b);
  return new Map(all.map((day, i) => [day, Math.floor((i * Math.min(DAY_BLOCKS, all.length)) / all.length)]));
}

/** After so many days a fit is believed by half. */
const HALF_DAYS = 2;

/**
 * How much of what sets a fit apart from a published line is to be believed, 0–1. The days of one spell of weather are alike however many
 * hours they have: n²/(n² + 2²) of n days (docs/methods.md), unless days left out are surer than that, less one standard error between
 * them.
 *
 * @param days by row
 */
export function trust(rows: Rows, weights: Float64Array, days: readonly number[], prior: Prior, noise: number): number {
  const { p } = rows;
  const blockOf = blocksOf(days);
  const least = blockOf.size ** 2 / (blockOf.size ** 2 + HALF_DAYS ** 2);
  const keys = days.map((day) => blockOf.get(day) as number);
  const others = solutionsWithout(rows, weights, keys, prior, noise);
  const n = others.size;
  if (n < 2) return least;
  // By block: products of what the other days say of the distance to the line with what it was, and with itself.
  const asked = new Float64Array(DAY_BLOCKS);
  const said = new Float64Array(DAY_BLOCKS);
  for (let i = 0; i < rows.n; i++) {
    const block = keys[i] as number;
    const line = dot(rows.x, i * p, prior.mean);
    const told = dot(rows.x, i * p, others.get(block) ?? prior.mean) - line;
    const w = weights[i] as number;
    asked[block] = (asked[block] as number) + w * told * ((rows.y[i] as number) - line);
    said[block] = (said[block] as number) + w * told * told;
  }
  const sum = (of: (k: number) => number): number => asked.reduce((total, _, k) => total + of(k), 0);
  const all = sum((k) => said[k] as number);
  if (all === 0) return least;
  const share = sum((k) => asked[k] as number) / all;
  const squares = sum((k) => ((asked[k] as number) - share * (said[k] as number)) ** 2);
  return Math.max(least, Math.min(1, share - Math.sqrt((squares * n) / (n - 1)) / all));
}

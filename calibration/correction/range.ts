/** What a fit has seen: covariates are held within it. */
import type { Range } from './solution.ts';

/** Inputs and reference of the rows of a fit; humidity and temperature where there are any. */
export interface Seen {
  readonly x: number[];
  readonly y: number[];
  readonly rh: number[];
  readonly temp: number[];
}

export const newSeen = (): Seen => ({ x: [], y: [], rh: [], temp: [] });

export function see(into: Seen, x: number, y: number, rh: number, temp: number): void {
  into.x.push(x);
  into.y.push(y);
  if (!Number.isNaN(rh)) into.rh.push(rh);
  if (!Number.isNaN(temp)) into.temp.push(temp);
}

export const rangeOf = ({ x, y, rh, temp }: Seen): Range => ({
  xMax: quantile(x, 0.995),
  yMax: Math.max(...sample(y)),
  rh: rh.length > 0 ? [quantile(rh, 0.01), quantile(rh, 0.99)] : [0, 100],
  temp: temp.length > 0 ? [quantile(temp, 0.01), quantile(temp, 0.99)] : [-40, 60],
});

const sample = (v: number[]): number[] => {
  const stride = Math.ceil(v.length / 1000);
  return stride <= 1 ? v : v.filter((_, i) => i % stride === 0);
};

function quantile(values: number[], q: number): number {
  const v = Float64Array.from(sample(values)).sort();
  return v[Math.min(v.length - 1, Math.floor(q * v.length))] as number;
}

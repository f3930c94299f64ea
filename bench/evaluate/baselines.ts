/** The lines to beat, exactly as data/README.md makes them: raw, Barkjohn 2021, ordinary least squares on pm, RH, T. */
import { solve as solveMatrix, Matrix } from 'ml-matrix';
import { barkjohn2021 } from '../../calibration/correction/published.ts';
import type { Pair } from './sets.ts';

const row = (p: Pair): number[] => [1, p.x, p.rh, p.temp];

export function ols(pairs: readonly Pair[]): (p: Pair) => number {
  const x = new Matrix(pairs.map(row));
  const y = Matrix.columnVector(pairs.map((p) => p.y));
  const xt = x.transpose();
  const beta = solveMatrix(xt.mmul(x), xt.mmul(y)).to1DArray();
  return (p) => row(p).reduce((sum, v, i) => sum + v * (beta[i] as number), 0);
}

export const rmse = (pairs: readonly Pair[], estimate: (p: Pair) => number): number =>
  Math.sqrt(pairs.reduce((sum, p) => sum + (estimate(p) - p.y) ** 2, 0) / pairs.length);

export interface Baselines {
  readonly raw: number;
  readonly barkjohn: number;
  readonly pooled: number;
  readonly perBox: number;
}

export function baselines(fit: readonly Pair[], test: readonly Pair[]): Baselines {
  const pooled = ols(fit);
  const own = new Map([...Map.groupBy(fit, (p) => p.box)].map(([box, list]) => [box, ols(list)]));
  return {
    raw: rmse(test, (p) => p.x),
    barkjohn: rmse(test, (p) => barkjohn2021(p.x, p.rh)),
    pooled: rmse(test, pooled),
    perBox: rmse(test, (p) => (own.get(p.box) ?? pooled)(p)),
  };
}

/** Each group (station or box) judged by a line fitted on the fitting part of the others. */
export function leftOut(fit: readonly Pair[], test: readonly Pair[], group: (p: Pair) => string): number {
  let sum = 0;
  for (const [name, list] of Map.groupBy(test, group)) {
    const line = ols(fit.filter((p) => group(p) !== name));
    for (const p of list) sum += (line(p) - p.y) ** 2;
  }
  return Math.sqrt(sum / test.length);
}

/** A share over fewer pairs says little: boxes below this do not count as worst. */
const WORST_FROM = 30;

export interface Answers {
  readonly n: number;
  /** Pairs for which an answer was given. */
  readonly answered: number;
  readonly rmse: number;
  readonly bias: number;
  /** Share of row intervals that hold the reference [%], overall and of the worst box. */
  readonly coverage: number;
  readonly worstBox: number;
  /** Boxes whose answers are worse than their raw values. */
  readonly harmed: number;
  readonly boxes: number;
}

export function answers(pairs: readonly Pair[]): Answers {
  const given = pairs.filter((p) => !Number.isNaN(p.corrected));
  let hits = 0;
  let rows = 0;
  let worst = 1;
  let harmed = 0;
  const byBox = Map.groupBy(given, (p) => p.box);
  for (const list of byBox.values()) {
    let h = 0;
    let n = 0;
    for (const p of list) {
      for (const [lo, hi] of p.intervals) {
        n++;
        if (p.y >= lo && p.y <= hi) h++;
      }
    }
    hits += h;
    rows += n;
    if (list.length >= WORST_FROM) worst = Math.min(worst, h / n);
    if (rmse(list, (p) => p.corrected) > rmse(list, (p) => p.x)) harmed++;
  }
  return {
    n: pairs.length,
    answered: given.length,
    rmse: rmse(given, (p) => p.corrected),
    bias: given.reduce((s, p) => s + p.corrected - p.y, 0) / given.length,
    coverage: (100 * hits) / rows,
    worstBox: 100 * worst,
    harmed,
    boxes: byBox.size,
  };
}

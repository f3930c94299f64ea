/**
 * `node bench/evaluate/rivals.ts`: other families of models on the splits of data/README.md, fitted once like the OLS they stand beside:
 * Huber's regression, additive splines (GAM), a Gaussian process, boosted trees. Three ways: on the past, judged by the future; on the
 * past of the other stations; on other days (every fifth day left out in turn, past and future known). Written for comparison only;
 * docs/methods.md has the table. About a minute.
 */
import { cholesky, solveCholesky } from '../../calibration/geo/kriging.ts';
import { DAY, HOUR } from '../../model/time.ts';
import { ols, rmse } from './baselines.ts';
import { hasSet, loadSet, pairsOf, splitByBox, type Pair, type PairRules } from './sets.ts';

type Model = (p: Pair) => number;
type Family = (fit: readonly Pair[]) => Model;

const features = (p: Pair): [number, number, number] => [p.x, p.rh, p.temp];
const COLUMNS = [0, 1, 2] as const;

/** Ridge least squares with weights. */
function solveRidge(rows: readonly (readonly number[])[], y: readonly number[], w: readonly number[], ridge: number) {
  const p = (rows[0] as readonly number[]).length;
  const a = new Float64Array(p * p);
  const b = new Float64Array(p);
  for (const [i, row] of rows.entries()) {
    for (let j = 0; j < p; j++) {
      const wj = (w[i] as number) * (row[j] as number);
      b[j] = (b[j] as number) + wj * (y[i] as number);
      for (let k = 0; k <= j; k++) a[j * p + k] = (a[j * p + k] as number) + wj * (row[k] as number);
    }
  }
  for (let j = 0; j < p; j++) a[j * p + j] = (a[j * p + j] as number) + (j === 0 ? 1e-9 : ridge);
  return solveCholesky(cholesky(a, p), p, b);
}

const dot = (row: readonly number[], beta: Float64Array): number =>
  row.reduce((sum, v, i) => sum + v * (beta[i] as number), 0);

const huber: Family = (fit) => {
  const rows = fit.map((p) => [1, ...features(p)]);
  const y = fit.map((p) => p.y);
  let w = fit.map(() => 1);
  let beta: Float64Array = new Float64Array(4);
  for (let round = 0; round < 12; round++) {
    beta = solveRidge(rows, y, w, 1e-6);
    const r = rows.map((row, i) => Math.abs(dot(row, beta) - (y[i] as number)));
    const scale = 1.4826 * (r.toSorted((p, q) => p - q)[r.length >> 1] as number);
    w = r.map((v) => (v > 1.345 * scale ? (1.345 * scale) / v : 1));
  }
  return (p) => dot([1, ...features(p)], beta);
};

/** Additive natural cubic splines, five knots each at quantiles (Harrell), penalised. */
const splines: Family = (fit) => {
  const knots = COLUMNS.map((c) => {
    const v = fit.map((p) => features(p)[c]).sort((p, q) => p - q);
    return [0.05, 0.275, 0.5, 0.725, 0.95].map((q) => v[Math.floor(q * (v.length - 1))] as number);
  });
  const cube = (v: number): number => Math.max(0, v) ** 3;
  const basis = (p: Pair): number[] => {
    const row = [1];
    for (const c of COLUMNS) {
      const v = features(p)[c];
      const t = knots[c] as number[];
      const [first, before, last] = [t[0] as number, t[3] as number, t[4] as number];
      const size = (last - first) ** 2 || 1;
      row.push(v);
      for (const knot of t.slice(0, 3)) {
        const tail = last === before ? 0 : 1 / (last - before);
        row.push(
          (cube(v - knot) - cube(v - before) * (last - knot) * tail + cube(v - last) * (before - knot) * tail) / size,
        );
      }
    }
    return row;
  };
  const beta = solveRidge(
    fit.map(basis),
    fit.map((p) => p.y),
    fit.map(() => 1),
    1,
  );
  return (p) => dot(basis(p), beta);
};

/** Linear plus squared-exponential covariance on 400 pairs of the past, evenly taken; length and noise by the last fifth of them. */
const gaussian: Family = (fit) => {
  const stride = Math.max(1, Math.ceil(fit.length / 400));
  const used = fit.toSorted((p, q) => p.time - q.time).filter((_, i) => i % stride === 0);
  const mean = COLUMNS.map((c) => used.reduce((s, p) => s + features(p)[c], 0) / used.length);
  const sd = COLUMNS.map((c) =>
    Math.sqrt(used.reduce((s, p) => s + (features(p)[c] - (mean[c] as number)) ** 2, 0) / used.length),
  );
  const scaled = (p: Pair): number[] => features(p).map((v, c) => (v - (mean[c] as number)) / (sd[c] as number));
  const make = (train: readonly Pair[], length: number, noise: number): Model => {
    const line = ols(train);
    const z = train.map(scaled);
    const n = z.length;
    const residual = train.map((p) => p.y - line(p));
    const sill = residual.reduce((s, r) => s + r * r, 0) / n;
    const k = (a: readonly number[], b: readonly number[]): number =>
      Math.exp((-0.5 * a.reduce((s, v, i) => s + (v - (b[i] as number)) ** 2, 0)) / length ** 2);
    const m = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) m[i * n + j] = sill * k(z[i] as number[], z[j] as number[]);
      m[i * n + i] = (m[i * n + i] as number) + sill * noise;
    }
    const alpha = solveCholesky(cholesky(m, n), n, Float64Array.from(residual));
    return (p) => {
      const at = scaled(p);
      let sum = line(p);
      for (let i = 0; i < n; i++) sum += sill * k(at, z[i] as number[]) * (alpha[i] as number);
      return sum;
    };
  };
  const cut = Math.floor(0.8 * used.length);
  let best = { error: Infinity, length: 1, noise: 1 };
  for (const length of [0.5, 1, 2, 4]) {
    for (const noise of [0.3, 1, 3, 10]) {
      const error = rmse(used.slice(cut), make(used.slice(0, cut), length, noise));
      if (error < best.error) best = { error, length, noise };
    }
  }
  return make(used, best.length, best.noise);
};

interface Leaf {
  readonly column: number;
  readonly limit: number;
  readonly low: Leaf | number;
  readonly high: Leaf | number;
}

/** 200 trees of depth 3 on 32 quantile bins, learning rate 0.06, 40 pairs a leaf at least (as the table's HistGradientBoosting). */
const boosting: Family = (fit) => {
  const limits = COLUMNS.map((c) => {
    const v = fit.map((p) => features(p)[c]).sort((p, q) => p - q);
    return Array.from({ length: 31 }, (_, i) => v[Math.floor(((i + 1) / 32) * (v.length - 1))] as number);
  });
  const bin = fit.map((p) => features(p).map((v, c) => (limits[c] as number[]).filter((l) => v > l).length));
  const start = fit.reduce((s, p) => s + p.y, 0) / fit.length;
  const left = fit.map((p) => p.y - start);
  const trees: (Leaf | number)[] = [];
  const grow = (rows: readonly number[], depth: number): Leaf | number => {
    const total = rows.reduce((s, i) => s + (left[i] as number), 0);
    const value = total / (rows.length + 1);
    if (depth === 0 || rows.length < 80) return value;
    let best = { gain: 1e-9, column: -1, at: 0 };
    for (const c of COLUMNS) {
      const sum = new Float64Array(32);
      const n = new Float64Array(32);
      for (const i of rows) {
        const b = (bin[i] as number[])[c] as number;
        sum[b] = (sum[b] as number) + (left[i] as number);
        n[b] = (n[b] as number) + 1;
      }
      let [s, k] = [0, 0];
      for (let b = 0; b < 31; b++) {
        s += sum[b] as number;
        k += n[b] as number;
        if (k < 40 || rows.length - k < 40) continue;
        const gain = s ** 2 / (k + 1) + (total - s) ** 2 / (rows.length - k + 1) - total ** 2 / (rows.length + 1);
        if (gain > best.gain) best = { gain, column: c, at: b };
      }
    }
    if (best.column < 0) return value;
    const isLow = (i: number): boolean => ((bin[i] as number[])[best.column] as number) <= best.at;
    return {
      column: best.column,
      limit: (limits[best.column] as number[])[best.at] as number,
      low: grow(rows.filter(isLow), depth - 1),
      high: grow(
        rows.filter((i) => !isLow(i)),
        depth - 1,
      ),
    };
  };
  const ask = (tree: Leaf | number, v: readonly number[]): number => {
    let at = tree;
    while (typeof at !== 'number') at = (v[at.column] as number) > at.limit ? at.high : at.low;
    return at;
  };
  const all = fit.map((_, i) => i);
  for (let t = 0; t < 200; t++) {
    const tree = grow(all, 3);
    trees.push(tree);
    for (const i of all) left[i] = (left[i] as number) - 0.06 * ask(tree, features(fit[i] as Pair));
  }
  return (p) => trees.reduce<number>((s, tree) => s + 0.06 * ask(tree, features(p)), start);
};

const FAMILIES: readonly (readonly [string, Family])[] = [
  ['OLS', ols],
  ['Huber', huber],
  ['splines (GAM)', splines],
  ['Gaussian process', gaussian],
  ['boosted trees', boosting],
];

/** Days are dealt out into so many folds in turn. */
const DAY_FOLDS = 5;

const SETS: readonly (readonly [string, string, PairRules, ((p: Pair) => boolean) | null])[] = [
  ['Denver', 'denver_lovemyair', { stepMs: HOUR }, (p) => p.time >= Date.parse('2019-02-01T07:00:00Z')],
  ['VA, clock repaired', 'va_deq_purpleair', { stepMs: HOUR, shiftMs: 5 * HOUR, rows: 5 }, null],
  ['US SE', 'us_se_purpleair_daily', { stepMs: DAY, dual: true }, null],
];

for (const [name, set, rules, isTest] of SETS) {
  if (!hasSet(set)) {
    console.log(`skipped: ../shared/data/${set} is not there`);
    continue;
  }
  const input = await loadSet(set);
  const pairs = pairsOf(input, null, rules);
  const { fit, test } = isTest
    ? { fit: pairs.filter((p) => !isTest(p)), test: pairs.filter(isTest) }
    : splitByBox(pairs, 0.6);
  const station = new Map((input.colocations ?? []).map((c) => [c.box, c.station]));
  const group = (p: Pair): string => (set.startsWith('denver') ? (station.get(p.box) as string) : p.box);
  for (const [family, make] of FAMILIES) {
    const future = rmse(test, make(fit));
    const sites = leftOutBy(test, group, fit, make);
    const fold = (p: Pair): string => String(Math.floor(p.time / DAY) % DAY_FOLDS);
    const days = leftOutBy(pairs, fold, pairs, make);
    console.log(
      `${name.padEnd(20)} ${family.padEnd(18)} future ${future.toFixed(2)}  sites left out ${sites.toFixed(2)}  days left out ${days.toFixed(2)}`,
    );
  }
}

/** Error over all groups, each answered by a model that has not seen it. */
function leftOutBy(test: readonly Pair[], group: (p: Pair) => string, fit: readonly Pair[], make: Family): number {
  let sum = 0;
  for (const [out, list] of Map.groupBy(test, group)) {
    const model = make(fit.filter((p) => group(p) !== out));
    for (const p of list) sum += (model(p) - p.y) ** 2;
  }
  return Math.sqrt(sum / test.length);
}

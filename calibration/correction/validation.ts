/** How a fit does where it has not been: at stations left out, or on days left out where there is one station only. */
import { DAY, type EpochMs } from '../../model/time.ts';
import type { FeatureSet } from './features.ts';
import { blocksOf, DAY_BLOCKS } from './left_out.ts';
import { dot, type Rows } from './linear.ts';
import type { Validation } from './models.ts';
import { applyBetas, SETS, type Betas, type Pairs, type Solution } from './solution.ts';

const tidy = (v: number): number => Math.round(v * 1000) / 1000;

/** Every station by the solution that has not seen it, over the rows of the fit; weights only thin, they do not judge. */
export function errorsAtOtherStations(
  rows: Record<FeatureSet, Rows>,
  stationOf: Record<FeatureSet, string[]>,
  without: Readonly<Record<string, Betas>>,
  betas: Betas,
): Validation | null {
  const set = SETS.find((s) => betas[s] !== undefined);
  if (!set) return null;
  const r = rows[set];
  const at = new Map<string, { n: number; squares: number }>();
  let [n, squares, sum, raw] = [0, 0, 0, 0];
  for (let i = 0; i < r.n; i++) {
    const name = stationOf[set][i] as string;
    const beta = without[name]?.[set];
    if (!beta) continue;
    const [y, x] = [r.y[i] as number, r.x[i * r.p + 1] as number];
    const off = dot(r.x, i * r.p, beta) - y;
    n++;
    squares += off * off;
    sum += off;
    raw += (x - y) ** 2;
    const station = at.get(name) ?? { n: 0, squares: 0 };
    at.set(name, station);
    station.n++;
    station.squares += off * off;
  }
  if (n === 0) return null;
  const worst = Math.max(...[...at.values()].map((s) => s.squares / s.n));
  return {
    kind: 'stations',
    pairs: n,
    stations: at.size,
    rmse: tidy(Math.sqrt(squares / n)),
    bias: tidy(sum / n),
    raw: tidy(Math.sqrt(raw / n)),
    worst: tidy(Math.sqrt(worst)),
  };
}

/**
 * Errors on blocks of days that the fit has not seen, of the model and of raw values; null when there are fewer than two days, or no fit without them.
 *
 * @param fit to what is left of the pairs
 */
export function errorsOnOtherDays(
  series: readonly Pairs[],
  fit: (left: readonly Pairs[]) => Solution | null,
): Validation | null {
  const dayOf = (time: EpochMs): number => Math.floor(time / DAY);
  const blockOf = blocksOf(series.flatMap((s) => s.time.map(dayOf)));
  const blocks = Math.min(DAY_BLOCKS, blockOf.size);
  if (blocks < 2) return null;
  const without = (s: Pairs, block: number): Pairs => {
    const kept = (_: number, i: number): boolean => blockOf.get(dayOf(s.time[i] as number)) !== block;
    const of = (column: readonly number[]): number[] => column.filter(kept);
    return { ...s, time: of(s.time), y: of(s.y), x: of(s.x), rh: of(s.rh), temp: of(s.temp) };
  };
  const sums = { squares: 0, off: 0, raw: 0, n: 0, worst: 0 };
  for (let block = 0; block < blocks; block++) {
    const solution = fit(series.map((s) => without(s, block)));
    if (!solution) continue;
    let [n, squares] = [0, 0];
    for (const s of series) {
      for (const [i, time] of s.time.entries()) {
        if (blockOf.get(dayOf(time)) !== block) continue;
        const [x, y] = [s.x[i] as number, s.y[i] as number];
        const answer = applyBetas(solution.betas, solution.range, x, s.rh[i] as number, s.temp[i] as number);
        if (Number.isNaN(answer)) continue;
        squares += (answer - y) ** 2;
        sums.off += answer - y;
        sums.raw += (x - y) ** 2;
        n++;
      }
    }
    sums.squares += squares;
    sums.n += n;
    if (n > 0) sums.worst = Math.max(sums.worst, squares / n);
  }
  const { n } = sums;
  if (n === 0) return null;
  return {
    kind: 'days',
    pairs: n,
    stations: new Set(series.filter((x) => x.time.length > 0).map((x) => x.station)).size,
    rmse: tidy(Math.sqrt(sums.squares / n)),
    bias: tidy(sums.off / n),
    raw: tidy(Math.sqrt(sums.raw / n)),
    worst: tidy(Math.sqrt(sums.worst)),
  };
}

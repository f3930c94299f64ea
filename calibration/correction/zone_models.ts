/**
 * The pooled model as it stands in each zone, by a mixed model: common coefficients, a random effect of each zone, and one of each station in
 * it. Stations are the unit, not hours: what sets one box and its place apart is its own, so that a zone with one station says little and one
 * with ten says much. The common coefficients are those of generalised least squares: a plain line through all zones would take what sets
 * warm and humid zones apart for the effect of warmth. How far zones and stations lie apart is learnt (empirical Bayes: posterior over a
 * grid of spreads, zero among them).
 */
import { solveCholesky } from '../geo/kriging.ts';
import { logOf } from './consensus.ts';
import {
  combine,
  factorOf,
  full,
  halfLogOf,
  logSpread,
  marginalOf,
  nothing,
  precisionAround,
  sumOf,
  times,
  type Evidence,
} from './evidence.ts';
import { accumulate, dot, median, newNormal, type Normal, type Prior, type Rows } from './linear.ts';
import { NOWHERE } from './zones.ts';

/** Spreads tried, in units of `ownSpread`, each as likely as the other before any pair: of zones, and of stations within a zone. */
const ZONE_SPREADS: readonly number[] = [0, 0.35, 0.7, 1.4, 2.8];
const STATION_SPREADS: readonly number[] = [0.35, 0.6, 1];
const GRID = STATION_SPREADS.flatMap((_, at) => ZONE_SPREADS.map((spread) => ({ at, spread })));
const ROUNDS = 3;

export interface ZoneFit {
  /** Coefficients of each zone. */
  readonly zones: ReadonlyMap<string, number[]>;
  /** The same as a box at a station would get without that station. */
  readonly without: ReadonlyMap<string, number[]>;
  /** By how far each zone's level is from what all others would have said there [log]. */
  readonly apart: readonly number[];
}

/** A zone at one point of the grid. */
interface ZoneAt {
  /** Of the zone's own coefficients, by all its stations. */
  readonly own: Evidence;
  /** Of the common ones. */
  readonly common: Evidence;
  readonly precision: Float64Array | null;
}

interface ZoneOfSet {
  readonly mean: Float64Array;
  /** By the spread of stations. */
  readonly stations: readonly ReadonlyMap<string, Evidence>[];
  readonly sums: readonly Evidence[];
}

/** @param but station that is left out */
function zoneAt(zone: ZoneOfSet, spread: readonly number[], k: number, but = ''): ZoneAt {
  const { at, spread: s } = GRID[k] as (typeof GRID)[number];
  const one = zone.stations[at]?.get(but);
  const sum = zone.sums[at] as Evidence;
  const own = one ? combine(sum, one, -1) : sum;
  if (s === 0) return { own, common: own, precision: null };
  const precision = precisionAround(zone.mean, spread, s);
  return { own, common: marginalOf(own, precision, logSpread(spread, s)), precision };
}

/** The common coefficients, and the log of how likely all pairs are. */
function commonOf(sum: Evidence, prior: Evidence): { beta: Float64Array; log: number } {
  const p = sum.vector.length;
  const factor = factorOf(sum, prior.information);
  const vector = sum.vector.map((v, i) => v + (prior.vector[i] as number));
  const beta = solveCholesky(factor, p, vector.slice());
  return { beta, log: sum.log + 0.5 * dot(vector, 0, [...beta]) - halfLogOf(factor, p) };
}

/** The zone's coefficients when the common ones are these. */
function inZone({ own, precision }: ZoneAt, common: Float64Array): Float64Array {
  if (!precision) return common;
  const off = times(own.information, common).map((v, i) => (own.vector[i] as number) - v);
  const delta = solveCholesky(factorOf(own, precision), common.length, off);
  return common.map((v, i) => v + (delta[i] as number));
}

function posterior(logs: readonly number[]): number[] {
  const top = Math.max(...logs);
  const weights = logs.map((l) => Math.exp(l - top));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / sum);
}

/** Means over the grid. */
const mixed = (belief: readonly number[], of: (k: number) => Float64Array): number[] => {
  let out: number[] = [];
  belief.forEach((share, k) => {
    const one = of(k);
    if (out.length === 0) out = [...one].map(() => 0);
    if (share > NEGLIGIBLE) one.forEach((v, i) => (out[i] = (out[i] as number) + share * v));
  });
  return out;
};
const NEGLIGIBLE = 1e-6;

/**
 * @param stationOf of each row
 * @param beta pooled coefficients: where the search begins
 * @param prior of the common coefficients
 * @param spread of one station's box and place around its zone: level at its mean [µg/m³], then slopes
 * @param huber standard deviations after which a residual counts less
 * @param worth factor of the weights of a zone's rows
 * @param bounds by row, how many times as large as others its residual is expected to be; null = all alike
 * @returns null when all stations are of one zone
 */
export function fitZones(
  rows: Rows,
  stationOf: readonly string[],
  zoneOf: ReadonlyMap<string, string>,
  beta: readonly number[],
  prior: Prior,
  spread: readonly number[],
  huber: number,
  floor: number,
  worth: (zone: string) => number = () => 1,
  bounds: ArrayLike<number> | null = null,
): ZoneFit | null {
  const names = [...new Set(stationOf.map((s) => zoneOf.get(s) ?? NOWHERE))].sort();
  if (names.length < 2) return null;
  const { p } = rows;
  const ofPrior = priorOf(prior, beta);
  let now: readonly (readonly number[])[] = names.map(() => beta);
  let zones: ZoneOfSet[] = [];
  let grid: ZoneAt[][] = [];
  const at = (k: number, z: number): ZoneAt => (grid[k] as ZoneAt[])[z] as ZoneAt;
  let sums: Evidence[] = [];
  let commons: { beta: Float64Array; log: number }[] = [];
  let belief: number[] = [];
  const moved = (by: readonly number[]): number[] => beta.map((b, i) => b + (by[i] as number));
  for (let round = 0; round < ROUNDS; round++) {
    zones = gather(rows, stationOf, zoneOf, names, now, beta, spread, huber, floor, worth, bounds);
    grid = GRID.map((_, k) => zones.map((zone) => zoneAt(zone, spread, k)));
    sums = grid.map((at) =>
      sumOf(
        at.map((z) => z.common),
        p,
      ),
    );
    commons = sums.map((sum) => commonOf(sum, ofPrior));
    belief = posterior(commons.map((c) => c.log));
    now = zones.map((_, z) => moved(mixed(belief, (k) => inZone(at(k, z), commons[k]?.beta as Float64Array))));
  }
  const without = new Map<string, number[]>();
  zones.forEach((zone, z) => {
    for (const station of zone.stations[0]?.keys() ?? []) {
      const unseen = GRID.map((_, k) => zoneAt(zone, spread, k, station));
      const rest = unseen.map((one, k) =>
        commonOf(combine(combine(sums[k] as Evidence, at(k, z).common, -1), one.common, 1), ofPrior),
      );
      const sure = posterior(rest.map((c) => c.log));
      without.set(station, moved(mixed(sure, (k) => inZone(unseen[k] as ZoneAt, rest[k]?.beta as Float64Array))));
    }
  });
  const apart = zones.map(({ mean }, z) => {
    const others = mixed(belief, (k) => commonOf(combine(sums[k] as Evidence, at(k, z).common, -1), ofPrior).beta);
    return logOf(dot(mean, 0, now[z] as number[])) - logOf(dot(mean, 0, moved(others)));
  });
  return { zones: new Map(names.map((name, z) => [name, [...(now[z] as number[])]])), without, apart };
}

/** Around the pooled coefficients. */
function priorOf({ mean, spread }: Prior, beta: readonly number[]): Evidence {
  const p = beta.length;
  const prior = nothing(p);
  for (let i = 0; i < p; i++) {
    const precision = 1 / (spread[i] as number) ** 2;
    prior.information[i * p + i] = precision;
    prior.vector[i] = precision * ((mean[i] as number) - (beta[i] as number));
  }
  return prior;
}

/** What each station's pairs say around the pooled coefficients, by zone; weights by how far they are from what the zone is thought to be. */
function gather(
  rows: Rows,
  stationOf: readonly string[],
  zoneOf: ReadonlyMap<string, string>,
  names: readonly string[],
  now: readonly (readonly number[])[],
  beta: readonly number[],
  spread: readonly number[],
  huber: number,
  floor: number,
  worth: (zone: string) => number,
  bounds: ArrayLike<number> | null,
): ZoneOfSet[] {
  const { p, n } = rows;
  const numberOf = new Map(names.map((name, z) => [name, z]));
  const zoneOfRow = stationOf.map((s) => numberOf.get(zoneOf.get(s) ?? NOWHERE) as number);
  const residual = new Float64Array(n);
  const byZone: number[][] = names.map(() => []);
  for (let i = 0; i < n; i++) {
    const z = zoneOfRow[i] as number;
    const off = Math.abs((rows.y[i] as number) - dot(rows.x, i * p, now[z] as number[]));
    residual[i] = bounds ? off / (bounds[i] as number) : off;
    (byZone[z] as number[]).push(residual[i] as number);
  }
  const noise = byZone.map((r) => Math.max(floor, 1.4826 * median(r)));
  const found = names.map(() => new Map<string, { normal: Normal; mean: Float64Array; total: number }>());
  const factor = names.map(worth);
  for (let i = 0; i < n; i++) {
    const z = zoneOfRow[i] as number;
    const station = stationOf[i] as string;
    const r = (residual[i] as number) / (noise[z] as number);
    const w = ((factor[z] as number) * (rows.w[i] as number) * (r > huber ? huber / r : 1)) / (noise[z] as number) ** 2;
    const at = found[z] as (typeof found)[number];
    let e = at.get(station);
    if (!e) at.set(station, (e = { normal: newNormal(p), mean: new Float64Array(p), total: 0 }));
    accumulate(e.normal, rows.x, i * p, (rows.y[i] as number) - dot(rows.x, i * p, beta), w);
    for (let k = 0; k < p; k++) e.mean[k] = (e.mean[k] as number) + w * (rows.x[i * p + k] as number);
    e.total += w;
  }
  return found.map((at): ZoneOfSet => {
    const mean = new Float64Array(p);
    let total = 0;
    for (const e of at.values()) {
      total += e.total;
      e.mean.forEach((v, k) => (mean[k] = (mean[k] as number) + v));
    }
    const stations = STATION_SPREADS.map(
      (s) =>
        new Map(
          [...at].map(([name, e]) => {
            const precision = precisionAround(
              e.mean.map((v) => v / e.total),
              spread,
              s,
            );
            const seen = { information: full(e.normal), vector: e.normal.b, log: 0 };
            return [name, marginalOf(seen, precision, logSpread(spread, s))] as const;
          }),
        ),
    );
    return { mean: mean.map((v) => v / total), stations, sums: stations.map((all) => sumOf(all.values(), p)) };
  });
}

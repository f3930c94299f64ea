/** Level L3: one linear model per sensor type from all pairs of box and reference, robust, recent pairs first, towards a published prior. */
import { DAY, type EpochMs } from '../../model/time.ts';
import { featureCount, featureSet, fillFeatures, type FeatureSet } from './features.ts';
import { blocksOf, DAY_BLOCKS, solutionsWithout, trust } from './left_out.ts';
import { dot, fitRobust, median, newRows, type Prior, type Rows } from './linear.ts';
import type { Validation } from './models.ts';
import { OWN_GROWTH, SETTINGS, type CorrectionSettings } from './settings.ts';
import { fitZones } from './zone_models.ts';
import { NOWHERE } from './zones.ts';

export interface Pairs {
  readonly station: string;
  readonly time: readonly EpochMs[];
  readonly y: readonly number[];
  readonly x: readonly number[];
  readonly rh: readonly number[];
  readonly temp: readonly number[];
  /** How much of a co-located pair these count for. */
  readonly weight: number;
}

export type Betas = Partial<Record<FeatureSet, number[]>>;

/** The pooled model as it stands in one climate zone. */
export interface ZoneModel {
  /** The station in its middle; '' = all that have no place. */
  readonly zone: string;
  readonly betas: Betas;
  readonly range: Range;
  readonly stations: readonly string[];
  readonly pairs: number;
}

export interface PooledModel {
  readonly betas: Betas;
  /** None when all stations are of one zone. */
  readonly zones: readonly ZoneModel[];
  /** Variance of log of levels between zones: what is not known of a place in none of them. */
  readonly between: number;
  /** The same without one station: what a box there would get if it had no station. */
  readonly without: Readonly<Record<string, Betas>>;
  readonly scale: number;
  readonly pairs: number;
  readonly days: number;
  readonly stations: readonly string[];
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly range: Range;
  readonly guards: readonly string[];
  /** Stations whose pairs do not fit the others and were left out. */
  readonly liars: readonly string[];
  /** How it does at stations left out of the fit; null = there is only one. */
  readonly validation: Validation | null;
}

/** 1st and 99th percentile of the covariates in the fit, largest x and y. */
export interface Range {
  readonly xMax: number;
  readonly yMax: number;
  readonly rh: readonly [number, number];
  readonly temp: readonly [number, number];
}

const SETS: readonly FeatureSet[] = ['PRT', 'PR', 'P'];
const FLOOR = 1.5;
/** A line in four coefficients gains nothing from more; larger sets are thinned evenly. */
const MAX_ROWS = 10_000;

/** What is taken for known of the variance between zones [log²], and how many zones that is worth: 20 %, as fixed equations differ (note §2.1). */
export const BETWEEN = { variance: 0.04, worth: 2 };

/** Whether the prior of a type is an equation that others have measured. */
const isPublished = (pool: string): boolean => pool.startsWith('plantower');

/** Slopes a sensor class can have: outside, the data are no co-location (calibration note §8.3). */
const slopeRange = (pool: string): readonly [number, number] => (isPublished(pool) ? [0.15, 1.4] : [0.05, 4]);

/** Barkjohn 2021 in centred features for Plantower; for other optics only "about proportional". */
export function poolPrior(pool: string, set: FeatureSet, settings: CorrectionSettings): Prior {
  const plantower = isPublished(pool);
  const mean = plantower ? [1.44, 0.524] : [2, 0.8];
  const spread = plantower ? [4, 0.25] : [8, 0.6];
  if (set !== 'P') {
    mean.push(plantower ? -0.862 : 0);
    spread.push(1);
  }
  if (set === 'PRT') {
    mean.push(0);
    spread.push(1.5);
  }
  if (settings.growth && set !== 'P') {
    mean.push(0);
    spread.push(0.4);
  }
  return { mean, spread };
}

export const varianceWeight = (x: number, settings: CorrectionSettings): number =>
  Number.isFinite(settings.varianceKnee) ? 1 / (1 + Math.max(0, x) / settings.varianceKnee) ** 2 : 1;

/**
 * Whether Huber's bounds grow with the concentration as errors do. Fixed bounds take the dirty hours for odd ones and make the line too
 * flat; only of Plantower, which bends in smoke, is that wanted (docs/methods.md).
 */
export const boundsGrow = (pool: string): boolean => !isPublished(pool);

/**
 * @param apart log-ratio of each station to those around it, where there are two or more
 * @param zoneOf climate zone of each station
 */
export function fitPooled(
  pool: string,
  series: readonly Pairs[],
  now: EpochMs,
  correlated: number,
  settings: CorrectionSettings,
  apart: ReadonlyMap<string, number> = new Map(),
  zoneOf: ReadonlyMap<string, string> = new Map(),
): PooledModel | null {
  const all = fitOnce(pool, series, now, correlated, settings, zoneOf);
  if (!all) return null;
  const liars = outliers(all, series, apart, zoneOf);
  if (liars.size === 0) return all;
  const honest = fitOnce(
    pool,
    series.filter((s) => !liars.has(s.station)),
    now,
    correlated,
    settings,
    zoneOf,
  );
  return (
    honest && {
      ...honest,
      liars: [...liars],
      guards: [...honest.guards, ...[...liars].map((name) => `station ${name} does not fit the others`)],
    }
  );
}

function fitOnce(
  pool: string,
  series: readonly Pairs[],
  now: EpochMs,
  correlated: number,
  settings: CorrectionSettings,
  zoneOf: ReadonlyMap<string, string> = new Map(),
): PooledModel | null {
  const total = series.reduce((sum, s) => sum + s.time.length, 0);
  if (total === 0) return null;
  const stride = Math.max(1, Math.ceil(total / MAX_ROWS));
  const perStation = new Map<string, number>();
  for (const s of series) if (s.time.length > 0) perStation.set(s.station, (perStation.get(s.station) ?? 0) + 1);
  const rows: Record<FeatureSet, Rows> = {
    P: newRows(featureCount('P', settings)),
    PR: newRows(featureCount('PR', settings)),
    PRT: newRows(featureCount('PRT', settings)),
  };
  const stationOf: Record<FeatureSet, string[]> = { P: [], PR: [], PRT: [] };
  const dayOf: Record<FeatureSet, number[]> = { P: [], PR: [], PRT: [] };
  const seen = newSeen();
  const seenIn = new Map<string, Seen>();
  const newestIn = new Map<string, EpochMs>();
  const days = new Set<number>();
  let from = Infinity;
  let to = -Infinity;
  for (const s of series) {
    // Boxes that share a station share its noise: two boxes are not two places.
    const share = s.weight / Math.sqrt(perStation.get(s.station) ?? 1) / correlated;
    const zone = zoneOf.get(s.station) ?? NOWHERE;
    const here = seenIn.get(zone) ?? newSeen();
    seenIn.set(zone, here);
    for (let i = 0; i < s.time.length; i += stride) {
      const time = s.time[i] as number;
      const x = s.x[i] as number;
      const y = s.y[i] as number;
      const rh = s.rh[i] as number;
      const temp = s.temp[i] as number;
      const w = share * stride * 0.5 ** ((now - time) / settings.pooledHalfLifeMs) * varianceWeight(x, settings);
      if (w < 0.004 * share * stride) continue;
      const richest = featureSet(rh, temp);
      for (const set of SETS) {
        if (set === 'PRT' && richest !== 'PRT') continue;
        if (set === 'PR' && richest === 'P') continue;
        const into = rows[set];
        fillFeatures(into.x, into.n * into.p, set, settings, x, rh, temp);
        into.y.push(y);
        into.w.push(w);
        into.n++;
        stationOf[set].push(s.station);
        dayOf[set].push(Math.floor(time / DAY));
      }
      see(seen, x, y, rh, temp);
      see(here, x, y, rh, temp);
      newestIn.set(zone, Math.max(newestIn.get(zone) ?? -Infinity, time));
      days.add(Math.floor(time / DAY));
      from = Math.min(from, time);
      to = Math.max(to, time);
    }
  }
  if (seen.x.length === 0) return null;
  const betas: Betas = {};
  const without: Record<string, Betas> = {};
  const guards: string[] = [];
  const inZones = new Map<string, Betas>();
  let between = BETWEEN.variance;
  // What a silent zone has shown stands while others go on: its pairs are old against its own newest.
  const since = (zone: string): number => 2 ** ((now - (newestIn.get(zone) ?? now)) / settings.pooledHalfLifeMs);
  const [lowest, highest] = slopeRange(pool);
  let scale = FLOOR;
  const stations = [...perStation.keys()];
  for (const set of SETS) {
    const r = rows[set];
    if (r.n < 3 * r.p) continue;
    const prior = poolPrior(pool, set, settings);
    // The set in use gets all rounds; the ones for readings without humidity one.
    const rounds = set === 'PRT' || !betas.PRT ? 4 : 1;
    const spreads = boundsGrow(pool)
      ? Float64Array.from(
          { length: r.n },
          (_, i) => 1 / Math.sqrt(varianceWeight(r.x[i * r.p + 1] as number, settings)),
        )
      : null;
    const fit = fitRobust(r, prior, settings.huber, FLOOR, rounds, spreads);
    if (!fit) continue;
    const slope = fit.beta[1] as number;
    if (slope < lowest || slope > highest) {
      guards.push(`${set}: slope ${slope.toFixed(3)} outside ${lowest}–${highest}`);
      continue;
    }
    const share = isPublished(pool) ? trust(r, fit.weights, dayOf[set], prior, fit.scale) : 1;
    const believed = (beta: readonly number[]): number[] =>
      beta.map((b, k) => share * b + (1 - share) * (prior.mean[k] as number));
    betas[set] = believed(fit.beta);
    if (set === 'P' || scale === FLOOR) scale = fit.scale;
    if (stations.length < 2) continue;
    const others = solutionsWithout(r, fit.weights, stationOf[set], prior, fit.scale);
    for (const name of stations) (without[name] ??= {})[set] = believed(others.get(name) ?? fit.beta);
    const spread: number[] = settings.ownSpread.slice(0, set === 'P' ? 2 : set === 'PR' ? 3 : 4);
    if (settings.growth && set !== 'P') spread.push(OWN_GROWTH);
    const zones = fitZones(r, stationOf[set], zoneOf, fit.beta, prior, spread, settings.huber, FLOOR, since, spreads);
    if (!zones) continue;
    if (inZones.size === 0) {
      const squares = zones.apart.reduce((sum, d) => sum + d * d, BETWEEN.variance * BETWEEN.worth);
      between = squares / (BETWEEN.worth + zones.apart.length);
    }
    for (const [name, beta] of zones.zones) {
      const steep = beta[1] as number;
      if (steep >= lowest && steep <= highest) inZones.set(name, { ...inZones.get(name), [set]: beta });
      else guards.push(`${set}: slope ${steep.toFixed(3)} in zone ${name} outside ${lowest}–${highest}`);
    }
    for (const [name, beta] of zones.without)
      if (inZones.get(zoneOf.get(name) ?? NOWHERE)?.[set]) (without[name] ??= {})[set] = beta;
  }
  if (Object.keys(betas).length === 0) return null;
  return {
    betas,
    zones: [...inZones].map(([zone, of]) => ({
      zone,
      betas: { ...betas, ...of },
      range: rangeOf(seenIn.get(zone) ?? seen),
      stations: stations.filter((name) => (zoneOf.get(name) ?? NOWHERE) === zone),
      pairs: seenIn.get(zone)?.x.length ?? 0,
    })),
    between,
    without,
    scale,
    pairs: total,
    days: days.size,
    stations,
    from,
    to,
    range: rangeOf(seen),
    guards,
    liars: [],
    validation: stations.length < 2 ? null : validate(rows, stationOf, without, betas),
  };
}

const tidy = (v: number): number => Math.round(v * 1000) / 1000;

/** Inputs and reference of the rows of a fit; humidity and temperature where there are any. */
interface Seen {
  readonly x: number[];
  readonly y: number[];
  readonly rh: number[];
  readonly temp: number[];
}

const newSeen = (): Seen => ({ x: [], y: [], rh: [], temp: [] });

function see(into: Seen, x: number, y: number, rh: number, temp: number): void {
  into.x.push(x);
  into.y.push(y);
  if (!Number.isNaN(rh)) into.rh.push(rh);
  if (!Number.isNaN(temp)) into.temp.push(temp);
}

const rangeOf = ({ x, y, rh, temp }: Seen): Range => ({
  xMax: quantile(x, 0.995),
  yMax: Math.max(...sample(y)),
  rh: rh.length > 0 ? [quantile(rh, 0.01), quantile(rh, 0.99)] : [0, 100],
  temp: temp.length > 0 ? [quantile(temp, 0.01), quantile(temp, 0.99)] : [-40, 60],
});

/** Coefficients and what they were fitted on. */
export type Solution = Pick<PooledModel, 'betas' | 'range'>;

/** The pooled model as it stands in a zone; null = the box is in none. */
export function solutionIn<M extends PooledModel>(model: M, zone: string | null): M | M['zones'][number] {
  if (zone === null || model.zones.length === 0) return model;
  return model.zones.find((z) => z.zone === zone) ?? model;
}

/** The same beside a station, and what a box there would get without it. */
export function solutionAt(model: PooledModel, station: string): Solution & { readonly without: Betas | undefined } {
  const { betas, range } = model.zones.find((z) => z.stations.includes(station)) ?? model;
  return { betas, range, without: model.without[station] };
}

/** Every station by the solution that has not seen it, over the rows of the fit; weights only thin, they do not judge. */
function validate(
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

/** Errors on blocks of days that the fit has not seen, of the model and of raw values; null when there are fewer than two days, or no fit without them. */
export function errorsOnOtherDays(
  pool: string,
  series: readonly Pairs[],
  now: EpochMs,
  correlated: number,
  settings: CorrectionSettings,
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
    const others = series.map((s) => without(s, block));
    const fit = fitOnce(pool, others, now, correlated, settings);
    if (!fit) continue;
    let [n, squares] = [0, 0];
    for (const s of series) {
      for (const [i, time] of s.time.entries()) {
        if (blockOf.get(dayOf(time)) !== block) continue;
        const [x, y] = [s.x[i] as number, s.y[i] as number];
        const answer = applyBetas(fit.betas, fit.range, x, s.rh[i] as number, s.temp[i] as number);
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

const sample = (v: number[]): number[] => {
  const stride = Math.ceil(v.length / 1000);
  return stride <= 1 ? v : v.filter((_, i) => i % stride === 0);
};

function quantile(values: number[], q: number): number {
  const v = Float64Array.from(sample(values)).sort();
  return v[Math.min(v.length - 1, Math.floor(q * v.length))] as number;
}

const GROWING: CorrectionSettings = { ...SETTINGS, growth: true };
const scratch = new Float64Array(8);
const clamp = (v: number, [lo, hi]: readonly [number, number]): number => (v < lo ? lo : v > hi ? hi : v);

/** NaN when no set of coefficients serves the inputs that are there. Covariates are held within what the fit has seen. */
export function applyBetas(betas: Betas, range: Range, x: number, rh: number, temp: number): number {
  const richest = featureSet(rh, temp);
  for (const set of SETS) {
    const beta = betas[set];
    if (!beta || (set === 'PRT' && richest !== 'PRT') || (set === 'PR' && richest === 'P')) continue;
    // `dot` takes as many as there are coefficients: a model without growth leaves that one alone.
    fillFeatures(scratch, 0, set, GROWING, x, clamp(rh, range.rh), clamp(temp, range.temp));
    return dot(scratch, 0, beta);
  }
  return NaN;
}

const MIN_TO_JUDGE = 4;
/** Of three, one is known to be off when it is a factor 2 from two that agree. */
const OF_THREE = { apart: 0.7, agree: 0.3 };
/** Log-ratios of a station to the stations around it, and to what its box says, that together no place and no box explains. */
const TWICE = { stations: 0.6, boxes: 0.4 };
interface Judged {
  readonly name: string;
  readonly ratio: number;
}
/** Log-ratio that no difference of places or boxes explains. */
const LEAST = 0.5;
/** … nor another climate: a station alone in its zone is believed as it would be alone in the world, but for wrong units. */
const ELSEWHERE = Math.log(10);
/** Judged by the latest pairs of each series: a station may begin to lie at any time, and may be put right. */
const LATEST = 240;
/** A station that hardly follows its boxes, where stations elsewhere do, over so many pairs, speaks of something else. */
const FOLLOWS = { least: 0.3, others: 0.6, pairs: 100, stations: 3 };

/**
 * Stations whose pairs lie far from all others, by their median log-ratio to the common model: a scale or unit error, a dead
 * analyser, a box in a cupboard. Needs four stations of a zone, or three of which two agree closely. A station that does not move with its
 * boxes while the others do is known among three.
 */
function outliers(
  model: PooledModel,
  series: readonly Pairs[],
  apart: ReadonlyMap<string, number>,
  zoneOf: ReadonlyMap<string, string>,
): Set<string> {
  const pairs = new Map<string, { ratio: number[]; box: number[]; station: number[] }>();
  for (const s of series) {
    const of = pairs.get(s.station) ?? { ratio: [], box: [], station: [] };
    pairs.set(s.station, of);
    for (let i = Math.max(0, s.time.length - LATEST); i < s.time.length; i++) {
      const x = s.x[i] as number;
      const y = applyBetas(model.betas, model.range, x, s.rh[i] as number, s.temp[i] as number);
      if (Number.isNaN(y)) continue;
      const station = logOf(s.y[i] as number);
      of.ratio.push(station - logOf(y));
      of.box.push(logOf(x));
      of.station.push(station);
    }
  }
  const liars = new Set<string>();
  const judged = [...pairs]
    .filter(([, of]) => of.ratio.length >= 20)
    .map(([name, of]) => ({ name, ratio: median(of.ratio) }));
  const zoneOfStation = (name: string): string => zoneOf.get(name) ?? NOWHERE;
  const byZone = Map.groupBy(judged, (j) => zoneOfStation(j.name));
  for (const list of byZone.values()) {
    if (list.length >= MIN_TO_JUDGE) for (const name of farFrom(list, list, LEAST)) liars.add(name);
    else if (list.length === 3) {
      const [low, middle, high] = list.toSorted((a, b) => a.ratio - b.ratio) as [Judged, Judged, Judged];
      const [odd, gap, others] =
        high.ratio - middle.ratio > middle.ratio - low.ratio
          ? [high, high.ratio - middle.ratio, middle.ratio - low.ratio]
          : [low, middle.ratio - low.ratio, high.ratio - middle.ratio];
      if (gap > OF_THREE.apart && others < Math.max(OF_THREE.agree, 0.4 * gap)) liars.add(odd.name);
    } else if (judged.length >= MIN_TO_JUDGE) {
      // One or two in a zone may differ from all others because the air does; two that agree are believed.
      const [a, b] = list as [Judged, Judged | undefined];
      if (b && Math.abs(a.ratio - b.ratio) < OF_THREE.agree) continue;
      for (const name of farFrom(list, judged, ELSEWHERE)) liars.add(name);
    }
  }
  for (const j of judged) {
    const among = apart.get(j.name) ?? 0;
    const here = (byZone.get(zoneOfStation(j.name)) ?? []).filter((o) => o !== j);
    const beside = j.ratio - median((here.length > 0 ? here : judged.filter((o) => o !== j)).map((o) => o.ratio));
    // Neither the air of its place (its box would see it) nor its box (other stations would not) explains both.
    if (Math.abs(among) > TWICE.stations && beside * Math.sign(among) > TWICE.boxes) liars.add(j.name);
  }
  const moves = [...pairs]
    .filter(([, of]) => of.ratio.length >= FOLLOWS.pairs)
    .map(([name, of]) => ({ name, r: correlation(of.box, of.station) }));
  for (const list of Map.groupBy(moves, (m) => zoneOfStation(m.name)).values()) {
    const among = list.length >= FOLLOWS.stations ? list : moves;
    if (among.length < FOLLOWS.stations || median(among.map((m) => m.r)) <= FOLLOWS.others) continue;
    for (const m of list) if (m.r < FOLLOWS.least) liars.add(m.name);
  }
  return liars;
}

/** Those of `list` that lie far from the middle of `all`. */
function farFrom(list: readonly Judged[], all: readonly Judged[], least: number): string[] {
  const middle = median(all.map((j) => j.ratio));
  const spread = 1.4826 * median(all.map((j) => Math.abs(j.ratio - middle)));
  return list.filter((j) => Math.abs(j.ratio - middle) > Math.max(least, 4 * spread)).map((j) => j.name);
}

const logOf = (v: number): number => Math.log(Math.max(0, v) + 3);

function correlation(a: readonly number[], b: readonly number[]): number {
  const n = a.length;
  const mean = (v: readonly number[]): number => v.reduce((sum, z) => sum + z, 0) / n;
  const [ma, mb] = [mean(a), mean(b)];
  let [aa, bb, ab] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [da, db] = [(a[i] as number) - ma, (b[i] as number) - mb];
    aa += da * da;
    bb += db * db;
    ab += da * db;
  }
  return aa * bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}

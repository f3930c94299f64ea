/** Level L3: one linear model per sensor type from all pairs of box and reference, robust, recent pairs first, towards a published prior. */
import { DAY, type EpochMs } from '../../model/time.ts';
import { featureCount, featureSet, fillFeatures, type FeatureSet } from './features.ts';
import { solutionsWithout, trust } from './left_out.ts';
import { liarsAmong } from './liars.ts';
import { fitRobust, newRows, type Prior, type Rows } from './linear.ts';
import { newSeen, rangeOf, see, type Seen } from './range.ts';
import { OWN_GROWTH, type CorrectionSettings } from './settings.ts';
import { SETS, type Betas, type Pairs, type PooledModel } from './solution.ts';
import { errorsAtOtherStations } from './validation.ts';
import { fitZones } from './zone_models.ts';
import { NOWHERE } from './zones.ts';

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
  const liars = liarsAmong(all, series, apart, zoneOf);
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

/** Without a look at whether all stations are to be believed; null when there is nothing to fit, or no fit within its guards. */
export function fitOnce(
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
    validation: stations.length < 2 ? null : errorsAtOtherStations(rows, stationOf, without, betas),
  };
}

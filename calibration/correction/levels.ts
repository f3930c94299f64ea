/** Which model serves a box at a moment: its own co-location, the pooled one of its type, the published equation. */
import type { CorrectionLevel } from '../../model/observation.ts';
import { DAY, type EpochMs } from '../../model/time.ts';
import { stepMean } from './history.ts';
import type { BoxState, Memory, NamedPooled, PoolState, Series } from './memory.ts';
import type { Network } from './network.ts';
import type { OwnModel } from './own.ts';
import { applyBetas, solutionIn, type Solution } from './solution.ts';
import { barkjohn2021 } from './published.ts';
import { OWN_MIN_DAYS, OWN_MIN_PAIRS } from './settings.ts';
import { isOneZone, NOWHERE } from './zones.ts';

const PUBLISHED = 'barkjohn-2021';

export interface Base {
  y: number;
  level: CorrectionLevel;
  model: string;
}

/** The co-location in force, else the last that has ended: what was learnt there goes along with the box. */
export function seriesAt(m: Memory, state: BoxState, time: EpochMs): Series | null {
  let last: Series | null = null;
  for (const i of state.own) {
    const s = m.s.series[i] as Series;
    if (time < s.from || m.s.pools.get(state.pool)?.doubted.includes(s.station)) continue;
    if (time < s.to) return s;
    if (!last || s.to > last.to) last = s;
  }
  return last;
}

export function baseOf(m: Memory, state: BoxState, series: Series | null, x: number, rh: number, temp: number): Base {
  const pool = m.s.pools.get(state.pool);
  const pooled = pool?.pooled;
  if (series?.own && pooled && ownServes(m, series)) {
    const y = applyBetas(series.own.betas, solutionFor(m, state, pooled).range, x, rh, temp);
    if (!Number.isNaN(y)) return { y, level: 'L5', model: series.own.id };
  }
  const published = state.plantower && !Number.isNaN(rh);
  // One climate tells less of another than an equation that was fitted in sixteen states.
  if (pooled && !(published && isElsewhere(m, state, pooled))) {
    const { betas, range, id } = solutionFor(m, state, pooled);
    const y = applyBetas(betas, range, x, rh, temp);
    if (!Number.isNaN(y)) return { y, level: 'L3', model: id };
  }
  if (published) return { y: barkjohn2021(x, Math.min(rh, 95)), level: 'L2', model: PUBLISHED };
  return { y: NaN, level: '', model: '' };
}

/** The pooled model as it stands where the box is. */
export const solutionFor = (m: Memory, state: BoxState, pooled: NamedPooled): Solution & { readonly id: string } =>
  pooled.zones.length === 0 ? pooled : solutionIn(pooled, zoneOfBox(m, state));

/** Climate zone of a box; of one without a place that of its station, null = none. */
function zoneOfBox(m: Memory, { box, own }: BoxState): string | null {
  if (box.lat !== null && box.lon !== null) return m.zoneMap.at(box.lat, box.lon);
  const series = own.length > 0 ? m.s.series[own.at(-1) as number] : undefined;
  return m.s.zones.of.get(series?.station ?? '') ?? NOWHERE;
}

/** Whether no station has shown what the air does to a sensor of this type where the box is. */
function isElsewhere(m: Memory, { box: { lat, lon } }: BoxState, pooled: NamedPooled): boolean {
  const { zones } = m.s;
  // Of a million boxes each look at the place is a walk through memory.
  if (zones.stations.length === 0 || lat === null || lon === null) return false;
  const zone = m.zoneMap.at(lat, lon);
  if (zone === null) return true;
  if (isOneZone(zones)) return false;
  return pooled.zones.length > 0
    ? !pooled.zones.some((z) => z.zone === zone)
    : zone !== zones.of.get(pooled.stations[0] as string);
}

/** Variance of log of what is not known there; 0 within a zone. */
export function betweenZones(m: Memory, state: BoxState): number {
  const pooled = m.s.pools.get(state.pool)?.pooled;
  return pooled && isElsewhere(m, state, pooled) ? pooled.between : 0;
}

/** The regression of the hour in the zone of the box. */
export function networkFor(m: Memory, state: BoxState, pool: PoolState): { network: Network; id: string } | undefined {
  if (pool.networks.size === 0 || (pool.pooled && isElsewhere(m, state, pool.pooled))) return undefined;
  const zone = isOneZone(m.s.zones) ? NOWHERE : zoneOfBox(m, state);
  return zone === null ? undefined : pool.networks.get(zone);
}

/** Own co-location is used when it is long enough and has not lately done worse than the pooled model. */
function ownServes(m: Memory, series: Series): boolean {
  const own = series.own as OwnModel;
  const needed = Math.min(OWN_MIN_PAIRS, (OWN_MIN_DAYS * DAY) / m.step - 1e-9);
  if (own.days < OWN_MIN_DAYS || own.pairs < needed) return false;
  const e = series.errors;
  return e.n < 30 || e.own <= 1.08 * e.pooled;
}

/** Whether nothing has been heard from the station of a co-location for longer than its values take: then the box stands for itself again. */
export function ended(m: Memory, series: Series, time: EpochMs): boolean {
  return time >= series.to || time - series.short.time > Math.max(4 * DAY, 6 * m.step) + m.s.delay;
}

/** Whether the model of a type without published prior is of a few days only. */
export function isYoung(m: Memory, state: BoxState): boolean {
  const pooled = m.s.pools.get(state.pool)?.pooled;
  return !state.plantower && pooled !== null && pooled !== undefined && pooled.days < OWN_MIN_DAYS;
}

/** The same for the step before `time`; NaN when there is none. */
export function baseBefore(m: Memory, state: BoxState, series: Series, time: EpochMs): number {
  const before = state.history && stepMean(state.history, time - m.step, m.step);
  return before ? baseOf(m, state, series, before.x, before.rh, before.temp).y : NaN;
}

/** What stations foretell for places that have none: the residual of each, kriged. */
import { DAY, HOUR, type EpochMs } from '../../model/time.ts';
import { median } from './linear.ts';
import type { BoxState, Memory, PoolState, Series, StationForecasts } from './memory.ts';
import type { StationState } from './reference.ts';
import { featuresAt, forecast } from './short_term.ts';
import { krige, type Spot } from './spatial.ts';

const PRIOR_FIELD = { slope: 0.7, strength: 0.5 };
/** Of what a box beside a station is off by, the larger part is its own. */
const PRIOR_BESIDE = { slope: 0.4, strength: 0.5 };
/** How far the forecast of one station may be from the middle of all in its zone. */
const MAX_APART = 0.3;

/** How much of the field still counts when it is older than it should be. */
export const share = (age: number, stepMs: number): number =>
  Math.exp(-Math.max(0, age - 3 * stepMs) / (12 * Math.max(stepMs, HOUR)));

/** Forecast of the residual at a station from all other stations of the pool. */
export function fieldWithout(m: Memory, series: Series, asOf: EpochMs, time: EpochMs) {
  const key = `${series.pool} ${time}`;
  if (m.forecasts.key !== key) m.forecasts = { key, ...stationForecasts(m, series.pool, asOf, time) };
  const { spots, values, stations } = m.forecasts;
  const skip = stations.indexOf(series.station);
  if (spots.length - (skip < 0 ? 0 : 1) === 0) return null;
  const station = m.s.stations.get(series.station) as StationState;
  const state = m.s.boxes.get(series.boxes[0] as string) as BoxState;
  const place: Spot = station.lat === null ? state.box : station;
  return krige(spots, values, place, m.settings.fieldLengthKm, m.settings.fieldNugget, skip);
}

function stationForecasts(m: Memory, poolKeyName: string, asOf: EpochMs, time: EpochMs): StationForecasts {
  const pool = m.pool(poolKeyName);
  const sums = new Map<string, { sum: number; n: number; own: boolean }>();
  for (const s of m.s.series) {
    if (s.pool !== poolKeyName || pool.doubted.includes(s.station)) continue;
    const f = featuresAt(s.short, asOf, time);
    if (!f || time - s.short.time > 4 * DAY + 4 * m.step + m.s.delay) continue;
    const at = sums.get(s.station);
    const value = forecast(pool.learning, f);
    if (!at || (s.kind === 'own' && !at.own)) sums.set(s.station, { sum: value, n: 1, own: s.kind === 'own' });
    else if (at.own === (s.kind === 'own')) {
      at.sum += value;
      at.n++;
    }
  }
  const spots: Spot[] = [];
  const values: number[] = [];
  const stations: string[] = [];
  const regions = Map.groupBy(sums, ([name]) => m.region(name));
  const middles = new Map(
    [...regions].map(([region, list]) => [
      region,
      { n: list.length, value: median(list.map(([, at]) => at.sum / at.n)) },
    ]),
  );
  for (const [name, at] of sums) {
    const station = m.s.stations.get(name) as StationState;
    spots.push({ lat: station.lat, lon: station.lon });
    // One station that lies must not move the boxes around it.
    const value = at.sum / at.n;
    const middle = middles.get(m.region(name)) as { n: number; value: number };
    values.push(middle.n < 4 ? value : Math.min(middle.value + MAX_APART, Math.max(middle.value - MAX_APART, value)));
    stations.push(name);
  }
  return { spots, values, stations };
}

export function refreshField(m: Memory): void {
  const now = m.s.newest + m.s.delay;
  for (const key of m.s.pools.keys()) {
    const field = stationForecasts(m, key, m.s.newest, now);
    m.s.field.set(key, { time: now, ...field });
  }
  m.s.fieldVersion++;
}

export function fieldSlope(pool: PoolState): number {
  const slope = (pool.fieldXy + PRIOR_FIELD.strength * PRIOR_FIELD.slope) / (pool.fieldXx + PRIOR_FIELD.strength);
  return Math.min(1.5, Math.max(0, slope));
}

/** Slope of a residual on the forecast of other boxes beside the same station. */
export function besideSlope(pool: PoolState): number {
  const slope = (pool.besideXy + PRIOR_BESIDE.strength * PRIOR_BESIDE.slope) / (pool.besideXx + PRIOR_BESIDE.strength);
  return Math.min(1.5, Math.max(0, slope));
}

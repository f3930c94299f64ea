/**
 * Carrying a value from stations to a place: simple kriging with mean 0 (it fades to nothing where no station is near), exponential
 * covariance with a nugget for what is the station's or box's own. Stations without a place count as far but not infinitely so.
 */
import { distanceKm } from '../geo/distance.ts';
import { cholesky, exponentialCovariance, solveCholesky } from '../geo/kriging.ts';

export interface Spot {
  readonly lat: number | null;
  readonly lon: number | null;
}

/** Distance assumed when a place is not known [km]. */
const UNKNOWN_KM = 50;
const MAX_STATIONS = 24;

export const spotDistance = (a: Spot, b: Spot): number =>
  a.lat === null || a.lon === null || b.lat === null || b.lon === null
    ? UNKNOWN_KM
    : distanceKm(a.lat, a.lon, b.lat, b.lon);

export interface SpatialEstimate {
  readonly value: number;
  readonly nearestKm: number;
  /** Share of the field's variance explained, 0–1. */
  readonly explained: number;
}

/** @param skip station not to be used */
export function krige(
  spots: readonly Spot[],
  values: readonly number[],
  place: Spot,
  lengthKm: number,
  nugget: number,
  skip = -1,
): SpatialEstimate {
  const near: { i: number; km: number }[] = [];
  for (let i = 0; i < spots.length; i++) {
    if (i !== skip) near.push({ i, km: spotDistance(spots[i] as Spot, place) });
  }
  if (near.length === 0) return { value: 0, nearestKm: Infinity, explained: 0 };
  near.sort((a, b) => a.km - b.km || a.i - b.i);
  near.length = Math.min(near.length, MAX_STATIONS);
  const n = near.length;
  const k = new Float64Array(n * n);
  for (let a = 0; a < n; a++) {
    k[a * n + a] = 1 + nugget;
    for (let b = 0; b < a; b++) {
      const km = spotDistance(spots[(near[a] as { i: number }).i] as Spot, spots[(near[b] as { i: number }).i] as Spot);
      k[a * n + b] = k[b * n + a] = exponentialCovariance(km, lengthKm);
    }
  }
  const c = Float64Array.from(near, (v) => exponentialCovariance(v.km, lengthKm));
  const w = solveCholesky(cholesky(k, n), n, c.slice());
  let value = 0;
  let explained = 0;
  for (let a = 0; a < n; a++) {
    value += (w[a] as number) * (values[(near[a] as { i: number }).i] as number);
    explained += (w[a] as number) * (c[a] as number);
  }
  return { value, nearestKm: (near[0] as { km: number }).km, explained };
}

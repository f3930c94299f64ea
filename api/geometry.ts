/** Distances and containment on the sphere and in the plane of longitude and latitude: enough for filters of a city. */
import type { Bbox, Point } from './parameters.ts';

/** Mean radius of the earth, IUGG 1980 [m]. */
const EARTH = 6_371_008.8;
const RAD = Math.PI / 180;

/** Great-circle distance by the haversine formula [m]; within 0.5 % of the ellipsoid. */
export function distance([lon1, lat1]: Point, [lon2, lat2]: Point): number {
  const sinLat = Math.sin(((lat2 - lat1) * RAD) / 2);
  const sinLon = Math.sin(((lon2 - lon1) * RAD) / 2);
  const h = sinLat * sinLat + Math.cos(lat1 * RAD) * Math.cos(lat2 * RAD) * sinLon * sinLon;
  return 2 * EARTH * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** The box around a circle; as wide as the earth where the circle holds a pole. */
export function around([lon, lat]: Point, radiusM: number): Bbox {
  const dLat = radiusM / EARTH / RAD;
  const south = Math.max(-90, lat - dLat);
  const north = Math.min(90, lat + dLat);
  if (south === -90 || north === 90) return [-180, south, 180, north];
  const dLon = Math.asin(Math.min(1, Math.sin(radiusM / EARTH) / Math.cos(lat * RAD))) / RAD;
  if (!(dLon < 180)) return [-180, south, 180, north];
  const wrap = (x: number): number => (x > 180 ? x - 360 : x < -180 ? x + 360 : x);
  return [wrap(lon - dLon), south, wrap(lon + dLon), north];
}

export const inBbox = ([west, south, east, north]: Bbox, lon: number, lat: number): boolean =>
  lat >= south && lat <= north && (west <= east ? lon >= west && lon <= east : lon >= west || lon <= east);

export function bboxOf(points: readonly Point[]): Bbox {
  let [west, south, east, north] = [180, 90, -180, -90];
  for (const [lon, lat] of points) {
    west = Math.min(west, lon);
    east = Math.max(east, lon);
    south = Math.min(south, lat);
    north = Math.max(north, lat);
  }
  return [west, south, east, north];
}

/** Even–odd rule; the ring may be open or closed. */
export function inPolygon(points: readonly Point[], lon: number, lat: number): boolean {
  let inside = false;
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const [xi, yi] = points[i] as Point;
    const [xj, yj] = points[j] as Point;
    if (yi > lat !== yj > lat && lon < ((xj - xi) * (lat - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

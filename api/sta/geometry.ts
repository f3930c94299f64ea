/**
 * The geometry functions of SensorThings filters (18-088 table 24) over GeoJSON values and WKT literals, by the Java
 * Topology Suite's JavaScript port. Distances and lengths are planar, in degrees, as in the reference implementation.
 */
import type Geometry from 'jsts/org/locationtech/jts/geom/Geometry.js';
import GeoJSONReader from 'jsts/org/locationtech/jts/io/GeoJSONReader.js';
import WKTReader from 'jsts/org/locationtech/jts/io/WKTReader.js';
import DistanceOp from 'jsts/org/locationtech/jts/operation/distance/DistanceOp.js';
import RelateOp from 'jsts/org/locationtech/jts/operation/relate/RelateOp.js';
import { badRequest } from './problem.ts';

/** The readers take an optional geometry factory that their type declarations make mandatory. */
const reader = (kind: unknown): { read(input: unknown): Geometry } =>
  new (kind as new () => { read(input: unknown): Geometry })();

/** Vertices a literal may have: relate is super-linear in them. */
export const MAX_VERTICES = 2000;

export function parseWkt(text: string): Geometry {
  if ((text.match(/,/g)?.length ?? 0) > MAX_VERTICES)
    throw badRequest(`a geometry of more than ${MAX_VERTICES} points`);
  try {
    const geometry: Geometry = reader(WKTReader).read(text.replace(/^\s*SRID=\d+;/i, ''));
    if (geometry) return geometry;
  } catch (cause) {
    throw Object.assign(badRequest(`geography'${text.slice(0, 80)}' is not well-known text`), { cause });
  }
  throw badRequest(`geography'${text.slice(0, 80)}' is not well-known text`);
}

/** null where the value is no geometry: a row with a wrong value is no match, not an error. */
export function readGeoJson(text: string): Geometry | null {
  try {
    let value = JSON.parse(text) as { type?: unknown; geometry?: unknown; features?: { geometry: unknown }[] };
    if (value.type === 'Feature') value = value.geometry as typeof value;
    return value && typeof value.type === 'string' ? reader(GeoJSONReader).read(value) : null;
  } catch {
    return null;
  }
}

/** What the port can do but its type declarations leave out. */
interface Dimensioned {
  getDimension(): number;
}
const dimension = (g: Geometry): number => (g as unknown as Dimensioned).getDimension();

type Matrix = { matches(pattern: string): boolean } & Record<string, (a?: number, b?: number) => boolean>;
const matrixOf = (a: Geometry, b: Geometry): Matrix => RelateOp.relate(a, b);

type Predicate = (a: Geometry, b: Geometry) => boolean;
const named =
  (method: string): Predicate =>
  (a, b) =>
    (matrixOf(a, b)[method] as (a?: number, b?: number) => boolean)(dimension(a), dimension(b));

export const PREDICATES: Readonly<Record<string, Predicate>> = {
  'geo.intersects': named('isIntersects'),
  st_intersects: named('isIntersects'),
  st_disjoint: named('isDisjoint'),
  st_equals: named('isEquals'),
  st_touches: named('isTouches'),
  st_within: named('isWithin'),
  st_contains: named('isContains'),
  st_overlaps: named('isOverlaps'),
  st_crosses: named('isCrosses'),
};

export const relate = (a: Geometry, b: Geometry, pattern: string): boolean => matrixOf(a, b).matches(pattern);
export const distance = (a: Geometry, b: Geometry): number => DistanceOp.distance(a, b) as number;
/** Of lines; points and areas have none, as in PostGIS. */
export const length = (a: Geometry): number => (dimension(a) === 1 ? a.getLength() : 0);
export const isPattern = (text: string): boolean => /^[TF*012]{9}$/i.test(text);

/** West, south, east, north. */
export type Bounds = readonly [number, number, number, number];

/** Bounds of a GeoJSON text, null where it is no geometry or empty. */
export function boundsOf(text: string | null | undefined): Bounds | null {
  const e = text ? readGeoJson(text)?.getEnvelopeInternal() : undefined;
  return !e || e.isNull() ? null : [e.getMinX(), e.getMinY(), e.getMaxX(), e.getMaxY()];
}

export const joined = (a: Bounds | null, b: Bounds | null): Bounds | null =>
  a && b ? [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])] : (a ?? b);

/** Bounds as GeoJSON text: a rectangle, or the line or point that it has shrunk to. */
export function boundsJson([w, s, e, n]: Bounds): string {
  if (w === e && s === n) return JSON.stringify({ type: 'Point', coordinates: [w, s] });
  if (w === e || s === n)
    return JSON.stringify({
      type: 'LineString',
      coordinates: [
        [w, s],
        [e, n],
      ],
    });
  return JSON.stringify({
    type: 'Polygon',
    coordinates: [
      [
        [w, s],
        [e, s],
        [e, n],
        [w, n],
        [w, s],
      ],
    ],
  });
}

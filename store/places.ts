/** Boxes and stations with their places, for a GeoParquet file beside the dumps of observations. */
import type { DumpQuery } from './store.ts';

export interface DumpPlace {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  /** null: not known, or hidden. Degrees, WGS 84. */
  readonly lat: number | null;
  readonly lon: number | null;
  readonly exposure: string;
  readonly project: string;
  /** Joined by `;` */
  readonly sensors: string;
  readonly claimed: boolean;
  readonly retired: boolean;
  readonly licence: string;
  readonly attribution: string;
}

/** Given to `dump`: the file holds these places instead of observations. */
export interface PlacesQuery extends DumpQuery {
  readonly places: readonly DumpPlace[];
}

export const isPlacesQuery = (query: DumpQuery): query is PlacesQuery => 'places' in query;

/** A point as well-known binary (OGC 06-103r4 §8.2), little-endian, in hexadecimal. */
export function wkbPoint(lon: number, lat: number): string {
  const bytes = Buffer.alloc(21);
  bytes.writeUInt8(1, 0);
  bytes.writeUInt32LE(1, 1);
  bytes.writeDoubleLE(lon, 5);
  bytes.writeDoubleLE(lat, 13);
  return bytes.toString('hex');
}

/** The `geo` entry of a GeoParquet 1.1.0 file; without `crs` it is OGC:CRS84, longitude before latitude. */
export function geoMetadata(places: readonly DumpPlace[]): string {
  const shown = places.flatMap((p) => (p.lat === null || p.lon === null ? [] : [[p.lon, p.lat] as const]));
  const bbox = shown.reduce<[number, number, number, number] | null>(
    (b, [x, y]) => (b ? [Math.min(b[0], x), Math.min(b[1], y), Math.max(b[2], x), Math.max(b[3], y)] : [x, y, x, y]),
    null,
  );
  return JSON.stringify({
    version: '1.1.0',
    primary_column: 'geometry',
    columns: {
      geometry: { encoding: 'WKB', geometry_types: shown.length > 0 ? ['Point'] : [], ...(bbox ? { bbox } : {}) },
    },
  });
}

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

/**
 * Given to `dump`: the file holds places instead of observations. They come in a file of their own, since a million of them in one message are a
 * gigabyte on both sides.
 */
export interface PlacesQuery extends DumpQuery {
  /** CSV of `placeLine`s without a header, in the folder of the file. */
  readonly places: string;
  /** West, south, east, north of those that have a place; null = none has. */
  readonly bbox: readonly [number, number, number, number] | null;
}

export const isPlacesQuery = (query: DumpQuery): query is PlacesQuery => 'places' in query;

/** Columns of a `placeLine`, with their types in SQL. `wkb` in hexadecimal. */
export const PLACE_COLUMNS = {
  id: 'VARCHAR',
  name: 'VARCHAR',
  kind: 'VARCHAR',
  exposure: 'VARCHAR',
  project: 'VARCHAR',
  sensors: 'VARCHAR',
  licence: 'VARCHAR',
  attribution: 'VARCHAR',
  claimed: 'BOOLEAN',
  retired: 'BOOLEAN',
  lat: 'DOUBLE',
  lon: 'DOUBLE',
  wkb: 'VARCHAR',
} as const;

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;

/** A place as a line of CSV: texts in quotes, nothing for what is not known. */
export function placeLine(p: DumpPlace): string {
  const texts = [p.id, p.name, p.kind, p.exposure, p.project, p.sensors, p.licence, p.attribution].map(quoted);
  const spot = p.lat === null || p.lon === null ? ',,' : `${p.lat},${p.lon},${wkbPoint(p.lon, p.lat)}`;
  return `${texts.join(',')},${p.claimed},${p.retired},${spot}\n`;
}

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
export const geoMetadata = (bbox: PlacesQuery['bbox']): string =>
  JSON.stringify({
    version: '1.1.0',
    primary_column: 'geometry',
    columns: { geometry: { encoding: 'WKB', geometry_types: bbox ? ['Point'] : [], ...(bbox ? { bbox } : {}) } },
  });

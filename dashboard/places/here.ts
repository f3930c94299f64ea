/** Which township a point lies in. Pure. */
import type { Feature, MultiPolygon, Polygon, Position } from 'geojson';
import type { TownProperties, Towns } from '../map/base.ts';

type Town = Feature<Polygon | MultiPolygon, TownProperties>;

/** west, south, east, north of every town, made once. */
const boxes = new WeakMap<Towns, Float64Array>();
function bounds(towns: Towns): Float64Array {
  let b = boxes.get(towns);
  if (b) return b;
  b = new Float64Array(towns.features.length * 4);
  towns.features.forEach((f, i) => {
    let [w, s, e, n] = [180, 90, -180, -90];
    for (const polygon of polygonsOf(f))
      for (const [x, y] of (polygon[0] ?? []) as [number, number][]) {
        w = Math.min(w, x);
        e = Math.max(e, x);
        s = Math.min(s, y);
        n = Math.max(n, y);
      }
    b.set([w, s, e, n], i * 4);
  });
  boxes.set(towns, b);
  return b;
}

const polygonsOf = (f: Town): Position[][][] =>
  f.geometry.type === 'Polygon' ? [f.geometry.coordinates] : f.geometry.coordinates;

function inRing(ring: readonly Position[], lon: number, lat: number): boolean {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [xi, yi] = ring[i] as [number, number];
    const [xj, yj] = ring[j] as [number, number];
    if (yi > lat !== yj > lat && lon < ((xj - xi) * (lat - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** Index of the township, −1 at sea or abroad. */
export function townAt(towns: Towns, lat: number, lon: number): number {
  const b = bounds(towns);
  for (let i = 0; i < towns.features.length; i++) {
    if (
      lon < (b[i * 4] as number) ||
      lon > (b[i * 4 + 2] as number) ||
      lat < (b[i * 4 + 1] as number) ||
      lat > (b[i * 4 + 3] as number)
    )
      continue;
    const f = towns.features[i] as Town;
    for (const rings of polygonsOf(f)) {
      const [outer, ...holes] = rings;
      if (outer && inRing(outer, lon, lat) && !holes.some((h) => inRing(h, lon, lat))) return i;
    }
  }
  return -1;
}

const official = (name: string): string => name.replaceAll('台', '臺');
export const townName = (p: TownProperties, lang: 'zh-TW' | 'en'): string =>
  lang === 'en' ? p.TOWNENG : official(p.TOWNNAME);
export const countyName = (p: TownProperties, lang: 'zh-TW' | 'en'): string =>
  lang === 'en' ? p.COUNTYENG : official(p.COUNTYNAME);

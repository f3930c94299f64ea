import { around } from 'geokdbush';
import KDBush from 'kdbush';
import { distanceKm } from './distance.ts';

export interface Place {
  readonly lat: number;
  readonly lon: number;
}

export interface Neighbour {
  /** Position in the list the index was made from. */
  readonly index: number;
  readonly km: number;
}

export interface NeighbourIndex {
  /** The nearest places in order of distance (ties: order of the list), at most `count`, at most `maxKm` away. `accept` skips places. */
  nearest(lat: number, lon: number, count: number, maxKm: number, accept?: (index: number) => boolean): Neighbour[];
}

/** Who is near, on the sphere; built once for a set of places in O(n log n), asked in O(log n). */
export function createNeighbourIndex(places: readonly Place[]): NeighbourIndex {
  if (places.length === 0) return { nearest: () => [] };
  const tree = new KDBush(places.length);
  for (const p of places) tree.add(p.lon, p.lat);
  tree.finish();
  return {
    nearest(lat, lon, count, maxKm, accept) {
      return around(tree, lon, lat, count, maxKm, accept)
        .map((index) => {
          const p = places[index] as Place;
          return { index, km: distanceKm(lat, lon, p.lat, p.lon) };
        })
        .sort((a, b) => a.km - b.km || a.index - b.index);
    },
  };
}

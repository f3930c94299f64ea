/** Reference stations that a feed knows by their own number: made in the registry when first seen, found again later. */
import type { Clock } from '../../model/time.ts';
import type { Registry } from '../../registry/registry.ts';
import type { DecodedReading } from '../decoder.ts';

/** A station that moved less than this is where it was: MOENV's coordinates were revised by some hundred metres at most. */
const MOVED_DEG = 1e-5;

export interface Stations {
  /** Id of the station's Thing; made when it is new, moved when the feed says another place. */
  idOf(reading: DecodedReading): string;
}

/** @param network stands as `project` on every station, and keeps the numbers of two networks apart */
export function stationDirectory(registry: Registry, network: string, clock: Clock): Stations {
  const ids = new Map<string, string>();
  for (const thing of registry.list({ kind: 'station', project: network })) {
    if (thing.nativeId !== '') ids.set(thing.nativeId, thing.id);
  }
  return {
    idOf(reading) {
      const { nativeId, place, hints } = reading;
      const known = ids.get(nativeId);
      const thing = known === undefined ? null : registry.get(known);
      if (thing) {
        if (place && (!thing.place || far(thing.place, place))) {
          registry.move(thing.id, { lat: place.lat, lon: place.lon, height: null, from: clock() });
        }
        return thing.id;
      }
      const { thing: made } = registry.add(
        {
          kind: 'station',
          nativeId,
          name: hints?.name ?? nativeId,
          format: network,
          project: network,
          exposure: 'outdoor',
          claimed: true,
          licence: hints?.licence ?? '',
          attribution: hints?.attribution ?? '',
          lat: place?.lat ?? null,
          lon: place?.lon ?? null,
        },
        clock(),
      );
      ids.set(nativeId, made.id);
      return made.id;
    },
  };
}

const far = (a: { lat: number; lon: number }, b: { lat: number; lon: number }): boolean =>
  Math.abs(a.lat - b.lat) > MOVED_DEG || Math.abs(a.lon - b.lon) > MOVED_DEG;

/**
 * Which stations and boxes share a climate. A zone is all stations within ZONE_KM of its centre, which is one of them: enough for weather
 * and kinds of particles to be alike, and known without a map of climates. Boxes belong to the zone of the nearest station.
 */
import { distanceKm } from '../geo/distance.ts';

/** How far a station may be from the centre of its zone [km]. */
export const ZONE_KM = 300;
/** Farther from every station nobody has shown what the air does to a sensor [km]. */
export const ZONE_REACH_KM = 200;
/** Zone of stations that have no place. */
export const NOWHERE = '';

export interface Placed {
  readonly id: string;
  readonly lat: number;
  readonly lon: number;
}

/** Plain, part of the state: as the last night found them. */
export interface Zones {
  /** Centres keep their zones while others come and go; oldest first. */
  readonly centres: readonly Placed[];
  /** Zone of each station that has pairs, by the name of its centre. */
  readonly of: ReadonlyMap<string, string>;
  readonly names: readonly string[];
  readonly stations: readonly Placed[];
}

export const NO_ZONES: Zones = { centres: [], of: new Map(), names: [], stations: [] };

/**
 * @param stations all that have pairs now
 * @returns the zones of before, with new centres where a station is in none of them: always the one that has most of the rest around it
 */
export function zonesOf(
  before: Zones,
  stations: readonly { id: string; lat: number | null; lon: number | null }[],
): Zones {
  const of = new Map<string, string>();
  const placed: Placed[] = [];
  for (const s of stations.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    if (s.lat === null || s.lon === null) of.set(s.id, NOWHERE);
    else placed.push({ id: s.id, lat: s.lat, lon: s.lon });
  }
  const centres = [...before.centres];
  const km = (a: Placed, b: Placed): number => distanceKm(a.lat, a.lon, b.lat, b.lon);
  let rest = placed.filter((s) => !centres.some((c) => km(c, s) <= ZONE_KM));
  while (rest.length > 0) {
    const around = rest.map((s) => rest.filter((t) => km(s, t) <= ZONE_KM).length);
    const centre = rest[around.indexOf(Math.max(...around))] as Placed;
    centres.push(centre);
    rest = rest.filter((s) => km(centre, s) > ZONE_KM);
  }
  const used = new Set<string>();
  for (const s of placed) {
    let nearest = centres[0] as Placed;
    for (const c of centres) if (km(c, s) < km(nearest, s)) nearest = c;
    of.set(s.id, nearest.id);
    used.add(nearest.id);
  }
  return {
    centres: centres.filter((c) => used.has(c.id)),
    of,
    names: [...new Set(of.values())].sort(),
    stations: placed,
  };
}

export const isOneZone = (zones: Zones): boolean => zones.names.length < 2;

/** Cells in which all boxes are of one zone [degrees]. */
const CELL = 0.05;

/** Zones of places, kept by cell: a million boxes lie in some ten thousand. */
export class ZoneMap {
  readonly zones: Zones;
  readonly #cells = new Map<number, string | null>();

  constructor(zones: Zones) {
    this.zones = zones;
  }

  /** Null = too far from every station. */
  at(lat: number, lon: number): string | null {
    const [row, column] = [Math.floor(lat / CELL), Math.floor(lon / CELL)];
    const key = row * 10_000 + column;
    let zone = this.#cells.get(key);
    if (zone === undefined) {
      zone = this.#nearest((row + 0.5) * CELL, (column + 0.5) * CELL);
      this.#cells.set(key, zone);
    }
    return zone;
  }

  #nearest(lat: number, lon: number): string | null {
    let zone: string | null = null;
    let least = ZONE_REACH_KM;
    for (const s of this.zones.stations) {
      const km = distanceKm(s.lat, s.lon, lat, lon);
      if (km >= least) continue;
      least = km;
      zone = this.zones.of.get(s.id) as string;
    }
    return zone;
  }
}

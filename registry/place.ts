/**
 * What the public may know of a place. Owners who do not want to show their door get the centre of a fixed grid cell: the same
 * cell at every call, so no number of requests averages it away, and nothing that searches (bbox, radius, nearest) may use
 * the exact place, or a search narrowed step by step would find it.
 */
import { isSensorIdProperty } from './sensor-ids.ts';
import type { Place, Thing } from './registry.ts';

/** Width of a grid cell [degrees]: about 555 m north–south, 500 m east–west at the latitude of Taiwan. */
export const GRID = 0.005;

export interface PublicPlace {
  readonly lat: number;
  readonly lon: number;
}

/** Six digits are 0.1 m; more would only make answers longer. */
const tenCm = (x: number): number => Math.round(x * 1e6) / 1e6;

const centre = (x: number): number => tenCm((Math.floor(x / GRID) + 0.5) * GRID);

export const snapToGrid = (p: PublicPlace): PublicPlace => ({ lat: centre(p.lat), lon: centre(p.lon) });

/**
 * The public place of a grid box that was at `shown` and now is at `exact`. It stays while the box is at most half a cell
 * beyond the cell: otherwise GPS jitter over a cell's edge would show two cells in turn, and so the edge the box hangs at.
 */
export function snapFrom(shown: PublicPlace | null, exact: PublicPlace): PublicPlace {
  if (shown && Math.abs(exact.lat - shown.lat) <= GRID && Math.abs(exact.lon - shown.lon) <= GRID) return shown;
  return snapToGrid(exact);
}

/** The place to show for a Thing; null where none is known. */
export function publicPlace(thing: Pick<Thing, 'place' | 'placePrecision' | 'shown'>): PublicPlace | null {
  if (!thing.place) return null;
  if (thing.placePrecision === 'exact') return { lat: tenCm(thing.place.lat), lon: tenCm(thing.place.lon) };
  return thing.shown ?? snapToGrid(thing.place);
}

/** Facts that lead to the door: not shown of a box whose place is not. */
const LEADS_HOME: ReadonlySet<string> = new Set(['lampPost', 'side', 'address']);

export function publicProperties(
  thing: Pick<Thing, 'properties' | 'placePrecision'>,
): Readonly<Record<string, string>> {
  const shown = Object.entries(thing.properties).filter(([key]) => !isSensorIdProperty(key));
  return Object.fromEntries(thing.placePrecision === 'exact' ? shown : shown.filter(([key]) => !LEADS_HOME.has(key)));
}

/** Former places as they may be shown: without height, and one entry for moves inside a cell. */
export function publicPlaces(thing: Thing, places: readonly Place[]): Place[] {
  if (thing.placePrecision === 'exact') return places.map((p) => ({ ...p, lat: tenCm(p.lat), lon: tenCm(p.lon) }));
  const out: Place[] = [];
  let shown: PublicPlace | null = null;
  for (const p of places) {
    const next = snapFrom(shown, p);
    if (!shown || next.lat !== shown.lat || next.lon !== shown.lon) out.push({ ...next, height: null, from: p.from });
    shown = next;
  }
  return out;
}

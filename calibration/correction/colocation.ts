/** Which boxes speak about the air at which station: declared, or found by distance. */
import { createNeighbourIndex } from '../geo/neighbours.ts';
import type { Colocation, StageBox, StageStation } from '../stage.ts';
import { poolKey } from './sensor.ts';
import { COLOCATED_KM, NEAR_BOXES, NEAR_KM, REGION_KM } from './settings.ts';

export interface Pairing {
  readonly station: string;
  readonly kind: 'own' | 'near';
  /** One box beside the station, or the nearest ones around it. */
  readonly boxes: readonly string[];
  readonly pool: string;
  readonly from: number;
  readonly to: number;
}

/** Boxes that may be used for fitting: claimed, and not known to hang indoors or to travel. */
const usable = (box: StageBox): boolean => box.trusted && box.exposure !== 'indoor' && box.exposure !== 'mobile';

/** Types that have a box beside a station, or two near one. */
export const servedPools = (pairings: readonly Pairing[]): Set<string> =>
  new Set(pairings.filter((p) => p.kind === 'own' || p.boxes.length > 1).map((p) => p.pool));

/** @param regionKm how far boxes are asked of types that have none near a station; 0 = not at all */
export function findPairings(
  boxes: Iterable<StageBox>,
  stations: Iterable<StageStation>,
  declared: readonly Colocation[] | null,
  regionKm = REGION_KM,
): Pairing[] {
  const placed: (StageBox & { lat: number; lon: number })[] = [];
  const byId = new Map<string, StageBox>();
  for (const box of boxes) {
    byId.set(box.id, box);
    if (box.lat !== null && box.lon !== null && usable(box))
      placed.push(box as StageBox & { lat: number; lon: number });
  }
  // Order must not depend on how boxes came in.
  placed.sort((a, b) => (a.id < b.id ? -1 : 1));
  const index = createNeighbourIndex(placed);
  const out: Pairing[] = [];
  const own = new Set<string>();
  for (const pair of declared ?? []) {
    const box = byId.get(pair.box);
    if (!box || !box.trusted) continue;
    own.add(`${pair.station}\n${pair.box}`);
    out.push({
      station: pair.station,
      kind: 'own',
      boxes: [pair.box],
      pool: poolKey(box.sensor, box.field),
      from: pair.from ?? -Infinity,
      to: pair.to ?? Infinity,
    });
  }
  const sorted = [...stations].sort((a, b) => (a.id < b.id ? -1 : 1));
  for (const station of sorted) {
    if (station.lat === null || station.lon === null) continue;
    const near = index.nearest(station.lat, station.lon, 8 * NEAR_BOXES, NEAR_KM);
    const byPool = new Map<string, string[]>();
    for (const { index: at, km } of near) {
      const box = placed[at] as StageBox;
      const pool = poolKey(box.sensor, box.field);
      if (own.has(`${station.id}\n${box.id}`)) continue;
      if (declared === null && km <= COLOCATED_KM) {
        out.push({ station: station.id, kind: 'own', boxes: [box.id], pool, from: -Infinity, to: Infinity });
        continue;
      }
      const list = byPool.get(pool) ?? [];
      if (list.length < NEAR_BOXES) list.push(box.id);
      byPool.set(pool, list);
    }
    for (const [pool, ids] of byPool) {
      out.push({ station: station.id, kind: 'near', boxes: ids, pool, from: -Infinity, to: Infinity });
    }
  }
  // A type of which no two boxes are near one station: the middle of many farther ones still says what the type shows.
  const served = servedPools(out);
  const far = placed.filter((box) => !served.has(poolKey(box.sensor, box.field)));
  if (far.length < 2 || regionKm === 0) return out;
  const wide = createNeighbourIndex(far);
  for (const { id, lat, lon } of sorted) {
    if (lat === null || lon === null) continue;
    const byPool = new Map<string, string[]>();
    for (const { index: at } of wide.nearest(lat, lon, 8 * NEAR_BOXES, regionKm)) {
      const box = far[at] as StageBox;
      const pool = poolKey(box.sensor, box.field);
      const list = byPool.get(pool) ?? [];
      if (list.length < NEAR_BOXES) list.push(box.id);
      byPool.set(pool, list);
    }
    for (const [pool, boxes] of byPool) {
      if (boxes.length < 2) continue;
      const already = out.findIndex((p) => p.kind === 'near' && p.station === id && p.pool === pool);
      if (already >= 0) out.splice(already, 1);
      out.push({ station: id, kind: 'near', boxes, pool, from: -Infinity, to: Infinity });
    }
  }
  return out;
}

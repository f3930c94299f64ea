/** What the correction has found out about reference stations: which it does not believe, and whose clocks it has put right. */
import type { StationVerdict } from '../stage.ts';
import type { Memory } from './memory.ts';
import { isStuckNow } from './reference.ts';

/** Stations of which there is something to say, by id. */
export function stationVerdicts(m: Memory): StationVerdict[] {
  const doubted = new Map<string, string[]>();
  for (const [type, pool] of m.s.pools)
    for (const station of pool.doubted) doubted.set(station, [...(doubted.get(station) ?? []), type]);
  const out: StationVerdict[] = [];
  for (const station of m.s.stations.values()) {
    const excludedFor = (doubted.get(station.id) ?? []).sort();
    const stuck = isStuckNow(station.stuck);
    if (excludedFor.length === 0 && !stuck && station.clockMs === 0) continue;
    out.push({ station: station.id, excludedFor, stuck, clockMs: station.clockMs });
  }
  return out.sort((a, b) => (a.station < b.station ? -1 : 1));
}

/** Times as people at a place read them: RFC 3339 with the zone's offset, beside the UTC that counts. */
import { MINUTE, type EpochMs } from '../model/time.ts';
import { zoneOffset } from '../store/bins.ts';

/** Zones have changed their offset at quarter hours only since 1972, so one look-up serves a quarter of an hour. */
const QUARTER = 15 * MINUTE;
const MAX_KNOWN = 50_000;

export type LocalTime = (t: EpochMs) => string;

/** @throws RangeError for a name that is no IANA zone */
export function localTimeIn(timezone: string): LocalTime {
  const known = new Map<number, number>();
  zoneOffset(timezone, 0);
  return (t) => {
    const quarter = Math.floor(t / QUARTER);
    let offset = known.get(quarter);
    if (offset === undefined) {
      if (known.size >= MAX_KNOWN) known.clear();
      known.set(quarter, (offset = zoneOffset(timezone, t)));
    }
    const minutes = Math.abs(Math.round(offset / MINUTE));
    const iso = new Date(t + offset).toISOString();
    const sign = offset < 0 ? '-' : '+';
    const two = (n: number): string => String(n).padStart(2, '0');
    return `${iso.endsWith('.000Z') ? iso.slice(0, 19) : iso.slice(0, 23)}${sign}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  };
}

export function isTimezone(name: string): boolean {
  try {
    // Offsets such as "+08" are zones to Intl, but a calendar needs a place.
    return /^[A-Za-z][A-Za-z0-9_+/-]{0,60}$/.test(name) && zoneOffset(name, 0) < Infinity;
  } catch {
    return false;
  }
}

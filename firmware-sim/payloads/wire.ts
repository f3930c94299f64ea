/** Small things that many firmwares have in common: their clocks, their ids, their printf. */
import type { Measurement, SimBox } from '../box.ts';

const two = (n: number): string => String(n).padStart(2, '0');
const TAIPEI_MS = 8 * 3_600_000;

/** `2026-03-01` and `04:05:06` of a moment, in UTC or in Taiwan's local time. */
export function dateAndClock(time: number, zone: 'utc' | 'taipei' = 'utc'): { date: string; clock: string } {
  const d = new Date(time + (zone === 'taipei' ? TAIPEI_MS : 0));
  return {
    date: `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`,
    clock: `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`,
  };
}

/** What the box's clock says; a box without a clock writes its power-on date. */
export const stamp = (m: Measurement, zone: 'utc' | 'taipei' = 'utc'): { date: string; clock: string } =>
  m.time === null ? { date: '1900-01-01', clock: '00:00:00' } : dateAndClock(m.time, zone);

/** A made-up hardware address: a vendor prefix and the number of the box, 12 hex digits. */
export const mac = (box: SimBox, prefix: string): string => prefix + (box.index + 1).toString(16).padStart(6, '0');

export const fixed = (x: number, digits = 2): string => x.toFixed(digits);

/** The last day at a place, hour by hour, from the boxes round it: since when the air is what it is, and where it is going. */
import { distanceM } from '../../model/geo.ts';
import { HOUR, parseTime } from '../../model/time.ts';
import type { PropertyKey } from '../../model/properties.ts';
import { classOf, type Palette } from '../scales/scales.ts';
import { get } from './api.ts';
import { isIndoor } from '../map/marks.ts';
import { KIND, type BoxTable, type DataLevel } from './table.ts';

export interface Lately {
  /** Start of the first hour. */
  readonly start: number;
  /** A mean an hour, NaN = no values. */
  readonly means: readonly number[];
}

interface Answer {
  readonly start: string;
  readonly hours: number;
  readonly ids: readonly string[];
  readonly values: readonly (readonly (number | null)[])[];
}

/** Half the side of the square that is asked for [°], and how far a box may be [m]: about what the sentence reaches at most in a town. */
const HALF = 0.045;
const MAX_M = 5000;

export async function loadLately(
  t: BoxTable,
  property: PropertyKey,
  level: DataLevel,
  lat: number,
  lon: number,
  now: number,
  signal: AbortSignal,
): Promise<Lately> {
  // The running hour is left out: it is the sentence's.
  const to = Math.floor(now / HOUR) * HOUR;
  const q = new URLSearchParams({
    property,
    level,
    from: new Date(to - 24 * HOUR).toISOString(),
    to: new Date(to).toISOString(),
    bbox: [lon - HALF, lat - HALF, lon + HALF, lat + HALF].map((x) => x.toFixed(3)).join(','),
  });
  const a = await get<Answer>(`/api/v1/frames?${q}`, signal);
  return { start: parseTime(a.start) ?? to - 24 * HOUR, means: means(t, a, lat, lon) };
}

/** Weighted by nearness like the sentence; each hour from the boxes that have it. */
export function means(t: BoxTable, a: Pick<Answer, 'ids' | 'values' | 'hours'>, lat: number, lon: number): number[] {
  const sum = new Float64Array(a.hours);
  const weight = new Float64Array(a.hours);
  a.ids.forEach((id, i) => {
    const row = t.row(id);
    if (row < 0 || isIndoor(t, row) || t.kind[row] === KIND.station) return;
    const d = distanceM(lat, lon, t.lat[row] as number, t.lon[row] as number);
    if (d > MAX_M) return;
    const w = 1 / ((d / 1000) ** 2 + 0.3);
    a.values[i]?.forEach((v, h) => {
      if (v === null || h >= a.hours) return;
      (sum[h] as number) += w * v;
      (weight[h] as number) += w;
    });
  });
  return Array.from(sum, (s, h) => (weight[h] === 0 ? NaN : s / (weight[h] as number)));
}

/** Start of the run of hours of the same class up to now; null when the hour before was another one or is not known. */
export function since(l: Lately, palette: Palette, classNow: number): { time: number; whole: boolean } | null {
  let first = l.means.length;
  while (first > 0 && !Number.isNaN(l.means[first - 1]) && classOf(palette, l.means[first - 1] as number) === classNow)
    first--;
  return first === l.means.length ? null : { time: l.start + first * HOUR, whole: first === 0 };
}

/** Against three hours ago; a change counts from a fifth and `least`. */
export function trend(l: Lately, now: number, least: number): 'rising' | 'falling' | 'steady' | null {
  const then = l.means.at(-3);
  if (then === undefined || Number.isNaN(then)) return null;
  const change = now - then;
  if (Math.abs(change) < Math.max(least, 0.2 * Math.abs(then))) return 'steady';
  return change > 0 ? 'rising' : 'falling';
}

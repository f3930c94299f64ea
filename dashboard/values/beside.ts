/** What to hold a box against: the nearest reference station, and the median of the boxes round it. */
import { distanceM } from '../../model/geo.ts';
import { HOUR, parseTime } from '../../model/time.ts';
import type { PropertyKey } from '../../model/properties.ts';
import { median } from '../map/clusters.ts';
import { isIndoor } from '../map/marks.ts';
import { get, observations, type Span } from './api.ts';
import { KIND, type BoxTable } from './table.ts';

export interface Beside {
  /** `station` has a name and a distance, `boxes` a count. */
  readonly kind: 'station' | 'boxes';
  readonly name: string;
  readonly distanceM: number;
  readonly count: number;
  /** Epoch ms, ascending, and a value at each. */
  readonly time: readonly number[];
  readonly value: readonly (number | null)[];
}

/** Farther away a station says nothing about this street [m]. */
const MAX_STATION_M = 25_000;
/** Half the side of the square of neighbours [°]: about 2.5 km. */
const HALF = 0.0225;
/** `/api/v1/frames` gives a week at once. */
const MAX_FRAMES_MS = 7 * 24 * HOUR;

export function nearestStation(t: BoxTable, id: string): { id: string; row: number; distanceM: number } | null {
  const own = t.row(id);
  if (own < 0) return null;
  let best: { id: string; row: number; distanceM: number } | null = null;
  for (let row = 0; row < t.length; row++) {
    if (t.kind[row] !== KIND.station || row === own) continue;
    const d = distanceM(t.lat[own] as number, t.lon[own] as number, t.lat[row] as number, t.lon[row] as number);
    if (d <= (best?.distanceM ?? MAX_STATION_M)) best = { id: t.ids[row] as string, row, distanceM: d };
  }
  return best;
}

async function station(
  t: BoxTable,
  id: string,
  property: PropertyKey,
  span: Span,
  signal: AbortSignal,
): Promise<Beside | null> {
  const near = nearestStation(t, id);
  if (!near) return null;
  const list = await observations(
    near.id,
    property,
    'raw',
    { ...span, interval: span.interval === '' ? 'PT1H' : span.interval },
    signal,
  );
  if (!list.some((o) => o.value !== null)) return null;
  return {
    kind: 'station',
    name: t.names[near.row]?.trim() || near.id,
    distanceM: near.distanceM,
    count: 1,
    // A mean stands in the middle of its time.
    time: list.map((o) => (Number.isNaN(o.end) ? o.time : (o.time + o.end) / 2)),
    value: list.map((o) => o.value),
  };
}

async function boxes(
  t: BoxTable,
  id: string,
  property: PropertyKey,
  span: Span,
  signal: AbortSignal,
): Promise<Beside | null> {
  const own = t.row(id);
  if (own < 0 || span.to - span.from > MAX_FRAMES_MS) return null;
  const [lat, lon] = [t.lat[own] as number, t.lon[own] as number];
  const q = new URLSearchParams({
    property,
    level: 'corrected',
    from: new Date(Math.ceil(span.from / HOUR) * HOUR).toISOString(),
    to: new Date(Math.floor(span.to / HOUR) * HOUR).toISOString(),
    bbox: [lon - HALF, lat - HALF, lon + HALF, lat + HALF].map((x) => x.toFixed(4)).join(','),
  });
  const a = await get<{ start: string; hours: number; ids: string[]; values: (number | null)[][] }>(
    `/api/v1/frames?${q}`,
    signal,
  );
  const used = a.ids.flatMap((other, i) => {
    const row = t.row(other);
    return other === id || (row >= 0 && (isIndoor(t, row) || t.kind[row] === KIND.station)) ? [] : [a.values[i] ?? []];
  });
  const start = parseTime(a.start);
  if (used.length < 2 || start === null) return null;
  return {
    kind: 'boxes',
    name: '',
    distanceM: 2500,
    count: used.length,
    time: Array.from({ length: a.hours }, (_, h) => start + h * HOUR + HOUR / 2),
    value: Array.from({ length: a.hours }, (_, h) => {
      const values = used.flatMap((u) => (typeof u[h] === 'number' ? [u[h]] : [])).sort((x, y) => x - y);
      return values.length < 2 ? null : median(values);
    }),
  };
}

/** What can be had of both; what cannot is left out. */
export async function beside(
  t: BoxTable,
  id: string,
  property: PropertyKey,
  span: Span,
  signal: AbortSignal,
): Promise<Beside[]> {
  const found = await Promise.allSettled([
    station(t, id, property, span, signal),
    boxes(t, id, property, span, signal),
  ]);
  return found.flatMap((f) => (f.status === 'fulfilled' && f.value ? [f.value] : []));
}

/** Hot spots of the last day, or round the moment that is played back, from `/api/v1/hotspots`. */
import { signal } from '@preact/signals';
import { distanceM } from '../../model/geo.ts';
import { HOUR, MINUTE, parseTime } from '../../model/time.ts';
import { get, HttpError } from './api.ts';
import type { DataLevel } from './table.ts';

export interface Spot {
  readonly time: number;
  readonly lat: number;
  readonly lon: number;
  readonly radiusKm: number;
  readonly boxes: number;
  readonly peak: number;
  readonly background: number;
}
export interface Hotspot {
  readonly id: string;
  readonly start: number;
  readonly end: number;
  readonly kind: 'moving' | 'standing';
  /** Ascending in time, one a slot of ten minutes in which it was seen; never empty. */
  readonly path: readonly [Spot, ...Spot[]];
}

interface Answer {
  readonly items: readonly {
    readonly id: string;
    readonly start: string;
    readonly end: string;
    readonly kind: 'moving' | 'standing';
    readonly path: readonly (Omit<Spot, 'time'> & { readonly time: string })[];
  }[];
}

export const hotspots = signal<readonly Hotspot[]>([]);
/** `none`: this server has no such answer. */
export const hotspotState = signal<'loading' | 'ready' | 'failed' | 'none'>('loading');

const SLOT = 10 * MINUTE;
const REFRESH_MS = 2 * MINUTE;
const WINDOW = 12 * HOUR;
/** A spot that was seen this long ago still counts as there: the newest slot is filling. */
const STILL_THERE = 2.5 * SLOT;

/** What was there at a moment. */
export function spotAt(h: Hotspot, at: number): Spot | null {
  let found: Spot | null = null;
  for (const p of h.path) if (p.time <= at) found = p;
  return found && at - found.time <= STILL_THERE ? found : null;
}

export const active = (h: Hotspot, now: number): boolean => spotAt(h, now) !== null;

export const peakOf = (h: Hotspot): Spot => h.path.reduce<Spot>((a, b) => (b.peak > a.peak ? b : a), h.path[0]);

/** How far and where it went, from first to last; bearing in degrees from north. */
export function journey(h: Hotspot): { km: number; bearing: number; kmh: number } {
  const a = h.path[0];
  const b = h.path.at(-1) as Spot;
  const km = distanceM(a.lat, a.lon, b.lat, b.lon) / 1000;
  const east = (b.lon - a.lon) * Math.cos((((a.lat + b.lat) / 2) * Math.PI) / 180);
  const bearing = ((Math.atan2(east, b.lat - a.lat) * 180) / Math.PI + 360) % 360;
  return { km, bearing, kmh: b.time > a.time ? (km * HOUR) / (b.time - a.time) : 0 };
}

let shown = '';
let timer: ReturnType<typeof setTimeout> | undefined;
let turn = 0;

/** Keeps `hotspots` filled for a moment (null = now) until `stopHotspots`. */
export function followHotspots(level: DataLevel, time: number | null): void {
  const window = time === null ? 'now' : String(Math.floor(time / WINDOW));
  const key = `${level} ${window}`;
  if (key === shown) return;
  shown = key;
  void ask(level, time === null ? null : Math.floor(time / WINDOW) * WINDOW, ++turn);
}

export function stopHotspots(): void {
  shown = '';
  turn++;
  clearTimeout(timer);
  hotspots.value = [];
  hotspotState.value = 'loading';
}

async function ask(level: DataLevel, start: number | null, mine: number): Promise<void> {
  clearTimeout(timer);
  const q = new URLSearchParams({ level });
  if (start !== null) {
    q.set('from', new Date(start - WINDOW).toISOString());
    q.set('to', new Date(start + 2 * WINDOW).toISOString());
  }
  try {
    const answer = await get<Answer>(`/api/v1/hotspots?${q}`);
    if (mine !== turn) return;
    hotspots.value = answer.items.flatMap((h) => {
      const path = h.path.map((p) => ({ ...p, time: parseTime(p.time) ?? NaN }));
      const [first, ...rest] = path;
      return first
        ? [{ ...h, start: parseTime(h.start) ?? NaN, end: parseTime(h.end) ?? NaN, path: [first, ...rest] }]
        : [];
    });
    hotspotState.value = 'ready';
  } catch (error) {
    if (mine !== turn) return;
    hotspotState.value = error instanceof HttpError && error.status === 404 ? 'none' : 'failed';
  }
  if (start === null && hotspotState.value !== 'none')
    timer = setTimeout(() => void ask(level, null, mine), REFRESH_MS);
}

/** Calls of the plain REST API (design §7). */
import type { PropertyKey } from '../../model/properties.ts';
import { parseTime } from '../../model/time.ts';
import type { DataLevel } from './table.ts';

export interface Place {
  readonly lat: number | null;
  readonly lon: number | null;
  readonly from?: string;
}

export interface BoxDetails {
  readonly id: string;
  readonly name: string;
  readonly nativeId: string;
  readonly format: string;
  readonly kind: 'box' | 'station';
  readonly lat: number | null;
  readonly lon: number | null;
  readonly claimed: boolean;
  readonly retired: boolean;
  readonly exposure: string;
  readonly sensors: readonly string[];
  readonly properties: readonly string[];
  readonly licence?: string | null;
  readonly licenceDetail?: { readonly name: string; readonly url: string } | null;
  readonly attribution?: string | null;
  /** One line with licence that may stand under a chart. */
  readonly attributionText?: string;
  readonly project?: string;
  readonly lastSeen?: string | null;
  readonly health?: unknown;
  readonly places?: readonly Place[];
}

export interface Observation {
  readonly time: number;
  /** End of an aggregate's bin, NaN for a single reading. */
  readonly end: number;
  readonly value: number | null;
  readonly flag: number;
  readonly reasons: readonly string[];
  readonly lo90: number | null;
  readonly hi90: number | null;
  readonly model: string;
  readonly correctionLevel: string;
  readonly coverage: number | null;
  /** Whether the value was computed anew since it was first given, and by which run; '' = the server does not tell. */
  readonly product: string;
  readonly revision: number;
}

export class HttpError extends Error {
  readonly status: number;
  constructor(status: number, url: string) {
    super(`${url} answered ${status}`);
    this.status = status;
  }
}

export async function get<T>(url: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(url, signal ? { signal } : {});
  if (!response.ok) throw new HttpError(response.status, url);
  return (await response.json()) as T;
}

/** A box or station by id; stations have their own list. */
export async function details(
  id: string,
  kind: 'box' | 'station' | undefined,
  signal?: AbortSignal,
): Promise<BoxDetails> {
  const paths = kind === 'station' ? ['stations', 'boxes'] : ['boxes', 'stations'];
  try {
    return await get<BoxDetails>(`/api/v1/${paths[0]}/${id}`, signal);
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) return get<BoxDetails>(`/api/v1/${paths[1]}/${id}`, signal);
    throw error;
  }
}

/** A reference station is never corrected: its own values are the ones to show. */
export const ownLevel = (kind: 'box' | 'station' | undefined): DataLevel => (kind === 'station' ? 'raw' : 'corrected');

export interface Span {
  readonly from: number;
  readonly to: number;
  /** ISO 8601 duration of a bin, '' = every reading. */
  readonly interval: string;
  /** IANA zone for calendar bins. */
  readonly timezone?: string;
}

export function observationsUrl(
  id: string,
  property: PropertyKey,
  level: DataLevel,
  span: Span,
  format = 'json',
): string {
  const q = new URLSearchParams({
    property,
    level,
    from: new Date(span.from).toISOString(),
    to: new Date(span.to).toISOString(),
    format,
  });
  if (span.interval !== '') q.set('interval', span.interval);
  if (span.timezone) q.set('timezone', span.timezone);
  if (format === 'json') q.set('limit', '10000');
  return `/api/v1/boxes/${id}/observations?${q}`;
}

type Item = Record<string, unknown>;
const numberOrNull = (x: unknown): number | null => (typeof x === 'number' && Number.isFinite(x) ? x : null);
const text = (x: unknown): string => (typeof x === 'string' ? x : '');

function observation(item: Item): Observation | null {
  const time = parseTime(text(item['phenomenonTime']));
  if (time === null) return null;
  const reasons = item['reasons'];
  return {
    time,
    end: parseTime(text(item['phenomenonTimeEnd'])) ?? NaN,
    value: numberOrNull(item['value']),
    flag: numberOrNull(item['flag']) ?? 2,
    reasons: Array.isArray(reasons) ? reasons.map(String) : text(reasons).split(';').filter(Boolean),
    lo90: numberOrNull(item['lo90']),
    hi90: numberOrNull(item['hi90']),
    model: text(item['model']),
    correctionLevel: text(item['correctionLevel']),
    coverage: numberOrNull(item['coverage']),
    product: text(item['product']),
    revision: numberOrNull(item['revision']) ?? 0,
  };
}

/** One run of checks and correction over history, and what it moved of one box and property on one day. */
export interface Revision {
  readonly number: number;
  readonly product: string;
  readonly issuedAt: number;
  /** Values of that day that got another corrected value, of so many; mean and largest change. */
  readonly moved: number;
  readonly values: number;
  readonly meanShift: number;
  readonly maxShift: number;
}

/** The newest runs that touched this box at that moment, newest first; empty where the server keeps no changelog. */
export async function revisionsOf(
  id: string,
  property: PropertyKey,
  time: number,
  signal?: AbortSignal,
): Promise<Revision[]> {
  const list = await get<{ items: Item[] }>(`/api/v1/revisions?box=${id}&limit=200`, signal);
  const covering = list.items
    .filter((r) => (parseTime(text(r['from'])) ?? Infinity) <= time && (parseTime(text(r['to'])) ?? 0) > time)
    .slice(0, MAX_REVISIONS);
  const day = new Date(time).toISOString().slice(0, 10);
  return Promise.all(
    covering.map(async (r) => {
      const number = numberOrNull(r['number']) ?? 0;
      const changes = await get<{ items: Item[] }>(
        `/api/v1/revisions/${number}/changes?box=${id}&property=${property}`,
        signal,
      );
      const c = changes.items.find((x) => x['day'] === day) ?? {};
      return {
        number,
        product: text(r['product']),
        issuedAt: parseTime(text(r['issuedAt'])) ?? NaN,
        moved: numberOrNull(c['moved']) ?? 0,
        values: numberOrNull(c['values']) ?? 0,
        meanShift: numberOrNull(c['meanShift']) ?? 0,
        maxShift: numberOrNull(c['maxShift']) ?? 0,
      };
    }),
  );
}
const MAX_REVISIONS = 4;

/** Every observation of a span, following the pages; at most 40 of them. */
export async function observations(
  id: string,
  property: PropertyKey,
  level: DataLevel,
  span: Span,
  signal?: AbortSignal,
): Promise<Observation[]> {
  const all: Observation[] = [];
  let url: string | null = observationsUrl(id, property, level, span);
  for (let page = 0; url !== null && page < 40; page++) {
    const body: { items?: Item[]; next?: string | null } = await get(url, signal);
    for (const item of body.items ?? []) {
      const o = observation(item);
      if (o) all.push(o);
    }
    const next: string | null = body.next ?? null;
    url =
      next === null
        ? null
        : next.startsWith('/')
          ? next
          : `${observationsUrl(id, property, level, span)}&cursor=${encodeURIComponent(next)}`;
  }
  return all;
}

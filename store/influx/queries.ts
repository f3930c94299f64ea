/** The questions of `ObservationStore` in Flux. Each is bounded: slices of time whose width follows the density of the data. */
import { flux, fluxDuration, fluxExpression } from '@influxdata/influxdb-client';
import { PROPERTY_SLOTS } from '../../model/properties.ts';
import { DAY, HOUR, MINUTE, type EpochMs } from '../../model/time.ts';
import { binsOf, combine, partialOf, type Partial } from '../bins.ts';
import { joinColumns, rowAt } from '../columns.ts';
import {
  allocateColumns,
  type AggregateQuery,
  type AggregateRow,
  type Extents,
  type ObservationColumns,
  type RangeQuery,
} from '../store.ts';
import type { Connection } from './connection.ts';
import { picked, rowsOf, source, type Span } from './rows.ts';
import { fieldOf, type Aspect } from './schema.ts';

/** Rows of one slice at most; a slice with more is asked again in parts. */
const SLICE_ROWS = 60_000;
const WIDEST = 3660 * DAY;

interface SliceOptions {
  readonly descending?: boolean;
  /** Of the first slice [ms]. */
  readonly width?: number;
  /** Of all rows; where all datastreams are asked for, a first slice of many millions of rows would be too much for the server. */
  readonly density?: { readonly rows: number; readonly first: EpochMs; readonly last: EpochMs };
  /** null = whole rows. `flag` has to be among them: it is what makes a row. */
  readonly aspects?: readonly Aspect[] | null;
  /** Numbers of properties, where no datastreams are named; null = all. */
  readonly properties?: readonly number[] | null;
  readonly signal?: AbortSignal | undefined;
}

/** In which half a slice lies, where rows are spread evenly. */
const usualWidth = ({ rows, first, last }: NonNullable<SliceOptions['density']>): number =>
  Math.max(1, Math.floor(((last - first + 1) / Math.max(1, rows)) * (SLICE_ROWS / 2)));

/** The rows of a span in slices, from its start or from its end, each sorted ascending. */
export async function* slices(
  connection: Connection,
  datastreams: readonly number[] | null,
  span: Span,
  { descending = false, width = HOUR, density, aspects = null, properties = null, signal }: SliceOptions = {},
): AsyncGenerator<ObservationColumns> {
  let { from, to } = span;
  let wide = density ? Math.min(width, usualWidth(density)) : width;
  while (from < to) {
    const part = descending ? { from: Math.max(from, to - wide), to } : { from, to: Math.min(to, from + wide) };
    const rows = await rowsOf(connection, datastreams, part, SLICE_ROWS, signal, aspects, properties);
    if (!rows) {
      if (part.to - part.from > 1) {
        wide = Math.max(1, Math.floor((part.to - part.from) / 4));
        continue;
      }
      throw new RangeError(`more than ${SLICE_ROWS} rows have the same time; name fewer datastreams`);
    }
    if (descending) to = part.from;
    else from = part.to;
    if (rows.length > 0) yield rows;
    if (rows.length < SLICE_ROWS / 8) wide = Math.min(WIDEST, wide * 4);
    else if (rows.length > SLICE_ROWS / 2) wide = Math.max(1, Math.floor(wide / 2));
  }
}

/** Where all rows lie, so that nobody looks through years without any. */
export const within = (span: Span, all: { readonly first: EpochMs; readonly last: EpochMs }): Span => ({
  from: Math.max(span.from, all.first),
  to: Math.min(span.to, all.last + 1),
});

export async function range(
  connection: Connection,
  query: RangeQuery,
  all: { readonly first: EpochMs; readonly last: EpochMs },
  signal?: AbortSignal,
): Promise<ObservationColumns> {
  const datastreams = [...new Set(query.datastreams)];
  if (datastreams.length === 0 || query.limit < 1) return allocateColumns(0);
  const descending = query.order === 'desc';
  const { after } = query;
  let { from, to } = within(query, all);
  if (after && descending) to = Math.min(to, after.phenomenonTime + 1);
  if (after && !descending) from = Math.max(from, after.phenomenonTime);
  const behind = (rows: ObservationColumns, i: number): boolean => {
    if (!after) return true;
    const t = rows.phenomenonTime[i] as number;
    const d = rows.datastream[i] as number;
    if (t !== after.phenomenonTime) return descending ? t < after.phenomenonTime : t > after.phenomenonTime;
    return descending ? d < after.datastream : d > after.datastream;
  };
  // A page of boxes that send once a minute; others find their width by themselves.
  const width = Math.max(HOUR, Math.ceil(query.limit / datastreams.length) * MINUTE);
  const blocks: ObservationColumns[] = [];
  let missing = query.limit;
  for await (const rows of slices(connection, datastreams, { from, to }, { descending, width, signal })) {
    const order: number[] = [];
    for (let n = 0; n < rows.length && order.length < missing; n++) {
      const i = descending ? rows.length - 1 - n : n;
      if (behind(rows, i)) order.push(i);
    }
    if (order.length > 0) blocks.push(picked(rows, order));
    missing -= order.length;
    if (missing <= 0) break;
  }
  return joinColumns(blocks);
}

/** Sums over pieces of time as the server makes them, by start of the piece. */
interface Sums {
  readonly total: number;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly lo90: number;
  readonly hi90: number;
}

const NOTHING: Sums = { total: 0, count: 0, sum: 0, min: NaN, max: NaN, lo90: 0, hi90: 0 };

/**
 * The server sums pieces of time; only pieces with a value that does not take part (flagged, or withdrawn by a recompute) are
 * summed here from their rows, since a minimum cannot be corrected afterwards. Where boxes share series all are.
 */
export async function aggregate(
  connection: Connection,
  query: AggregateQuery,
  all: { readonly first: EpochMs; readonly last: EpochMs; readonly shared: boolean },
  signal?: AbortSignal,
): Promise<AggregateRow[]> {
  const bins = binsOf(query);
  const span = within(query, all);
  if (!(span.from < span.to)) return [];
  const raw = query.level === 'raw';
  const aspects: readonly Aspect[] = raw ? ['', 'flag'] : ['flag', 'corrected', 'lo90', 'hi90', 'withdrawn'];
  if (all.shared) {
    const own: Partial[] = [];
    for await (const rows of slices(connection, [query.datastream], span, { width: 7 * DAY, aspects, signal }))
      for (let i = 0; i < rows.length; i++) own.push(partialOf(rowAt(rows, i)));
    return combine(own, bins, query.level);
  }
  const unit = bins.unit ?? (query.step as number);
  const phase = bins.unit === null ? bins.phase : 0;
  const startOf = (t: EpochMs): EpochMs => Math.floor((t - phase) / unit) * unit + phase;

  const wanted = {
    ...span,
    boxes: [Math.floor(query.datastream / PROPERTY_SLOTS)],
    properties: [query.datastream % PROPERTY_SLOTS],
  };
  const every = fluxDuration(`${unit}ms`);
  const offset = fluxDuration(`${((phase % unit) + unit) % unit}ms`);
  const summed = (
    name: keyof Sums | 'odd',
    aspect: Parameters<typeof source>[1]['aspects'],
    fn: string,
    condition = '',
  ) =>
    flux`${source(connection, { ...wanted, aspects: aspect }, condition)}
  |> aggregateWindow(every: ${every}, offset: ${offset}, fn: ${fluxExpression(fn)}, createEmpty: false, timeSrc: "_start")
  |> keep(columns: ["_time", "_value"]) |> yield(name: ${name})`.toString();
  const value = [raw ? '' : 'corrected'] as const;
  const parts = [
    summed('total', ['flag'], 'count'),
    summed('count', value, 'count'),
    summed('sum', value, 'sum'),
    summed('min', value, 'min'),
    summed('max', value, 'max'),
    raw
      ? summed('odd', ['flag'], 'count', 'r._value != 1.0 and r._value != 2.0')
      : summed('odd', ['withdrawn'], 'count', 'r._value == 1.0'),
  ];
  if (!raw) parts.push(summed('lo90', ['lo90'], 'sum'), summed('hi90', ['hi90'], 'sum'));

  const sums = new Map<EpochMs, Sums>();
  const odd = new Set<EpochMs>();
  await connection.query(
    parts.join('\n'),
    ({ result, time, value: v }) => {
      const start = startOf(time);
      if (result === 'odd') odd.add(start);
      else sums.set(start, { ...(sums.get(start) ?? NOTHING), [result]: v });
    },
    signal,
  );
  for (const start of odd) sums.delete(start);
  const partials: Partial[] = [...sums].map(([start, s]) => ({
    start,
    total: s.total,
    rawCount: raw ? s.count : 0,
    rawSum: raw ? s.sum : 0,
    rawMin: raw ? s.min : NaN,
    rawMax: raw ? s.max : NaN,
    correctedCount: raw ? 0 : s.count,
    correctedSum: raw ? 0 : s.sum,
    correctedMin: raw ? NaN : s.min,
    correctedMax: raw ? NaN : s.max,
    lo90Sum: s.lo90,
    hi90Sum: s.hi90,
  }));
  for (const piece of joined(
    [...odd].sort((a, b) => a - b),
    unit,
    span,
  ))
    for await (const rows of slices(connection, [query.datastream], piece, {
      width: piece.to - piece.from,
      aspects,
      signal,
    }))
      for (let i = 0; i < rows.length; i++) partials.push(partialOf(rowAt(rows, i)));
  return combine(
    partials.sort((a, b) => a.start - b.start),
    bins,
    query.level,
  );
}

/** Pieces that lie side by side as one span each. */
function joined(starts: readonly EpochMs[], unit: number, span: Span): Span[] {
  const spans: { from: EpochMs; to: EpochMs }[] = [];
  for (const start of starts) {
    const last = spans.at(-1);
    if (last && last.to === start) last.to = start + unit;
    else spans.push({ from: start, to: start + unit });
  }
  return spans.map((s) => ({ from: Math.max(s.from, span.from), to: Math.min(s.to, span.to) }));
}

export async function count(connection: Connection, span: Span, signal?: AbortSignal): Promise<number> {
  let n = 0;
  const wanted = { ...span, boxes: null, properties: null, aspects: ['flag'] as const };
  await connection.query(
    flux`${source(connection, wanted)} |> group() |> count()`,
    ({ value }) => {
      n += value;
    },
    signal,
  );
  return n;
}

/** The end of all series together. */
export interface End {
  readonly time: EpochMs;
  /** Some series ends in a row of a box that shares it. */
  readonly shared: boolean;
  /** Highest number among the tags. */
  readonly highest: number;
}

async function endOf(connection: Connection, span: Span, which: 'first' | 'last'): Promise<End | null> {
  const wanted = { ...span, boxes: null, properties: null, aspects: ['flag'] as const };
  let end: End | null = null;
  await connection.query(
    flux`${source(connection, wanted)} |> ${fluxExpression(which)}() |> group() |> keep(columns: ["_time", "box"])`,
    ({ time, slot, box }) => {
      const nearer = which === 'first' ? Math.min : Math.max;
      end = {
        time: end ? nearer(end.time, time) : time,
        shared: (end?.shared ?? false) || slot > 0,
        highest: Math.max(end?.highest ?? 0, Number(box)),
      };
    },
  );
  return end;
}

/** The newest of anything in a span, null when it is empty. */
export const newestTime = async (connection: Connection, span: Span): Promise<End | null> =>
  endOf(connection, span, 'last');
export const oldestTime = async (connection: Connection, span: Span): Promise<End | null> =>
  endOf(connection, span, 'first');

/** How far each datastream reaches where boxes share no series: its first and last row; `lastResult` is that of the last row. */
export async function extents(
  connection: Connection,
  all: { readonly first: EpochMs; readonly last: EpochMs },
): Promise<Extents> {
  const span = within({ from: -Infinity, to: Infinity }, all);
  const found = new Map<number, { first: number; last: number; latency: number; corrected: number }>();
  if (span.from < span.to) {
    const wanted = (aspects: readonly Aspect[]) =>
      fluxExpression(flux`${source(connection, { ...span, boxes: null, properties: null, aspects })}`.toString());
    const end = fluxExpression('|> group() |> keep(columns: ["_time", "_value", "_field", "box"])');
    await connection.query(
      flux`${wanted(['flag'])} |> first() ${end} |> yield(name: "first")
${wanted(['flag', 'latency', 'corrected'])} |> last() ${end} |> yield(name: "last")`,
      ({ result, box, slot, field, time, value }) => {
        const known = fieldOf(field);
        if (!known) return;
        const id = (slot * connection.series + Number(box)) * PROPERTY_SLOTS + known.property;
        let one = found.get(id);
        if (!one) found.set(id, (one = { first: NaN, last: NaN, latency: 0, corrected: 0 }));
        if (result === 'first') one.first = time;
        else if (known.aspect === 'flag') one.last = time;
        else if (known.aspect === 'latency') one.latency = value;
        else one.corrected = 1;
      },
    );
  }
  const ids = [...found.keys()].sort((a, b) => a - b);
  const of = (name: 'first' | 'last' | 'latency' | 'corrected') => (id: number) => found.get(id)?.[name] as number;
  const last = Float64Array.from(ids, of('last'));
  return {
    length: ids.length,
    datastream: Int32Array.from(ids),
    first: Float64Array.from(ids, of('first')),
    last,
    lastResult: last.map((t, i) => t + of('latency')(ids[i] as number)),
    corrected: Uint8Array.from(ids, of('corrected')),
  };
}

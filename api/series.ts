/** The readings or aggregates of one datastream, piece by piece: never more in memory than a piece, however long the span. */
import { datastreamId } from '../model/datastream.ts';
import { FLAG } from '../model/flags.ts';
import { property, roundTo, type PropertyKey } from '../model/properties.ts';
import type { EpochMs } from '../model/time.ts';
import { binsOf } from '../store/bins.ts';
import type { AggregateRow, ObservationColumns, ObservationStore } from '../store/store.ts';
import type { Level } from './observation.ts';
import type { Step } from './parameters.ts';

/** Rows a store is asked for at once: at first, so that the answer begins soon, and then, where many come. */
const PIECE = 20_000;
const LARGE_PIECE = 60_000;
/** Bins a store is asked for at once: more than the hours of a year. */
const BINS = 10_000;
/** Data capture from which on a mean stands for its interval (Directive 2008/50/EC annex XI: 75 %). */
const CAPTURE = 0.75;

export interface SeriesQuery {
  readonly thingNum: number;
  readonly property: PropertyKey;
  /** inclusive */
  readonly from: EpochMs;
  /** exclusive */
  readonly to: EpochMs;
  readonly level: Level;
  readonly signal: AbortSignal;
}

/** Every reading. The next piece is asked for while the present one is written. */
export async function* readings(
  store: ObservationStore,
  q: SeriesQuery,
  options: { order: 'asc' | 'desc'; after?: EpochMs | undefined; piece?: number },
): AsyncGenerator<ObservationColumns> {
  const id = datastreamId(q.thingNum, q.property);
  let piece = options.piece ?? PIECE;
  const ask = (after: EpochMs | undefined): Promise<ObservationColumns> => {
    const rows = store.range(
      {
        datastreams: [id],
        from: q.from,
        to: q.to,
        limit: piece,
        order: options.order,
        ...(after === undefined ? {} : { after: { phenomenonTime: after, datastream: id } }),
      },
      q.signal,
    );
    // It is awaited a piece later; a rejection before that is not unhandled.
    rows.catch(() => {});
    return rows;
  };
  let next: Promise<ObservationColumns> | null = ask(options.after);
  while (next) {
    const rows: ObservationColumns = await next;
    const last = rows.length < piece;
    piece = options.piece ?? LARGE_PIECE;
    next = last ? null : ask(rows.phenomenonTime[rows.length - 1]);
    if (rows.length > 0) yield rows;
  }
}

export interface SeriesAggregate extends AggregateRow {
  readonly flag: number;
  readonly coverage: number | null;
  readonly percentiles: Readonly<Record<string, number | null>> | undefined;
}

/** Time between two readings as this box usually sends them, from its newest readings of the span [ms]; null = fewer than two. */
export async function paceOf(store: ObservationStore, q: SeriesQuery): Promise<number | null> {
  const rows = await store.range(
    { datastreams: [datastreamId(q.thingNum, q.property)], from: q.from, to: q.to, limit: 65, order: 'desc' },
    q.signal,
  );
  const gaps: number[] = [];
  for (let i = 1; i < rows.length; i++) {
    gaps.push((rows.phenomenonTime[i - 1] as number) - (rows.phenomenonTime[i] as number));
  }
  gaps.sort((a, b) => a - b);
  return gaps[gaps.length >> 1] ?? null;
}

/**
 * Bins that hold readings, oldest first. A bin cut by `from` or `to` says so by its coverage; empty bins are left out, and long
 * empty stretches are jumped over.
 */
export async function* aggregates(
  store: ObservationStore,
  q: SeriesQuery,
  options: {
    step: Step;
    timezone: string;
    /** See `paceOf`; it may be on its way while the rows are asked for. */
    pace: number | null | Promise<number | null>;
    percentiles: readonly number[];
    bins?: number;
  },
): AsyncGenerator<SeriesAggregate[]> {
  const datastream = datastreamId(q.thingNum, q.property);
  const { step, timezone } = options;
  const p = property(q.property);
  const round = (v: number | null): number | null => (v === null ? null : roundTo(v, p.resolution / 10));
  let at = q.from;
  while (at < q.to) {
    const first = await store.range({ datastreams: [datastream], from: at, to: q.to, limit: 1 }, q.signal);
    if (first.length === 0) return;
    const bins = binsOf({ step, timezone, from: first.phenomenonTime[0] as number, to: q.to });
    const start = bins.start(first.phenomenonTime[0] as number);
    const wide = options.bins ?? BINS;
    const end = Math.min(q.to, typeof step === 'number' ? start + wide * step : q.to);
    const from = Math.max(at, start);
    const rows = await store.aggregate({ datastream, from, to: end, step, timezone, level: q.level }, q.signal);
    const values = options.percentiles.length > 0 ? await percentilesOf(store, { ...q, from, to: end }, options) : null;
    const pace = await options.pace;
    yield rows.map((row) => {
      const length = Math.min(row.end, q.to) - Math.max(row.start, q.from);
      const expected = pace === null ? null : Math.max(1, Math.floor(length / pace));
      const enough = row.count >= CAPTURE * row.total;
      return {
        ...row,
        mean: round(row.mean),
        min: round(row.min),
        max: round(row.max),
        lo90: round(row.lo90),
        hi90: round(row.hi90),
        flag: row.count === 0 ? FLAG.missing : enough ? FLAG.good : FLAG.suspect,
        coverage: expected === null ? null : Math.round(Math.min(1, row.count / expected) * 1000) / 1000,
        percentiles: values ? (values.get(row.start) ?? noPercentiles(options.percentiles)) : undefined,
      };
    });
    at = end;
  }
}

const noPercentiles = (ps: readonly number[]): Record<string, null> =>
  Object.fromEntries(ps.map((n) => [`p${n}`, null]));

/** By start of the bin; one bin's values are in memory at a time. Same values as the mean takes. */
async function percentilesOf(
  store: ObservationStore,
  q: SeriesQuery,
  options: { step: Step; timezone: string; percentiles: readonly number[] },
): Promise<Map<EpochMs, Record<string, number | null>>> {
  const bins = binsOf({ step: options.step, timezone: options.timezone, from: q.from, to: q.to });
  const out = new Map<EpochMs, Record<string, number | null>>();
  let start = NaN;
  let end = NaN;
  let values: number[] = [];
  const resolution = property(q.property).resolution / 10;
  const flush = (): void => {
    if (values.length === 0) return;
    const sorted = Float64Array.from(values).sort();
    out.set(start, Object.fromEntries(options.percentiles.map((n) => [`p${n}`, roundTo(quantile(sorted, n / 100), resolution)]))); // prettier-ignore
    values = [];
  };
  for await (const rows of readings(store, q, { order: 'asc' })) {
    for (let i = 0; i < rows.length; i++) {
      const t = rows.phenomenonTime[i] as number;
      if (!(t >= start && t < end)) {
        flush();
        start = bins.start(t);
        end = bins.end(start);
      }
      const flag = rows.flag[i];
      const v =
        q.level === 'corrected'
          ? rows.corrected[i]
          : flag === FLAG.good || flag === FLAG.notEvaluated
            ? rows.raw[i]
            : NaN;
      if (v !== undefined && !Number.isNaN(v)) values.push(v);
    }
  }
  flush();
  return out;
}

/** Linear interpolation between order statistics (Hyndman & Fan 1996, type 7: the default of R and NumPy). */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  const a = sorted[low] as number;
  const b = sorted[Math.min(low + 1, sorted.length - 1)] as number;
  return a + (b - a) * (at - low);
}

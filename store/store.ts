/**
 * The observation store: what it promises, whatever is behind. `tests/store/contract.ts` holds each promise as a test.
 *
 *  1. One row per (datastream, phenomenonTime). The first appended stands; a later row with the same raw value is dropped and
 *     counted as duplicate; one with another raw value is not stored and becomes a reject `conflict`.
 *  2. `append` is atomic and durable when it resolves: its rows, its rejects and its checkpoint together, or nothing.
 *     Appending the same batch again (after a crash before the checkpoint was seen) changes nothing. A batch that does not
 *     come from the journal has checkpoint 0; one whose checkpoint is not beyond the stored one has been here: its rows are
 *     compared again, its rejects are not kept again. The checkpoint never goes back.
 *  3. `raw`, `phenomenonTime` and `resultTime` never change. `rewrite` replaces what QC and correction added.
 *  4. A query sees every append that resolved before it was asked, however old the data and whichever file it lies in.
 *  5. `range` pages by (phenomenonTime, datastream): no gap, no overlap, while data keep coming in.
 *  6. `compact` never changes an answer; killed at any moment it leaves either the old or the new files.
 */
import type { DatastreamId } from '../model/datastream.ts';
import type { EpochMs } from '../model/time.ts';

/**
 * Rows as columns, all of the same `length`. NaN in `corrected`, `lo90`, `hi90` = null. `raw` is never NaN for a row with a
 * value; a row of flag 9 (missing) has NaN.
 */
export interface ObservationColumns {
  readonly length: number;
  readonly datastream: Int32Array;
  readonly phenomenonTime: Float64Array;
  readonly resultTime: Float64Array;
  readonly raw: Float64Array;
  readonly corrected: Float64Array;
  readonly lo90: Float64Array;
  readonly hi90: Float64Array;
  readonly flag: Uint8Array;
  /** Mask of `REASONS`. */
  readonly reasons: Int32Array;
  /** Index into `CORRECTION_LEVELS`. */
  readonly level: Uint8Array;
  /** Number of the model (see `ObservationStore.modelNum`), 0 = none. */
  readonly model: Int32Array;
}

export interface Reject {
  readonly receivedAt: EpochMs;
  readonly via: string;
  readonly topic: string;
  /** Id of the box where it is known, else ''. */
  readonly thing: string;
  /** The registry's number of the box; what a `conflict` carries, which the store finds itself and where it knows no ids. */
  readonly thingNum?: number;
  /** Machine-readable: `conflict`, `bad-json`, `unknown-format` … */
  readonly code: string;
  /** What was wrong and what to change, for the owner. */
  readonly detail: string;
  /** The payload, cut at 4 KiB. */
  readonly payload: Uint8Array;
}

export interface AppendResult {
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
}

export interface RangeQuery {
  readonly datastreams: readonly DatastreamId[];
  /** inclusive */
  readonly from: EpochMs;
  /** exclusive */
  readonly to: EpochMs;
  readonly limit: number;
  readonly order?: 'asc' | 'desc';
  /** Continue behind this row (in the direction of `order`). */
  readonly after?: { readonly phenomenonTime: EpochMs; readonly datastream: DatastreamId };
}

/**
 * `raw`: mean of raw values of flag 1 or 2; `corrected`: mean of corrected values that were given. Only bins that hold a row
 * of [from, to) are answered; a bin that `from` or `to` cuts keeps its own start and end and counts the rows inside.
 */
export interface AggregateQuery {
  readonly datastream: DatastreamId;
  readonly from: EpochMs;
  readonly to: EpochMs;
  /** Width of a bin [ms], or a calendar step in the given zone. */
  readonly step: number | 'day' | 'month';
  /** IANA zone for calendar steps and the phase of fixed ones (its offset at `from`); default UTC. */
  readonly timezone?: string;
  readonly level: 'raw' | 'corrected';
}

export interface AggregateRow {
  readonly start: EpochMs;
  readonly end: EpochMs;
  /** null where no value took part */
  readonly mean: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** Mean ends of the intervals, corrected only. */
  readonly lo90: number | null;
  readonly hi90: number | null;
  /** Values that took part. */
  readonly count: number;
  /** Rows in the bin, flagged ones included. */
  readonly total: number;
}

export interface StoreHealth {
  readonly ok: boolean;
  /** What is wrong and what to do, in words for the operator; '' when ok. */
  readonly problem: string;
  readonly rows: number;
  readonly bytes: number;
  /** Rejects that had to go because there were too many. */
  readonly rejectsDropped?: number;
}

export interface RejectQuery {
  /** With both given, rejects that carry either. */
  readonly thing?: string;
  readonly thingNum?: number;
  readonly limit: number;
  /** Only rejects older than this id (paging, newest first). */
  readonly before?: number;
}

export interface ObservationStore {
  append(rows: ObservationColumns, rejects: readonly Reject[], checkpoint: number): Promise<AppendResult>;
  /** The journal sequence number up to which everything is stored; 0 at first. */
  checkpoint(): Promise<number>;
  /** The number under which a model id is kept in rows, made when new. Numbers start at 1. */
  modelNum(model: string): Promise<number>;
  models(): Promise<string[]>;

  /** `signal` ends a query that nobody waits for any more: it rejects with the signal's reason. */
  range(query: RangeQuery, signal?: AbortSignal): Promise<ObservationColumns>;
  aggregate(query: AggregateQuery, signal?: AbortSignal): Promise<AggregateRow[]>;
  /** The newest row of each datastream that has one at or after `since`; ordered by datastream. */
  latest(since: EpochMs): Promise<ObservationColumns>;
  count(from: EpochMs, to: EpochMs): Promise<number>;
  /**
   * Every stored row of a span in (phenomenonTime, datastream) order, in blocks; for recompute, dumps, migration. Rows that
   * come in behind the place reached are not seen.
   */
  scan(from: EpochMs, to: EpochMs): AsyncIterable<ObservationColumns>;
  /** Replaces flag, reasons, corrected, interval, level and model of rows that exist; unknown rows are ignored. */
  rewrite(rows: ObservationColumns): Promise<{ changed: number }>;
  rejects(query: RejectQuery): Promise<(Reject & { id: number })[]>;
  /** Those that are kept; a store may bound them, the oldest go. */
  rejectCount(): Promise<number>;
  /** Empties the payloads of rejects received before that: they may hold what somebody's box should not have sent. Code and detail stay. */
  emptyRejects(before: EpochMs): Promise<void>;

  /** Moves full days (UTC, ended at `now`) out of the recent file, merges late rows into days moved before, makes roll-ups. */
  compact(now: EpochMs): Promise<void>;
  health(): Promise<StoreHealth>;
  close(): Promise<void>;
}

/** The store is away or busy; the same again later may work. `statusCode` is what HTTP says to it. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  readonly statusCode = 503;
}

/** This kind of store cannot do that, now or later. */
export class StoreCannot extends Error {
  override readonly name = 'StoreCannot';
  readonly statusCode = 501;
}

export type SqlValue = string | number | boolean | null;

/**
 * A read-only question in the store's own SQL (DuckDB's dialect), for services whose filters are richer than `range`.
 * The text is one SELECT; it reads `observation`, the rows of [from, to) with the columns of `ObservationColumns` (times in
 * epoch ms, NaN for no value), and `model(num, name)`. Values come in as parameters `$1`, `$2` …, never as text.
 */
export interface SqlQuery {
  readonly text: string;
  readonly params?: readonly SqlValue[];
  readonly from: EpochMs;
  readonly to: EpochMs;
  /** Longest time it may take [ms], default 10 000; then it is interrupted. */
  readonly timeoutMs?: number;
  /** Default 10 000. */
  readonly maxRows?: number;
  /**
   * What of `observation` the text looks at, where that is little: a store that has to fetch the rows fetches no more, so rows and
   * values outside may be missing. `things` and `properties` are numbers.
   */
  readonly only?: {
    readonly things?: readonly number[];
    readonly properties?: readonly number[];
    readonly columns?: readonly Exclude<
      keyof ObservationColumns,
      'length' | 'datastream' | 'phenomenonTime' | 'flag'
    >[];
  };
}

export interface SqlAnswer {
  readonly names: readonly string[];
  /** One array a column. Numbers beyond 2^53 lose digits; times, dates and the like come as text. */
  readonly columns: readonly (readonly SqlValue[])[];
  readonly rows: number;
  /** There were more than `maxRows`. */
  readonly cut: boolean;
}

/** What a dump says of a Thing; observations of Things that are not listed are left out. */
export interface DumpThing {
  readonly num: number;
  readonly id: string;
  readonly licence: string;
  readonly attribution: string;
}

/** One run of QC and correction over history: it speaks for the values of [from, to) that had arrived when it was issued. */
export interface DumpEdition {
  readonly revision: number;
  readonly product: 'revised' | 'archive';
  readonly from: EpochMs;
  readonly to: EpochMs;
  /** null = of all Things. */
  readonly num: number | null;
  readonly issuedAt: EpochMs;
}

/** Observations of [from, to) as a file that explains itself, below the folder `dumps` of the data folder. */
export interface DumpQuery {
  readonly from: EpochMs;
  readonly to: EpochMs;
  /** `parquet`, `csv` or `csv.gz` at its end decides the format. Written beside and renamed when whole. */
  readonly file: string;
  readonly things: readonly DumpThing[];
  /** Newest first: the first that covers a value speaks for it. Default none: all values are live. */
  readonly editions?: readonly DumpEdition[];
}

/** How far datastreams reach, one row each, ordered by datastream. Times in epoch ms. */
export interface Extents {
  readonly length: number;
  readonly datastream: Int32Array;
  /** phenomenonTime of the oldest and the newest row */
  readonly first: Float64Array;
  readonly last: Float64Array;
  /** Newest resultTime */
  readonly lastResult: Float64Array;
  /** 1 = some row has, or once had, a corrected value */
  readonly corrected: Uint8Array;
}

/** What an embedded store can do beyond `ObservationStore`. */
export interface BulkStore extends ObservationStore {
  sql(query: SqlQuery, signal?: AbortSignal): Promise<SqlAnswer>;
  dump(query: DumpQuery): Promise<{ rows: number; bytes: number }>;
  /** Of every datastream that has a row, without a look at history. */
  extents(): Promise<Extents>;
}

export function allocateColumns(length: number): ObservationColumns {
  return {
    length,
    datastream: new Int32Array(length),
    phenomenonTime: new Float64Array(length),
    resultTime: new Float64Array(length),
    raw: new Float64Array(length),
    corrected: new Float64Array(length).fill(NaN),
    lo90: new Float64Array(length).fill(NaN),
    hi90: new Float64Array(length).fill(NaN),
    flag: new Uint8Array(length),
    reasons: new Int32Array(length),
    level: new Uint8Array(length),
    model: new Int32Array(length),
  };
}

/**
 * Observations in InfluxDB 2; checkpoint, models and rejects in a SQLite file beside the journal (`catalogue.ts`).
 * `docs/influxdb.md` says how it keeps the promises of `store.ts`, and which of them a server of its own changes.
 *
 * A batch is written to InfluxDB first, then committed in the catalogue. Between the two a kill leaves points that the same
 * batch writes again, to the same effect: at least once and idempotent make exactly once.
 */
import { thingNumOf } from '../../model/datastream.ts';
import { PROPERTIES, PROPERTY_SLOTS } from '../../model/properties.ts';
import { DAY, MINUTE, SECOND, type EpochMs } from '../../model/time.ts';
import { Mutex } from '../mutex.ts';
import {
  StoreCannot,
  type AggregateQuery,
  type AggregateRow,
  type AppendResult,
  type BulkStore,
  type DumpQuery,
  type Extents,
  type ObservationColumns,
  type RangeQuery,
  type Reject,
  type RejectQuery,
  type SqlAnswer,
  type SqlQuery,
  type StoreHealth,
} from '../store.ts';
import { Catalogue, type Known } from './catalogue.ts';
import { Connection, type ConnectionOptions, type InfluxAddress } from './connection.ts';
import { latest } from './latest.ts';
import { Ledger } from './ledger.ts';
import { aggregate, count, extents, newestTime, oldestTime, range, slices, within } from './queries.ts';
import { picked } from './rows.ts';
import { SERIES, type Aspect } from './schema.ts';
import { Staging, type Need } from './staging.ts';
import { judge, send, storedValues, writeRows } from './write.ts';

export interface InfluxStoreOptions extends ConnectionOptions {
  readonly clock?: () => EpochMs;
  /** Where things worth an operator's eye are told; default nowhere. */
  readonly log?: (message: string) => void;
}

/** Rows that are fetched in a millisecond at most: what a question may hold follows from the time it may take. */
const STAGED_PER_MS = 150;
const SQL_TIMEOUT = 10 * SECOND;
/** A day of 5,000 boxes that send four values a minute. */
const STAGED_FOR_DUMP = 30_000_000;
/** Values this close to the end of retention are refused here rather than by the server a moment later. */
const RETENTION_MARGIN = MINUTE;

export class InfluxStore implements BulkStore {
  readonly #connection: Connection;
  readonly #catalogue: Catalogue;
  readonly #clock: () => EpochMs;
  readonly #log: (message: string) => void;
  readonly #writing = new Mutex();
  readonly #staging: Staging;

  /** Newest times of datastreams, and what else is known of each. */
  readonly #ledger: Ledger;
  /** A row beyond this and its datastream's newest time is new. */
  #floor = -Infinity;
  #ready: Promise<void> | null = null;
  #retention: number = Infinity;
  #known: Known;
  #rejects: number;
  /** The batch that failed last: some of its points may be in the bucket. */
  #failed: { readonly checkpoint: number; readonly last: EpochMs } | null = null;
  #problem = '';
  #closed = false;

  private constructor(catalogue: Catalogue, ledger: Ledger, options: InfluxStoreOptions) {
    this.#catalogue = catalogue;
    this.#ledger = ledger;
    this.#failed = ledger.intent;
    this.#connection = new Connection(options);
    this.#clock = options.clock ?? Date.now;
    this.#log = options.log ?? (() => undefined);
    this.#known = catalogue.known;
    this.#rejects = catalogue.rejectCount();
    this.#staging = new Staging(catalogue.folder, {
      estimate: (need) => this.#estimate(need),
      rows: (need, aspects, signal) => this.#rowsFor(need, aspects, signal),
      models: () => this.#catalogue.models(),
    });
  }

  /**
   * Opens the catalogue in `folder`. The server need not be there: it is asked when it is first needed.
   * @throws Error for a catalogue of a newer version, or of another bucket
   */
  static async open(folder: string, options: InfluxStoreOptions): Promise<InfluxStore> {
    const catalogue = new Catalogue(folder);
    const bucket = bucketName(options);
    if (catalogue.bucket !== '' && catalogue.bucket !== bucket) {
      const known = catalogue.bucket;
      catalogue.close();
      throw new Error(
        `the checkpoint in ${folder} belongs to bucket ${known}, not ${bucket}: readings up to it would be missing there. ` +
          'Set influxOrg and influxBucket back, or copy the observations (lamppost migrate) and start with a new data folder',
      );
    }
    catalogue.bucket = bucket;
    if (catalogue.series === 0) catalogue.series = options.series ?? SERIES;
    const ledger = new Ledger(folder, catalogue.checkpoint, catalogue.noted);
    return new InfluxStore(catalogue, ledger, { ...options, series: catalogue.series });
  }

  /** Before anything is judged: what the bucket holds, and how long. Asked again until it was answered. */
  async #begin(): Promise<void> {
    this.#ready ??= this.#load().catch((error: unknown) => {
      this.#ready = null;
      throw error;
    });
    return this.#ready;
  }

  async #load(): Promise<void> {
    const retention = await this.#connection.retention();
    if (retention === null)
      this.#log('the token may not see the bucket, so the end of its retention is found by refused values');
    this.#retention = retention ?? Infinity;
    // A process that was killed, or lost its power, comes back with its catalogue: only the batch under way can lie beyond it.
    if (!this.#ledger.complete) this.#catalogue.floor = this.#known.last;
    this.#floor = Math.max(this.#floor, this.#catalogue.floor);
    this.#catalogue.floor = this.#floor;
    const reach = Math.max(this.#known.last, this.#failed?.last ?? -Infinity);
    const beyond = await newestTime(this.#connection, { from: reach + 1, to: Infinity });
    if (beyond !== null || !this.#catalogue.surveyed) await this.#survey();
  }

  /** An empty catalogue on a full bucket, or one put back from an older copy: what lies there is learned from the bucket. */
  async #survey(): Promise<void> {
    const all = { from: -Infinity, to: Infinity };
    const last = await newestTime(this.#connection, all);
    this.#ledger.clear();
    this.#floor = this.#catalogue.floor = last?.time ?? -Infinity;
    if (last === null) this.#know({ rows: 0, shared: false, first: Infinity, last: -Infinity });
    else {
      this.#log('the bucket holds more than the data folder knows of: it is looked through once');
      const first = await oldestTime(this.#connection, all);
      const rows = await count(this.#connection, { from: first?.time ?? 0, to: last.time + 1 });
      // Numbers of boxes are given in turn. Where most of the series are in use, boxes may share them though no end of one shows it.
      const shared = [first, last].some((end) => end?.shared) || last.highest > this.#connection.series / 2;
      this.#know({ rows, shared: shared || this.#known.shared, first: first?.time ?? Infinity, last: last.time });
    }
    this.#catalogue.surveyed = true;
  }

  #know(known: Known): void {
    this.#catalogue.setKnown(known);
    this.#known = known;
  }

  async #write<T>(work: () => Promise<T>): Promise<T> {
    return this.#writing.run(async () => {
      if (this.#closed) throw new Error('the store is closed');
      try {
        await this.#begin();
        const result = await work();
        this.#problem = '';
        return result;
      } catch (error) {
        this.#problem = error instanceof Error ? error.message : String(error);
        throw error;
      }
    });
  }

  async append(rows: ObservationColumns, rejects: readonly Reject[], checkpoint: number): Promise<AppendResult> {
    return this.#write(async () => {
      const again = checkpoint > 0 && checkpoint <= this.#catalogue.checkpoint;
      // Points of a batch that was given up are not known to the watermarks; only the same batch may write over them.
      if (this.#failed && (checkpoint === 0 || checkpoint !== this.#failed.checkpoint)) {
        this.#floor = Math.max(this.#floor, this.#failed.last);
        this.#failed = null;
      }
      this.#ledger.begin(rows.length);
      try {
        const oldest = this.#clock() - this.#retention + RETENTION_MARGIN;
        const judged = await judge(this.#connection, rows, this.#ledger.newest, this.#floor, oldest);
        const noted = this.#ledger.note(rows, judged.fresh, checkpoint);
        const written = await writeRows(this.#connection, rows, judged);
        const kept = again ? [] : [...rejects, ...written.rejects];
        let { first, last, shared } = this.#known;
        for (const i of written.stored) {
          if (thingNumOf(rows.datastream[i] as number) >= this.#connection.series) shared = true;
          const t = rows.phenomenonTime[i] as number;
          if (t < first) first = t;
          if (t > last) last = t;
        }
        const known = { rows: this.#known.rows + written.result.stored, shared, first, last };
        this.#catalogue.commit(kept, known, checkpoint, noted);
        this.#staging.wrote(rows);
        this.#known = known;
        this.#rejects += kept.length;
        this.#failed = null;
        this.#tidy();
        return written.result;
      } catch (error) {
        this.#ledger.rollBack();
        this.#failed = { checkpoint, last: lastOf(rows, this.#failed?.last) };
        throw error;
      }
    });
  }

  #tidy(): void {
    try {
      this.#ledger.tidy();
    } catch (error) {
      this.#log(`newest.log could not be written anew, the old one goes on growing: ${String(error)}`);
    }
  }

  async rewrite(rows: ObservationColumns): Promise<{ changed: number }> {
    return this.#write(async () => {
      const all = Int32Array.from({ length: rows.length }, (_, i) => i);
      const stored = await storedValues(this.#connection, rows, all);
      const there = all.filter((i) => {
        return stored.get(rows.datastream[i] as number, rows.phenomenonTime[i] as number) !== undefined;
      });
      const bad = await send(this.#connection, rows, there, true);
      if (bad.size > 0) throw new Error([...bad.values()][0]);
      this.#staging.wrote(rows);
      this.#ledger.noteCorrected(picked(rows, there));
      return { changed: there.length };
    });
  }

  async checkpoint(): Promise<number> {
    return this.#catalogue.checkpoint;
  }

  async modelNum(model: string): Promise<number> {
    return this.#catalogue.modelNum(model);
  }

  async models(): Promise<string[]> {
    return this.#catalogue.models();
  }

  /** Between which times rows lie. */
  async #ends(): Promise<Known> {
    await this.#begin();
    return this.#known;
  }

  async range(query: RangeQuery, signal?: AbortSignal): Promise<ObservationColumns> {
    signal?.throwIfAborted();
    return range(this.#connection, query, await this.#ends(), signal);
  }

  async aggregate(query: AggregateQuery, signal?: AbortSignal): Promise<AggregateRow[]> {
    signal?.throwIfAborted();
    return aggregate(this.#connection, query, await this.#ends(), signal);
  }

  async latest(since: EpochMs): Promise<ObservationColumns> {
    const ends = await this.#ends();
    const { newest } = this.#ledger;
    return latest(this.#connection, {
      since,
      complete: this.#floor === -Infinity || this.#floor < since,
      newest,
      ends,
    });
  }

  async count(from: EpochMs, to: EpochMs): Promise<number> {
    const span = within({ from, to }, await this.#ends());
    return span.from < span.to ? count(this.#connection, span) : 0;
  }

  /** How far each datastream reaches. Where boxes share series, `lastResult` is the time of the last row. */
  async extents(): Promise<Extents> {
    const ends = await this.#ends();
    if (!ends.shared) return extents(this.#connection, ends);
    const { datastream, first, last, corrected } = this.#ledger.entries();
    return { length: datastream.length, datastream, first, last, lastResult: last.slice(), corrected };
  }

  async *scan(from: EpochMs, to: EpochMs): AsyncGenerator<ObservationColumns> {
    const ends = await this.#ends();
    yield* slices(this.#connection, null, within({ from, to }, ends), { density: ends });
  }

  /** Rows there are likely to be, spread evenly over the time and the datastreams. */
  #estimate({ from, to, only }: Need): number {
    const { rows, first, last } = this.#known;
    const span = within({ from, to }, this.#known);
    const part = Math.max(0, span.to - span.from) / (last - first + 1);
    const things = only?.things?.length;
    // Of one box or many it is a part at most.
    return things === undefined || things > 100 ? (only?.properties ? rows * part * 0.25 : rows * part) : 0;
  }

  async *#rowsFor(
    need: Need,
    aspects: readonly Aspect[] | null,
    signal?: AbortSignal,
  ): AsyncGenerator<ObservationColumns> {
    const ends = await this.#ends();
    const { things, properties } = need.only ?? {};
    const span = within(need, ends);
    if (!things && !properties) {
      yield* slices(this.#connection, null, span, { density: ends, aspects, signal });
      return;
    }
    const nums = properties ?? PROPERTIES.map((p) => p.num);
    const boxes = things ?? null;
    if (boxes) {
      const ids = boxes.flatMap((thing) => nums.map((num) => thing * PROPERTY_SLOTS + num));
      yield* slices(this.#connection, ids, span, { width: 7 * DAY, aspects, signal });
    } else yield* slices(this.#connection, null, span, { density: ends, aspects, properties: nums, signal });
  }

  /**
   * The rows of the span are fetched first, as many as its time allows.
   * @throws StoreCannot for more
   */
  async sql(query: SqlQuery, signal?: AbortSignal): Promise<SqlAnswer> {
    const { from, to, only, timeoutMs = SQL_TIMEOUT } = query;
    const timeout = AbortSignal.timeout(timeoutMs);
    const ended = signal ? AbortSignal.any([signal, timeout]) : timeout;
    const most = Math.min(STAGED_FOR_DUMP, timeoutMs * STAGED_PER_MS);
    await this.#begin();
    try {
      return await this.#staging.ask({ from, to, only, most }, (store) => store.sql(query, ended), ended);
    } catch (error) {
      if (!timeout.aborted || signal?.aborted) throw error;
      throw new StoreCannot(
        `fetching the values from InfluxDB took more than ${timeoutMs / 1000} s; ask for a shorter time or fewer boxes (docs/influxdb.md)`,
      );
    }
  }

  /**
   * The rows of the span are fetched first, at most `STAGED_FOR_DUMP` of them.
   * @throws StoreCannot for more, RangeError for a file whose format is not known
   */
  async dump(query: DumpQuery): Promise<{ rows: number; bytes: number }> {
    await this.#begin();
    const { from, to, things } = query;
    const only = things.length > 0 && things.length <= 20 ? { things: things.map((t) => t.num) } : undefined;
    return this.#staging.ask({ from, to, only, most: STAGED_FOR_DUMP }, (store) => store.dump(query));
  }

  async rejects(query: RejectQuery): Promise<(Reject & { id: number })[]> {
    return this.#catalogue.rejects(query);
  }

  async rejectCount(): Promise<number> {
    return this.#rejects;
  }

  async emptyRejects(before: EpochMs): Promise<void> {
    this.#catalogue.emptyRejects(before);
  }

  /** InfluxDB moves its own data. */
  async compact(): Promise<void> {}

  /** `bytes` are those of the catalogue; the bucket's are InfluxDB's to tell. */
  async health(): Promise<StoreHealth> {
    await this.#connection.look();
    const problem = this.#connection.problem || this.#problem;
    return {
      ok: problem === '',
      problem,
      rows: this.#known.rows,
      bytes: this.#catalogue.bytes,
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    // A write under way is not waited for: it is not acknowledged, and done again at the next start.
    this.#connection.close();
    await this.#staging.close();
    await this.#writing.run(async () => {
      this.#closed = true;
      this.#ledger.close();
      this.#catalogue.close();
    });
  }
}

const bucketName = ({ org, bucket }: InfluxAddress): string => `"${bucket}" of "${org}"`;

function lastOf(rows: ObservationColumns, before = -Infinity): number {
  let last = before;
  for (let i = 0; i < rows.length; i++) last = Math.max(last, rows.phenomenonTime[i] as number);
  return last;
}

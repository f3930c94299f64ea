/**
 * Observations in InfluxDB 2; checkpoint, models and rejects in a SQLite file beside the journal (`catalogue.ts`).
 * `docs/influxdb.md` says how it keeps the promises of `store.ts`, and which of them a server of its own changes.
 *
 * A batch is written to InfluxDB first, then committed in the catalogue. Between the two a kill leaves points that the same
 * batch writes again, to the same effect: at least once and idempotent make exactly once.
 */
import { thingNumOf } from '../../model/datastream.ts';
import { MINUTE, type EpochMs } from '../../model/time.ts';
import { Mutex } from '../mutex.ts';
import type {
  AggregateQuery,
  AggregateRow,
  AppendResult,
  Extents,
  ObservationColumns,
  ObservationStore,
  RangeQuery,
  Reject,
  RejectQuery,
  StoreHealth,
} from '../store.ts';
import { Watermarks } from '../watermarks.ts';
import { Catalogue, type Known } from './catalogue.ts';
import { Connection, type ConnectionOptions, type InfluxAddress } from './connection.ts';
import { aggregate, count, extents, firstTime, range, slices, within } from './queries.ts';
import { newest } from './rows.ts';
import { SERIES } from './schema.ts';
import { judge, send, storedValues, writeRows } from './write.ts';

export interface InfluxStoreOptions extends ConnectionOptions {
  readonly clock?: () => EpochMs;
  /** Where things worth an operator's eye are told; default nowhere. */
  readonly log?: (message: string) => void;
}

/** Newest times are loaded at start for datastreams that were seen within this before the newest row of all. */
const SEEN_LATELY = 10 * MINUTE;
/** Values this close to the end of retention are refused here rather than by the server a moment later. */
const RETENTION_MARGIN = MINUTE;

export class InfluxStore implements ObservationStore {
  readonly #connection: Connection;
  readonly #catalogue: Catalogue;
  readonly #clock: () => EpochMs;
  readonly #log: (message: string) => void;
  readonly #writing = new Mutex();

  #watermarks = new Watermarks();
  /** A row beyond this and its datastream's watermark is new. Infinity: not yet asked, every row is looked up. */
  #floor = Infinity;
  #ready: Promise<void> | null = null;
  #retention: number = Infinity;
  #known: Known;
  #rejects: number;
  /** The batch that failed last: some of its points may be in the bucket. */
  #failed: { readonly checkpoint: number; readonly last: EpochMs } | null = null;
  #problem = '';
  #closed = false;

  private constructor(catalogue: Catalogue, options: InfluxStoreOptions) {
    this.#catalogue = catalogue;
    this.#connection = new Connection(options);
    this.#clock = options.clock ?? Date.now;
    this.#log = options.log ?? (() => undefined);
    this.#known = catalogue.known;
    this.#rejects = catalogue.rejectCount();
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
    return new InfluxStore(catalogue, { ...options, series: catalogue.series });
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
    // A catalogue that is behind its bucket (killed, or put back from an older copy) has to learn all of it again.
    let { stale } = this.#catalogue;
    const lately = this.#known.last - SEEN_LATELY;
    if (!stale) stale = !(await this.#learn(lately));
    if (stale) await this.#learn(-Infinity);
    this.#floor = stale ? -Infinity : lately;
    if (!stale) return;
    const { last } = this.#known;
    const first = await firstTime(this.#connection);
    const rows = first <= last ? await count(this.#connection, { from: first, to: last + 1 }) : 0;
    this.#know({ ...this.#known, rows, first, last });
    this.#catalogue.stale = false;
  }

  /** The newest time of each datastream that has one from `from` on. @returns whether the newest of all was known */
  async #learn(from: EpochMs): Promise<boolean> {
    const marks = new Watermarks();
    const { last } = this.#known;
    let newestOfAll = from === -Infinity ? -Infinity : last;
    // A catalogue that knows of no row cannot say that boxes do not share series.
    const unknown = last === -Infinity;
    const found = await newest(this.#connection, { from, to: Infinity }, ['flag'], unknown || this.#known.shared);
    let { shared } = this.#known;
    for (const [id, { times }] of found.series('flag')) {
      if (thingNumOf(id) >= this.#connection.series) shared = true;
      const time = times.at(-1) as number;
      marks.begin(1);
      marks.raise(id, time, -Infinity);
      newestOfAll = Math.max(newestOfAll, time);
    }
    this.#watermarks = marks;
    this.#known = { ...this.#known, shared, last: newestOfAll };
    return newestOfAll <= last;
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
      this.#watermarks.begin(rows.length);
      try {
        const oldest = this.#clock() - this.#retention + RETENTION_MARGIN;
        const judged = await judge(this.#connection, rows, this.#watermarks, this.#floor, oldest);
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
        this.#catalogue.commit(kept, known, checkpoint);
        this.#known = known;
        this.#rejects += kept.length;
        this.#failed = null;
        return written.result;
      } catch (error) {
        this.#watermarks.rollBack();
        this.#failed = { checkpoint, last: lastOf(rows, this.#failed?.last) };
        throw error;
      }
    });
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
    const span = within({ from: since, to: Infinity }, ends);
    return (await newest(this.#connection, span, null, ends.shared)).byDatastream();
  }

  async count(from: EpochMs, to: EpochMs): Promise<number> {
    const span = within({ from, to }, await this.#ends());
    return span.from < span.to ? count(this.#connection, span) : 0;
  }

  /** How far each datastream reaches. */
  async extents(): Promise<Extents> {
    return extents(this.#connection, await this.#ends());
  }

  async *scan(from: EpochMs, to: EpochMs): AsyncGenerator<ObservationColumns> {
    yield* slices(this.#connection, null, within({ from, to }, await this.#ends()));
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
    return { ok: problem === '', problem, rows: this.#known.rows, bytes: this.#catalogue.bytes };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    // A write under way is not waited for: it is not acknowledged, and done again at the next start.
    this.#connection.close();
    await this.#writing.run(async () => {
      this.#closed = true;
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

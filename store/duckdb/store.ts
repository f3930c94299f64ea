/**
 * The embedded store: recent observations, checkpoint, models and rejects in `observations.duckdb`, older observations in Parquet
 * files of a UTC day, then of a month, and hour roll-ups of a month, below `parquet/`. `docs/store.md` says what lies where and why.
 *
 * One instance owns the folder; all of it runs on the thread that opened it, DuckDB's own threads do the work.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { DAY, HOUR, type EpochMs } from '../../model/time.ts';
import type {
  AggregateQuery,
  AggregateRow,
  AppendResult,
  ObservationColumns,
  BulkStore,
  DumpQuery,
  Extents,
  RangeQuery,
  Reject,
  RejectQuery,
  SqlAnswer,
  SqlQuery,
  StoreHealth,
} from '../store.ts';
import { LIMITS, nextStep, type CompactionLimits, type Step } from './compaction.ts';
import { Database, isFatal, numbers, one, quote, type DatabaseOptions } from './database.ts';
import { Mutex } from '../mutex.ts';
import { allExtended, extendFromParts, newestSince, readExtents, tidyExtents, unextended } from './extents.ts';
import { manifestOf, PartFolder, readableParts, type Manifest, type Part } from './parts.ts';
import { dump } from './dump.ts';
import { sql } from './sql.ts';
import {
  amend,
  fold,
  forget,
  list,
  merge,
  move,
  rangesToFold,
  rangesToMerge,
  rangesToMove,
  readParts,
  sumUp,
  whole,
  type Change,
  type Workshop,
} from './steps.ts';
import { aggregate, count, latest, range, slice, type View } from './queries.ts';
import { readDoubles } from './chunks.ts';
import type { Span } from './source.ts';
import { Stages } from './stages.ts';
import { appendObservations, appendRejects, rewriteObservations, STAGED, type WriteView } from './write.ts';
import { Watermarks } from '../watermarks.ts';

export interface DuckStoreOptions extends DatabaseOptions {
  /** Where things worth an operator's eye are told; default nowhere. */
  readonly log?: (message: string) => void;
  /** Rejects that are kept; the oldest go. @default 500 000 */
  readonly maxRejects?: number;
  /** For tests: how large a step of compaction may be. */
  readonly limits?: Partial<CompactionLimits>;
}

/** Manifests of this many generations back can still be asked for by a reader that has just begun. */
const GENERATIONS_KEPT = 32;
/** A block of a scan aims at this many rows. */
const SCAN_ROWS = 50_000;

const SQL_TIMEOUT = 10_000;
const MAX_REJECTS = 500_000;
/** Compaction pauses for as long as it has worked, up to this [ms], so that it takes half of its threads at most. */
const LONGEST_PAUSE = 30_000;
/** … and not before it has worked for so long [ms]. */
const SHORT_STEP = 2000;
/** Errors that lie in the question or in the load, not in the files. */
const OWN_FAULT = /^(Parser|Binder|Catalog|Conversion|Out of Range|Out of Memory|Permission|INTERRUPT|FATAL|INTERNAL) /;
/** All files are read after an unexplained error at most this often [ms]. */
const LOOK_AGAIN = 60_000;

export class DuckStore implements BulkStore {
  readonly #folder: string;
  readonly #options: DuckStoreOptions;
  readonly #parts: PartFolder;
  /** One append, rewrite or start at a time. */
  readonly #writing = new Mutex();
  /** One compaction or rewrite at a time: both change rows that are there. */
  readonly #organising = new Mutex();

  #db: Database | null = null;
  #manifests = new Map<number, Manifest>();
  #generation = 0;
  #watermarks = new Watermarks();
  #checkpoint = 0;
  #models: string[] = [];
  #nextReject = 1;
  #rejects = 0;
  #recentRows = 0;
  #first: EpochMs = Infinity;
  #last: EpochMs = -Infinity;
  /** No row of `recent` lies before, from that generation on. */
  #recentFrom: EpochMs = -Infinity;
  #recentSince = 0;
  /** Earliest row appended since the step of compaction in hand began. */
  #appendedFrom: EpochMs = Infinity;
  /** Generations that running reads may still look at. */
  readonly #reading = new Map<symbol, number>();
  /** Files that count no longer from this generation on, to be deleted when nobody reads them. */
  #garbage: { name: string; generation: number }[] = [];
  #problem = '';
  #compactProblem = '';
  readonly #brief = new Set<Promise<unknown>>();
  #committing = false;
  /** Time of steps of compaction since the last pause [ms]. */
  #worked = 0;
  #closed = false;
  #verifyNext = 0;
  #lookedAt = -Infinity;
  #foundLast = false;
  /** No row beyond this time lies in a file whose rows the watermarks do not know. */
  #floor: EpochMs = -Infinity;
  readonly #closing = new AbortController();
  readonly #stages = new Stages();
  readonly #staging = new Mutex();
  /** Scans that run. */
  #scans = 0;

  private constructor(folder: string, options: DuckStoreOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#parts = new PartFolder(folder);
  }

  /** Opens the folder, making it when needed. @throws Error for files of a newer version, or Parquet files without their list */
  static async open(folder: string, options: DuckStoreOptions = {}): Promise<DuckStore> {
    await mkdir(folder, { recursive: true });
    const store = new DuckStore(folder, options);
    await store.#open();
    return store;
  }

  #log(message: string): void {
    this.#options.log?.(message);
  }

  async #open(): Promise<Database> {
    if (
      !existsSync(join(this.#folder, 'observations.duckdb')) &&
      this.#parts.list().some((name) => !name.endsWith('.tmp'))
    )
      throw new Error(
        `${this.#folder}/parquet holds observations, but observations.duckdb, which lists them, is missing. ` +
          'Put it back from a copy of the data folder, or move the folder parquet away to begin anew.',
      );
    const db = await Database.open(this.#folder, this.#options);
    this.#stages.forget();
    try {
      await this.#load(db);
    } catch (error) {
      db.close();
      throw error;
    }
    this.#db = db;
    return db;
  }

  async #load(db: Database): Promise<void> {
    const c = db.writer;
    await c.run(STAGED);
    const parts = await this.#checkParts(c, await readParts(c));
    const [generation = 0] = await one(c, 'SELECT num FROM generation');
    const amended = await numbers(c, `SELECT DISTINCT ("phenomenonTime" // ${DAY}) * ${DAY} FROM amended`);
    const manifest = manifestOf(
      generation,
      parts,
      amended.map(([day = 0]) => day),
    );
    this.#manifests = new Map([[generation, manifest]]);
    this.#generation = generation;
    const listed = new Set(parts.map((p) => p.name));
    for (const name of this.#parts.list()) if (!listed.has(name)) this.#parts.remove(name);
    this.#garbage = [];

    [this.#checkpoint = 0] = await one(c, 'SELECT seq FROM checkpoint');
    this.#models = (await c.runAndReadAll('SELECT name FROM model ORDER BY num'))
      .getRows()
      .map((row) => String(row[0]));
    const [rejects = 0, lastReject = 0] = await one(c, 'SELECT count(*), coalesce(max(id), 0) FROM reject');
    this.#rejects = rejects;
    this.#nextReject = lastReject + 1;
    const [recent = 0, first = 0, last = 0] = await one(
      c,
      'SELECT count(*), coalesce(min("phenomenonTime"), 0), coalesce(max("phenomenonTime"), 0) FROM recent',
    );
    this.#recentRows = recent;
    this.#first = recent > 0 ? first : Infinity;
    this.#last = recent > 0 ? last : -Infinity;
    this.#recentFrom = this.#first;
    this.#recentSince = generation;
    for (const part of manifest.days) {
      this.#first = Math.min(this.#first, part.start);
      this.#last = Math.max(this.#last, part.end - 1);
    }
    this.#watermarks = new Watermarks();
    const [ids, times] = await readDoubles(
      await c.run(
        `SELECT datastream::DOUBLE, max("last")::DOUBLE
         FROM (SELECT datastream, "last" FROM extent UNION ALL SELECT datastream, "phenomenonTime" FROM recent) GROUP BY datastream`,
      ),
    );
    if (ids && times) this.#watermarks.load(ids, times);
    const unknown = new Set((await unextended(c, parts, Infinity)).map((p) => p.name));
    this.#floor = Math.max(-Infinity, ...parts.filter((p) => unknown.has(p.name)).map((p) => p.end - 1));
  }

  /** Listed files that are gone or cut are set aside; lost ones that an operator has put back count again. */
  async #checkParts(c: DuckDBConnection, parts: readonly Part[]): Promise<Part[]> {
    const checked: Part[] = [];
    for (const part of parts) {
      const wrong = part.lost === '' ? this.#parts.glance(part) : await this.#parts.verify(part);
      if ((part.lost === '') === (wrong === '')) checked.push(part);
      else checked.push(await this.#markLost(c, part, wrong));
    }
    return checked;
  }

  async #markLost(c: DuckDBConnection, part: Part, lost: string): Promise<Part> {
    if (lost !== '') this.#parts.setAside(part);
    await c.run(`UPDATE part SET lost = ${quote(lost)} WHERE name = ${quote(part.name)}`);
    this.#log(
      lost === ''
        ? `parquet/${part.name} is back and read again`
        : `parquet/${part.name} is set aside as ${part.name}.corrupt: ${lost}. The other files go on being read.`,
    );
    return { ...part, lost };
  }

  /** The open database; opens it again when it was given up after an error of the disk. */
  async #database(): Promise<Database> {
    if (this.#closed) throw new Error('the store is closed');
    return this.#db ?? (await this.#open());
  }

  /** After an error from which DuckDB does not recover by itself. */
  #giveUp(error: unknown): void {
    if (!isFatal(error) || !this.#db) return;
    this.#log(`the store is opened again after: ${(error as Error).message}`);
    const db = this.#db;
    this.#db = null;
    try {
      db.close();
    } catch {
      // It is beyond use; the next call opens the file anew.
    }
  }

  /** Runs `work` in a transaction of the writer. */
  async #write<T>(work: (view: WriteView) => Promise<T>, newGeneration?: (result: T) => number | null): Promise<T> {
    return this.#writing.run(async () => {
      let db: Database;
      try {
        db = await this.#database();
      } catch (error) {
        this.#problem = this.#closed ? '' : explain(error);
        throw error;
      }
      const { writer } = db;
      try {
        await writer.run('BEGIN');
        const manifest = async (): Promise<Manifest> => this.#manifestOf(writer);
        const staged = (known: Manifest, span: Span) => this.#stages.covering(known, span);
        const result = await work({ connection: writer, folder: this.#parts, manifest, staged });
        const generation = newGeneration?.(result) ?? null;
        if (generation === null) await writer.run('COMMIT');
        else await this.#commitFiles(writer, generation);
        this.#problem = '';
        return result;
      } catch (error) {
        this.#problem = explain(error);
        await writer.run('ROLLBACK').catch(() => {});
        this.#giveUp(error);
        throw new Error(`the store could not write: ${explain(error)}`, { cause: error });
      }
    });
  }

  /** The manifest that belongs to what the open transaction of this connection sees. */
  async #manifestOf(connection: DuckDBConnection): Promise<Manifest> {
    const [generation = -1] = await one(connection, 'SELECT num FROM generation');
    const manifest = this.#manifests.get(generation);
    if (!manifest) throw new Error(`no list of files is known for generation ${generation}`);
    return manifest;
  }

  /**
   * A `brief` read does without a transaction of its own: as long as it runs, no change of the files is committed, so the
   * present list is right for it. That saves three round trips, more than half of the time of a small page.
   */
  async #read<T>(
    work: (view: View) => Promise<T>,
    { signal, brief = false }: { signal?: AbortSignal | undefined; brief?: boolean } = {},
  ): Promise<T> {
    const attempt = async (): Promise<T> => {
      const db = this.#db ?? (await this.#writing.run(async () => this.#database()));
      const me = Symbol('read');
      this.#reading.set(me, this.#generation);
      try {
        if (brief && !this.#committing) {
          const reading = db.read(
            async (connection) =>
              work({
                connection,
                manifest: this.#manifests.get(this.#generation) as Manifest,
                folder: this.#parts,
                first: this.#first,
                last: this.#last,
                recentFrom: this.#recentFrom,
              }),
            signal,
            false,
          );
          this.#brief.add(reading);
          try {
            return await reading;
          } finally {
            this.#brief.delete(reading);
          }
        }
        return await db.read(async (connection) => {
          const manifest = await this.#manifestOf(connection);
          const recentFrom = manifest.generation >= this.#recentSince ? this.#recentFrom : -Infinity;
          return work({ connection, manifest, folder: this.#parts, first: this.#first, last: this.#last, recentFrom });
        }, signal);
      } finally {
        this.#reading.delete(me);
        this.#collect();
      }
    };
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof RangeError) throw error;
      this.#giveUp(error);
      if ((await this.#setAsideCorrupt(error)) || isFatal(error)) return await attempt();
      throw error;
    }
  }

  /**
   * When a query failed, and not by its own fault, the files are looked at: DuckDB's errors over damaged bytes are many and
   * mostly name no file. @returns whether the query is worth asking again
   */
  async #setAsideCorrupt(error: unknown): Promise<boolean> {
    if (!(error instanceof Error) || OWN_FAULT.test(error.message)) return false;
    return this.#organising.run(async () => {
      const now = performance.now();
      const manifest = this.#manifests.get(this.#generation) as Manifest;
      const all = readableParts(manifest);
      const named = all.filter((p) => error.message.includes(p.name));
      if (named.length === 0) {
        // Another question may have found it meanwhile; reading everything again helps nobody.
        if (now - this.#lookedAt < LOOK_AGAIN) return this.#foundLast;
        this.#lookedAt = now;
      }
      let found = 0;
      for (const part of named.length > 0 ? named : all) if (await this.#checkPart(part)) found++;
      this.#foundLast = found > 0;
      return found > 0;
    });
  }

  /** Reads a whole file and sets it aside when it is damaged. Call while organising. */
  async #checkPart(part: Part): Promise<boolean> {
    const wrong = await this.#parts.verify(part);
    if (wrong === '') return false;
    const now = this.#manifests.get(this.#generation) as Manifest;
    const generation = this.#generation + 1;
    await this.#write(
      async ({ connection }) => {
        const lost = await this.#markLost(connection, part, wrong);
        await connection.run(`UPDATE generation SET num = ${generation}`);
        const others = now.parts.filter((p) => p.name !== part.name);
        this.#manifests.set(generation, manifestOf(generation, [...others, lost], now.amended));
      },
      () => generation,
    );
    return true;
  }

  /** Commits a change of the list of files: after the brief reads that rely on the present one, and before new ones. */
  async #commitFiles(connection: DuckDBConnection, generation: number): Promise<void> {
    this.#committing = true;
    try {
      await Promise.allSettled(this.#brief);
      await connection.run('COMMIT');
      this.#turnTo(generation);
    } finally {
      this.#committing = false;
    }
  }

  #turnTo(generation: number): void {
    this.#generation = generation;
    for (const known of this.#manifests.keys())
      if (known <= generation - GENERATIONS_KEPT) this.#manifests.delete(known);
  }

  #collect(): void {
    if (this.#garbage.length === 0) return;
    const oldest = Math.min(Infinity, ...this.#reading.values());
    for (const g of this.#garbage) if (g.generation <= oldest) this.#parts.remove(g.name);
    this.#garbage = this.#garbage.filter((g) => g.generation > oldest);
  }

  async append(rows: ObservationColumns, rejects: readonly Reject[], checkpoint: number): Promise<AppendResult> {
    return this.#write(async (view) => {
      const again = checkpoint > 0 && checkpoint <= this.#checkpoint;
      this.#watermarks.begin(rows.length);
      try {
        const { result, conflicts, inserted } = await appendObservations(view, rows, this.#watermarks, this.#floor);
        const kept = again ? [] : [...rejects, ...conflicts];
        await appendRejects(view.connection, kept, this.#nextReject);
        const dropped = await this.#dropRejects(view.connection, kept.length);
        if (checkpoint > this.#checkpoint) await view.connection.run(`UPDATE checkpoint SET seq = ${checkpoint}`);
        return { result, kept: kept.length, dropped, inserted };
      } catch (error) {
        this.#watermarks.rollBack();
        throw error;
      }
    }).then(({ result, kept, dropped, inserted }) => {
      this.#checkpoint = Math.max(this.#checkpoint, checkpoint);
      this.#nextReject += kept;
      this.#rejects += kept - dropped;
      this.#recentRows += result.stored;
      for (const i of inserted) {
        const t = rows.phenomenonTime[i] as number;
        if (t < this.#first) this.#first = t;
        if (t < this.#recentFrom) this.#recentFrom = t;
        if (t < this.#appendedFrom) this.#appendedFrom = t;
        if (t > this.#last) this.#last = t;
      }
      return result;
    });
  }

  /** The oldest go when there are too many, some at once so that it is done seldom. @returns how many went */
  async #dropRejects(connection: DuckDBConnection, added: number): Promise<number> {
    const most = this.#options.maxRejects ?? MAX_REJECTS;
    if (added === 0 || this.#rejects + added <= most + Math.ceil(most / 20)) return 0;
    const last = this.#nextReject + added - 1;
    const { rowsChanged } = await connection.run(`DELETE FROM reject WHERE id <= ${last - most}`);
    return rowsChanged;
  }

  async checkpoint(): Promise<number> {
    return this.#checkpoint;
  }

  async modelNum(model: string): Promise<number> {
    const known = this.#models.indexOf(model);
    if (known >= 0) return known + 1;
    await this.#write(async ({ connection }) => {
      if (this.#models.includes(model)) return;
      await connection.run(`INSERT INTO model VALUES (${this.#models.length + 1}, ${quote(model)})`);
      this.#models.push(model);
    });
    return this.#models.indexOf(model) + 1;
  }

  async models(): Promise<string[]> {
    return [...this.#models];
  }

  async range(query: RangeQuery, signal?: AbortSignal): Promise<ObservationColumns> {
    return this.#read(async (view) => range(view, query), { signal, brief: true });
  }

  async aggregate(query: AggregateQuery, signal?: AbortSignal): Promise<AggregateRow[]> {
    return this.#read(async (view) => aggregate(view, query), { signal, brief: true });
  }

  async latest(since: EpochMs): Promise<ObservationColumns> {
    return this.#read(async (view) =>
      latest(view, since, (await allExtended(view.connection)) ? newestSince(since) : null),
    );
  }

  async count(from: EpochMs, to: EpochMs): Promise<number> {
    return this.#read(async (view) => count(view, from, to), { brief: true });
  }

  async *scan(from: EpochMs, to: EpochMs): AsyncGenerator<ObservationColumns> {
    this.#scans++;
    try {
      yield* this.#slices(from, to);
    } finally {
      this.#scans--;
      await this.#staging.run(async () => {
        if (this.#scans === 0)
          await this.#db?.read(async (connection) => this.#stages.clear(connection), undefined, false);
      });
    }
  }

  /** Slices of time whose width follows the density of the data. */
  async *#slices(from: EpochMs, to: EpochMs): AsyncGenerator<ObservationColumns> {
    let start = Math.max(from, this.#first);
    let width = HOUR;
    while (start < Math.min(to, this.#last + 1)) {
      const end = Math.min(to, this.#last + 1, start + width);
      const span = { from: start, to: end };
      await this.#stage(span, to);
      const block = await this.#read(async (view) => slice(view, span, this.#stages.covering(view.manifest, span)));
      if (block.length > 0) yield block;
      if (block.length < SCAN_ROWS / 4) width = Math.min(width * 4, 32 * DAY);
      else if (block.length > SCAN_ROWS * 2) width = Math.max(1, Math.floor(width / 4));
      start = end;
    }
  }

  /** Where a slice lies in files of a past month, its rows and those of the next slices are laid out first. */
  async #stage(span: Span, to: EpochMs): Promise<void> {
    await this.#staging.run(async () => {
      const manifest = this.#manifests.get(this.#generation) as Manifest;
      const { stageRows } = this.#limits;
      if (Stages.rowsIn(manifest, span) <= stageRows / 8 || this.#stages.covering(manifest, span)) return;
      const me = Symbol('stage');
      this.#reading.set(me, this.#generation);
      try {
        const db = await this.#database();
        await db.read(
          async (connection) =>
            this.#stages.lay(connection, this.#parts, manifest, span, { to, rows: stageRows, kept: this.#scans + 1 }),
          undefined,
          false,
        );
      } catch (error) {
        // The slice is read from the files themselves, and says what is wrong with them.
        this.#giveUp(error);
      } finally {
        this.#reading.delete(me);
      }
    });
  }

  async rewrite(rows: ObservationColumns): Promise<{ changed: number }> {
    return this.#organising.run(async () => {
      const now = this.#manifests.get(this.#generation) as Manifest;
      const generation = this.#generation + 1;
      const { changed } = await this.#write(
        async (view) => {
          const done = await rewriteObservations(view, rows);
          if (done.days.size > 0) {
            await view.connection.run(`UPDATE generation SET num = ${generation}`);
            this.#manifests.set(generation, { ...now, generation, amended: new Set([...now.amended, ...done.days]) });
          }
          return done;
        },
        ({ days }) => (days.size > 0 ? generation : null),
      );
      return { changed };
    });
  }

  async sql(query: SqlQuery, signal?: AbortSignal): Promise<SqlAnswer> {
    const timeout = AbortSignal.timeout(query.timeoutMs ?? SQL_TIMEOUT);
    const both = signal ? AbortSignal.any([signal, timeout]) : timeout;
    return this.#read(async (view) => sql(view, query), { signal: both });
  }

  async dump(query: DumpQuery): Promise<{ rows: number; bytes: number }> {
    return this.#read(async (view) => dump(view, query));
  }

  async rejects(query: RejectQuery): Promise<(Reject & { id: number })[]> {
    return this.#read(async ({ connection }) => {
      const either: string[] = [];
      if (query.thing !== undefined) either.push(`thing = ${quote(query.thing)}`);
      if (query.thingNum !== undefined) either.push(`"thingNum" = ${Math.trunc(query.thingNum)}`);
      const where = [
        either.length > 0 ? `(${either.join(' OR ')})` : 'true',
        query.before === undefined ? 'true' : `id < ${Math.trunc(query.before)}`,
      ].join(' AND ');
      const result = await connection.runAndReadAll(
        `SELECT * FROM reject WHERE ${where} ORDER BY id DESC LIMIT ${Math.max(0, Math.trunc(query.limit))}`,
      );
      return result.getRowObjects().map((row) => ({
        id: Number(row['id']),
        receivedAt: Number(row['receivedAt']),
        via: row['via'] as string,
        topic: row['topic'] as string,
        thing: row['thing'] as string,
        ...(Number(row['thingNum']) > 0 && { thingNum: Number(row['thingNum']) }),
        code: row['code'] as string,
        detail: row['detail'] as string,
        payload: Uint8Array.from((row['payload'] as { bytes: Uint8Array }).bytes),
      }));
    });
  }

  async rejectCount(): Promise<number> {
    return this.#rejects;
  }

  async emptyRejects(before: EpochMs): Promise<void> {
    await this.#write(async ({ connection }) => {
      await connection.run(
        `UPDATE reject SET payload = ''::BLOB WHERE "receivedAt" < ${Math.trunc(before)} AND octet_length(payload) > 0`,
      );
    });
  }

  async extents(): Promise<Extents> {
    for (;;) {
      const more = await this.#organising.run(async () => {
        const db = await this.#database();
        const manifest = this.#manifests.get(this.#generation) as Manifest;
        const parts = await unextended(db.organiser, manifest.days);
        if (parts.length === 0) return false;
        await db.organiser.run('BEGIN');
        try {
          await extendFromParts(db.organiser, this.#parts, parts);
          await db.organiser.run('COMMIT');
        } catch (error) {
          await db.organiser.run('ROLLBACK').catch(() => {});
          this.#giveUp(error);
          throw error;
        }
        return true;
      });
      if (!more) break;
    }
    return this.#read(async ({ connection }) => readExtents(connection));
  }

  async compact(now: EpochMs): Promise<void> {
    await this.#database();
    const moved = new Set<EpochMs>();
    this.#worked = 0;
    let steps = 0;
    try {
      while (!this.#closed) {
        const step = await this.#organising.run(async () =>
          nextStep(
            (await this.#database()).organiser,
            this.#manifests.get(this.#generation) as Manifest,
            now,
            this.#limits,
            moved,
          ),
        );
        if (!step) break;
        if (step.kind === 'whole') for (const { day } of step.days) moved.add(day);
        if (step.kind === 'move') for (let day = step.day; day < step.to; day += DAY) moved.add(day);
        await this.#take(step);
        steps++;
      }
      this.#compactProblem = '';
    } catch (error) {
      if (this.#closed) return;
      this.#compactProblem = `days could not be moved into Parquet files and stay in the recent file: ${explain(error)}`;
      this.#giveUp(error);
      throw error;
    }
    this.#collect();
    await this.#organising.run(async () => {
      if (this.#closed) return;
      if (steps > 0) await this.#checkpointFile(await this.#database());
      await this.#verifyOne();
    });
  }

  get #limits(): CompactionLimits {
    return { ...LIMITS, ...this.#options.limits };
  }

  async #take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'whole':
        return this.#change((shop) => whole(shop, step), true);
      case 'amend':
        return this.#change((shop) => amend(shop, step), true);
      case 'rollUp':
        return this.#change((shop) => sumUp(shop, step));
      case 'forget':
        return this.#change(async (shop) => forget(shop, step));
      case 'move': {
        const ranges = await this.#organising.run(async () =>
          rangesToMove((await this.#database()).organiser, step, this.#limits),
        );
        for (const range of ranges) await this.#change((shop) => move(shop, step, range), true);
        return;
      }
      case 'merge': {
        const ranges = await this.#organising.run(async () =>
          rangesToMerge(
            { connection: (await this.#database()).organiser, folder: this.#parts },
            step.parts,
            step.fileRows,
          ),
        );
        const names = new Set(step.parts.map((p) => p.name));
        for (const range of ranges)
          await this.#change(async (shop) => {
            // As they stand now: trimmed by the range before, or set aside meanwhile.
            const parts = readableParts(shop.manifest).filter((p) => names.has(p.name) && p.cut <= range.lowest);
            return parts.length === 0 ? { made: [], gone: [] } : merge(shop, parts, range);
          });
        return;
      }
      case 'fold': {
        const names = new Set(step.late.map((p) => p.name));
        for (const { range, piece } of rangesToFold(step.pieces))
          await this.#change(async (shop) => {
            const parts = readableParts(shop.manifest);
            const late = parts.filter((p) => names.has(p.name));
            if (late.length === 0) return { made: [], gone: [] };
            return fold(shop, parts.find((p) => p.name === piece) ?? null, late, range);
          });
      }
    }
  }

  /**
   * One change of the list of files. What only reads files that never change does so before the transaction; then, where it was long,
   * a pause in which everything else has the machine.
   */
  async #change(work: (shop: Workshop) => Promise<Change>, fromRecent = false): Promise<void> {
    if (this.#closed) return;
    const began = performance.now();
    await this.#organising.run(async () => {
      const { organiser: connection } = await this.#database();
      const generation = this.#generation + 1;
      const manifest = this.#manifests.get(this.#generation) as Manifest;
      const shop: Workshop = { connection, folder: this.#parts, manifest, generation, limits: this.#limits };
      let change: Change = { made: [], gone: [] };
      try {
        this.#appendedFrom = Infinity;
        if (fromRecent) await connection.run('BEGIN');
        change = await work(shop);
        if (!fromRecent) await connection.run('BEGIN');
        const after = await list(shop, change);
        await tidyExtents(connection);
        const [recentFrom = Infinity] = fromRecent
          ? await one(connection, `SELECT coalesce(min("phenomenonTime"), 'inf'::DOUBLE) FROM recent`)
          : [this.#recentFrom];
        this.#manifests.set(generation, after);
        await this.#commitFiles(connection, generation);
        if (fromRecent) {
          // What has been appended since the transaction began is not in what it saw.
          this.#recentFrom = Math.min(recentFrom, this.#appendedFrom);
          this.#recentSince = generation;
        }
        this.#recentRows -= rowsOf(after.days) - rowsOf(manifest.days);
        this.#garbage.push(...change.gone.map((p) => ({ name: p.name, generation })));
      } catch (error) {
        await connection.run('ROLLBACK').catch(() => {});
        this.#manifests.delete(generation);
        for (const part of change.made) this.#parts.remove(part.name);
        throw error;
      }
    });
    this.#collect();
    this.#worked += performance.now() - began;
    if (this.#worked <= SHORT_STEP) return;
    const pause = Math.min(this.#worked, LONGEST_PAUSE);
    this.#worked = 0;
    await delay(pause, undefined, { signal: this.#closing.signal }).catch(() => {});
  }

  /** Gives back the space of deleted rows. Not possible beside other transactions; then the next commit past the threshold does it. */
  async #checkpointFile(db: Database): Promise<void> {
    await this.#writing.run(async () => {
      await db.writer.run('CHECKPOINT').catch(() => {});
    });
  }

  /** Each compaction reads one file whole, in turn, so that damage is found before somebody asks. */
  async #verifyOne(): Promise<void> {
    const manifest = this.#manifests.get(this.#generation) as Manifest;
    const all = readableParts(manifest);
    const part = all[this.#verifyNext++ % Math.max(1, all.length)];
    if (part) await this.#checkPart(part);
  }

  async health(): Promise<StoreHealth> {
    const manifest = this.#manifests.get(this.#generation);
    const parts = manifest ? readableParts(manifest) : [];
    const lost = (manifest?.lost ?? []).map((p) => `parquet/${p.name} (${p.lost})`);
    const problems = [this.#problem, this.#compactProblem];
    if (lost.length > 0)
      problems.push(
        `damaged files were set aside as *.corrupt and are not read: ${lost.join(', ')}. ` +
          'Put good copies back under their names and start again.',
      );
    const problem = problems.filter((p) => p !== '').join('; ');
    let bytes = parts.reduce((n, p) => n + p.bytes, 0);
    for (const name of readdirSync(this.#folder).filter((n) => n.startsWith('observations.duckdb')))
      bytes += statSync(join(this.#folder, name)).size;
    return {
      ok: problem === '',
      problem,
      rows: this.#recentRows + rowsOf(manifest?.days ?? []),
      bytes,
      rejectsDropped: this.#nextReject - 1 - this.#rejects,
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closing.abort();
    await this.#organising.run(async () =>
      this.#writing.run(async () => {
        this.#closed = true;
        this.#db?.close();
        this.#db = null;
      }),
    );
  }
}

const rowsOf = (parts: readonly Part[]): number => parts.reduce((n, p) => n + p.rows, 0);

/** The first line says what is wrong; the rest is DuckDB's. */
const explain = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] as string;

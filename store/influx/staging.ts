/**
 * Questions that Flux cannot answer (SQL of the API and of SensorThings, files): the rows of their span are fetched, a slice at
 * a time, into an embedded store of their own on disk, and asked there. Memory stays bounded, and so is the number of rows: a
 * question about more is refused (`StoreCannot`). The rows are used again by the next question about them, unless something was
 * written among them since.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { EpochMs } from '../../model/time.ts';
import { Mutex } from '../mutex.ts';
import { StoreCannot, type BulkStore, type ObservationColumns, type SqlQuery } from '../store.ts';
import type { Aspect } from './schema.ts';
import type { Span } from './rows.ts';

const FOLDER = 'staged';
const MEMORY_MB = 500;

/** What has to be fetched for a question. */
export interface Need extends Span {
  readonly only: SqlQuery['only'];
  /** Rows at most. */
  readonly most: number;
}

/** Where the rows come from. */
export interface Origin {
  /** About so many rows lie there; never far above what does. */
  readonly estimate: (need: Need) => number;
  readonly rows: (
    need: Need,
    aspects: readonly Aspect[] | null,
    signal?: AbortSignal,
  ) => AsyncIterable<ObservationColumns>;
  readonly models: () => readonly string[];
}

interface Staged {
  readonly store: BulkStore;
  readonly need: Need;
  /** Something was written among its rows. */
  stale: boolean;
}

const ASPECTS_OF: Partial<Record<keyof ObservationColumns, readonly Aspect[]>> = {
  resultTime: ['latency'],
  raw: [''],
  corrected: ['corrected', 'withdrawn'],
  lo90: ['lo90', 'withdrawn'],
  hi90: ['hi90', 'withdrawn'],
  reasons: ['reasons'],
  level: ['model'],
  model: ['model'],
};

/** null = all. */
export const aspectsOf = (columns: NonNullable<SqlQuery['only']>['columns']): readonly Aspect[] | null =>
  columns ? [...new Set<Aspect>(['flag', ...columns.flatMap((name) => ASPECTS_OF[name] ?? [])])] : null;

const holds = <T>(whole: readonly T[] | undefined, part: readonly T[] | undefined): boolean =>
  !whole || (part !== undefined && part.every((one) => whole.includes(one)));

/** Whether what was fetched for one need serves another. */
export const covers = (a: Need, b: Need): boolean =>
  a.from <= b.from &&
  a.to >= b.to &&
  holds(a.only?.things, b.only?.things) &&
  holds(a.only?.properties, b.only?.properties) &&
  holds(a.only?.columns, b.only?.columns);

const tooMany = (most: number): StoreCannot =>
  new StoreCannot(
    `with InfluxDB as its store this server answers that for up to ${most.toLocaleString('en')} values; ask for a shorter time or fewer boxes (docs/influxdb.md)`,
  );

export class Staging {
  readonly #folder: string;
  readonly #dumps: string;
  readonly #origin: Origin;
  /** One question at a time: they may wait, ingest may not. */
  readonly #turn = new Mutex();
  #staged: Staged | null = null;

  constructor(folder: string, origin: Origin) {
    this.#folder = join(folder, FOLDER);
    // Where the embedded store would write them.
    this.#dumps = join(folder, 'dumps');
    this.#origin = origin;
  }

  /** @throws StoreCannot where that were too many rows */
  async ask<T>(need: Need, work: (store: BulkStore) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#turn.run(async () => {
      signal?.throwIfAborted();
      if (!this.#staged || this.#staged.stale || !covers(this.#staged.need, need)) await this.#fetch(need, signal);
      return work((this.#staged as unknown as Staged).store);
    });
  }

  async #fetch(need: Need, signal: AbortSignal | undefined): Promise<void> {
    await this.#drop();
    // An estimate is of evenly spread rows; only what lies far beyond is refused unseen.
    if (this.#origin.estimate(need) > 4 * need.most) throw tooMany(need.most);
    // DuckDB is loaded only where somebody asks.
    const { DuckStore } = await import('../duckdb/store.ts');
    const store = await DuckStore.open(this.#folder, { memoryMb: MEMORY_MB, dumps: this.#dumps });
    const staged: Staged = { store, need, stale: false };
    try {
      // Numbered from 1 in order, as they are in the catalogue.
      for (const name of this.#origin.models()) await store.modelNum(name);
      this.#staged = staged;
      let rows = 0;
      if (need.from < need.to)
        for await (const block of this.#origin.rows(need, aspectsOf(need.only?.columns), signal)) {
          rows += block.length;
          if (rows > need.most) throw tooMany(need.most);
          await store.append(block, [], 0);
        }
    } catch (error) {
      this.#staged = staged;
      await this.#drop();
      throw error;
    }
  }

  /** Rows that were written, late ones among them. */
  wrote(rows: ObservationColumns): void {
    const staged = this.#staged;
    if (!staged || staged.stale) return;
    const { from, to } = staged.need;
    for (let i = 0; i < rows.length && !staged.stale; i++) {
      const t: EpochMs = rows.phenomenonTime[i] as number;
      staged.stale = t >= from && t < to;
    }
  }

  async #drop(): Promise<void> {
    await this.#staged?.store.close();
    this.#staged = null;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.#turn.run(() => this.#drop());
  }
}

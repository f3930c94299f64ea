/** The store as seen from another thread: the same interface, over a message port. */
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { COLUMN_NAMES } from './columns.ts';
import type { DuckStoreOptions } from './duckdb/store.ts';
import type { InfluxStoreOptions } from './influx/store.ts';
import {
  StoreCannot,
  StoreUnavailable,
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
} from './store.ts';
import type { Answer, Command, Report, Request, StoreWorkerData } from './worker.ts';

/** Columns of their own, without what lies around a view, and their buffers to be moved. The caller's stay usable. */
function packed(columns: ObservationColumns): { columns: ObservationColumns; buffers: ArrayBuffer[] } {
  const own: Record<string, unknown> = { length: columns.length };
  const buffers: ArrayBuffer[] = [];
  for (const name of COLUMN_NAMES) {
    const copy = columns[name].slice(0, columns.length);
    own[name] = copy;
    buffers.push(copy.buffer);
  }
  return { columns: own as unknown as ObservationColumns, buffers };
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

const ERRORS: Record<string, new (message: string) => Error> = {
  RangeError,
  TypeError,
  StoreUnavailable,
  StoreCannot,
};

class RemoteStore implements BulkStore {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #closed = false;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) {
        const { name, message } = answer.error;
        waiting?.reject(new (ERRORS[name] ?? Error)(message));
      } else waiting?.resolve(answer.value as never);
      this.#rest();
    });
    port.on('close', () => {
      this.#closed = true;
      for (const waiting of this.#waiting.values()) waiting.reject(new Error('the store has closed'));
      this.#waiting.clear();
    });
    this.#rest();
  }

  /** A port that nobody waits on must not keep the process alive. */
  #rest(): void {
    if (this.#waiting.size === 0) this.#port.unref();
    else this.#port.ref();
  }

  async #ask<T>(method: string, args: unknown[], signal?: AbortSignal, transfer: ArrayBuffer[] = []): Promise<T> {
    signal?.throwIfAborted();
    if (this.#closed) throw new Error('the store has closed');
    const id = this.#next++;
    const cancel = (): void => {
      this.#port.postMessage({ id, cancel: true } satisfies Request);
      this.#waiting.get(id)?.reject(signal?.reason);
    };
    signal?.addEventListener('abort', cancel);
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        this.#rest();
        this.#port.postMessage({ id, method, args } satisfies Request, transfer);
      });
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  async append(rows: ObservationColumns, rejects: readonly Reject[], checkpoint: number): Promise<AppendResult> {
    const { columns, buffers } = packed(rows);
    return this.#ask('append', [columns, rejects, checkpoint], undefined, buffers);
  }

  async rewrite(rows: ObservationColumns): Promise<{ changed: number }> {
    const { columns, buffers } = packed(rows);
    return this.#ask('rewrite', [columns], undefined, buffers);
  }

  async checkpoint(): Promise<number> {
    return this.#ask('checkpoint', []);
  }

  async modelNum(model: string): Promise<number> {
    return this.#ask('modelNum', [model]);
  }

  async models(): Promise<string[]> {
    return this.#ask('models', []);
  }

  async range(query: RangeQuery, signal?: AbortSignal): Promise<ObservationColumns> {
    return this.#ask('range', [query], signal);
  }

  async aggregate(query: AggregateQuery, signal?: AbortSignal): Promise<AggregateRow[]> {
    return this.#ask('aggregate', [query], signal);
  }

  async latest(since: number): Promise<ObservationColumns> {
    return this.#ask('latest', [since]);
  }

  async count(from: number, to: number): Promise<number> {
    return this.#ask('count', [from, to]);
  }

  /** The next block is fetched when it is asked for, so a slow reader holds one block and no more. */
  async *scan(from: number, to: number): AsyncGenerator<ObservationColumns> {
    const scan = await this.#ask<number>('scan', [from, to]);
    try {
      for (;;) {
        const step = await this.#ask<{ done: boolean; value?: ObservationColumns }>('next', [scan]);
        if (step.done || !step.value) return;
        yield step.value;
      }
    } finally {
      if (!this.#closed) await this.#ask('return', [scan]);
    }
  }

  async rejects(query: RejectQuery): Promise<(Reject & { id: number })[]> {
    return this.#ask('rejects', [query]);
  }

  async rejectCount(): Promise<number> {
    return this.#ask('rejectCount', []);
  }

  async emptyRejects(before: number): Promise<void> {
    return this.#ask('emptyRejects', [before]);
  }

  async compact(now: number): Promise<void> {
    return this.#ask('compact', [now]);
  }

  async health(): Promise<StoreHealth> {
    return this.#ask('health', []);
  }

  async sql(query: SqlQuery, signal?: AbortSignal): Promise<SqlAnswer> {
    return this.#ask('sql', [query], signal);
  }

  async dump(query: DumpQuery): Promise<{ rows: number; bytes: number }> {
    return this.#ask('dump', [query]);
  }

  async extents(): Promise<Extents> {
    return this.#ask('extents', []);
  }

  /** Ends this client; the store itself is ended by the thread that started it. */
  async close(): Promise<void> {
    this.#port.close();
  }
}

/** The client's end of a port from `StoreWorker.connect`; usable in any thread. */
export const connectStore = (port: MessagePort): BulkStore => new RemoteStore(port);

export interface StoreWorker {
  /** A port for one more client: give it to `connectStore` here, or move it to another thread first. */
  connect(): MessagePort;
  /** Resolves when everything is written and the thread has ended. Clients should have stopped asking. */
  close(): Promise<void>;
  /** Rejects when the thread dies by itself. */
  readonly died: Promise<never>;
}

/** Starts the thread that owns the embedded store. @throws Error as `DuckStore.open` does */
export async function startStoreWorker(folder: string, options: DuckStoreOptions = {}): Promise<StoreWorker> {
  const { log, ...rest } = options;
  return startWorker({ lamppostStore: { kind: 'duckdb', folder, options: rest } }, log);
}

/** Starts the thread that writes to and asks InfluxDB; the server need not be there yet. @throws Error as `InfluxStore.open` does */
export async function startInfluxWorker(
  folder: string,
  options: Omit<InfluxStoreOptions, 'clock'>,
): Promise<StoreWorker> {
  const { log, ...rest } = options;
  return startWorker({ lamppostStore: { kind: 'influxdb', folder, options: rest } }, log);
}

async function startWorker(data: StoreWorkerData, log?: (message: string) => void): Promise<StoreWorker> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { name: 'store', workerData: data });
  let ended = false;
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const died = new Promise<never>((_, reject) => {
    worker.once('error', reject);
    worker.once('exit', (code) => {
      if (!ended) reject(new Error(`the store thread ended by itself (code ${code})`));
    });
  });
  // Who does not care about its death hears of it by failing calls.
  died.catch(() => {});
  const started = new Promise<void>((resolve, reject) => {
    worker.on('message', (report: Report) => {
      if ('log' in report) log?.(report.log);
      else if ('ready' in report) resolve();
      else if ('failed' in report) {
        ended = true;
        reject(new Error(report.failed));
      }
    });
  });
  await Promise.race([started, died]);
  return {
    connect() {
      const { port1, port2 } = new MessageChannel();
      worker.postMessage({ connect: port1 } satisfies Command, [port1]);
      return port2;
    },
    async close() {
      ended = true;
      worker.postMessage({ close: true } satisfies Command);
      await exited;
    },
    died,
  };
}

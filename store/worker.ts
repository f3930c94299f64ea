/**
 * The thread that owns the store. Clients (pipeline, API …) each get a message port; `remote.ts` is their side.
 * Answers move their columns to the asker instead of copying them.
 *
 * As a file this is the worker itself, started by `startStoreWorker` of `remote.ts`.
 */
import { isMainThread, parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { COLUMN_NAMES } from './columns.ts';
import type { DuckStoreOptions } from './duckdb/store.ts';
import type { InfluxStoreOptions } from './influx/store.ts';
import { StoreCannot, type ObservationColumns, type ObservationStore } from './store.ts';

export interface Ask {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** Client to store: a question, or that nobody waits for one any more. */
export type Request = Ask | { readonly id: number; readonly cancel: true };

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } };

/** What a port may ask for; `close` is not among them: the thread that started the store ends it. */
const METHODS = new Set([
  'append',
  'checkpoint',
  'modelNum',
  'models',
  'range',
  'aggregate',
  'latest',
  'count',
  'rewrite',
  'rejects',
  'rejectCount',
  'emptyRejects',
  'compact',
  'health',
  'sql',
  'dump',
  'extents',
]);
/** Those that take an AbortSignal behind their arguments. */
const CANCELLABLE = new Set(['range', 'aggregate', 'sql']);

const isColumns = (value: unknown): value is ObservationColumns =>
  typeof value === 'object' && value !== null && 'phenomenonTime' in value && 'length' in value;

function buffersOf(value: unknown): ArrayBuffer[] {
  if (typeof value === 'object' && value !== null && 'value' in value) return buffersOf(value.value);
  if (!isColumns(value)) return [];
  return COLUMN_NAMES.map((name) => value[name].buffer).filter((buffer) => buffer instanceof ArrayBuffer);
}

/** Answers everything that comes through `port` from `store`, until the port closes. */
export function serveStore(store: ObservationStore, port: MessagePort): void {
  const running = new Map<number, AbortController>();
  const scans = new Map<number, AsyncIterator<ObservationColumns>>();

  const work = async ({ id, method, args }: Ask, signal: AbortSignal): Promise<unknown> => {
    if (method === 'scan') {
      const [from, to] = args as [number, number];
      scans.set(id, store.scan(from, to)[Symbol.asyncIterator]());
      return id;
    }
    if (method === 'next') {
      const scan = scans.get(args[0] as number);
      const step = (await scan?.next()) ?? { done: true, value: undefined };
      if (step.done) scans.delete(args[0] as number);
      return { done: step.done ?? false, value: step.done ? undefined : step.value };
    }
    if (method === 'return') {
      await scans.get(args[0] as number)?.return?.();
      scans.delete(args[0] as number);
      return undefined;
    }
    const call = (store as unknown as Record<string, ((...a: unknown[]) => Promise<unknown>) | undefined>)[method];
    if (!METHODS.has(method) || !call)
      throw new StoreCannot(
        'the kind of store behind this server cannot answer that; docs/influxdb.md says what it can',
      );
    return call.apply(store, CANCELLABLE.has(method) ? [...args, signal] : [...args]);
  };

  const answer = async (ask: Ask): Promise<void> => {
    const cancel = new AbortController();
    running.set(ask.id, cancel);
    try {
      const value = await work(ask, cancel.signal);
      port.postMessage({ id: ask.id, value } satisfies Answer, buffersOf(value));
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      port.postMessage({ id: ask.id, error: { name, message } } satisfies Answer);
    } finally {
      running.delete(ask.id);
    }
  };

  port.on('message', (request: Request) => {
    if ('cancel' in request) running.get(request.id)?.abort();
    else void answer(request);
  });
  port.on('close', () => {
    for (const cancel of running.values()) cancel.abort();
    for (const scan of scans.values()) void scan.return?.();
  });
}

/** What the thread that started the worker tells it. */
export type Command = { readonly connect: MessagePort } | { readonly close: true };
export type Report = { readonly ready: true } | { readonly log: string } | { readonly failed: string };

export interface StoreWorkerData {
  readonly lamppostStore: { readonly folder: string } & (
    | { readonly kind: 'duckdb'; readonly options: Omit<DuckStoreOptions, 'log'> }
    | { readonly kind: 'influxdb'; readonly options: Omit<InfluxStoreOptions, 'log' | 'clock'> }
  );
}

async function openStore(
  data: StoreWorkerData['lamppostStore'],
  log: (message: string) => void,
): Promise<ObservationStore> {
  if (data.kind === 'duckdb') {
    const { DuckStore } = await import('./duckdb/store.ts');
    return DuckStore.open(data.folder, { ...data.options, log });
  }
  const { InfluxStore } = await import('./influx/store.ts');
  return InfluxStore.open(data.folder, { ...data.options, log });
}

async function main(data: StoreWorkerData): Promise<void> {
  const tell = (report: Report): void => parentPort?.postMessage(report);
  try {
    const store = await openStore(data.lamppostStore, (log) => tell({ log }));
    const ports: MessagePort[] = [];
    parentPort?.on('message', (command: Command) => {
      if ('connect' in command) {
        ports.push(command.connect);
        serveStore(store, command.connect);
        return;
      }
      // Open ports would keep the thread alive.
      void store.close().finally(() => {
        for (const port of ports) port.close();
        parentPort?.close();
      });
    });
    tell({ ready: true });
  } catch (error) {
    tell({ failed: error instanceof Error ? error.message : String(error) });
    parentPort?.close();
  }
}

if (!isMainThread && (workerData as Partial<StoreWorkerData> | null)?.lamppostStore)
  void main(workerData as StoreWorkerData);

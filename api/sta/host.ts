/** The SensorThings thread as seen from the server: requests in, responses out, ended and started anew when one hangs. */
import { Worker, type MessagePort } from 'node:worker_threads';
import type { ObservationColumns } from '../../store/store.ts';
import type { LatestTable } from '../latest.ts';
import type { LiveMessage } from './live-topics.ts';
import { problem, type StaRequest, type StaResponse } from './service.ts';
import type { FromStaThread, MqttState, StaThreadData, ToStaThread } from './thread.ts';
import { checkCatalogue } from './version.ts';

/** How many requests may wait. */
const MAX_WAITING = 200;
/** A thread that fails sooner than this after its start [ms] is not started again at once: what it failed at is there still. */
const TOO_SOON = 5000;
const START_AGAIN = 2000;

export interface StaHost {
  handle(base: string, request: StaRequest): Promise<StaResponse>;
  /** Rows that the table of latest values has taken. */
  live(rows: ObservationColumns): void;
  /** Which MQTT topics are subscribed, and where the broker is. */
  mqtt(state: MqttState): void;
  /** Resolves when the boxes' entities are there. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

export interface StaHostOptions {
  /** The program; it runs `runStaThread` when started as a thread with this data. */
  readonly entry: URL;
  readonly data: StaThreadData;
  /** One more door to the store, asked for at each start of the thread; absent in a scratch instance. */
  readonly storePort?: () => MessagePort | Promise<MessagePort>;
  /** Latest values; the thread looks at the same memory. Absent in a scratch instance. */
  readonly latest?: LatestTable;
  readonly onProblem: (message: string) => void;
  /** Longest time one request may take [ms]. @default 20000 */
  readonly timeoutMs?: number;
  /** SensorThings over MQTT: what subscribers of these topics are to hear. */
  readonly onPublish?: (messages: readonly LiveMessage[]) => void;
}

interface Waiting {
  readonly resolve: (response: StaResponse) => void;
  readonly timer: NodeJS.Timeout;
}

/** @throws Error when the catalogue is of a newer version */
export function startSta(options: StaHostOptions): StaHost {
  checkCatalogue(options.data.databasePath);
  const timeoutMs = options.timeoutMs ?? 20_000;
  const waiting = new Map<number, Waiting>();
  let next = 1;
  let mqtt: MqttState | null = null;
  let closed = false;
  let again: NodeJS.Timeout | undefined;
  /** Layout of the table that the present thread knows. */
  let told = -1;
  let markReady: () => void;
  const ready = new Promise<void>((resolve) => (markReady = resolve));

  const settle = (id: number, response: StaResponse): void => {
    const one = waiting.get(id);
    waiting.delete(id);
    clearTimeout(one?.timer);
    one?.resolve(response);
  };

  const start = (): Worker => {
    const began = performance.now();
    const thread = new Worker(options.entry, { name: 'sensorthings', workerData: options.data });
    thread.on('message', (message: FromStaThread) => {
      if (message.kind === 'ready') markReady();
      else if (message.kind === 'response') settle(message.id, message.response);
      else if (message.kind === 'failed') options.onProblem(message.message);
      else options.onPublish?.(message.messages);
    });
    let failed = false;
    thread.on('error', (error) => {
      failed = true;
      options.onProblem(error.stack ?? error.message);
    });
    thread.on('exit', () => {
      for (const id of waiting.keys()) settle(id, problem(503, 'the query was ended; make it smaller, or try again'));
      if (closed) return;
      if (!failed || performance.now() - began > TOO_SOON) worker = start();
      else again = setTimeout(() => (worker = start()), START_AGAIN);
    });
    told = -1;
    if (mqtt) thread.postMessage({ kind: 'mqtt', state: mqtt } satisfies ToStaThread);
    if (options.storePort)
      Promise.resolve(options.storePort()).then(
        (port) => thread.postMessage({ kind: 'store', port } satisfies ToStaThread, [port]),
        (error: unknown) => options.onProblem(String(error)),
      );
    return thread;
  };
  let worker = start();

  const post = (message: ToStaThread): void => {
    const { latest } = options;
    if (latest && latest.layout !== told) {
      told = latest.layout;
      worker.postMessage({ kind: 'latest', columns: latest.shared() } satisfies ToStaThread);
    }
    worker.postMessage(message);
  };

  return {
    ready,
    handle(base, request) {
      if (closed) return Promise.resolve(problem(503, 'the server is stopping'));
      if (waiting.size >= MAX_WAITING)
        return Promise.resolve(problem(503, 'too many queries at once; try again in a few seconds'));
      const id = next++;
      return new Promise((resolve) => {
        const timer = setTimeout(() => {
          settle(id, problem(503, `the query took longer than ${timeoutMs / 1000} s and was ended; narrow its filter`));
          // SQLite has no way to stop a query from outside: the thread goes, and a new one takes over.
          void worker.terminate();
        }, timeoutMs);
        waiting.set(id, { resolve, timer });
        post({ kind: 'request', id, base, request });
      });
    },
    live(rows) {
      if (!options.storePort || closed) return;
      if (mqtt && mqtt.topics.length > 0) post({ kind: 'rows', rows });
      else post({ kind: 'changed', datastreams: rows.datastream });
    },
    mqtt(state) {
      mqtt = state;
      if (!closed) worker.postMessage({ kind: 'mqtt', state } satisfies ToStaThread);
    },
    async close() {
      closed = true;
      clearTimeout(again);
      if (worker.threadId < 0) return;
      const gone = new Promise((resolve) => worker.once('exit', resolve));
      worker.postMessage({ kind: 'close' } satisfies ToStaThread);
      const patience = setTimeout(() => void worker.terminate(), 3000);
      await gone;
      clearTimeout(patience);
    },
  };
}

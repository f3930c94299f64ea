/**
 * Bulk files are made in a thread of their own: in a country of a million boxes the list of boxes alone takes ten seconds, in which
 * the thread that serves boxes would acknowledge nothing. Started for one piece of work, ended with it.
 */
import { Worker, type MessagePort } from 'node:worker_threads';
import { revisionLedger } from '../ingest/revisions.ts';
import type { Registry } from '../registry/registry.ts';
import type { BulkStore } from '../store/store.ts';
import { Dumps, type DumpFile, type DumpFormat } from './dumps.ts';

/** `begin`: the manifest and the boxes, where there are none; `nightly`: what is due; else days of [from, to) that somebody asked for. */
export type DumpsWork =
  | 'begin'
  | 'nightly'
  | { readonly from: number; readonly to: number; readonly formats: readonly DumpFormat[] };

export interface DumpsThreadData {
  readonly role: 'dumps';
  readonly registryPath: string;
  readonly dumpFolder: string;
  readonly revisionFolder: string;
  readonly storePort: MessagePort;
  readonly work: DumpsWork;
}

type FromDumps =
  | { readonly type: 'progress'; readonly files: number }
  | { readonly type: 'done'; readonly files: readonly DumpFile[] };

export interface DumpsThreadParts {
  readonly openRegistry: (path: string) => Registry;
  readonly connectStore: (port: MessagePort) => BulkStore;
}

/** In the thread. */
export async function runDumpsThread(port: MessagePort, data: DumpsThreadData, parts: DumpsThreadParts): Promise<void> {
  const send = (message: FromDumps): void => port.postMessage(message);
  const registry = parts.openRegistry(data.registryPath);
  const store = parts.connectStore(data.storePort);
  const dumps = new Dumps(data.dumpFolder, store, registry, Date.now, revisionLedger(data.revisionFolder));
  const { work } = data;
  try {
    let files: readonly DumpFile[] = [];
    if (work === 'begin') await dumps.begin();
    else if (work === 'nightly') await dumps.nightly();
    else files = await dumps.write(work.from, work.to, work.formats, (n) => send({ type: 'progress', files: n }));
    send({ type: 'done', files });
  } finally {
    registry.close();
    await store.close();
    port.close();
  }
}

export interface DumpsStart {
  readonly entry: URL;
  readonly data: Omit<DumpsThreadData, 'role' | 'storePort' | 'work'>;
  readonly storePort: () => Promise<MessagePort> | MessagePort;
}

export type MakeDumps = (
  work: DumpsWork,
  progress: (files: number) => void,
  signal: AbortSignal,
) => Promise<readonly DumpFile[]>;

/**
 * From outside: resolves with the files asked for. One piece of work at a time, because all write the same manifest. The thread
 * ends at once when the signal says so: files are renamed when whole.
 */
export function dumpsMaker(options: DumpsStart): MakeDumps {
  let turn: Promise<unknown> = Promise.resolve();
  return async (work, progress, signal) => {
    const made = turn.then(async () => inThread(options, work, progress, signal));
    turn = made.catch(() => undefined);
    return made;
  };
}

async function inThread(
  options: DumpsStart,
  work: DumpsWork,
  progress: (files: number) => void,
  signal: AbortSignal,
): Promise<readonly DumpFile[]> {
  signal.throwIfAborted();
  const storePort = await options.storePort();
  const worker = new Worker(options.entry, {
    name: 'dumps',
    workerData: { ...options.data, role: 'dumps', storePort, work } satisfies DumpsThreadData,
    transferList: [storePort],
  });
  const abort = (): void => void worker.terminate();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await new Promise((resolve, reject) => {
      worker.on('message', (message: FromDumps) => {
        if (message.type === 'progress') progress(message.files);
        else resolve(message.files);
      });
      worker.once('error', reject);
      worker.once('exit', () => reject(signal.reason ?? new Error('making bulk files ended by itself')));
    });
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

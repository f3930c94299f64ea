/**
 * Recomputing in a thread of its own, off the one that serves boxes: started for one piece of work, ended with it. Both sides: what the thread does,
 * and how others start it.
 */
import { Worker, type MessagePort } from 'node:worker_threads';
import { mkdirSync } from 'node:fs';
import { CODE_VERSION } from '../calibration/correction/models.ts';
import type { CalibrationStage, StageCard } from '../calibration/stage.ts';
import { formatTime, type EpochMs } from '../model/time.ts';
import type { Registry } from '../registry/registry.ts';
import type { ObservationStore } from '../store/store.ts';
import type { RecomputeRequest } from './messages.ts';
import { modelCardKeeper } from './model-cards.ts';
import { readDecisions } from './model-decisions.ts';
import { leadFor, loadJob, nextSpan, PRODUCTS, saveJob } from './products.ts';
import { recompute, type RecomputeOptions, type RecomputeResult, type RecomputeState } from './recompute.ts';

export interface RecomputeThreadData {
  readonly role: 'recompute';
  readonly registryPath: string;
  readonly revisionFolder: string;
  readonly cardFolder: string;
  readonly storePort: MessagePort;
  /** A span that somebody asked for, or 'products': whatever is due of the products. */
  readonly work: RecomputeRequest | { readonly products: EpochMs };
}

type FromRecompute =
  | { readonly type: 'progress'; readonly done: number }
  | { readonly type: 'notice'; readonly words: string }
  | { readonly type: 'done'; readonly result: unknown };

export interface RecomputeThreadParts {
  readonly openRegistry: (path: string) => Registry;
  readonly connectStore: (port: MessagePort) => ObservationStore;
  readonly createStage: () => CalibrationStage;
}

/** Spans done in one go; the next hour does the others. */
const MAX_SPANS = 24;

/** In the thread. */
export async function runRecomputeThread(
  port: MessagePort,
  data: RecomputeThreadData,
  parts: RecomputeThreadParts,
): Promise<void> {
  const send = (message: FromRecompute): void => port.postMessage(message);
  const cancel = new AbortController();
  port.on('message', (message: unknown) => {
    if (message === 'cancel') cancel.abort();
  });
  const registry = parts.openRegistry(data.registryPath);
  const store = parts.connectStore(data.storePort);
  const keep = modelCardKeeper<StageCard>(data.cardFolder);
  const common: Pick<RecomputeOptions, 'store' | 'registry' | 'createStage' | 'revisions' | 'onCards' | 'signal'> = {
    store,
    registry,
    createStage: () => {
      const stage = parts.createStage();
      stage.setDecisions(readDecisions(data.cardFolder));
      return stage;
    },
    revisions: data.revisionFolder,
    onCards: keep,
    signal: cancel.signal,
  };
  try {
    if ('products' in data.work) {
      const made = await products(data.work.products, data.revisionFolder, store, common, (words) =>
        send({ type: 'notice', words }),
      );
      send({ type: 'done', result: made });
    } else {
      const { from, to, box, product, leadIn } = data.work;
      const result = await recompute({
        ...common,
        from,
        to,
        box,
        product: product ?? 'revised',
        leadIn: leadIn ?? (await leadFor(from, (a, b) => store.count(a, b))),
        onProgress: (done) => send({ type: 'progress', done }),
      });
      send({ type: 'done', result });
    }
  } finally {
    registry.close();
    port.close();
  }
}

/** Makes what is due of each product at `now`. */
export async function products(
  now: EpochMs,
  folder: string,
  store: Pick<ObservationStore, 'count'>,
  common: Pick<RecomputeOptions, 'store' | 'registry' | 'createStage' | 'revisions' | 'onCards' | 'signal'>,
  notice: (words: string) => void,
): Promise<RecomputeResult[]> {
  mkdirSync(folder, { recursive: true });
  const made: RecomputeResult[] = [];
  for (const job of PRODUCTS) {
    let { doneTo, state } = loadJob(folder, job, CODE_VERSION);
    // What has not come yet was done by a clock that was ahead: as if nothing had been done.
    if (doneTo > now) [doneTo, state] = [NaN, null];
    for (let n = 0; n < MAX_SPANS; n++) {
      const span = nextSpan(job, doneTo, now);
      if (!span) break;
      common.signal?.throwIfAborted();
      const rows = await store.count(span.from, span.to);
      if (rows > job.maxRows) {
        notice(`${job.name} of ${formatTime(span.from)} is not made: ${rows} values, at most ${job.maxRows} are run again on this machine; their live values stand`); // prettier-ignore
        state = null;
      } else if (rows > 0) {
        const leadIn = state?.writtenTo === span.from ? 0 : await leadFor(span.from, (a, b) => store.count(a, b));
        let left: RecomputeState | null = null;
        made.push(
          await recompute({
            ...common,
            from: span.from,
            to: span.to,
            box: '',
            product: job.product,
            leadIn,
            resume: state,
            onState: (s) => (left = s),
            now: () => now,
          }),
        );
        state = left;
      } else state = null;
      doneTo = span.to;
      saveJob(folder, job, { doneTo, code: CODE_VERSION, state });
    }
  }
  return made;
}

export interface RecomputeStart {
  readonly entry: URL;
  readonly data: Omit<RecomputeThreadData, 'role' | 'storePort' | 'work'>;
  readonly storePort: () => Promise<MessagePort> | MessagePort;
  readonly onNotice: (words: string) => void;
}

/** From outside: resolves with what the thread made. */
export async function startRecompute(
  options: RecomputeStart,
  work: RecomputeThreadData['work'],
  progress: (done: number) => void,
  signal: AbortSignal,
): Promise<unknown> {
  const storePort = await options.storePort();
  const worker = new Worker(options.entry, {
    name: 'recompute',
    workerData: { ...options.data, role: 'recompute', storePort, work } satisfies RecomputeThreadData,
    transferList: [storePort],
  });
  const abort = (): void => worker.postMessage('cancel');
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await new Promise((resolve, reject) => {
      worker.on('message', (message: FromRecompute) => {
        if (message.type === 'progress') progress(message.done);
        else if (message.type === 'notice') options.onNotice(message.words);
        else resolve(message.result);
      });
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('recomputing ended by itself')));
    });
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

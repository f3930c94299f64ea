/** The pipeline thread as seen by the thread that started it: restarts it when it dies, keeps counts, passes rows on. */
import { Worker, type MessagePort } from 'node:worker_threads';
import type { BoxHealth, PoolInForce, StationVerdict } from '../calibration/stage.ts';
import { SECOND, type EpochMs } from '../model/time.ts';
import type { ObservationColumns } from '../store/store.ts';
import type { CommitMessage, FromPipeline, PipelineThreadData, ToPipeline } from './messages.ts';

export interface PipelineStatus {
  readonly running: boolean;
  /** In words for the operator; '' = all is well. */
  readonly problem: string;
  readonly seq: number;
  readonly backlog: number;
  /** Receive time of the newest packet in the store; 0 = none since the start. */
  readonly newest: EpochMs;
}

export interface PipelineThreadOptions {
  /** Up to where the journal is stored at the start. @default 0 */
  readonly checkpoint?: number;
  /** The program whose worker side calls `runPipelineThread`. */
  readonly entry: URL;
  readonly data: Omit<PipelineThreadData, 'storePort' | 'role'>;
  /** A new port to the store for each start of the thread. */
  readonly storePort: () => Promise<MessagePort> | MessagePort;
  readonly onRows: (rows: ObservationColumns) => void;
  readonly onCommit: (commit: CommitMessage) => void;
  readonly onTrim: (upTo: number) => void;
  readonly onProblem: (problem: string) => void;
  readonly onNotice: (words: string) => void;
}

export interface PipelineThread {
  status(): PipelineStatus;
  /** Reference stations that are not believed, or whose clock was put right. */
  stations(): readonly StationVerdict[];
  /** The pooled models in force and in the shadow, as they stood at the last commit. */
  models(): readonly PoolInForce[];
  /** Operators have decided something about models: the stage reads it. */
  decided(): void;
  /** What the nights say of a box; null = not yet judged. */
  health(thingNum: number): Promise<BoxHealth | null>;
  /** Finishes the batch in hand and saves the state. */
  stop(): Promise<void>;
}

/**
 * A batch of readings lives until it is stored. V8's own 48 MB of young objects are less than what two large batches leave behind, so that each
 * would be copied twice and then be cleared away among a million long-lived ones.
 */
const YOUNG_MB = 96;
const MAX_RESTART_WAIT = 30 * SECOND;

/** Resolves when the thread runs for the first time; rejects when it cannot be started. */
export async function startPipelineThread(options: PipelineThreadOptions): Promise<PipelineThread> {
  let worker: Worker | null = null;
  let stopping = false;
  let restartWait = 250;
  let timer: NodeJS.Timeout | undefined;
  let status: PipelineStatus = { running: false, problem: '', seq: options.checkpoint ?? 0, backlog: 0, newest: 0 };
  let exited: Promise<void> = Promise.resolve();
  let nextId = 1;
  let verdicts: readonly StationVerdict[] = [];
  let inForce: readonly PoolInForce[] = [];
  const asked = new Map<number, { resolve: (r: unknown) => void; reject: (e: Error) => void }>();

  const problem = (words: string): void => {
    if (words === status.problem) return;
    status = { ...status, problem: words };
    options.onProblem(words);
  };

  async function start(onStarted: () => void, onFailed: (error: Error) => void): Promise<void> {
    const storePort = await options.storePort();
    const started = new Worker(options.entry, {
      name: 'pipeline',
      workerData: { ...options.data, role: 'pipeline', storePort } satisfies PipelineThreadData,
      transferList: [storePort],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    worker = started;
    let died: Error | null = null;
    started.on('message', (message: FromPipeline) => {
      switch (message.type) {
        case 'started':
          status = { ...status, running: true };
          onStarted();
          return;
        case 'commit':
          restartWait = 250;
          status = { ...status, seq: message.seq, backlog: message.backlog, newest: message.newest };
          options.onCommit(message);
          options.onRows(message.rows);
          return;
        case 'problem':
          problem(message.problem);
          return;
        case 'notice':
          options.onNotice(message.words);
          return;
        case 'stations':
          verdicts = message.verdicts;
          return;
        case 'models':
          inForce = message.inForce;
          return;
        case 'trim':
          options.onTrim(message.upTo);
          return;
        case 'reply': {
          const call = asked.get(message.id);
          asked.delete(message.id);
          if (message.error === undefined) call?.resolve(message.result);
          else call?.reject(new Error(message.error));
        }
      }
    });
    started.on('error', (error) => (died = error instanceof Error ? error : new Error(String(error))));
    exited = new Promise((resolve) => {
      started.once('exit', () => {
        worker = null;
        status = { ...status, running: false };
        const why = died?.message ?? 'it ended by itself';
        for (const call of asked.values()) call.reject(new Error(`the pipeline ended: ${why}`));
        asked.clear();
        if (!stopping) {
          problem(`the pipeline ended and is started again: ${why}`);
          onFailed(new Error(`the pipeline cannot start: ${why}`, { cause: died }));
          timer = setTimeout(() => {
            const began = (): void => problem('');
            start(began, () => undefined).catch((error: unknown) =>
              problem(`the pipeline cannot start: ${String(error)}`),
            );
          }, restartWait);
          restartWait = Math.min(restartWait * 2, MAX_RESTART_WAIT);
        }
        resolve();
      });
    });
  }

  const stop = async (): Promise<void> => {
    stopping = true;
    clearTimeout(timer);
    worker?.postMessage({ type: 'stop' } satisfies ToPipeline);
    await exited;
  };

  try {
    await new Promise<void>((resolve, reject) => {
      start(resolve, reject).catch(reject);
    });
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    status: () => status,
    stations: () => verdicts,
    models: () => inForce,
    decided: () => worker?.postMessage({ type: 'decisions' } satisfies ToPipeline),
    health(thingNum) {
      return new Promise((resolve, reject) => {
        if (!worker) {
          resolve(null);
          return;
        }
        const id = nextId++;
        asked.set(id, { resolve: (found) => resolve(found as BoxHealth | null), reject });
        worker.postMessage({ type: 'health', id, thingNum } satisfies ToPipeline);
      });
    },
    stop,
  };
}

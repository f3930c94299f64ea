/** What the pipeline thread and the thread that started it say to each other. */
import type { MessagePort } from 'node:worker_threads';
import type { PoolInForce, StationVerdict } from '../calibration/stage.ts';
import type { EpochMs } from '../model/time.ts';
import type { ObservationColumns } from '../store/store.ts';

export interface PipelineThreadData {
  readonly role: 'pipeline';
  readonly registryPath: string;
  readonly journalFolder: string;
  /** State of the pipeline. */
  readonly folder: string;
  /** Cards of correction models. */
  readonly cardFolder: string;
  readonly maxUnclaimed: number;
  /** Records a batch at most; absent = what suits the embedded store (loop.ts). */
  readonly batchRecords?: number;
  readonly storePort: MessagePort;
}

/** One batch that the store has taken. */
export interface CommitMessage {
  readonly type: 'commit';
  readonly seq: number;
  readonly packets: number;
  readonly rows: ObservationColumns;
  readonly stored: number;
  /** Dropped as redelivery or by the store. */
  readonly duplicates: number;
  readonly conflicts: number;
  readonly rejects: Readonly<Record<string, number>>;
  /** Boxes of which something came that was no reading, by number, and when. */
  readonly heard: ReadonlyMap<number, EpochMs>;
  readonly newest: EpochMs;
  readonly backlog: number;
}

export interface RecomputeRequest {
  /** inclusive */
  readonly from: EpochMs;
  /** exclusive */
  readonly to: EpochMs;
  /** Only this box; '' = all. */
  readonly box: string;
  /** As what the values are published; default `revised`. */
  readonly product?: 'revised' | 'archive';
  /** How long before `from` it begins to learn [ms]; default as long as the amount of data allows. */
  readonly leadIn?: number;
}

export type FromPipeline =
  | CommitMessage
  | { readonly type: 'started'; readonly seq: number }
  | { readonly type: 'problem'; readonly problem: string }
  | { readonly type: 'notice'; readonly words: string }
  | { readonly type: 'trim'; readonly upTo: number }
  | { readonly type: 'stations'; readonly verdicts: readonly StationVerdict[] }
  | { readonly type: 'models'; readonly inForce: readonly PoolInForce[] }
  | { readonly type: 'reply'; readonly id: number; readonly result?: unknown; readonly error?: string };

export type ToPipeline =
  | { readonly type: 'stop' }
  /** Operators have decided something about models: read it again. */
  | { readonly type: 'decisions' }
  | { readonly type: 'health'; readonly id: number; readonly thingNum: number };

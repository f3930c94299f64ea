/**
 * Moves the journal into the store through the pipeline: reads on, processes, appends rows, rejects and checkpoint in one store
 * transaction, saves the pipeline's state now and then.
 *
 * Invariants (tests/ingest/loop.test.ts):
 *  1. Each journal record is in exactly one appended batch, batches are appended in order.
 *  2. A batch the store refuses is offered again until it takes it; meanwhile nothing is read on. Nothing is dropped.
 *  3. After a crash at any moment the same batches are cut and the same values come out. Batches at or before the store's
 *     checkpoint are only run through the pipeline, to bring its state to where it was.
 *  4. The journal may be trimmed up to what `onTrim` says, never beyond: the last saved state starts there.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { JournalReader } from '../journal/journal.ts';
import { elapsed, MINUTE, SECOND, type EpochMs } from '../model/time.ts';
import type { AppendResult, ObservationColumns, ObservationStore, Reject } from '../store/store.ts';
import { columnsOf, modelNumbers } from './columns.ts';
import type { Pipeline, Processed } from './pipeline.ts';
import type { StateFolder } from './state.ts';

export interface Commit extends AppendResult {
  /** Everything up to this journal record is in the store. */
  readonly seq: number;
  readonly packets: number;
  readonly rows: ObservationColumns;
  readonly rejects: readonly Reject[];
  /** Redelivered packets dropped before QC. */
  readonly redelivered: number;
  /** Boxes of which something came that was no reading, by number, and when. */
  readonly heard: ReadonlyMap<number, EpochMs>;
  /** Receive time of the newest packet. */
  readonly newest: EpochMs;
  /** Records that wait in the journal. */
  readonly backlog: number;
}

export interface LoopOptions {
  readonly reader: JournalReader;
  readonly store: Pick<ObservationStore, 'append' | 'checkpoint' | 'modelNum'>;
  /** Made anew when a saved state cannot be used. */
  readonly createPipeline: () => Pipeline;
  readonly folder: StateFolder;
  readonly onCommit: (commit: Commit) => void;
  /** What keeps the pipeline from working, in words for the operator; '' = working again. */
  readonly onProblem: (problem: string) => void;
  /** Something the operator should know that does not keep the pipeline from working. */
  readonly onNotice: (words: string) => void;
  readonly onTrim: (upTo: number) => void;
  /** Records a batch at most: larger ones are no quicker, hold up the main thread with their rows, and outlive young garbage. @default 5000 */
  readonly batchRecords?: number;
  /** Shortest time from one batch to the next [ms], so that a quiet store sees few, larger transactions. @default 150 */
  readonly batchEvery?: number;
  /** How often an empty journal is looked at [ms]. @default 25 */
  readonly idle?: number;
  /** Save the state after this many records, bytes or milliseconds, whichever comes first. */
  readonly saveEvery?: { readonly records?: number; readonly bytes?: number; readonly ms?: number };
  /** First wait after a failure [ms], doubled up to 10 s. @default 100 */
  readonly retry?: number;
}

export interface IngestLoop {
  /** Resolves when the loop has ended; rejects when it cannot go on. */
  readonly done: Promise<void>;
  /** The last record processed. */
  seq(): number;
  /** Works on what the journal still holds for at most `drainMs` (default 10 s; the rest stays there), saves the state. */
  stop(drainMs?: number): Promise<void>;
}

/** The loop was told to end while something kept failing; what was not stored stays in the journal. */
class Stopped extends Error {}

const DRAIN = 10 * SECOND;
const MAX_RETRY = 10 * SECOND;
/** A saved state from which on its writing is felt. */
const LARGE = 64 * 2 ** 20;

export function startLoop(options: LoopOptions): IngestLoop {
  const { reader, store, folder } = options;
  let pipeline = options.createPipeline();
  const batchRecords = options.batchRecords ?? 5000;
  const batchEvery = options.batchEvery ?? 150;
  const idle = options.idle ?? 25;
  const saveRecords = options.saveEvery?.records ?? 2_000_000;
  const saveBytes = options.saveEvery?.bytes ?? 192 * 2 ** 20;
  const saveMs = options.saveEvery?.ms ?? 5 * MINUTE;
  const stopping = new AbortController();
  let draining = false;
  const stopped = stopping.signal;
  const models = modelNumbers(store);

  let seq = 0;
  let saved = 0;
  let savedAt = elapsed();
  /** Size of the last saved state: a large one is saved more rarely, so that it never is more than a part of what the disk writes. */
  let savedBytes = 0;
  let bytesSince = 0;
  let stageProblem = '';
  /** The state on its way to the disk. */
  let saving: Promise<void> | null = null;
  /** Something failed since the last save: the journal may have grown up to its bound. */
  let troubled = false;
  /** The append under way; the next batch is decoded and checked meanwhile. */
  let appending: Promise<void> = Promise.resolve();

  const pause = (ms: number): Promise<void> => delay(ms, undefined, { signal: stopped }).catch(() => undefined);

  /** Tries until it works; a stop gives up on it, and the next start does the batch again. */
  async function persist<T>(what: string, action: () => Promise<T> | T): Promise<T> {
    for (let wait = options.retry ?? 100; ; wait = Math.min(wait * 2, MAX_RETRY)) {
      try {
        const result = await action();
        if (wait !== (options.retry ?? 100)) options.onProblem('');
        return result;
      } catch (error) {
        const words = error instanceof Error ? error.message : String(error);
        options.onProblem(`${what} failed and is tried again: ${words}`);
        troubled = true;
        if (stopped.aborted) throw new Stopped(`${what} failed: ${words}`, { cause: error });
        await pause(wait);
      }
    }
  }

  const commit = async (batch: Processed, packets: number, rows: ObservationColumns): Promise<void> => {
    const result = await persist('storing readings', () => store.append(rows, batch.rejects, batch.seq));
    options.onCommit({
      ...result,
      seq: batch.seq,
      packets,
      rows,
      rejects: batch.rejects,
      redelivered: batch.duplicates,
      heard: batch.heard,
      newest: batch.newest,
      backlog: Math.max(0, reader.lastSeq() - batch.seq),
    });
  };

  async function save(): Promise<void> {
    const parts = folder.encode({ seq, state: pipeline.state() });
    const at = seq;
    await appending;
    const bytes = bytesSince;
    savedAt = elapsed();
    bytesSince = 0;
    // Written when this returns; until it is durable the older state holds.
    const written = folder.save(parts, at);
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    saving = (async () => {
      try {
        await written;
        saved = at;
        savedBytes = size;
        options.onTrim(at);
      } catch (error) {
        // Not fatal: the older state and a longer journal serve as well.
        options.onNotice(`saving the pipeline's state failed: ${error instanceof Error ? error.message : String(error)}`); // prettier-ignore
        bytesSince += bytes;
      } finally {
        saving = null;
      }
    })();
  }

  /** Processes records up to `end` at most; appends them when they are behind the store's checkpoint. */
  async function step(end: number, checkpoint: number, noted: boolean): Promise<boolean> {
    const records = reader.read(seq, Math.min(noted ? Infinity : batchRecords, end - seq));
    if (records.length === 0) return false;
    for (const record of records) bytesSince += record.bytes.length;
    const batch = pipeline.process(records);
    if (batch.problem !== stageProblem) options.onProblem(batch.problem);
    stageProblem = batch.problem;
    // On its way to the disk while the rows are made; no row is given to the store before it is there.
    const note = noted ? null : persist('noting a batch', () => folder.noteBatch(batch.seq));
    note?.catch(() => undefined);
    seq = batch.seq;
    if (batch.seq <= checkpoint) {
      await note;
      return true;
    }
    await persist('asking the store for a model number', () => models.learn(batch.readings));
    const rows = columnsOf(batch.readings, models);
    await appending;
    appending = note ? note.then(() => commit(batch, records.length, rows)) : commit(batch, records.length, rows);
    // Awaited before the next append; until then a failure must not count as unhandled.
    appending.catch(() => undefined);
    return true;
  }

  async function run(): Promise<void> {
    const checkpoint = await persist('asking the store for its checkpoint', () => store.checkpoint());
    if (reader.lastSeq() < checkpoint) {
      options.onNotice(
        `the journal ends at record ${reader.lastSeq()} but the store has taken up to ${checkpoint}: the journal in the data folder ` +
          'was removed or put back from an older copy. New records are numbered behind that; what the lost journal held is gone',
      );
    }
    const loaded = folder.load();
    if (loaded.problem) options.onNotice(loaded.problem);
    if (loaded.saved && loaded.saved.seq <= checkpoint) {
      try {
        pipeline.restore(loaded.saved.state);
      } catch (error) {
        // Of another version, say. QC then learns its boxes anew; raw values and what is stored are not touched.
        options.onNotice(`the saved state of the pipeline cannot be used, starting without it: ${String(error)}`);
        pipeline = options.createPipeline();
      }
      seq = saved = loaded.saved.seq;
    }
    for (const end of folder.batchEnds(seq)) {
      if (stopped.aborted) return;
      await step(end, checkpoint, true);
    }
    while (!stopped.aborted && seq < checkpoint) if (!(await step(checkpoint, checkpoint, false))) seq = checkpoint;
    while (!stopped.aborted) {
      const began = elapsed();
      const moved = await step(Infinity, checkpoint, false);
      const due =
        (savedBytes < LARGE || bytesSince >= 2 * savedBytes) &&
        (seq - saved >= saveRecords || bytesSince >= saveBytes || elapsed() - savedAt >= saveMs);
      // Once all that has waited is stored the journal is given its room back, so that boxes are not held back any longer.
      const recovered = troubled && !moved;
      if ((due || recovered) && seq > saved && !saving) {
        troubled = false;
        await save();
      }
      if (!moved && draining) break;
      if (!moved) await pause(idle);
      else if (reader.lastSeq() - seq < batchRecords) await pause(Math.max(0, batchEvery - (elapsed() - began)));
    }
    await appending;
    await saving;
    if (seq > saved) {
      await save();
      await saving;
    }
  }

  /** Nothing is on its way to the disk any more. */
  const quiet = async (): Promise<void> => {
    await appending.catch(() => undefined);
    await saving;
  };

  const done = (async () => {
    try {
      await run();
    } finally {
      await quiet();
    }
  })();
  done.catch(() => undefined);
  return {
    done,
    seq: () => seq,
    async stop(drainMs = DRAIN) {
      draining = true;
      const late = setTimeout(() => stopping.abort(), drainMs);
      if (drainMs === 0) stopping.abort();
      try {
        await done;
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
        options.onProblem(error.message);
      } finally {
        clearTimeout(late);
      }
    },
  };
}

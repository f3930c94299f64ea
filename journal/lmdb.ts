/**
 * The journal over lmdb. Invariants, each with a test in `tests/journal/`:
 *
 *  - one lmdb entry is one *block*: all records that waited while the block before was being fsynced (`block.ts`);
 *  - at most one block is being written at a time, so blocks are on disk in the order of their sequence numbers;
 *  - `append` resolves after lmdb's commit, which has fsynced data before it switched its root page;
 *  - a block is entered only where no block of that first number is, so two writers (broker and HTTP push in two
 *    processes) never overwrite one another: the one that came second reads on and takes the next numbers;
 *  - the trim mark and the removal of blocks are one transaction; a block goes when all its records are trimmed;
 *  - sequence numbers continue after the greater of last block and trim mark, so also in a journal emptied by trimming;
 *  - every block carries a CRC-32: damaged records are told (`onDamage`), never handed out.
 */
import { statfsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { MAX_RECORDS, decodeBlock, encodeBlock } from './block.ts';
import { blockAfter, blockAtOrBefore, end, openEnvironment, trimmed, trimmedMark } from './environment.ts';
import type { Environment } from './environment.ts';
import type { JournalHealth, JournalReader, JournalRecord, JournalWriter } from './journal.ts';

export interface JournalOptions {
  /** Untrimmed bytes on disk past which `append` waits. @default 4 GiB */
  readonly maxBytes?: number;
  /** Bytes waiting in memory past which `append` rejects at once instead of waiting. @default 64 MiB */
  readonly maxWaitingBytes?: number;
  /** Bytes after which a block is closed: larger ones fsync more at once, smaller ones sooner. @default 1 MiB */
  readonly maxBlockBytes?: number;
  /** After the disk refused, how long until it is tried again [ms]. @default 1000 */
  readonly retryMs?: number;
  /**
   * Numbers given out are greater than this even when the journal's files say less: the reader's checkpoint, so that a
   * journal folder that was lost or restored from an older copy never reuses numbers the reader has seen. Records that are
   * there under smaller numbers are numbered anew: whether the reader had them cannot be known, and twice is harmless. @default 0
   */
  readonly startAfter?: number;
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: Error) => void;
}

/** Largest single record; one MQTT packet is at most 256 MB, the broker allows far less. */
export const MAX_RECORD_BYTES = 16 * 1024 * 1024;

/** @throws Error when the folder cannot be opened */
export function openJournal(folder: string, options: JournalOptions = {}): JournalWriter {
  const maxBytes = options.maxBytes ?? 4 * 1024 ** 3;
  const maxWaitingBytes = options.maxWaitingBytes ?? 64 * 1024 ** 2;
  const maxBlockBytes = options.maxBlockBytes ?? 1024 ** 2;
  const retryMs = options.retryMs ?? 1000;
  const env = openEnvironment(folder);

  let lastSeq = 0;
  let endOffset = 0;
  let firstSeq = 1;
  let firstOffset = 0;
  /** Reads again what another writer may have changed. */
  const refresh = (): void => {
    env.blocks.resetReadTxn();
    const e = end(env);
    lastSeq = e.seq;
    endOffset = e.offset;
    firstSeq = trimmed(env).seq + 1;
    const first = blockAfter(env, 0);
    firstOffset = first ? (first.block?.offset ?? trimmed(env).offset) : endOffset;
  };
  refresh();
  if ((options.startAfter ?? 0) > lastSeq) {
    renumber(env, options.startAfter as number);
    refresh();
  }

  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let problem = '';
  let running = false;
  let closing = false;
  let wake: (() => void) | null = null;
  let idle: (() => void)[] = [];
  let probeTimer: NodeJS.Timeout | null = null;
  let probing: Promise<unknown> = Promise.resolve();
  let trims: Promise<unknown> = Promise.resolve();

  const isFull = (): boolean => endOffset - firstOffset >= maxBytes;

  async function roomIsMade(): Promise<void> {
    while (isFull() && !closing) {
      const timer = new AbortController();
      await Promise.race([
        new Promise<void>((resolve) => (wake = resolve)),
        // another process may trim, and does not tell us
        delay(200, undefined, { signal: timer.signal, ref: false }).catch(() => undefined),
      ]);
      timer.abort();
      refresh();
    }
  }

  /** Takes the records of the next block out of the queue. */
  function take(): Waiting[] {
    let bytes = 0;
    let n = 0;
    while (n < waiting.length && n < MAX_RECORDS) {
      const size = (waiting[n] as Waiting).bytes.length + 4;
      if (n > 0 && bytes + size > maxBlockBytes) break;
      bytes += size;
      n++;
    }
    const batch = n === waiting.length ? waiting : waiting.slice(0, n);
    waiting = n === waiting.length ? [] : waiting.slice(n);
    return batch;
  }

  async function write(batch: readonly Waiting[]): Promise<void> {
    const records = batch.map((w) => w.bytes);
    for (;;) {
      const seq = lastSeq + 1;
      const offset = endOffset;
      const block = encodeBlock(seq, offset, records);
      let entered: boolean;
      try {
        checkRoom(folder);
        // The types of lmdb 3.5 know this option for putSync only.
        entered = await committed(env.blocks.put(seq, block, { noOverwrite: true } as never));
      } catch (error) {
        failed(error as Error);
        // The commit may have reached the disk before it failed: numbers go on after whatever is there.
        refresh();
        const refusal = new Error(`the journal could not write: ${problem}`, { cause: error });
        for (const w of batch) {
          waitingBytes -= w.bytes.length;
          w.reject(refusal);
        }
        return;
      }
      // A mark beyond us that we did not see when we chose the number: another writer opened with `startAfter` meanwhile
      // (or a reader in another process was very quick, then the records are there twice, which is harmless).
      env.blocks.resetReadTxn();
      if (!entered || trimmed(env).seq >= seq) {
        refresh();
        continue;
      }
      // A trim that ended meanwhile may have read the new end already.
      lastSeq = Math.max(lastSeq, seq + records.length - 1);
      endOffset = Math.max(endOffset, offset + block.length);
      problem = '';
      let n = seq;
      for (const w of batch) {
        waitingBytes -= w.bytes.length;
        w.resolve(n++);
      }
      return;
    }
  }

  function failed(error: Error): void {
    problem = `${folder}: ${error.message}; free space on the disk or make it writable, appending is tried again by itself`;
    if (probeTimer || closing) return;
    probeTimer = setTimeout(() => {
      probeTimer = null;
      if (closing) return;
      probing = (async () => {
        checkRoom(folder);
        await committed(env.marks.put('probe', Buffer.alloc(8)));
      })().then(
        () => (problem = ''),
        (again: Error) => failed(again),
      );
    }, retryMs);
    probeTimer.unref();
  }

  async function run(): Promise<void> {
    running = true;
    while (waiting.length > 0) {
      if (isFull()) await roomIsMade();
      if (closing && isFull()) {
        const left = waiting;
        waiting = [];
        waitingBytes = 0;
        for (const w of left) w.reject(new Error('the journal was closed while it was full'));
        break;
      }
      await write(take());
    }
    running = false;
    for (const resolve of idle) resolve();
    idle = [];
  }

  /** One at a time: each looks at what the one before left. */
  async function trim(upTo: number): Promise<void> {
    env.blocks.resetReadTxn();
    const e = end(env);
    const before = trimmed(env);
    const seq = Math.min(Math.floor(upTo), e.seq);
    if (!(seq > before.seq)) return;
    const gone: number[] = [];
    let keep: number | null = null;
    for (const key of env.blocks.getKeys({ end: seq + 1 })) {
      if (keep !== null) gone.push(keep);
      keep = key;
    }
    // A block ends where the next begins; only of the last one its own count must be asked.
    if (keep !== null) {
      const next = blockAfter(env, keep);
      if (next ? next.firstSeq <= seq + 1 : e.seq <= seq) gone.push(keep);
    }
    const first = keep === null || gone.includes(keep) ? blockAfter(env, keep ?? 0) : blockAtOrBefore(env, keep);
    const offset = first ? (first.block?.offset ?? before.offset) : e.offset;
    await committed(
      env.root.batch(() => {
        for (const key of gone) void env.blocks.remove(key);
        void env.marks.put('trimmed', trimmedMark({ seq, offset }));
      }),
    );
    refresh();
    wake?.();
  }

  const quiet = (): Promise<void> => (running ? new Promise((resolve) => idle.push(resolve)) : Promise.resolve());

  return {
    append(bytes) {
      if (closing) return Promise.reject(new Error('the journal is closed'));
      if (bytes.length > MAX_RECORD_BYTES)
        return Promise.reject(
          new RangeError(`a journal record may have ${MAX_RECORD_BYTES} bytes, not ${bytes.length}`),
        );
      // While the disk refuses, only the probe touches it: no more heat, and the caller can tell its sender at once.
      if (problem) return Promise.reject(new Error(`the journal cannot write: ${problem}`));
      if (waitingBytes + bytes.length > maxWaitingBytes)
        return Promise.reject(
          new Error(
            isFull()
              ? `the journal holds ${maxBytes} bytes that the pipeline has not worked on yet, and more are waiting; see why the pipeline stands still`
              : 'more is being appended than the disk can write',
          ),
        );
      waitingBytes += bytes.length;
      return new Promise((resolve, reject) => {
        waiting.push({ bytes, resolve, reject });
        if (!running) {
          running = true;
          // After the poll phase: everything that arrived in this turn of the loop shares the fsync.
          setImmediate(() => void run());
        }
      });
    },

    health() {
      const full = isFull();
      const health: JournalHealth = {
        ok: problem === '' && !full,
        problem:
          problem ||
          (full
            ? `full: ${maxBytes} bytes wait for the pipeline, boxes are held back until it has worked on them`
            : ''),
        firstSeq,
        lastSeq,
        bytes: endOffset - firstOffset,
      };
      return health;
    },

    trim(upTo) {
      if (closing) return Promise.resolve();
      const work = trims.then(() => trim(upTo));
      trims = work.catch(() => undefined);
      return work;
    },

    async close() {
      if (closing) return;
      closing = true;
      wake?.();
      if (probeTimer) clearTimeout(probeTimer);
      await Promise.all([quiet(), trims, probing]);
      await env.root.close();
    },
  };
}

/** Free space that is left alone: lmdb 3.5 may corrupt its memory and abort when the disk refuses a page of a transaction. */
const RESERVE = 16 * 1024 ** 2;

/** @throws Error when there is less room than the reserve (a quarter of a very small disk) */
function checkRoom(folder: string): void {
  const { bavail, blocks, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const needed = Math.min(RESERVE, (blocks * bsize) / 4);
  if (free < needed) {
    const mib = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1);
    throw new Error(`no space left on the disk: ${mib(free)} MiB free, ${mib(needed)} MiB are kept free`);
  }
}

/** Moves what is in the journal to numbers after `after`, in one transaction. */
function renumber(env: Environment, after: number): void {
  const mark = trimmed(env);
  env.root.transactionSync(() => {
    let seq = after;
    let { offset } = end(env);
    const from = offset;
    // first all keys: a cursor must not walk what is being moved
    const keys = Array.from(env.blocks.getKeys({ end: after + 1 }));
    for (const key of keys) {
      const bytes = env.blocks.get(key);
      const records = (bytes && decodeBlock(bytes, key)?.records()) ?? [];
      env.blocks.removeSync(key);
      const left = records.slice(Math.max(0, mark.seq + 1 - key));
      if (left.length === 0) continue;
      const moved = encodeBlock(seq + 1, offset, left);
      env.blocks.putSync(seq + 1, moved);
      seq += left.length;
      offset += moved.length;
    }
    env.marks.putSync('trimmed', trimmedMark({ seq: after, offset: from }));
  });
}

/** lmdb hides the system's error in a second promise, and both must be caught. */
async function committed(put: Promise<boolean>): Promise<boolean> {
  try {
    return await put;
  } catch (error) {
    const inner = (error as { commitError?: Promise<never> }).commitError;
    if (!inner) throw error;
    const cause = await inner.then(
      () => error as Error,
      (e: Error) => e,
    );
    throw cause;
  }
}

export interface JournalReaderOptions {
  /** Told once for each run of records that the disk gave back damaged; they are skipped. */
  readonly onDamage?: (damage: { readonly firstSeq: number; readonly lastSeq: number }) => void;
}

/** Reads a journal that may be written at the same time, from any thread or process. */
export function openJournalReader(folder: string, options: JournalReaderOptions = {}): JournalReader {
  const env: Environment = openEnvironment(folder);
  let toldOf = 0;
  /** The block read last: a reader that takes a block in several bites does not check and copy it for each. */
  let last: { firstSeq: number; records: readonly Uint8Array[] | null } | null = null;

  const tell = (firstSeq: number, lastSeq: number): void => {
    if (lastSeq <= toldOf) return;
    toldOf = lastSeq;
    options.onDamage?.({ firstSeq, lastSeq });
  };

  return {
    read(after, limit) {
      // Without this a reader that never yields to its event loop would look at one old snapshot for ever.
      env.blocks.resetReadTxn();
      const from = Math.max(after, trimmed(env).seq) + 1;
      const out: JournalRecord[] = [];
      let start = from;
      for (const key of env.blocks.getKeys({ start: from, reverse: true, limit: 1 })) start = key;
      let damagedFrom = 0;
      for (const key of env.blocks.getKeys({ start })) {
        if (damagedFrom > 0 && key > from) tell(damagedFrom, key - 1);
        damagedFrom = 0;
        if (out.length >= limit) break;
        if (last?.firstSeq !== key) {
          const bytes = env.blocks.get(key);
          last = { firstSeq: key, records: (bytes && decodeBlock(bytes, key)?.records()) ?? null };
        }
        if (!last.records) {
          damagedFrom = key;
          continue;
        }
        const { records } = last;
        for (let i = Math.max(0, from - key); i < records.length && out.length < limit; i++)
          out.push({ seq: key + i, bytes: records[i] as Uint8Array });
      }
      if (damagedFrom > 0) tell(damagedFrom, damagedFrom + MAX_RECORDS - 1);
      env.blocks.resetReadTxn();
      return out;
    },

    lastSeq() {
      env.blocks.resetReadTxn();
      return end(env).seq;
    },

    async close() {
      await env.root.close();
    },
  };
}

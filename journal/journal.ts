/**
 * The durable hand-off between whoever receives packets and whoever works on them. It stores bytes and knows neither side.
 *
 * Promises (each has a test; `docs/journal.md` explains them):
 *  1. `append` resolves only after the record is fsynced. Records appended in the same tick share one fsync.
 *  2. Sequence numbers start at 1, grow by one per record, in the order `append` was called; never reused, also after a crash.
 *  3. A record is read back as it was appended, or (torn by a crash before its `append` resolved) not at all.
 *  4. `trim` removes records up to and including a sequence number that the reader is done with, never one beyond it.
 *  5. Past `maxBytes` of untrimmed records `append` waits (back-pressure); nothing is ever dropped to make room.
 *  6. When the disk refuses (full, read-only), `append` rejects, `health()` tells why, and appending is tried again later.
 */
export interface JournalRecord {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

export interface JournalHealth {
  readonly ok: boolean;
  /** What is wrong, in words for the operator; '' when ok. */
  readonly problem: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly bytes: number;
}

export interface JournalWriter {
  append(bytes: Uint8Array): Promise<number>;
  health(): JournalHealth;
  /** Removes records with seq ≤ `upTo`. */
  trim(upTo: number): Promise<void>;
  close(): Promise<void>;
}

export interface JournalReader {
  /** Records with seq > `after`, at most `limit`, oldest first; resolves with [] when there is none yet. */
  read(after: number, limit: number): JournalRecord[];
  lastSeq(): number;
  close(): Promise<void>;
}

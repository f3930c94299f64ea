/**
 * What the pipeline keeps on disk so that a restart goes on as if nothing had happened: `pipeline/` in the data folder.
 *
 *  - `snapshot` – the pipeline's state behind one journal record. Written beside and renamed, so there is always one whole file.
 *    Layout: 8 bytes `LAMPSNP2`, 32 bytes SHA-256 of the rest, then the length of (u32 LE) and a V8-serialised `{ seq, state }` without the stage, then the stage's.
 *  - `batches` – one line `<last seq of the batch>\n` for each batch processed since that snapshot, fsynced before the batch goes
 *    to the store. QC compares readings of one batch with each other, so a replay must cut the journal where the first run did.
 *
 * A snapshot is written only when its batch is in the store: its seq is never beyond the store's checkpoint.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import type { PipelineState } from './pipeline.ts';

const synced = promisify(fdatasync);

const MAGIC = Buffer.from('LAMPSNP2');
const HEADER = MAGIC.length + 32;

export interface SavedState {
  readonly seq: number;
  readonly state: PipelineState;
}

export interface StateFolder {
  /** null = there is none; `problem` says why one that exists cannot be used. */
  load(): { saved: SavedState | null; problem: string };
  /** Ends of the batches after `seq`, ascending. */
  batchEnds(after: number): number[];
  /** Durable when it resolves. */
  noteBatch(seq: number): Promise<void>;
  /** In parts, which are live: a large state is not copied once more. */
  encode(saved: SavedState): Uint8Array[];
  /**
   * Puts the encoded snapshot in place and keeps only the batch ends behind it. The parts are written when the call returns, and may change from
   * then on; when it resolves they are durable and in place. One at a time.
   */
  save(parts: readonly Uint8Array[], seq: number): Promise<void>;
  close(): void;
}

function replace(path: string, parts: readonly Uint8Array[]): void {
  const fd = openSync(`${path}.new`, 'w');
  try {
    writeParts(fd, parts);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.new`, path);
}

function writeParts(fd: number, parts: readonly Uint8Array[]): void {
  for (const part of parts) for (let at = 0; at < part.length;) at += writeSync(fd, part, at);
}

export function openStateFolder(folder: string): StateFolder {
  mkdirSync(folder, { recursive: true });
  const snapshotPath = join(folder, 'snapshot');
  const batchesPath = join(folder, 'batches');
  const readEnds = (): number[] => {
    if (!existsSync(batchesPath)) return [];
    // The last piece has no newline: torn, and its batch was not yet given to the store.
    const lines = readFileSync(batchesPath, 'latin1').split('\n').slice(0, -1);
    return lines.map(Number).filter((n) => Number.isSafeInteger(n) && n > 0);
  };
  // Cuts a torn last line off, so that the next one begins on its own.
  replace(batchesPath, [
    Buffer.from(
      readEnds()
        .map((n) => `${n}\n`)
        .join(''),
    ),
  ]);
  let fd = openSync(batchesPath, 'a');
  let torn = false;
  /** Lines on their way to the disk. */
  const syncing = new Set<Promise<void>>();

  return {
    load() {
      if (!existsSync(snapshotPath)) return { saved: null, problem: '' };
      const bytes = readFileSync(snapshotPath);
      const body = bytes.subarray(HEADER);
      const sound =
        bytes.length > HEADER &&
        bytes.subarray(0, MAGIC.length).equals(MAGIC) &&
        createHash('sha256').update(body).digest().equals(bytes.subarray(MAGIC.length, HEADER));
      if (!sound)
        return { saved: null, problem: `${snapshotPath} is damaged or of another version; starting without it` };
      const length = body.readUInt32LE(0);
      const saved = deserialize(body.subarray(4, 4 + length)) as SavedState;
      return { saved: { ...saved, state: { ...saved.state, stage: [body.subarray(4 + length)] } }, problem: '' };
    },
    batchEnds: (after) => [...new Set(readEnds())].filter((n) => n > after).sort((a, b) => a - b),
    async noteBatch(seq) {
      // What a full disk cut off must not run into the next number.
      const line = torn ? `\n${seq}\n` : `${seq}\n`;
      torn = true;
      writeSync(fd, line);
      torn = false;
      const done = synced(fd);
      syncing.add(done);
      try {
        await done;
      } finally {
        syncing.delete(done);
      }
    },
    encode({ seq, state: { stage, ...rest } }) {
      const exact = serialize({ seq, state: rest });
      // What follows lies at a multiple of eight bytes in the file, so that its arrays can be read where they are.
      const small = Buffer.alloc(exact.length + ((12 - (exact.length % 8)) % 8));
      small.set(exact);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(small.length);
      return [length, small, ...stage];
    },
    async save(parts, seq) {
      const hash = createHash('sha256');
      for (const part of parts) hash.update(part);
      const file = openSync(`${snapshotPath}.new`, 'w');
      try {
        writeParts(file, [MAGIC, hash.digest(), ...parts]);
        // Hundreds of megabytes: readings go on meanwhile.
        await synced(file);
      } finally {
        closeSync(file);
      }
      renameSync(`${snapshotPath}.new`, snapshotPath);
      // From here on in one go: a line that is noted is in the file that is read here, or in the one that comes.
      const kept = readEnds().filter((n) => n > seq);
      replace(batchesPath, [Buffer.from(kept.map((n) => `${n}\n`).join(''))]);
      const before = fd;
      fd = openSync(batchesPath, 'a');
      await Promise.allSettled(syncing);
      closeSync(before);
    },
    close: () => closeSync(fd),
  };
}

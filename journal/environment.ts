/** The lmdb environment of a journal folder, and what both its writer and its reader ask of it. */
import { mkdirSync } from 'node:fs';
import { open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import { MAX_RECORDS, decodeBlock } from './block.ts';
import type { Block } from './block.ts';

export interface Environment {
  readonly root: RootDatabase<Buffer, number>;
  /** sequence number of the block's first record → block */
  readonly blocks: Database<Buffer, number>;
  /** `trimmed` → f64 last trimmed sequence number, f64 bytes ever written up to there */
  readonly marks: Database<Buffer, string>;
}

/** @throws Error that names the folder when it cannot be made or opened */
export function openEnvironment(folder: string): Environment {
  try {
    mkdirSync(folder, { recursive: true });
    const root = open<Buffer, number>({
      path: folder,
      noSubdir: false,
      encoding: 'binary',
      // A put resolves after its fsync; with overlapping syncs it would resolve before.
      overlappingSync: false,
      // We batch ourselves; lmdb's own batch per event turn leaves a rejection nobody can catch when the disk is full.
      eventTurnBatching: false,
      noMemInit: true,
    });
    const blocks = root.openDB<Buffer, number>({ name: 'blocks', encoding: 'binary' });
    const marks = root.openDB<Buffer, string>({ name: 'marks', encoding: 'binary' });
    return { root, blocks, marks };
  } catch (error) {
    throw new Error(
      `cannot open the journal in ${folder}: ${(error as Error).message}; check that the folder is writable and the disk is not full`,
      { cause: error },
    );
  }
}

export interface Trimmed {
  readonly seq: number;
  readonly offset: number;
}

export function trimmed(env: Environment): Trimmed {
  const mark = env.marks.get('trimmed');
  return mark && mark.length === 16
    ? { seq: mark.readDoubleLE(0), offset: mark.readDoubleLE(8) }
    : { seq: 0, offset: 0 };
}

export function trimmedMark(mark: Trimmed): Buffer {
  const bytes = Buffer.allocUnsafeSlow(16);
  bytes.writeDoubleLE(mark.seq, 0);
  bytes.writeDoubleLE(mark.offset, 8);
  return bytes;
}

export interface StoredBlock {
  readonly firstSeq: number;
  readonly size: number;
  /** null = the stored bytes are damaged */
  readonly block: Block | null;
}

const stored = (firstSeq: number, bytes: Buffer): StoredBlock => ({
  firstSeq,
  size: bytes.length,
  block: decodeBlock(bytes, firstSeq),
});

/** The block with the greatest first sequence number ≤ `seq`. */
export function blockAtOrBefore(env: Environment, seq: number): StoredBlock | null {
  for (const { key, value } of env.blocks.getRange({ start: seq, reverse: true, limit: 1 })) return stored(key, value);
  return null;
}

/** The block with the smallest first sequence number > `seq`. */
export function blockAfter(env: Environment, seq: number): StoredBlock | null {
  for (const { key, value } of env.blocks.getRange({ start: seq + 1, limit: 1 })) return stored(key, value);
  return null;
}

/** The first sequence number of the last block, and what `end` found in it: blocks never change, so it is read once. */
const lastRead = new WeakMap<Environment, { firstSeq: number; end: Trimmed }>();

/** How far the journal has come: the last sequence number given out and the bytes ever written. */
export function end(env: Environment): Trimmed {
  const mark = trimmed(env);
  let lastKey: number | null = null;
  for (const key of env.blocks.getKeys({ reverse: true, limit: 1 })) lastKey = key;
  if (lastKey === null) return mark;
  let known = lastRead.get(env);
  if (known?.firstSeq !== lastKey) {
    const last = stored(lastKey, env.blocks.get(lastKey) ?? Buffer.alloc(0));
    // Of a damaged last block we do not know how many records it had: step over all it can have had.
    const seq = lastKey - 1 + (last.block ? last.block.count : MAX_RECORDS);
    known = { firstSeq: lastKey, end: { seq, offset: (last.block?.offset ?? mark.offset) + last.size } };
    lastRead.set(env, known);
  }
  return { seq: Math.max(mark.seq, known.end.seq), offset: Math.max(mark.offset, known.end.offset) };
}

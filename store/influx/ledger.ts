/**
 * What has to be known of each datastream without asking the server: its newest and its oldest time, and whether it ever had a
 * corrected value. In memory as tables, on disk as a file `newest.log` beside the catalogue, to which every batch adds what it
 * changed before it is sent.
 *
 * A block too many does no harm: a row that is thought to be there is looked up. A block too few does, so the catalogue keeps
 * the number of the last one in the transaction of the checkpoint: where the file ends before (a power cut; it is not flushed
 * with every batch) it is not trusted, and everything up to the newest row of all is looked up. A process that is killed loses
 * nothing: what was written is in the kernel's hands.
 *
 *   block  rows u32, corrected u32, number f64, checkpoint f64, datastreams i32[rows], newest f64[rows], oldest f64[rows],
 *          datastreams with a first corrected value i32[corrected], CRC-32 of all of it u32
 */
import { closeSync, existsSync, fsyncSync, openSync, readSync, renameSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { EpochMs } from '../../model/time.ts';
import type { ObservationColumns } from '../store.ts';
import { Watermarks } from '../watermarks.ts';

const FILE = 'newest.log';
const HEAD = 24;
/** Rows of a block at most; more are several. */
const BLOCK_ROWS = 1 << 18;
/** The file is written anew when it is larger than this and than three times what it has to say [bytes]. */
const SMALL = 16 * 2 ** 20;
const ROW_BYTES = 20;

/** A batch that was begun and not committed: some of its points may be in the bucket. */
export interface Intent {
  readonly checkpoint: number;
  readonly last: EpochMs;
}

interface Block {
  readonly number: number;
  readonly checkpoint: number;
  readonly datastreams: Int32Array;
  readonly newest: Float64Array;
  readonly oldest: Float64Array;
  readonly corrected: Int32Array;
}

function encode({ number, checkpoint, datastreams, newest, oldest, corrected }: Block): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD + datastreams.length * ROW_BYTES + corrected.length * 4 + 4);
  bytes.writeUInt32LE(datastreams.length, 0);
  bytes.writeUInt32LE(corrected.length, 4);
  bytes.writeDoubleLE(number, 8);
  bytes.writeDoubleLE(checkpoint, 16);
  let at = HEAD;
  for (const part of [datastreams, newest, oldest, corrected]) {
    Buffer.from(part.buffer, part.byteOffset, part.byteLength).copy(bytes, at);
    at += part.byteLength;
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, at)), at);
  return bytes;
}

/** The blocks that are whole, and where they end. */
function* blocksOf(fd: number): Generator<{ block: Block; end: number }> {
  const head = Buffer.alloc(HEAD);
  for (let at = 0; ;) {
    if (readSync(fd, head, 0, HEAD, at) < HEAD) return;
    const [rows, corrected] = [head.readUInt32LE(0), head.readUInt32LE(4)];
    if (rows > BLOCK_ROWS || corrected > BLOCK_ROWS) return;
    const size = HEAD + rows * ROW_BYTES + corrected * 4;
    const bytes = Buffer.alloc(size + 4);
    if (readSync(fd, bytes, 0, size + 4, at) < size + 4) return;
    if (crc32(bytes.subarray(0, size)) !== bytes.readUInt32LE(size)) return;
    let from = HEAD;
    // Copies, since a view needs its numbers aligned.
    const cut = (length: number): ArrayBuffer => Uint8Array.prototype.slice.call(bytes, from, (from += length)).buffer;
    at += size + 4;
    yield {
      end: at,
      block: {
        number: head.readDoubleLE(8),
        checkpoint: head.readDoubleLE(16),
        datastreams: new Int32Array(cut(rows * 4)),
        newest: new Float64Array(cut(rows * 8)),
        oldest: new Float64Array(cut(rows * 8)),
        corrected: new Int32Array(cut(corrected * 4)),
      },
    };
  }
}

/** A set of small numbers: a bit each. */
class Bits {
  #words = new Uint32Array(1 << 8);

  has(n: number): boolean {
    return ((this.#words[n >>> 5] ?? 0) & (1 << (n & 31))) !== 0;
  }

  /** @returns whether it is new */
  add(n: number): boolean {
    if (this.has(n)) return false;
    const word = n >>> 5;
    if (word >= this.#words.length) {
      const larger = new Uint32Array(Math.max(word + 1, this.#words.length * 2));
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words[word] = (this.#words[word] as number) | (1 << (n & 31));
    return true;
  }
}

export class Ledger {
  readonly #file: string;
  #fd: number;
  #bytes = 0;
  #number = 0;
  /** Times with their sign turned, so that raising one keeps the oldest. */
  #oldest = new Watermarks();
  #corrected = new Bits();
  /** The disk has refused a block: what it would have said of oldest times and corrected values is in memory only. */
  #behind = false;
  newest = new Watermarks();
  /** Knows of every row that was committed. */
  readonly complete: boolean;
  readonly intent: Intent | null;

  /**
   * @param checkpoint of the catalogue: blocks beyond it were not committed
   * @param number of the last block that was; 0 = none
   */
  constructor(folder: string, checkpoint: number, number: number) {
    this.#file = join(folder, FILE);
    this.#fd = openSync(this.#file, existsSync(this.#file) ? 'r+' : 'wx+', 0o600);
    let intent: Intent | null = null;
    for (const { block, end } of blocksOf(this.#fd)) {
      this.#bytes = end;
      this.#number = block.number;
      if (block.checkpoint <= checkpoint) this.#apply(block);
      else {
        const before: EpochMs = intent?.checkpoint === block.checkpoint ? intent.last : -Infinity;
        intent = { checkpoint: block.checkpoint, last: block.newest.reduce((a, b) => Math.max(a, b), before) };
      }
    }
    truncateSync(this.#file, this.#bytes);
    this.complete = this.#number >= number;
    this.#number = Math.max(this.#number, number);
    this.intent = intent;
  }

  #apply({ datastreams, newest, oldest, corrected }: Block): void {
    this.newest.begin(datastreams.length);
    this.#oldest.begin(datastreams.length);
    for (let i = 0; i < datastreams.length; i++) {
      this.newest.raise(datastreams[i] as number, newest[i] as number, -Infinity);
      this.#oldest.raise(datastreams[i] as number, -(oldest[i] as number), -Infinity);
    }
    for (const id of corrected) this.#corrected.add(id);
  }

  /** Everything is to be learned anew. */
  clear(): void {
    this.newest = new Watermarks();
    this.#oldest = new Watermarks();
    this.#corrected = new Bits();
  }

  /** Before rows are judged against `newest`. */
  begin(rows: number): void {
    this.newest.begin(rows);
  }

  rollBack(): void {
    this.newest.rollBack();
  }

  /**
   * These rows are about to be sent, under this checkpoint. @returns the number under which the catalogue has to commit them
   * @throws Error when the disk refuses
   */
  note(rows: ObservationColumns, indices: ArrayLike<number>, checkpoint: number): number {
    const { datastreams, times } = this.newest.raised();
    const oldest = new Float64Array(datastreams.length);
    this.#oldest.begin(indices.length);
    const corrected: number[] = [];
    /** Rows older than anything of their datastream, that raise nothing. */
    const older: number[] = [];
    for (let n = 0; n < indices.length; n++) {
      const i = indices[n] as number;
      const id = rows.datastream[i] as number;
      const time = rows.phenomenonTime[i] as number;
      if (this.#oldest.raise(id, -time, -Infinity) && time < this.newest.timeOf(id)) older.push(id);
      if (!Number.isNaN(rows.corrected[i]) && this.#corrected.add(id)) corrected.push(id);
    }
    for (let i = 0; i < datastreams.length; i++) oldest[i] = -this.#oldest.timeOf(datastreams[i] as number);
    if (datastreams.length + older.length + corrected.length > 0) {
      this.#write(checkpoint, datastreams, times, oldest, corrected);
      const ids = Int32Array.from(new Set(older));
      const of = (marks: Watermarks, sign: number): Float64Array =>
        Float64Array.from(ids, (id) => sign * marks.timeOf(id));
      if (ids.length > 0) this.#write(checkpoint, ids, of(this.newest, 1), of(this.#oldest, -1), []);
    }
    return this.#number;
  }

  /** A recompute has corrected values of datastreams that had none. */
  noteCorrected(rows: ObservationColumns): void {
    const corrected: number[] = [];
    for (let i = 0; i < rows.length; i++) {
      const id = rows.datastream[i] as number;
      if (!Number.isNaN(rows.corrected[i]) && this.#corrected.add(id)) corrected.push(id);
    }
    if (corrected.length > 0) this.#write(0, new Int32Array(0), new Float64Array(0), new Float64Array(0), corrected);
  }

  #write(
    checkpoint: number,
    datastreams: Int32Array,
    newest: Float64Array,
    oldest: Float64Array,
    corrected: ArrayLike<number> & Iterable<number>,
  ): void {
    let from = 0;
    do {
      const to = from + BLOCK_ROWS;
      const block = encode({
        number: this.#number + 1,
        checkpoint,
        datastreams: datastreams.subarray(from, to),
        newest: newest.subarray(from, to),
        oldest: oldest.subarray(from, to),
        corrected: Int32Array.from(corrected).subarray(from, to),
      });
      try {
        // Behind the last whole block: what a full disk has cut short is written over.
        for (let at = 0; at < block.length;) at += writeSync(this.#fd, block, at, block.length - at, this.#bytes + at);
      } catch (error) {
        this.#behind = true;
        throw error;
      }
      this.#bytes += block.length;
      this.#number++;
      from = to;
    } while (from < Math.max(datastreams.length, corrected.length));
  }

  /** How far each datastream reaches, ordered by datastream. */
  entries(): { datastream: Int32Array; first: Float64Array; last: Float64Array; corrected: Uint8Array } {
    const datastream = this.newest.datastreams().sort();
    return {
      datastream,
      first: Float64Array.from(datastream, (id) => -this.#oldest.timeOf(id)),
      last: Float64Array.from(datastream, (id) => this.newest.timeOf(id)),
      corrected: Uint8Array.from(datastream, (id) => (this.#corrected.has(id) ? 1 : 0)),
    };
  }

  /** Between batches: writes the file anew when most of it is of no use any more, or the disk has refused some of it. */
  tidy(always = false): void {
    if (!always && !this.#behind && this.#bytes < Math.max(SMALL, 3 * this.newest.size * ROW_BYTES)) return;
    const { datastream, first, last, corrected } = this.entries();
    const beside = `${this.#file}.new`;
    const before = { fd: this.#fd, bytes: this.#bytes, number: this.#number };
    const fd = openSync(beside, 'w+', 0o600);
    try {
      [this.#fd, this.#bytes] = [fd, 0];
      this.#write(
        0,
        datastream,
        last,
        first,
        datastream.filter((_, i) => corrected[i] === 1),
      );
      fsyncSync(fd);
      renameSync(beside, this.#file);
      this.#behind = false;
    } catch (error) {
      // The old file serves as well.
      ({ fd: this.#fd, bytes: this.#bytes, number: this.#number } = before);
      closeSync(fd);
      throw error;
    }
    closeSync(before.fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/**
 * Fixed-size records of 4-byte fields in blocks: grows without copying, costs a few objects however many records there are.
 * Record 0 is never given out: it stands for "none".
 */
const BLOCK_BITS = 12;
const BLOCK = 1 << BLOCK_BITS;

/** The blocks are live: whoever keeps a state longer than until the next reading copies (or serialises) it. */
export interface PoolState {
  count: number;
  blocks: Uint32Array[];
}

export class RecordPool {
  readonly words: number;
  #f32: Float32Array[] = [];
  #u32: Uint32Array[] = [];
  #count = 1;

  constructor(words: number) {
    this.words = words;
    this.#grow();
  }

  /** Records given out. */
  get count(): number {
    return this.#count - 1;
  }
  get bytes(): number {
    return this.#f32.length * BLOCK * this.words * 4;
  }

  /** The block of a record as floats and as unsigned integers (the same bytes), and where the record begins in it. */
  f32(record: number): Float32Array {
    return this.#f32[record >>> BLOCK_BITS] as Float32Array;
  }
  u32(record: number): Uint32Array {
    return this.#u32[record >>> BLOCK_BITS] as Uint32Array;
  }
  offset(record: number): number {
    return (record & (BLOCK - 1)) * this.words;
  }

  /** A new record, all zero. */
  add(): number {
    const record = this.#count++;
    this.#grow();
    return record;
  }

  #grow(): void {
    while (this.#f32.length << BLOCK_BITS < this.#count) {
      const block = new ArrayBuffer(BLOCK * this.words * 4);
      this.#f32.push(new Float32Array(block));
      this.#u32.push(new Uint32Array(block));
    }
  }

  snapshot(): PoolState {
    const size = BLOCK * this.words;
    const used = this.#count * this.words;
    return { count: this.#count, blocks: this.#u32.map((b, i) => b.subarray(0, Math.min(size, used - i * size))) };
  }

  restore(from: PoolState): void {
    this.#f32 = [];
    this.#u32 = [];
    this.#count = from.count;
    this.#grow();
    for (const [i, block] of this.#u32.entries()) block.set(from.blocks[i] ?? []);
  }
}

/** Which record belongs to a Thing: 4 bytes a Thing number, 0 = none. */
export class ThingIndex {
  #record = new Uint32Array(1024);

  get(thingNum: number): number {
    return this.#record[thingNum] ?? 0;
  }
  set(thingNum: number, record: number): void {
    if (thingNum >= this.#record.length) {
      const grown = new Uint32Array(Math.max(thingNum + 1, this.#record.length * 2));
      grown.set(this.#record);
      this.#record = grown;
    }
    this.#record[thingNum] = record;
  }
  get bytes(): number {
    return this.#record.byteLength;
  }
  snapshot(): Uint32Array {
    return this.#record;
  }
  restore(from: Uint32Array): void {
    this.#record = from.slice();
  }
}

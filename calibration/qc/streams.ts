/**
 * What the streaming tests remember of each datastream: 52 bytes, whatever its age. Records lie in pooled blocks that grow as
 * streams appear; a Thing's streams form a short list, found from its number. A million boxes of four values take 210 MB.
 */
import { PROPERTY_SLOTS } from '../../model/properties.ts';

/** Fields of a record, 4 bytes each. Times are whole seconds since 1970 (unsigned, until 2106); values single precision. */
export const STREAM = {
  /** Phenomenon time of the last reading [s]. */
  time: 0,
  /** The last three accepted values, newest first. */
  v1: 1,
  v2: 2,
  v3: 3,
  /** Running mean of |step| between accepted readings, in the property's unit. */
  usual: 4,
  /** Start [s] and range of the present run of unchanged values. */
  runStart: 5,
  runMin: 6,
  runMax: 7,
  /** Range of the evidence (neighbours, second channel) during the run; NaN = none. */
  otherMin: 8,
  otherMax: 9,
  /** Since when [s] every value was exactly the same. */
  equalSince: 10,
  /** Bits 0–7 accepted values so far (at most 255), bit 8 the last one was a spike. */
  misc: 11,
  /** Next stream of the same Thing × PROPERTY_SLOTS + property number; next 0 = the end. */
  link: 12,
} as const;
const WORDS = 13;
const BLOCK_BITS = 12;
const BLOCK = 1 << BLOCK_BITS;

export const SPIKE_BIT = 0x100;

export class Streams {
  #f32: Float32Array[] = [];
  #u32: Uint32Array[] = [];
  #count = 1; // record 0 stands for "none"
  #first = new Uint32Array(1024);

  /** The block and offset of a record, for the tests' inner loop. */
  f32(record: number): Float32Array {
    return this.#f32[record >>> BLOCK_BITS] as Float32Array;
  }
  u32(record: number): Uint32Array {
    return this.#u32[record >>> BLOCK_BITS] as Uint32Array;
  }
  offset(record: number): number {
    return (record & (BLOCK - 1)) * WORDS;
  }

  get count(): number {
    return this.#count - 1;
  }

  /** Bytes held for records and their index. */
  get bytes(): number {
    return this.#f32.length * BLOCK * WORDS * 4 + this.#first.byteLength;
  }

  /** The record of a Thing's property; made (time 0) when there is none. */
  find(thingNum: number, propertyNum: number): number {
    if (thingNum >= this.#first.length) {
      const grown = new Uint32Array(Math.max(thingNum + 1, this.#first.length * 2));
      grown.set(this.#first);
      this.#first = grown;
    }
    let record = this.#first[thingNum] as number;
    while (record !== 0) {
      const link = this.u32(record)[this.offset(record) + STREAM.link] as number;
      if (link % PROPERTY_SLOTS === propertyNum) return record;
      record = Math.floor(link / PROPERTY_SLOTS);
    }
    return this.#add(thingNum, propertyNum);
  }

  #add(thingNum: number, propertyNum: number): number {
    const record = this.#count++;
    this.#grow();
    const f = this.f32(record);
    const u = this.u32(record);
    const at = this.offset(record);
    f.fill(Number.NaN, at + STREAM.v1, at + STREAM.usual + 1);
    f.fill(Number.NaN, at + STREAM.runMin, at + STREAM.otherMax + 1);
    u[at + STREAM.link] = (this.#first[thingNum] as number) * PROPERTY_SLOTS + propertyNum;
    this.#first[thingNum] = record;
    return record;
  }

  #grow(): void {
    while (this.#f32.length << BLOCK_BITS < this.#count) {
      const block = new ArrayBuffer(BLOCK * WORDS * 4);
      this.#f32.push(new Float32Array(block));
      this.#u32.push(new Uint32Array(block));
    }
  }

  snapshot(): { count: number; first: Uint32Array; records: Uint32Array } {
    const records = new Uint32Array(this.#count * WORDS);
    for (const [i, block] of this.#u32.entries()) {
      const start = i * BLOCK * WORDS;
      records.set(block.subarray(0, Math.min(block.length, records.length - start)), start);
    }
    return { count: this.#count, first: this.#first, records };
  }

  restore(from: { count: number; first: Uint32Array; records: Uint32Array }): void {
    this.#f32 = [];
    this.#u32 = [];
    this.#count = from.count;
    this.#first = from.first.slice();
    this.#grow();
    for (const [i, block] of this.#u32.entries()) {
      const start = i * BLOCK * WORDS;
      block.set(from.records.subarray(start, Math.min(start + block.length, from.records.length)));
    }
  }
}

/**
 * What the streaming tests remember of each datastream: 60 bytes, whatever its age. Records lie in pooled blocks that grow as
 * streams appear; a Thing's streams form a short list, found from its number. A million boxes of four values take 240 MB.
 */
import { PROPERTY_SLOTS } from '../../model/properties.ts';
import { type PoolState, RecordPool, ThingIndex } from './pool.ts';

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
  /** Bits 0–7 accepted values so far (at most 255), bit 8 the last one was a spike, bit 9 the stream was found dead. */
  misc: 11,
  /** Next stream of the same Thing × PROPERTY_SLOTS + property number; next 0 = the end. */
  link: 12,
  /** Since when [s] every particle value was next to nothing beside the neighbours'. */
  lowSince: 13,
  /** Record of what the stream usually shows (usual.ts); 0 = none is kept. */
  slow: 14,
} as const;
const WORDS = 15;

export const SPIKE_BIT = 0x100;
export const DEAD_BIT = 0x200;

export class Streams {
  readonly pool = new RecordPool(WORDS);
  readonly #first = new ThingIndex();

  get bytes(): number {
    return this.pool.bytes + this.#first.bytes;
  }

  /** The record of a Thing's property; made (time 0) when there is none. */
  find(thingNum: number, propertyNum: number): number {
    const { pool } = this;
    let record = this.#first.get(thingNum);
    while (record !== 0) {
      const link = pool.u32(record)[pool.offset(record) + STREAM.link] as number;
      if (link % PROPERTY_SLOTS === propertyNum) return record;
      record = Math.floor(link / PROPERTY_SLOTS);
    }
    record = pool.add();
    const at = pool.offset(record);
    pool.f32(record).fill(Number.NaN, at + STREAM.v1, at + STREAM.usual + 1);
    pool.f32(record).fill(Number.NaN, at + STREAM.runMin, at + STREAM.otherMax + 1);
    pool.u32(record)[at + STREAM.link] = this.#first.get(thingNum) * PROPERTY_SLOTS + propertyNum;
    this.#first.set(thingNum, record);
    return record;
  }

  snapshot(): StreamsState {
    return { pool: this.pool.snapshot(), first: this.#first.snapshot() };
  }
  restore(from: StreamsState): void {
    this.pool.restore(from.pool);
    this.#first.restore(from.first);
  }
}

export interface StreamsState {
  pool: PoolState;
  first: Uint32Array;
}

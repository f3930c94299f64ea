/**
 * What the two channels of a sensor have shown of each other: which of them still moves with the air. Needed where no neighbour can say it, and at
 * low values, where a dead channel that whispers is neither stuck nor out of range. Six numbers for each box with two channels.
 */
import { type PoolState, RecordPool, ThingIndex } from './pool.ts';

export const PAIR = {
  /** Readings after which a channel can be called dead, and the longest memory. */
  least: 12,
  memory: 60,
  /** A dead channel moves by less than this share of the living one, whatever both are at … */
  moves: 0.35,
  /** … and hardly with it. A channel that moves with the other, but less, is weak, not dead. */
  follows: 0.5,
  /** The living one must move by this [µg/m³], or nothing can be told. */
  alive: 1,
} as const;

const P = { n: 0, meanA: 1, meanB: 2, varA: 3, varB: 4, covariance: 5 } as const;

export class ChannelPairs {
  readonly pool = new RecordPool(6);
  readonly #record = new ThingIndex();

  /** Takes in a reading of both channels [µg/m³]. */
  take(thingNum: number, a: number, b: number): void {
    if (!(a >= 0) || !(b >= 0)) return;
    let record = this.#record.get(thingNum);
    if (record === 0) {
      record = this.pool.add();
      this.#record.set(thingNum, record);
    }
    const f = this.pool.f32(record);
    const at = this.pool.offset(record);
    const n = Math.min(PAIR.memory, (f[at + P.n] as number) + 1);
    f[at + P.n] = n;
    const w = 1 / n;
    const da = a - (f[at + P.meanA] as number);
    const db = b - (f[at + P.meanB] as number);
    f[at + P.meanA] = (f[at + P.meanA] as number) + w * da;
    f[at + P.meanB] = (f[at + P.meanB] as number) + w * db;
    f[at + P.varA] = (1 - w) * ((f[at + P.varA] as number) + w * da * da);
    f[at + P.varB] = (1 - w) * ((f[at + P.varB] as number) + w * db * db);
    f[at + P.covariance] = (1 - w) * ((f[at + P.covariance] as number) + w * da * db);
  }

  /** The channel that no longer moves with the air, '' = none known. */
  dead(thingNum: number): 'a' | 'b' | '' {
    const record = this.#record.get(thingNum);
    if (record === 0) return '';
    const f = this.pool.f32(record);
    const at = this.pool.offset(record);
    if ((f[at + P.n] as number) < PAIR.least) return '';
    const va = f[at + P.varA] as number;
    const vb = f[at + P.varB] as number;
    const lower = va < vb ? 'a' : 'b';
    if (Math.max(va, vb) < PAIR.alive ** 2 || Math.min(va, vb) > PAIR.moves ** 2 * Math.max(va, vb)) return '';
    // A dead channel stands below: dust that settles in a living one lifts it, and makes it shout.
    const below = lower === 'a' ? (f[at + P.meanA] as number) - (f[at + P.meanB] as number) : (f[at + P.meanB] as number) - (f[at + P.meanA] as number); // prettier-ignore
    const product = va * vb;
    const r = product > 1e-12 ? (f[at + P.covariance] as number) / Math.sqrt(product) : 0;
    return below < 0 && r < PAIR.follows ? lower : '';
  }

  get bytes(): number {
    return this.pool.bytes + this.#record.bytes;
  }
  snapshot(): PairsState {
    return { pool: this.pool.snapshot(), record: this.#record.snapshot() };
  }
  restore(from: PairsState): void {
    this.pool.restore(from.pool);
    this.#record.restore(from.record);
  }
}

export interface PairsState {
  pool: PoolState;
  record: Uint32Array;
}

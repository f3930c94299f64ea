/**
 * The newest row of every datastream, in memory: what the map and the live stream show. Columns per property, so that a million
 * boxes with four properties cost about 250 MB and one property is read in one go. The columns are shared memory: the SensorThings thread looks
 * at the same ones (`LatestView`) instead of keeping a second table.
 */
import { thingNumOf } from '../model/datastream.ts';
import { PROPERTY_SLOTS, propertyByNum, type PropertyKey } from '../model/properties.ts';
import { DAY, type EpochMs } from '../model/time.ts';
import type { ObservationColumns } from '../store/store.ts';

/** How far back the table is filled at a start [ms]. */
export const LATEST_SPAN = 7 * DAY;

/** The rows of one property; a slot belongs to one Thing for good. Only the first `size` entries count. */
export interface LatestColumn {
  size: number;
  /** Grows with every change of a row. */
  version: number;
  /** Slot + 1 by number of the Thing, 0 = none. */
  index: Int32Array;
  thing: Int32Array;
  time: Float64Array;
  resultTime: Float64Array;
  raw: Float64Array;
  corrected: Float64Array;
  /** Ends of the interval are multiples of the property's resolution, so that 32 bits and rounding give them back exactly. */
  lo90: Float32Array;
  hi90: Float32Array;
  flag: Uint8Array;
  reasons: Int32Array;
  level: Uint8Array;
  model: Int32Array;
  /** Odd while a row of one of the Things of a lock is being written; grows with every write. For who reads in another thread. */
  locks: Int32Array;
}

/** The arrays of a column, as another thread gets them. */
export type SharedColumn = Omit<LatestColumn, 'size' | 'version'>;

type Grown =
  | 'thing'
  | 'time'
  | 'resultTime'
  | 'raw'
  | 'corrected'
  | 'lo90'
  | 'hi90'
  | 'flag'
  | 'reasons'
  | 'level'
  | 'model';
const GROWN: readonly Grown[] = ['thing', 'time', 'resultTime', 'raw', 'corrected', 'lo90', 'hi90', 'flag', 'reasons', 'level', 'model']; // prettier-ignore

type Typed = Int32Array | Uint32Array | Float64Array | Float32Array | Uint8Array;
type Kind<T extends Typed> = new (buffer: SharedArrayBuffer) => T;
const bytesOf = (kind: Kind<Typed>): number => (kind as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
const shared = <T extends Typed>(kind: Kind<T>, length: number): T =>
  new kind(new SharedArrayBuffer(length * bytesOf(kind)));
function longer<T extends Typed>(array: T, length: number): T {
  const out = shared(array.constructor as Kind<T>, length);
  out.set(array);
  return out;
}

/** Things that share a lock are 256 numbers apart: a reader waits for a writer almost never. */
const LOCKS = 256;

const newColumn = (): LatestColumn => ({
  size: 0,
  version: 0,
  index: shared(Int32Array, 64),
  thing: shared(Int32Array, 64),
  time: shared(Float64Array, 64),
  resultTime: shared(Float64Array, 64),
  raw: shared(Float64Array, 64),
  corrected: shared(Float64Array, 64),
  lo90: shared(Float32Array, 64),
  hi90: shared(Float32Array, 64),
  flag: shared(Uint8Array, 64),
  reasons: shared(Int32Array, 64),
  level: shared(Uint8Array, 64),
  model: shared(Int32Array, 64),
  locks: shared(Int32Array, LOCKS),
});

/** Of the Things that are registered, so many must have been heard for a column to be made for all of them. */
const MOST = 1 / 16;
/**
 * A quarter more: doubling a table of four million rows would take twice the memory it needs. Once it is clear that most Things will come,
 * room for all of them, so that nothing is copied again and again while they come; what is not used of it takes no memory.
 */
const grownLength = (needed: number, expected: number): number =>
  needed >= MOST * expected && needed <= expected
    ? Math.ceil(expected * 1.02) + 64
    : Math.max(64, Math.ceil(needed * 1.25));

export class LatestTable {
  readonly #columns: (LatestColumn | undefined)[] = [];
  /** By number of the Thing: when its newest row was received [ms], and which properties it has (two masks of 32). */
  #lastSeen = new Float64Array(64);
  #low = new Uint32Array(64);
  #high = new Uint32Array(64);
  #version = 0;
  #layout = 0;
  #expected = 0;

  /** How many Things are registered. */
  expect(things: number): void {
    this.#expected = things;
  }

  /**
   * Takes the rows that are newer than what is there (or a new verdict on the same moment); returns the indices of those it took.
   * @param live rows come in the order in which they were received; those read from the store do not
   */
  apply(rows: ObservationColumns, live = true): number[] {
    const taken: number[] = [];
    const ahead = live ? DAY : Infinity;
    for (let i = 0; i < rows.length; i++) {
      const id = rows.datastream[i] as number;
      const thing = thingNumOf(id);
      const num = id % PROPERTY_SLOTS;
      const column = (this.#columns[num] ??= this.#newColumn());
      const time = rows.phenomenonTime[i] as number;
      const received = rows.resultTime[i] as number;
      this.#see(thing, num, received);
      let slot = (column.index[thing] ?? 0) - 1;
      if (slot >= 0) {
        const there = column.time[slot] as number;
        // Another raw value for a moment that is taken is a conflict: the store refused it, so it is not shown either.
        const refused = time === there && !Object.is(column.raw[slot], rows.raw[i]);
        // What is dated more than a day after this was received, was dated by a clock that was ahead.
        const older = time < there && there <= received + ahead;
        if (older || refused || (time === there && same(column, slot, rows, i))) continue;
        // So was the moment at which it was received.
        if ((column.resultTime[slot] as number) > received + ahead) this.#lastSeen[thing] = received;
      }
      if (slot < 0) slot = this.#newSlot(column, thing);
      const lock = thing % LOCKS;
      Atomics.add(column.locks, lock, 1);
      column.index[thing] = slot + 1;
      column.time[slot] = time;
      column.resultTime[slot] = rows.resultTime[i] as number;
      column.raw[slot] = rows.raw[i] as number;
      column.corrected[slot] = rows.corrected[i] as number;
      column.lo90[slot] = rows.lo90[i] as number;
      column.hi90[slot] = rows.hi90[i] as number;
      column.flag[slot] = rows.flag[i] as number;
      column.reasons[slot] = rows.reasons[i] as number;
      column.level[slot] = rows.level[i] as number;
      column.model[slot] = rows.model[i] as number;
      Atomics.add(column.locks, lock, 1);
      column.version++;
      taken.push(i);
    }
    if (taken.length > 0) this.#version++;
    return taken;
  }

  /** Grows with every `apply` that changed something. */
  get version(): number {
    return this.#version;
  }

  column(propertyNum: number): LatestColumn | undefined {
    return this.#columns[propertyNum];
  }

  /** Grows whenever arrays were made anew: who looks at them from another thread needs `shared` again. */
  get layout(): number {
    return this.#layout;
  }

  /** The columns by number of the property, for a `LatestView` in another thread. */
  shared(): (SharedColumn | undefined)[] {
    return this.#columns.map((column) => {
      if (!column) return undefined;
      const { size: _, version: __, ...arrays } = column;
      return arrays;
    });
  }

  /** The slot of a Thing in the column of a property, -1 = no row. */
  slot(propertyNum: number, thingNum: number): number {
    return (this.#columns[propertyNum]?.index[thingNum] ?? 0) - 1;
  }

  /** When the newest row of a Thing was received; null = not since the table was filled. */
  lastSeen(thingNum: number): EpochMs | null {
    return this.#lastSeen[thingNum] || null;
  }

  /** Properties of which a Thing has a row, in order of their numbers. */
  properties(thingNum: number): PropertyKey[] {
    const low = this.#low[thingNum] ?? 0;
    const high = this.#high[thingNum] ?? 0;
    const out: PropertyKey[] = [];
    for (let num = 0; num < PROPERTY_SLOTS; num++) {
      if ((num < 32 ? low >>> num : high >>> (num - 32)) & 1) out.push(propertyByNum(num).key);
    }
    return out;
  }

  /** Datastreams in the table. */
  get size(): number {
    return this.#columns.reduce((sum, c) => sum + (c?.size ?? 0), 0);
  }

  #newColumn(): LatestColumn {
    this.#layout++;
    return newColumn();
  }

  #newSlot(column: LatestColumn, thing: number): number {
    if (thing >= column.index.length || column.size >= column.thing.length) this.#layout++;
    if (thing >= column.index.length)
      column.index = longer(column.index, Math.max(grownLength(thing + 1, 0), this.#expected + 1));
    const slot = column.size++;
    if (slot >= column.thing.length) {
      const length = grownLength(slot + 1, this.#expected);
      const arrays = column as unknown as Record<Grown, Typed>;
      for (const name of GROWN) arrays[name] = longer(arrays[name], length);
    }
    column.thing[slot] = thing;
    return slot;
  }

  #see(thing: number, propertyNum: number, received: EpochMs): void {
    if (thing >= this.#lastSeen.length) {
      const length = Math.max(grownLength(thing + 1, 0), this.#expected + 1);
      this.#lastSeen = longer(this.#lastSeen, length);
      this.#low = longer(this.#low, length);
      this.#high = longer(this.#high, length);
    }
    if (received > (this.#lastSeen[thing] as number)) this.#lastSeen[thing] = received;
    const mask = propertyNum < 32 ? this.#low : this.#high;
    mask[thing] = (mask[thing] as number) | (1 << (propertyNum & 31));
  }
}

/** The table seen from another thread: rows are copied out whole, never half of one reading and half of the next. */
export class LatestView {
  #columns: readonly (SharedColumn | undefined)[] = [];

  /** What `LatestTable.shared` gave; before that there is no row. */
  adopt(columns: readonly (SharedColumn | undefined)[]): void {
    this.#columns = columns;
  }

  /** Copies the newest row of a Thing and property into the first row of `into`. @returns whether there is one */
  read(propertyNum: number, thingNum: number, into: ObservationColumns): boolean {
    const column = this.#columns[propertyNum];
    if (!column || thingNum >= column.index.length) return false;
    const { locks } = column;
    const lock = thingNum % LOCKS;
    for (;;) {
      const before = Atomics.load(locks, lock);
      // Ten numbers are being written at this moment.
      if (before & 1) continue;
      const slot = (column.index[thingNum] as number) - 1;
      if (slot < 0) return false;
      into.phenomenonTime[0] = column.time[slot] as number;
      into.resultTime[0] = column.resultTime[slot] as number;
      into.raw[0] = column.raw[slot] as number;
      into.corrected[0] = column.corrected[slot] as number;
      into.lo90[0] = column.lo90[slot] as number;
      into.hi90[0] = column.hi90[slot] as number;
      into.flag[0] = column.flag[slot] as number;
      into.reasons[0] = column.reasons[slot] as number;
      into.level[0] = column.level[slot] as number;
      into.model[0] = column.model[slot] as number;
      if (Atomics.load(locks, lock) === before) return true;
    }
  }
}

function same(column: LatestColumn, slot: number, rows: ObservationColumns, i: number): boolean {
  return (
    Object.is(column.raw[slot], rows.raw[i]) &&
    Object.is(column.corrected[slot], rows.corrected[i]) &&
    column.flag[slot] === rows.flag[i] &&
    column.reasons[slot] === rows.reasons[i] &&
    column.model[slot] === rows.model[i]
  );
}

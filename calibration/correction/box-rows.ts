/**
 * What the correction remembers of each box, in columns: as objects a million boxes would be five million things for the collector to look
 * through, and what four neighbours said last would lie in twelve places of memory. 83 bytes a box and some 30 for its id. They lie in a
 * snapshot as they are here.
 */
import { DAY, type EpochMs } from '../../model/time.ts';
import type { StageBox } from '../stage.ts';
import type { KeptBox } from './box-columns.ts';
import type { Gain } from './consensus.ts';
import type { History } from './history.ts';
import { Ids, type IdsState } from './ids.ts';
import type { BoxState } from './memory.ts';
import { poolKey, sensorClass } from './sensor.ts';

/** Numbers of a box: 64 bits each. NaN = no place. */
const F = { lat: 0, lon: 1, log: 2, time: 3, ratio: 4, count: 5, fieldValue: 6, fieldKm: 7 } as const;
const FLOATS = 8;
/** 32 bits each. */
const I = { num: 0, fieldVersion: 1 } as const;
const INTS = 2;
const ANCHORED = 1;
const IN_A_ROOM = 2;
/** Few boxes are paired with a station: what only those have is kept apart. */
const PAIRED = 4;

/** What thousands of boxes share. */
type Kind = Pick<StageBox, 'sensor' | 'field' | 'trusted' | 'exposure'>;
type Paired = Pick<KeptBox, 'own' | 'history'>;

/** The arrays are live. */
export interface BoxRowsState {
  readonly ids: IdsState;
  readonly kinds: readonly Kind[];
  readonly kind: Uint32Array;
  readonly floats: Float64Array;
  readonly ints: Int32Array;
  readonly bits: Uint8Array;
  /** States of earlier versions have neither. */
  readonly since?: Uint16Array;
  readonly seen?: Float32Array;
  readonly paired: ReadonlyMap<number, Paired>;
}

type Column = Float64Array | Float32Array | Int32Array | Uint32Array | Uint16Array | Uint8Array;
function longer<T extends Column>(array: T, length: number): T {
  const out = new (array.constructor as new (n: number) => T)(length);
  out.set(array);
  return out;
}

export class BoxRows {
  readonly ids = new Ids();
  #floats = new Float64Array(1024 * FLOATS);
  #ints = new Int32Array(1024 * INTS);
  #kind = new Uint32Array(1024);
  #bits = new Uint8Array(1024);
  /** Day since 1970 on which the box was first heard of, 0 = not known. */
  #since = new Uint16Array(1024);
  /** What went into the network last [µg/m³]. */
  #seen = new Float32Array(1024);
  /** Slot in the surroundings, −1 = no place; not part of the state. */
  #slot = new Int32Array(1024);
  #kinds: (Kind & { readonly pool: string; readonly plantower: boolean })[] = [];
  readonly #kindAt = new Map<string, number>();
  #paired = new Map<number, Paired>();
  /** Lent: aimed anew at each call. */
  readonly #own = new GainView(this);

  get size(): number {
    return this.ids.size;
  }

  get(id: string): BoxRecord | undefined {
    const row = this.ids.find(id);
    return row < 0 ? undefined : new BoxRecord(this, row);
  }

  *values(): Generator<BoxRecord> {
    for (let row = 0; row < this.ids.size; row++) yield new BoxRecord(this, row);
  }

  /** A box as one that has said nothing; its row stays the same when it was there before. */
  put(box: StageBox): BoxRecord {
    const known = this.ids.find(box.id);
    const row = known < 0 ? this.ids.add(box.id) : known;
    if (row >= this.#bits.length) this.#grow(Math.ceil(1.25 * row));
    this.#kind[row] = this.#kindOf(box);
    this.#floats.set([box.lat ?? NaN, box.lon ?? NaN, NaN, -Infinity, 0, 0, 0, Infinity], row * FLOATS);
    this.#ints[row * INTS + I.num] = box.num;
    this.#ints[row * INTS + I.fieldVersion] = -1;
    this.#bits[row] = 0;
    this.setSince(row, box.since);
    this.#seen[row] = NaN;
    this.#slot[row] = -1;
    this.#paired.delete(row);
    return new BoxRecord(this, row);
  }

  #kindOf({ sensor, field, trusted, exposure }: Kind): number {
    const name = `${sensor}\0${field}\0${String(trusted)}\0${exposure}`;
    let kind = this.#kindAt.get(name);
    if (kind === undefined) {
      this.#kindAt.set(name, (kind = this.#kinds.length));
      this.#kinds.push({ sensor, field, trusted, exposure, pool: poolKey(sensor, field), plantower: sensorClass(sensor) === 'plantower' }); // prettier-ignore
    }
    return kind;
  }

  #grow(length: number): void {
    this.#floats = longer(this.#floats, length * FLOATS);
    this.#ints = longer(this.#ints, length * INTS);
    this.#kind = longer(this.#kind, length);
    this.#bits = longer(this.#bits, length);
    this.#since = longer(this.#since, length);
    this.#seen = longer(this.#seen, length);
    this.#slot = longer(this.#slot, length);
  }

  kind(row: number): Kind & { readonly pool: string; readonly plantower: boolean } {
    return this.#kinds[this.#kind[row] as number] as ReturnType<BoxRows['kind']>;
  }
  float(row: number, field: number): number {
    return this.#floats[row * FLOATS + field] as number;
  }
  setFloat(row: number, field: number, value: number): void {
    this.#floats[row * FLOATS + field] = value;
  }
  int(row: number, field: number): number {
    return this.#ints[row * INTS + field] as number;
  }
  setInt(row: number, field: number, value: number): void {
    this.#ints[row * INTS + field] = value;
  }
  seen(row: number): number {
    return this.#seen[row] as number;
  }
  setSeen(row: number, value: number): void {
    this.#seen[row] = value;
  }
  has(row: number, bit: number): boolean {
    return ((this.#bits[row] as number) & bit) !== 0;
  }
  mark(row: number, bit: number, on: boolean): void {
    this.#bits[row] = on ? (this.#bits[row] as number) | bit : (this.#bits[row] as number) & ~bit;
  }
  since(row: number): EpochMs {
    return (this.#since[row] as number) * DAY || NaN;
  }
  setSince(row: number, since: EpochMs | undefined): void {
    this.#since[row] = Math.min(0xffff, Math.max(0, Math.floor((since ?? 0) / DAY)));
  }
  slot(row: number): number {
    return this.#slot[row] as number;
  }
  setSlot(row: number, slot: number): void {
    this.#slot[row] = slot;
  }
  paired(row: number): Paired {
    return this.has(row, PAIRED) ? (this.#paired.get(row) ?? UNPAIRED) : UNPAIRED;
  }
  setPaired(row: number, paired: Paired): void {
    const some = paired.own.length > 0 || paired.history !== null;
    this.mark(row, PAIRED, some);
    if (some) this.#paired.set(row, paired);
    else this.#paired.delete(row);
  }

  /** The gain in a row; good until the next call. */
  gain(row: number): Gain {
    this.#own.row = row;
    return this.#own;
  }

  state(): BoxRowsState {
    const n = this.size;
    return {
      ids: this.ids.state(),
      kinds: this.#kinds.map(({ sensor, field, trusted, exposure }) => ({ sensor, field, trusted, exposure })),
      kind: this.#kind.subarray(0, n),
      floats: this.#floats.subarray(0, n * FLOATS),
      ints: this.#ints.subarray(0, n * INTS),
      bits: this.#bits.subarray(0, n),
      since: this.#since.subarray(0, n),
      seen: this.#seen.subarray(0, n),
      paired: this.#paired,
    };
  }

  /** Copies what it is given; places in the surroundings are to be set anew. */
  restore(from: BoxRowsState): void {
    this.ids.restore(from.ids);
    this.#kinds = [];
    this.#kindAt.clear();
    for (const kind of from.kinds) this.#kindOf(kind);
    this.#kind = from.kind.slice();
    this.#floats = from.floats.slice();
    this.#ints = from.ints.slice();
    this.#bits = from.bits.slice();
    this.#since = from.since?.slice() ?? new Uint16Array(from.bits.length);
    this.#seen = from.seen?.slice() ?? new Float32Array(from.bits.length).fill(NaN);
    this.#slot = new Int32Array(from.bits.length).fill(-1);
    this.#paired = new Map(Array.from(from.paired, ([row, { own, history }]) => [row, { own, history }]));
  }
}

/** None for a million boxes. */
const UNPAIRED: Paired = Object.freeze({ own: Object.freeze([]) as unknown as number[], history: null });

/** The gain in whatever row it is aimed at. */
export class GainView implements Gain {
  readonly #rows: BoxRows;
  row = 0;

  constructor(rows: BoxRows) {
    this.#rows = rows;
  }
  get log(): number {
    return this.#rows.float(this.row, F.log);
  }
  set log(x: number) {
    this.#rows.setFloat(this.row, F.log, x);
  }
  get time(): number {
    return this.#rows.float(this.row, F.time);
  }
  set time(x: number) {
    this.#rows.setFloat(this.row, F.time, x);
  }
  get ratio(): number {
    return this.#rows.float(this.row, F.ratio);
  }
  set ratio(x: number) {
    this.#rows.setFloat(this.row, F.ratio, x);
  }
  get n(): number {
    return this.#rows.float(this.row, F.count);
  }
  set n(x: number) {
    this.#rows.setFloat(this.row, F.count, x);
  }
  get anchored(): boolean {
    return this.#rows.has(this.row, ANCHORED);
  }
  set anchored(x: boolean) {
    this.#rows.mark(this.row, ANCHORED, x);
  }
}

/** One box as the rest of the correction sees it: a look at its row, made when it is asked for and soon forgotten. */
export class BoxRecord implements BoxState {
  readonly #rows: BoxRows;
  readonly row: number;

  constructor(rows: BoxRows, row: number) {
    this.#rows = rows;
    this.row = row;
  }

  get box(): StageBox {
    const { sensor, field, trusted, exposure } = this.#rows.kind(this.row);
    const { id, lat, lon, since } = this;
    const num = this.#rows.int(this.row, I.num);
    if (Number.isNaN(since)) return { id, num, lat, lon, sensor, field, trusted, exposure };
    return { id, num, lat, lon, sensor, field, trusted, exposure, since };
  }
  get id(): string {
    return this.#rows.ids.text(this.row);
  }
  get lat(): number | null {
    const lat = this.#rows.float(this.row, F.lat);
    return Number.isNaN(lat) ? null : lat;
  }
  get lon(): number | null {
    const lon = this.#rows.float(this.row, F.lon);
    return Number.isNaN(lon) ? null : lon;
  }
  get since(): EpochMs {
    return this.#rows.since(this.row);
  }
  set since(since: EpochMs | undefined) {
    this.#rows.setSince(this.row, since);
  }
  get pool(): string {
    return this.#rows.kind(this.row).pool;
  }
  get plantower(): boolean {
    return this.#rows.kind(this.row).plantower;
  }
  get own(): number[] {
    return this.#rows.paired(this.row).own;
  }
  set own(own: number[]) {
    this.#rows.setPaired(this.row, { own, history: this.history });
  }
  get history(): History | null {
    return this.#rows.paired(this.row).history;
  }
  set history(history: History | null) {
    this.#rows.setPaired(this.row, { own: this.own, history });
  }
  /** Good until the gain of another box is asked for. */
  get gain(): Gain {
    return this.#rows.gain(this.row);
  }
  get indoor(): boolean {
    return this.#rows.has(this.row, IN_A_ROOM);
  }
  set indoor(x: boolean) {
    this.#rows.mark(this.row, IN_A_ROOM, x);
  }
  get fieldVersion(): number {
    return this.#rows.int(this.row, I.fieldVersion);
  }
  set fieldVersion(x: number) {
    this.#rows.setInt(this.row, I.fieldVersion, x);
  }
  get fieldValue(): number {
    return this.#rows.float(this.row, F.fieldValue);
  }
  set fieldValue(x: number) {
    this.#rows.setFloat(this.row, F.fieldValue, x);
  }
  get fieldKm(): number {
    return this.#rows.float(this.row, F.fieldKm);
  }
  set fieldKm(x: number) {
    this.#rows.setFloat(this.row, F.fieldKm, x);
  }
  get seen(): number {
    return this.#rows.seen(this.row);
  }
  set seen(x: number) {
    this.#rows.setSeen(this.row, x);
  }
  get slot(): number {
    return this.#rows.slot(this.row);
  }
  set slot(slot: number) {
    this.#rows.setSlot(this.row, slot);
  }
}

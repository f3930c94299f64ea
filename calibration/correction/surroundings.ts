/**
 * The nearest boxes of the same kind around each box, kept while boxes come, change and go. A grid instead of a tree: a tree has to be
 * built anew for every new box, which a million boxes that report for the first time do not allow. The boxes of a cell lie side by side
 * in memory: in a dense city 130 of them are looked at for each new one. 72 bytes a box for its list, about 60 for the grid.
 */
import { distanceKm } from '../geo/distance.ts';

/** Boxes that are asked about a box without station, and how far they may be [km]. */
export const AROUND = 6;
export const AROUND_KM = 10;
/** Looked at first; where fewer than AROUND boxes are found, farther [km]. */
const NEAR = 1;
const FARTHER = [3, AROUND_KM] as const;

export interface Resident {
  /** Number of the box where it is kept: given back by `rowAt`. */
  readonly row: number;
  readonly lat: number;
  readonly lon: number;
  /** Only boxes of one kind say something about each other. */
  readonly kind: string;
  /** False for a box that is asked about nobody (indoor, mobile). */
  readonly witness: boolean;
}

/** Height of a cell [degrees]: a little more than NEAR. */
const CELL = 1.001 * (NEAR / (2 * Math.PI * 6371)) * 360;
/** Boxes of one cell that lie side by side. */
const CHUNK = 16;
/** Looked at in one cell at most: thousands of boxes on one spot are a factory setting, not a neighbourhood. */
const CROWD = 4096;

const grown = <T extends Int32Array | Float64Array | Uint8Array>(array: T, length: number): T => {
  const out = new (array.constructor as new (n: number) => T)(length);
  out.set(array);
  return out;
};

export class Surroundings {
  /** Chunks of the boxes of one cell: newest chunk + 1 of each cell, the one before it + 1, 0 = none; entries used. */
  readonly #head = new Map<number, number>();
  #before = new Int32Array(64);
  #used = new Uint8Array(64);
  #chunks = 0;
  readonly #freeChunks: number[] = [];
  /** CHUNK entries a chunk, in the order in which they came: slot and place. */
  #member = new Int32Array(64 * CHUNK);
  #memberLat = new Float64Array(64 * CHUNK);
  #memberLon = new Float64Array(64 * CHUNK);
  /** By slot. */
  #lat = new Float64Array(1024);
  #lon = new Float64Array(1024);
  #row = new Int32Array(1024);
  #slots = 0;
  readonly #kinds = new Map<string, number>();
  #kind = new Int32Array(1024);
  #witness = new Uint8Array(1024);
  readonly #free: number[] = [];
  /** AROUND entries a slot, nearest first (ties by id); `#length` 255 = has to be looked up. */
  #near = new Int32Array(1024 * AROUND);
  #km = new Float64Array(1024 * AROUND);
  #length = new Uint8Array(1024);
  /** Changes of residents when a list was looked for farther away; 0 = it is of those within NEAR. */
  #farAt = new Int32Array(1024);
  #changes = 1;
  /** Slots whose list has been looked up. */
  #known = 0;
  readonly #idOf: (row: number) => string;

  /** @param idOf the id of the box in a row: of two that are as far, the smaller id is first */
  constructor(idOf: (row: number) => string) {
    this.#idOf = idOf;
  }

  /** @returns the slot to ask and remove with */
  add(resident: Resident): number {
    const slot = this.#free.pop() ?? this.#slots++;
    if (slot >= this.#lat.length) {
      const length = Math.ceil(1.25 * slot) + 1;
      this.#row = grown(this.#row, length);
      this.#lat = grown(this.#lat, length);
      this.#lon = grown(this.#lon, length);
      this.#kind = grown(this.#kind, length);
      this.#witness = grown(this.#witness, length);
      this.#near = grown(this.#near, length * AROUND);
      this.#km = grown(this.#km, length * AROUND);
      this.#length = grown(this.#length, length);
      this.#farAt = grown(this.#farAt, length);
    }
    this.#changes++;
    this.#row[slot] = resident.row;
    this.#lat[slot] = resident.lat;
    this.#lon[slot] = resident.lon;
    this.#length[slot] = UNKNOWN;
    let kind = this.#kinds.get(resident.kind);
    if (kind === undefined) this.#kinds.set(resident.kind, (kind = this.#kinds.size));
    this.#kind[slot] = kind;
    this.#witness[slot] = resident.witness ? 1 : 0;
    // Until somebody has been asked about, lists wait: a restart puts all boxes back first.
    if (this.#known > 0) this.#meet(slot, kind, resident.witness);
    this.#enter(slot, cellOf(resident.lat, resident.lon));
    return slot;
  }

  remove(slot: number): void {
    this.#take(slot, cellOf(this.#lat[slot] as number, this.#lon[slot] as number));
    this.#free.push(slot);
    this.#changes++;
    this.#forget(slot);
    this.#each(slot, NEAR, (other) => this.#forget(other));
  }

  #forget(slot: number): void {
    if (this.#length[slot] !== UNKNOWN) this.#known--;
    this.#length[slot] = UNKNOWN;
  }

  /** A new box into the lists of those around it, and they into its own, in one go. */
  #meet(slot: number, kind: number, witness: boolean): void {
    this.#length[slot] = 0;
    this.#farAt[slot] = 0;
    this.#known++;
    this.#each(slot, NEAR, (other) => {
      if (this.#kind[other] !== kind) return;
      const listed = witness && this.#length[other] !== UNKNOWN;
      const seen = this.#witness[other] === 1;
      if (!listed && !seen) return;
      const km = this.#distance(other, slot);
      if (km > NEAR) return;
      if (listed) this.#insert(other, slot, km);
      if (seen) this.#insert(slot, other, km);
    });
  }

  /** How many boxes are around; `rowAt` and `kmAt` then give the i-th, nearest first. */
  count(slot: number): number {
    if (this.#length[slot] === UNKNOWN) {
      this.#known++;
      this.#farAt[slot] = 0;
      this.#look(slot, NEAR);
    }
    // In the country the next boxes are farther away. There any change may be one of this list.
    const farAt = this.#farAt[slot] as number;
    if ((farAt !== 0 || (this.#length[slot] as number) < AROUND) && farAt !== this.#changes) {
      this.#farAt[slot] = this.#changes;
      for (const km of FARTHER) {
        this.#look(slot, km);
        if (this.#length[slot] === AROUND) break;
      }
    }
    return this.#length[slot] as number;
  }
  rowAt(slot: number, i: number): number {
    return this.#row[this.#near[slot * AROUND + i] as number] as number;
  }
  kmAt(slot: number, i: number): number {
    return this.#km[slot * AROUND + i] as number;
  }

  #look(slot: number, radius: number): void {
    this.#length[slot] = 0;
    this.#each(slot, radius, (other) => {
      if (other === slot || this.#witness[other] === 0 || this.#kind[other] !== this.#kind[slot]) return;
      const km = this.#distance(slot, other);
      if (km <= radius) this.#insert(slot, other, km);
    });
  }

  #distance(a: number, b: number): number {
    return distanceKm(this.#lat[a] as number, this.#lon[a] as number, this.#lat[b] as number, this.#lon[b] as number);
  }

  /** Puts a neighbour in its place in a list, if it belongs there. */
  #insert(slot: number, other: number, km: number): void {
    const start = slot * AROUND;
    const length = this.#length[slot] as number;
    let i = length;
    while (i > 0) {
      const before = this.#km[start + i - 1] as number;
      if (before < km) break;
      if (before === km && this.#idAt(this.#near[start + i - 1] as number) < this.#idAt(other)) break;
      i--;
    }
    if (i === AROUND) return;
    for (let k = Math.min(length, AROUND - 1); k > i; k--) {
      this.#near[start + k] = this.#near[start + k - 1] as number;
      this.#km[start + k] = this.#km[start + k - 1] as number;
    }
    this.#near[start + i] = other;
    this.#km[start + i] = km;
    this.#length[slot] = Math.min(AROUND, length + 1);
  }

  #idAt(slot: number): string {
    return this.#idOf(this.#row[slot] as number);
  }

  /** Calls for every box that may lie within a radius [km], itself included. */
  #each(of: number, radius: number, call: (slot: number) => void): void {
    const lat = this.#lat[of] as number;
    const lon = this.#lon[of] as number;
    const row = Math.floor(lat / CELL);
    const reach = (CELL * radius) / NEAR;
    const rows = Math.ceil(radius / NEAR);
    for (let r = row - rows; r <= row + rows; r++) {
      const columns = columnsOf(r);
      // At the pole side of the row a kilometre takes the most degrees.
      const wide = Math.min(180, reach / Math.max(1e-6, cosAt(r)));
      const first = Math.floor(((lon - wide + 180) / 360) * columns);
      const last = Math.floor(((lon + wide + 180) / 360) * columns);
      for (let c = first; c <= Math.min(last, first + columns - 1); c++) {
        let chunk = this.#head.get(r * ROW + (((c % columns) + columns) % columns)) ?? 0;
        for (let n = 0; chunk !== 0 && n < CROWD; chunk = this.#before[chunk - 1] as number) {
          const first = (chunk - 1) * CHUNK;
          // Newest first, so that in a crowd it is the oldest that are not looked at.
          for (let i = first + (this.#used[chunk - 1] as number) - 1; i >= first && n < CROWD; i--, n++) {
            if (Math.abs((this.#memberLat[i] as number) - lat) > reach) continue;
            const apart = Math.abs((this.#memberLon[i] as number) - lon);
            if (apart <= wide || apart >= 360 - wide) call(this.#member[i] as number);
          }
        }
      }
    }
  }

  #enter(slot: number, cell: number): void {
    let chunk = this.#head.get(cell) ?? 0;
    if (chunk === 0 || this.#used[chunk - 1] === CHUNK) {
      const fresh = (this.#freeChunks.pop() ?? this.#chunks++) + 1;
      if (fresh > this.#used.length) {
        const length = Math.ceil(1.25 * fresh);
        this.#before = grown(this.#before, length);
        this.#used = grown(this.#used, length);
        this.#member = grown(this.#member, length * CHUNK);
        this.#memberLat = grown(this.#memberLat, length * CHUNK);
        this.#memberLon = grown(this.#memberLon, length * CHUNK);
      }
      this.#before[fresh - 1] = chunk;
      this.#used[fresh - 1] = 0;
      this.#head.set(cell, (chunk = fresh));
    }
    const used = this.#used[chunk - 1] as number;
    const at = (chunk - 1) * CHUNK + used;
    this.#member[at] = slot;
    this.#memberLat[at] = this.#lat[slot] as number;
    this.#memberLon[at] = this.#lon[slot] as number;
    this.#used[chunk - 1] = used + 1;
  }

  #take(slot: number, cell: number): void {
    let after = 0;
    for (let chunk = this.#head.get(cell) ?? 0; chunk !== 0; after = chunk, chunk = this.#before[chunk - 1] as number) {
      const first = (chunk - 1) * CHUNK;
      const end = first + (this.#used[chunk - 1] as number);
      const at = this.#member.subarray(first, end).indexOf(slot);
      if (at < 0) continue;
      this.#member.copyWithin(first + at, first + at + 1, end);
      this.#memberLat.copyWithin(first + at, first + at + 1, end);
      this.#memberLon.copyWithin(first + at, first + at + 1, end);
      this.#used[chunk - 1] = end - first - 1;
      if (end - first > 1) return;
      const before = this.#before[chunk - 1] as number;
      if (after !== 0) this.#before[after - 1] = before;
      else if (before !== 0) this.#head.set(cell, before);
      else this.#head.delete(cell);
      this.#freeChunks.push(chunk - 1);
      return;
    }
  }
}

const UNKNOWN = 255;
/** More than the cells of any row. */
const ROW = 65_536;

/** Smallest cosine of latitude in a row of cells. */
const cosAt = (row: number): number =>
  Math.cos((Math.min(90, Math.max(Math.abs(row), Math.abs(row + 1)) * CELL) * Math.PI) / 180);
const columnsOf = (row: number): number => Math.max(1, Math.floor((360 * cosAt(row)) / CELL));
const cellOf = (lat: number, lon: number): number => {
  const row = Math.floor(lat / CELL);
  const columns = columnsOf(row);
  return row * ROW + (((Math.floor(((lon + 180) / 360) * columns) % columns) + columns) % columns);
};

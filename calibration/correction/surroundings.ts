/**
 * The nearest boxes of the same kind around each box, kept while boxes come, change and go. A grid instead of a tree: a tree has to be
 * built anew for every new box, which a million boxes that report for the first time do not allow. 72 bytes a box for its list,
 * about 50 for the grid.
 */
import { distanceKm } from '../geo/distance.ts';

/** Boxes that are asked about a box without station, and how far they may be [km]. */
export const AROUND = 6;
export const AROUND_KM = 1;

export interface Resident {
  readonly id: string;
  readonly lat: number;
  readonly lon: number;
  /** Only boxes of one kind say something about each other. */
  readonly kind: string;
  /** False for a box that is asked about nobody (indoor, mobile). */
  readonly witness: boolean;
}

/** Height of a cell [degrees]: a little more than AROUND_KM. */
const CELL = 1.001 * (AROUND_KM / (2 * Math.PI * 6371)) * 360;
/** Looked at in one cell at most: thousands of boxes on one spot are a factory setting, not a neighbourhood. */
const CROWD = 4096;

const grown = <T extends Int32Array | Float64Array | Uint8Array>(array: T, length: number): T => {
  const out = new (array.constructor as new (n: number) => T)(length);
  out.set(array);
  return out;
};

export class Surroundings {
  /** Slots of boxes; first slot + 1 of each cell, the next one of the same cell, 0 = none. */
  readonly #head = new Map<number, number>();
  #next = new Int32Array(1024);
  #lat = new Float64Array(1024);
  #lon = new Float64Array(1024);
  readonly #id: string[] = [];
  readonly #kinds = new Map<string, number>();
  #kind = new Int32Array(1024);
  #witness = new Uint8Array(1024);
  readonly #free: number[] = [];
  /** AROUND entries a slot, nearest first (ties by id); `#length` 255 = has to be looked up. */
  #near = new Int32Array(1024 * AROUND);
  #km = new Float64Array(1024 * AROUND);
  #length = new Uint8Array(1024);

  /** @returns the slot to ask and remove with */
  add(resident: Resident): number {
    const slot = this.#free.pop() ?? this.#id.length;
    this.#id[slot] = resident.id;
    if (slot >= this.#next.length) {
      const length = Math.ceil(1.5 * slot) + 1;
      this.#next = grown(this.#next, length);
      this.#lat = grown(this.#lat, length);
      this.#lon = grown(this.#lon, length);
      this.#kind = grown(this.#kind, length);
      this.#witness = grown(this.#witness, length);
      this.#near = grown(this.#near, length * AROUND);
      this.#km = grown(this.#km, length * AROUND);
      this.#length = grown(this.#length, length);
    }
    this.#lat[slot] = resident.lat;
    this.#lon[slot] = resident.lon;
    this.#length[slot] = UNKNOWN;
    let kind = this.#kinds.get(resident.kind);
    if (kind === undefined) this.#kinds.set(resident.kind, (kind = this.#kinds.size));
    this.#kind[slot] = kind;
    this.#witness[slot] = resident.witness ? 1 : 0;
    if (resident.witness) {
      this.#each(slot, (other) => {
        if (this.#length[other] === UNKNOWN || this.#kind[other] !== kind) return;
        const km = this.#distance(other, slot);
        if (km <= AROUND_KM) this.#insert(other, slot, km);
      });
    }
    const cell = cellOf(resident.lat, resident.lon);
    this.#next[slot] = this.#head.get(cell) ?? 0;
    this.#head.set(cell, slot + 1);
    return slot;
  }

  remove(slot: number): void {
    const cell = cellOf(this.#lat[slot] as number, this.#lon[slot] as number);
    if (this.#head.get(cell) === slot + 1) this.#head.set(cell, this.#next[slot] as number);
    else {
      for (let at = this.#head.get(cell) ?? 0; at !== 0; at = this.#next[at - 1] as number) {
        if (this.#next[at - 1] !== slot + 1) continue;
        this.#next[at - 1] = this.#next[slot] as number;
        break;
      }
    }
    this.#id[slot] = '';
    this.#free.push(slot);
    this.#each(slot, (other) => {
      this.#length[other] = UNKNOWN;
    });
  }

  /** How many boxes are around; `slotAt` and `kmAt` then give the i-th, nearest first. */
  count(slot: number): number {
    if (this.#length[slot] === UNKNOWN) this.#look(slot);
    return this.#length[slot] as number;
  }
  slotAt(slot: number, i: number): number {
    return this.#near[slot * AROUND + i] as number;
  }
  kmAt(slot: number, i: number): number {
    return this.#km[slot * AROUND + i] as number;
  }

  #look(slot: number): void {
    this.#length[slot] = 0;
    this.#each(slot, (other) => {
      if (other === slot || this.#witness[other] === 0 || this.#kind[other] !== this.#kind[slot]) return;
      const km = this.#distance(slot, other);
      if (km <= AROUND_KM) this.#insert(slot, other, km);
    });
  }

  #distance(a: number, b: number): number {
    return distanceKm(this.#lat[a] as number, this.#lon[a] as number, this.#lat[b] as number, this.#lon[b] as number);
  }

  /** Puts a neighbour in its place in a list, if it belongs there. */
  #insert(slot: number, other: number, km: number): void {
    const start = slot * AROUND;
    const length = this.#length[slot] as number;
    const id = this.#id[other] as string;
    let i = length;
    while (i > 0) {
      const before = this.#km[start + i - 1] as number;
      if (before < km) break;
      if (before === km && (this.#id[this.#near[start + i - 1] as number] as string) < id) break;
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

  /** Calls for every box that may lie within AROUND_KM, itself included. */
  #each(of: number, call: (slot: number) => void): void {
    const lat = this.#lat[of] as number;
    const lon = this.#lon[of] as number;
    const row = Math.floor(lat / CELL);
    for (let r = row - 1; r <= row + 1; r++) {
      const columns = columnsOf(r);
      // At the pole side of the row a kilometre takes the most degrees.
      const wide = Math.min(180, CELL / Math.max(1e-6, cosAt(r)));
      const first = Math.floor(((lon - wide + 180) / 360) * columns);
      const last = Math.floor(((lon + wide + 180) / 360) * columns);
      for (let c = first; c <= Math.min(last, first + columns - 1); c++) {
        let at = this.#head.get(r * ROW + (((c % columns) + columns) % columns)) ?? 0;
        for (let n = 0; at !== 0 && n < CROWD; n++) {
          const slot = at - 1;
          at = this.#next[slot] as number;
          if (Math.abs((this.#lat[slot] as number) - lat) <= CELL) {
            const apart = Math.abs((this.#lon[slot] as number) - lon);
            if (apart <= wide || apart >= 360 - wide) call(slot);
          }
        }
      }
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

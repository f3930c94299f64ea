/**
 * The numbers of the boxes in columns: as members of objects each would be an object of its own, and what four neighbours said last would
 * lie in twelve places of memory. 49 bytes a box.
 */
import type { StageBox } from '../stage.ts';
import type { Gain } from './consensus.ts';
import type { History } from './history.ts';
import type { BoxState } from './memory.ts';

const LOG = 0;
const TIME = 1;
const RATIO = 2;
const COUNT = 3;
const FIELD_VALUE = 4;
const FIELD_KM = 5;
const NUMBERS = 6;

export class BoxRows {
  #numbers = new Float64Array(1024 * NUMBERS);
  #anchored = new Uint8Array(1024);
  #rows = 0;
  readonly #free: number[] = [];
  /** Lent: aimed anew at each call. */
  readonly #own = new GainView(this);

  /** A row as of a box that has said nothing. */
  add(): number {
    const row = this.#free.pop() ?? this.#rows++;
    if (row >= this.#anchored.length) {
      const length = Math.ceil(1.5 * row);
      const [numbers, anchored] = [new Float64Array(length * NUMBERS), new Uint8Array(length)];
      numbers.set(this.#numbers);
      anchored.set(this.#anchored);
      [this.#numbers, this.#anchored] = [numbers, anchored];
    }
    this.#numbers.set([NaN, -Infinity, 0, 0, 0, Infinity], row * NUMBERS);
    this.#anchored[row] = 0;
    return row;
  }

  free(row: number): void {
    this.#free.push(row);
  }

  get(row: number, field: number): number {
    return this.#numbers[row * NUMBERS + field] as number;
  }
  set(row: number, field: number, value: number): void {
    this.#numbers[row * NUMBERS + field] = value;
  }
  isAnchored(row: number): boolean {
    return this.#anchored[row] === 1;
  }
  setAnchored(row: number, anchored: boolean): void {
    this.#anchored[row] = anchored ? 1 : 0;
  }

  /** The gain in a row; good until the next call. */
  gain(row: number): Gain {
    this.#own.row = row;
    return this.#own;
  }
}

/** The gain in whatever row it is aimed at. */
export class GainView implements Gain {
  readonly #rows: BoxRows;
  row = 0;

  constructor(rows: BoxRows) {
    this.#rows = rows;
  }
  get log(): number {
    return this.#rows.get(this.row, LOG);
  }
  set log(x: number) {
    this.#rows.set(this.row, LOG, x);
  }
  get time(): number {
    return this.#rows.get(this.row, TIME);
  }
  set time(x: number) {
    this.#rows.set(this.row, TIME, x);
  }
  get ratio(): number {
    return this.#rows.get(this.row, RATIO);
  }
  set ratio(x: number) {
    this.#rows.set(this.row, RATIO, x);
  }
  get n(): number {
    return this.#rows.get(this.row, COUNT);
  }
  set n(x: number) {
    this.#rows.set(this.row, COUNT, x);
  }
  get anchored(): boolean {
    return this.#rows.isAnchored(this.row);
  }
  set anchored(x: boolean) {
    this.#rows.setAnchored(this.row, x);
  }
}

/** None for a million boxes; one that is paired gets a list of its own. */
const NO_SERIES: number[] = [];
Object.freeze(NO_SERIES);

/** What is known of one box, its numbers in their row. */
export class BoxRecord implements BoxState {
  readonly #rows: BoxRows;
  readonly row: number;
  readonly box: StageBox;
  readonly pool: string;
  readonly plantower: boolean;
  own: number[] = NO_SERIES;
  history: History | null = null;
  fieldVersion = -1;
  indoor = false;
  slot = -1;

  constructor(rows: BoxRows, box: StageBox, pool: string, plantower: boolean) {
    this.#rows = rows;
    this.row = rows.add();
    this.box = box;
    this.pool = pool;
    this.plantower = plantower;
  }

  /** Good until the gain of another box is asked for. */
  get gain(): Gain {
    return this.#rows.gain(this.row);
  }
  get fieldValue(): number {
    return this.#rows.get(this.row, FIELD_VALUE);
  }
  set fieldValue(x: number) {
    this.#rows.set(this.row, FIELD_VALUE, x);
  }
  get fieldKm(): number {
    return this.#rows.get(this.row, FIELD_KM);
  }
  set fieldKm(x: number) {
    this.#rows.set(this.row, FIELD_KM, x);
  }
}

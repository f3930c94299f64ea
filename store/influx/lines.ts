/**
 * Rows as line protocol, written as bytes: text of one line after the other would be made, joined and turned into bytes again.
 * What a field of the schema means stands in `schema.ts`.
 */
import { PROPERTY_SLOTS } from '../../model/properties.ts';
import type { ObservationColumns } from '../store.ts';
import { ASPECTS, fieldNames, MEASUREMENT, packModel, SERIES, type Aspect } from './schema.ts';

/** Points in line protocol, times in ns. Point `i` tells the rows `order[starts[i]] … order[starts[i + 1]]`. */
export interface Points {
  readonly length: number;
  readonly bytes: Uint8Array;
  /** Line `i`, its newline included, is `bytes[offsets[i]] … bytes[offsets[i + 1]]`. */
  readonly offsets: Uint32Array;
  readonly starts: Uint32Array;
  readonly order: ArrayLike<number>;
}

/** A row is at most nine fields of a name (< 40 bytes) and a number (< 26), a line besides them measurement, tag and time. */
const LONGEST_ROW = ASPECTS.length * 68;
const LONGEST_FRAME = 100;
const USUAL_ROW = 128;

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const START = latin1(`${MEASUREMENT},box=`);
type Names = Readonly<Record<Aspect, Uint8Array>>;
/** `name=`, by property and aspect. */
const NAMES: readonly (Names | undefined)[] = Array.from({ length: PROPERTY_SLOTS }, (_, num) => {
  const names = fieldNames(num);
  if (!names) return undefined;
  return Object.fromEntries(ASPECTS.map((aspect, i) => [aspect, latin1(`${names[i]}=`)])) as Names;
});

const [COMMA, SPACE, NEWLINE, MINUS, POINT, ZERO] = [44, 32, 10, 45, 46, 48] as const;

/** Bytes under construction. Whoever writes has made room before (`room`). */
class Text {
  bytes: Uint8Array;
  at = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(capacity));
  }

  room(more: number): void {
    if (this.at + more <= this.bytes.length) return;
    const larger = new Uint8Array(this.bytes.length * 2 + more);
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }

  byte(code: number): void {
    this.bytes[this.at++] = code;
  }

  /** A dozen bytes: a loop beats `set`. */
  copy(part: Uint8Array): void {
    const { bytes } = this;
    let { at } = this;
    for (let i = 0; i < part.length; i++) bytes[at++] = part[i] as number;
    this.at = at;
  }

  text(ascii: string): void {
    const { bytes } = this;
    let { at } = this;
    for (let i = 0; i < ascii.length; i++) bytes[at++] = ascii.charCodeAt(i);
    this.at = at;
  }

  /** A whole number from 0 up to 2^53 in decimal digits, zeros before it where it has fewer than `least`. */
  digits(x: number, least = 1): void {
    const { bytes } = this;
    let length = least;
    for (let bound = least === 1 ? 10 : 10 ** least; x >= bound; bound *= 10) length++;
    let rest = x;
    for (let at = this.at + length - 1; at >= this.at; at--) {
      const tenth = rest < 2 ** 31 ? (rest / 10) | 0 : Math.floor(rest / 10);
      bytes[at] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
    this.at += length;
  }

  /**
   * The shortest decimal that reads back as this very number. Measured values have three decimals at most: those are whole
   * thousandths, and n / 1000 rounds once, as reading the decimal does, so equality proves that it is the same number.
   */
  number(x: number): void {
    const n = Math.round(x * 1000);
    if (n / 1000 !== x || !(Math.abs(n) <= 2 ** 53)) {
      this.text(String(x));
      return;
    }
    if (n < 0) this.byte(MINUS);
    const thousandths = Math.abs(n);
    const whole = Math.floor(thousandths / 1000);
    this.digits(whole);
    let fraction = thousandths - whole * 1000;
    if (fraction === 0) return;
    this.byte(POINT);
    let length = 3;
    for (; fraction % 10 === 0; length--) fraction /= 10;
    this.digits(fraction, length);
  }

  field(name: Uint8Array, x: number): void {
    this.copy(name);
    this.number(x);
  }

  next(name: Uint8Array, x: number): void {
    this.byte(COMMA);
    this.field(name, x);
  }
}

/** What QC and correction added. A first write leaves out what is nothing; a later one has to say so. */
function writeAdded(text: Text, rows: ObservationColumns, i: number, name: Names, again: boolean): void {
  const corrected = rows.corrected[i] as number;
  const given = !Number.isNaN(corrected);
  const reasons = rows.reasons[i] as number;
  const model = packModel(rows.model[i] as number, rows.level[i] as number);
  text.field(name.flag, rows.flag[i] as number);
  if (given) {
    text.next(name.corrected, corrected);
    text.next(name.lo90, rows.lo90[i] as number);
    text.next(name.hi90, rows.hi90[i] as number);
  }
  if (again || model !== 0) text.next(name.model, model);
  if (again || reasons !== 0) text.next(name.reasons, reasons);
  if (again) text.next(name.withdrawn, given ? 0 : 1);
}

/**
 * Rows as points; neighbours of one box and moment share one. The same rows give the same points, so writing them again
 * changes nothing. Rows must have been found fit (`unfit`).
 * @param again the points are there: only what QC and correction added is written
 */
export function encodePoints(
  rows: ObservationColumns,
  order: ArrayLike<number>,
  { series = SERIES, again = false }: { series?: number | undefined; again?: boolean } = {},
): Points {
  const text = new Text(order.length * USUAL_ROW + LONGEST_FRAME);
  const offsets = new Uint32Array(order.length + 1);
  const starts = new Uint32Array(order.length + 1);
  let length = 0;
  for (let at = 0; at < order.length; length++) {
    const first = order[at] as number;
    const box = Math.floor((rows.datastream[first] as number) / PROPERTY_SLOTS);
    const time = rows.phenomenonTime[first] as number;
    starts[length] = at;
    offsets[length] = text.at;
    text.room(LONGEST_FRAME);
    text.copy(START);
    text.digits(box % series);
    text.byte(SPACE);
    for (let n = at; at < order.length; at++) {
      const i = order[at] as number;
      const id = rows.datastream[i] as number;
      if (rows.phenomenonTime[i] !== time || Math.floor(id / PROPERTY_SLOTS) !== box) break;
      const name = NAMES[id % PROPERTY_SLOTS] as Names;
      text.room(LONGEST_ROW + LONGEST_FRAME);
      if (at > n) text.byte(COMMA);
      writeAdded(text, rows, i, name, again);
      if (again) continue;
      text.next(name.latency, (rows.resultTime[i] as number) - time);
      const raw = rows.raw[i] as number;
      if (!Number.isNaN(raw)) text.next(name[''], raw);
    }
    text.byte(SPACE);
    text.digits(time);
    text.digits(Math.floor(box / series), 6);
    text.byte(NEWLINE);
  }
  offsets[length] = text.at;
  starts[length] = order.length;
  return { length, bytes: text.bytes, offsets, starts, order };
}

/** The lines [from, to) as they are sent. */
export const linesOf = ({ bytes, offsets }: Points, from: number, to: number): Uint8Array =>
  bytes.subarray(offsets[from], offsets[to]);

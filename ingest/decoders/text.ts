/** What every decoder does with bytes: lenient text, strict numbers, bounded words. */
import type { PropertyKey } from '../../model/properties.ts';
import type { Decoded } from '../decoder.ts';

/** Longest payload any decoder looks at, in bytes; a whole national feed in one file is about 3 MB. */
export const MAX_PAYLOAD = 16 * 1024 * 1024;
/** Longest payload of one box: a batch of 5000 readings fits. */
export const MAX_BOX_PAYLOAD = 2 * 1024 * 1024;
/** Notes kept per reading, and the longest of them in characters: they are for a person, and a sender must not fill the disk with them. */
export const MAX_NOTES = 12;
const MAX_NOTE = 240;
/** Longest native id in characters. */
const MAX_NATIVE_ID = 64;

/** UTF-8; bytes that are none become U+FFFD, a byte order mark is left out. */
export function textOf(payload: Uint8Array): string {
  const bytes = Buffer.isBuffer(payload)
    ? payload
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const text = bytes.toString('utf8');
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

const POWERS = Array.from({ length: 23 }, (_, i) => 10 ** i);
const WITH_EXPONENT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/**
 * The decimal number that stands in `text[from, to)`, spaces around it allowed; NaN for anything else.
 * Unlike `Number` it refuses '' and hex, unlike `parseFloat` it refuses trailing text (`1970-01-01` is no 1970), and it never
 * gives an infinity. Up to 15 digits are read by hand: both mantissa and power of ten are exact, so their quotient is the
 * correctly rounded number, as `Number` would give.
 */
export function decimal(text: string, from = 0, to = text.length): number {
  while (from < to && text.charCodeAt(from) <= 32) from++;
  while (to > from && text.charCodeAt(to - 1) <= 32) to--;
  let at = from;
  const sign = text.charCodeAt(at);
  if (sign === 45 || sign === 43) at++;
  let mantissa = 0;
  let digits = 0;
  let point = -1;
  for (; at < to; at++) {
    const c = text.charCodeAt(at);
    if (c >= 48 && c <= 57) {
      mantissa = mantissa * 10 + (c - 48);
      digits++;
    } else if (c === 46 && point < 0) point = at;
    else break;
  }
  if (at < to || digits > 15) {
    const whole = text.slice(from, to);
    if (whole.length > 64 || !WITH_EXPONENT.test(whole)) return Number.NaN;
    const value = Number(whole);
    return Number.isFinite(value) ? value : Number.NaN;
  }
  if (digits === 0) return Number.NaN;
  const value = point < 0 ? mantissa : mantissa / (POWERS[to - point - 1] as number);
  return sign === 45 ? 0 - value : value; // never −0
}

/** The number in a JSON value: a finite number, or a string that is a decimal number; NaN for everything else. */
export const numberIn = (value: unknown): number =>
  typeof value === 'number'
    ? Number.isFinite(value)
      ? value
      : Number.NaN
    : typeof value === 'string'
      ? decimal(value)
      : Number.NaN;

const CONTROL = /[\p{Cc}\u2028\u2029]+/gu;

/** A word of the payload made fit for a message: no control characters, bounded. */
export const shown = (value: unknown, max = 60): string => {
  let text: string;
  if (typeof value === 'string') text = value;
  else {
    try {
      text = JSON.stringify(value) ?? String(value);
    } catch {
      text = typeof value;
    }
  }
  text = text.slice(0, max + 1).replace(CONTROL, ' ');
  return text.length > max ? `${text.slice(0, max)}…` : text;
};

/** A native id as it is kept: no control characters, quotes or outer spaces; '' when nothing is left or it is no id at all. */
export function nativeIdOf(value: unknown): string {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (typeof value !== 'string' || value.length > 256) return '';
  const id = value.replace(CONTROL, ' ').replace(/^[\s"']+|[\s"']+$/g, '');
  return id.length > MAX_NATIVE_ID ? '' : id;
}

/** House numbers and floors (號 巷 弄 樓) and anything with an @ or a long row of digits: never a public name. */
const PRIVATE_NAME = /[0-9０-９一二三四五六七八九十]\s*[-之]?\s*[0-9０-９]*\s*[號号巷弄樓室]|@|[0-9]{8,}/;

/** A name that may be shown to everyone, or undefined. The networks let owners type their address as a name. */
export function publicName(value: unknown, nativeId: string): string | undefined {
  if (typeof value !== 'string') return undefined;
  const name = value.replace(CONTROL, ' ').trim();
  // A number that is the public id anyway (智慧城鄉空品微型感測器-11113765144) says nothing new.
  const plain = nativeId === '' ? name : name.replaceAll(nativeId, '');
  if (name === '' || name === 'N/A' || name === nativeId || name.length > 60 || PRIVATE_NAME.test(plain))
    return undefined;
  return name;
}

export const rejected = (code: string, detail: string): Decoded => ({ ok: false, code, detail });

/** Adds a note, bounded in number and length. */
export function note(notes: string[], text: string): void {
  if (notes.length < MAX_NOTES) notes.push(text.length > MAX_NOTE ? `${text.slice(0, MAX_NOTE)}…` : text);
}

export interface Value {
  readonly property: PropertyKey;
  readonly value: number;
}

/** Adds a value unless the property already has one: the first stands. */
export function put(values: Value[], property: PropertyKey, value: number): boolean {
  for (const v of values) if (v.property === property) return false;
  values.push({ property, value });
  return true;
}

/** The object in a JSON value, or null. */
export const objectIn = (value: unknown): Record<string, unknown> | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;

/** The parsed JSON, or undefined when the text is none. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Segment `n` of a topic from the end (0 = the last), '' when there is none. */
export function topicSegment(topic: string, n: number): string {
  let to = topic.length;
  for (;;) {
    const slash = topic.lastIndexOf('/', to - 1);
    const from = to === 0 ? 0 : slash + 1;
    if (n-- === 0) return topic.slice(from, to);
    if (slash < 0) return '';
    to = slash;
  }
}

/** A position on Earth that somebody may have measured, or null; 0,0 is what a missing number becomes, not a place. */
export const isPlace = (lat: number, lon: number): boolean =>
  Number.isFinite(lat) &&
  Number.isFinite(lon) &&
  Math.abs(lat) <= 90 &&
  Math.abs(lon) <= 180 &&
  (lat !== 0 || lon !== 0);

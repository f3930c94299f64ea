/** The clocks of boxes: dates and times in all the spellings of the field, to UTC. */
import { HOUR, parseTime, type EpochMs } from '../../model/time.ts';

/** Asia/Taipei is UTC+8 without summer time since 1979. */
export const TAIPEI = 8 * HOUR;
/** A box that says it is later than this has a clock that never was set (2080-01-06, 2100-12-31); decoders know no "now". */
const NEVER = Date.UTC(2079, 0, 1);
/** No community box measured before this (design §1). */
const EARLIEST = Date.UTC(2015, 0, 1);

/** null for times that only an unset clock gives: 1970, 1980, 1900, 2080, 2100. */
export const believable = (t: EpochMs | null): EpochMs | null => (t !== null && t >= EARLIEST && t < NEVER ? t : null);

/** Milliseconds of a calendar moment, null when it is none (30 February, 24:61). A leap second is the next minute's start. */
export function utc(y: number, mo: number, d: number, h: number, mi: number, s: number): EpochMs | null {
  if (mo < 1 || mo > 12 || h > 23 || mi > 59 || s >= 61 || d < 1) return null;
  if (d > 28 && d > new Date(Date.UTC(y, mo, 0)).getUTCDate()) return null;
  return Date.UTC(y, mo - 1, d, h, mi, 0) + Math.floor(s * 1000);
}

const two = (text: string, at: number): number => {
  const a = text.charCodeAt(at) - 48;
  const b = text.charCodeAt(at + 1) - 48;
  return a >= 0 && a <= 9 && b >= 0 && b <= 9 ? a * 10 + b : Number.NaN;
};

const DATE = /^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$/;
/** `9/7/15`: day, month, year of two digits (LASS ≤ 0.6.6). */
const SHORT_DATE = /^(\d{1,2})\/(\d{1,2})\/(\d{2})$/;
const TIME = /^(上午|下午|AM|PM)?\s*(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d{1,9})?))?\s*(AM|PM)?$/i;

/**
 * A date and a time that are said separately, `offset` milliseconds ahead of UTC. Null when either is absent or impossible.
 * Dates: `2017-8-7`, `2017/08/07`, `2018.02.01`, `9/7/15`; times: `08:54:25`, `8:4:5`, `26.5` seconds, `上午 8:04:05`.
 */
export function dateAndTime(date: string, time: string, offset = 0): EpochMs | null {
  // What nearly every box sends: 2017-08-07 and 08:54:25.
  if (date.length === 10 && time.length === 8 && date.charCodeAt(4) === 45 && time.charCodeAt(2) === 58) {
    const y = two(date, 0) * 100 + two(date, 2);
    const t =
      date.charCodeAt(7) === 45 && time.charCodeAt(5) === 58
        ? utc(y, two(date, 5), two(date, 8), two(time, 0), two(time, 3), two(time, 6))
        : null;
    if (t !== null && !Number.isNaN(t)) return t - offset;
  }
  const clock = TIME.exec(time.trim());
  if (!clock) return null;
  const half = (clock[1] ?? clock[5] ?? '').toUpperCase();
  let hour = Number(clock[2]);
  if (half !== '') {
    if (hour < 1 || hour > 12) return null;
    hour = (hour % 12) + (half === 'PM' || half === '下午' ? 12 : 0);
  }
  const minute = Number(clock[3]);
  const second = clock[4] === undefined ? 0 : Number(clock[4]);
  const d = date.trim();
  const long = DATE.exec(d);
  const short = long ? null : SHORT_DATE.exec(d);
  let t: EpochMs | null = null;
  if (long) t = utc(Number(long[1]), Number(long[2]), Number(long[3]), hour, minute, second);
  else if (short) {
    const yy = Number(short[3]);
    t = utc(yy < 70 ? 2000 + yy : 1900 + yy, Number(short[2]), Number(short[1]), hour, minute, second);
  }
  return t === null ? null : t - offset;
}

const MOMENT = /^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2})[T\s]+(.+?)\s*(Z|[+-]\d{2}:?\d{2})?$/i;

/**
 * One moment in one string, with a zone or without; without one it is read as `offset` milliseconds ahead of UTC.
 * `2016-06-08 10:30:00Z`, `2020/03/20T17:18:02z`, `2018.02.01 21:29:40`, `2023/04/29 16:00:00`, `2020-02-29 23:00`.
 */
export function moment(text: string, offset = 0): EpochMs | null {
  if (text.length > 64) return null;
  const strict = parseTime(text);
  if (strict !== null) return strict;
  const m = MOMENT.exec(text.trim());
  if (!m) return null;
  const zone = m[3];
  if (zone === undefined) return dateAndTime(m[1] as string, m[2] as string, offset);
  if (zone === 'Z' || zone === 'z') return dateAndTime(m[1] as string, m[2] as string, 0);
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (hours > 23 || minutes > 59) return null;
  const ahead = (zone.startsWith('-') ? -1 : 1) * (hours * HOUR + minutes * 60_000);
  return dateAndTime(m[1] as string, m[2] as string, ahead);
}

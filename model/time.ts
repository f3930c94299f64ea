/** UTC milliseconds since 1970-01-01T00:00:00Z; the only form of time inside Lamppost. */
export type EpochMs = number;

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A function that tells the time; tests pass their own. */
export type Clock = () => EpochMs;

/** Milliseconds since the process began, whatever becomes of the machine's clock: for how long something took or may take. */
export const elapsed = (): number => performance.now();

/** RFC 3339 in UTC; whole seconds are written without a fraction. */
export function formatTime(t: EpochMs): string {
  const iso = new Date(t).toISOString();
  return iso.endsWith('.000Z') ? `${iso.slice(0, 19)}Z` : iso;
}

const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/** Two digits as a number; NaN when they are none. */
function two(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? 10 * tens + ones : NaN;
}
const DASH = 45;
const COLON = 58;

/** The form in which most boxes write (`2026-11-21T08:00:00Z`, or with three digits of a second); NaN for any other, valid or not. */
function parseUsual(text: string): EpochMs {
  const n = text.length;
  if ((n !== 20 && n !== 24) || text.charCodeAt(n - 1) !== 90 || text.charCodeAt(10) !== 84) return NaN;
  if (text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH) return NaN;
  if (text.charCodeAt(13) !== COLON || text.charCodeAt(16) !== COLON) return NaN;
  const year = 100 * two(text, 0) + two(text, 2);
  const month = two(text, 5);
  const day = two(text, 8);
  const hour = two(text, 11);
  const minute = two(text, 14);
  const second = two(text, 17);
  let fraction = 0;
  if (n === 24) {
    const last = text.charCodeAt(22) - 48;
    if (text.charCodeAt(19) !== 46 || last < 0 || last > 9) return NaN;
    fraction = Math.floor(((10 * two(text, 20) + last) / 1000) * 1000);
  }
  // Ends of months and leap seconds are left to the thorough way; NaN fails every comparison.
  if (!(year >= 1000 && month >= 1 && month <= 12 && day >= 1 && day <= 28)) return NaN;
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return NaN;
  return Date.UTC(year, month - 1, day, hour, minute, second) + fraction;
}

/**
 * Strict RFC 3339 §5.6: a zone is required and every field is range-checked (`2026-02-30` is not a date).
 * A leap second (`:60`) counts as the first moment of the next minute. Returns null for anything else.
 */
export function parseTime(text: string): EpochMs | null {
  const usual = parseUsual(text);
  return Number.isNaN(usual) ? parseAny(text) : usual;
}

function parseAny(text: string): EpochMs | null {
  const m = RFC3339.exec(text);
  if (!m) return null;
  const [year, month, day, hour, minute, second] = m.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return null;
  if (day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return null;
  const fraction = m[7] ? Math.floor(Number(m[7]) * 1000) : 0;
  const zone = m[8] as string;
  let offset = 0;
  if (zone !== 'Z' && zone !== 'z') {
    const h = Number(zone.slice(1, 3));
    const min = Number(zone.slice(4, 6));
    if (h > 23 || min > 59) return null;
    offset = (zone.startsWith('-') ? -1 : 1) * (h * HOUR + min * MINUTE);
  }
  return Date.UTC(year, month - 1, day, hour, minute, second) + fraction - offset;
}

/** Start of the UTC day that holds `t`. */
export const startOfDay = (t: EpochMs): EpochMs => Math.floor(t / DAY) * DAY;

/** `YYYY-MM-DD` of the UTC day that holds `t`. */
export const dayName = (t: EpochMs): string => new Date(t).toISOString().slice(0, 10);

/** The earliest phenomenon time a box may claim (design §1): before it no community network existed, so the clock is wrong. */
export const EARLIEST_BOX_TIME = Date.UTC(2015, 0, 1);
/** How far ahead of us a box's clock may run before its time is not believed (design §1). */
export const MAX_CLOCK_AHEAD = 2 * MINUTE;

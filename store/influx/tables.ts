/**
 * Flux answers as they stream in: annotated CSV whose columns are known beforehand. Values are numbers, times and names of our
 * own making, none of which is ever quoted; only error tables are, and those are told in words.
 */

export interface TableRow {
  /** Name of the `yield`; `_result` when the query has none. */
  readonly result: string;
  /** [epoch ms], NaN when the table has no time. */
  readonly time: number;
  /** Nanoseconds behind the millisecond. */
  readonly slot: number;
  readonly value: number;
  readonly field: string;
  readonly box: string;
}

/** Number of days from 1970-01-01 (Howard Hinnant, “chrono-compatible low-level date algorithms”, days_from_civil). */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return (
    era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
  );
}

const digits = (text: string, from: number, to: number): number => {
  let n = 0;
  for (let i = from; i < to; i++) n = n * 10 + text.charCodeAt(i) - 48;
  return n;
};

let lastDay = '';
let lastDayStart = 0;

/** What a time says behind the millisecond [ns]. */
export const slotOf = (text: string): number =>
  text.length <= 24 || !text.endsWith('Z') ? 0 : Number(text.slice(23, -1).padEnd(6, '0'));

/** RFC 3339 in UTC as Flux writes it, up to nanoseconds; what is finer than a millisecond is cut. Date.parse takes 5 times as long. */
export function timeOf(text: string): number {
  if (!text.endsWith('Z') || text.length < 20) return Date.parse(text);
  const day = text.slice(0, 10);
  if (day !== lastDay) {
    lastDay = day;
    lastDayStart = daysFromCivil(digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10)) * 86_400_000;
  }
  const seconds = digits(text, 11, 13) * 3600 + digits(text, 14, 16) * 60 + digits(text, 17, 19);
  const fraction = text.length > 20 ? Number(text.slice(20, Math.min(23, text.length - 1)).padEnd(3, '0')) : 0;
  return lastDayStart + seconds * 1000 + fraction;
}

const unquoted = (line: string): string => line.replace(/^[,\s]*"?|"?[,\d\s]*$/g, '').replaceAll('""', '"');

/** Reads an answer to its end, or until `each` returns false. @throws Error in the server's words when the query failed on its way */
export async function readTable(
  chunks: AsyncIterable<Uint8Array>,
  each: (row: TableRow) => boolean | void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  let header = true;
  let byDefault: string[] = [];
  let [result, time, value, field, box] = [-1, -1, -1, -1, -1];
  let failed = false;

  const line = (text: string): boolean => {
    if (text === '') {
      header = true;
      return true;
    }
    if (text.startsWith('#')) {
      if (text.startsWith('#default')) byDefault = text.split(',');
      header = true;
      return true;
    }
    if (header) {
      const names = text.split(',');
      failed = names.includes('error') && names.includes('reference');
      [result, time, value, field, box] = ['result', '_time', '_value', '_field', 'box'].map((n) =>
        names.indexOf(n),
      ) as [number, number, number, number, number];
      header = false;
      return true;
    }
    if (failed) throw new Error(`InfluxDB could not answer: ${unquoted(text).slice(0, 500)}`);
    const cells = text.split(',');
    return (
      each({
        result: cells[result] || byDefault[result] || '_result',
        time: time < 0 ? NaN : timeOf(cells[time] as string),
        slot: time < 0 ? 0 : slotOf(cells[time] as string),
        value: value < 0 || cells[value] === '' ? NaN : Number(cells[value]),
        field: field < 0 ? '' : (cells[field] as string),
        box: box < 0 ? '' : (cells[box] as string),
      }) !== false
    );
  };

  for await (const chunk of chunks) {
    const text = rest + decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      const stop = end > from && text.charCodeAt(end - 1) === 13 ? end - 1 : end;
      if (!line(text.slice(from, stop))) return;
      from = end + 1;
    }
    rest = text.slice(from);
  }
  if (rest !== '') line(rest);
}

/** CSV as RFC 4180 quotes it, lines ended by \n, UTF-8; null is an empty cell. Written fast: exports run to millions of rows. */
import { reasonStrings } from '../model/flags.ts';
import { property, roundTo, type PropertyKey } from '../model/properties.ts';
import { DAY, SECOND, formatTime, type EpochMs } from '../model/time.ts';
import type { ObservationColumns } from '../store/store.ts';
import type { ModelNames } from './models.ts';
import type { Edition, Level } from './observation.ts';
import type { SeriesAggregate } from './series.ts';

export const CSV_HEADER = 'phenomenonTime,value,unit,level,flag,reasons,lo90,hi90,model,licence';
/** Which edition a value is, for who asks for it. */
export const CSV_EDITION = ',product,revision';
export const CSV_AGGREGATE_HEADER = `${CSV_HEADER},phenomenonTimeEnd,count,coverage`;

export const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const TWO = Array.from({ length: 60 }, (_, i) => String(i).padStart(2, '0'));

/** `formatTime` for ascending times: the date is made once a day. */
export function timeWriter(): (t: EpochMs) => string {
  let day = NaN;
  let date = '';
  return (t) => {
    if (t % SECOND !== 0) return formatTime(t);
    const d = Math.floor(t / DAY);
    if (d !== day) {
      day = d;
      date = new Date(d * DAY).toISOString().slice(0, 11);
    }
    const s = (t - d * DAY) / SECOND;
    const hours = Math.floor(s / 3600);
    return `${date}${TWO[hours]}:${TWO[Math.floor(s / 60) % 60]}:${TWO[s % 60]}Z`;
  };
}

const num = (v: number): string => (Number.isFinite(v) ? String(v) : '');

/** Lines of one piece of readings, each ended. */
export function readingsCsv(
  key: PropertyKey,
  level: Level,
  licence: string,
  models: ModelNames,
  edition: ((phenomenonTime: EpochMs, resultTime: EpochMs) => Edition) | null,
): (rows: ObservationColumns) => string {
  const p = property(key);
  const time = timeWriter();
  const corrected = level === 'corrected';
  const middle = `,${cell(p.unit)},${level},`;
  const terms = `,${cell(licence)}`;
  const reasons = new Map<number, string>();
  const reasonsOf = (mask: number): string => {
    let text = reasons.get(mask);
    if (text === undefined) {
      if (reasons.size > 10_000) reasons.clear();
      reasons.set(mask, (text = reasonStrings(key, mask).join(';')));
    }
    return text;
  };
  return (rows) => {
    let out = '';
    for (let i = 0; i < rows.length; i++) {
      const value = (corrected ? rows.corrected[i] : rows.raw[i]) as number;
      const flags = `${middle}${rows.flag[i]},${rows.reasons[i] === 0 ? '' : reasonsOf(rows.reasons[i] as number)},`;
      const interval =
        corrected && Number.isFinite(value)
          ? `${roundTo(rows.lo90[i] as number, p.resolution)},${roundTo(rows.hi90[i] as number, p.resolution)},`
          : ',,';
      const model = corrected ? cell(models.name(rows.model[i] as number)) : '';
      out += `${time(rows.phenomenonTime[i] as number)},${num(value)}${flags}${interval}${model}${terms}`;
      if (edition) {
        const { product, revision } = edition(rows.phenomenonTime[i] as number, rows.resultTime[i] as number);
        out += `,${product},${revision}`;
      }
      out += '\n';
    }
    return out;
  };
}

export function aggregateCsv(
  key: PropertyKey,
  level: Level,
  licence: string,
): (rows: readonly SeriesAggregate[]) => string {
  const { unit } = property(key);
  const time = timeWriter();
  return (rows) =>
    rows
      .map((r) => {
        const cells = [time(r.start), r.mean ?? '', cell(unit), level, r.flag, '', r.lo90 ?? '', r.hi90 ?? '', '', cell(licence), formatTime(r.end), r.count, r.coverage ?? '']; // prettier-ignore
        return `${cells.join(',')}\n`;
      })
      .join('');
}

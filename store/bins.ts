/**
 * The bins of an aggregate: where each starts and ends, and how partial sums over smaller pieces of time add up to a bin.
 * Every store uses these, so they agree on calendars and edges.
 */
import { FLAG } from '../model/flags.ts';
import { DAY, HOUR, MINUTE, type EpochMs } from '../model/time.ts';
import type { ObservationRow } from './columns.ts';
import type { AggregateQuery, AggregateRow } from './store.ts';

/** Sums over the rows of one datastream in one piece of time. min/max are NaN where the count is 0. */
export interface Partial {
  readonly start: EpochMs;
  readonly total: number;
  readonly rawCount: number;
  readonly rawSum: number;
  readonly rawMin: number;
  readonly rawMax: number;
  readonly correctedCount: number;
  readonly correctedSum: number;
  readonly correctedMin: number;
  readonly correctedMax: number;
  readonly lo90Sum: number;
  readonly hi90Sum: number;
}

/** One row as a piece of its own: what takes part in means, and what only counts. */
export function partialOf(row: ObservationRow): Partial {
  const counts = (row.flag === FLAG.good || row.flag === FLAG.notEvaluated) && !Number.isNaN(row.raw);
  const given = !Number.isNaN(row.corrected);
  return {
    start: row.phenomenonTime,
    total: 1,
    rawCount: counts ? 1 : 0,
    rawSum: row.raw,
    rawMin: row.raw,
    rawMax: row.raw,
    correctedCount: given ? 1 : 0,
    correctedSum: row.corrected,
    correctedMin: row.corrected,
    correctedMax: row.corrected,
    lo90Sum: row.lo90,
    hi90Sum: row.hi90,
  };
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Minutes are exact for every zone since 1972. @throws RangeError for a name that is no IANA zone */
export function zoneOffset(timezone: string, t: EpochMs): number {
  if (timezone === 'UTC') return 0;
  let format = formats.get(timezone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
    formats.set(timezone, format);
  }
  const f: Record<string, number> = {};
  for (const part of format.formatToParts(t)) f[part.type] = Number(part.value);
  const local = Date.UTC(f['year'] as number, (f['month'] as number) - 1, f['day'], f['hour'], f['minute']);
  return local - Math.floor(t / MINUTE) * MINUTE;
}

/** The moment at which the wall clock of a zone shows this local time; in a gap of daylight saving, the moment of the jump. */
function fromLocal(timezone: string, local: number): EpochMs {
  const before = local - zoneOffset(timezone, local - DAY);
  const after = local - zoneOffset(timezone, local + DAY);
  if (before + zoneOffset(timezone, before) === local) return before;
  return after + zoneOffset(timezone, after) === local ? after : Math.max(before, after);
}

function localPeriodStart(step: 'day' | 'month', local: number, plus: number): number {
  const d = new Date(local);
  return step === 'day'
    ? Math.floor(local / DAY) * DAY + plus * DAY
    : Date.UTC(d.getUTCFullYear(), d.getUTCMonth() + plus, 1);
}

export interface Bins {
  /** Start of the bin that holds `t`. */
  start(t: EpochMs): EpochMs;
  /** End (exclusive) of the bin that starts at `start`. */
  end(start: EpochMs): EpochMs;
  /** Every edge inside the query lies on a multiple of this from 1970 [ms]; null: only `start` knows. */
  readonly unit: number | null;
  /** For fixed steps: an edge; bins lie at `phase + n × step`. */
  readonly phase: number;
}

/** @throws RangeError for a step or zone that cannot be */
export function binsOf(query: Pick<AggregateQuery, 'step' | 'timezone' | 'from' | 'to'>): Bins {
  const timezone = query.timezone ?? 'UTC';
  const { step } = query;
  if (typeof step === 'number') {
    if (!Number.isInteger(step) || step < 1) throw new RangeError(`step must be a whole number of ms ≥ 1, not ${step}`);
    const phase = -zoneOffset(timezone, query.from);
    const unit = step % HOUR === 0 && phase % HOUR === 0 ? HOUR : null;
    return {
      start: (t) => Math.floor((t - phase) / step) * step + phase,
      end: (start) => start + step,
      unit,
      phase,
    };
  }
  // Calendar periods are few; each is looked up once.
  let from = NaN;
  let to = NaN;
  const period = (t: EpochMs): void => {
    if (t >= from && t < to) return;
    const local = t + zoneOffset(timezone, t);
    from = fromLocal(timezone, localPeriodStart(step, local, 0));
    to = fromLocal(timezone, localPeriodStart(step, local, 1));
  };
  return {
    start(t) {
      period(t);
      return from;
    },
    end(start) {
      period(start);
      return to;
    },
    // Offsets of today's zones are multiples of 15 minutes; both ends tell whether they are whole hours here.
    unit:
      timezone === 'UTC' || [query.from, query.to].every((t) => zoneOffset(timezone, t) % HOUR === 0)
        ? HOUR
        : 15 * MINUTE,
    phase: 0,
  };
}

/**
 * By how much the interval of a mean is narrower than the mean of its intervals. What a box and its place are off by stays as it is however many
 * readings are averaged; what changes from hour to hour averages out, six hours of it counting as one (calibration note §8.4: u_noise²/n). The
 * share that stays was chosen so that 8 h and day means of Denver, with the station left out, hold what hours do (docs/methods.md).
 *
 * @param hours different hours that take part in the mean
 */
export const narrowing = (hours: number): number => Math.sqrt(STAYS + (1 - STAYS) / Math.max(1, hours / ALIKE));
const STAYS = 0.5;
const ALIKE = 6;

/** Adds partials (ascending by start, none across an edge) up to the rows of the answer. */
export function combine(partials: Iterable<Partial>, bins: Bins, level: AggregateQuery['level']): AggregateRow[] {
  const rows: AggregateRow[] = [];
  let start = NaN;
  let end = NaN;
  let [total, count, sum, lo, hi, min, max] = [0, 0, 0, 0, 0, Infinity, -Infinity];
  let [hours, hour] = [0, NaN];
  const flush = (): void => {
    if (total === 0) return;
    const none = count === 0;
    const interval = level === 'corrected' && !none;
    const mean = sum / count;
    const narrower = narrowing(hours);
    rows.push({
      start,
      end,
      mean: none ? null : mean,
      min: none ? null : min,
      max: none ? null : max,
      lo90: interval ? mean - narrower * (mean - lo / count) : null,
      hi90: interval ? mean + narrower * (hi / count - mean) : null,
      count,
      total,
    });
  };
  for (const p of partials) {
    if (!(p.start >= start && p.start < end)) {
      flush();
      start = bins.start(p.start);
      end = bins.end(start);
      [total, count, sum, lo, hi, min, max] = [0, 0, 0, 0, 0, Infinity, -Infinity];
      [hours, hour] = [0, NaN];
    }
    total += p.total;
    const n = level === 'raw' ? p.rawCount : p.correctedCount;
    if (n === 0) continue;
    count += n;
    const at = Math.floor(p.start / HOUR);
    if (at !== hour) {
      hour = at;
      hours++;
    }
    sum += level === 'raw' ? p.rawSum : p.correctedSum;
    lo += p.lo90Sum;
    hi += p.hi90Sum;
    min = Math.min(min, level === 'raw' ? p.rawMin : p.correctedMin);
    max = Math.max(max, level === 'raw' ? p.rawMax : p.correctedMax);
  }
  flush();
  return rows;
}

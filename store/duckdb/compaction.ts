/**
 * What compaction does, as a sequence of small steps, each at most one file long: moving rows out of `recent`, merging what was
 * moved in pieces, summing up hours, gathering the days of a past month. `nextStep` says what is to be done first; `docs/store.md`
 * says why in this order.
 *
 * A step that takes rows from `recent` is one transaction: it copies what it sees, deletes exactly that and lists the new file.
 * The others read files that never change and need a transaction only to list the result. Killed before the commit, a step
 * leaves a file that nobody lists.
 */
import { DAY, HOUR, MINUTE, startOfDay, type EpochMs } from '../../model/time.ts';
import { PROPERTY_SLOTS } from '../../model/properties.ts';
import { numbers } from './database.ts';
import { touches } from './source.ts';
import type { DuckDBConnection } from '@duckdb/node-api';
import {
  ANY_DATASTREAM,
  daysOfPart,
  endOfMonth,
  isPiece,
  ofSeveralDays,
  startOfMonth,
  type Manifest,
  type Part,
} from './parts.ts';

export interface CompactionLimits {
  /** Rows of one file, and of one step of work: twice as many hours no longer sort in DuckDB's 1 GB, however much it may spill. */
  readonly fileRows: number;
  /** Rows of the present day leave `recent` when so many are older than a few minutes. */
  readonly flushRows: number;
  /** A day up to this size is made anew for a single late row: seconds. */
  readonly smallDay: number;
  /** Roll-ups of a month up to this many rows are one file, made anew with each day. */
  readonly monthRows: number;
  /** Rows that the files of a past month aim at: few enough that one datastream is found in it within milliseconds. */
  readonly pieceRows: number;
  /** Days are gathered up to so many rows: who asks for one moment of all datastreams reads all of them. */
  readonly gatherRows: number;
  /** Rows that are laid out by time at once for who reads everything (stages.ts). */
  readonly stageRows: number;
}

export const LIMITS: CompactionLimits = {
  fileRows: 8_000_000,
  flushRows: 4_000_000,
  smallDay: 4_000_000,
  monthRows: 4_000_000,
  pieceRows: 500_000,
  gatherRows: 64_000_000,
  stageRows: 1_500_000,
};

/** A larger day waits for this share of late rows, or for a row that has waited a day. */
const LATE_SHARE = 0.01;
/** Readings of the last minutes are still coming in. */
const SETTLED = 5 * MINUTE;
/** So many pieces of a day or month are merged. */
const PIECES = 8;
/** More files of late rows beside those of a past month are merged into them. */
const LATE_FILES = 4;
/** A month has at most about so many files: where there are many rows, files are larger. */
const MOST_FILES = 1000;
/** Days gathered together: as many of a month as `gatherRows` allows. */
const PERIODS = [31, 16, 8, 4, 2];
/** Days of the present month that are gathered before it has ended. */
const WEEK = 8;
/** What ended so long ago has come in. */
const SETTLED_DAYS = 2 * DAY;

/** Rows are counted by Things where files say that there are not too many, else by 64 of them. */
const MANY_THINGS = 100_000;
const LARGE_BUCKET = 64 * PROPERTY_SLOTS;
/** A file begins and ends with a whole number of so many datastreams. */
export const bucketOf = (parts: readonly Range[]): number =>
  parts.some((p) => p.highest - p.lowest > MANY_THINGS * PROPERTY_SLOTS) ? LARGE_BUCKET : PROPERTY_SLOTS;

export interface Range {
  readonly lowest: number;
  readonly highest: number;
}

export interface WholeDay {
  readonly day: EpochMs;
  readonly parts: readonly Part[];
  /** Of its files and in `recent` */
  readonly rows: number;
}

export type Step =
  /** One file of everything a day has; small days together. */
  | { readonly kind: 'whole'; readonly days: readonly WholeDay[] }
  /** Rows of a day out of `recent` into a file of their own. */
  | { readonly kind: 'move'; readonly day: EpochMs; readonly to: EpochMs; readonly rows: number }
  /** Recomputed values into one file of a large day. */
  | { readonly kind: 'amend'; readonly part: Part }
  /** Range after range of datastreams out of several files: of one day, of the days of a past month, of one month of roll-ups. */
  | { readonly kind: 'merge'; readonly parts: readonly Part[]; readonly fileRows: number }
  /** Files of late rows into those files of a past month that they belong to. */
  | { readonly kind: 'fold'; readonly pieces: readonly Part[]; readonly late: readonly Part[] }
  /** The roll-ups of a month count no longer; they are to be made anew. */
  | { readonly kind: 'forget'; readonly month: EpochMs; readonly parts: readonly Part[] }
  /** Hours of these files of observations. */
  | {
      readonly kind: 'rollUp';
      readonly month: EpochMs;
      /** Those that are not summed up yet. */
      readonly parts: readonly Part[];
      /** Those in whose time and datastreams the present roll-ups hold former values. */
      readonly stale: readonly Part[];
    };

interface Waiting {
  readonly rows: number;
  readonly amended: number;
  readonly oldest: EpochMs;
}

const rowsOf = (parts: readonly Part[]): number => parts.reduce((n, p) => n + p.rows, 0);

async function waitingByDay(connection: DuckDBConnection, today: EpochMs): Promise<Map<EpochMs, Waiting>> {
  const found = await numbers(
    connection,
    `SELECT ("phenomenonTime" // ${DAY}) * ${DAY} AS day, count(*) FILTER (NOT amended), count(*) FILTER (amended), min("resultTime")
     FROM (SELECT "phenomenonTime", "resultTime", false AS amended FROM recent
           UNION ALL SELECT "phenomenonTime", "resultTime", true FROM amended)
     WHERE "phenomenonTime" < ${today} GROUP BY day ORDER BY day`,
  );
  return new Map(found.map(([day = 0, rows = 0, amended = 0, oldest = 0]) => [day, { rows, amended, oldest }]));
}

/** What is to be done for an ended day before its hours are summed up; null = nothing. */
function dayStep(
  day: EpochMs,
  parts: readonly Part[],
  waiting: Waiting | undefined,
  now: EpochMs,
  limits: CompactionLimits,
): Step | null {
  const stored = rowsOf(parts);
  const late = waiting ? waiting.rows + waiting.amended : 0;
  const due =
    waiting &&
    (stored < limits.smallDay || late >= stored * LATE_SHARE || waiting.oldest < now - DAY || parts.length > 1);
  const pieces = parts.filter((p) => !p.merged);
  const rows = stored + (waiting?.rows ?? 0);
  if (rows <= limits.fileRows)
    return due || pieces.length > 0 || parts.length > 1 ? { kind: 'whole', days: [{ day, parts, rows }] } : null;
  if (due && waiting.rows > 0) return { kind: 'move', day, to: day + DAY, rows: waiting.rows };
  const begun = parts.filter((p) => p.cut > 0);
  if (begun.length > 0) return { kind: 'merge', parts: begun, fileRows: limits.fileRows };
  // Those that are in the roll-ups and those that are not stay apart: what a merge makes is one or the other.
  const first = pieces[0];
  const alike = pieces.filter((p) => p.rolled === first?.rolled);
  if (alike.length > (parts.some((p) => p.merged) ? PIECES : 1))
    return { kind: 'merge', parts: alike, fileRows: limits.fileRows };
  return null;
}

/** Size of a file where so many rows lie side by side. */
const pieceRowsOf = (rows: number, limits: CompactionLimits): number =>
  Math.min(limits.fileRows, Math.max(limits.pieceRows, Math.ceil(rows / MOST_FILES)));

function monthStep(
  month: EpochMs,
  days: readonly Part[],
  manifest: Manifest,
  now: EpochMs,
  limits: CompactionLimits,
): Step | null {
  const hours = manifest.months.get(month);
  const lost = manifest.lost.filter((p) => p.kind === 'hours' && p.start === month);
  if (lost.length > 0 || (!hours && days.some((p) => p.rolled !== 'no'))) return { kind: 'forget', month, parts: lost };
  const upTo = (parts: readonly Part[], rows: number): Part[] => {
    const some: Part[] = [];
    for (const part of parts) if (some.length === 0 || rowsOf(some) + part.rows <= rows) some.push(part);
    return some;
  };
  // At minutes, this many rows make about a quarter of a file of hours.
  const open = upTo(
    days.filter((p) => p.rolled === 'no'),
    limits.fileRows * 16,
  );
  const stale = upTo(
    days.filter((p) => p.rolled === 'stale'),
    limits.fileRows,
  );
  if (open.length > 0 || stale.length > 0) return { kind: 'rollUp', month, parts: open, stale };
  const ended = endOfMonth(month) + SETTLED_DAYS < now;
  if (!hours) return null;
  const fileRows = pieceRowsOf(rowsOf(hours), limits);
  const begun = hours.filter((p) => p.cut > 0);
  if (begun.length > 0) return { kind: 'merge', parts: begun, fileRows };
  const pieces = hours.filter((p) => !p.merged);
  const many = pieces.length > PIECES || (ended && hours.length > 1 && rowsOf(pieces) > rowsOf(hours) / 10);
  const large = ended && hours.some((p) => p.rows > 2 * fileRows && p.highest - p.lowest >= bucketOf(hours));
  if (many || large) return { kind: 'merge', parts: hours, fileRows };
  return gatherStep(month, days, manifest, now, limits);
}

/** The days of a past week or month together, and what has come in late into those gathered before. */
function gatherStep(
  month: EpochMs,
  files: readonly Part[],
  manifest: Manifest,
  now: EpochMs,
  limits: CompactionLimits,
): Step | null {
  const fileRows = pieceRowsOf(rowsOf(files), limits);
  const begun = files.filter((p) => p.cut > 0 && p.merged);
  // All of one merge: what was made anew in between counts as late.
  if (begun.length > 0) return { kind: 'merge', parts: begun.filter((p) => p.cut === begun[0]?.cut), fileRows };
  const pieces = files.filter(isPiece);
  const gathered = new Set(pieces.flatMap((p) => [...daysOfPart(p)]));
  const isLate = (p: Part): boolean => !isPiece(p) && (ofSeveralDays(p) || gathered.has(startOfDay(p.start)));
  const late = files.filter(isLate);
  if (late.length > LATE_FILES || rowsOf(late) > rowsOf(pieces) * LATE_SHARE) return { kind: 'fold', pieces, late };
  const longest = endOfMonth(month) + SETTLED_DAYS < now ? 31 : WEEK;
  const share = (days: number): number => rowsOf(files) * Math.min(1, days / 31);
  const period = PERIODS.find((days) => days <= longest && share(days) <= limits.gatherRows);
  if (period === undefined) return null;
  const periods = new Map<number, Part[]>();
  for (const part of files.filter((p) => !isLate(p))) {
    const nth = Math.floor((part.start - month) / (period * DAY));
    periods.set(nth, [...(periods.get(nth) ?? []), part]);
  }
  for (const [nth, parts] of periods) {
    const end = Math.min(month + (nth + 1) * period * DAY, endOfMonth(month));
    const spans = new Set(parts.map((p) => `${startOfDay(p.start)} ${startOfDay(p.end - 1)}`));
    if (end + SETTLED_DAYS < now && spans.size > 1 && !parts.some((p) => touches(p, manifest.amended)))
      return { kind: 'merge', parts, fileRows };
  }
  return null;
}

/**
 * What there is to do first at `now`; null = nothing.
 * @param moved days that have had their turn: what has come in since waits for the next time
 */
export async function nextStep(
  connection: DuckDBConnection,
  manifest: Manifest,
  now: EpochMs,
  limits: CompactionLimits,
  moved: ReadonlySet<EpochMs>,
): Promise<Step | null> {
  const today = startOfDay(now);
  const waiting = await waitingByDay(connection, today);
  for (const day of moved) waiting.delete(day);
  const partsOf = new Map<EpochMs, Part[]>();
  const gathered = new Set<EpochMs>();
  for (const part of manifest.days)
    for (const day of daysOfPart(part)) {
      const parts = partsOf.get(day);
      if (parts) parts.push(part);
      else partsOf.set(day, [part]);
      if (isPiece(part)) gathered.add(day);
    }
  const ended = [...new Set([...waiting.keys(), ...partsOf.keys()])].filter((d) => d < today).sort((a, b) => a - b);
  const wholes: WholeDay[] = [];
  for (const day of ended) {
    if (gathered.has(day)) continue;
    // A file of several days belongs to gathered ones, be they lost.
    const parts = (partsOf.get(day) ?? []).filter((p) => !ofSeveralDays(p));
    const step = dayStep(day, parts, waiting.get(day), now, limits);
    if (step?.kind !== 'whole') {
      if (step && wholes.length === 0) return step;
      continue;
    }
    const together = [...wholes, ...step.days];
    if (wholes.length > 0 && together.reduce((n, d) => n + d.rows, 0) > limits.fileRows) break;
    wholes.push(...step.days);
  }
  if (wholes.length > 0) return { kind: 'whole', days: wholes };
  const late = lateRows(gathered, waiting, now, limits);
  if (late) return late;
  const amended = await amendedPart(connection, manifest, waiting, partsOf, now);
  if (amended) return { kind: 'amend', part: amended };
  const byMonth = new Map<EpochMs, Part[]>();
  for (const part of manifest.days) {
    if (startOfDay(part.start) >= today) continue;
    const month = startOfMonth(part.start);
    const parts = byMonth.get(month);
    if (parts) parts.push(part);
    else byMonth.set(month, [part]);
  }
  for (const [month, days] of byMonth) {
    const step = monthStep(month, days, manifest, now, limits);
    if (step) return step;
  }
  const to = now - SETTLED;
  const [[rows = 0] = []] = await numbers(
    connection,
    `SELECT count(*) FROM recent WHERE "phenomenonTime" >= ${today} AND "phenomenonTime" < ${Math.trunc(to)}`,
  );
  return rows >= limits.flushRows && !moved.has(today) ? { kind: 'move', day: today, to, rows } : null;
}

/** Rows that came in late for gathered days of one month: out of `recent` when they are many or have waited a day. */
function lateRows(
  gathered: ReadonlySet<EpochMs>,
  waiting: ReadonlyMap<EpochMs, Waiting>,
  now: EpochMs,
  limits: CompactionLimits,
): Step | null {
  const due = (run: Extract<Step, { kind: 'move' }>, oldest: EpochMs): boolean =>
    run.rows >= limits.flushRows || (run.rows > 0 && oldest < now - DAY);
  let run: Extract<Step, { kind: 'move' }> = { kind: 'move', day: NaN, to: NaN, rows: 0 };
  let oldest = Infinity;
  for (const [day, { rows, oldest: first }] of waiting) {
    if (rows === 0 || !gathered.has(day)) continue;
    let together = run.rows > 0 && startOfMonth(day) === startOfMonth(run.day);
    // A day in between that is not gathered has its own turn.
    for (let d = run.to; together && d < day; d += DAY) together = gathered.has(d);
    if (!together && due(run, oldest)) return run;
    run = { kind: 'move', day: together ? run.day : day, to: day + DAY, rows: rows + (together ? run.rows : 0) };
    oldest = together ? Math.min(oldest, first) : first;
  }
  return due(run, oldest) ? run : null;
}
/** A file of a large day into which recomputed values are to be folded. */
async function amendedPart(
  connection: DuckDBConnection,
  manifest: Manifest,
  waiting: ReadonlyMap<EpochMs, Waiting>,
  partsOf: ReadonlyMap<EpochMs, readonly Part[]>,
  now: EpochMs,
): Promise<Part | null> {
  for (const [day, { amended }] of waiting) {
    const parts = partsOf.get(day) ?? [];
    if (amended === 0 || parts.length === 0 || !manifest.amended.has(day)) continue;
    const [[first = 0, time = 0, oldest = 0] = []] = await numbers(
      connection,
      `SELECT arg_min(datastream, (datastream, "phenomenonTime")), arg_min("phenomenonTime", (datastream, "phenomenonTime")), min("resultTime")
       FROM amended WHERE "phenomenonTime" >= ${day} AND "phenomenonTime" < ${day + DAY}`,
    );
    if (amended < rowsOf(parts) * LATE_SHARE && oldest >= now - DAY) continue;
    const holding = parts.find(
      (p) => p.lowest <= first && p.highest >= first && p.cut <= first && p.start <= time && p.end > time,
    );
    if (holding) return holding;
  }
  return null;
}

/**
 * Ranges of datastreams from `from` on that hold about `fileRows` rows each, in the order of datastreams; the last one reaches to the end.
 * @param counted SQL that answers the datastreams of the rows in question, one row each
 */
export async function ranges(
  connection: DuckDBConnection,
  counted: string,
  rows: number,
  fileRows: number,
  { from = 0, bucket = LARGE_BUCKET }: { from?: number; bucket?: number } = {},
): Promise<Range[]> {
  if (rows <= fileRows) return [{ lowest: from, highest: ANY_DATASTREAM.highest }];
  const buckets = await numbers(
    connection,
    `SELECT datastream // ${bucket} AS bucket, count(*) FROM (${counted}) GROUP BY bucket ORDER BY bucket`,
  );
  const found: Range[] = [];
  let lowest = from;
  let held = 0;
  for (const [at = 0, n = 0] of buckets) {
    if (held > 0 && held + n > fileRows) {
      found.push({ lowest, highest: at * bucket - 1 });
      lowest = at * bucket;
      held = 0;
    }
    held += n;
  }
  found.push({ lowest, highest: ANY_DATASTREAM.highest });
  return found;
}

/** Hour rows that these files can make at most, roughly. */
export const hourRows = (rows: number, datastreams: number, days: number): number =>
  Math.min(rows, datastreams * days * (DAY / HOUR));

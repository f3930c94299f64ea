/**
 * What compaction does, as a sequence of small steps, each at most one file long: moving rows out of `recent`, merging what was
 * moved in pieces, summing up hours. `nextStep` says what is to be done first; `docs/store.md` says why in this order.
 *
 * A step that takes rows from `recent` is one transaction: it copies what it sees, deletes exactly that and lists the new file.
 * The others read files that never change and need a transaction only to list the result. Killed before the commit, a step
 * leaves a file that nobody lists.
 */
import { DAY, HOUR, MINUTE, startOfDay, type EpochMs } from '../../model/time.ts';
import { numbers } from './database.ts';
import type { DuckDBConnection } from '@duckdb/node-api';
import { ANY_DATASTREAM, endOfMonth, startOfMonth, type Manifest, type Part } from './parts.ts';

export interface CompactionLimits {
  /** Rows of one file, and of one step of work: twice as many hours no longer sort in DuckDB's 1 GB, however much it may spill. */
  readonly fileRows: number;
  /** Rows of the present day leave `recent` when so many are older than a few minutes. */
  readonly flushRows: number;
  /** A day up to this size is made anew for a single late row: seconds. */
  readonly smallDay: number;
  /** Roll-ups of a month up to this many rows are one file, made anew with each day. */
  readonly monthRows: number;
}

export const LIMITS: CompactionLimits = {
  fileRows: 8_000_000,
  flushRows: 4_000_000,
  smallDay: 4_000_000,
  monthRows: 4_000_000,
};

/** A larger day waits for this share of late rows, or for a row that has waited a day. */
const LATE_SHARE = 0.01;
/** Readings of the last minutes are still coming in. */
const SETTLED = 5 * MINUTE;
/** So many pieces of a day or month are merged. */
const PIECES = 8;

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
  /** The next range of datastreams out of several files of one day, or of one month of roll-ups. */
  | { readonly kind: 'merge'; readonly parts: readonly Part[] }
  /** The roll-ups of a month count no longer; they are to be made anew. */
  | { readonly kind: 'forget'; readonly month: EpochMs; readonly parts: readonly Part[] }
  /** Hours of these files of observations. */
  | {
      readonly kind: 'rollUp';
      readonly month: EpochMs;
      readonly parts: readonly Part[];
      /** Days whose hours in the present roll-ups are of former values. */
      readonly stale: ReadonlySet<EpochMs>;
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
  if (begun.length > 0) return { kind: 'merge', parts: begun };
  // Those that are in the roll-ups and those that are not stay apart: what a merge makes is one or the other.
  const first = pieces[0];
  const alike = pieces.filter((p) => p.rolled === first?.rolled);
  if (alike.length > (parts.some((p) => p.merged) ? PIECES : 1)) return { kind: 'merge', parts: alike };
  return null;
}

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
  const stale = new Set(days.filter((p) => p.rolled === 'stale').map((p) => startOfDay(p.start)));
  const open = days.filter((p) => p.rolled === 'no' || stale.has(startOfDay(p.start)));
  if (open.length > 0) {
    // At minutes, this many rows make about a quarter of a file of hours.
    const parts: Part[] = [];
    for (const part of open)
      if (stale.size > 0 || rowsOf(parts) + part.rows <= limits.fileRows * 16 || parts.length === 0) parts.push(part);
    return { kind: 'rollUp', month, parts, stale };
  }
  if (!hours) return null;
  const begun = hours.filter((p) => p.cut > 0);
  if (begun.length > 0) return { kind: 'merge', parts: begun };
  const pieces = hours.filter((p) => !p.merged);
  const ended = endOfMonth(month) + 2 * DAY < now;
  const many = pieces.length > PIECES || (ended && hours.length > 1 && rowsOf(pieces) > rowsOf(hours) / 10);
  return many ? { kind: 'merge', parts: hours } : null;
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
  for (const part of manifest.days) {
    const day = startOfDay(part.start);
    const parts = partsOf.get(day);
    if (parts) parts.push(part);
    else partsOf.set(day, [part]);
  }
  const ended = [...new Set([...waiting.keys(), ...partsOf.keys()])].filter((d) => d < today).sort((a, b) => a - b);
  const wholes: WholeDay[] = [];
  for (const day of ended) {
    const step = dayStep(day, partsOf.get(day) ?? [], waiting.get(day), now, limits);
    if (step?.kind !== 'whole') {
      if (step && wholes.length === 0) return step;
      continue;
    }
    const together = [...wholes, ...step.days];
    if (wholes.length > 0 && together.reduce((n, d) => n + d.rows, 0) > limits.fileRows) break;
    wholes.push(...step.days);
  }
  if (wholes.length > 0) return { kind: 'whole', days: wholes };
  const amended = await amendedPart(connection, manifest, waiting, partsOf, now);
  if (amended) return { kind: 'amend', part: amended };
  const byMonth = new Map<EpochMs, Part[]>();
  for (const day of ended) {
    const month = startOfMonth(day);
    byMonth.set(month, [...(byMonth.get(month) ?? []), ...(partsOf.get(day) ?? [])]);
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
  from = 0,
): Promise<Range[]> {
  if (rows <= fileRows) return [{ lowest: from, highest: ANY_DATASTREAM.highest }];
  // 4096 numbers are 64 Things.
  const buckets = await numbers(
    connection,
    `SELECT datastream >> 12 AS bucket, count(*) FROM (${counted}) GROUP BY bucket ORDER BY bucket`,
  );
  const found: Range[] = [];
  let lowest = from;
  let held = 0;
  for (const [bucket = 0, n = 0] of buckets) {
    if (held > 0 && held + n > fileRows) {
      found.push({ lowest, highest: bucket * 4096 - 1 });
      lowest = bucket * 4096;
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

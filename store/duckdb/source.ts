/**
 * SQL for "the observations of this span, wherever they lie": the recent table, the day files, and day files whose
 * recomputed values still wait in the table `amended`.
 */
import { DAY, startOfDay, type EpochMs } from '../../model/time.ts';
import { COLUMN_NAMES } from '../columns.ts';
import { DECODED } from './encoding.ts';
import type { Manifest, Part, PartFolder } from './parts.ts';

export interface Span {
  /** inclusive */
  readonly from: EpochMs;
  /** exclusive */
  readonly to: EpochMs;
}

const time = '"phenomenonTime"';
const KEPT = ['datastream', 'phenomenonTime', 'resultTime', 'raw'] as const;

const columnList = COLUMN_NAMES.map((name) => `"${name}"`).join(', ');

/** Numbers that go into SQL as text. @throws RangeError for what is no number */
export function literal(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`a number is needed, not ${value}`);
  return String(Math.trunc(value));
}

export const within = (span: Span): string => `${time} >= ${literal(span.from)} AND ${time} < ${literal(span.to)}`;

export const ofDatastreams = (ids: readonly number[]): string =>
  ids.length === 1
    ? `datastream = ${literal(ids[0] as number)}`
    : ids.length <= 200
      ? `datastream IN (${ids.map(literal).join(', ')})`
      : `datastream IN (SELECT unnest([${ids.map(literal).join(', ')}]))`;

export const daysIn = (manifest: Manifest, span: Span): Part[] =>
  manifest.days.filter((p) => p.end > span.from && p.start < span.to);

export interface Source {
  readonly span: Span;
  /** Further condition on datastream or phenomenonTime. */
  readonly where?: string;
  /** Without the recent table: day files only. */
  readonly filesOnly?: boolean;
  /** Only these of the day files. */
  readonly days?: readonly Part[];
}

/** A SELECT of the columns of `COLUMN_NAMES`, in no order. */
export function observations(folder: PartFolder, manifest: Manifest, source: Source): string {
  const condition = `${within(source.span)} AND ${source.where ?? 'true'}`;
  const days = source.days ?? daysIn(manifest, source.span);
  const amended = days.filter((p) => manifest.amended.has(p.start));
  const plain = days.filter((p) => !manifest.amended.has(p.start));
  const selects: string[] = [];
  if (!source.filesOnly) selects.push(`SELECT ${columnList} FROM recent WHERE ${condition}`);
  if (plain.length > 0) selects.push(`SELECT ${DECODED} FROM ${folder.table(plain)} WHERE ${condition}`);
  if (amended.length > 0) {
    const columns = COLUMN_NAMES.map((name) =>
      (KEPT as readonly string[]).includes(name)
        ? `d."${name}"`
        : `CASE WHEN a.datastream IS NULL THEN d."${name}" ELSE a."${name}" END AS "${name}"`,
    );
    selects.push(`SELECT ${columns.join(', ')}
      FROM (SELECT ${DECODED} FROM ${folder.table(amended)} WHERE ${condition}) d
      LEFT JOIN (SELECT * FROM amended WHERE ${condition}) a USING (datastream, ${time})`);
  }
  return selects.length === 0
    ? `SELECT ${columnList} FROM recent WHERE false`
    : selects.map((select) => `(${select})`).join(' UNION ALL ');
}

/** The UTC days that hold these moments. */
export function daysOf(times: Iterable<EpochMs>): Set<EpochMs> {
  const days = new Set<EpochMs>();
  let last = NaN;
  for (const t of times) {
    if (t >= last && t < last + DAY) continue;
    last = startOfDay(t);
    days.add(last);
  }
  return days;
}

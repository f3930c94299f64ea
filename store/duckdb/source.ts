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

/** May hold rows of one of these datastreams. */
export const mayHold = (part: Part, ids: readonly number[] | undefined): boolean =>
  ids === undefined || ids.some((id) => id >= Math.max(part.lowest, part.cut) && id <= part.highest);

/** Files that may hold rows of the span (and of these datastreams). */
export const daysIn = (manifest: Manifest, span: Span, ids?: readonly number[]): Part[] =>
  manifest.days.filter((p) => p.end > span.from && p.start < span.to && mayHold(p, ids));

/** Files whose rows below a datastream count elsewhere, by that datastream. */
function byCut(parts: readonly Part[]): Map<number, Part[]> {
  const groups = new Map<number, Part[]>();
  for (const part of parts) groups.set(part.cut, [...(groups.get(part.cut) ?? []), part]);
  return groups;
}

/** SELECTs of `columns` from those rows of files that count and meet the condition. */
export const fromParts = (folder: PartFolder, parts: readonly Part[], columns: string, condition: string): string[] =>
  [...byCut(parts)].map(
    ([cut, group]) =>
      `SELECT ${columns} FROM ${folder.table(group)} WHERE ${condition}${cut === 0 ? '' : ` AND datastream >= ${literal(cut)}`}`,
  );

export interface Source {
  readonly span: Span;
  /** Only these datastreams. */
  readonly datastreams?: readonly number[];
  /** Further condition on datastream or phenomenonTime. */
  readonly where?: string;
  /** Without the recent table: day files only. */
  readonly filesOnly?: boolean;
  /** Only these of the day files. */
  readonly days?: readonly Part[];
}

/** A SELECT of the columns of `COLUMN_NAMES`, in no order. */
export function observations(folder: PartFolder, manifest: Manifest, source: Source): string {
  const ids = source.datastreams;
  const condition = [within(source.span), ...(ids ? [ofDatastreams(ids)] : []), source.where ?? 'true'].join(' AND ');
  const days = (source.days ?? daysIn(manifest, source.span)).filter((p) => mayHold(p, ids));
  const amended = days.filter((p) => manifest.amended.has(startOfDay(p.start)));
  const plain = days.filter((p) => !manifest.amended.has(startOfDay(p.start)));
  const selects: string[] = [];
  if (!source.filesOnly) selects.push(`SELECT ${columnList} FROM recent WHERE ${condition}`);
  selects.push(...fromParts(folder, plain, DECODED, condition));
  if (amended.length > 0) {
    const columns = COLUMN_NAMES.map((name) =>
      (KEPT as readonly string[]).includes(name)
        ? `d."${name}"`
        : `CASE WHEN a.datastream IS NULL THEN d."${name}" ELSE a."${name}" END AS "${name}"`,
    );
    selects.push(`SELECT ${columns.join(', ')}
      FROM (${fromParts(folder, amended, DECODED, condition).join(' UNION ALL ')}) d
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

/**
 * SQL for "the observations of this span, wherever they lie": the recent table, the day files, and day files whose
 * recomputed values still wait in the table `amended`.
 */
import { DAY, HOUR, startOfDay, type EpochMs } from '../../model/time.ts';
import { COLUMN_NAMES } from '../columns.ts';
import { DECODED, DECODED_STEPS } from './encoding.ts';
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

/** Datastreams that a file may hold. */
export const rectangle = (part: Part): string => `datastream BETWEEN ${part.lowest} AND ${part.highest}`;
/** Hours that a file reaches into; `hour` is SQL of an hour since 1970. */
export const inHours = (part: Pick<Part, 'start' | 'end'>, hour = 'hour'): string =>
  `${hour} BETWEEN ${Math.floor(part.start / HOUR)} AND ${Math.floor((part.end - 1) / HOUR)}`;

/** Does it reach into one of these days? */
export const touches = (part: Part, days: ReadonlySet<EpochMs>): boolean => {
  if (days.size === 0) return false;
  for (let day = startOfDay(part.start); day < part.end; day += DAY) if (days.has(day)) return true;
  return false;
};

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
  /** No row of the recent table lies before: half of the time of a small page is planning. */
  readonly recentFrom?: EpochMs;
  /** Only these of the day files. */
  readonly days?: readonly Part[];
  /** A table that holds the rows of some of the files. */
  readonly staged?: { readonly table: string; readonly names: ReadonlySet<string> } | null;
}

/** SELECTs of decoded rows that count and meet the condition, from files and from the table that holds some of theirs. */
export function decoded(
  folder: PartFolder,
  parts: readonly Part[],
  condition: string,
  staged: Source['staged'] = null,
): string[] {
  const inFiles = parts.filter((p) => !staged?.names.has(p.name));
  const selects = [
    ...fromParts(
      folder,
      inFiles.filter((p) => p.exact),
      DECODED,
      condition,
    ),
    ...fromParts(
      folder,
      inFiles.filter((p) => !p.exact),
      DECODED_STEPS,
      condition,
    ),
  ];
  if (staged && inFiles.length < parts.length)
    selects.push(`SELECT ${columnList} FROM ${staged.table} WHERE ${condition}`);
  return selects;
}

/** A SELECT of the columns of `COLUMN_NAMES`, in no order. */
export function observations(folder: PartFolder, manifest: Manifest, source: Source): string {
  const ids = source.datastreams;
  const condition = [within(source.span), ...(ids ? [ofDatastreams(ids)] : []), source.where ?? 'true'].join(' AND ');
  const days = (source.days ?? daysIn(manifest, source.span)).filter((p) => mayHold(p, ids));
  const { staged } = source;
  // Rows of a stage are of many files: where one of them waits for recomputed values, all do.
  const together = days.some((p) => staged?.names.has(p.name) && touches(p, manifest.amended));
  const amended = days.filter((p) => touches(p, manifest.amended) || (together && staged?.names.has(p.name)));
  const plain = days.filter((p) => !amended.includes(p));
  const selects: string[] = [];
  if (!source.filesOnly && source.span.to > (source.recentFrom ?? -Infinity))
    selects.push(`SELECT ${columnList} FROM recent WHERE ${condition}`);
  selects.push(...decoded(folder, plain, condition, staged));
  if (amended.length > 0) {
    const columns = COLUMN_NAMES.map((name) =>
      (KEPT as readonly string[]).includes(name)
        ? `d."${name}"`
        : `CASE WHEN a.datastream IS NULL THEN d."${name}" ELSE a."${name}" END AS "${name}"`,
    );
    selects.push(`SELECT ${columns.join(', ')}
      FROM (${decoded(folder, amended, condition, staged).join(' UNION ALL ')}) d
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

/** The questions of `ObservationStore`, asked of one consistent view: a connection in a read transaction and its manifest. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { DAY, HOUR, startOfDay, type EpochMs } from '../../model/time.ts';
import { binsOf, combine, type Partial } from '../bins.ts';
import { joinColumns } from '../columns.ts';
import {
  allocateColumns,
  type AggregateQuery,
  type AggregateRow,
  type ObservationColumns,
  type RangeQuery,
} from '../store.ts';
import { readColumns, readDoubles, SELECT_COLUMNS } from './chunks.ts';
import { one } from './database.ts';
import { PARTIAL_COLUMNS, partialsOfHours, partialsOfRows } from './hours.ts';
import { startOfMonth, type Manifest, type PartFolder } from './parts.ts';
import { daysIn, literal, observations, ofDatastreams, within, type Span } from './source.ts';

export interface View {
  readonly connection: DuckDBConnection;
  readonly manifest: Manifest;
  readonly folder: PartFolder;
  /** Earliest and latest phenomenon time of anything stored; Infinity, -Infinity when empty. */
  readonly first: EpochMs;
  readonly last: EpochMs;
}

/** Pages of at least this many rows are looked for in the whole span at once. */
const LARGE_PAGE = 5000;

/**
 * A small page of a long span is looked for in slices of time that grow, so that "the newest 100" opens one or two files
 * instead of a year of them.
 */
export async function range(view: View, query: RangeQuery): Promise<ObservationColumns> {
  if (query.datastreams.length === 0 || query.limit < 1) return allocateColumns(0);
  const descending = query.order === 'desc';
  const direction = descending ? 'DESC' : 'ASC';
  const { after } = query;
  let from = Math.max(query.from, view.first);
  let to = Math.min(query.to, view.last + 1);
  if (after && descending) to = Math.min(to, after.phenomenonTime + 1);
  if (after && !descending) from = Math.max(from, after.phenomenonTime);
  const conditions = [ofDatastreams(query.datastreams)];
  if (after)
    conditions.push(
      `("phenomenonTime", datastream) ${descending ? '<' : '>'} (${literal(after.phenomenonTime)}::BIGINT, ${literal(after.datastream)}::INTEGER)`,
    );
  const where = conditions.join(' AND ');
  const blocks: ObservationColumns[] = [];
  let missing = query.limit;
  // First the day at the edge alone: one file.
  let width = query.limit >= LARGE_PAGE ? Infinity : 1;
  while (from < to && missing > 0) {
    // Slices end at midnight, where files end.
    const span: Span = descending
      ? { from: Math.max(from, startOfDay(to - width)), to }
      : { from, to: Math.min(to, startOfDay(from + width - 1) + DAY) };
    const source = observations(view.folder, view.manifest, { span, where });
    const sql = `SELECT ${SELECT_COLUMNS} FROM (${source})
      ORDER BY "phenomenonTime" ${direction}, datastream ${direction} LIMIT ${literal(missing)}`;
    const block = await readColumns(await view.connection.run(sql));
    if (block.length > 0) blocks.push(block);
    missing -= block.length;
    if (descending) to = span.from;
    else from = span.to;
    width = Math.max(DAY, width * 4);
  }
  return joinColumns(blocks);
}

const clip = (span: Span, view: View): Span => ({
  from: Math.max(span.from, view.first),
  to: Math.min(span.to, view.last + 1),
});

/** Hours come from roll-ups; what these do not cover (today, cut hours, days just recomputed) comes from rows. */
function partialsByHour(view: View, span: Span, datastream: number): string {
  const { folder, manifest } = view;
  const where = ofDatastreams([datastream]);
  const first = Math.ceil(span.from / HOUR);
  const end = Math.floor(span.to / HOUR);
  const rows: string[] = [`SELECT * FROM recent WHERE ${within(span)} AND ${where}`];
  const fromFiles = (part: Span, days = daysIn(manifest, part)): void => {
    if (days.length > 0 && part.from < part.to)
      rows.push(observations(folder, manifest, { span: part, where, filesOnly: true, days }));
  };
  const selects: string[] = [];
  if (first >= end) {
    fromFiles(span);
  } else {
    const whole = { from: first * HOUR, to: end * HOUR };
    const byRows = daysIn(manifest, whole).filter(
      (p) => manifest.amended.has(p.start) || !manifest.months.has(startOfMonth(p.start)),
    );
    fromFiles({ from: span.from, to: whole.from });
    fromFiles(whole, byRows);
    fromFiles({ from: whole.to, to: span.to });
    const months = [...manifest.months.values()].filter((p) => p.end > whole.from && p.start < whole.to);
    const without = byRows.map((p) => ` AND hour NOT BETWEEN ${p.start / HOUR} AND ${p.start / HOUR + 23}`).join('');
    if (months.length > 0)
      selects.push(partialsOfHours(folder.table(months), `${where} AND hour >= ${first} AND hour < ${end}${without}`));
  }
  selects.push(partialsOfRows(rows.map((r) => `(${r})`).join(' UNION ALL '), HOUR, 0));
  return selects.map((s) => `(${s})`).join(' UNION ALL ');
}

export async function aggregate(view: View, query: AggregateQuery): Promise<AggregateRow[]> {
  const bins = binsOf(query);
  const span = clip(query, view);
  if (!(span.from < span.to)) return [];
  const select =
    bins.unit === HOUR
      ? partialsByHour(view, span, query.datastream)
      : partialsOfRows(
          observations(view.folder, view.manifest, { span, where: ofDatastreams([query.datastream]) }),
          bins.unit ?? (query.step as number),
          bins.unit === null ? bins.phase : 0,
        );
  const columns = await readDoubles(
    await view.connection.run(
      `SELECT ${PARTIAL_COLUMNS.map((c) => `"${c}"`).join(', ')} FROM (${select}) ORDER BY start`,
    ),
  );
  const partials = Array.from({ length: columns[0]?.length ?? 0 }, (_, i) => {
    const partial: Record<string, number> = {};
    for (const [c, name] of PARTIAL_COLUMNS.entries()) partial[name] = columns[c]?.[i] as number;
    return partial as unknown as Partial;
  });
  return combine(partials, bins, query.level);
}

export async function latest(view: View, since: EpochMs): Promise<ObservationColumns> {
  const span = clip({ from: since, to: Infinity }, view);
  if (!(span.from < span.to)) return allocateColumns(0);
  const source = observations(view.folder, view.manifest, { span });
  return readColumns(
    await view.connection.run(
      `WITH newest AS (SELECT datastream, max("phenomenonTime") AS "phenomenonTime" FROM (${source}) GROUP BY datastream)
       SELECT ${SELECT_COLUMNS} FROM (${source}) JOIN newest USING (datastream, "phenomenonTime") ORDER BY datastream`,
    ),
  );
}

export async function count(view: View, from: EpochMs, to: EpochMs): Promise<number> {
  const span = clip({ from, to }, view);
  if (!(span.from < span.to)) return 0;
  const days = daysIn(view.manifest, span);
  const whole = days.filter((p) => p.start >= span.from && p.end <= span.to);
  const cut = days.filter((p) => !whole.includes(p));
  const [rows = 0] = await one(
    view.connection,
    `SELECT count(*) FROM (${observations(view.folder, view.manifest, { span, days: cut })})`,
  );
  return whole.reduce((n, p) => n + p.rows, rows);
}

/** One block of a scan: every row of the slice, in order. */
export async function slice(view: View, span: Span): Promise<ObservationColumns> {
  const source = observations(view.folder, view.manifest, { span });
  return readColumns(
    await view.connection.run(`SELECT ${SELECT_COLUMNS} FROM (${source}) ORDER BY "phenomenonTime", datastream`),
  );
}

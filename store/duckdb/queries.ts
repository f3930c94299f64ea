/** The questions of `ObservationStore`, asked of one consistent view: a connection in a read transaction and its manifest. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { DAY, HOUR, startOfDay, type EpochMs } from '../../model/time.ts';
import { PROPERTY_SLOTS } from '../../model/properties.ts';
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
import { numbers, one } from './database.ts';
import { PARTIAL_COLUMNS, partialsOfHours, partialsOfRows } from './hours.ts';
import { daysOfPart, isPiece, startOfMonth, type Manifest, type Part, type PartFolder } from './parts.ts';
import {
  daysIn,
  fromParts,
  literal,
  mayHold,
  observations,
  ofDatastreams,
  within,
  type Source,
  type Span,
} from './source.ts';

export interface View {
  readonly connection: DuckDBConnection;
  readonly manifest: Manifest;
  readonly folder: PartFolder;
  /** Earliest and latest phenomenon time of anything stored; Infinity, -Infinity when empty. */
  readonly first: EpochMs;
  readonly last: EpochMs;
  /** No row of the recent table lies before. */
  readonly recentFrom: EpochMs;
}

/** Spans of up to this many days are looked through at once when the page is of at least so many rows. */
const FEW_DAYS = 16;
const LARGE_PAGE = 5000;

/**
 * A page of a long span is looked for in slices of time, as wide as what was found so far says the page will be: "the newest
 * 100" opens one or two files instead of a year of them, and a year in pages opens each file about once.
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
  const where = after
    ? `("phenomenonTime", datastream) ${descending ? '<' : '>'} (${literal(after.phenomenonTime)}::BIGINT, ${literal(after.datastream)}::INTEGER)`
    : 'true';
  const blocks: ObservationColumns[] = [];
  let missing = query.limit;
  // First the day at the edge alone, or as many days of one file as should do.
  let width =
    query.limit >= LARGE_PAGE && to - from <= FEW_DAYS * DAY
      ? Infinity
      : widthOf(view.manifest, query, descending ? to - 1 : from);
  const began = descending ? to : from;
  while (from < to && missing > 0) {
    // Slices end at midnight, where files end.
    const span: Span = descending
      ? { from: Math.max(from, startOfDay(to - width)), to }
      : { from, to: Math.min(to, startOfDay(from + width - 1) + DAY) };
    const { datastreams } = query;
    const { recentFrom } = view;
    const source = observations(view.folder, view.manifest, { span, where, datastreams, recentFrom });
    const sql = `SELECT ${SELECT_COLUMNS} FROM (${source})
      ORDER BY "phenomenonTime" ${direction}, datastream ${direction} LIMIT ${literal(missing)}`;
    const block = await readColumns(await view.connection.run(sql));
    if (block.length > 0) blocks.push(block);
    missing -= block.length;
    if (descending) to = span.from;
    else from = span.to;
    const found = query.limit - missing;
    const covered = Math.abs((descending ? to : from) - began);
    // One file too many costs less than one more question.
    width = Math.max(DAY, block.length === 0 ? width * 4 : width * 2, 1.3 * missing * (covered / Math.max(1, found)));
  }
  return joinColumns(blocks);
}

/** Values of a Thing that are counted on where a file says how many rows it has, but not of how many datastreams. */
const MOST_PROPERTIES = 8;

/** Time that should hold the page [ms], where a file of several days lies at its edge. */
function widthOf(manifest: Manifest, { datastreams, limit }: RangeQuery, edge: EpochMs): number {
  const piece = manifest.days.find((p) => isPiece(p) && p.start <= edge && p.end > edge && mayHold(p, datastreams));
  if (!piece) return 1;
  const things = Math.floor(piece.highest / PROPERTY_SLOTS) - Math.floor(piece.lowest / PROPERTY_SLOTS) + 1;
  const days = [...daysOfPart(piece)].length;
  const density = (piece.rows / things / MOST_PROPERTIES / days) * datastreams.length;
  return (limit / density) * DAY;
}

const clip = (span: Span, view: View): Span => ({
  from: Math.max(span.from, view.first),
  to: Math.min(span.to, view.last + 1),
});

interface HourSpan {
  /** Hours since 1970, both inclusive. */
  readonly first: number;
  readonly last: number;
}

/** Hours come from roll-ups; what these do not cover (today, cut hours, days just recomputed) comes from rows. */
function partialsByHour(view: View, span: Span, datastream: number): string {
  const { folder, manifest } = view;
  const datastreams = [datastream];
  const where = ofDatastreams(datastreams);
  const first = Math.ceil(span.from / HOUR);
  const end = Math.floor(span.to / HOUR);
  const rows: string[] = [`SELECT * FROM recent WHERE ${within(span)} AND ${where}`];
  const fromFiles = (part: Span, days = daysIn(manifest, part, datastreams)): void => {
    if (days.length > 0 && part.from < part.to)
      rows.push(observations(folder, manifest, { span: part, datastreams, filesOnly: true, days }));
  };
  const selects: string[] = [];
  if (first >= end) {
    fromFiles(span);
  } else {
    const whole = { from: first * HOUR, to: end * HOUR };
    const inWhole = daysIn(manifest, whole, datastreams);
    // Hours that the roll-ups have of former values, or not at all.
    const former: HourSpan[] = [];
    for (const day of manifest.amended)
      if (day + DAY > whole.from && day < whole.to) former.push({ first: day / HOUR, last: day / HOUR + 23 });
    for (const p of inWhole)
      if (p.rolled === 'stale')
        former.push({ first: Math.floor(p.start / HOUR), last: Math.floor((p.end - 1) / HOUR) });
    const months = [...manifest.months.values()]
      .flat()
      .filter((p) => p.end > whole.from && p.start < whole.to && mayHold(p, datastreams));
    const summed = (p: Part): boolean => p.rolled !== 'no' && manifest.months.has(startOfMonth(p.start));
    fromFiles({ from: span.from, to: whole.from });
    fromFiles({ from: whole.to, to: span.to });
    fromFiles(
      whole,
      inWhole.filter((p) => !summed(p)),
    );
    const again = inWhole.filter(
      (p) => summed(p) && former.some((f) => p.start < (f.last + 1) * HOUR && p.end > f.first * HOUR),
    );
    if (again.length > 0) {
      const when = former.map((f) => `"phenomenonTime" BETWEEN ${f.first * HOUR} AND ${(f.last + 1) * HOUR - 1}`);
      const source = { span: whole, datastreams, filesOnly: true, days: again, where: `(${when.join(' OR ')})` };
      rows.push(observations(folder, manifest, source));
    }
    const without = former.map((f) => ` AND hour NOT BETWEEN ${f.first} AND ${f.last}`).join('');
    const condition = `${where} AND hour >= ${first} AND hour < ${end}${without}`;
    for (const exact of [true, false]) {
      const files = fromParts(
        folder,
        months.filter((p) => p.exact === exact),
        '*',
        condition,
      );
      if (files.length > 0) selects.push(partialsOfHours(`(${files.join(' UNION ALL ')})`, exact));
    }
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
          observations(view.folder, view.manifest, { span, datastreams: [query.datastream] }),
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

/** @param newest SQL of every datastream in question and the time of its newest row; null = to be found out from the rows */
export async function latest(view: View, since: EpochMs, newest: string | null): Promise<ObservationColumns> {
  const span = clip({ from: since, to: Infinity }, view);
  if (!(span.from < span.to)) return allocateColumns(0);
  const { connection, folder, manifest } = view;
  let days = daysIn(manifest, span);
  if (newest !== null) {
    // Only files that hold a newest row are read: mostly the last ones.
    const hours = await numbers(
      connection,
      `SELECT "phenomenonTime" // ${HOUR} AS hour, min(datastream), max(datastream) FROM (${newest}) GROUP BY hour`,
    );
    days = days.filter((p) =>
      hours.some(
        ([hour = 0, lowest = 0, highest = 0]) =>
          p.start < (hour + 1) * HOUR && p.end > hour * HOUR && p.lowest <= highest && p.highest >= lowest,
      ),
    );
  }
  const source = observations(folder, manifest, { span, days });
  const wanted =
    newest ?? `SELECT datastream, max("phenomenonTime") AS "phenomenonTime" FROM (${source}) GROUP BY datastream`;
  return readColumns(
    await connection.run(
      `WITH newest AS (${wanted})
       SELECT ${SELECT_COLUMNS} FROM (${source}) JOIN newest USING (datastream, "phenomenonTime") ORDER BY datastream`,
    ),
  );
}

export async function count(view: View, from: EpochMs, to: EpochMs): Promise<number> {
  const span = clip({ from, to }, view);
  if (!(span.from < span.to)) return 0;
  const days = daysIn(view.manifest, span);
  const whole = days.filter((p) => p.start >= from && p.end <= to);
  const cut = days.filter((p) => !whole.includes(p));
  const [rows = 0] = await one(
    view.connection,
    `SELECT count(*) FROM (${observations(view.folder, view.manifest, { span, days: cut })})`,
  );
  return whole.reduce((n, p) => n + p.rows, rows);
}

/** One block of a scan: every row of the slice, in order. */
export async function slice(view: View, span: Span, staged: Source['staged'] = null): Promise<ObservationColumns> {
  const source = observations(view.folder, view.manifest, { span, staged });
  return readColumns(
    await view.connection.run(`SELECT ${SELECT_COLUMNS} FROM (${source}) ORDER BY "phenomenonTime", datastream`),
  );
}

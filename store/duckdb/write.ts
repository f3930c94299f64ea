/**
 * Writing rows. Most rows are newer than anything their datastream has (the watermarks know) and go straight in; the few
 * late ones are looked up first, in the recent table and in the day files they would belong to.
 */
import type { DuckDBConnection } from '@duckdb/node-api';
import { conflict } from '../conflict.ts';
import { Moments } from '../moments.ts';
import type { AppendResult, ObservationColumns, Reject } from '../store.ts';
import { appendRows, readDoubles } from './chunks.ts';
import { daysIn, daysOf, decoded, ofDatastreams, touches, within, type Source, type Span } from './source.ts';
import type { Manifest, PartFolder } from './parts.ts';
import type { Watermarks } from '../watermarks.ts';

/** Up to this many datastreams, late rows are looked up by name, which opens only the row groups that hold them. */
const FEW_DATASTREAMS = 200;
const PAYLOAD_LIMIT = 4096;

/** Rows on their way to be compared; a table of the connection, not of the file. */
export const STAGED = 'CREATE TEMP TABLE IF NOT EXISTS staged AS SELECT * FROM recent WHERE false';

export interface WriteView {
  readonly connection: DuckDBConnection;
  readonly folder: PartFolder;
  /** The manifest of the transaction that is open on `connection`. */
  manifest(): Promise<Manifest>;
  /** A table that holds the rows of this span that lie in files of several days. */
  staged?(manifest: Manifest, span: Span): Source['staged'];
}

const everyIndex = (rows: ObservationColumns): Int32Array => Int32Array.from({ length: rows.length }, (_, i) => i);

async function insert(connection: DuckDBConnection, rows: ObservationColumns, indices: Int32Array): Promise<void> {
  if (indices.length === 0) return;
  const appender = await connection.createAppender('recent');
  appendRows(appender, rows, indices);
  appender.closeSync();
}

async function stage(connection: DuckDBConnection, rows: ObservationColumns, indices: Int32Array): Promise<void> {
  await connection.run('DELETE FROM temp.staged');
  const appender = await connection.createAppender('staged', 'main', 'temp');
  appendRows(appender, rows, indices);
  appender.closeSync();
}

function spanOf(rows: ObservationColumns, indices: Int32Array): Span {
  let from = Infinity;
  let to = -Infinity;
  for (const i of indices) {
    const t = rows.phenomenonTime[i] as number;
    from = Math.min(from, t);
    to = Math.max(to, t + 1);
  }
  return { from, to };
}

/** What day files hold that could be one of these rows, and the condition that finds them. */
async function filesOf(
  view: WriteView,
  rows: ObservationColumns,
  indices: Int32Array,
): Promise<{ files: string; condition: string; span: Span }> {
  const manifest = await view.manifest();
  const span = spanOf(rows, indices);
  const touched = daysOf(Float64Array.from(indices, (i) => rows.phenomenonTime[i] as number));
  const days = daysIn(manifest, span).filter((p) => touches(p, touched));
  const ids = new Set<number>();
  for (const i of indices) if (ids.size <= FEW_DATASTREAMS) ids.add(rows.datastream[i] as number);
  const few = ids.size <= FEW_DATASTREAMS ? ` AND ${ofDatastreams([...ids])}` : '';
  const condition = within(span) + few;
  const staged = few === '' ? (view.staged?.(manifest, span) ?? null) : null;
  const rowsOfFiles = decoded(view.folder, days, condition, staged).map((select) => `(${select})`);
  return { files: days.length > 0 ? `(${rowsOfFiles.join(' UNION ALL ')})` : '', condition, span };
}

async function storedValues(view: WriteView, rows: ObservationColumns, late: Int32Array): Promise<Moments> {
  await stage(view.connection, rows, late);
  const { files, condition } = await filesOf(view, rows, late);
  const sources = [`SELECT datastream, "phenomenonTime", raw FROM recent WHERE ${condition}`];
  if (files !== '') sources.push(`SELECT datastream, "phenomenonTime", raw FROM ${files}`);
  const [ids, times, values] = await readDoubles(
    await view.connection.run(
      `SELECT s.datastream::DOUBLE, s."phenomenonTime"::DOUBLE, s.raw
       FROM (${sources.join(' UNION ALL ')}) s
       SEMI JOIN temp.staged l ON s.datastream = l.datastream AND s."phenomenonTime" = l."phenomenonTime"`,
    ),
  );
  const stored = new Moments();
  for (const [i, id] of (ids ?? []).entries()) stored.set(id, times?.[i] as number, values?.[i] as number);
  return stored;
}

/** Same value; no value (NaN) is the same as no value, and -0 as 0. */
const same = (a: number, b: number): boolean => a === b || (Number.isNaN(a) && Number.isNaN(b));

/**
 * Inserts what is new, inside the transaction that is open.
 * @param floor newest time in any day file: a row beyond it and beyond its datastream's watermark is surely new
 */
export async function appendObservations(
  view: WriteView,
  rows: ObservationColumns,
  watermarks: Watermarks,
  floor: number,
): Promise<{ result: AppendResult; conflicts: Reject[]; inserted: Int32Array }> {
  const fresh = new Int32Array(rows.length);
  const late = new Int32Array(rows.length);
  let freshCount = 0;
  let lateCount = 0;
  for (let i = 0; i < rows.length; i++) {
    if (watermarks.raise(rows.datastream[i] as number, rows.phenomenonTime[i] as number, floor))
      fresh[freshCount++] = i;
    else late[lateCount++] = i;
  }
  // A late row of the same moment as a fresh one stands behind it in the batch, so fresh ones go first.
  await insert(view.connection, rows, fresh.subarray(0, freshCount));
  const conflicts: Reject[] = [];
  let duplicates = 0;
  let inserted = fresh.subarray(0, freshCount);
  if (lateCount > 0) {
    const candidates = late.subarray(0, lateCount);
    const stored = await storedValues(view, rows, candidates);
    const missing: number[] = [];
    for (const i of candidates) {
      const id = rows.datastream[i] as number;
      const time = rows.phenomenonTime[i] as number;
      const raw = rows.raw[i] as number;
      const there = stored.get(id, time);
      if (there === undefined) {
        stored.set(id, time, raw);
        missing.push(i);
      } else if (same(there, raw)) duplicates++;
      else conflicts.push(conflict(id, time, rows.resultTime[i] as number, there, raw));
    }
    const indices = Int32Array.from(missing);
    await insert(view.connection, rows, indices);
    inserted = Int32Array.from([...inserted, ...indices]);
  }
  return { result: { stored: inserted.length, duplicates, conflicts: conflicts.length }, conflicts, inserted };
}

/** Adds rejects with ids from `id` on. */
export async function appendRejects(
  connection: DuckDBConnection,
  rejects: readonly Reject[],
  id: number,
): Promise<void> {
  if (rejects.length === 0) return;
  const appender = await connection.createAppender('reject');
  for (const [i, r] of rejects.entries()) {
    appender.appendBigInt(BigInt(id + i));
    appender.appendBigInt(BigInt(Math.trunc(r.receivedAt)));
    for (const text of [r.via, r.topic, r.thing, r.code, r.detail]) appender.appendVarchar(text);
    appender.appendBlob(r.payload.subarray(0, PAYLOAD_LIMIT));
    appender.appendInteger(r.thingNum ?? 0);
    appender.endRow();
  }
  appender.closeSync();
}

const ADDED = ['corrected', 'lo90', 'hi90', 'flag', 'reasons', 'level', 'model'] as const;

/**
 * Replaces what QC and correction added, inside the transaction that is open: at once in `recent`, for rows of day files in
 * `amended`, from where queries and compaction take it.
 * @returns rows changed, and the days with amended rows
 */
export async function rewriteObservations(
  view: WriteView,
  rows: ObservationColumns,
): Promise<{ changed: number; days: Set<number> }> {
  const { connection } = view;
  const indices = everyIndex(rows);
  if (indices.length === 0) return { changed: 0, days: new Set() };
  await stage(connection, rows, indices);
  const { files, span } = await filesOf(view, rows, indices);
  const updated = await connection.run(
    `UPDATE recent SET ${ADDED.map((c) => `"${c}" = s."${c}"`).join(', ')} FROM temp.staged s
     WHERE recent.datastream = s.datastream AND recent."phenomenonTime" = s."phenomenonTime"
       AND recent."phenomenonTime" >= ${span.from} AND recent."phenomenonTime" < ${span.to}`,
  );
  const changed = updated.rowsChanged;
  if (files === '') return { changed, days: new Set() };
  await connection.run(
    `DELETE FROM amended USING temp.staged s
     WHERE amended.datastream = s.datastream AND amended."phenomenonTime" = s."phenomenonTime"`,
  );
  const amended = await connection.run(
    `INSERT INTO amended SELECT d.datastream, d."phenomenonTime", d."resultTime", d.raw, ${ADDED.map((c) => `s."${c}"`).join(', ')}
     FROM ${files} d JOIN temp.staged s USING (datastream, "phenomenonTime")`,
  );
  // A datastream may have its first corrected value now.
  await connection.run(
    `INSERT INTO extent SELECT datastream, min("phenomenonTime"), max("phenomenonTime"), max("resultTime"), true
     FROM amended SEMI JOIN temp.staged s USING (datastream, "phenomenonTime") WHERE NOT isnan(amended.corrected) GROUP BY datastream`,
  );
  const days = amended.rowsChanged === 0 ? new Set<number>() : daysOf(rows.phenomenonTime.subarray(0, rows.length));
  return { changed: changed + amended.rowsChanged, days };
}

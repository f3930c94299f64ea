/**
 * How far each datastream reaches: kept for what lies in files, read from `recent` for the rest, so that a start need not look
 * at history. Files that came before this table are added once, when somebody asks.
 */
import type { DuckDBConnection } from '@duckdb/node-api';
import type { Extents } from '../store.ts';
import { readDoubles } from './chunks.ts';
import { numbers, one, quote } from './database.ts';
import { fromParts } from './source.ts';
import type { Part, PartFolder } from './parts.ts';

const SUMMED = `datastream, min("phenomenonTime"), max("phenomenonTime"), max("resultTime"), bool_or(NOT isnan(corrected))`;
/** The same of a file as it lies. */
const SUMMED_ENCODED = `datastream, min("phenomenonTime"), max("phenomenonTime"), max("phenomenonTime" + latency),
  bool_or("correctedSteps" IS NOT NULL OR "correctedExact" IS NOT NULL)`;
/** The several rows of a datastream as one. */
const JOINED = `datastream, min("first") AS "first", max("last") AS "last", max("lastResult") AS "lastResult", bool_or(corrected) AS corrected`;
/** Files that are added at once. */
const AT_ONCE = 16;

/** Before rows leave `recent`, in the same transaction. */
export async function extendFromRecent(connection: DuckDBConnection, condition: string): Promise<void> {
  await connection.run(`INSERT INTO extent SELECT ${SUMMED} FROM recent WHERE ${condition} GROUP BY datastream`);
}

/** Files whose rows are not in the table yet, some at a time. */
export async function unextended(
  connection: DuckDBConnection,
  parts: readonly Part[],
  atOnce = AT_ONCE,
): Promise<Part[]> {
  const rows = await connection.runAndReadAll(`SELECT name FROM part WHERE kind = 'days' AND NOT extended`);
  const names = new Set(rows.getRows().map((row) => String(row[0])));
  return parts.filter((p) => names.has(p.name)).slice(0, atOnce);
}

/** Adds the rows of files, inside a transaction. */
export async function extendFromParts(
  connection: DuckDBConnection,
  folder: PartFolder,
  parts: readonly Part[],
): Promise<void> {
  const rows = fromParts(folder, parts, '*', 'true').join(' UNION ALL ');
  await connection.run(`INSERT INTO extent SELECT ${SUMMED_ENCODED} FROM (${rows}) GROUP BY datastream`);
  await connection.run(`UPDATE part SET extended = true WHERE name IN (${parts.map((p) => quote(p.name)).join(', ')})`);
}

/** Makes one row of the several of each datastream when they have become many, inside a transaction. */
export async function tidyExtents(connection: DuckDBConnection): Promise<void> {
  const [rows = 0, streams = 0] = await one(
    connection,
    'SELECT count(*), approx_count_distinct(datastream) FROM extent',
  );
  if (rows < 3 * streams + 10_000) return;
  await connection.run(`CREATE OR REPLACE TEMP TABLE tidied AS SELECT ${JOINED} FROM extent GROUP BY datastream`);
  await connection.run('DELETE FROM extent');
  await connection.run('INSERT INTO extent SELECT * FROM tidied');
  await connection.run('DROP TABLE tidied');
}

const EVERYTHING = `
  SELECT ${JOINED} FROM (
    SELECT * FROM extent
    UNION ALL SELECT datastream, "phenomenonTime", "phenomenonTime", "resultTime", NOT isnan(corrected) FROM recent
  ) GROUP BY datastream`;

export async function readExtents(connection: DuckDBConnection): Promise<Extents> {
  const [datastream, first, last, lastResult, corrected] = await readDoubles(
    await connection.run(
      `SELECT datastream::DOUBLE, "first"::DOUBLE, "last"::DOUBLE, "lastResult"::DOUBLE, corrected::DOUBLE FROM (${EVERYTHING}) ORDER BY datastream`,
    ),
  );
  const none = new Float64Array(0);
  return {
    length: datastream?.length ?? 0,
    datastream: Int32Array.from(datastream ?? none),
    first: first ?? none,
    last: last ?? none,
    lastResult: lastResult ?? none,
    corrected: Uint8Array.from(corrected ?? none),
  };
}

/** Is every file's content in the table? */
export async function allExtended(connection: DuckDBConnection): Promise<boolean> {
  const [[missing = 1] = []] = await numbers(
    connection,
    `SELECT count(*) FROM part WHERE kind = 'days' AND NOT extended`,
  );
  return missing === 0;
}

/** SQL of datastream and the time of its newest row, for datastreams that have one at or after `since`. */
export const newestSince = (since: number): string =>
  `SELECT datastream, "last" AS "phenomenonTime" FROM (${EVERYTHING}) WHERE "last" >= ${Math.trunc(since)}`;

/**
 * The tables of `observations.duckdb` and how an older file becomes one of today. A migration is never changed once
 * released; a new one goes at the end. Each runs in one transaction together with the new version number.
 */
import type { DuckDBConnection } from '@duckdb/node-api';

/** In the order of `COLUMN_NAMES`; NaN, not NULL, for no value. */
const OBSERVATION = `
  datastream INTEGER NOT NULL, "phenomenonTime" BIGINT NOT NULL, "resultTime" BIGINT NOT NULL, raw DOUBLE NOT NULL,
  corrected DOUBLE NOT NULL, lo90 DOUBLE NOT NULL, hi90 DOUBLE NOT NULL, flag UTINYINT NOT NULL,
  reasons INTEGER NOT NULL, "level" UTINYINT NOT NULL, model INTEGER NOT NULL`;

export const MIGRATIONS: readonly string[] = [
  // 1. The generation grows with every change of `part` or `amended`: it tells a reader which files belong to what it sees
  //    of `recent`. A table of its own, because compaction writes it beside an append that writes the checkpoint.
  `CREATE TABLE checkpoint(seq BIGINT NOT NULL);
   INSERT INTO checkpoint VALUES (0);
   CREATE TABLE generation(num INTEGER NOT NULL);
   INSERT INTO generation VALUES (0);
   CREATE TABLE model(num INTEGER NOT NULL, name VARCHAR NOT NULL);
   CREATE TABLE recent(${OBSERVATION});
   CREATE TABLE reject(id BIGINT NOT NULL, "receivedAt" BIGINT NOT NULL, via VARCHAR NOT NULL, topic VARCHAR NOT NULL,
     thing VARCHAR NOT NULL, code VARCHAR NOT NULL, detail VARCHAR NOT NULL, payload BLOB NOT NULL);
   CREATE TABLE part(kind VARCHAR NOT NULL, "start" BIGINT NOT NULL, "end" BIGINT NOT NULL, version INTEGER NOT NULL,
     name VARCHAR NOT NULL, "rows" BIGINT NOT NULL, bytes BIGINT NOT NULL, crc UINTEGER NOT NULL, lost VARCHAR NOT NULL);`,
  // 2. Conflicts know the box's number only. Recomputed values of rows in Parquet files wait here for compaction.
  `ALTER TABLE reject ADD COLUMN "thingNum" INTEGER DEFAULT 0;
   CREATE TABLE amended(${OBSERVATION});`,
  // 3. Days and months of several files (parts.ts). How far each datastream reaches, so that a start need not read history;
  //    a datastream may have several rows, which add up. Files made before are added when somebody asks (`extended`).
  //    The table is made anew: DuckDB 1.5 does not commit several new columns of one with rows.
  `CREATE TEMP TABLE former AS FROM part;
   DROP TABLE part;
   CREATE TABLE part(kind VARCHAR NOT NULL, "start" BIGINT NOT NULL, "end" BIGINT NOT NULL, version INTEGER NOT NULL,
     name VARCHAR NOT NULL, "rows" BIGINT NOT NULL, bytes BIGINT NOT NULL, crc UINTEGER NOT NULL, lost VARCHAR NOT NULL,
     lowest INTEGER NOT NULL, highest INTEGER NOT NULL, cut INTEGER NOT NULL, merged BOOLEAN NOT NULL,
     rolled VARCHAR NOT NULL, extended BOOLEAN NOT NULL);
   INSERT INTO part SELECT *, 0, 2147483647, 0, true, 'yes', false FROM former;
   DROP TABLE former;
   CREATE TABLE extent(datastream INTEGER NOT NULL, "first" BIGINT NOT NULL, "last" BIGINT NOT NULL,
     "lastResult" BIGINT NOT NULL, corrected BOOLEAN NOT NULL);`,
  // 4. Files of several days (parts.ts): who takes each file of observations for one of one day must not open the folder.
  //    Whether files made before hold values that are no decimal numbers is not known.
  'ALTER TABLE part ADD COLUMN exact BOOLEAN DEFAULT true',
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** Brings a file up to date. @throws Error for a file of a newer version, which is left as it is */
export async function migrate(connection: DuckDBConnection, file: string): Promise<void> {
  await connection.run('CREATE TABLE IF NOT EXISTS schema_version(version INTEGER NOT NULL)');
  const found = await connection.runAndReadAll('SELECT max(version) FROM schema_version');
  const version = Number(found.getRows()[0]?.[0] ?? 0);
  if (version > SCHEMA_VERSION)
    throw new Error(
      `${file} was written by a newer Lamppost (schema version ${version}, this one knows up to ${SCHEMA_VERSION}). ` +
        'Start that version, or put back a copy of the data folder from before.',
    );
  for (let next = version + 1; next <= SCHEMA_VERSION; next++) {
    await connection.run('BEGIN');
    await connection.run(MIGRATIONS[next - 1] as string);
    await connection.run('DELETE FROM schema_version');
    await connection.run(`INSERT INTO schema_version VALUES (${next})`);
    await connection.run('COMMIT');
  }
}

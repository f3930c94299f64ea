/**
 * Bulk open data: observations as files that need no explanation beside them. Made from the stored files by DuckDB itself
 * (about a million rows a second), because what packs well (steps, deltas, numbers for names) does not read well.
 */
import { renameSync, rmSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { REASONS } from '../../model/flags.ts';
import { CORRECTION_LEVELS } from '../../model/observation.ts';
import { PROPERTIES, PROPERTY_SLOTS } from '../../model/properties.ts';
import { geoMetadata, isPlacesQuery, PLACE_COLUMNS, type PlacesQuery } from '../places.ts';
import type { DumpEdition, DumpQuery, DumpThing } from '../store.ts';
import { one, quote } from './database.ts';
import type { View } from './queries.ts';
import { observations } from './source.ts';

const FORMATS: readonly (readonly [suffix: string, options: string])[] = [
  ['.parquet', 'FORMAT parquet, COMPRESSION zstd'],
  ['.csv.gz', 'FORMAT csv, HEADER, COMPRESSION gzip'],
  ['.csv', 'FORMAT csv, HEADER'],
];

/** Rows appended in one go; between them the store's thread takes what others ask of it. */
const IN_ONE_GO = 2000;
const pause = async (): Promise<unknown> => new Promise(setImmediate);

async function listThings(connection: DuckDBConnection, things: readonly DumpThing[]): Promise<void> {
  await connection.run(
    'CREATE OR REPLACE TEMP TABLE dumped(num INTEGER, id VARCHAR, licence VARCHAR, attribution VARCHAR)',
  );
  const appender = await connection.createAppender('dumped', 'main', 'temp');
  for (const [i, thing] of things.entries()) {
    appender.appendInteger(thing.num);
    for (const text of [thing.id, thing.licence, thing.attribution]) appender.appendVarchar(text);
    appender.endRow();
    if (i % IN_ONE_GO === IN_ONE_GO - 1) await pause();
  }
  appender.closeSync();
}

const rows = (values: readonly string[]): string => `(VALUES ${values.join(', ')})`;
const number = (name: string): string => `CASE WHEN isnan(o.${name}) THEN NULL ELSE o.${name} END AS ${name}`;
const properties = rows(PROPERTIES.map((p) => `(${p.num}, ${quote(p.key)}, ${quote(p.unit)})`));
const time = (name: string): string => `strftime(make_timestamp(o."${name}" * 1000), '%Y-%m-%dT%H:%M:%S.%gZ')`;

/** Reasons as everywhere outside: `<property>.<code>` joined by `;`. */
const reasons = `array_to_string(list_transform(list_filter(
    [${REASONS.map((r) => `{bit: ${1 << r.bit}, code: ${quote(r.code)}}`).join(', ')}],
    r -> (o.reasons & r.bit) <> 0), r -> p.key || '.' || r.code), ';')`;

/** Few Things lie close together in the files: what is elsewhere need not be read. */
function near(things: readonly DumpThing[]): string {
  const nums = things.map((t) => t.num);
  return nums.length === 0 || nums.length > 1000
    ? ''
    : `WHERE o.datastream BETWEEN ${Math.min(...nums) * PROPERTY_SLOTS} AND ${(Math.max(...nums) + 1) * PROPERTY_SLOTS - 1}`;
}

/** What speaks for a row, of the newest edition that covers it; else what a live value says. */
function edition(editions: readonly DumpEdition[], said: (e: DumpEdition) => string, live: string): string {
  const terms = editions.map((e) => {
    const own = e.num === null ? '' : `o.datastream // ${PROPERTY_SLOTS} = ${e.num} AND `;
    const inTime = `o."resultTime" <= ${e.issuedAt}`;
    const covered = `${own}o."phenomenonTime" >= ${e.from} AND o."phenomenonTime" < ${e.to}`;
    return `WHEN ${covered} AND ${inTime} THEN ${said(e)}`;
  });
  return terms.length === 0 ? live : `CASE ${terms.join(' ')} ELSE ${live} END`;
}

function select(source: string, parquet: boolean, { things, editions = [] }: DumpQuery): string {
  const when = (name: string): string => (parquet ? `make_timestamp(o."${name}" * 1000)` : time(name));
  return `
    SELECT t.id AS box, p.key AS property, p.unit AS unit, ${when('phenomenonTime')} AS "phenomenonTime",
      ${when('resultTime')} AS "resultTime", ${['raw', 'corrected', 'lo90', 'hi90'].map(number).join(', ')},
      o.flag AS flag, CASE o.reasons WHEN 0 THEN NULL ELSE ${reasons} END AS reasons,
      nullif([${CORRECTION_LEVELS.map(quote).join(', ')}][o."level" + 1], '') AS "correctionLevel",
      m.name AS model, t.licence AS licence, nullif(t.attribution, '') AS attribution,
      ${edition(editions, (e) => quote(e.product), "'live'")} AS product,
      CAST(${edition(editions, (e) => String(e.revision), '0')} AS INTEGER) AS revision
    FROM (${source}) o
    JOIN temp.dumped t ON t.num = o.datastream // ${PROPERTY_SLOTS}
    JOIN ${properties} p(num, key, unit) ON p.num = o.datastream % ${PROPERTY_SLOTS}
    LEFT JOIN model m ON m.num = o.model
    ${near(things)}
    ORDER BY box, p.num, o."phenomenonTime"`;
}

/** GeoParquet: the format is Parquet with WKB and an entry of metadata, which needs no extension of the engine. */
async function dumpPlaces(view: View, query: PlacesQuery): Promise<{ rows: number; bytes: number }> {
  const columns = Object.entries(PLACE_COLUMNS).map(([name, type]) => `${name}: '${type}'`);
  // A text that is empty is not one that is missing: only numbers are missing here.
  const source = `read_csv(${quote(query.places)}, header = false, auto_detect = false, parallel = false, delim = ',', quote = '"', escape = '"', new_line = '\\n', columns = {${columns.join(', ')}}, force_not_null = ['id', 'name', 'kind', 'exposure', 'project', 'sensors', 'licence', 'attribution'])`;
  return copy(
    view.connection,
    `SELECT * EXCLUDE (wkb), unhex(wkb) AS geometry FROM ${source} ORDER BY id`,
    query.file,
    `FORMAT parquet, COMPRESSION zstd, KV_METADATA {geo: ${quote(geoMetadata(query.bbox))}}`,
  );
}

/** Written beside and renamed when whole. */
async function copy(
  connection: DuckDBConnection,
  text: string,
  file: string,
  options: string,
): Promise<{ rows: number; bytes: number }> {
  const temporary = `${file}.tmp`;
  try {
    const [count = 0] = await one(connection, `COPY (${text}) TO ${quote(temporary)} (${options})`);
    renameSync(temporary, file);
    return { rows: count, bytes: statSync(file).size };
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** @throws RangeError for a file whose format is not known */
export async function dump(view: View, query: DumpQuery): Promise<{ rows: number; bytes: number }> {
  const options = FORMATS.find(([suffix]) => query.file.endsWith(suffix))?.[1];
  if (!options) throw new RangeError(`${query.file}: a dump ends in .parquet, .csv or .csv.gz`);
  await mkdir(dirname(query.file), { recursive: true });
  if (isPlacesQuery(query)) return dumpPlaces(view, query);
  await listThings(view.connection, query.things);
  const source = observations(view.folder, view.manifest, { span: query });
  return copy(view.connection, select(source, query.file.endsWith('.parquet'), query), query.file, options);
}

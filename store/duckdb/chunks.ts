/**
 * Observation columns into DuckDB and out of it without a JavaScript value per cell: typed arrays are copied into the
 * vectors of a data chunk (2048 rows) as they are. NaN stands for null inside, so no validity masks are needed.
 */
import type { DuckDBAppender, DuckDBResult } from '@duckdb/node-api';
import { BIGINT, DOUBLE, DuckDBDataChunk, INTEGER, UTINYINT, type DuckDBType } from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import { COLUMN_NAMES } from '../columns.ts';
import { allocateColumns, type ObservationColumns } from '../store.ts';

const CHUNK_ROWS = 2048;

/** In the order of `COLUMN_NAMES`; also the columns of the table `recent`. */
const TYPES: readonly DuckDBType[] = [
  INTEGER,
  BIGINT,
  BIGINT,
  DOUBLE,
  DOUBLE,
  DOUBLE,
  DOUBLE,
  UTINYINT,
  INTEGER,
  UTINYINT,
  INTEGER,
];

const scratch = allocateColumns(CHUNK_ROWS);
/** 64-bit integers as pairs of 32-bit ones: many times faster than BigInt. */
const scratch64 = {
  phenomenonTime: new Int32Array(CHUNK_ROWS * 2),
  resultTime: new Int32Array(CHUNK_ROWS * 2),
};

function setInt64(target: Int32Array, i: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  target[2 * i] = value - high * 0x1_0000_0000;
  target[2 * i + 1] = high;
}

/** Appends the rows at these indices; the appender's table must have the columns of `COLUMN_NAMES`. */
export function appendRows(appender: DuckDBAppender, rows: ObservationColumns, indices: Int32Array): void {
  const chunk = DuckDBDataChunk.create(TYPES);
  for (let from = 0; from < indices.length; from += CHUNK_ROWS) {
    const n = Math.min(CHUNK_ROWS, indices.length - from);
    for (let i = 0; i < n; i++) {
      const at = indices[from + i] as number;
      scratch.datastream[i] = rows.datastream[at] as number;
      setInt64(scratch64.phenomenonTime, i, rows.phenomenonTime[at] as number);
      setInt64(scratch64.resultTime, i, rows.resultTime[at] as number);
      scratch.raw[i] = rows.raw[at] as number;
      scratch.corrected[i] = rows.corrected[at] as number;
      scratch.lo90[i] = rows.lo90[at] as number;
      scratch.hi90[i] = rows.hi90[at] as number;
      scratch.flag[i] = rows.flag[at] as number;
      scratch.reasons[i] = rows.reasons[at] as number;
      scratch.level[i] = rows.level[at] as number;
      scratch.model[i] = rows.model[at] as number;
    }
    chunk.reset();
    chunk.rowCount = n;
    for (const [c, name] of COLUMN_NAMES.entries()) {
      const wide = name === 'phenomenonTime' || name === 'resultTime';
      const source = wide ? scratch64[name] : scratch[name];
      const bytes = n * (wide ? 8 : source.BYTES_PER_ELEMENT);
      const vector = duckdb.data_chunk_get_vector(chunk.chunk, c);
      duckdb.copy_data_to_vector(vector, 0, source.buffer as ArrayBuffer, 0, bytes);
    }
    appender.appendDataChunk(chunk);
  }
}

/** What a SELECT must answer for `readColumns`: the columns in order, the times as DOUBLE, no NULL anywhere. */
export const SELECT_COLUMNS = COLUMN_NAMES.map((name) =>
  name === 'phenomenonTime' || name === 'resultTime' ? `"${name}"::DOUBLE "${name}"` : `"${name}"`,
).join(', ');

function copyColumn(
  chunk: DuckDBDataChunk,
  column: number,
  rows: number,
  target: Float64Array | Int32Array | Uint8Array,
  at: number,
): void {
  const vector = duckdb.data_chunk_get_vector(chunk.chunk, column);
  const bytes = duckdb.vector_get_data(vector, rows * target.BYTES_PER_ELEMENT);
  const into = new Uint8Array(target.buffer, target.byteOffset + at * target.BYTES_PER_ELEMENT, bytes.length);
  into.set(bytes);
}

/** The whole answer of a SELECT of `SELECT_COLUMNS`. */
export async function readColumns(result: DuckDBResult): Promise<ObservationColumns> {
  const chunks = await result.fetchAllChunks();
  const columns = allocateColumns(chunks.reduce((n, chunk) => n + chunk.rowCount, 0));
  let at = 0;
  for (const chunk of chunks) {
    const n = chunk.rowCount;
    for (const [c, name] of COLUMN_NAMES.entries()) copyColumn(chunk, c, n, columns[name], at);
    at += n;
  }
  return columns;
}

/** The whole answer of a SELECT of DOUBLE columns without NULL. */
export async function readDoubles(result: DuckDBResult): Promise<Float64Array[]> {
  const chunks = await result.fetchAllChunks();
  const rows = chunks.reduce((n, chunk) => n + chunk.rowCount, 0);
  const columns = Array.from({ length: result.columnCount }, () => new Float64Array(rows));
  let at = 0;
  for (const chunk of chunks) {
    for (const [c, column] of columns.entries()) copyColumn(chunk, c, chunk.rowCount, column, at);
    at += chunk.rowCount;
  }
  return columns;
}

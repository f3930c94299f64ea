/** Building and reading `ObservationColumns` row by row, for the places where rows are few. */
import { allocateColumns, type ObservationColumns } from './store.ts';

export interface ObservationRow {
  readonly datastream: number;
  readonly phenomenonTime: number;
  readonly resultTime: number;
  readonly raw: number;
  readonly corrected: number;
  readonly lo90: number;
  readonly hi90: number;
  readonly flag: number;
  readonly reasons: number;
  readonly level: number;
  readonly model: number;
}

export const COLUMN_NAMES = [
  'datastream',
  'phenomenonTime',
  'resultTime',
  'raw',
  'corrected',
  'lo90',
  'hi90',
  'flag',
  'reasons',
  'level',
  'model',
] as const satisfies readonly (keyof ObservationRow)[];

export function rowAt(columns: ObservationColumns, i: number): ObservationRow {
  return {
    datastream: columns.datastream[i] as number,
    phenomenonTime: columns.phenomenonTime[i] as number,
    resultTime: columns.resultTime[i] as number,
    raw: columns.raw[i] as number,
    corrected: columns.corrected[i] as number,
    lo90: columns.lo90[i] as number,
    hi90: columns.hi90[i] as number,
    flag: columns.flag[i] as number,
    reasons: columns.reasons[i] as number,
    level: columns.level[i] as number,
    model: columns.model[i] as number,
  };
}

/** A view of the rows [from, to) of columns; nothing is copied. */
export function sliceColumns(columns: ObservationColumns, from: number, to: number): ObservationColumns {
  if (from === 0 && to === columns.datastream.length) return columns;
  const part: Record<string, unknown> = { length: to - from };
  for (const name of COLUMN_NAMES) part[name] = columns[name].subarray(from, to);
  return part as unknown as ObservationColumns;
}

/** Blocks one behind the other as one; a single block as it is. */
export function joinColumns(blocks: readonly ObservationColumns[]): ObservationColumns {
  if (blocks.length === 1) return blocks[0] as ObservationColumns;
  const joined = allocateColumns(blocks.reduce((n, block) => n + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    for (const name of COLUMN_NAMES) joined[name].set(block[name], at);
    at += block.length;
  }
  return joined;
}

export function setRow(columns: ObservationColumns, i: number, row: ObservationRow): void {
  for (const name of COLUMN_NAMES) columns[name][i] = row[name];
}

/** Columns that grow by doubling. */
export class ColumnsBuilder {
  #columns = allocateColumns(16);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(row: ObservationRow): void {
    if (this.#length === this.#columns.length) {
      const larger = allocateColumns(this.#length * 2);
      for (const name of COLUMN_NAMES) larger[name].set(this.#columns[name]);
      this.#columns = larger;
    }
    setRow(this.#columns, this.#length++, row);
  }

  /** The rows so far; the builder must not be used afterwards. */
  take(): ObservationColumns {
    return sliceColumns(this.#columns, 0, this.#length);
  }
}

/** Columns of these rows; absent fields are 0, NaN for corrected and interval, flag 1. */
export function columnsOf(
  rows: readonly (Pick<ObservationRow, 'datastream' | 'phenomenonTime' | 'raw'> & {
    [K in keyof ObservationRow]?: ObservationRow[K];
  })[],
): ObservationColumns {
  const columns = allocateColumns(rows.length);
  const blank = { resultTime: 0, corrected: NaN, lo90: NaN, hi90: NaN, flag: 1, reasons: 0, level: 0, model: 0 };
  for (const [i, row] of rows.entries()) setRow(columns, i, { ...blank, ...row });
  return columns;
}

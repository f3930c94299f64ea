/** Reading the CSV files of a backtest, plain or gzipped, strictly: what cannot be read names file, line and column. */
import { createReadStream, openSync, readSync, closeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CsvError, parse } from 'csv-parse';
import { parseTime, type EpochMs } from '../../model/time.ts';

/** Something in an input file that a person has to put right. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** One data line: cells by column name, whose case does not count. */
export class Row {
  readonly file: string;
  readonly line: number;
  readonly #cells: readonly string[];
  readonly #columns: ReadonlyMap<string, number>;

  constructor(file: string, line: number, cells: readonly string[], columns: ReadonlyMap<string, number>) {
    this.file = file;
    this.line = line;
    this.#cells = cells;
    this.#columns = columns;
  }

  /** The cell, trimmed; '' when empty or when the file has no such column. */
  text(column: string): string {
    const at = this.#columns.get(column);
    return at === undefined ? '' : (this.#cells[at] ?? '').trim();
  }

  /** @throws InputError when empty */
  needed(column: string): string {
    const text = this.text(column);
    if (text === '') throw this.error(column, 'is empty');
    return text;
  }

  /** Empty, `NaN`, `null`, `NA` = NaN (missing). @throws InputError for anything else that is no number */
  number(column: string): number {
    const text = this.text(column);
    if (text === '' || /^[+-]?(nan|null|na|n\/a|none|inf|infinity)$/i.test(text)) return NaN;
    const value = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : NaN;
    if (!Number.isFinite(value)) throw this.error(column, `"${shorten(text)}" is not a number`);
    return value;
  }

  /** RFC 3339 with a zone. @throws InputError */
  time(column: string): EpochMs {
    const text = this.needed(column);
    const t = parseTime(text);
    if (t === null) {
      throw this.error(column, `"${shorten(text)}" is not an RFC 3339 time such as 2026-01-31T08:00:00Z`);
    }
    return t;
  }

  error(column: string, problem: string): InputError {
    return new InputError(`${this.file}, line ${this.line}, column ${column}: ${problem}`);
  }
}

const shorten = (text: string, most = 40): string => {
  // What is no text must not reach a terminal.
  const plain = text.replaceAll(/\p{Cc}/gu, '\u{FFFD}');
  return plain.length > most ? `${plain.slice(0, most)}…` : plain;
};

function isGzip(file: string): boolean {
  const fd = openSync(file, 'r');
  try {
    const magic = Buffer.alloc(2);
    return readSync(fd, magic, 0, 2, 0) === 2 && magic[0] === 0x1f && magic[1] === 0x8b;
  } finally {
    closeSync(fd);
  }
}

/**
 * The rows of a CSV file with a header, in order. `onBytes` hears how much of the file (as it lies on disk) was read, `onHeader` the
 * names of its columns.
 * @throws InputError when the file cannot be opened or parsed, is empty, or lacks one of `needed`
 */
export async function* readCsv(
  file: string,
  needed: readonly string[],
  onBytes: (bytes: number) => void = () => {},
  onHeader: (columns: readonly string[]) => void = () => {},
): AsyncGenerator<Row> {
  let gzip: boolean;
  try {
    gzip = isGzip(file);
  } catch (cause) {
    throw new InputError(`${file}: cannot be read (${(cause as Error).message})`, { cause });
  }
  const source = createReadStream(file, { highWaterMark: 1 << 18 });
  source.on('data', (chunk) => onBytes(chunk.length));
  const plain: Readable = gzip ? source.pipe(createGunzip()) : source;
  const parser = plain.pipe(parse({ bom: true, info: true, relax_column_count: true, skip_empty_lines: true }));
  // pipe() does not pass errors on.
  source.on('error', (error) => parser.destroy(error));
  if (gzip) plain.on('error', (error) => parser.destroy(new Error(`damaged gzip data: ${error.message}`)));

  let columns: Map<string, number> | null = null;
  let width = 0;
  try {
    for await (const item of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      const { record, info } = item;
      if (!columns) {
        columns = new Map();
        width = record.length;
        record.forEach((name, i) => {
          const key = name.trim().toLowerCase();
          if ((columns as Map<string, number>).has(key) && key !== '') {
            throw new InputError(`${file}, line 1, column ${key}: appears twice in the header`);
          }
          (columns as Map<string, number>).set(key, i);
        });
        for (const name of needed) {
          if (!columns.has(name)) {
            throw new InputError(
              `${file}, line 1, column ${name}: is missing from the header; needed: ${needed.join(', ')}; found: ${shorten(record.join(','), 80)}`,
            );
          }
        }
        onHeader([...columns.keys()]);
        continue;
      }
      if (record.length !== width) {
        throw new InputError(
          `${file}, line ${info.lines}, column ${Math.min(record.length, width) + 1}: ${record.length} cells where the header has ${width}`,
        );
      }
      yield new Row(file, info.lines, record, columns);
    }
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    if (cause instanceof CsvError) {
      const at = cause as CsvError & { lines?: number; column?: string | number };
      throw new InputError(
        `${file}, line ${at.lines ?? '?'}, column ${at.column ?? '?'}: ${shorten(cause.message, 200)}`,
        { cause },
      );
    }
    throw new InputError(`${file}: cannot be read (${(cause as Error).message})`, { cause });
  } finally {
    source.destroy();
  }
  if (!columns) throw new InputError(`${file}, line 1, column ${needed[0]}: the file is empty; a header is needed`);
}

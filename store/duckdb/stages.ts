/**
 * Who reads everything by time (recompute, dumps, migration) would decode a whole file of a past month for each slice of an hour. So
 * the rows of some days out of such files are laid side by side once, in a database in memory that DuckDB may spill, and slices are
 * taken from there. What waits in `recent` and `amended` is not staged: it is read as it stands.
 */
import type { DuckDBConnection } from '@duckdb/node-api';
import { COLUMN_NAMES } from '../columns.ts';
import { STAGE_DATABASE } from './database.ts';
import { isPiece, type Manifest, type Part, type PartFolder } from './parts.ts';
import { daysIn, decoded, literal, within, type Span } from './source.ts';

export interface Stage {
  readonly span: Span;
  readonly table: string;
  /** Files whose rows of the span it holds. */
  readonly names: ReadonlySet<string>;
}

export class Stages {
  #stages: Stage[] = [];
  #next = 1;

  /** The stage that holds all rows of this span that lie in files of several days. */
  covering(manifest: Manifest, span: Span): Stage | null {
    const names = piecesIn(manifest, span).map((p) => p.name);
    if (names.length === 0) return null;
    const holds = (s: Stage): boolean =>
      s.span.from <= span.from && s.span.to >= span.to && names.every((name) => s.names.has(name));
    return this.#stages.find(holds) ?? null;
  }

  /** Lays out the rows from `span.from` on: of so long that they are about `rows`, and of `span` at least. Older ones than the last `kept` go. */
  async lay(
    connection: DuckDBConnection,
    folder: PartFolder,
    manifest: Manifest,
    span: Span,
    { to, rows, kept }: { to: number; rows: number; kept: number },
  ): Promise<void> {
    const pieces = piecesIn(manifest, span);
    const density = pieces.reduce((sum, p) => sum + p.rows / (p.end - p.start), 0);
    const reach = Math.min(to, ...pieces.map((p) => p.end), span.from + Math.floor(rows / density));
    const wide: Span = { from: span.from, to: Math.max(span.to, reach) };
    const all = piecesIn(manifest, wide);
    const table = `${STAGE_DATABASE}.stage_${this.#next++}`;
    const files = decoded(folder, all, within(wide)).join(' UNION ALL ');
    const columns = COLUMN_NAMES.map((name) => `"${name}"`).join(', ');
    await connection.run(
      `CREATE TABLE ${table} AS SELECT ${columns} FROM (${files}) ORDER BY "phenomenonTime" // ${literal(Math.max(1, (wide.to - wide.from) / 64))}`,
    );
    this.#stages.push({ span: wide, table, names: new Set(all.map((p) => p.name)) });
    while (this.#stages.length > kept) await this.#drop(connection);
  }

  /** How many rows of files a slice would have to go through. */
  static rowsIn(manifest: Manifest, span: Span): number {
    return piecesIn(manifest, span).reduce((n, p) => n + p.rows, 0);
  }

  async clear(connection: DuckDBConnection): Promise<void> {
    while (this.#stages.length > 0) await this.#drop(connection);
  }

  /** They went with their database. */
  forget(): void {
    this.#stages = [];
  }

  async #drop(connection: DuckDBConnection): Promise<void> {
    const stage = this.#stages.shift();
    if (stage) await connection.run(`DROP TABLE IF EXISTS ${stage.table}`);
  }
}

const piecesIn = (manifest: Manifest, span: Span): Part[] => daysIn(manifest, span).filter(isPiece);

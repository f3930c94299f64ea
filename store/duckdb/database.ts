/**
 * One DuckDB file: a connection that writes, a few that read, each read in a transaction of its own, so that what it sees of
 * the tables and which Parquet files belong to that are of one moment.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { migrate } from './schema.ts';

/** Reads at a time; further ones wait. Each holds one of libuv's four threads while it runs; writer and compaction need one each. */
const READERS = 2;

/** A database in memory that every connection sees (stages.ts). */
export const STAGE_DATABASE = 'staged';

export interface DatabaseOptions {
  /** What DuckDB may use [MB]; sorting larger days spills into the data folder. Default 1000. */
  readonly memoryMb?: number;
  readonly threads?: number;
  /** The only folder bulk files are written to. @default `dumps` below the store's */
  readonly dumps?: string;
}

/** DuckDB gave up on the file (disk full in the wrong moment …): it must be opened again. */
export const isFatal = (error: unknown): boolean =>
  error instanceof Error && /database has been invalidated|FATAL Error|INTERNAL Error/.test(error.message);

export class Database {
  readonly file: string;
  readonly writer: DuckDBConnection;
  /** Compaction runs beside the writer, in a transaction that may last minutes. */
  readonly organiser: DuckDBConnection;
  readonly #instance: DuckDBInstance;
  readonly #idle: DuckDBConnection[];
  readonly #waiting: ((connection: DuckDBConnection) => void)[] = [];

  constructor(file: string, instance: DuckDBInstance, connections: DuckDBConnection[]) {
    this.file = file;
    this.#instance = instance;
    const [writer, organiser, ...readers] = connections;
    this.writer = writer as DuckDBConnection;
    this.organiser = organiser as DuckDBConnection;
    this.#idle = readers;
  }

  static async open(folder: string, options: DatabaseOptions): Promise<Database> {
    const file = join(folder, 'observations.duckdb');
    const temp = join(folder, 'temp');
    mkdirSync(temp, { recursive: true });
    const instance = await DuckDBInstance.create(file, {
      memory_limit: `${options.memoryMb ?? 1000}MB`,
      threads: String(options.threads ?? 2),
      temp_directory: temp,
      // Nothing is ever fetched from the network at run time.
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      checkpoint_threshold: '64MB',
      // Order is asked for where it matters; keeping it elsewhere costs memory in large copies.
      preserve_insertion_order: 'false',
    });
    try {
      const connections: DuckDBConnection[] = [];
      for (let i = 0; i < READERS + 2; i++) connections.push(await instance.connect());
      // Settings of the built-in extensions are known only once there is a connection.
      await connections[0]?.run("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL parquet_metadata_cache = true");
      await connections[0]?.run(`ATTACH ':memory:' AS ${STAGE_DATABASE}`);
      // Whatever a query says, it opens no files but the observations.
      const allowed = [join(folder, 'parquet'), options.dumps ?? join(folder, 'dumps')]
        .map((name) => quote(`${name}/`))
        .join(', ');
      await connections[0]?.run(
        `SET GLOBAL allowed_directories = [${allowed}]; SET GLOBAL enable_external_access = false`,
      );
      await migrate(connections[0] as DuckDBConnection, file);
      return new Database(file, instance, connections);
    } catch (error) {
      instance.closeSync();
      throw error;
    }
  }

  /**
   * Runs `work` on a connection of its own, inside a read transaction or with each statement for itself. When `signal`
   * aborts, the running statement is interrupted.
   */
  async read<T>(
    work: (connection: DuckDBConnection) => Promise<T>,
    signal?: AbortSignal,
    transaction = true,
  ): Promise<T> {
    signal?.throwIfAborted();
    const connection =
      this.#idle.pop() ?? (await new Promise<DuckDBConnection>((resolve) => void this.#waiting.push(resolve)));
    let ticker: NodeJS.Timeout | undefined;
    // Between two statements there is nothing to interrupt, so it is tried until the work has ended.
    const interrupt = (): void => {
      connection.interrupt();
      ticker ??= setInterval(() => connection.interrupt(), 20);
    };
    const leave = (): void => {
      signal?.removeEventListener('abort', interrupt);
      clearInterval(ticker);
    };
    signal?.addEventListener('abort', interrupt);
    try {
      signal?.throwIfAborted();
      if (!transaction) return await work(connection);
      await connection.run('BEGIN TRANSACTION READ ONLY');
      try {
        return await work(connection);
      } finally {
        leave();
        await connection.run('ROLLBACK');
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      leave();
      const next = this.#waiting.shift();
      if (next) next(connection);
      else this.#idle.push(connection);
    }
  }

  close(): void {
    for (const connection of [this.writer, this.organiser, ...this.#idle]) connection.closeSync();
    this.#instance.closeSync();
  }
}

/** Numbers of a small answer; BIGINT comes as number. */
export async function numbers(connection: DuckDBConnection, sql: string): Promise<number[][]> {
  const result = await connection.run(sql);
  return (await result.getRows()).map((row) => row.map(Number));
}

/** The first row of a small answer. */
export async function one(connection: DuckDBConnection, sql: string): Promise<number[]> {
  return (await numbers(connection, sql))[0] ?? [];
}

/** A string as an SQL literal. */
export const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`;

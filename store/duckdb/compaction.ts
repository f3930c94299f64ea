/**
 * Moving full days out of the recent table into day files, and keeping the roll-ups of their months. One transaction a month
 * of data: it copies what it sees, deletes from `recent` exactly what it saw, and lists the new files. Rows that come in
 * meanwhile are not in its view and stay. Killed before the commit, it leaves files that nobody lists.
 */
import type { DuckDBConnection } from '@duckdb/node-api';
import { DAY, type EpochMs } from '../../model/time.ts';
import { numbers, one, quote } from './database.ts';
import { encode, PARQUET } from './encoding.ts';
import { rollUp } from './hours.ts';
import { manifestOf, startOfMonth, type Manifest, type Part, type PartFolder } from './parts.ts';
import { observations, within } from './source.ts';

/** A day file up to this size is rewritten for a single late row: half a second. */
const SMALL_DAY = 4_000_000;
/** A larger one waits for this share of late rows, or for a row that has waited a day. */
const LATE_SHARE = 0.01;

export interface MonthPlan {
  readonly start: EpochMs;
  /** Starts of days whose files are to be made or made anew. */
  readonly days: readonly EpochMs[];
}

/** What there is to do at `now`. */
export async function plan(connection: DuckDBConnection, manifest: Manifest, now: EpochMs): Promise<MonthPlan[]> {
  const before = Math.floor(now / DAY) * DAY;
  const waiting = await numbers(
    connection,
    `SELECT ("phenomenonTime" // ${DAY}) * ${DAY} AS day, count(*), min("resultTime")
     FROM (SELECT "phenomenonTime", "resultTime" FROM recent UNION ALL SELECT "phenomenonTime", "resultTime" FROM amended)
     WHERE "phenomenonTime" < ${before} GROUP BY day ORDER BY day`,
  );
  const months = new Map<EpochMs, EpochMs[]>();
  for (const [day = 0, rows = 0, oldest = 0] of waiting) {
    const part = manifest.days.find((p) => p.start === day);
    const due = !part || part.rows < SMALL_DAY || rows >= part.rows * LATE_SHARE || oldest < now - DAY;
    if (!due) continue;
    const month = startOfMonth(day);
    months.set(month, [...(months.get(month) ?? []), day]);
  }
  // A roll-up that was lost is made again from its days.
  for (const part of manifest.days) {
    const month = startOfMonth(part.start);
    if (!manifest.months.has(month) && !months.has(month)) months.set(month, []);
  }
  return [...months].map(([start, days]) => ({ start, days })).sort((a, b) => a.start - b.start);
}

/**
 * Makes the files of one month and the manifest in which they count, inside the transaction that is open on `connection`.
 * @returns the new manifest, and the names of files that count no longer after the commit
 */
export async function compactMonth(
  connection: DuckDBConnection,
  folder: PartFolder,
  manifest: Manifest,
  month: MonthPlan,
  generation: number,
): Promise<{ manifest: Manifest; made: Part[]; replaced: Part[] }> {
  const made: Part[] = [];
  const replaced: Part[] = [];
  try {
    for (const day of month.days) {
      const span = { from: day, to: day + DAY };
      const source = observations(folder, manifest, { span });
      const part = await folder.make('days', day, generation, (path) =>
        copy(connection, encode(source), path, 'observations'),
      );
      made.push(part);
      const old = manifest.days.find((p) => p.start === day);
      if (old) replaced.push(old);
      // A file set aside as corrupt stays known as lost; its day may get a new file beside it.
      await connection.run(`DELETE FROM recent WHERE ${within(span)}`);
      await connection.run(`DELETE FROM amended WHERE ${within(span)}`);
    }
    const oldHours = manifest.months.get(month.start);
    // Without a roll-up to build on, every day of the month is summed up.
    const kept = manifest.days.filter((p) => startOfMonth(p.start) === month.start && !month.days.includes(p.start));
    const sources = [...made, ...(oldHours ? [] : kept)].map((p) => rollUp(folder.table([p])));
    if (oldHours) {
      const away = month.days.map((d) => `hour NOT BETWEEN ${d / 3_600_000} AND ${d / 3_600_000 + 23}`);
      sources.push(`SELECT * FROM ${folder.table([oldHours])} WHERE ${['true', ...away].join(' AND ')}`);
      replaced.push(oldHours);
    }
    const hours = sources.map((s) => `(${s})`).join(' UNION ALL ');
    made.push(
      await folder.make('hours', month.start, generation, (path) =>
        copy(connection, `SELECT * FROM (${hours}) ORDER BY datastream, hour`, path, 'hours'),
      ),
    );
    replaced.push(...manifest.lost.filter((p) => p.kind === 'hours' && p.start === month.start));
    for (const part of replaced) await connection.run(`DELETE FROM part WHERE name = ${quote(part.name)}`);
    for (const part of made) await connection.run(insertPart(part));
    await connection.run(`UPDATE generation SET num = ${generation}`);
  } catch (error) {
    for (const part of made) folder.remove(part.name);
    throw error;
  }
  const gone = new Set(replaced);
  const parts = [...manifest.days, ...manifest.months.values(), ...manifest.lost].filter((p) => !gone.has(p));
  const amended = [...manifest.amended].filter((day) => !month.days.includes(day));
  return { manifest: manifestOf(generation, [...parts, ...made], amended), made, replaced };
}

async function copy(connection: DuckDBConnection, select: string, path: string, layout: string): Promise<number> {
  const [rows = 0] = await one(connection, `COPY (${select}) TO ${quote(path)} ${PARQUET(layout)}`);
  return rows;
}

export function insertPart(part: Part): string {
  const { kind, start, end, version, name, rows, bytes, crc, lost } = part;
  return `INSERT INTO part VALUES (${quote(kind)}, ${start}, ${end}, ${version}, ${quote(name)}, ${rows}, ${bytes}, ${crc}, ${quote(lost)})`;
}

export async function readParts(connection: DuckDBConnection): Promise<Part[]> {
  const rows = (await connection.runAndReadAll('SELECT * FROM part')).getRowObjectsJS();
  return rows.map((row) => ({
    kind: row['kind'] === 'hours' ? 'hours' : 'days',
    start: Number(row['start']),
    end: Number(row['end']),
    version: Number(row['version']),
    name: row['name'] as string,
    rows: Number(row['rows']),
    bytes: Number(row['bytes']),
    crc: Number(row['crc']),
    lost: row['lost'] as string,
  }));
}

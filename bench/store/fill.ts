/**
 * A store folder full of observations, made by SQL from hashes (the same rows in every run) with the noise of real sensors at
 * their resolution. The first days go through `recent` and the store's own compaction; the others repeat them at their own
 * times, so that 400 million rows take some ten minutes.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import { endOfMonth, PartFolder, startOfMonth, type Part } from '../../store/duckdb/parts.ts';
import { LIMITS } from '../../store/duckdb/compaction.ts';
import { rollUp } from '../../store/duckdb/hours.ts';
import { copy, insertPart, readParts } from '../../store/duckdb/steps.ts';
import { DuckStore } from '../../store/duckdb/store.ts';

export interface Filling {
  /** Things 1 … boxes, four values each: pm25, pm10, temperature, humidity. */
  readonly boxes: number;
  /** From one reading of a box to the next [ms]; a divisor of a day. @default a minute */
  readonly interval?: number;
  /** Start of the first day (UTC) */
  readonly start: number;
  readonly days: number;
}

/** Days that are made value by value. */
const TEMPLATE_DAYS = 8;

export const rowsADay = ({ boxes, interval = MINUTE }: Filling): number => (boxes * 4 * DAY) / interval;

/** Uniform in (0, 1) from what names a value. */
const uniform = (what: string): string => `((hash(${what}) % 4294967291 + 0.5) / 4294967291.0)`;
/** Box–Muller. */
const normal = (what: string): string =>
  `(sqrt(-2 * ln(${uniform(`${what}, 1`)})) * cos(6.2831853 * ${uniform(`${what}, 2`)}))`;

/**
 * One day of all boxes. PM2.5 18 µg/m³ with a daily and a faster wave, noise 0.6; temperature noise 0.05 °C, humidity 0.2 %,
 * both sent with two decimals; corrected values and 90 % intervals at the resolution of 0.1; one value in a hundred flagged;
 * the clock of a box on whole seconds, one reading in five a second late; 80–900 ms on the way.
 */
const generated = (day: number, { boxes, interval = MINUTE, start }: Filling): string => `
  WITH turn AS (
    SELECT b.range::INTEGER AS box, m.range AS mi, m.range * ${interval / MINUTE} AS minute, ${start + day * DAY} + m.range * ${interval}
        + (${uniform('b.range')} * 58)::INTEGER * 1000 + (${uniform(`b.range, ${day}, m.range, 7`)} < 0.2)::INTEGER * 1000 AS t,
      (80 + ${uniform(`b.range, ${day}, m.range, 8`)} * 820)::INTEGER AS latency,
      (0.7 + 0.6 * ${uniform('b.range, 5')}) * (18 + 9 * sin(minute / 229.2 + b.range) + 3 * sin(minute / 14.3 + 7 * b.range)) AS pm,
      24 + 4 * sin(minute / 229.2) + (b.range % 7) * 0.3 AS te, 70 - 12 * sin(minute / 229.2) + b.range % 5 AS hu
    FROM range(1, ${boxes + 1}) b, range(${DAY / interval}) m
  ), reading AS (
    SELECT box, mi, t, latency,
      greatest(0, round(pm + 0.6 * ${normal(`box, ${day}, mi, 11`)}, 1)) AS pm25,
      greatest(0, round(1.3 * pm + 2 + 0.9 * ${normal(`box, ${day}, mi, 12`)}, 1)) AS pm10,
      round(te + 0.05 * ${normal(`box, ${day}, mi, 13`)}, 2) AS temperature,
      round(hu + 0.2 * ${normal(`box, ${day}, mi, 14`)}, 2) AS humidity
    FROM turn
  ), value AS (
    SELECT box * 64 + p AS datastream, t, t + latency AS "resultTime",
      CASE p WHEN 2 THEN pm25 WHEN 3 THEN pm10 WHEN 6 THEN temperature ELSE humidity END AS raw,
      round(CASE p WHEN 2 THEN 0.52 * pm25 - 0.0862 * humidity + 5.75 WHEN 3 THEN 0.6 * pm10 + 1.1 - 0.03 * humidity
        WHEN 6 THEN temperature - 0.8 ELSE 1.02 * humidity + 0.5 END, 1) AS corrected,
      ${uniform(`box, ${day}, mi, p, 15`)} < 0.01 AS odd
    FROM reading, (VALUES (2), (3), (6), (7)) v(p)
  )
  SELECT datastream::INTEGER, t::BIGINT, "resultTime"::BIGINT, raw::DOUBLE, corrected::DOUBLE,
    round(corrected - 2.1 - 0.12 * abs(corrected), 1)::DOUBLE, round(corrected + 2.6 + 0.18 * abs(corrected), 1)::DOUBLE,
    (CASE WHEN odd THEN 3 ELSE 1 END)::UTINYINT, (CASE WHEN odd THEN 64 ELSE 0 END)::INTEGER, 1::UTINYINT, 1::INTEGER
  FROM value ORDER BY t`;

const connect = async (folder: string): Promise<DuckDBInstance> =>
  DuckDBInstance.create(join(folder, 'observations.duckdb'), {
    memory_limit: '1000MB',
    threads: '2',
    temp_directory: join(folder, 'temp'),
  });

/** Makes the folder with so many days in `recent`, to be compacted. */
export async function fillRecent(folder: string, filling: Filling, days: number): Promise<void> {
  const empty = await DuckStore.open(folder);
  await empty.modelNum('pm25-L1-bench');
  await empty.close();
  const instance = await connect(folder);
  const inserting = await instance.connect();
  for (let day = 0; day < days; day++) await inserting.run(`INSERT INTO recent ${generated(day, filling)}`);
  inserting.closeSync();
  instance.closeSync();
}

/** Version of the files that repeat the first days. */
const REPEATED = 100;
/** Days of the month that all past months are made from. */
const MONTH_DAYS = 31;

/**
 * Fills an empty folder, or goes on with one that was left in the middle: past months in files of a month, the present one in files
 * of a day, as compaction leaves them.
 * @returns what its compaction took; nothing was compacted where it went on
 */
export async function fill(
  folder: string,
  filling: Filling,
  say: (text: string) => void,
): Promise<{ compacted: number; compactMs: number }> {
  const { start: first, days, boxes } = filling;
  const begun = existsSync(join(folder, 'observations.duckdb'));
  let compactMs = 0;
  if (!begun) {
    await fillRecent(folder, filling, TEMPLATE_DAYS);
    say(`${TEMPLATE_DAYS} days made`);
    const store = await DuckStore.open(folder);
    const before = performance.now();
    await store.compact(first + TEMPLATE_DAYS * DAY);
    compactMs = performance.now() - before;
    await store.close();
    say(`${TEMPLATE_DAYS} days compacted`);
  }

  const parts = new PartFolder(folder);
  const db = await connect(folder);
  const connection = await db.connect();
  const listed = await readParts(connection);
  const templates = listed.filter((p) => p.kind === 'days' && p.version < REPEATED).sort((x, y) => x.start - y.start);
  const end = first + days * DAY;
  const pieces = Math.ceil((rowsADay(filling) * MONTH_DAYS) / LIMITS.pieceRows);
  const ranges = Array.from({ length: pieces }, (_, i) => ({
    lowest: (Math.floor((i * boxes) / pieces) + 1) * 64,
    highest: (Math.floor(((i + 1) * boxes) / pieces) + 1) * 64 - 1,
  }));
  const span = { kind: 'days', start: first, end: first + MONTH_DAYS * DAY } as const;
  const scratch = join(folder, 'temp', 'month');
  mkdirSync(scratch, { recursive: true });
  const templateOf = (kind: 'days' | 'hours', i: number): string => join(scratch, `${kind}-${i}.parquet`);
  for (const [i, { lowest, highest }] of ranges.entries()) {
    if (existsSync(templateOf('hours', i))) continue;
    const shifted = Array.from({ length: MONTH_DAYS }, (_, day) => {
      const shift = Math.floor(day / TEMPLATE_DAYS) * TEMPLATE_DAYS * DAY;
      return `SELECT * REPLACE ("phenomenonTime" + ${shift} AS "phenomenonTime") FROM ${parts.table([templates[day % TEMPLATE_DAYS] as Part])}
        WHERE datastream BETWEEN ${lowest} AND ${highest}`;
    });
    const sorted = `SELECT * FROM (${shifted.join(' UNION ALL ')}) ORDER BY datastream, "phenomenonTime"`;
    await copy(connection, sorted, templateOf('days', i), span);
    const hours = rollUp(`read_parquet('${templateOf('days', i)}')`);
    await copy(connection, `SELECT * FROM (${hours}) ORDER BY datastream, hour`, `${templateOf('hours', i)}.tmp`, { ...span, kind: 'hours' }); // prettier-ignore
    renameSync(`${templateOf('hours', i)}.tmp`, templateOf('hours', i));
  }
  say(`a month made in ${pieces} files`);
  // Copies are as sorted as what they are made from.
  await connection.run('SET preserve_insertion_order = true');
  for (let month = startOfMonth(first); month < end; month = endOfMonth(month)) {
    if (listed.some((p) => p.kind === 'hours' && p.start === month && p.version === REPEATED)) continue;
    const made: Part[] = [];
    const from = Math.max(month, first);
    const to = Math.min(end, endOfMonth(month));
    const shift = from - first;
    const plan = { version: REPEATED, merged: true, rolled: 'yes' } as const;
    const past = to === endOfMonth(month);
    for (const [index] of ranges.entries()) {
      const rows = `SELECT * REPLACE ("phenomenonTime" + ${shift} AS "phenomenonTime") FROM read_parquet('${templateOf('days', index)}')
        WHERE "phenomenonTime" < ${to - shift}`;
      const hours = `SELECT * REPLACE ((hour + ${shift / HOUR})::INTEGER AS hour) FROM read_parquet('${templateOf('hours', index)}')
        WHERE hour < ${(to - shift) / HOUR}`;
      const days = { ...plan, kind: 'days', start: from, end: to, index } as const;
      if (past) made.push(await parts.make(days, async (path) => copy(connection, rows, path, days)));
      const summed = { ...plan, kind: 'hours', start: month, end: endOfMonth(month), index } as const;
      made.push(await parts.make(summed, async (path) => copy(connection, hours, path, summed)));
    }
    if (!past)
      for (let start = from; start < to; start += DAY) {
        const day = ((start - shift - first) / DAY) % TEMPLATE_DAYS;
        const rows = `SELECT * REPLACE ("phenomenonTime" + ${start - first - day * DAY} AS "phenomenonTime") FROM ${parts.table([templates[day] as Part])}`;
        const days = { ...plan, kind: 'days', start, end: start + DAY, index: 0 } as const;
        made.push(await parts.make(days, async (path) => copy(connection, rows, path, days)));
      }
    await connection.run('BEGIN');
    for (const part of made) await connection.run(insertPart(part, false));
    await connection.run('COMMIT');
    say(`${new Date(month).toISOString().slice(0, 7)} made`);
  }
  await connection.run(
    `DELETE FROM part WHERE version < ${REPEATED}; UPDATE generation SET num = ${REPEATED}; DELETE FROM extent`,
  );
  connection.closeSync();
  db.closeSync();
  rmSync(scratch, { recursive: true });
  return { compacted: begun ? 0 : TEMPLATE_DAYS * rowsADay(filling), compactMs };
}

if (import.meta.main) {
  const [folder = '', boxes = '190', interval = '60000', start = '', days = '365'] = process.argv.slice(2);
  await fill(folder, { boxes: Number(boxes), interval: Number(interval), start: Date.parse(start), days: Number(days) }, (text) => process.stderr.write(`${text}\n`)); // prettier-ignore
}

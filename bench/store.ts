/**
 * The embedded store at size: `node bench/store.ts [--rows 400000000] [--folder DIR] [--keep] [--filled] [--json]`.
 *
 * A year of one reading a minute of four values per box, made by SQL from hashes (the same rows in every run) with the noise
 * of real sensors at their resolution, moved into Parquet by the store's own compaction. Then the questions that the API asks,
 * through the store's thread and a message port, as the API asks them.
 */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { datastreamId } from '../model/datastream.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { insertPart, readParts } from '../store/duckdb/compaction.ts';
import { PARQUET } from '../store/duckdb/encoding.ts';
import { PartFolder, type Part } from '../store/duckdb/parts.ts';
import { DuckStore } from '../store/duckdb/store.ts';
import { connectStore, startStoreWorker } from '../store/remote.ts';
import { allocateColumns, type BulkStore, type ObservationColumns } from '../store/store.ts';

const START = Date.UTC(2025, 0, 1);
const DAYS = 365;
const PER_BOX_DAY = 4 * 1440;

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
const generated = (day: number, boxes: number): string => `
  WITH minute AS (
    SELECT b.range::INTEGER AS box, m.range AS mi, ${START + day * DAY} + m.range * 60000
        + (${uniform('b.range')} * 58)::INTEGER * 1000 + (${uniform(`b.range, ${day}, m.range, 7`)} < 0.2)::INTEGER * 1000 AS t,
      (80 + ${uniform(`b.range, ${day}, m.range, 8`)} * 820)::INTEGER AS latency,
      (0.7 + 0.6 * ${uniform('b.range, 5')}) * (18 + 9 * sin(m.range / 229.2 + b.range) + 3 * sin(m.range / 14.3 + 7 * b.range)) AS pm,
      24 + 4 * sin(m.range / 229.2) + (b.range % 7) * 0.3 AS te, 70 - 12 * sin(m.range / 229.2) + b.range % 5 AS hu
    FROM range(1, ${boxes + 1}) b, range(1440) m
  ), reading AS (
    SELECT box, mi, t, latency,
      greatest(0, round(pm + 0.6 * ${normal(`box, ${day}, mi, 11`)}, 1)) AS pm25,
      greatest(0, round(1.3 * pm + 2 + 0.9 * ${normal(`box, ${day}, mi, 12`)}, 1)) AS pm10,
      round(te + 0.05 * ${normal(`box, ${day}, mi, 13`)}, 2) AS temperature,
      round(hu + 0.2 * ${normal(`box, ${day}, mi, 14`)}, 2) AS humidity
    FROM minute
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

export interface Figure {
  readonly what: string;
  readonly value: string;
  readonly limit: string;
}

const rate = (n: number, ms: number): string => `${Math.round((n / ms) * 1000).toLocaleString('en')}/s`;

async function times(n: number, ask: (i: number) => Promise<unknown>): Promise<string> {
  const took: number[] = [];
  for (let i = 0; i < n; i++) {
    const before = performance.now();
    await ask(i);
    took.push(performance.now() - before);
  }
  took.sort((a, b) => a - b);
  const at = (q: number): string => (took[Math.min(n - 1, Math.floor(q * n))] as number).toFixed(1);
  return `${at(0.5)} ms median, ${at(0.99)} ms p99 of ${n}`;
}

/** Days that are made value by value; the others repeat them at their own times, so a year takes minutes. */
const TEMPLATE_DAYS = 8;

/** Fills the folder: the first days through `recent` and the store's own compaction, the rest as shifted copies of their files. */
async function fill(
  folder: string,
  boxes: number,
  say: (text: string) => void,
): Promise<{ compacted: number; compactMs: number }> {
  await (await DuckStore.open(folder)).close();
  const connect = async () =>
    DuckDBInstance.create(join(folder, 'observations.duckdb'), {
      memory_limit: '1000MB',
      threads: '2',
      temp_directory: join(folder, 'temp'),
    });
  const first = await connect();
  const inserting = await first.connect();
  for (let day = 0; day < TEMPLATE_DAYS; day++) await inserting.run(`INSERT INTO recent ${generated(day, boxes)}`);
  inserting.closeSync();
  first.closeSync();
  say(`${TEMPLATE_DAYS} days made`);
  const store = await DuckStore.open(folder);
  const before = performance.now();
  await store.compact(START + TEMPLATE_DAYS * DAY);
  const compactMs = performance.now() - before;
  await store.close();
  say(`${TEMPLATE_DAYS} days compacted`);

  const parts = new PartFolder(folder);
  const db = await connect();
  const connection = await db.connect();
  const listed = await readParts(connection);
  const templates = listed.filter((p) => p.kind === 'days').sort((x, y) => x.start - y.start);
  const hours = parts.table(listed.filter((p) => p.kind === 'hours'));
  const copy = async (sql: string, path: string, layout: string): Promise<number> => {
    const result = await connection.runAndReadAll(`COPY (${sql}) TO '${path}' ${PARQUET(layout)}`);
    return Number(result.getRows()[0]?.[0]);
  };
  const made: Part[] = [];
  for (let month = 0; month < 12; month++) {
    const rollUps: string[] = [];
    for (let start = Date.UTC(2025, month, 1); start < Date.UTC(2025, month + 1, 1); start += DAY) {
      const day = (start - START) / DAY;
      const template = templates[day % TEMPLATE_DAYS] as Part;
      const shift = start - template.start;
      rollUps.push(
        `SELECT * REPLACE (hour + ${shift / HOUR} AS hour) FROM ${hours}
         WHERE hour BETWEEN ${template.start / HOUR} AND ${template.start / HOUR + 23}`,
      );
      if (day < TEMPLATE_DAYS) continue;
      const shifted = `SELECT * REPLACE ("phenomenonTime" + ${shift} AS "phenomenonTime") FROM ${parts.table([template])}`;
      made.push(await parts.make('days', start, 2, async (path) => copy(shifted, path, 'observations')));
    }
    const all = `SELECT * REPLACE (hour::INTEGER AS hour) FROM (${rollUps.join(' UNION ALL ')}) ORDER BY datastream, hour`;
    made.push(await parts.make('hours', Date.UTC(2025, month, 1), 2, async (path) => copy(all, path, 'hours')));
    say(`${month + 1}/12 months`);
  }
  await connection.run("DELETE FROM part WHERE kind = 'hours'; UPDATE generation SET num = 2");
  for (const part of made) await connection.run(insertPart(part));
  connection.closeSync();
  db.closeSync();
  return { compacted: boxes * TEMPLATE_DAYS * PER_BOX_DAY, compactMs };
}

/** A batch as the pipeline appends it: one reading of four values each of `n / 4` boxes. */
function batch(n: number, minute: number): ObservationColumns {
  const rows = allocateColumns(n);
  for (let i = 0; i < n; i++) {
    rows.datastream[i] = datastreamId(
      1 + (i >> 2),
      (['pm25', 'pm10', 'temperature', 'humidity'] as const)[i & 3] as 'pm25',
    );
    rows.phenomenonTime[i] = START + (DAYS + 1) * DAY + minute * MINUTE + (i % 60) * 1000;
    rows.resultTime[i] = rows.phenomenonTime[i] as number;
    rows.raw[i] = (i % 997) / 10;
    rows.corrected[i] = (i % 499) / 10;
    rows.lo90[i] = (i % 499) / 10 - 3;
    rows.hi90[i] = (i % 499) / 10 + 3;
    rows.flag[i] = 1;
  }
  return rows;
}

async function questions(store: BulkStore, boxes: number): Promise<Figure[]> {
  const stream = (i: number): number => datastreamId(1 + ((i * 7919) % boxes), i % 2 ? 'pm25' : 'temperature');
  const day = (i: number): number => START + ((i * 104729) % (DAYS - 8)) * DAY;
  const end = START + DAYS * DAY;
  const week = async (i: number) =>
    store.range({ datastreams: [stream(i)], from: day(i), to: day(i) + 7 * DAY, limit: 20_000 });
  const n = (await week(0)).length;
  if (n !== 7 * 1440) throw new Error(`7 days hold ${n} rows instead of ${7 * 1440}`);
  const year = async (i: number) =>
    store.aggregate({ datastream: stream(i), from: START, to: end, step: HOUR, level: i % 2 ? 'raw' : 'corrected' });
  const hours = (await year(0)).length;
  if (hours !== DAYS * 24) throw new Error(`a year holds ${hours} hours instead of ${DAYS * 24}`);
  const page = async (i: number) =>
    store.range({
      datastreams: [stream(i)],
      from: START,
      to: day(i) + (i % 24) * HOUR,
      limit: 100,
      order: i % 3 ? 'desc' : 'asc',
    });
  await page(0);
  return [
    { what: "one datastream's 7 days at 1 min (10,080 rows)", value: await times(100, week), limit: '100 ms' },
    { what: 'hour means of a year (8,760)', value: await times(60, year), limit: '150 ms' },
    {
      what: 'day means of a year, Asia/Taipei',
      value: await times(30, async (i) =>
        store.aggregate({
          datastream: stream(i),
          from: START,
          to: end,
          step: 'day',
          timezone: 'Asia/Taipei',
          level: 'corrected',
        }),
      ),
      limit: '',
    },
    { what: 'page of 100 observations', value: await times(300, page), limit: '20 ms p99' },
    {
      what: 'latest of every datastream, last day',
      value: await times(5, async () => store.latest(end - DAY)),
      limit: '',
    },
    {
      what: 'SQL: count of a day above a threshold',
      value: await times(10, async (i) =>
        store.sql({
          text: 'SELECT count(*) FROM observation WHERE corrected > $1 AND flag = 1',
          params: [20],
          from: day(i),
          to: day(i) + DAY,
        }),
      ),
      limit: '',
    },
  ];
}

/** With `filled` the folder holds these rows already (`--keep` of an earlier run). */
export async function benchStore(
  rows: number,
  folder: string,
  say: (text: string) => void,
  filled = false,
): Promise<Figure[]> {
  const boxes = Math.max(1, Math.round(rows / (DAYS * PER_BOX_DAY)));
  const total = boxes * DAYS * PER_BOX_DAY;
  const made = filled ? null : await fill(folder, boxes, say);
  const figures: Figure[] = [{ what: 'observations stored', value: total.toLocaleString('en'), limit: '' }];
  const worker = await startStoreWorker(folder);
  try {
    const store = connectStore(worker.connect());
    const health = await store.health();
    if (!health.ok || (made && health.rows !== total))
      throw new Error(`the store says: ${JSON.stringify(health)}, ${total} rows were made`);
    const bytes = await partBytes(folder);
    figures.push(
      { what: 'bytes a stored observation: day files', value: (bytes.days / total).toFixed(2), limit: '4' },
      { what: '… with the roll-ups of hours', value: ((bytes.days + bytes.hours) / total).toFixed(2), limit: '4' },
    );
    if (made)
      figures.push({
        what: 'compaction (rows into sorted Parquet)',
        value: rate(made.compacted, made.compactMs),
        limit: '',
      });
    say('asking');
    figures.push(...(await questions(store, boxes)));
    say('appending');
    const n = 66_800;
    let before = performance.now();
    for (let minute = 0; minute < 20; minute++) await store.append(batch(n, minute), [], minute + 1);
    figures.push({
      what: `append, batches of ${n} rows of as many streams`,
      value: rate(20 * n, performance.now() - before),
      limit: '66,800/s',
    });
    before = performance.now();
    await store.append(batch(n, 7), [], 0);
    figures.push({
      what: `… the same ${n} rows again (duplicates)`,
      value: rate(n, performance.now() - before),
      limit: '',
    });
    const newest = await times(3, async () => store.latest(START + (DAYS + 1) * DAY));
    figures.push({ what: `latest of ${n} datastreams`, value: newest, limit: '' });
  } finally {
    await worker.close();
  }
  return figures;
}

async function partBytes(folder: string): Promise<{ days: number; hours: number }> {
  const sum = async (kind: string): Promise<number> => {
    let bytes = 0;
    for (const name of await readdir(join(folder, 'parquet', kind)))
      bytes += (await stat(join(folder, 'parquet', kind, name))).size;
    return bytes;
  };
  return { days: await sum('days'), hours: await sum('hours') };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '20000000' },
      folder: { type: 'string' },
      filled: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const folder = values.folder ?? (await mkdtemp(join(tmpdir(), 'lamppost-bench-store-')));
  try {
    const figures = await benchStore(
      Number(values.rows),
      folder,
      (text) => process.stderr.write(`${text}\n`),
      values.filled,
    );
    if (values.json) console.log(JSON.stringify(figures));
    else {
      console.log(`store, ${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`);
      for (const { what, value, limit } of figures) console.log(`| ${what} | ${value} | ${limit} |`);
    }
  } finally {
    if (!values.keep) await rm(folder, { recursive: true, force: true });
  }
}

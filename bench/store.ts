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
import { datastreamId } from '../model/datastream.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { connectStore, startStoreWorker } from '../store/remote.ts';
import { allocateColumns, type BulkStore, type ObservationColumns } from '../store/store.ts';
import { figure } from './figures.ts';
import { fill } from './store/fill.ts';

const START = Date.UTC(2025, 0, 1);
const DAYS = 365;
const PER_BOX_DAY = 4 * 1440;

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
  const made = filled ? null : await fill(folder, { boxes, start: START, days: DAYS }, say);
  const figures: Figure[] = [{ what: 'observations stored', value: total.toLocaleString('en'), limit: '' }];
  const worker = await startStoreWorker(folder);
  try {
    const store = connectStore(worker.connect());
    const health = await store.health();
    if (!health.ok || (made && health.rows !== total))
      throw new Error(`the store says: ${JSON.stringify(health)}, ${total} rows were made`);
    const bytes = await partBytes(folder);
    figures.push(
      {
        what: 'bytes a stored observation: files of days and months',
        value: (bytes.rows / total).toFixed(2),
        limit: '4',
      },
      { what: '… with the roll-ups of hours', value: ((bytes.rows + bytes.hours) / total).toFixed(2), limit: '4' },
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

async function partBytes(folder: string): Promise<{ rows: number; hours: number }> {
  const sum = async (kind: string): Promise<number> => {
    let bytes = 0;
    for (const name of await readdir(join(folder, 'parquet', kind)))
      bytes += (await stat(join(folder, 'parquet', kind, name))).size;
    return bytes;
  };
  return { rows: (await sum('days')) + (await sum('months')), hours: await sum('hours') };
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
    for (const { what, value, limit } of figures) figure(what, value, limit);
    if (values.json) console.log(JSON.stringify(figures));
    else {
      console.log(`store, ${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`);
      for (const { what, value, limit } of figures) console.log(`| ${what} | ${value} | ${limit} |`);
    }
  } finally {
    if (!values.keep) await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The InfluxDB store beside the embedded one: `node bench/influx.ts [--boxes 1000] [--minutes 120] [--rounds 3] [--json]`.
 *
 * A real influxd (`INFLUXD`, or what `node scripts/influxd.ts` built) and a DuckDB file on the same disk take the same readings:
 * four values a minute a box, two of them corrected, in batches of 10,000 readings through the store's thread and a message port,
 * as the pipeline writes them. Two yardsticks post the same points, made to line protocol beforehand, to empty buckets of the same
 * server: as `influx write` does (bodies of 500 kB, gzipped on the way, one after the other), and as fast as the server takes them
 * (requests of 5,000 lines, two at a time, not gzipped, as the store itself sends to a server on its own machine). Store and
 * yardsticks take turns, round for round, so that a busy machine is busy for all. Then the questions the API asks, of both.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { datastreamId } from '../model/datastream.ts';
import type { PropertyKey } from '../model/properties.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { influxd, startInfluxd, type RunningInflux } from '../scripts/influxd.ts';
import { encodePoints, linesOf } from '../store/influx/lines.ts';
import { connectStore, startInfluxWorker, startStoreWorker, type StoreWorker } from '../store/remote.ts';
import { allocateColumns, type BulkStore, type ObservationColumns } from '../store/store.ts';
import { figure, leftOut } from './figures.ts';

const START = Date.UTC(2026, 10, 1);
const PROPERTIES: readonly PropertyKey[] = ['pm25', 'pm10', 'temperature', 'humidity'];
/** Of one batch: `INFLUX_BATCH` of `cli/server.ts`. */
const READINGS = 10_000;
const LINES = 5000;
/** Of one request of `influx write` [bytes]. */
const BODY = 500_000;

/** mulberry32 */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Reading `n` is of box `n % boxes` in minute `floor(n / boxes)`. */
function batchOf(first: number, length: number, boxes: number, chance: () => number): ObservationColumns {
  const rows = allocateColumns(length * 4);
  for (let i = 0; i < rows.length; i++) {
    const n = first + (i >> 2);
    const box = 1 + (n % boxes);
    const property = PROPERTIES[i & 3] as PropertyKey;
    const time = START + Math.floor(n / boxes) * MINUTE + (box % 60) * 1000;
    rows.datastream[i] = datastreamId(box, property);
    rows.phenomenonTime[i] = time;
    rows.resultTime[i] = time + 80 + Math.floor(chance() * 800);
    const raw = Math.round(chance() * 400) / 10;
    rows.raw[i] = raw;
    rows.flag[i] = chance() < 0.01 ? 3 : 1;
    if ((i & 3) > 1) continue;
    rows.corrected[i] = Math.round(raw * 5.2) / 10;
    rows.lo90[i] = Math.round(raw * 4.1) / 10;
    rows.hi90[i] = Math.round(raw * 6.9) / 10;
    rows.level[i] = 3;
    rows.model[i] = 2;
  }
  return rows;
}

interface Posting {
  readonly parallel: number;
  /** Made on the way, as nobody has it beforehand. */
  readonly gzip: boolean;
}

async function post(server: RunningInflux, bucket: string, bodies: readonly Buffer[], how: Posting): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const queue = bodies.values();
  const one = async (body: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      const path = `${server.url}/api/v2/write?org=${server.org}&bucket=${bucket}&precision=ns`;
      const headers = { authorization: `Token ${server.token}`, ...(how.gzip && { 'content-encoding': 'gzip' }) };
      const sent = request(path, { method: 'POST', agent, headers }, (answer) => {
        answer.resume();
        answer.on('end', () => (answer.statusCode === 204 ? resolve() : reject(new Error(`${answer.statusCode}`))));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  const work = async (): Promise<void> => {
    for (const body of queue) await one(how.gzip ? await pack(body) : body);
  };
  await Promise.all(Array.from({ length: how.parallel }, work));
  agent.destroy();
}

/** Whole lines, as many as go into one body. */
function bodiesOf(text: Buffer): Buffer[] {
  const bodies: Buffer[] = [];
  for (let from = 0; from < text.length;) {
    const to = text.length - from <= BODY ? text.length : text.lastIndexOf('\n', from + BODY) + 1;
    bodies.push(text.subarray(from, to));
    from = to;
  }
  return bodies;
}

const pack = promisify(gzip);

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const before = performance.now();
  await work();
  return performance.now() - before;
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;
const rate = (rows: number, ms: number): string => `${Math.round((rows / ms) * 1000).toLocaleString('en')}/s`;

interface Line {
  readonly what: string;
  readonly duckdb: string;
  readonly influxdb: string;
}

async function bench(boxes: number, minutes: number, rounds: number, binary: string): Promise<Line[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lamppost-bench-influx-'));
  const server = await startInfluxd(binary);
  const workers: StoreWorker[] = [];
  try {
    const took = { duckdb: [] as number[], influxdb: [] as number[], raw: [] as number[], tool: [] as number[] };
    const readings = boxes * minutes;
    let stores: { duckdb: BulkStore; influxdb: BulkStore } | null = null;
    for (let round = 0; round < rounds; round++) {
      const chance = random(round + 1);
      const batches: ObservationColumns[] = [];
      for (let first = 0; first < readings; first += READINGS)
        batches.push(batchOf(first, Math.min(READINGS, readings - first), boxes, chance));
      const bodies: Buffer[] = [];
      for (const rows of batches) {
        const points = encodePoints(
          rows,
          Int32Array.from({ length: rows.length }, (_, i) => i),
        );
        for (let i = 0; i < points.length; i += LINES)
          bodies.push(Buffer.from(linesOf(points, i, Math.min(points.length, i + LINES))));
      }
      const [name, fastest, tool] = [`store-${round}`, `raw-${round}`, `tool-${round}`] as const;
      for (const bucket of [name, fastest, tool]) await server.bucket(bucket);
      const asTool = bodiesOf(Buffer.concat(bodies));
      const address = { url: server.url, token: server.token, org: server.org, bucket: name };
      const duck = await startStoreWorker(join(folder, `duckdb-${round}`));
      const influx = await startInfluxWorker(join(folder, name), address);
      workers.push(duck, influx);
      stores = { duckdb: connectStore(duck.connect()), influxdb: connectStore(influx.connect()) };
      const append = (store: BulkStore) => async (): Promise<void> => {
        for (const [i, rows] of batches.entries()) await store.append(rows, [], i + 1);
      };
      const turns = [
        async () => took.tool.push(await timed(() => post(server, tool, asTool, { parallel: 1, gzip: true }))),
        async () => took.raw.push(await timed(() => post(server, fastest, bodies, { parallel: 2, gzip: false }))),
        async () => took.influxdb.push(await timed(append((stores as { influxdb: BulkStore }).influxdb))),
      ];
      for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn();
      took.duckdb.push(await timed(append(stores.duckdb)));
      process.stderr.write(`round ${round + 1} of ${rounds}\n`);
    }
    if (!stores) throw new Error('no round was run');
    const rows = readings * 4;
    const part = (of: readonly number[]): string =>
      `${Math.round(median(of.map((ms, i) => ms / (took.influxdb[i] as number))) * 100)} %`;
    const result: Line[] = [
      { what: `values taken, ${rows.toLocaleString('en')} of ${boxes} boxes`, duckdb: rate(rows, median(took.duckdb)), influxdb: rate(rows, median(took.influxdb)) },
      { what: 'the same points posted as `influx write` does', duckdb: '', influxdb: rate(rows, median(took.tool)) },
      { what: 'part of that (wanted: 70 %), median of the rounds', duckdb: '', influxdb: part(took.tool) },
      { what: 'posted as fast as the server takes them', duckdb: '', influxdb: rate(rows, median(took.raw)) },
      { what: 'part of that, median of the rounds', duckdb: '', influxdb: part(took.raw) },
    ]; // prettier-ignore
    const end = START + minutes * MINUTE;
    const one = datastreamId(1 + (boxes >> 1), 'pm25');
    const questions: [string, (store: BulkStore) => Promise<unknown>][] = [
      ['every value of one datastream', (s) => s.range({ datastreams: [one], from: START, to: end, limit: 10_000 })],
      ['its newest 100', (s) => s.range({ datastreams: [one], from: 0, to: end, limit: 100, order: 'desc' })],
      ['its hour means, corrected', (s) => s.aggregate({ datastream: one, from: START, to: end, step: HOUR, level: 'corrected' })],
      ['its hour means, raw, 1 % of values flagged', (s) => s.aggregate({ datastream: one, from: START, to: end, step: HOUR, level: 'raw' })],
      [`latest of ${boxes * 4} datastreams`, (s) => s.latest(end - DAY)],
      ['number of all values', (s) => s.count(0, end)],
    ]; // prettier-ignore
    for (const [what, ask] of questions) {
      const of = async (store: BulkStore): Promise<string> => {
        const ms: number[] = [];
        for (let i = 0; i < 7; i++) ms.push(await timed(() => ask(store)));
        return `${median(ms).toFixed(1)} ms`;
      };
      result.push({ what, duckdb: await of(stores.duckdb), influxdb: await of(stores.influxdb) });
    }
    return result;
  } finally {
    for (const worker of workers) await worker.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      boxes: { type: 'string', default: '1000' },
      minutes: { type: 'string', default: '120' },
      rounds: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
    },
  });
  const binary = influxd();
  if (binary === null) {
    const why = 'there is no influxd; node scripts/influxd.ts builds one, or set INFLUXD';
    leftOut('InfluxDB', why);
    console.log(`left out: ${why}`);
  } else {
    const lines = await bench(Number(values.boxes), Number(values.minutes), Number(values.rounds), binary);
    for (const { what, duckdb, influxdb } of lines) figure(`${what}: embedded; InfluxDB`, `${duckdb}; ${influxdb}`);
    if (values.json) console.log(JSON.stringify(lines));
    else {
      console.log(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}\n`);
      console.log('| | embedded | InfluxDB |\n|---|---|---|');
      for (const { what, duckdb, influxdb } of lines) console.log(`| ${what} | ${duckdb} | ${influxdb} |`);
    }
  }
}

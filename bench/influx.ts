/**
 * The InfluxDB store beside the embedded one: `node bench/influx.ts [--boxes 1000] [--minutes 120] [--rounds 3] [--json]`.
 *
 * A real influxd (`INFLUXD`, or what `node scripts/influxd.ts` built) and a DuckDB file on the same disk take the same readings:
 * four values a minute a box, two of them corrected, in batches of 5,000 readings through the store's thread and a message port,
 * as the pipeline writes them. Yardstick: the same points as line protocol, made beforehand, posted to an empty bucket of the
 * same server in requests of 5,000 lines, two at a time, gzipped, as `influx write` does. Store and yardstick take turns, round
 * for round, so that a busy machine is busy for both. Then the questions the API asks, of both.
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
import { encodePoints } from '../store/influx/schema.ts';
import { connectStore, startInfluxWorker, startStoreWorker, type StoreWorker } from '../store/remote.ts';
import { allocateColumns, type BulkStore, type ObservationColumns } from '../store/store.ts';

const START = Date.UTC(2026, 10, 1);
const PROPERTIES: readonly PropertyKey[] = ['pm25', 'pm10', 'temperature', 'humidity'];
const READINGS = 5000;
const LINES = 5000;

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

async function raw(server: RunningInflux, bucket: string, bodies: readonly Buffer[]): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const queue = bodies.values();
  const post = async (body: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      const path = `${server.url}/api/v2/write?org=${server.org}&bucket=${bucket}&precision=ns`;
      const headers = { authorization: `Token ${server.token}`, 'content-encoding': 'gzip' };
      const sent = request(path, { method: 'POST', agent, headers }, (answer) => {
        answer.resume();
        answer.on('end', () => (answer.statusCode === 204 ? resolve() : reject(new Error(`${answer.statusCode}`))));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  const work = async (): Promise<void> => {
    for (const body of queue) await post(body);
  };
  await Promise.all([work(), work()]);
  agent.destroy();
}

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
  const pack = promisify(gzip);
  try {
    const took = { duckdb: [] as number[], influxdb: [] as number[], raw: [] as number[] };
    const readings = boxes * minutes;
    let stores: { duckdb: BulkStore; influxdb: BulkStore } | null = null;
    for (let round = 0; round < rounds; round++) {
      const chance = random(round + 1);
      const batches: ObservationColumns[] = [];
      for (let first = 0; first < readings; first += READINGS)
        batches.push(batchOf(first, Math.min(READINGS, readings - first), boxes, chance));
      const bodies: Buffer[] = [];
      for (const rows of batches) {
        const { lines } = encodePoints(
          rows,
          Int32Array.from({ length: rows.length }, (_, i) => i),
        );
        for (let i = 0; i < lines.length; i += LINES) bodies.push(await pack(lines.slice(i, i + LINES).join('\n')));
      }
      const [name, yardstick] = [`store-${round}`, `raw-${round}`];
      await server.bucket(name);
      await server.bucket(yardstick);
      const address = { url: server.url, token: server.token, org: server.org, bucket: name };
      const duck = await startStoreWorker(join(folder, `duckdb-${round}`));
      const influx = await startInfluxWorker(join(folder, name), address);
      workers.push(duck, influx);
      stores = { duckdb: connectStore(duck.connect()), influxdb: connectStore(influx.connect()) };
      const append = (store: BulkStore) => async (): Promise<void> => {
        for (const [i, rows] of batches.entries()) await store.append(rows, [], i + 1);
      };
      const turns = [
        async () => took.raw.push(await timed(() => raw(server, yardstick, bodies))),
        async () => took.influxdb.push(await timed(append((stores as { influxdb: BulkStore }).influxdb))),
      ];
      for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn();
      took.duckdb.push(await timed(append(stores.duckdb)));
      process.stderr.write(`round ${round + 1} of ${rounds}\n`);
    }
    if (!stores) throw new Error('no round was run');
    const rows = readings * 4;
    const ratio = median(took.raw.map((ms, i) => ms / (took.influxdb[i] as number)));
    const result: Line[] = [
      { what: `values taken, ${rows.toLocaleString('en')} of ${boxes} boxes`, duckdb: rate(rows, median(took.duckdb)), influxdb: rate(rows, median(took.influxdb)) },
      { what: 'the same points posted raw', duckdb: '', influxdb: rate(rows, median(took.raw)) },
      { what: 'part of raw (wanted: 70 %)', duckdb: '', influxdb: `${Math.round(ratio * 100)} %` },
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
    console.log('left out: there is no influxd; node scripts/influxd.ts builds one, or set INFLUXD');
  } else {
    const lines = await bench(Number(values.boxes), Number(values.minutes), Number(values.rounds), binary);
    if (values.json) console.log(JSON.stringify(lines));
    else {
      console.log(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}\n`);
      console.log('| | embedded | InfluxDB |\n|---|---|---|');
      for (const { what, duckdb, influxdb } of lines) console.log(`| ${what} | ${duckdb} | ${influxdb} |`);
    }
  }
}

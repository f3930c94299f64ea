/**
 * The API over 400 million stored observations, through HTTP, as the real server answers it, at first alone and then while
 * readings flow in: `node bench/http400.ts [--shape minutes|city] [--folder DIR] [--keep] [--rate 5000] [--seconds 60]`
 *
 * `minutes`: 190 boxes, four values a minute for a year. `city`: 10,000 boxes, four values each 53 minutes for 371 days. Both end
 * yesterday (UTC). The folder is filled when it is empty (some ten minutes, 2–4 GB); with --keep it can be asked again, in about
 * four minutes: `node bench/http400.ts --folder DIR --keep`.
 * Readings are sent by a process of its own over 100 connections. Linux only: memory is read from /proc.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { boxDatastreamId } from '../api/sta/box-ids.ts';
import { dataFolder } from '../cli/folder.ts';
import { DAY, HOUR, startOfDay } from '../model/time.ts';
import { openRegistry } from '../registry/sqlite.ts';
import type { BridgeLoad, BridgeReport } from './million/load.ts';
import { figure } from './figures.ts';
import { fill, rowsADay, type Filling } from './store/fill.ts';

const { values } = parseArgs({
  options: {
    shape: { type: 'string', default: 'city' },
    folder: { type: 'string' },
    keep: { type: 'boolean', default: false },
    rate: { type: 'string', default: '5000' },
    /** Fewer days than the shape has. */
    days: { type: 'string' },
    seconds: { type: 'string', default: '80' },
    rounds: { type: 'string', default: '100' },
    'server-flags': { type: 'string', default: '' },
  },
});
const SHAPES: Record<string, Pick<Filling, 'boxes' | 'interval' | 'days'>> = {
  minutes: { boxes: 190, interval: 60_000, days: 365 },
  city: { boxes: 10_000, interval: 3_200_000, days: 371 },
};
const whole = SHAPES[values.shape];
if (!whole) throw new Error(`--shape ${values.shape}: one of ${Object.keys(SHAPES).join(', ')}`);
const shape = { ...whole, ...(values.days ? { days: Number(values.days) } : {}) };
/** Boxes that send: the last ones of the registry, so that those with a year of minutes stay as they are. */
const SENDERS = 10_000;
const boxes = Math.max(shape.boxes, SENDERS);
const say = (text: string): void => void process.stderr.write(`${text}\n`);

// --- the folder --------------------------------------------------------------------------------------------------------
const root = values.folder ?? mkdtempSync(join(tmpdir(), 'lamppost-http400-'));
mkdirSync(root, { recursive: true });
const folder = dataFolder(root);
const marks = join(root, 'bench.json');
if (!existsSync(marks)) {
  const start = startOfDay(Date.now()) - shape.days * DAY;
  await fill(folder.store, { ...shape, start }, say);
  writeFileSync(marks, JSON.stringify({ start }));
}
const { start } = JSON.parse(readFileSync(marks, 'utf8')) as { start: number };
const end = start + shape.days * DAY;

const idsFile = join(root, 'ids.txt');
const registry = openRegistry(folder.registry);
if (registry.count() === 0) {
  registry.addMany(
    Array.from({ length: boxes }, (_, i) => ({
      name: `路燈 ${i}`,
      sensors: ['PMS5003', 'BME280'],
      exposure: 'outdoor' as const,
      licence: 'CC-BY-4.0',
      // load.ts knows the same latitude.
      lat: 22 + 3 * ((i * 0.754877666) % 1),
      lon: 120 + 2 * ((i * 0.569840291) % 1),
    })),
    start,
  );
  const ids = registry.list({ limit: boxes }).map((b) => b.id);
  writeFileSync(idsFile, ids.slice(-SENDERS).map((id) => `${id}\n`).join('')); // prettier-ignore
}
const token = registry.addToken('bridge', `bench ${Date.now()}`, Date.now());
const idOf = (num: number): string => registry.byNum(num)?.id ?? '';
const ids = Array.from({ length: shape.boxes }, (_, i) => idOf(i + 1));
registry.close();

// --- the server ----------------------------------------------------------------------------------------------------------
const began = performance.now();
const server: ChildProcess = spawn(
  process.execPath,
  [...values['server-flags'].split(' ').filter(Boolean), new URL('../bin/lamppost.js', import.meta.url).pathname, 'serve', '--no-pages'], // prettier-ignore
  {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      LAMPPOST_DATA_DIR: root,
      LAMPPOST_HTTP_PORT: '0',
      LAMPPOST_MQTT_PORT: '0',
      LAMPPOST_MQTT_HOST: '127.0.0.1',
      LAMPPOST_HTTP_HOST: '127.0.0.1',
      LAMPPOST_LOG_LEVEL: 'warn',
    },
  },
);
process.once('exit', () => server.kill('SIGKILL'));
const ports = await new Promise<{ http: number; mqtt: number }>((resolve, reject) => {
  createInterface({ input: server.stdout as NodeJS.ReadableStream }).once('line', (line) =>
    resolve(JSON.parse(line) as { http: number; mqtt: number }),
  );
  server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
});
const readySeconds = (performance.now() - began) / 1000;
const memory = (): { now: number; peak: number } => {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  const mib = (name: string): number => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return { now: mib('VmRSS'), peak: mib('VmHWM') };
};

const agent = new Agent({ keepAlive: true });
const get = (path: string): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const asked = request({ port: ports.http, host: '127.0.0.1', path, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    asked.on('error', reject);
    asked.end();
  });
/**
 * Requests a second over some connections, each asking again with the tag it has: most are answered 304.
 * @returns requests and how many of them were hits
 */
async function revalidate(
  path: string,
  connections: number,
  milliseconds: number,
): Promise<{ requests: number; hits: number }> {
  // prettier-ignore
  const until = performance.now() + milliseconds;
  let requests = 0;
  let hits = 0;
  const one = new Agent({ keepAlive: true, maxSockets: connections });
  const ask = (tag: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const headers = tag === '' ? {} : { 'if-none-match': tag };
      const asked = request({ port: ports.http, host: '127.0.0.1', path, agent: one, headers }, (response) => {
        if (response.statusCode === 304) hits++;
        response.resume();
        response.on('end', () => resolve(response.headers.etag ?? ''));
      });
      asked.on('error', reject);
      asked.end();
    });
  const client = async (): Promise<void> => {
    for (let tag = await ask(''); performance.now() < until; requests++) tag = await ask(tag);
  };
  await Promise.all(Array.from({ length: connections }, client));
  one.destroy();
  return { requests, hits };
}
/** Size only: a year of minutes is not kept. */
const stream = (path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const asked = request({ port: ports.http, host: '127.0.0.1', path, agent }, (response) => {
      let lines = 0;
      response.on('data', (chunk: Buffer) => {
        for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
      });
      response.on('end', () => (response.statusCode === 200 ? resolve(lines - 1) : reject(new Error(`${response.statusCode}`)))); // prettier-ignore
    });
    asked.on('error', reject);
    asked.end();
  });

// --- what is asked ---------------------------------------------------------------------------------------------------------
interface Question {
  readonly what: string;
  readonly limit: string;
  readonly rounds: number;
  readonly path: (i: number) => string;
  /** Is the answer what it should be? */
  readonly right: (text: string) => boolean;
}
const iso = (t: number): string => new Date(t).toISOString();
const e = encodeURIComponent;
const box = (i: number): string => ids[(i * 7919) % ids.length] as string;
const dayIn = (i: number): number => start + ((i * 104_729) % (shape.days - 8)) * DAY;
const observations = (i: number): string => `/api/v1/boxes/${box(i)}/observations?property=${i % 2 ? 'pm25' : 'temperature'}&level=${i % 3 ? 'corrected' : 'raw'}`; // prettier-ignore
const items = (text: string): number => (JSON.parse(text) as { items: unknown[] }).items.length;
const rounds = Number(values.rounds);
const year = Math.min(365, shape.days) * DAY;
const weekRows = (7 * DAY) / (shape.interval ?? 60_000);
const questions: Question[] = [
  {
    what: `7 days of one datastream (${weekRows.toLocaleString('en')} rows, csv)`,
    limit: 'p50 < 100 ms',
    rounds,
    path: (i) => `${observations(i)}&from=${iso(dayIn(i))}&to=${iso(dayIn(i) + 7 * DAY)}&format=csv`,
    right: (text) => Math.abs(text.split('\n').length - 2 - weekRows) < 3,
  },
  {
    what: `hour means of one box over ${year / DAY} days (csv)`,
    limit: 'p50 < 150 ms',
    rounds,
    path: (i) => `${observations(i)}&from=${iso(end - year)}&to=${iso(end)}&interval=PT1H&format=csv`,
    right: (text) => text.split('\n').length > (year / HOUR) * 0.9,
  },
  {
    what: 'page of 100 observations of one datastream',
    limit: 'p99 < 20 ms',
    rounds: rounds * 3,
    path: (i) => `${observations(i)}&from=${iso(start)}&to=${iso(dayIn(i) + DAY + (i % 24) * HOUR)}&limit=100&order=${i % 3 ? 'desc' : 'asc'}`, // prettier-ignore
    // 27 values a day in a city: at its first days there are no hundred yet.
    right: (text) => items(text) >= 27,
  },
  {
    what: 'newest 100 observations of one datastream',
    limit: 'p99 < 20 ms',
    rounds: rounds * 2,
    path: (i) => `${observations(i)}&from=${iso(start)}&limit=100&order=desc`,
    right: (text) => items(text) === 100,
  },
  {
    what: 'SensorThings: 100 Observations of one Datastream',
    limit: 'p99 < 20 ms',
    rounds: rounds * 3,
    path: (i) =>
      `/sta/v1.1/Datastreams(${boxDatastreamId(1 + ((i * 7919) % ids.length), i % 2 ? 'pm25' : 'temperature', 'corrected')})/Observations?$top=100&$orderby=${e('phenomenonTime desc')}&$filter=${e(`phenomenonTime lt ${iso(dayIn(i) + 5 * DAY)}`)}`,
    right: (text) => (JSON.parse(text) as { value: unknown[] }).value.length === 100,
  },
  {
    what: 'SensorThings: 100 Things, all Datastreams, newest value each',
    limit: 'p50 < 50 ms',
    rounds,
    path: (i) => `/sta/v1.1/Things?$expand=${e('Datastreams($expand=Observations($top=1;$orderby=phenomenonTime desc))')}&$top=100&$skip=${(i * 100) % Math.max(1, ids.length - 100)}`, // prettier-ignore
    right: (text) => text.split('"phenomenonTime"').length > 1200,
  },
  {
    what: 'latest of the whole city (geojson)',
    limit: 'p99 < 30 ms',
    rounds: rounds * 2,
    path: (i) => `/api/v1/latest.geojson?property=${i % 2 ? 'pm25' : 'temperature'}&level=corrected`,
    right: (text) => text.split('"type":"Feature"').length > 1 + Math.min(ids.length, 100),
  },
];

// A year of minutes that ended long ago has nothing new to show.
const asked = values.shape === 'city' ? questions : questions.slice(0, 5);

const rows: [what: string, measured: string, limit: string][] = [];
async function ask(when: string): Promise<void> {
  for (const q of asked) {
    for (let i = 0; i < 5; i++) {
      const { status, text } = await get(q.path(1000 + i));
      if (status !== 200 || !q.right(text)) throw new Error(`${q.what}: ${status} ${q.path(1000 + i)} ${text.slice(0, 500)}`); // prettier-ignore
    }
    const took: number[] = [];
    for (let i = 0; i < q.rounds; i++) {
      const before = performance.now();
      const { status } = await get(q.path(i));
      took.push(performance.now() - before);
      if (status !== 200) throw new Error(`${q.what}: ${status}`);
    }
    took.sort((a, b) => a - b);
    const at = (p: number): string => (took[Math.min(took.length - 1, Math.floor(p * took.length))] as number).toFixed(1); // prettier-ignore
    rows.push([`${q.what}, ${when}`, `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms of ${took.length}`, q.limit]);
    say(rows.at(-1)?.join('  |  ') ?? '');
  }
  if (values.shape === 'city') {
    const { requests, hits } = await revalidate('/api/v1/latest.geojson?property=pm25&level=corrected', 16, 4000);
    rows.push([`latest of the whole city asked again with its tag, ${when}`, `${Math.round(requests / 4).toLocaleString('en')} requests/s, ${((100 * hits) / requests).toFixed(1)} % of them 304`, '1,000/s']); // prettier-ignore
    say(rows.at(-1)?.join('  |  ') ?? '');
  }
  const resident = memory().now;
  let peak = resident;
  const watch = setInterval(() => (peak = Math.max(peak, memory().now)), 50);
  let lines = 0;
  const before = performance.now();
  // At least some seconds: a box after the other.
  for (let i = 0; performance.now() - before < 8000; i++)
    lines += await stream(`/api/v1/boxes/${box(i)}/observations?property=pm25&level=corrected&from=${iso(start)}&to=${iso(end)}&format=csv`); // prettier-ignore
  const seconds = (performance.now() - before) / 1000;
  clearInterval(watch);
  rows.push([`CSV stream of a box's year, ${when}`, `${Math.round(lines / seconds).toLocaleString('en')} rows/s, memory ${resident} → ${peak} MiB at most`, '500,000 rows/s']); // prettier-ignore
  say(rows.at(-1)?.join('  |  ') ?? '');
}

console.log(`${values.shape}: ${(rowsADay({ ...shape, start }) * shape.days).toLocaleString('en')} observations of ${shape.boxes.toLocaleString('en')} boxes`); // prettier-ignore
console.log(`${cpus().length} × ${cpus()[0]?.model ?? '?'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}; load ${(loadavg()[0] as number).toFixed(1)}; asked from the same machine`); // prettier-ignore
rows.push(['server ready', `${readySeconds.toFixed(1)} s, ${memory().now} MiB`, '20 s']);
// SensorThings is there when its catalogue is: at the first start it writes all of it.
const wanted = shape.boxes;
for (;;) {
  const { status, text } = await get('/sta/v1.1/Things?$count=true&$top=1&$expand=Datastreams($top=1)');
  const { value = [], '@iot.count': count = 0 } = (status === 200 ? JSON.parse(text) : {}) as {
    value?: { Datastreams?: unknown[] }[];
    '@iot.count'?: number;
  };
  const last = await get(`/sta/v1.1/Things(${shape.boxes})/Datastreams?$count=true&$top=0`);
  const streams = last.status === 200 ? (JSON.parse(last.text) as { '@iot.count'?: number })['@iot.count'] : 0;
  if (count >= wanted && (value[0]?.Datastreams?.length ?? 0) > 0 && (streams ?? 0) >= 12) break;
  if (performance.now() - began > 900_000) throw new Error(`SensorThings has ${count} Things after 15 minutes`);
  await new Promise((resolve) => setTimeout(resolve, 200));
}
rows.push(['… and SensorThings knows every Datastream', `${((performance.now() - began) / 1000).toFixed(1)} s`, '']);
say(rows.at(-1)?.join('  |  ') ?? '');

await ask('alone');
const rate = Number(values.rate);
if (rate > 0) {
  const settings: BridgeLoad = { port: ports.mqtt, token, ids: idsFile, connections: 100, seconds: Number(values.seconds), interval: SENDERS / rate }; // prettier-ignore
  const settingsFile = join(root, 'load.json');
  writeFileSync(settingsFile, JSON.stringify(settings), { mode: 0o600 });
  const load = spawn(process.execPath, [new URL('./million/load.ts', import.meta.url).pathname, settingsFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.once('exit', () => load.kill('SIGKILL'));
  let last: BridgeReport | null = null;
  const lines = createInterface({ input: load.stdout });
  const first = once(lines, 'line');
  lines.on('line', (line) => (last = JSON.parse(line) as BridgeReport));
  const ended = once(load, 'close');
  await first;
  await ask(`beside ${rate.toLocaleString('en')} readings/s`);
  await ended;
  rmSync(settingsFile);
  const { sent = 0, acknowledged = 0, all } = (last ?? {}) as Partial<BridgeReport>;
  rows.push(['acknowledged', `${acknowledged.toLocaleString('en')} of ${sent.toLocaleString('en')}, p50 ${all?.p50} ms, p99 ${all?.p99} ms, max ${all?.max} ms`, 'p99 < 250 ms']); // prettier-ignore
}
rows.push(['resident memory', `${memory().now} MiB, ${memory().peak} MiB at most`, '']);
agent.destroy();
const gone = once(server, 'exit');
server.kill('SIGTERM');
await gone;
for (const row of rows) figure(...row);
console.log(rows.map((r) => `| ${r.join(' | ')} |`).join('\n'));
if (!values.keep) rmSync(root, { recursive: true, force: true });

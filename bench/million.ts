/**
 * A million registered boxes that each send a reading of four values a minute, over a thousand connections of bridges, against the whole
 * server: broker, journal, decoding, QC, correction, store, latest values and live API.
 *
 * `node bench/million.ts [--boxes 1000000] [--minutes 10] [--connections 1000] [--interval 60] [--folder /tmp] [--keep] [--registry FOLDER]
 *   [--server-flags=…]`
 * `--registry` keeps the registered boxes there for the next run; `--keep` also starts the server again on what was stored.
 * The load is made by a second process on the same machine. Linux only: memory and processor time are read from /proc.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { dataFolder } from '../cli/folder.ts';
import { openRegistry } from '../registry/sqlite.ts';
import { figure } from './figures.ts';
import type { BridgeLoad, BridgeReport } from './million/load.ts';

const { values } = parseArgs({
  options: {
    boxes: { type: 'string', default: '1000000' },
    minutes: { type: 'string', default: '10' },
    connections: { type: 'string', default: '1000' },
    interval: { type: 'string', default: '60' },
    folder: { type: 'string', default: tmpdir() },
    keep: { type: 'boolean', default: false },
    registry: { type: 'string', default: '' },
    'server-flags': { type: 'string', default: '' },
  },
});
const connections = Number(values.connections);
/** A multiple of what all connections send in one turn (load.ts). */
const boxes = Math.max(1, Math.floor(Number(values.boxes) / (4 * connections))) * 4 * connections;
const seconds = Number(values.minutes) * 60;
const interval = Number(values.interval);

const root = mkdtempSync(join(values.folder, 'lamppost-million-'));
const folder = dataFolder(root);
mkdirSync(root, { recursive: true });

// --- registry --------------------------------------------------------------------------------------------------------
const idsFile = join(root, 'ids.txt');
const registering = performance.now();
/** Kept boxes, with the token of the bridges. */
const kept = values.registry ? dataFolder(join(values.registry, String(boxes))) : null;
const keptIds = kept ? join(kept.root, 'ids.txt') : '';
const keptToken = kept ? join(kept.root, 'token') : '';
let token: string;
if (kept && existsSync(keptToken)) {
  copyFileSync(kept.registry, folder.registry);
  copyFileSync(keptIds, idsFile);
  token = readFileSync(keptToken, 'utf8');
} else {
  const registry = openRegistry(folder.registry);
  const out = createWriteStream(idsFile);
  // In pieces, so that the keys of a million boxes are never held at once.
  for (let from = 0; from < boxes; from += 50_000) {
    const added = registry.addMany(
      (function* () {
        for (let i = from; i < Math.min(boxes, from + 50_000); i++)
          yield {
            sensors: ['PMS5003'],
            // Spread evenly over a country of 3° × 2°; load.ts knows the same latitude.
            lat: 22 + 3 * ((i * 0.754877666) % 1),
            lon: 120 + 2 * ((i * 0.569840291) % 1),
          };
      })(),
      Date.now(),
    );
    out.write(added.map((b) => `${b.id}\n`).join(''));
  }
  out.end();
  await once(out, 'close');
  token = registry.addToken('bridge', 'bench', Date.now());
  registry.close();
  if (kept) {
    mkdirSync(kept.root, { recursive: true });
    copyFileSync(folder.registry, kept.registry);
    copyFileSync(idsFile, keptIds);
    writeFileSync(keptToken, token, { mode: 0o600 });
  }
}
const registered = (performance.now() - registering) / 1000;

// --- server ----------------------------------------------------------------------------------------------------------
const main = new URL('../main.ts', import.meta.url).pathname;
async function startServer(): Promise<{ child: ChildProcess; http: number; mqtt: number; seconds: number }> {
  const began = performance.now();
  const child = spawn(
    process.execPath,
    [...values['server-flags'].split(' ').filter(Boolean), main, 'serve', '--no-pages'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        LAMPPOST_DATA_DIR: root,
        LAMPPOST_HTTP_PORT: '0',
        LAMPPOST_MQTT_PORT: '0',
        LAMPPOST_MQTT_HOST: '127.0.0.1',
        LAMPPOST_LOG_LEVEL: 'warn',
      },
    },
  );
  const ready = await new Promise<{ http: number; mqtt: number }>((resolve, reject) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', (line) =>
      resolve(JSON.parse(line) as { http: number; mqtt: number }),
    );
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { child, ...ready, seconds: (performance.now() - began) / 1000 };
}
const server = await startServer();
const pid = server.child.pid as number;

/** Resident memory now and at most [MiB]; `file` of it are mapped pages of files, which the system takes back when it needs them. */
function memory(): { now: number; file: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mib = (name: string): number => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return { now: mib('VmRSS'), file: mib('RssFile'), peak: mib('VmHWM') };
}
/** The most of what is not a file's page, looked at every 250 ms, and of file pages [MiB]. */
const most = { own: 0, file: 0 };
const looking = setInterval(() => {
  try {
    const { now, file } = memory();
    most.own = Math.max(most.own, now - file);
    most.file = Math.max(most.file, file);
  } catch {
    // ended meanwhile
  }
}, 250);
looking.unref();
/** Processor seconds of each thread by name; proc(5): fields 14 and 15 in ticks of 10 ms. */
function threads(): Map<string, number> {
  const out = new Map<string, number>();
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8');
      const name = task === String(pid) ? 'main' : (/\((.*)\)/.exec(stat)?.[1] ?? '?');
      const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
      out.set(name, (out.get(name) ?? 0) + (Number(fields[11]) + Number(fields[12])) / 100);
    } catch {
      // ended meanwhile
    }
  }
  return out;
}
async function metric(...names: string[]): Promise<number[]> {
  const text = await (await fetch(`http://127.0.0.1:${server.http}/metrics`)).text();
  return names.map((name) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? NaN));
}
/** Heap and buffers of each thread [MiB]. */
async function heaps(): Promise<string> {
  const text = await (await fetch(`http://127.0.0.1:${server.http}/metrics`)).text();
  const of = (name: string, thread: string): number =>
    Number(new RegExp(`^lamppost_thread_${name}\\{thread="${thread}"\\} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN) /
    2 ** 20;
  return ['main', 'pipeline', 'store', 'sensorthings']
    .map((t) => `${t} ${of('heap_bytes', t).toFixed(0)} + ${of('external_bytes', t).toFixed(0)}`)
    .join(', ');
}
async function timed(path: string): Promise<{ ms: number; features: number }> {
  const began = performance.now();
  const body = await (await fetch(`http://127.0.0.1:${server.http}${path}`)).text();
  return { ms: performance.now() - began, features: body.split('"type":"Feature"').length - 1 };
}

// --- load ------------------------------------------------------------------------------------------------------------
const settings: BridgeLoad = { port: server.mqtt, token, ids: idsFile, connections, seconds, interval };
const settingsFile = join(root, 'load.json');
writeFileSync(settingsFile, JSON.stringify(settings), { mode: 0o600 });
const memoryBefore = memory();
const load = spawn(process.execPath, [new URL('./million/load.ts', import.meta.url).pathname, settingsFile], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
let last: BridgeReport | null = null;
let reports: BridgeReport[] = [];
createInterface({ input: load.stdout }).on('line', (line) => {
  last = JSON.parse(line) as BridgeReport;
  reports.push(last);
});
const ended = once(load, 'close');
let over = false;
void ended.then(() => (over = true));

console.log(
  `${boxes.toLocaleString('en')} boxes, one reading of four values each ${interval} s = ${Math.round(boxes / interval).toLocaleString('en')} readings/s for ${values.minutes} min, ${connections} connections`,
);
console.log(
  `${cpus().length} × ${cpus()[0]?.model ?? '?'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}; load made on the same machine`,
);
console.log(
  `registered in ${registered.toFixed(1)} s, server ready after ${server.seconds.toFixed(1)} s, ${memoryBefore.now} MiB\n`,
);
console.log(
  '    s        sent       acked      stored   backlog  p50 ms  p99 ms  max ms  RSS MiB  (file)  district ms   cores: server (main, pipeline, store, others), machine',
);

const district = '/api/v1/latest.geojson?property=pm25&level=corrected&bbox=120.9,23.9,121.1,24.1';
let before = threads();
let beforeAt = performance.now();
const load1 = (): string => (readFileSync('/proc/loadavg', 'utf8').split(' ')[0] ?? '').padStart(5);
const answers: number[] = [];
const backlogs: [number, number][] = [];
const every = Math.max(5, Math.min(15, seconds / 12)) * 1000;
while (!over) {
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, every))]);
  const since = reports;
  reports = [];
  const newest = last as BridgeReport | null;
  if (!newest) continue;
  const [backlog = NaN, stored = NaN] = await metric(
    'lamppost_pipeline_backlog_records',
    'lamppost_observations_stored_total',
  );
  const answer = await timed(district);
  answers.push(answer.ms);
  backlogs.push([newest.at, backlog]);
  const now = threads();
  const spent = (performance.now() - beforeAt) / 1000;
  const of = (name: string): number => ((now.get(name) ?? 0) - (before.get(name) ?? 0)) / spent;
  const total = [...now.keys()].reduce((sum, name) => sum + of(name), 0);
  const named = ['main', 'pipeline', 'store'].map(of);
  const rest = total - named.reduce((a, b) => a + b, 0);
  before = now;
  beforeAt = performance.now();
  const worst = (key: 'p50' | 'p99' | 'max'): string =>
    Math.max(0, ...since.map((r) => r[key]))
      .toFixed(1)
      .padStart(7);
  console.log(
    `${newest.at.toFixed(0).padStart(5)} ${[newest.sent, newest.acknowledged, stored / 4].map((v) => Math.round(v).toLocaleString('en').padStart(11)).join(' ')} ${backlog.toLocaleString('en').padStart(9)} ${worst('p50')} ${worst('p99')} ${worst('max')} ${String(memory().now).padStart(8)} ${`(${memory().file})`.padStart(7)} ${answer.ms.toFixed(0).padStart(8)}      ${total.toFixed(2)} (${[...named, rest].map((v) => v.toFixed(2)).join(', ')}), load ${load1()}`,
  );
}

// --- what stands at the end ----------------------------------------------------------------------------------------------
const final = last as BridgeReport | null;
const drained = performance.now();
for (;;) {
  const [backlog = 0] = await metric('lamppost_pipeline_backlog_records');
  if (backlog === 0 || performance.now() - drained > 120_000) break;
  await new Promise((resolve) => setTimeout(resolve, 200));
}
const drainSeconds = (performance.now() - drained) / 1000;
const [stored = 0, conflicts = 0, duplicates = 0] = await metric(
  'lamppost_observations_stored_total',
  'lamppost_conflicts_total',
  'lamppost_duplicates_total',
);
const whole = boxes <= 100_000 ? await timed('/api/v1/latest.geojson?property=pm25&level=corrected') : null;
const peak = memory();
const held = await heaps();
const cpu = [...threads()].sort((a, b) => b[1] - a[1]).slice(0, 8);
const size = (path: string): number => {
  const stat = statSync(path);
  return stat.isDirectory() ? readdirSync(path).reduce((sum, f) => sum + size(join(path, f)), 0) : stat.size;
};
answers.sort((a, b) => a - b);
const half = backlogs.filter(([at]) => at > seconds / 2).map(([, n]) => n);
const rows: [string, string][] = [
  ['sent', `${final?.sent.toLocaleString('en')}`],
  ['acknowledged', `${final?.acknowledged.toLocaleString('en')}`],
  ['acknowledged after [ms]', `p50 ${final?.all?.p50}, p99 ${final?.all?.p99}, max ${final?.all?.max}`],
  ['values stored', `${stored.toLocaleString('en')} (conflicts ${conflicts}, duplicates ${duplicates})`],
  [
    'backlog in the second half [records]',
    `from ${Math.min(...half)} to ${Math.max(...half)}; gone ${drainSeconds.toFixed(1)} s after the end`,
  ],
  [
    'resident memory [MiB]',
    `${memoryBefore.now} before, ${peak.now} after, ${peak.peak} at most = ${((peak.peak * 1024) / boxes).toFixed(1)} KiB a box`,
  ],
  [
    '… without pages of mapped files [MiB]',
    `${peak.now - peak.file} after, ${most.own} at most; files ${peak.file} after, ${most.file} at most`,
  ],
  ['heap + buffers by thread [MiB]', held],
  ['start [s]', server.seconds.toFixed(1)],
  [
    'latest.geojson of a district [ms]',
    `median ${answers[answers.length >> 1]?.toFixed(0)}, worst ${answers.at(-1)?.toFixed(0)}`,
  ],
  ...(whole
    ? [['latest.geojson of all [ms]', `${whole.ms.toFixed(0)} (${whole.features} features)`] as [string, string]]
    : []),
  ['processor seconds by thread', cpu.map(([name, s]) => `${name} ${s.toFixed(0)}`).join(', ')],
  [
    'processor time a reading [µs]',
    cpu
      .slice(0, 4)
      .map(([name, s]) => `${name} ${((s * 1e6) / (final?.acknowledged ?? NaN)).toFixed(1)}`)
      .join(', '),
  ],
];
const stopping = performance.now();
server.child.kill('SIGTERM');
await once(server.child, 'exit');
rows.push(['stop [s]', ((performance.now() - stopping) / 1000).toFixed(1)]);
rows.push(['data folder [MiB]', String(Math.round(size(root) / 2 ** 20))]);
if (values.keep) {
  const again = await startServer();
  rows.push(['start again with that data [s]', again.seconds.toFixed(1)]);
  again.child.kill('SIGTERM');
  await once(again.child, 'exit');
  console.log(`\ndata left in ${root}`);
} else rmSync(root, { recursive: true, force: true });
console.log(`\n${rows.map(([name, value]) => `${name.padEnd(40)} ${value}`).join('\n')}`);
const WANTED: Record<string, string> = {
  sent: `${Math.round(boxes / interval).toLocaleString('en')} readings/s`,
  acknowledged: 'all',
  'acknowledged after [ms]': 'p99 < 250',
  'backlog in the second half [records]': 'not growing',
  'resident memory [MiB]': '4,096 for a million boxes',
  'start [s]': '20 for a million boxes',
};
for (const [name, value] of rows) figure(name, value, WANTED[name]);

/**
 * Do compaction and recomputation disturb acknowledgements? 8.6 million rows of 10,000 boxes wait in the recent file of a server that takes
 * 5,000 readings/s; acknowledgements alone, while these rows become Parquet files, and while two days are recomputed.
 * `node bench/compaction.ts [--folder DIR] [--rate 5000] [--alone 20] [--days 8]`
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { askServer } from '../cli/control.ts';
import { dataFolder } from '../cli/folder.ts';
import { DAY, formatTime, startOfDay } from '../model/time.ts';
import { openRegistry } from '../registry/sqlite.ts';
import type { BridgeLoad, BridgeReport } from './million/load.ts';
import { figure } from './figures.ts';
import { fillRecent, rowsADay } from './store/fill.ts';

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    rate: { type: 'string', default: '5000' },
    alone: { type: 'string', default: '20' },
    /** Of rows that wait; the last but two and the one before it are recomputed. */
    days: { type: 'string', default: '8' },
  },
});
const DAYS = Number(values.days);
const BOXES = 10_000;
const rate = Number(values.rate);
const say = (text: string): void => void process.stderr.write(`${text}\n`);
const root = values.folder ?? mkdtempSync(join(tmpdir(), 'lamppost-compaction-'));
const folder = dataFolder(root);
const start = startOfDay(Date.now()) - DAYS * DAY;
const filling = { boxes: BOXES, interval: 3_200_000, start, days: DAYS };
await fillRecent(folder.store, filling, DAYS);
say('days made');

const registry = openRegistry(folder.registry);
const added = registry.addMany(
  Array.from({ length: BOXES }, (_, i) => ({
    name: `box ${i}`,
    sensors: ['PMS5003', 'BME280'],
    // load.ts knows the same latitude.
    lat: 22 + 3 * ((i * 0.754877666) % 1),
    lon: 120 + 2 * ((i * 0.569840291) % 1),
  })),
  start,
);
const token = registry.addToken('bridge', 'bench', Date.now());
registry.close();
const ids = join(root, 'ids.txt');
writeFileSync(ids, added.map((b) => `${b.id}\n`).join(''));

const server = spawn(
  process.execPath,
  [new URL('../bin/lamppost.js', import.meta.url).pathname, 'serve', '--no-pages'],
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
const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
const ports = JSON.parse(line) as { mqtt: number };

const settings: BridgeLoad = { port: ports.mqtt, token, ids, connections: 100, seconds: 3600, interval: BOXES / rate };
const settingsFile = join(root, 'load.json');
writeFileSync(settingsFile, JSON.stringify(settings), { mode: 0o600 });
const load = spawn(process.execPath, [new URL('./million/load.ts', import.meta.url).pathname, settingsFile], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
process.once('exit', () => load.kill('SIGKILL'));
let reports: BridgeReport[] = [];
const lines = createInterface({ input: load.stdout });
lines.on('line', (text) => void reports.push(JSON.parse(text) as BridgeReport));
// What the first seconds cost, when every box is new, is another bench's.
for (let i = 0; i < 4; i++) await once(lines, 'line');

const rows: string[] = [];
async function phase(name: string, work: () => Promise<unknown>): Promise<void> {
  reports = [];
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1000;
  // The report that covers its end.
  await once(lines, 'line');
  const p99 = reports.map((r) => r.p99).sort((a, b) => a - b);
  const most = (pick: (r: BridgeReport) => number): string => Math.max(...reports.map(pick)).toFixed(0);
  rows.push(`| ${name} | ${seconds.toFixed(1)} s | ${most((r) => r.p50)} | ${p99[p99.length >> 1]?.toFixed(0)} | ${most((r) => r.p99)} | ${most((r) => r.max)} |`); // prettier-ignore
  say(rows.at(-1) ?? '');
  figure(`acknowledged, ${name}, ${seconds.toFixed(0)} s`, `p50 ${most((r) => r.p50)} ms, p99 ${p99[p99.length >> 1]?.toFixed(0)} ms, in the worst 2 s ${most((r) => r.p99)} ms; slowest ${most((r) => r.max)} ms`, 'p99 < 250 ms'); // prettier-ignore
}
const command = async (request: Parameters<typeof askServer>[1]): Promise<void> => {
  const answer = await askServer(folder.control, request, () => undefined);
  if (!answer) throw new Error('the server does not answer');
};
console.log(`${(rowsADay(filling) * DAYS).toLocaleString('en')} rows to compact, ${rate.toLocaleString('en')} readings/s; ${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, Node ${process.version}; load ${(loadavg()[0] as number).toFixed(1)}`); // prettier-ignore
await phase('alone', async () => new Promise((resolve) => setTimeout(resolve, Number(values.alone) * 1000)));
await phase('while the store is compacted', async () => command({ command: 'compact' }));
await phase('while two days are recomputed', async () =>
  command({
    command: 'recompute',
    from: formatTime(start + Math.max(0, DAYS - 4) * DAY),
    to: formatTime(start + (DAYS - 2) * DAY),
    box: '',
  }),
);
await phase('alone again', async () => new Promise((resolve) => setTimeout(resolve, 10_000)));
load.kill('SIGTERM');
const gone = once(server, 'exit');
server.kill('SIGTERM');
await gone;
console.log('| phase | lasted | p50 [ms], worst 2 s | p99 [ms], median of 2 s | p99 [ms], worst 2 s | slowest [ms] |');
console.log(rows.join('\n'));
if (!values.folder) rmSync(root, { recursive: true, force: true });
process.exit(0);

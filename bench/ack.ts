/**
 * How many QoS 1 readings a second are acknowledged: by Lamppost's broker and journal (each of them fsynced before), by the
 * full server, and beside them, in the same run with the same bytes, by Mosquitto and by aedes alone (which keep nothing).
 *
 * `node bench/ack.ts [--connections 1000] [--window 5] [--seconds 8] [--rounds 2] [--seed 1] [--only full]`
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openRegistry } from '../registry/sqlite.ts';
import type { Load, LoadResult } from './ack/load.ts';
import { MOSQUITTO } from './ack/mosquitto.ts';
import { figure, leftOut, whole } from './figures.ts';

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '1000' },
    window: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    /** where the journal lies; its disk is what is measured */
    folder: { type: 'string', default: tmpdir() },
    /** options for the server's node, as in --server-flags=--cpu-prof */
    'server-flags': { type: 'string', default: '' },
  },
});
const connections = Number(values.connections);
const flags = values['server-flags'].split(' ').filter(Boolean);
const here = new URL('./ack/', import.meta.url).pathname;

interface Started {
  readonly port: number;
  readonly logins?: Load['logins'];
  readonly child: ChildProcess;
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (out.includes('\n')) resolve(out.slice(0, out.indexOf('\n')));
    });
    child.once('exit', (code) => reject(new Error(`ended with ${code} before it was ready`)));
  });
}

async function started(file: string, args: string[]): Promise<Started> {
  const child = spawn(process.execPath, [...flags, join(here, file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { ...(JSON.parse(await firstLine(child)) as { port: number; logins?: Load['logins'] }), child };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The whole server: pipeline, store and web pages share the two cores. */
async function serve(folder: string): Promise<Started> {
  const registry = openRegistry(join(folder, 'registry.sqlite'));
  const boxes = registry.addMany(
    Array.from({ length: connections }, (_, i) => ({ name: `box ${i}`, sensors: ['PMS5003'], lat: 25, lon: 121.5 })),
    Date.now(),
  );
  registry.close();
  const main = new URL('../main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [...flags, main, 'serve'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      LAMPPOST_DATA_DIR: folder,
      LAMPPOST_HTTP_PORT: '0',
      LAMPPOST_MQTT_PORT: '0',
      LAMPPOST_MQTT_HOST: '127.0.0.1',
      LAMPPOST_LOG_LEVEL: 'error',
    },
  });
  const { mqtt } = JSON.parse(await firstLine(child)) as { mqtt: number };
  const logins = boxes.map(({ id, key }) => ({ user: id, password: key, topic: `boxes/${id}/json` }));
  return { port: mqtt, logins, child };
}

async function mosquitto(folder: string): Promise<Started> {
  const port = await freePort();
  const conf = join(folder, 'mosquitto.conf');
  writeFileSync(
    conf,
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\nlog_type none\nmax_connections -1\n`,
  );
  const child = spawn(MOSQUITTO as string, ['-c', conf], { stdio: 'ignore' });
  for (;;) {
    const tried = spawnSync(process.execPath, [
      '-e',
      `require('net').connect(${port},'127.0.0.1').on('connect',()=>process.exit(0)).on('error',()=>process.exit(1))`,
    ]);
    if (tried.status === 0) return { port, child };
  }
}

interface Target {
  readonly name: string;
  readonly start: (folder: string) => Promise<Started>;
}

const all: Target[] = [
  { name: 'broker+journal', start: (folder) => started('lamppost.ts', [folder, String(connections)]) },
  { name: 'full server', start: serve },
  ...(MOSQUITTO ? [{ name: 'mosquitto', start: mosquitto }] : []),
  { name: 'aedes alone', start: () => started('aedes.ts', []) },
];
const targets = all.filter((t) => !values.only || t.name.startsWith(values.only));
if (!MOSQUITTO) {
  process.stderr.write('mosquitto is not installed: left out\n');
  leftOut('Mosquitto', 'not installed (apt-get install mosquitto)');
}

async function measure(start: (folder: string) => Promise<Started>): Promise<LoadResult> {
  const folder = mkdtempSync(join(values.folder, 'lamppost-bench-'));
  const server = await start(folder);
  try {
    const load: Load = {
      port: server.port,
      logins:
        server.logins ??
        Array.from({ length: connections }, (_, i) => ({
          topic: `boxes/aaaaaaaaaa${String(i).padStart(10, '0')}/json`,
        })),
      window: Number(values.window),
      warmMs: 2000,
      measureMs: Number(values.seconds) * 1000,
      seed: Number(values.seed),
      pid: server.child.pid as number,
    };
    const file = join(folder, 'load.json');
    writeFileSync(file, JSON.stringify(load));
    const child = spawn(process.execPath, [join(here, 'load.ts'), file], { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await new Promise((resolve) => child.once('close', resolve));
    return JSON.parse(out) as LoadResult;
  } finally {
    const exited = new Promise((resolve) => server.child.once('exit', resolve));
    server.child.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  }
}

const versions = MOSQUITTO ? (/version (\S+)/.exec(String(spawnSync(MOSQUITTO, ['-h']).stdout))?.[1] ?? '?') : 'absent';
console.log(
  `acknowledged QoS 1 readings: ${connections} connections, ${values.window} unacknowledged each, ${values.seconds} s, seed ${values.seed}`,
);
console.log(
  `${cpus().length} × ${cpus()[0]?.model ?? '?'}, Linux ${release()}, Node ${process.version}, Mosquitto ${versions}\n`,
);
console.log('round  broker          readings/s   p50 ms   p99 ms   max ms   cpu µs');
const rates = new Map<string, number[]>();
const latencies = new Map<string, LoadResult[]>();
for (let round = 1; round <= Number(values.rounds); round++) {
  for (const { name, start } of targets) {
    const r = await measure(start);
    const rate = r.acknowledged / r.seconds;
    rates.set(name, [...(rates.get(name) ?? []), rate]);
    latencies.set(name, [...(latencies.get(name) ?? []), r]);
    console.log(
      `${String(round).padEnd(6)} ${name.padEnd(14)} ${Math.round(rate).toLocaleString('en').padStart(11)} ${[r.p50, r.p99, r.max, r.cpu ?? NaN].map((v) => v.toFixed(1).padStart(8)).join(' ')}`,
    );
  }
}
const mean = (name: string): number => {
  const each = rates.get(name) ?? [];
  return each.reduce((sum, v) => sum + v, 0) / each.length;
};
const ratio = mean('full server') / mean('mosquitto');
if (!Number.isNaN(ratio)) console.log(`\nfull server / mosquitto: ${ratio.toFixed(2)}`);

const WORDS: Record<string, string> = {
  'broker+journal': 'broker and journal alone, fsync before each acknowledgement',
  'full server': 'the whole server, fsync before each acknowledgement',
  mosquitto: `Mosquitto ${versions}, keeps nothing`,
  'aedes alone': 'aedes alone, keeps nothing',
};
for (const [name, each] of latencies) {
  const worst = (of: (r: LoadResult) => number): string => Math.max(...each.map(of)).toFixed(0);
  figure(WORDS[name] ?? name, `${whole(mean(name))} readings/s; p50 ${worst((r) => r.p50)} ms, p99 ${worst((r) => r.p99)} ms`, name === 'full server' ? '> 16,700 readings/s; p99 < 250 ms' : ''); // prettier-ignore
}
if (!Number.isNaN(ratio)) figure('the whole server / Mosquitto', ratio.toFixed(2));

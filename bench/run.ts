/**
 * `npm run bench [-- NAME …]`: the benchmarks one after the other, each in a process of its own; without names those that take
 * minutes, `--all` also those that take an hour. Seeded; what a figure means stands at the head of its file.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export interface Bench {
  readonly name: string;
  readonly what: string;
  readonly args: readonly string[];
  /** Only with `--all` or by name. */
  readonly long?: true;
}

export const BENCHES: readonly Bench[] = [
  { name: 'ack', what: 'durable acknowledged QoS 1 readings/s, beside Mosquitto', args: [] },
  { name: 'demo', what: 'from the start of the demo to coloured boxes', args: [] },
  { name: 'decode', what: 'payloads decoded by one core', args: [] },
  { name: 'pipeline', what: 'readings from journal records to columns', args: [] },
  { name: 'store', what: 'the embedded store, 20 million rows', args: ['--rows', '20000000'] },
  { name: 'influx', what: 'the InfluxDB store beside the embedded one and beside raw posts', args: [] },
  { name: 'api', what: 'latest.geojson over a city', args: [] },
  { name: 'sta', what: 'SensorThings over boxes', args: [] },
  { name: 'registry', what: 'a registry of 100,000 boxes', args: ['100000'] },
  { name: 'qc', what: 'quality control against the rules of peers', args: [] },
  { name: 'calibration', what: 'what a correction and a nightly fit cost', args: [] },
  { name: 'map', what: 'the map in headless Chromium', args: [] },
  { name: 'http400', what: 'the API over 400 million observations, through HTTP', args: [], long: true },
  { name: 'compaction', what: 'acknowledgements while the store is compacted', args: [], long: true },
  { name: 'million', what: 'a million boxes against the whole server', args: [], long: true },
];

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { all: { type: 'boolean' } } });
  const unknown = positionals.filter((name) => !BENCHES.some((b) => b.name === name));
  if (unknown.length > 0) {
    console.error(`no benchmark is named ${unknown.join(', ')}; there are ${BENCHES.map((b) => b.name).join(', ')}`);
    return 2;
  }
  const chosen = BENCHES.filter((b) => (positionals.length > 0 ? positionals.includes(b.name) : values.all || !b.long));
  const gib = (totalmem() / 2 ** 30).toFixed(0);
  console.log(
    `${cpus().length} × ${cpus()[0]?.model ?? '?'}, ${gib} GiB, ${process.platform} ${release()}, Node ${process.version}`,
  );
  const failed: string[] = [];
  for (const { name, what, args } of chosen) {
    console.log(`\n## ${name}: ${what} (load ${(loadavg()[0] as number).toFixed(1)})\n`);
    const started = Date.now();
    const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
    const [code] = (await once(spawn(process.execPath, [file, ...args], { stdio: 'inherit' }), 'exit')) as [
      number | null,
    ];
    console.log(
      `\n${name}: ${code === 0 ? 'done' : `failed (${code})`} after ${Math.round((Date.now() - started) / 1000)} s`,
    );
    if (code !== 0) failed.push(name);
  }
  if (failed.length > 0) console.error(`\nfailed: ${failed.join(', ')}`);
  return failed.length > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();

/**
 * `npm run bench [-- NAME …] [-- --full]`: the benchmarks one after the other, each in a process of its own, and at the end one table of
 * all they measured beside what is wanted, with machine and versions. Without `--full` each runs at a size that takes seconds, all of
 * them some minutes; `--full` runs the sizes that docs/performance.md names: 400 million observations twice, a million boxes for ten minutes
 * (about an hour and a half, 20 GB of disk, 12 GB of memory). Seeded; what a figure means stands at the head of its file.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CHROMIUM } from '../tests/dashboard/browser.ts';
import { MOSQUITTO } from './ack/mosquitto.ts';
import type { Figure, LeftOut } from './figures.ts';

export interface Bench {
  readonly name: string;
  /** File in this folder, without `.ts`; default the name. */
  readonly file?: string;
  readonly what: string;
  /** Arguments of the size that takes seconds, and that size in words. */
  readonly short: readonly string[];
  readonly shortWords: string;
  readonly full: readonly string[];
  readonly fullWords: string;
}

const same = (args: readonly string[], words: string): Pick<Bench, 'short' | 'shortWords' | 'full' | 'fullWords'> => ({
  short: args,
  shortWords: words,
  full: args,
  fullWords: words,
});

export const BENCHES: readonly Bench[] = [
  {
    name: 'ack',
    what: 'acknowledged QoS 1 readings, beside Mosquitto and a bare aedes in the same run',
    short: ['--seconds', '4', '--rounds', '1'],
    shortWords: '1,000 connections, 4 s each',
    full: [],
    fullWords: '1,000 connections, two rounds of 8 s each',
  },
  { name: 'demo', what: 'from the start of the demo to coloured boxes', short: ['1'], shortWords: '1 run', full: ['3'], fullWords: '3 runs' }, // prettier-ignore
  { name: 'decode', what: 'payloads decoded by one core', ...same([], '50,000 payloads a format, 5 rounds') },
  {
    name: 'pipeline',
    what: 'readings from journal records to columns',
    short: ['20000', '3'],
    shortWords: '20,000 boxes, 3 minutes of readings',
    full: ['100000', '4'],
    fullWords: '100,000 boxes, 4 minutes of readings',
  },
  {
    name: 'store',
    what: 'the embedded store',
    short: ['--rows', '4000000'],
    shortWords: '4 million observations',
    full: ['--rows', '400000000'],
    fullWords: '400 million observations',
  },
  {
    name: 'http400',
    what: 'the API over years of minutes, through HTTP',
    short: ['--shape', 'minutes', '--days', '10', '--rounds', '20', '--seconds', '15', '--rate', '2000'],
    shortWords: '190 boxes, 10 days: 11 million observations; 2,000 readings/s beside',
    full: ['--shape', 'minutes'],
    fullWords: '190 boxes, 365 days: 399 million observations; 5,000 readings/s beside',
  },
  {
    name: 'city400',
    file: 'http400',
    what: 'the API over a city, through HTTP',
    short: ['--shape', 'city', '--days', '10', '--rounds', '10', '--seconds', '15', '--rate', '2000'],
    shortWords: '10,000 boxes, 10 days: 11 million observations; 2,000 readings/s beside',
    full: ['--shape', 'city'],
    fullWords: '10,000 boxes, 371 days: 401 million observations; 5,000 readings/s beside',
  },
  {
    name: 'compaction',
    what: 'acknowledgements while the store is compacted and recomputed',
    short: ['--days', '3', '--alone', '5', '--rate', '2000'],
    shortWords: '3.2 million rows wait, 2,000 readings/s',
    full: [],
    fullWords: '8.6 million rows wait, 5,000 readings/s',
  },
  {
    name: 'million',
    what: 'a reading a minute of each box, through the whole server',
    short: ['--boxes', '60000', '--minutes', '0.75', '--connections', '500'],
    shortWords: '60,000 boxes, 45 s',
    full: [],
    fullWords: '1,000,000 boxes, 10 minutes',
  },
  { name: 'influx', what: 'the InfluxDB store beside the embedded one', short: ['--boxes', '200', '--minutes', '30', '--rounds', '1'], shortWords: '200 boxes, 30 minutes', full: [], fullWords: '1,000 boxes, 120 minutes' }, // prettier-ignore
  { name: 'api', what: 'latest.geojson over a city', ...same([], '10,000 boxes') },
  { name: 'sta', what: 'SensorThings over boxes', ...same([], '1,000 boxes, 900,000 observations') },
  { name: 'registry', what: 'the registry', short: ['20000'], shortWords: '20,000 boxes', full: ['1000000'], fullWords: '1,000,000 boxes' }, // prettier-ignore
  { name: 'qc', what: 'quality control against the rules of peers', ...same([], 'faults injected into real readings') },
  { name: 'calibration', what: 'what a correction and a nightly fit cost', ...same([], '3,000 boxes') },
  { name: 'map', what: 'the map in headless Chromium', short: ['--boxes', '10000'], shortWords: '10,000 boxes', full: [], fullWords: '10,000 and 100,000 boxes' }, // prettier-ignore
];

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const version = (name: string): string =>
  (JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }).version;
const said = (command: string | undefined, args: string[], pattern: RegExp): string =>
  command ? (pattern.exec(String(spawnSync(command, args).stdout))?.[1] ?? '?') : 'absent';

/** Machine and versions: what a figure is worth nothing without. */
export function machine(): string {
  const gib = (totalmem() / 2 ** 30).toFixed(0);
  return [
    `${cpus().length} × ${cpus()[0]?.model ?? '?'}, ${gib} GiB, ${process.platform} ${release()}`,
    `Node ${process.version}`,
    ...['@duckdb/node-api', 'lmdb', 'aedes'].map((name) => `${name.replace(/^@|\/.*/g, '')} ${version(name)}`),
    `Mosquitto ${said(MOSQUITTO, ['-h'], /version (\S+)/)}`,
    `Chromium ${said(CHROMIUM, ['--version'], /(\d+\.\S+)/)}`,
    `load ${(loadavg()[0] as number).toFixed(1)} at the start`,
  ].join('; ');
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** @throws Error when a line of the file is no figure */
function readFigures(file: string): (Figure | LeftOut)[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line) as Figure | LeftOut); // prettier-ignore
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { full: { type: 'boolean', default: false } } }); // prettier-ignore
  const unknown = positionals.filter((name) => !BENCHES.some((b) => b.name === name));
  if (unknown.length > 0) {
    console.error(`no benchmark is named ${unknown.join(', ')}; there are ${BENCHES.map((b) => b.name).join(', ')}`);
    return 2;
  }
  const chosen = BENCHES.filter((b) => positionals.length === 0 || positionals.includes(b.name));
  const where = machine();
  const table: string[] = [];
  const absent: string[] = [];
  const failed: string[] = [];
  const notReached: string[] = [];
  let stopped = false;
  let running: ChildProcess | null = null;
  // Stopped half-way, what was measured until then is still told.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      stopped = true;
      running?.kill('SIGTERM');
    });
  const folder = mkdtempSync(join(tmpdir(), 'lamppost-bench-figures-'));
  try {
    for (const { name, file = name, what, ...b } of chosen) {
      if (stopped) {
        notReached.push(name);
        continue;
      }
      const [args, size] = values.full ? [b.full, b.fullWords] : [b.short, b.shortWords];
      console.error(`\n## ${name}: ${what} (${size})\n`);
      const started = performance.now();
      const figures = join(folder, name);
      const child = spawn(process.execPath, [fileURLToPath(new URL(`${file}.ts`, import.meta.url)), ...args], {
        // What it prints is talk here; the results are in the table.
        stdio: ['ignore', 2, 2],
        env: { ...process.env, BENCH_FIGURES: figures },
      });
      running = child;
      const [code] = (await once(child, 'exit')) as [number | null];
      const seconds = Math.round((performance.now() - started) / 1000);
      console.error(`\n${name}: ${code === 0 ? 'done' : stopped ? 'stopped' : `failed (${code})`} after ${seconds} s`);
      if (code !== 0) (stopped ? notReached : failed).push(name);
      table.push(
        `| **${name}** | ${cell(what)}; ${size}${code === 0 ? '' : stopped ? '; **stopped**' : '; **failed**'} | |`,
      );
      for (const line of readFigures(figures))
        if ('leftOut' in line) absent.push(`${name}, ${line.what}: ${line.leftOut}`);
        else table.push(`| ${cell(line.what)} | ${cell(line.measured)} | ${cell(line.wanted)} |`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${where}\n\n| | measured | wanted |\n|---|---|---|\n${table.join('\n')}`);
  const smaller = values.full ? [] : chosen.filter((b) => b.shortWords !== b.fullWords);
  if (smaller.length > 0)
    console.log(`\nSmaller than with --full: ${smaller.map((b) => `${b.name} (${b.fullWords})`).join('; ')}.`);
  const others = BENCHES.filter((b) => !chosen.includes(b));
  if (others.length > 0) console.log(`\nNot asked for: ${others.map((b) => b.name).join(', ')}.`);
  if (notReached.length > 0) console.log(`\nStopped before its end: ${notReached.join(', ')}.`);
  if (absent.length > 0) console.log(`\nLeft out:\n${absent.map((line) => `- ${line}`).join('\n')}`);
  if (failed.length > 0) console.error(`\nfailed: ${failed.join(', ')}`);
  return failed.length > 0 || stopped ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();

import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { runFleet } from '../firmware-sim/fleet.ts';
import { payloadFormats } from '../firmware-sim/payloads/index.ts';
import { createNeighbourhood, isScenario, SCENARIOS } from '../firmware-sim/scenarios.ts';
import { abortOnSignal, progress, UsageError } from './terminal.ts';

export const summary = 'simulated boxes against any broker';

export const help = `lamppost sim: simulated boxes against any broker

  --url URL          broker, default mqtt://127.0.0.1:1883 (mqtt, mqtts, ws, wss)
  --boxes N          how many boxes, default 20
  --stations N       how many reference stations (they need a key each), default 0
  --interval S       seconds between two readings of a box, default 60
  --format F         how boxes write: ${payloadFormats().join(', ')}; default json
  --scenario NAME    ${Object.keys(SCENARIOS).join(', ')}; default city
  --seed N           the same seed is the same city, default 1
  --since H          send the last H hours first
  --token-file FILE  lines "boxId key" for registered boxes; the i-th line is the i-th box.
                     Without it boxes are unregistered and use the open topic of their format.

Stop with Ctrl-C. Exit code 0 when every message was acknowledged.`;

/** Lines `id key` (space, tab, comma); `#` starts a comment. @throws UsageError naming the line */
export function parseTokenFile(text: string): [string, string][] {
  return text.split(/\r?\n/).flatMap((line, i): [string, string][] => {
    const bare = line.replace(/#.*/, '').trim();
    if (bare === '') return [];
    const [id, key, rest] = bare.split(/[\s,]+/);
    if (!id || !key || rest) throw new UsageError(`token file, line ${i + 1}: expected "boxId key"`);
    return [[id, key]];
  });
}

function count(name: string, text: string, min: number, max: number): number {
  const n = Number(text);
  if (!Number.isFinite(n) || n < min || n > max)
    throw new UsageError(`--${name} ${text}: expected a number from ${min} to ${max}`);
  return n;
}

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      url: { type: 'string', default: 'mqtt://127.0.0.1:1883' },
      boxes: { type: 'string', default: '20' },
      stations: { type: 'string', default: '0' },
      interval: { type: 'string', default: '60' },
      format: { type: 'string', default: 'json' },
      scenario: { type: 'string', default: 'city' },
      seed: { type: 'string', default: '1' },
      since: { type: 'string', default: '0' },
      'token-file': { type: 'string' },
    },
  });
  if (!isScenario(values.scenario))
    throw new UsageError(`--scenario ${values.scenario}: known are ${Object.keys(SCENARIOS).join(', ')}`);
  if (!payloadFormats().includes(values.format))
    throw new UsageError(`--format ${values.format}: known are ${payloadFormats().join(', ')}`);
  const keys = values['token-file'] ? parseTokenFile(await readFile(values['token-file'], 'utf8')) : [];
  if (keys.length === 0 && values.format === 'json')
    throw new UsageError('format json needs registered boxes: give --token-file, or another --format such as lass');
  const boxes = count('boxes', values.boxes, 1, 100_000);
  const intervalMs = count('interval', values.interval, 0.01, 86_400) * 1000;
  const sinceH = count('since', values.since, 0, 24 * 366);
  const now = Date.now();
  const neighbourhood = createNeighbourhood({
    scenario: values.scenario,
    seed: count('seed', values.seed, 0, 2 ** 31),
    boxes,
    stations: count('stations', values.stations, 0, 1000),
    start: now - sinceH * 3_600_000,
    boxId: (i) => keys[i]?.[0] ?? `sim-box-${String(i).padStart(6, '0')}`,
  });
  const keyOf = new Map(keys);
  const signal = abortOnSignal();
  const show = progress('messages acknowledged');
  let problems = 0;
  const sent = await runFleet({
    url: values.url,
    neighbourhood,
    intervalMs,
    format: values.format,
    key: (id) => keyOf.get(id),
    clock: Date.now,
    signal,
    ...(sinceH > 0 ? { since: now - sinceH * 3_600_000, catchUpStepMs: Math.max(intervalMs, 60_000) } : {}),
    onSent: (n) => show.update(n),
    onProblem: (message) => {
      problems++;
      show.note(message);
    },
  });
  show.end();
  console.log(JSON.stringify({ acknowledged: sent, problems }));
  return problems === 0 ? 0 : 1;
}

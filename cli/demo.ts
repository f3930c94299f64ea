import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runFleet } from '../firmware-sim/fleet.ts';
import { payloadFormats } from '../firmware-sim/payloads/index.ts';
import { createNeighbourhood, isScenario, SCENARIOS, type Neighbourhood } from '../firmware-sim/scenarios.ts';
import { HOUR, MINUTE } from '../model/time.ts';
import type { Registry } from '../registry/registry.ts';
import { CONFIG_HELP, configFrom, configOption } from './command.ts';
import { createLog } from './log.ts';
import type { Parts } from './parts.ts';
import { announce } from './serve.ts';
import { startServer } from './server.ts';
import { abortOnSignal, UsageError } from './terminal.ts';

export const summary = 'the server and a simulated neighbourhood of boxes and reference stations';

export const help = `lamppost demo: the server, and a simulated neighbourhood that sends real packets over MQTT

  --boxes N          registered boxes, default 120
  --interval S       seconds between two readings of a box, default 10
  --scenario NAME    ${Object.keys(SCENARIOS).join(', ')}; default city
  --seed N           default 1
  --hours H          hours of the past that the boxes send first, default 24
${CONFIG_HELP}

Data in ./data-demo unless LAMPPOST_DATA_DIR says otherwise; ports and the rest as for "serve".
Opens LASS/#, MAPS/# and airgradient/# to unregistered boxes. Stop with Ctrl-C.`;

const OPEN_TOPICS = ['LASS/#', 'MAPS/#', 'airgradient/#'];
const KEYS_FILE = 'demo-keys.json';
/** Some unregistered LASS boxes between the registered ones. */
const UNREGISTERED = 12;

const boxId = (i: number): string => `demo-box-${String(i + 1).padStart(4, '0')}`;
const stationId = (i: number): string => `demo-station-${String(i + 1).padStart(2, '0')}`;

/** Registers what is not yet there. The keys are kept in the data folder: a server keeps only their hashes. */
function register(registry: Registry, folder: string, neighbourhood: Neighbourhood, now: number): Map<string, string> {
  const file = join(folder, KEYS_FILE);
  const keys = new Map<string, string>(
    existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as [string, string][]) : [],
  );
  const beside = new Map(neighbourhood.colocated);
  const things = [
    ...neighbourhood.stations.map((s, i) => ({
      id: s.id,
      kind: 'station' as const,
      name: `示範參考站 ${i + 1} Demo station ${i + 1}`,
      lat: s.lat,
      lon: s.lon,
      sensors: ['BAM-1020'],
      properties: { authority: 'simulated' },
    })),
    ...neighbourhood.boxes.map((b, i) => ({
      id: b.id,
      kind: 'box' as const,
      name: beside.has(b.id) ? `示範盒 ${i + 1}(參考站旁)Demo box ${i + 1}` : `示範盒 ${i + 1} Demo box ${i + 1}`,
      lat: b.lat,
      lon: b.lon,
      height: 3,
      sensors: [b.sensor, 'SHT31'],
      field: b.sensor === 'PMS5003' ? ('cf1' as const) : ('' as const),
      format: 'json',
      properties: { authority: 'simulated' },
    })),
  ];
  const fresh = things
    .filter((t) => !registry.get(t.id))
    .map((t) => ({ ...t, exposure: 'outdoor' as const, claimed: true, project: 'demo', licence: 'CC0-1.0' }));
  for (const { id, key } of registry.addMany(fresh, now)) keys.set(id, key);
  for (const { id } of things) if (!keys.has(id)) keys.set(id, registry.rotateKey(id));
  writeFileSync(file, JSON.stringify([...keys]), { mode: 0o600 });
  return keys;
}

function number(name: string, text: string, min: number, max: number): number {
  const n = Number(text);
  if (!Number.isFinite(n) || n < min || n > max)
    throw new UsageError(`--${name} ${text}: expected a number from ${min} to ${max}`);
  return n;
}

export async function run(args: string[], parts: Parts): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      ...configOption,
      boxes: { type: 'string', default: '120' },
      interval: { type: 'string', default: '10' },
      scenario: { type: 'string', default: 'city' },
      seed: { type: 'string', default: '1' },
      hours: { type: 'string', default: '24' },
    },
  });
  if (!isScenario(values.scenario))
    throw new UsageError(`--scenario ${values.scenario}: known are ${Object.keys(SCENARIOS).join(', ')}`);
  const { scenario } = values;
  const boxes = number('boxes', values.boxes, 1, 5000);
  const intervalMs = number('interval', values.interval, 1, 3600) * 1000;
  const seed = number('seed', values.seed, 0, 2 ** 31);
  const hours = number('hours', values.hours, 0, 24 * 30);
  const config = configFrom(values, { dataDir: './data-demo', openTopics: OPEN_TOPICS });
  const log = createLog(config.logLevel);
  const signal = abortOnSignal();
  const now = Date.now();
  const since = now - hours * HOUR;
  const neighbourhood = createNeighbourhood({ scenario, seed, boxes, start: since, boxId, stationId });
  let keys = new Map<string, string>();
  const server = await startServer({
    config,
    parts,
    log,
    prepare: (registry, folder) => {
      keys = register(registry, folder.root, neighbourhood, now);
    },
  });
  try {
    await announce(server, { http: config.httpHost, mqtt: config.mqttHost });
    process.stderr.write(
      `\nLamppost demo: ${boxes} boxes and ${neighbourhood.stations.length} reference stations send over MQTT.\nOpen the map: http://localhost:${server.http}/?at=${neighbourhood.city.centre.lat},${neighbourhood.city.centre.lon},11\n\n`,
    );
    const fleet = {
      url: `mqtt://127.0.0.1:${server.mqtt}`,
      intervalMs,
      clock: Date.now,
      signal,
      since,
      catchUpStepMs: 10 * MINUTE,
      onProblem: (problem: string): void => log.warn({ problem }, 'simulator'),
    };
    const fleets = [runFleet({ ...fleet, neighbourhood, format: 'json', key: (id) => keys.get(id) })];
    if (payloadFormats().includes('lass')) {
      const unregistered = createNeighbourhood({
        scenario: 'city',
        seed: seed + 1,
        boxes: UNREGISTERED,
        stations: 0,
        start: since,
        boxId: (i) => `DEMO_${String(i + 1).padStart(3, '0')}`,
      });
      fleets.push(runFleet({ ...fleet, neighbourhood: unregistered, format: 'lass', key: () => undefined }));
    }
    await Promise.race([Promise.all(fleets), server.failed]);
    log.info({}, 'stopping');
  } finally {
    await server.close();
  }
  return 0;
}

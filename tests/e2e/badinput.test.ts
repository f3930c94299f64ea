/** Whatever comes in by MQTT, WebSocket or HTTP: the process stays, and each input has an end that somebody can see. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from '../property.ts';
import mqtt, { type MqttClient } from 'mqtt';
import mqttPacket from 'mqtt-packet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { askServer } from '../../cli/control.ts';
import { dataFolder } from '../../cli/folder.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { startChild, until, type ChildServer } from './server.ts';

/** Hundreds of connections and requests: a loaded machine is no failure. */

const dir = mkdtempSync(join(tmpdir(), 'lamppost-badinput-'));
const folder = dataFolder(dir);
let server: ChildServer;
let box: { id: string; key: string };
let client: MqttClient;

beforeAll(async () => {
  const registry = openRegistry(folder.registry);
  box = registry.addMany([{ name: 'box', lat: 25, lon: 121.5, sensors: ['PMS5003'] }], Date.now())[0] as typeof box;
  registry.close();
  server = await startChild({
    LAMPPOST_DATA_DIR: dir,
    LAMPPOST_OPEN_TOPICS: 'LASS/#,MAPS/#',
    LAMPPOST_LOG_LEVEL: 'error',
    LAMPPOST_OPEN_PUSH: 'true',
  });
  client = await mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqtt}`, { username: box.id, password: box.key });
});

afterAll(async () => {
  await client?.endAsync(true);
  if (server) expect(await server.stop(), server.log()).toBe(0);
  rmSync(dir, { recursive: true, force: true });
});

const url = (path: string): string => `http://127.0.0.1:${server.http}${path}`;
const bytes = fc.uint8Array({ maxLength: 400 });

async function metric(name: string): Promise<number> {
  const text = await (await fetch(url('/metrics'))).text();
  let sum = 0;
  for (const m of text.matchAll(new RegExp(`^lamppost_${name}(?:{.*})? (\\S+)$`, 'gm'))) sum += Number(m[1]);
  return sum;
}

/** What the pipeline says of itself. */
async function pipelineStatus(): Promise<{ seq: number; problem: string }> {
  const answer = await askServer(folder.control, { command: 'status' });
  if (!answer) throw new Error('the server does not answer');
  return (answer.result as { pipeline: { seq: number; problem: string } }).pipeline;
}

const drained = (): Promise<void> =>
  until(async () => (await pipelineStatus()).seq >= (await metric('journal_last_seq')));

/** Writes bytes and half-closes; resolves when the server has closed the connection. */
const throwAt = (chunks: readonly Uint8Array[]): Promise<void> =>
  new Promise((resolve) => {
    const socket = createConnection(server.mqtt, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.on('data', () => undefined);
    for (const chunk of chunks) socket.write(chunk);
    socket.end();
  });

const connect = mqttPacket.generate({
  cmd: 'connect',
  clientId: 'x',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clean: true,
  keepalive: 1,
});

describe('bytes on the MQTT port', () => {
  it('close at most their own connection', async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(bytes, { minLength: 1, maxLength: 4 }), async (afterConnect, chunks) => {
        await throwAt(afterConnect ? [connect, ...chunks] : chunks);
        expect(client.connected).toBe(true);
      }),
      { numRuns: 60 },
    );
    expect(server.process.exitCode).toBeNull();
  });

  it('whole packets with one byte changed, too', async () => {
    const packets = Buffer.concat([
      connect,
      mqttPacket.generate({
        cmd: 'publish',
        topic: 'LASS/Test/PM25',
        payload: '|s_d0=1|',
        qos: 1,
        messageId: 7,
        dup: false,
        retain: false,
      }),
      mqttPacket.generate({ cmd: 'subscribe', messageId: 8, subscriptions: [{ topic: 'LASS/#', qos: 1 }] }),
      mqttPacket.generate({ cmd: 'pingreq' }),
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: packets.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, by) => {
        const changed = Buffer.from(packets);
        changed[at] = ((changed[at] as number) + by) & 255;
        await throwAt([changed]);
        expect(client.connected).toBe(true);
      }),
      { numRuns: 80 },
    );
  });

  it('over WebSocket', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, fc.boolean(), async (chunk, afterConnect) => {
        const socket = new WebSocket(`ws://127.0.0.1:${server.http}/mqtt`, 'mqtt');
        await new Promise<void>((resolve) => {
          socket.on('error', () => undefined);
          socket.on('close', () => resolve());
          socket.on('open', () => {
            if (afterConnect) socket.send(connect);
            socket.send(chunk);
            socket.close();
          });
        });
        expect(client.connected).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});

describe('payloads of a box', () => {
  const payload = fc.oneof(
    bytes.map((b) => Buffer.from(b)),
    fc.json().map((s) => Buffer.from(s)),
    fc
      .dictionary(fc.constantFrom('t', 'pm25', 'humidity', 'lat'), fc.jsonValue())
      .map((v) => Buffer.from(JSON.stringify(v))),
  );
  const format = fc.constantFrom('json', 'lass', 'airbox', 'json/batch', 'nonsense', 'lass/batch');

  it('are each stored, rejected with a reason, or counted as duplicate', async () => {
    const before = { rejects: await metric('rejects_total'), seen: await metric('packets_processed_total') };
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(payload, format, async (body, word) => {
        await client.publishAsync(`boxes/${box.id}/${word}`, body, { qos: 1 });
        sent++;
      }),
      { numRuns: 150 },
    );
    await drained();
    expect(await metric('packets_processed_total')).toBe(before.seen + sent);
    expect(await metric('rejects_total')).toBeGreaterThan(before.rejects + sent / 3);
    expect(await metric('rejects_total{code="ingest-error"}')).toBe(0);
    expect((await pipelineStatus()).problem).toBe('');
  });
});

describe('HTTP', () => {
  const segment = fc.oneof(
    fc.constantFrom(
      'api',
      'v1',
      'boxes',
      'latest.geojson',
      'observations',
      'stream',
      'stations',
      'rejects',
      'sta',
      'v1.1',
      'Things(1)',
      'dumps',
      '..',
      '%2e%2e',
      '%00',
    ),
    fc.string({ maxLength: 20 }).map(encodeURIComponent),
  );
  const name = fc.constantFrom(
    'bbox',
    'property',
    'level',
    'from',
    'to',
    'interval',
    'format',
    'limit',
    'cursor',
    '$filter',
    '$expand',
    'claimed',
  );
  const value = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.constantFrom(
      'pm25',
      'raw',
      '1,2,3,4',
      '-1',
      '1e999',
      'PT1H',
      'P9999Y',
      '2026-11-21T00:00:00Z',
      'csv',
      "' OR 1=1 --",
    ),
  );
  const query = fc
    .array(fc.tuple(name, value), { maxLength: 4 })
    .map((pairs) => pairs.map(([n, v]) => `${n}=${encodeURIComponent(v)}`).join('&'));

  it('any path and query is answered below 500', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(segment, { maxLength: 5 }), query, async (path, q) => {
        const response = await fetch(url(`/${path.join('/')}?${q}`), { signal: AbortSignal.timeout(60_000) });
        await response.body?.cancel();
        expect(response.status).toBeLessThan(500);
      }),
      { numRuns: 150 },
    );
  });

  it.each([
    'latest.geojson',
    'boxes',
    'boxes/BOX',
    'boxes/BOX/observations',
    'stations',
    'events',
    'licences',
    'rejects',
  ])('any query of /api/v1/%s is answered below 500, and a wrong one as a problem', async (call) => {
    await fc.assert(
      fc.asyncProperty(query, async (q) => {
        const response = await fetch(url(`/api/v1/${call.replace('BOX', box.id)}?${q}`));
        await response.body?.cancel();
        expect(response.status).toBeLessThan(500);
        if (response.status >= 400) expect(response.headers.get('content-type')).toMatch(/application\/problem\+json/);
      }),
      { numRuns: 40 },
    );
  });

  it('any body to a writing call is answered below 500', async () => {
    const call = fc.constantFrom(
      `/api/v1/boxes/${'x'.repeat(16)}/readings`,
      '/api/v1/boxes',
      '/v1/push-sensor-data/',
      '/sta/v1.1/Things',
    );
    const body = fc.oneof(
      bytes.map((b) => Buffer.from(b)),
      fc.json().map((s) => Buffer.from(s)),
    );
    const type = fc.constantFrom('application/json', 'text/plain', 'application/x-www-form-urlencoded', 'nonsense');
    await fc.assert(
      fc.asyncProperty(call, body, type, fc.boolean(), async (path, b, t, own) => {
        const target = own ? `/api/v1/boxes/${box.id}/readings` : path;
        const response = await fetch(url(target), {
          method: 'POST',
          body: b,
          headers: { 'content-type': t, authorization: `Bearer ${box.key}` },
        });
        await response.body?.cancel();
        expect(response.status).toBeLessThan(500);
      }),
      { numRuns: 120 },
    );
  });
});

it('after all that a good reading still comes through', async () => {
  const t = new Date(Math.floor(Date.now() / 1000) * 1000 + 60_000).toISOString().replace('.000', '');
  await client.publishAsync(`boxes/${box.id}/json`, JSON.stringify({ t, pm25: 21.5, humidity: 60, temperature: 24 }), {
    qos: 1,
  });
  await drained();
  const body = (await (await fetch(url('/api/v1/latest.geojson?property=pm25&level=raw'))).json()) as {
    features: { properties: { id: string; value: number; phenomenonTime: string } }[];
  };
  const feature = body.features.find((f) => f.properties.id === box.id);
  expect(feature?.properties).toMatchObject({ value: 21.5, phenomenonTime: t });
  expect(server.process.exitCode).toBeNull();
});

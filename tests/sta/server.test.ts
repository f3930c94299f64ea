/** SensorThings on the real server: boxes that send over MQTT, writers over HTTP and MQTT, subscribers, and what is refused. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand, startChild, until, type ChildServer } from '../e2e/server.ts';

const ADMIN = 'an-admin-token-of-the-test';
const dir = mkdtempSync(join(tmpdir(), 'lamppost-sta-'));
let server: ChildServer;
let box: { id: string; key: string };
const clients: MqttClient[] = [];

const base = (): string => `http://127.0.0.1:${server.http}/sta/v1.1`;
const sta = (path: string, init: RequestInit = {}): Promise<Response> => fetch(base() + path, init);
// oxlint-disable-next-line typescript/no-explicit-any -- the answers are read as a client would, by name
const get = async (path: string): Promise<any> => {
  const response = await sta(path);
  const text = await response.text();
  expect(response.status, `${path}: ${text}`).toBe(200);
  return JSON.parse(text);
};
const post = (path: string, body: unknown, token = ADMIN): Promise<Response> =>
  sta(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify(body),
  });
async function connect(options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqtt}`, { reconnectPeriod: 0, ...options });
  client.on('error', () => undefined);
  clients.push(client);
  return client;
}
/** Messages by topic, and a wait for the next one of a topic that fits. */
async function listen(topics: string[]): Promise<{
  all: { topic: string; body: unknown }[];
  // oxlint-disable-next-line typescript/no-explicit-any -- see get
  next: (topic: string) => Promise<any>;
}> {
  const client = await connect();
  const all: { topic: string; body: unknown }[] = [];
  client.on('message', (topic, payload) => void all.push({ topic, body: JSON.parse(payload.toString()) }));
  const granted = await client.subscribeAsync(topics, { qos: 1 });
  for (const g of granted) expect(g.qos, g.topic).not.toBe(128);
  return {
    all,
    async next(topic) {
      let found: unknown;
      await until(async () => {
        const at = all.findIndex((m) => m.topic === topic);
        if (at < 0) return false;
        found = all[at]?.body;
        all.splice(at, 1);
        return true;
      });
      return found;
    },
  };
}
const reading = async (pm25: number, t: number): Promise<void> => {
  const client = await connect({ username: box.id, password: box.key });
  await client.publishAsync(`boxes/${box.id}/json`, JSON.stringify({ t: new Date(t).toISOString(), pm25 }), { qos: 1 });
  await client.endAsync();
};

const lamp = {
  name: 'lamp',
  description: '',
  Locations: [
    {
      name: 'l',
      description: '',
      encodingType: 'application/geo+json',
      location: { type: 'Point', coordinates: [121, 25] },
    },
  ],
  Datastreams: [
    {
      name: 'd',
      description: '',
      observationType: 'http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement',
      unitOfMeasurement: { name: null, symbol: null, definition: null },
      Sensor: { name: 's', description: '', encodingType: 'text/html', metadata: 'm' },
      ObservedProperty: { name: 'o', definition: 'http://x', description: '' },
    },
  ],
};

beforeAll(async () => {
  server = await startChild({ LAMPPOST_DATA_DIR: join(dir, 'data'), LAMPPOST_ADMIN_TOKEN: ADMIN });
  const response = await fetch(`http://127.0.0.1:${server.http}/api/v1/boxes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'school', lat: 25.03, lon: 121.56, exposure: 'outdoor', licence: 'CC-BY-4.0' }),
  });
  expect(response.status).toBe(201);
  box = (await response.json()) as typeof box;
});
afterAll(async () => {
  for (const client of clients) client.end(true);
  expect(await server.stop()).toBe(0);
  rmSync(dir, { recursive: true, force: true });
});

describe('MQTT', () => {
  it('what a box sends arrives at subscribers as Observations of its Datastreams, and reads the same over HTTP', async () => {
    const t = Date.now() - 60_000;
    await reading(12.5, t);
    await until(async () => (await get('/Datastreams?$select=id')).value.length > 0);
    const { value } = await get('/Datastreams?$filter=properties/level eq %27raw%27&$expand=ObservedProperty,Thing');
    expect(value[0].ObservedProperty.name).toBe('pm25');
    expect(value[0].Thing.properties.stationID).toBe(box.id);
    const id = value[0]['@iot.id'];
    const own = `v1.1/Datastreams(${id})/Observations`;
    const narrow = `${own}?$select=result,phenomenonTime`;
    const heard = await listen([
      own,
      narrow,
      'v1.1/Observations',
      `v1.1/Datastreams(${id + 64 * 4 * 50})/Observations`,
    ]);
    await reading(13.5, t + 30_000);
    const observation = await heard.next(own);
    expect(observation.result).toBe(13.5);
    expect(await heard.next(narrow)).toEqual({ result: 13.5, phenomenonTime: new Date(t + 30_000).toISOString() });
    expect((await heard.next('v1.1/Observations')).phenomenonTime).toBe(new Date(t + 30_000).toISOString());
    const path = new URL(observation['@iot.selfLink']).pathname.replace('/sta/v1.1', '');
    expect(await get(path)).toEqual(observation);
    expect(heard.all.filter((m) => m.topic.includes(String(id + 64 * 4 * 50)))).toEqual([]);
  });

  it('a writer makes Things and Observations by publishing; strangers may not', async () => {
    const made = await post('/Things', lamp);
    expect(made.status).toBe(201);
    const thing = ((await made.json()) as { '@iot.id': number })['@iot.id'];
    const stream = (await get(`/Things(${thing})/Datastreams`)).value[0]['@iot.id'];
    const topics = [
      `v1.1/Datastreams(${stream})/Observations`,
      'v1.1/Observations',
      'v1.1/Things',
      `v1.1/Things(${thing})`,
      `v1.1/Things(${thing})/description`,
      `v1.1/Things(${thing})/Locations`,
      `v1.1/Datastreams(${stream})/Thing`,
    ];
    const heard = await listen(topics);
    const writer = await connect({ username: 'token', password: ADMIN });
    await writer.publishAsync(topics[0] as string, JSON.stringify({ result: { any: ['json'] } }), { qos: 2 });
    const observation = await heard.next(topics[0] as string);
    expect(observation).toMatchObject({ result: { any: ['json'] }, '@iot.id': expect.any(Number) });
    expect(await get(`/Observations(${observation['@iot.id']})`)).toEqual(observation);
    expect((await heard.next('v1.1/Observations'))['@iot.id']).toBe(observation['@iot.id']);

    await sta(`/Things(${thing})`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${ADMIN}` },
      body: JSON.stringify({ description: 'new words' }),
    });
    expect(await heard.next(`v1.1/Things(${thing})`)).toMatchObject({ description: 'new words' });
    expect(await heard.next(`v1.1/Things(${thing})/description`)).toEqual({ description: 'new words' });
    expect(await heard.next(`v1.1/Datastreams(${stream})/Thing`)).toMatchObject({ '@iot.id': thing });

    await writer.publishAsync(
      `v1.1/Things(${thing})/Locations`,
      JSON.stringify({ ...lamp.Locations[0], name: 'by MQTT' }),
      { qos: 1 },
    );
    expect(await heard.next(`v1.1/Things(${thing})/Locations`)).toMatchObject({ name: 'by MQTT' });
    // Once each: what was published is not handed on beside what it became.
    expect(heard.all.filter((m) => m.topic === topics[0])).toEqual([]);

    const before = (await get(`/Datastreams(${stream})/Observations?$count=true&$top=0`))['@iot.count'];
    const stranger = await connect();
    const closed = new Promise((resolve) => stranger.once('close', () => resolve(null)));
    stranger.publish(topics[0] as string, JSON.stringify({ result: 1 }), { qos: 1 });
    await closed;
    const clumsy = await connect({ username: 'token', password: ADMIN });
    const alsoClosed = new Promise((resolve) => clumsy.once('close', () => resolve(null)));
    clumsy.publish(topics[0] as string, '{"result":', { qos: 1 });
    await alsoClosed;
    expect((await get(`/Datastreams(${stream})/Observations?$count=true&$top=0`))['@iot.count']).toBe(before);
  });

  it.each([
    ['no right', {}, 'v1.1/Things', '{"name":"x","description":"d"}'],
    ['a box is no writer', 'box', 'v1.1/Things', '{"name":"x","description":"d"}'],
    ['bad JSON', 'writer', 'v1.1/Things', '{bad'],
    ['nothing', 'writer', 'v1.1/Things', ''],
    ['no text', 'writer', 'v1.1/Things', Buffer.from([0xff, 0xfe, 0])],
    ['nested without end', 'writer', 'v1.1/Things', '['.repeat(60_000)],
    ['too large', 'writer', 'v1.1/Things', `{"name":"${'x'.repeat(3_000_000)}","description":"d"}`],
    ['no such Datastream', 'writer', 'v1.1/Datastreams(999999999999)/Observations', '{"result":1}'],
    ['a Datastream of a box', 'writer', 'BOX/Observations', '{"result":1}'],
    ['no such set', 'writer', 'v1.1/Nothing', '{}'],
    ['the root', 'writer', 'v1.1', '{}'],
    ['one entity', 'writer', 'v1.1/Things(1)', '{"name":"x","description":"d"}'],
    ['another version', 'writer', 'v1.0/Things', '{"name":"x","description":"d"}'],
    ['bad percent-encoding', 'writer', 'v1.1/Th%zz', '{}'],
  ] as const)('a hostile publish ends its connection and leaves nothing behind: %s', async (_, who, topic, payload) => {
    const before = await get('/Things/$count');
    const raw = (await get("/Datastreams?$select=id&$filter=properties/level eq 'raw'")).value[0]['@iot.id'] as number;
    const user = who === 'writer' ? { username: 'token', password: ADMIN } : who === 'box' ? { username: box.id, password: box.key } : {}; // prettier-ignore
    const client = await connect(user);
    const ended = new Promise<void>((resolve) => client.once('close', () => resolve()));
    client.publish(topic.replace('BOX', `v1.1/Datastreams(${raw})`), payload, { qos: 1 });
    await ended;
    expect(await get('/Things/$count')).toBe(before);
    // The next one is served.
    const writer = await connect({ username: 'token', password: ADMIN });
    await writer.publishAsync('v1.1/ObservedProperties', '{"name":"after","definition":"http://x","description":""}', { qos: 1 }); // prettier-ignore
    await writer.endAsync();
  });

  it('the root says where MQTT is', async () => {
    const { serverSettings } = await get('');
    const name = 'http://www.opengis.net/spec/iot_sensing/1.1/req/receive-updates-via-mqtt/receive-updates';
    expect(serverSettings.conformance).toContain(name);
    expect(serverSettings[name].endpoints).toContain(`mqtt://127.0.0.1:${server.mqtt}`);
  });
});

describe('a scratch instance', () => {
  it('anyone creates, reads, changes and deletes; there are no boxes', async () => {
    const scratch = await startChild({ LAMPPOST_DATA_DIR: join(dir, 'scratch'), LAMPPOST_STA_SCRATCH: '1' });
    const root = `http://127.0.0.1:${scratch.http}/sta/v1.1`;
    const call = (path: string, method = 'GET', body?: unknown): Promise<Response> =>
      fetch(root + path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    try {
      const made = await call('/Things', 'POST', lamp);
      expect(made.status).toBe(201);
      expect(made.headers.get('location')).toBe(`${root}/Things(1)`);
      expect((await call('/Datastreams(1)/Observations', 'POST', { result: 4 })).status).toBe(201);
      const observation = (await (await call('/Observations(1)?$expand=FeatureOfInterest')).json()) as {
        phenomenonTime: string;
        resultTime: null;
        FeatureOfInterest: { feature: unknown };
      };
      expect(Math.abs(Date.parse(observation.phenomenonTime) - Date.now())).toBeLessThan(60_000);
      expect(observation.resultTime).toBeNull();
      expect(observation.FeatureOfInterest.feature).toEqual({ type: 'Point', coordinates: [121, 25] });
      // An unencoded plus arrives as a blank.
      const counted = await call('/Observations?$count=true&$filter=phenomenonTime ge 2020-01-01T08:00:00+08:00');
      expect(((await counted.json()) as { '@iot.count': number })['@iot.count']).toBe(1);
      expect((await call('/Things(1)', 'PATCH', { name: 'other' })).status).toBe(200);
      expect((await call('/Things(1)', 'OPTIONS')).status).toBe(204);
      expect((await call('/Things(1)', 'HEAD')).status).toBe(200);
      expect((await call('/Things(1)', 'DELETE')).status).toBe(200);
      for (const gone of ['/Things(1)', '/Datastreams(1)', '/Observations(1)'])
        expect((await call(gone)).status, gone).toBe(404);
      expect((await call('/Things/$count')).ok).toBe(true);
    } finally {
      await scratch.stop();
    }
  });
  it('a write without a token is refused elsewhere, with a problem that says what to do', async () => {
    const response = await post('/Things', lamp, '');
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(
      (await sta('/Things', { method: 'DELETE', headers: { authorization: `Bearer ${ADMIN}` } })).headers.get('allow'),
    ).toContain('POST');
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    expect(await response.text()).toContain('sta-write');
  });
});

describe('the /data page', () => {
  it('its examples work as they stand', async () => {
    // The day of the readings above, also just after midnight.
    const today = new Date(Date.now() - 120_000).toISOString().slice(0, 10);
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
    const dumped = await runCommand(['dump', '--from', today, '--to', tomorrow], {
      LAMPPOST_DATA_DIR: join(dir, 'data'),
    });
    expect(dumped.code, dumped.err).toBe(0);
    const html = await (await fetch(`http://127.0.0.1:${server.http}/data?lang=en`)).text();
    const code = (tool: string): string[] =>
      [...html.matchAll(new RegExp(`<pre data-tool="${tool}"[^>]*>(.*?)</pre>`, 'gs'))].map((m) =>
        (m[1] ?? '').replace(/&#(\d+);/g, (_, n: string) => String.fromCharCode(Number(n))),
      );
    const has = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
    expect(code('curl').length).toBeGreaterThan(4);
    const run = promisify(execFile);
    if (has('curl'))
      for (const line of code('curl')) {
        const { stdout } = await run('sh', ['-c', line], { cwd: dir });
        expect(stdout.length, line).toBeGreaterThan(8);
      }
    if (has('python3')) {
      const [script = ''] = code('Python');
      // On the first of a month it asks for the one before, which has no readings yet.
      expect(script).toMatch(/'month': '\d{4}-\d{2}'/);
      writeFileSync(join(dir, 'example.py'), script.replace(/'month': '\d{4}-\d{2}'/, `'month': '${today.slice(0, 7)}'`)); // prettier-ignore
      const { stdout } = await run('python3', ['example.py'], { cwd: dir });
      expect(stdout).toMatch(/^[1-9]\d* hours of 1 boxes/);
      const [header, ...rows] = readFileSync(join(dir, 'pm25.csv'), 'utf8').trim().split(/\r?\n/);
      expect(header).toContain('box,name,kind,lat,lon,localTime,phenomenonTime');
      for (const row of rows) expect(row).toContain(box.id);
    }
    for (const url of [...code('Excel'), ...code('QGIS')]) expect((await fetch(url)).status, url).toBe(200);
    const parquet = /read_parquet\('([^']+)'\)/.exec(code('DuckDB')[0] ?? '')?.[1] ?? '';
    expect((await fetch(parquet, { headers: { range: 'bytes=0-3' } })).status).toBe(206);
  });
});

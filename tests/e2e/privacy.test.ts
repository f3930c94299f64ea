/** What must never be public, looked for in every answer of the real server, its pages, dumps, live topics, stream and log. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import mqtt from 'mqtt';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand, startChild, until, type ChildServer } from './server.ts';

const ADMIN = 'admin-token-of-this-test';
const ADDRESS = '203.0.113.77';
const SMTP_PASSWORD = 'smtp-password-hunter2';
/** Written as they might be found again; some in several spellings. */
const SECRETS: Record<string, string> = {
  'the exact latitude of a hidden home': '25.05171',
  'its longitude': '121.51449',
  'its side of the house': 'north-window-3F',
  'its lamp post': 'LP-778899',
  'the network name': 'LinFamilyWiFi',
  'the hardware address of the router': '5c:cf:7f:0a:1b:2c',
  'the same without colons': '5ccf7f0a1b2c',
  'the hardware address in a header': 'a4cf12ddeeff',
  'an e-mail address': 'lin@private.example',
  'a webhook': 'hook-path-9f8e7d',
  'the address of the sender': ADDRESS,
  'what a passer-by wrote': 'I saw the Lin family',
  'the admin token': ADMIN,
  'the password of the mail server': SMTP_PASSWORD,
};

const day = (n: number): string => new Date(Date.now() + n * 86_400_000).toISOString().slice(0, 10);

let server: ChildServer;
let smtp: SMTPServer;
let settings: Record<string, string> = {};
const folder = mkdtempSync(join(tmpdir(), 'lamppost-privacy-'));
const ids: string[] = [];
let base = '';
let box: { id: string; key: string; ownerToken: string };
let heard = '';

const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(base + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': ADDRESS, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

beforeAll(async () => {
  smtp = new SMTPServer({ authOptional: true, disabledCommands: ['STARTTLS'], onData: (stream, _s, done) => void stream.resume().on('end', () => done()) }); // prettier-ignore
  await new Promise<void>((done) => {
    smtp.listen(0, '127.0.0.1', done);
  });
  settings = {
    LAMPPOST_DATA_DIR: folder,
    LAMPPOST_ADMIN_TOKEN: ADMIN,
    LAMPPOST_OPEN_TOPICS: 'LASS/#,MAPS/#,purpleair/#',
    LAMPPOST_OPEN_PUSH: 'on',
    LAMPPOST_TRUST_PROXY: 'loopback',
    LAMPPOST_PUBLIC_URL: 'https://air.example.org',
    LAMPPOST_SMTP_HOST: '127.0.0.1',
    LAMPPOST_SMTP_PORT: String((smtp.server.address() as AddressInfo).port),
    LAMPPOST_SMTP_SECURITY: 'none',
    LAMPPOST_SMTP_PASSWORD: SMTP_PASSWORD,
    LAMPPOST_SMTP_FROM: 'Lamppost <air@air.example.org>',
  };
  server = await startChild(settings);
  base = `http://127.0.0.1:${server.http}`;

  const listener = await mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqtt}`);
  listener.on('message', (topic, payload) => (heard += `${topic} ${payload.toString()}\n`));
  await listener.subscribeAsync('v1.1/#').catch(() => undefined);

  const registered = await post('/api/v1/boxes', {
    name: 'balcony',
    lat: 25.05171,
    lon: 121.51449,
    height: 11,
    placePrecision: 'grid',
    exposure: 'outdoor',
    sensors: ['PMS5003'],
    side: SECRETS['its side of the house'],
    lampPost: SECRETS['its lamp post'],
  });
  expect(registered.status).toBe(201);
  box = (await registered.json()) as typeof box;
  ids.push(box.id);
  const own = { authorization: `Bearer ${box.ownerToken}` };
  // Moves: the history of places and the events must not tell more than the present place does.
  await fetch(`${base}/api/v1/boxes/${box.id}`, { method: 'PATCH', headers: { ...own, 'content-type': 'application/json' }, body: JSON.stringify({ lat: 25.06171, lon: 121.52449 }) }); // prettier-ignore
  await fetch(`${base}/api/v1/boxes/${box.id}`, { method: 'PATCH', headers: { ...own, 'content-type': 'application/json' }, body: JSON.stringify({ lat: 25.05171, lon: 121.51449 }) }); // prettier-ignore
  const alerts = await fetch(`${base}/api/v1/boxes/${box.id}/alerts`, { method: 'PUT', headers: { ...own, 'content-type': 'application/json' }, body: JSON.stringify({ email: 'lin@private.example', webhook: 'https://hooks.example/hook-path-9f8e7d' }) }); // prettier-ignore
  expect(alerts.status).toBe(200);
  expect((await post(`/api/v1/boxes/${box.id}/feedback`, { kind: 'indoors', text: 'I saw the Lin family' })).status).toBe(202); // prettier-ignore

  const wifi = { ssid: 'LinFamilyWiFi', SSID: 'LinFamilyWiFi', bssid: '5c:cf:7f:0a:1b:2c', mac: '5c:cf:7f:0a:1b:2c', lat: 25.05171, lon: 121.51449 }; // prettier-ignore
  const bearer = { authorization: `Bearer ${box.key}` };
  expect((await post(`/api/v1/boxes/${box.id}/readings`, { pm25: 12, temperature: 24, ...wifi }, bearer)).status).toBe(
    202,
  );
  // One that is refused, with everything in it: only the owner may read it.
  expect((await post(`/api/v1/boxes/${box.id}/readings`, [{ pm25: 13 }, { nothing: 1, ...wifi }], bearer)).status).toBe(202); // prettier-ignore
  // The same home by formats of the field.
  const airrohr = { esp8266id: '3778899', software_version: 'NRZ', sensordatavalues: [{ value_type: 'SDS_P2', value: '12.3' }, { value_type: 'signal', value: '-60' }] }; // prettier-ignore
  const basic = { authorization: `Basic ${btoa(`${box.id}:${box.key}`)}`, 'x-mac-id': 'esp8266-a4cf12ddeeff', 'user-agent': 'NRZ-2024-135/3778899/a4cf12ddeeff' }; // prettier-ignore
  expect((await post('/data.php', airrohr, basic)).status).toBeLessThan(300);
  await post('/data.php', airrohr, { 'x-mac-id': 'esp8266-a4cf12ddeeff', 'x-sensor': 'esp8266-3778899' });
  const mq = await mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqtt}`);
  await mq.publishAsync('LASS/Test/PM25', '|ver_format=3|FAKE_GPS=1|app=PM25|device_id=FT1_777|date=2026-11-21|time=08:00:00|s_d0=12|gps_lat=25.1|gps_lon=121.6|SSID=LinFamilyWiFi|mac=5c:cf:7f:0a:1b:2c', { qos: 1 }); // prettier-ignore
  await mq.publishAsync('purpleair/json', JSON.stringify({ SensorId: '5c:cf:7f:0a:1b:2c', Id: 4711, DateTime: '2026/11/21T08:00:00z', Geo: 'PurpleAir-4711', ssid: 'LinFamilyWiFi', lat: 25.05171, lon: 121.51449, pm2_5_cf_1: 10, pm2_5_atm: 9, current_temp_f: 70, current_humidity: 50 }), { qos: 1 }); // prettier-ignore
  await mq.endAsync();
  await until(async () => {
    const { items } = (await (await fetch(`${base}/api/v1/boxes`)).json()) as { items: { id: string; lastSeen: string | null }[] }; // prettier-ignore
    for (const b of items) if (!ids.includes(b.id)) ids.push(b.id);
    return items.length >= 2 && items.some((b) => b.id === box.id && b.lastSeen !== null);
  });
  await until(async () => {
    const r = (await (await fetch(`${base}/api/v1/rejects?limit=10`, { headers: { authorization: `Bearer ${ADMIN}` } })).json()) as { items: unknown[] }; // prettier-ignore
    return r.items.length > 0;
  });
  // A wrong key and a bad body: what is logged about them must not hold them.
  await post(`/api/v1/boxes/${box.id}/readings`, { pm25: 1 }, { authorization: 'Bearer wrong-key-of-somebody' });
  await post(`/api/v1/boxes`, { name: 'x', email: 'lin@private.example' });
  await listener.endAsync();
});
afterAll(async () => {
  await server?.stop();
  await new Promise<void>((done) => {
    smtp.close(done);
  });
  rmSync(folder, { recursive: true, force: true });
});

function look(where: string, text: string): void {
  const all = { ...SECRETS, 'the key of the box': box.key, 'the owner token': box.ownerToken };
  const found = Object.entries(all).filter(([, secret]) => text.toLowerCase().includes(secret.toLowerCase()));
  expect(found.map(([what]) => what), where).toEqual([]); // prettier-ignore
}

it('every call that needs no key, with every box', async () => {
  const api = (await (await fetch(`${base}/api/openapi.json`)).json()) as { paths: Record<string, Record<string, { parameters?: { name: string; in: string; required?: boolean }[] }>> }; // prettier-ignore
  const values: Record<string, string> = { property: 'pm25', lat: '25.05', lon: '121.51', model: 'x', from: `${day(-1)}T00:00:00Z`, to: `${day(1)}T00:00:00Z` }; // prettier-ignore
  let asked = 0;
  for (const [path, methods] of Object.entries(api.paths)) {
    if (!methods['get'] || path.includes('/stream')) continue;
    const required = (methods['get'].parameters ?? []).filter((p) => p.in === 'query' && p.required);
    const query = required.map((p) => `${p.name}=${values[p.name] ?? ''}`).join('&');
    for (const id of path.includes('{') ? ids : ['']) {
      const url = `${base}${path.replace('{entry}', '1').replace(/\{[^}]+\}/, id)}${query === '' ? '' : `?${query}`}`;
      const response = await fetch(url);
      look(`GET ${url}`, JSON.stringify([...response.headers]) + (await response.text()));
      asked++;
    }
  }
  expect(asked).toBeGreaterThan(25);
  for (const path of [
    '/',
    '/register',
    '/fleet',
    '/table',
    `/boxes/${box.id}`,
    '/metrics',
    '/healthz',
    '/readyz',
    '/api/v1/latest.geojson?property=pm25',
    '/api/v1/latest.geojson?property=pm25&level=raw',
    `/api/v1/boxes/${box.id}/observations?property=pm25&format=csv`,
    `/api/v1/boxes/${box.id}/observations?property=pm25&format=ndjson`,
    '/api/v1/events?limit=1000',
  ]) {
    const response = await fetch(base + path);
    look(`GET ${path}`, JSON.stringify([...response.headers]) + (await response.text()));
  }
});

it('SensorThings, every collection with what hangs on it', async () => {
  const sets = ['Things', 'Locations', 'HistoricalLocations', 'Datastreams', 'Sensors', 'ObservedProperties', 'Observations', 'FeaturesOfInterest']; // prettier-ignore
  await until(async () => (await (await fetch(`${base}/sta/v1.1/Things`)).text()).includes(box.id));
  for (const set of sets) look(set, await (await fetch(`${base}/sta/v1.1/${set}?$top=1000`)).text());
  look('expanded', await (await fetch(`${base}/sta/v1.1/Things?$expand=Locations,HistoricalLocations($expand=Locations),Datastreams($expand=Sensor,Observations($expand=FeatureOfInterest))`)).text()); // prettier-ignore
});

it('nobody finds the hidden home by asking what lies near', async () => {
  const near = (await (await fetch(`${base}/api/v1/nearest?lat=25.05171&lon=121.51449&radius=100000`)).json()) as { items: { id: string; distance: number }[] }; // prettier-ignore
  const found = near.items.find((b) => b.id === box.id);
  // To the middle of the cell, 25.0525/121.5125: 217 m by the haversine formula, not 0.
  expect(found?.distance).toBeGreaterThan(150);
  const tight = await (await fetch(`${base}/api/v1/boxes?lat=25.05171&lon=121.51449&radius=100`)).json();
  expect(tight).toMatchObject({ items: [] });
});

it('live topics, dumps and the log', async () => {
  look('MQTT', heard);
  const dumped = await runCommand(['dump', '--from', day(-2), '--to', day(2), '--format', 'csv'], settings).catch(() => null); // prettier-ignore
  look('output of dump', (dumped?.out ?? '') + (dumped?.err ?? ''));
  const dumps = join(folder, 'store', 'dumps');
  let readings = '';
  for (const file of readdirSync(dumps, { recursive: true, withFileTypes: true }).filter((f) => f.isFile())) {
    const bytes = readFileSync(join(file.parentPath, file.name));
    const text = (file.name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('latin1');
    look(file.name, text);
    readings += text;
  }
  expect(readings).toContain(box.id);
  expect(server.log()).not.toContain('wrong-key-of-somebody');
  look('log', server.log());
});

it('its owner and the operator do see what was refused; others do not', async () => {
  const asked = async (token: string): Promise<string> =>
    (await fetch(`${base}/api/v1/rejects?box=${box.id}`, { headers: { authorization: `Bearer ${token}` } })).text();
  expect(await asked(box.ownerToken)).toContain('LinFamilyWiFi');
  expect(await asked(ADMIN)).toContain('LinFamilyWiFi');
  expect((await fetch(`${base}/api/v1/rejects?box=${box.id}`)).status).toBe(401);
});

/** Feeds of a whole server: a reference station and a box of other networks reach the API, a dead feed says so, keys stay in. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serve, type LocalServer } from '../feeds/servers.ts';
import { startChild, until, type ChildServer } from './server.ts';

const dir = mkdtempSync(join(tmpdir(), 'lamppost-feeds-'));
const HOUR = 3_600_000;
const hour = Math.floor(Date.now() / HOUR) * HOUR;
let network: LocalServer;
let server: ChildServer;

beforeAll(async () => {
  const local = new Date(hour + 8 * HOUR).toISOString();
  const station = {
    sitename: '測試',
    county: '某縣',
    'pm2.5': '15',
    status: '良好',
    publishtime: `${local.slice(0, 10)} ${local.slice(11, 16)}`,
    latitude: '25.12',
    longitude: '121.76',
    siteid: '901',
  };
  const box = {
    app: 'AirBox',
    device_id: '74DA38000001',
    SiteName: '測試國小',
    s_d0: 9,
    s_t0: 20,
    s_h0: 60,
    gps_lat: 24.5,
    gps_lon: 120.7,
    timestamp: new Date(hour - 60_000).toISOString(),
  };
  network = await serve((request, response) => {
    if (request.url?.startsWith('/moenv')) response.end(JSON.stringify({ records: [station] }));
    else if (request.url?.startsWith('/portal')) response.end(JSON.stringify({ feeds: [box] }));
    else response.writeHead(500).end();
  });
  server = await startChild({
    LAMPPOST_DATA_DIR: dir,
    LAMPPOST_LOG_LEVEL: 'debug',
    LAMPPOST_FEEDS: JSON.stringify([
      { kind: 'moenv', name: 'moenv', url: `${network.url}/moenv?api_key=SECRETKEY` },
      { kind: 'lass-portal', name: 'portal', url: `${network.url}/portal` },
      { kind: 'sensor-community', name: 'dead', url: `${network.url}/dead?key=SECRETKEY` },
    ]),
  });
});
afterAll(async () => {
  if (server) expect(await server.stop(), server.log()).toBe(0);
  await network?.close();
  rmSync(dir, { recursive: true, force: true });
});

const get = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${server.http}${path}`)).text();

it('bring stations and unclaimed boxes with licence and attribution to the API', async () => {
  const shown = async () =>
    (
      JSON.parse(await get('/api/v1/latest.geojson?property=pm25&level=raw')) as {
        features: { properties: Record<string, unknown> }[];
      }
    ).features.map((f) => f.properties);
  await until(async () => (await shown()).length === 2);
  const [station, box] = (await shown()).sort((a, b) => String(b['kind']).localeCompare(String(a['kind'])));
  // The value published at the end of an hour stands at its beginning.
  expect(station).toMatchObject({
    kind: 'station',
    nativeId: '901',
    value: 15,
    licence: 'OGDL-Taiwan-1.0',
    phenomenonTime: new Date(hour - HOUR).toISOString().replace('.000', ''),
  });
  expect(box).toMatchObject({ kind: 'box', nativeId: '74DA38000001', value: 9, claimed: false });
  expect(box?.['attribution']).toContain('Academia Sinica');
});

it('say what is wrong without making the server unready, and never show a key', async () => {
  const ready = await fetch(`http://127.0.0.1:${server.http}/readyz`);
  expect(ready.status).toBe(200);
  // Polled again after a while: on a slow machine it may have failed more than once by now.
  const failed = /^lamppost_feed_failures\{feed="dead",kind="sensor-community"\} [1-9]/m;
  await until(async () => failed.test(await get('/metrics')));
  const metrics = await get('/metrics');
  expect(metrics).toContain('lamppost_feed_packets_total{feed="moenv",kind="moenv"} 1');
  const everything = [
    metrics,
    await ready.text(),
    await get('/api/v1/boxes'),
    await get('/api/v1/stations'),
    await get('/api/v1/config'),
    server.log(),
  ].join();
  expect(everything).toContain('feed dead');
  expect(everything).not.toContain('SECRETKEY');
});

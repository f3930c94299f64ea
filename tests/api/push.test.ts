import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { world, type World } from './server.ts';

let open: World;
let closed: World;
beforeAll(async () => {
  open = await world({ openPush: true });
  closed = await world();
});
afterAll(async () => {
  await open.close();
  await closed.close();
});
beforeEach(() => {
  open.packets.length = 0;
  closed.packets.length = 0;
});

const AIRROHR = { method: 'POST', headers: { 'x-sensor': 'esp8266-12345', 'x-pin': '1', 'content-type': 'application/json' }, body: '{"software_version":"NRZ-2020-133","sensordatavalues":[{"value_type":"P2","value":"12.3"}]}' }; // prettier-ignore

test('an unregistered box is told how to register, and nothing is kept', async () => {
  const response = await closed.get('/v1/push-sensor-data/', AIRROHR);
  expect(response.status).toBe(403);
  const body = (await response.json()) as { type: string; detail: string };
  expect(body.type).toBe('/problems/not-registered');
  expect(body.detail).toContain('/register');
  expect(closed.packets).toEqual([]);
});

test('where the operator opened it, an unregistered box sends under its own name', async () => {
  const response = await open.get('/v1/push-sensor-data/', AIRROHR);
  expect(response.status).toBe(201);
  expect(open.packets).toMatchObject([{ via: 'http', topic: 'airrohr/esp8266-12345/pin1', sender: '' }]);
  expect(Buffer.from(open.packets[0]?.payload ?? []).toString()).toBe(AIRROHR.body);
});

test('a registered box with its key sends as itself; a wrong key is refused', async () => {
  const basic = (secret: string) => `Basic ${Buffer.from(`${closed.ids.school}:${secret}`).toString('base64')}`;
  const headers = { ...AIRROHR.headers, authorization: basic(closed.keys.school.key) };
  expect((await closed.get('/v1/push-sensor-data/', { ...AIRROHR, headers })).status).toBe(201);
  expect(closed.packets).toMatchObject([{ topic: `boxes/${closed.ids.school}/airrohr`, sender: closed.ids.school }]);
  const wrong = { ...AIRROHR.headers, authorization: basic('wrong') };
  expect((await closed.get('/v1/push-sensor-data/', { ...AIRROHR, headers: wrong })).status).toBe(401);
});

test('MAPS sends its message in the query, with raw pipes', async () => {
  const path =
    '/Upload/MAPS-secure.php?topic=MAPS6&device_id=B827EB00&key=NoKey&msg=|gps_lat=25.03|gps_lon=121.5|s_d0=12|';
  const response = await open.get(path);
  expect([response.status, await response.text()]).toEqual([200, 'OK']);
  expect(Buffer.from(open.packets[0]?.payload ?? []).toString()).toContain('s_d0=12');
});

test('AirGradient asks for its settings: known or not', async () => {
  expect((await open.get('/sensors/airgradient:84fce612f5b8/one/config')).status).toBe(400);
  open.registry.unclaimed('airgradient', '84fce612f5b8', 1);
  expect((await open.get('/sensors/airgradient:84fce612f5b8/one/config')).status).toBe(200);
  // One that its operator registered under its serial number is known as well, until it is retired.
  const { thing } = open.registry.add({ format: 'airgradient', nativeId: 'ecda3b1eaaaf' }, 1);
  expect((await open.get('/sensors/airgradient:ecda3b1eaaaf/one/config')).status).toBe(200);
  open.registry.retire(thing.id, 2);
  expect((await open.get('/sensors/airgradient:ecda3b1eaaaf/one/config')).status).toBe(400);
});

test('openSenseMap posts do not shadow the page of a box', async () => {
  expect(
    (
      await open.get(`/boxes/${open.ids.school}/data`, {
        method: 'POST',
        body: '[{"sensor":"abcdef0123","value":"1"}]',
      })
    ).status,
  ).toBe(201);
  expect((await open.get(`/boxes/${open.ids.school}/data`)).status).toBe(405);
});

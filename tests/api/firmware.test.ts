import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firmwareList } from '../../api/schemas.ts';
import { world, type World } from './server.ts';

let w: World;
const folder = mkdtempSync(join(tmpdir(), 'lamppost-firmware-'));
const image = Buffer.from([0xe9, 1, 2, 3, 0, 255]);
beforeAll(async () => {
  for (const id of ['pms5003', 'empty', '..hidden']) mkdirSync(join(folder, id));
  writeFileSync(join(folder, 'pms5003', 'ESP32.bin'), image);
  writeFileSync(join(folder, 'pms5003', 'ESP8266.bin'), image);
  writeFileSync(join(folder, 'pms5003', 'secret.txt'), 'not for you');
  writeFileSync(join(folder, 'pms5003', 'about.json'), '{"name":"街燈 PMS5003","version":"1.2.0"}');
  writeFileSync(join(folder, '..hidden', 'ESP32.bin'), image);
  writeFileSync(join(folder, 'stray.bin'), image);
  w = await world({ firmware: folder });
});
afterAll(async () => {
  await w.close();
  rmSync(folder, { recursive: true, force: true });
});

test('images in the folder are listed, each with a manifest that esp-web-tools can flash by', async () => {
  const list = firmwareList.parse(await w.json('/api/v1/firmware'));
  expect(list.items).toEqual([
    { id: 'pms5003', name: '街燈 PMS5003', version: '1.2.0', format: 'esphome', chips: ['ESP32', 'ESP8266'], manifest: '/firmware/pms5003/manifest.json' }, // prettier-ignore
  ]);
  // Member names and meaning: esp-web-tools dist/const.d.ts, `Manifest`.
  expect(await w.json('/firmware/pms5003/manifest.json')).toEqual({
    name: '街燈 PMS5003',
    version: '1.2.0',
    new_install_prompt_erase: true,
    new_install_improv_wait_time: 15,
    builds: [
      { chipFamily: 'ESP32', parts: [{ path: 'ESP32.bin', offset: 0 }] },
      { chipFamily: 'ESP8266', parts: [{ path: 'ESP8266.bin', offset: 0 }] },
    ],
  });
  const got = await w.get('/firmware/pms5003/ESP32.bin', { headers: { 'accept-encoding': 'gzip, br' } });
  expect(Buffer.from(await got.arrayBuffer())).toEqual(image);
});

test.each(['pms5003/secret.txt', 'pms5003/ESP32-S3.bin', 'pms5003/..%2Fstray.bin', '..%2Fx/manifest.json', '..hidden/manifest.json', 'empty/manifest.json', 'pms5003/about.json'])(
  'nothing else leaves the folder: %s',
  async (path) => {
    expect((await w.get(`/firmware/${path}`)).status).toBe(404);
  },
); // prettier-ignore

test('a box is found by the name it has in its own network', async () => {
  const { items } = await w.json<{ items: { id: string }[] }>('/api/v1/boxes?format=airbox&nativeId=28C2DDDD415F');
  expect(items.map((b) => b.id)).toEqual([w.ids.feed]);
  expect(await w.json('/api/v1/boxes?format=airbox&nativeId=nobody')).toEqual({ items: [], next: null });
  expect((await w.get('/api/v1/boxes?nativeId=28C2DDDD415F')).status).toBe(400);
});

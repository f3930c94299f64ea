/** A MAPS6 box behind a modem, from the bytes on its socket to the value in the store: the real server, no client library. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startChild, until, type ChildServer } from './server.ts';

const MAC = 'B827EB8E9774';
const TOPIC = `MAPS/MAPS6/NBIOT/${MAC}`;
/** How much the modem takes by one command [bytes]. */
const SLICE = 100;
const MINUTE = 60_000;

let server: ChildServer;
const folder = mkdtempSync(join(tmpdir(), 'lamppost-nbiot-'));
const settings = { LAMPPOST_DATA_DIR: folder, LAMPPOST_OPEN_TOPICS: 'MAPS/#' };
beforeAll(async () => {
  server = await startChild(settings);
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** As the firmware assembles it (formats §1.8): MQTT 3.1, a fixed length that only an id of 12 bytes fits, user and password. */
const CONNECT = Buffer.concat([
  Buffer.from('102800064d514973647003c2003c000c', 'hex'),
  Buffer.from(MAC),
  Buffer.from('\0\x04maps\0\x06iisnrl'),
]);

function publish(time: string, pm25: number): Buffer {
  const message = `|gps_lat=25.0412|s_t0=25.91|app=MAPS6|date=${time.slice(0, 10)}|s_d2=7|s_d0=${pm25}|s_d1=13|s_h0=55|s_lc=120|device_id=${MAC}|s_g8=885|s_gg=567|gps_lon=121.6145|ver_app=5.2b.1|time=${time.slice(11, 19)}`; // prettier-ignore
  const length = 2 + TOPIC.length + message.length;
  // 0x1D: the length of the topic stands fixed in the firmware. The Ctrl-Z behind belongs to no packet.
  return Buffer.concat([
    Buffer.from([0x30, (length & 127) | 128, length >> 7, 0x00, 0x1d]),
    Buffer.from(TOPIC + message),
    Buffer.from([0x1a]),
  ]);
}

/** One segment for each command of the modem; the next is given when the one before has left. */
async function slices(socket: Socket, bytes: Buffer): Promise<number> {
  let sent = 0;
  for (let at = 0; at < bytes.length; at += SLICE, sent++) {
    await new Promise<void>((resolve, reject) => {
      socket.write(bytes.subarray(at, at + SLICE), (error) => (error ? reject(error) : resolve()));
    });
  }
  return sent;
}

interface Listed {
  readonly id: string;
  readonly claimed: boolean;
  readonly lat: number;
  readonly lon: number;
}
interface Value {
  readonly phenomenonTime: string;
  readonly value: number;
}
const get = async <T>(path: string): Promise<T[]> =>
  ((await (await fetch(`http://127.0.0.1:${server.http}/api/v1/${path}`)).json()) as { items?: T[] }).items ?? [];

it('its slices and stray bytes become stored values, which are there after a restart too', async () => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  const times = [now - 2 * MINUTE, now - MINUTE].map((t) => new Date(t).toISOString());
  const [first, second] = times as [string, string];
  const socket = connect(server.mqtt, '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  socket.write(CONNECT);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString('hex')).toBe('20020000');
  expect(await slices(socket, publish(first, 9))).toBe(3);
  // On the same connection: the stray byte before it did not cut it.
  await slices(socket, publish(second, 12));

  let box: Listed | undefined;
  await until(async () => {
    [box] = await get<Listed>(`boxes?format=maps&nativeId=${MAC}`);
    return box !== undefined;
  });
  expect(box).toMatchObject({ claimed: false, lat: 25.0412, lon: 121.6145 });
  const id = box?.id ?? '';
  const from = new Date(now - 10 * MINUTE).toISOString();
  const stored = async (property: string): Promise<[number, number][]> =>
    (await get<Value>(`boxes/${id}/observations?property=${property}&level=raw&from=${from}`)).map((o) => [
      Date.parse(o.phenomenonTime),
      o.value,
    ]);
  const at = times.map((t) => Date.parse(t)) as [number, number];
  await until(async () => (await stored('pm25')).length === 2);
  const wanted: Record<string, [number, number]> = {
    pm25: [9, 12],
    pm1: [7, 7],
    pm10: [13, 13],
    temperature: [25.91, 25.91],
    humidity: [55, 55],
    co2: [885, 885],
  };
  const check = async (): Promise<void> => {
    for (const [property, [a, b]] of Object.entries(wanted))
      expect([property, await stored(property)]).toEqual([property, [[at[0], a], [at[1], b]]]); // prettier-ignore
  };
  await check();

  // It says no good-bye either.
  socket.destroy();
  expect(await server.stop()).toBe(0);
  server = await startChild(settings);
  await check();
});

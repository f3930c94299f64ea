/**
 * The whole server on a real InfluxDB that is killed and comes back under load, and a server that is killed while it is away.
 * Boxes are acknowledged all the time; at the end every acknowledged reading is in InfluxDB exactly once.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, describe, expect, it } from 'vitest';
import { dataFolder } from '../../cli/folder.ts';
import { datastreamId } from '../../model/datastream.ts';
import { DAY, SECOND } from '../../model/time.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import type { RunningInflux } from '../../scripts/influxd.ts';
import { InfluxStore } from '../../store/influx/store.ts';
import { NO_INFLUXD, startOwn } from '../store/influx/server.ts';
import { runCommand, startChild, until, type ChildServer } from './server.ts';

const BOXES = 8;
const dir = mkdtempSync(join(tmpdir(), 'lamppost-influx-e2e-'));
let influx: RunningInflux | null = null;
afterAll(async () => {
  await influx?.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Box {
  readonly id: string;
  readonly key: string;
  readonly num: number;
  readonly client: MqttClient;
  acknowledged: number;
}

const value = (i: number): number => (i % 500) / 10;

describe.skipIf(NO_INFLUXD !== '')(`InfluxDB behind the server${NO_INFLUXD}`, () => {
  it('acknowledges while InfluxDB is away, says so, and stores each reading once', async () => {
    influx = await startOwn();
    const settings: Record<string, string> = {
      LAMPPOST_DATA_DIR: dir,
      LAMPPOST_LOG_LEVEL: 'info',
      LAMPPOST_STORE: 'influxdb',
      LAMPPOST_INFLUX_URL: influx.url,
      LAMPPOST_INFLUX_TOKEN: influx.token,
      LAMPPOST_INFLUX_ORG: influx.org,
      LAMPPOST_INFLUX_BUCKET: 'air',
    };
    expect(await runCommand(['influx', 'setup'], settings)).toMatchObject({ code: 0 });
    const again = await runCommand(['influx', 'setup'], settings);
    expect(again.out.match(/"done":"as it was"/g)?.length).toBe(4);

    const folder = dataFolder(dir);
    mkdirSync(dir, { recursive: true });
    const registry = openRegistry(folder.registry);
    const added = registry.addMany(
      Array.from({ length: BOXES }, (_, i) => ({
        name: `box ${i}`,
        lat: 25 + i / 100,
        lon: 121.5,
        sensors: ['PMS5003'],
      })),
      Date.now(),
    );
    const nums = added.map(({ id }) => registry.get(id)?.num ?? 0);
    registry.close();
    const start = Math.floor(Date.now() / 1000) * 1000 - 3600 * SECOND;
    const [day, after] = [start, start + DAY].map((t) => new Date(t).toISOString().slice(0, 10)) as [string, string];

    let logs = '';
    const join8 = async (server: ChildServer, before: readonly Box[]): Promise<Box[]> =>
      Promise.all(
        added.map(async ({ id, key }, i) => ({
          id,
          key,
          num: nums[i] as number,
          client: await mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqtt}`, {
            username: id,
            password: key,
            clientId: 'box',
          }),
          acknowledged: before[i]?.acknowledged ?? 0,
        })),
      );
    /** Each box sends so many more, one behind the other; resolves when all are acknowledged. */
    const send = async (boxes: readonly Box[], n: number): Promise<void> => {
      await Promise.all(
        boxes.map(async (box) => {
          for (let k = 0; k < n; k++) {
            const i = box.acknowledged;
            const payload = JSON.stringify({
              t: new Date(start + i * SECOND).toISOString(),
              pm25: value(i),
              humidity: 60,
            });
            await box.client.publishAsync(`boxes/${box.id}/json`, payload, { qos: 1 });
            box.acknowledged++;
          }
        }),
      );
    };
    const get = async (server: ChildServer, path: string): Promise<{ status: number; body: string }> => {
      const response = await fetch(`http://127.0.0.1:${server.http}${path}`);
      return { status: response.status, body: await response.text() };
    };
    const metric = async (server: ChildServer, name: string): Promise<number> =>
      Number(new RegExp(`^lamppost_${name} (\\S+)$`, 'm').exec((await get(server, '/metrics')).body)?.[1]);

    let server = await startChild(settings);
    let boxes = await join8(server, []);
    await send(boxes, 40);
    await until(async () => (await get(server, '/readyz')).status === 200);

    // Away under load, and back.
    const loaded = send(boxes, 120);
    await influx.kill();
    await loaded;
    await until(async () => (await get(server, '/readyz')).status === 503);
    expect((await get(server, '/readyz')).body).toMatch(/store/);
    await until(async () => (await metric(server, 'store_ok')) === 0);
    await send(boxes, 40);
    expect(await metric(server, 'pipeline_backlog_records')).toBeGreaterThan(0);
    const refused = await get(server, `/api/v1/boxes/${added[0]?.id}/observations?property=pm25`);
    expect(refused.status).toBe(503);
    expect(refused.body).not.toContain(influx.url);
    await influx.restart();
    await until(
      async () =>
        (await get(server, '/readyz')).status === 200 && (await metric(server, 'pipeline_backlog_records')) === 0,
    );

    // Killed while InfluxDB is away; the next one starts without it, and acknowledges.
    const more = send(boxes, 60);
    await influx.kill();
    await more;
    await server.kill();
    logs += server.log();
    for (const box of boxes) box.client.end(true);
    server = await startChild(settings);
    boxes = await join8(server, boxes);
    await send(boxes, 40);
    await influx.restart();
    await until(
      async () =>
        (await get(server, '/readyz')).status === 200 && (await metric(server, 'pipeline_backlog_records')) === 0,
    );

    // Questions beyond Flux are asked of fetched rows.
    const frames = await get(server, '/api/v1/frames?property=pm25');
    expect(frames.status, frames.body).toBe(200);
    expect(JSON.parse(frames.body)).toMatchObject({ ids: expect.arrayContaining(added.map((box) => box.id)) });
    // Of the raw and of the corrected Datastreams.
    const large = await get(server, '/sta/v1.1/Observations?$filter=result%20gt%2029.8&$count=true&$top=1');
    expect(large.status, large.body).toBe(200);
    expect(JSON.parse(large.body)).toMatchObject({ '@iot.count': 2 * BOXES * 301 });
    const files = await runCommand(['dump', '--from', day, '--to', after, '--format', 'csv.gz'], settings);
    expect(files, files.err).toMatchObject({ code: 0 });
    expect(JSON.parse(files.out.split('\n')[0] as string)).toMatchObject({ day, format: 'csv.gz' });
    const one = await get(
      server,
      `/sta/v1.1/Things?$filter=name%20eq%20'box%200'&$expand=Datastreams($expand=Observations($top=2))`,
    );
    expect(one.status, one.body).toBe(200);
    expect(JSON.parse(one.body)).toMatchObject({
      value: [
        {
          Datastreams: expect.arrayContaining([
            expect.objectContaining({
              Observations: expect.arrayContaining([expect.objectContaining({ result: expect.any(Number) })]),
            }),
          ]),
        },
      ],
    });
    const from = new Date(start).toISOString();
    const csv = await get(server, `/api/v1/boxes/${added[0]?.id}/observations?property=pm25&from=${from}&format=csv`);
    expect(csv.body.trim().split('\n').length).toBe(1 + 300);

    for (const box of boxes) await box.client.endAsync();
    expect(await server.stop()).toBe(0);
    logs += server.log();
    expect(logs).toMatch(/cannot be reached/);
    expect(logs).not.toContain(influx.token);

    const store = await InfluxStore.open(folder.store, {
      url: influx.url,
      token: influx.token,
      org: influx.org,
      bucket: 'air',
    });
    try {
      for (const box of boxes) {
        expect(box.acknowledged).toBe(300);
        const rows = await store.range({
          datastreams: [datastreamId(box.num, 'pm25')],
          from: 0,
          to: Date.now(),
          limit: 1000,
        });
        expect([...rows.phenomenonTime]).toEqual(Array.from({ length: 300 }, (_, i) => start + i * SECOND));
        expect([...rows.raw]).toEqual(Array.from({ length: 300 }, (_, i) => value(i)));
      }
      expect(await store.count(0, Date.now())).toBe(BOXES * 300 * 2);
      expect(await store.rejectCount()).toBe(0);
      expect((await store.health()).rows).toBe(BOXES * 300 * 2);
    } finally {
      await store.close();
    }
  });
});

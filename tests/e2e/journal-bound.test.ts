/**
 * InfluxDB away for longer than the journal can hold: boxes are acknowledged up to the bound, then no more, and the operator is
 * told why; when it comes back everything that was sent is stored once, and what had to wait is acknowledged.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { afterAll, describe, expect, it } from 'vitest';
import { dataFolder } from '../../cli/folder.ts';
import { datastreamId } from '../../model/datastream.ts';
import { SECOND } from '../../model/time.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import type { RunningInflux } from '../../scripts/influxd.ts';
import { InfluxStore } from '../../store/influx/store.ts';
import { NO_INFLUXD, startOwn } from '../store/influx/server.ts';
import { startChild, until } from './server.ts';

const dir = mkdtempSync(join(tmpdir(), 'lamppost-bound-e2e-'));
let influx: RunningInflux | null = null;
afterAll(async () => {
  await influx?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Of about 200 bytes in the journal, which no compression makes much smaller: more than two megabytes together. */
const READINGS = 13_000;
const IN_FLIGHT = 200;

describe.skipIf(NO_INFLUXD !== '')(`a full journal${NO_INFLUXD}`, () => {
  it('holds boxes back, says so, and goes on when InfluxDB is there', async () => {
    influx = await startOwn();
    await influx.bucket('air');
    const address = { url: influx.url, token: influx.token, org: influx.org, bucket: 'air' };
    const folder = dataFolder(dir);
    const registry = openRegistry(folder.registry);
    const [box] = registry.addMany([{ name: 'box', lat: 25, lon: 121.5, sensors: ['PMS5003'] }], Date.now());
    const { id, key } = box as { id: string; key: string };
    const num = registry.get(id)?.num ?? 0;
    registry.close();
    const server = await startChild({
      LAMPPOST_DATA_DIR: dir,
      LAMPPOST_STORE: 'influxdb',
      LAMPPOST_INFLUX_URL: address.url,
      LAMPPOST_INFLUX_TOKEN: address.token,
      LAMPPOST_INFLUX_ORG: address.org,
      LAMPPOST_INFLUX_BUCKET: address.bucket,
      LAMPPOST_JOURNAL_MAX_MB: '1',
    });
    const ready = async (): Promise<{ status: number; body: string }> => {
      const answer = await fetch(`http://127.0.0.1:${server.http}/readyz`);
      return { status: answer.status, body: await answer.text() };
    };
    await until(async () => (await ready()).status === 200);
    await influx.kill();

    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqtt}`, { username: id, password: key });
    const start = Math.floor(Date.now() / 1000) * 1000 - READINGS * SECOND;
    let [sent, acknowledged] = [0, 0];
    const one = async (): Promise<void> => {
      while (sent < READINGS) {
        const i = sent++;
        const payload = JSON.stringify({ t: new Date(start + i * SECOND).toISOString(), pm25: (i % 500) / 10, note: randomBytes(90).toString('base64') });
        await client.publishAsync(`boxes/${id}/json`, payload, { qos: 1 });
        acknowledged++;
      }
    }; // prettier-ignore
    const sending = Promise.all(Array.from({ length: IN_FLIGHT }, one));
    await until(async () => (await ready()).body.includes('the journal takes no packets'));
    expect((await ready()).status).toBe(503);
    const held = acknowledged;
    expect(held).toBeGreaterThan(2000);
    expect(held).toBeLessThan(READINGS);
    const metrics = await (await fetch(`http://127.0.0.1:${server.http}/metrics`)).text();
    expect(Number(/^lamppost_journal_bytes (\S+)$/m.exec(metrics)?.[1])).toBeGreaterThan(1_000_000);
    expect(Number(/^lamppost_pipeline_backlog_records (\S+)$/m.exec(metrics)?.[1])).toBeGreaterThan(2000);

    await influx.restart();
    await sending;
    expect(acknowledged).toBe(READINGS);
    await until(async () => (await ready()).status === 200);
    await client.endAsync();
    expect(await server.stop()).toBe(0);
    expect(server.log()).toMatch(/boxes are held back until it has worked on them/);
    const store = await InfluxStore.open(folder.store, address);
    try {
      const rows = await store.range({ datastreams: [datastreamId(num, 'pm25')], from: 0, to: Date.now(), limit: 99_999 });
      expect([...rows.phenomenonTime]).toEqual(Array.from({ length: READINGS }, (_, i) => start + i * SECOND));
      // The note is no property, which the owner is told once.
      expect(await store.rejectCount()).toBe(1);
    } finally {
      await store.close();
    }
  }); // prettier-ignore
});

/** `lamppost influx setup` on a real server: what it makes, that doing it again changes nothing, and what its tasks compute. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { datastreamId } from '../../../model/datastream.ts';
import { DAY, HOUR, MINUTE } from '../../../model/time.ts';
import { columnsOf } from '../../../store/columns.ts';
import { Connection } from '../../../store/influx/connection.ts';
import { hourlyBucket, setup } from '../../../store/influx/setup.ts';
import { InfluxStore } from '../../../store/influx/store.ts';
import { newBucket, NO_INFLUX, stopServer } from './server.ts';

describe.skipIf(NO_INFLUX !== '')(`lamppost influx setup${NO_INFLUX}`, () => {
  afterAll(stopServer);

  it('makes bucket and tasks once, changes retention when told to', async () => {
    const address = { ...(await newBucket()), bucket: `lamppost-test-${Date.now()}` };
    const done = async (options = {}): Promise<string[]> => (await setup(address, options)).map((s) => s.done);
    expect(await done({ retention: 400 * DAY })).toEqual(['made', 'made', 'made', 'made']);
    expect(await done()).toEqual(['as it was', 'as it was', 'as it was', 'as it was']);
    expect(await done({ retention: 0, hourlyRetention: 7 * DAY })).toEqual([
      'changed',
      'changed',
      'as it was',
      'as it was',
    ]);
    const connection = new Connection(address);
    expect(await connection.retention()).toBe(Infinity);
    connection.close();
    const other = new Connection({ ...address, bucket: hourlyBucket(address.bucket) });
    expect(await other.retention()).toBe(7 * DAY);
    other.close();
    await expect(setup({ ...address, org: 'nobody' })).rejects.toThrow(/nobody/);
  });

  it('the task writes hour means as the API counts them, of boxes that share a series too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lamppost-influx-'));
    const address = await newBucket();
    const store = await InfluxStore.open(folder, address);
    await setup(address);
    const connection = new Connection(address);
    try {
      const hour = Math.floor(Date.now() / HOUR) * HOUR - 2 * HOUR;
      const [a, b] = [datastreamId(5, 'pm25'), datastreamId(8192 + 5, 'pm25')];
      const given = { corrected: 8, lo90: 4, hi90: 13 };
      const rows = columnsOf([
        { datastream: a, phenomenonTime: hour, raw: 10, ...given },
        { datastream: a, phenomenonTime: hour + MINUTE, raw: 20, flag: 2, corrected: 10, lo90: 6, hi90: 15 },
        { datastream: a, phenomenonTime: hour + 2 * MINUTE, raw: 999, flag: 4 },
        { datastream: a, phenomenonTime: hour + 3 * MINUTE, raw: 50, flag: 3, corrected: 99, lo90: 9, hi90: 100 },
        { datastream: b, phenomenonTime: hour, raw: 70 },
      ]);
      await store.append(rows, [], 1);
      await store.rewrite(columnsOf([{ datastream: a, phenomenonTime: hour + 3 * MINUTE, raw: 50, flag: 3 }]));

      const { tasks } = (await connection.call('GET', `/api/v2/tasks?limit=500`)) as {
        tasks: { id: string; name: string }[];
      };
      const task = tasks.find((t) => t.name === `lamppost hours of ${address.bucket}`)?.id as string;
      const run = (await connection.call('POST', `/api/v2/tasks/${task}/runs`, {})) as { id: string };
      for (;;) {
        // A run that was just asked for is not there at once.
        const { status } = (await connection
          .call('GET', `/api/v2/tasks/${task}/runs/${run.id}`)
          .catch(() => ({ status: 'asked for' }))) as { status: string };
        if (status === 'success') break;
        if (status === 'failed') {
          const { events } = (await connection.call('GET', `/api/v2/tasks/${task}/runs/${run.id}/logs`)) as {
            events: { message: string }[];
          };
          throw new Error(events.map((e) => e.message).join('\n'));
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const found: Record<string, number> = {};
      await connection.query(
        `from(bucket: "${hourlyBucket(address.bucket)}") |> range(start: -1d) |> filter(fn: (r) => r._measurement == "hour") |> group() |> keep(columns: ["_time", "_value", "_field", "box"])`,
        ({ box, slot, field, time, value }) => {
          expect(time).toBe(hour);
          found[`${box}.${slot} ${field}`] = value;
        },
      );
      expect(found).toEqual({
        '5.0 pm25': 15,
        '5.0 pm25_values': 2,
        '5.0 pm25_corrected': 9,
        '5.0 pm25_lo90': 5,
        '5.0 pm25_hi90': 14,
        '5.1 pm25': 70,
        '5.1 pm25_values': 1,
      });
    } finally {
      connection.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

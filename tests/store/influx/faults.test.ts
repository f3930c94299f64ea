/** What a server does to its writers: refuses points, forgets old ones, is away, is killed; and kills on our own side. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunningInflux } from '../../../scripts/influxd.ts';
import { DAY, HOUR, MINUTE } from '../../../model/time.ts';
import { columnsOf } from '../../../store/columns.ts';
import { Connection, Refused, type InfluxAddress } from '../../../store/influx/connection.ts';
import { InfluxStore, type InfluxStoreOptions } from '../../../store/influx/store.ts';
import { StoreUnavailable } from '../../../store/store.ts';
import { everything, OTHER, PM25, RH, rowsOf, some, T0 } from '../contract.ts';
import { newBucket, NO_INFLUX, NO_INFLUXD, startOwn, stopServer } from './server.ts';

let folder: string;
let stores: InfluxStore[];
const open = async (address: InfluxAddress, more: Partial<InfluxStoreOptions> = {}): Promise<InfluxStore> => {
  const store = await InfluxStore.open(folder, { ...address, retry: 5, ...more });
  stores.push(store);
  return store;
};
const readings = (n: number, from = T0) =>
  Array.from({ length: n }, (_, i) => some(PM25, from + i * MINUTE, i / 10, { corrected: i / 20, lo90: 0, hi90: i }));

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lamppost-influx-'));
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
  await rm(folder, { recursive: true, force: true });
});

describe.skipIf(NO_INFLUX !== '')(`what InfluxDB does not take${NO_INFLUX}`, () => {
  afterAll(stopServer);

  it('a bad point becomes a reject, its neighbours and the rest of the batch are stored', async () => {
    const address = await newBucket();
    const store = await open(address);
    // Somebody has written a text where values are numbers: that day refuses numbers there.
    const other = new Connection(address);
    await other.write(Buffer.from(`observation,box=9 pm25="high" ${T0}000000`));
    other.close();
    const rows = [...readings(3, T0 + 30 * DAY), some(PM25, T0, 12), some(RH, T0, 55), some(OTHER, T0 + 30 * DAY, 7)];
    const before = await store.append(columnsOf(rows), [], 1);
    expect(before).toEqual({ stored: 5, duplicates: 0, conflicts: 0 });
    expect(await store.rejects({ limit: 9 })).toMatchObject([
      {
        code: 'refused-by-store',
        thingNum: 1,
        via: 'store',
        detail: expect.stringMatching(/2026-11-01T00:00:00Z.*type/),
      },
    ]);
    const query = { datastreams: [PM25, RH, OTHER], from: 0, to: T0 + 40 * DAY, limit: 99 };
    expect(rowsOf(await store.range(query)).map((r) => [r.datastream, r.phenomenonTime])).toEqual([
      [RH, T0],
      [PM25, T0 + 30 * DAY],
      [OTHER, T0 + 30 * DAY],
      [PM25, T0 + 30 * DAY + MINUTE],
      [PM25, T0 + 30 * DAY + 2 * MINUTE],
    ]);
    expect(await store.checkpoint()).toBe(1);
    expect((await store.health()).rows).toBe(5);
  });

  it('a batch of which everything is refused is not given up but waits', async () => {
    const address = await newBucket();
    const store = await open(address);
    const other = new Connection(address);
    await other.write(Buffer.from(`observation,box=9 pm25="high" ${T0}000000`));
    other.close();
    const all = Array.from({ length: 300 }, (_, i) => some(PM25, T0 + i * MINUTE, i));
    await expect(store.append(columnsOf(all), [], 1)).rejects.toThrow(/more than 100 values of one batch/);
    expect(await store.checkpoint()).toBe(0);
    expect(await store.rejectCount()).toBe(0);
    expect(await store.health()).toMatchObject({ ok: false, problem: expect.stringMatching(/pm25/) });
  });

  it('values older than the bucket keeps are rejects, told from a server that is away', async () => {
    const now = Date.now();
    const store = await open(await newBucket(7 * 86_400));
    const result = await store.append(columnsOf([some(PM25, now - HOUR, 1), some(PM25, now - 8 * DAY, 2)]), [], 4);
    expect(result.stored).toBe(1);
    expect(await store.rejects({ limit: 9 })).toMatchObject([{ code: 'beyond-retention', thingNum: 1 }]);
    expect(await store.checkpoint()).toBe(4);
  });

  it('a value beyond retention that only the server knows of is told by it', async () => {
    const now = Date.now();
    // A clock of ours that is behind: the check here lets the row pass.
    const store = await open(await newBucket(7 * 86_400), { clock: () => now - 3 * DAY });
    const rows = [some(PM25, now - HOUR, 1), some(PM25, now - 8 * DAY, 2), some(RH, now - 8 * DAY, 2)];
    expect((await store.append(columnsOf(rows), [], 4)).stored).toBe(1);
    expect((await store.rejects({ limit: 9 })).map((r) => [r.code, /retention/.test(r.detail)])).toEqual([
      ['refused-by-store', true],
      ['refused-by-store', true],
    ]);
  });

  it('says what is wrong with token, organisation and bucket, and never the token', async () => {
    const address = await newBucket();
    const rows = columnsOf([some(PM25, T0, 1)]);
    const secret = 'not-the-token-0123456789';
    const said = async (wrong: Partial<InfluxAddress>): Promise<string> => {
      const store = await InfluxStore.open(join(folder, Object.keys(wrong)[0] as string), {
        ...address,
        ...wrong,
        retry: 5,
      });
      stores.push(store);
      const error = await store.append(rows, [], 1).then(
        () => null,
        (e: unknown) => e as Error,
      );
      expect(error, error?.message).toBeInstanceOf(StoreUnavailable);
      const { problem } = await store.health();
      expect(problem).not.toBe('');
      return `${error?.message} ${JSON.stringify(error)} ${problem}`;
    };
    expect(await said({ token: secret })).toMatch(/refuses the token.*influxToken/);
    expect(await said({ token: secret })).not.toContain(secret);
    expect(await said({ bucket: 'nowhere' })).toMatch(/influxBucket \("nowhere"\).*lamppost influx setup/);
    expect(await said({ org: 'nobody' })).toMatch(/influxOrg \("nobody"\)/);
  });

  it('a malformed line is refused, not retried', async () => {
    const connection = new Connection(await newBucket());
    await expect(connection.write(Buffer.from('observation,box=1 pm25= 1'))).rejects.toThrow(Refused);
    connection.close();
  });
});

describe.skipIf(NO_INFLUX !== '')(`kills on our side${NO_INFLUX}`, () => {
  afterAll(stopServer);

  it('killed between InfluxDB and the catalogue, the same batch comes again and changes nothing', async () => {
    const address = await newBucket();
    const store = await open(address);
    await store.append(columnsOf(readings(50)), [], 1);
    await store.close();
    await cp(folder, `${folder}-before`, { recursive: true });
    const batch = [...readings(50, T0 + HOUR), some(OTHER, T0, 1), some(PM25, T0, 99)];
    const after = await open(address);
    expect(await after.append(columnsOf(batch), [], 2)).toEqual({ stored: 51, duplicates: 0, conflicts: 1 });
    const rows = await everything(after);
    await after.close();
    // As a kill leaves it: the points are there, the catalogue knows nothing of them.
    await rm(folder, { recursive: true });
    await cp(`${folder}-before`, folder, { recursive: true });
    const again = await open(address);
    expect(await again.checkpoint()).toBe(1);
    const result = await again.append(columnsOf(batch), [], 2);
    expect(result.stored + result.duplicates).toBe(51);
    expect(await everything(again)).toEqual(rows);
    expect(await again.rejectCount()).toBe(1);
    await rm(`${folder}-before`, { recursive: true });
  });

  it('killed in the middle of a batch, it begins at once and counts each row once', async () => {
    const address = await newBucket();
    const store = await open(address);
    await store.append(columnsOf([...readings(50), some(RH, T0 + 9 * HOUR, 1)]), [], 1);
    await store.close();
    const catalogue = join(folder, 'influx.sqlite');
    await cp(catalogue, `${folder}.sqlite`);
    const batch = [...readings(50, T0 + HOUR), some(OTHER, T0, 1), some(PM25, T0, 99)];
    const killed = await open(address);
    await killed.append(columnsOf(batch), [], 2);
    await killed.close();
    // What a killed process leaves: the points are there, and its files say that they were about to be written.
    await cp(`${folder}.sqlite`, catalogue);
    const logged: string[] = [];
    const again = await open(address, { log: (words) => logged.push(words) });
    expect(await again.append(columnsOf(batch), [], 2)).toEqual({ stored: 51, duplicates: 0, conflicts: 1 });
    expect((await again.health()).rows).toBe(102);
    expect(await again.count(0, T0 + 10 * HOUR)).toBe(102);
    expect(logged).toEqual([]);
    await rm(`${folder}.sqlite`);
  });

  it('without its list of newest times everything is looked up, and right', async () => {
    const address = await newBucket();
    const store = await open(address);
    await store.append(columnsOf([...readings(50), some(RH, T0 + 9 * HOUR, 1)]), [], 1);
    await store.close();
    await rm(join(folder, 'newest.log'));
    const again = await open(address);
    const late = [
      some(PM25, T0, 0),
      some(PM25, T0 + MINUTE, 5),
      some(PM25, T0 + 2 * HOUR, 1),
      some(PM25, T0 + 10 * HOUR, 2),
    ];
    expect(await again.append(columnsOf(late), [], 2)).toEqual({ stored: 2, duplicates: 1, conflicts: 1 });
    expect(await again.append(columnsOf(late), [], 3)).toEqual({ stored: 0, duplicates: 3, conflicts: 1 });
    expect([...(await again.latest(T0)).phenomenonTime]).toEqual([T0 + 10 * HOUR, T0 + 9 * HOUR]);
    await again.close();
    expect(await (await open(address)).append(columnsOf(late), [], 4)).toMatchObject({ stored: 0, conflicts: 1 });
  });

  it('an empty data folder on a full bucket learns what is there', async () => {
    const address = await newBucket();
    const store = await open(address);
    await store.append(columnsOf(readings(50)), [], 1);
    await store.close();
    await rm(folder, { recursive: true });
    const fresh = await open(address);
    expect((await everything(fresh)).length).toBe(50);
    expect(await fresh.append(columnsOf([some(PM25, T0, 0), some(PM25, T0, 5), some(PM25, T0 - 1, 5)]), [], 1)).toEqual(
      {
        stored: 1,
        duplicates: 1,
        conflicts: 1,
      },
    );
    expect((await fresh.health()).rows).toBe(51);
  });

  it('a checkpoint of one bucket is not taken for another', async () => {
    const address = await newBucket();
    const store = await open(address);
    await store.append(columnsOf(readings(5)), [], 1);
    await store.close();
    await expect(open({ ...address, bucket: 'other' })).rejects.toThrow(/belongs to bucket "lamppost-test/);
  });
});

describe.skipIf(NO_INFLUXD !== '')(`a server that is away${NO_INFLUXD}`, () => {
  let server: RunningInflux;
  beforeEach(async () => {
    server = await startOwn();
    await server.bucket('b');
  });
  afterEach(async () => {
    await server.stop();
  });
  const address = (): InfluxAddress => ({ url: server.url, token: server.token, org: server.org, bucket: 'b' });

  it('opens, knows its checkpoint and models, refuses to append in words, and works when it comes', async () => {
    const first = await open(address());
    await first.append(columnsOf(readings(5)), [], 7);
    expect(await first.modelNum('m')).toBe(1);
    await first.close();
    await server.kill();
    const store = await open(address());
    expect(await store.checkpoint()).toBe(7);
    expect(await store.models()).toEqual(['m']);
    await expect(store.append(columnsOf(readings(5, T0 + HOUR)), [], 8)).rejects.toThrow(
      /InfluxDB at http:\/\/127.0.0.1:\d+ cannot be reached: .*ECONNREFUSED/,
    );
    expect(await store.health()).toMatchObject({ ok: false, problem: expect.stringMatching(/cannot be reached/) });
    await server.restart();
    expect((await store.append(columnsOf(readings(5, T0 + HOUR)), [], 8)).stored).toBe(5);
    expect(await store.health()).toMatchObject({ ok: true, problem: '', rows: 10 });
    expect((await everything(store)).length).toBe(10);
  });

  it('killed again and again under appends, nothing is lost and nothing doubled', async () => {
    const store = await open(address(), { attempts: 1 });
    const BATCHES = 60;
    const batch = (n: number) =>
      columnsOf(
        Array.from({ length: 400 }, (_, i) =>
          some(64 * (1 + (i % 40)) + 2, T0 + n * 1000 + Math.floor(i / 40), n + i / 1000),
        ),
      );
    let [done, failures, kills] = [0, 0, 0];
    const appending = (async () => {
      for (let n = 1; n <= BATCHES; n++) {
        for (;;) {
          const failed = await store.append(batch(n), [], n).then(
            () => null,
            (e: unknown) => e as Error,
          );
          if (!failed) break;
          expect(failed).toBeInstanceOf(StoreUnavailable);
          failures++;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        done = n;
      }
    })();
    while (done < BATCHES && kills < 4) {
      const goal = done + 10;
      while (done < Math.min(goal, BATCHES)) await new Promise((resolve) => setTimeout(resolve, 1));
      await server.kill();
      kills++;
      await server.restart();
    }
    await appending;
    expect(kills).toBe(4);
    expect(failures).toBeGreaterThan(0);
    const rows = await everything(store);
    expect(rows.length).toBe(BATCHES * 400);
    const expected = Array.from({ length: BATCHES }, (_, n) => rowsOf(batch(n + 1))).flat();
    const order = (a: (typeof rows)[0], b: (typeof rows)[0]) =>
      a.phenomenonTime - b.phenomenonTime || a.datastream - b.datastream;
    expect(rows).toEqual(expected.sort(order));
    expect((await store.health()).rows).toBe(BATCHES * 400);
    expect(await store.checkpoint()).toBe(BATCHES);
  });
});

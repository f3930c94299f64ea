/** Days and months of several files, how far datastreams reach, and the bound on rejects: what the contract does not look at. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { datastreamId } from '../../model/datastream.ts';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import { columnsOf } from '../../store/columns.ts';
import { DuckStore, type DuckStoreOptions } from '../../store/duckdb/store.ts';
import type { Reject } from '../../store/store.ts';
import { everything, PM25, some, T0 } from './contract.ts';

let folder: string;
let store: DuckStore;
const limits = { fileRows: 1000, flushRows: 500, smallDay: 300, monthRows: 300 };
const open = async (options: DuckStoreOptions = {}): Promise<DuckStore> =>
  (store = await DuckStore.open(folder, { memoryMb: 300, limits, ...options }));
const files = async (kind: 'days' | 'hours') => (await readdir(join(folder, 'parquet', kind))).sort();
/** A reading an hour of `boxes` boxes. */
const city = (day: number, boxes: number, hours = 24, from = 0) =>
  Array.from({ length: boxes * hours }, (_, i) =>
    some(datastreamId(1 + 70 * (i % boxes), 'pm25'), T0 + day * DAY + (from + Math.floor(i / boxes)) * HOUR, i / 10),
  );

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lamppost-store-'));
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a large day', () => {
  it('leaves `recent` in pieces while it lasts, and is merged by ranges of datastreams when it has ended', async () => {
    await open();
    await store.append(columnsOf(city(0, 100, 12)), [], 1);
    await store.compact(T0 + 12 * HOUR);
    // 1200 rows in steps of 1000 at most.
    expect((await files('days')).length).toBe(2);
    await store.append(columnsOf(city(0, 100, 12, 12)), [], 2);
    const rows = await everything(store);
    expect(rows.length).toBe(2400);
    // The same again, and another value, are known from the pieces too, and recomputed values find their rows there.
    expect(await store.append(columnsOf(city(0, 100, 12)), [], 3)).toEqual({
      stored: 0,
      duplicates: 1200,
      conflicts: 0,
    });
    expect(await store.append(columnsOf([some(PM25, T0, 99)]), [], 4)).toMatchObject({ conflicts: 1 });
    expect(await store.rewrite(columnsOf(city(0, 100, 12).map((r) => ({ ...r, flag: 1 }))))).toEqual({ changed: 1200 });
    await store.compact(T0 + DAY);
    const merged = await files('days');
    expect(merged.length).toBe(3);
    expect((await store.health()).rows).toBe(2400);
    expect(await everything(store)).toEqual(rows);
    // One datastream lies in one file.
    const db = await DuckDBInstance.create(':memory:');
    const connection = await db.connect();
    const spread = await connection.runAndReadAll(
      `SELECT max(n) FROM (SELECT count(DISTINCT filename) AS n FROM read_parquet('${folder}/parquet/days/*.parquet', filename = true) GROUP BY datastream)`,
    );
    expect(spread.getRows()).toEqual([[1n]]);
    connection.closeSync();
    db.closeSync();
  });

  it('late rows become a file beside it, whose hours are added', async () => {
    await open();
    await store.append(columnsOf(city(0, 100)), [], 1);
    await store.compact(T0 + DAY);
    const before = await files('days');
    const hour = { datastream: PM25, from: T0, to: T0 + DAY, step: HOUR, level: 'raw' } as const;
    expect((await store.aggregate(hour))[3]).toMatchObject({ count: 1, total: 1 });
    await store.append(
      columnsOf(Array.from({ length: 30 }, (_, i) => some(PM25, T0 + 3 * HOUR + (1 + i) * MINUTE, 1))),
      [],
      2,
    );
    await store.compact(T0 + DAY + HOUR);
    const after = await files('days');
    expect(after.filter((name) => !before.includes(name)).length).toBe(1);
    expect(before.every((name) => after.includes(name))).toBe(true);
    expect((await store.aggregate(hour))[3]).toMatchObject({ count: 31, total: 31 });
    expect(await store.count(T0, T0 + DAY)).toBe(2430);
  });

  it('recomputed values are folded into the one file they belong to, and into its hours', async () => {
    await open();
    await store.append(columnsOf(city(0, 100)), [], 1);
    await store.compact(T0 + DAY);
    const before = await files('days');
    const first = some(PM25, T0 + 5 * HOUR, 0, { corrected: 7, lo90: 6, hi90: 8 });
    expect(await store.rewrite(columnsOf([first]))).toEqual({ changed: 1 });
    const query = { datastream: PM25, from: T0, to: T0 + DAY, step: 'day', level: 'corrected' } as const;
    const expected = [{ start: T0, end: T0 + DAY, mean: 7, min: 7, max: 7, lo90: 6, hi90: 8, count: 1, total: 24 }];
    expect(await store.aggregate(query)).toEqual(expected);
    await store.compact(T0 + 2 * DAY);
    const after = await files('days');
    expect(after.filter((name) => before.includes(name)).length).toBe(before.length - 1);
    expect(await store.aggregate(query)).toEqual(expected);
    expect((await store.health()).rows).toBe(2400);
  });

  it('a merge that was stopped in the middle goes on where it was', async () => {
    await open();
    await store.append(columnsOf(city(0, 200, 12)), [], 1);
    await store.compact(T0 + 12 * HOUR);
    await store.append(columnsOf(city(0, 200, 12, 12)), [], 2);
    const rows = await everything(store);
    const compacting = store.compact(T0 + DAY);
    // Closing waits for the step in hand and no longer.
    while (!(await files('days')).some((name) => /\.([5-9]|\d\d)(-\d)?\.parquet$/.test(name)))
      await new Promise((resolve) => setImmediate(resolve));
    await store.close();
    await compacting;
    await open();
    expect(await everything(store)).toEqual(rows);
    expect((await store.health()).rows).toBe(rows.length);
    await store.compact(T0 + DAY);
    expect(await everything(store)).toEqual(rows);
    expect((await files('days')).length).toBe(5);
  });
});

it('months of many days are merged, and a year of hours stays the same', async () => {
  await open();
  const hours = { datastream: PM25, from: T0, to: T0 + 12 * DAY, step: HOUR, level: 'raw' } as const;
  for (let day = 0; day < 12; day++) {
    await store.append(columnsOf(city(day, 12)), [], day + 1);
    await store.compact(T0 + (day + 1) * DAY);
    expect((await files('hours')).length).toBeLessThanOrEqual(12);
  }
  const bins = await store.aggregate(hours);
  expect(bins.length).toBe(12 * 24);
  expect(bins.every((b) => b.count === 1)).toBe(true);
  await store.compact(T0 + 60 * DAY);
  expect((await files('hours')).length).toBeLessThanOrEqual(4);
  expect(await store.aggregate(hours)).toEqual(bins);
});

describe('how far datastreams reach', () => {
  const told = async () => {
    const e = await store.extents();
    return Array.from({ length: e.length }, (_, i) => [
      e.datastream[i],
      e.first[i],
      e.last[i],
      e.lastResult[i],
      e.corrected[i],
    ]);
  };

  it('is known from files and recent rows alike, and after opening again', async () => {
    await open();
    const given = { corrected: 3, lo90: 1, hi90: 5 };
    await store.append(columnsOf([some(PM25, T0, 1), some(PM25 + 64, T0 + 5, 2, given)]), [], 1);
    await store.compact(T0 + DAY);
    await store.append(columnsOf([some(PM25, T0 + 2 * DAY, 1), some(PM25 - 1, T0 + DAY, 1)]), [], 2);
    const expected = [
      [PM25 - 1, T0 + DAY, T0 + DAY, T0 + DAY + 1234, 0],
      [PM25, T0, T0 + 2 * DAY, T0 + 2 * DAY + 1234, 0],
      [PM25 + 64, T0 + 5, T0 + 5, T0 + 5 + 1234, 1],
    ];
    expect(await told()).toEqual(expected);
    await store.compact(T0 + 3 * DAY);
    expect(await told()).toEqual(expected);
    await store.close();
    await open();
    expect(await told()).toEqual(expected);
    // A first corrected value by recomputation.
    await store.rewrite(columnsOf([some(PM25, T0, 1, given)]));
    expect((await told())[1]?.[4]).toBe(1);
    expect((await store.latest(T0 + DAY)).length).toBe(2);
    expect((await store.latest(0)).length).toBe(3);
  });

  it('is found out once for files of a folder of the second version', async () => {
    await open();
    await store.append(columnsOf(city(0, 20)), [], 1);
    await store.compact(T0 + DAY);
    const expected = await told();
    await store.close();
    const db = await DuckDBInstance.create(join(folder, 'observations.duckdb'));
    const c = await db.connect();
    await c.run(
      `CREATE TABLE former AS SELECT * EXCLUDE (lowest, highest, "cut", merged, rolled, extended, exact) FROM part;
       DROP TABLE part; CREATE TABLE part AS FROM former; DROP TABLE former;
       DROP TABLE extent; UPDATE schema_version SET version = 2`,
    );
    c.closeSync();
    db.closeSync();
    await open();
    const hours = { datastream: PM25, from: T0, to: T0 + DAY, step: HOUR, level: 'raw' } as const;
    expect((await store.aggregate(hours)).length).toBe(24);
    // Rows that are there are known as such although nothing is known of how far they reach.
    expect(await store.append(columnsOf(city(0, 20)), [], 2)).toEqual({ stored: 0, duplicates: 480, conflicts: 0 });
    expect((await store.latest(0)).length).toBe(20);
    expect(await told()).toEqual(expected);
    expect((await store.latest(0)).length).toBe(20);
    expect(await store.count(0, T0 + DAY)).toBe(480);
  });
});

it('rejects are bounded: the oldest go, the numbers go on', async () => {
  await open({ maxRejects: 100 });
  const reject = (i: number): Reject => ({
    receivedAt: T0 + i,
    via: 'mqtt',
    topic: 't',
    thing: 'box-aaaa',
    code: 'bad-json',
    detail: `${i}`,
    payload: new Uint8Array(1),
  });
  for (let i = 0; i < 40; i++)
    await store.append(columnsOf([]), Array.from({ length: 7 }, (_, k) => reject(i * 7 + k)), i + 1); // prettier-ignore
  expect(await store.rejectCount()).toBeGreaterThanOrEqual(100);
  expect(await store.rejectCount()).toBeLessThanOrEqual(105);
  const [newest] = await store.rejects({ limit: 1 });
  expect(newest).toMatchObject({ id: 280, detail: '279' });
  const kept = await store.rejectCount();
  expect((await store.health()).rejectsDropped).toBe(280 - kept);
  await store.close();
  await open({ maxRejects: 100 });
  expect(await store.rejectCount()).toBe(kept);
  expect((await store.health()).rejectsDropped).toBe(280 - kept);
});

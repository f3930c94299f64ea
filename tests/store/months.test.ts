/** Past months in files of a month: gathering, late and recomputed values, damage, and reading by time. */
import { appendFile, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { datastreamId } from '../../model/datastream.ts';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import { columnsOf } from '../../store/columns.ts';
import { SCHEMA_VERSION } from '../../store/duckdb/schema.ts';
import { DuckStore, type DuckStoreOptions } from '../../store/duckdb/store.ts';
import { MemoryStore } from '../../store/memory.ts';
import { everything, rowsOf, some, T0 } from './contract.ts';

let folder: string;
let store: DuckStore;
const limits = { pieceRows: 600, stageRows: 500 };
const open = async (options: DuckStoreOptions = {}): Promise<DuckStore> =>
  (store = await DuckStore.open(folder, { memoryMb: 300, limits, ...options }));
const files = async (kind: 'days' | 'months' | 'hours') => (await readdir(join(folder, 'parquet', kind))).sort();
const BOXES = 20;
const DAYS = 10;
const END = T0 + DAYS * DAY;
/** So long after it that November has come to rest. */
const DECEMBER = T0 + 35 * DAY;
const box = (i: number): number => datastreamId(1 + 3 * i, 'pm25');
/** A reading each four hours. */
const day = (n: number) =>
  Array.from(
    { length: BOXES * 6 },
    (_, i) =>
    some(box(i % BOXES), T0 + n * DAY + Math.floor(i / BOXES) * 4 * HOUR, (i % 50) / 10, { corrected: i / 10, lo90: 0, hi90: i, flag: 1 }), // prettier-ignore
  );
const month = () => Array.from({ length: DAYS }, (_, n) => day(n)).flat();
const late = (n: number) => some(box(n), T0 + 3 * DAY + MINUTE + n, 7, { flag: 1 });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lamppost-store-'));
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** Everything that can be asked, as the reference store answers it. */
async function agrees(reference: MemoryStore): Promise<void> {
  expect(await everything(store)).toEqual(await everything(reference));
  for (const i of [0, 7, BOXES - 1])
    for (const level of ['raw', 'corrected'] as const) {
      const query = { datastream: box(i), from: T0 + 90 * MINUTE, to: END, step: HOUR, level };
      const close = (await reference.aggregate(query)).map((bin) => ({
        ...bin,
        mean: bin.mean === null ? null : expect.closeTo(bin.mean, 9),
        lo90: bin.lo90 === null ? null : expect.closeTo(bin.lo90, 9),
        hi90: bin.hi90 === null ? null : expect.closeTo(bin.hi90, 9),
      }));
      expect(await store.aggregate(query)).toEqual(close);
      for (const order of ['asc', 'desc'] as const) {
        const page = { datastreams: [box(i)], from: T0, to: END - i, limit: 25, order };
        expect(rowsOf(await store.range(page))).toEqual(rowsOf(await reference.range(page)));
      }
    }
  expect(await store.count(T0 + HOUR, T0 + 3 * DAY)).toBe(await reference.count(T0 + HOUR, T0 + 3 * DAY));
  expect((await store.health()).rows).toBe(await reference.count(0, DECEMBER));
  expect(await store.health()).toMatchObject({ ok: true });
}

async function filled(): Promise<MemoryStore> {
  await open();
  const reference = new MemoryStore();
  for (const to of [store, reference]) await to.append(columnsOf(month()), [], 1);
  await store.compact(END);
  return reference;
}

it('days of a month that has come to rest become files of ranges of datastreams, each datastream in one', async () => {
  const reference = await filled();
  expect((await files('days')).length).toBe(DAYS);
  // The first eight days have come to rest, the others not.
  await store.compact(T0 + 10.5 * DAY);
  expect((await files('days')).length).toBe(DAYS - 8);
  await agrees(reference);
  // December has begun, but not for long.
  await store.compact(T0 + 31 * DAY);
  expect((await files('days')).length).toBeLessThanOrEqual(2);
  await store.compact(DECEMBER);
  expect(await files('days')).toEqual([]);
  const pieces = await files('months');
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.every((name) => /^2026-11\.\d+\.parquet$/.test(name))).toBe(true);
  const db = await DuckDBInstance.create(':memory:');
  const connection = await db.connect();
  const spread = await connection.runAndReadAll(
    `SELECT max(n) FROM (SELECT count(DISTINCT filename) AS n FROM read_parquet('${folder}/parquet/months/*.parquet', filename = true) GROUP BY datastream)`,
  );
  expect(spread.getRows()).toEqual([[1n]]);
  connection.closeSync();
  db.closeSync();
  await agrees(reference);
  await store.close();
  await open();
  await agrees(reference);
  // Nothing is left to do.
  await store.compact(DECEMBER);
  expect(await files('months')).toEqual(pieces);
});

it('a month of more rows than are gathered at once becomes files of some days each, or stays as it is', async () => {
  await open({ limits: { ...limits, gatherRows: 400 } });
  const reference = new MemoryStore();
  for (const to of [store, reference]) await to.append(columnsOf(month()), [], 1);
  // 1200 rows: of periods of 31, 16, 8 … days, that of 8 is the first to hold no more than 400.
  await store.compact(DECEMBER);
  expect((await files('days')).length).toBe(0);
  expect((await files('months')).length).toBeGreaterThan(1);
  await agrees(reference);
  await store.close();
  await rm(folder, { recursive: true });
  await open({ limits: { ...limits, gatherRows: 10 } });
  await store.append(columnsOf(month()), [], 1);
  await store.compact(DECEMBER);
  expect((await files('days')).length).toBe(DAYS);
  await agrees(reference);
});

it('late rows are found beside the month and then folded into the files that they belong to', async () => {
  const reference = await filled();
  await store.compact(DECEMBER);
  const before = await files('months');
  for (let n = 0; n < 6; n++) {
    const rows = columnsOf([late(n)]);
    for (const to of [store, reference]) expect(await to.append(rows, [], 0)).toMatchObject({ stored: 1 });
    // The same again, and another value, are known wherever the row lies.
    await store.compact(DECEMBER + n);
    expect(await store.append(rows, [], 0)).toMatchObject({ duplicates: 1 });
    expect(await store.append(columnsOf([{ ...late(n), raw: 8 }]), [], 0)).toMatchObject({ conflicts: 1 });
    expect(await store.append(columnsOf(day(2)), [], 0)).toMatchObject({ stored: 0, duplicates: BOXES * 6 });
    await agrees(reference);
  }
  const after = await files('months');
  // Only files in whose range something has come in are made anew; of late ones at most four wait.
  expect(before.filter((name) => !after.includes(name)).length).toBe(1);
  expect(after.length).toBeLessThanOrEqual(before.length + 4);
  await store.close();
  await open();
  await agrees(reference);
});

it('recomputed values are answered at once, folded into their files, and summed up anew there only', async () => {
  const reference = await filled();
  await store.compact(DECEMBER);
  const before = await files('months');
  const rewritten = columnsOf(
    day(4)
      .slice(0, 3)
      .map((r, i) => ({ ...r, corrected: 99 + i, lo90: 98, hi90: 120, flag: 3 })),
  );
  for (const to of [store, reference]) expect(await to.rewrite(rewritten)).toEqual({ changed: 3 });
  await agrees(reference);
  await store.compact(DECEMBER + HOUR);
  await agrees(reference);
  const after = await files('months');
  expect(before.filter((name) => !after.includes(name)).length).toBe(1);
  expect(after.length).toBe(before.length);
});

it('a whole month is recomputed while it is scanned', async () => {
  const reference = await filled();
  await store.compact(DECEMBER);
  let rows = 0;
  for await (const block of store.scan(0, DECEMBER)) {
    const { length } = block;
    rows += length;
    const again = {
      ...block,
      corrected: block.raw.map((v) => v + 1),
      lo90: block.raw,
      hi90: block.raw.map((v) => v + 2),
    };
    expect(await store.rewrite(again)).toEqual({ changed: length });
    await reference.rewrite(again);
  }
  expect(rows).toBe(DAYS * BOXES * 6);
  await agrees(reference);
  await store.compact(DECEMBER + HOUR);
  await agrees(reference);
});

it('two scans at once, one of them left early', async () => {
  await filled();
  await store.compact(DECEMBER);
  const whole = await everything(store);
  const read = async (): Promise<number> => (await everything(store)).length;
  const early = async (): Promise<void> => {
    for await (const block of store.scan(0, DECEMBER)) if (block.length > 0) return;
  };
  const [a, , b] = await Promise.all([read(), early(), read()]);
  expect([a, b]).toEqual([whole.length, whole.length]);
});

it('gathering that was stopped in the middle goes on where it was', async () => {
  const reference = await filled();
  await store.close();
  await open({ limits: { ...limits, pieceRows: 100 } });
  const compacting = store.compact(DECEMBER);
  while ((await files('months')).length < 2) await new Promise((resolve) => setImmediate(resolve));
  await store.close();
  await compacting;
  await open();
  expect((await files('days')).length).toBe(DAYS);
  await agrees(reference);
  for (const to of [store, reference]) await to.append(columnsOf([late(1), late(9), late(19)]), [], 2);
  await agrees(reference);
  await store.compact(DECEMBER);
  // That of the late rows.
  expect((await files('days')).length).toBe(1);
  await agrees(reference);
});

it('a damaged file of a month is set aside, the others go on; a lost roll-up is made anew', async () => {
  const reference = await filled();
  await store.compact(DECEMBER);
  await store.close();
  const [piece = ''] = await files('months');
  const [hours = ''] = await files('hours');
  const kept = await readFile(join(folder, 'parquet', 'months', piece));
  for (const name of [`months/${piece}`, `hours/${hours}`]) await appendFile(join(folder, 'parquet', name), 'x');
  await open();
  const { ok, problem, rows } = await store.health();
  expect(ok).toBe(false);
  expect(problem).toContain(`parquet/months/${piece}`);
  expect(rows).toBeLessThan(await reference.count(0, DECEMBER));
  expect(await store.count(0, DECEMBER)).toBe(rows);
  await store.close();
  await rm(join(folder, 'parquet', 'months', `${piece}.corrupt`));
  await appendFile(join(folder, 'parquet', 'months', piece), kept);
  await open();
  await store.compact(DECEMBER);
  await agrees(reference);
});

it('a day is dumped out of it', async () => {
  await filled();
  const things = Array.from({ length: BOXES }, (_, i) => ({
    num: 1 + 3 * i,
    id: `box-${i}`,
    licence: 'CC0-1.0',
    attribution: '',
  }));
  const dump = async (name: string): Promise<string> => {
    const file = join(folder, 'dumps', name);
    await store.dump({ from: T0 + 2 * DAY, to: T0 + 3 * DAY, file, things });
    return readFile(file, 'utf8');
  };
  const before = await dump('a.csv');
  await store.compact(DECEMBER);
  expect(await dump('b.csv')).toBe(before);
  expect(before.split('\n').length).toBe(BOXES * 6 + 2);
});

it('a folder of the third version is brought up to date by itself', async () => {
  const reference = await filled();
  await store.close();
  const db = await DuckDBInstance.create(join(folder, 'observations.duckdb'));
  const connection = await db.connect();
  await connection.run('ALTER TABLE part DROP COLUMN exact; UPDATE schema_version SET version = 3');
  connection.closeSync();
  db.closeSync();
  await rm(join(folder, 'parquet', 'months'), { recursive: true });
  await open();
  await agrees(reference);
  await store.compact(DECEMBER);
  expect(await files('days')).toEqual([]);
  await agrees(reference);
  expect(SCHEMA_VERSION).toBe(4);
});

it('all files of a month are lost and late rows are not: they stay, and the month comes back whole', async () => {
  await open({ limits: { pieceRows: 100_000 } });
  const reference = new MemoryStore();
  for (const to of [store, reference]) await to.append(columnsOf(month()), [], 1);
  await store.compact(DECEMBER);
  const [piece = '', ...others] = await files('months');
  expect(others).toEqual([]);
  const rows = columnsOf([late(1), { ...late(2), phenomenonTime: T0 + 6 * DAY + MINUTE }]);
  for (const to of [store, reference]) await to.append(rows, [], 2);
  await store.compact(DECEMBER);
  expect((await files('months')).length).toBe(2);
  await store.close();
  await rename(join(folder, 'parquet', 'months', piece), join(folder, 'copy'));
  await open();
  expect(await store.count(0, DECEMBER)).toBe(2);
  await store.compact(DECEMBER + DAY);
  expect(await store.count(0, DECEMBER)).toBe(2);
  await store.close();
  await rename(join(folder, 'copy'), join(folder, 'parquet', 'months', piece));
  await open();
  await store.compact(DECEMBER + DAY);
  await agrees(reference);
});

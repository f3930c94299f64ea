/** Appends, rewrites, compaction and queries all at once: no answer may miss an acknowledged row or count one twice. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { datastreamId } from '../../model/datastream.ts';
import { DAY, HOUR } from '../../model/time.ts';
import { columnsOf } from '../../store/columns.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import { PM25, rowsOf, some, T0 } from './contract.ts';

const BATCHES = 60;
const BOXES = 20;
/** Readings a box and batch; batches are a tenth of a day apart. */
const READINGS = 10;

let folder: string;
let store: DuckStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lamppost-store-'));
  store = await DuckStore.open(folder, { memoryMb: 300 });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const batch = (n: number) =>
  columnsOf(
    Array.from({ length: BOXES * READINGS }, (_, i) => {
      const late = n % 5 === 4 ? 2 * DAY : 0;
      const time = T0 + 3 * DAY + (n * DAY) / 10 + Math.floor(i / BOXES) * 60_000 - late + n;
      return some(datastreamId(1 + (i % BOXES), 'pm25'), time, n);
    }),
  );

it('never misses an acknowledged row and never counts one twice', async () => {
  // An empty store answers without waiting for anything: asked in a loop, nothing else would have its turn.
  await store.append(batch(0), [], 1);
  let sent = 1;
  let acknowledged = 1;
  let writing = true;
  const end = T0 + 400 * DAY;

  const write = async (): Promise<void> => {
    for (let n = 1; n < BATCHES; n++) {
      sent++;
      await store.append(batch(n), [], n + 1);
      acknowledged++;
    }
    writing = false;
  };
  const organise = async (): Promise<number> => {
    let rounds = 0;
    while (writing) {
      await store.compact(T0 + 3 * DAY + (acknowledged * DAY) / 10);
      if (acknowledged > 10) {
        const old = batch(acknowledged - 10);
        expect(await store.rewrite({ ...old, flag: new Uint8Array(old.length).fill(2) })).toEqual({
          changed: old.length,
        });
      }
      rounds++;
    }
    return rounds;
  };
  const ask = async (question: () => Promise<number>, perBatch: number): Promise<number> => {
    let asked = 0;
    while (writing) {
      const least = acknowledged * perBatch;
      const n = await question();
      expect(n).toBeGreaterThanOrEqual(least);
      expect(n).toBeLessThanOrEqual(sent * perBatch);
      asked++;
    }
    return asked;
  };
  const series = async (): Promise<number> => {
    const rows = rowsOf(await store.range({ datastreams: [PM25], from: T0, to: end, limit: 1e6 }));
    const times = rows.map((r) => r.phenomenonTime);
    expect(new Set(times).size).toBe(times.length);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    return rows.length;
  };
  const hours = async (): Promise<number> => {
    const bins = await store.aggregate({ datastream: PM25, from: T0, to: end, step: HOUR, level: 'raw' });
    return bins.reduce((n, bin) => n + bin.count, 0);
  };
  const counted = async (): Promise<number> => {
    const { columns } = await store.sql({ text: 'SELECT count(*) FROM observation', from: T0, to: end });
    return columns[0]?.[0] as number;
  };
  const [, rounds, ...asked] = await Promise.all([
    write(),
    organise(),
    ask(async () => store.count(T0, end), BOXES * READINGS),
    ask(series, READINGS),
    ask(hours, READINGS),
    ask(counted, BOXES * READINGS),
  ]);
  for (const n of [rounds, ...asked]) expect(n).toBeGreaterThan(1);
  expect((await store.health()).rows).toBe(BATCHES * BOXES * READINGS);
  expect(await series()).toBe(BATCHES * READINGS);
});

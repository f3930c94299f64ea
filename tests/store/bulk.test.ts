/** What the embedded store does beyond the interface: SQL for services, dumps, several clients over ports. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reason } from '../../model/flags.ts';
import { DAY, MINUTE } from '../../model/time.ts';
import { columnsOf } from '../../store/columns.ts';
import { connectStore, startStoreWorker, type StoreWorker } from '../../store/remote.ts';
import type { BulkStore } from '../../store/store.ts';
import { OTHER, PM25, RH, some, T0 } from './contract.ts';

let folder: string;
let worker: StoreWorker;
let store: BulkStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lamppost-store-'));
  worker = await startStoreWorker(folder, { memoryMb: 300 });
  store = connectStore(worker.connect());
  const model = await store.modelNum('pm25-L1-2026');
  const rows = Array.from({ length: 3000 }, (_, i) => some(i % 2 ? PM25 : RH, T0 + i * MINUTE, i / 10));
  const told = some(OTHER, T0 + MINUTE, 12.3, {
    corrected: 9.8,
    lo90: 4.1,
    hi90: 15.5,
    flag: 3,
    reasons: reason('spike') | reason('moved'),
    level: 2,
    model,
  });
  await store.append(columnsOf([...rows, told, some(RH, T0 + 1, NaN, { flag: 9 })]), [], 1);
  await store.compact(T0 + DAY);
});
afterAll(async () => {
  await worker.close();
  await rm(folder, { recursive: true, force: true });
});

describe('SQL', () => {
  it('reads the observations of a span, files and recent ones alike', async () => {
    const answer = await store.sql({
      text: `SELECT datastream, count(*) AS n, max(raw) AS top FROM observation WHERE flag = $2 AND raw > $1 AND datastream <> $3
             GROUP BY datastream ORDER BY datastream`,
      params: [10.5, 1, OTHER],
      from: T0,
      to: T0 + 2 * DAY,
    });
    expect(answer).toEqual({
      names: ['datastream', 'n', 'top'],
      columns: [
        [PM25, RH],
        [1387, 1387],
        [287.9, 287.8],
      ],
      rows: 2,
      cut: false,
    });
  });

  it('passes every kind of parameter as a value', async () => {
    const params = ["it's", true, null, 1.5, 2 ** 40];
    const answer = await store.sql({ text: 'SELECT $1, $2, $3, $4, $5', params, from: 0, to: 1 });
    expect(answer.columns.map((c) => c[0])).toEqual(params);
  });

  it('is bounded in rows', async () => {
    const answer = await store.sql({
      text: 'FROM observation SELECT raw ORDER BY raw',
      from: T0,
      to: T0 + DAY,
      maxRows: 5,
    });
    expect(answer).toMatchObject({ rows: 5, cut: true });
    expect(answer.columns[0]?.length).toBe(5);
  });

  it('is bounded in time, and interrupted when nobody waits', async () => {
    const endless = {
      text: 'SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3',
      from: 0,
      to: 1,
    };
    const before = performance.now();
    await expect(store.sql({ ...endless, timeoutMs: 100 })).rejects.toThrow(/timeout/);
    const gone = new AbortController();
    const asked = store.sql(endless, gone.signal);
    gone.abort(new Error('the client hung up'));
    await expect(asked).rejects.toThrow('the client hung up');
    expect(performance.now() - before).toBeLessThan(60_000);
    // Both readers are free again.
    expect(await Promise.all([store.count(0, T0 + 9 * DAY), store.count(0, T0), store.count(0, T0)])).toEqual([
      3002, 0, 0,
    ]);
  });

  it.each([
    ['two statements', 'SELECT 1); DROP TABLE recent; SELECT (1'],
    ['no SELECT', 'DELETE FROM recent'],
    ['writing inside', 'WITH x AS (DELETE FROM recent RETURNING *) SELECT * FROM x'],
    ['other files', "SELECT * FROM read_text('/etc/hostname')"],
    ['files outside by a detour', `SELECT * FROM read_text('parquet/../../../../../../etc/hostname')`],
    ['settings', 'SET GLOBAL enable_external_access = true'],
    ['nonsense', 'SELEKT 1'],
  ])('refuses %s', async (_, text) => {
    await expect(store.sql({ text, from: 0, to: T0 + 9 * DAY })).rejects.toThrow();
    expect(await store.count(0, T0 + 9 * DAY)).toBe(3002);
  });
});

describe('dumps', () => {
  const things = [
    { num: 1, id: 'box-0001', licence: 'CC-BY-4.0', attribution: 'Lín, "台南"' },
    { num: 9, id: 'box-0009', licence: 'CC0-1.0', attribution: '' },
    { num: 2, id: 'box-0002', licence: 'ODbL-1.0', attribution: 'B' },
  ];

  it('CSV explains itself', async () => {
    const file = join(folder, 'dumps', '2026-11-01.csv');
    const { rows, bytes } = await store.dump({ from: T0, to: T0 + DAY, file, things });
    const text = await readFile(file, 'utf8');
    expect(bytes).toBe(Buffer.byteLength(text));
    const lines = text.trim().split('\n');
    expect(lines.length).toBe(rows + 1);
    expect(rows).toBe(1442);
    expect(lines[0]).toBe(
      'box,property,unit,phenomenonTime,resultTime,raw,corrected,lo90,hi90,flag,reasons,correctionLevel,model,licence,attribution,product,revision',
    );
    expect(lines[1]).toBe(
      'box-0001,pm25,ug/m3,2026-11-01T00:01:00.000Z,2026-11-01T00:01:01.234Z,0.1,,,,1,,,,CC-BY-4.0,"Lín, ""台南""",live,0',
    );
    expect(lines.at(-1)).toBe(
      'box-0002,pm25,ug/m3,2026-11-01T00:01:00.000Z,2026-11-01T00:01:01.234Z,12.3,9.8,4.1,15.5,3,pm25.spike;pm25.moved,L1,pm25-L1-2026,ODbL-1.0,B,live,0',
    );
  });

  it('Parquet has times as times, and leaves out Things that are not listed', async () => {
    const file = join(folder, 'dumps', '2026-11.parquet');
    const { rows } = await store.dump({ from: T0, to: T0 + 30 * DAY, file, things: things.slice(0, 2) });
    expect(rows).toBe(3001);
    const db = await DuckDBInstance.create(':memory:');
    const connection = await db.connect();
    const answer = await connection.runAndReadAll(
      `SELECT box, property, count(*), min("phenomenonTime")::VARCHAR, count(raw) FROM '${file}' GROUP BY ALL ORDER BY ALL`,
    );
    expect(answer.getRows()).toEqual([
      ['box-0001', 'humidity', 1501n, '2026-11-01 00:00:00', 1500n],
      ['box-0001', 'pm25', 1500n, '2026-11-01 00:01:00', 1500n],
    ]);
    connection.closeSync();
    db.closeSync();
  });

  it('goes nowhere but into the folder dumps, and knows its formats', async () => {
    const query = { from: T0, to: T0 + DAY, things };
    await expect(store.dump({ ...query, file: join(folder, 'dumps', 'x.xls') })).rejects.toThrow(
      /\.parquet, \.csv or \.csv\.gz/,
    );
    await expect(store.dump({ ...query, file: join(folder, 'elsewhere.csv') })).rejects.toThrow(/elsewhere/);
  });
});

describe('ports', () => {
  it('several clients see the same store, and one that leaves disturbs nobody', async () => {
    const other = connectStore(worker.connect());
    const leaving = connectStore(worker.connect());
    expect(await other.checkpoint()).toBe(1);
    const rows = columnsOf([some(PM25, T0 + 5 * DAY, 1), some(PM25, T0 + 5 * DAY + 1, 2)]);
    expect(await other.append(rows, [], 2)).toMatchObject({ stored: 2 });
    // What was sent stays the sender's to use.
    expect([...rows.raw]).toEqual([1, 2]);
    const unanswered = leaving.latest(0);
    await leaving.close();
    await expect(unanswered).rejects.toThrow('the store has closed');
    await expect(leaving.checkpoint()).rejects.toThrow('the store has closed');
    expect(await store.checkpoint()).toBe(2);
    expect(await store.count(T0 + 5 * DAY, T0 + 6 * DAY)).toBe(2);
  });

  it('a slice of larger columns is sent without what lies around it', async () => {
    const whole = columnsOf(Array.from({ length: 100 }, (_, i) => some(PM25, T0 + 7 * DAY + i, i)));
    const slice = { ...whole, length: 3 };
    expect(await store.append(slice, [], 0)).toMatchObject({ stored: 3 });
  });

  it('a scan that is left early leaves nothing behind', async () => {
    for await (const block of store.scan(0, T0 + 9 * DAY)) {
      expect(block.length).toBeGreaterThan(0);
      break;
    }
    expect(await store.checkpoint()).toBe(2);
  });

  it('errors keep their kind and words', async () => {
    const query = { datastream: PM25, from: 0, to: 1, step: -1, level: 'raw' } as const;
    await expect(store.aggregate(query)).rejects.toThrow(RangeError);
  });
});

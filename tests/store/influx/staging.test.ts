/** Questions that Flux cannot answer are asked of rows that were fetched; many are refused, and none is answered from old ones. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOUR, MINUTE } from '../../../model/time.ts';
import { property } from '../../../model/properties.ts';
import { columnsOf } from '../../../store/columns.ts';
import { DuckStore } from '../../../store/duckdb/store.ts';
import { aspectsOf, covers, Staging } from '../../../store/influx/staging.ts';
import { InfluxStore } from '../../../store/influx/store.ts';
import { StoreCannot, type BulkStore, type SqlQuery } from '../../../store/store.ts';
import { OTHER, PM25, RH, some, T0 } from '../contract.ts';
import { newBucket, NO_INFLUX, stopServer } from './server.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lamppost-staging-'));
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

const count: SqlQuery = { text: 'SELECT count(*) FROM observation', from: T0, to: T0 + HOUR };

describe('fetching', () => {
  const staging = (estimate: number, fetched: string[]) =>
    new Staging(folder, {
      estimate: () => estimate,
      rows: async function* (need, aspects) {
        fetched.push(`${need.from - T0} ${need.to - T0} ${aspects?.join() ?? 'all'}`);
        for (let i = 0; i < 10; i++) yield columnsOf([some(PM25, T0 + i * MINUTE, i)]);
      },
      models: () => ['one', 'two'],
    });
  const ask = async (store: BulkStore) => (await store.sql(count)).columns[0]?.[0];

  it('is done once for questions about the same rows, and again when something was written among them', async () => {
    const fetched: string[] = [];
    const rows = staging(10, fetched);
    const need = { from: T0, to: T0 + HOUR, only: undefined, most: 10 };
    expect(await rows.ask(need, ask)).toBe(10);
    expect(await rows.ask({ ...need, to: T0 + MINUTE, only: { columns: ['raw'] } }, ask)).toBe(10);
    expect(await rows.ask(need, async (store) => store.models())).toEqual(['one', 'two']);
    rows.wrote(columnsOf([some(PM25, T0 + HOUR, 1)]));
    await rows.ask(need, ask);
    expect(fetched).toEqual([`0 ${HOUR} all`]);
    rows.wrote(columnsOf([some(RH, T0 + HOUR - 1, 1)]));
    await rows.ask({ ...need, only: { columns: ['corrected'] } }, ask);
    expect(fetched).toEqual([`0 ${HOUR} all`, `0 ${HOUR} flag,corrected,withdrawn`]);
    await rows.close();
    expect(existsSync(join(folder, 'staged'))).toBe(false);
  });

  it('is refused for more rows than are allowed, before it begins where that is plain', async () => {
    const fetched: string[] = [];
    const need = { from: T0, to: T0 + HOUR, only: undefined, most: 9 };
    const few = staging(9, fetched);
    await expect(few.ask(need, ask)).rejects.toThrow(StoreCannot);
    expect(fetched.length).toBe(1);
    expect(existsSync(join(folder, 'staged'))).toBe(false);
    await expect(staging(1e9, fetched).ask(need, ask)).rejects.toThrow(/up to 9 values; ask for a shorter time/);
    expect(fetched.length).toBe(1);
    await few.close();
  });

  it('knows what serves what', () => {
    const need = { from: 0, to: 10, only: { things: [1, 2], columns: ['raw'] as const }, most: 1 };
    expect(covers(need, { ...need, only: { things: [2], columns: ['raw'] } })).toBe(true);
    expect(covers(need, { ...need, only: { things: [3], columns: ['raw'] } })).toBe(false);
    expect(covers(need, { ...need, only: undefined })).toBe(false);
    expect(covers({ ...need, only: undefined }, need)).toBe(true);
    expect(covers(need, { ...need, to: 11 })).toBe(false);
    expect(aspectsOf(['raw', 'hi90', 'lo90'])).toEqual(['flag', '', 'hi90', 'withdrawn', 'lo90']);
  });
});

describe.skipIf(NO_INFLUX !== '')(`SQL and files over a real InfluxDB${NO_INFLUX}`, () => {
  afterAll(stopServer);

  it.each([undefined, 1])('answer as the embedded store does (series: %s)', async (series) => {
    const address = await newBucket();
    const duck = await DuckStore.open(join(folder, 'duck'));
    const influx = await InfluxStore.open(join(folder, 'influx'), { ...address, ...(series && { series }) });
    const both = [duck, influx] as const;
    try {
      const rows = Array.from({ length: 900 }, (_, i) =>
        some([PM25, RH, OTHER][i % 3] as number, T0 + i * MINUTE, Math.sin(i) * 40, {
          flag: i % 7 === 0 ? 3 : 1,
          reasons: i % 7 === 0 ? 8 : 0,
          ...(i % 2 && { corrected: i / 10, lo90: i / 20, hi90: i / 5, level: 3, model: 1 }),
        }),
      );
      for (const store of both) {
        await store.modelNum('a-model');
        await store.append(columnsOf(rows), [], 1);
        await store.rewrite(columnsOf([{ ...(rows[3] as (typeof rows)[0]), corrected: NaN, lo90: NaN, hi90: NaN }]));
      }
      const { num } = property('pm25');
      const questions: SqlQuery[] = [
        { text: 'SELECT * FROM observation ORDER BY "phenomenonTime", datastream', from: T0, to: T0 + 5 * HOUR },
        {
          text: `SELECT datastream // 64 AS thing, "phenomenonTime" // ${HOUR} AS hour, round(avg(raw) FILTER (WHERE flag IN (1, 2)), 9) FROM observation WHERE datastream % 64 = $1 GROUP BY 1, 2 ORDER BY 1, 2`,
          params: [num],
          from: T0,
          to: T0 + 99 * HOUR,
          only: { properties: [num], columns: ['raw'] },
        },
        { text: 'SELECT m.name, count(*) FROM observation o JOIN model m ON m.num = o.model GROUP BY 1', from: 0, to: T0 + 99 * HOUR },
      ]; // prettier-ignore
      for (const question of questions) {
        const [a, b] = [await duck.sql(question), await influx.sql(question)];
        expect(b).toEqual(a);
        expect(a.rows).toBeGreaterThan(0);
      }
      const things = [{ num: 1, id: 'one', licence: 'CC0-1.0', attribution: 'A' }];
      const files = ['duck', 'influx'].map((name) => join(folder, name, 'dumps', 'day.csv.gz'));
      for (const [i, store] of both.entries()) {
        const { rows: written } = await store.dump({ from: T0, to: T0 + 8 * HOUR, file: files[i] as string, things });
        expect(written).toBe(320);
      }
      const [a, b] = files.map((file) => gunzipSync(readFileSync(file)).toString());
      expect(b).toBe(a);
      // A value that came after the rows were fetched is seen.
      const before = await influx.sql(count);
      await influx.append(columnsOf([some(PM25, T0 + 1, 1)]), [], 2);
      expect((await influx.sql(count)).columns).toEqual([[Number(before.columns[0]?.[0]) + 1]]);
    } finally {
      for (const store of both) await store.close();
    }
  });
});

/** `$skip` far into the Observations of boxes: clients that page by it get what following next links would have given. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BoxObservations } from '../../api/sta/box-observations.ts';
import { boxDatastreamId } from '../../api/sta/box-ids.ts';
import { openDatabase } from '../../api/sta/database.ts';
import { BoxMirror } from '../../api/sta/mirror.ts';
import { createStaService, type StaService } from '../../api/sta/service.ts';
import { HOUR, MINUTE } from '../../model/time.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import { columns } from '../api/server.ts';

const dir = mkdtempSync(join(tmpdir(), 'lamppost-sta-skip-'));
const COUNT = 26_000;
/** Over the end of a month. */
const FIRST = Date.UTC(2026, 9, 25);
const at = (i: number): number => FIRST + i * MINUTE;
const NOW = at(COUNT) + HOUR;
let store: DuckStore;
let service: StaService;
let datastream = 0;

beforeAll(async () => {
  store = await DuckStore.open(dir);
  const registry = openRegistry(':memory:');
  const { num } = registry.add({ name: 'school', lat: 25, lon: 121.5, exposure: 'outdoor' }, FIRST).thing;
  await store.append(columns(Array.from({ length: COUNT }, (_, i) => ({ num, time: at(i), raw: i }))), [], 0);
  const db = openDatabase(':memory:', { scratch: false });
  const mirror = new BoxMirror(db, registry);
  mirror.syncThings();
  mirror.seen([{ thingNum: num, key: 'pm25', firstTime: at(0), lastTime: at(COUNT - 1), lastResultTime: NOW, corrected: false }]); // prettier-ignore
  datastream = boxDatastreamId(num, 'pm25', 'raw');
  const foreign = new BoxObservations(db, store, { newest: () => null });
  service = createStaService({ db, base: 'http://test/sta/v1.1', clock: () => NOW, scratch: false, foreign });
});
afterAll(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

const ask = (path: string, query: string): ReturnType<StaService['handle']> =>
  service.handle({ method: 'GET', path, query, contentType: '', body: '', mayWrite: false });
async function results(path: string, query: string): Promise<number[]> {
  const { status, body } = await ask(path, `$select=result&$top=3&${query}`);
  expect(status, body).toBe(200);
  return (JSON.parse(body) as { value: { result: number }[] }).value.map((v) => v.result);
}

it.each([0, 9_999, 10_000, 10_001, 17_777, 25_998])('one Datastream, behind %i', async (skip) => {
  const path = `/Datastreams(${datastream})/Observations`;
  const expected = [skip, skip + 1, skip + 2].filter((r) => r < COUNT);
  expect(await results(path, `$skip=${skip}`)).toEqual(expected);
  expect(await results(path, `$skip=${skip}&$orderby=phenomenonTime desc`)).toEqual(expected.map((r) => COUNT - 1 - r));
  expect(await results(path, `$skip=${skip}&$orderby=result desc`)).toEqual(expected.map((r) => COUNT - 1 - r));
});

it.each([0, 9_999, 20_001, 40_002, 51_999])('all Observations, behind %i', async (skip) => {
  // Each reading is a raw and a checked one.
  const expected = [skip, skip + 1, skip + 2].filter((r) => r < 2 * COUNT).map((r) => Math.floor(r / 2));
  expect(await results('/Observations', `$skip=${skip}`)).toEqual(expected);
  expect(await results('/Observations', `$skip=${skip}&$orderby=phenomenonTime desc`)).toEqual(
    expected.map((r) => COUNT - 1 - r),
  );
  expect(await results('/Observations', `$skip=${skip}&$orderby=result`)).toEqual(expected);
});

it('a filter counts before $skip does', async () => {
  const path = `/Datastreams(${datastream})/Observations`;
  expect(await results(path, '$skip=12000&$filter=result mod 2 eq 0')).toEqual([24_000, 24_002, 24_004]);
  expect(await results('/Observations', '$skip=24000&$filter=result mod 2 eq 0')).toEqual([24_000, 24_000, 24_002]);
  const from = new Date(at(1000)).toISOString();
  expect(await results(path, `$skip=20000&$filter=phenomenonTime ge ${from}`)).toEqual([21_000, 21_001, 21_002]);
});

it('behind the end there is nothing, and the next link goes on without $skip', async () => {
  for (const path of ['/Observations', `/Datastreams(${datastream})/Observations`]) {
    expect(await results(path, '$skip=60000')).toEqual([]);
    expect(await results(path, '$skip=999999999999')).toEqual([]);
    const page = JSON.parse((await ask(path, '$skip=20000&$top=2')).body) as { '@iot.nextLink': string };
    const next = new URL(page['@iot.nextLink']);
    const half = path === '/Observations' ? 2 : 1;
    expect(await results(path, next.search.slice(1).replace('$top=2&', ''))).toEqual(
      [20_002, 20_003, 20_004].map((r) => Math.floor(r / half)),
    );
  }
});

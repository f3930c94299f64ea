import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { z } from 'zod';
import { LatestTable, startApi, type Api } from '../../api/server.ts';
import { featureCollection, framesAnswer, type observationList } from '../../api/schemas.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import type { Registry } from '../../registry/registry.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import { NOW, columns, world } from './server.ts';

const HOUR = 3600_000;
let folder: string;
let store: DuckStore;
let registry: Registry;
let api: Api;
let now = NOW + 60_000;
const ids: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lamppost-frames-'));
  store = await DuckStore.open(folder, { memoryMb: 300 });
  registry = openRegistry(':memory:');
  for (let b = 0; b < 5; b++) ids.push(registry.add({ lat: 24 + b, lon: 121 }, NOW).thing.id);
  const model = await store.modelNum('m');
  const rows = ids.flatMap((_, b) =>
    Array.from({ length: 60 * 12 }, (_x, i) => ({
      num: b + 1,
      time: NOW - 60 * HOUR + i * 5 * 60_000,
      raw: b * 10 + (i % 12),
      ...(i % 3 === 0 ? { corrected: b, lo90: b - 1, hi90: b + 1, model } : {}),
      flag: i % 12 === 5 ? 4 : 1,
    })),
  );
  await store.append(columns(rows), [], 1);
  api = await startApi({
    registry,
    store,
    latest: new LatestTable(),
    accept: async () => {},
    port: 0,
    clock: () => now,
  });
});
afterAll(async () => {
  await api.close();
  await store.close();
  registry.close();
  await rm(folder, { recursive: true });
});

const get = async <T>(path: string): Promise<T> => (await (await fetch(api.url + path)).json()) as T;
const frames = async (query: string): Promise<z.infer<typeof framesAnswer>> =>
  framesAnswer.parse(await get(`/api/v1/frames?${query}`));

test.each(['raw', 'corrected'])('the %s means of every box and hour are those of the single box', async (level) => {
  const span = `from=2026-11-19T12:00:00Z&to=2026-11-21T12:00:00Z&level=${level}`;
  const all = await frames(span);
  expect(all).toMatchObject({ start: '2026-11-19T12:00:00Z', hours: 48, ids });
  for (const [b, id] of ids.entries()) {
    const single = await get<z.infer<typeof observationList>>(`/api/v1/boxes/${id}/observations?${span}&interval=PT1H`);
    expect(all.values[b]).toEqual(single.items.map((i) => i.value));
  }
});

test('a bbox takes its boxes alone; where there are none, none', async () => {
  const span = 'from=2026-11-21T00:00:00Z&to=2026-11-21T12:00:00Z';
  const all = await frames(span);
  const some = await frames(`${span}&bbox=120,24.5,122,26.5`);
  expect(some.ids).toEqual(ids.slice(1, 3));
  expect(some.values).toEqual(all.values.slice(1, 3));
  expect((await frames(`${span}&bbox=0,0,1,1`)).ids).toEqual([]);
});

test('the examples that OpenAPI gives are accepted', async () => {
  await frames('bbox=121.45,24.95,121.65,25.12');
  await frames('from=2026-11-21T08:00:00Z');
  await frames('from=2026-11-20T08:00:00Z&to=2026-11-21T08:00:00Z');
});

test('late readings show once the hour is asked for anew', async () => {
  const hour = 'from=2026-11-20T00:00:00Z&to=2026-11-20T01:00:00Z&property=temperature';
  expect((await frames(hour)).ids).toEqual([]);
  await store.append(
    columns([{ num: 2, property: 'temperature', time: Date.UTC(2026, 10, 20, 0, 30), raw: 21.5 }]),
    [],
    2,
  );
  now += 16 * 60_000;
  expect((await frames(hour)).values).toEqual([[21.5]]);
});

test('a clock that was days ahead does not keep what was read meanwhile for days', async () => {
  let [day, span] = [NOW + 3 * 24 * HOUR, performance.now()];
  const clocks = [vi.spyOn(Date, 'now').mockImplementation(() => day), vi.spyOn(performance, 'now').mockImplementation(() => span)]; // prettier-ignore
  const parts = { registry, store, latest: new LatestTable(), accept: async () => {}, port: 0 };
  const other = await startApi(parts);
  try {
    const hour = '/api/v1/frames?from=2026-11-20T02:00:00Z&to=2026-11-20T03:00:00Z&property=temperature';
    const ask = async () => framesAnswer.parse(await (await fetch(other.url + hour)).json()).values;
    expect(await ask()).toEqual([]);
    await store.append(columns([{ num: 2, property: 'temperature', time: Date.UTC(2026, 10, 20, 2, 30), raw: 9.5 }]), [], 3); // prettier-ignore
    day = NOW;
    span += 16 * 60_000;
    expect(await ask()).toEqual([[9.5]]);
  } finally {
    for (const clock of clocks) clock.mockRestore();
    await other.close();
  }
});

test('bounds: at most a week, from before to', async () => {
  for (const query of ['from=2026-11-01&to=2026-11-20', 'from=2026-11-20&to=2026-11-19', 'property=x', 'hours=3']) {
    const response = await fetch(`${api.url}/api/v1/frames?${query}`);
    expect([query, response.status]).toEqual([query, 400]);
  }
});

test('a store without means of many boxes says so', async () => {
  const plain = await world();
  expect((await plain.get('/api/v1/frames')).status).toBe(404);
  await plain.close();
});

test('the embedded store answers as the reference does: latest, pages, streams', async () => {
  const { features } = featureCollection.parse(await get('/api/v1/latest.geojson?level=corrected'));
  expect(features).toHaveLength(5);
  const csv = await (await fetch(`${api.url}/api/v1/boxes/${ids[1]}/observations?format=csv&from=2026-11-01`)).text();
  expect(csv.trimEnd().split('\n')).toHaveLength(721);
  const page = await get<z.infer<typeof observationList>>(
    `/api/v1/boxes/${ids[1]}/observations?from=2026-11-01&limit=700`,
  );
  const rest = await get<z.infer<typeof observationList>>(
    `/api/v1/boxes/${ids[1]}/observations?from=2026-11-01&limit=700&cursor=${page.next}`,
  );
  expect([page.items.length, rest.items.length, rest.next]).toEqual([700, 20, null]);
});

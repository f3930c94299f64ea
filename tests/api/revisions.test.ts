import { afterAll, beforeAll, expect, it } from 'vitest';
import { LatestTable, startApi, type Api } from '../../api/server.ts';
import { DAY, MINUTE } from '../../model/time.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { MemoryStore } from '../../store/memory.ts';
import { columns, NOW } from './server.ts';

const registry = openRegistry(':memory:');
const store = new MemoryStore();
let api: Api;
let id = '';

const entry = (number: number) => ({
  number,
  product: 'archive' as const,
  from: NOW - DAY,
  to: NOW - 10 * MINUTE,
  box: '',
  issuedAt: NOW,
  code: 'test',
  learntFrom: NOW - 40 * DAY,
  values: 100,
  moved: 7,
  lost: 1,
  gained: 2,
  flags: 3,
  meanShift: -0.5,
  maxShift: 4.2,
  sha256: 'ab',
});

beforeAll(async () => {
  const { thing } = registry.add({ name: 'school', lat: 25, lon: 121.5, licence: 'CC-BY-4.0' }, NOW - 9 * DAY);
  id = thing.id;
  const rows = [60, 5].map((minutes) => ({ num: thing.num, time: NOW - minutes * MINUTE, raw: 10, corrected: 8 }));
  await store.append(columns(rows), [], 0);
  api = await startApi({
    registry,
    store,
    latest: new LatestTable(),
    accept: async () => {},
    port: 0,
    clock: () => NOW,
    revisions: {
      list: () => [entry(1), entry(2)],
      editions: () => ({ of: (_num, time) => time < NOW - 10 * MINUTE ? { product: 'archive', revision: 2 } : { product: 'live', revision: 0 } }), // prettier-ignore
      changes: (number) => number === 2 ? [{ thingNum: thing.num, property: 'pm25', day: NOW - (NOW % DAY), values: 50, moved: 7, lost: 1, gained: 2, flags: 3, meanShift: -0.5, maxShift: 4.2 }] : [], // prettier-ignore
    },
  });
});
afterAll(async () => {
  await api.close();
  registry.close();
});
const json = async (path: string): Promise<Record<string, unknown> & { items: Record<string, unknown>[] }> =>
  (await (await fetch(`${api.url}/api/v1${path}`)).json()) as never;

it('lists revisions newest first, in pages', async () => {
  const first = await json('/revisions?limit=1');
  expect(first.items.map((i) => i['number'])).toEqual([2]);
  const next = await json(`/revisions?limit=1&cursor=${String(first['next'])}`);
  expect(next.items.map((i) => i['number'])).toEqual([1]);
  expect(next['next']).toBeNull();
  expect(await json('/revisions/2')).toMatchObject({ product: 'archive', moved: 7, box: null, issuedAt: '2026-11-21T12:00:00Z' }); // prettier-ignore
});
it('says what moved per box and day', async () => {
  const { items } = await json('/revisions/2/changes');
  expect(items).toEqual([
    { box: id, property: 'pm25', day: '2026-11-21', values: 50, moved: 7, lost: 1, gained: 2, flags: 3, meanShift: -0.5, maxShift: 4.2 }, // prettier-ignore
  ]);
  expect((await json(`/revisions/2/changes?property=pm10`)).items).toEqual([]);
  expect((await fetch(`${api.url}/api/v1/revisions/9/changes`)).status).toBe(404);
  expect((await fetch(`${api.url}/api/v1/revisions/x`)).status).toBe(400);
});
it('every value says which product it is', async () => {
  const { items } = await json(`/boxes/${id}/observations?level=corrected`);
  expect(items.map((i) => [i['product'], i['revision']])).toEqual([
    ['archive', 2],
    ['live', 0],
  ]);
  const compared = await json(`/boxes/${id}/compare`);
  expect(compared.items.map((i) => i['product'])).toEqual(['archive', 'live']);
});
it('so does every line of a CSV that asks for it, every feature and every event', async () => {
  const text = async (query: string): Promise<string> => (await fetch(`${api.url}/api/v1/${query}`)).text();
  const [header, ...lines] = (await text(`boxes/${id}/observations?format=csv&edition=true`)).trim().split('\n');
  expect(header).toMatch(/,licence,product,revision$/);
  expect(lines.map((line) => line.split(',').slice(-3).join())).toEqual(['CC-BY-4.0,archive,2', 'CC-BY-4.0,live,0']);
  expect(await text(`boxes/${id}/observations?format=csv`)).not.toContain('archive');
  expect(await text(`boxes/${id}/observations?format=ndjson`)).toContain('"product":"archive","revision":2');
  expect((await fetch(`${api.url}/api/v1/boxes/${id}/observations?format=csv&edition=true&interval=PT1H`)).status).toBe(
    400,
  );
  expect((await json('/latest.geojson?property=pm25'))['features']).toMatchObject([
    { properties: { product: 'live', revision: 0 } },
  ]);
  const stopped = new AbortController();
  const stream = await fetch(`${api.url}/api/v1/stream`, { signal: stopped.signal });
  const num = registry.get(id)?.num ?? 0;
  api.live(columns([{ num, property: 'pm10', time: NOW - 60 * MINUTE, raw: 12 }]));
  const decoder = new TextDecoder();
  let seen = '';
  for await (const bytes of stream.body as unknown as AsyncIterable<Uint8Array>)
    if ((seen += decoder.decode(bytes, { stream: true })).includes('event: observation')) break;
  stopped.abort();
  expect(seen).toContain('"product":"archive","revision":2');
});

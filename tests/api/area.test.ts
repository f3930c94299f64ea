import { afterAll, beforeAll, expect, it } from 'vitest';
import { withTuples } from '../../api/openapi.ts';
import { township, townships } from '../../api/townships.ts';
import { NOW, world, type World } from './server.ts';

let w: World;
beforeAll(async () => {
  w = await world();
});
afterAll(() => w.close());

const XINYI = '63000020';
const csv = async (query: string): Promise<{ text: string; rows: Record<string, string>[] }> => {
  const response = await w.get(`/api/v1/observations?${query}`);
  const text = await response.text();
  expect([response.status, response.headers.get('content-type')], text).toEqual([
    200,
    'text/csv; charset=utf-8; header=present',
  ]);
  const [head = '', ...lines] = text.replace('\uFEFF', '').trim().split('\n');
  const names = head.split(',');
  return { text, rows: lines.map((l) => Object.fromEntries(l.split(',').map((v, i) => [names[i] ?? '', v]))) };
};

it('townships are areas: codes, names in both languages, and what lies in them', () => {
  expect(townships().length).toBe(368);
  const xinyi = townships().find((t) => t.county === '臺北市' && t.name === '信義區');
  expect(xinyi).toMatchObject({ code: XINYI, countyEn: 'Taipei City' });
  // Taipei City Hall; Taichung City Hall.
  expect(township(XINYI)?.holds(121.564, 25.0375)).toBe(true);
  expect(township(XINYI)?.holds(120.647, 24.162)).toBe(false);
  for (const t of townships()) expect(t.bbox.every(Number.isFinite), t.name).toBe(true);
  // Every spot lies in one township at most.
  for (const [lon, lat] of [
    [121.564, 25.0375],
    [120.647, 24.162],
    [120.31, 22.62],
  ] as const)
    expect(townships().filter((t) => t.holds(lon, lat))).toHaveLength(1);
});

it('one file holds the means of all boxes of a township, and no others', async () => {
  const { rows } = await csv(`township=${XINYI}&level=raw&from=2026-11-21T00:00:00Z&to=2026-11-22T00:00:00Z`);
  expect(new Set(rows.map((r) => r['box']))).toContain(w.ids.school);
  for (const r of rows) {
    expect(township(XINYI)?.holds(Number(r['lon']), Number(r['lat']))).toBe(true);
    expect(r).toMatchObject({ property: 'pm25', unit: 'ug/m3', level: 'raw' });
    expect(Date.parse(r['phenomenonTimeEnd'] ?? '') - Date.parse(r['phenomenonTime'] ?? '')).toBe(3_600_000);
    expect(r['localTime']).toMatch(/^2026-11-2\d \d\d:00$/);
  }
  const box = await csv(`bbox=121.5,25,121.6,25.1&level=raw&from=2026-11-21T00:00:00Z&to=2026-11-22T00:00:00Z`);
  expect(box.rows.length).toBeGreaterThanOrEqual(rows.length);
});

it('a month is that of the zone; Excel is told that it is UTF-8', async () => {
  const query = `township=${XINYI}&level=raw&month=2026-11&interval=P1D&timezone=Asia/Taipei`;
  const bytes = Buffer.from(await (await w.get(`/api/v1/observations?${query}&bom=true`)).arrayBuffer());
  expect([...bytes.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf]);
  const { rows } = await csv(query);
  expect(rows[0]?.['phenomenonTime']).toMatch(/T16:00:00Z$/);
});

it.each([
  ['', 400],
  ['township=1', 400],
  ['township=99999999', 404],
  [`township=${XINYI}&bbox=1,1,2,2`, 400],
  [`township=${XINYI}&month=2026-13`, 400],
  [`township=${XINYI}&month=2026-11&from=2026-11-01`, 400],
  [`township=${XINYI}&nothing=1`, 400],
])('?%s is %i', async (query, status) => expect((await w.get(`/api/v1/observations?${query}`)).status).toBe(status));

it('positions of arrays are written as OpenAPI 3.1 wants them', async () => {
  expect(withTuples({ a: { items: [{ type: 'number' }] }, items: { type: 'string' } })).toEqual({
    a: { prefixItems: [{ type: 'number' }] },
    items: { type: 'string' },
  });
  expect(await (await w.get('/api/openapi.json')).text()).not.toMatch(/"items":\[\{/);
});

it('a method that no address knows is 405', async () => {
  for (const path of ['/api/v1/boxes', '/sta/v1.1/Things', '/problems'])
    expect((await w.get(path, { method: 'QUERY' })).status, path).toBe(405);
});

it('reference stations stand in it with their own values, and boxes that were taken down since', async () => {
  const span = 'from=2026-11-21T00:00:00Z&to=2026-11-22T00:00:00Z';
  const { rows } = await csv(`bbox=121.5,25.06,121.55,25.07&level=corrected&${span}`);
  expect(rows.map((r) => [r['box'], r['level'], r['value'], r['flag']])).toEqual([[w.ids.epa, 'raw', '14', '1']]);
  const before = (await csv(`township=${XINYI}&${span}`)).rows.length;
  w.registry.retire(w.ids.school, NOW);
  expect((await csv(`township=${XINYI}&${span}`)).rows.length).toBe(before);
  expect(before).toBeGreaterThan(5);
});

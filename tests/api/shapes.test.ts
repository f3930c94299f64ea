import { afterAll, beforeAll, expect, test } from 'vitest';
import type { z } from 'zod';
import * as schemas from '../../api/schemas.ts';
import { GRID } from '../../registry/place.ts';
import { ADMIN, world, type World } from './server.ts';

let w: World;
beforeAll(async () => {
  w = await world({
    modelCard: async (id) =>
      id === 'published:test' ? { author: 'Barkjohn et al. 2021', doi: '10.5194/amt-14-4617-2021' } : null,
  });
});
afterAll(() => w.close());

const answers: [string, z.ZodType][] = [
  ['/api/v1/boxes', schemas.thingList],
  ['/api/v1/boxes?lat=25.03&lon=121.56&radius=5000', schemas.thingList],
  ['/api/v1/boxes/{school}', schemas.thingDetail],
  ['/api/v1/boxes/{home}', schemas.thingDetail],
  ['/api/v1/boxes/{feed}', schemas.thingDetail],
  ['/api/v1/stations', schemas.thingList],
  ['/api/v1/stations/{epa}', schemas.thingDetail],
  ['/api/v1/nearest?lat=25.03&lon=121.56', schemas.thingList],
  ['/api/v1/latest.geojson', schemas.featureCollection],
  ['/api/v1/latest.geojson?property=pm25&level=corrected', schemas.featureCollection],
  ['/api/v1/latest.geojson?property=humidity&bbox=121,24,122,26', schemas.featureCollection],
  ['/api/v1/latest.geojson?property=no2', schemas.featureCollection],
  ['/api/v1/boxes/{school}/observations', schemas.observationList],
  ['/api/v1/boxes/{school}/observations?level=corrected&from=2026-11-19T00:00:00Z', schemas.observationList],
  ['/api/v1/boxes/{school}/observations?interval=PT1H&percentiles=5,50,95', schemas.observationList],
  ['/api/v1/boxes/{school}/observations?interval=P1D&timezone=Asia/Taipei&from=2026-11-01', schemas.observationList],
  ['/api/v1/boxes/{school}/observations?interval=P1M&level=corrected&from=2026-01-01', schemas.observationList],
  ['/api/v1/stations/{epa}/observations', schemas.observationList],
  ['/api/v1/boxes/{school}/compare', schemas.compareList],
  ['/api/v1/boxes/{school}/compare?interval=PT8H', schemas.compareList],
  ['/api/v1/licences', schemas.licenceList],
  ['/api/v1/licences/CC-BY-4.0', schemas.licenceInfo],
  ['/api/v1/properties', schemas.propertyList],
  ['/api/v1/models', schemas.modelList],
  ['/api/v1/models/published%3Atest', schemas.modelInfo],
  ['/api/v1/events', schemas.eventList],
  ['/api/v1/indices', schemas.indexTableList],
  ['/api/v1/boxes/{school}/index', schemas.indexAnswer],
  ['/api/v1/boxes/{home}/index?table=us_aqi&level=raw', schemas.indexAnswer],
  ['/healthz', schemas.healthReport],
  ['/readyz', schemas.healthReport],
];

const at = (path: string): string => path.replace(/\{(\w+)\}/g, (_, name: 'school') => w.ids[name]);

test.each(answers)('%s has the shape that OpenAPI promises', async (path, schema) => {
  const response = await w.get(at(path));
  expect(response.status).toBe(200);
  schema.parse(await response.json());
});

test('every value is told from every other: latest.geojson', async () => {
  const raw = await w.json<z.infer<typeof schemas.featureCollection>>('/api/v1/latest.geojson?property=pm25&level=raw');
  expect(raw.features).toHaveLength(4);
  expect(raw.licences).toEqual(['CC-BY-4.0', 'CC0-1.0', 'OGDL-Taiwan-1.0']);
  expect(raw.features[0]?.geometry?.coordinates).toEqual([121.5645, 25.0337]);
  expect(raw.features[0]?.properties).toMatchObject({
    id: w.ids.school,
    name: '信義國小',
    nativeId: 'FT1_001',
    kind: 'box',
    property: 'pm25',
    value: 21,
    unit: 'ug/m3',
    level: 'raw',
    flag: 1,
    reasons: [],
    lo90: null,
    phenomenonTime: '2026-11-21T12:00:00Z',
    claimed: true,
    exposure: 'outdoor',
    licence: 'CC-BY-4.0',
  });
  const feed = raw.features.find((f) => f.properties.id === w.ids.feed);
  expect(feed).toMatchObject({
    geometry: null,
    properties: { claimed: false, flag: 4, reasons: ['pm25.plausible_range'] },
  });
  const corrected = await w.json<z.infer<typeof schemas.featureCollection>>('/api/v1/latest.geojson?level=corrected');
  expect(corrected.features[0]?.properties).toMatchObject({
    value: 19,
    lo90: 16,
    hi90: 22,
    model: 'published:test',
    correctionLevel: 'L1',
  });
  expect(corrected.features.find((f) => f.properties.id === w.ids.feed)?.properties.value).toBeNull();
  const stations = await w.json<z.infer<typeof schemas.featureCollection>>('/api/v1/latest.geojson?kind=station');
  expect(stations.features.map((f) => f.properties.id)).toEqual([w.ids.epa]);
});

test('a hidden place is hidden everywhere', async () => {
  const exact = { lat: 25.05171, lon: 121.51449 };
  for (const path of [
    '/api/v1/boxes',
    `/api/v1/boxes/${w.ids.home}`,
    '/api/v1/latest.geojson',
    '/api/v1/nearest?lat=25.05&lon=121.51',
  ]) {
    const text = await (await w.get(path)).text();
    expect(text).not.toContain('25.0517');
    expect(text).not.toContain('121.5144');
  }
  const tight = `${exact.lon - 2e-4},${exact.lat - 2e-4},${exact.lon + 2e-4},${exact.lat + 2e-4}`;
  expect(await w.json(`/api/v1/boxes?bbox=${tight}`)).toMatchObject({ items: [] });
  expect(await w.json(`/api/v1/latest.geojson?bbox=${tight}`)).toMatchObject({ features: [] });
  expect(await w.json(`/api/v1/boxes?lat=${exact.lat}&lon=${exact.lon}&radius=20`)).toMatchObject({ items: [] });
  const detail = await w.json<z.infer<typeof schemas.thingDetail>>(`/api/v1/boxes/${w.ids.home}`);
  expect(detail.height).toBeNull();
  expect(detail.places[0]?.height).toBeNull();
  expect(Math.abs((detail.lat ?? 0) - exact.lat)).toBeLessThanOrEqual(GRID / 2 + 1e-9);
});

test('no public answer holds a key, a token or their hashes', async () => {
  const secrets = [ADMIN, w.keys.school.key, w.keys.school.owner, w.keys.home.key];
  for (const [path] of [...answers, ['/metrics'], ['/api/openapi.json']] as [string][]) {
    const text = await (await w.get(at(path))).text();
    for (const secret of secrets) expect(text).not.toContain(secret);
    expect(text).not.toMatch(/key_hash|ownerHash|keyHash/);
  }
});

test('boxes: every filter', async () => {
  const ids = async (query: string): Promise<string[]> =>
    (await w.json<{ items: { id: string }[] }>(`/api/v1/boxes?${query}`)).items.map((i) => i.id);
  const { school, home, feed } = w.ids;
  expect(await ids('')).toEqual([school, home, feed]);
  expect(await ids('bbox=121.56,25.03,121.57,25.04')).toEqual([school]);
  expect(await ids('project=schools')).toEqual([school]);
  expect(await ids('property=humidity')).toEqual([school]);
  expect(await ids('exposure=outdoor')).toEqual([school, home]);
  expect(await ids('claimed=false')).toEqual([feed]);
  expect(await ids('licence=CC0-1.0')).toEqual([home]);
  expect(await ids('sensor=pms5003')).toEqual([school]);
  expect(await ids('health=ok')).toEqual([school]);
  expect(await ids('health=offline')).toEqual([home]);
  expect(await ids('health=suspect')).toEqual([feed]);
  expect(await ids('lat=25.0337&lon=121.5645&radius=1000')).toEqual([school]);
  expect(await ids('polygon=121.5,25.04,121.53,25.04,121.53,25.06,121.5,25.06')).toEqual([home]);
  // Two halves of a square, cut along its diagonal: the school hangs below it.
  const half = (corner: string): string =>
    encodeURIComponent(`POLYGON((121.56 25.03, ${corner}, 121.57 25.04, 121.56 25.03))`);
  expect(await ids(`polygon=${half('121.57 25.03')}`)).toEqual([school]);
  expect(await ids(`polygon=${half('121.56 25.04')}`)).toEqual([]);
  // Several areas at once: what lies in all of them.
  expect(await ids(`polygon=${half('121.57 25.03')}&bbox=121,24,122,26&lat=25.0337&lon=121.5645&radius=100`)).toEqual([school]); // prettier-ignore
  expect(await ids(`polygon=${half('121.57 25.03')}&bbox=121,24,121.5,26`)).toEqual([]);
  expect(await ids(`bbox=121,24,122,26&lat=24.1&lon=121.5645&radius=100`)).toEqual([]);
});

test('boxes and events page without gap or overlap', async () => {
  for (const path of ['/api/v1/boxes?', '/api/v1/events?']) {
    const whole = await w.json<{ items: { id: unknown }[] }>(path);
    const seen: unknown[] = [];
    let cursor = '';
    for (let i = 0; i < 10; i++) {
      const response = await w.get(`${path}limit=1${cursor}`);
      const page = (await response.json()) as { items: { id: unknown }[]; next: string | null };
      seen.push(...page.items.map((item) => item.id));
      if (page.next === null) break;
      cursor = `&cursor=${page.next}`;
    }
    expect(seen).toEqual(whole.items.map((i) => i.id));
  }
});

test('one box: places over time with ends, licence in words, newest raw and corrected values', async () => {
  w.registry.move(w.ids.epa, { lat: 25.07, lon: 121.53, height: null, from: Date.UTC(2026, 10, 20) });
  const box = await w.get(`/api/v1/stations/${w.ids.epa}`);
  expect(box.headers.get('link')).toBe('<https://data.gov.tw/license>; rel="license"');
  const detail = (await box.json()) as z.infer<typeof schemas.thingDetail>;
  expect(detail.places.map((p) => [p.lat, p.from, p.to])).toEqual([
    [25.0624, '2026-10-22T12:00:00Z', '2026-11-20T00:00:00Z'],
    [25.07, '2026-11-20T00:00:00Z', null],
  ]);
  const school = await w.json<z.infer<typeof schemas.thingDetail>>(`/api/v1/boxes/${w.ids.school}`);
  expect(school.attributionText).toBe(
    '信義國小, Creative Commons Attribution 4.0 International (https://creativecommons.org/licenses/by/4.0/)',
  );
  expect(school.latest).toMatchObject([
    { property: 'pm25', value: 21, corrected: 19, lo90: 16, hi90: 22, model: 'published:test' },
    { property: 'humidity', value: 61, corrected: null, lo90: null },
  ]);
});

test('nearest: by distance, stations and boxes', async () => {
  const { items } = await w.json<{ items: { id: string; distance: number }[] }>(
    '/api/v1/nearest?lat=25.0337&lon=121.5645',
  );
  expect(items.map((i) => i.id)).toEqual([w.ids.school, w.ids.home, w.ids.epa].sort((a, b) => (items.find((i) => i.id === a)?.distance ?? 0) - (items.find((i) => i.id === b)?.distance ?? 0))); // prettier-ignore
  expect(items[0]).toMatchObject({ id: w.ids.school, distance: 0 });
  // 25.0337,121.5645 to the grid cell 25.0525,121.5125: 2.09 km north, 5.24 km west.
  expect(items.find((i) => i.id === w.ids.home)?.distance).toBeCloseTo(5640, -2);
  expect((await w.json<{ items: unknown[] }>('/api/v1/nearest?lat=0&lon=0&radius=100000')).items).toEqual([]);
});

test('OpenAPI 3.1 describes every call, and every example in it is accepted', async () => {
  interface Operation {
    operationId: string;
    parameters?: { in: string; name: string; example?: string }[];
  }
  const document = await w.json<{ openapi: string; paths: Record<string, Record<string, Operation>> }>(
    '/api/openapi.json',
  );
  expect(document.openapi).toBe('3.1.0');
  const operations = Object.values(document.paths).flatMap((p) => Object.values(p));
  expect(new Set(operations.map((o) => o.operationId)).size).toBe(operations.length);
  // What a parameter needs beside it.
  const beside: Record<string, string> = {
    lat: 'lon=121&radius=500',
    lon: 'lat=25&radius=500',
    radius: 'lat=25&lon=121',
    from: 'to=2027-01-01',
  };
  let examples = 0;
  for (const [path, methods] of Object.entries(document.paths)) {
    // These need the embedded store: frames.test.ts and hotspots.test.ts ask them there.
    if (path === '/api/v1/frames' || path === '/api/v1/hotspots') continue;
    for (const parameter of methods['get']?.parameters ?? []) {
      if (parameter.example === undefined) continue;
      examples++;
      const own = `${parameter.name}=${encodeURIComponent(parameter.example)}`;
      const point =
        path === '/api/v1/nearest' && parameter.name !== 'radius'
          ? `&${parameter.name === 'lat' ? 'lon=121' : 'lat=25'}`
          : '';
      const area = path === '/api/v1/observations' && parameter.name !== 'bbox' ? 'township=63000020&' : '';
      const query = path === '/api/v1/nearest' && point ? own + point : `${own}&${beside[parameter.name] ?? ''}`;
      const response = await w.get(`${path.replace('{id}', w.ids.school)}?${area}${query.replace(/&$/, '')}`);
      expect([path, query, response.status]).toEqual([path, query, 200]);
      await response.body?.cancel();
    }
  }
  expect(examples).toBeGreaterThan(10);
  expect((await w.get('/api/docs')).status).toBe(200);
});

test('nearest of a rare property and of a kind', async () => {
  const ids = async (query: string): Promise<string[]> =>
    (await w.json<{ items: { id: string }[] }>(`/api/v1/nearest?lat=25.03&lon=121.56&${query}`)).items.map((i) => i.id);
  expect(await ids('property=humidity')).toEqual([w.ids.school]);
  expect(await ids('property=pm25&limit=2')).toHaveLength(2);
  expect(await ids('property=pm25&kind=station')).toEqual([w.ids.epa]);
  expect(await ids('kind=station')).toEqual([w.ids.epa]);
  expect(await ids('property=no2')).toEqual([]);
});

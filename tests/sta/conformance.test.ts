/**
 * The abstract test suite of OGC 18-088 (annex A), requirement by requirement, on the service as a function. The suites of
 * others (the OGC's ets-sta10, FROST-Server's tests) are run by hand against a scratch instance; what they found is here too.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../api/sta/database.ts';
import { createStaService, type StaResponse, type StaService } from '../../api/sta/service.ts';

const BASE = 'http://test/sta/v1.1';
const SPEC = 'http://www.opengis.net/spec/iot_sensing/1.1/req/';
let service: StaService;

async function send(
  method: string,
  url: string,
  body?: unknown,
  contentType = 'application/json',
): Promise<StaResponse> {
  const [path = '', query = ''] = url.split(/\?(.*)/s);
  const text = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body);
  return service.handle({ method, path, query, contentType, body: text, mayWrite: true });
}
// oxlint-disable-next-line typescript/no-explicit-any -- the answers are read as a client would, by name
async function get(url: string): Promise<any> {
  const response = await send('GET', url);
  expect(response.status, `${url}: ${response.body}`).toBe(200);
  return JSON.parse(response.body);
}
const filtered = async (set: string, filter: string): Promise<number[]> =>
  (await get(`/${set}?$orderby=id&$filter=${encodeURIComponent(filter)}`)).value.map(
    (v: { '@iot.id': number }) => v['@iot.id'],
  );
async function made(url: string, body: unknown): Promise<number> {
  const response = await send('POST', url, body);
  expect(response.status, response.body).toBe(201);
  expect(response.headers['location']).toMatch(/^http:\/\/test\/sta\/v1\.1\/[A-Za-z]+\(\d+\)$/);
  return (JSON.parse(response.body) as { '@iot.id': number })['@iot.id'];
}

const place = (lon: number, lat: number): unknown => ({
  name: 'place',
  description: 'd',
  encodingType: 'application/geo+json',
  location: { type: 'Point', coordinates: [lon, lat] },
});
const stream = (name: string): Record<string, unknown> => ({
  name,
  description: 'd',
  observationType: 'http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement',
  unitOfMeasurement: { name: 'µg/m³', symbol: 'ug/m3', definition: 'ucum:ug/m3' },
  Sensor: { name: 'PMS5003', description: 'd', encodingType: 'text/html', metadata: 'https://x' },
  ObservedProperty: { name: 'PM2.5', definition: 'http://x/pm25', description: 'd' },
});

beforeAll(async () => {
  const db = openDatabase(':memory:', { scratch: true });
  service = createStaService({
    db,
    base: BASE,
    clock: () => Date.UTC(2026, 10, 21, 8),
    scratch: true,
    foreign: null,
  });
  await made('/Things', {
    name: 'T1',
    description: 'd',
    properties: { list: [1, [2, 3], { k: 'v' }], on: true, n: 5, t: '5' },
    Locations: [place(121, 25)],
    Datastreams: [{ ...stream('D1'), properties: { p: 1 } }],
  });
  for (const [i, result] of [1, 2, 3].entries())
    await made('/Datastreams(1)/Observations', {
      phenomenonTime: `2026-01-0${i + 1}T00:00:00Z`,
      resultTime: `2026-01-0${i + 1}T00:10:00Z`,
      validTime: '2026-01-01T00:00:00Z/2026-02-01T00:00:00Z',
      result,
      resultQuality: [{ code: i }],
      parameters: { i },
    });
});

const ENTITIES: Record<string, { properties: string[]; relations: string[] }> = {
  Things: {
    properties: ['name', 'description', 'properties'],
    relations: ['Locations', 'HistoricalLocations', 'Datastreams'],
  },
  Locations: {
    properties: ['name', 'description', 'encodingType', 'location'],
    relations: ['Things', 'HistoricalLocations'],
  },
  HistoricalLocations: { properties: ['time'], relations: ['Thing', 'Locations'] },
  Datastreams: {
    properties: [
      'name',
      'description',
      'unitOfMeasurement',
      'observationType',
      'properties',
      'observedArea',
      'phenomenonTime',
      'resultTime',
    ],
    relations: ['Thing', 'Sensor', 'ObservedProperty', 'Observations'],
  },
  Sensors: { properties: ['name', 'description', 'encodingType', 'metadata'], relations: ['Datastreams'] },
  ObservedProperties: { properties: ['name', 'definition', 'description'], relations: ['Datastreams'] },
  Observations: {
    properties: ['phenomenonTime', 'result', 'resultTime', 'resultQuality', 'validTime', 'parameters'],
    relations: ['Datastream', 'FeatureOfInterest'],
  },
  FeaturesOfInterest: { properties: ['name', 'description', 'encodingType', 'feature'], relations: ['Observations'] },
};

it('the root names every entity set, and only requirements of the standard that exist', async () => {
  const root = await get('');
  expect(root.value).toEqual(Object.keys(ENTITIES).map((name) => ({ name, url: `${BASE}/${name}` })));
  const { conformance } = root.serverSettings as { conformance: string[] };
  expect(conformance.filter((c) => c.startsWith(SPEC)).length).toBeGreaterThan(30);
  for (const name of ['datamodel', 'resource-path', 'request-data', 'create-update-delete', 'data-array/data-array'])
    expect(conformance).toContain(SPEC + name);
  expect(conformance.some((c) => c.includes('multi-datastream'))).toBe(false);
});

describe.each(Object.entries(ENTITIES))('/req/datamodel/%s', (set, { properties, relations }) => {
  it('properties, relations, control information', async () => {
    const [entity] = (await get(`/${set}?$top=1`)).value;
    expect(Object.keys(entity).toSorted()).toEqual(
      ['@iot.id', '@iot.selfLink', ...properties, ...relations.map((r) => `${r}@iot.navigationLink`)].toSorted(),
    );
    expect(entity['@iot.selfLink']).toBe(`${BASE}/${set}(${entity['@iot.id']})`);
    for (const r of relations) {
      const link = entity[`${r}@iot.navigationLink`].slice(BASE.length);
      expect(await get(link)).toBeTypeOf('object');
      expect(await get(`${link}/$ref`)).toBeTypeOf('object');
    }
    for (const p of properties) {
      const path = `/${set}(${entity['@iot.id']})/${p}`;
      expect(await get(path)).toEqual({ [p]: entity[p] });
      expect((await send('GET', `${path}/$value`)).status).toBe(200);
    }
    expect((await send('GET', `/${set}/$count`)).body).toMatch(/^\d+$/);
  });
  it('/req/request-data/status-code: what is not there is 404, also beyond 2⁵³', async () => {
    for (const id of ['99999', '9223372036854775807', "'nobody'", '-1'])
      for (const method of ['GET', 'DELETE'])
        expect((await send(method, `/${set}(${id})`)).status, `${method} ${id}`).toBe(404);
    expect((await send('GET', `/${set}(1)/nothing`)).status).toBe(404);
    expect((await send('PUT', `/${set}`, {})).status).toBe(405);
    expect((await send('POST', `/${set}(1)`, {})).status).toBe(405);
  });
});

describe('/req/datamodel: what the tables of 18-088 say of values', () => {
  it('TM_Period is always two times', async () => {
    const d = await get('/Datastreams(1)');
    expect(d.phenomenonTime).toBe('2026-01-01T00:00:00.000Z/2026-01-03T00:00:00.000Z');
    const id = await made('/Things(1)/Datastreams', stream('one'));
    await made(`/Datastreams(${id})/Observations`, {
      result: 1,
      phenomenonTime: '2026-01-01T00:00:00Z',
      resultTime: '2026-01-01T00:00:00Z',
    });
    const one = await get(`/Datastreams(${id})`);
    expect(one.phenomenonTime).toBe('2026-01-01T00:00:00.000Z/2026-01-01T00:00:00.000Z');
    expect((await get(`/Datastreams(${id})/Observations`)).value[0].phenomenonTime).toBe('2026-01-01T00:00:00.000Z');
    expect((await send('DELETE', `/Datastreams(${id})`)).status).toBe(200);
  });
  it('observedArea is the extent of the features of interest', async () => {
    const id = await made('/Things(1)/Datastreams', stream('area'));
    const at = async (lon: number, lat: number): Promise<number> =>
      made(`/Datastreams(${id})/Observations`, {
        result: 1,
        FeatureOfInterest: {
          name: 'f',
          description: 'd',
          encodingType: 'application/geo+json',
          feature: { type: 'Point', coordinates: [lon, lat] },
        },
      });
    await at(121, 24);
    expect((await get(`/Datastreams(${id})/observedArea/coordinates`)).coordinates).toEqual([121, 24]);
    const far = await at(122, 25);
    expect((await get(`/Datastreams(${id})`)).observedArea.type).toBe('Polygon');
    expect(await filtered('Datastreams', "st_within(geography'POINT(121.5 24.5)', observedArea)")).toEqual([id]);
    await send('DELETE', `/Observations(${far})`);
    expect((await get(`/Datastreams(${id})`)).observedArea).toEqual({ type: 'Point', coordinates: [121, 24] });
    await send('DELETE', `/Datastreams(${id})`);
  });
  it('results of any JSON type come back as they were sent', async () => {
    for (const text of ['1', '-0.5', '"a"', 'true', 'null', '{"a":[1]}', '[1,"x"]', '8446744073709551615', '"12"']) {
      const response = await send('POST', '/Datastreams(1)/Observations', `{"result":${text}}`);
      expect(response.body).toContain(`"result":${text},`);
      const id = /\((\d+)\)/.exec(response.headers['location'] ?? '')?.[1];
      expect((await send('GET', `/Observations(${id})`)).body).toContain(`"result":${text},`);
      await send('DELETE', `/Observations(${id})`);
    }
  });
});

describe('/req/resource-path/resource-path-to-entities', () => {
  it.each([
    ['/Datastreams(1)/Thing/Locations(1)/Things(1)/Datastreams(1)/Sensor/name', { name: 'PMS5003' }],
    ['/Things(1)/properties/list[1][0]', { 'list[1][0]': 2 }],
    ['/Things(1)/properties/list%5B2%5D/k', { k: 'v' }],
    ['/Things(@iot.id=1)/name', { name: 'T1' }],
    ['/Observations(1)/resultQuality[0]/code', { code: 0 }],
  ])('%s', async (path, expected) => expect(await get(path)).toEqual(expected));
  it.each([
    ['/Things(1)/Datastreams(1)/Observations/$count', '3'],
    ['/Things(1)/name/$value', 'T1'],
    ['/Things(1)/properties/n/$value', '5'],
  ])('%s is bare', async (path, expected) => expect((await send('GET', path)).body).toBe(expected));
});

describe('/req/request-data', () => {
  it('order of evaluation: $filter, $count, $orderby, $skip, $top, $expand, $select', async () => {
    const page = await get(
      '/Observations?$filter=result gt 1&$count=true&$orderby=result desc&$skip=1&$top=1&$expand=Datastream($select=name)&$select=result',
    );
    expect(page).toMatchObject({ '@iot.count': 2, value: [{ result: 2, Datastream: { name: 'D1' } }] });
    expect(page['@iot.nextLink']).toBeUndefined();
  });
  it.each([
    '/Things?$top=-1',
    '/Things?$skip=x',
    '/Things?$count=1',
    '/Things?$filter=',
    '/Things?$orderby=',
    '/Things?$select=',
    '/Things?$expand=',
    '/Things?$orderby=name up',
    '/Things?$top=1&$top=2',
    '/Things?$unknown=1',
    '/Things?$expand=Datastreams($nope=1)',
    '/Things?$filter=substringof(name)',
    "/Things?$filter=during(HistoricalLocations/time, '2026-01-01T00:00:00Z')",
  ])('query-status-code: %s is 400', async (url) => expect((await send('GET', url)).status).toBe(400));
  it.each([
    '?%24filter%3Dresult%20eq%202',
    '?$filter=result+eq+2',
    '?%24FILTER=result eq 2',
    '?custom=1&$filter=result eq 2',
  ])('written otherwise: %s', async (query) => expect((await get(`/Observations${query}`)).value).toHaveLength(1));
  it.each([
    ['result eq 2', [2]],
    ['result ne 2', [1, 3]],
    ['result gt 1 and not (result ge 3)', [2]],
    ['result lt 2 or result eq 3', [1, 3]],
    ['result eq 2 and result eq 1 or result eq 1', [1]],
    ['1 add result mul 2 sub -1 eq 4', [1]],
    ['6 div 2 sub result eq 2', [1]],
    ['1 add 2.0 mod (result add 1) eq 1', [1]],
    ["result gt '1'", [2, 3]],
    ['phenomenonTime lt 2026-01-02T00:00:00Z', [1]],
    ['phenomenonTime le 2026-01-02T08:00:00+08:00', [1, 2]],
    ['phenomenonTime gt 2026-01-01T00:00:00Z/2026-01-02T00:00:00Z', [2, 3]],
    ['before(phenomenonTime, 2026-01-02T00:00:00Z/2026-01-03T00:00:00Z)', [1]],
    ['during(phenomenonTime, 2026-01-01T00:00:00Z/2026-01-03T00:00:00Z)', [1, 2]],
    ['overlaps(validTime, 2026-02-01T00:00:00Z)', []],
    ['validTime lt 2026-02-01T00:00:00Z', [1, 2, 3]],
    ["validTime sub duration'P1D' lt 2026-01-31T00:00:00Z", [1, 2, 3]],
    ["phenomenonTime sub 2026-01-01T00:00:00Z eq duration'P1D'", [2]],
    ["resultTime sub phenomenonTime eq duration'PT10M' and result lt 2", [1]],
    ['day(phenomenonTime) eq 2 and minute(resultTime) eq 10', [2]],
    ["date(resultTime) eq date'2026-01-03' and time(resultTime) eq time'00:10:00'", [3]],
    ['totaloffsetminutes(resultTime) eq 0 and result eq 1', [1]],
    ['phenomenonTime lt maxdatetime() and phenomenonTime gt mindatetime() and phenomenonTime lt now()', [1, 2, 3]],
    ['resultQuality[0]/code eq 1', [2]],
    ['parameters/i ge 1', [2, 3]],
    ["Datastream/Thing/properties/list[2]/k eq 'v' and floor(result div 2) eq 1", [2, 3]],
    ["startswith(Datastream/name, 'D') and round(result add 0.4) eq ceiling(result)", [1, 2, 3]],
    ["st_within(FeatureOfInterest/feature, geography'POLYGON((120 24,122 24,122 26,120 26,120 24))')", [1, 2, 3]],
  ])('$filter=%s', async (filter, ids) => expect(await filtered('Observations', filter)).toEqual(ids));
  it.each([
    ['properties/on', [1]],
    ['not properties/on', []],
    ['properties/on eq 1', []],
    ['properties/n lt 6', [1]],
    ["properties/n eq '5'", [1]],
    ['properties/t eq 5', []],
    ['properties/n eq properties/t', [1]],
    ["Locations/location/type eq 'Point'", [1]],
    ["geo.distance(Locations/location, geography'POINT(121 24)') le 1", [1]],
  ])('$filter=%s (Things)', async (filter, ids) => expect(await filtered('Things', filter)).toEqual(ids));
  it('geo.length is that of lines', async () => {
    expect(await filtered('Locations', "geo.length(geography'LINESTRING(0 0,3 4)') eq 5 and id eq 1")).toEqual([1]);
    expect(await filtered('Locations', "geo.length(geography'POLYGON((0 0,1 0,1 1,0 0))') eq 0 and id eq 1")).toEqual([
      1,
    ]);
  });
  it('$orderby follows relations', async () => {
    const page = await get('/Observations?$orderby=Datastream/Thing/name desc,result desc&$select=result');
    expect(page.value.map((o: { result: number }) => o.result)).toEqual([3, 2, 1]);
  });
  it('pagination: every page once, by @iot.nextLink', async () => {
    const seen: number[] = [];
    let url: string | undefined = '/Observations?$top=1&$select=id';
    while (url) {
      const page = await get(url);
      seen.push(page.value[0]['@iot.id']);
      url = page['@iot.nextLink']?.slice(BASE.length);
    }
    expect(seen).toEqual([1, 2, 3]);
  });
});

describe('/req/create-update-delete', () => {
  it('$ref: links are added, set and taken away by their addresses', async () => {
    const thing = await made('/Things', { name: 'R', description: 'd', Locations: [place(1, 1)] });
    const other = await made('/Locations', place(2, 2));
    const links = async (): Promise<string[]> =>
      (await get(`/Things(${thing})/Locations/$ref`)).value.map((v: { '@iot.selfLink': string }) => v['@iot.selfLink']);
    expect((await send('POST', `/Things(${thing})/Locations/$ref`, { '@iot.id': other })).status).toBe(204);
    expect(await links()).toHaveLength(2);
    expect((await get(`/Things(${thing})/HistoricalLocations`)).value).toHaveLength(2);
    expect((await send('DELETE', `/Things(${thing})/Locations(${other})/$ref`)).status).toBe(204);
    expect(await links()).toHaveLength(1);
    const url = `${BASE}/Locations(${other})`;
    expect((await send('POST', `/Things(${thing})/Locations/$ref`, { '@iot.selfLink': url })).status).toBe(204);
    expect((await send('DELETE', `/Things(${thing})/Locations/$ref?$id=${encodeURIComponent(url)}`)).status).toBe(204);
    expect((await send('DELETE', `/Things(${thing})/Locations(${other})/$ref`)).status).toBe(404);
    const d = await made(`/Things(${thing})/Datastreams`, stream('R'));
    expect((await send('PUT', `/Datastreams(${d})/Thing/$ref`, { '@iot.id': 1 })).status).toBe(204);
    expect((await get(`/Datastreams(${d})/Thing`)).name).toBe('T1');
    expect((await send('POST', `/Things(${thing})/Datastreams/$ref`, { '@iot.id': d })).status).toBe(204);
    expect((await get(`/Datastreams(${d})/Thing`)).name).toBe('R');
    expect((await send('DELETE', `/Datastreams(${d})/Thing/$ref`)).status).toBe(400);
    expect((await send('PUT', `/Datastreams(${d})/Thing/$ref`, { '@iot.id': 99999 })).status).toBe(400);
    expect((await send('POST', `/Things/$ref`, { '@iot.id': 1 })).status).toBe(405);
    expect((await send('DELETE', `/Things(${thing})`)).status).toBe(200);
    expect((await send('DELETE', `/Locations(${other})`)).status).toBe(200);
  });
  it('link-to-existing-entities: an entity that comes with its id is linked, whatever else comes with it', async () => {
    const sensor = await get('/Sensors(1)');
    const body = { ...stream('linked'), Sensor: sensor, Thing: { '@iot.id': 1, name: 'T1', description: 'd' } };
    const before = (await get('/Things?$count=true&$top=0'))['@iot.count'];
    const id = await made('/Datastreams', body);
    expect((await get(`/Datastreams(${id})/Sensor`))['@iot.id']).toBe(1);
    expect((await get('/Things?$count=true&$top=0'))['@iot.count']).toBe(before);
    expect((await send('POST', '/Datastreams', { ...body, Thing: { '@iot.id': 777, name: 'x' } })).status).toBe(400);
    expect((await send('DELETE', `/Datastreams(${id})`)).status).toBe(200);
  });
  it('PUT leaves what the service makes: observedArea', async () => {
    const { Sensor: _s, ObservedProperty: _o, ...whole } = stream('D1');
    expect((await send('PUT', '/Datastreams(1)', whole)).status).toBe(200);
    expect((await get('/Datastreams(1)')).observedArea).toEqual({ type: 'Point', coordinates: [121, 25] });
  });
});

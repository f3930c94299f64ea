import { beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../api/sta/database.ts';
import { createStaService, type StaResponse, type StaService } from '../../api/sta/service.ts';

const BASE = 'http://test/sta/v1.1';
const NOW = Date.UTC(2026, 10, 21, 8);
let service: StaService;

async function send(
  method: string,
  url: string,
  body?: unknown,
  contentType = 'application/json',
): Promise<StaResponse> {
  const [path = '', query = ''] = url.split(/\?(.*)/s);
  return service.handle({
    method,
    path,
    query,
    contentType,
    body: typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body),
    mayWrite: true,
  });
}
// oxlint-disable-next-line typescript/no-explicit-any -- the answers are read as a client would, by name
async function get(url: string): Promise<any> {
  const response = await send('GET', url);
  expect(response.status, response.body).toBe(200);
  return JSON.parse(response.body);
}
const names = (answer: { value: { name: string }[] }): string[] => answer.value.map((v) => v.name);

const unit = { name: 'µg/m³', symbol: 'ug/m3', definition: 'ucum:ug/m3' };
const lamp = (n: number, lon: number, values: readonly unknown[]): unknown => ({
  name: `lamp ${n}`,
  description: 'a box on a lamp post',
  properties: { city: n % 2 ? 'Taichung' : 'Taipei', floor: n, 'a.b': { deep: [10, 20] }, isOutdoor: true },
  Locations: [
    {
      name: 'post',
      description: '',
      encodingType: 'application/geo+json',
      location: { type: 'Point', coordinates: [lon, 24] },
    },
  ],
  Datastreams: [
    {
      name: `PM2.5 of ${n}`,
      description: 'd',
      observationType: 'http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement',
      unitOfMeasurement: unit,
      Sensor: { name: 'PMS5003', description: '', encodingType: 'text/html', metadata: 'https://x' },
      ObservedProperty: { name: 'PM2.5', definition: 'http://x/pm25', description: '' },
      Observations: values.map((result, i) => ({ phenomenonTime: `2026-01-0${i + 1}T00:00:00Z`, result })),
    },
  ],
});

beforeEach(async () => {
  service = createStaService({
    db: openDatabase(':memory:', { scratch: true }),
    base: BASE,
    clock: () => NOW,
    scratch: true,
    foreign: null,
  });
  for (const [n, values] of [
    [1, [10, 20, 30]],
    [2, [5, 'text', { k: 1 }]],
    [3, []],
  ] as const)
    expect((await send('POST', '/Things', lamp(n, 120 + n, values))).status).toBe(201);
});

describe('reading', () => {
  it('the root names every set and what is implemented', async () => {
    const root = await get('');
    expect(root.value.map((v: { name: string }) => v.name)).toContain('FeaturesOfInterest');
    expect(root.value[0]).toEqual({ name: 'Things', url: `${BASE}/Things` });
    expect(root.serverSettings.conformance).toContain(
      'http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel/thing/properties',
    );
  });
  it('an entity carries control information and links', async () => {
    expect(await get('/Things(1)')).toEqual({
      '@iot.id': 1,
      '@iot.selfLink': `${BASE}/Things(1)`,
      name: 'lamp 1',
      description: 'a box on a lamp post',
      properties: { city: 'Taichung', floor: 1, 'a.b': { deep: [10, 20] }, isOutdoor: true },
      'Locations@iot.navigationLink': `${BASE}/Things(1)/Locations`,
      'HistoricalLocations@iot.navigationLink': `${BASE}/Things(1)/HistoricalLocations`,
      'Datastreams@iot.navigationLink': `${BASE}/Things(1)/Datastreams`,
    });
  });
  it.each([
    ['/Things(1)/name', { name: 'lamp 1' }],
    ['/Things(1)/properties/city', { city: 'Taichung' }],
    ['/Things(1)/@iot.id', { '@iot.id': 1 }],
    ['/Datastreams(1)/unitOfMeasurement/symbol', { symbol: 'ug/m3' }],
    ['/Datastreams(1)/Thing/name', { name: 'lamp 1' }],
    ['/Observations(1)/Datastream/Thing/Locations(1)/location/coordinates', { coordinates: [121, 24] }],
  ])('%s', async (url, answer) => expect(await get(url)).toEqual(answer));
  it('$value is bare, $ref is links, $count a number', async () => {
    expect((await send('GET', '/Things(1)/name/$value')).body).toBe('lamp 1');
    expect((await send('GET', '/Things/$count')).body).toBe('3');
    expect((await get('/Things/$ref?$top=1')).value).toEqual([{ '@iot.selfLink': `${BASE}/Things(1)` }]);
  });
  it.each([
    ['/Nothings', 404],
    ['/Things(99)', 404],
    ['/Things(1)/colour', 404],
    ['/Things(1)/Datastreams(2)', 404],
    ['/Things(x)', 400],
    ['/Things/name', 400],
    ['/Things?$top=-1', 400],
    ['/Things?$top=x', 400],
    ['/Things?$nope=1', 400],
    ['/Things?$filter=name', 400],
    ['/Things?$filter=name eq', 400],
    ['/Things?$filter=colour eq 1', 400],
    ["/Things?$filter=name eq 'x", 400],
    ['/Things?$filter=name eq 3', 400],
    ['/Things?$filter=explode(name)', 400],
    ['/Things?$orderby=colour', 400],
    ['/Things?$select=colour', 400],
    ['/Things?$expand=Colours', 400],
    ['/Things(1)?$top=1', 400],
    [`/Things?$filter=${'('.repeat(100)}1 eq 1${')'.repeat(100)}`, 400],
    ['/Things?$filter=%zz', 400],
    ['/Things?$skiptoken=abc', 400],
  ])('%s is refused with %i', async (url, status) => {
    const response = await send('GET', url);
    expect(response.status).toBe(status);
    expect(JSON.parse(response.body)).toMatchObject({ status, detail: expect.any(String) });
  });
});

describe('$filter', () => {
  it.each([
    ["name eq 'lamp 1'", ['lamp 1']],
    ["name ne 'lamp 1'", ['lamp 2', 'lamp 3']],
    ['id gt 1 and id lt 3', ['lamp 2']],
    ['@iot.id eq 2 or id eq 3', ['lamp 2', 'lamp 3']],
    ["not name eq 'lamp 1'", ['lamp 2', 'lamp 3']],
    ["properties/city eq 'Taipei'", ['lamp 2']],
    ['properties/floor ge 2', ['lamp 2', 'lamp 3']],
    ["properties/floor eq '2'", ['lamp 2']],
    ['properties/isOutdoor eq true and id eq 1', ['lamp 1']],
    ["properties/'a.b'/deep/1 eq 20 and id eq 3", ['lamp 3']],
    ['properties/none eq null and id eq 1', ['lamp 1']],
    ["Datastreams/ObservedProperty/name eq 'PM2.5'", ['lamp 1', 'lamp 2', 'lamp 3']],
    ['Datastreams/Observations/result gt 25', ['lamp 1']],
    ["Datastreams/Observations/result eq 'text'", ['lamp 2']],
    ['Datastreams/Observations/result/k eq 1', ['lamp 2']],
    ["startswith(name,'lamp') and endswith(name,'3')", ['lamp 3']],
    ["substringof('mp 2',name)", ['lamp 2']],
    ["indexof(name,'2') eq 5", ['lamp 2']],
    ["length(name) eq 6 and substring(name,5) eq '3'", ['lamp 3']],
    ["toupper(name) eq 'LAMP 1'", ['lamp 1']],
    ["concat(concat(name,'!'),'?') eq 'lamp 1!?'", ['lamp 1']],
    ['id add 1 eq 3', ['lamp 2']],
    ['id mod 2 eq 1', ['lamp 1', 'lamp 3']],
    ['id div 2 eq 0.5', ['lamp 1']],
    ['round(id div 4) eq 1', ['lamp 2', 'lamp 3']],
    ["st_within(Locations/location, geography'POLYGON((120.5 23,121.5 23,121.5 25,120.5 25,120.5 23))')", ['lamp 1']],
    ["geo.distance(Locations/location, geography'POINT(123 24)') lt 0.5", ['lamp 3']],
    ["st_intersects(Locations/location, geography'LINESTRING(121 24,122 24)')", ['lamp 1', 'lamp 2']],
    ["st_relate(Locations/location, geography'POINT(123 24)', 'T********')", ['lamp 3']],
    ['Datastreams/phenomenonTime gt 2025-01-01T00:00:00Z', ['lamp 1', 'lamp 2']],
    ['Datastreams/Observations/phenomenonTime eq 2026-01-03T00:00:00Z', ['lamp 1', 'lamp 2']],
    ['year(HistoricalLocations/time) eq 2026 and id eq 1', ['lamp 1']],
    ["HistoricalLocations/time gt now() sub duration'PT1H' and id eq 1", ['lamp 1']],
  ])('%s', async (filter, expected) => {
    expect(names(await get(`/Things?$filter=${encodeURIComponent(filter)}&$orderby=id`))).toEqual(expected);
  });
  it.each([
    ['day(phenomenonTime) eq 2', 2],
    ['phenomenonTime ge 2026-01-02T00:00:00Z', 4],
    ['result gt 5 and result lt 25', 2],
    ["date(phenomenonTime) eq date'2026-01-01'", 2],
    ["phenomenonTime add duration'P1D' eq 2026-01-02T00:00:00Z", 2],
    ['during(phenomenonTime, 2026-01-01T00:00:00Z/2026-01-02T12:00:00Z)', 4],
    ['hour(phenomenonTime) eq 0 and second(phenomenonTime) eq 0', 6],
  ])('Observations: %s', async (filter, count) => {
    const answer = await get(`/Observations?$count=true&$filter=${encodeURIComponent(filter)}`);
    expect(answer['@iot.count']).toBe(count);
    expect(answer.value).toHaveLength(count);
  });
});

describe('pages, order, selection, expansion', () => {
  it('next links lead through everything once, also while entities keep coming in', async () => {
    const seen: number[] = [];
    let url: string | undefined = '/Observations?$top=2&$orderby=result desc,phenomenonTime';
    while (url) {
      const page = await get(url);
      seen.push(...page.value.map((o: { '@iot.id': number }) => o['@iot.id']));
      // A result that sorts before everything already shown must not shift the pages.
      await send('POST', '/Datastreams(3)/Observations', { result: { z: 'zz' } });
      url = page['@iot.nextLink']?.slice(BASE.length);
    }
    expect(new Set(seen).size).toBe(seen.length);
    for (const id of [1, 2, 3, 4, 5, 6]) expect(seen).toContain(id);
  });
  it('$skip, $orderby desc, $count', async () => {
    const page = await get('/Things?$orderby=name desc&$skip=1&$top=1&$count=true');
    expect(names(page)).toEqual(['lamp 2']);
    expect(page['@iot.count']).toBe(3);
    expect(page['@iot.nextLink']).toContain('$skip=2');
  });
  it('$select shows only what is named', async () => {
    expect((await get('/Things?$select=id,name&$top=1')).value).toEqual([{ '@iot.id': 1, name: 'lamp 1' }]);
    expect(await get('/Things(1)?$select=properties/city')).toEqual({ properties: { city: 'Taichung' } });
  });
  it('nested $expand with options inside', async () => {
    const answer = await get(
      '/Things?$top=1&$select=name&$expand=Datastreams($select=name;$expand=Observations($select=result;$orderby=phenomenonTime desc;$top=1;$count=true)),Locations($select=name)',
    );
    expect(answer.value).toEqual([
      {
        name: 'lamp 1',
        Locations: [{ name: 'post' }],
        Datastreams: [
          {
            name: 'PM2.5 of 1',
            'Observations@iot.count': 3,
            Observations: [{ result: 30 }],
            'Observations@iot.nextLink': expect.stringMatching(/\/Datastreams\(1\)\/Observations\?\$top=1/),
          },
        ],
      },
    ]);
    const next = answer.value[0].Datastreams[0]['Observations@iot.nextLink'].slice(BASE.length);
    expect((await get(next)).value).toEqual([{ result: 20 }]);
  });
  it('A/B expands A with B', async () => {
    const answer = await get('/Observations(1)?$expand=Datastream/Thing,Datastream/Sensor,FeatureOfInterest');
    expect(answer.Datastream.Thing.name).toBe('lamp 1');
    expect(answer.Datastream.Sensor.name).toBe('PMS5003');
    expect(answer.FeatureOfInterest.feature).toEqual({ type: 'Point', coordinates: [121, 24] });
  });
  it('dataArray, GeoJSON and CSV', async () => {
    const array = await get('/Datastreams(1)/Observations?$resultFormat=dataArray&$select=id,result');
    expect(array.value).toEqual([
      {
        'Datastream@iot.navigationLink': `${BASE}/Datastreams(1)`,
        components: ['id', 'result'],
        'dataArray@iot.count': 3,
        dataArray: [
          [1, 10],
          [2, 20],
          [3, 30],
        ],
      },
    ]);
    const geo = await get('/Things?$resultFormat=GeoJSON&$expand=Locations&$top=1');
    expect(geo.features[0].geometry).toEqual({ type: 'Point', coordinates: [121, 24] });
    expect(
      (await send('GET', '/Datastreams(1)/Observations?$resultFormat=CSV&$select=phenomenonTime,result')).body,
    ).toBe(
      'phenomenonTime,result\r\n2026-01-01T00:00:00.000Z,10\r\n2026-01-02T00:00:00.000Z,20\r\n2026-01-03T00:00:00.000Z,30\r\n',
    );
  });
});

describe('writing', () => {
  it('results keep their JSON type', async () => {
    for (const result of [1, 1.5, 'a', true, false, null, { a: [1] }, [1, 'x'], '12']) {
      const { headers, status } = await send('POST', '/Datastreams(3)/Observations', { result });
      expect(status).toBe(201);
      expect((await get(headers['location']!.slice(BASE.length))).result).toEqual(result);
    }
  });
  it.each([
    ['/Things', { name: 'x' }, '"description" is missing'],
    ['/Things', { name: 1, description: '' }, 'must be text'],
    ['/Things', { name: 'x', description: '', colour: 1 }, 'no property "colour"'],
    ['/Datastreams(1)/Observations', { result: 1, phenomenonTime: 'yesterday' }, 'not an ISO 8601'],
    ['/Datastreams(1)/Observations', {}, '"result" is missing'],
    ['/Observations', { result: 1 }, '"Datastream" is missing'],
    ['/Observations', { result: 1, Datastream: { '@iot.id': 77 } }, 'there is no Datastream 77'],
    [
      '/Things(1)/Locations',
      { name: 'x', description: '', encodingType: '', location: { type: 'Point', coordinates: 'x' } },
      'not a GeoJSON',
    ],
  ])('POST %s %j is refused and nothing is kept', async (url, body, message) => {
    const before = await Promise.all(
      ['Things', 'Locations', 'Observations'].map((s) => get(`/${s}?$count=true&$top=0`)),
    );
    const response = await send('POST', url, body);
    expect(response.status).toBe(400);
    expect(response.body).toContain(message.replaceAll('"', '\\"'));
    expect(
      await Promise.all(['Things', 'Locations', 'Observations'].map((s) => get(`/${s}?$count=true&$top=0`))),
    ).toEqual(before);
  });
  it('a new Location replaces the old one and leaves history', async () => {
    const place = {
      name: 'roof',
      description: '',
      encodingType: 'application/geo+json',
      location: { type: 'Point', coordinates: [122, 25] },
    };
    expect((await send('POST', '/Things(1)/Locations', place)).status).toBe(201);
    expect(names(await get('/Things(1)/Locations'))).toEqual(['roof']);
    expect((await get('/Things(1)/HistoricalLocations')).value).toHaveLength(2);
  });
  it('PATCH changes a part, PUT the whole, JSON Patch an inner value', async () => {
    expect((await send('PATCH', '/Things(1)', { description: 'new' })).status).toBe(200);
    expect(await get('/Things(1)')).toMatchObject({ name: 'lamp 1', description: 'new' });
    const patch = [
      { op: 'replace', path: '/properties/city', value: 'Tainan' },
      { op: 'add', path: '/properties/x', value: 1 },
    ];
    expect((await send('PATCH', '/Things(1)', patch, 'application/json-patch+json')).status).toBe(200);
    expect((await get('/Things(1)')).properties).toMatchObject({ city: 'Tainan', x: 1, floor: 1 });
    expect((await send('PUT', '/Things(1)', { name: 'n', description: 'd' })).status).toBe(200);
    expect((await get('/Things(1)')).properties).toBeUndefined();
    expect((await send('PUT', '/Things(1)', { name: 'n' })).status).toBe(400);
  });
  it('deleting cascades', async () => {
    expect((await send('DELETE', '/Things(1)')).status).toBe(200);
    expect((await send('GET', '/Datastreams(1)')).status).toBe(404);
    expect((await send('GET', '/Observations/$count')).body).toBe('3');
    expect((await send('DELETE', '/Sensors(2)')).status).toBe(200);
    expect((await send('GET', '/Datastreams/$count')).body).toBe('1');
    expect((await send('DELETE', '/Locations(3)')).status).toBe(200);
    expect((await get('/Things(3)/HistoricalLocations')).value).toEqual([]);
  });
  it('a Datastream spans its observations', async () => {
    expect((await get('/Datastreams(1)')).phenomenonTime).toBe('2026-01-01T00:00:00.000Z/2026-01-03T00:00:00.000Z');
    await send('DELETE', '/Observations(3)');
    expect((await get('/Datastreams(1)')).phenomenonTime).toBe('2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z');
  });
  it('CreateObservations answers row by row', async () => {
    const response = await send('POST', '/CreateObservations', [
      {
        Datastream: { '@iot.id': 3 },
        components: ['phenomenonTime', 'result'],
        dataArray: [
          ['2026-02-01T00:00:00Z', 1],
          ['never', 2],
        ],
      },
    ]);
    expect(response.status).toBe(201);
    expect(JSON.parse(response.body)).toEqual([expect.stringMatching(/Observations\(\d+\)$/), 'error']);
  });
  it('without a token nothing is written', async () => {
    const response = await service.handle({
      method: 'POST',
      path: '/Things',
      query: '',
      contentType: 'application/json',
      body: '{}',
      mayWrite: false,
    });
    expect(response.status).toBe(401);
  });
});

describe('batches', () => {
  it('JSON: later requests use what earlier ones made', async () => {
    const response = await send('POST', '/$batch', {
      requests: [
        { id: 'a', method: 'post', url: 'Things', body: { name: 'n', description: 'd' } },
        { id: 'b', method: 'get', url: '$a/name' },
        { id: 'c', method: 'get', url: 'Nothing' },
      ],
    });
    expect(JSON.parse(response.body).responses).toMatchObject([
      { id: 'a', status: 201 },
      { id: 'b', status: 200, body: { name: 'n' } },
      { id: 'c', status: 404 },
    ]);
  });
  it('multipart with a change set', async () => {
    const body = [
      '--batch_1',
      'Content-Type: application/http',
      '',
      'GET /v1.1/Things(1)?$select=name HTTP/1.1',
      'Host: localhost',
      '',
      '',
      '--batch_1',
      'Content-Type: multipart/mixed; boundary=changeset_1',
      '',
      '--changeset_1',
      'Content-Type: application/http',
      'Content-ID: 1',
      '',
      'POST /v1.1/Things HTTP/1.1',
      'Content-Type: application/json',
      '',
      '{"name":"from batch","description":"d"}',
      '--changeset_1--',
      '--batch_1--',
      '',
    ].join('\r\n');
    const response = await send('POST', '/$batch', body, 'multipart/mixed; boundary=batch_1');
    expect(response.headers['content-type']).toContain('multipart/mixed');
    expect(response.body).toContain('HTTP/1.1 200 OK');
    expect(response.body).toContain('{"name":"lamp 1"}');
    expect(response.body).toContain('HTTP/1.1 201 Created');
    expect(names(await get("/Things?$filter=name eq 'from batch'"))).toEqual(['from batch']);
  });
  it('a change set is kept whole or not at all', async () => {
    const things = async (): Promise<string> => (await send('GET', '/Things/$count')).body;
    const before = await things();
    const part = (id: number, body: string): string[] => [
      '--cs',
      'Content-Type: application/http',
      `Content-ID: ${id}`,
      '',
      'POST /v1.1/Things HTTP/1.1',
      'Content-Type: application/json',
      '',
      body,
    ];
    const set = (second: string): string =>
      [
        '--b',
        'Content-Type: multipart/mixed; boundary=cs',
        '',
        ...part(1, '{"name":"one","description":"d"}'),
        ...part(2, second),
        '--cs--',
        '--b--',
        '',
      ].join('\r\n');
    const failed = await send('POST', '/$batch', set('{"name":"two"}'), 'multipart/mixed; boundary=b');
    expect(failed.body).toContain('HTTP/1.1 400 Bad Request');
    expect(failed.body).not.toContain('201 Created');
    expect(await things()).toBe(before);
    const kept = await send('POST', '/$batch', set('{"name":"two","description":"d"}'), 'multipart/mixed; boundary=b');
    expect(kept.body.match(/201 Created/g)).toHaveLength(2);
    expect(await things()).toBe(String(Number(before) + 2));

    const group = { atomicityGroup: 'g', method: 'post', url: 'Things' };
    const json = await send('POST', '/$batch', {
      requests: [
        { ...group, id: 'a', body: { name: 'x', description: 'd' } },
        { ...group, id: 'b', body: { name: 'x' } },
        { id: 'c', method: 'get', url: 'Things/$count' },
      ],
    });
    expect(JSON.parse(json.body).responses).toMatchObject([
      { id: 'a', status: 424 },
      { id: 'b', status: 400 },
      { id: 'c', status: 200 },
    ]);
    expect(await things()).toBe(String(Number(before) + 2));
  });
});

it.each([
  ['an object', `{"name":"x","description":"d","properties":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}`],
  ['far too deep', `{"name":"x","description":"d","properties":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`],
  ['never closed', '['.repeat(100_000)],
])('JSON nested without end is refused before it is read: %s', async (_, body) => {
  const request = { path: '/Things', query: '', contentType: 'application/json', mayWrite: true };
  for (const method of ['POST', 'PATCH'])
    expect((await service.handle({ ...request, method, body })).status, method).toBe(400);
  const batch = `{"requests":[{"id":"1","method":"post","url":"Things","body":${body}}]}`;
  expect((await service.handle({ ...request, method: 'POST', path: '/$batch', body: batch })).status).toBe(400);
  const text = JSON.stringify({ name: '['.repeat(500), description: '\\"[' });
  expect((await service.handle({ ...request, method: 'POST', body: text })).status).toBe(201);
});

it('a place that is no geometry is nowhere, and fails nobody’s question', async () => {
  const place = { name: 'odd', description: 'd', encodingType: 'text/plain' };
  for (const location of ['\ud800', 'POINT(1', 'behind the school', ['a'], { type: 'Feature', geometry: null }])
    expect((await service.handle({ method: 'POST', path: '/Locations', query: '', contentType: 'application/json', mayWrite: true, body: JSON.stringify({ ...place, location }) })).status).toBe(201); // prettier-ignore
  for (const filter of [
    "st_within(location,geography'POLYGON((0 0,180 0,180 80,0 80,0 0))')",
    "geo.distance(location,geography'POINT(121 25)') lt 1",
    "not st_disjoint(location,geography'POINT(121 25)')",
    'geo.length(location) ge 0',
  ]) {
    // prettier-ignore
    const answer = await service.handle({ method: 'GET', path: '/Locations', query: `$filter=name eq 'odd' and ${encodeURIComponent(filter)}`.replaceAll(' ', '%20'), contentType: '', mayWrite: false, body: '' }); // prettier-ignore
    expect([answer.status, JSON.parse(answer.body)], filter).toEqual([200, { value: [] }]);
  }
});

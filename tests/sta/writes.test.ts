/** Whatever a writer sends: it is taken or refused with a problem, and afterwards everything can still be read and asked for. */
import * as fc from '../property.ts';
import { beforeAll, expect, it } from 'vitest';
import { openDatabase } from '../../api/sta/database.ts';
import { ENTITY_TYPES, type EntityType } from '../../api/sta/entities.ts';
import { createStaService, type StaResponse, type StaService } from '../../api/sta/service.ts';

let service: StaService;
const send = (method: string, url: string, body = '', contentType = 'application/json'): Promise<StaResponse> => {
  const [path = '', query = ''] = url.split(/\?(.*)/s);
  return service.handle({ method, path, query, contentType, body, mayWrite: true });
};

const POINT = { type: 'Point', coordinates: [121, 25] };
/** Values that are right for a property or relation of that name. */
const RIGHT: Record<string, unknown> = {
  name: 'n', description: 'd', encodingType: 'application/geo+json', location: POINT, feature: POINT, metadata: 'm', definition: 'http://x',
  observationType: 'o', unitOfMeasurement: { name: null, symbol: null, definition: null }, time: '2026-01-01T00:00:00Z', result: 1,
  Thing: { '@iot.id': 1 }, Sensor: { '@iot.id': 1 }, ObservedProperty: { '@iot.id': 1 }, Datastream: { '@iot.id': 1 },
}; // prettier-ignore
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null, true, 0, -1, 1e308, 2 ** 70, '', '\u0000', 'a\u0000b', '\ud800', '2026-13-45T99:00:00Z', '9999-12-31T23:59:59Z/0001-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z', [], {}, [1, [2]], { '@iot.id': 1 }, { '@iot.id': 'x' }, { '@iot.id': 1.5 }, { '@iot.id': null }, [{ '@iot.id': 1 }], POINT,
    { type: 'Point', coordinates: ['a', null] }, { type: 'Polygon', coordinates: [[[1, 1]]] }, { type: 'Feature', geometry: null }, 'POINT(1 1)',
  ), // prettier-ignore
  fc.json().map((text): unknown => JSON.parse(text)),
);
const names = (type: EntityType): string[] => [...type.properties, ...type.navigation].map((p) => p.name);
const body = (type: EntityType): fc.Arbitrary<Record<string, unknown>> =>
  fc
    .tuple(
      fc.array(fc.tuple(fc.constantFrom(...names(type), '__proto__', 'id', 'x@iot.y', 'unknown'), odd), { maxLength: 2 }),
      fc.array(fc.constantFrom(...names(type)), { maxLength: 1 }),
    )
    .map(([changed, left]) => {
      const whole = Object.fromEntries(names(type).flatMap((n) => (n in RIGHT ? [[n, RIGHT[n]]] : [])));
      for (const n of left) delete whole[n];
      return { ...whole, ...Object.fromEntries(changed) };
    }); // prettier-ignore
const patch = fc.array(
  fc.record(
    {
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
      path: fc.constantFrom('/name', '/properties/a', '', '/', '/x/y', '/__proto__/z', '/properties/-'),
      from: fc.constantFrom('/name', '/q'),
      value: odd,
    },
    { requiredKeys: ['op'] },
  ),
  { maxLength: 3 },
);
const write = fc.constantFrom(...ENTITY_TYPES).chain((type) =>
  fc.oneof(
    body(type).map((b) => ['POST', `/${type.set}`, JSON.stringify(b), 'application/json'] as const),
    fc
      .tuple(fc.constantFrom('PATCH', 'PUT'), fc.integer({ min: 2, max: 40 }), body(type))
      .map(([method, id, b]) => [method, `/${type.set}(${id})`, JSON.stringify(b), 'application/json'] as const),
    fc
      .tuple(fc.integer({ min: 2, max: 40 }), patch)
      .map(([id, p]) => ['PATCH', `/${type.set}(${id})`, JSON.stringify(p), 'application/json-patch+json'] as const),
    fc.integer({ min: 2, max: 40 }).map((id) => ['DELETE', `/${type.set}(${id})`, '', ''] as const),
  ),
);

beforeAll(async () => {
  service = createStaService({ db: openDatabase(':memory:', { scratch: true }), base: 'http://test/sta/v1.1', clock: () => Date.UTC(2026, 10, 21), scratch: true, foreign: null }); // prettier-ignore
  const whole = (set: string): Record<string, unknown> => {
    const type = ENTITY_TYPES.find((t) => t.set === set) as EntityType;
    return Object.fromEntries(type.properties.flatMap(({ name }) => (name in RIGHT ? [[name, RIGHT[name]]] : [])));
  };
  const datastream = { ...whole('Datastreams'), Sensor: whole('Sensors'), ObservedProperty: whole('ObservedProperties'), Observations: [{ result: 1 }] }; // prettier-ignore
  const thing = { ...whole('Things'), Locations: [whole('Locations')], Datastreams: [datastream] };
  expect((await send('POST', '/Things', JSON.stringify(thing))).status).toBe(201);
});

it('no write is a failure of the server, and none spoils what others read', async () => {
  await fc.assert(
    fc.asyncProperty(write, async ([method, url, text, type]) => {
      const response = await send(method, url, text, type);
      expect([200, 201, 400, 403, 404, 405], `${method} ${url} ${text}: ${response.body}`).toContain(response.status);
      if (response.status >= 400) expect(response.headers['content-type']).toContain('problem+json');
    }),
    { numRuns: 1500 },
  );
  const area = "geography'POLYGON((0 0,180 0,180 80,0 80,0 0))'";
  for (const { set, navigation } of ENTITY_TYPES)
    for (const query of [
      '$top=1000',
      `$expand=${navigation.map((n) => n.name).join(',')}`,
      '$resultFormat=CSV',
      '$resultFormat=GeoJSON',
      '$orderby=id desc',
      '$count=true&$top=0',
    ]) {
      // prettier-ignore
      const response = await send('GET', `/${set}?${query}`);
      expect([set, query, response.status, response.status === 200 ? '' : response.body]).toEqual([
        set,
        query,
        200,
        '',
      ]);
    }
  for (const [set, filter] of [
    ['Things', "length(name) ge 0 and properties/a eq 1 or properties/a/b[0] eq 'x'"],
    ['Locations', `st_within(location,${area}) or geo.distance(location,geography'POINT(1 1)') lt 1`],
    ['FeaturesOfInterest', `geo.intersects(feature,${area})`],
    ['Datastreams', `geo.intersects(observedArea,${area}) and year(phenomenonTime) gt 1`],
    ['Observations', "result gt 0 or result eq 'x' or substringof('a',result) or parameters/a eq true"],
    ['HistoricalLocations', 'year(time) gt 1 and time lt now()'],
  ] as const)
    expect((await send('GET', `/${set}?$filter=${encodeURIComponent(filter)}`)).status, filter).toBe(200);
});

/** Boxes as SensorThings entities: registry, observation store and catalogue as in the server, without its threads. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from '../property.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BoxObservations } from '../../api/sta/box-observations.ts';
import { boxDatastreamId, placeId } from '../../api/sta/box-ids.ts';
import { openDatabase } from '../../api/sta/database.ts';
import { BoxMirror } from '../../api/sta/mirror.ts';
import { createStaService, type StaResponse, type StaService } from '../../api/sta/service.ts';
import { newestIn } from '../../api/sta/thread.ts';
import { LatestTable } from '../../api/latest.ts';
import { reason } from '../../model/flags.ts';
import { HOUR, MINUTE } from '../../model/time.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import type { Registry } from '../../registry/registry.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import { columns, type Row } from '../api/server.ts';

const BASE = 'http://test/sta/v1.1';
const NOW = Date.UTC(2026, 10, 21, 12);
const dir = mkdtempSync(join(tmpdir(), 'lamppost-sta-boxes-'));
let service: StaService;
let store: DuckStore;
let registry: Registry;
const table = new LatestTable();
let mirror: BoxMirror;
let [school, home] = [0, 0];
let moved = 0;
const COUNT = 120;
const at = (i: number): number => NOW - (COUNT - i) * MINUTE;

async function add(rows: Row[]): Promise<void> {
  const c = columns(rows);
  await store.append(c, [], 0);
  table.apply(c);
  mirror.seen(
    rows.map((r) => ({
      thingNum: r.num,
      key: r.property ?? 'pm25',
      firstTime: r.time,
      lastTime: r.time,
      lastResultTime: r.time + 1000,
      corrected: r.corrected !== undefined,
    })),
  );
}

async function send(method: string, url: string, body?: unknown): Promise<StaResponse> {
  const [path = '', query = ''] = url.split(/\?(.*)/s);
  return service.handle({
    method,
    path: path.replaceAll(' ', '%20'),
    query,
    contentType: 'application/json',
    body: body === undefined ? '' : JSON.stringify(body),
    mayWrite: true,
  });
}
// oxlint-disable-next-line typescript/no-explicit-any -- the answers are read as a client would, by name
async function get(url: string): Promise<any> {
  const response = await send('GET', url);
  expect(response.status, `${url}: ${response.body}`).toBe(200);
  return JSON.parse(response.body);
}
/** Follows next links to the end. */
// oxlint-disable-next-line typescript/no-explicit-any -- see get
async function pages(url: string, between = async (): Promise<void> => {}): Promise<any[]> {
  const all = [];
  let next: string | undefined = url;
  while (next) {
    const page: { value: unknown[]; '@iot.nextLink'?: string } = await get(next);
    all.push(...page.value);
    await between();
    next = page['@iot.nextLink']?.slice(BASE.length);
    expect(all.length).toBeLessThan(5000);
  }
  return all;
}
const enc = encodeURIComponent;

beforeAll(async () => {
  registry = openRegistry(':memory:');
  store = await DuckStore.open(dir);
  const db = openDatabase(':memory:', { scratch: false });
  mirror = new BoxMirror(db, registry);
  const t0 = NOW - 30 * 24 * HOUR;
  const schoolThing = registry.add({ name: '信義國小', lat: 25.0337, lon: 121.5645, sensors: ['PMS5003', 'BME280'], exposure: 'outdoor', project: 'schools', licence: 'CC-BY-4.0', attribution: '信義國小', properties: { township: '信義區' } }, t0); // prettier-ignore
  school = schoolThing.thing.num;
  home = registry.add({ name: 'balcony', lat: 25.05, lon: 121.51, sensors: ['SDS011'], exposure: 'outdoor', licence: 'CC0-1.0' }, t0).thing.num; // prettier-ignore
  const model = await store.modelNum('published:test');
  mirror.syncThings();
  await add([
    ...Array.from({ length: COUNT }, (_, i): Row => ({
      num: school,
      time: at(i),
      raw: i === 50 ? 400 : 10 + (i % 12),
      ...(i === 50 ? { flag: 4, reasons: reason('spike') } : { corrected: 8 + (i % 12), lo90: 5, hi90: 11, level: 2, model }), // prettier-ignore
    })),
    ...Array.from({ length: 30 }, (_, i): Row => ({ num: school, property: 'humidity', time: at(i), raw: 60 + i })),
    ...Array.from({ length: 40 }, (_, i): Row => ({ num: home, time: at(i * 2), raw: 30 + i })),
  ]);
  moved = at(60) + 1;
  registry.update(schoolThing.thing.id, { lat: 25.1, lon: 121.6 }, moved);
  mirror.syncThings();
  service = createStaService({
    db,
    base: BASE,
    clock: () => NOW,
    scratch: false,
    foreign: new BoxObservations(db, store, newestIn(table)),
  });
});
afterAll(async () => {
  await store.close();
  registry.close();
  rmSync(dir, { recursive: true, force: true });
});

const stream = (level: 'raw' | 'checked' | 'corrected', num = school): number => boxDatastreamId(num, 'pm25', level);

describe('entities', () => {
  it('a box is a Thing with Civil IoT keys, its places, and three Datastreams that know each other', async () => {
    const thing = await get(
      `/Things(${school})?$expand=Locations,Datastreams($expand=ObservedProperty,Sensor),HistoricalLocations`,
    );
    expect(thing.name).toBe('信義國小');
    expect(thing.properties).toMatchObject({
      stationID: expect.any(String),
      isOutdoor: 'true',
      township: '信義區',
      licence: 'CC-BY-4.0',
      licenceUrl: expect.stringMatching(/^https:/),
    });
    expect(thing.Locations).toHaveLength(1);
    expect(thing.Locations[0].location).toEqual({ type: 'Point', coordinates: [121.6, 25.1] });
    expect(thing.HistoricalLocations).toHaveLength(2);
    const pm25 = thing.Datastreams.filter(
      (d: { ObservedProperty: { name: string } }) => d.ObservedProperty.name === 'pm25',
    );
    expect(pm25.map((d: { properties: { level: string } }) => d.properties.level)).toEqual([
      'raw',
      'checked',
      'corrected',
    ]);
    for (const d of pm25)
      expect(d.properties.datastreams).toMatchObject({ raw: stream('raw'), checked: stream('checked') });
    expect(pm25[0].Sensor.name).toBe('PMS5003');
    expect(pm25[0].unitOfMeasurement).toEqual({ name: 'µg/m³', symbol: 'µg/m³', definition: 'ucum:ug/m3' });
  });
  it('levels differ where quality control refused', async () => {
    const one = async (
      level: 'raw' | 'checked' | 'corrected',
    ): Promise<{ result: unknown; resultQuality: unknown; parameters: unknown }> =>
      (
        await get(
          `/Datastreams(${stream(level)})/Observations?$filter=${enc(`phenomenonTime eq ${new Date(at(50)).toISOString()}`)}`,
        )
      ).value[0];
    expect((await one('raw')).result).toBe(400);
    expect(await one('checked')).toMatchObject({ result: null, resultQuality: { flag: 4, reasons: ['pm25.spike'] } });
    const fine = (await get(`/Datastreams(${stream('corrected')})/Observations?$top=1`)).value[0];
    expect(fine).toMatchObject({ result: 8, parameters: { lo90: 5, hi90: 11, model: 'published:test', raw: 10 } });
  });
  it('an Observation leads back to everything by its id', async () => {
    const id = `'${stream('raw')}-${at(3)}'`;
    expect(await get(`/Observations(${id})/result`)).toEqual({ result: 13 });
    expect((await send('GET', `/Observations(${id})/result/$value`)).body).toBe('13');
    expect((await get(`/Observations(${id})/Datastream/Thing`)).name).toBe('信義國小');
    expect((await get(`/Observations(${id})?$expand=FeatureOfInterest`)).FeatureOfInterest['@iot.id']).toBe(
      placeId(school, 0),
    );
    expect((await send('GET', `/Datastreams(${stream('raw', home)})/Observations(${id})`)).status).toBe(404);
    expect((await send('GET', `/Observations('${stream('raw')}-12')`)).status).toBe(404);
  });
  it('phenomenonTime is that of the newest value', async () => {
    expect((await get(`/Datastreams(${stream('raw')})`)).phenomenonTime).toBe(
      `${new Date(at(0)).toISOString()}/${new Date(at(COUNT - 1)).toISOString()}`,
    );
  });
});

it('says in which city and township a box hangs, of the place that is shown; what the owner says comes before', async () => {
  const of = async (num: number): Promise<unknown[]> => {
    const { properties } = await get(`/Things(${num})`);
    return [properties.city, properties.township];
  };
  expect(await of(home)).toEqual(['臺北市', '大同區']);
  expect((await of(school))[1]).toBe('信義區');
  const found = await get(`/Things?$filter=${enc("properties/city eq '臺北市' and properties/township eq '大同區'")}`);
  expect(found.value.map((t: { '@iot.id': number }) => t['@iot.id'])).toEqual([home]);
});

describe('Observations of one Datastream', () => {
  const of = (query: string): string => `/Datastreams(${stream('raw')})/Observations?${query}`;
  it.each([
    ['result gt 20', 11],
    ['result gt 20 and result lt 100', 10],
    [`phenomenonTime ge ${new Date(at(100)).toISOString()}`, 20],
    [`phenomenonTime gt ${new Date(at(10)).toISOString()} and phenomenonTime le ${new Date(at(20)).toISOString()}`, 10],
    [`phenomenonTime ge ${new Date(at(100)).toISOString().replace('Z', '+00:00')}`, 20],
    [`resultTime le ${new Date(at(9) + 1000).toISOString()}`, 10],
    ['minute(phenomenonTime) eq 30', 2],
    ['round(result div 10) eq 40', 1],
    ['result mod 12 eq 10', 10],
    ["Datastream/Thing/name eq 'balcony'", 0],
    [
      `st_within(FeatureOfInterest/feature, geography'POLYGON((121.59 25,121.7 25,121.7 25.2,121.59 25.2,121.59 25))')`,
      COUNT - 61,
    ],
  ])('%s', async (filter, count) => {
    const answer = await get(of(`$count=true&$top=1000&$filter=${enc(filter)}`));
    expect(answer['@iot.count']).toBe(count);
    expect(answer.value).toHaveLength(count);
  });
  it('orders, pages, formats', async () => {
    const newest = await get(of('$orderby=phenomenonTime desc&$top=2&$select=result'));
    expect(newest.value).toEqual([{ result: 10 + (119 % 12) }, { result: 10 + (118 % 12) }]);
    expect((await get(of('$orderby=result desc&$top=1'))).value[0].result).toBe(400);
    const results = (await pages(of('$orderby=result desc,phenomenonTime&$top=50'))).map((o) => o.result);
    expect(results).toEqual([...results].sort((a, b) => b - a));
    expect(results).toHaveLength(COUNT);
    const array = await get(of('$resultFormat=dataArray&$top=2&$select=phenomenonTime,result'));
    expect(array.value[0].dataArray[1]).toEqual([new Date(at(1)).toISOString(), 11]);
    const csv = await send('GET', of('$resultFormat=csv&$top=1&$select=phenomenonTime,result'));
    expect(csv.body).toBe(`phenomenonTime,result\r\n${new Date(at(0)).toISOString()},10\r\n`);
  });
  it('no gap and no overlap while data keep coming in', async () => {
    let late = 0;
    const url = `/Datastreams(${stream('raw', home)})/Observations?$top=7&$filter=${enc('result lt 1000')}`;
    const seen = await pages(url, async () => {
      if (late < 5) await add([{ num: home, time: at(late++) - 24 * HOUR, raw: 2000 + late }]);
      await add([{ num: home, time: NOW + late * 1000, raw: 1000 + late }]);
    });
    expect(seen.map((o) => o.result)).toEqual(Array.from({ length: 40 }, (_, i) => 30 + i));
  });
});

describe('Observations of many Datastreams', () => {
  it('counts and pages through everything once', async () => {
    const filter = `$filter=${enc(`Datastream/Thing/id eq ${school}`)}`;
    const { '@iot.count': count } = await get(`/Observations?$count=true&$top=0&${filter}`);
    expect(count).toBe(3 * COUNT + 2 * 30);
    const all = await pages(`/Observations?$top=77&${filter}`);
    expect(new Set(all.map((o) => o['@iot.id'])).size).toBe(count);
    expect(all).toHaveLength(count);
    const whole = (await get('/Observations?$count=true&$top=0'))['@iot.count'];
    expect(whole).toBe((await pages('/Observations?$top=500')).length);
  });
  it('found by id, of either kind', async () => {
    const id = `${stream('checked')}-${at(3)}`;
    for (const filter of [`id eq '${id}'`, `@iot.id eq '${id}'`, `'${id}' eq id`]) {
      const { value } = await get(`/Observations?$filter=${enc(filter)}`);
      expect(value.map((o: { '@iot.id': unknown }) => o['@iot.id'])).toEqual([id]);
      expect((await get(`/Datastreams(${stream('checked')})/Observations?$filter=${enc(filter)}`)).value).toHaveLength(
        1,
      );
      expect((await get(`/Datastreams(${stream('raw')})/Observations?$filter=${enc(filter)}`)).value).toHaveLength(0);
    }
    expect((await get(`/Observations?$filter=${enc("id eq 7 or id eq 'nothing'")}`)).value).toEqual([]);
  });
  it('newest first, by result, by id', async () => {
    const newest = await pages(
      `/Observations?$orderby=phenomenonTime desc&$top=60&$filter=${enc(`phenomenonTime ge ${new Date(at(90)).toISOString()} and phenomenonTime lt ${new Date(NOW).toISOString()}`)}`,
    );
    const times = newest.map((o) => o.phenomenonTime);
    expect(times).toEqual([...times].sort((a: string, b: string) => b.localeCompare(a)));
    expect(times).toHaveLength(3 * 30);
    const highest = await get(
      `/Observations?$orderby=result desc&$top=1&$filter=${enc(`Datastream/Thing/id eq ${school}`)}`,
    );
    expect(highest.value[0].result).toBe(400);
    expect((await send('GET', '/Observations?$orderby=resultQuality/scheme')).status).toBe(501);
  });
  it.each([
    ["Datastream/ObservedProperty/name eq 'humidity' and result gt 80", 2 * 9],
    ["Datastream/properties/level eq 'checked' and result eq null", 1],
    ['result eq 400', 1],
    ["result eq 'text'", 0],
    ['resultQuality/flag eq 4 and result eq null', 2],
    ["resultQuality/reasons/0 eq 'pm25.spike'", 2],
    ['Datastream/id eq 0', 0],
    ['Datastream/Observations/result eq 400 and result gt 20 and result lt 400', 10],
  ])('%s', async (filter, count) => {
    const answer = await get(`/Observations?$count=true&$top=1000&$filter=${enc(filter)}`);
    expect(answer['@iot.count']).toBe(count);
    expect(answer.value).toHaveLength(count);
  });
  it('those of a place are those measured while the box hung there', async () => {
    const count = async (k: number): Promise<number> =>
      (
        await get(
          `/FeaturesOfInterest(${placeId(school, k)})/Observations?$count=true&$filter=${enc("Datastream/ObservedProperty/name eq 'pm25'")}`,
        )
      )['@iot.count'];
    expect(await count(0)).toBe(3 * 61);
    expect(await count(1)).toBe(3 * (COUNT - 61));
  });
  it('together with those that came through SensorThings', async () => {
    const lamp = {
      name: 'guest', description: '',
      Locations: [{ name: 'l', description: '', encodingType: 'application/geo+json', location: { type: 'Point', coordinates: [121, 25] } }],
      Datastreams: [{
        name: 'd', description: '', observationType: 'x', unitOfMeasurement: { name: null, symbol: null, definition: null },
        Sensor: { name: 's', description: '', encodingType: 'text/html', metadata: 'm' },
        ObservedProperty: { name: 'guest', definition: 'http://x', description: '' },
        Observations: [{ result: 'words', phenomenonTime: new Date(at(5)).toISOString() }, { result: 399, phenomenonTime: new Date(at(7)).toISOString() }],
      }],
    }; // prettier-ignore
    expect((await send('POST', '/Things', lamp)).status).toBe(201);
    const filter = enc(
      `phenomenonTime lt ${new Date(at(10)).toISOString()} and phenomenonTime ge ${new Date(at(0)).toISOString()}`,
    );
    const one = await get(`/Observations?$count=true&$top=1000&$filter=${filter}`);
    expect(one['@iot.count']).toBe(5 * 10 + 2 * 5 + 2);
    const all = await pages(`/Observations?$top=4&$filter=${filter}`);
    expect(all.map((o) => o['@iot.id'])).toEqual(one.value.map((o: { '@iot.id': unknown }) => o['@iot.id']));
    const best = await get(
      `/Observations?$orderby=result desc&$top=3&$filter=${enc(`result lt 1000 or result eq 'words'`)}`,
    );
    expect(best.value.map((o: { result: unknown }) => o.result)).toEqual(['words', 400, 399]);
  });
});

describe('filters of other sets that reach into Observations', () => {
  it.each([
    [
      'Things',
      'Datastreams/Observations/result gt 300 and Datastreams/Observations/result lt 500',
      ['guest', '信義國小'],
    ],
    ['Things', "Datastreams/Observations/result gt 300 and Datastreams/ObservedProperty/name eq 'humidity'", []],
    [
      'Things',
      "Datastreams/Observations/result gt 65 and Datastreams/Observations/result lt 100 and name ne 'balcony'",
      ['信義國小'],
    ],
    ['ObservedProperties', 'Datastreams/Observations/result eq 61', ['humidity', 'pm25']],
    ['Locations', 'Things/Datastreams/Observations/result eq 400', ['信義國小']],
    ['Things', "Datastreams/Observations/result eq 'words'", ['guest']],
    ['Things', `Datastreams/Observations/phenomenonTime lt ${new Date(at(0) - HOUR).toISOString()}`, ['balcony']],
  ])('%s: %s', async (set, filter, expected) => {
    const { value } = await get(`/${set}?$filter=${enc(filter)}`);
    expect(value.map((v: { name: string }) => v.name).sort()).toEqual(expected);
  });
  it('what cannot be asked is said, not answered wrong', async () => {
    for (const url of [
      `/Things?$filter=${enc("Datastreams/Observations/FeatureOfInterest/name eq 'x'")}`,
      `/FeaturesOfInterest?$filter=${enc('Observations/result gt 1')}`,
      '/Datastreams?$orderby=Observations/result',
    ]) {
      const response = await send('GET', url);
      expect(response.status, url).toBe(501);
      expect(JSON.parse(response.body).detail).toMatch(/offered/);
    }
  });
});

describe('writing', () => {
  it.each([
    ['PATCH', (): string => `/Things(${school})`, { name: 'mine' }],
    ['DELETE', (): string => `/Things(${school})`, undefined],
    ['DELETE', (): string => `/Datastreams(${stream('raw')})`, undefined],
    ['DELETE', (): string => `/Observations('${stream('raw')}-${at(3)}')`, undefined],
    ['POST', (): string => `/Datastreams(${stream('raw')})/Observations`, { result: 1 }],
    [
      'POST',
      (): string => `/Things(${school})/Locations`,
      {
        name: 'x',
        description: '',
        encodingType: 'application/geo+json',
        location: { type: 'Point', coordinates: [1, 2] },
      },
    ],
    [
      'POST',
      (): string => '/Observations',
      { result: 1, Datastream: { '@iot.id': boxDatastreamId(1, 'pm25', 'raw') } },
    ],
    ['DELETE', (): string => '/ObservedProperties(2)', undefined],
  ] as const)('%s of what belongs to a box is refused', async (method, url, body) => {
    const response = await send(method, url(), body);
    expect(response.status, response.body).toBe(403);
  });
});

describe('whatever is asked', () => {
  const pick = <T>(...list: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...list);
  const path = fc.oneof(
    pick(
      ...`result phenomenonTime resultTime id @iot.id name properties/city Datastream/name Datastreams/Observations/result
      Datastreams/phenomenonTime Locations/location FeatureOfInterest/feature Observations/result unitOfMeasurement/symbol validTime
      parameters/lo90 time Thing/HistoricalLocations/time resultQuality/reasons/0 location/coordinates/0`.split(/\s+/),
      `properties/'a.b"\\'/0`,
    ),
    fc.stringMatching(/^[A-Za-z@._/]{1,20}$/),
  );
  const literal = fc.oneof(
    fc.integer().map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    pick(
      ...`'text' true false null 2026-01-01T00:00:00Z 2026-01-01T00:00:00+08:00 9999-12-31T23:59:59Z 0001-01-01
      2026-01-01T00:00:00Z/2026-02-01T00:00:00Z duration'P99999999D' duration'-PT0.5S' now() mindatetime() maxdatetime() geography'x'
      1e308 -0 99999999999999999999 date'2026-01-01' time'12:00:00' 12:00`.split(/\s+/),
      "''''",
      "'%_\u0000\ud83d'",
      "geography'POINT(121 25)'",
      "geography'POLYGON((0 0,1 1,0 1,1 0,0 0))'",
      "geography'POLYGON EMPTY'",
      "geography'LINESTRING(0 0,0 0)'",
    ),
  );
  const words = (text: string): fc.Arbitrary<string> => pick(...text.split(' '));
  const { expression } = fc.letrec<{ expression: string; value: string }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', maxDepth: 4 },
      path,
      literal,
      fc.tuple(words('add sub mul div mod'), tie('value'), tie('value')).map(([op, a, b]) => `(${a} ${op} ${b})`),
      fc
        .tuple(
          words(
            'length tolower toupper trim year month second fractionalseconds date time round floor ceiling geo.length totaloffsetminutes __proto__ constructor',
          ),
          tie('value'),
        )
        .map(([f, a]) => `${f}(${a})`),
      fc
        .tuple(words('indexof concat substring geo.distance st_relate'), tie('value'), tie('value'))
        .map(([f, a, b]) => `${f}(${a},${b})`),
    ),
    expression: fc.oneof(
      { depthSize: 'small', maxDepth: 4 },
      fc.tuple(tie('value'), words('eq ne gt ge lt le'), tie('value')).map(([a, op, b]) => `${a} ${op} ${b}`),
      fc.tuple(tie('expression'), words('and or'), tie('expression')).map(([a, op, b]) => `(${a} ${op} ${b})`),
      tie('expression').map((a) => `not (${a})`),
      fc
        .tuple(
          words(
            'substringof startswith endswith st_within st_intersects geo.intersects st_crosses before during overlaps finishes',
          ),
          tie('value'),
          tie('value'),
        )
        .map(([f, a, b]) => `${f}(${a},${b})`),
    ),
  }));
  const set = words(
    'Things Locations HistoricalLocations Datastreams Sensors ObservedProperties Observations FeaturesOfInterest',
  );
  const raw = boxDatastreamId(1, 'pm25', 'raw');
  const step = fc.oneof(
    set,
    words(
      `Things(1) Observations('1-2') Observations('${raw}-99999999999999') Datastreams(${raw}) name $ref $value $count properties Things(999999999999999) Things('x') %00 ..`,
    ),
    fc.string({ maxLength: 8 }).map(enc),
  );
  const url = fc.oneof(
    fc.tuple(set, expression).map(([s, e]) => `/${s}?$filter=${enc(e.toWellFormed())}`),
    fc.tuple(set, expression).map(([s, e]) => `/${s}?$count=true&$top=3&$orderby=${enc(e.toWellFormed())} desc,id`),
    expression.map((e) => `/Datastreams(${raw})/Observations?$count=true&$filter=${enc(e.toWellFormed())}`),
    fc
      .tuple(set, words('$top $skip $count $select $expand $skiptoken $resultFormat $orderby'), fc.string())
      .map(([s, o, t]) => `/${s}?${o}=${enc(t)}`),
    fc.array(step, { maxLength: 6 }).map((p) => `/${p.join('/')}`),
  );
  it(
    'the answer is never a failure of the server',
    async () => {
      await fc.assert(
        fc.asyncProperty(url, async (asked) => {
          const response = await send('GET', asked);
          expect([200, 204, 400, 404, 501], `${asked}: ${response.body}`).toContain(response.status);
          expect(response.body).not.toContain('cannot be evaluated');
        }),
        { numRuns: Number(process.env['STA_FUZZ_RUNS'] ?? 400) },
      );
    },
    Number(process.env['STA_FUZZ_RUNS'] ?? 400) * 150,
  );
  it.each([
    `/Things?$filter=${'('.repeat(5000)}`,
    `/Things?$filter=${Array.from({ length: 700 }, () => '1 eq 1').join(' or ')}`,
    `/Things?$filter=${'not '.repeat(1500)}true`,
    `/Things?$expand=${'Datastreams($expand=Thing($expand='.repeat(30)}`,
    `/Things?$expand=${Array.from({ length: 100 }, () => 'Datastreams').join(',')}`,
    '/Things?$top=99999999999999999999',
    '/Things?$skip=999999999999999',
    `/Things?$filter=${enc(Array.from({ length: 30 }, (_, i) => `Datastreams/Sensor/Datastreams/Thing/Datastreams/ObservedProperty/Datastreams/id eq ${i}`).join(' and '))}`,
    `/Things${'(1)/Datastreams(1)/Thing'.repeat(20)}`,
    `/Observations?$skiptoken=${Buffer.from('[[1,"x",null],7]').toString('base64url')}`,
    `/Observations?$skiptoken=${Buffer.from('[[1e999,1,1],null]').toString('base64url')}`,
    `/Things?$filter=${enc(`st_intersects(Locations/location, geography'POLYGON((${Array.from({ length: 2500 }, (_, i) => `${i} ${i % 7}`).join(',')}))')`)}`,
  ])('hostile: %.60s…', async (asked) => {
    const started = performance.now();
    const response = await send('GET', asked);
    expect([200, 400, 404], response.body).toContain(response.status);
    expect(performance.now() - started).toBeLessThan(60_000);
  });
});

import { connect } from 'node:net';
import * as fc from '../property.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PROBLEM_TYPES } from '../../api/problem.ts';
import * as schemas from '../../api/schemas.ts';
import { ADMIN, world, type World } from './server.ts';

let w: World;
beforeAll(async () => {
  w = await world();
});
afterAll(() => w.close());

async function refused(response: Response, status: number, type: keyof typeof PROBLEM_TYPES): Promise<void> {
  const body: unknown = await response.json();
  expect([response.status, response.headers.get('content-type'), body]).toEqual([status, 'application/problem+json; charset=utf-8', expect.objectContaining({ type: `/problems/${type}`, status })]); // prettier-ignore
  expect(schemas.problem.parse(body).detail.length).toBeGreaterThan(10);
  expect(response.headers.get('access-control-allow-origin')).toBe('*');
}

const LISTS = ['/api/v1/boxes', '/api/v1/stations'];
const bad: [string, string, string[]][] = [
  ...LISTS.flatMap((path): [string, string, string[]][] => [
    [
      path,
      'bbox',
      [
        '',
        '1,2,3',
        '1,2,3,4,5',
        'a,b,c,d',
        '0,10,10,0',
        '181,0,182,1',
        '0,-91,1,0',
        '0x1,2,3,4',
        'Infinity,0,1,1',
        '1,2,3,',
      ],
    ],
    [path, 'limit', ['0', '-1', '1001', '1.5', 'ten', '', '1e2', '9999999999']],
    [path, 'cursor', ['x', '%00', 'bnVsbA', 'W10', 'WyJhIl0', 'WzEsMl0']],
    [path, 'property', ['', 'pm26', 'PM25', 'pm25,pm10']],
    [path, 'exposure', ['roof', '']],
    [path, 'claimed', ['yes', '1', 'TRUE', '']],
    [path, 'health', ['fine']],
    [
      path,
      'polygon',
      ['', '1,2', '1,2,3,4', '1,2,3,4,5', '1,2,3,4,500,6', 'POLYGON((1 2))', 'POLYGON((a b,c d,e f))', 'POINT(1 2)'],
    ],
    [path, 'radius', ['5']],
    [path, 'lat', ['91', 'x', '25']],
    [path, 'unknown', ['1']],
  ]),
  ['/api/v1/nearest', 'lat', ['25', '', 'x']],
  ['/api/v1/latest.geojson', 'property', ['x']],
  ['/api/v1/latest.geojson', 'level', ['checked', '']],
  ['/api/v1/latest.geojson', 'bbox', ['1']],
  ['/api/v1/latest.geojson', 'maxAge', ['1h', 'P1Y', 'P1M']],
  ['/api/v1/boxes/{school}/observations', 'property', ['x']],
  ['/api/v1/boxes/{school}/observations', 'level', ['L2']],
  [
    '/api/v1/boxes/{school}/observations',
    'from',
    ['yesterday', '2026-02-30', '2026-11-21T08:00:00', '1', '2300-01-01', '2027-01-01', '1969-12-31'],
  ],
  ['/api/v1/boxes/{school}/observations', 'to', ['x', '1971-01-01T00:00:00Z&from=1972-01-01T00:00:00Z']],
  [
    '/api/v1/boxes/{school}/observations',
    'interval',
    ['hour', 'PT0S', 'P1Y', 'PT1S', '3600', 'PT1H&order=desc', 'PT1H&format=csv&cursor=WzEsMl0'],
  ],
  ['/api/v1/boxes/{school}/observations', 'format', ['xml', 'JSON']],
  ['/api/v1/boxes/{school}/observations', 'limit', ['0', '-5', 'x', '10000000000']],
  ['/api/v1/boxes/{school}/observations', 'cursor', ['abc', 'WyJ4Il0', 'WzFlMzBd']],
  ['/api/v1/boxes/{school}/observations', 'timezone', ['Mars/Olympus', '+08:00', '']],
  ['/api/v1/boxes/{school}/observations', 'percentiles', ['50', '101&interval=PT1H', 'x&interval=PT1H']],
  ['/api/v1/boxes/{school}/compare', 'interval', ['x']],
  ['/api/v1/stream', 'bbox', ['x']],
  ['/api/v1/stream', 'property', ['pm25,nothing', '']],
  ['/api/v1/stream', 'box', ['UPPER', 'short', '']],
  ['/api/v1/stream', 'level', ['x']],
  ['/api/v1/stream', 'lastEventId', ['x y']],
  ['/api/v1/events', 'limit', ['0']],
  ['/api/v1/events', 'cursor', ['x']],
];

test.each(bad)('%s refuses a wrong %s: %j', async (path, name, values) => {
  for (const value of values) {
    const response = await w.get(`${path.replace('{school}', w.ids.school)}?${name}=${value}`);
    const type = name === 'cursor' && !['', '%00'].includes(value) ? 'invalid-cursor' : 'invalid-parameter';
    const body = (await response.json()) as { type: string; detail: string };
    expect([value, response.status, body.type]).toEqual([
      value,
      400,
      expect.stringMatching(value === '%00' ? /./ : type),
    ]);
  }
});

test('a parameter given twice is refused, not guessed', async () => {
  await refused(await w.get('/api/v1/boxes?limit=1&limit=2'), 400, 'invalid-parameter');
});

test.each([
  ['/api/v1/boxes/nobody-here-at-all', 404],
  ['/api/v1/boxes/X', 404],
  ['/api/v1/boxes/..%2F..%2Fetc%2Fpasswd', 404],
  ['/api/v1/boxes/%00', 404],
  ['/api/v1/boxes/%zz', 400],
  ['/api/v1/boxes/nobody-here-at-all/observations', 404],
  ['/api/v1/licences/none', 404],
  ['/api/v1/models/none', 404],
  ['/api/v2/boxes', 404],
  ['/dumps/../package.json', 404],
])('%s is %i as a problem', async (path, status) => {
  await refused(await w.get(path), status, status === 404 ? 'not-found' : 'bad-request');
});

test('a wrong method is told from a wrong address', async () => {
  const response = await w.get('/api/v1/latest.geojson', { method: 'POST' });
  expect(response.headers.get('allow')).toBe('GET, HEAD, OPTIONS');
  await refused(response, 405, 'method-not-allowed');
});

test('an address too long, headers too long, and bytes that are no HTTP', async () => {
  const long = await w.get(`/api/v1/boxes?project=${'x'.repeat(20_000)}`);
  expect(long.status).toBe(431);
  expect(((await long.json()) as { type: string }).type).toBe('/problems/headers-too-large');
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(w.api.port, '127.0.0.1', () => socket.write('\u0016\u0003\u0001nonsense\r\n\r\n'));
    let got = '';
    socket.on('data', (d) => (got += d));
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
  });
  expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nContent-Type: application\/problem\+json/);
  expect((await w.get('/healthz')).status).toBe(200);
});

test('credentials: none, malformed, unknown, of another box, of the wrong kind', async () => {
  const send = (authorization?: string) =>
    w.get(`/api/v1/boxes/${w.ids.school}/readings`, { method: 'POST', body: '{"pm25":1}', ...(authorization ? { headers: { authorization } } : {}) }); // prettier-ignore
  const none = await send();
  expect(none.headers.get('www-authenticate')).toBe('Bearer realm="lamppost"');
  await refused(none, 401, 'unauthorized');
  await refused(await send('Basic abc'), 401, 'unauthorized');
  await refused(await send('Bearer nonsense'), 401, 'unauthorized');
  await refused(await send(`Bearer ${w.keys.home.key}`), 403, 'forbidden');
  await refused(await send(`Bearer ${w.registry.addToken('sta-write', 'writer', 1)}`), 403, 'forbidden');
  expect(w.packets).toEqual([]);
});

test('rejects: for the owner of the box and the operator alone', async () => {
  const ask = (token: string, query = '') =>
    w.get(`/api/v1/rejects${query}`, { headers: { authorization: `Bearer ${token}` } });
  await refused(await w.get('/api/v1/rejects'), 401, 'unauthorized');
  const own = await ask(w.keys.school.owner);
  expect(own.headers.get('cache-control')).toBe('no-store');
  expect(schemas.rejectList.parse(await own.json()).items).toMatchObject([
    { thing: w.ids.school, code: 'bad-json', payload: '{' },
  ]);
  expect(schemas.rejectList.parse(await (await ask(w.keys.home.owner)).json()).items).toEqual([]);
  await refused(await ask(w.keys.home.owner, `?box=${w.ids.school}`), 403, 'forbidden');
  expect(schemas.rejectList.parse(await (await ask(ADMIN)).json()).items).toHaveLength(1);
});

test('what fails inside is a 500 that tells nothing of the inside', async () => {
  const broken = await world();
  broken.store.range = async () => {
    throw new Error('SELECT * FROM secret_table at /var/lib/lamppost');
  };
  for (const format of ['json', 'csv', 'ndjson']) {
    const response = await broken.get(`/api/v1/boxes/${broken.ids.school}/observations?format=${format}`);
    const text = await response.text();
    expect([response.status, response.headers.get('content-type')]).toEqual([
      500,
      'application/problem+json; charset=utf-8',
    ]);
    expect(text).not.toMatch(/secret_table|var\/lib/);
  }
  broken.store.health = async () => {
    throw new Error('gone');
  };
  expect((await broken.get('/readyz')).status).toBe(503);
  expect((await broken.get('/healthz')).status).toBe(200);
  await broken.close();
});

const PATHS = ['/api/v1/boxes', '/api/v1/stations', '/api/v1/nearest', '/api/v1/latest.geojson', '/api/v1/boxes/{school}', '/api/v1/boxes/{school}/observations', '/api/v1/boxes/{school}/compare', '/api/v1/events', '/api/v1/models', '/api/v1/rejects', '/']; // prettier-ignore
const NAMES = ['bbox', 'lat', 'lon', 'radius', 'polygon', 'project', 'property', 'exposure', 'sensor', 'health', 'claimed', 'licence', 'limit', 'cursor', 'level', 'maxAge', 'kind', 'from', 'to', 'interval', 'timezone', 'format', 'order', 'percentiles', 'box', '__proto__', 'constructor']; // prettier-ignore
const VALUES = fc.oneof(
  fc.constantFrom('0', '1', '-1', '1e309', 'NaN', 'null', '', '25,121', '121,24,122,26', '180,-90,-180,90', 'pm25', 'raw', 'corrected', 'P1D', 'P1M', 'PT1M', 'P366D', '1970-01-01', '2199-12-31', '2026-11-21T00:00:00+14:00', 'WzBd', 'WzAsMF0', 'csv', 'ndjson', 'desc', 'Asia/Taipei', '50', 'true'), // prettier-ignore
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 300 }),
  fc.double().map(String),
);

test('no query whatever is a 5xx', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...PATHS),
      fc.array(fc.tuple(fc.oneof(fc.constantFrom(...NAMES), fc.string({ maxLength: 12 })), VALUES), { maxLength: 5 }),
      async (path, pairs) => {
        const query = pairs
          .map(([n, v]) => `${encodeURIComponent(n.toWellFormed())}=${encodeURIComponent(v.toWellFormed())}`)
          .join('&');
        const response = await w.get(`${path.replace('{school}', w.ids.school)}?${query}`);
        expect(response.status).toBeLessThan(500);
        await response.body?.cancel();
      },
    ),
    { numRuns: 400 },
  );
});

test('no path and no body whatever is a 5xx', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme', maxLength: 12 }), { maxLength: 4 }),
      fc.oneof(
        fc.json(),
        fc.string({ unit: 'binary' }),
        fc.constantFrom('[]', '{}', 'null', '[null]', '[[[]]]', '{"pm25":"x"}', '{"__proto__":{}}'),
      ),
      fc.constantFrom('application/json', 'text/plain', 'application/x-www-form-urlencoded', 'x'),
      async (parts, body, type) => {
        const path = `/${parts.map((p) => encodeURIComponent(p.toWellFormed())).join('/')}`;
        expect((await w.get(path)).status).toBeLessThan(500);
        const headers = { authorization: `Bearer ${w.keys.school.key}`, 'content-type': type };
        for (const to of ['/api/v1/boxes', `/api/v1/boxes/${w.ids.school}/readings`]) {
          expect((await w.get(to, { method: 'POST', body, headers })).status).toBeLessThan(500);
        }
      },
    ),
    { numRuns: 150 },
  );
});

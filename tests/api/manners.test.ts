import { request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import Fastify from 'fastify';
import type { App } from '../../api/context.ts';
import { Gatekeeper } from '../../api/gatekeeper.ts';
import { manners, matchesEtag } from '../../api/manners.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { NOW, columns, world, type World } from './server.ts';

let w: World;
beforeAll(async () => {
  w = await world();
});
afterAll(() => w.close());

interface Raw {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}
/** Without the client's own decompression and default headers. */
const raw = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Raw> =>
  new Promise((resolve, reject) => {
    const r = request(w.url + path, { headers, method }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (c: Buffer) => chunks.push(c));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })); // prettier-ignore
    });
    r.on('error', reject);
    r.end();
  });

const CACHED = ['/api/v1/boxes', '/api/v1/latest.geojson?property=pm25', '/api/v1/latest.geojson?bbox=121,24,122,26', '/api/v1/licences', '/api/openapi.json']; // prettier-ignore

test.each(CACHED)('%s: strong ETag, 304, one tag per coding', async (path) => {
  const plain = await raw(path);
  const etag = plain.headers['etag'] as string;
  expect(etag).toMatch(/^"[\w-]+"$/);
  const again = await raw(path, { 'if-none-match': etag });
  expect([again.status, again.body.length, again.headers['etag']]).toEqual([304, 0, etag]);
  expect((await raw(path, { 'if-none-match': `"other", W/${etag}` })).status).toBe(304);
  expect((await raw(path, { 'if-none-match': '*' })).status).toBe(304);
  expect((await raw(path, { 'if-none-match': '"other"' })).status).toBe(200);
  const zipped = await raw(path, { 'accept-encoding': 'gzip' });
  if (zipped.headers['content-encoding']) {
    expect(zipped.headers['etag']).toBe(etag.replace(/"$/, '-gzip"'));
    expect(zipped.headers['vary']).toContain('accept-encoding');
    expect(gunzipSync(zipped.body).equals(plain.body)).toBe(true);
    expect(
      (await raw(path, { 'if-none-match': zipped.headers['etag'] as string, 'accept-encoding': 'gzip' })).status,
    ).toBe(304);
  }
});

test('the tag of latest.geojson follows the readings and the boxes', async () => {
  const path = '/api/v1/latest.geojson?property=temperature';
  const tag = async (): Promise<unknown> => (await raw(path)).headers['etag'];
  const empty = await tag();
  w.api.live(columns([{ num: 1, property: 'temperature', time: NOW, raw: 24.1 }]));
  // Readings are seen after twenty times what building took, at most a second; changes of a box at once.
  await expect.poll(tag).not.toBe(empty);
  const one = await tag();
  expect(await tag()).toBe(one);
  w.registry.update(w.ids.school, { name: 'renamed' }, NOW);
  expect(await tag()).not.toBe(one);
  w.registry.update(w.ids.school, { name: '信義國小' }, NOW);
  expect(await tag()).toBe(one);
});

test('a retired box leaves the map, its history stays', async () => {
  const { thing } = w.registry.add({ name: 'old', lat: 24, lon: 121 }, NOW);
  w.api.live(columns([{ num: thing.num, time: NOW, raw: 3 }]));
  expect(await (await w.get('/api/v1/latest.geojson')).text()).toContain(thing.id);
  w.registry.retire(thing.id, NOW);
  expect(await (await w.get('/api/v1/latest.geojson')).text()).not.toContain(thing.id);
  expect(await (await w.get('/api/v1/boxes')).text()).not.toContain(thing.id);
  expect(await w.json(`/api/v1/boxes/${thing.id}`)).toMatchObject({ retired: true });
  expect((await w.get(`/api/v1/boxes/${thing.id}/observations`)).status).toBe(200);
});

test.each([
  ...CACHED,
  '/',
  '/healthz',
  '/readyz',
  '/metrics',
  '/api/v1/stream',
  '/api/v1/boxes/{school}/observations?format=csv',
])('HEAD %s: the headers without the body', async (path) => {
  const at = path.replace('{school}', w.ids.school);
  const head = await raw(at, {}, 'HEAD');
  expect([head.status, head.body.length]).toEqual([200, 0]);
  if (!path.includes('stream')) expect(head.headers['content-type']).toBe((await raw(at)).headers['content-type']?.toString().replace('; header=present', head.headers['content-type']?.includes('header') ? '; header=present' : '')); // prettier-ignore
});

test('CORS: any page may read, and sees the headers that matter', async () => {
  const get = await raw('/api/v1/boxes', { origin: 'https://example.org' });
  expect(get.headers['access-control-allow-origin']).toBe('*');
  for (const name of ['ETag', 'RateLimit', 'Retry-After', 'Link', 'X-Request-Id'])
    expect(get.headers['access-control-expose-headers']).toContain(name);
  const preflight = await raw(`/api/v1/boxes/${w.ids.school}/readings`, { origin: 'https://example.org', 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' }, 'OPTIONS'); // prettier-ignore
  expect(preflight.status).toBe(204);
  expect(preflight.headers['access-control-allow-methods']).toContain('POST');
  expect(preflight.headers['access-control-allow-headers']).toBe('authorization,content-type');
});

test('request ids: a harmless one of the client is kept, another replaced', async () => {
  expect((await raw('/healthz', { 'x-request-id': 'abc-123' })).headers['x-request-id']).toBe('abc-123');
  expect((await raw('/healthz', { 'x-request-id': 'a b"c' })).headers['x-request-id']).toMatch(/^[\w-]{12}$/);
});

test('a clock that is set back does not make the window of a limit longer', async () => {
  let [day, span] = [NOW, performance.now()];
  const clocks = [vi.spyOn(Date, 'now').mockImplementation(() => day), vi.spyOn(performance, 'now').mockImplementation(() => span)]; // prettier-ignore
  const small = await world({ rateLimit: { read: 1, register: 1, loopbackRead: 2, loopbackRegister: 2 } });
  try {
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) {
      if (i === 3) [day, span] = [NOW - 3 * 86_400_000, span + 61_000];
      statuses.push((await small.get('/api/v1/boxes')).status);
    }
    expect(statuses).toEqual([200, 200, 429, 200]);
  } finally {
    for (const clock of clocks) clock.mockRestore();
    await small.close();
  }
});

test('rate limits are told in every answer, and kept', async () => {
  const small = await world({ rateLimit: { read: 1, register: 1, loopbackRead: 5, loopbackRegister: 2 } });
  const first = await small.get('/api/v1/boxes');
  expect(first.headers.get('ratelimit-policy')).toBe('"read";q=5;w=60');
  expect(first.headers.get('ratelimit')).toMatch(/^"read";r=4;t=\d+$/);
  for (let i = 0; i < 4; i++) expect((await small.get('/api/v1/boxes')).status).toBe(200);
  const over = await small.get('/api/v1/boxes');
  expect(over.status).toBe(429);
  expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(over.headers.get('ratelimit')).toMatch(/^"read";r=0;t=\d+$/);
  expect(await over.json()).toMatchObject({ type: '/problems/too-many-requests', status: 429 });
  // Addresses that lead nowhere count too; probes and the other budget do not; a key raises the limit.
  expect((await small.get('/nothing')).status).toBe(429);
  expect((await small.get('/healthz')).status).toBe(200);
  expect(
    (await small.get('/api/v1/boxes', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }))
      .status,
  ).toBe(400);
  const known = await small.get('/api/v1/boxes', { headers: { authorization: `Bearer ${small.keys.school.key}` } });
  expect([known.status, known.headers.get('ratelimit-policy')]).toEqual([200, '"read";q=50;w=60']);
  await small.close();
  const free = await world({ rateLimit: false });
  expect((await free.get('/api/v1/boxes')).headers.has('ratelimit')).toBe(false);
  await free.close();
});

test('security headers: nothing is sniffed, pages run own scripts only', async () => {
  const page = await raw('/');
  expect(page.headers['content-security-policy']).toContain("script-src 'self'");
  expect(page.headers['x-content-type-options']).toBe('nosniff');
  expect(page.headers['referrer-policy']).toBe('strict-origin-when-cross-origin');
});

test('metrics: what Prometheus reads, by route and not by address', async () => {
  await w.get(`/api/v1/boxes/${w.ids.school}`);
  const text = await (await w.get('/metrics')).text();
  expect(text).toMatch(/lamppost_http_requests_total\{method="GET",route="\/api\/v1\/boxes\/:id",status="200"\} \d+/);
  expect(text).toContain('lamppost_boxes 3');
  expect(text).toContain('lamppost_stations 1');
  expect(text).not.toContain(w.ids.school);
});

test('matchesEtag: lists, weak tags, other codings of the same content', () => {
  expect(matchesEtag('"a", "b"', '"b"')).toBe(true);
  expect(matchesEtag('W/"b"', '"b"')).toBe(true);
  expect(matchesEtag('"b-gzip"', '"b-br"')).toBe(true);
  expect(matchesEtag('"b-x"', '"b"')).toBe(false);
  expect(matchesEtag(undefined, '"b"')).toBe(false);
});

test('readyz names the part that does not work', async () => {
  const sick = await world({ health: () => [{ name: 'journal', ok: false, problem: 'the disk is full' }] });
  const response = await sick.get('/readyz');
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({ status: 'degraded', parts: [{ name: 'store', ok: true, problem: '' }, { name: 'journal', ok: false, problem: 'the disk is full' }] }); // prettier-ignore
  expect((await sick.get('/healthz')).status).toBe(200);
  await sick.close();
});

test('the server closes while streams are open', async () => {
  const other = await world();
  const stream = await other.get('/api/v1/stream');
  const idle = await other.get('/api/v1/boxes');
  await idle.text();
  await other.close();
  // Rejects when it was cut off after the grace instead of being brought to an end.
  await stream.text();
});

test('a call that goes away says so: Deprecation and Sunset', async () => {
  const app = Fastify() as unknown as App;
  const registry = openRegistry(':memory:');
  await manners(app, new Gatekeeper(registry, ''), false);
  const deprecated = { since: Date.UTC(2027, 0, 1), sunset: Date.UTC(2028, 0, 1), successor: '/api/v2/boxes' };
  app.get('/old', { config: { deprecated } }, async () => ({ items: [] }));
  const { headers } = await app.inject('/old');
  // RFC 9745 §2.1: an sf-date; RFC 8594 §3: an HTTP-date.
  expect(headers['deprecation']).toBe('@1798761600');
  expect(headers['sunset']).toBe('Sat, 01 Jan 2028 00:00:00 GMT');
  expect(headers['link']).toBe('</api/v2/boxes>; rel="successor-version"');
  await app.close();
  registry.close();
});

test.each([
  ['PATCH', '/api/v1/boxes/SCHOOL', 'application/json', '{bad'],
  ['PATCH', '/api/v1/boxes/SCHOOL', 'application/json', '{"exposure":"moon"}'],
  ['PUT', '/api/v1/boxes/SCHOOL/alerts', 'application/json', '[]'],
  ['PUT', '/api/v1/boxes/SCHOOL/alerts', 'text/plain', 'x'],
  ['POST', '/api/v1/boxes/SCHOOL/readings', 'application/json', `[${' '.repeat(3 << 20)}]`],
  ['DELETE', '/api/v1/boxes/nobody', 'application/json', '{}'],
  ['POST', '/api/v1/boxes/SCHOOL/claim/take', 'application/json', '{bad'],
])('%s %s: who asks comes before what is wrong with it (%s)', async (method, path, type, body) => {
  const url = path.replace('SCHOOL', w.ids.school);
  for (const headers of [{}, { authorization: 'Bearer not-a-key-of-anybody' }] as Record<string, string>[]) {
    if (headers['authorization'] && path.endsWith('take')) continue;
    const response = await w.get(url, { method, headers: { 'content-type': type, ...headers }, body });
    expect([response.status, response.headers.get('content-type')]).toEqual([401, 'application/problem+json; charset=utf-8']); // prettier-ignore
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
    await response.arrayBuffer();
  }
});

test('a cache is told that answers differ by coding, also where this one is not compressed', async () => {
  expect((await raw('/api/v1/licences')).headers['vary']).toBe('accept-encoding');
  expect((await raw('/data')).headers['vary']).toBe('accept-language, accept-encoding');
});

test('OPTIONS says what an address knows', async () => {
  const allow = async (path: string): Promise<unknown> => (await raw(path, {}, 'OPTIONS')).headers['allow'];
  expect(await allow('/api/v1/boxes')).toBe('GET, HEAD, POST, OPTIONS');
  expect(await allow('/api/v1/licences')).toBe('GET, HEAD, OPTIONS');
  expect(await allow('/nowhere')).toBeUndefined();
});

test('every answer with values leads to the licences', async () => {
  const link = async (path: string): Promise<string> => String((await raw(path)).headers['link']);
  for (const path of [
    'latest.geojson?property=pm25',
    'boxes',
    'nearest?lat=25&lon=121',
    'stations',
    'observations?bbox=121,25,122,26',
  ])
    expect(await link(`/api/v1/${path}`), path).toContain('</api/v1/licences>; rel="license"');
  expect(await link('/harvest/waqi.json')).toContain('rel="license"');
  // One box: its own.
  expect(await link(`/api/v1/boxes/${w.ids.school}`)).toBe(
    '<https://creativecommons.org/licenses/by/4.0/>; rel="license"',
  );
  expect(await link('/api/v1/boxes?limit=1')).toMatch(/rel="next".*rel="license"/);
});

test('the root of the calls names them, and where they are described', async () => {
  for (const path of ['/api/v1', '/api/v1/']) {
    const root = await w.json<{ openapi: string; calls: string[] }>(path);
    expect(root.calls).toContain('/api/v1/boxes/:id/observations');
    expect((await w.get(root.openapi)).status).toBe(200);
  }
});

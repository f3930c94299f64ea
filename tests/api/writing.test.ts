import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { registered } from '../../api/schemas.ts';
import { ADMIN, NOW, world, type World } from './server.ts';

let w: World;
let accepted: () => Promise<void> = async () => {};
beforeAll(async () => {
  const packets: World['packets'] = [];
  w = await world({
    accept: async (packet) => {
      await accepted();
      packets.push(packet);
    },
    publicUrl: 'https://air.example.org/',
  });
  w.packets = packets;
});
afterAll(() => w.close());
beforeEach(() => {
  w.packets.length = 0;
  accepted = async () => {};
});

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${w.api.port}${path}`, { method: 'POST', body, headers });
const key = (secret: string, type = 'application/json'): Record<string, string> => ({
  authorization: `Bearer ${secret}`,
  'content-type': type,
});

test('a reading goes to the journal as it came, and 202 only after that', async () => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  accepted = () => held;
  const body = '{"t":"2026-11-21T08:00:00Z", "pm25": 12.30}';
  let answered = false;
  const answer = post(`/api/v1/boxes/${w.ids.school}/readings`, body, key(w.keys.school.key)).then((r) => {
    answered = true;
    return r;
  });
  // A second request through the whole server shows that the first one had its chance to answer.
  await (await fetch(`http://127.0.0.1:${w.api.port}/api/v1/boxes`)).text();
  expect(answered).toBe(false);
  release();
  const response = await answer;
  expect(response.status).toBe(202);
  expect(await response.json()).toEqual({ accepted: 1 });
  expect(w.packets).toMatchObject([
    { via: 'http', topic: `boxes/${w.ids.school}/json`, sender: w.ids.school, receivedAt: NOW },
  ]);
  expect(Buffer.from(w.packets[0]?.payload ?? []).toString()).toBe(body);
});

test.each(['application/json', 'text/plain', 'application/x-www-form-urlencoded', 'application/octet-stream'])(
  'a small client may call its JSON %s',
  async (type) => {
    expect(
      (await post(`/api/v1/boxes/${w.ids.school}/readings`, '[{"pm25":1},{"pm25":2}]', key(w.keys.school.key, type)))
        .status,
    ).toBe(202);
    expect(w.packets[0]?.topic).toBe(`boxes/${w.ids.school}/json/batch`);
  },
);

test('the owner and the operator may send for a box', async () => {
  for (const secret of [w.keys.school.owner, ADMIN]) {
    expect((await post(`/api/v1/boxes/${w.ids.school}/readings`, '{"pm25":1}', key(secret))).status).toBe(202);
  }
});

test.each([
  ['', 400, 'invalid-body'],
  ['{', 400, 'invalid-body'],
  ['[]', 400, 'invalid-body'],
  ['7', 400, 'invalid-body'],
  ['{"pm2.5":3}', 400, 'invalid-body'],
  ['[{"nothing":1},5]', 400, 'invalid-body'],
  [`[${'{"pm25":1},'.repeat(5000)}{"pm25":1}]`, 413, 'too-large'],
  [`{"pm25":1,"x":"${'y'.repeat(3_000_000)}"}`, 413, 'too-large'],
])('a body that cannot become a reading is refused: %.20s', async (body, status, type) => {
  const response = await post(`/api/v1/boxes/${w.ids.school}/readings`, body, key(w.keys.school.key));
  expect([response.status, ((await response.json()) as { type: string }).type]).toEqual([status, `/problems/${type}`]);
  expect(w.packets).toEqual([]);
});

test('a batch with one odd item is taken whole: ingest keeps the odd one as a reject', async () => {
  expect(
    (await post(`/api/v1/boxes/${w.ids.school}/readings`, '[{"pm25":1},{"odd":2}]', key(w.keys.school.key))).status,
  ).toBe(202);
});

test('when the disk refuses, the box is told to send again', async () => {
  accepted = async () => {
    throw new Error('ENOSPC: no space left on /srv/secret');
  };
  const response = await post(`/api/v1/boxes/${w.ids.school}/readings`, '{"pm25":1}', key(w.keys.school.key));
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '10']);
  expect(await response.text()).not.toContain('secret');
});

test('a retired box sends no more', async () => {
  const { thing, ownerToken } = w.registry.add({ name: 'old' }, NOW);
  w.registry.retire(thing.id, NOW);
  expect((await post(`/api/v1/boxes/${thing.id}/readings`, '{"pm25":1}', key(ownerToken))).status).toBe(403);
});

test('registering: id, key and owner link, and the key opens the box', async () => {
  const response = await post('/api/v1/boxes', JSON.stringify({ name: '陽台', lat: 25.04, lon: 121.5, placePrecision: 'grid', sensors: ['PMS5003'], exposure: 'outdoor' }), { 'content-type': 'application/json' }); // prettier-ignore
  expect(response.status).toBe(201);
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(response.headers.has('etag')).toBe(false);
  const made = registered.parse(await response.json());
  expect(response.headers.get('location')).toBe(`/api/v1/boxes/${made.id}`);
  expect(made).toMatchObject({
    name: '陽台',
    licence: 'CC-BY-4.0',
    claimed: true,
    lastSeen: null,
    health: 'unknown',
    placePrecision: 'grid',
  });
  expect(made.ownerUrl).toBe(`https://air.example.org/boxes/${made.id}#owner=${made.ownerToken}`);
  expect(made.mqtt).toEqual({ topic: `boxes/${made.id}/json`, username: made.id });
  expect(w.registry.authenticate(made.id, made.key)).toBe('ok');
  expect((await post(`/api/v1/boxes/${made.id}/readings`, '{"pm25":1}', key(made.key))).status).toBe(202);
  const shown = await (await fetch(`http://127.0.0.1:${w.api.port}/api/v1/boxes/${made.id}`)).text();
  expect(shown).not.toContain(made.key);
  expect(shown).not.toContain(made.ownerToken);
});

test.each([
  [{}, 'name'],
  [{ name: '' }, 'name'],
  [{ name: 'x', lat: 25 }, 'lat'],
  [{ name: 'x', lat: 99, lon: 0 }, 'lat'],
  [{ name: 'x', licence: 'CC-BY-NC-SA-4.0' }, 'licence'],
  [{ name: 'x', exposure: 'roof' }, 'exposure'],
  [{ name: 'x', sensors: 'PMS5003' }, 'sensors'],
  [{ name: 'x', kind: 'station' }, 'kind'],
  [{ name: 'two\nlines' }, 'name'],
])('registering refuses %j naming the field', async (body, field) => {
  const response = await post('/api/v1/boxes', JSON.stringify(body), { 'content-type': 'application/json' });
  const problem = (await response.json()) as { type: string; errors: { field: string }[] };
  expect([response.status, problem.type]).toEqual([400, '/problems/invalid-body']);
  expect(problem.errors[0]?.field).toBe(field);
});

test.each([
  ['{"name":', 'application/json', 400],
  ['name=x', 'application/x-www-form-urlencoded', 415],
  ['name: x', 'text/plain', 415],
  [`{"name":"${'x'.repeat(70_000)}"}`, 'application/json', 413],
])('registering takes JSON of a sane size only: %.12s', async (body, type, status) => {
  expect((await post('/api/v1/boxes', body, { 'content-type': type })).status).toBe(status);
});

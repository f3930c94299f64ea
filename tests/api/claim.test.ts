import { afterEach, beforeEach, expect, test } from 'vitest';
import { claimOpened, claimState, newSecret, problem } from '../../api/schemas.ts';
import { formatTime, MINUTE } from '../../model/time.ts';
import { NOW, world, type World } from './server.ts';

let w: World;
let now = NOW;
beforeEach(async () => {
  now = NOW;
  w = await world({
    clock: () => now,
    trustProxy: true,
    maxGuesses: 5,
    provesKey: (format, nativeId, key) => `${format}/${nativeId}/${key}` === 'airbox/28C2DDDD415F/its-own-key',
  });
});
afterEach(() => w.close());

let address = 0;
const call = (method: string, path: string, token: string, body?: unknown, from = `198.51.100.${++address % 250}`) =>
  w.get(`/api/v1/boxes/${path}`, {
    method,
    headers: {
      'x-forwarded-for': from,
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const open = async (body: object = {}) => {
  const answer = await call('POST', `${w.ids.feed}/claim`, '', body);
  expect(answer.status).toBe(201);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  return claimOpened.parse(await answer.json());
};
/** What the pipeline does when a reading of the box comes. */
const hear = (text: string, minutes: number): void => {
  const num = w.registry.get(w.ids.feed)?.num ?? 0;
  now = NOW + minutes * MINUTE;
  w.registry.claims.heard(num, text, now);
};

test('a code, what has been heard of it, and at the end key and owner link', async () => {
  const c = await open();
  expect(c).toMatchObject({ heard: 0, proven: false, until: null, code: expect.stringMatching(/^claim-[a-z2-7]{8}$/) });
  expect((await call('POST', `${w.ids.feed}/claim/take`, c.claimToken)).status).toBe(409);
  hear(`{"name":"${c.code}"}`, 1);
  const half = claimState.parse(await (await call('GET', `${w.ids.feed}/claim`, c.claimToken)).json());
  expect(half).toMatchObject({ heard: 1, proven: false, until: formatTime(NOW + 13 * MINUTE) });
  hear(c.code, 13);
  expect(await (await call('GET', `${w.ids.feed}/claim`, c.claimToken)).json()).toMatchObject({ proven: true });
  const taken = newSecret.parse(await (await call('POST', `${w.ids.feed}/claim/take`, c.claimToken)).json());
  expect(w.registry.authenticate(w.ids.feed, taken.key ?? '')).toBe('ok');
  expect(taken.ownerUrl).toContain(`/boxes/${w.ids.feed}#owner=${taken.ownerToken}`);
  const box = await w.json<{ claimed: boolean }>(`/api/v1/boxes/${w.ids.feed}`);
  expect(box.claimed).toBe(true);
  // The map learns of it too.
  const map = await w.json<{ features: { properties: { id: string; claimed: boolean } }[] }>('/api/v1/latest.geojson?property=pm25&level=raw'); // prettier-ignore
  expect(map.features.find((f) => f.properties.id === w.ids.feed)?.properties.claimed).toBe(true);
  // The new owner's link opens it; the claim is spent.
  const name = await call('PATCH', w.ids.feed, taken.ownerToken ?? '', { name: 'mine' });
  expect(name.status).toBe(200);
  expect((await call('POST', `${w.ids.feed}/claim/take`, c.claimToken)).status).toBe(403);
  expect((await call('POST', `${w.ids.feed}/claim`, '', {})).status).toBe(409);
});

test('the key that the box has in its own network proves it at once, another one not', async () => {
  const wrong = await call('POST', `${w.ids.feed}/claim`, '', { key: 'guessed' });
  expect(wrong.status).toBe(403);
  expect(problem.parse(await wrong.json()).errors).toMatchObject([{ field: 'key' }]);
  const c = await open({ key: 'its-own-key' });
  expect(c.proven).toBe(true);
  expect((await call('POST', `${w.ids.feed}/claim/take`, c.claimToken)).status).toBe(200);
});

test('boxes with an owner and stations cannot be claimed, and nothing else is taken for a body', async () => {
  expect((await call('POST', `${w.ids.school}/claim`, '', {})).status).toBe(409);
  expect((await call('POST', `${w.ids.epa}/claim`, '', {})).status).toBeGreaterThanOrEqual(400);
  expect((await call('POST', 'nobody-here/claim', '', {})).status).toBe(404);
  for (const body of [{ key: '' }, { key: 7 }, { key: 'x'.repeat(101) }, { more: 1 }, [], 'x', null]) {
    const answer = await call('POST', `${w.ids.feed}/claim`, '', body);
    expect([JSON.stringify(body).slice(0, 20), answer.status]).toEqual([JSON.stringify(body).slice(0, 20), 400]);
  }
});

test('neither the token of a claim nor a key can be found by trying', async () => {
  const c = await open();
  const other = await open();
  // Another claim of the same box opens its own only.
  hear(c.code, 0);
  hear(c.code, 13);
  expect((await call('POST', `${w.ids.feed}/claim/take`, other.claimToken)).status).toBe(409);
  for (const path of ['claim', 'claim/take']) {
    const from = path === 'claim' ? '203.0.113.1' : '203.0.113.2';
    const method = path === 'claim' ? 'GET' : 'POST';
    for (let i = 0; i < 5; i++) expect((await call(method, `${w.ids.feed}/${path}`, 'a'.repeat(32), undefined, from)).status).toBe(403); // prettier-ignore
    expect((await call(method, `${w.ids.feed}/${path}`, c.claimToken, undefined, from)).status).toBe(429);
  }
  for (let i = 0; i < 5; i++) await call('POST', `${w.ids.feed}/claim`, '', { key: `k${i}` }, '203.0.113.3');
  expect((await call('POST', `${w.ids.feed}/claim`, '', { key: 'its-own-key' }, '203.0.113.3')).status).toBe(429);
  expect((await call('GET', `${w.ids.feed}/claim`, '')).status).toBe(401);
});

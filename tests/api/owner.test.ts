import { afterAll, beforeAll, expect, test } from 'vitest';
import { ownerView, thingDetail } from '../../api/schemas.ts';
import { NOW, world, type World } from './server.ts';

let w: World;
let now = NOW;
beforeAll(async () => {
  w = await world({ clock: () => now });
});
afterAll(() => w.close());

const call = (method: string, path: string, token: string, body?: unknown) =>
  w.get(`/api/v1/boxes/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

test('the owner sees the exact places, nobody else', async () => {
  const own = await call('GET', `${w.ids.home}/owner`, w.keys.home.owner);
  expect(own.headers.get('cache-control')).toBe('no-store');
  expect(ownerView.parse(await own.json())).toMatchObject({ lat: 25.0525, exactPlaces: [{ lat: 25.05171, lon: 121.51449, height: 7 }] }); // prettier-ignore
  expect((await w.get(`/api/v1/boxes/${w.ids.home}/owner`)).status).toBe(401);
  for (const other of [w.keys.home.key, w.keys.school.owner]) {
    expect((await call('GET', `${w.ids.home}/owner`, other)).status).toBe(403);
  }
});

test('a change touches what it names and nothing else', async () => {
  const before = w.registry.get(w.ids.school);
  const answer = await call('PATCH', w.ids.school, w.keys.school.owner, { name: '信義國小頂樓', licence: 'CC0-1.0' });
  expect(thingDetail.parse(await answer.json())).toMatchObject({ name: '信義國小頂樓', licence: 'CC0-1.0' });
  expect(w.registry.get(w.ids.school)).toEqual({ ...before, name: '信義國小頂樓', licence: 'CC0-1.0' });
});

test('a move keeps the former place; a box that hides its place goes on hiding it', async () => {
  now += 60_000;
  const answer = thingDetail.parse(
    await (await call('PATCH', w.ids.home, w.keys.home.owner, { lat: 24.1479, lon: 120.6739 })).json(),
  );
  expect(answer).toMatchObject({ lat: 24.1475, lon: 120.6725, height: null });
  expect(answer.places).toHaveLength(2);
  expect(w.registry.places(w.ids.home).map((p) => p.lat)).toEqual([25.05171, 24.1479]);
});

test.each([
  [{ lat: 25 }, 'lon'],
  [{ lat: 91, lon: 0 }, 'lat'],
  [{ licence: 'none' }, 'licence'],
  [{ from: '2026-01-01' }, 'from'],
  [{ lat: 25, lon: 121, from: '2027-01-01' }, 'from'],
  [{ id: 'another-id' }, 'id'],
  [{ name: 'two\nlines' }, 'name'],
])('a change of %j is refused by the field, and nothing is half done', async (body, field) => {
  const before = w.registry.get(w.ids.school);
  const response = await call('PATCH', w.ids.school, w.keys.school.owner, body);
  const problem = (await response.json()) as { type: string; errors: { field: string }[] };
  expect([response.status, problem.type, problem.errors[0]?.field]).toEqual([400, '/problems/invalid-body', field]);
  expect(w.registry.get(w.ids.school)).toEqual(before);
});

test('new key, new owner link: the former ones stop at once', async () => {
  const { key } = (await (await call('POST', `${w.ids.school}/key`, w.keys.school.owner)).json()) as { key: string };
  expect(w.registry.authenticate(w.ids.school, w.keys.school.key)).toBe('refused');
  expect(w.registry.authenticate(w.ids.school, key)).toBe('ok');
  expect((await call('POST', `${w.ids.school}/key`, key)).status).toBe(403);
  const handed = (await (await call('POST', `${w.ids.school}/owner-token`, w.keys.school.owner)).json()) as { ownerToken: string; ownerUrl: string }; // prettier-ignore
  expect(handed.ownerUrl).toBe(`${w.url}/boxes/${w.ids.school}#owner=${handed.ownerToken}`);
  expect((await call('POST', `${w.ids.school}/key`, w.keys.school.owner)).status).toBe(401);
  expect((await call('DELETE', w.ids.school, handed.ownerToken)).status).toBe(204);
  expect(w.registry.get(w.ids.school)?.retired).toBe(true);
  expect((await call('DELETE', w.ids.school, w.keys.home.owner)).status).toBe(403);
});

test('the owner of a senseBox says what the ids of another server stand for; wrong ones are told by the field', async () => {
  const patch = (sensorIds: unknown) =>
    w.get(`/api/v1/boxes/${w.ids.home}`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${w.keys.home.owner}`, 'content-type': 'application/json' },
      body: JSON.stringify({ sensorIds }),
    });
  const owner = async (): Promise<Record<string, unknown>> =>
    (await w.get(`/api/v1/boxes/${w.ids.home}/owner`, { headers: { authorization: `Bearer ${w.keys.home.owner}` } })).json() as never; // prettier-ignore
  expect((await patch({ '5A8C1BA8BC2D41001927A265': 'pm25' })).status).toBe(200);
  expect(await owner()).toMatchObject({ sensorIds: { '5a8c1ba8bc2d41001927a265': 'pm25' } });
  for (const wrong of [{ short: 'pm25' }, { '5a8c1ba8bc2d41001927a265': 'dust' }, 'x', []]) {
    const answer = await patch(wrong);
    const { errors } = (await answer.json()) as { errors?: { field: string }[] };
    expect([answer.status, errors?.[0]?.field.startsWith('sensorIds')]).toEqual([400, true]);
  }
  // Nothing half-saved, and nothing of it in public.
  expect(await owner()).toMatchObject({ sensorIds: { '5a8c1ba8bc2d41001927a265': 'pm25' } });
  expect(await (await w.get(`/api/v1/boxes/${w.ids.home}`)).text()).not.toContain('5a8c1ba8');
});

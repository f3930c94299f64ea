/**
 * Every address that the server answers, found by asking the server itself, so that a new one cannot escape: with every box, with
 * every method, without a key, nothing comes out that is nobody's business. (tests/e2e/privacy.test.ts does the same with a whole
 * server, its dumps, live topics and log.)
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NOW, world, type World } from './server.ts';

let w: World;
const SECRETS: Record<string, string> = {
  'the exact latitude of a hidden home': '25.05171',
  'its longitude': '121.51449',
  'its lamp post': 'LP-778899',
  'its side': 'north-window',
  'an e-mail address': 'lin@private.example',
  'a webhook': 'hook-path-9f8e7d',
  'what a passer-by wrote': 'I saw the Lin family',
  'a refused packet': 'LinFamilyWiFi',
};
/** Answers that never end. */
const ENDLESS = ['/api/v1/stream'];

beforeAll(async () => {
  w = await world();
  const { home } = w.ids;
  w.registry.update(home, { properties: { lampPost: 'LP-778899', side: 'north-window' } }, NOW);
  w.registry.care.setContact(home, { webhook: 'https://hooks.example/hook-path-9f8e7d', email: 'lin@private.example', kinds: ['offline'], lang: 'en' }, NOW); // prettier-ignore
  w.registry.care.addFeedback(home, 'indoors', 'I saw the Lin family', NOW);
  SECRETS['the token of a claim'] = w.registry.claims.open(w.ids.feed, NOW).secret;
  SECRETS['a hand-over link'] = w.registry.care.addHandover(home, NOW, NOW + 3600_000);
  SECRETS['the key of the box'] = w.keys.home.key;
  SECRETS['the owner token'] = w.keys.home.owner;
  const columns = (await import('./server.ts')).columns([]);
  await w.store.append(columns, [{ receivedAt: NOW, via: 'mqtt', topic: `boxes/${home}/json`, thing: home, code: 'bad-json', detail: 'no JSON', payload: Buffer.from('{"ssid":"LinFamilyWiFi"') }], 2); // prettier-ignore
});
afterAll(() => w.close());

const leaks = (text: string): string[] => Object.entries(SECRETS).flatMap(([what, secret]) => (text.includes(secret) ? [what] : [])); // prettier-ignore
/** What the calls ask for, in turn: one of them is right for each. */
const QUERIES = ['', '?property=pm25', '?property=pm25&level=raw', '?limit=1000', '?lat=25.05&lon=121.51&radius=100000', '?property=pm25&from=2026-11-20T00:00:00Z&to=2026-11-22T00:00:00Z']; // prettier-ignore

test('no address gives away a secret, whatever the method', async () => {
  const asked = new Set<string>();
  for (const { method, url } of w.api.routes) {
    if (ENDLESS.includes(url) || url.includes('*') || method === 'OPTIONS') continue;
    for (const id of url.includes(':') ? [w.ids.home, w.ids.feed] : ['']) {
      const path = url.replace(/:(\w+)(?:\([^)]*\))?/g, (_whole, name: string) => (name === 'entry' ? '1' : id));
      const body = method === 'GET' || method === 'HEAD' ? null : '{}';
      for (const query of method === 'GET' ? QUERIES : ['']) {
        const response = await w.get(path + query, { method, redirect: 'manual', ...(body === null ? {} : { body, headers: { 'content-type': 'application/json' } }) }); // prettier-ignore
        const text = JSON.stringify([...response.headers]) + (await response.text());
        expect(leaks(text), `${method} ${path}${query}`).toEqual([]);
        if (response.ok) asked.add(url);
      }
    }
  }
  // The test must be able to fail: most of what can be read was read.
  expect(asked.size).toBeGreaterThan(25);
  for (const url of ['/api/v1/boxes/:id', '/api/v1/boxes', '/api/v1/latest.geojson', '/api/v1/events', '/api/v1/nearest', '/api/v1/table.arrow'].filter((u) => w.api.routes.some((r) => r.url === u))) expect([...asked]).toContain(url); // prettier-ignore
});

test('the owner does see them: the places above would show a leak', async () => {
  const headers = { authorization: `Bearer ${w.keys.home.owner}` };
  const own = await (await w.get(`/api/v1/boxes/${w.ids.home}/owner`, { headers })).text();
  expect(leaks(own)).toEqual(
    expect.arrayContaining(['the exact latitude of a hidden home', 'its lamp post', 'its side']),
  );
  expect(leaks(await (await w.get(`/api/v1/rejects`, { headers })).text())).toEqual(['a refused packet']);
});

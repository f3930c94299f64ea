import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import * as fc from '../property.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GRID, publicPlace, publicPlaces } from '../../registry/place.ts';
import type { Registry } from '../../registry/registry.ts';
import { openRegistry } from '../../registry/sqlite.ts';

const T = Date.UTC(2026, 10, 21);
let folder: string;
let path: string;
let registry: Registry;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'registry-'));
  path = join(folder, 'registry.sqlite');
  registry = openRegistry(path);
});
afterEach(() => {
  registry.close();
  rmSync(folder, { recursive: true });
});

test('a box is kept with everything it was given, across a restart', () => {
  const { thing, key, ownerToken } = registry.add(
    {
      name: '信義國小頂樓',
      lat: 25.0337,
      lon: 121.5645,
      height: 12,
      sensors: ['PMS5003', 'BME280'],
      field: 'atm',
      exposure: 'outdoor',
      project: '校園空品',
      licence: 'CC-BY-4.0',
      attribution: '信義國小',
      properties: { township: '信義區' },
    },
    T,
  );
  expect(thing).toMatchObject({ num: 1, kind: 'box', claimed: true, retired: false, createdAt: T, field: 'atm' });
  expect(thing.id).toMatch(/^[a-z0-9-]{8,40}$/);
  expect(key).toMatch(/^[a-z2-7]{32}$/);
  expect(ownerToken).not.toBe(key);
  registry.close();
  registry = openRegistry(path);
  expect(registry.get(thing.id)).toEqual(thing);
  expect(registry.byNum(1)).toEqual(thing);
  expect(registry.authenticate(thing.id, key)).toBe('ok');
  expect(registry.principal(ownerToken)).toEqual({ kind: 'owner', id: thing.id });
  expect(statSync(path).mode & 0o077).toBe(0);
});

test('keys: right, wrong, unknown id, rotated, retired; the file holds no secret', () => {
  const { thing, key, ownerToken } = registry.add({ name: 'a' }, T);
  expect(registry.authenticate(thing.id, `${key}x`)).toBe('refused');
  expect(registry.authenticate(thing.id, '')).toBe('refused');
  expect(registry.authenticate('nobody-here', key)).toBe('unknown');
  expect(registry.principal(key)).toEqual({ kind: 'box', id: thing.id });
  const next = registry.rotateKey(thing.id);
  expect(registry.authenticate(thing.id, key)).toBe('refused');
  expect(registry.authenticate(thing.id, next)).toBe('ok');
  const nextOwner = registry.rotateOwnerToken(thing.id);
  expect(registry.principal(ownerToken)).toBeNull();
  expect(registry.principal(nextOwner)).toEqual({ kind: 'owner', id: thing.id });
  registry.retire(thing.id, T);
  expect(registry.authenticate(thing.id, next)).toBe('refused');
  expect(registry.principal(next)).toBeNull();
  const raw = new DatabaseSync(path, { readOnly: true });
  const dump = JSON.stringify(raw.prepare('SELECT * FROM things').all());
  raw.close();
  for (const secret of [key, next, ownerToken, nextOwner]) expect(dump).not.toContain(secret);
});

test('a thing without a key (unclaimed) is opened by no key, not even the empty one', () => {
  const box = registry.unclaimed('lass', 'FT1_001', T);
  expect(registry.authenticate(box?.id ?? '', '')).toBe('refused');
  expect(registry.principal('')).toBeNull();
});

test('tokens open their scope until removed', () => {
  const secret = registry.addToken('sta-write', 'field office', T);
  expect(registry.principal(secret)).toEqual({ kind: 'token', scope: 'sta-write', name: 'field office' });
  expect(() => registry.addToken('admin', 'field office', T)).toThrow(/exists/);
  expect(registry.tokens()).toEqual([{ name: 'field office', scope: 'sta-write', createdAt: T }]);
  expect(registry.removeToken('field office')).toBe(true);
  expect(registry.removeToken('field office')).toBe(false);
  expect(registry.principal(secret)).toBeNull();
});

test('numbers and ids are never used again, also not after retiring', () => {
  const first = registry.add({ id: 'lamp-post-7' }, T);
  registry.retire(first.thing.id, T);
  expect(() => registry.add({ id: 'lamp-post-7' }, T)).toThrow(/id: lamp-post-7 is already in use/);
  expect(registry.get('lamp-post-7')?.retired).toBe(true);
  expect(registry.list()).toEqual([]);
  expect(registry.list({ includeRetired: true })).toHaveLength(1);
  expect(registry.add({}, T).thing.num).toBeGreaterThan(first.thing.num);
});

test('an unclaimed box is found again by format and native id, and bounded in number', () => {
  registry.close();
  registry = openRegistry(path, { maxUnclaimed: 2 });
  const a = registry.unclaimed('lass', 'FT1_001', T);
  const b = registry.unclaimed('airgradient', 'FT1_001', T);
  expect(a).toMatchObject({ claimed: false, format: 'lass', nativeId: 'FT1_001' });
  expect(b?.id).not.toBe(a?.id);
  expect(registry.unclaimed('lass', 'FT1_001', T + 1)).toEqual(a);
  expect(registry.unclaimed('lass', 'FT1_002', T)).toBeNull();
  registry.update(b?.id ?? '', { claimed: true }, T);
  expect(registry.unclaimed('lass', 'FT1_002', T)?.id).toBeDefined();
  // The claimed one is still the box that this native id means.
  expect(registry.unclaimed('airgradient', 'FT1_001', T)?.id).toBe(b?.id);
});

test('places: history, a place that becomes known late, the public place', () => {
  const { thing } = registry.add({ lat: 25, lon: 121 }, T);
  const moved = registry.move(thing.id, { lat: 25.1, lon: 121.1, height: 3, from: T + 1000 });
  expect(moved.place).toEqual({ lat: 25.1, lon: 121.1, height: 3, from: T + 1000 });
  registry.move(thing.id, { lat: 24.9, lon: 120.9, height: null, from: T + 500 });
  expect(registry.get(thing.id)?.place?.lat).toBe(25.1);
  expect(registry.places(thing.id).map((p) => [p.from - T, p.lat])).toEqual([[0, 25], [500, 24.9], [1000, 25.1]]); // prettier-ignore
  expect(registry.list({ bbox: [121.05, 25.05, 121.2, 25.2] }).map((t) => t.id)).toEqual([thing.id]);
  expect(registry.list({ bbox: [120.95, 24.95, 121.05, 25.05] })).toEqual([]);
});

test('a hidden place is snapped once: jitter, history and searches show the same cell', () => {
  const exact = { lat: 25.03371, lon: 121.56449 };
  const { thing } = registry.add({ ...exact, placePrecision: 'grid' }, T);
  const shown = publicPlace(thing);
  expect(Math.abs((shown?.lat ?? 0) - exact.lat)).toBeLessThanOrEqual(GRID / 2 + 1e-9);
  expect(shown?.lat).not.toBe(exact.lat);
  for (let i = 1; i <= 20; i++) {
    const jitter = (i % 2 ? 1 : -1) * 0.0015;
    registry.move(thing.id, { lat: exact.lat + jitter, lon: exact.lon - jitter, height: null, from: T + i });
    expect(publicPlace(registry.get(thing.id) as typeof thing)).toEqual(shown);
  }
  expect(publicPlaces(thing, registry.places(thing.id))).toHaveLength(1);
  const tight = (p: { lat: number; lon: number }): [number, number, number, number] => [p.lon - 1e-4, p.lat - 1e-4, p.lon + 1e-4, p.lat + 1e-4]; // prettier-ignore
  expect(registry.list({ bbox: tight(exact) })).toEqual([]);
  expect(registry.list({ bbox: tight(shown ?? exact) })).toHaveLength(1);
  const far = registry.move(thing.id, { lat: 24, lon: 120.5, height: null, from: T + 100 });
  expect(publicPlace(far)?.lat).toBeCloseTo(24, 2);
  registry.update(thing.id, { placePrecision: 'exact' }, T);
  expect(publicPlace(registry.get(thing.id) as typeof thing)).toEqual({ lat: 24, lon: 120.5 });
});

test('bbox: same answer as comparing each box, across the antimeridian too', () => {
  const coordinate = (max: number) => fc.double({ min: -max, max, noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(
      fc.array(fc.record({ lat: coordinate(90), lon: coordinate(180) }), { minLength: 1, maxLength: 30 }),
      fc.tuple(coordinate(180), coordinate(90), coordinate(180), coordinate(90)),
      (boxes, [west, s, east, n]) => {
        const other = openRegistry(':memory:');
        const [south, north] = s < n ? [s, n] : [n, s];
        other.addMany(boxes, T);
        const found = other.list({ bbox: [west, south, east, north] }).map((t) => t.num);
        other.close();
        const expected = boxes.flatMap((b, i) => {
          const inLon = west <= east ? b.lon >= west && b.lon <= east : b.lon >= west || b.lon <= east;
          return inLon && b.lat >= south && b.lat <= north ? [i + 1] : [];
        });
        expect(found).toEqual(expected);
      },
    ),
    { numRuns: 60 },
  );
});

test('pages by number, with every filter', () => {
  registry.addMany(
    Array.from({ length: 50 }, (_, i) => ({
      kind: i % 10 === 0 ? ('station' as const) : ('box' as const),
      project: i % 2 ? 'odd' : 'even',
      exposure: i % 5 === 0 ? ('indoor' as const) : ('outdoor' as const),
      licence: i % 3 ? 'CC0-1.0' : 'CC-BY-4.0',
      claimed: i % 7 !== 0,
      lat: 25 + i / 100,
      lon: 121,
    })),
    T,
  );
  expect(registry.count()).toBe(50);
  expect(registry.count('station')).toBe(5);
  const seen: number[] = [];
  for (let after = 0; ;) {
    const page = registry.list({ after, limit: 7 });
    seen.push(...page.map((t) => t.num));
    if (page.length < 7) break;
    after = page.at(-1)?.num ?? 0;
  }
  expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  const query = { project: 'even', exposure: 'outdoor', licence: 'CC0-1.0', claimed: true, kind: 'box' } as const;
  const expected = registry.list().filter((t) => Object.entries(query).every(([k, v]) => t[k as 'project'] === v));
  expect(registry.list(query)).toEqual(expected);
  expect(registry.list({ ...query, bbox: [120, 25.1, 122, 25.3] }).length).toBeLessThan(expected.length);
});

test('changedSince brings every change once, also when cut into pages', () => {
  const start = registry.version();
  registry.addMany(Array.from({ length: 30 }, () => ({ lat: 1, lon: 2 })), T); // prettier-ignore
  for (let i = 1; i <= 10; i++) registry.update(registry.byNum(i)?.id ?? '', { name: `n${i}` }, T);
  const seen = new Map<number, string>();
  let at = start;
  for (let page = 0; page < 40; page++) {
    const change = registry.changedSince(at, 4);
    if (change.things.length === 0) break;
    for (const t of change.things) seen.set(t.num, t.name);
    at = change.version;
  }
  expect(at).toBe(registry.version());
  expect(seen.size).toBe(30);
  expect(seen.get(7)).toBe('n7');
  expect(registry.changedSince(registry.version(), 10).things).toEqual([]);
});

test('a change made by another connection is seen and counted', () => {
  const other = openRegistry(path);
  const before = registry.version();
  const { thing } = other.add({ name: 'from elsewhere' }, T);
  expect(registry.version()).toBeGreaterThan(before);
  expect(registry.get(thing.id)?.name).toBe('from elsewhere');
  other.close();
});

test('several threads that meet the same new boxes at once agree on them', async () => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ openRegistry }) => {
      const registry = openRegistry(workerData.path);
      const ids = [];
      for (let i = 0; i < 200; i++) ids.push(registry.unclaimed('lass', 'FT1_' + i, 1).num);
      registry.close();
      parentPort.postMessage(ids);
    });`;
  const module = new URL('../../registry/sqlite.ts', import.meta.url).href;
  registry.close();
  const fresh = join(folder, 'threads.sqlite');
  const answers = await Promise.all(
    [1, 2, 3].map(
      () =>
        new Promise<number[]>((resolve, reject) => {
          const worker = new Worker(code, { eval: true, workerData: { module, path: fresh } });
          worker.once('message', resolve);
          worker.once('error', reject);
        }),
    ),
  );
  expect(new Set(answers[0]).size).toBe(200);
  expect(answers[1]).toEqual(answers[0]);
  expect(answers[2]).toEqual(answers[0]);
  registry = openRegistry(fresh);
  expect(registry.count()).toBe(200);
});

test.each([
  [{ id: 'UPPER-CASE' }, 'id:'],
  [{ lat: 91, lon: 0 }, 'lat:'],
  [{ lat: Number.NaN, lon: 0 }, 'lat:'],
  [{ lat: 25 }, 'lat:'],
  [{ name: 'x'.repeat(121) }, 'name:'],
  [{ name: 'two\nlines' }, 'name:'],
  [{ licence: 'all rights reserved' }, 'licence:'],
  [{ sensors: Array.from({ length: 21 }, () => 'PMS5003') }, 'sensors:'],
  [{ properties: { note: 'x'.repeat(401) } }, 'properties.note:'],
  [{ exposure: 'roof' as 'outdoor' }, 'exposure:'],
])('refuses %o naming the field', (thing, field) => {
  expect(() => registry.add(thing, T)).toThrow(field);
  expect(registry.count()).toBe(0);
});

test('one bad box in addMany adds none', () => {
  expect(() => registry.addMany([{ name: 'good' }, { lat: 200, lon: 0 }], T)).toThrow('lat:');
  expect(registry.count()).toBe(0);
});

test('a file of a newer version or of another program is refused in words', () => {
  registry.close();
  const newer = new DatabaseSync(path);
  newer.exec('PRAGMA user_version = 99');
  newer.close();
  expect(() => openRegistry(path)).toThrow(/newer Lamppost/);
  const foreign = join(folder, 'other.sqlite');
  const other = new DatabaseSync(foreign);
  other.exec('PRAGMA user_version = 1');
  other.close();
  expect(() => openRegistry(foreign)).toThrow(/another program/);
  expect(() => openRegistry(join(folder, 'no', 'such', 'folder'))).toThrow(/cannot open the registry/);
});

test('read-only: reads, and writes nothing', () => {
  const { thing, key } = registry.add({ name: 'a' }, T);
  const reader = openRegistry(path, { readOnly: true });
  expect(reader.authenticate(thing.id, key)).toBe('ok');
  expect(reader.unclaimed('lass', 'new', T)).toBeNull();
  expect(() => reader.add({ name: 'b' }, T)).toThrow(/readonly/);
  reader.close();
});

test('events: what happened, newest first, by thing and kind, paged', () => {
  const { thing } = registry.add({ lat: 25, lon: 121, placePrecision: 'grid' }, T);
  registry.move(thing.id, { lat: 24, lon: 120.5, height: null, from: T + 5 });
  const open = registry.unclaimed('lass', 'FT1_1', T);
  registry.update(open?.id ?? '', { claimed: true }, T + 6);
  registry.addEvent({ time: T + 7, kind: 'drift', thing: thing.id, property: 'pm25', detail: '8 µg/m³ in 30 days' });
  registry.retire(thing.id, T + 8);
  const all = registry.events({ limit: 10 });
  expect(all.map((e) => [e.kind, e.time - T, e.thing === thing.id])).toEqual([
    ['retired', 8, true],
    ['drift', 7, true],
    ['claimed', 6, false],
    ['moved', 5, true],
    ['registered', 0, true],
  ]);
  expect(JSON.stringify(all)).not.toContain('120.5');
  expect(registry.events({ limit: 1, kind: 'drift' })[0]).toMatchObject({
    property: 'pm25',
    detail: '8 µg/m³ in 30 days',
  });
  expect(registry.events({ limit: 2, thing: thing.id, before: all[1]?.id ?? 0 }).map((e) => e.kind)).toEqual(['moved', 'registered']); // prettier-ignore
});

test('a file of the first version is brought up to date with everything in it', () => {
  const { thing, key } = registry.add({ name: 'old' }, T);
  registry.close();
  const first = new DatabaseSync(path);
  first.exec(
    `DROP TABLE events; DROP INDEX things_retired; DROP INDEX things_native; DROP TABLE contacts; DROP TABLE handovers; DROP TABLE alerts; DROP TABLE feedback; DROP TABLE claims;
     ALTER TABLE things DROP COLUMN paused; PRAGMA user_version = 1`,
  );
  first.close();
  expect(() => openRegistry(path, { readOnly: true })).toThrow(/older schema/);
  registry = openRegistry(path);
  expect(registry.authenticate(thing.id, key)).toBe('ok');
  registry.retire(thing.id, T + 1);
  expect(registry.events({ limit: 5 }).map((e) => e.kind)).toEqual(['retired']);
});

test('the roll names everybody in order of number, page by page; areas name numbers', () => {
  registry.addMany([{ lat: 25, lon: 121.5, sensors: ['PMS5003'], field: 'atm' }, {}, { kind: 'station', lat: 24, lon: 120 }], T); // prettier-ignore
  registry.retire(registry.byNum(2)?.id ?? '', T);
  const first = registry.roll(0, 2);
  expect(first).toEqual([
    { num: 1, id: registry.byNum(1)?.id, kind: 'box', lat: 25, lon: 121.5, placedFrom: T, sensors: '["PMS5003"]', field: 'atm', exposure: 'unknown', claimed: true, retired: false, paused: false, createdAt: T },
    { num: 2, id: registry.byNum(2)?.id, kind: 'box', lat: null, lon: null, placedFrom: T, sensors: '[]', field: '', exposure: 'unknown', claimed: true, retired: true, paused: false, createdAt: T },
  ]); // prettier-ignore
  expect(registry.roll(2, 10).map((t) => [t.num, t.kind])).toEqual([[3, 'station']]);
  expect(registry.roll(3, 10)).toEqual([]);
  expect(registry.inArea([121, 24.5, 122, 25.5])).toEqual([1]);
  expect(registry.inArea([0, 0, 1, 1])).toEqual([]);
});

test('count: boxes and stations that are not retired, also after an insert that failed', () => {
  registry.addMany([{}, {}, { kind: 'station' }, { kind: 'station' }, { id: 'taken-id' }], T);
  expect(() => registry.addMany([{}, { id: 'taken-id' }], T)).toThrow('already in use');
  registry.add({}, T);
  registry.retire(registry.byNum(1)?.id ?? '', T);
  registry.retire(registry.byNum(3)?.id ?? '', T);
  expect([registry.count(), registry.count('box'), registry.count('station'), registry.lastNum()]).toEqual([
    4, 3, 1, 6,
  ]);
  expect(registry.list().length).toBe(registry.count());
});

test('a search in windows finds what a search at once finds', () => {
  registry.addMany(Array.from({ length: 40 }, (_, i) => ({ lat: 25, lon: 121, exposure: i % 7 ? ('indoor' as const) : ('outdoor' as const) })), T); // prettier-ignore
  for (const query of [{ exposure: 'outdoor' as const }, { bbox: [120, 24, 122, 26] as const }]) {
    const windows: number[] = [];
    for (let after = 0; after < registry.lastNum(); after += 9) windows.push(...registry.list({ ...query, after, until: after + 9 }).map((t) => t.num)); // prettier-ignore
    expect(windows).toEqual(registry.list(query).map((t) => t.num));
  }
});

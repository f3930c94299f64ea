import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from '../property.ts';
import { afterAll, expect, test } from 'vitest';
import { fleetOf, importFleet, labelPage } from '../../cli/fleet.ts';
import { openRegistry } from '../../registry/sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'lamppost-fleet-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const NOW = Date.UTC(2026, 10, 21);

test('a list of lamp posts becomes boxes, each with its own key', () => {
  const file = join(folder, 'posts.csv');
  writeFileSync(
    file,
    '\ufefflamp_post,緯度,經度,height,sensors,project\r\nA-1203,25.0337,121.5645,4,PMS5003;BME280,streetlights\r\n"B, 7",25.04,121.57,,SPS30,streetlights\r\n',
  );
  const registry = openRegistry(':memory:');
  const [head, first, second] = importFleet(registry, file, NOW).trim().split('\n');
  expect(head).toBe('name,lamp_post,id,key,topic');
  const [name, , id = '', key = '', topic] = first?.split(',') ?? [];
  expect(name).toBe('A-1203');
  expect(topic).toBe(`boxes/${id}/json`);
  expect(second).toMatch(/^"B, 7","B, 7",/);
  expect(registry.authenticate(id, key)).toBe('ok');
  expect(registry.get(id)).toMatchObject({
    name: 'A-1203',
    place: { lat: 25.0337, lon: 121.5645, height: 4 },
    sensors: ['PMS5003', 'BME280'],
    exposure: 'outdoor',
    claimed: true,
    licence: 'CC-BY-4.0',
    properties: { lampPost: 'A-1203' },
  });
  registry.close();
});

test.each([
  ['', 'no boxes'],
  ['name,lat,lon\n', 'no boxes'],
  ['name,lat,lon,colour\nA,25,121,red', 'unknown columns: colour'],
  ['lat,lon\n25,121', 'a column name or lamp_post is needed'],
  ['name,lat,lon\nA,25', 'line 2: 2 cells where the head has 3'],
  ['name,lat,lon\nA,25,121\nB,121,25', 'line 3: lat: latitude and longitude look swapped'],
  ['name,lat,lon\nA,north,121', 'line 2: lat: "north" is no number'],
  ['name,lat,lon\nA,25,', 'line 2: lat: lat and lon belong together'],
  ['name,exposure\nA,kitchen', 'line 2: exposure'],
  ['name,licence\nA,mine', 'line 2: licence'],
  ['name,id\nA,box-0001-a\nB,box-0001-a', 'line 3: id: box-0001-a stands in line 2 already'],
  ['name\n" "', 'line 2: name: is empty'],
  ['name\n"A', 'cannot be read as CSV'],
])('%j is refused whole: %s', (csv, words) => {
  const registry = openRegistry(':memory:');
  const file = join(folder, 'bad.csv');
  writeFileSync(file, csv);
  expect(() => importFleet(registry, file, NOW)).toThrow(words);
  expect(registry.count()).toBe(0);
  registry.close();
});

test('any text is a fleet or a refusal that names what is wrong', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), fc.boolean(), (text, headed) => {
      try {
        expect(fleetOf(headed ? `name,lat,lon\n${text}` : text).length).toBeGreaterThan(0);
      } catch (error) {
        expect((error as Error).name).toBe('ImportProblem');
      }
    }),
  );
});

test('labels hold a QR code each, no key, and no markup out of names; hidden places keep their lamp post', async () => {
  const registry = openRegistry(':memory:');
  const a = registry.add({ name: '<script>alert(1)</script>', properties: { lampPost: 'A-1' } }, NOW);
  const b = registry.add({ name: 'home', placePrecision: 'grid', properties: { lampPost: 'SECRET-9' } }, NOW);
  const page = await labelPage([a.thing, b.thing], 'https://air.example.org/');
  expect(page.match(/<svg/g)).toHaveLength(2);
  expect(page).toContain('&lt;script&gt;');
  expect(page).toContain('A-1');
  for (const secret of [a.key, a.ownerToken, b.key, 'SECRET-9', '<script>']) expect(page).not.toContain(secret);
  registry.close();
});

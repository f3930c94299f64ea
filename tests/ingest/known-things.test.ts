import * as fc from '../property.ts';
import { expect, test } from 'vitest';
import { KnownThings } from '../../ingest/known-things.ts';
import { stageBox } from '../../ingest/things.ts';
import { DAY } from '../../model/time.ts';
import type { Thing } from '../../registry/registry.ts';
import { openRegistry } from '../../registry/sqlite.ts';

const T = Date.UTC(2026, 10, 22);

test('whoever the registry knows is known by id, with place, kind, traits and state, however many there are', () => {
  const registry = openRegistry(':memory:');
  const ids = registry
    .addMany(
      (function* () {
        for (let i = 0; i < 7000; i++)
          yield i % 3 === 0
            ? { lat: i / 100, lon: -i / 50, sensors: ['PMS5003'], field: 'atm' as const }
            : { kind: i % 3 === 1 ? ('station' as const) : ('box' as const), claimed: i % 2 === 0 };
      })(),
      T,
    )
    .map((b) => b.id);
  const known = new KnownThings(registry);
  for (const [i, id] of ids.entries()) {
    const num = known.find(id);
    const thing = registry.byNum(num);
    expect([num, thing?.id]).toEqual([i + 1, id]);
    expect([known.isStation(num), known.isClaimed(num), known.isRetired(num), known.isPaused(num)]).toEqual([
      thing?.kind === 'station', thing?.claimed, false, false,
    ]); // prettier-ignore
    expect([known.lat(num), known.lon(num), known.placedFrom(num)]).toEqual(
      thing?.place ? [thing.place.lat, thing.place.lon, T] : [NaN, NaN, NaN],
    );
    expect(known.traits(num)).toEqual({ sensors: thing?.sensors, field: thing?.field, exposure: thing?.exposure });
  }
  expect(known.isNews(5)).toBe(true);
  expect(known.isNews(5)).toBe(false);
  registry.close();
});

test('changes are taken over, one by one and in floods; who is added this moment is found', () => {
  const registry = openRegistry(':memory:');
  const [first] = registry.addMany([{ lat: 25, lon: 121 }], T);
  const known = new KnownThings(registry);
  const num = known.find(first?.id ?? '');
  known.isNews(num);
  expect(known.since(num)).toBe(T);
  registry.move(first?.id ?? '', { lat: 24, lon: 120, height: null, from: T + 5 });
  const late = registry.add({ sensors: ['SDS011'] }, T).thing;
  expect(known.lat(num)).toBe(25);
  expect(known.find(late.id)).toBe(late.num);
  expect(known.traits(late.num).sensors).toEqual(['SDS011']);
  known.refresh();
  expect([known.lat(num), known.lon(num), known.placedFrom(num), known.isNews(num)]).toEqual([24, 120, T + 5, true]);
  // Neither a move makes it young, nor readings that are older than its entry are forgotten.
  expect(known.since(num)).toBe(T);
  registry.move(late.id, { lat: 24, lon: 120, height: null, from: T - 9 * DAY - 1 });
  known.refresh();
  expect(known.since(late.num)).toBe(T - 10 * DAY);
  expect(stageBox(registry.get(late.id) as Thing).since).toBe(T - 10 * DAY);
  registry.retire(first?.id ?? '', T + 6);
  // Two transactions of which together more changed than is taken one by one.
  for (let k = 0; k < 2; k++)
    registry.addMany(
      (function* () {
        for (let i = 0; i < 4000; i++) yield {};
      })(),
      T,
    );
  known.refresh();
  expect(known.isRetired(num)).toBe(true);
  expect(known.find(registry.byNum(8002)?.id ?? '')).toBe(8002);
  registry.close();
});

test('no text is taken for an id that is not there', () => {
  const registry = openRegistry(':memory:');
  const ids = new Set(registry.addMany([{}, {}, { id: 'aaaaaaaa' }, { id: 'aaaaaaaa-b' }], T).map((b) => b.id));
  const known = new KnownThings(registry);
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.constantFrom('', 'aaaaaaa', 'aaaaaaaa-', 'ÿaaaaaaa'),
  );
  fc.assert(
    fc.property(text, (id) => {
      expect(known.find(id) !== 0).toBe(ids.has(id));
    }),
  );
  registry.close();
});

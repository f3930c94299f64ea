/** Hot spots against plumes whose places and times are known. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SLOT_MS, spots, tracks, type SlotValue } from '../../api/hotspots.ts';
import { hotspotsAnswer } from '../../api/schemas.ts';
import { LatestTable, startApi, type Api } from '../../api/server.ts';
import { createCity, distanceKm } from '../../firmware-sim/city.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import type { Registry } from '../../registry/registry.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import { NOW, columns } from './server.ts';

const HOUR = 3600_000;
const DAY = 24 * HOUR;
const FROM = Math.floor(NOW / DAY) * DAY;

const cityAt = (seed: number, plumesPerDay: number, boxes = 250, from = FROM, hours = 24) => {
  const city = createCity({ seed, plumesPerDay, radiusKm: 9 });
  const places = Array.from({ length: boxes }, (_, i) => city.place(i, 0xb2));
  const noise = (i: number, k: number): number => 1 + 0.12 * Math.sin(i * 12.9898 + k * 78.233);
  const slots = Array.from({ length: (hours * HOUR) / SLOT_MS }, (_, k) => {
    const time = from + k * SLOT_MS;
    const values: SlotValue[] = places.map((p, i) => ({
      ...p,
      value: city.at(p, time + SLOT_MS / 2).pm25 * noise(i, k),
    }));
    return { time, spots: spots(values) };
  });
  return { city, places, slots };
};

describe('where several boxes rose together', () => {
  test('nearly every strong plume of the simulated city is found, near its true place', () => {
    let [wanted, hits] = [0, 0];
    for (const seed of [1, 2, 3]) {
      const { city, slots } = cityAt(seed, 8);
      for (const { time, spots: found } of slots)
        for (const p of city.plumesAt(time + SLOT_MS / 2)) {
          const age = (time + SLOT_MS / 2 - p.start) / HOUR;
          const rise = Math.sin((Math.PI * age * HOUR) / p.durationMs);
          // What stands out clearly: well above the thresholds, and inside the city.
          if (p.peak * rise < 45 || distanceKm(p, city.centre) > 6) continue;
          const lat = p.lat + (p.northKmh * age) / 111.195;
          const lon = p.lon + (p.eastKmh * age) / (111.195 * Math.cos((lat * Math.PI) / 180));
          wanted++;
          if (found.some((s) => distanceKm(s, { lat, lon }) < 2)) hits++;
        }
    }
    expect(wanted).toBeGreaterThan(60);
    expect(hits / wanted).toBeGreaterThan(0.85);
  });

  test('twelve quiet days show few hot spots, and those stand at steady sources that are there', () => {
    let alarms = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const { city, places, slots } = cityAt(seed, 0);
      for (const track of tracks(slots)) {
        alarms++;
        // What the air truly is there, above what half of the city has, at the spot's best moment.
        const excess = track.path.map((p) => {
          const all = places.map((q) => city.at(q, p.time + SLOT_MS / 2).pm25).sort((a, b) => a - b);
          return city.at(p, p.time + SLOT_MS / 2).pm25 - (all[all.length >> 1] as number);
        });
        expect(Math.max(...excess), `seed ${seed}`).toBeGreaterThan(10);
      }
    }
    // Five; thresholds of 12 µg/m³ and a factor 1.5 gave 83.
    expect(alarms).toBeLessThanOrEqual(6);
  });

  test('one odd box is none, two are none, three beside each other are one', () => {
    const calm = Array.from({ length: 60 }, (_, i) => ({
      lat: 24 + (i % 8) * 0.01,
      lon: 121 + Math.floor(i / 8) * 0.01,
      value: 15,
    }));
    const raise = (...which: number[]): SlotValue[] =>
      calm.map((v, i) => (which.includes(i) ? { ...v, value: 80 } : v));
    expect(spots(raise())).toEqual([]);
    expect(spots(raise(20))).toEqual([]);
    expect(spots(raise(20, 21))).toEqual([]);
    const [spot, ...rest] = spots(raise(20, 21, 28));
    expect(rest).toEqual([]);
    expect(spot).toMatchObject({ boxes: 3, peak: 80, background: 15 });
    // Three that are scattered among quiet ones are no place.
    expect(spots(raise(3, 30, 59))).toEqual([]);
  });

  test('a whole town that is bad is no hot spot: there is nothing it stands out from', () => {
    const bad = Array.from({ length: 60 }, (_, i) => ({
      lat: 24 + (i % 8) * 0.01,
      lon: 121 + Math.floor(i / 8) * 0.01,
      value: 90,
    }));
    expect(spots(bad)).toEqual([]);
  });

  test('a spot that goes on is one track, with a pause too; a jump across the country is another', () => {
    const spot = (lat: number) => ({ lat, lon: 121, radiusKm: 1, boxes: 4, peak: 60, background: 20 });
    const slot = (k: number, ...lats: number[]) => ({ time: FROM + k * SLOT_MS, spots: lats.map(spot) });
    const found = tracks([
      slot(0, 24),
      slot(1, 24.01, 22.6),
      slot(2, 22.6),
      slot(3, 24.03),
      slot(4, 24.04),
      slot(5, 25),
    ]);
    expect(found.map((t) => [t.kind, t.path.map((p) => p.lat)])).toEqual([
      ['moving', [24, 24.01, 24.03, 24.04]],
      ['standing', [22.6, 22.6]],
    ]);
    expect(found[0]).toMatchObject({ start: FROM, end: FROM + 5 * SLOT_MS });
    expect(tracks([])).toEqual([]);
  });
});

describe('GET /api/v1/hotspots', () => {
  let folder: string;
  let store: DuckStore;
  let registry: Registry;
  let api: Api;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lamppost-hotspots-'));
    store = await DuckStore.open(folder, { memoryMb: 300 });
    registry = openRegistry(':memory:');
    const model = await store.modelNum('m');
    const rows = [];
    for (let b = 0; b < 30; b++) {
      const indoor = b === 29;
      const { thing } = registry.add(
        {
          lat: 24 + (b % 6) * 0.01,
          lon: 121 + Math.floor(b / 6) * 0.01,
          ...(indoor ? { exposure: 'indoor' as const } : {}),
        },
        NOW,
      );
      for (let i = 0; i < 12; i++) {
        const raised = [7, 8, 13].includes(b) && i >= 4;
        rows.push({
          num: thing.num,
          time: NOW - HOUR + i * 5 * 60_000,
          raw: raised ? 140 : 30,
          corrected: raised || indoor ? 70 : 15,
          lo90: 0,
          hi90: 99,
          model,
          flag: 1,
        });
      }
    }
    await store.append(columns(rows), [], 1);
    api = await startApi({
      registry,
      store,
      latest: new LatestTable(),
      accept: async () => {},
      port: 0,
      clock: () => NOW + 60_000,
    });
  });
  afterAll(async () => {
    await api.close();
    await store.close();
    registry.close();
    await rm(folder, { recursive: true });
  });
  const ask = (query: string): Promise<Response> => fetch(`${api.url}/api/v1/hotspots${query}`);

  test('tells place, boxes and peak of what rose in the last hour', async () => {
    const { items } = hotspotsAnswer.parse(await (await ask('')).json());
    expect(items).toHaveLength(1);
    const [track] = items;
    expect(track?.kind).toBe('standing');
    expect(track?.path).toHaveLength(4);
    expect(track?.path[0]).toMatchObject({ boxes: 3, peak: 70, background: 15 });
    expect(track?.path[0]?.lat).toBeCloseTo(24.013, 2);
    const raw = hotspotsAnswer.parse(await (await ask('?level=raw')).json());
    expect(raw.items[0]?.path[0]?.peak).toBe(140);
  });

  test('an hour before is empty; impossible spans are refused by name', async () => {
    const { items } = hotspotsAnswer.parse(
      await (await ask('?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z')).json(),
    );
    expect(items).toEqual([]);
    for (const query of [
      '?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z',
      '?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z',
      '?level=maybe',
      '?x=1',
    ])
      expect((await ask(query)).status, query).toBe(400);
  });
});

import { expect, test } from 'vitest';
import { Tiles } from '../../calibration/qc/tiles.ts';

test('boxes that come one by one do not have their tiles made anew for each of them, and are in one soon', () => {
  const places = new Map<number, { lat: number; lon: number }>();
  const tiles = new Tiles(
    (site) => places.get(site) as { lat: number; lon: number },
    () => 3600,
  );
  const made = new Set<unknown>();
  for (let i = 1; i <= 1000; i++) {
    places.set(i, { lat: 25 + (i % 32) / 100, lon: 121 + Math.floor(i / 32) / 100 });
    tiles.add(i);
    const tile = tiles.tileOf(i, 1000 + Math.floor(i / 10));
    if (tile) made.add(tile);
  }
  expect(made.size).toBeLessThan(60);
  for (let i = 1; i <= 1000; i++) {
    const tile = tiles.tileOf(i, 1300);
    expect(tile?.members.indexOf(i)).toBeGreaterThanOrEqual(0);
    expect(tiles.lookers(i)).toContain(tile);
  }
  const all = new Set(Array.from(places.keys(), (i) => tiles.tileOf(i, 1300)));
  expect(all.size).toBeGreaterThan(40);
  // Tiles that nobody is judged by any more are forgotten.
  for (const i of places.keys()) for (const tile of tiles.lookers(i)) expect(all).toContain(tile);
});

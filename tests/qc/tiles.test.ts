import * as fc from '../property.ts';
import { describe, expect, it } from 'vitest';
import { STATUS, Tiles, impute, looResidual, memberAt } from '../../calibration/qc/tiles.ts';
import { random } from './town.ts';

type Spot = readonly [lat: number, lon: number];
const tilesOf = (spots: readonly Spot[]): Tiles => {
  const tiles = new Tiles(
    (site) => {
      const [lat, lon] = spots[site - 1] as Spot;
      return { lat, lon };
    },
    () => 3600,
  );
  for (const i of spots.keys()) tiles.add(i + 1);
  return tiles;
};

describe('tiles', () => {
  it('each site is in the core of exactly one tile, and no tile is large', () => {
    const coordinate = fc.integer({ min: 0, max: 40 }).map((k) => k / 100); // many sites on common lines
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(coordinate, coordinate), { maxLength: 300, selector: (s) => s.join() }),
        (grid) => {
          const spots = grid.map(([a, b]): Spot => [24 + a, 120.5 + b]);
          const tiles = tilesOf(spots);
          for (const i of spots.keys()) {
            const tile = tiles.tileOf(i + 1, 0);
            if (!tile) throw new Error('a site without a tile');
            expect(memberAt(tile, i + 1)).toBeGreaterThanOrEqual(0);
            expect(memberAt(tile, i + 1)).toBeLessThan(tile.core);
            expect(tile.members.length).toBeLessThanOrEqual(48);
            expect(tiles.lookers(i + 1)).toContain(tile);
          }
        },
      ),
      { numRuns: 40 },
    );
  });
  it('a removed site is in no tile any more', () => {
    const tiles = tilesOf(Array.from({ length: 30 }, (_, i): Spot => [24 + i / 100, 120.5]));
    expect(tiles.tileOf(7, 0)).not.toBeNull();
    tiles.remove(7);
    expect(tiles.tileOf(7, 0)).toBeNull();
    for (let site = 1; site <= 30; site++) {
      if (site === 7) continue;
      const tile = tiles.tileOf(site, 0);
      expect(tile && memberAt(tile, 7)).toBe(-1);
    }
  });
  it('a silent box replaced by its own prediction leaves the others what they would have without it', () => {
    const next = random(8);
    const spots = Array.from({ length: 20 }, (): Spot => [24 + 0.1 * next(), 120.5 + 0.1 * next()]);
    const silent = new Set([3, 9, 14]);
    const values = spots.map(() => next());
    const all = tilesOf(spots).tileOf(1, 0);
    const speaking = spots.filter((_, i) => !silent.has(i + 1));
    const without = tilesOf(speaking).tileOf(1, 0);
    if (!all || !without) throw new Error('no tile');
    for (const [at, site] of all.members.entries()) {
      all.used[at] = values[site - 1] as number;
      all.status[at] = silent.has(site) ? STATUS.missing : STATUS.present;
    }
    for (const [at, site] of without.members.entries()) {
      without.used[at] = values[spots.indexOf(speaking[site - 1] as Spot)] as number;
      without.status[at] = STATUS.present;
    }
    const mean = impute(all, 50);
    const meanWithout = impute(without, 1);
    expect(mean).toBeCloseTo(meanWithout, 2);
    for (const site of without.members) {
      const one = spots.indexOf(speaking[site - 1] as Spot) + 1;
      const i = memberAt(all, one);
      const k = memberAt(without, site);
      // Residual times precision is (K⁻¹(y−μ))_i, which the imputed values leave untouched.
      const found = looResidual(all, i, mean) * (all.precision[i] as number);
      const wanted = looResidual(without, k, meanWithout) * (without.precision[k] as number);
      expect(Math.abs(found - wanted)).toBeLessThan(0.01);
    }
  });
});

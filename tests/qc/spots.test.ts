import * as fc from '../property.ts';
import { expect, test } from 'vitest';
import { Spots } from '../../calibration/qc/spots.ts';

test('the same sites are on a spot as by looking at all', () => {
  const step = fc.record({ add: fc.boolean(), which: fc.nat() });
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 3000 }),
      fc.array(step, { maxLength: 400 }),
      (spotOf, steps) => {
        const spots = new Spots((site) => 7e12 + (spotOf[site - 1] as number) * 4_000_003);
        const there = new Set<number>();
        const gone: number[] = [];
        let next = 1;
        for (const { add, which } of [...spotOf.slice(0, 1500).map(() => ({ add: true, which: 0 })), ...steps]) {
          if (add && next <= spotOf.length) {
            spots.add(next);
            there.add(next++);
          } else if (there.size > 0) {
            const site = [...there][which % there.size] as number;
            spots.remove(site);
            there.delete(site);
            gone.push(site);
          }
        }
        for (const site of there) {
          const same = [...there].filter((s) => spotOf[s - 1] === spotOf[site - 1]);
          expect([...spots.on(site)].sort((a, b) => a - b)).toEqual(same);
          expect(spots.count(site, 3)).toBe(Math.min(3, same.length));
        }
        for (const site of gone) expect([...spots.on(site)]).not.toContain(site);
      },
    ),
    { numRuns: 25 },
  );
});

test('a hundred thousand sites, each on its own spot', () => {
  const spots = new Spots((site) => site * 4e6 + 17);
  for (let site = 1; site <= 100_000; site++) spots.add(site);
  for (let site = 2; site <= 100_000; site += 2) spots.remove(site);
  for (const site of [1, 3, 99_999]) expect([...spots.on(site)]).toEqual([site]);
  expect(spots.count(2, 9)).toBe(0);
});

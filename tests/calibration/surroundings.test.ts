import * as fc from '../property.ts';
import { expect, test } from 'vitest';
import { AROUND, AROUND_KM, Surroundings, type Resident } from '../../calibration/correction/surroundings.ts';
import { distanceKm } from '../../calibration/geo/distance.ts';

/** The same by asking everybody. */
function byHand(all: ReadonlyMap<number, Resident>, slot: number): (readonly [string, number])[] {
  const own = all.get(slot) as Resident;
  return [...all]
    .filter(([s, r]) => s !== slot && r.witness && r.kind === own.kind)
    .map(([, r]) => [`box${r.row}`, distanceKm(own.lat, own.lon, r.lat, r.lon)] as const)
    .filter(([, km]) => km <= AROUND_KM)
    .sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, AROUND);
}

const near = (centre: number): fc.Arbitrary<number> =>
  fc.integer({ min: -400, max: 400 }).map((n) => centre + n * 4e-4);
const resident = (lat: number, lon: number) =>
  fc.record({
    lat: near(lat),
    lon: near(lon).map((x) => (x > 180 ? x - 360 : x)),
    kind: fc.constantFrom('plantower', 'sds011'),
    witness: fc.boolean(),
  });
const step = (lat: number, lon: number) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ act: fc.constant('add' as const), box: resident(lat, lon) }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant('remove' as const), which: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ act: fc.constant('ask' as const), which: fc.nat() }) },
  );

test.each([
  ['Taipei', 25.03, 121.5],
  ['the equator at Greenwich', 0, 0],
  ['Fiji, where longitude turns over', -17, 179.999],
  ['Svalbard', 78.2, 15.6],
])('around a box are the same boxes as by asking everybody: %s', (_, lat, lon) => {
  fc.assert(
    fc.property(fc.array(step(lat, lon), { maxLength: 80 }), (steps) => {
      const surroundings = new Surroundings((row) => `box${row}`);
      const all = new Map<number, Resident>();
      let n = 0;
      const check = (slot: number): void => {
        const found = Array.from({ length: surroundings.count(slot) }, (__, i) => [
          `box${surroundings.rowAt(slot, i)}`,
          surroundings.kmAt(slot, i),
        ]);
        expect(found).toEqual(byHand(all, slot));
      };
      for (const s of steps) {
        if (s.act === 'add') {
          const box = { ...s.box, row: n++ };
          all.set(surroundings.add(box), box);
          continue;
        }
        const slot = [...all.keys()][s.which % Math.max(1, all.size)];
        if (slot === undefined) continue;
        if (s.act === 'ask') check(slot);
        else {
          surroundings.remove(slot);
          all.delete(slot);
        }
      }
      for (const slot of all.keys()) check(slot);
    }),
    { numRuns: 150 },
  );
});

import * as fc from '../property.ts';
import { expect, test } from 'vitest';
import { DirtyRows } from '../../api/sta/dirty-rows.ts';

test('every datastream marked is given once, whatever is marked between rounds and wherever a round stops', () => {
  const step = fc.record({ add: fc.array(fc.integer({ min: 64, max: 64 * 40 }), { maxLength: 30 }), take: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const rows = new DirtyRows();
      const model = new Set<number>();
      const take = (n: number): void => {
        if (n === 0) return;
        let taken = 0;
        for (const stored of rows.taken()) {
          expect(model.delete(stored)).toBe(true);
          if (++taken === n) break;
        }
      };
      for (const { add, take: n } of steps) {
        for (const stored of add) {
          rows.add(stored);
          model.add(stored);
        }
        take(n);
        expect(rows.size).toBe(model.size);
      }
      take(Infinity);
      expect(model.size).toBe(0);
    }),
  );
});

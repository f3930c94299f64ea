import * as fc from '../property.ts';
import { describe, expect, it } from 'vitest';
import { Watermarks } from '../../store/watermarks.ts';

describe('watermarks', () => {
  it('agree with a plain map over batches, some of which are rolled back', () => {
    const row = fc.record({ id: fc.integer({ min: 64, max: 400 }), time: fc.integer({ min: -5, max: 60 }) });
    const batches = fc.array(fc.record({ rows: fc.array(row, { maxLength: 50 }), kept: fc.boolean() }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(batches, fc.integer({ min: -10, max: 20 }), (list, floor) => {
        const marks = new Watermarks();
        let plain = new Map<number, number>();
        for (const { rows, kept } of list) {
          const before = new Map(plain);
          marks.begin(rows.length);
          for (const { id, time } of rows) {
            const known = plain.get(id) ?? -Infinity;
            expect(marks.raise(id, time, floor)).toBe(time > known && time > floor);
            plain.set(id, Math.max(known, time));
          }
          if (!kept) {
            marks.rollBack();
            plain = before;
          }
        }
      }),
    );
  });

  it('hold four million datastreams, loaded and raised', () => {
    const n = 4_000_000;
    const marks = new Watermarks();
    const ids = Float64Array.from({ length: n }, (_, i) => 64 + i * 16);
    marks.load(ids, new Float64Array(n).fill(1000));
    marks.begin(n);
    let fresh = 0;
    for (let i = 0; i < n; i++) if (marks.raise(ids[i] as number, i % 2 ? 1001 : 1000, 0)) fresh++;
    expect(fresh).toBe(n / 2);
    expect(marks.size).toBe(n);
  });
});

import { describe, expect, it } from 'vitest';
import { binsOf, combine, narrowing, partialOf } from '../../store/bins.ts';
import type { ObservationRow } from '../../store/columns.ts';
import { DAY, HOUR } from '../../model/time.ts';

const T = Date.UTC(2026, 2, 1);
const row = (minutes: number, corrected: number): ObservationRow =>
  ({ phenomenonTime: T + minutes * 60_000, flag: 1, raw: 2 * corrected, corrected, lo90: corrected - 6, hi90: corrected + 10 }) as ObservationRow; // prettier-ignore
const means = (rows: readonly ObservationRow[], step: number) =>
  combine(rows.map(partialOf), binsOf({ step, from: T, to: T + DAY }), 'corrected');

describe('the interval of a mean', () => {
  it('of readings of one hour is the mean of theirs, however many they are', () => {
    const [mean] = means(Array.from({ length: 60 }, (_, m) => row(m, 20)), HOUR); // prettier-ignore
    expect(mean).toMatchObject({ mean: 20, lo90: 14, hi90: 30 });
  });
  it('of a day is narrower on both sides, but never below what does not average out', () => {
    const rows = Array.from({ length: 24 }, (_, h) => row(60 * h, 20));
    const [mean] = means(rows, DAY);
    expect(mean?.lo90).toBeCloseTo(20 - 6 * narrowing(24));
    expect(mean?.hi90).toBeCloseTo(20 + 10 * narrowing(24));
    expect(narrowing(24)).toBeLessThan(0.9);
    expect(narrowing(1e6)).toBeGreaterThan(0.5);
  });
  it('counts hours, not readings, and begins anew with each bin', () => {
    const many = Array.from({ length: 24 * 6 }, (_, i) => row(10 * i, 20));
    const few = Array.from({ length: 24 }, (_, h) => row(60 * h, 20));
    expect(means(many, DAY)[0]?.lo90).toBeCloseTo(means(few, DAY)[0]?.lo90 as number);
    for (const bin of means(many, HOUR)) expect(bin).toMatchObject({ lo90: 14, hi90: 30 });
  });
  it('is as wide for six hours as for one: their errors are alike', () => expect(narrowing(6)).toBe(1));
});

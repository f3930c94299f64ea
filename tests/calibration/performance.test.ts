/** The measures of `npm run evaluate` that are not one line of arithmetic: targets of agencies, and how much neighbours differ. */
import { describe, expect, it } from 'vitest';
import { expandedUncertainty, pairSpread, performance } from '../../bench/evaluate/performance.ts';
import type { Pair } from '../../bench/evaluate/sets.ts';
import { HOUR } from '../../model/time.ts';

const pair = (hour: number, y: number, corrected: number, x = 2 * y): Pair => ({ box: 'a', time: hour * HOUR, y, x, rh: 50, temp: 20, corrected, intervals: [] }); // prettier-ignore

describe('performance on means of 24 h', () => {
  // Forty days of 24 hours; the reference of day d is 5 + d all day, the answer a tenth more.
  const days = Array.from({ length: 40 * 24 }, (_, h) =>
    pair(h, 5 + Math.floor(h / 24), 1.1 * (5 + Math.floor(h / 24))),
  );

  it('a tenth too high: slope 1.1, all of the spread, and at 30 µg/m³ twice a tenth', () => {
    const p = performance(days, HOUR)!;
    expect(p.days).toBe(40);
    expect(p.slope).toBeCloseTo(1.1, 9);
    expect(p.r2).toBeCloseTo(1, 9);
    expect(p.reu30).toBeCloseTo(20, 6);
    // Raw values are twice the reference: errors of y against 0.1 y.
    expect(p.overRaw).toBeCloseTo(90, 6);
    expect(p.nrmse).toBeCloseTo((10 * Math.sqrt(days.reduce((s, d) => s + d.y ** 2, 0) / days.length)) / 24.5, 6);
  });

  it('a day with 17 of its 24 hours is none, and few days say nothing', () => {
    expect(performance(days.filter((d) => d.time % (24 * HOUR) < 17 * HOUR), HOUR)).toBeNull(); // prettier-ignore
    expect(performance(days.slice(0, 24 * 20), HOUR)).toBeNull();
  });

  it('scatter counts twice (k = 2)', () => {
    // ±3 around the line of slope 1: RSS/(n − 2) is 9·n/(n − 2); 200/30 · 3 = 20 %.
    const v = Array.from({ length: 2000 }, (_, i) => ({ x: 10 + Math.floor(i / 2) * 0.04, y: 10 + Math.floor(i / 2) * 0.04 + (i % 2 === 0 ? 3 : -3) })); // prettier-ignore
    expect(expandedUncertainty(v, 30)).toBeGreaterThan(19.5);
    expect(expandedUncertainty(v, 30)).toBeLessThan(21.5);
  });
});

it('spread of pairs: standard deviation of two over the mean, between 20 m and 1 km only', () => {
  const km = (a: { lat: number }, b: { lat: number }): number => Math.abs(a.lat - b.lat) * 111;
  const at = (metres: number, value: number) => ({ lat: metres / 111_000, lon: 0, value });
  const { percent, pairs } = pairSpread([at(0, 8), at(10, 100), at(500, 12), at(5000, 300)], km);
  // 0 and 500 m: (8 − 12)²/2 = 8; 10 and 500 m: (100 − 12)²/2 = 3872; mean of the pairs (10 + 56)/2 = 33.
  expect(pairs).toBe(2);
  expect(percent).toBeCloseTo((100 * Math.sqrt((8 + 3872) / 2)) / 33, 6);
});

import { describe, expect, it } from 'vitest';
import { FLAG } from '../../model/flags.ts';
import { MINUTE, SECOND } from '../../model/time.ts';
import type { Observation } from '../../dashboard/values/api.ts';
import { series } from '../../dashboard/values/series.ts';

const NOON = Date.UTC(2026, 10, 21, 4);
const at = (time: number): Observation =>
  ({ time, value: 10, lo90: 5, hi90: 15, flag: FLAG.good }) as unknown as Observation;
/** Times after which the line is broken. */
const breaks = (times: number[]): number[] => {
  const s = series(times.map(at), []);
  return s.corrected.flatMap((v, i) => (v === null ? [(s.time[i - 1] as number) * 1000 - NOON] : []));
};
const steady = (from: number, step: number, n: number): number[] =>
  Array.from({ length: n }, (_, i) => NOON + from + i * step);

describe('the line of a chart', () => {
  it('is whole where a box was set to another interval', () => {
    const slow = steady(0, 10 * MINUTE, 60);
    expect(breaks([...slow, ...steady(600 * MINUTE, 10 * SECOND, 200)])).toEqual([]);
  });

  it('is broken by a silence', () => {
    expect(breaks([...steady(0, MINUTE, 30), ...steady(60 * MINUTE, MINUTE, 30)])).toEqual([29 * MINUTE]);
    expect(breaks([...steady(0, MINUTE, 2), ...steady(60 * MINUTE, MINUTE, 30)])).toEqual([MINUTE]);
  });

  it('one missing reading is no silence; nothing is nothing', () => {
    expect(breaks(steady(0, MINUTE, 30).filter((_, i) => i !== 12))).toEqual([]);
    expect(series([], []).time).toEqual([]);
  });
});

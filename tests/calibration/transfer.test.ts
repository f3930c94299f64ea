/** What is taken from stations to boxes: the air of an hour from many boxes. */
import { expect, it } from 'vitest';
import { airAt } from '../../calibration/correction/network.ts';

const showing = (x: number) => ({ x, rh: 60, temp: 20 });

it('the air at a station: a box beside it counts by how much boxes differ, many around it by how much places do', () => {
  const station = { y: 10, beside: [showing(10)], near: Array.from({ length: 15 }, () => showing(20)) };
  const usual = airAt(station, { box: 0.02, place: 0.08 }).x;
  expect(usual).toBeGreaterThan(15);
  expect(usual).toBeLessThan(19);
  expect(airAt(station, { box: 0.3, place: 0.02 }).x).toBeGreaterThan(usual + 0.5);
  expect(airAt(station, { box: 0.01, place: 0.5 }).x).toBeLessThan(usual - 2);
  expect(airAt({ ...station, near: [] }, { box: 0.02, place: 0.08 })).toEqual(showing(10));
  expect(airAt({ ...station, beside: [] }, { box: 0.02, place: 0.08 })).toEqual(showing(20));
  expect(airAt({ ...station, beside: [{ ...showing(10), rh: NaN }] }, { box: 0.02, place: 0.08 }).rh).toBe(60);
});

/** What is taken from stations to boxes: the air of an hour from many boxes, and a co-location that has ended. */
import { expect, it } from 'vitest';
import { airAt } from '../../calibration/correction/network.ts';
import { carryOwn, fitOwn } from '../../calibration/correction/own.ts';
import type { PooledModel } from '../../calibration/correction/solution.ts';
import { SETTINGS } from '../../calibration/correction/settings.ts';
import { DAY } from '../../model/time.ts';
import { random } from './small_city.ts';

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

it('after a co-location has ended, its mean difference outlasts what it says of level, humidity and temperature', () => {
  const next = random(5);
  const pooled = {
    betas: { PRT: [1, 0.5, -0.8, 0], PR: [1, 0.5, -0.8], P: [1, 0.5] },
    scale: 1.5,
  } as unknown as PooledModel;
  const n = 30;
  const times = Array.from({ length: n }, (_, i) => i * DAY);
  const x = times.map(() => 10 + 20 * next());
  const pairs = {
    station: 's',
    weight: 1,
    time: times,
    x,
    rh: times.map(() => 40 + 20 * next()),
    temp: times.map(() => 2 + 8 * next()),
    y: [] as number[],
  };
  pairs.y = x.map((v, i) => 1 + 0.5 * v - 0.08 * ((pairs.rh[i] as number) - 50) + 2 + 0.1 * (v - 20));
  const own = fitOwn(pairs, pooled, 1, SETTINGS);
  if (!own) throw new Error('no fit');
  const means = own.means?.PRT as number[];
  const difference = (days: number, at: readonly number[]): number => {
    const betas = carryOwn(own, pooled, own.to + days * DAY, SETTINGS).betas.PRT as number[];
    return betas.reduce((sum, b, k) => sum + (b - (pooled.betas.PRT?.[k] as number)) * (at[k] as number), 0);
  };
  const steep = means.map((v, k) => (k === 1 ? v + 10 : v));
  const slope = (days: number): number => difference(days, steep) - difference(days, means);
  expect(difference(0, means)).toBeGreaterThan(1.5);
  expect(slope(0)).toBeGreaterThan(0.5);
  const year = 400;
  expect(difference(year, means) / difference(0, means)).toBeCloseTo(0.5 ** (year / 700), 6);
  expect(slope(year) / slope(0)).toBeCloseTo(0.5, 6);
});

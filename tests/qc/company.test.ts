import { describe, expect, it } from 'vitest';
import { levelOrderTest, wetCo2Test, windNoiseTest } from '../../calibration/qc/company.ts';
import { floodStep, newFlood, type FloodChange } from '../../calibration/qc/flood.ts';
import { createQc } from '../../calibration/qc/qc.ts';
import { dryBiasTest, outlierTest, quietTest } from '../../calibration/qc/usual.ts';
import { reasonStrings } from '../../model/flags.ts';
import { reading, setBoxes, START } from './town.ts';

const MINUTE = 60_000;

describe('values that must agree', () => {
  it.each([
    [40, 50, 60, 1],
    [50.4, 50, 60, 1],
    [51, 50, 60, 3],
    [40, 61, 60, 3],
    [NaN, 61, 60, 3],
    [NaN, 50, NaN, 2],
  ])('LAmin %d LAeq %d LAmax %d is %d', (min, eq, max, flag) => expect(levelOrderTest(min, eq, max)).toBe(flag));
  it.each([
    [4.9, NaN, 1],
    [5.1, 0, 3],
    [NaN, 0.2, 3],
    [NaN, NaN, 2],
  ])('noise in wind %d and rain %d is %d', (wind, rain, flag) => expect(windNoiseTest(wind, rain)).toBe(flag));
  it.each([
    [60, 1],
    [85, 1],
    [85.1, 3],
    [100, 2],
    [NaN, 2],
  ])('CO2 at %d %% humidity is %d', (rh, flag) => expect(wetCo2Test(rh)).toBe(flag));
  it.each([
    [400, 20, 5, 100, 3],
    [60, 20, 5, 100, 1],
    [400, 20, 5, 10, 2],
    [120, 40, 30, 300, 1],
  ])('%d after a fortnight around %d (MAD %d, %d h) is %d', (x, median, mad, hours, flag) =>
    expect(outlierTest(x, median, mad, hours)).toBe(flag),
  );
  it.each([
    [0.01, 0.002, 100, 1],
    [0.05, 0.002, 100, 3],
    [-0.04, 0.002, 100, 3],
    [0.5, 0.2, 100, 2],
    [0.05, 0.002, 10, 2],
  ])('dry median %d m (MAD %d, %d h) is %d', (median, mad, hours, flag) =>
    expect(dryBiasTest(median, mad, hours)).toBe(flag),
  );
});

describe('a jump of the water', () => {
  const steps = (neighbour: number, rain: number): string[] => {
    const qc = setBoxes(createQc(), [
      { num: 1, lat: 24.15, lon: 120.66 },
      { num: 2, lat: 24.155, lon: 120.66 },
    ]);
    let last: string[] = [];
    for (let k = 0; k < 20; k++) {
      const t = START + k * 5 * MINUTE;
      const jump = k === 19;
      qc.check([reading(2, t, { water_level: jump || k === 18 ? neighbour : 0 })]);
      const [r] = qc.check([reading(1, t + 1000, { water_level: jump ? 0.7 : 0, rain: jump ? rain : 0 })]);
      last = (r?.values ?? []).flatMap((v) =>
        v.property === 'water_level' ? reasonStrings(v.property, v.reasons) : [],
      );
    }
    return last;
  };
  it('alone is unconfirmed', () => expect(steps(0, 0)).toEqual(['water_level.spike']));
  it('with rain is believed', () => expect(steps(0, 4)).toEqual([]));
  it('with a gauge nearby that rises is believed', () => expect(steps(0.3, 0)).toEqual([]));
});

describe('flood rules', () => {
  const play = (
    depths: readonly number[],
    options: { supported?: boolean; doubted?: boolean; minutes?: number } = {},
  ) => {
    const state = newFlood();
    const said: [number, FloodChange][] = [];
    depths.forEach((depth, k) => {
      const reading = { time: START + k * (options.minutes ?? 5) * MINUTE, depth, doubted: options.doubted ?? false, supported: options.supported ?? false }; // prettier-ignore
      for (const change of floodStep(state, reading)) said.push([k, change]);
    });
    return said;
  };
  it('fires at 10 cm in two readings running, not in one', () => {
    expect(play([0, 0.01, 0.12, 0.02]).filter(([, c]) => c.kind === 'flood')).toEqual([]);
    expect(play([0, 0.01, 0.1, 0.1])).toContainEqual([3, { kind: 'flood', level: 1, confirmed: true }]);
  });
  it('one is enough when a neighbour or rain agrees', () =>
    expect(play([0, 0.12], { supported: true })).toContainEqual([1, { kind: 'flood', level: 1, confirmed: true }]));
  it('a doubted jump alerts at once, unconfirmed, and is confirmed by the next', () => {
    const said = play([0, 0.7, 0.7], { doubted: true });
    expect(said).toContainEqual([1, { kind: 'flood', level: 2, confirmed: false }]);
    expect(said).toContainEqual([2, { kind: 'flood', level: 2, confirmed: true }]);
  });
  it('second level at 30 cm', () =>
    expect(play([0.15, 0.15, 0.31, 0.32])).toContainEqual([3, { kind: 'flood', level: 2, confirmed: true }]));
  it('a rise of 5 cm in ten minutes is told before 10 cm are reached, 4 cm are not', () => {
    expect(play([0, 0.03, 0.06]).map(([k, c]) => [k, c.kind])).toEqual([[2, 'flood-rising']]);
    expect(play([0, 0.02, 0.04, 0.06, 0.08])).toEqual([]);
  });
  it('ends 3 cm below the level after half an hour, not before', () => {
    const falling = [0.12, 0.12, 0.08, 0.08, 0.08, 0.069, 0.069, 0.05, 0.05, 0.05, 0.05, 0.05];
    expect(play(falling).filter(([, c]) => c.kind === 'flood-over').map(([k]) => k)).toEqual([11]); // prettier-ignore
  });
  it('a reading without a number, or an old one, changes nothing', () => {
    const state = newFlood();
    floodStep(state, { time: START, depth: 0.2, doubted: false, supported: true });
    const before = { ...state };
    expect(floodStep(state, { time: START + 1, depth: NaN, doubted: false, supported: true })).toEqual([]);
    expect(floodStep(state, { time: START - 1, depth: 0, doubted: false, supported: true })).toEqual([]);
    expect(state).toEqual(before);
  });
});

it.each([
  [55, 4, 200, 1],
  [70, 5, 200, 1],
  [75, 2, 200, 3],
  [75, 2, 20, 2],
])('a least level of %d dB(A) (MAD %d, %d h) is %d', (median, mad, hours, flag) =>
  expect(quietTest(median, mad, hours)).toBe(flag),
);

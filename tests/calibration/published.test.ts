import { describe, expect, it } from 'vitest';
import {
  barkjohn2021,
  barkjohn2022Extended,
  fireAndSmokeMap,
  hygroscopicGrowth,
  mathieuCampbell2024,
} from '../../calibration/correction/published.ts';
import { poolKey, sensorClass } from '../../calibration/correction/sensor.ts';

// Golden vectors computed from the published formulas by hand (calibration note §2.1, §2.2).
describe('published equations', () => {
  it('Barkjohn 2021', () => {
    expect(barkjohn2021(10, 50)).toBeCloseTo(5.24 - 4.31 + 5.75, 9);
    expect(barkjohn2021(0, 100)).toBeCloseTo(-2.87, 9);
  });
  it.each([
    [0, 50, 1.44],
    [10, 50, 6.68],
    [30, 60, 16.298],
    [40, 60, 26.778],
    [50, 60, 39.878],
    [100, 80, 77.454],
    [210, 50, 166.5],
    [235, 50, 200.042],
    [260, 50, 242.124],
    [400, 50, 420.406],
  ])('Fire and Smoke Map: %d at %d %% is %d', (x, rh, y) => expect(fireAndSmokeMap(x, rh)).toBeCloseTo(y, 3));
  it.each([
    [100, 53.84],
    [570, 300.63],
    [590, 345.65],
    [611, 400.12],
    [1000, 816.44],
  ])('Barkjohn 2022 extended: %d at 50 %% is %d', (x, y) => expect(barkjohn2022Extended(x, 50)).toBeCloseTo(y, 1));
  it('Mathieu-Campbell 2024 changes its line at 50 %', () => {
    expect(mathieuCampbell2024(10, 50, 20)).toBeCloseTo(2.738732 + 4.25834 - 0.4472 + 1.5842, 6);
    expect(mathieuCampbell2024(10, 51, 20)).toBeCloseTo(7.230374 + 4.12683 - 4.349178 + 1.4131, 6);
  });
  it.each([
    [50, 1.182],
    [70, 1.424],
    [80, 1.727],
    [85, 2.03],
    [90, 2.636],
    [95, 4.455],
    [100, 4.455],
  ])('growth at %d %% is %d, capped at 95', (rh, c) => expect(hygroscopicGrowth(rh)).toBeCloseTo(c, 2));
});

describe('sensor classes', () => {
  it.each([
    ['PMS5003', 'plantower'],
    ['PMS5003T', 'plantower'],
    ['PMSx003', 'plantower'],
    ['pms7003', 'plantower'],
    ['PMSA003', 'plantower'],
    ['SDS011', 'sds011'],
    ['SPS30', 'sps30'],
    ['SEN55', 'sen5x'],
    ['HPMA115S0', 'hpma115'],
    ['OPC-N3', 'opc'],
    ['', 'unknown'],
    ['XYZ1', 'other'],
  ])('%s is %s', (name, kind) => expect(sensorClass(name)).toBe(kind));
  it('output fields do not share a model', () => {
    expect(poolKey('PMS5003', 'atm')).not.toBe(poolKey('PMS5003', 'cf1'));
    expect(poolKey('XYZ1', '')).not.toBe(poolKey('XYZ2', ''));
  });
});

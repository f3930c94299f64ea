import { describe, expect, it } from 'vitest';
import { REASONS } from '../../model/flags.ts';
import {
  EUROPEAN_AQI_2025,
  INDICES,
  TAIWAN_AQI_2016,
  TAIWAN_AQI_2025,
  TAIWAN_TEN_LEVELS,
  US_AQI_2024,
  WHO_2021,
  indexAt,
  indexColour,
  indexOf,
  nowCast,
  taiwanRealtime,
} from '../../model/indices.ts';

const hour = (table: [number, number][]): [number, number][] => table;

describe('Taiwan AQI from 2025-01-01', () => {
  // PM10 lines reproduce a published table of the Taichung bureau (2025-08-29); PM2.5 are the table's own corners and arithmetic.
  it.each(
    hour([
      [12.4, 50],
      [12.5, 51],
      [14.3, 56],
      [16.5, 62],
      [30.4, 100],
      [35, 112],
      [50.5, 151],
      [71, 164],
      [125.5, 201],
      [400, 443],
    ]),
  )('PM2.5 %d is %d', (c, aqi) => expect(indexOf(TAIWAN_AQI_2025, 'pm25', c)?.value).toBe(aqi));
  it.each(
    hour([
      [28, 47],
      [29, 48],
      [32, 52],
      [36, 57],
    ]),
  )('PM10 %d is %d', (c, aqi) => expect(indexOf(TAIWAN_AQI_2025, 'pm10', c)?.value).toBe(aqi));
  it('ends at 500', () => expect(indexOf(TAIWAN_AQI_2025, 'pm25', 900)?.value).toBe(500));
  it('takes the table in force at the time of the data', () => {
    expect(indexAt('tw_aqi', Date.parse('2024-12-31T15:59:59Z'))).toBe(TAIWAN_AQI_2016);
    expect(indexAt('tw_aqi', Date.parse('2024-12-31T16:00:00Z'))).toBe(TAIWAN_AQI_2025);
    expect(indexOf(TAIWAN_AQI_2016, 'pm25', 35.4)?.value).toBe(100);
  });
  it('real time is half the last twelve, half the last four hours', () => {
    const hours = [10, 12, null, 14, 20, 20, 20, 20, 20, 20, 20, 20];
    // (10+12+14)/3 = 12; (36 + 8·20)/11 = 17.818…; half of each 14.909…
    expect(taiwanRealtime(hours)).toBeCloseTo(14.909, 3);
    expect(taiwanRealtime([10, null, null, null, 5, 5, 5, 5, 5])).toBeNull();
    expect(taiwanRealtime([10, 10, 10, 10, 10])).toBeNull();
  });
});

describe('US AQI 2024', () => {
  it.each(
    hour([
      [0, 0],
      [9.0, 50],
      [9.09, 50],
      [9.1, 51],
      [35.4, 100],
      [55.4, 150],
      [125.4, 200],
      [225.4, 300],
      [325.4, 500],
    ]),
  )('PM2.5 %d is %d', (c, aqi) => expect(indexOf(US_AQI_2024, 'pm25', c)?.value).toBe(aqi));
  it('goes on beyond 500', () => expect(indexOf(US_AQI_2024, 'pm25', 400)?.value).toBeGreaterThan(500));
  it('NowCast weighs by change', () => {
    expect(nowCast([34.9, 43, 50, 57, 58, 55, 53, 48, 44, 40, 37, 33])).toBeCloseTo(42.749, 3);
    expect(nowCast([90, 30, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10])).toBeCloseTo(55.011, 3);
    expect(nowCast([20, null, 25, 30, null, 20, 20, 20, 20, 20, 20, 20])).toBeCloseTo(22.454, 3);
    expect(nowCast([5, null, null, 5, 5])).toBeNull();
    expect(nowCast([0, 0, 0])).toBe(0);
  });
});

describe('tables', () => {
  it('the ten levels end in purple at 71', () => {
    expect(indexOf(TAIWAN_TEN_LEVELS, 'pm25', 70)?.value).toBe(9);
    const purple = indexOf(TAIWAN_TEN_LEVELS, 'pm25', 71);
    expect(purple?.value).toBe(10);
    expect(indexColour(TAIWAN_TEN_LEVELS, purple!)).toBe('#CE30FF');
  });
  it('Europe and WHO are categories with inclusive upper bounds', () => {
    expect(indexOf(EUROPEAN_AQI_2025, 'pm25', 5)?.value).toBe(1);
    expect(indexOf(EUROPEAN_AQI_2025, 'pm25', 5.01)?.value).toBe(2);
    expect(indexOf(EUROPEAN_AQI_2025, 'pm25', 141)?.value).toBe(6);
    expect(indexOf(WHO_2021, 'pm25', 15)?.category).toBe(0);
    expect(indexOf(WHO_2021, 'pm25', 15.1)?.category).toBe(1);
  });
  it.each(INDICES.map((i) => [`${i.key} ${i.version}`, i] as const))('%s is in order and complete', (_name, index) => {
    for (const scale of index.scales) {
      scale.breaks.forEach((line, i) => {
        expect(line.low).toBeLessThan(line.high);
        expect(index.categories[line.category]).toBeDefined();
        const before = scale.breaks[i - 1];
        if (before) {
          expect(line.low - before.high).toBeCloseTo(scale.step, 6);
          expect(line.from).toBeGreaterThan(before.from);
        }
      });
    }
    const hex = /^#[0-9A-F]{6}$/;
    for (const c of index.categories) expect([c.colour, c.colourSafe].every((v) => hex.test(v))).toBe(true);
  });
  it('no number, no index', () => {
    expect(indexOf(US_AQI_2024, 'pm25', NaN)).toBeNull();
    expect(indexOf(TAIWAN_TEN_LEVELS, 'o3', 10)).toBeNull();
    expect(indexOf(US_AQI_2024, 'pm25', -3)?.value).toBe(0);
  });
});

it('words of reasons and classes wear the punctuation of their language, and none is missing', () => {
  const said = [...REASONS, ...INDICES.flatMap((i) => [i.name, ...i.categories])];
  for (const { zh, en } of said) {
    expect(zh.trim() && en.trim()).toBeTruthy();
    expect(zh).not.toMatch(/\p{Script=Han}[,;:()]|[,;:()]\p{Script=Han}/u);
    expect(en).not.toMatch(/\p{Script=Han}/u);
  }
});

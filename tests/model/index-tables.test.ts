/**
 * Every corner of every index table against the numbers as published, typed in here a second time from the sources (Taiwan: airtw.moenv.gov.tw from
 * 2025-01-01; US: 40 CFR 58 app. G of 2024; Europe: ETC HE 2024/17 table 5.2; WHO 2021; ten levels: 環保署 2014).
 */
import { describe, expect, it } from 'vitest';
import { EUROPEAN_AQI_2025, indexAt, indexColour, indexOf, inUnitOf, nowCast, TAIWAN_AQI_2016, TAIWAN_AQI_2025, TAIWAN_TEN_LEVELS, taiwanRealtime, US_AQI_2024, WHO_2021, type AirQualityIndex, type IndexPollutant, type IndexScale } from '../../model/indices.ts'; // prettier-ignore

type Line = readonly [low: number, high: number, from: number, to: number, category: number];
type Table = readonly [AirQualityIndex, IndexPollutant, IndexScale['averaging'], readonly Line[]];

const TABLES: readonly Table[] = [
  [TAIWAN_AQI_2025, 'pm25', 'realtime', [[0, 12.4, 0, 50, 0], [12.5, 30.4, 51, 100, 1], [30.5, 50.4, 101, 150, 2], [50.5, 125.4, 151, 200, 3], [125.5, 225.4, 201, 300, 4], [225.5, 325.4, 301, 400, 5], [325.5, 500.4, 401, 500, 5]]],
  [TAIWAN_AQI_2025, 'pm10', 'realtime', [[0, 30, 0, 50, 0], [31, 75, 51, 100, 1], [76, 190, 101, 150, 2], [191, 354, 151, 200, 3], [355, 424, 201, 300, 4], [425, 504, 301, 400, 5], [505, 604, 401, 500, 5]]],
  [TAIWAN_AQI_2025, 'o3', '8h', [[0, 54, 0, 50, 0], [55, 70, 51, 100, 1], [71, 85, 101, 150, 2], [86, 105, 151, 200, 3], [106, 200, 201, 300, 4]]],
  [TAIWAN_AQI_2025, 'o3', '1h', [[101, 134, 101, 150, 2], [135, 204, 151, 200, 3], [205, 404, 201, 300, 4], [405, 504, 301, 400, 5], [505, 604, 401, 500, 5]]],
  [TAIWAN_AQI_2016, 'pm25', 'realtime', [[0, 15.4, 0, 50, 0], [15.5, 35.4, 51, 100, 1], [35.5, 54.4, 101, 150, 2], [54.5, 150.4, 151, 200, 3], [150.5, 250.4, 201, 300, 4], [250.5, 350.4, 301, 400, 5], [350.5, 500.4, 401, 500, 5]]],
  [US_AQI_2024, 'pm25', 'nowcast', [[0, 9.0, 0, 50, 0], [9.1, 35.4, 51, 100, 1], [35.5, 55.4, 101, 150, 2], [55.5, 125.4, 151, 200, 3], [125.5, 225.4, 201, 300, 4], [225.5, 325.4, 301, 500, 5]]],
  [US_AQI_2024, 'pm10', 'nowcast', [[0, 54, 0, 50, 0], [55, 154, 51, 100, 1], [155, 254, 101, 150, 2], [255, 354, 151, 200, 3], [355, 424, 201, 300, 4], [425, 604, 301, 500, 5]]],
]; // prettier-ignore

describe.each(TABLES.map((t) => [`${t[0].key} ${t[0].version} ${t[1]} ${t[2]}`, t] as const))('%s', (_name, [index, pollutant, averaging, lines]) => {
  it.each(lines)('%d–%d is %d–%d', (low, high, from, to, category) => {
    expect(indexOf(index, pollutant, low, averaging)).toEqual({ index: index.key, value: from, category });
    expect(indexOf(index, pollutant, high, averaging)).toEqual({ index: index.key, value: to, category });
    const middle = (low + high) / 2;
    const expected = from + ((to - from) * (middle - low)) / (high - low);
    const step = pollutant === 'pm25' ? 0.1 : 1;
    expect(Math.abs((indexOf(index, pollutant, middle, averaging)?.value ?? NaN) - expected)).toBeLessThanOrEqual(0.5 + (step * (to - from)) / (high - low)); // prettier-ignore
  });
}); // prettier-ignore

it('Taiwan rounds to the step, the US cuts off', () => {
  expect(indexOf(TAIWAN_AQI_2025, 'pm25', 12.45)?.value).toBe(51);
  expect(indexOf(TAIWAN_AQI_2025, 'pm25', 12.449)?.value).toBe(50);
  expect(indexOf(TAIWAN_AQI_2025, 'pm10', 30.5)?.value).toBe(51);
  expect(indexOf(US_AQI_2024, 'pm25', 9.0999)?.value).toBe(50);
  expect(indexOf(US_AQI_2024, 'pm10', 54.9)?.value).toBe(50);
});

describe.each([
  ['pm25', [5, 15, 50, 90, 140]],
  ['pm10', [15, 45, 120, 195, 270]],
  ['no2', [10, 25, 60, 100, 150]],
  ['o3', [60, 100, 120, 160, 180]],
  ['so2', [20, 40, 125, 190, 275]],
] as const)('European index %s', (pollutant, highs) => {
  it.each(highs.map((high, i) => [high, i] as const))('up to %d is class %d', (high, i) => {
    expect(indexOf(EUROPEAN_AQI_2025, pollutant, high)?.category).toBe(i);
    expect(indexOf(EUROPEAN_AQI_2025, pollutant, high + 0.01)?.category).toBe(i + 1);
  });
});
it('European colours', () => expect(EUROPEAN_AQI_2025.categories.map((c) => c.colour)).toEqual(['#50F0E6', '#50CCAA', '#F0E641', '#FF5050', '#960032', '#7D2181'])); // prettier-ignore

it.each([
  ['pm25', '24h', [15, 25, 37.5]],
  ['pm10', '24h', [45, 50, 75]],
  ['no2', '24h', [25]],
  ['so2', '24h', [40]],
  ['o3', '8h', [100]],
  ['co', '24h', [4]],
  ['pm25', '1a', [5, 10, 15]],
  ['pm10', '1a', [15, 20, 30]],
  ['no2', '1a', [10]],
] as const)('WHO 2021: %s, %s', (pollutant, averaging, highs) => {
  highs.forEach((high, i) => {
    expect(indexOf(WHO_2021, pollutant, high, averaging)?.category).toBe(i);
    expect(indexOf(WHO_2021, pollutant, high + 0.1, averaging)?.category).toBe(i + 1);
  });
});

it("Taiwan's ozone of 8 h ends at 300, as its table does; above that the hour speaks", () => {
  expect(indexOf(TAIWAN_AQI_2025, 'o3', 260, '8h')).toEqual({ index: 'tw_aqi', value: 300, category: 4 });
  expect(indexOf(TAIWAN_AQI_2025, 'o3', 100, '1h')).toBeNull();
});

it('mole fractions become mass at 293 K and 101.3 kPa, as the directive has it; what has no way gives none', () => {
  const scale = (index: AirQualityIndex, pollutant: IndexPollutant): IndexScale => index.scales.find((s) => s.pollutant === pollutant)!; // prettier-ignore
  // Factors of the European Environment Agency at 20 °C: NO2 1.9125, O3 1.9954, SO2 2.6632 (µg/m³ a ppb), CO 1.1645 (mg/m³ a ppm).
  expect(inUnitOf(scale(EUROPEAN_AQI_2025, 'no2'), 'no2', 10, '[ppb]')).toBeCloseTo(19.125, 2);
  expect(inUnitOf(scale(EUROPEAN_AQI_2025, 'o3'), 'o3', 10, '[ppb]')).toBeCloseTo(19.954, 2);
  expect(inUnitOf(scale(EUROPEAN_AQI_2025, 'so2'), 'so2', 10, '[ppb]')).toBeCloseTo(26.632, 2);
  expect(inUnitOf(scale(WHO_2021, 'co'), 'co', 2, '[ppm]')).toBeCloseTo(2.329, 3);
  expect(inUnitOf(scale(TAIWAN_AQI_2025, 'o3'), 'o3', 55, '[ppb]')).toBe(55);
  expect(inUnitOf(scale(TAIWAN_AQI_2025, 'pm25'), 'pm25', 1, '[ppb]')).toBeNull();
  expect(inUnitOf(scale(TAIWAN_AQI_2025, 'o3'), 'o3', 110, 'ug/m3')).toBeNull();
});

it('ten levels with the colours the LASS maps wear; 71 is 紫爆', () => {
  const rows = [[0, 11, '#9CFF9C'], [12, 23, '#31FF00'], [24, 35, '#31CF00'], [36, 41, '#FFFF00'], [42, 47, '#FFCF00'], [48, 53, '#FF9A00'], [54, 58, '#FF6464'], [59, 64, '#FF0000'], [65, 70, '#990000'], [71, 500, '#CE30FF']] as const; // prettier-ignore
  rows.forEach(([low, high, colour], i) => {
    for (const c of [low, high]) {
      const value = indexOf(TAIWAN_TEN_LEVELS, 'pm25', c);
      expect(value?.value).toBe(i + 1);
      expect(indexColour(TAIWAN_TEN_LEVELS, value!)).toBe(colour);
    }
  });
  expect(TAIWAN_TEN_LEVELS.categories[9]?.zh).toContain('紫爆');
});

it('averages that are not there give none, never NaN', () => {
  expect(nowCast([])).toBeNull();
  expect(nowCast([null, null, 5])).toBeNull();
  expect(nowCast([NaN, 5, 5])).toBe(5);
  expect(taiwanRealtime([])).toBeNull();
  expect(taiwanRealtime([8, 8, null, null, 8, 8, 8, 8])).toBe(8);
  expect(taiwanRealtime([NaN, NaN, NaN, 8, 8, 8, 8, 8, 8, 8, 8, 8])).toBeNull();
});

it('a table answers for the time in which it was in force', () => {
  expect(indexAt('us_aqi', Date.UTC(2024, 4, 5))).toBeUndefined();
  expect(indexAt('us_aqi', Date.UTC(2024, 4, 6))).toBe(US_AQI_2024);
  expect(indexAt('tw_aqi', Date.UTC(2015, 0, 1))).toBeUndefined();
});

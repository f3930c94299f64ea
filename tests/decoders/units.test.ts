import { describe, expect, it } from 'vitest';
import { PROPERTIES } from '../../model/properties.ts';
import {
  celsiusFromFahrenheit,
  hPaFromInHg,
  hPaFromKPa,
  hPaFromMmHg,
  hPaFromPa,
  mpsFromMph,
  toUnitOf,
  unitCode,
} from '../../model/units.ts';

describe('units', () => {
  it.each([
    [celsiusFromFahrenheit(32), 0],
    [celsiusFromFahrenheit(212), 100],
    [celsiusFromFahrenheit(-40), -40],
    [hPaFromPa(100520.25), 1005.2025],
    [hPaFromPa(101325), 1013.25],
    [hPaFromKPa(101.32), 1013.2],
    // One standard atmosphere: 760 mmHg, 29.9212598 inHg, 1013.25 hPa (to 1e-5 hPa: the mmHg is the conventional one).
    [hPaFromMmHg(760), 1013.250144354],
    [hPaFromInHg(1), 33.86388640341],
    [mpsFromMph(1), 0.44704],
  ])('%d is %d', (got, wanted) => expect(got).toBeCloseTo(wanted, 9));

  it.each([
    ['µg/m³', 'ug/m3'], // U+00B5
    ['μg/m3', 'ug/m3'], // U+03BC, as Civil IoT Taiwan writes it
    ['ug/m^3', 'ug/m3'],
    ['°C', 'Cel'],
    ['℃', 'Cel'],
    ['° F', '[degF]'],
    ['°', 'deg'],
    ['percentage', '%'],
    ['%', '%'],
    ['mbar', 'hPa'],
    ['Pa', 'Pa'],
    ['Lux', 'lx'],
    ['dB(A)', 'dB(A)'],
    ['bananas', null],
  ])('%s is %s', (text, code) => expect(unitCode(text)).toBe(code));

  it('knows the unit of every property, as code and as people write it', () => {
    for (const p of PROPERTIES) {
      expect(toUnitOf(p.key, 7, p.unit), `${p.key} in ${p.unit}`).toBe(7);
      expect(toUnitOf(p.key, 7, p.unitLabel), `${p.key} in ${p.unitLabel}`).toBe(7);
    }
  });

  it('refuses what cannot be turned: mass of a gas, counts for mass, an unnamed unit', () => {
    expect(toUnitOf('no2', 40, 'µg/m³')).toBeNull();
    expect(toUnitOf('pm25', 40, 'pcs/0.01cf')).toBeNull();
    expect(toUnitOf('temperature', 20, '')).toBeNull();
    expect(toUnitOf('temperature', 68, '°F')).toBe(20);
    expect(toUnitOf('no2', 0.02, 'ppm')).toBe(20);
    expect(toUnitOf('pm25', 0.012, 'mg/m3')).toBe(12);
  });
});

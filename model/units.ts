/**
 * Exact conversions into the units of `properties.ts`, and the many ways boxes write a unit.
 *
 * Only conversions that need nothing but a factor and an offset stand here. Mass and mole fraction of a gas are different
 * quantities (the conversion needs temperature and pressure), so `ug/m3` of NO2 has no way to `[ppb]`.
 */
import { property, type PropertyKey } from './properties.ts';

/** Takes away the binary dust of one multiplication (101.32 kPa is 1013.2 hPa, not 1013.1999999999999). */
const tidy = (x: number): number => Number(x.toPrecision(15));

/** Pascal in one conventional millimetre of mercury (BS 350: 13.5951 × 9.80665). */
const PA_PER_MMHG = 133.322387415;

export const celsiusFromFahrenheit = (f: number): number => tidy(((f - 32) * 5) / 9);
export const celsiusFromKelvin = (k: number): number => tidy(k - 273.15);
export const hPaFromPa = (pa: number): number => tidy(pa / 100);
export const hPaFromKPa = (kPa: number): number => tidy(kPa * 10);
export const hPaFromMmHg = (mmHg: number): number => tidy((mmHg * PA_PER_MMHG) / 100);
/** One inch is 25.4 mm exactly. */
export const hPaFromInHg = (inHg: number): number => tidy((inHg * 25.4 * PA_PER_MMHG) / 100);
export const ppbFromPpm = (ppm: number): number => tidy(ppm * 1000);
export const ppmFromPpb = (ppb: number): number => ppb / 1000;
/** One knot is 1852 m an hour exactly, one mile 1609.344 m. */
export const mpsFromKmh = (kmh: number): number => tidy(kmh / 3.6);
export const mpsFromMph = (mph: number): number => tidy((mph * 1609.344) / 3600);

/** The spellings of one unit seen in the field, reduced by `normal` (no spaces, lower case, micro as `u`, no `^`). */
const SPELLINGS: Record<string, readonly string[]> = {
  'ug/m3': ['ug/m3', 'ugm3', 'ugm-3', 'microgram/m3', 'microgrampercubicmeter', 'mcg/m3'],
  'mg/m3': ['mg/m3', 'mgm3'],
  Cel: ['c', 'cel', 'degc', 'celsius', 'degreecelsius', 'degreescelsius'],
  '[degF]': ['f', 'degf', 'fahrenheit', 'degreefahrenheit'],
  K: ['k', 'kelvin'],
  '%': ['%', 'percent', 'percentage', '%rh', 'rh%', '%r.h.', 'relh'],
  Pa: ['pa', 'pascal'],
  hPa: ['hpa', 'mbar', 'mb', 'millibar', 'hectopascal'],
  kPa: ['kpa', 'kilopascal'],
  'mm[Hg]': ['mmhg', 'mm[hg]', 'torr'],
  "[in_i'Hg]": ['inhg', 'in.hg'],
  '[ppm]': ['ppm', '[ppm]', 'partspermillion'],
  '[ppb]': ['ppb', '[ppb]', 'partsperbillion'],
  lx: ['lx', 'lux'],
  klx: ['klx', 'klux'],
  'dB(A)': ['db(a)', 'dba', 'dbspl(a)'],
  'm/s': ['m/s', 'ms-1', 'mps', 'm/sec'],
  'km/h': ['km/h', 'kmh', 'kph'],
  deg: ['deg', 'degree', 'degrees'],
  mm: ['mm', 'millimeter', 'millimetre', 'l/m2'],
  m: ['m', 'meter', 'metre'],
  cm: ['cm', 'centimeter', 'centimetre'],
  V: ['v', 'volt'],
  mV: ['mv', 'millivolt'],
  'dB[mW]': ['dbm', 'db[mw]'],
  '/dL': ['/dl', '1/dl', '#/dl', '#/0.1l', 'p/0.1l', '/0.1l', '1/0.1l', 'particles/0.1l', 'count/dl'],
  'uS/cm': ['us/cm'],
  'mS/cm': ['ms/cm'],
  '[pH]': ['ph', '[ph]'],
  '1': ['', '1', 'index'],
};
const spelt = new Map<string, string>();
for (const [unit, ways] of Object.entries(SPELLINGS)) for (const w of ways) spelt.set(w, unit);

/** Both micro signs (U+00B5, U+03BC) become `u`, superscript 3 becomes 3, degree signs, spaces, `^` and `*` go. */
const normal = (unit: string): string =>
  unit
    .replace(/[\u00b5\u03bc]/g, 'u')
    .replace(/\u00b3/g, '3')
    .replace(/\u00b2/g, '2')
    .replace(/\u2103/g, 'c')
    .replace(/\u2109/g, 'f')
    .replace(/\u33d7/g, 'ph')
    .replace(/[\u00b0\s^*_]/g, '')
    .toLowerCase();

/** The code of a unit written in any of the ways seen in the field; null = not known. */
export const unitCode = (unit: string): string | null => {
  // A lone degree sign is an angle; with a letter behind it, a temperature.
  if (unit.trim() === '\u00b0') return 'deg';
  return spelt.get(normal(unit)) ?? null;
};

type Convert = (value: number) => number;
/** target unit → source unit → conversion; the identity is not listed. */
const CONVERSIONS: Record<string, Record<string, Convert>> = {
  'ug/m3': { 'mg/m3': (x) => tidy(x * 1000) },
  Cel: { '[degF]': celsiusFromFahrenheit, K: celsiusFromKelvin },
  hPa: { Pa: hPaFromPa, kPa: hPaFromKPa, 'mm[Hg]': hPaFromMmHg, "[in_i'Hg]": hPaFromInHg },
  '[ppm]': { '[ppb]': ppmFromPpb },
  '[ppb]': { '[ppm]': ppbFromPpm },
  lx: { klx: (x) => tidy(x * 1000) },
  'm/s': { 'km/h': mpsFromKmh },
  m: { mm: (x) => x / 1000, cm: (x) => x / 100 },
  V: { mV: (x) => x / 1000 },
  'uS/cm': { 'mS/cm': (x) => tidy(x * 1000) },
};

/**
 * `value` in the unit of the property; null = `unit` is not known or cannot be turned into it.
 * An empty unit is taken as the property's own only for properties that have none.
 */
export function toUnitOf(key: PropertyKey, value: number, unit: string): number | null {
  const target = property(key).unit;
  const code = unitCode(unit);
  if (code === null) return null;
  if (code === target) return value;
  // The decibels of sound are written without their weighting by most boxes.
  return CONVERSIONS[target]?.[code]?.(value) ?? null;
}

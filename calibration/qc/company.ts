/**
 * Values that must agree with others of the same reading, and sensors whose agreement makes an event of what one of them alone would be a
 * fault (calibration note §6: co-variation of PM, CO and noise in the same box).
 */
import { FLAG, type Flag } from '../../model/flags.ts';
import type { PropertyKey } from '../../model/properties.ts';

/** LAmin ≤ LAeq ≤ LAmax, with half a decibel for rounding; NaN = not measured. Judged for the middle value. */
export function levelOrderTest(min: number, eq: number, max: number): Flag {
  if (Number.isNaN(eq) || (Number.isNaN(min) && Number.isNaN(max))) return FLAG.notEvaluated;
  return min > eq + 0.5 || eq > max + 0.5 ? FLAG.suspect : FLAG.good;
}

/** Above this wind a microphone measures the wind (ISO 1996-2:2017, clause 8.2: 5 m/s); rain drums on the case. NaN = not known. */
export function windNoiseTest(windSpeed: number, rain: number): Flag {
  if (Number.isNaN(windSpeed) && Number.isNaN(rain)) return FLAG.notEvaluated;
  return windSpeed > 5 || rain > 0 ? FLAG.suspect : FLAG.good;
}

/** Infrared CO2 sensors err in wet air (calibration note §2.5: impaired above 85 % humidity). A chip at 100 % may be saturated and says nothing. */
export function wetCo2Test(humidity: number): Flag {
  if (!(humidity > 0 && humidity < 99.9)) return FLAG.notEvaluated;
  return humidity > 85 ? FLAG.suspect : FLAG.good;
}

/** Sensors that know nothing of the laser of a particle sensor, and see smoke, traffic and fireworks all the same. */
export const INDEPENDENT: ReadonlySet<PropertyKey> = new Set<PropertyKey>([
  'co',
  'no2',
  'so2',
  'nh3',
  'tvoc',
  'voc_index',
  'nox_index',
  'co2',
  'noise_laeq',
]);

/** A rise of this many times what the stream usually moves from reading to reading is a jump. */
export const JUMP = 6;

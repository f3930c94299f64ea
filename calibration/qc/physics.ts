import { FLAG, type Flag } from '../../model/flags.ts';

/**
 * PM1 ≤ PM2.5 ≤ PM10, with 2 µg/m³ and 10 % for rounding and the maker's own arithmetic. Judged for the middle value.
 * NaN = not measured; not evaluated without either neighbour in size.
 */
export function sizeOrderTest(pm1: number, pm25: number, pm10: number): Flag {
  if (Number.isNaN(pm25) || (Number.isNaN(pm1) && Number.isNaN(pm10))) return FLAG.notEvaluated;
  if (pm1 > pm25 * 1.1 + 2) return FLAG.suspect;
  if (pm25 > pm10 * 1.1 + 2) return FLAG.suspect;
  return FLAG.good;
}

/** Dew point [°C] by Magnus' formula (Alduchov & Eskridge 1996, J. Appl. Meteor. 35:601, eq. 21; −40 to 50 °C). */
export function dewPoint(temperature: number, humidity: number): number {
  const g = Math.log(humidity / 100) + (17.625 * temperature) / (243.04 + temperature);
  return (243.04 * g) / (17.625 - g);
}

/**
 * Droplets counted as particles: humidity above 90 % and less than 1 °C to the dew point (calibration note §8.1 S6). Not a fault: the
 * value stands, its reason widens the interval. True = foggy.
 */
export function isFoggy(temperature: number, humidity: number): boolean {
  return humidity > 90 && humidity < 99.9 && temperature - dewPoint(temperature, humidity) < 1;
}

/**
 * A case heated by the sun: more than 4 °C above the neighbours while the sun is up (calibration note §8.1 S6).
 * @param around median temperature of the neighbours [°C], NaN = not known
 * @param sunElevation [degrees]; asked for only when it decides
 */
export function solarTest(temperature: number, around: number, sunElevation: () => number): Flag {
  if (Number.isNaN(around)) return FLAG.notEvaluated;
  return temperature - around > 4 && sunElevation() > 5 ? FLAG.suspect : FLAG.good;
}

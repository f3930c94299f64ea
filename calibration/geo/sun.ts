import { DAY, type EpochMs } from '../../model/time.ts';

const RAD = Math.PI / 180;

/**
 * Height of the sun's centre above the horizon [degrees], without refraction. Low-precision formulas of the Astronomical
 * Almanac (page C24: mean longitude, anomaly and obliquity), good to 0.01° for 1950–2050; refraction (0.6° at the horizon) does not
 * matter for "is the case in the sun".
 */
export function sunElevation(t: EpochMs, lat: number, lon: number): number {
  const days = t / DAY - 10957.5; // since J2000.0, 2000-01-01T12:00Z
  const meanLongitude = 280.46 + 0.9856474 * days;
  const anomaly = (357.528 + 0.9856003 * days) * RAD;
  const eclipticLongitude = (meanLongitude + 1.915 * Math.sin(anomaly) + 0.02 * Math.sin(2 * anomaly)) * RAD;
  const obliquity = (23.439 - 0.0000004 * days) * RAD;
  const declination = Math.asin(Math.sin(obliquity) * Math.sin(eclipticLongitude));
  const rightAscension = Math.atan2(Math.cos(obliquity) * Math.sin(eclipticLongitude), Math.cos(eclipticLongitude));
  const siderealDegrees = 280.46061837 + 360.98564736629 * days; // Meeus, Astronomical Algorithms, eq. 12.4, linear terms
  const hourAngle = (siderealDegrees + lon) * RAD - rightAscension;
  const sine =
    Math.sin(lat * RAD) * Math.sin(declination) + Math.cos(lat * RAD) * Math.cos(declination) * Math.cos(hourAngle);
  return Math.asin(sine) / RAD;
}

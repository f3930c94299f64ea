/** A simulated reference station: hourly means of the true air with a beta gauge's own noise, or a lie. */
import type { City, Position } from './city.ts';
import { hashNormal } from './random.ts';

export interface SimStation extends Position {
  readonly id: string;
  readonly index: number;
  /** A lying station reports this many times the truth from `liesFrom` on. */
  readonly liesBy: number;
  /** Mean of the hour that starts at `hourStart` [µg/m³], may be negative in clean air as real ones are. */
  hourMean(hourStart: number): { readonly pm25: number; readonly pm10: number };
}

const HOUR_MS = 3_600_000;

export function createStation(
  city: City,
  options: { id: string; index: number; place: Position; liesBy?: number; liesFrom?: number },
): SimStation {
  const { id, index, place } = options;
  const liesBy = options.liesBy ?? 1;
  const liesFrom = options.liesFrom ?? 0;
  return {
    id,
    index,
    ...place,
    liesBy,
    hourMean(hourStart) {
      let pm25 = 0;
      let pm10 = 0;
      for (let k = 0; k < 12; k++) {
        const air = city.at(place, hourStart + (k + 0.5) * (HOUR_MS / 12));
        pm25 += air.pm25 / 12;
        pm10 += air.pm10 / 12;
      }
      const lie = hourStart >= liesFrom ? liesBy : 1;
      // Two reference monitors side by side differ by a few µg/m³ in hourly means (calibration note §3.2).
      const noise = 1.5 * hashNormal(city.seed ^ 0x91, Math.floor(hourStart / HOUR_MS), index);
      return { pm25: Math.round(pm25 * lie + noise), pm10: Math.round(pm10 * lie + 2 * noise) };
    },
  };
}

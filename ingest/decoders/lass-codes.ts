/** What the sensor codes of LASS, AnySense and MAPS6 mean (LASS.ino `sensorType`, AnySense `fields`, MAPS6 config). */
import type { PropertyKey } from '../../model/properties.ts';

export interface Code {
  readonly property: PropertyKey;
  /** 0 = the main sensor of that quantity; a larger rank gives way to a smaller one in the same message. */
  readonly rank: number;
  /** Multiplier into the property's unit. */
  readonly factor: number;
}

const code = (property: PropertyKey, rank = 0, factor = 1): Code => ({ property, rank, factor });

/**
 * Not taken, because no property holds them or their unit depends on the sketch: counters, battery in %, speed, s_l1/s_l2,
 * colour counts, s_s0 (unweighted sound), Geiger counts, s_g3–s_g7 (Grove, uncalibrated), s_g8e (equivalent CO2, computed),
 * s_r1/s_r6 (sums that overlap), water codes s_ec s_Tb s_Lv s_DO s_orp s_nh4 s_no3; and c_d0, which the portal calculated.
 */
export const CODES: ReadonlyMap<string, Code> = new Map([
  ['s_d0', code('pm25')],
  ['s_d1', code('pm10')],
  ['s_d2', code('pm1')],
  ['CFPM2.5', code('pm25', 2)],
  ['CFPM10', code('pm10', 2)],
  ['CFPM1.0', code('pm1', 2)],
  ['s_t0', code('temperature')],
  ['s_t1', code('temperature', 1)],
  ['s_t2', code('temperature', 2)],
  ['s_t3', code('temperature', 3)],
  ['s_h0', code('humidity')],
  ['s_h1', code('humidity', 1)],
  ['s_h2', code('humidity', 2)],
  ['s_h3', code('humidity', 3)],
  ['s_b0', code('pressure')],
  ['s_b1', code('pressure', 1)],
  ['s_b2', code('pressure', 2)],
  ['s_l0', code('illuminance')],
  ['s_l3', code('illuminance', 1)],
  ['s_u0', code('uv_index')],
  ['s_g8', code('co2')],
  ['s_gh', code('co2', 1)],
  ['s_gg', code('tvoc')],
  ['s_g0', code('nh3', 0, 1000)],
  ['s_g1', code('co')],
  ['s_g2', code('no2', 0, 1000)],
  ['s_ph', code('ph')],
  ['s_p0', code('rain')],
  ['s_p0.15', code('rain')],
  ['s_p.15', code('rain')],
  // Wrong names seen in the field (formats §1.5).
  ['t', code('temperature', 5)],
  ['h', code('humidity', 5)],
  ['g_8', code('co2', 5)],
  ['b_0', code('pressure', 5)],
  // Formats 1 and 2 (2015).
  ['data-B', code('pressure')],
  ['data-T', code('temperature')],
  ['data-H', code('humidity')],
  ['data-L', code('illuminance')],
]);

/** On the MAPS ArduinoNano `s_g0` is CO2 in ppm. */
export const MAPS_S_G0 = code('co2', 1);

/** Hour values of national stations, re-published as `EPA_COPY` (dots became `_`); gases in ppb, CO in ppm. −1 = missing. */
export const COPY_CODES: ReadonlyMap<string, Code> = new Map([
  ['PM2_5', code('pm25')],
  ['PM2.5', code('pm25')],
  ['PM10', code('pm10')],
  ['CO', code('co')],
  ['SO2', code('so2')],
  ['NO2', code('no2')],
  ['O3', code('o3')],
  ['WindSpeed', code('wind_speed')],
  ['WindDirec', code('wind_direction')],
]);

/**
 * The places of `values=` in app MAPS ≤ 0.7.0. Worked out from a 0.7.0 message, which says the same numbers twice:
 * items 10–13 of `values` equal `data-B`, `data-T`, `data-H`, `data-L`.
 */
export const MAPS_VALUES: readonly (readonly [number, PropertyKey])[] = [
  [10, 'pressure'],
  [11, 'temperature'],
  [12, 'humidity'],
  [13, 'illuminance'],
];

/**
 * ESPHome (format document §7.1): one bare number per topic, so one measurement is several messages; no time; `nan` where a
 * sensor has no value. Registered boxes set `topic_prefix: boxes/<id>/esphome`.
 */
import type { Measurement, SimBox } from '../box.ts';
import { fixed } from './wire.ts';
import type { PayloadWriter } from './writer.ts';

const prefix = (box: SimBox): string => `esphome/lamp-${box.index + 1}`;

/** Object ids as ESPHome makes them of the names in its documents, and the decimals it prints. */
const SENSORS: readonly (readonly [string, (m: Measurement) => number, number])[] = [
  ['particulate_matter__2_5_m_concentration', (m) => m.pm25, 0],
  ['particulate_matter__10_0_m_concentration', (m) => m.pm10, 0],
  ['particulate_matter__1_0_m_concentration', (m) => m.pm1, 0],
  ['bme280_temperature', (m) => m.temperature, 1],
  ['bme280_humidity', (m) => m.humidity, 1],
];

export const esphome: PayloadWriter = {
  format: 'esphome',
  openTopic: (box) => `${prefix(box)}/sensor/particulate_matter__2_5_m_concentration/state`,
  write: (_box, measurements) => fixed((measurements[0] as Measurement).pm25, 0),
  messages(box, measurement, ownPrefix) {
    return SENSORS.map(([object, of, decimals]) => ({
      topic: `${ownPrefix === '' ? prefix(box) : `${ownPrefix}/esphome`}/sensor/${object}/state`,
      payload: Number.isNaN(of(measurement)) ? 'nan' : fixed(of(measurement), decimals),
    }));
  },
};

/**
 * Sensor.Community airRohr (format document §2): the union that goes to custom servers, all values strings, pressure in Pa, no
 * time. `airrohrPosts` writes what goes to the network itself: one POST per chip with its headers.
 */
import type { Measurement, SimBox } from '../box.ts';
import { fixed } from './wire.ts';
import type { PayloadWriter } from './writer.ts';

const VERSION = 'NRZ-2024-135';
const node = (box: SimBox): string => `esp8266-${String(1_000_000 + box.index)}`;
const body = (values: Record<string, string>): string =>
  JSON.stringify({
    software_version: VERSION,
    sensordatavalues: Object.entries(values).map(([value_type, value]) => ({ value_type, value })),
  });

/** A standard atmosphere at sea level; the simulated city has no weather of its own for it. */
const PRESSURE_PA = '101325.00';

export interface Post {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** SDS011 on pin 1, BME280 on pin 11, prefixes stripped. */
export function airrohrPosts(box: SimBox, m: Measurement): Post[] {
  const post = (pin: number, values: Record<string, string>): Post => ({
    path: '/v1/push-sensor-data/',
    headers: { 'content-type': 'application/json', 'x-sensor': node(box), 'x-pin': String(pin) },
    body: body(values),
  });
  return [
    post(1, { P1: fixed(m.pm10), P2: fixed(m.pm25) }),
    post(11, { temperature: fixed(m.temperature), pressure: PRESSURE_PA, humidity: fixed(m.humidity) }),
  ];
}

export const airrohr: PayloadWriter = {
  format: 'airrohr',
  openTopic: (box) => `airrohr/${node(box)}`,
  write(box, measurements) {
    const m = measurements[0] as Measurement;
    return body({
      SDS_P1: fixed(m.pm10),
      SDS_P2: fixed(m.pm25),
      BME280_temperature: fixed(m.temperature),
      BME280_pressure: PRESSURE_PA,
      BME280_humidity: fixed(m.humidity),
      samples: '535701',
      min_micro: '101',
      max_micro: '32678',
      interval: '145000',
      signal: String(-40 - (box.index % 40)),
    });
  },
};

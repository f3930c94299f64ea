/**
 * ESPHome over MQTT: one bare number per topic, `<prefix>/sensor/<object_id>/state`; formats §7.1. The object id is the
 * sensor's name as its owner chose it, so the property is read from it; ESPHome's units are °C, %, hPa, µg/m³, ppm, ppb, lx.
 * `nan` and `None` are "no value". There is no time, and values of one moment come as several messages.
 */
import { NOT_A_READING, type Decoded, type Decoder } from '../decoder.ts';
import { propertyNamed } from './names.ts';
import { decimal, nativeIdOf, rejected, shown, textOf } from './text.ts';

/** `kitchen` and `pm_2_5` from `kitchen/sensor/pm_2_5/state`; a prefix may have several levels. */
function parts(topic: string): { prefix: string; object: string } | null {
  const levels = topic.split('/');
  const n = levels.length;
  if (n < 4 || levels[n - 1] !== 'state' || levels[n - 3] !== 'sensor') return null;
  return { prefix: levels.slice(0, n - 3).join('/'), object: levels[n - 2] as string };
}

function decode(payload: Uint8Array, topic: string): Decoded {
  const found = parts(topic);
  if (!found) return rejected(NOT_A_READING, 'not a state topic of ESPHome: <prefix>/sensor/<object_id>/state');
  if (payload.length > 64) return rejected('not-a-number', `${payload.length} bytes where one number is expected`);
  const text = textOf(payload);
  const value = decimal(text);
  if (Number.isNaN(value)) {
    return /^\s*(nan|none|unknown|unavailable)?\s*$/i.test(text)
      ? rejected('no-values', `${shown(found.object)} has no value (${shown(text)})`)
      : rejected('not-a-number', `${shown(found.object)} is ${shown(text)}, not a number`);
  }
  const property = propertyNamed(found.object);
  if (property === null) {
    return rejected(
      'unknown-property',
      `"${shown(found.object)}" names no known quantity; name the sensor PM2.5, PM10, Temperature, Humidity, Pressure, CO2 …`,
    );
  }
  const nativeId = found.prefix.startsWith('boxes/') ? '' : nativeIdOf(found.prefix);
  return { ok: true, readings: [{ nativeId, time: null, values: [{ property, value }], place: null }] };
}

export const esphome: Decoder = {
  format: 'esphome',
  openTopics: ['esphome/#', '+/sensor/+/state', '+/+/sensor/+/state'],
  decode,
};

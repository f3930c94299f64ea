/**
 * Tasmota `tele/<topic>/SENSOR` and `stat/<topic>/STATUS8` (`StatusSNS`): one object per chip, units in the message;
 * formats §7.2. `Time` is the box's local time without its zone and the message is sent at once, so the receive time is
 * used; a `Time` with a zone is believed. Invalid JSON of older builds (bare nan, `{,`) is mended.
 */
import type { PropertyKey } from '../../model/properties.ts';
import { toUnitOf } from '../../model/units.ts';
import { parseTime } from '../../model/time.ts';
import { NOT_A_READING, type Decoded, type DecodedReading, type Decoder } from '../decoder.ts';
import {
  jsonIn,
  MAX_BOX_PAYLOAD,
  nativeIdOf,
  note,
  numberIn,
  objectIn,
  put,
  rejected,
  shown,
  textOf,
  type Value,
} from './text.ts';
import { believable } from './times.ts';

/** For one quantity the chip nearer to the front is taken; others come after these. */
const CHIP_ORDER = [
  'BME280',
  'BME680',
  'SHT3X',
  'SHT4X',
  'HTU21',
  'SI7021',
  'AM2301',
  'DHT22',
  'DHT11',
  'SCD30',
  'SCD40',
  'BMP280',
  'BMP180',
  'DS18B20',
];
/** Blocks that hold no quantity of the air. */
const NOT_AIR: ReadonlySet<string> = new Set(['ENERGY', 'ESP32', 'ANALOG', 'COUNTER', 'Switch', 'StatusSNS']);

/** Key of a chip block → property. `CF…` are the CF=1 values, `PM…` the atmospheric ones; CF=1 is preferred. */
const KEYS: readonly (readonly [string, PropertyKey])[] = [
  ['CF2.5', 'pm25'],
  ['CF10', 'pm10'],
  ['CF1', 'pm1'],
  ['PM2.5', 'pm25'],
  ['PM10', 'pm10'],
  ['PM1', 'pm1'],
  ['PM4', 'pm4'],
  ['PB0.3', 'pm03_count'],
  ['PB0.5', 'pm05_count'],
  ['PB1', 'pm1_count'],
  ['PB2.5', 'pm25_count'],
  ['Temperature', 'temperature'],
  ['Humidity', 'humidity'],
  ['Pressure', 'pressure'],
  ['CarbonDioxide', 'co2'],
  ['TVOC', 'tvoc'],
  ['Illuminance', 'illuminance'],
  ['UvIndex', 'uv_index'],
];

/** Bare nan and inf become null, a comma right behind a brace goes (arendst/Tasmota#4147, #9436). */
const mended = (text: string): string =>
  text.replace(/([:,[]\s*)[-+]?(?:nan|inf(?:inity)?)(?=\s*[,}\]])/gi, '$1null').replace(/([{,])\s*,/g, '$1');

/** The box in `tele/<topic>/SENSOR`, also with the levels in another order. */
function boxOf(topic: string): string {
  const levels = topic.split('/').filter((l) => !/^(tele|stat|cmnd|SENSOR|STATUS\d*|STATE|RESULT)$/.test(l));
  return levels[0] === 'boxes' ? '' : nativeIdOf(levels.join('/'));
}

const rank = (chip: string): number => {
  const at = CHIP_ORDER.indexOf(chip.replace(/-\d+$/, ''));
  return at < 0 ? CHIP_ORDER.length - 4.5 : at; // unknown chips before BMP and DS18B20
};

function decode(payload: Uint8Array, topic: string): Decoded {
  if (!/(^|\/)(SENSOR|STATUS8|STATUS10|batch|tasmota)$/.test(topic)) {
    return rejected(NOT_A_READING, 'readings of Tasmota come on …/SENSOR and …/STATUS8');
  }
  if (payload.length > MAX_BOX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  const text = textOf(payload);
  let whole = objectIn(jsonIn(text));
  const notes: string[] = [];
  if (!whole) {
    whole = objectIn(jsonIn(mended(text)));
    if (!whole) return rejected('bad-json', 'expected the JSON of tele/<topic>/SENSOR');
    note(notes, 'invalid JSON (bare nan or a stray comma) was mended; update Tasmota');
  }
  const body = objectIn(whole['StatusSNS']) ?? whole;
  const values: Value[] = [];
  let field: 'cf1' | 'atm' | undefined;
  const chips = Object.keys(body)
    .filter((k) => !NOT_AIR.has(k) && objectIn(body[k]))
    .slice(0, 40)
    .sort((a, b) => rank(a) - rank(b));
  const sensors: string[] = [];
  for (const chip of chips) {
    const block = objectIn(body[chip]) as Record<string, unknown>;
    let used = false;
    for (const [key, property] of KEYS) {
      const raw = block[key];
      if (raw === undefined || raw === null) continue;
      const number = numberIn(raw);
      const value = Number.isNaN(number) ? null : inUnit(property, number, body);
      if (value === null) {
        note(
          notes,
          `${shown(chip, 30)}.${key} is ${shown(raw)}${Number.isNaN(number) ? '' : ' in an unknown unit'}; not taken`,
        );
        continue;
      }
      const taken = put(values, property, value);
      used ||= taken;
      if (taken && property === 'pm25' && (key === 'CF2.5' || 'CF2.5' in block))
        field = key === 'CF2.5' ? 'cf1' : 'atm';
    }
    if (used) sensors.push(shown(chip.replace(/-\d+$/, ''), 30));
  }
  if (values.length === 0) return rejected('no-values', notes.join('; ') || 'no chip with a known quantity');
  const stamp = body['Time'];
  const time = typeof stamp === 'string' ? believable(parseTime(stamp)) : null;
  const hints: NonNullable<DecodedReading['hints']> = { sensors, ...(field ? { field } : {}) };
  return {
    ok: true,
    readings: [{ nativeId: boxOf(topic), time, values, place: null, hints, ...(notes.length > 0 ? { notes } : {}) }],
  };
}

function inUnit(property: PropertyKey, value: number, body: Record<string, unknown>): number | null {
  const unit =
    property === 'temperature' ? body['TempUnit'] : property === 'pressure' ? body['PressureUnit'] : undefined;
  return typeof unit === 'string' ? toUnitOf(property, value, unit) : value;
}

export const tasmota: Decoder = {
  format: 'tasmota',
  openTopics: ['tele/+/+', 'stat/+/+', '+/tele/+', '+/stat/+'],
  decode,
};

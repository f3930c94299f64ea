/**
 * Sensor.Community airRohr firmware: one POST per chip (value types without prefix, the pin in X-PIN), or one POST with the
 * union of all chips (prefixed) to custom servers, madavi and openSenseMap; formats §2.
 *
 * The push endpoint puts what only the HTTP header knows into the topic: `airrohr/<X-Sensor>/pin<X-PIN>`.
 * Pressure comes in Pa. P1/P2 of a PPD42NS (pin 5, or with durP1/ratioP1) are particle counts per 0.01 cubic foot, not a
 * mass, and are not taken. GPS −200 means no fix. Values are strings; no message has a time.
 */
import type { PropertyKey } from '../../model/properties.ts';
import { hPaFromPa } from '../../model/units.ts';
import type { Decoded, DecodedReading, Decoder } from '../decoder.ts';
import {
  decimal,
  isPlace,
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
import { believable, moment } from './times.ts';

const MAX_VALUES = 100;

/** Prefix in the union → chip; within one quantity the earlier chip in this list is taken. */
const CHIPS: readonly (readonly [string, string])[] = [
  ['SDS_', 'SDS011'],
  ['SPS30_', 'SPS30'],
  ['PMS_', 'PMSx003'],
  ['NPM_', 'NextPM'],
  ['HPM_', 'HPM'],
  ['IPS_', 'IPS-7100'],
  ['BME280_', 'BME280'],
  ['SHT3X_', 'SHT3x'],
  ['HTU21D_', 'HTU21D'],
  ['', ''],
  ['SCD30_', 'SCD30'],
  ['BMP280_', 'BMP280'],
  ['BMP_', 'BMP180'],
  ['DS18B20_', 'DS18B20'],
  ['DNMS_', 'DNMS'],
  ['PPD_', 'PPD42NS'],
  ['GPS_', ''],
];

/** Pins that name one chip for certain (ext_def.h); pins 1 and 7 are shared by several. */
const PIN_CHIP: Record<string, string> = { 5: 'PPD42NS', 11: 'BME280', 13: 'DS18B20', 15: 'DNMS', 17: 'SCD30' };

/** Value type without prefix → property; pressure is converted from Pa. */
const TYPES: Record<string, PropertyKey> = {
  P0: 'pm1',
  P1: 'pm10',
  P2: 'pm25',
  P4: 'pm4',
  temperature: 'temperature',
  humidity: 'humidity',
  pressure: 'pressure',
  co2_ppm: 'co2',
  noise_LAeq: 'noise_laeq',
  noise_LA_min: 'noise_lamin',
  noise_LA_max: 'noise_lamax',
};
const MASS: ReadonlySet<string> = new Set(['P0', 'P1', 'P2', 'P4']);

interface Meaning {
  readonly property: PropertyKey;
  /** Place of the chip in `CHIPS`: the smallest is taken. */
  readonly rank: number;
  readonly model: string;
  readonly mass: boolean;
}

/** Every prefix with every type. */
const MEANINGS = new Map<string, Meaning>();
for (const [rank, [prefix, model]] of CHIPS.entries()) {
  for (const [type, property] of Object.entries(TYPES)) {
    MEANINGS.set(prefix + type, { property, rank, model, mass: MASS.has(type) });
  }
}

export interface SensorValues {
  readonly values: Value[];
  readonly sensors: string[];
  readonly place: DecodedReading['place'];
  readonly notes: string[];
}

/**
 * The values of one `sensordatavalues` list.
 * @param chip the chip where it is known ('' = not)
 */
export function sensorValues(list: readonly unknown[], chip: string): SensorValues | string {
  if (list.length > MAX_VALUES) return `${list.length} values in one message; at most ${MAX_VALUES}`;
  const byType = new Map<string, unknown>();
  for (const item of list) {
    const pair = objectIn(item);
    const type = pair?.['value_type'];
    if (typeof type === 'string' && type.length <= 40 && !byType.has(type)) byType.set(type, pair?.['value']);
  }
  const notes: string[] = [];
  const counts = chip.startsWith('PPD') || byType.has('durP1') || byType.has('ratioP1') || byType.has('durP2');
  const found: (Meaning & { readonly type: string; readonly value: number })[] = [];
  for (const [type, raw] of byType) {
    const meaning = MEANINGS.get(type);
    if (!meaning) continue;
    if (meaning.mass && (meaning.model === 'PPD42NS' || (meaning.model === '' && counts))) {
      note(notes, `${type} of a PPD42NS is a particle count, not a mass; not taken`);
      continue;
    }
    const value = numberIn(raw);
    if (!Number.isNaN(value)) found.push({ ...meaning, type, value });
    else if (raw !== null && raw !== '') note(notes, `${type} is ${shown(raw)}, not a number; not taken`);
  }
  found.sort((a, b) => a.rank - b.rank);
  const values: Value[] = [];
  const sensors: string[] = [];
  for (const f of found) {
    if (f.model !== '' && !sensors.includes(f.model)) sensors.push(f.model);
    const value = f.property === 'pressure' ? hPaFromPa(f.value) : f.value;
    if (!put(values, f.property, value)) note(notes, `${f.type}: another chip measures the same; not taken`);
  }
  if (chip !== '' && !sensors.includes(chip)) sensors.push(chip);
  const signal = byType.get('signal');
  // "-59 dBm" until 2016, "-52" later.
  const rssi = typeof signal === 'string' ? decimal(signal.replace(/\s*dBm$/, '')) : numberIn(signal);
  if (!Number.isNaN(rssi)) values.push({ property: 'rssi', value: rssi });
  return { values, sensors, place: placeOf(byType, notes), notes };
}

function placeOf(byType: ReadonlyMap<string, unknown>, notes: string[]): DecodedReading['place'] {
  const lat = numberIn(byType.get('GPS_lat') ?? byType.get('lat'));
  const lon = numberIn(byType.get('GPS_lon') ?? byType.get('lon'));
  if (Number.isNaN(lat) || Number.isNaN(lon)) return null;
  if (lat === -200 || lon === -200) {
    note(notes, 'the GPS had no fix; no position taken');
    return null;
  }
  return isPlace(lat, lon) ? { lat, lon, source: 'gps' } : null;
}

/** `esp8266-1234567` from `airrohr/esp8266-1234567[/pin1]`, and the pin. */
function fromTopic(topic: string): { id: string; pin: string } {
  const levels = topic.split('/', 4);
  if (levels[0] !== 'airrohr') return { id: '', pin: '' };
  const pin = /^pin(\d{1,2})$/.exec(levels[2] ?? '');
  return { id: nativeIdOf(levels[1] ?? ''), pin: pin?.[1] ?? '' };
}

function decode(payload: Uint8Array, topic: string): Decoded {
  if (payload.length > MAX_BOX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  const body = objectIn(jsonIn(textOf(payload)));
  if (!body) return rejected('bad-json', 'expected {"software_version":…,"sensordatavalues":[…]}');
  const list = body['sensordatavalues'];
  if (!Array.isArray(list)) return rejected('no-values', 'sensordatavalues is missing');
  const { id, pin } = fromTopic(topic);
  const found = sensorValues(list, PIN_CHIP[pin] ?? '');
  if (typeof found === 'string') return rejected('too-long', found);
  const { values, sensors, place, notes } = found;
  if (!values.some((v) => v.property !== 'rssi')) {
    return rejected('no-values', notes.join('; ') || 'sensordatavalues holds no quantity that is known');
  }
  const stamp = body['timestamp'];
  const time = typeof stamp === 'string' ? believable(moment(stamp)) : null;
  if (typeof stamp === 'string' && time === null) note(notes, `timestamp ${shown(stamp)} cannot be read`);
  const nativeId = id || nativeIdOf(body['esp8266id'] === undefined ? '' : `esp8266-${shown(body['esp8266id'], 20)}`);
  return {
    ok: true,
    readings: [
      {
        nativeId,
        time,
        values,
        place,
        ...(sensors.length > 0 ? { hints: { sensors } } : {}),
        ...(notes.length > 0 ? { notes } : {}),
      },
    ],
  };
}

export const airrohr: Decoder = { format: 'airrohr', openTopics: ['airrohr/#'], decode };

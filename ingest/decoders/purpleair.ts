/**
 * PurpleAir: the local `/json` of a sensor (two-minute average, channels A and B), and the columns of the cloud API v1 whose
 * order is the server's; formats §5. CF=1 values are taken (channel A → pm25, B → pm25_b), °F become °C.
 *
 * Privacy: the network name, position and hardware address of the local answer are dropped here.
 */
import type { PropertyKey } from '../../model/properties.ts';
import { celsiusFromFahrenheit } from '../../model/units.ts';
import type { Decoded, DecodedReading, Decoder } from '../decoder.ts';
import { pseudonym } from './pseudonym.ts';
import {
  isPlace,
  jsonIn,
  MAX_PAYLOAD,
  nativeIdOf,
  note,
  numberIn,
  objectIn,
  publicName,
  put,
  rejected,
  shown,
  textOf,
  topicSegment,
  type Value,
} from './text.ts';
import { believable, moment } from './times.ts';

const LOCAL: readonly (readonly [string, PropertyKey])[] = [
  ['pm2_5_cf_1', 'pm25'],
  ['pm2_5_cf_1_b', 'pm25_b'],
  ['pm1_0_cf_1', 'pm1'],
  ['pm10_0_cf_1', 'pm10'],
  ['current_humidity', 'humidity'],
  ['pressure', 'pressure'],
  ['p_0_3_um', 'pm03_count'],
  ['p_0_5_um', 'pm05_count'],
  ['p_1_0_um', 'pm1_count'],
  ['p_2_5_um', 'pm25_count'],
  ['rssi', 'rssi'],
];
const API: readonly (readonly [string, PropertyKey])[] = [
  ['humidity', 'humidity'],
  ['pressure', 'pressure'],
  ['0.3_um_count', 'pm03_count'],
  ['0.5_um_count', 'pm05_count'],
  ['1.0_um_count', 'pm1_count'],
  ['2.5_um_count', 'pm25_count'],
];
/** Channel A, channel B, which output; the first whose A or B is given. The bare `pm2.5` is the mean of the channels. */
const API_PM25: readonly (readonly [string, string, 'cf1' | 'atm' | undefined])[] = [
  ['pm2.5_cf_1_a', 'pm2.5_cf_1_b', 'cf1'],
  ['pm2.5_atm_a', 'pm2.5_atm_b', 'atm'],
  ['pm2.5_a', 'pm2.5_b', undefined],
  ['pm2.5_cf_1', '', 'cf1'],
  ['pm2.5_atm', '', 'atm'],
  ['pm2.5', '', undefined],
];
const MAX_ROWS = 50_000;

function take(values: Value[], notes: string[], body: Record<string, unknown>, keys: typeof LOCAL): void {
  for (const [key, property] of keys) {
    const raw = body[key];
    if (raw === undefined || raw === null) continue;
    const value = numberIn(raw);
    if (Number.isNaN(value)) note(notes, `${key} is ${shown(raw)}; not taken`);
    else put(values, property, value);
  }
}

function takeFahrenheit(values: Value[], body: Record<string, unknown>, key: string): void {
  const f = numberIn(body[key]);
  if (!Number.isNaN(f)) put(values, 'temperature', celsiusFromFahrenheit(f));
}

const hasMore = (values: readonly Value[]): boolean => values.some((v) => v.property !== 'rssi');

function local(body: Record<string, unknown>, topic: string): DecodedReading | string {
  const values: Value[] = [];
  const notes: string[] = [];
  take(values, notes, body, LOCAL);
  takeFahrenheit(values, body, 'current_temp_f');
  if (!hasMore(values)) return notes.join('; ') || 'no field of a PurpleAir sensor';
  const stamp = body['DateTime'];
  const time = typeof stamp === 'string' ? believable(moment(stamp)) : null;
  if (time === null) note(notes, `DateTime ${shown(stamp)} cannot be read; the time of receipt is used`);
  // `Geo` is "PurpleAir-" and the end of the hardware address, the name the sensor shows to everyone near it.
  const geo = nativeIdOf(body['Geo']);
  const mac = typeof body['SensorId'] === 'string' ? plainMac(body['SensorId']) : '';
  const fromTopic = topic.startsWith('purpleair/') ? nativeIdOf(topicSegment(topic, 0)) : '';
  const hints: NonNullable<DecodedReading['hints']> = {
    sensors: ['PMS5003', ...(numberIn(body['pressure']) > 0 ? ['BME280'] : [])],
    field: 'cf1',
    ...(body['place'] === 'inside' ? { exposure: 'indoor' } : {}),
    ...(body['place'] === 'outside' ? { exposure: 'outdoor' } : {}),
  };
  return {
    nativeId: fromTopic || pseudonym('purpleair', mac) || geo,
    time,
    values,
    place: null,
    hints,
    ...(notes.length > 0 ? { notes } : {}),
  };
}

/** Octets may lack their leading zero (`84:f3:eb:28:d:ec`): padded, so that one sensor has one name. */
function plainMac(text: string): string {
  const octets = text.toLowerCase().split(':');
  return octets.length === 6 && octets.every((o) => /^[0-9a-f]{1,2}$/.test(o))
    ? octets.map((o) => o.padStart(2, '0')).join('')
    : '';
}

function fromApi(row: Record<string, unknown>): DecodedReading | string {
  const values: Value[] = [];
  const notes: string[] = [];
  let field: 'cf1' | 'atm' | undefined;
  for (const [a, b, output] of API_PM25) {
    const one = numberIn(row[a]);
    const two = b === '' ? Number.NaN : numberIn(row[b]);
    if (Number.isNaN(one) && Number.isNaN(two)) continue;
    if (!Number.isNaN(one)) put(values, 'pm25', one);
    if (!Number.isNaN(two)) put(values, 'pm25_b', two);
    field = output;
    break;
  }
  for (const [key, property] of [
    ['pm1.0', 'pm1'],
    ['pm10.0', 'pm10'],
  ] as const) {
    const value = numberIn(row[`${key}_cf_1`] ?? row[`${key}_atm`] ?? row[key]);
    if (!Number.isNaN(value)) put(values, property, value);
  }
  take(values, notes, row, API);
  takeFahrenheit(values, row, 'temperature');
  if (!hasMore(values)) return 'a row without a known value';
  const seen = numberIn(row['last_seen']);
  const time = Number.isNaN(seen) ? null : believable(Math.round(seen * 1000));
  const nativeId = nativeIdOf(row['sensor_index']);
  const [lat, lon] = [numberIn(row['latitude']), numberIn(row['longitude'])];
  const name = publicName(row['name'], nativeId);
  return {
    nativeId,
    time,
    values,
    place: isPlace(lat, lon) && numberIn(row['private']) !== 1 ? { lat, lon, source: 'typed' } : null,
    hints: {
      sensors: ['PMS5003'],
      licence: 'LicenseRef-PurpleAir',
      attribution: 'PurpleAir',
      ...(name ? { name } : {}),
      ...(field ? { field } : {}),
      ...(row['location_type'] === 1
        ? { exposure: 'indoor' }
        : row['location_type'] === 0
          ? { exposure: 'outdoor' }
          : {}),
    },
    ...(notes.length > 0 ? { notes } : {}),
  };
}

/** `{"fields":[…],"data":[[…],…]}` row by row as objects. */
function* rows(fields: readonly unknown[], data: readonly unknown[]): Generator<Record<string, unknown>> {
  for (const row of data) {
    if (!Array.isArray(row)) continue;
    const record: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    for (let i = 0; i < fields.length && i < 100; i++) {
      const name = fields[i];
      if (typeof name === 'string') record[name] = row[i];
    }
    yield record;
  }
}

function decode(payload: Uint8Array, topic: string): Decoded {
  if (payload.length > MAX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  const body = objectIn(jsonIn(textOf(payload)));
  if (!body) return rejected('bad-json', 'expected the JSON of a PurpleAir sensor or of its API');
  const { fields, data } = body;
  const one = objectIn(body['sensor']);
  if (!one && !(Array.isArray(fields) && Array.isArray(data))) {
    const reading = local(body, topic);
    return typeof reading === 'string' ? rejected('no-values', reading) : { ok: true, readings: [reading] };
  }
  const readings: DecodedReading[] = [];
  let why = 'no rows';
  for (const row of one ? [one] : rows(fields as unknown[], (data as unknown[]).slice(0, MAX_ROWS))) {
    const reading = fromApi(row);
    if (typeof reading === 'string') why = reading;
    else readings.push(reading);
  }
  return readings.length > 0 ? { ok: true, readings } : rejected('no-values', why);
}

export const purpleair: Decoder = { format: 'purpleair', openTopics: ['purpleair/#'], decode };

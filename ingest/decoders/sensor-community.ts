/**
 * What Sensor.Community gives back: the records of `/static/v2/data.json` and of its API, and the daily archive CSV;
 * formats §2.5. Naive UTC times, coordinates as strings, pressure in Pa. Licence ODbL 1.0 / DbCL 1.0.
 */
import { hPaFromPa } from '../../model/units.ts';
import type { Decoded, DecodedReading, Decoder } from '../decoder.ts';
import { sensorValues } from './airrohr.ts';
import {
  decimal,
  isPlace,
  jsonIn,
  MAX_PAYLOAD,
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

const LICENCE = { licence: 'ODbL-1.0', attribution: 'Sensor.Community contributors' } as const;
/** Twice the static file (about 30,000 records). */
const MAX_RECORDS = 60_000;

function recordReading(record: Record<string, unknown>): DecodedReading | string {
  const sensor = objectIn(record['sensor']);
  const location = objectIn(record['location']);
  const list = record['sensordatavalues'];
  if (!sensor || !Array.isArray(list)) return 'a record without sensor or sensordatavalues';
  const type = objectIn(sensor['sensor_type'])?.['name'];
  const found = sensorValues(list, typeof type === 'string' ? shown(type, 30) : '');
  if (typeof found === 'string') return found;
  if (found.values.length === 0) return found.notes.join('; ') || 'a record without a known value';
  const stamp = record['timestamp'];
  const time = typeof stamp === 'string' ? believable(moment(stamp)) : null;
  const [lat, lon] = [numberIn(location?.['latitude']), numberIn(location?.['longitude'])];
  const indoor = numberIn(location?.['indoor']);
  return {
    nativeId: nativeIdOf(sensor['id']),
    time,
    values: found.values,
    place: isPlace(lat, lon) ? { lat, lon, source: 'typed' } : null,
    hints: {
      ...LICENCE,
      sensors: found.sensors,
      ...(indoor === 1 ? { exposure: 'indoor' } : indoor === 0 ? { exposure: 'outdoor' } : {}),
    },
    ...(found.notes.length > 0 ? { notes: found.notes } : {}),
  };
}

/** JSON with garbage behind its end (meta#154): what stands up to the last bracket. */
function tolerantJson(text: string): unknown {
  const body = jsonIn(text);
  if (body !== undefined) return body;
  const end = Math.max(text.lastIndexOf(']'), text.lastIndexOf('}'));
  return end < 0 ? undefined : jsonIn(text.slice(0, end + 1));
}

const COLUMNS = [
  ['P1', 'pm10'],
  ['P2', 'pm25'],
  ['P0', 'pm1'],
  ['temperature', 'temperature'],
  ['humidity', 'humidity'],
  ['pressure', 'pressure'],
] as const;

/** `sensor_id;sensor_type;location;lat;lon;timestamp;P1;durP1;…`; cells may be empty, `unavailable`, `nan` or `%.1f`. */
function archive(text: string): Decoded {
  const lines = text.split(/\r?\n/, MAX_RECORDS + 2);
  const header = (lines[0] as string).split(';');
  const at = new Map(header.map((name, i) => [name.trim(), i]));
  if (lines.length > MAX_RECORDS + 1) return rejected('too-long', `more than ${MAX_RECORDS} rows`);
  const readings: DecodedReading[] = [];
  const problems: string[] = [];
  for (const [i, line] of lines.entries()) {
    if (i === 0 || line === '') continue;
    const cells = line.split(';', 40);
    const cell = (name: string): string => cells[at.get(name) ?? -1] ?? '';
    const type = cell('sensor_type').slice(0, 30);
    const values: Value[] = [];
    for (const [column, property] of COLUMNS) {
      const text = cell(column);
      if (text === '' || (type.startsWith('PPD') && column.startsWith('P'))) continue;
      const value = decimal(text);
      if (Number.isNaN(value)) note(problems, `row ${i}: ${column} is ${shown(text, 20)}; not taken`);
      else put(values, property, property === 'pressure' ? hPaFromPa(value) : value);
    }
    if (values.length === 0) continue;
    const [lat, lon] = [decimal(cell('lat')), decimal(cell('lon'))];
    readings.push({
      nativeId: nativeIdOf(cell('sensor_id')),
      time: believable(moment(cell('timestamp'))),
      values,
      place: isPlace(lat, lon) ? { lat, lon, source: 'typed' } : null,
      hints: { ...LICENCE, ...(type ? { sensors: [type] } : {}) },
    });
  }
  return finish(readings, problems);
}

function finish(readings: DecodedReading[], problems: string[]): Decoded {
  const first = readings[0];
  if (!first) return rejected('no-values', problems.join('; ') || 'no records');
  if (problems.length > 0) readings[0] = { ...first, notes: [...(first.notes ?? []), ...problems] };
  return { ok: true, readings };
}

function decode(payload: Uint8Array): Decoded {
  if (payload.length > MAX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  const text = textOf(payload);
  if (text.startsWith('sensor_id;')) return archive(text);
  const body = tolerantJson(text);
  if (typeof body !== 'object' || body === null)
    return rejected('bad-json', 'expected the records of Sensor.Community');
  const records = Array.isArray(body) ? (body as unknown[]) : [body];
  if (records.length > MAX_RECORDS) return rejected('too-long', `${records.length} records; at most ${MAX_RECORDS}`);
  const readings: DecodedReading[] = [];
  const problems: string[] = [];
  for (const item of records) {
    const record = objectIn(item);
    const reading = record ? recordReading(record) : 'not an object';
    if (typeof reading === 'string') note(problems, reading);
    else readings.push(reading);
  }
  return finish(readings, problems);
}

export const sensorCommunity: Decoder = {
  format: 'sensor-community',
  openTopics: ['feeds/sensor-community/#'],
  decode,
};

/**
 * AirBoxes as their makers' clouds answer (formats §1.7): Edimax `{status:"ok", entries:[{name,lat,lon,pm1,pm25,pm10,co,co2,
 * tvoc,hcho,t,h,time}]}` (or `devices`), ASUS `[{id,name,lat,lng,pm25,humidity,temperature,time}]`. Times are Taiwan's local
 * time without a zone. 0 for a gas means that the box has no such sensor.
 */
import type { PropertyKey } from '../../model/properties.ts';
import type { DecodedReading } from '../decoder.ts';
import { isPlace, nativeIdOf, note, numberIn, publicName, put, shown, type Value } from './text.ts';
import { believable, moment, TAIPEI } from './times.ts';

const KEYS: readonly (readonly [string, PropertyKey, 'always' | 'notZero'])[] = [
  ['pm25', 'pm25', 'always'],
  ['pm10', 'pm10', 'always'],
  ['pm1', 'pm1', 'always'],
  ['t', 'temperature', 'always'],
  ['temperature', 'temperature', 'always'],
  ['h', 'humidity', 'always'],
  ['humidity', 'humidity', 'always'],
  ['co2', 'co2', 'notZero'],
  ['co', 'co', 'notZero'],
  ['tvoc', 'tvoc', 'notZero'],
];

/** Whether a record is one of these rather than one of the LASS portal. */
export const isEdimax = (record: Record<string, unknown>): boolean =>
  'pm25' in record && 'time' in record && !('s_d0' in record) && !('device_id' in record);

export function edimaxReading(record: Record<string, unknown>): DecodedReading | string {
  const values: Value[] = [];
  const notes: string[] = [];
  for (const [key, property, zero] of KEYS) {
    const raw = record[key];
    if (raw === undefined || raw === null || raw === '') continue;
    const value = numberIn(raw);
    if (Number.isNaN(value)) note(notes, `${key} is ${shown(raw)}, not a number; not taken`);
    else if (zero === 'always' || value !== 0) put(values, property, value);
  }
  if (values.length === 0) return notes.join('; ') || 'a record without a known value';
  const stamp = record['time'];
  const time = typeof stamp === 'string' ? believable(moment(stamp, TAIPEI)) : null;
  if (time === null) note(notes, `the time ${shown(stamp)} cannot be used; the time of receipt is`);
  const nativeId = nativeIdOf(record['id'] ?? record['mac']);
  const [lat, lon] = [numberIn(record['lat']), numberIn(record['lon'] ?? record['lng'])];
  const name = publicName(record['name'], nativeId);
  return {
    nativeId,
    time,
    values,
    place: isPlace(lat, lon) ? { lat, lon, source: 'typed' } : null,
    hints: { sensors: ['PMS5003'], ...(name ? { name } : {}) },
    ...(notes.length > 0 ? { notes } : {}),
  };
}

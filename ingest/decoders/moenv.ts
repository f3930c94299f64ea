/**
 * Hour values of Taiwan's national stations (環境部 MOENV, before 2023 環保署 EPA) in all shapes their open data had:
 * a bare array or `{records}`, PascalCase or lower case, `publishtime` or `datacreationdate` (formats §6.2), aqx_p_02, and
 * the `last-all-epa` file of the LASS portal.
 *
 * Times are Taiwan's local time without a zone and stand at the end of the hour; our times are the start of an interval, so
 * one hour is taken off. All values are strings, "" is missing, a flag behind a number (`12x`) makes it invalid. `pm2.5_avg`
 * and the 8-hour means are moving averages and not taken. A station under maintenance (設備維護) is refused: its numbers are
 * no reference. Stations are known by `siteid`, which is missing before 2020: then by name.
 */
import type { PropertyKey } from '../../model/properties.ts';
import { HOUR } from '../../model/time.ts';
import type { Decoded, DecodedReading, Decoder } from '../decoder.ts';
import {
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
import { believable, moment, TAIPEI } from './times.ts';

/** Key without case, spaces and underscores → property; gases in ppb, CO in ppm, as our units are. */
const KEYS: readonly (readonly [string, PropertyKey])[] = [
  ['pm2.5', 'pm25'],
  ['pm25', 'pm25'],
  ['pm10', 'pm10'],
  ['so2', 'so2'],
  ['co', 'co'],
  ['o3', 'o3'],
  ['no2', 'no2'],
  ['windspeed', 'wind_speed'],
  ['winddirec', 'wind_direction'],
];
const MAX_RECORDS = 5000;
const MAINTENANCE = /維護|維修|maintenance/i;
export const MOENV_LICENCE = {
  licence: 'OGDL-Taiwan-1.0',
  attribution: '環境部 (Ministry of Environment, Taiwan)',
} as const;

/** `PM2_5` of the portal is `pm2.5`; every other underscore and all case go. */
const plainKeys = (record: Record<string, unknown>): Record<string, unknown> => {
  const out: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const key of Object.keys(record).slice(0, 60)) {
    // Averages keep a mark of their own, so that `PM2.5_AVG` never becomes `pm2.5`.
    const plain = key
      .toLowerCase()
      .replace(/^pm2_5/, 'pm2.5')
      .replace(/_(?=avg|8hr)/, '#')
      .replace(/[_\s]/g, '');
    out[plain] ??= record[key];
  }
  return out;
};

/** The start of the hour that the record is about. */
function hourOf(r: Record<string, unknown>): number | null {
  const local = r['publishtime'] ?? r['datacreationdate'];
  const utc = r['timestamp'];
  const end = typeof local === 'string' ? moment(local, TAIPEI) : typeof utc === 'string' ? moment(utc) : null;
  return believable(end === null ? null : end - HOUR);
}

export function stationReading(record: Record<string, unknown>): DecodedReading | { code: string; why: string } {
  const r = plainKeys(record);
  const site = nativeIdOf(r['sitename'] ?? r['site']);
  const nativeId = nativeIdOf(r['siteid']) || site;
  if (nativeId === '') return { code: 'no-station', why: 'a record without siteid and sitename' };
  if (r['monitordate'] !== undefined) {
    return { code: 'daily', why: `${shown(site)}: a daily mean is no hour value` };
  }
  if (typeof r['status'] === 'string' && MAINTENANCE.test(r['status'])) {
    return { code: 'maintenance', why: `station ${shown(site)} is under maintenance (${shown(r['status'])})` };
  }
  const values: Value[] = [];
  const notes: string[] = [];
  for (const [key, property] of KEYS) {
    const raw = r[key];
    if (raw === undefined || raw === null || raw === '') continue;
    const value = numberIn(raw);
    if (Number.isNaN(value)) note(notes, `${key} is ${shown(raw)}; not taken`);
    else if (property === 'wind_direction' && value > 360)
      note(notes, `wind direction ${value} means no wind or a fault`);
    else put(values, property, value);
  }
  if (values.length === 0) return { code: 'no-values', why: `${shown(site)} has no value (${notes.join('; ')})` };
  const time = hourOf(r);
  if (time === null) return { code: 'no-time', why: `${shown(site)} has no publication time that can be read` };
  const [lat, lon] = [numberIn(r['latitude'] ?? r['gpslat']), numberIn(r['longitude'] ?? r['gpslon'])];
  const county = typeof r['county'] === 'string' ? shown(r['county'], 12) : '';
  return {
    nativeId,
    time,
    values,
    place: isPlace(lat, lon) ? { lat, lon, source: 'typed' } : null,
    hints: { ...MOENV_LICENCE, exposure: 'outdoor', ...(site ? { name: `${county}${site}` } : {}) },
    ...(notes.length > 0 ? { notes } : {}),
  };
}

/** The records in any of the envelopes; null = none of them. */
export function recordsOf(body: unknown): unknown[] | null {
  if (Array.isArray(body)) return body;
  const whole = objectIn(body);
  if (!whole) return null;
  for (const key of ['records', 'feeds']) if (Array.isArray(whole[key])) return whole[key] as unknown[];
  return [whole];
}

function decode(payload: Uint8Array): Decoded {
  if (payload.length > MAX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  const records = recordsOf(jsonIn(textOf(payload)));
  if (!records) return rejected('bad-json', 'expected the JSON of aqx_p_432 or one of its records');
  if (records.length > MAX_RECORDS) return rejected('too-long', `${records.length} records; at most ${MAX_RECORDS}`);
  const readings: DecodedReading[] = [];
  const problems: string[] = [];
  let code = 'no-values';
  for (const item of records) {
    const record = objectIn(item);
    const reading = record ? stationReading(record) : { code: 'no-values', why: 'not an object' };
    if ('code' in reading) {
      code = reading.code;
      note(problems, reading.why);
    } else readings.push(reading);
  }
  const first = readings[0];
  if (!first) return rejected(code, problems.join('; ') || 'no records');
  if (problems.length > 0) readings[0] = { ...first, notes: [...(first.notes ?? []), ...problems] };
  return { ok: true, readings };
}

export const moenv: Decoder = { format: 'moenv', openTopics: ['feeds/moenv/#'], decode };

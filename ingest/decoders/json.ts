/**
 * Lamppost's own JSON: one reading `{"t":"2026-11-21T08:00:00Z","pm25":12.3,"temperature":24.1}`, or an array of them.
 *
 * Keys are property keys, values JSON numbers. `t` (RFC 3339 with zone) is optional; one that cannot be read is noted and the
 * receive time is used. A mobile box may add `lat` and `lon` (WGS 84, degrees). What is not a number (text, true) is not
 * taken and noted; null is "no value"; unknown keys are noted. A number is kept whatever it says: judging it is QC's work.
 */
import { isPropertyKey } from '../../model/properties.ts';
import { parseTime } from '../../model/time.ts';
import type { Decoded, DecodedReading, Decoder } from '../decoder.ts';
import { isPlace, MAX_BOX_PAYLOAD, note, rejected, shown, textOf, type Value } from './text.ts';

/** Most readings in one batch: three and a half days of minutes. */
export const MAX_BATCH = 5000;
/** Most keys in one reading; twice the properties there are. */
const MAX_KEYS = 80;

/** The reading, or what is wrong with it. */
function readingOf(item: unknown): DecodedReading | string {
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    return `a reading is an object, not ${shown(item)}`;
  const values: Value[] = [];
  let notes: string[] | undefined;
  let time: number | null = null;
  let lat: unknown;
  let lon: unknown;
  let keys = 0;
  const record = item as Record<string, unknown>;
  for (const key in record) {
    if (++keys > MAX_KEYS) return `a reading has more than ${MAX_KEYS} keys`;
    const value = record[key];
    if (isPropertyKey(key)) {
      if (typeof value === 'number') {
        if (Number.isFinite(value)) values.push({ property: key, value });
        else note((notes ??= []), `${key} is too large to be a number; not taken`);
      } else if (value !== null) {
        note((notes ??= []), `${key} is ${shown(value)}, not a JSON number; not taken`);
      }
    } else if (key === 't') {
      time = typeof value === 'string' ? parseTime(value) : null;
      if (time === null && value !== null) {
        note((notes ??= []), `t is ${shown(value)}; expected RFC 3339 with a zone, such as "2026-11-21T08:00:00Z"`);
      }
    } else if (key === 'lat') lat = value;
    else if (key === 'lon') lon = value;
    else note((notes ??= []), `"${shown(key, 40)}" is no property key; not taken`);
  }
  let place: DecodedReading['place'] = null;
  if (lat !== undefined || lon !== undefined) {
    if (typeof lat === 'number' && typeof lon === 'number' && isPlace(lat, lon)) place = { lat, lon, source: 'gps' };
    else if (lat !== null || lon !== null) {
      note((notes ??= []), `lat, lon are ${shown(lat)}, ${shown(lon)}; expected degrees, both of them`);
    }
  }
  if (values.length === 0) return `no property with a number in it${notes ? ` (${notes.join('; ')})` : ''}`;
  return notes ? { nativeId: '', time, values, place, notes } : { nativeId: '', time, values, place };
}

function decode(payload: Uint8Array): Decoded {
  if (payload.length > MAX_BOX_PAYLOAD) {
    return rejected('too-long', `${payload.length} bytes; send batches of at most ${MAX_BATCH} readings`);
  }
  let body: unknown;
  try {
    body = JSON.parse(textOf(payload)) as unknown;
  } catch (error) {
    return rejected(
      'bad-json',
      `not JSON: ${shown((error as Error).message, 120)}. nan, None and single quotes are no JSON`,
    );
  }
  if (!Array.isArray(body)) {
    const reading = readingOf(body);
    return typeof reading === 'string' ? rejected('no-values', reading) : { ok: true, readings: [reading] };
  }
  if (body.length === 0) return rejected('no-values', 'the batch is empty');
  if (body.length > MAX_BATCH) {
    return rejected('too-long', `${body.length} readings in one batch; at most ${MAX_BATCH}`);
  }
  const readings: DecodedReading[] = [];
  const bad: string[] = [];
  for (let i = 0; i < body.length; i++) {
    const reading = readingOf(body[i]);
    if (typeof reading === 'string') note(bad, `item ${i}: ${reading}`);
    else readings.push(reading);
  }
  const first = readings[0];
  if (!first) return rejected('no-values', bad.join('; '));
  if (bad.length > 0) readings[0] = { ...first, notes: [...(first.notes ?? []), ...bad] };
  return { ok: true, readings };
}

export const json: Decoder = { format: 'json', openTopics: [], decode };

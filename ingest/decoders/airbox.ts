/**
 * AirBox (Edimax) records of the LASS portal, single, in `last-all-*.json`, `latest` and `history` (formats §1.7, §1.9), and
 * AirBox messages with pipes on `LASS/AirBox/#`, and what the clouds of Edimax and ASUS answer.
 *
 * Numbers a chip sends are kept for QC (−4 °C with 0 % is a dead chip, 3331 µg/m³ a fault). Empty strings are "no value".
 * The 2019+ layout (has `odm`) writes 0 for gases it has no sensor for: those are left out. `c_d0` is the portal's own
 * calculation and never taken. The address (`SiteAddr`) stays out.
 */
import type { Decoded, DecodedReading, Decoder } from '../decoder.ts';
import { edimaxReading, isEdimax } from './edimax.ts';
import { decodeLass } from './lass.ts';
import { newMessage, readingOf, takeField } from './lass-message.ts';
import { jsonIn, MAX_PAYLOAD, note, objectIn, rejected, textOf } from './text.ts';
import { believable, moment } from './times.ts';

/** Three times the largest portal file. */
const MAX_RECORDS = 20_000;
/** 0 in these fields of the 2019+ layout means "not fitted". */
const NOT_FITTED_AT_ZERO: ReadonlySet<string> = new Set(['s_gg', 's_g8', 's_g1', 's_g0']);

/** One record; `when` is the timestamp that the history feed keeps as a key. */
export function recordReading(record: Record<string, unknown>, when = ''): DecodedReading | string {
  const m = newMessage();
  const edimax2019 = 'odm' in record;
  let keys = 0;
  for (const key in record) {
    if (++keys > 100) break;
    const value = record[key];
    if (typeof value === 'number') {
      if (edimax2019 && value === 0 && NOT_FITTED_AT_ZERO.has(key)) continue;
      const text = String(value);
      takeField(m, key, text, 0, text.length);
    } else if (typeof value === 'string' && value !== '' && value.length <= 4096) {
      takeField(m, key, value, 0, value.length);
    }
  }
  if (m.header.timestamp === undefined && when !== '') m.header.timestamp = when;
  // The portal has turned the boxes' local time into UTC, in `timestamp` as in `date` and `time`.
  const { date, time, app } = m.header;
  if (m.header.timestamp === undefined && date && time && (app === undefined || app === 'AirBox')) {
    m.header.timestamp = `${date}T${time}Z`;
  }
  const reading = readingOf(m, '');
  if (typeof reading === 'string') return reading;
  // Only AirBox positions are typed in by hand; the `lass` portal file does not say how its boxes encode theirs.
  const isAirBox = record['app'] === 'AirBox' || 'odm' in record || 'area' in record;
  const place = reading.place && isAirBox ? { ...reading.place, source: 'typed' as const } : reading.place;
  // All Edimax AirBoxes hold a Plantower PMS5003 (Chen et al. 2017, IEEE Access 5:14441).
  const sensors = isAirBox && 's_d0' in record ? { sensors: ['PMS5003'] } : {};
  const model = edimax2019 || isAirBox ? sensors : {};
  return { ...reading, place, hints: { ...reading.hints, ...model } };
}

/** Of the portal, and of Edimax's cloud. */
const LISTS = ['feeds', 'entries', 'devices'] as const;

/** Records out of any of the portal's shapes, with the time of the history feed. */
function* recordsIn(body: unknown): Generator<[Record<string, unknown>, string]> {
  if (Array.isArray(body)) {
    for (const item of body) yield* recordsIn1(item);
    return;
  }
  const whole = objectIn(body);
  if (!whole) return;
  for (const key of LISTS) {
    if (!Array.isArray(whole[key])) continue;
    for (const item of whole[key] as unknown[]) yield* recordsIn1(item);
    return;
  }
  yield [whole, ''];
}

function* recordsIn1(item: unknown): Generator<[Record<string, unknown>, string]> {
  const record = objectIn(item);
  if (!record) return;
  const keys = Object.keys(record);
  const only = keys.length === 1 ? record[keys[0] as string] : undefined;
  if (Array.isArray(only)) {
    // {"AirBox":[{"2024-05-23T11:32:17Z":{…}}, …]}
    for (const one of only) {
      const dated = objectIn(one);
      if (!dated) continue;
      for (const when of Object.keys(dated)) {
        const inner = objectIn(dated[when]);
        if (inner) yield [inner, believable(moment(when)) === null ? '' : when];
      }
    }
    return;
  }
  const inner = objectIn(only);
  yield inner ? [inner, ''] : [record, ''];
}

export function decodePortal(payload: Uint8Array, topic: string): Decoded {
  if (payload.length > MAX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  const text = textOf(payload);
  const start = /^\s*[[{]/.test(text.slice(0, 100));
  if (!start) return decodeLass(payload, topic);
  const body = jsonIn(text);
  if (body === undefined) return rejected('bad-json', 'starts like JSON but is none');
  const readings: DecodedReading[] = [];
  const bad: string[] = [];
  let records = 0;
  for (const [record, when] of recordsIn(body)) {
    if (++records > MAX_RECORDS) return rejected('too-long', `more than ${MAX_RECORDS} records`);
    const reading = isEdimax(record) ? edimaxReading(record) : recordReading(record, when);
    if (typeof reading === 'string') note(bad, `record ${records}: ${reading}`);
    else readings.push(reading);
  }
  if (readings.length === 0) return rejected('no-values', bad.join('; ') || 'no records');
  return { ok: true, readings };
}

export const airbox: Decoder = { format: 'airbox', openTopics: ['LASS/AirBox/#'], decode: decodePortal };

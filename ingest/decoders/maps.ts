/**
 * MAPS and MAPS6 (Academia Sinica, NCU): LASS pipes with a `|MQ` at the end, usually without position or version (it lives in
 * the server's table), or one JSON object with the same keys and all values as strings. UTC. Topics
 * `MAPS/MAPS6/<MAC12>` and `MAPS/MAPS6/NBIOT/<MAC12>`; formats §1.8.
 */
import type { Decoded, Decoder } from '../decoder.ts';
import { recordReading } from './airbox.ts';
import { decodeLass, lassTopicId } from './lass.ts';
import { jsonIn, MAX_BOX_PAYLOAD, objectIn, rejected, textOf } from './text.ts';

const MAX_RECORDS = 2500;

function decode(payload: Uint8Array, topic: string): Decoded {
  if (payload.length > MAX_BOX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  // The NB-IoT boxes' modem may leave its Ctrl-Z at the end of the text.
  const first = payload.find((b) => b > 32);
  if (first !== 123 && first !== 91) return decodeLass(stripEnd(payload), topic);
  const body = jsonIn(textOf(stripEnd(payload)));
  if (body === undefined) return rejected('bad-json', 'starts like JSON but is none');
  const records = Array.isArray(body) ? body : [body];
  if (records.length > MAX_RECORDS) return rejected('too-long', `${records.length} records; at most ${MAX_RECORDS}`);
  const readings = [];
  let why = 'no records';
  for (const item of records) {
    const record = objectIn(item);
    const reading = record ? recordReading(record, '') : 'not an object';
    if (typeof reading === 'string') why = reading;
    else readings.push(reading.nativeId === '' ? { ...reading, nativeId: lassTopicId(topic) } : reading);
  }
  return readings.length > 0 ? { ok: true, readings } : rejected('no-values', why);
}

function stripEnd(payload: Uint8Array): Uint8Array {
  return payload.length > 0 && payload[payload.length - 1] === 0x1a ? payload.subarray(0, -1) : payload;
}

export const maps: Decoder = { format: 'maps', openTopics: ['MAPS/#', 'LASS/Test/MAPS6/#'], decode };

/**
 * AirGradient ONE, Open Air and DIY: the JSON of the local server and MQTT, of the cloud POST, and of boxes with two PM
 * sensors; formats §4. Topics `airgradient/readings/<serial>` (MQTT) and `airgradient/measures/<serial>` (the cloud POST).
 *
 * Taken are the plain fields. `…Compensated` values went through a correction the owner chose, so two boxes' are not
 * comparable. With two PM sensors, `channels` 1 and 2 become pm25 and pm25_b (the mean at the top hides a dead channel).
 * No variant has a time.
 */
import type { PropertyKey } from '../../model/properties.ts';
import type { Decoded, DecodedReading, Decoder } from '../decoder.ts';
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
  topicSegment,
  type Value,
} from './text.ts';

/** In order: where two keys give one property, the first that is a number is taken. */
const KEYS: readonly (readonly [string, PropertyKey])[] = [
  ['pm02', 'pm25'],
  ['pm10', 'pm10'],
  ['pm01', 'pm1'],
  ['atmp', 'temperature'],
  ['rhum', 'humidity'],
  ['rco2', 'co2'],
  ['tvocIndex', 'voc_index'],
  ['noxIndex', 'nox_index'],
  ['pm003Count', 'pm03_count'],
  ['pm005Count', 'pm05_count'],
  ['pm01Count', 'pm1_count'],
  ['pm02Count', 'pm25_count'],
  ['wifi', 'rssi'],
];
const CF1: readonly (readonly [string, PropertyKey])[] = [
  ['pm02Standard', 'pm25'],
  ['pm10Standard', 'pm10'],
  ['pm01Standard', 'pm1'],
];

function take(values: Value[], notes: string[], body: Record<string, unknown>, keys: typeof KEYS): void {
  for (const [key, property] of keys) {
    const raw = body[key];
    if (raw === undefined || raw === null || raw === '') continue;
    const value = numberIn(raw);
    if (Number.isNaN(value)) note(notes, `${key} is ${shown(raw)}, not a number; not taken`);
    else put(values, property, value);
  }
}

/** I-9PSL: PMS5003 indoors; O-1P…: PMS5003T outdoors (one or two). */
function modelHints(model: unknown): NonNullable<DecodedReading['hints']> {
  if (typeof model !== 'string') return {};
  if (model.startsWith('I-9P')) return { sensors: ['PMS5003'], exposure: 'indoor' };
  if (model.startsWith('O-1P')) return { sensors: ['PMS5003T'], exposure: 'outdoor' };
  return {};
}

function decode(payload: Uint8Array, topic: string): Decoded {
  if (payload.length > MAX_BOX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  const body = objectIn(jsonIn(textOf(payload)));
  if (!body) return rejected('bad-json', 'expected one JSON object');
  const values: Value[] = [];
  const notes: string[] = [];
  let field: 'atm' | 'cf1' | undefined;
  const channels = objectIn(body['channels']);
  if (channels) {
    const [a, b] = [objectIn(channels['1']), objectIn(channels['2'])];
    const one = numberIn(a?.['pm02']);
    const two = numberIn(b?.['pm02']);
    if (!Number.isNaN(one)) put(values, 'pm25', one);
    if (!Number.isNaN(two)) put(values, 'pm25_b', two);
    if (Number.isNaN(one) !== Number.isNaN(two)) {
      note(
        notes,
        `PM channel ${Number.isNaN(one) ? 1 : 2} says nothing; the mean at the top is the other channel alone`,
      );
      take(values, notes, { ...body, pm02: undefined }, KEYS);
    } else take(values, notes, body, KEYS);
  } else take(values, notes, body, KEYS);
  if (values.some((v) => v.property === 'pm25' || v.property === 'pm25_b')) field = 'atm';
  else {
    const before = values.length;
    take(values, notes, body, CF1);
    if (values.length > before) field = 'cf1';
  }
  if (body['pm02Compensated'] !== undefined && field === undefined) {
    note(notes, 'pm02Compensated was corrected by the box and is not taken; send pm02');
  }
  if (!values.some((v) => v.property !== 'rssi'))
    return rejected('no-values', notes.join('; ') || 'no field that is known');
  const levels = topic.split('/', 4);
  const fromTopic = levels[0] === 'airgradient' && levels.length >= 3 ? topicSegment(topic, 0) : '';
  const nativeId = nativeIdOf(body['serialno']) || nativeIdOf(fromTopic.replace(/^airgradient:/, ''));
  const hints = { ...modelHints(body['model']), ...(field ? { field } : {}) };
  return {
    ok: true,
    readings: [{ nativeId, time: null, values, place: null, hints, ...(notes.length > 0 ? { notes } : {}) }],
  };
}

export const airgradient: Decoder = { format: 'airgradient', openTopics: ['airgradient/#'], decode };

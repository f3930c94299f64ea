/**
 * Smart Citizen Kit: `device/sck/<token>/readings` (JSON, several times in one message) and `…/readings/raw`, which looks like
 * JSON and is not: `{t:2017-03-24T13:35:14Z,1:48.45,21:null}`; formats §7.3.
 *
 * The token is the kit's only credential: it never becomes a name, only its keyed hash does.
 */
import type { PropertyKey } from '../../model/properties.ts';
import { hPaFromKPa } from '../../model/units.ts';
import { NOT_A_READING, type Decoded, type DecodedReading, type Decoder } from '../decoder.ts';
import { pseudonym } from './pseudonym.ts';
import {
  decimal,
  jsonIn,
  MAX_BOX_PAYLOAD,
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

/** Sensor ids whose quantity and unit are documented; pressure comes in kPa. */
const IDS: Record<string, PropertyKey> = {
  14: 'illuminance',
  53: 'noise_laeq',
  55: 'temperature',
  56: 'humidity',
  58: 'pressure',
  87: 'pm25',
  88: 'pm10',
  89: 'pm1',
  113: 'tvoc',
  158: 'co2',
  227: 'pressure',
};
const MAX_READINGS = 2500;
const MAX_SENSORS = 200;

export interface RawMessage {
  /** As written, null = the message has none. */
  readonly recordedAt: string | null;
  readonly sensors: readonly { readonly id: string; readonly value: string }[];
}

/**
 * The compact form, as the platform's own parser reads it: non-ASCII bytes are dropped, spaces are free, `t` stands anywhere,
 * `null` values are left out, ids and values stay text. null = not such a message.
 */
export function parseRaw(text: string): RawMessage | null {
  // oxlint-disable-next-line no-control-regex -- the platform keeps ASCII only
  const ascii = text.replace(/[^\u0000-\u007f]/g, '').trim();
  if (!ascii.startsWith('{') || !ascii.endsWith('}')) return null;
  let recordedAt: string | null = null;
  const sensors: { id: string; value: string }[] = [];
  for (const pair of ascii.slice(1, -1).split(',', MAX_SENSORS)) {
    const colon = pair.indexOf(':');
    if (colon < 0) continue;
    const key = pair.slice(0, colon).trim();
    const value = pair.slice(colon + 1).trim();
    if (key === 't') recordedAt ??= value;
    else if (/^\d{1,5}$/.test(key) && value !== 'null' && value !== '') sensors.push({ id: key, value });
  }
  return { recordedAt, sensors };
}

function readingOf(
  stamp: unknown,
  sensors: readonly { id: unknown; value: unknown }[],
  nativeId: string,
): DecodedReading | string {
  const values: Value[] = [];
  const notes: string[] = [];
  const unknown: string[] = [];
  for (const { id, value: raw } of sensors.slice(0, MAX_SENSORS)) {
    const property = IDS[String(id)];
    if (property === undefined) {
      unknown.push(shown(id, 8));
      continue;
    }
    if (raw === null) continue;
    const value = typeof raw === 'string' ? decimal(raw) : numberIn(raw);
    if (Number.isNaN(value)) note(notes, `sensor ${shown(id, 8)} is ${shown(raw)}, not a number; not taken`);
    else put(values, property, property === 'pressure' ? hPaFromKPa(value) : value);
  }
  if (values.length === 0) {
    return `no sensor with a known quantity${unknown.length > 0 ? ` (ids ${unknown.slice(0, 20).join(', ')})` : ''}`;
  }
  const time = typeof stamp === 'string' ? believable(moment(stamp)) : null;
  if (time === null) note(notes, `the time ${shown(stamp ?? '(none)')} cannot be used; the time of receipt is`);
  return { nativeId, time, values, place: null, ...(notes.length > 0 ? { notes } : {}) };
}

/** The token in `…device/sck/<token>/readings…`. */
function boxOf(topic: string): string {
  const m = /(?:^|\/)device\/sck\/([^/]{1,64})\/readings/.exec(topic);
  return m ? pseudonym('sck', m[1] as string) : '';
}

function decode(payload: Uint8Array, topic: string): Decoded {
  if (payload.length > MAX_BOX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  if (/(?:^|\/)device\/(?:inventory|sck\/[^/]+\/(?:hello|info|inventory))/.test(topic)) {
    return rejected(NOT_A_READING, 'readings of a kit come on …/readings and …/readings/raw');
  }
  const text = textOf(payload);
  const nativeId = boxOf(topic);
  const body = objectIn(jsonIn(text));
  const data = body?.['data'];
  const found: (DecodedReading | string)[] = [];
  if (Array.isArray(data)) {
    if (data.length > MAX_READINGS) return rejected('too-long', `${data.length} readings; at most ${MAX_READINGS}`);
    for (const item of data) {
      const entry = objectIn(item);
      const sensors = entry?.['sensors'];
      if (!entry || !Array.isArray(sensors)) continue;
      const pairs = sensors.map((s) => objectIn(s)).filter((s) => s !== null);
      found.push(
        readingOf(
          entry['recorded_at'],
          pairs.map((s) => ({ id: s['id'], value: s['value'] })),
          nativeId,
        ),
      );
    }
  } else {
    const raw = parseRaw(text);
    if (!raw) return rejected('bad-message', 'neither {"data":[…]} nor {t:…,id:value,…}');
    found.push(readingOf(raw.recordedAt, raw.sensors, nativeId));
  }
  const readings = found.filter((r) => typeof r !== 'string');
  if (readings.length > 0) return { ok: true, readings };
  return rejected('no-values', found.find((r) => typeof r === 'string') ?? 'no readings in the message');
}

export const smartcitizen: Decoder = {
  format: 'smartcitizen',
  openTopics: ['device/#', '+/device/sck/#'],
  decode,
};

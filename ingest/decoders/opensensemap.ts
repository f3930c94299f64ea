/**
 * openSenseMap / senseBox bodies: JSON object, JSON array, CSV, `sbx-bytes` with and without time, hackAIR, and airRohr's
 * union (`?luftdaten=1`); formats §3. Locations are [longitude, latitude, height].
 *
 * A body names sensors by 24 hex digits and says neither quantity nor unit, so ids made by Lamppost carry the property in
 * their last byte (`sensorId`); a property key works as an id too, and the owner of a box may say what other ids stand for. Values are in the property's unit.
 * On `…/batch` the bytes are records of 20 with a time; elsewhere of 16 where the length allows, else of 20.
 */
import { isPropertyKey, property, propertyByNum, type PropertyKey } from '../../model/properties.ts';
import type { Decoded, DecodedReading, Decoder, SensorIds } from '../decoder.ts';
import { airrohr } from './airrohr.ts';
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

/** "Lamppost" in hexadecimal, and three zero bytes: the beginning of our sensor ids. */
const OUR_IDS = '4c616d70706f7374000000';
const MAX_VALUES = 2500;

/** The sensor id (24 hex digits) that means this property, for senseBox sketches. */
export const sensorId = (key: PropertyKey): string => OUR_IDS + property(key).num.toString(16).padStart(2, '0');

export function sensorProperty(id: string): PropertyKey | null {
  if (isPropertyKey(id)) return id;
  const hex = id.toLowerCase();
  if (hex.length !== 24 || !hex.startsWith(OUR_IDS)) return null;
  try {
    return propertyByNum(Number.parseInt(hex.slice(22), 16)).key;
  } catch {
    return null;
  }
}

export interface Measurement {
  readonly sensor: string;
  /** NaN where the body has no number. */
  readonly value: number;
  /** As written, null = none. */
  readonly createdAt: string | number | null;
  /** Longitude, latitude[, height]. */
  readonly location: readonly unknown[] | null;
}

/** 12 bytes id, float32 LE, and with time uint32 LE seconds. */
export function parseBytes(bytes: Uint8Array, timed: boolean): Measurement[] | null {
  const size = timed ? 20 : 16;
  if (bytes.length === 0 || bytes.length % size !== 0 || bytes.length / size > MAX_VALUES) return null;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out: Measurement[] = [];
  for (let at = 0; at < view.length; at += size) {
    // A float32 of 4.3 is 4.300000190734863; seven digits are what it holds.
    const value = Number(view.readFloatLE(at + 12).toPrecision(7));
    out.push({
      sensor: view.toString('hex', at, at + 12),
      value: Number.isFinite(value) ? value : Number.NaN,
      createdAt: timed ? view.readUInt32LE(at + 16) * 1000 : null,
      location: null,
    });
  }
  return out;
}

const stampOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const placeListOf = (value: unknown): readonly unknown[] | null => {
  if (Array.isArray(value)) return value;
  const o = objectIn(value);
  return o ? [o['lng'] ?? o['longitude'], o['lat'] ?? o['latitude'], o['height']] : null;
};

export function parseJson(body: unknown): Measurement[] | null {
  if (Array.isArray(body)) {
    const out: Measurement[] = [];
    for (const item of body.slice(0, MAX_VALUES)) {
      const m = objectIn(item);
      const sensor = m?.['sensor'] ?? m?.['sensor_id'] ?? m?.['sensorId'];
      if (!m || typeof sensor !== 'string') continue;
      out.push({
        sensor,
        value: numberIn(m['value']),
        createdAt: stampOf(m['createdAt']),
        location: placeListOf(m['location']),
      });
    }
    return out;
  }
  const whole = objectIn(body);
  if (!whole) return null;
  const out: Measurement[] = [];
  for (const sensor of Object.keys(whole).slice(0, MAX_VALUES)) {
    const said = whole[sensor];
    const [value, createdAt, location] = Array.isArray(said) ? (said as unknown[]) : [said];
    out.push({ sensor, value: numberIn(value), createdAt: stampOf(createdAt), location: placeListOf(location) });
  }
  return out;
}

/** `sensorID,value[,RFC3339[,lng,lat[,height]]]`, no header. */
export function parseCsv(text: string): Measurement[] | null {
  const out: Measurement[] = [];
  for (const line of text.split(/\r?\n/, MAX_VALUES + 1)) {
    if (line.trim() === '') continue;
    if (line.length > 400) return null;
    const [sensor = '', value = '', createdAt = '', lng, lat, height] = line.split(',').map((c) => c.trim());
    if (lat === undefined && value === '') return null;
    out.push({
      sensor,
      value: decimal(value),
      createdAt: createdAt === '' ? null : createdAt,
      location: lat === undefined ? null : [lng, lat, height],
    });
  }
  return out.length > 0 ? out : null;
}

function readingsOf(measurements: readonly Measurement[], nativeId: string, sensorIds?: SensorIds): Decoded {
  if (measurements.length > MAX_VALUES) return rejected('too-long', `at most ${MAX_VALUES} values in one message`);
  const byTime = new Map<number | null, { values: Value[]; place: DecodedReading['place']; notes: string[] }>();
  const unknown = new Set<string>();
  const problems: string[] = [];
  for (const m of measurements) {
    const key = sensorIds?.get(m.sensor.toLowerCase()) ?? sensorProperty(m.sensor);
    if (key === null) {
      if (unknown.size < 5) unknown.add(shown(m.sensor, 30));
      continue;
    }
    if (Number.isNaN(m.value)) {
      note(problems, `${key} has no number; not taken`);
      continue;
    }
    const time =
      typeof m.createdAt === 'number'
        ? believable(m.createdAt)
        : m.createdAt === null
          ? null
          : believable(moment(m.createdAt));
    let group = byTime.get(time);
    if (!group) byTime.set(time, (group = { values: [], place: null, notes: [] }));
    if (time === null && m.createdAt !== null)
      note(group.notes, `createdAt ${shown(m.createdAt)} cannot be used; the time of receipt is`);
    if (!put(group.values, key, m.value)) note(group.notes, `${key} stands twice for one moment; the first is kept`);
    if (m.location && !group.place) {
      const [lon, lat] = [numberIn(m.location[0]), numberIn(m.location[1])];
      if (isPlace(lat, lon)) group.place = { lat, lon, source: 'gps' };
      else note(group.notes, 'the location is not [longitude, latitude]');
    }
  }
  if (unknown.size > 0) {
    note(
      problems,
      `sensor ids ${[...unknown].join(', ')} are not of this server: use the ids from the registration page, or property keys, or say on the page of the box what yours stand for`,
    );
  }
  if (byTime.size === 0)
    return rejected(unknown.size > 0 ? 'unknown-sensor' : 'no-values', problems.join('; ') || 'no values');
  const readings: DecodedReading[] = [];
  for (const [time, g] of byTime) {
    const notes = readings.length === 0 ? [...g.notes, ...problems].slice(0, 20) : g.notes;
    readings.push({ nativeId, time, values: g.values, place: g.place, ...(notes.length > 0 ? { notes } : {}) });
  }
  return { ok: true, readings };
}

function hackAir(body: Record<string, unknown>, nativeId: string): Decoded {
  const reading = objectIn(body['reading']) ?? {};
  const notes: string[] = [];
  const values: Value[] = [];
  for (const [key, property] of [
    ['PM2.5_AirPollutantValue', 'pm25'],
    ['PM10_AirPollutantValue', 'pm10'],
  ] as const) {
    const value = numberIn(reading[key]);
    if (!Number.isNaN(value)) values.push({ property, value });
  }
  if (values.length === 0) return rejected('no-values', 'a hackAIR message without PM values');
  const error = numberIn(body['error']);
  if (error > 0) note(notes, `the hackAIR board reports error ${error}`);
  return {
    ok: true,
    readings: [{ nativeId, time: null, values, place: null, ...(notes.length > 0 ? { notes } : {}) }],
  };
}

function decode(payload: Uint8Array, topic: string, sensorIds?: SensorIds): Decoded {
  if (payload.length > MAX_BOX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  const levels = topic.split('/', 5);
  const nativeId = levels[0] === 'opensensemap' ? nativeIdOf(levels[1] ?? '') : '';
  const timed = levels[levels.length - 1] === 'batch';
  const text = textOf(payload);
  const body = jsonIn(text);
  if (typeof body === 'object' && body !== null) {
    const whole = objectIn(body);
    if (whole && Array.isArray(whole['sensordatavalues'])) {
      const decoded = airrohr.decode(payload, topic);
      return decoded.ok ? { ok: true, readings: decoded.readings.map((r) => ({ ...r, nativeId })) } : decoded;
    }
    if (whole && objectIn(whole['reading'])) return hackAir(whole, nativeId);
    return readingsOf(parseJson(body) ?? [], nativeId, sensorIds);
  }
  // Text has no bytes below the space but line ends and tabs; the bytes of an id and a float nearly always do.
  const csv = isText(payload) ? parseCsv(text) : null;
  if (csv) return readingsOf(csv, nativeId, sensorIds);
  const measurements = timed ? parseBytes(payload, true) : (parseBytes(payload, false) ?? parseBytes(payload, true));
  if (!measurements) {
    return rejected('bad-message', 'neither JSON, nor lines of sensorId,value, nor records of 16 or 20 bytes');
  }
  return readingsOf(measurements, nativeId, sensorIds);
}

const isText = (payload: Uint8Array): boolean => payload.every((b) => b >= 32 || b === 9 || b === 10 || b === 13);

export const opensensemap: Decoder = { format: 'opensensemap', openTopics: ['opensensemap/#'], decode };

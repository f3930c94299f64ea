/**
 * CanAirIO: InfluxDB line protocol `fixed_stations_01,mac=…,geo3=…,name=… pm1=…,pm25=…`, and the same fields as JSON (values
 * as strings) on `homeassistant/sensor/<host>/state`; formats §8. All fields are always sent and 0 means "no such sensor",
 * so a group of which everything is 0 is left out. The position is a geohash. The hardware address is dropped.
 */
import type { PropertyKey } from '../../model/properties.ts';
import type { Decoded, DecodedReading, Decoder } from '../decoder.ts';
import { pseudonym } from './pseudonym.ts';
import {
  decimal,
  isPlace,
  jsonIn,
  MAX_BOX_PAYLOAD,
  nativeIdOf,
  objectIn,
  put,
  rejected,
  textOf,
  topicSegment,
  type Value,
} from './text.ts';
import { believable } from './times.ts';

/** Fields of one chip: 0 is a value as long as another field of the group is not 0. */
const GROUPS: readonly (readonly (readonly [string, PropertyKey])[])[] = [
  [
    ['pm1', 'pm1'],
    ['pm25', 'pm25'],
    ['pm10', 'pm10'],
  ],
  [
    ['tmp', 'temperature'],
    ['hum', 'humidity'],
  ],
  [['co2', 'co2']],
  [
    ['co2tmp', 'temperature'],
    ['co2hum', 'humidity'],
  ],
  [['prs', 'pressure']],
  [['vbat', 'battery']],
  [['rssi', 'rssi']],
];
const MAX_LINES = 500;
const BASE32 = '0123456789bcdefghjkmnpqrstuvwxyz';

/** The middle of a geohash cell; null when it is none, or so short (< 5) that the cell is wider than 2.4 km. */
export function geohashCentre(hash: string): { lat: number; lon: number } | null {
  if (hash.length < 5 || hash.length > 12) return null;
  const lat: [number, number] = [-90, 90];
  const lon: [number, number] = [-180, 180];
  let even = true;
  for (const c of hash.toLowerCase()) {
    const five = BASE32.indexOf(c);
    if (five < 0) return null;
    for (let bit = 4; bit >= 0; bit--) {
      const range = even ? lon : lat;
      const mid = (range[0] + range[1]) / 2;
      if ((five >> bit) & 1) range[0] = mid;
      else range[1] = mid;
      even = !even;
    }
  }
  const centre = { lat: (lat[0] + lat[1]) / 2, lon: (lon[0] + lon[1]) / 2 };
  return isPlace(centre.lat, centre.lon) ? centre : null;
}

/** Splits at `separator` outside quotes and not behind a backslash. */
function split(text: string, separator: string, limit: number): string[] {
  const out: string[] = [];
  let from = 0;
  let quoted = false;
  for (let i = 0; i < text.length && out.length < limit; i++) {
    const c = text[i];
    if (c === '\\') i++;
    else if (c === '"') quoted = !quoted;
    else if (c === separator && !quoted) {
      out.push(text.slice(from, i));
      from = i + 1;
    }
  }
  out.push(text.slice(from));
  return out;
}

const plain = (word: string): string => word.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1');

/** The tags and fields of one line, and its time in milliseconds. */
function parseLine(line: string): { fields: Map<string, string>; time: number | null } | null {
  const [head, body, stamp] = split(line.trim(), ' ', 4);
  if (head === undefined || body === undefined) return null;
  const fields = new Map<string, string>();
  // The field `name` is empty on some boxes; the tag stands first and stays.
  for (const pair of [...split(head, ',', 60).slice(1), ...split(body, ',', 60)]) {
    const eq = pair.indexOf('=');
    if (eq <= 0) continue;
    const key = pair.slice(0, eq);
    const value = plain(pair.slice(eq + 1));
    if (value !== '' && !fields.has(key)) fields.set(key, value);
  }
  return { fields, time: stamp === undefined ? null : epochMs(stamp) };
}

/** Line protocol times are in ns, µs, ms or s; which, their length tells from 2001 to 2286. */
function epochMs(stamp: string): number | null {
  const t = decimal(stamp);
  if (!Number.isInteger(t) || t <= 0) return null;
  const per: Record<number, number> = { 10: 1e-3, 13: 1, 16: 1e3, 19: 1e6 };
  const unit = per[stamp.trim().length];
  return unit === undefined ? null : believable(Math.floor(t / unit));
}

function readingOf(
  get: (key: string) => string | undefined,
  time: number | null,
  host: string,
): DecodedReading | string {
  const values: Value[] = [];
  for (const group of GROUPS) {
    const found = group.map(([key, property]) => ({ property, value: decimal((get(key) ?? '').replace(/i$/, '')) }));
    if (!found.some((f) => !Number.isNaN(f.value) && f.value !== 0)) continue;
    for (const f of found) if (!Number.isNaN(f.value)) put(values, f.property, f.value);
  }
  if (!values.some((v) => v.property !== 'rssi' && v.property !== 'battery'))
    return 'all values are 0: no sensor is attached';
  const centre = geohashCentre(get('geo') ?? '');
  return {
    nativeId: nativeIdOf(get('name') ?? '') || nativeIdOf(host) || pseudonym('canairio', get('mac') ?? ''),
    time,
    values,
    place: centre ? { ...centre, source: 'typed' } : null,
  };
}

function decode(payload: Uint8Array, topic: string): Decoded {
  if (payload.length > MAX_BOX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  const text = textOf(payload);
  const host = topic.startsWith('homeassistant/') ? topicSegment(topic, 1) : '';
  const found: (DecodedReading | string)[] = [];
  if (/^\s*\{/.test(text.slice(0, 50))) {
    const body = objectIn(jsonIn(text));
    if (!body) return rejected('bad-json', 'starts like JSON but is none');
    const get = (key: string): string | undefined => {
      const value = body[key];
      return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
    };
    found.push(readingOf(get, null, host));
  } else {
    const lines = text.split('\n', MAX_LINES + 1).filter((l) => l.trim() !== '' && !l.startsWith('#'));
    if (lines.length > MAX_LINES) return rejected('too-long', `more than ${MAX_LINES} lines`);
    for (const line of lines) {
      const parsed = line.length > 4096 ? null : parseLine(line);
      found.push(
        parsed ? readingOf((key) => parsed.fields.get(key), parsed.time, host) : 'not a line of InfluxDB line protocol',
      );
    }
  }
  const readings = found.filter((r) => typeof r !== 'string');
  if (readings.length > 0) return { ok: true, readings };
  return rejected('no-values', found.find((r) => typeof r === 'string') ?? 'an empty message');
}

export const canairio: Decoder = {
  format: 'canairio',
  openTopics: ['canairio/#', 'homeassistant/sensor/+/state'],
  decode,
};

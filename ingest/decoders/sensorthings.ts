/**
 * OGC SensorThings JSON of other servers, such as Civil IoT Taiwan (formats §6.1): Things with expanded Locations and
 * Datastreams with expanded Observations, a page of them or one. The name of the datastream says the property, its unit of
 * measurement the unit; both must be known.
 *
 * Each stream has its own clock, up to minutes apart: values are put into one reading only when their times are equal.
 * All properties of these servers are strings (`"isMobile":"false"`). Observations of our own datastreams, published by MQTT
 * on `v1.1/Datastreams(<id>)/Observations`, have the property in their id.
 */
import { propertyOf } from '../../model/datastream.ts';
import { toUnitOf, unitCode } from '../../model/units.ts';
import type { Decoded, DecodedReading, Decoder } from '../decoder.ts';
import { propertyNamed } from './names.ts';
import {
  isPlace,
  jsonIn,
  MAX_PAYLOAD,
  nativeIdOf,
  note,
  numberIn,
  objectIn,
  publicName,
  put,
  rejected,
  shown,
  textOf,
  type Value,
} from './text.ts';
import { believable, moment } from './times.ts';

const MAX_THINGS = 2000;
const MAX_OBSERVATIONS = 5000;
/** 政府資料開放授權條款 第1版 */
const OGDL = 'OGDL-Taiwan-1.0';

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** The start of a phenomenon time that may be an interval `start/end`. */
function timeOf(value: unknown): number | null {
  if (typeof value !== 'string') return null;
  return believable(moment(value.split('/', 1)[0] as string));
}

function placeOf(thing: Record<string, unknown>): DecodedReading['place'] {
  for (const item of listOf(thing['Locations']).slice(0, 5)) {
    const location = objectIn(objectIn(item)?.['location']);
    // A GeoJSON point, or a feature that holds one.
    const point = objectIn(location?.['geometry']) ?? location;
    const at = listOf(point?.['coordinates']);
    const [lon, lat] = [numberIn(at[0]), numberIn(at[1])];
    if (isPlace(lat, lon)) return { lat, lon, source: 'typed' };
  }
  return null;
}

function hintsOf(thing: Record<string, unknown>, nativeId: string): NonNullable<DecodedReading['hints']> {
  const p = objectIn(thing['properties']) ?? {};
  const authority = typeof p['authority'] === 'string' ? shown(p['authority'], 60) : '';
  // 行政院環境保護署 became 環境部 in 2023; both publish under the government's open data licence.
  const government = /環境保護署|環境部|環保署/.test(authority);
  const name = publicName(thing['name'], nativeId);
  const [mobile, outdoor] = [String(p['isMobile']), String(p['isOutdoor'])];
  return {
    ...(name ? { name } : {}),
    ...(mobile === 'true'
      ? { exposure: 'mobile' }
      : outdoor === 'true'
        ? { exposure: 'outdoor' }
        : outdoor === 'false'
          ? { exposure: 'indoor' }
          : {}),
    ...(government ? { licence: OGDL } : {}),
    ...(authority ? { attribution: `${authority}, 民生公共物聯網` } : {}),
  };
}

function thingReadings(thing: Record<string, unknown>, budget: { left: number }, problems: string[]): DecodedReading[] {
  const properties = objectIn(thing['properties']);
  const nativeId = nativeIdOf(properties?.['stationID']) || nativeIdOf(thing['@iot.id']);
  const byTime = new Map<number, Value[]>();
  for (const item of listOf(thing['Datastreams']).slice(0, 40)) {
    const stream = objectIn(item);
    if (!stream) continue;
    const name = typeof stream['name'] === 'string' ? stream['name'] : '';
    const property = propertyNamed(name) ?? propertyNamed(shown(stream['description'], 80));
    const unit = objectIn(stream['unitOfMeasurement'])?.['symbol'];
    if (property === null) continue;
    if (typeof unit !== 'string' || unitCode(unit) === null) {
      note(problems, `${shown(name)} of ${nativeId} has the unknown unit ${shown(unit)}; not taken`);
      continue;
    }
    for (const one of listOf(stream['Observations'])) {
      if (--budget.left < 0) return [];
      const observation = objectIn(one);
      const time = timeOf(observation?.['phenomenonTime']);
      const result = numberIn(observation?.['result']);
      if (time === null || Number.isNaN(result)) continue;
      const value = toUnitOf(property, result, unit);
      if (value === null) {
        note(problems, `${shown(name)} of ${nativeId} in ${shown(unit)} cannot be converted; not taken`);
        break;
      }
      let values = byTime.get(time);
      if (!values) byTime.set(time, (values = []));
      put(values, property, value);
    }
  }
  const place = placeOf(thing);
  const hints = hintsOf(thing, nativeId);
  return [...byTime].sort((a, b) => a[0] - b[0]).map(([time, values]) => ({ nativeId, time, values, place, hints }));
}

const OURS = /^v1\.1\/Datastreams\((\d{1,10})\)\/Observations$/;

/** An Observation published on one of our datastreams. */
function ownObservation(body: Record<string, unknown>, id: number): Decoded {
  let property;
  try {
    property = propertyOf(id);
  } catch {
    return rejected('unknown-datastream', `no datastream has the id ${id}`);
  }
  const result = body['result'];
  if (typeof result !== 'number' || !Number.isFinite(result)) {
    return rejected('no-values', `result is ${shown(result)}; expected a number in the datastream's unit`);
  }
  const time = timeOf(body['phenomenonTime']);
  return { ok: true, readings: [{ nativeId: '', time, values: [{ property, value: result }], place: null }] };
}

function decode(payload: Uint8Array, topic: string): Decoded {
  if (payload.length > MAX_PAYLOAD) return rejected('too-long', `${payload.length} bytes`);
  const body = objectIn(jsonIn(textOf(payload)));
  if (!body) return rejected('bad-json', 'expected the JSON of SensorThings entities');
  const own = OURS.exec(topic);
  if (own) return ownObservation(body, Number(own[1]));
  const things = Array.isArray(body['value']) ? (body['value'] as unknown[]) : [body];
  if (things.length > MAX_THINGS) return rejected('too-long', `${things.length} Things; at most ${MAX_THINGS} a page`);
  const budget = { left: MAX_OBSERVATIONS };
  const problems: string[] = [];
  const readings = things.flatMap((t) => {
    const entity = objectIn(t);
    if (!entity) return [];
    // A Datastream with its Observations and its Thing expanded is the same story told from the other end.
    const isStream = Array.isArray(entity['Observations']);
    const thing = isStream ? { ...objectIn(entity['Thing']), Datastreams: [entity] } : entity;
    return thingReadings(thing, budget, problems);
  });
  const first = readings[0];
  if (budget.left < 0) return rejected('too-long', `more than ${MAX_OBSERVATIONS} Observations in one page`);
  if (!first)
    return rejected('no-values', problems.join('; ') || 'no Thing with Datastreams and Observations expanded');
  if (problems.length > 0) readings[0] = { ...first, notes: problems };
  return { ok: true, readings };
}

export const sensorthings: Decoder = {
  format: 'sensorthings',
  openTopics: ['v1.1/+/Observations', 'feeds/sensorthings/#'],
  decode,
};

/** A Thing as a row of the registry, and the checks a new or changed one has to pass. */
import type { SQLOutputValue } from 'node:sqlite';
import { snapToGrid, type PublicPlace } from './place.ts';
import type { Exposure, NewThing, Place, Thing, ThingKind } from './registry.ts';

export type Row = Record<string, SQLOutputValue>;

export const COLUMNS =
  'num,id,kind,name,native_id,format,lat,lon,height,place_from,precision,shown_lat,shown_lon,exposure,sensors,field,claimed,project,licence,attribution,created_at,retired,paused,properties';

const ID = /^[a-z0-9-]{8,40}$/;
export const isThingId = (id: string): boolean => ID.test(id);

const EXPOSURES: readonly Exposure[] = ['outdoor', 'indoor', 'mobile', 'unknown'];
const KINDS: readonly ThingKind[] = ['box', 'station'];
// Control characters would break CSV, logs and terminals.
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** A refused field: `field` names it, the message says what is allowed. */
export class InvalidThing extends Error {
  readonly field: string;
  constructor(field: string, message: string) {
    super(`${field}: ${message}`);
    this.name = 'InvalidThing';
    this.field = field;
  }
}

function text(field: string, value: string | undefined, max: number): void {
  if (value === undefined) return;
  if (typeof value !== 'string') throw new InvalidThing(field, 'must be text');
  if (value.length > max) throw new InvalidThing(field, `at most ${max} characters`);
  if (CONTROL.test(value)) throw new InvalidThing(field, 'no control characters or line breaks');
}

function oneOf(field: string, value: string | undefined, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value)) {
    throw new InvalidThing(field, `one of ${allowed.map((a) => a || '""').join(', ')}`);
  }
}

function span(field: string, value: number | null | undefined, min: number, max: number): void {
  if (value === undefined || value === null) return;
  if (!(value >= min && value <= max)) throw new InvalidThing(field, `a number from ${min} to ${max}`);
}

/** @throws InvalidThing naming the first field that is wrong */
export function checkThing(t: NewThing): void {
  if (t.id !== undefined && !isThingId(t.id)) {
    throw new InvalidThing('id', 'must be 8 to 40 of the characters a-z, 0-9 and -');
  }
  oneOf('kind', t.kind, KINDS);
  text('name', t.name, 120);
  text('nativeId', t.nativeId, 128);
  text('format', t.format, 40);
  span('lat', t.lat, -90, 90);
  span('lon', t.lon, -180, 180);
  if ((t.lat ?? null) === null ? (t.lon ?? null) !== null : (t.lon ?? null) === null) {
    throw new InvalidThing('lat', 'lat and lon belong together: give both or neither');
  }
  span('height', t.height, -500, 10_000);
  oneOf('placePrecision', t.placePrecision, ['exact', 'grid']);
  oneOf('exposure', t.exposure, EXPOSURES);
  oneOf('field', t.field, ['cf1', 'atm', '']);
  text('project', t.project, 80);
  if (t.licence !== undefined && !/^[A-Za-z0-9.+-]{0,60}$/.test(t.licence)) {
    throw new InvalidThing('licence', 'an SPDX identifier such as CC-BY-4.0, or empty');
  }
  text('attribution', t.attribution, 400);
  if (t.sensors !== undefined) {
    if (!Array.isArray(t.sensors) || t.sensors.length > 20)
      throw new InvalidThing('sensors', 'at most 20 sensor models');
    for (const s of t.sensors) text('sensors', s as string, 40);
  }
  if (t.properties !== undefined) {
    const entries = Object.entries(t.properties);
    if (entries.length > 40) throw new InvalidThing('properties', 'at most 40 entries');
    for (const [key, value] of entries) {
      text('properties', key, 60);
      text(`properties.${key}`, value, 400);
    }
  }
}

export function checkPlace(p: Place): void {
  span('lat', p.lat, -90, 90);
  span('lon', p.lon, -180, 180);
  span('height', p.height, -500, 10_000);
  if (!Number.isFinite(p.from)) throw new InvalidThing('from', 'a time');
}

/** Where a new thing is shown. */
export function firstShown(t: NewThing): PublicPlace | null {
  if (t.lat === undefined || t.lat === null || t.lon === undefined || t.lon === null) return null;
  const exact = { lat: t.lat, lon: t.lon };
  return t.placePrecision === 'grid' ? snapToGrid(exact) : exact;
}

/** A row of COLUMNS as the array that `setReturnArrays` gives: an object of 24 members takes SQLite's binding four times as long. */
export type ThingRow = SQLOutputValue[];

export function thingOf(row: ThingRow): Thing {
  // By position, as COLUMNS names them: taking an array apart by pattern costs more than the rest.
  const lat = row[6] as number | null;
  const lon = row[7] as number | null;
  const sensors = row[14] as string;
  const properties = row[23] as string;
  return {
    id: row[1] as string,
    num: row[0] as number,
    kind: row[2] as ThingKind,
    name: row[3] as string,
    nativeId: row[4] as string,
    format: row[5] as string,
    place: lat === null || lon === null ? null : { lat, lon, height: row[8] as number | null, from: row[9] as number },
    placePrecision: row[10] as 'exact' | 'grid',
    shown: row[11] === null ? null : { lat: row[11] as number, lon: row[12] as number },
    exposure: row[13] as Exposure,
    sensors: sensors === '[]' ? [] : (JSON.parse(sensors) as string[]),
    field: row[15] as 'cf1' | 'atm' | '',
    claimed: row[16] === 1,
    project: row[17] as string,
    licence: row[18] as string,
    attribution: row[19] as string,
    createdAt: row[20] as number,
    retired: row[21] === 1,
    paused: row[22] === 1,
    properties: properties === '{}' ? {} : (JSON.parse(properties) as Record<string, string>),
  };
}

/** The result formats of a set: plain JSON, dataArray (18-088 §12.1), GeoJSON and CSV. */
import { isSelected, type Json } from './entity-json.ts';
import type { Collection } from './read.ts';
import type { Query } from './query.ts';
import { badRequest } from './problem.ts';
import { entity, type EntityType } from './entities.ts';

export function plain(collection: Collection): Json {
  const { count, nextLink, items } = collection;
  return {
    ...(count === null ? {} : { '@iot.count': count }),
    value: items.map((i) => i.json),
    ...(nextLink === null ? {} : { '@iot.nextLink': nextLink }),
  };
}

/** The components of a dataArray: `id` and the Observation's own properties that were asked for. */
function components(type: EntityType, query: Query): string[] {
  return ['id', ...type.properties.map((p) => p.name)].filter((name) => isSelected(query.select, name));
}

/** `phenomenonTime,result` of many Observations with each name said once. Grouped by Datastream. */
export function dataArray(collection: Collection, query: Query, base: string): Json {
  if (collection.type.name !== 'Observation') throw badRequest('$resultFormat=dataArray goes with Observations');
  const names = components(collection.type, query);
  const groups = new Map<unknown, Json[]>();
  for (const { row, json } of collection.items) {
    const datastream = row['datastream_id'];
    const values = names.map((n) => (n === 'id' ? (row['id'] as Json) : (json[n] ?? null)));
    const group = groups.get(datastream);
    if (group) group.push(values);
    else groups.set(datastream, [values]);
  }
  return {
    ...(collection.count === null ? {} : { '@iot.count': collection.count }),
    value: [...groups].map(([datastream, rows]) => ({
      'Datastream@iot.navigationLink': `${base}/${entity('Datastream').set}(${String(datastream)})`,
      components: names,
      'dataArray@iot.count': rows.length,
      dataArray: rows,
    })),
    ...(collection.nextLink === null ? {} : { '@iot.nextLink': collection.nextLink }),
  };
}

const isGeometry = (value: Json | undefined): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && typeof value['type'] === 'string';

/** RFC 7946. The geometry is the entity's own, or that of an expanded Location or FeatureOfInterest. */
export function geoJson(collection: Collection): Json {
  const features = collection.items.map(({ json }): Json => {
    const geometry = findGeometry(json);
    const { location: _l, feature: _f, ...properties } = json;
    const bare =
      geometry && typeof geometry === 'object' && !Array.isArray(geometry) && geometry['type'] === 'Feature'
        ? (geometry['geometry'] ?? null)
        : geometry;
    return { type: 'Feature', id: json['@iot.id'] ?? null, geometry: bare, properties };
  });
  return {
    type: 'FeatureCollection',
    features,
    ...(collection.count === null ? {} : { '@iot.count': collection.count }),
    ...(collection.nextLink === null ? {} : { '@iot.nextLink': collection.nextLink }),
  };
}

function findGeometry(json: { [key: string]: Json }, depth = 0): Json {
  for (const name of ['location', 'feature', 'observedArea']) if (isGeometry(json[name])) return json[name] as Json;
  if (depth > 2) return null;
  for (const name of ['Locations', 'FeatureOfInterest', 'Thing', 'Datastream']) {
    const other = json[name];
    const first = Array.isArray(other) ? other[0] : other;
    if (first && typeof first === 'object' && !Array.isArray(first)) {
      const found = findGeometry(first, depth + 1);
      if (found !== null) return found;
    }
  }
  return null;
}

/** RFC 4180. A cell that a spreadsheet would take for a formula is prefixed with an apostrophe. */
function cell(value: Json | undefined): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function flatten(json: { [key: string]: Json }, prefix: string, into: Map<string, Json>): void {
  for (const [key, value] of Object.entries(json)) {
    if (key.endsWith('@iot.navigationLink') || key === '@iot.selfLink') continue;
    const name = prefix + key.replace(/^@iot\./, '');
    if (value !== null && typeof value === 'object' && !Array.isArray(value) && /^[A-Z]/.test(key))
      flatten(value, `${name}/`, into);
    else if (Array.isArray(value) && /^[A-Z]/.test(key)) {
      const first = value[0];
      if (first && typeof first === 'object' && !Array.isArray(first)) flatten(first, `${name}/`, into);
    } else into.set(name, value);
  }
}

/** One line an entity; to-one expansions as columns `Thing/name`, of to-many ones the first. */
export function csv(collection: Collection, query: Query): string {
  const rows = collection.items.map(({ json }) => {
    const row = new Map<string, Json>();
    flatten(json, '', row);
    return row;
  });
  const names = new Set<string>();
  for (const name of ['id', ...collection.type.properties.map((p) => p.name)])
    if (isSelected(query.select, name)) names.add(name);
  for (const row of rows) for (const name of row.keys()) names.add(name);
  const header = [...names];
  return (
    [header, ...rows.map((row) => header.map((n) => row.get(n)))].map((line) => line.map(cell).join(',')).join('\r\n') +
    '\r\n'
  );
}

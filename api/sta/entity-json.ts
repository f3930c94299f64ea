/** Rows of the catalogue as SensorThings JSON (18-088 §9.2), and times as the standard writes them. */
import type { EntityProperty, EntityType } from './entities.ts';
import type { EntityId } from './path.ts';

export type Row = Record<string, unknown>;
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Millisecond times; an interval of one moment is that moment. */
export function formatInterval(start: unknown, end: unknown): string | null {
  if (typeof start !== 'number') return null;
  return typeof end === 'number' && end !== start ? `${iso(start)}/${iso(end)}` : iso(start);
}
const times = new Map<number, string>();
function iso(t: number): string {
  let text = times.get(t);
  if (text === undefined) {
    if (times.size > 5000) times.clear();
    times.set(t, (text = new Date(t).toISOString()));
  }
  return text;
}

/** Units, encodings, flags and the like recur in thousands of rows. What is kept is never changed. */
const short = new Map<string, Json>();
function parsed(value: unknown): Json {
  if (typeof value !== 'string') return null;
  if (value.length > 200) return parseExact(value);
  let json = short.get(value);
  if (json === undefined) {
    if (short.size > 5000) short.clear();
    short.set(value, (json = parseExact(value)));
  }
  return json;
}

/** The value of one property; undefined where it is absent (optional and never given). */
export function propertyValue(type: EntityType, property: EntityProperty, row: Row): Json | undefined {
  if (type.name === 'Observation' && property.name === 'result') return resultValue(row);
  const value = row[property.name];
  switch (property.type) {
    case 'interval': {
      const [start, end] = [row[`${property.name}_start`], row[`${property.name}_end`]];
      if (property.period)
        return typeof start === 'number' && typeof end === 'number' ? `${iso(start)}/${iso(end)}` : undefined;
      const text = formatInterval(start, end);
      return text ?? (property.name === 'phenomenonTime' && type.name === 'Observation' ? null : undefined);
    }
    case 'instant':
      // resultTime is mandatory in an Observation and null where nobody gave it (18-088 table 12).
      return typeof value === 'number' ? iso(value) : type.name === 'Observation' ? null : undefined;
    case 'string':
      return typeof value === 'string' ? value : undefined;
    default:
      // Rows of boxes bring their json as it is.
      return typeof value === 'string' ? parsed(value) : ((value as Json | null) ?? undefined);
  }
}

/** `n` number, `s` text, `b` truth value, `z` null, `i` a whole number beyond ±2⁵³ as text, `j` any other JSON. */
export type ResultType = 'n' | 's' | 'b' | 'z' | 'i' | 'j';

/** `JSON.rawJSON` of ES2026, which the type library does not know yet: a number that is written out as it was read. */
const { rawJSON, isRawJSON } = JSON as unknown as {
  rawJSON: (text: string) => { rawJSON: string };
  isRawJSON: (value: unknown) => value is { rawJSON: string };
};

/** Parses JSON; whole numbers that no double holds keep their digits. @throws SyntaxError */
export function parseExact(text: string): Json {
  if (!/\d{16}/.test(text)) return JSON.parse(text) as Json;
  return JSON.parse(text, function keep(_key: string, value: unknown, context?: { source?: string }): unknown {
    const source = context?.source;
    return typeof value === 'number' && !Number.isSafeInteger(value) && source && /^-?\d{16,100}$/.test(source)
      ? rawJSON(source)
      : value;
  } as (key: string, value: unknown) => unknown) as Json;
}

export function resultValue(row: Row): Json {
  const { result, result_type: type } = row;
  if (type === 'b') return result === 1;
  if (type === 'i') return rawJSON(String(result));
  if (type === 'j') return parsed(result);
  if (type === 'z') return null;
  return result as Json;
}

export function resultColumns(value: Json): { result: number | string | null; result_type: ResultType } {
  if (value === null) return { result: null, result_type: 'z' };
  if (typeof value === 'number') return { result: value, result_type: 'n' };
  if (typeof value === 'string') return { result: value, result_type: 's' };
  if (isRawJSON(value)) return { result: value.rawJSON, result_type: 'i' };
  if (typeof value === 'boolean') return { result: Number(value), result_type: 'b' };
  return { result: JSON.stringify(value), result_type: 'j' };
}

const idText = (id: EntityId): string => (typeof id === 'number' ? String(id) : `'${id.replaceAll("'", "''")}'`);
export const entityUrl = (base: string, type: EntityType, id: EntityId): string => `${base}/${type.set}(${idText(id)})`;

/** Which of an entity's parts are shown. */
export function isSelected(select: readonly string[] | null, name: string): boolean {
  return select === null || select.some((s) => s === name || s.startsWith(`${name}/`));
}

/** Names of links as keys, made once: a key that is put together anew has to be looked for each time. */
const linkKeys = new WeakMap<EntityType, readonly { readonly name: string; readonly key: string }[]>();
function linksOf(type: EntityType): readonly { readonly name: string; readonly key: string }[] {
  let links = linkKeys.get(type);
  if (!links) {
    links = type.navigation.map(({ name }) => ({ name, key: `${name}@iot.navigationLink` }));
    linkKeys.set(type, links);
  }
  return links;
}

/**
 * The entity without its expansions. `select` null = everything.
 * @param without relations that get no link, because they are expanded. A link that is taken away later makes the object ten times as
 *   slow to write.
 */
export function entityJson(
  type: EntityType,
  row: Row,
  base: string,
  select: readonly string[] | null,
  without?: ReadonlySet<string>,
): { [key: string]: Json } {
  const id = row['id'] as EntityId;
  const json: { [key: string]: Json } = {};
  if (isSelected(select, 'id')) json['@iot.id'] = id;
  const url = entityUrl(base, type, id);
  if (isSelected(select, 'selfLink')) json['@iot.selfLink'] = url;
  for (const property of type.properties) {
    if (!isSelected(select, property.name)) continue;
    const value = propertyValue(type, property, row);
    if (value === undefined) continue;
    if (select === null) {
      json[property.name] = value;
      continue;
    }
    const inside = select.filter((s) => s.startsWith(`${property.name}/`)).map((s) => s.split('/').slice(1));
    json[property.name] = inside.length > 0 && !select.includes(property.name) ? pick(value, inside) : value;
  }
  for (const { name, key } of linksOf(type))
    if (isSelected(select, name) && !without?.has(name)) json[key] = `${url}/${name}`;
  return json;
}

/** Only the named ways into a json value. */
function pick(value: Json, ways: readonly (readonly string[])[]): Json {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const result: { [key: string]: Json } = {};
  for (const [key, inner] of Object.entries(value)) {
    const here = ways.filter((w) => w[0] === key).map((w) => w.slice(1));
    if (here.length > 0) result[key] = here.some((w) => w.length === 0) ? inner : pick(inner, here);
  }
  return result;
}

/**
 * SensorThings over MQTT (18-088 §14): which topics are subscribed, and which of them hear of an entity. A topic is a resource
 * path behind `v1.1/`: a set (hears of entities made or changed in it), one entity, or one of its properties; `?$select=` and
 * `?$expand=` shape what is sent. Nothing is looked up or written out for topics that nobody subscribes to.
 */
import type { SQLInputValue } from 'node:sqlite';
import type { Sql } from './compile.ts';
import { entity, type EntityType } from './entities.ts';
import { propertyValue, type Json, type Row } from './entity-json.ts';
import { isCollection, parsePath, type EntityId, type PathStep, type ResourcePath } from './path.ts';
import { StaProblem } from './problem.ts';
import { parseQuery, type Query } from './query.ts';
import { expanded, prepared, resolve, rowById, type ReadContext } from './read.ts';

export interface LiveMessage {
  readonly topic: string;
  readonly json: string;
}

interface Watched {
  readonly topic: string;
  readonly path: ResourcePath;
  readonly query: Query;
  /** Of a property topic: what was sent or stood there last. */
  last: string;
}

/** Different topics that are served; further ones stay silent. */
const MAX_TOPICS = 20_000;
/** Topics whose path has to be walked for each change, such as `Datastreams(1)/Thing`. */
const MAX_WALKED = 200;
/** Entities that one message may expand. */
const MAX_EXPANDED = 1000;
const PREFIX = 'v1.1/';

const placed = (type: EntityType, id: EntityId): string => `${type.set}(${id})`;

/** What a path is found by when an entity changes; null = it has to be walked. */
function keyOf(path: ResourcePath): string | null {
  const last = path.steps.at(-1) as PathStep;
  if (!isCollection(path)) return last.id === null ? null : placed(last.type, last.id);
  const before = path.steps.at(-2);
  if (!before || !last.navigation) return last.type.set;
  return before.id === null ? null : `${placed(before.type, before.id)}/${last.navigation.name}`;
}

export class LiveTopics {
  #byKey = new Map<string, Watched[]>();
  #walked: Watched[] = [];
  #hasWildcards = false;

  /** `topics` replaces what was subscribed before. Paths that name nothing are left out: nothing will ever come there. */
  async set(topics: readonly string[], ctx: ReadContext): Promise<void> {
    const before = new Map([...this.#byKey.values(), this.#walked].flat().map((w) => [w.topic, w]));
    const byKey = new Map<string, Watched[]>();
    const walked: Watched[] = [];
    for (const topic of topics.slice(0, MAX_TOPICS)) {
      if (/[#+]/.test(topic)) continue;
      const watched = before.get(topic) ?? (await this.#watch(topic, ctx));
      if (!watched) continue;
      const key = keyOf(watched.path);
      const list = key === null ? walked : (byKey.get(key) ?? []);
      if (key !== null) byKey.set(key, list);
      list.push(watched);
    }
    this.#byKey = byKey;
    this.#walked = walked.slice(0, MAX_WALKED);
    this.#hasWildcards = topics.some((t) => /[#+]/.test(t));
  }

  get isEmpty(): boolean {
    return this.#byKey.size === 0 && this.#walked.length === 0 && !this.#hasWildcards;
  }

  async #watch(topic: string, ctx: ReadContext): Promise<Watched | null> {
    try {
      const [path = '', query = ''] = topic.slice(PREFIX.length).split(/\?(.*)/s);
      const parsed = parsePath(`/${path}`);
      if (parsed.ref || parsed.value || parsed.count) return null;
      const watched: Watched = {
        topic,
        path: parsed,
        query: parseQuery(query, (parsed.steps.at(-1) as PathStep).type),
        last: '',
      };
      if (parsed.property) {
        const { type, row } = await resolve(ctx, parsed);
        if (row) watched.last = propertyJson(type, row, parsed) ?? '';
      }
      return watched;
    } catch (error) {
      if (error instanceof StaProblem) return null;
      throw error;
    }
  }

  /** Whether an Observation of that Datastream and place would be heard anywhere. */
  hears(datastream: number): boolean {
    return (
      this.#hasWildcards ||
      this.#byKey.has('Observations') ||
      this.#byKey.has(`Datastreams(${datastream})/Observations`) ||
      this.#walked.length > 0 ||
      this.#hearsPlaces()
    );
  }

  #hearsPlaces(): boolean {
    for (const key of this.#byKey.keys()) if (key.startsWith('FeaturesOfInterest(')) return true;
    return false;
  }

  /** What is to be sent because this entity was made (`isNew`) or changed. */
  async messages(ctx: ReadContext, type: EntityType, row: Row): Promise<LiveMessage[]> {
    const out = new Map<string, string>();
    const id = row['id'] as EntityId;
    const keys = [type.set, placed(type, id), ...this.#sets(ctx, type, row)];
    for (const key of keys)
      for (const watched of this.#byKey.get(key) ?? []) {
        const json = await this.#payload(ctx, type, row, watched);
        if (json !== null) out.set(watched.topic, json);
      }
    for (const watched of this.#walked) {
      if ((watched.path.steps.at(-1) as PathStep).type !== type) continue;
      const found = await resolve(ctx, watched.path).catch((error: unknown) => {
        if (error instanceof StaProblem) return null;
        throw error;
      });
      if (!found || !(found.row ? found.row['id'] === id : typeof id === 'number' && isIn(ctx, type, found.where, id)))
        continue;
      const json = await this.#payload(ctx, type, row, watched);
      if (json !== null) out.set(watched.topic, json);
    }
    if (this.#hasWildcards) {
      const json = JSON.stringify(await expanded(ctx, type, row, parseQuery('', type), { entities: MAX_EXPANDED }));
      for (const key of keys) if (!out.has(PREFIX + key)) out.set(PREFIX + key, json);
    }
    return [...out].map(([topic, json]) => ({ topic, json }));
  }

  /** The sets below other entities that this one is in: `Datastreams(1)/Observations`. */
  #sets(ctx: ReadContext, type: EntityType, row: Row): string[] {
    return type.navigation.flatMap((n) => {
      const target = entity(n.target);
      const inverse = target.navigation.find((other) => other.target === type.name && other.many);
      if (!inverse) return [];
      const { by } = n;
      if (by.kind === 'own') {
        const id = row[by.column];
        return typeof id === 'number' ? [`${placed(target, id)}/${inverse.name}`] : [];
      }
      if (by.kind === 'other') return [];
      const rows = prepared(ctx.db, `SELECT ${by.there} AS id FROM "${by.table}" WHERE ${by.here} = ? LIMIT 100`).all(
        row['id'] as number,
      ) as { id: number }[];
      return rows.map((r) => `${placed(target, r.id)}/${inverse.name}`);
    });
  }

  async #payload(ctx: ReadContext, type: EntityType, row: Row, watched: Watched): Promise<string | null> {
    if (!watched.path.property)
      return JSON.stringify(await expanded(ctx, type, row, watched.query, { entities: MAX_EXPANDED }));
    const json = propertyJson(type, row, watched.path);
    if (json === null || json === watched.last) return null;
    watched.last = json;
    return json;
  }
}

/** Is that entity in the set that a path leads to? */
const isIn = (ctx: ReadContext, type: EntityType, where: Sql | null, id: number): boolean =>
  where !== null &&
  prepared(ctx.db, `SELECT 1 FROM "${type.table}" t WHERE t.id = ? AND ${where.sql}`).get(
    id,
    ...(where.params as SQLInputValue[]),
  ) !== undefined;

/** `{"name": …}`, or null where there is no such thing. */
function propertyJson(type: EntityType, row: Row, path: ResourcePath): string | null {
  const [first, ...inside] = path.property as [string, ...string[]];
  const property = type.properties.find((p) => p.name === first);
  let value: Json | undefined = property ? propertyValue(type, property, row) : undefined;
  for (const key of inside)
    value =
      typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, key)
        ? value[key]
        : undefined;
  return value === undefined ? null : JSON.stringify({ [path.propertyName || first]: value });
}

/** The entity as it stands, for a change that is told by id. */
export const changedRow = (ctx: ReadContext, type: EntityType, id: number): Row | undefined =>
  rowById(ctx.db, type, id);

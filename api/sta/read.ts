/**
 * Reading: a path and its query options to JSON. The order of evaluation is that of 18-088 §9.3.3.1: $filter, $count,
 * $orderby, $skip, $top, $expand, $select. Pages continue by the sort keys of their last row, so that nothing is shown twice
 * or left out while entities keep coming in.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { compileFilter, compileOrder, type SortKey, type Sql } from './compile.ts';
import { startClock } from './database.ts';
import { entity, type EntityType, type Navigation } from './entities.ts';
import { entityJson, entityUrl, propertyValue, type Json, type Row } from './entity-json.ts';
import { isCollection, type EntityId, type ResourcePath } from './path.ts';
import { badRequest, notFound } from './problem.ts';
import type { Expression, OrderBy } from './expression.ts';
import { EMPTY_QUERY, type Query } from './query.ts';

export const DEFAULT_TOP = 100;
export const MAX_TOP = 10_000;
/** Entities that one answer may hold, expansions included: past it pages get shorter and carry a next link. */
export const MAX_ENTITIES = 100_000;

/** Observations that are not in the catalogue's own table: those of boxes, in the observation store. */
export interface ForeignObservations {
  /** Does this datastream keep its observations elsewhere? */
  owns(datastreamId: EntityId): boolean;
  /** One page in the order asked for. */
  page(datastreamId: EntityId, query: Query, limit: number, now: number): Promise<Page>;
  /** The observation with that text id; null = there is none. */
  byId(id: EntityId): Promise<Row | null>;
  /** The whole set, or that of one FeatureOfInterest, merged with `own`; null = all of it is in the catalogue. */
  set(feature: EntityId | null, query: Query, limit: number, now: number, own: OwnPage): Promise<Page | null>;
  /** A filter on `type`, with what reaches into observations kept elsewhere found out. */
  reach(filter: Expression, type: EntityType, now: number): Promise<Expression>;
  /** @throws StaProblem 501 when the order needs observations kept elsewhere */
  checkOrder(orderBy: readonly OrderBy[], type: EntityType): void;
  /** A Datastream's row as it stands now. */
  fresh(row: Row): Row;
}

export interface Page {
  readonly rows: Row[];
  /** There are further ones behind it. */
  readonly more: boolean;
  readonly nextToken: string;
  readonly count: number | null;
}

/** A page of the catalogue's own Observations, each with the token of what comes behind it and its sort values `_key0` …. */
export type OwnPage = (
  query: Query,
  limit: number,
) => Promise<{ readonly rows: Row[]; readonly tokens: readonly string[]; readonly count: number | null }>;

export interface ReadContext {
  readonly db: DatabaseSync;
  /** `https://host/sta/v1.1` without a slash behind. */
  readonly base: string;
  readonly now: number;
  readonly foreign: ForeignObservations | null;
  /** When it is enough [performance.now]. */
  readonly until?: number;
}

export interface Collection {
  readonly type: EntityType;
  readonly items: readonly { readonly row: Row; readonly json: { [key: string]: Json } }[];
  readonly count: number | null;
  readonly nextLink: string | null;
}

interface Budget {
  entities: number;
}

/** Prepared statements are the larger part of a small query's cost. */
const statements = new WeakMap<DatabaseSync, Map<string, StatementSync>>();
export function prepared(db: DatabaseSync, sql: string): StatementSync {
  let cache = statements.get(db);
  if (!cache) statements.set(db, (cache = new Map()));
  let statement = cache.get(sql);
  if (!statement) {
    if (cache.size > 500) cache.clear();
    cache.set(sql, (statement = db.prepare(sql)));
  }
  return statement;
}

function all(db: DatabaseSync, { sql, params }: Sql): Row[] {
  startClock(db);
  return prepared(db, sql).all(...(params as SQLInputValue[]));
}
function get(db: DatabaseSync, { sql, params }: Sql): Row | undefined {
  startClock(db);
  return prepared(db, sql).get(...(params as SQLInputValue[]));
}

/** The rows on the far side of a relation, as a condition on alias `t`. */
export function related(parent: EntityType, navigation: Navigation, id: EntityId): Sql {
  const by = navigation.by;
  if (by.kind === 'own')
    return { sql: `t.id = (SELECT ${by.column} FROM "${parent.table}" WHERE id = ?)`, params: [id] };
  if (by.kind === 'other') return { sql: `t.${by.column} = ?`, params: [id] };
  return { sql: `t.id IN (SELECT ${by.there} FROM "${by.table}" WHERE ${by.here} = ?)`, params: [id] };
}

export function rowById(db: DatabaseSync, type: EntityType, id: EntityId): Row | undefined {
  return typeof id === 'number'
    ? get(db, { sql: `SELECT * FROM "${type.table}" WHERE id = ?`, params: [id] })
    : undefined;
}

const TOKEN_LIMIT = 4096;

/** Rows behind the one whose sort values are in the token: keys compared one after the other, NULL being least. */
function behind(keys: readonly SortKey[], token: string): Sql {
  let values: unknown;
  try {
    values = JSON.parse(Buffer.from(token.slice(0, TOKEN_LIMIT), 'base64url').toString('utf8'));
  } catch {
    values = null;
  }
  if (!Array.isArray(values) || values.length !== keys.length)
    throw badRequest('$skiptoken is not one of ours; follow @iot.nextLink as it is');
  const alternatives: string[] = [];
  const params: (number | string)[] = [];
  keys.forEach((key, i) => {
    const value: unknown = values[i];
    if (value !== null && typeof value !== 'number' && typeof value !== 'string')
      throw badRequest('$skiptoken is not one of ours');
    if (value === null && key.descending) return;
    const terms: string[] = [];
    for (let k = 0; k < i; k++) {
      const before = keys[k] as SortKey;
      terms.push(`${before.sql} IS ${values[k] === null ? 'NULL' : '?'}`);
      params.push(...before.params, ...(values[k] === null ? [] : [values[k] as number | string]));
    }
    if (value === null) {
      terms.push(`${key.sql} IS NOT NULL`);
      params.push(...key.params);
    } else if (key.descending) {
      terms.push(`(${key.sql} < ? OR ${key.sql} IS NULL)`);
      params.push(...key.params, value, ...key.params);
    } else {
      terms.push(`${key.sql} > ?`);
      params.push(...key.params, value);
    }
    alternatives.push(`(${terms.join(' AND ')})`);
  });
  return { sql: alternatives.length > 0 ? `(${alternatives.join(' OR ')})` : '0', params };
}

/** One page out of the catalogue. */
async function catalogued(
  ctx: ReadContext,
  type: EntityType,
  where: Sql | null,
  query: Query,
  limit: number,
): Promise<Page & { readonly tokens: readonly string[] }> {
  const conditions: Sql[] = where ? [where] : [];
  if (query.filter) {
    const filter = ctx.foreign ? await ctx.foreign.reach(query.filter, type, ctx.now) : query.filter;
    conditions.push(compileFilter(filter, type, ctx.now));
  }
  ctx.foreign?.checkOrder(query.orderBy, type);
  const keys: SortKey[] = [
    ...compileOrder(query.orderBy, type, ctx.now),
    { sql: 't.id', params: [], descending: false },
  ];
  const whereSql = (list: readonly Sql[]): string =>
    list.length > 0 ? ` WHERE ${list.map((c) => c.sql).join(' AND ')}` : '';
  const count = query.count
    ? Number(
        get(ctx.db, {
          sql: `SELECT count(*) AS n FROM "${type.table}" t${whereSql(conditions)}`,
          params: conditions.flatMap((c) => c.params),
        })?.['n'],
      )
    : null;
  const skip = query.skipToken === null ? query.skip : 0;
  if (query.skipToken !== null) conditions.push(behind(keys, query.skipToken));
  const found = all(ctx.db, {
    sql: `SELECT t.*${keys.map((k, i) => `, ${k.sql} AS _key${i}`).join('')} FROM "${type.table}" t${whereSql(conditions)} ORDER BY ${keys.map((_, i) => `_key${i}${keys[i]?.descending ? ' DESC' : ''}`).join(', ')} LIMIT ? OFFSET ?`,
    params: [...keys.flatMap((k) => k.params), ...conditions.flatMap((c) => c.params), limit + 1, skip],
  });
  const rows = found.length > limit ? found.slice(0, limit) : found;
  const tokenOf = (row: Row): string =>
    Buffer.from(JSON.stringify(keys.map((_, i) => row[`_key${i}`] ?? null))).toString('base64url');
  const last = rows.at(-1);
  return {
    rows,
    tokens: type.name === 'Observation' ? rows.map(tokenOf) : [],
    more: found.length > limit,
    nextToken: last ? tokenOf(last) : '',
    count,
  };
}

/** A page of Observations kept elsewhere; null = these are in the catalogue. */
async function foreignPage(
  ctx: ReadContext,
  where: Sql | null,
  query: Query,
  limit: number,
  parent: Parent | null,
): Promise<Page | null> {
  const { foreign, now } = ctx;
  if (!foreign) return null;
  if (parent?.type.name === 'Datastream')
    return foreign.owns(parent.id) ? foreign.page(parent.id, query, limit, now) : null;
  return foreign.set(parent?.id ?? null, query, limit, now, (q, n) =>
    catalogued(ctx, entity('Observation'), where, q, n),
  );
}

export interface Parent {
  readonly type: EntityType;
  readonly id: EntityId;
}

/** One page of a set. `where` picks the rows of the relation that the path came by. */
export async function readCollection(
  ctx: ReadContext,
  type: EntityType,
  where: Sql | null,
  query: Query,
  url: string,
  rawQuery: string,
  budget: Budget = { entities: MAX_ENTITIES },
  parent: Parent | null = null,
): Promise<Collection> {
  const asked = query.top ?? DEFAULT_TOP;
  const limit = Math.max(0, Math.min(asked, MAX_TOP, budget.entities));
  const page =
    (type.name === 'Observation' ? await foreignPage(ctx, where, query, limit, parent) : null) ??
    (await catalogued(ctx, type, where, query, limit));
  const { rows, more, nextToken, count } = page;
  budget.entities -= rows.length;
  const items: Collection['items'] = await inTurn(rows, async (row) => ({
    row,
    json: await expanded(ctx, type, row, query, budget),
  }));
  const nextLink =
    more && nextToken !== '' && limit > 0 ? nextUrl(url, rawQuery, query.skip + rows.length, nextToken) : null;
  return { type, items, count, nextLink };
}

async function inTurn<T, R>(list: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of list) results.push(await work(item));
  return results;
}

/** Of the query that was made last: expansions repeat the same one a thousand times. */
let kept = { rawQuery: '', text: '' };
/** $skip is kept beside the token for readers of the link; the token alone decides. */
function nextUrl(url: string, rawQuery: string, skip: number, token: string): string {
  if (kept.rawQuery !== rawQuery) {
    const others = rawQuery.split('&').filter((s) => s !== '' && !/^(?:\$|%24)skip(?:token)?=/i.test(s));
    kept = { rawQuery, text: others.map((s) => `${s}&`).join('') };
  }
  return `${url}?${kept.text}$skip=${skip}&$skiptoken=${token}`;
}

/** The entity with its expansions. */
export async function expanded(
  ctx: ReadContext,
  type: EntityType,
  row: Row,
  query: Query,
  budget: Budget,
): Promise<{ [key: string]: Json }> {
  if (performance.now() > (ctx.until ?? Infinity))
    throw badRequest(
      'the query takes too long; ask for less at once: a smaller $top, fewer expansions, a narrower filter',
    );
  const fresh = type.name === 'Datastream' && ctx.foreign ? ctx.foreign.fresh(row) : row;
  const json = entityJson(type, fresh, ctx.base, query.select, expandedNames(query));
  const id = row['id'] as EntityId;
  for (const { navigation, query: inner } of query.expand) {
    const target = entity(navigation.target);
    if (!navigation.many) {
      const foreignKey = navigation.by.kind === 'own' ? row[navigation.by.column] : null;
      const other = typeof foreignKey === 'number' ? rowById(ctx.db, target, foreignKey) : undefined;
      budget.entities--;
      json[navigation.name] = other ? await expanded(ctx, target, other, inner, budget) : null;
      continue;
    }
    const url = `${entityUrl(ctx.base, type, id)}/${navigation.name}`;
    const page = await readCollection(
      ctx,
      target,
      related(type, navigation, id),
      inner,
      url,
      queryText(inner),
      budget,
      { type, id },
    );
    if (page.count !== null) json[`${navigation.name}@iot.count`] = page.count;
    json[navigation.name] = page.items.map((i) => i.json);
    if (page.nextLink !== null) json[`${navigation.name}@iot.nextLink`] = page.nextLink;
  }
  return json;
}

const NONE: ReadonlySet<string> = new Set();
const names = new WeakMap<Query, ReadonlySet<string>>();
/** Relations that are shown themselves, not as links. */
function expandedNames(query: Query): ReadonlySet<string> {
  if (query.expand.length === 0) return NONE;
  let found = names.get(query);
  if (!found) names.set(query, (found = new Set(query.expand.map((x) => x.navigation.name))));
  return found;
}

const texts = new WeakMap<Query, string>();
/** The options of an expansion as a query string of its own, for its next link. */
function queryText(q: Query): string {
  let text = texts.get(q);
  if (text === undefined) texts.set(q, (text = writtenOut(q)));
  return text;
}

function writtenOut(q: Query): string {
  const parts: string[] = [];
  const add = (name: string, value: string): void => void parts.push(`$${name}=${encodeURIComponent(value)}`);
  if (q.top !== null) add('top', String(q.top));
  if (q.filter) add('filter', q.filterText);
  if (q.orderText) add('orderby', q.orderText);
  if (q.select) add('select', q.select.join(','));
  if (q.expandText) add('expand', q.expandText);
  if (q.count) add('count', 'true');
  return parts.join('&');
}

export type Answer =
  | { readonly kind: 'collection'; readonly collection: Collection }
  | {
      readonly kind: 'refs';
      readonly value: readonly string[];
      readonly count: number | null;
      readonly nextLink: string | null;
    }
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'entity'; readonly json: { [key: string]: Json } }
  | { readonly kind: 'ref'; readonly url: string }
  | { readonly kind: 'property'; readonly name: string; readonly json: Json }
  | { readonly kind: 'value'; readonly json: Json }
  /** An optional property that has no value (204). */
  | { readonly kind: 'nothing' };

/** Where a path leads: a set under a condition, or one row. @throws StaProblem 404 */
export async function resolve(
  ctx: ReadContext,
  path: ResourcePath,
): Promise<{
  type: EntityType;
  row: Row | null;
  where: Sql | null;
  parent: Parent | null;
  url: string;
}> {
  let at: { type: EntityType; row: Row } | null = null;
  let url = ctx.base;
  for (const step of path.steps) {
    const name = step.navigation?.name ?? step.type.set;
    const many = step.navigation === null || step.navigation.many;
    if (many && step.id === null) {
      const parentId = at ? (at.row['id'] as EntityId) : null;
      const where = at && step.navigation && parentId !== null ? related(at.type, step.navigation, parentId) : null;
      return {
        type: step.type,
        row: null,
        where,
        parent: at && parentId !== null ? { type: at.type, id: parentId } : null,
        url: `${url}/${name}`,
      };
    }
    const where: Sql[] = at && step.navigation ? [related(at.type, step.navigation, at.row['id'] as EntityId)] : [];
    if (step.id !== null) where.push({ sql: 't.id = ?', params: [step.id] });
    let row: Row | undefined | null;
    if (step.type.name === 'Observation' && typeof step.id === 'string' && ctx.foreign) {
      row = await ctx.foreign.byId(step.id);
      if (row && at && row[at.type.name === 'Datastream' ? 'datastream_id' : 'feature_id'] !== at.row['id']) row = null;
    } else
      row = get(ctx.db, {
        sql: `SELECT t.* FROM "${step.type.table}" t WHERE ${at?.type.name === 'Observation' && typeof at.row['id'] === 'string' ? 't.id = ?' : where.map((w) => w.sql).join(' AND ')}`,
        params:
          at?.type.name === 'Observation' && typeof at.row['id'] === 'string' && step.navigation?.by.kind === 'own'
            ? [at.row[step.navigation.by.column] as EntityId]
            : where.flatMap((w) => w.params),
      });
    if (!row)
      throw notFound(`there is no ${step.type.name}${step.id === null ? ` behind ${url}` : ` ${String(step.id)}`}`);
    at = { type: step.type, row };
    url = entityUrl(ctx.base, step.type, row['id'] as EntityId);
  }
  if (!at) throw notFound('the path names no resource');
  return { type: at.type, row: at.row, where: null, parent: null, url };
}

export async function read(ctx: ReadContext, path: ResourcePath, query: Query, rawQuery: string): Promise<Answer> {
  const found = await resolve(ctx, path);
  if (isCollection(path)) {
    if (path.count) {
      const page = await readCollection(
        ctx,
        found.type,
        found.where,
        { ...EMPTY_QUERY, filter: query.filter, top: 0, count: true },
        found.url,
        '',
        undefined,
        found.parent,
      );
      return { kind: 'count', count: page.count ?? 0 };
    }
    const collection = await readCollection(
      ctx,
      found.type,
      found.where,
      query,
      found.url,
      rawQuery,
      undefined,
      found.parent,
    );
    if (!path.ref) return { kind: 'collection', collection };
    const value = collection.items.map((i) => entityUrl(ctx.base, found.type, i.row['id'] as EntityId));
    return { kind: 'refs', value, count: collection.count, nextLink: collection.nextLink };
  }
  const row = found.row as Row;
  if (path.ref) return { kind: 'ref', url: entityUrl(ctx.base, found.type, row['id'] as EntityId) };
  if (path.property) return readProperty(ctx, found.type, row, path);
  if (query.filter || query.top !== null || query.skip > 0 || query.count || query.orderBy.length > 0)
    throw badRequest('$filter, $orderby, $top, $skip and $count go with a set; this is one entity');
  return { kind: 'entity', json: await expanded(ctx, found.type, row, query, { entities: MAX_ENTITIES }) };
}

function readProperty(ctx: ReadContext, type: EntityType, row: Row, path: ResourcePath): Answer {
  const [first, ...inside] = path.property as [string, ...string[]];
  let json: Json | undefined;
  if (first === 'id') json = row['id'] as EntityId;
  else if (first === 'selfLink') json = entityUrl(ctx.base, type, row['id'] as EntityId);
  else {
    const property = type.properties.find((q) => q.name === first);
    json = property ? propertyValue(type, property, row) : undefined;
  }
  for (const key of inside) {
    if (json === null || json === undefined || typeof json !== 'object')
      throw notFound(`${path.property?.join('/')} does not exist`);
    json = Array.isArray(json) ? json[Number(key)] : Object.hasOwn(json, key) ? json[key] : undefined;
    if (json === undefined) throw notFound(`${path.property?.join('/')} does not exist`);
  }
  if (json === undefined || (json === null && path.value)) return { kind: 'nothing' };
  return path.value ? { kind: 'value', json } : { kind: 'property', name: path.propertyName || first, json };
}

/**
 * Observations over many Datastreams of boxes at once: `/Observations`, `/FeaturesOfInterest(1)/Observations`, and filters of
 * other sets that reach into Observations (`Things?$filter=Datastreams/Observations/result gt 50`). Asked of the observation
 * store in its own SQL, merged with the Observations that came in through SensorThings.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { elapsed } from '../../model/time.ts';
import type { BulkStore, ObservationColumns, SqlAnswer } from '../../store/store.ts';
import { boxDatastream, LEVELS, PLACE_SLOTS } from './box-ids.ts';
import { OBSERVATION_ROWS, Params, rowCondition, rowOrder, rowsBehind, type RowKey } from './box-sql.ts';
import { compileFilter } from './compile.ts';
import { FIRST_USER_ID, startClock } from './database.ts';
import { entity, navigationOf, type EntityType } from './entities.ts';
import type { Row } from './entity-json.ts';
import { allOf, pathsOf, seenFrom, type Expression, type OrderBy } from './expression.ts';
import type { EntityId } from './path.ts';
import { badRequest, StaProblem } from './problem.ts';
import type { Query } from './query.ts';
import { prepared, type Page, type OwnPage } from './read.ts';
import { EVER, spanOf, type Span } from './span.ts';

/** Longest time one question may take [ms]. */
export const PATIENCE = 10_000;
/** Datastreams that are named one by one in a question. */
const MAX_NAMED = 50_000;
/** Rows that `$skip` leaves out one by one. */
const MAX_SKIP = 10_000;
/** In an order other than time the store sorts all that is left out. */
const MAX_SORTED_SKIP = 1_000_000;
/** Rows that are judged one by one where the store's SQL cannot say a condition. */
const MAX_JUDGED = 100_000;
const BLOCK = 10_000;
const HOUR = 3_600_000;
/** How far around the newest (or oldest) moment is looked first: most questions are about the last hour. */
const WINDOWS = [HOUR / 12, HOUR, 24 * HOUR, 30 * 24 * HOUR];

const BY_TIME: readonly OrderBy[] = [{ expression: { kind: 'path', steps: ['phenomenonTime'] }, descending: false }];

export interface BoxRows {
  /** Row `i` of columns as the Observation of a Datastream. */
  row(datastream: number, columns: ObservationColumns, i: number): Promise<Row>;
  /** Those that fit. */
  judge(rest: Expression, rows: Row[], now: number): Promise<Row[]>;
}

interface Question {
  readonly span: Span;
  /** null = all Datastreams of boxes. */
  readonly datastreams: readonly number[] | null;
  readonly keys: readonly RowKey[];
  readonly now: number;
}

/** Where a merged page goes on: behind these keys of the boxes' rows, and behind this token of the others. */
interface Position {
  readonly box: readonly (number | null)[] | null;
  readonly own: string | null;
}

export class BoxSets {
  readonly #db: DatabaseSync;
  readonly #store: BulkStore;
  readonly #rows: BoxRows;
  readonly #reached = new WeakMap<Expression, Promise<Expression>>();

  constructor(db: DatabaseSync, store: BulkStore, rows: BoxRows) {
    this.#db = db;
    this.#store = store;
    this.#rows = rows;
  }

  #anyBoxes(): boolean {
    return prepared(this.#db, 'SELECT 1 FROM datastream WHERE id < ? LIMIT 1').get(FIRST_USER_ID) !== undefined;
  }

  async #ask(
    text: string,
    params: Params,
    span: { readonly from: number; readonly to: number },
    maxRows: number,
  ): Promise<SqlAnswer> {
    const started = elapsed();
    const [from, to] = [Math.max(span.from, EVER.from), Math.min(span.to, EVER.to)];
    try {
      return await this.#store.sql({ ...params.used(text), from, to, timeoutMs: PATIENCE, maxRows });
    } catch (error) {
      if (elapsed() - started < PATIENCE - 50) throw error;
      const slow = `the question took longer than ${PATIENCE / 1000} s; narrow it by phenomenonTime or Datastream`;
      throw Object.assign(badRequest(slow), { cause: error });
    }
  }

  #datastreamIds(condition: Expression | null, thing: number | null, now: number): number[] | null {
    if (!condition && thing === null) return null;
    const { sql, params } = condition ? compileFilter(condition, entity('Datastream'), now) : { sql: '1', params: [] };
    startClock(this.#db);
    const rows = prepared(
      this.#db,
      `SELECT t.id FROM datastream t WHERE t.id < ? AND ${thing === null ? '' : 't.thing_id = ? AND '}${sql} LIMIT ?`,
    ).all(FIRST_USER_ID, ...(thing === null ? [] : [thing]), ...(params as SQLInputValue[]), MAX_NAMED + 1) as {
      id: number;
    }[];
    if (rows.length > MAX_NAMED)
      throw badRequest(
        `the filter fits more than ${MAX_NAMED} Datastreams; narrow it, for example to one Datastream/ObservedProperty`,
      );
    return rows.map((r) => r.id);
  }

  /** Which rows of `OBSERVATION_ROWS` are Observations that exist. */
  #existing(datastreams: readonly number[] | null): string {
    if (datastreams) {
      const stored = new Set(datastreams.map((id) => boxDatastream(id).stored));
      return `(datastream IN (${[...stored, -1].join(', ')}) AND (datastream * 4 + lvl) IN (${[...datastreams, -1].join(', ')}))`;
    }
    const ids = this.#correctedDatastreams();
    return ids ? `(lvl < 2 OR datastream IN (${[...ids, -1].join(', ')}))` : '(lvl < 2 OR NOT isnan(corrected))';
  }

  /** Stored datastreams with corrected values; null = too many to name. */
  #correctedDatastreams(): number[] | null {
    const rows = prepared(this.#db, 'SELECT id FROM datastream WHERE id < ? AND id % 4 = 2 LIMIT ?').all(
      FIRST_USER_ID,
      MAX_NAMED + 1,
    ) as { id: number }[];
    return rows.length > MAX_NAMED ? null : rows.map((r) => boxDatastream(r.id).stored);
  }

  /** A page of `/Observations` or of a place's; null = no box has any part in it. */
  async page(feature: EntityId | null, query: Query, limit: number, now: number, own: OwnPage): Promise<Page | null> {
    if (!this.#anyBoxes() || (typeof feature === 'number' && feature >= FIRST_USER_ID)) return null;
    const order = query.orderBy.length > 0 ? query.orderBy : BY_TIME;
    const keys = rowOrder(order);
    if (!keys)
      throw new StaProblem(
        501,
        'Observations of boxes are ordered by phenomenonTime, resultTime, result or id; name one Datastream for other orders',
      );
    const place = feature === null ? null : this.#placeSpan(feature as number);
    const { datastreamPart, rest } = splitFilter(query.filter);
    const said = spanOf(rest);
    const question: Question = {
      span: {
        from: Math.max(said.from, place?.from ?? said.from),
        to: Math.min(said.to, place?.to ?? said.to),
        rest: said.rest,
      },
      datastreams: this.#datastreamIds(
        datastreamPart && (await this.reach(datastreamPart, entity('Datastream'), now)),
        place?.thing ?? null,
        now,
      ),
      keys,
      now,
    };
    const at: Position = query.skipToken === null ? { box: null, own: null } : position(query.skipToken, keys.length);
    const skip = query.skipToken === null ? query.skip : 0;
    const hasOwn = prepared(this.#db, 'SELECT 1 FROM observation LIMIT 1').get() !== undefined;
    if (hasOwn && skip > MAX_SKIP) throw tooFar();
    const ownQuery = { ...query, orderBy: order, skip: 0, skipToken: at.own };
    const count = query.count
      ? (await this.#count(question)) + (hasOwn ? ((await own({ ...ownQuery, count: true }, 0)).count ?? 0) : 0)
      : null;
    if (limit === 0) return { rows: [], more: false, nextToken: '', count };
    if (!hasOwn && skip > 0) {
      const box = await this.#boxRowsBehind(question, skip, limit + 1);
      return { ...merged(order, box, { rows: [], tokens: [] }, at, 0, limit), count };
    }
    const wanted = limit + skip + 1;
    const box = await this.#boxRows(question, at.box, wanted);
    const others = hasOwn ? await own({ ...ownQuery, count: false }, wanted) : { rows: [], tokens: [] };
    return { ...merged(order, box, others, at, skip, limit), count };
  }

  /** One Datastream in an order other than time; null where the store cannot be asked for it. */
  async pageOf(datastream: number, query: Query, limit: number, now: number): Promise<Page | null> {
    const keys = rowOrder(query.orderBy);
    if (!keys) return null;
    const at = query.skipToken === null ? { box: null, own: null } : position(query.skipToken, keys.length);
    const skip = query.skipToken === null ? query.skip : 0;
    const question: Question = { span: spanOf(query.filter), datastreams: [datastream], keys, now };
    const count = query.count ? await this.#count(question) : null;
    if (limit === 0) return { rows: [], more: false, nextToken: '', count };
    const box =
      skip > 0
        ? await this.#boxRowsBehind(question, skip, limit + 1)
        : await this.#boxRows(question, at.box, limit + 1);
    return { ...merged(query.orderBy, box, { rows: [], tokens: [] }, at, 0, limit), count };
  }

  /** Behind so many rows of the beginning. Where they are in order of time, whole hours, minutes and seconds are left out by their counts. */
  async #boxRowsBehind(q: Question, skip: number, wanted: number): Promise<BoxPage> {
    const none: BoxPage = { rows: [], keys: [], isPartial: false };
    const params = new Params();
    const condition = q.span.rest ? rowCondition(q.span.rest, params, q.now) : 'true';
    if (condition === null) {
      if (skip > MAX_SKIP) throw tooFar();
      const page = await this.#boxRows(q, null, skip + wanted);
      // What is still to be left out cannot travel in the link.
      if (page.isPartial && page.rows.length < skip) throw tooFar();
      return { ...page, rows: page.rows.slice(skip), keys: page.keys.slice(skip) };
    }
    const isByTime = q.keys[0]?.sql === '"phenomenonTime"';
    if (!isByTime && skip > MAX_SORTED_SKIP) throw tooFar(MAX_SORTED_SKIP);
    let [from, to] = [Math.max(q.span.from, EVER.from), Math.min(q.span.to, EVER.to)];
    let left = skip;
    for (const width of isByTime && skip > MAX_SKIP ? [HOUR, HOUR / 60, 1000] : []) {
      if (to <= from) return none;
      const bins = await this.#ask(
        `SELECT CAST(floor("phenomenonTime" / ${width}.0) AS DOUBLE) AS bin, count(*) AS n FROM ${OBSERVATION_ROWS} r
         WHERE ${this.#existing(q.datastreams)} AND ${condition} GROUP BY bin ORDER BY bin ${q.keys[0]?.descending ? 'DESC' : ''}`,
        params,
        { from, to },
        1_000_000,
      );
      let i = 0;
      while (i < bins.rows && left >= Number(bins.columns[1]?.[i])) left -= Number(bins.columns[1]?.[i++]);
      if (i >= bins.rows) return none;
      const start = Number(bins.columns[0]?.[i]) * width;
      [from, to] = [Math.max(from, start), Math.min(to, start + width)];
      if (left <= MAX_SKIP) break;
    }
    const span = q.keys[0]?.descending ? { ...q.span, to } : { ...q.span, from };
    return this.#fetch({ ...q, span: skip === left ? q.span : span }, null, wanted, condition, params, left);
  }

  async #boxRows(q: Question, after: Position['box'], wanted: number): Promise<BoxPage> {
    const params = new Params();
    const condition = q.span.rest ? rowCondition(q.span.rest, params, q.now) : 'true';
    if (condition !== null) return this.#fetch(q, after, wanted, condition, params);
    // Judged row by row, a block at a time; a partial page says where to go on.
    const page: BoxPage = { rows: [], keys: [], isPartial: false };
    let position = after;
    for (let looked = 0; ; looked += BLOCK) {
      const block = await this.#fetch(q, position, BLOCK, 'true', new Params());
      const fitting = new Set(await this.#rows.judge(q.span.rest as Expression, [...block.rows], q.now));
      block.rows.forEach((row, i) => {
        if (!fitting.has(row) || page.rows.length >= wanted) return;
        page.rows.push(row);
        page.keys.push(block.keys[i] as (number | null)[]);
      });
      if (page.rows.length >= wanted || block.rows.length < BLOCK) return page;
      position = block.keys.at(-1) ?? null;
      if (looked >= MAX_JUDGED) return { ...page, isPartial: true, reached: position };
    }
  }

  async #fetch(
    q: Question,
    after: Position['box'],
    wanted: number,
    condition: string,
    params: Params,
    skip = 0,
  ): Promise<BoxPage> {
    const { keys } = q;
    const behind = after ? rowsBehind(keys, after, params) : 'true';
    const text = `SELECT datastream, lvl, "phenomenonTime", "resultTime", raw, corrected, lo90, hi90, flag, reasons, "level", model,
        ${keys.map((k, i) => `${k.sql} AS k${i}`).join(', ')}
      FROM ${OBSERVATION_ROWS} r WHERE ${this.#existing(q.datastreams)} AND ${condition} AND ${behind}
      ORDER BY ${keys.map((_, i) => `k${i} ${keys[i]?.descending ? 'DESC NULLS LAST' : 'ASC NULLS FIRST'}`).join(', ')} LIMIT ${wanted}${skip > 0 ? ` OFFSET ${skip}` : ''}`;
    let answer: SqlAnswer | null = null;
    for (const window of this.#windows(q, after)) {
      answer = await this.#ask(text, params, window, wanted);
      if (answer.rows >= wanted) break;
    }
    const page: BoxPage = { rows: [], keys: [], isPartial: false };
    if (!answer) return page;
    const columns = Object.fromEntries(answer.names.map((name, i) => [name, answer.columns[i]]));
    const of = columns as unknown as ObservationColumns & { lvl: readonly number[] };
    for (let i = 0; i < answer.rows; i++) {
      const id = (of.datastream[i] as number) * 4 + (of.lvl[i] as number);
      page.rows.push(await this.#rows.row(id, of, i));
      page.keys.push(keys.map((_, k) => (columns[`k${k}`]?.[i] ?? null) as number | null));
    }
    return page;
  }

  /** Growing spans of time to look in, the last being all of it. */
  *#windows(q: Question, after: Position['box']): Generator<{ from: number; to: number }> {
    const { from, to } = q.span;
    if (to <= from) return;
    const first = q.keys[0] as RowKey;
    if (first.sql === '"phenomenonTime"') {
      const reach = prepared(
        this.#db,
        'SELECT min("phenomenonTime_start") AS first, max("phenomenonTime_end") AS last FROM datastream WHERE id < ?',
      ).get(FIRST_USER_ID) as { first: number | null; last: number | null };
      const position = after?.[0] ?? null;
      for (const width of WINDOWS) {
        if (first.descending) {
          const end = Math.min(to, Math.max(reach.last ?? 0, q.now) + 1, position === null ? Infinity : position + 1);
          if (end - width > from) yield { from: end - width, to: end };
        } else {
          const start = Math.max(from, Math.min(reach.first ?? from, q.now), position ?? -Infinity);
          if (start + width < to) yield { from: start, to: start + width };
        }
      }
    }
    yield { from, to };
  }

  async #count(q: Question): Promise<number> {
    const { from, to, rest } = q.span;
    if (to <= from) return 0;
    if (!rest && !q.datastreams) {
      const [low, high] = [Math.max(from, EVER.from), Math.min(to, EVER.to)];
      const all = await this.#store.count(low, high);
      const ids = this.#correctedDatastreams();
      const corrected = await this.#ask(
        `SELECT count(*) AS n FROM observation WHERE ${ids ? `datastream IN (${[...ids, -1].join(', ')})` : 'NOT isnan(corrected)'}`,
        new Params(),
        q.span,
        1,
      );
      return 2 * all + Number(corrected.columns[0]?.[0] ?? 0);
    }
    const params = new Params();
    const condition = rest ? rowCondition(rest, params, q.now) : 'true';
    if (condition === null) {
      const page = await this.#boxRows(q, null, MAX_JUDGED + 1);
      if (page.isPartial)
        throw badRequest(`counting these needs a look at more than ${MAX_JUDGED} Observations; narrow $filter`);
      return page.rows.length;
    }
    const answer = await this.#ask(
      `SELECT count(*) AS n FROM ${OBSERVATION_ROWS} r WHERE ${this.#existing(q.datastreams)} AND ${condition}`,
      params,
      q.span,
      1,
    );
    return Number(answer.columns[0]?.[0] ?? 0);
  }

  /** While a Thing hung at that place, and which Thing. */
  #placeSpan(feature: number): { thing: number; from: number; to: number } {
    const thing = Math.floor(feature / PLACE_SLOTS);
    const places = prepared(this.#db, 'SELECT id, time FROM historical_location WHERE thing_id = ? ORDER BY time').all(
      thing,
    ) as { id: number; time: number }[];
    const at = places.findIndex((p) => p.id === feature);
    if (at < 0) return { thing, from: -Infinity, to: places.length === 0 ? Infinity : -Infinity };
    return { thing, from: at === 0 ? -Infinity : (places[at]?.time as number), to: places[at + 1]?.time ?? Infinity };
  }

  /**
   * A condition that reaches into Observations of boxes, with what the store found put in its place. @throws StaProblem 501
   * where the store cannot be asked: a wrong answer would be worse.
   */
  reach(e: Expression, type: EntityType, now: number): Promise<Expression> {
    if (!pathsOf(e).some((path) => throughObservations(path, type) >= 0) || !this.#anyBoxes())
      return Promise.resolve(e);
    let reached = this.#reached.get(e);
    if (!reached) this.#reached.set(e, (reached = this.#rewrite(e, type, now)));
    return reached;
  }

  async #rewrite(e: Expression, type: EntityType, now: number): Promise<Expression> {
    if (e.kind === 'binary' && e.op === 'and') {
      // Conditions on the same Observations ask for one Observation that fulfils them all.
      const groups = new Map<string, Expression>();
      let rest: Expression | null = null;
      for (const term of termsOf(e)) {
        const prefix = samePrefix(term, type);
        if (prefix === null) rest = allOf(rest, await this.#rewrite(term, type, now));
        else groups.set(prefix.join('/'), allOf(groups.get(prefix.join('/')) ?? null, term) as Expression);
      }
      for (const term of groups.values()) rest = allOf(rest, await this.#found(term, type, now));
      return rest as Expression;
    }
    if (!pathsOf(e).some((path) => throughObservations(path, type) >= 0)) return e;
    if (samePrefix(e, type) !== null) return this.#found(e, type, now);
    if (e.kind === 'binary' && e.op === 'or')
      return {
        ...e,
        left: await this.#rewrite(e.left, type, now),
        right: await this.#rewrite(e.right, type, now),
      };
    if (e.kind === 'not') return { kind: 'not', operand: await this.#rewrite(e.operand, type, now) };
    throw beyond();
  }

  /** The Datastreams that have a fitting Observation. */
  async #found(e: Expression, type: EntityType, now: number): Promise<Expression> {
    const prefix = samePrefix(e, type) as string[];
    let holder = type;
    for (const step of prefix) holder = entity(navigationOf(holder, step)?.target ?? 'Thing');
    if (holder.name !== 'Datastream') throw beyond();
    const span = spanOf(seenFrom(e, prefix.length + 1));
    const params = new Params();
    const condition = span.rest ? rowCondition(span.rest, params, now) : 'true';
    if (condition === null) throw beyond();
    const answer =
      span.to <= span.from
        ? null
        : await this.#ask(
            `SELECT DISTINCT datastream * ${LEVELS.length + 1} + lvl AS id FROM ${OBSERVATION_ROWS} r WHERE ${this.#existing(null)} AND ${condition}`,
            params,
            span,
            1_000_000,
          );
    const ids = (answer?.columns[0] ?? []).map(Number);
    return { kind: 'binary', op: 'or', left: { kind: 'member', steps: prefix, ids }, right: e };
  }

  /** @throws StaProblem 501 for an order that would need the boxes' Observations */
  checkOrder(orderBy: readonly OrderBy[], type: EntityType): void {
    if (orderBy.some((o) => pathsOf(o.expression).some((path) => throughObservations(path, type) >= 0)))
      if (this.#anyBoxes())
        throw new StaProblem(501, 'an order by Observations is not offered; Datastream/phenomenonTime may help');
  }
}

const tooFar = (most = MAX_SKIP): StaProblem =>
  badRequest(`here $skip goes up to ${most}; follow @iot.nextLink, or narrow by phenomenonTime`);

const beyond = (): StaProblem =>
  new StaProblem(
    501,
    'this condition on Observations of boxes is not offered from here: compare result, phenomenonTime or resultTime with values, or ask /Observations',
  );

interface BoxPage {
  readonly rows: Row[];
  readonly keys: (readonly (number | null)[])[];
  /** Not all was looked at; `reached` says how far. */
  readonly isPartial: boolean;
  readonly reached?: Position['box'];
}

/** Which step of a path goes from a Datastream or place into its Observations; -1 = none does. */
function throughObservations(path: readonly string[], type: EntityType): number {
  let at = type;
  for (const [i, step] of path.entries()) {
    const navigation = navigationOf(at, step);
    if (!navigation) return -1;
    if (navigation.target === 'Observation') return i;
    at = entity(navigation.target);
  }
  return -1;
}

/** The way to the Observations when all paths take the same and stay with them; null = they do not. */
function samePrefix(e: Expression, type: EntityType): string[] | null {
  let prefix: string[] | null = null;
  for (const path of pathsOf(e)) {
    const at = throughObservations(path, type);
    if (at < 0) return null;
    const own = path.slice(0, at);
    if (prefix && prefix.join('/') !== own.join('/')) return null;
    prefix = [...own];
  }
  return prefix;
}

const termsOf = (e: Expression): Expression[] =>
  e.kind === 'binary' && e.op === 'and' ? [...termsOf(e.left), ...termsOf(e.right)] : [e];

/** Conditions on `Datastream/…` alone choose Datastreams; the rest is asked of the Observations. */
function splitFilter(e: Expression | null): { datastreamPart: Expression | null; rest: Expression | null } {
  let [datastreamPart, rest]: (Expression | null)[] = [null, null];
  for (const term of e ? termsOf(e) : []) {
    const paths = pathsOf(term);
    if (paths.length > 0 && paths.every((p) => p[0] === 'Datastream' && p.length > 1))
      datastreamPart = allOf(datastreamPart ?? null, seenFrom(term, 1));
    else rest = allOf(rest ?? null, term);
  }
  return { datastreamPart: datastreamPart ?? null, rest: rest ?? null };
}

function position(token: string, keys: number): Position {
  try {
    const [box, own] = JSON.parse(Buffer.from(token.slice(0, 8192), 'base64url').toString('utf8')) as unknown[];
    const isNumbers =
      box === null || (Array.isArray(box) && box.length === keys && box.every((v) => v === null || Number.isFinite(v)));
    if (isNumbers && (own === null || typeof own === 'string')) return { box: box as Position['box'], own };
  } catch {
    // said below
  }
  throw badRequest('$skiptoken is not one of ours; follow @iot.nextLink as it is');
}

const rank = (v: unknown): number => (v === null || v === undefined ? 0 : typeof v === 'number' ? 1 : 2);
function compareValues(a: unknown, b: unknown): number {
  const by = rank(a) - rank(b);
  if (by !== 0 || rank(a) === 0) return by;
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0;
}

/** The sort value of an Observation of a box. Ids of boxes' Observations are text, so they come behind all numbers. */
function valueOf(row: Row, order: OrderBy): unknown {
  const name = order.expression.kind === 'path' ? order.expression.steps.join('/') : '';
  if (name === 'phenomenonTime') return row['phenomenonTime_start'];
  if (name.startsWith('Datastream/')) return row['datastream_id'];
  if (name === 'resultQuality/flag') return (row['resultQuality'] as { flag: number } | null)?.flag ?? null;
  return row[name.replace('@iot.', '')];
}

/** Both kinds in one order; where they are equal, those of SensorThings come first. */
function merged(
  order: readonly OrderBy[],
  box: BoxPage,
  own: { readonly rows: readonly Row[]; readonly tokens: readonly string[] },
  at: Position,
  skip: number,
  limit: number,
): Omit<Page, 'count'> {
  let [b, o] = [0, 0];
  const rows: Row[] = [];
  const ownFirst = (): boolean => {
    const [x, y] = [own.rows[o], box.rows[b]];
    if (!x || !y) return x !== undefined;
    for (const [i, key] of order.entries()) {
      const by = compareValues(x[`_key${i}`], valueOf(y, key)) * (key.descending ? -1 : 1);
      if (by !== 0) return by < 0;
    }
    return true;
  };
  while (rows.length < limit + skip && (b < box.rows.length || o < own.rows.length)) {
    // Behind a partial page of the boxes nothing can be said yet.
    if (b >= box.rows.length && box.isPartial) break;
    rows.push((ownFirst() ? own.rows[o++] : box.rows[b++]) as Row);
  }
  const more = b < box.rows.length || o < own.rows.length || box.isPartial;
  const reached = b >= box.rows.length && box.isPartial ? (box.reached ?? null) : b > 0 ? box.keys[b - 1] : at.box;
  const next: [Position['box'], string | null] = [reached ?? null, o > 0 ? (own.tokens[o - 1] ?? null) : at.own];
  return { rows: rows.slice(skip), more, nextToken: Buffer.from(JSON.stringify(next)).toString('base64url') };
}

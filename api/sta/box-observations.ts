/**
 * Observations of boxes, read from the observation store: the time range of a filter goes to the store, the rest of it is
 * judged by the same SQL as everything else, on the rows that the store gave. Work is bounded: a page looks at so many rows
 * at most and then says where to go on.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { propertyOf, thingNumOf } from '../../model/datastream.ts';
import { FLAG, reasonStrings } from '../../model/flags.ts';
import { CORRECTION_LEVELS } from '../../model/observation.ts';
import type { ObservationColumns, ObservationStore } from '../../store/store.ts';
import { boxDatastream, boxDatastreamId, LEVELS, observationId, parseObservationId, placeId } from './box-ids.ts';
import { compileFilter, compileOrder } from './compile.ts';
import { FIRST_USER_ID } from './database.ts';
import { entity } from './entities.ts';
import { resultColumns, type Row } from './entity-json.ts';
import type { Expression } from './expression.ts';
import type { EntityId } from './path.ts';
import { badRequest, StaProblem } from './problem.ts';
import type { Query } from './query.ts';
import { prepared, type ForeignObservations } from './read.ts';

/** Rows that one page looks at when it has to judge each. */
const MAX_LOOKED_AT = 200_000;
const BLOCK = 10_000;
const FOREVER = 8.64e15;

interface Span {
  readonly from: number;
  readonly to: number;
  /** What the span does not say. */
  readonly rest: Expression | null;
}

const and = (a: Expression | null, b: Expression | null): Expression | null =>
  a && b ? { kind: 'binary', op: 'and', left: a, right: b } : (a ?? b);
const FLIPPED: Record<string, string> = { gt: 'lt', ge: 'le', lt: 'gt', le: 'ge', eq: 'eq' };

/** The time range that a conjunction asks for. Box observations have instants, so that every bound is exact. */
export function spanOf(e: Expression | null): Span {
  if (!e) return { from: -FOREVER, to: FOREVER, rest: null };
  if (e.kind === 'binary' && e.op === 'and') {
    const [a, b] = [spanOf(e.left), spanOf(e.right)];
    return { from: Math.max(a.from, b.from), to: Math.min(a.to, b.to), rest: and(a.rest, b.rest) };
  }
  if (e.kind === 'binary') {
    const path = (x: Expression): boolean =>
      x.kind === 'path' && x.steps.length === 1 && x.steps[0] === 'phenomenonTime';
    const side = path(e.left) ? e.right : path(e.right) ? e.left : null;
    const op = path(e.left) ? e.op : FLIPPED[e.op];
    const t =
      side?.kind === 'time'
        ? side.start
        : side?.kind === 'literal' && typeof side.value === 'string'
          ? Date.parse(side.value)
          : NaN;
    if (!Number.isNaN(t)) {
      // Times are whole milliseconds: > t is ≥ t + 1.
      if (op === 'gt') return { from: t + 1, to: FOREVER, rest: null };
      if (op === 'ge') return { from: t, to: FOREVER, rest: null };
      if (op === 'lt') return { from: -FOREVER, to: t, rest: null };
      if (op === 'le') return { from: -FOREVER, to: t + 1, rest: null };
      if (op === 'eq') return { from: t, to: t + 1, rest: null };
    }
  }
  return { from: -FOREVER, to: FOREVER, rest: e };
}

/** `phenomenonTime desc` (then perhaps `id`): an order the store has. null = some other order. */
function storeOrder(query: Query): 'asc' | 'desc' | null {
  const [first, ...more] = query.orderBy;
  if (!first) return 'asc';
  const name = (e: Expression): string => (e.kind === 'path' && e.steps.length === 1 ? (e.steps[0] as string) : '');
  if (!['phenomenonTime', 'id', '@iot.id'].includes(name(first.expression))) return null;
  return more.every((m) => ['id', '@iot.id', 'resultTime'].includes(name(m.expression)))
    ? first.descending
      ? 'desc'
      : 'asc'
    : null;
}

export interface LatestRows {
  /** The newest row of a datastream as columns and index; null = none is known. */
  newest(stored: number): { columns: ObservationColumns; index: number } | null;
}

export class BoxObservations implements ForeignObservations {
  readonly #db: DatabaseSync;
  readonly #store: ObservationStore;
  readonly #latest: LatestRows;
  #models: string[] = [];

  constructor(db: DatabaseSync, store: ObservationStore, latest: LatestRows) {
    this.#db = db;
    this.#store = store;
    this.#latest = latest;
    // The same columns as the table of observations, so that filters compile to the same SQL.
    db.exec('CREATE TEMP TABLE IF NOT EXISTS box_observation AS SELECT * FROM observation WHERE 0');
  }

  owns(id: EntityId): boolean {
    return typeof id === 'number' && id < FIRST_USER_ID;
  }

  async #modelNames(num: number): Promise<string> {
    if (num > 0 && this.#models.length < num) this.#models = await this.#store.models();
    return this.#models[num - 1] ?? '';
  }

  /** One stored row as the Observations of those of its three Datastreams that are wanted. */
  async liveRows(c: ObservationColumns, i: number, wanted: (datastream: number) => boolean): Promise<Row[]> {
    const rows: Row[] = [];
    const stored = c.datastream[i] as number;
    for (const level of LEVELS) {
      const id = boxDatastreamId(thingNumOf(stored), propertyOf(stored), level);
      if ((level === 'corrected' && Number.isNaN(c.corrected[i])) || !wanted(id)) continue;
      rows.push(await this.#row(id, c, i));
    }
    return rows;
  }

  async #rows(id: number, c: ObservationColumns): Promise<Row[]> {
    const rows: Row[] = [];
    for (let i = 0; i < c.length; i++) rows.push(await this.#row(id, c, i));
    return rows;
  }

  async #row(id: number, c: ObservationColumns, i: number): Promise<Row> {
    const { level, thingNum, key } = boxDatastream(id);
    const time = c.phenomenonTime[i] as number;
    const flag = c.flag[i] as number;
    const number = (x: number | undefined): number | null => (x === undefined || Number.isNaN(x) ? null : x);
    const raw = number(c.raw[i]);
    const corrected = number(c.corrected[i]);
    const result = level === 'raw' ? raw : level === 'checked' ? (flag === FLAG.fail ? null : raw) : corrected;
    const reasons = reasonStrings(key, c.reasons[i] as number);
    const parameters =
      level === 'corrected'
        ? {
            lo90: number(c.lo90[i]),
            hi90: number(c.hi90[i]),
            model: await this.#modelNames(c.model[i] as number),
            correctionLevel: CORRECTION_LEVELS[c.level[i] as number] ?? '',
            raw,
          }
        : null;
    return {
      id: observationId(id, time),
      phenomenonTime_start: time,
      phenomenonTime_end: time,
      ...resultColumns(result),
      resultTime: c.resultTime[i],
      resultQuality: level === 'raw' ? null : JSON.stringify({ flag, scheme: 'QARTOD', reasons }),
      validTime_start: null,
      validTime_end: null,
      parameters: parameters ? JSON.stringify(parameters) : null,
      datastream_id: id,
      feature_id: this.#featureOf(thingNum, time),
    };
  }

  /** The place in force at that time. */
  #featureOf(thingNum: number, time: number): number | null {
    const row = prepared(
      this.#db,
      `SELECT id FROM historical_location WHERE thing_id = ? ORDER BY (time <= ?) DESC, CASE WHEN time <= ? THEN -time ELSE time END LIMIT 1`,
    ).get(thingNum, time, time) as { id: number } | undefined;
    return (
      row?.id ??
      (prepared(this.#db, 'SELECT 1 FROM feature WHERE id = ?').get(placeId(thingNum, 0)) ? placeId(thingNum, 0) : null)
    );
  }

  async page(
    id: EntityId,
    query: Query,
    limit: number,
    now: number,
  ): Promise<{ rows: Row[]; more: boolean; nextToken: string; count: number | null }> {
    const datastream = id as number;
    const { stored } = boxDatastream(datastream);
    const span = spanOf(query.filter);
    const order = storeOrder(query);
    const after = query.skipToken === null ? null : timeToken(query.skipToken);
    const count = query.count ? await this.#count(datastream, stored, span, now) : null;
    if (order === null) return { ...(await this.#sorted(datastream, stored, span, query, limit, now)), count };
    // The newest one of a datastream is in memory.
    if (order === 'desc' && limit === 1 && !query.filter && query.skip === 0 && after === null) {
      const newest = this.#latest.newest(stored);
      if (newest)
        return {
          rows: [await this.#row(datastream, newest.columns, newest.index)],
          more: true,
          nextToken: tokenOf(newest.columns.phenomenonTime[newest.index] as number),
          count,
        };
    }
    const skip = after === null ? query.skip : 0;
    if (skip > MAX_LOOKED_AT)
      throw badRequest(`$skip goes up to ${MAX_LOOKED_AT}; follow @iot.nextLink, or filter by phenomenonTime`);
    const rows: Row[] = [];
    let position = after;
    let left = skip;
    for (let looked = 0; ;) {
      const want = span.rest ? BLOCK : Math.min(MAX_LOOKED_AT, left + limit - rows.length + 1);
      const block = await this.#store.range({
        datastreams: [stored],
        from: span.from,
        to: span.to,
        limit: want,
        order,
        ...(position === null ? {} : { after: { phenomenonTime: position, datastream: stored } }),
      });
      looked += block.length;
      const fitting = span.rest
        ? await this.#judge(span.rest, await this.#rows(datastream, block), now)
        : await this.#rows(datastream, block);
      for (const row of fitting) {
        if (left > 0) left--;
        else if (rows.length < limit) rows.push(row);
        else return { rows, more: true, nextToken: tokenOf(rows.at(-1)?.['phenomenonTime_start'] as number), count };
      }
      if (block.length < want) return { rows, more: false, nextToken: '', count };
      position = block.phenomenonTime[block.length - 1] as number;
      // A partial page: what was looked at so far, and where to go on.
      if (looked >= MAX_LOOKED_AT) return { rows, more: true, nextToken: tokenOf(position), count };
    }
  }

  /** Rows that fit, by the SQL that filters everything else. */
  async #judge(rest: Expression, rows: Row[], now: number): Promise<Row[]> {
    this.#fill(rows);
    const { sql, params } = compileFilter(rest, entity('Observation'), now);
    const fitting = new Set(
      (
        prepared(this.#db, `SELECT t.rowid AS r FROM temp.box_observation t WHERE ${sql}`).all(
          ...(params as SQLInputValue[]),
        ) as { r: number }[]
      ).map((x) => x.r),
    );
    return rows.filter((_, i) => fitting.has(i + 1));
  }

  #fill(rows: readonly Row[]): void {
    this.#db.exec('DELETE FROM temp.box_observation');
    const insert = prepared(
      this.#db,
      `INSERT INTO temp.box_observation (rowid, id, "phenomenonTime_start", "phenomenonTime_end", result, result_type, "resultTime", "resultQuality", parameters, datastream_id, feature_id)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#db.exec('BEGIN');
    rows.forEach((r, i) => {
      const time = r['phenomenonTime_start'] as number;
      insert.run(
        i + 1,
        r['id'] as string,
        time,
        time,
        ...['result', 'result_type', 'resultTime', 'resultQuality', 'parameters', 'datastream_id', 'feature_id'].map(
          (n) => (r[n] ?? null) as SQLInputValue,
        ),
      );
    });
    this.#db.exec('COMMIT');
  }

  /** Another order than time needs all rows of the range at once. */
  async #sorted(
    datastream: number,
    stored: number,
    span: Span,
    query: Query,
    limit: number,
    now: number,
  ): Promise<{ rows: Row[]; more: boolean; nextToken: string }> {
    if (query.skipToken !== null && !/^s\d+$/.test(query.skipToken)) throw badRequest('$skiptoken is not one of ours');
    const block = await this.#store.range({
      datastreams: [stored],
      from: span.from,
      to: span.to,
      limit: MAX_LOOKED_AT + 1,
    });
    if (block.length > MAX_LOOKED_AT)
      throw badRequest(
        `this order needs all observations of the range at once, and there are more than ${MAX_LOOKED_AT}; narrow it with $filter=phenomenonTime`,
      );
    const rows = await this.#rows(datastream, block);
    const fitting = span.rest ? await this.#judge(span.rest, rows, now) : rows;
    this.#fill(fitting);
    const keys = compileOrder(query.orderBy, entity('Observation'), now);
    const offset = query.skipToken === null ? query.skip : Number(query.skipToken.slice(1));
    const picked = prepared(
      this.#db,
      `SELECT t.rowid AS r FROM temp.box_observation t ORDER BY ${keys.map((k) => `${k.sql}${k.descending ? ' DESC' : ''}`).join(', ')}, t.rowid LIMIT ? OFFSET ?`,
    ).all(...(keys.flatMap((k) => k.params) as SQLInputValue[]), limit + 1, offset) as { r: number }[];
    return {
      rows: picked.slice(0, limit).map(({ r }) => fitting[r - 1] as Row),
      more: picked.length > limit,
      nextToken: `s${offset + limit}`,
    };
  }

  async #count(datastream: number, stored: number, span: Span, now: number): Promise<number> {
    if (!span.rest) {
      const [from, to] = [Math.max(span.from, 0), Math.min(span.to, Date.UTC(2200, 0))];
      if (to <= from) return 0;
      const bins = await this.#store.aggregate({ datastream: stored, from, to, step: 'month', level: 'raw' });
      return bins.reduce((n, b) => n + b.total, 0);
    }
    const block = await this.#store.range({
      datastreams: [stored],
      from: span.from,
      to: span.to,
      limit: MAX_LOOKED_AT + 1,
    });
    if (block.length > MAX_LOOKED_AT)
      throw badRequest(
        `counting these needs a look at more than ${MAX_LOOKED_AT} observations; narrow $filter by phenomenonTime`,
      );
    return (await this.#judge(span.rest, await this.#rows(datastream, block), now)).length;
  }

  async byId(id: EntityId): Promise<Row | null> {
    const parsed = typeof id === 'string' ? parseObservationId(id) : null;
    if (
      !parsed ||
      parsed.datastream >= FIRST_USER_ID ||
      !prepared(this.#db, 'SELECT 1 FROM datastream WHERE id = ?').get(parsed.datastream)
    )
      return null;
    const { stored } = boxDatastream(parsed.datastream);
    const block = await this.#store.range({ datastreams: [stored], from: parsed.time, to: parsed.time + 1, limit: 1 });
    return block.length === 1 ? this.#row(parsed.datastream, block, 0) : null;
  }

  /** The whole set: the Datastreams that fit what the filter says of them, one after the other. */
  async all(
    query: Query,
    limit: number,
    now: number,
  ): Promise<{ rows: Row[]; more: boolean; nextToken: string; count: number | null } | null> {
    const boxes = prepared(this.#db, 'SELECT 1 FROM datastream WHERE id < ? LIMIT 1').get(FIRST_USER_ID);
    if (!boxes) return null;
    const { datastreamPart, rest } = splitFilter(query.filter);
    const condition = datastreamPart
      ? compileFilter(datastreamPart, entity('Datastream'), now)
      : { sql: '1', params: [] };
    const ids = (
      prepared(this.#db, `SELECT t.id FROM datastream t WHERE ${condition.sql} ORDER BY t.id LIMIT ?`).all(
        ...(condition.params as SQLInputValue[]),
        MAX_DATASTREAMS + 1,
      ) as { id: number }[]
    ).map((r) => r.id);
    const own = ids.filter((id) => !this.owns(id));
    if (ids.length > 0 && own.length === ids.length) return null;
    if (ids.length > MAX_DATASTREAMS)
      throw badRequest(
        `Observations of more than ${MAX_DATASTREAMS} Datastreams at once; name a Datastream, or add a condition such as Datastream/Thing/id eq 1 or Datastream/ObservedProperty/name eq 'pm25'`,
      );
    if (query.orderBy.length > 0 || query.count) {
      if (ids.length === 1) return this.page(ids[0] as number, { ...query, filter: rest }, limit, now);
      throw new StaProblem(
        501,
        'ordering and counting over several Datastreams of boxes is not offered; name one Datastream, or leave $orderby and $count out',
      );
    }
    const start = query.skipToken === null ? { at: 0, token: null } : listToken(query.skipToken, ids);
    const rows: Row[] = [];
    let token = start.token;
    let skip = query.skipToken === null ? query.skip : 0;
    for (let k = start.at; k < ids.length; k++) {
      const id = ids[k] as number;
      if (!this.owns(id)) continue;
      const page = await this.page(id, { ...query, filter: rest, skipToken: token, skip }, limit - rows.length, now);
      if (skip > 0 && page.rows.length === 0) skip = 0;
      rows.push(...page.rows);
      if (page.more) return { rows, more: true, nextToken: `${id}.${page.nextToken}`, count: null };
      token = null;
      skip = 0;
      if (rows.length >= limit)
        return { rows, more: k + 1 < ids.length, nextToken: `${ids[k + 1] ?? 0}.`, count: null };
    }
    return { rows, more: false, nextToken: '', count: null };
  }
}

/** Datastreams whose Observations may be read in one go. */
const MAX_DATASTREAMS = 5000;

const tokenOf = (time: number): string => `t${time}`;
function timeToken(token: string): number {
  const m = /^t(-?\d{1,15})$/.exec(token);
  if (!m) throw badRequest('$skiptoken is not one of ours; follow @iot.nextLink as it is');
  return Number(m[1]);
}
function listToken(token: string, ids: readonly number[]): { at: number; token: string | null } {
  const m = /^(\d{1,13})\.(t-?\d{1,15})?$/.exec(token);
  if (!m) throw badRequest('$skiptoken is not one of ours; follow @iot.nextLink as it is');
  const at = ids.findIndex((id) => id >= Number(m[1]));
  return { at: at < 0 ? ids.length : at, token: m[2] && ids[at] === Number(m[1]) ? m[2] : null };
}

/** Conditions on `Datastream/…` alone choose Datastreams; the rest is judged row by row. */
function splitFilter(e: Expression | null): { datastreamPart: Expression | null; rest: Expression | null } {
  if (!e) return { datastreamPart: null, rest: null };
  if (e.kind === 'binary' && e.op === 'and') {
    const [a, b] = [splitFilter(e.left), splitFilter(e.right)];
    return { datastreamPart: and(a.datastreamPart, b.datastreamPart), rest: and(a.rest, b.rest) };
  }
  const paths = pathsOf(e);
  if (paths.length > 0 && paths.every((p) => p[0] === 'Datastream' && p.length > 1))
    return { datastreamPart: without(e), rest: null };
  return { datastreamPart: null, rest: e };
}
function pathsOf(e: Expression): (readonly string[])[] {
  switch (e.kind) {
    case 'path':
      return [e.steps];
    case 'call':
      return e.args.flatMap(pathsOf);
    case 'binary':
      return [...pathsOf(e.left), ...pathsOf(e.right)];
    case 'not':
      return pathsOf(e.operand);
    default:
      return [];
  }
}
/** The same condition as seen from the Datastream. */
function without(e: Expression): Expression {
  switch (e.kind) {
    case 'path':
      return { kind: 'path', steps: e.steps.slice(1) };
    case 'call':
      return { ...e, args: e.args.map(without) };
    case 'binary':
      return { ...e, left: without(e.left), right: without(e.right) };
    case 'not':
      return { kind: 'not', operand: without(e.operand) };
    default:
      return e;
  }
}

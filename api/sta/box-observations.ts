/**
 * Observations of boxes, read from the observation store: the time range of a filter goes to the store, the rest of it is
 * judged by the same SQL as everything else, on the rows that the store gave. Work is bounded: a page looks at so many rows
 * at most and then says where to go on.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { propertyOf, thingNumOf } from '../../model/datastream.ts';
import { FLAG, reasonStrings } from '../../model/flags.ts';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import { CORRECTION_LEVELS } from '../../model/observation.ts';
import type { BulkStore, ObservationColumns } from '../../store/store.ts';
import { boxDatastream, boxDatastreamId, LEVELS, observationId, parseObservationId, placeId } from './box-ids.ts';
import { compileFilter, compileOrder } from './compile.ts';
import { FIRST_USER_ID, startClock } from './database.ts';
import { BoxSets } from './box-sets.ts';
import { entity, type EntityType } from './entities.ts';
import { resultColumns, type Row } from './entity-json.ts';
import type { Expression, OrderBy } from './expression.ts';
import type { EntityId } from './path.ts';
import { badRequest } from './problem.ts';
import type { Query } from './query.ts';
import { prepared, type ForeignObservations, type OwnPage, type Page } from './read.ts';
import { EVER, spanOf, type Span } from './span.ts';

/** Rows that one page looks at when it has to judge each. */
const MAX_LOOKED_AT = 200_000;
const BLOCK = 10_000;

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

interface PlaceInTime {
  readonly id: number;
  readonly time: number;
}
const PLACES_KEPT_MS = 1000;

export interface LatestRows {
  /** The newest row of a datastream as columns and index; null = none is known. */
  newest(stored: number): { columns: ObservationColumns; index: number } | null;
}

export class BoxObservations implements ForeignObservations {
  readonly #db: DatabaseSync;
  readonly #store: BulkStore;
  readonly #latest: LatestRows;
  readonly #sets: BoxSets;
  /** Where Things hung, as read a moment ago: one look-up an Observation would be most of the cost of a page. */
  readonly #places = new Map<number, readonly PlaceInTime[]>();
  #placesSince = -Infinity;
  #models: string[] = [];

  constructor(db: DatabaseSync, store: BulkStore, latest: LatestRows) {
    this.#db = db;
    this.#store = store;
    this.#latest = latest;
    this.#sets = new BoxSets(db, store, {
      row: (id, c, i) => this.#row(id, c, i),
      judge: (rest, rows, now) => this.#judge(rest, rows, now),
    });
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
      resultQuality: level === 'raw' ? null : { flag, scheme: 'QARTOD', reasons },
      validTime_start: null,
      validTime_end: null,
      parameters,
      datastream_id: id,
      feature_id: this.#featureOf(thingNum, time),
    };
  }

  /** The place in force at that time; the first one for what is older. */
  #featureOf(thingNum: number, time: number): number | null {
    const now = performance.now();
    if (now - this.#placesSince > PLACES_KEPT_MS || this.#places.size > 20_000) {
      this.#places.clear();
      this.#placesSince = now;
    }
    let places = this.#places.get(thingNum);
    if (!places) {
      places = prepared(this.#db, 'SELECT id, time FROM historical_location WHERE thing_id = ? ORDER BY time').all(
        thingNum,
      ) as unknown as PlaceInTime[];
      if (places.length === 0 && prepared(this.#db, 'SELECT 1 FROM feature WHERE id = ?').get(placeId(thingNum, 0)))
        places = [{ id: placeId(thingNum, 0), time: -Infinity }];
      this.#places.set(thingNum, places);
    }
    return (places.findLast((p) => p.time <= time) ?? places[0])?.id ?? null;
  }

  async page(
    id: EntityId,
    query: Query,
    limit: number,
    now: number,
  ): Promise<{ rows: Row[]; more: boolean; nextToken: string; count: number | null }> {
    const datastream = id as number;
    const { stored } = boxDatastream(datastream);
    let span = spanOf(query.filter);
    const order = storeOrder(query);
    if (order === null) {
      const page = await this.#sets.pageOf(datastream, query, limit, now);
      if (page) return page;
    }
    const count = query.count ? await this.#count(datastream, stored, span, now) : null;
    if (order === null) return { ...(await this.#sorted(datastream, stored, span, query, limit, now)), count };
    const after = query.skipToken === null ? null : timeToken(query.skipToken);
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
    let left = after === null ? query.skip : 0;
    if (left > MAX_LOOKED_AT && span.rest) throw tooFar(MAX_LOOKED_AT);
    if (left > BLOCK && !span.rest) {
      const leap = await this.#leap(stored, span, order, left);
      if (!leap) return { rows: [], more: false, nextToken: '', count };
      ({ left, span } = leap);
    }
    const rows: Row[] = [];
    let position = after;
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
      // What is still to be left out cannot travel in the link.
      if (looked >= MAX_LOOKED_AT && left > 0) throw tooFar(query.skip - left);
      // A partial page: what was looked at so far, and where to go on.
      if (looked >= MAX_LOOKED_AT) return { rows, more: true, nextToken: tokenOf(position), count };
    }
  }

  /** Leaves out whole months, then days, hours and minutes by their counts; null = there are not that many. */
  async #leap(
    stored: number,
    span: Span,
    order: 'asc' | 'desc',
    skip: number,
  ): Promise<{ left: number; span: Span } | null> {
    let [from, to] = [Math.max(span.from, EVER.from), Math.min(span.to, EVER.to)];
    let left = skip;
    for (const step of ['month', DAY, HOUR, MINUTE] as const) {
      if (to <= from) return null;
      const bins = await this.#store.aggregate({ datastream: stored, from, to, step, level: 'raw' });
      if (order === 'desc') bins.reverse();
      const inside = bins.find((bin) => left < bin.total || ((left -= bin.total), false));
      if (!inside) return null;
      [from, to] = [Math.max(from, inside.start), Math.min(to, inside.end)];
      if (left <= BLOCK) break;
    }
    return { left, span: order === 'asc' ? { ...span, from } : { ...span, to } };
  }

  /** Rows that fit, by the SQL that filters everything else. */
  async #judge(rest: Expression, rows: Row[], now: number): Promise<Row[]> {
    this.#fill(rows);
    startClock(this.#db);
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
          (n) => (typeof r[n] === 'object' && r[n] !== null ? JSON.stringify(r[n]) : (r[n] ?? null)) as SQLInputValue,
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
      const [from, to] = [Math.max(span.from, EVER.from), Math.min(span.to, EVER.to)];
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

  set(feature: EntityId | null, query: Query, limit: number, now: number, own: OwnPage): Promise<Page | null> {
    return this.#sets.page(feature, query, limit, now, own);
  }

  reach(e: Expression, type: EntityType, now: number): Promise<Expression> {
    return this.#sets.reach(e, type, now);
  }

  checkOrder(orderBy: readonly OrderBy[], type: EntityType): void {
    this.#sets.checkOrder(orderBy, type);
  }

  /** A Datastream as it stands now, in place: the catalogue hears of new rows a little later. */
  fresh(row: Row): Row {
    const id = row['id'];
    if (typeof id !== 'number' || id >= FIRST_USER_ID) return row;
    const newest = this.#latest.newest(boxDatastream(id).stored);
    if (!newest) return row;
    const latest = (name: string, value: number): number => Math.max((row[name] as number | null) ?? value, value);
    row['phenomenonTime_end'] = latest('phenomenonTime_end', newest.columns.phenomenonTime[newest.index] as number);
    row['resultTime_end'] = latest('resultTime_end', newest.columns.resultTime[newest.index] as number);
    return row;
  }
}

const tooFar = (skip: number): Error =>
  badRequest(`with this filter or order $skip goes up to ${skip}; follow @iot.nextLink, or narrow by phenomenonTime`);

const tokenOf = (time: number): string => `t${time}`;
function timeToken(token: string): number {
  const m = /^t(-?\d{1,15})$/.exec(token);
  if (!m) throw badRequest('$skiptoken is not one of ours; follow @iot.nextLink as it is');
  return Number(m[1]);
}

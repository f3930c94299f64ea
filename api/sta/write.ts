/**
 * Creating, changing and deleting (18-088 §10): deep inserts, links to what exists, the automatic HistoricalLocation and
 * FeatureOfInterest, and the cascades of table 25. Each call is one transaction: half an entity is never kept.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { FIRST_USER_ID } from './database.ts';
import {
  entity,
  navigationOf,
  type EntityName,
  type EntityProperty,
  type EntityType,
  type Navigation,
} from './entities.ts';
import { resultColumns, type Json } from './entity-json.ts';
import { isoTime } from './expression.ts';
import { boundsJson, boundsOf, joined, readGeoJson, type Bounds } from './geometry.ts';
import { badRequest, notFound, StaProblem } from './problem.ts';
import { prepared, rowById } from './read.ts';

export interface WriteContext {
  readonly db: DatabaseSync;
  readonly now: number;
  /** Entities of boxes belong to the pipeline and are read-only here; a scratch instance has none. */
  readonly scratch: boolean;
  /** Called for each entity made or changed, after the transaction, for subscribers. */
  readonly changed: (change: { type: EntityType; id: number; what: 'created' | 'updated' }) => void;
}

type Body = { readonly [key: string]: Json };
type Columns = Record<string, SQLInputValue>;

/** Entities that one deep insert may make. */
export const MAX_DEEP_INSERT = 50_000;
const MAX_DEPTH = 8;

const isObject = (value: unknown): value is Body =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function interval(text: string, where: string): [number, number] {
  const [from, to, more] = text.split('/');
  const start = isoTime(from ?? '');
  const end = to === undefined ? start : isoTime(to);
  if (Number.isNaN(start) || Number.isNaN(end) || more !== undefined || !/T/.test(text))
    throw badRequest(`${where}: "${text.slice(0, 80)}" is not an ISO 8601 time or interval`);
  if (end < start) throw badRequest(`${where}: the interval ends before it begins`);
  return [start, end];
}

/** One property's value as columns. */
function columns(type: EntityType, property: EntityProperty, value: Json): Columns {
  const where = `${type.name}.${property.name}`;
  const name = property.name;
  if (type.name === 'Observation' && name === 'result') return resultColumns(value);
  const empty: Columns =
    property.type === 'interval' ? { [`${name}_start`]: null, [`${name}_end`]: null } : { [name]: null };
  if (value === null) {
    if (property.mandatory) throw badRequest(`${where} must not be null`);
    return empty;
  }
  switch (property.type) {
    case 'string':
      if (typeof value !== 'string') throw badRequest(`${where} must be text`);
      return { [name]: value };
    case 'instant':
      if (typeof value !== 'string') throw badRequest(`${where} must be an ISO 8601 time`);
      return { [name]: interval(value, where)[0] };
    case 'interval': {
      if (typeof value !== 'string') throw badRequest(`${where} must be an ISO 8601 time or interval`);
      const [start, end] = interval(value, where);
      return { [`${name}_start`]: start, [`${name}_end`]: end };
    }
    case 'json':
      if (!isObject(value)) throw badRequest(`${where} must be a JSON object`);
      return { [name]: JSON.stringify(value) };
    case 'geometry': {
      const text = JSON.stringify(value);
      if (isObject(value) && typeof value['type'] === 'string' && value['type'] !== 'Feature' && !readGeoJson(text))
        throw badRequest(`${where} is not a GeoJSON geometry`);
      return { [name]: text };
    }
    case 'any':
      return { [name]: JSON.stringify(value) };
  }
}

/** Splits a body into its own properties and its relations; unknown names are refused, control information is ignored. */
function split(type: EntityType, body: Body): { own: Map<EntityProperty, Json>; relations: Map<Navigation, Json> } {
  const own = new Map<EntityProperty, Json>();
  const relations = new Map<Navigation, Json>();
  for (const [key, value] of Object.entries(body)) {
    if (key.includes('@')) continue;
    const property = type.properties.find((q) => q.name === key);
    const navigation = navigationOf(type, key);
    if (property) own.set(property, value);
    else if (navigation) relations.set(navigation, value);
    else if (key !== 'id') throw badRequest(`${type.name} has no property "${key.slice(0, 60)}"`);
  }
  return { own, relations };
}

export class Writer {
  private readonly ctx: WriteContext;
  private made = 0;
  private readonly changes: Parameters<WriteContext['changed']>[0][] = [];
  private readonly touched = new Set<number>();
  /** Datastreams whose observed area has to be found anew. */
  private readonly shrunk = new Set<number>();

  constructor(ctx: WriteContext) {
    this.ctx = ctx;
  }

  /** Runs `work` as one transaction, then tells subscribers. */
  transaction<T>(work: () => T): T {
    const { db } = this.ctx;
    // Inside a change set of a batch: it is the set that is kept or not.
    const [begin, commit, undo] = db.isTransaction
      ? (['SAVEPOINT part', 'RELEASE part', 'ROLLBACK TO part; RELEASE part'] as const)
      : (['BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK'] as const);
    db.exec(begin);
    let result: T;
    try {
      result = work();
      for (const id of this.touched) this.spanOf(id);
      for (const id of this.shrunk) this.areaOf(id);
      db.exec(commit);
    } catch (error) {
      db.exec(undo);
      this.changes.length = 0;
      throw error;
    } finally {
      this.touched.clear();
      this.shrunk.clear();
    }
    for (const change of this.changes.splice(0)) this.ctx.changed(change);
    return result;
  }

  private run(
    sql: string,
    params: readonly SQLInputValue[],
  ): { lastInsertRowid: number | bigint; changes: number | bigint } {
    return prepared(this.ctx.db, sql).run(...params);
  }

  private insert(table: string, values: Columns): number {
    const names = Object.keys(values);
    const sql = `INSERT INTO "${table}" (${names.map((n) => `"${n}"`).join(', ')}) VALUES (${names.map(() => '?').join(', ')})`;
    return Number(this.run(sql, Object.values(values)).lastInsertRowid);
  }

  private mayChange(type: EntityType, id: number): void {
    if (!this.ctx.scratch && id < FIRST_USER_ID)
      throw new StaProblem(
        403,
        `${type.name} ${id} belongs to a box; it changes through the box, not through SensorThings`,
      );
  }

  private existing(type: EntityType, reference: Body, where: string): number {
    const id = reference['@iot.id'] ?? reference['id'];
    if (typeof id !== 'number' || !rowById(this.ctx.db, type, id))
      throw badRequest(`${where}: there is no ${type.name} ${JSON.stringify(id)?.slice(0, 60)}`);
    return id;
  }

  /** An entity given inline: a link to an existing one, or one to make. */
  private linkOrCreate(
    type: EntityType,
    value: Json,
    where: string,
    depth: number,
    parent?: { column: string; id: number },
  ): number {
    if (!isObject(value)) throw badRequest(`${where} must be a JSON object`);
    // A link, {"@iot.id": 1}: ids are given here, so one that comes with its other properties is meant too.
    if ('@iot.id' in value || ('id' in value && Object.keys(value).length === 1)) {
      const id = this.existing(type, value, where);
      if (parent) {
        this.mayChange(type, id);
        this.run(`UPDATE "${type.table}" SET ${parent.column} = ? WHERE id = ?`, [parent.id, id]);
      }
      return id;
    }
    return this.create(type, value, parent ? { [parent.column]: parent.id } : {}, depth + 1);
  }

  /** `given`: foreign keys known from the path or the parent. @throws StaProblem 400 */
  create(type: EntityType, body: Body, given: Columns = {}, depth = 0): number {
    if (depth > MAX_DEPTH) throw badRequest(`the entity is nested more than ${MAX_DEPTH} deep`);
    if (++this.made > MAX_DEEP_INSERT) throw badRequest(`one call may make ${MAX_DEEP_INSERT} entities at most`);
    const { own, relations } = split(type, body);
    const values: Columns = { ...given };
    for (const property of type.properties) {
      const value = own.get(property);
      if (value === undefined) {
        if (property.mandatory) throw badRequest(`${type.name}: "${property.name}" is missing`);
      } else if (!property.derived || property.name === 'observedArea')
        Object.assign(values, columns(type, property, value));
    }
    for (const [navigation, value] of relations)
      if (navigation.by.kind === 'own')
        values[navigation.by.column] = this.linkOrCreate(
          entity(navigation.target),
          value,
          `${type.name}.${navigation.name}`,
          depth,
        );
    if (type.name === 'Observation') this.completeObservation(values);
    for (const navigation of type.navigation)
      if (navigation.mandatory && navigation.by.kind === 'own' && values[navigation.by.column] === undefined)
        throw badRequest(`${type.name}: "${navigation.name}" is missing; give it inline, or as {"@iot.id": …}`);
    if (type.name === 'Datastream' && typeof values['thing_id'] === 'number')
      this.mayChange(entity('Thing'), values['thing_id']);
    if (type.name === 'Observation') this.mayChange(entity('Datastream'), values['datastream_id'] as number);
    const id = this.insert(type.table, values);
    if (type.name === 'Observation') {
      this.touched.add(values['datastream_id'] as number);
      this.growArea(values['datastream_id'] as number, values['feature_id'] as number);
    }
    this.changes.push({ type, id, what: 'created' });
    for (const [navigation, value] of relations)
      if (navigation.by.kind !== 'own') this.attach(type, id, navigation, value, depth);
    if (type.name === 'HistoricalLocation')
      this.followHistory(id, values['thing_id'] as number, values['time'] as number);
    return id;
  }

  private attach(type: EntityType, id: number, navigation: Navigation, value: Json, depth: number): void {
    const target = entity(navigation.target);
    const list = Array.isArray(value) ? value : [value];
    const by = navigation.by;
    if (by.kind === 'other') {
      for (const item of list)
        this.linkOrCreate(target, item, `${type.name}.${navigation.name}`, depth, { column: by.column, id });
      return;
    }
    const others = list.map((item) => this.linkOrCreate(target, item, `${type.name}.${navigation.name}`, depth));
    if (type.name === 'Thing' && target.name === 'Location') this.locate(id, others);
    else if (type.name === 'Location' && target.name === 'Thing') for (const thing of others) this.locate(thing, [id]);
    else this.link(navigation, id, others);
  }

  private link(navigation: Navigation, id: number, others: readonly number[]): void {
    const by = navigation.by;
    if (by.kind !== 'link') return;
    for (const otherId of others)
      this.run(`INSERT OR IGNORE INTO "${by.table}" (${by.here}, ${by.there}) VALUES (?, ?)`, [id, otherId]);
  }

  /** A Thing's Locations are replaced, and the change is kept as a HistoricalLocation (18-088 §10.2.1). */
  locate(thing: number, locations: readonly number[]): void {
    this.mayChange(entity('Thing'), thing);
    this.run('DELETE FROM thing_location WHERE thing_id = ?', [thing]);
    if (locations.length === 0) return;
    const history = this.insert('historical_location', { time: this.ctx.now, thing_id: thing });
    for (const location of locations) {
      this.run('INSERT OR IGNORE INTO thing_location (thing_id, location_id) VALUES (?, ?)', [thing, location]);
      this.run(
        'INSERT OR IGNORE INTO historical_location_location (historical_location_id, location_id) VALUES (?, ?)',
        [history, location],
      );
    }
    this.changes.push({ type: entity('HistoricalLocation'), id: history, what: 'created' });
  }

  /** A HistoricalLocation made by hand that is the newest of its Thing says where the Thing is now. */
  private followHistory(id: number, thing: number, time: number): void {
    const newer = prepared(
      this.ctx.db,
      'SELECT 1 FROM historical_location WHERE thing_id = ? AND time > ? AND id <> ? LIMIT 1',
    ).get(thing, time, id);
    if (newer) return;
    const places = prepared(
      this.ctx.db,
      'SELECT location_id AS l FROM historical_location_location WHERE historical_location_id = ?',
    ).all(id) as { l: number }[];
    if (places.length === 0) return;
    this.run('DELETE FROM thing_location WHERE thing_id = ?', [thing]);
    for (const { l } of places)
      this.run('INSERT OR IGNORE INTO thing_location (thing_id, location_id) VALUES (?, ?)', [thing, l]);
  }

  private locationsOf(thing: number): number[] {
    const rows = prepared(this.ctx.db, 'SELECT location_id AS l FROM thing_location WHERE thing_id = ?').all(thing);
    return (rows as { l: number }[]).map((r) => r.l);
  }

  /** One more on a to-many relation. */
  addLink(type: EntityType, id: number, navigation: Navigation, other: number): void {
    this.mayChange(type, id);
    const target = entity(navigation.target);
    this.existing(target, { '@iot.id': other }, `${type.name}.${navigation.name}`);
    const by = navigation.by;
    if (by.kind === 'other') {
      const inverse = target.navigation.find((n) => n.by.kind === 'own' && n.by.column === by.column);
      if (inverse) this.update(target, other, { [inverse.name]: { '@iot.id': id } }, false);
      return;
    }
    if (type.name === 'Thing' && target.name === 'Location')
      this.locate(id, [...new Set([...this.locationsOf(id), other])]);
    else if (type.name === 'Location' && target.name === 'Thing')
      this.locate(other, [...new Set([...this.locationsOf(other), id])]);
    else this.link(navigation, id, [other]);
    this.changes.push({ type, id, what: 'updated' });
  }

  /** One less. @throws StaProblem 400 where the other cannot be without it, 404 where there is no such link */
  removeLink(type: EntityType, id: number, navigation: Navigation, other: number): void {
    this.mayChange(type, id);
    const { by, target } = navigation;
    if (by.kind !== 'link')
      throw badRequest(`a ${target} must have its ${type.name}; give it another one, or delete it`);
    const known = prepared(this.ctx.db, `SELECT 1 FROM ${by.table} WHERE ${by.here} = ? AND ${by.there} = ?`).get(
      id,
      other,
    );
    if (!known) throw notFound(`${type.name} ${id} has no ${target} ${other}`);
    const [thing, location] = type.name === 'Thing' ? [id, other] : [other, id];
    if (by.table === 'thing_location')
      this.locate(
        thing,
        this.locationsOf(thing).filter((l) => l !== location),
      );
    else this.run(`DELETE FROM ${by.table} WHERE ${by.here} = ? AND ${by.there} = ?`, [id, other]);
    this.changes.push({ type, id, what: 'updated' });
  }

  private completeObservation(values: Columns): void {
    if (values['phenomenonTime_start'] === undefined || values['phenomenonTime_start'] === null) {
      values['phenomenonTime_start'] = this.ctx.now;
      values['phenomenonTime_end'] = this.ctx.now;
    }
    if (values['feature_id'] !== undefined || values['datastream_id'] === undefined) return;
    values['feature_id'] = this.featureOf(values['datastream_id'] as number);
  }

  /** The FeatureOfInterest of where the Thing is, made once a Location (18-088 §10.2.1, create an Observation). */
  private featureOf(datastream: number): number {
    const location = prepared(
      this.ctx.db,
      `SELECT l.* FROM datastream d JOIN thing_location tl ON tl.thing_id = d.thing_id JOIN location l ON l.id = tl.location_id
       WHERE d.id = ? ORDER BY l.id LIMIT 1`,
    ).get(datastream) as Record<string, SQLInputValue> | undefined;
    if (!location)
      throw badRequest('Observation: "FeatureOfInterest" is missing, and the Thing has no Location to make one from');
    const id = location['id'] as number;
    const known = prepared(this.ctx.db, 'SELECT feature_id AS f FROM thing_feature WHERE location_id = ?').get(id) as
      | { f: number }
      | undefined;
    if (known && rowById(this.ctx.db, entity('FeatureOfInterest'), known.f)) return known.f;
    const { name, description, encodingType, location: feature } = location as Record<string, string>;
    const made = this.insert('feature', {
      name: name ?? '',
      description: description ?? '',
      encodingType: encodingType ?? '',
      feature: feature ?? '',
      properties: null,
    });
    this.run('INSERT OR REPLACE INTO thing_feature (location_id, feature_id) VALUES (?, ?)', [id, made]);
    this.changes.push({ type: entity('FeatureOfInterest'), id: made, what: 'created' });
    return made;
  }

  /** phenomenonTime and resultTime of a Datastream span its Observations. */
  private spanOf(datastream: number): void {
    this.run(
      `UPDATE datastream SET
        "phenomenonTime_start" = (SELECT min("phenomenonTime_start") FROM observation WHERE datastream_id = ?1),
        "phenomenonTime_end" = (SELECT max("phenomenonTime_end") FROM observation WHERE datastream_id = ?1),
        "resultTime_start" = (SELECT min("resultTime") FROM observation WHERE datastream_id = ?1),
        "resultTime_end" = (SELECT max("resultTime") FROM observation WHERE datastream_id = ?1)
       WHERE id = ?1`,
      [datastream],
    );
  }

  /** The observed area of a Datastream holds the places of all its Observations. */
  private growArea(datastream: number, feature: number): void {
    const area = boundsOf(
      (
        prepared(this.ctx.db, 'SELECT "observedArea" AS a FROM datastream WHERE id = ?').get(datastream) as
          | { a: string | null }
          | undefined
      )?.a,
    );
    const place = boundsOf(
      (prepared(this.ctx.db, 'SELECT feature AS f FROM feature WHERE id = ?').get(feature) as { f: string } | undefined)
        ?.f,
    );
    const grown = joined(area, place);
    if (grown && String(grown) !== String(area))
      this.run('UPDATE datastream SET "observedArea" = ? WHERE id = ?', [boundsJson(grown), datastream]);
  }

  private areaOf(datastream: number): void {
    const places = prepared(
      this.ctx.db,
      'SELECT f.feature AS f FROM feature f WHERE f.id IN (SELECT DISTINCT feature_id FROM observation WHERE datastream_id = ?) LIMIT 10000',
    ).all(datastream) as { f: string }[];
    const area = places.reduce<Bounds | null>((sum, { f }) => joined(sum, boundsOf(f)), null);
    this.run('UPDATE datastream SET "observedArea" = ? WHERE id = ?', [area && boundsJson(area), datastream]);
  }

  /** POST to a set reached through a relation: `Things(1)/Datastreams`. */
  createUnder(parent: { type: EntityType; id: number } | null, type: EntityType, body: Body): number {
    if (!parent) return this.create(type, body);
    const navigation = parent.type.navigation.find((n) => n.target === type.name && n.many);
    const by = navigation?.by;
    if (!navigation || !by) throw badRequest(`${type.name} cannot be made under ${parent.type.name}`);
    if (by.kind === 'other') return this.create(type, body, { [by.column]: parent.id });
    const id = this.create(type, body);
    if (parent.type.name === 'Thing' && type.name === 'Location') this.locate(parent.id, [id]);
    else if (parent.type.name === 'Location' && type.name === 'Thing') this.locate(id, [parent.id]);
    else this.link(navigation, parent.id, [id]);
    return id;
  }

  /** PATCH (`replace` false) and PUT (true: optional properties that are not given are emptied). */
  update(type: EntityType, id: number, body: Body, replace: boolean): void {
    this.mayChange(type, id);
    const before = rowById(this.ctx.db, type, id);
    if (!before) throw notFound(`there is no ${type.name} ${id}`);
    const { own, relations } = split(type, body);
    const values: Columns = {};
    for (const property of type.properties) {
      if (property.derived && property.name !== 'observedArea') continue;
      const value = own.get(property);
      if (value !== undefined) Object.assign(values, columns(type, property, value));
      else if (replace && !property.derived) {
        if (property.mandatory)
          throw badRequest(`${type.name}: "${property.name}" is missing; PUT replaces the whole entity, PATCH a part`);
        if (!(type.name === 'Observation' && property.name === 'phenomenonTime'))
          Object.assign(values, columns(type, property, null));
      }
    }
    for (const [navigation, value] of relations) {
      const where = `${type.name}.${navigation.name}`;
      if (navigation.by.kind === 'own') {
        if (!isObject(value)) throw badRequest(`${where} must be {"@iot.id": …}`);
        values[navigation.by.column] = this.existing(entity(navigation.target), value, where);
      } else {
        for (const item of Array.isArray(value) ? value : [value])
          if (!isObject(item) || !('@iot.id' in item))
            throw badRequest(`${where}: a change may link existing entities, {"@iot.id": …}, not make new ones`);
        this.attach(type, id, navigation, value, 0);
      }
    }
    const names = Object.keys(values);
    if (names.length > 0)
      this.run(`UPDATE "${type.table}" SET ${names.map((n) => `"${n}" = ?`).join(', ')} WHERE id = ?`, [
        ...Object.values(values),
        id,
      ]);
    if (type.name === 'Observation') {
      const now = rowById(this.ctx.db, type, id)?.['datastream_id'] as number;
      for (const stream of new Set([now, before['datastream_id'] as number])) {
        this.touched.add(stream);
        if (relations.size > 0) this.shrunk.add(stream);
      }
    }
    if (type.name === 'HistoricalLocation') {
      const row = rowById(this.ctx.db, type, id);
      this.followHistory(id, row?.['thing_id'] as number, row?.['time'] as number);
    }
    this.changes.push({ type, id, what: 'updated' });
  }

  /** Deletes with the cascades of 18-088 table 25. */
  remove(type: EntityType, id: number): void {
    this.mayChange(type, id);
    const row = rowById(this.ctx.db, type, id);
    if (!row) throw notFound(`there is no ${type.name} ${id}`);
    if (type.name === 'Observation') {
      this.touched.add(row['datastream_id'] as number);
      this.shrunk.add(row['datastream_id'] as number);
    }
    this.removeAll(type, 'SELECT ?', [id]);
  }

  private removeAll(type: EntityType, ids: string, params: readonly SQLInputValue[]): void {
    const below: Partial<Record<EntityName, readonly [EntityName, string][]>> = {
      Thing: [
        ['Datastream', 'thing_id'],
        ['HistoricalLocation', 'thing_id'],
      ],
      Sensor: [['Datastream', 'sensor_id']],
      ObservedProperty: [['Datastream', 'observed_property_id']],
      Datastream: [['Observation', 'datastream_id']],
      FeatureOfInterest: [['Observation', 'feature_id']],
    };
    if (!this.ctx.scratch) {
      const foreign = prepared(this.ctx.db, `SELECT min(id) AS m FROM "${type.table}" WHERE id IN (${ids})`).get(
        ...params,
      ) as { m: number | null };
      if (foreign.m !== null) this.mayChange(type, foreign.m);
    }
    if (type.name === 'FeatureOfInterest')
      for (const { d } of prepared(
        this.ctx.db,
        `SELECT DISTINCT datastream_id AS d FROM observation WHERE feature_id IN (${ids})`,
      ).all(...params) as { d: number }[]) {
        this.touched.add(d);
        this.shrunk.add(d);
      }
    for (const [child, column] of below[type.name] ?? [])
      this.removeAll(entity(child), `SELECT id FROM "${entity(child).table}" WHERE ${column} IN (${ids})`, params);
    if (type.name === 'Location')
      this.removeAll(
        entity('HistoricalLocation'),
        `SELECT historical_location_id FROM historical_location_location WHERE location_id IN (${ids})`,
        params,
      );
    for (const [table, column, owner] of [
      ['thing_location', 'thing_id', 'Thing'],
      ['thing_location', 'location_id', 'Location'],
      ['historical_location_location', 'location_id', 'Location'],
      ['historical_location_location', 'historical_location_id', 'HistoricalLocation'],
      ['thing_feature', 'location_id', 'Location'],
      ['thing_feature', 'feature_id', 'FeatureOfInterest'],
    ] as const)
      // The rows of HistoricalLocation are picked through this very table: they go after their own table's rows below.
      if (owner === type.name && !(owner === 'HistoricalLocation' && ids.includes(table)))
        this.run(`DELETE FROM ${table} WHERE ${column} IN (${ids})`, params);
    this.run(`DELETE FROM "${type.table}" WHERE id IN (${ids})`, params);
  }
}

/** POST /CreateObservations (18-088 §12): the answer is a self link or "error" for each row, in order. */
export function createObservations(writer: Writer, body: Json, base: string): string[] {
  if (!Array.isArray(body))
    throw badRequest('CreateObservations takes an array of {Datastream, components, dataArray}');
  const type = entity('Observation');
  return body.flatMap((group) => {
    if (
      !isObject(group) ||
      !isObject(group['Datastream']) ||
      !Array.isArray(group['components']) ||
      !Array.isArray(group['dataArray'])
    )
      throw badRequest('CreateObservations: each item needs Datastream, components and dataArray');
    const components = group['components'];
    const datastream = group['Datastream'];
    return group['dataArray'].map((values) => {
      if (!Array.isArray(values)) return 'error';
      const observation: Record<string, Json> = { Datastream: datastream };
      components.forEach((component, i) => {
        const value = values[i] ?? null;
        if (component === 'FeatureOfInterest/id' || component === 'FeatureOfInterest/@iot.id')
          observation['FeatureOfInterest'] = { '@iot.id': value };
        else if (typeof component === 'string') observation[component] = value;
      });
      try {
        const id = writer.transaction(() => writer.create(type, observation));
        return `${base}/${type.set}(${id})`;
      } catch (error) {
        if (error instanceof StaProblem && error.status !== 403) return 'error';
        throw error;
      }
    });
  });
}

/**
 * The SensorThings service as a function from request to response, free of HTTP machinery, so that batches, MQTT and tests
 * use the same way in.
 */
import { applyPatch } from './json-patch.ts';
import { runBatch } from './batch.ts';
import { ENTITY_TYPES, type EntityType } from './entities.ts';
import { entityJson, entityUrl, parseExact, type Json } from './entity-json.ts';
import { csv, dataArray, geoJson, plain } from './formats.ts';
import { isCollection, parsePath, type EntityId, type ResourcePath } from './path.ts';
import { badRequest, StaProblem } from './problem.ts';
import { problem, type StaRequest, type StaResponse } from './response.ts';
import { parseQuery } from './query.ts';
import { changeReference } from './references.ts';
import { read, resolve, rowById, type ForeignObservations, type ReadContext } from './read.ts';
import { createObservations, Writer, type WriteContext } from './write.ts';
import type { DatabaseSync } from 'node:sqlite';

export { problem, type StaRequest, type StaResponse };

export interface StaService {
  handle(request: StaRequest): Promise<StaResponse>;
}

export interface StaServiceOptions {
  readonly db: DatabaseSync;
  readonly base: string;
  readonly clock: () => number;
  readonly scratch: boolean;
  readonly foreign: ForeignObservations | null;
  readonly changed?: WriteContext['changed'];
  /** Where SensorThings over MQTT is to be had; null = nowhere. */
  readonly mqtt?: () => { readonly port: number; readonly tlsPort: number | null } | null;
}

/** Requirement classes of 18-088 that are implemented in full; the others are not named. */
const REQUIREMENTS = [
  // The classes as a whole, by which clients such as QGIS know the version.
  'datamodel',
  'resource-path',
  'request-data',
  'create-update-delete',
  'batch-request',
  'data-array',
  ...[
    'thing',
    'location',
    'historical-location',
    'datastream',
    'sensor',
    'observed-property',
    'observation',
    'feature-of-interest',
  ].flatMap((e) => [`datamodel/${e}/properties`, `datamodel/${e}/relations`]),
  'datamodel/entity-control-information/common-control-information',
  'resource-path/resource-path-to-entities',
  ...['order', 'expand', 'select', 'status-code', 'query-status-code', 'orderby', 'top', 'skip', 'count', 'filter'].map(
    (r) => `request-data/${r}`,
  ),
  'request-data/built-in-filter-operations',
  'request-data/built-in-query-functions',
  'request-data/pagination',
  ...[
    'create-entity',
    'link-to-existing-entities',
    'deep-insert',
    'deep-insert-status-code',
    'update-entity',
    'update-entity-put',
    'update-entity-jsonpatch',
    'delete-entity',
    'historical-location-auto-creation',
    'historical-location-manual-creation',
  ].map((r) => `create-update-delete/${r}`),
  'batch-request/batch-request',
  'data-array/data-array',
].map((r) => `http://www.opengis.net/spec/iot_sensing/1.1/req/${r}`);

const MQTT_REQUIREMENTS = [
  'create-observations-via-mqtt/observations-creation',
  'receive-updates-via-mqtt/receive-updates',
].map((r) => `http://www.opengis.net/spec/iot_sensing/1.1/req/${r}`);

/** Time for one request [ms] before it is told to ask for less; its last statement may go on for a while. */
const REQUEST_MS = 9000;

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

export function createStaService(options: StaServiceOptions): StaService {
  const { db, base, clock, scratch, foreign } = options;
  const readContext = (): ReadContext => ({ db, base, now: clock(), foreign, until: performance.now() + REQUEST_MS });
  /** Inside a change set: what subscribers are to hear when all of it is kept. */
  let held: Parameters<WriteContext['changed']>[0][] | null = null;
  const changed: WriteContext['changed'] = (change) => {
    if (held) held.push(change);
    else options.changed?.(change);
  };
  const writer = (): Writer => new Writer({ db, now: clock(), scratch, changed });

  /** All of a change set or nothing of it. Other writes wait. */
  const atomically = <T>(work: () => Promise<T>): Promise<T> =>
    alone(db, async () => {
      db.exec('BEGIN IMMEDIATE');
      held = [];
      try {
        const result = await work();
        db.exec('COMMIT');
        for (const change of held.splice(0)) options.changed?.(change);
        return result;
      } catch (error) {
        db.exec('ROLLBACK');
        throw error;
      } finally {
        held = null;
      }
    });

  const overMqtt = (): { [key: string]: Json } => {
    const broker = options.mqtt?.();
    if (!broker) return {};
    const { hostname, protocol, host } = new URL(base);
    const endpoints = [
      `mqtt://${hostname}:${broker.port}`,
      ...(broker.tlsPort === null ? [] : [`mqtts://${hostname}:${broker.tlsPort}`]),
      `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/mqtt`,
    ];
    return Object.fromEntries(MQTT_REQUIREMENTS.map((r) => [r, { endpoints }]));
  };

  const root = (): Json => ({
    value: ENTITY_TYPES.map((t) => ({ name: t.set, url: `${base}/${t.set}` })),
    serverSettings: {
      conformance: [
        ...REQUIREMENTS,
        ...Object.keys(overMqtt()),
        'https://github.com/INSIDE-information-systems/SensorThingsAPI/blob/master/CSV-ResultFormat/CSV-ResultFormat.md',
        'https://fraunhoferiosb.github.io/FROST-Server/extensions/GeoJSON-ResultFormat.html',
        'https://fraunhoferiosb.github.io/FROST-Server/extensions/JsonBatchRequest.html',
      ],
      ...overMqtt(),
    },
  });

  const get = async (request: StaRequest): Promise<StaResponse> => {
    if (request.path === '' || request.path === '/') return json(200, root());
    const path = parsePath(request.path);
    const type = (path.steps.at(-1) as ResourcePath['steps'][number]).type;
    const query = parseQuery(request.query, type);
    if (query.resultFormat !== 'json' && (!isCollection(path) || path.ref || path.count))
      throw badRequest('$resultFormat goes with a set of entities');
    const answer = await read(readContext(), path, query, request.query);
    switch (answer.kind) {
      case 'collection':
        if (query.resultFormat === 'dataArray') return json(200, dataArray(answer.collection, query, base));
        if (query.resultFormat === 'GeoJSON')
          return {
            status: 200,
            headers: { 'content-type': 'application/geo+json; charset=utf-8' },
            body: JSON.stringify(geoJson(answer.collection)),
          };
        if (query.resultFormat === 'CSV')
          return {
            status: 200,
            headers: {
              'content-type': 'text/csv; charset=utf-8',
              ...(answer.collection.nextLink === null ? {} : { link: `<${answer.collection.nextLink}>; rel="next"` }),
            },
            body: csv(answer.collection, query),
          };
        return json(200, plain(answer.collection));
      case 'refs':
        return json(200, {
          ...(answer.count === null ? {} : { '@iot.count': answer.count }),
          value: answer.value.map((url) => ({ '@iot.selfLink': url })),
          ...(answer.nextLink === null ? {} : { '@iot.nextLink': answer.nextLink }),
        });
      case 'count':
        return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: String(answer.count) };
      case 'entity':
        return json(200, answer.json);
      case 'ref':
        return json(200, { '@iot.selfLink': answer.url });
      case 'property':
        return json(200, {
          [answer.name === 'id' ? '@iot.id' : answer.name === 'selfLink' ? '@iot.selfLink' : answer.name]: answer.json,
        });
      case 'value':
        return typeof answer.json === 'object'
          ? json(200, answer.json)
          : { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: String(answer.json) };
      case 'nothing':
        return { status: 204, headers: {}, body: '' };
    }
  };

  /** The one entity that a write is about. */
  const target = async (path: ResourcePath): Promise<{ type: EntityType; id: number }> => {
    if (isCollection(path)) throw new StaProblem(405, 'this is a set; name one entity of it');
    if (path.property || path.ref || path.value) throw new StaProblem(405, 'only whole entities are changed');
    const found = await resolve(readContext(), path);
    const id = found.row?.['id'] as EntityId;
    if (typeof id !== 'number') throw new StaProblem(403, 'observations of boxes do not change');
    return { type: found.type, id };
  };

  const created = (type: EntityType, id: number): StaResponse => ({
    status: 201,
    headers: { ...JSON_TYPE, location: entityUrl(base, type, id) },
    body: JSON.stringify(entityJson(type, rowById(db, type, id) ?? {}, base, null)),
  });

  const write = async (request: StaRequest): Promise<StaResponse> => {
    if (!request.mayWrite)
      throw new StaProblem(401, 'writing needs a writer’s token: Authorization: Bearer <token of scope sta-write>');
    if (/\$ref\/?$/i.test(request.path)) {
      await changeReference(readContext(), writer(), request.method, parsePath(request.path), request.query, () =>
        parseBody(request),
      );
      return { status: 204, headers: {}, body: '' };
    }
    if (request.method === 'POST') {
      const body = parseBody(request);
      if (/^\/?CreateObservations$/.test(request.path)) return json(201, createObservations(writer(), body, base));
      const path = parsePath(request.path);
      if (!isCollection(path) || path.ref || path.count)
        throw new StaProblem(405, 'POST goes to a set, such as /Things');
      if (!isRecord(body)) throw badRequest('the body must be a JSON object');
      const { type, parent } = await resolve(readContext(), path);
      if (parent && typeof parent.id !== 'number') throw new StaProblem(403, 'observations of boxes do not change');
      const w = writer();
      const id = w.transaction(() => w.createUnder(parent as { type: EntityType; id: number } | null, type, body));
      return created(type, id);
    }
    const { type, id } = await target(parsePath(request.path));
    const w = writer();
    if (request.method === 'DELETE') {
      w.transaction(() => w.remove(type, id));
      return { status: 200, headers: {}, body: '' };
    }
    const body = parseBody(request);
    if (request.method === 'PATCH' && /json-patch/i.test(request.contentType)) {
      const before = ownJson(type, id);
      const after = applyPatch(before, body);
      if (!isRecord(after)) throw badRequest('JSON Patch: the entity must stay an object');
      w.transaction(() => w.update(type, id, after, true));
    } else {
      if (!isRecord(body)) throw badRequest('the body must be a JSON object');
      w.transaction(() => w.update(type, id, body, request.method === 'PUT'));
    }
    return {
      status: 200,
      headers: { ...JSON_TYPE, location: entityUrl(base, type, id) },
      body: JSON.stringify(entityJson(type, rowById(db, type, id) ?? {}, base, null)),
    };
  };

  const ownJson = (type: EntityType, id: number): Json => {
    const whole = entityJson(type, rowById(db, type, id) ?? {}, base, null);
    return Object.fromEntries(Object.entries(whole).filter(([key]) => !key.includes('@')));
  };

  const answer = async (request: StaRequest, isInSet: boolean): Promise<StaResponse> => {
    try {
      if (!/^multipart/i.test(request.contentType)) boundDepth(request.body);
      if (request.method === 'POST' && /^\/?(?:\$|%24)batch$/i.test(request.path))
        return await runBatch(request, { handle, handleInSet: (part) => answer(part, true), atomically }, base);
      if (request.method === 'GET' || request.method === 'HEAD') return await get(request);
      if (['POST', 'PATCH', 'PUT', 'DELETE'].includes(request.method))
        return await (isInSet ? write(request) : alone(db, () => write(request)));
      throw new StaProblem(405, `${request.method} is not supported`);
    } catch (error) {
      if (error instanceof StaProblem) return problem(error.status, error.message);
      if (request.method === 'GET' && isBeyondSql(error))
        return problem(400, `the query cannot be evaluated: ${(error as Error).message}`);
      throw error;
    }
  };
  const handle = (request: StaRequest): Promise<StaResponse> => answer(request, false);
  return { handle };
}

/** Writes take turns: each is a transaction of the one connection. */
const turns = new WeakMap<DatabaseSync, Promise<unknown>>();
function alone<T>(db: DatabaseSync, work: () => Promise<T>): Promise<T> {
  const mine = (turns.get(db) ?? Promise.resolve()).then(work);
  turns.set(
    db,
    mine.catch(() => undefined),
  );
  return mine;
}

/** Some expressions are right by the grammar and still too much for SQLite (SQLITE_ERROR, SQLITE_TOOBIG, SQLITE_RANGE). */
const isBeyondSql = (error: unknown): boolean =>
  error instanceof Error &&
  (error as { code?: unknown }).code === 'ERR_SQLITE_ERROR' &&
  [1, 18, 25].includes(Number((error as { errcode?: unknown }).errcode));

const isRecord = (value: unknown): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Deeper JSON is nobody's data, and from 1,000 on SQLite calls it malformed, whoever asks for the row. */
const MAX_JSON_DEPTH = 100;

function boundDepth(body: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < body.length; i++) {
    const c = body.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > MAX_JSON_DEPTH) throw badRequest(`the body is nested more than ${MAX_JSON_DEPTH} deep`);
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
}

function parseBody(request: StaRequest): Json {
  try {
    return parseExact(request.body);
  } catch (cause) {
    throw Object.assign(badRequest('the body is not JSON'), { cause });
  }
}

const json = (status: number, value: Json): StaResponse => ({
  status,
  headers: JSON_TYPE,
  body: JSON.stringify(value),
});

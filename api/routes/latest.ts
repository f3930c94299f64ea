/**
 * `GET /api/v1/latest.geojson`: where every box hangs and what it said last. The whole network of one property and level is kept as
 * bytes, built at most once a second and only when something changed; beyond `STREAM_FROM` features it is written as it is read.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { z } from 'zod';
import { property, type PropertyKey } from '../../model/properties.ts';
import { DAY } from '../../model/time.ts';
import type { App, Context } from '../context.ts';
import { observationText, type Level } from '../observation.ts';
import { bbox, duration, level, propertyKey, type Bbox } from '../parameters.ts';
import type { LatestColumn } from '../latest.ts';
import { slotView } from '../rows.ts';
import { featureCollection, problemAnswers } from '../schemas.ts';
import { matchesEtag } from '../manners.ts';

const HEAD = '{"type":"FeatureCollection","features":[';
/** Closes the list and names every licence in it: a mixed answer may be used under all of them only. */
const tail = (licences: ReadonlySet<string>): string => `],"licences":${JSON.stringify([...licences].sort())}}`;
const STREAM_FROM = 50_000;
/** Features to a piece: about 10 ms of work when none is kept ready. */
const CHUNK = 500;
const INDEX_FROM = 20_000;
/** Under a flow of readings the bytes are at most this old [ms]; building them may take a twentieth of the time. */
const MAX_AGE = 1000;

const gzipped = promisify(gzip);
const brotlied = promisify(brotliCompress);
type Coding = 'identity' | 'gzip' | 'br';

interface Built {
  readonly column: number;
  readonly things: number;
  readonly at: number;
  readonly cost: number;
  readonly body: Buffer;
  readonly etag: string;
  readonly coded: Map<Coding, Promise<Buffer>>;
}

export interface LatestFilter {
  readonly property: PropertyKey;
  readonly level: Level;
  readonly bbox?: Bbox | undefined;
  readonly maxAge?: number | undefined;
  readonly kind?: 'box' | 'station' | undefined;
}

/** Slots that may lie in a bbox: in a large network as the registry's index finds them, else all. */
function* slots(context: Context, c: LatestColumn, area: Bbox | undefined): Generator<number> {
  if (area && c.size > INDEX_FROM) {
    const found = context.registry.list({ bbox: area, limit: INDEX_FROM });
    if (found.length < INDEX_FROM) {
      for (const t of found) if (c.index[t.num]) yield (c.index[t.num] as number) - 1;
      return;
    }
  }
  for (let slot = 0, { size } = c; slot < size; slot++) yield slot;
}

/** Feature texts, in the order the boxes were first heard. */
export function* features(
  context: Context,
  filter: LatestFilter,
  now: number,
  licences: Set<string>,
): Generator<string> {
  const p = property(filter.property);
  const c = context.latest.column(p.num);
  if (!c) return;
  const since = filter.maxAge === undefined ? -Infinity : now - filter.maxAge;
  for (const slot of slots(context, c, filter.bbox)) {
    if ((c.time[slot] as number) < since) continue;
    const num = c.thing[slot] as number;
    if (filter.bbox && !context.things.inBbox(num, filter.bbox)) continue;
    const thing = context.things.get(num);
    if (!thing || thing.retired || (filter.kind && thing.kind !== filter.kind)) continue;
    if (thing.licence !== '') licences.add(thing.licence);
    yield thing.head + observationText(p, filter.level, slotView(context, c, slot)) + thing.tail;
  }
}

/** The whole collection in one piece. */
function collection(context: Context, filter: LatestFilter, now: number): string {
  const licences = new Set<string>();
  return HEAD + [...features(context, filter, now, licences)].join(',') + tail(licences);
}

/** Writes on only as fast as the client reads, and lets other requests pass between two pieces. */
async function* written(context: Context, filter: LatestFilter, now: number): AsyncGenerator<string> {
  let piece = HEAD;
  let first = true;
  let n = 0;
  const licences = new Set<string>();
  for (const text of features(context, filter, now, licences)) {
    piece += first ? text : `,${text}`;
    first = false;
    if (++n % CHUNK === 0) {
      yield piece;
      piece = '';
      await new Promise(setImmediate);
    }
  }
  yield piece + tail(licences);
}

const query = z.strictObject({
  property: propertyKey.default('pm25'),
  level: level.default('raw'),
  bbox: bbox.optional(),
  maxAge: duration(31 * DAY)
    .optional()
    .describe('Leave out boxes whose newest value is older, as ISO 8601 duration'),
  kind: z.enum(['box', 'station']).optional().describe('Only boxes, or only reference stations'),
});

export function latestRoutes(app: App, context: Context): void {
  const kept = new Map<string, Built>();

  function whole(key: PropertyKey, level: Level): Built | null {
    const column = context.latest.column(property(key).num);
    if ((column?.size ?? 0) > STREAM_FROM) return null;
    const name = `${key} ${level}`;
    const version = column?.version ?? 0;
    const things = context.things.refresh();
    const now = performance.now();
    const old = kept.get(name);
    if (old && old.things === things) {
      if (old.column === version || now - old.at < Math.min(MAX_AGE, old.cost * 20)) return old;
    }
    const body = Buffer.from(collection(context, { property: key, level }, 0));
    const built: Built = {
      column: version,
      things,
      at: performance.now(),
      cost: performance.now() - now,
      body,
      etag: createHash('sha256').update(body).digest('base64url').slice(0, 22),
      coded: new Map([['identity', Promise.resolve(body)]]),
    };
    kept.set(name, built);
    return built;
  }

  function coded(built: Built, coding: Coding): Promise<Buffer> {
    let bytes = built.coded.get(coding);
    if (!bytes) {
      bytes =
        coding === 'gzip'
          ? gzipped(built.body, { level: 4 })
          : brotlied(built.body, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } });
      built.coded.set(coding, bytes);
    }
    return bytes;
  }

  app.get(
    '/api/v1/latest.geojson',
    {
      compress: false,
      schema: {
        operationId: 'getLatest',
        summary: 'The newest value of every box, as GeoJSON',
        description:
          'A refused value is `null` with its reasons; null is never 0. Places of boxes whose owners hide them are grid cell centres.',
        tags: ['observations'],
        querystring: query,
        response: {
          200: { description: 'Features', content: { 'application/geo+json': { schema: featureCollection } } },
          ...problemAnswers,
        },
      },
    },
    async (request, reply) => {
      const q = request.query;
      if (context.models.name(1) === '') await context.models.learn();
      reply
        .type('application/geo+json; charset=utf-8')
        .header('cache-control', 'public, max-age=1')
        .header('vary', 'accept-encoding');
      const coding = preferred(request.headers['accept-encoding']);
      const built = q.bbox || q.maxAge !== undefined || q.kind ? null : whole(q.property, q.level);
      if (built) {
        const etag = coding === 'identity' ? `"${built.etag}"` : `"${built.etag}-${coding}"`;
        reply.header('etag', etag);
        if (matchesEtag(request.headers['if-none-match'], etag)) return reply.code(304).send();
        if (coding !== 'identity') reply.header('content-encoding', coding);
        return reply.send(await coded(built, coding));
      }
      context.things.refresh();
      const size = context.latest.column(property(q.property).num)?.size ?? 0;
      const now = context.clock();
      if (size > STREAM_FROM) return reply.send(Readable.from(written(context, q, now), { highWaterMark: 2 }));
      const text = collection(context, q, now);
      const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
      reply.header('etag', etag);
      if (matchesEtag(request.headers['if-none-match'], etag)) return reply.code(304).send();
      return reply.send(text);
    },
  );
}

/** The better of the codings that are kept; `q=0` and anything unknown mean plain. */
function preferred(header: string | string[] | undefined): Coding {
  const wanted = new Map(
    String(header ?? '')
      .slice(0, 500)
      .split(',')
      .map((part) => {
        const [name = '', ...parameters] = part.trim().toLowerCase().split(';');
        const q = parameters.map((p) => /^\s*q=([0-9.]+)$/.exec(p)?.[1]).find((v) => v !== undefined);
        return [name, Number(q ?? 1)] as const;
      }),
  );
  const [br, gz] = [wanted.get('br') ?? 0, wanted.get('gzip') ?? 0];
  if (br > 0 && br >= gz) return 'br';
  return gz > 0 ? 'gzip' : 'identity';
}

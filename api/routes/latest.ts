/**
 * `GET /api/v1/latest.geojson`: where every box hangs and what it said last. An answer is kept as bytes and built at most once a second,
 * only when something changed, in pieces of a few milliseconds, so that acknowledgements do not wait for a map; beyond `STREAM_FROM`
 * features it is written as it is read.
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
import { editionOf, slotView } from '../rows.ts';
import { featureCollection, problemAnswers } from '../schemas.ts';
import { matchesEtag } from '../manners.ts';

const HEAD = '{"type":"FeatureCollection","features":[';
/** Closes the list and names every licence in it: a mixed answer may be used under all of them only. */
const tail = (licences: ReadonlySet<string>): string => `],"licences":${JSON.stringify([...licences].sort())}}`;
const STREAM_FROM = 50_000;
const INDEX_FROM = 20_000;
/** Work without pause [ms]. */
const SLICE = 8;
/** Written at once [characters]. */
const PIECE = 1 << 18;
/** Under a flow of readings the bytes are at most this old [ms]; building them may take a twentieth of the time. */
const MAX_AGE = 1000;
/** What took long to build is given out while it is built anew, up to this age [ms]; "long" [ms]. */
const MAX_STALE = 3000;
const LONG = 10;
/** Answers kept, and their bytes together. */
const MAX_KEPT = 64;
const MAX_KEPT_BYTES = 96 << 20;

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

/** In a large network, numbers of the Things that may lie in a bbox, as the registry's index finds them; null = all must be looked at. */
const numsIn = (context: Context, c: LatestColumn | undefined, area: Bbox | undefined): readonly number[] | null =>
  area && c && c.size > INDEX_FROM ? context.registry.inArea(area) : null;

/** Slots of these Things, or of all. */
function* slots(c: LatestColumn, nums: readonly number[] | null): Generator<number> {
  if (!nums) {
    for (let slot = 0, { size } = c; slot < size; slot++) yield slot;
    return;
  }
  const found = Int32Array.from(nums, (num) => c.index[num] ?? 0).sort();
  for (const slot of found) if (slot > 0) yield slot - 1;
}

/** Feature texts, in the order the boxes were first heard. */
export function* features(
  context: Context,
  filter: LatestFilter,
  now: number,
  licences: Set<string>,
  nums: readonly number[] | null = null,
): Generator<string> {
  const p = property(filter.property);
  const c = context.latest.column(p.num);
  if (!c) return;
  const since = filter.maxAge === undefined ? -Infinity : now - filter.maxAge;
  const edition = editionOf(context);
  for (const slot of slots(c, nums)) {
    if ((c.time[slot] as number) < since) continue;
    const num = c.thing[slot] as number;
    if (filter.bbox && !context.things.inBbox(num, filter.bbox)) continue;
    const thing = context.things.get(num);
    if (!thing || thing.retired || (filter.kind && thing.kind !== filter.kind)) continue;
    if (thing.licence !== '') licences.add(thing.licence);
    const made = edition(num, c.time[slot] as number, c.resultTime[slot] as number);
    yield thing.head + observationText(p, filter.level, slotView(context, c, slot), made) + thing.tail;
  }
}

/** The collection in pieces; `rest` is awaited between two slices of work. */
async function* pieces(
  context: Context,
  filter: LatestFilter,
  now: number,
  nums: readonly number[] | null,
  rest: () => Promise<unknown>,
): AsyncGenerator<string> {
  let piece = HEAD;
  let first = true;
  const licences = new Set<string>();
  let since = performance.now();
  let n = 0;
  for (const text of features(context, filter, now, licences, nums)) {
    piece += first ? text : `,${text}`;
    first = false;
    if ((++n & 15) !== 0) continue;
    const tired = performance.now() - since > SLICE;
    if (tired || piece.length > PIECE) {
      yield piece;
      piece = '';
      if (!tired) continue;
      await rest();
      since = performance.now();
    }
  }
  yield piece + tail(licences);
}

const breath = (): Promise<unknown> => new Promise(setImmediate);

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
  /** Least lately asked for first. */
  const kept = new Map<string, Built>();
  const building = new Map<string, Promise<Built>>();
  let keptBytes = 0;

  function keep(name: string, built: Built | null): void {
    keptBytes -= kept.get(name)?.body.length ?? 0;
    kept.delete(name);
    if (!built) return;
    kept.set(name, built);
    keptBytes += built.body.length;
    for (const oldest of kept.keys()) {
      if (kept.size <= MAX_KEPT && keptBytes <= MAX_KEPT_BYTES) return;
      if (oldest !== name) keep(oldest, null);
    }
  }

  async function build(
    name: string,
    filter: LatestFilter,
    now: number,
    nums: readonly number[] | null,
  ): Promise<Built> {
    const column = context.latest.column(property(filter.property).num)?.version ?? 0;
    const things = context.things.refresh();
    let cost = 0;
    let since = performance.now();
    const parts: Buffer[] = [];
    const hash = createHash('sha256');
    const pause = async (): Promise<void> => {
      cost += performance.now() - since;
      await breath();
      since = performance.now();
    };
    for await (const piece of pieces(context, filter, now, nums, pause)) {
      const bytes = Buffer.from(piece);
      hash.update(bytes);
      parts.push(bytes);
    }
    const body = Buffer.concat(parts);
    const at = performance.now();
    const built: Built = {
      column,
      things,
      at,
      cost: cost + at - since,
      body,
      etag: hash.digest('base64url').slice(0, 22),
      coded: new Map([['identity', Promise.resolve(body)]]),
    };
    keep(name, built);
    return built;
  }

  /** The answer as bytes; null = too many features for that. */
  async function whole(filter: LatestFilter, now: number): Promise<Built | null> {
    const { property: key, level: as, bbox: area, maxAge, kind } = filter;
    const column = context.latest.column(property(key).num);
    const second = maxAge === undefined ? 0 : Math.floor(now / 1000);
    const name = `${key} ${as} ${area?.join(',') ?? ''} ${maxAge ?? ''} ${second} ${kind ?? ''}`;
    const things = context.things.refresh();
    const old = kept.get(name);
    let stale: Built | null = null;
    if (old && old.things === things) {
      keep(name, old);
      const age = performance.now() - old.at;
      if (old.column === (column?.version ?? 0) || age < Math.min(MAX_AGE, old.cost * 20)) return old;
      if (old.cost > LONG && age < MAX_STALE) stale = old;
    }
    let made = building.get(name);
    if (!made) {
      const nums = numsIn(context, column, area);
      if (!nums && (column?.size ?? 0) > STREAM_FROM) return null;
      made = build(name, filter, now, nums).finally(() => building.delete(name));
      building.set(name, made);
    }
    if (!stale) return made;
    made.catch((error: unknown) => context.logger.error({ error: String(error) }, 'latest values could not be built'));
    return stale;
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
      const now = context.clock();
      const built = await whole(q, now);
      if (built) {
        const etag = coding === 'identity' ? `"${built.etag}"` : `"${built.etag}-${coding}"`;
        reply.header('etag', etag);
        if (matchesEtag(request.headers['if-none-match'], etag)) return reply.code(304).send();
        if (coding !== 'identity') reply.header('content-encoding', coding);
        return reply.send(await coded(built, coding));
      }
      context.things.refresh();
      return reply.send(Readable.from(pieces(context, q, now, null, breath), { highWaterMark: 2 }));
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

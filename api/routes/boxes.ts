/** Boxes and reference stations: lists with filters, one with its history. */
import { z } from 'zod';
import { property } from '../../model/properties.ts';
import type { Thing } from '../../registry/registry.ts';
import { isThingId } from '../../registry/thing.ts';
import type { App, Context } from '../context.ts';
import { around, bboxOf, distance, inPolygon } from '../geometry.ts';
import { bbox, boolean, cursor, decodeCursor, encodeCursor, lat, limit, lon, polygon, propertyKey, radius, thingId, type Bbox, type Point } from '../parameters.ts'; // prettier-ignore
import { Problem } from '../problem.ts';
import { problemAnswers, thingDetail, thingList } from '../schemas.ts';
import { healthOfThing, thingDetailView, thingView } from '../thing-view.ts';

/** Numbers looked at in one go; between two windows other requests pass. */
const WINDOW = 10_000;
/** After this a page goes out as full as it is, with `next` [ms]. */
const PATIENCE = 2000;

/** The Thing of a path; anything that is no id is not found rather than wrong, as any other address that leads nowhere. */
export function thingAt(context: Context, id: string): Thing {
  const thing = isThingId(id) ? context.registry.get(id) : null;
  if (!thing) throw new Problem('not-found', 'No box or station has this id');
  return thing;
}

const filters = {
  bbox: bbox.optional(),
  lat: lat.optional(),
  lon: lon.optional(),
  radius: radius.optional(),
  polygon: polygon.optional(),
  project: z.string().max(80).optional(),
  property: propertyKey.optional().describe('Only things that have observed this property lately'),
  exposure: z.enum(['outdoor', 'indoor', 'mobile', 'unknown']).optional(),
  sensor: z.string().min(1).max(40).optional().describe('Sensor model, such as PMS5003'),
  health: z.enum(['ok', 'suspect', 'offline', 'unknown']).optional(),
  claimed: boolean.optional(),
  licence: z.string().max(60).optional().describe('Licence id, such as CC-BY-4.0'),
};
const listQuery = z.strictObject({
  ...filters,
  nativeId: z.string().min(1).max(200).optional().describe('The name a box has in its own network; needs `format`'),
  format: z.string().min(1).max(40).optional().describe('Payload format, with `nativeId`'),
  limit: limit(1000, 1000),
  cursor: cursor.optional(),
});
type ListQuery = z.output<typeof listQuery>;

function circle(q: {
  lat?: number | undefined;
  lon?: number | undefined;
  radius?: number | undefined;
}): { centre: Point; radius: number } | null {
  const given = [q.lat, q.lon, q.radius].filter((v) => v !== undefined).length;
  if (given === 0) return null;
  if (q.lat === undefined || q.lon === undefined || q.radius === undefined) {
    throw new Problem('invalid-parameter', 'lat, lon and radius belong together: give all three or none', {
      errors: [{ field: q.lat === undefined ? 'lat' : q.lon === undefined ? 'lon' : 'radius', detail: 'is missing' }],
    });
  }
  return { centre: [q.lon, q.lat], radius: q.radius };
}

function afterOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const mark = decodeCursor(text);
  if (mark?.length !== 1 || typeof mark[0] !== 'number')
    throw new Problem('invalid-cursor', 'Use `next` of the former page');
  return mark[0];
}

async function find(context: Context, kind: 'box' | 'station', q: ListQuery) {
  const within = circle(q);
  const areas: Bbox[] = [];
  if (q.bbox) areas.push(q.bbox);
  if (within) areas.push(around(within.centre, within.radius));
  if (q.polygon) areas.push(bboxOf(q.polygon));
  const sensor = q.sensor?.toLowerCase();
  let after = afterOf(q.cursor);
  const items: ReturnType<typeof itemOf>[] = [];
  const itemOf = (t: Thing, metres: number | undefined) => ({
    ...thingView(context, t),
    ...(metres === undefined ? {} : { distance: Math.round(metres) }),
  });
  const started = performance.now();
  const last = context.registry.lastNum();
  while (after < last && performance.now() - started < PATIENCE) {
    const size = Math.min(1000, q.limit - items.length + 1);
    const until = after + WINDOW;
    const page = context.registry.list({
      kind,
      after,
      until,
      limit: size,
      ...(areas[0] ? { bbox: areas[0] } : {}),
      ...(q.project === undefined ? {} : { project: q.project }),
      ...(q.exposure ? { exposure: q.exposure } : {}),
      ...(q.claimed === undefined ? {} : { claimed: q.claimed }),
      ...(q.licence === undefined ? {} : { licence: q.licence }),
    });
    for (const t of page) {
      if (items.length >= q.limit) return { items, next: encodeCursor([after]) };
      after = t.num;
      const place = context.things.get(t.num)?.place;
      let metres: number | undefined;
      if (within) {
        metres = place ? distance(within.centre, [place.lon, place.lat]) : Infinity;
        if (metres > within.radius) continue;
      }
      if (q.polygon && !(place && inPolygon(q.polygon, place.lon, place.lat))) continue;
      if (q.property && !context.latest.properties(t.num).includes(q.property)) continue;
      if (sensor && !t.sensors.some((s) => s.toLowerCase() === sensor)) continue;
      if (q.health && healthOfThing(context, t) !== q.health) continue;
      items.push(itemOf(t, metres));
    }
    if (page.length < size) after = until;
    await new Promise(setImmediate);
  }
  return { items, next: after >= last ? null : encodeCursor([after]) };
}

/** Boxes looked at in one circle, and boxes of one property looked at one by one. */
const NEAR = 5000;
const RARE = 20_000;

interface Found {
  readonly t: Thing;
  readonly metres: number;
}

/** From a small circle outwards, since a city has thousands of boxes within the full radius; a rare property from its own list. */
async function nearest(context: Context, here: Point, q: z.output<typeof nearestQuery>): Promise<Found[]> {
  const { latest, registry, things } = context;
  const metresTo = (num: number): number => {
    const thing = things.get(num);
    return thing?.place && !thing.retired ? distance(here, [thing.place.lon, thing.place.lat]) : Infinity;
  };
  const best = (found: Found[]): Found[] =>
    found.sort((a, b) => a.metres - b.metres || a.t.num - b.t.num).slice(0, q.limit);
  const num = q.property && property(q.property).num;
  if (num !== undefined && (latest.column(num)?.size ?? 0) < RARE) {
    const column = latest.column(num);
    const near: { num: number; metres: number }[] = [];
    for (let slot = 0; slot < (column?.size ?? 0); slot++) {
      const thing = column?.thing[slot] as number;
      const metres = metresTo(thing);
      if (metres <= q.radius && (!q.kind || things.get(thing)?.kind === q.kind)) near.push({ num: thing, metres });
      if (slot % 500 === 499) await new Promise(setImmediate);
    }
    near.sort((a, b) => a.metres - b.metres || a.num - b.num);
    return near.slice(0, q.limit).flatMap(({ num: n, metres }) => {
      const t = registry.byNum(n);
      return t ? [{ t, metres }] : [];
    });
  }
  for (let r = Math.min(200, q.radius); ; r = Math.min(r * 2, q.radius)) {
    const inside = registry.list({ bbox: around(here, r), limit: NEAR, ...(q.kind ? { kind: q.kind } : {}) });
    const found = inside.flatMap((t): Found[] => {
      const metres = metresTo(t.num);
      return metres > r || (num !== undefined && latest.slot(num, t.num) < 0) ? [] : [{ t, metres }];
    });
    if (found.length >= q.limit || r >= q.radius || inside.length >= NEAR) return best(found);
    await new Promise(setImmediate);
  }
}

const nearestQuery = z.strictObject({
  lat,
  lon,
  radius: radius.default(20_000).describe('How far to look [m], at most 100 km; default 20 km'),
  kind: z.enum(['box', 'station']).optional(),
  property: propertyKey.optional(),
  limit: limit(100, 10),
});

export function boxRoutes(app: App, context: Context): void {
  for (const [path, kind, what] of [
    ['boxes', 'box', 'Boxes'],
    ['stations', 'station', 'Reference stations'],
  ] as const) {
    app.get(
      `/api/v1/${path}`,
      {
        schema: {
          operationId: `list${what.replaceAll(' ', '')}`,
          summary: what,
          description:
            'Pages in a stable order: pass `next` as `cursor` until it is null. A page may hold fewer than `limit`.',
          tags: [path],
          querystring: listQuery,
          response: { 200: thingList, ...problemAnswers },
        },
      },
      async (request, reply) => {
        context.things.refresh();
        const { nativeId, format } = request.query;
        if ((nativeId === undefined) !== (format === undefined)) {
          throw new Problem('invalid-parameter', 'nativeId and format belong together: give both or neither', {
            errors: [{ field: nativeId === undefined ? 'nativeId' : 'format', detail: 'is missing' }],
          });
        }
        if (nativeId !== undefined && format !== undefined) {
          const found = context.registry.known(format, nativeId);
          return { items: found?.kind === kind && !found.retired ? [thingView(context, found)] : [], next: null };
        }
        const answer = await find(context, kind, request.query);
        if (answer.next) {
          const url = new URL(request.url, context.baseUrl(request));
          url.searchParams.set('cursor', answer.next);
          reply.header('link', `<${url.href}>; rel="next"`);
        }
        return answer;
      },
    );
    app.get(
      `/api/v1/${path}/:id`,
      {
        schema: {
          operationId: `get${kind === 'box' ? 'Box' : 'Station'}`,
          summary: `One ${kind === 'box' ? 'box' : 'reference station'}: places over time, licence, newest values`,
          tags: [path],
          params: z.object({ id: thingId }),
          response: { 200: thingDetail, ...problemAnswers },
        },
      },
      async (request, reply) => {
        const thing = thingAt(context, request.params.id);
        if (context.models.name(1) === '') await context.models.learn();
        const view = thingDetailView(context, thing);
        if (view.licenceDetail) reply.header('link', `<${view.licenceDetail.url}>; rel="license"`);
        return view;
      },
    );
  }

  app.get(
    '/api/v1/nearest',
    {
      schema: {
        operationId: 'getNearest',
        summary: 'Boxes and reference stations nearest to a point, nearest first',
        tags: ['boxes'],
        querystring: nearestQuery,
        response: { 200: thingList, ...problemAnswers },
      },
    },
    async (request) => {
      const q = request.query;
      const here: Point = [q.lon, q.lat];
      context.things.refresh();
      const found = await nearest(context, here, q);
      return {
        items: found.map(({ t, metres }) => ({ ...thingView(context, t), distance: Math.round(metres) })),
        next: null,
      };
    },
  );
}

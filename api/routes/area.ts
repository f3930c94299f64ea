/**
 * `GET /api/v1/observations`: means of all boxes of a township or rectangle in one file that a spreadsheet opens. One box
 * after the other, so that memory stays flat however many there are.
 */
import { Readable } from 'node:stream';
import { z } from 'zod';
import { property } from '../../model/properties.ts';
import { DAY, formatTime, MAX_CLOCK_AHEAD } from '../../model/time.ts';
import { publicPlace } from '../../registry/place.ts';
import type { Thing } from '../../registry/registry.ts';
import { zoneOffset } from '../../store/bins.ts';
import type { App, Context } from '../context.ts';
import { cell } from '../csv.ts';
import { bbox, interval, level, propertyKey, endTime, time, timezone } from '../parameters.ts';
import { Problem } from '../problem.ts';
import { problemAnswers } from '../schemas.ts';
import { aggregates, paceOf } from '../series.ts';
import { township, townships } from '../townships.ts';

const MAX_BOXES = 5000;
const MAX_AT_ONCE = 8;
const HEADER = 'box,name,kind,lat,lon,localTime,phenomenonTime,phenomenonTimeEnd,property,unit,level,value,lo90,hi90,flag,count,coverage,licence,attribution'; // prettier-ignore

/** A cell that a spreadsheet would take for a formula is prefixed with an apostrophe; numbers may be negative. */
const safe = (text: string): string =>
  cell(/^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text);

const query = z.strictObject({
  township: z
    .string()
    .regex(/^\d{8}$/, 'eight digits; /api/v1/townships lists them')
    .optional()
    .describe('Code of a township of Taiwan'),
  bbox: bbox.optional(),
  property: propertyKey.default('pm25'),
  level: level.default('corrected'),
  interval: interval.default(3_600_000),
  timezone: timezone.optional(),
  month: z
    .string()
    .regex(/^(19|20|21)\d{2}-(0[1-9]|1[0-2])$/, 'a month such as 2026-10')
    .optional()
    .describe('A whole month of `timezone`, instead of from and to'),
  from: time.optional().describe('Inclusive; default 24 hours before `to`'),
  to: endTime.optional().describe('Exclusive; default now'),
  bom: z.enum(['true', 'false']).default('false').describe('true: begins with the mark by which Excel knows UTF-8'),
});
type Query = z.output<typeof query>;

/** Midnight of the first of a month in a zone. */
function monthStart(year: number, month: number, zone: string): number {
  const utc = Date.UTC(year, month);
  return utc - zoneOffset(zone, utc - zoneOffset(zone, utc));
}

function spanOf(context: Context, q: Query, zone: string): { from: number; to: number } {
  if (q.month !== undefined) {
    if (q.from !== undefined || q.to !== undefined)
      throw new Problem('invalid-parameter', 'Give month, or from and to');
    const [year = 0, month = 1] = q.month.split('-').map(Number);
    return { from: monthStart(year, month - 1, zone), to: monthStart(year, month, zone) };
  }
  const to = q.to ?? context.clock() + MAX_CLOCK_AHEAD;
  const from = q.from ?? to - DAY;
  if (from >= to) throw new Problem('invalid-parameter', 'from must lie before to');
  return { from, to };
}

function thingsOf(context: Context, q: Query): Thing[] {
  if ((q.township === undefined) === (q.bbox === undefined))
    throw new Problem('invalid-parameter', 'Give one of township and bbox');
  const town = q.township === undefined ? null : township(q.township);
  if (town === undefined)
    throw new Problem('not-found', `there is no township ${q.township}; /api/v1/townships lists them`);
  const area = town ? town.bbox : q.bbox;
  const found: Thing[] = [];
  for (let after = 0; ;) {
    const page = context.registry.list({ bbox: [...(area as [number, number, number, number])], after, limit: 500, includeRetired: true }); // prettier-ignore
    for (const thing of page) {
      const place = publicPlace(thing);
      if (place && (!town || town.holds(place.lon, place.lat))) found.push(thing);
    }
    if (found.length > MAX_BOXES)
      throw new Problem('too-large', `More than ${MAX_BOXES} boxes; give a smaller area, or take the daily files (/dumps/manifest.json)`); // prettier-ignore
    if (page.length < 500) return found;
    after = page.at(-1)?.num ?? after;
  }
}

async function* lines(context: Context, q: Query, signal: AbortSignal): AsyncGenerator<string> {
  const zone = q.timezone ?? context.options.timezone ?? 'Asia/Taipei';
  const { from, to } = spanOf(context, q, zone);
  const { unit } = property(q.property);
  yield `${q.bom === 'true' ? '\uFEFF' : ''}${HEADER}\n`;
  for (const thing of thingsOf(context, q)) {
    const place = publicPlace(thing);
    // Reference stations are what others are corrected by: their values are their own.
    const own = thing.kind === 'station' ? 'raw' : q.level;
    const series = { from, to, thingNum: thing.num, property: q.property, level: own, signal } as const;
    const pace = await paceOf(context.store, series);
    const head = [thing.id, thing.name, thing.kind, place?.lat ?? '', place?.lon ?? ''].map((v) => safe(String(v))).join(','); // prettier-ignore
    const tail = [thing.licence, thing.attribution].map(safe).join(',');
    for await (const rows of aggregates(context.store, series, {
      step: q.interval,
      timezone: zone,
      pace,
      percentiles: [],
    }))
      yield rows
        .map(
          (r) =>
            `${head},${context.localTime(r.start).slice(0, 16).replace('T', ' ')},${formatTime(r.start)},${formatTime(r.end)},${q.property},${cell(unit)},${own},${r.mean ?? ''},${r.lo90 ?? ''},${r.hi90 ?? ''},${r.flag},${r.count},${r.coverage ?? ''},${tail}\n`,
        ) // prettier-ignore
        .join('');
  }
}

export function areaRoutes(app: App, context: Context): void {
  let running = 0;
  app.get(
    '/api/v1/townships',
    {
      schema: {
        operationId: 'listTownships',
        summary: 'Townships of Taiwan with their codes and extents',
        tags: ['boxes'],
        response: {
          200: z.object({
            items: z.array(
              z.object({
                code: z.string(),
                county: z.string(),
                name: z.string(),
                countyEn: z.string(),
                nameEn: z.string(),
                bbox: z.array(z.number()).describe('west, south, east, north'),
              }),
            ),
          }),
          ...problemAnswers,
        },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'public, max-age=86400');
      return {
        items: townships().map(({ code, county, name, countyEn, nameEn, bbox: box }) => ({ code, county, name, countyEn, nameEn, bbox: [...box] })), // prettier-ignore
      };
    },
  );
  app.get(
    '/api/v1/observations',
    {
      schema: {
        operationId: 'getAreaObservations',
        summary: 'Means of all boxes of a township or rectangle, as one CSV',
        description:
          'UTF-8, box after box, without a cap on rows. Reference stations are in it with their own values, `level` raw: they are what boxes are corrected by. With `month` a whole month of `timezone` (default: that of the operator).',
        tags: ['observations'],
        querystring: query,
        response: {
          200: { description: 'CSV', content: { 'text/csv': { schema: z.string() } } },
          ...problemAnswers,
        },
      },
    },
    async (request, reply) => {
      const q = request.query;
      const name = `${q.township ?? 'area'}-${q.property}-${q.level}${q.month ? `-${q.month}` : ''}.csv`;
      reply
        .type('text/csv; charset=utf-8; header=present')
        .header('content-disposition', `attachment; filename="${name}"`)
        .header('cache-control', 'no-cache');
      if (request.method === 'HEAD') return reply.send('');
      if (running >= MAX_AT_ONCE)
        throw new Problem('unavailable', 'Too many exports run at once', { headers: { 'retry-after': '10' } });
      const gone = new AbortController();
      const text = lines(context, q, AbortSignal.any([gone.signal, context.closing]));
      running++;
      const pieces: string[] = [];
      try {
        // The header and the first box: what is wrong with the question is said before the file begins.
        for (let i = 0; i < 2; i++) {
          const next = await text.next();
          if (next.done) break;
          pieces.push(next.value);
        }
      } catch (error) {
        running--;
        throw error;
      }
      const all = async function* (): AsyncGenerator<string> {
        yield* pieces;
        yield* text;
      };
      const stream = Readable.from(all(), { highWaterMark: 2 });
      stream.once('close', () => {
        running--;
        gone.abort(new Error('the client has gone'));
      });
      return reply.send(stream);
    },
  );
}

/** `GET /api/v1/boxes/{id}/observations` and `/compare`: one property of one box over a span, as JSON pages or as a stream without end. */
import { Readable } from 'node:stream';
import { z } from 'zod';
import { datastreamId } from '../../model/datastream.ts';
import { property } from '../../model/properties.ts';
import { DAY, formatTime, MAX_CLOCK_AHEAD, SECOND } from '../../model/time.ts';
import { licence as licenceOf } from '../../registry/licences.ts';
import type { Thing } from '../../registry/registry.ts';
import type { App, Context } from '../context.ts';
import { aggregateCsv, CSV_AGGREGATE_HEADER, CSV_EDITION, CSV_HEADER, readingsCsv } from '../csv.ts';
import { observationOf, type Level } from '../observation.ts';
import { cursor, decodeCursor, encodeCursor, interval, level, propertyKey, thingId, endTime, time, timezone, type Step } from '../parameters.ts'; // prettier-ignore
import { Problem } from '../problem.ts';
import { editionOf, rowView } from '../rows.ts';
import { compareList, observationList, problemAnswers } from '../schemas.ts';
import { aggregates, paceOf, readings, type SeriesAggregate, type SeriesQuery } from '../series.ts';
import type { PropertyKey } from '../../model/properties.ts';
import { sliceColumns } from '../../store/columns.ts';
import type { ObservationColumns } from '../../store/store.ts';
import { thingAt } from './boxes.ts';

const MAX_PAGE = 10_000;
const USUAL_PAGE = 1000;
/** Lines of an export written without a pause: some milliseconds. */
const LINES = 6000;
/** A page that takes longer is given up [ms]. */
const PATIENCE = 30 * SECOND;

const percentiles = z
  .string()
  .max(60)
  .transform((text, ctx): readonly number[] => {
    const ps = text.split(',').map((v) => (/^\d{1,2}(\.\d)?$|^100$/.test(v.trim()) ? Number(v) : NaN));
    if (ps.length <= 10 && !ps.some(Number.isNaN)) return ps;
    ctx.issues.push({ code: 'custom', message: 'up to 10 numbers from 0 to 100, separated by commas', input: text });
    return z.NEVER;
  })
  .describe('With `interval`: percentiles of each interval, such as 5,50,95')
  .meta({ pattern: String.raw`^(?:\d{1,2}(?:\.\d)?|100)(?:,(?:\d{1,2}(?:\.\d)?|100)){0,9}$` });

const span = {
  property: propertyKey.default('pm25'),
  from: time.optional().describe('Inclusive; default 24 hours before `to`'),
  to: endTime.optional().describe('Exclusive; default now'),
  interval: interval.optional(),
  timezone: timezone.default('UTC'),
  cursor: cursor.optional(),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'a whole number from 1')
    .transform(Number)
    .optional()
    .describe(`Items of a JSON page, at most ${MAX_PAGE}, default ${USUAL_PAGE}; rows of csv and ndjson, default all`)
    .meta({ type: 'integer', minimum: 1, maximum: 999_999_999 }),
};
const query = z.strictObject({
  ...span,
  level: level.default('raw'),
  order: z.enum(['asc', 'desc']).default('asc').describe('By phenomenon time; aggregates are ascending'),
  format: z.enum(['json', 'csv', 'ndjson']).default('json'),
  percentiles: percentiles.optional(),
  edition: z
    .enum(['true', 'false'])
    .optional()
    .describe(
      'csv of readings: `true` adds the columns `product` and `revision` at the end; json and ndjson have them always',
    ),
});
type Query = z.output<typeof query>;

function spanOf(
  context: Context,
  q: { from?: number | undefined; to?: number | undefined },
): { from: number; to: number } {
  const to = q.to ?? context.clock() + MAX_CLOCK_AHEAD;
  const from = q.from ?? (q.to === undefined ? context.clock() : to) - DAY;
  if (from >= to) {
    throw new Problem('invalid-parameter', 'from must lie before to', {
      errors: [{ field: 'from', detail: `${formatTime(from)} is not before ${formatTime(to)}` }],
    });
  }
  return { from, to };
}

function markOf(text: string | undefined, length: number): readonly number[] | null {
  if (text === undefined) return null;
  const mark = decodeCursor(text);
  if (mark?.length !== length || !mark.every((m) => typeof m === 'number' && Math.abs(m) < 8.64e15)) {
    throw new Problem('invalid-cursor', 'Use `next` of the former page, with the same parameters');
  }
  return mark as readonly number[];
}

export function readingItem(
  context: Context,
  key: PropertyKey,
  lvl: Level,
  thing: Thing,
  rows: ObservationColumns,
  i: number,
  edition: ReturnType<typeof editionOf>,
) {
  const { phenomenonTime, ...rest } = observationOf(key, lvl, rowView(context, rows, i));
  return {
    phenomenonTime,
    localTime: context.localTime(rows.phenomenonTime[i] as number),
    ...rest,
    ...edition(thing.num, rows.phenomenonTime[i] as number, rows.resultTime[i] as number),
    licence: thing.licence || null,
  };
}

export function aggregateItem(context: Context, key: PropertyKey, lvl: Level, thing: Thing, r: SeriesAggregate) {
  return {
    phenomenonTime: formatTime(r.start),
    localTime: context.localTime(r.start),
    property: key,
    value: r.mean,
    unit: property(key).unit,
    level: lvl,
    flag: r.flag,
    reasons: [],
    lo90: r.lo90,
    hi90: r.hi90,
    model: null,
    correctionLevel: null,
    licence: thing.licence || null,
    phenomenonTimeEnd: formatTime(r.end),
    count: r.count,
    total: r.total,
    coverage: r.coverage,
    min: r.min,
    max: r.max,
    ...(r.percentiles ? { percentiles: r.percentiles } : {}),
  };
}

/** Returns how many exports are being written. */
export function observationRoutes(app: App, context: Context): () => number {
  const { store } = context;
  const maxExports = context.options.maxExports ?? 64;
  let exports = 0;

  async function page(thing: Thing, q: Query, signal: AbortSignal) {
    const limit = Math.min(q.limit ?? USUAL_PAGE, MAX_PAGE);
    const series: SeriesQuery = {
      ...spanOf(context, q),
      thingNum: thing.num,
      property: q.property,
      level: q.level,
      signal,
    };
    if (q.interval !== undefined) return aggregatePage(thing, q, q.interval, series, limit);
    const mark = markOf(q.cursor, 1);
    const datastream = datastreamId(thing.num, q.property);
    const after = mark ? { phenomenonTime: mark[0] as number, datastream } : undefined;
    const range = {
      datastreams: [datastream],
      from: series.from,
      to: series.to,
      order: q.order,
      ...(after ? { after } : {}),
    };
    // One more than wanted tells whether there is a next page.
    const rows = await store.range({ ...range, limit: limit + 1 }, signal);
    if (!context.models.knows(rows.model, rows.length)) await context.models.learn();
    const n = Math.min(limit, rows.length);
    const edition = editionOf(context);
    const items = Array.from({ length: n }, (_, i) =>
      readingItem(context, q.property, q.level, thing, rows, i, edition),
    );
    return { items, next: rows.length > limit ? encodeCursor([rows.phenomenonTime[n - 1] as number]) : null };
  }

  async function aggregatePage(thing: Thing, q: Query, step: Step, series: SeriesQuery, limit: number) {
    const mark = markOf(q.cursor, 2);
    const pace = mark ? (mark[1] as number) || null : await paceOf(store, series);
    const from = mark ? Math.max(mark[0] as number, series.from) : series.from;
    const items: ReturnType<typeof aggregateItem>[] = [];
    const options = {
      step,
      timezone: q.timezone,
      pace,
      percentiles: q.percentiles ?? [],
      bins: Math.min(5000, limit + 1),
    };
    for await (const rows of aggregates(store, { ...series, from }, options)) {
      for (const row of rows) {
        if (items.length === limit) return { items, next: encodeCursor([row.start, pace ?? 0]) };
        items.push(aggregateItem(context, q.property, q.level, thing, row));
      }
    }
    return { items, next: null };
  }

  /** Text pieces of an export; the first is asked for before the answer begins, so that a failing store is a 5xx and no torn file. */
  async function* lines(thing: Thing, q: Query, signal: AbortSignal): AsyncGenerator<string> {
    const csv = q.format === 'csv';
    let left = q.limit ?? Infinity;
    const series: SeriesQuery = {
      ...spanOf(context, q),
      thingNum: thing.num,
      property: q.property,
      level: q.level,
      signal,
    };
    if (q.interval !== undefined) {
      const pace = paceOf(store, series);
      // It is awaited when there are rows; a rejection before that is not unhandled.
      pace.catch(() => {});
      const write = aggregateCsv(q.property, q.level, thing.licence);
      let head = csv ? `${CSV_AGGREGATE_HEADER}\n` : '';
      const options = { step: q.interval, timezone: q.timezone, pace, percentiles: q.percentiles ?? [] };
      for await (const all of aggregates(store, series, options)) {
        const rows = all.length > left ? all.slice(0, left) : all;
        left -= rows.length;
        yield (
          head +
            (csv
              ? write(rows)
              : rows.map((r) => `${JSON.stringify(aggregateItem(context, q.property, q.level, thing, r))}\n`).join(''))
        );
        head = '';
        if (left === 0) return;
      }
      if (head) yield head;
      return;
    }
    const edition = editionOf(context);
    const named = q.edition === 'true';
    const write = readingsCsv(q.property, q.level, thing.licence, context.models, named ? (time, known) => edition(thing.num, time, known) : null); // prettier-ignore
    const after = markOf(q.cursor, 1)?.[0];
    let head = csv ? `${CSV_HEADER}${named ? CSV_EDITION : ''}\n` : '';
    for await (const all of readings(store, series, { order: q.order, after })) {
      if (!context.models.knows(all.model, all.length)) await context.models.learn();
      const wanted = Math.min(all.length, left);
      left -= wanted;
      for (let at = 0; at < wanted; at += LINES) {
        const rows = sliceColumns(all, at, Math.min(wanted, at + LINES));
        if (csv) {
          yield head + write(rows);
          head = '';
        } else {
          let out = '';
          for (let i = 0; i < rows.length; i++)
            out += `${JSON.stringify(readingItem(context, q.property, q.level, thing, rows, i, edition))}\n`;
          yield out;
        }
        // Acknowledgements and other answers have their turn.
        await new Promise(setImmediate);
      }
      if (left === 0) return;
    }
    if (head) yield head;
  }

  for (const path of ['boxes', 'stations'] as const) {
    const word = path === 'boxes' ? 'Box' : 'Station';
    app.get(
      `/api/v1/${path}/:id/observations`,
      {
        schema: {
          operationId: `get${word}Observations`,
          summary: 'Readings of one property, or their means over intervals',
          description:
            'JSON comes in pages (`next` → `cursor`); csv and ndjson stream everything without a cap. With `interval` each item has start and end, ' +
            '`count` values that took part, `coverage` and flag: 1 when at least 75 % of the readings took part, 3 when fewer, 9 when none did.',
          tags: ['observations'],
          params: z.object({ id: thingId }),
          querystring: query,
          response: {
            200: {
              description: 'Observations',
              content: {
                'application/json': { schema: observationList },
                'text/csv': { schema: z.string() },
                'application/x-ndjson': { schema: z.string() },
              },
            },
            ...problemAnswers,
          },
        },
      },
      async (request, reply) => {
        const thing = thingAt(context, request.params.id);
        const q = request.query;
        if (q.interval !== undefined && q.order === 'desc') {
          throw new Problem('invalid-parameter', 'order=desc is for readings; aggregates come in ascending order');
        }
        if (q.percentiles && q.interval === undefined)
          throw new Problem('invalid-parameter', 'percentiles need an interval');
        if (q.edition === 'true' && q.interval !== undefined)
          throw new Problem('invalid-parameter', 'edition goes with readings; a mean may be of several editions');
        if (q.interval !== undefined && q.format !== 'json' && q.cursor) {
          throw new Problem('invalid-parameter', 'csv and ndjson come whole: leave out cursor');
        }
        const known = licenceOf(thing.licence);
        if (known) reply.header('link', `<${known.url}>; rel="license"`);
        if (q.format === 'json') {
          const signal = AbortSignal.any([AbortSignal.timeout(PATIENCE), context.closing]);
          const answer = await page(thing, q, signal);
          if (answer.next) {
            const url = new URL(request.url, context.baseUrl(request));
            url.searchParams.set('cursor', answer.next);
            reply.header(
              'link',
              [...(known ? [`<${known.url}>; rel="license"`] : []), `<${url.href}>; rel="next"`].join(', '),
            );
          }
          return reply.type('application/json; charset=utf-8').send(JSON.stringify(answer));
        }
        if (request.method === 'HEAD') {
          spanOf(context, q);
          return reply.type(q.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson').send('');
        }
        if (exports >= maxExports) {
          throw new Problem('unavailable', 'Too many exports run at once', { headers: { 'retry-after': '10' } });
        }
        const gone = new AbortController();
        const text = lines(thing, q, AbortSignal.any([gone.signal, context.closing]));
        exports++;
        let first: IteratorResult<string>;
        try {
          first = await text.next();
        } catch (error) {
          exports--;
          throw error;
        }
        const all = async function* (): AsyncGenerator<string> {
          if (!first.done) yield first.value;
          yield* text;
        };
        const stream = Readable.from(all(), { highWaterMark: 2 });
        stream.once('close', () => {
          exports--;
          gone.abort(new Error('the client has gone'));
        });
        return reply
          .type(q.format === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/x-ndjson; charset=utf-8')
          .header('content-disposition', `inline; filename="${thing.id}-${q.property}-${q.level}.${q.format}"`)
          .header('cache-control', 'no-cache')
          .send(stream);
      },
    );

    app.get(
      `/api/v1/${path}/:id/compare`,
      {
        schema: {
          operationId: `compare${word}`,
          summary: 'Raw and corrected values side by side',
          tags: ['observations'],
          params: z.object({ id: thingId }),
          querystring: z.strictObject(span),
          response: { 200: compareList, ...problemAnswers },
        },
      },
      async (request) => {
        const thing = thingAt(context, request.params.id);
        const q: Query = { ...request.query, level: 'raw', order: 'asc', format: 'json', percentiles: undefined };
        const signal = AbortSignal.any([AbortSignal.timeout(PATIENCE), context.closing]);
        const raw = await page(thing, q, signal);
        const corrected = await page(thing, { ...q, level: 'corrected' }, signal);
        const byTime = new Map(corrected.items.map((c) => [c.phenomenonTime, c]));
        const items = raw.items.map((r) => {
          const c = byTime.get(r.phenomenonTime);
          const difference =
            r.value === null || (c?.value ?? null) === null
              ? null
              : Number(((c?.value as number) - r.value).toFixed(4));
          return {
            phenomenonTime: r.phenomenonTime,
            localTime: r.localTime,
            ...('phenomenonTimeEnd' in r ? { phenomenonTimeEnd: r.phenomenonTimeEnd } : {}),
            property: r.property,
            unit: r.unit,
            raw: r.value,
            corrected: c?.value ?? null,
            lo90: c?.lo90 ?? null,
            hi90: c?.hi90 ?? null,
            difference,
            flag: r.flag,
            reasons: r.reasons,
            model: c?.model ?? null,
            correctionLevel: c?.correctionLevel ?? null,
            ...('product' in r ? { product: r.product, revision: r.revision } : {}),
            licence: r.licence,
          };
        });
        return { items, next: raw.next };
      },
    );
  }
  return () => exports;
}

/** The changelog of values: what was run again, when, and what moved, per box and day. */
import { z } from 'zod';
import { isPropertyKey } from '../../model/properties.ts';
import { dayName } from '../../model/time.ts';
import type { App, Context } from '../context.ts';
import { cursor, decodeCursor, encodeCursor, limit, propertyKey, thingId } from '../parameters.ts';
import { Problem } from '../problem.ts';
import { revisionView } from '../revision-view.ts';
import { problemAnswers, rfc3339 } from '../schemas.ts';

const counts = {
  values: z.number().int().describe('Values that were run again'),
  moved: z
    .number()
    .int()
    .describe('of these with another corrected value, or one where there was none, or none where there was one'),
  lost: z.number().int().describe('that have no corrected value any more'),
  gained: z.number().int().describe('that had none before'),
  flags: z.number().int().describe('with another quality flag'),
  meanShift: z.number().describe("Mean of new − old, in the property's unit; of a whole revision: PM2.5"),
  maxShift: z.number().describe('Largest size of new − old'),
};
const revision = z.strictObject({
  number: z.number().int().min(1),
  product: z.enum(['revised', 'archive']),
  from: rfc3339,
  to: rfc3339.describe('Exclusive'),
  box: z.string().nullable().describe('null = all boxes'),
  issuedAt: rfc3339.describe('Values that arrived later are still the live ones'),
  code: z.string().describe('Version of quality control and correction'),
  learntFrom: rfc3339.describe('Start of the readings that models were fitted on'),
  ...counts,
  sha256: z.string().describe('Of everything written; the same data run again gives the same'),
});
const change = z.strictObject({ box: z.string(), property: propertyKey, day: z.string(), ...counts });

export function revisionRoutes(app: App, context: Context): void {
  const { revisions } = context.options;
  const found = (number: number) => {
    const entry = revisions?.list().find((r) => r.number === number);
    if (!entry) throw new Problem('not-found', 'No revision has this number; /api/v1/revisions lists them');
    return entry;
  };
  const number = z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'a whole number from 1')
    .transform(Number);

  app.get(
    '/api/v1/revisions',
    {
      schema: {
        operationId: 'listRevisions',
        summary: 'Runs of quality control and correction over history, newest first',
        tags: ['records'],
        querystring: z.strictObject({ limit: limit(1000, 100), cursor: cursor.optional(), box: thingId.optional() }),
        response: {
          200: z.strictObject({ items: z.array(revision), next: z.string().nullable() }),
          ...problemAnswers,
        },
      },
    },
    async (request) => {
      const q = request.query;
      const mark = q.cursor === undefined ? [Infinity] : decodeCursor(q.cursor);
      const before = mark?.[0];
      if (typeof before !== 'number') throw new Problem('invalid-cursor', 'Use `next` of the former page');
      const all = (revisions?.list() ?? []).filter(
        (r) => r.number < before && (q.box === undefined || r.box === '' || r.box === q.box),
      );
      const items = all.slice(-q.limit).reverse().map(revisionView);
      return { items, next: all.length > q.limit ? encodeCursor([items.at(-1)?.number as number]) : null };
    },
  );
  app.get(
    '/api/v1/revisions/:number',
    {
      schema: {
        operationId: 'getRevision',
        summary: 'One revision of values',
        tags: ['records'],
        params: z.object({ number }),
        response: { 200: revision, ...problemAnswers },
      },
    },
    async (request) => revisionView(found(request.params.number)),
  );
  app.get(
    '/api/v1/revisions/:number/changes',
    {
      schema: {
        operationId: 'listRevisionChanges',
        summary: 'What a revision moved, per box, property and UTC day; days on which nothing moved are left out',
        tags: ['records'],
        params: z.object({ number }),
        querystring: z.strictObject({
          limit: limit(10_000, 1000),
          cursor: cursor.optional(),
          box: thingId.optional(),
          property: propertyKey.optional(),
        }),
        response: { 200: z.strictObject({ items: z.array(change), next: z.string().nullable() }), ...problemAnswers },
      },
    },
    async (request) => {
      const entry = found(request.params.number);
      const q = request.query;
      const mark = q.cursor === undefined ? [0] : decodeCursor(q.cursor);
      const start = mark?.[0];
      if (typeof start !== 'number') throw new Problem('invalid-cursor', 'Use `next` of the former page');
      const num = q.box === undefined ? undefined : context.registry.get(q.box)?.num;
      if (q.box !== undefined && num === undefined) throw new Problem('not-found', 'No box or station has this id');
      const all = (revisions?.changes(entry.number) ?? []).filter(
        (c) =>
          (num === undefined || c.thingNum === num) &&
          (q.property === undefined || c.property === q.property) &&
          isPropertyKey(c.property) &&
          context.registry.byNum(c.thingNum) !== null,
      );
      const items = all.slice(start, start + q.limit).map(({ thingNum, property: key, day, ...rest }) => ({
        box: context.registry.byNum(thingNum)?.id ?? '',
        property: key as z.output<typeof propertyKey>,
        day: dayName(day),
        ...rest,
      }));
      return { items, next: start + q.limit < all.length ? encodeCursor([start + q.limit]) : null };
    },
  );
}

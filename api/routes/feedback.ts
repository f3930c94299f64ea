/** "This value looks wrong", "this box hangs in a kitchen": anybody may say so; the owner and the operator read and answer it. */
import { z } from 'zod';
import { formatTime } from '../../model/time.ts';
import { FEEDBACK_KINDS, type Feedback } from '../../registry/care.ts';
import type { App, Context } from '../context.ts';
import { boolean, cursor, decodeCursor, encodeCursor, limit, thingId } from '../parameters.ts';
import { Problem } from '../problem.ts';
import { answerList, feedbackList, problemAnswers } from '../schemas.ts';
import { thingAt } from './boxes.ts';
import { fieldProblem } from './owned.ts';

const paged = { limit: limit(200, 50), cursor: cursor.optional(), open: boolean.optional() };
const view = (f: Feedback) => ({
  id: f.id,
  box: f.thing,
  time: formatTime(f.time),
  kind: f.kind,
  text: f.text,
  answer: f.answer,
  answeredAt: f.answeredAt === null ? null : formatTime(f.answeredAt),
});

export function feedbackRoutes(app: App, context: Context): void {
  const { care } = context.registry;
  const page = (q: { limit: number; cursor?: string | undefined; open?: boolean | undefined }, id?: string) => {
    const mark = q.cursor === undefined ? [] : decodeCursor(q.cursor);
    const before = mark?.[0];
    if (!mark || (before !== undefined && typeof before !== 'number')) {
      throw new Problem('invalid-cursor', 'Use `next` of the former page');
    }
    const found = care.feedback({
      limit: q.limit + 1,
      ...(id === undefined ? {} : { id }),
      ...(before === undefined ? {} : { before }),
      ...(q.open === undefined ? {} : { open: q.open }),
    });
    const items = found.slice(0, q.limit).map(view);
    return { items, next: found.length > q.limit ? encodeCursor([items.at(-1)?.id as number]) : null };
  };

  app.post(
    '/api/v1/boxes/:id/feedback',
    {
      bodyLimit: 8192,
      config: { budget: 'feedback' },
      schema: {
        operationId: 'reportBox',
        summary: 'Say that something is wrong with a box; no account, nothing about you is kept',
        tags: ['boxes'],
        params: z.object({ id: thingId }),
        body: z.strictObject({
          kind: z.enum(FEEDBACK_KINDS),
          text: z
            .string()
            .trim()
            .max(500)
            .default('')
            .meta({ pattern: String.raw`^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]*$` }),
        }),
        response: { 202: z.strictObject({ accepted: z.literal(true) }), ...problemAnswers },
      },
    },
    async (request, reply) => {
      const thing = thingAt(context, request.params.id);
      if (thing.retired) throw new Problem('forbidden', 'This box is retired; nobody looks after it any more');
      try {
        care.addFeedback(thing.id, request.body.kind, request.body.text, context.clock());
      } catch (error) {
        fieldProblem(error);
      }
      return reply.code(202).header('cache-control', 'no-store').send({ accepted: true });
    },
  );

  app.get(
    '/api/v1/boxes/:id/feedback',
    {
      schema: {
        operationId: 'listBoxFeedback',
        summary: 'What people reported about the box, newest first; for its owner or an admin',
        tags: ['owner'],
        security: [{ bearer: [] }],
        params: z.object({ id: thingId }),
        querystring: z.strictObject(paged),
        response: { 200: feedbackList, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const thing = thingAt(context, request.params.id);
      context.gatekeeper.owner(request, thing.id);
      reply.header('cache-control', 'no-store');
      return page(request.query, thing.id);
    },
  );

  app.get(
    '/api/v1/boxes/:id/answers',
    {
      schema: {
        operationId: 'listAnswers',
        summary: 'What the owner answered to reports about the box, newest first; the reports themselves are not shown',
        tags: ['boxes'],
        params: z.object({ id: thingId }),
        response: { 200: answerList, ...problemAnswers },
      },
    },
    async (request) => {
      const thing = thingAt(context, request.params.id);
      const answered = care.feedback({ limit: 50, id: thing.id, open: false }).filter((f) => f.answer !== '');
      return {
        items: answered.map((f) => ({
          kind: f.kind,
          answer: f.answer,
          answeredAt: formatTime(f.answeredAt as number),
        })),
        next: null,
      };
    },
  );

  app.patch(
    '/api/v1/boxes/:id/feedback/:entry',
    {
      schema: {
        operationId: 'answerFeedback',
        summary: 'Answer a report (an empty answer: seen)',
        tags: ['owner'],
        security: [{ bearer: [] }],
        params: z.object({ id: thingId, entry: z.coerce.number().int().min(1) }),
        body: z.strictObject({ answer: z.string().trim().max(500) }),
        response: { 204: z.undefined(), ...problemAnswers },
      },
    },
    async (request, reply) => {
      const thing = thingAt(context, request.params.id);
      context.gatekeeper.owner(request, thing.id);
      if (!care.answerFeedback(thing.id, request.params.entry, request.body.answer, context.clock())) {
        throw new Problem('not-found', 'This box has no such report');
      }
      return reply.code(204).send();
    },
  );

  app.get(
    '/api/v1/feedback',
    {
      schema: {
        operationId: 'listFeedback',
        summary: 'What people reported about all boxes, newest first; for admins',
        tags: ['records'],
        security: [{ bearer: [] }],
        querystring: z.strictObject(paged),
        response: { 200: feedbackList, ...problemAnswers },
      },
    },
    async (request, reply) => {
      context.gatekeeper.admin(request);
      reply.header('cache-control', 'no-store');
      return page(request.query);
    },
  );
}

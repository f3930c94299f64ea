/** `GET /api/v1/stream`: Server-Sent Events, one feature of `latest` per new value. */
import { z } from 'zod';
import type { App, Context } from '../context.ts';
import { parseEventId, type LiveStream } from '../live.ts';
import { bbox, level, propertyKeys } from '../parameters.ts';
import { Problem } from '../problem.ts';
import { problemAnswers } from '../schemas.ts';
import { isThingId } from '../../registry/thing.ts';

const MAX_BOXES = 100;

const query = z.strictObject({
  bbox: bbox.optional(),
  property: propertyKeys.optional(),
  box: z
    .string()
    .max(41 * MAX_BOXES)
    .transform((text, ctx) => {
      const ids = text.split(',').map((id) => id.trim());
      if (ids.length <= MAX_BOXES && ids.every(isThingId)) return ids;
      ctx.issues.push({ code: 'custom', message: `up to ${MAX_BOXES} box ids, separated by commas`, input: text });
      return z.NEVER;
    })
    .optional()
    .describe('Ids of boxes or stations, separated by commas'),
  level: level.default('raw'),
  lastEventId: z.string().max(60).optional().describe('As the header Last-Event-ID, for clients that cannot set it'),
});

export function streamRoutes(app: App, context: Context, live: LiveStream): void {
  const maxStreams = context.options.maxStreams ?? 1000;
  app.get(
    '/api/v1/stream',
    {
      compress: false,
      schema: {
        operationId: 'stream',
        summary: 'New values as they come in (Server-Sent Events)',
        description:
          '`event: observation`, `data:` a feature as in latest.geojson. Resumes after `Last-Event-ID`; `event: gap` says that rows between were ' +
          'no longer kept and the newest of each datastream follows; `event: presence` (for boxes asked for by id) that something else came ' +
          'from the box, or that it went online or offline. A comment every 15 s keeps the connection open.',
        tags: ['live'],
        querystring: query,
        response: {
          200: { description: 'Events', content: { 'text/event-stream': { schema: z.string() } } },
          ...problemAnswers,
        },
      },
    },
    async (request, reply) => {
      const q = request.query;
      const header = request.headers['last-event-id'];
      const lastId = q.lastEventId ?? (typeof header === 'string' && header !== '' ? header : undefined);
      if (q.lastEventId !== undefined && !parseEventId(q.lastEventId)) {
        throw new Problem('invalid-parameter', 'lastEventId: not an id of this stream', {
          errors: [{ field: 'lastEventId', detail: 'not an id of this stream' }],
        });
      }
      reply.headers({
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        // Proxies such as nginx would hold events back to fill a buffer.
        'x-accel-buffering': 'no',
      });
      if (request.method === 'HEAD') return reply.send('');
      if (live.clients >= maxStreams) {
        throw new Problem('unavailable', 'All places on the stream are taken', { headers: { 'retry-after': '30' } });
      }
      if (context.models.name(1) === '') await context.models.learn();
      reply.hijack();
      const raw = reply.raw;
      raw.writeHead(200, reply.getHeaders() as Record<string, string>);
      raw.flushHeaders();
      request.raw.socket.setTimeout(0);
      request.raw.socket.setNoDelay(true);
      await live.join(
        raw,
        {
          properties: q.property ? new Set(q.property) : null,
          things: q.box ? new Set(q.box.flatMap((id) => context.registry.get(id)?.num ?? [])) : null,
          bbox: q.bbox ?? null,
          level: q.level,
        },
        lastId ?? null,
      );
      return reply;
    },
  );
}

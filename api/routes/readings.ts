/** `POST /api/v1/boxes/{id}/readings`: our JSON over HTTP, answered after it is safe on disk; and `POST /api/v1/boxes`: register. */
import { z } from 'zod';
import { isPropertyKey } from '../../model/properties.ts';
import { LICENCES } from '../../registry/licences.ts';
import { sensorIdProperties } from '../../registry/sensor-ids.ts';
import type { App, Context } from '../context.ts';
import { propertyKey, thingId } from '../parameters.ts';
import { Problem, type FieldError } from '../problem.ts';
import { problemAnswers, registered, readingsAccepted } from '../schemas.ts';
import { thingView } from '../thing-view.ts';
import { thingAt } from './boxes.ts';
import { fieldProblem } from './owned.ts';

/** A day of one reading a minute and more; larger buffers come in several calls. */
const MAX_READINGS = 5000;
const MAX_BYTES = 2 * 1024 * 1024;

/** How many readings the text holds. @throws Problem when nothing of it could ever become an observation */
function count(text: string): number {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Problem('invalid-body', `The body is not JSON: ${(error as Error).message.slice(0, 120)}`);
  }
  const list = Array.isArray(json) ? json : [json];
  if (list.length === 0) throw new Problem('invalid-body', 'The array holds no readings');
  if (list.length > MAX_READINGS) throw new Problem('too-large', `At most ${MAX_READINGS} readings in one call`);
  const errors: FieldError[] = [];
  for (const [i, item] of list.entries()) {
    const at = Array.isArray(json) ? `[${i}]` : 'body';
    if (typeof item !== 'object' || item === null || Array.isArray(item)) {
      errors.push({ field: at, detail: 'must be an object such as {"t":"2026-11-21T08:00:00Z","pm25":12.3}' });
    } else if (!Object.keys(item).some(isPropertyKey)) {
      errors.push({ field: at, detail: 'names no property that is known, such as pm25 or temperature' });
    }
    if (errors.length >= 10) break;
  }
  // A batch is journalled whole; single bad items in it become rejects that the owner can see.
  if (errors.length > 0 && (errors.length === list.length || errors.length >= 10)) {
    throw new Problem('invalid-body', errors.map((e) => `${e.field} ${e.detail}`).join('; '), { errors });
  }
  return list.length;
}

const offered = LICENCES.filter((l) => l.offered).map((l) => l.id) as [string, ...string[]];

export const registration = z.strictObject({
  name: z.string().trim().min(1).max(120),
  lat: z.number().min(-90).max(90).optional(),
  lon: z.number().min(-180).max(180).optional(),
  height: z.number().min(-500).max(10_000).nullish().describe('Metres above the ground'),
  placePrecision: z
    .enum(['exact', 'grid'])
    .default('exact')
    .describe('grid: only the centre of a 500 m cell is ever shown'),
  exposure: z.enum(['outdoor', 'indoor', 'mobile', 'unknown']).default('unknown'),
  sensors: z.array(z.string().max(40)).max(20).default([]),
  field: z.enum(['cf1', 'atm', '']).default('').describe('Plantower: which output is sent'),
  format: z.string().max(40).default('json').describe('Payload format the box speaks'),
  project: z.string().max(80).default(''),
  licence: z.enum(offered).default('CC-BY-4.0'),
  attribution: z.string().max(400).default(''),
  lampPost: z.string().trim().max(60).default('').describe('Number of the lamp post; not shown of a grid box'),
  side: z.string().trim().max(60).default('').describe('Side of the house it hangs on; not shown of a grid box'),
  sensorIds: z
    .record(z.string().regex(/^[0-9a-f]{24}$/i, 'an id has 24 hexadecimal digits'), propertyKey)
    .refine((ids) => Object.keys(ids).length <= 30, 'at most 30 sensors')
    .optional()
    .describe('openSenseMap: what the ids of its sensors stand for, such as {"5a8c1ba8bc2d41001927a265":"pm25"}'),
  batch: z.string().trim().max(60).default('').describe('Batch or serial range of the sensor, as printed on it'),
});

/** The members of a registration that a Thing keeps among its properties. */
export const FACTS = ['lampPost', 'side', 'batch'] as const;
export const factsOf = (given: { readonly [K in (typeof FACTS)[number]]?: string | undefined }): Record<
  string,
  string
> => Object.fromEntries(FACTS.flatMap((key) => (given[key] ? [[key, given[key]]] : [])));

export function writeRoutes(app: App, context: Context): void {
  // In a scope of its own: the journal gets the bytes as they came, whatever type a small client claims for them.
  void app.register(async (scope: App) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BYTES }, (_request, body, done) => {
      done(null, body);
    });
    scope.post(
      '/api/v1/boxes/:id/readings',
      {
        bodyLimit: MAX_BYTES,
        config: { budget: 'read' },
        schema: {
          operationId: 'postReadings',
          summary: 'Send readings with the key of the box; 202 once they are on disk',
          description:
            'One reading `{"t":"2026-11-21T08:00:00Z","pm25":12.3,"temperature":24.1}` or an array of them; `t` may be absent. ' +
            'A repetition of a reading with its own `t` counts once, so give it one and send again whenever no 202 came back.',
          tags: ['writing'],
          security: [{ bearer: [] }],
          params: z.object({ id: thingId }),
          response: { 202: readingsAccepted, ...problemAnswers },
        },
      },
      async (request, reply) => {
        const thing = thingAt(context, request.params.id);
        context.gatekeeper.mayWrite(request, thing.id);
        if (thing.retired)
          throw new Problem('forbidden', 'This box is retired; its history stays, new readings are not taken');
        if (thing.paused) throw new Problem('forbidden', 'This box is paused by its owner; resume it on its page');
        const body = request.body;
        if (!Buffer.isBuffer(body) || body.length === 0) throw new Problem('invalid-body', 'The body is empty');
        const text = body.toString('utf8');
        const readings = count(text);
        const topic = `boxes/${thing.id}/json${text.trimStart().startsWith('[') ? '/batch' : ''}`;
        try {
          await context.options.accept({
            receivedAt: context.clock(),
            via: 'http',
            topic,
            sender: thing.id,
            client: '',
            packetId: 0,
            payload: body,
          });
        } catch (error) {
          context.logger.error({ requestId: request.id, error: String(error) }, 'journal refused a packet');
          throw new Problem('unavailable', 'The readings could not be put on disk; send them again', {
            headers: { 'retry-after': '10' },
          });
        }
        return reply.code(202).header('cache-control', 'no-store').send({ accepted: readings });
      },
    );
  });

  app.post(
    '/api/v1/boxes',
    {
      bodyLimit: 64 * 1024,
      config: { budget: 'register' },
      schema: {
        operationId: 'registerBox',
        summary: 'Register a box: its id, its key (shown once) and the link for its owner',
        tags: ['writing'],
        body: registration,
        response: { 201: registered, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const base = context.baseUrl(request);
      try {
        const { lat, lon, height, lampPost, side, batch, sensorIds, ...rest } = request.body;
        const made = context.registry.add(
          { ...rest, kind: 'box', claimed: true, lat: lat ?? null, lon: lon ?? null, height: height ?? null, properties: { ...factsOf({ lampPost, side, batch }), ...sensorIdProperties(sensorIds ?? {}) } }, // prettier-ignore
          context.clock(),
        );
        const { id } = made.thing;
        return await reply
          .code(201)
          .header('location', `/api/v1/boxes/${id}`)
          .header('cache-control', 'no-store')
          .send({
            ...thingView(context, made.thing),
            key: made.key,
            ownerToken: made.ownerToken,
            // Behind #: browsers send it to nobody, and no log sees it.
            ownerUrl: `${base}/boxes/${id}#owner=${made.ownerToken}`,
            mqtt: { topic: `boxes/${id}/json`, username: id },
            readingsUrl: `${base}/api/v1/boxes/${id}/readings`,
          });
      } catch (error) {
        fieldProblem(error);
      }
    },
  );
}

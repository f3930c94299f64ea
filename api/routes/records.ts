/** What stands behind the values: models, licences, properties, reasons, events, and what could not be decoded. */
import { z } from 'zod';
import { REASONS } from '../../model/flags.ts';
import { PROPERTIES } from '../../model/properties.ts';
import { formatTime } from '../../model/time.ts';
import { LICENCES, licence } from '../../registry/licences.ts';
import type { App, Context } from '../context.ts';
import { isAdmin } from '../gatekeeper.ts';
import { cursor, decodeCursor, encodeCursor, limit, thingId } from '../parameters.ts';
import { Problem } from '../problem.ts';
import {
  eventList,
  licenceInfo,
  licenceList,
  modelInfo,
  modelList,
  problemAnswers,
  propertyList,
  rejectList,
} from '../schemas.ts';

/** Changes between models told with the list. */
const TURNS = 100;
const paged = { limit: limit(1000, 100), cursor: cursor.optional() };

function before(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const mark = decodeCursor(text);
  if (mark?.length !== 1 || typeof mark[0] !== 'number')
    throw new Problem('invalid-cursor', 'Use `next` of the former page');
  return mark[0];
}

export function recordRoutes(app: App, context: Context): void {
  app.get(
    '/api/v1/licences',
    {
      schema: {
        operationId: 'listLicences',
        summary: 'Licences boxes may carry',
        tags: ['records'],
        response: { 200: licenceList, ...problemAnswers },
      },
    },
    async () => ({ items: LICENCES, next: null }),
  );
  app.get(
    '/api/v1/licences/:id',
    {
      schema: {
        operationId: 'getLicence',
        summary: 'One licence',
        tags: ['records'],
        params: z.object({ id: z.string().max(200) }),
        response: { 200: licenceInfo, ...problemAnswers },
      },
    },
    async (request) => {
      const found = licence(request.params.id);
      if (!found) throw new Problem('not-found', 'No licence has this id; /api/v1/licences lists them');
      return found;
    },
  );
  app.get(
    '/api/v1/properties',
    {
      schema: {
        operationId: 'listProperties',
        summary: 'Observed properties with units, ranges and their sources',
        tags: ['records'],
        response: { 200: propertyList, ...problemAnswers },
      },
    },
    async () => ({
      items: PROPERTIES.map(({ key, name, unit, unitLabel, resolution, plausible, gross, source }) => ({ key, name, unit, unitLabel, resolution, plausible, gross, source })), // prettier-ignore
      next: null,
    }),
  );
  app.get(
    '/api/v1/reasons',
    {
      schema: {
        operationId: 'listReasons',
        summary: 'Reasons a value may carry, in words',
        tags: ['records'],
        response: {
          200: z.strictObject({
            items: z.array(z.strictObject({ code: z.string(), zh: z.string(), en: z.string() })),
            next: z.null(),
          }),
          ...problemAnswers,
        },
      },
    },
    async () => ({ items: REASONS.map(({ code, zh, en }) => ({ code, zh, en })), next: null }),
  );

  const inForce = () => context.options.modelsInForce?.() ?? [];
  const card = async (id: string) => ({ ...(await context.options.modelCard?.(id)), id });
  app.get(
    '/api/v1/models',
    {
      schema: {
        operationId: 'listModels',
        summary: 'Correction models that values name',
        tags: ['records'],
        response: { 200: modelList, ...problemAnswers },
      },
    },
    async () => ({
      items: (await context.models.all()).map((id) => ({ id, url: `/api/v1/models/${encodeURIComponent(id)}` })),
      inForce: inForce().map(
        ({ subject, model, since, held, putBack, shadow, shadowSince, shadowPairs, force, other }) => ({
          subject,
          model,
          since: formatTime(since),
          held,
          putBack,
          shadow,
          shadowSince: shadowSince === null ? null : formatTime(shadowSince),
          shadowPairs,
          error: force,
          shadowError: other,
        }),
      ),
      turns: (context.options.modelTurns?.(TURNS) ?? []).map(({ time, force, other, ...turn }) => ({
        ...turn,
        time: formatTime(time),
        error: force,
        otherError: other,
      })),
      next: null,
    }),
  );
  app.get(
    '/api/v1/models/:id',
    {
      schema: {
        operationId: 'getModel',
        summary: 'The card of one correction model',
        tags: ['records'],
        params: z.object({ id: z.string().max(200) }),
        response: { 200: modelInfo, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const found = await card(id);
      // One in the shadow is named by no value yet, and has a card all the same.
      if (Object.keys(found).length === 1 && !(await context.models.all()).includes(id))
        throw new Problem('not-found', 'No value names a model with this id');
      reply.header('cache-control', 'public, max-age=300');
      const [answers, shadows] = [inForce().find((p) => p.model === id), inForce().find((p) => p.shadow === id)];
      const since = answers?.since ?? shadows?.shadowSince ?? null;
      return {
        ...found,
        use: answers ? 'in force' : shadows ? 'shadow' : 'none',
        useSince: since === null ? null : formatTime(since),
      };
    },
  );

  app.get(
    '/api/v1/events',
    {
      schema: {
        operationId: 'listEvents',
        summary: 'What happened to boxes and models, newest first',
        tags: ['records'],
        querystring: z.strictObject({ ...paged, box: thingId.optional(), kind: z.string().max(40).optional() }),
        response: { 200: eventList, ...problemAnswers },
      },
    },
    async (request) => {
      const q = request.query;
      const mark = before(q.cursor);
      const events = context.registry.events({
        limit: q.limit + 1,
        ...(mark === undefined ? {} : { before: mark }),
        ...(q.box === undefined ? {} : { thing: q.box }),
        ...(q.kind === undefined ? {} : { kind: q.kind }),
      });
      const items = events.slice(0, q.limit).map(({ id, time, kind, thing, property, detail }) => ({ id, time: formatTime(time), localTime: context.localTime(time), kind, thing, property, detail })); // prettier-ignore
      return { items, next: events.length > q.limit ? encodeCursor([items.at(-1)?.id as number]) : null };
    },
  );

  app.get(
    '/api/v1/rejects',
    {
      schema: {
        operationId: 'listRejects',
        summary: "Packets and values that were not taken, with the reason; for the box's owner or an admin",
        tags: ['records'],
        security: [{ bearer: [] }],
        querystring: z.strictObject({ ...paged, box: thingId.optional() }),
        response: { 200: rejectList, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const q = request.query;
      const principal = context.gatekeeper.required(request, "Rejects are shown to the box's owner or an admin.");
      let box = q.box;
      if (!isAdmin(principal)) {
        if (principal.kind === 'token')
          throw new Problem('forbidden', 'This call needs an owner token or an admin token');
        if (box !== undefined && box !== principal.id)
          throw new Problem('forbidden', 'The key or token given belongs to another box');
        box = principal.id;
      }
      const thing = box === undefined ? null : context.registry.get(box);
      if (box !== undefined && !thing) throw new Problem('not-found', 'No box or station has this id');
      const mark = before(q.cursor);
      const rows = await context.store.rejects({
        limit: q.limit + 1,
        ...(thing ? { thing: thing.id, thingNum: thing.num } : {}),
        ...(mark === undefined ? {} : { before: mark }),
      });
      reply.header('cache-control', 'no-store');
      const items = rows.slice(0, q.limit).map((r) => ({
        id: r.id,
        receivedAt: formatTime(r.receivedAt),
        via: r.via,
        topic: r.topic,
        thing: r.thing || (r.thingNum ? context.registry.byNum(r.thingNum)?.id : null) || null,
        code: r.code,
        detail: r.detail,
        ...payloadText(r.payload),
      }));
      return { items, next: rows.length > q.limit ? encodeCursor([items.at(-1)?.id as number]) : null };
    },
  );
}

const strict = new TextDecoder('utf-8', { fatal: true });
function payloadText(bytes: Uint8Array): { payload: string; payloadEncoding: 'utf-8' | 'base64' } {
  try {
    return { payload: strict.decode(bytes), payloadEncoding: 'utf-8' };
  } catch {
    return { payload: Buffer.from(bytes).toString('base64'), payloadEncoding: 'base64' };
  }
}

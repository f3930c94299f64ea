/** What else an owner does: alerts, handing the box over, pausing, forgetting. Each call needs the token behind the owner link. */
import { z } from 'zod';
import { formatTime, HOUR } from '../../model/time.ts';
import { ALERT_KINDS, checkContact } from '../../registry/care.ts';
import type { App, Context } from '../context.ts';
import { Problem } from '../problem.ts';
import { contact, handover, newSecret, problemAnswers, thingDetail } from '../schemas.ts';
import { thingDetailView } from '../thing-view.ts';
import { thingAt } from './boxes.ts';
import { boxParams, fieldProblem, ownedThing, ownerCall } from './owned.ts';

const secret = z.string().regex(/^[a-z2-7]{32}$/, 'is no such code: copy the whole link');
const contactChange = z.strictObject({
  webhook: z.string().trim().max(500).default(''),
  email: z.string().trim().max(200).default(''),
  kinds: z
    .array(z.enum(ALERT_KINDS))
    .max(3)
    .default([...ALERT_KINDS]),
  lang: z.enum(['zh-TW', 'en']).default('zh-TW'),
});

export function careRoutes(app: App, context: Context): void {
  const { care } = context.registry;
  const mail = context.options.confirmEmail;
  const none = { webhook: '', email: '', confirmed: false, kinds: [...ALERT_KINDS], lang: 'zh-TW' as const };

  app.get(
    '/api/v1/boxes/:id/alerts',
    {
      schema: ownerCall('getAlerts', 'Where the alerts of the box go', { 200: contact }),
    },
    async (request, reply) => {
      const thing = ownedThing(context, request);
      reply.header('cache-control', 'no-store');
      return { ...(care.contact(thing.id) ?? none), mail: mail !== undefined };
    },
  );

  app.put(
    '/api/v1/boxes/:id/alerts',
    {
      config: { budget: 'register' },
      schema: ownerCall(
        'setAlerts',
        'Where alerts go: a webhook, an e-mail address (asked first), or nowhere',
        { 200: contact },
        { body: contactChange },
      ),
    },
    async (request, reply) => {
      const thing = ownedThing(context, request);
      const { body } = request;
      try {
        checkContact(body);
      } catch (error) {
        fieldProblem(error);
      }
      if (body.email !== '' && !mail) {
        const detail = 'This server cannot send mail; use a webhook, or ask its operator to set LAMPPOST_SMTP_HOST';
        throw new Problem('invalid-body', detail, { errors: [{ field: 'email', detail }] });
      }
      const token = care.setContact(thing.id, body, context.clock());
      if (token !== null && mail) {
        try {
          await mail({
            to: body.email,
            box: thing.name || thing.id,
            url: `${context.baseUrl(request)}/boxes/${thing.id}#confirm=${token}`,
            lang: body.lang,
          });
        } catch (error) {
          // Not the error itself: it may name the address.
          context.logger.warn({ box: thing.id, code: (error as { code?: string }).code ?? '' }, 'a mail was not sent');
          const detail = 'The confirmation mail could not be sent to this address; the webhook is saved';
          throw new Problem('unavailable', detail, { errors: [{ field: 'email', detail }] });
        }
      }
      reply.header('cache-control', 'no-store');
      return { ...(care.contact(thing.id) ?? none), mail: mail !== undefined };
    },
  );

  app.post(
    '/api/v1/boxes/:id/alerts/confirm',
    {
      config: { budget: 'register' },
      schema: {
        operationId: 'confirmAlerts',
        summary: 'Says yes to the alerts of a box, with the code out of the mail',
        tags: ['owner'],
        params: boxParams,
        body: z.strictObject({ code: secret }),
        response: { 204: z.undefined(), ...problemAnswers },
      },
    },
    async (request, reply) => {
      const thing = thingAt(context, request.params.id);
      context.gatekeeper.guesses.check(request.ip);
      if (!care.confirmEmail(thing.id, request.body.code)) {
        context.gatekeeper.guesses.wrong(request.ip);
        throw new Problem('forbidden', 'This code is not valid, or was used already');
      }
      return reply.code(204).send();
    },
  );

  app.post(
    '/api/v1/boxes/:id/handover',
    {
      config: { budget: 'register' },
      schema: ownerCall(
        'offerHandover',
        'A link that makes whoever opens it the owner, once; an earlier one ends',
        { 201: handover },
        { body: z.strictObject({ hours: z.int().min(1).max(336).default(72) }) },
      ),
    },
    async (request, reply) => {
      const thing = ownedThing(context, request);
      const now = context.clock();
      const expires = now + request.body.hours * HOUR;
      const token = care.addHandover(thing.id, now, expires);
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({
          handoverUrl: `${context.baseUrl(request)}/boxes/${thing.id}#handover=${token}`,
          expires: formatTime(expires),
        });
    },
  );

  app.post(
    '/api/v1/boxes/:id/handover/accept',
    {
      config: { budget: 'register' },
      schema: {
        operationId: 'acceptHandover',
        summary: 'Become the owner with the code of a hand-over link; the former owner link and addresses end',
        tags: ['owner'],
        params: boxParams,
        body: z.strictObject({ code: secret }),
        response: { 200: newSecret, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const thing = thingAt(context, request.params.id);
      context.gatekeeper.guesses.check(request.ip);
      const ownerToken = care.takeHandover(thing.id, request.body.code, context.clock());
      if (ownerToken === null) {
        context.gatekeeper.guesses.wrong(request.ip);
        // The same words for wrong, used and expired: the answer must not tell which links once were right.
        throw new Problem('forbidden', 'This hand-over link is not valid: it was used, has expired, or was replaced');
      }
      reply.header('cache-control', 'no-store');
      return { ownerToken, ownerUrl: `${context.baseUrl(request)}/boxes/${thing.id}#owner=${ownerToken}` };
    },
  );

  app.put(
    '/api/v1/boxes/:id/paused',
    {
      schema: ownerCall(
        'pauseBox',
        'Pause the box (it may send nothing) or resume it',
        { 200: thingDetail },
        { body: z.strictObject({ paused: z.boolean() }) },
      ),
    },
    async (request, reply) => {
      const thing = care.pause(ownedThing(context, request).id, request.body.paused, context.clock());
      if (thing.paused) context.options.onKeyEnded?.(thing.id);
      reply.header('cache-control', 'no-store');
      return thingDetailView(context, thing);
    },
  );

  app.delete(
    '/api/v1/boxes/:id/personal',
    {
      schema: ownerCall(
        'forgetOwner',
        'Retire the box and delete what says whose it is: name, addresses, keys, exact places, reports',
        { 204: z.undefined() },
      ),
    },
    async (request, reply) => {
      const { id } = ownedThing(context, request);
      care.forget(id, context.clock());
      context.options.onKeyEnded?.(id);
      return reply.code(204).send();
    },
  );
}

/** An unclaimed box gets an owner: by a code that it sends (`registry/claims.ts`), or by its key in its own network. */
import { z } from 'zod';
import { formatTime } from '../../model/time.ts';
import { PROOF_SPAN, type Claim } from '../../registry/claims.ts';
import type { App, Context } from '../context.ts';
import { Problem } from '../problem.ts';
import { claimOpened, claimState, newSecret, problemAnswers } from '../schemas.ts';
import { thingAt } from './boxes.ts';
import { boxParams, fieldProblem } from './owned.ts';

const view = (c: Claim) => ({
  code: c.code,
  expires: formatTime(c.expires),
  heard: c.heard,
  since: c.since === null ? null : formatTime(c.since),
  until: c.since === null ? null : formatTime(c.since + PROOF_SPAN),
  proven: c.proven,
});

export function claimRoutes(app: App, context: Context): void {
  const { claims } = context.registry;
  type Asked = Parameters<Context['gatekeeper']['secret']>[0] & { params: { id: string } };
  /** The secret of a claim counts as a key: wrong ones are counted. */
  const claimOf = (request: Asked): { id: string; secret: string; claim: Claim } => {
    const { id } = thingAt(context, request.params.id);
    const { gatekeeper } = context;
    const secret = gatekeeper.secret(request);
    if (secret === null) throw new Problem('unauthorized', 'Send the claim token as: Authorization: Bearer <token>');
    gatekeeper.guesses.check(request.ip);
    const claim = claims.state(id, secret, context.clock());
    if (claim) return { id, secret, claim };
    gatekeeper.guesses.wrong(request.ip);
    // The same words for wrong, spent and expired.
    throw new Problem('forbidden', 'This claim is not open: it was taken, has expired, or never was');
  };

  app.post(
    '/api/v1/boxes/:id/claim',
    {
      config: { budget: 'register' },
      schema: {
        operationId: 'claimBox',
        summary: 'Begin to claim an unclaimed box: a code that the box has to send for twelve minutes',
        description:
          'The code may stand anywhere in what the box sends: its user name or client id, a topic, a field of its messages. ' +
          '`key`: for boxes known by a keyed hash of their only credential (Smart Citizen token), that credential; it proves the claim at once.',
        tags: ['writing'],
        params: boxParams,
        body: z.strictObject({ key: z.string().trim().min(1).max(100).optional() }),
        response: { 201: claimOpened, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const thing = thingAt(context, request.params.id);
      const { key } = request.body;
      if (thing.claimed) throw new Problem('conflict', 'This box has an owner already');
      if (key !== undefined) {
        context.gatekeeper.guesses.check(request.ip);
        if (!context.options.provesKey?.(thing.format, thing.nativeId, key)) {
          context.gatekeeper.guesses.wrong(request.ip);
          const detail = 'This is not the key of this box in its own network';
          throw new Problem('forbidden', detail, { errors: [{ field: 'key', detail }] });
        }
      }
      try {
        const { claim, secret } = claims.open(thing.id, context.clock(), key !== undefined);
        reply.code(201).header('cache-control', 'no-store');
        return { ...view(claim), claimToken: secret };
      } catch (error) {
        return fieldProblem(error);
      }
    },
  );

  app.get(
    '/api/v1/boxes/:id/claim',
    {
      config: { secretOfClaim: true },
      schema: {
        operationId: 'getClaim',
        summary: 'How far a claim is: readings heard with the code, and until when it has to go on',
        tags: ['writing'],
        security: [{ bearer: [] }],
        params: boxParams,
        response: { 200: claimState, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { claim } = claimOf(request);
      reply.header('cache-control', 'no-store');
      return view(claim);
    },
  );

  app.post(
    '/api/v1/boxes/:id/claim/take',
    {
      config: { budget: 'register', secretOfClaim: true },
      schema: {
        operationId: 'takeClaim',
        summary: 'Become the owner of a box whose claim is proven: its key and the owner link, shown once',
        tags: ['writing'],
        security: [{ bearer: [] }],
        params: boxParams,
        response: { 200: newSecret, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { id, secret } = claimOf(request);
      const taken = claims.take(id, secret, context.clock());
      if (!taken) throw new Problem('conflict', 'Not proven yet: the box has to send the code for twelve minutes');
      reply.header('cache-control', 'no-store');
      return { ...taken, ownerUrl: `${context.baseUrl(request)}/boxes/${id}#owner=${taken.ownerToken}` };
    },
  );
}

/** What the calls of an owner have in common: the box of the path, opened with the token behind the owner link. */
import { z } from 'zod';
import type { Thing } from '../../registry/registry.ts';
import { InvalidThing } from '../../registry/thing.ts';
import type { Context } from '../context.ts';
import { thingId } from '../parameters.ts';
import { Problem } from '../problem.ts';
import { problemAnswers } from '../schemas.ts';
import { thingAt } from './boxes.ts';

export const boxParams = z.object({ id: thingId });

type OwnerRequest = Parameters<Context['gatekeeper']['owner']>[0] & { params: { id: string } };

/** @throws Problem when the token is not that of the owner, or of an admin */
export function ownedThing(context: Context, request: OwnerRequest): Thing {
  const thing = thingAt(context, request.params.id);
  context.gatekeeper.owner(request, thing.id);
  return thing;
}

/** The schema of an owner's call. */
export const ownerCall = <A extends object, M extends object = object>(
  operationId: string,
  summary: string,
  answers: A,
  more: M = {} as M,
) => ({
  operationId,
  summary,
  tags: ['owner'],
  security: [{ bearer: [] }],
  params: boxParams,
  ...more,
  response: { ...answers, ...problemAnswers },
});

/** What the registry refused becomes a word by the field; anything else goes on. */
export function fieldProblem(error: unknown): never {
  if (!(error instanceof InvalidThing)) throw error;
  throw new Problem('invalid-body', error.message, { errors: [{ field: error.field, detail: error.message }] });
}

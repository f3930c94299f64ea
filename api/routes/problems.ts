/** `/problems/<name>`: what an error's `type` means. The address in an answer leads here. */
import { Problem, PROBLEM_TYPES, type ProblemType } from '../problem.ts';
import type { App } from '../context.ts';

/** What helps, where the words of the answer itself may not be enough. */
const HELP: Partial<Record<ProblemType, string>> = {
  'invalid-parameter':
    'errors names each parameter and what it takes; /api/docs lists them all. Parameters that are not known are errors too.',
  'invalid-body': 'errors names each member and what it takes; /api/docs has an example of the whole.',
  'invalid-cursor': 'Take next from the answer before as it is, with the other parameters unchanged.',
  unauthorized:
    'Send Authorization: Bearer <key of the box, owner token, or token of the operator>. Reading needs none.',
  'too-many-requests':
    'Wait for the seconds in Retry-After. RateLimit says before that how much is left; a valid key raises the limit.',
  gone: 'The answer names the successor, also in Link; rel="successor-version".',
  unavailable: 'Send it again after Retry-After. Readings are not lost by that: one with its own time counts once.',
  internal: 'Tell the operator the request id that stands in instance.',
};

const isType = (name: string): name is ProblemType => Object.hasOwn(PROBLEM_TYPES, name);
const told = (name: ProblemType): object => {
  const [status, title] = PROBLEM_TYPES[name];
  return { type: `/problems/${name}`, status, title, ...(HELP[name] ? { help: HELP[name] } : {}) };
};

export function problemRoutes(app: App): void {
  const answer = { schema: { hide: true } } as const;
  app.get('/problems', answer, async (_request, reply) =>
    reply
      .type('application/json; charset=utf-8')
      .send(JSON.stringify({ problems: Object.keys(PROBLEM_TYPES).filter(isType).map(told) }, null, 1)),
  );
  app.get<{ Params: { name: string } }>('/problems/:name', answer, async (request, reply) => {
    const { name } = request.params;
    if (!isType(name)) throw new Problem('not-found', `there is no problem type "${name.slice(0, 60)}"; see /problems`);
    return reply.type('application/json; charset=utf-8').send(JSON.stringify(told(name), null, 1));
  });
}

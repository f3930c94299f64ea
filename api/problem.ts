/** Errors as `application/problem+json` (RFC 9457) with stable types; `docs/api.md` lists them, a test holds the two together. */
import { STATUS_CODES } from 'node:http';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { StoreUnavailable } from '../store/store.ts';
import type { ApiLogger } from './options.ts';

/** Type URIs are `/problems/<name>` relative to the server; they never change meaning. */
export const PROBLEM_TYPES = {
  'bad-request': [400, 'The request cannot be understood'],
  'invalid-parameter': [400, 'A parameter has a value that is not allowed'],
  'invalid-body': [400, 'The body is not what this call takes'],
  'invalid-cursor': [400, 'The cursor is not one this call gave'],
  unauthorized: [401, 'This call needs a key or token'],
  forbidden: [403, 'The key or token given does not open this'],
  'not-registered': [403, 'Boxes have to be registered before they may send'],
  'not-found': [404, 'There is nothing here'],
  'method-not-allowed': [405, 'This address does not know that method'],
  timeout: [408, 'The request took too long to arrive'],
  conflict: [409, 'That is already taken'],
  gone: [410, 'This call has come to its end; its successor is named'],
  'precondition-failed': [412, 'The content is not the one the condition names'],
  'too-large': [413, 'The body is too large'],
  'uri-too-long': [414, 'The address is too long'],
  'unsupported-media-type': [415, 'The body has a type this call does not take'],
  'range-not-satisfiable': [416, 'The content has no such bytes'],
  'too-many-requests': [429, 'Too many requests'],
  'headers-too-large': [431, 'The address or headers are too long'],
  internal: [500, 'Something failed on our side'],
  'not-supported': [501, 'The kind of store behind this server cannot answer that'],
  unavailable: [503, 'Not available at the moment'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemType = keyof typeof PROBLEM_TYPES;

export interface FieldError {
  /** Parameter, header or JSON path that is wrong. */
  readonly field: string;
  readonly detail: string;
}

/** Thrown anywhere below a route; becomes the answer. */
export class Problem extends Error {
  readonly type: ProblemType;
  readonly errors: readonly FieldError[];
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    type: ProblemType,
    detail: string,
    more: { errors?: readonly FieldError[]; headers?: Record<string, string> } = {},
  ) {
    super(detail);
    this.name = 'Problem';
    this.type = type;
    this.errors = more.errors ?? [];
    this.headers = more.headers ?? {};
  }
}

const BY_STATUS: Record<number, ProblemType> = {
  400: 'bad-request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  405: 'method-not-allowed',
  408: 'timeout',
  409: 'conflict',
  410: 'gone',
  412: 'precondition-failed',
  413: 'too-large',
  414: 'uri-too-long',
  415: 'unsupported-media-type',
  416: 'range-not-satisfiable',
  429: 'too-many-requests',
  431: 'headers-too-large',
  501: 'not-supported',
  503: 'unavailable',
};

export function problemBody(
  type: ProblemType,
  detail: string,
  instance: string,
  errors: readonly FieldError[] = [],
): Record<string, unknown> {
  const [status, title] = PROBLEM_TYPES[type];
  return {
    type: `/problems/${type}`,
    title,
    status,
    detail,
    ...(instance ? { instance } : {}),
    ...(errors.length > 0 ? { errors } : {}),
  };
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  const [status] = PROBLEM_TYPES[problem.type];
  const body = problemBody(problem.type, problem.message, `urn:request:${reply.request.id}`, problem.errors);
  return (
    reply
      .code(status)
      .headers(problem.headers)
      // Also where an answer leaves before the CORS hook has run.
      .header('access-control-allow-origin', '*')
      .header('cache-control', 'no-store')
      .type('application/problem+json; charset=utf-8')
      .send(JSON.stringify(body))
  );
}

/** Zod's issues in the words of a caller: which parameter, what is allowed. */
function validationProblem(error: FastifyError): Problem {
  const inBody = error.validationContext === 'body';
  const errors = (error.validation ?? []).map((v): FieldError => {
    const unknown = v.params['keys'];
    if (Array.isArray(unknown)) {
      return { field: unknown.join(', '), detail: `is not known here; check the spelling against /api/docs` };
    }
    const field = v.instancePath.replace(/^\//, '').replaceAll('/', '.');
    return { field: field || (inBody ? 'body' : 'query'), detail: v.message ?? 'is not allowed' };
  });
  const detail = errors.map((e) => `${e.field}: ${e.detail}`).join('; ');
  return new Problem(inBody ? 'invalid-body' : 'invalid-parameter', detail || error.message, { errors });
}

export function toProblem(error: FastifyError): Problem {
  if (error instanceof Problem) return error;
  if (hasZodFastifySchemaValidationErrors(error)) return validationProblem(error);
  if (error.code === 'FST_ERR_HANDLER_TIMEOUT') {
    return new Problem('unavailable', 'The answer took too long: ask for a shorter span or a smaller area', {
      headers: { 'retry-after': '10' },
    });
  }
  // What keeps the store away is for the log: it may name machines inside.
  if ((error as Error) instanceof StoreUnavailable)
    return new Problem('unavailable', 'The store of observations cannot be reached at the moment', {
      headers: { 'retry-after': '30' },
    });
  const status = error.statusCode ?? 500;
  const type = BY_STATUS[status] ?? (status >= 400 && status < 500 ? 'bad-request' : 'internal');
  if (type === 'range-not-satisfiable') {
    // `bytes */4282`: how long the content is.
    const range = (error as { headers?: Record<string, string> }).headers?.['Content-Range'];
    return new Problem(type, 'The range asked for lies outside of this file', {
      headers: range ? { 'content-range': range } : {},
    });
  }
  // What failed inside is for the log; it may name paths or statements.
  return new Problem(
    type,
    type === 'internal'
      ? 'The request could not be answered; the operator finds the reason in the log under the request id'
      : error.message,
  );
}

export function problemHandler(logger: ApiLogger) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = toProblem(error);
    if (PROBLEM_TYPES[problem.type][0] >= 500) {
      logger.error(
        { requestId: request.id, method: request.method, route: request.routeOptions?.url, error: error.stack },
        'request failed',
      );
    }
    return sendProblem(reply, problem);
  };
}

/** The answer on a socket whose bytes were no HTTP request. */
export function rawProblem(status: number, detail: string): string {
  const type = BY_STATUS[status] ?? 'bad-request';
  const body = JSON.stringify(problemBody(type, detail, ''));
  return (
    `HTTP/1.1 ${PROBLEM_TYPES[type][0]} ${STATUS_CODES[PROBLEM_TYPES[type][0]]}\r\nContent-Type: application/problem+json; charset=utf-8\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  );
}

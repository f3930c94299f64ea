/** What goes into the service and comes out of it, free of HTTP machinery. */
export interface StaRequest {
  readonly method: string;
  /** Behind `/sta/v1.1`, as sent: `/Things(1)`. */
  readonly path: string;
  /** Behind `?`, as sent. */
  readonly query: string;
  readonly contentType: string;
  readonly body: string;
  /** The caller may create, change and delete. */
  readonly mayWrite: boolean;
}

export interface StaResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const TITLES: Record<number, string> = {
  400: 'Bad request',
  401: 'Not authorised',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  501: 'Not implemented',
  503: 'Not now',
};

/** The same types as everywhere else (`/problems`). */
const TYPES: Record<number, string> = {
  400: 'bad-request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  405: 'method-not-allowed',
  500: 'internal',
  501: 'not-supported',
  503: 'unavailable',
};

/** Headers that go with a status (RFC 9110 §15.5.6, §15.6.4). */
const MORE: Record<number, Record<string, string>> = {
  401: { 'www-authenticate': 'Bearer' },
  405: { allow: 'GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS' },
  503: { 'retry-after': '5' },
};

/** RFC 9457; `message` and `code` beside it for clients of the reference implementation. */
export const problem = (status: number, detail: string): StaResponse => ({
  status,
  headers: { 'content-type': 'application/problem+json; charset=utf-8', ...MORE[status] },
  body: JSON.stringify({
    type: TYPES[status] ? `/problems/${TYPES[status]}` : 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    detail,
    code: status,
    message: detail,
  }),
});

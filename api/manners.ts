/** How every answer behaves: request ids, CORS, rate limits told in headers, strong ETags, compression, security headers, 405. */
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import compress from '@fastify/compress';
import cors from '@fastify/cors';
import rateLimit from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SECOND, type EpochMs } from '../model/time.ts';
import type { App } from './context.ts';
import { CHALLENGE, type Gatekeeper } from './gatekeeper.ts';
import type { RateLimits } from './options.ts';
import { Problem } from './problem.ts';
import { RequestCounts } from './request-counts.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Which budget a call is charged to; `none` for probes. Default `read`. */
    budget?: 'read' | 'register' | 'feedback' | 'none';
    /** The call goes away: since when it is deprecated, when it ends, and what takes its place (`docs/api.md`). */
    deprecated?: { readonly since: EpochMs; readonly sunset: EpochMs; readonly successor: string };
    /** The Bearer of this call is the secret of a claim, which its handler looks up. */
    secretOfClaim?: boolean;
  }
}

const WINDOW_S = 60;
export const DEFAULT_LIMITS: RateLimits = {
  read: 6000,
  register: 60,
  loopbackRead: 600_000,
  loopbackRegister: 60_000,
};
/** A valid key or token raises the limits this much. */
const KNOWN_FACTOR = 10;

/** Answers with values: where each box says its own licence, the header leads to what they mean. */
const DATA =
  /^\/(?:api\/v1\/(?:latest|boxes|stations|nearest|observations|frames|hotspots)|sta\/v1\.1|dumps|harvest)\b/;
const LICENCE_LINK = '</api/v1/licences>; rel="license"';

const COMPRESSIBLE = /^(?:text\/(?!event-stream)|application\/(?:[\w.+-]*json|x-ndjson|javascript)|image\/svg)/;
const CODINGS = /-(?:br|gzip|deflate|zstd)"$/;

/** If-None-Match: a list compared weakly (RFC 9110 §13.1.2); the tag of any coding of the same content counts. */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  const plain = etag.replace(CODINGS, '"');
  return (header.match(/"[^"]*"/g) ?? []).some((tag) => tag === etag || tag.replace(CODINGS, '"') === plain);
}

function notModified<T>(request: FastifyRequest, reply: FastifyReply, payload: T): T | '' {
  if (!matchesEtag(request.headers['if-none-match'], String(reply.getHeader('etag')))) return payload;
  reply.code(304).removeHeader('content-length');
  return '';
}

/** A client's own request id when it is harmless, else a new one. */
export function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomBytes(9).toString('base64url');
}

const isLoopback = (address: string): boolean =>
  address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');

/**
 * For pages only: own scripts, workers of the map library, tiles and glyphs of whatever https style the operator chose.
 * Any site may embed them; they hold no session that could be abused.
 */
export const PAGE_CSP =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob: https:; " +
  "connect-src 'self' https: wss: ws:; worker-src 'self' blob:; child-src 'self' blob:; font-src 'self' data: https:; " +
  "object-src 'none'; base-uri 'self'; form-action 'self'";

export async function manners(app: App, gatekeeper: Gatekeeper, limits: RateLimits | false): Promise<void> {
  await app.register(cors, {
    origin: '*',
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: ['ETag', 'Link', 'Location', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'X-Request-Id', 'Deprecation', 'Sunset', 'Content-Disposition'], // prettier-ignore
    maxAge: 86_400,
    // A bare OPTIONS is a question too, not only a browser's.
    strictPreflight: false,
  });

  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'strict-origin-when-cross-origin',
      'cross-origin-resource-policy': 'cross-origin',
    });
  });

  // Deprecation (RFC 9745: a structured date) and Sunset (RFC 8594: an HTTP date).
  app.addHook('onRequest', async (request, reply) => {
    const old = request.routeOptions.config?.deprecated;
    if (!old) return;
    reply.headers({
      deprecation: `@${Math.floor(old.since / SECOND)}`,
      sunset: new Date(old.sunset).toUTCString(),
      link: `<${old.successor}>; rel="successor-version"`,
    });
  });

  if (limits) await rateLimits(app, gatekeeper, limits);

  // Who asks is settled before a body is read: 401 comes before anything that is wrong with it.
  app.addHook('onRequest', async (request) => {
    const { schema, config } = request.routeOptions;
    if (!(schema as { security?: readonly unknown[] } | undefined)?.security?.length) return;
    if (!config.secretOfClaim) gatekeeper.required(request, 'This call needs a key or token.');
    else if (gatekeeper.secret(request) === null)
      throw new Problem('unauthorized', 'Send the claim token as: Authorization: Bearer <token>', { headers: CHALLENGE }); // prettier-ignore
  });

  // Before compression: the tag names the content; afterwards the coding is added, since a strong tag means the same bytes.
  app.addHook('onSend', async (request, reply, payload) => {
    const type = String(reply.getHeader('content-type') ?? '');
    if (type.startsWith('text/html') && !reply.hasHeader('content-security-policy')) {
      reply.header('content-security-policy', PAGE_CSP);
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') return payload;
    // Also beside an answer that was not compressed: a cache must not hand it to whoever asks for another coding, or the other way.
    if (COMPRESSIBLE.test(type)) {
      const vary = reply.getHeader('vary');
      if (!/accept-encoding/i.test(String(vary ?? '')))
        reply.header('vary', vary === undefined ? 'accept-encoding' : `${String(vary)}, accept-encoding`);
    }
    const { statusCode } = reply;
    if ((statusCode === 200 || statusCode === 206) && DATA.test(request.url)) {
      const link = String(reply.getHeader('link') ?? '');
      if (!link.includes('rel="license"'))
        reply.header('link', [...(link === '' ? [] : [link]), LICENCE_LINK].join(', '));
    }
    if (reply.statusCode !== 200 || !(typeof payload === 'string' || Buffer.isBuffer(payload))) return payload;
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-cache');
    if (reply.hasHeader('etag')) return notModified(request, reply, payload);
    if (String(reply.getHeader('cache-control')).includes('no-store')) return payload;
    const etag = `"${createHash('sha256').update(payload).digest('base64url').slice(0, 22)}"`;
    reply.header('etag', etag);
    return notModified(request, reply, payload);
  });
  await app.register(compress, { global: true, encodings: ['br', 'gzip', 'deflate'], threshold: 1024 });
  app.addHook('onRoute', (route) => {
    const own = route.onSend === undefined ? [] : Array.isArray(route.onSend) ? route.onSend : [route.onSend];
    route.onSend = [
      ...own,
      async (_request, reply, payload) => {
        const coding = reply.getHeader('content-encoding');
        const etag = reply.getHeader('etag');
        if (typeof coding === 'string' && typeof etag === 'string' && !CODINGS.test(etag)) {
          reply.header('etag', etag.replace(/"$/, `-${coding}"`));
        }
        return payload;
      },
    ];
  });
}

/** RateLimit fields of draft-ietf-httpapi-ratelimit-headers-11: structured lists with quota, window and what is left. */
async function rateLimits(app: App, gatekeeper: Gatekeeper, limits: RateLimits): Promise<void> {
  await app.register(rateLimit, { global: false, store: RequestCounts });
  const known = (request: FastifyRequest): boolean => {
    const secret = /^Bearer +(\S{1,512})$/i.exec(request.headers.authorization ?? '')?.[1];
    return secret !== undefined && gatekeeper.open(secret) !== null;
  };
  const budget = (plain: number, loopback: number, seconds = WINDOW_S) =>
    app.createRateLimit({
      timeWindow: seconds * 1000,
      max: (request: FastifyRequest) =>
        (isLoopback(request.ip) ? loopback : plain) * (known(request) ? KNOWN_FACTOR : 1),
    });
  const budgets = {
    read: budget(limits.read, limits.loopbackRead),
    register: budget(limits.register, limits.loopbackRegister),
    feedback: budget(limits.feedback ?? 20, limits.loopbackRegister, 3600),
  };
  app.addHook('onRequest', async (request, reply) => {
    const name = request.routeOptions.config?.budget ?? 'read';
    if (name === 'none') return;
    const window = name === 'feedback' ? 3600 : WINDOW_S;
    const state = await budgets[name](request);
    if (state.isAllowed) return;
    const left = Math.max(0, state.ttlInSeconds);
    reply.header('ratelimit-policy', `"${name}";q=${state.max};w=${window}`);
    reply.header('ratelimit', `"${name}";r=${state.remaining};t=${left}`);
    if (state.isExceeded) {
      throw new Problem('too-many-requests', `More than ${state.max} requests in ${window} s; try again in ${left} s`, {
        headers: { 'retry-after': String(Math.max(1, left)) },
      });
    }
  });
}

export interface Route {
  readonly method: string;
  /** With `:name` for what varies. */
  readonly url: string;
}

/** Addresses and their methods, so that a wrong method is told from a wrong address. Register before the routes. */
export function methodsOf(app: App): { readonly at: (path: string) => string[]; readonly routes: Route[] } {
  const known: { pattern: RegExp; methods: string[] }[] = [];
  const routes: Route[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    for (const m of [method].flat()) routes.push({ method: m, url });
    // Below a folder, such as /dumps/*; a wildcard at the root says nothing.
    if (url === '*' || url === '/*') return;
    const source = url
      .split('/')
      .map((part) =>
        part === '*' ? '.*' : part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replace(/:[A-Za-z]+/g, '[^/]+'),
      )
      .join('/');
    known.push({ pattern: new RegExp(`^${source}$`), methods: [method].flat() });
  });
  const at = (path: string): string[] => [
    ...new Set(known.filter((r) => r.pattern.test(path)).flatMap((r) => r.methods)),
  ];
  return { at, routes };
}

/** SensorThings over HTTP: everything below `/sta/v1.1` goes to the SensorThings thread as it came. */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App, Context } from '../context.ts';
import { Problem } from '../problem.ts';
import type { StaHost } from './host.ts';

const PREFIX = '/sta/v1.1';
/** Deep inserts of many observations are long. */
const BODY_LIMIT = 4 * 1024 * 1024;

export function staRoutes(app: App, context: Context, host: StaHost, scratch: boolean): void {
  void app.register(async (scope) => {
    // Bodies pass through as text: JSON Patch, batches and plain JSON are told apart by the service.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (_request, body, done) =>
      done(null, body),
    );

    // Before the body is read; a batch may be of questions alone.
    scope.addHook('onRequest', async (request) => {
      const reading = ['GET', 'HEAD', 'OPTIONS'].includes(request.method);
      if (scratch || reading || /^\/sta\/v1\.1\/(?:\$|%24)batch(?:\?|$)/i.test(request.url)) return;
      const principal = context.gatekeeper.required(request, 'Writing needs a token of scope sta-write.');
      if (principal.kind !== 'token' || (principal.scope !== 'sta-write' && principal.scope !== 'admin'))
        throw new Problem('forbidden', 'Writing needs a token of scope sta-write; boxes send over MQTT or /api/v1');
    });

    const mayWrite = (request: FastifyRequest): boolean => {
      if (scratch) return true;
      const principal = context.gatekeeper.principal(request);
      return principal?.kind === 'token' && (principal.scope === 'sta-write' || principal.scope === 'admin');
    };

    const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const [path = '', query = ''] = request.url.split(/\?(.*)/s);
      const reading = request.method === 'GET' || request.method === 'HEAD';
      const response = await host.handle(`${context.baseUrl(request)}${PREFIX}`, {
        method: request.method,
        path: path.slice(PREFIX.length),
        query,
        contentType: request.headers['content-type'] ?? '',
        body: typeof request.body === 'string' ? request.body : '',
        mayWrite: !reading && mayWrite(request),
      });
      let body: string | Buffer = response.body;
      if (reading && response.status === 200) {
        // Megabytes at times: made into UTF-8 once, for the tag, the length and the wire.
        body = Buffer.from(body);
        const etag = `"${createHash('sha1').update(body).digest('base64url')}"`;
        reply.header('etag', etag).header('cache-control', 'public, max-age=0, must-revalidate');
      }
      if (response.status >= 400) reply.header('cache-control', 'no-store');
      return reply.code(response.status).headers(response.headers).send(body);
    };
    for (const url of [PREFIX, `${PREFIX}/`, `${PREFIX}/*`])
      scope.route({
        method: ['GET', 'POST', 'PATCH', 'PUT', 'DELETE'],
        url,
        handler,
        bodyLimit: BODY_LIMIT,
        schema: { hide: true },
      });
  });
}

/**
 * The addresses that existing firmware uploads to. Which packet a request stands for, and what its firmware takes for success, is
 * `ingest/push.ts`; here it is authenticated, put into the journal, and then answered.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { MAX_PUSH_BYTES, pushEndpoints, pushQuestions, pushTopic, type PushAnswer, type PushRequest } from '../../ingest/push.ts'; // prettier-ignore
import type { App, Context } from '../context.ts';
import { Problem } from '../problem.ts';

const answer = (reply: FastifyReply, { status, headers, body }: PushAnswer): FastifyReply =>
  reply.code(status).headers(headers).header('cache-control', 'no-store').send(body);

function asPush(request: FastifyRequest): PushRequest {
  const at = request.url.indexOf('?');
  return {
    params: request.params as Record<string, string>,
    rawQuery: at < 0 ? '' : request.url.slice(at + 1),
    headers: request.headers,
    body: Buffer.isBuffer(request.body) ? request.body : new Uint8Array(),
  };
}

export function pushRoutes(app: App, context: Context): void {
  void app.register(async (scope: App) => {
    // Firmwares name all sorts of types, or none; the journal gets the bytes as they came.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_PUSH_BYTES }, (_request, body, done) => {
      done(null, body);
    });
    for (const endpoint of pushEndpoints) {
      scope.route({
        method: endpoint.method,
        url: endpoint.url,
        bodyLimit: MAX_PUSH_BYTES,
        exposeHeadRoute: false,
        schema: {
          hide: true,
        },
        handler: async (request, reply) => {
          const packet = endpoint.toPacket(asPush(request));
          if (!packet.ok) {
            throw new Problem(packet.status === 413 ? 'too-large' : 'invalid-body', packet.detail);
          }
          let box = '';
          let user = '';
          if (packet.credential) {
            const { id, key } = packet.credential;
            context.gatekeeper.guesses.check(request.ip);
            const verdict = context.registry.authenticate(id, key);
            if (verdict === 'refused') {
              context.gatekeeper.guesses.wrong(request.ip);
              throw new Problem('unauthorized', 'The key is not the one of this box', {
                headers: { 'www-authenticate': 'Basic realm="lamppost"' },
              });
            }
            if (verdict === 'ok') box = id;
            else user = id;
          }
          if (box === '' && !context.options.openPush) {
            const base = context.baseUrl(request);
            throw new Problem(
              'not-registered',
              `This server takes readings of registered boxes only. Register the box at ${base}/register (or POST ${base}/api/v1/boxes), ` +
                'then let it send its box id and key as HTTP Basic user and password',
            );
          }
          try {
            await context.options.accept({
              receivedAt: context.clock(),
              via: 'http',
              topic: pushTopic(packet, box),
              sender: box,
              // What it called itself, in case it is a claim code; not the key.
              client: user,
              packetId: 0,
              payload: packet.payload,
            });
          } catch (error) {
            context.logger.error({ requestId: request.id, error: String(error) }, 'journal refused a packet');
            throw new Problem('unavailable', 'The readings could not be put on disk; send them again', {
              headers: { 'retry-after': '10' },
            });
          }
          return answer(reply, endpoint.ok);
        },
      });
    }
    for (const question of pushQuestions) {
      scope.route({
        method: question.method,
        url: question.url,
        exposeHeadRoute: false,
        schema: { hide: true },
        handler: async (request, reply) => {
          const subject = question.subject(asPush(request));
          const known = subject !== null && context.registry.known(subject.format, subject.nativeId) !== null;
          return answer(reply, question.answer(known));
        },
      });
    }
  });
}

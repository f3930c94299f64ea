/** The HTTP side as a whole: design §7. A new API format is a folder or file with a `…Routes(app, context)` and a line in `startApi`. */
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import Fastify from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import { elapsed, SECOND } from '../model/time.ts';
import { StoreUnavailable } from '../store/store.ts';
import type { App, Checked, Context } from './context.ts';
import { Gatekeeper } from './gatekeeper.ts';
import { Guesses } from './guesses.ts';
import { LiveStream } from './live.ts';
import { localTimeIn } from './localtime.ts';
import { DEFAULT_LIMITS, manners, methodsOf, requestId } from './manners.ts';
import { ModelNames } from './models.ts';
import type { Api, ApiLogger, ApiOptions } from './options.ts';
import { pages } from './pages.ts';
import { Presence } from './presence.ts';
import { Problem, problemHandler, rawProblem, sendProblem, toProblem } from './problem.ts';
import { claimRoutes } from './routes/claim.ts';
import { firmwareRoutes } from './routes/firmware.ts';
import { LATEST_SPAN } from './latest.ts';
import { areaRoutes } from './routes/area.ts';
import { boxRoutes } from './routes/boxes.ts';
import { frameRoutes } from './routes/frames.ts';
import { hotspotRoutes } from './routes/hotspots.ts';
import { indexRoutes } from './routes/indices.ts';
import { latestRoutes } from './routes/latest.ts';
import { observationRoutes } from './routes/observations.ts';
import { operationRoutes } from './routes/operations.ts';
import { writeRoutes } from './routes/readings.ts';
import { careRoutes } from './routes/care.ts';
import { feedbackRoutes } from './routes/feedback.ts';
import { ownerRoutes } from './routes/owner.ts';
import { provenanceRoutes } from './routes/provenance.ts';
import { pushRoutes } from './routes/push.ts';
import { qualityRoutes } from './routes/quality.ts';
import { recordRoutes } from './routes/records.ts';
import { revisionRoutes } from './routes/revisions.ts';
import { streamRoutes } from './routes/stream.ts';
import { tableRoutes } from './routes/table.ts';
import { describeSchema, withTuples } from './openapi.ts';
import { staRoutes } from './sta/routes.ts';
import { ThingCache } from './things.ts';

export type { Api, ApiLogger, ApiOptions, PartHealth, RateLimits } from './options.ts';
export { LATEST_SPAN, LatestTable } from './latest.ts';

const SILENT: ApiLogger = { info() {}, warn() {}, error() {} };
/** Running requests get this long at the end [ms]. */
const GRACE = 3 * SECOND;
/** How often a store that was away at the start is asked whether it has come [ms]. */
const STORE_AGAIN = 2 * SECOND;

const DESCRIPTION = `Open data of community sensor boxes and reference stations. Reading needs no key.
A value always travels with its property, UCUM unit, level (raw or corrected), QARTOD flag, reasons, and, corrected, its model and 90 % interval; null is never 0.
Times are RFC 3339 in UTC, the start of an interval; local times stand beside them. Errors are problem+json (RFC 9457).`;

/** Resolves when the port is open and the table of latest values is filled. @throws Error when the port cannot be had */
export async function startApi(options: ApiOptions): Promise<Api> {
  const logger = options.logger ?? SILENT;
  const clock = options.clock ?? Date.now;
  const timezone = options.timezone ?? 'Asia/Taipei';
  const closing = new AbortController();
  const guesses = new Guesses(options.clock ?? elapsed, options.maxGuesses);
  const gatekeeper = new Gatekeeper(options.registry, options.adminToken ?? '', guesses);
  const app = Fastify({
    trustProxy: options.trustProxy ?? false,
    genReqId: requestId,
    requestIdHeader: false,
    bodyLimit: 256 * 1024,
    // A request has to arrive within this; answers may stream on for longer.
    requestTimeout: 30 * SECOND,
    keepAliveTimeout: 72 * SECOND,
    http: { headersTimeout: 15 * SECOND, maxHeaderSize: 16 * 1024 },
    routerOptions: { maxParamLength: 500, ignoreTrailingSlash: false },
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, toProblem(error)),
    clientErrorHandler(error, socket) {
      const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
      if (socket.writable)
        socket.end(rawProblem(status, 'The bytes received are no HTTP request that can be answered'));
      else socket.destroy();
    },
  }).withTypeProvider<Checked>() as unknown as App;

  const context: Context = {
    options,
    registry: options.registry,
    store: options.store,
    latest: options.latest,
    presence: new Presence(),
    things: new ThingCache(options.registry),
    models: new ModelNames(options.store),
    gatekeeper,
    clock,
    elapsed: options.clock ?? elapsed,
    logger,
    timezone,
    localTime: localTimeIn(timezone),
    run: randomBytes(5).toString('hex'),
    closing: closing.signal,
    baseUrl: (request) => (options.publicUrl || `${request.protocol}://${request.host}`).replace(/\/+$/, ''),
  };
  const live = new LiveStream(context, options.streamBuffer ?? 50_000);
  let warm = false;

  app.setValidatorCompiler(validatorCompiler);
  // Answers are typed and tested against their schemas; checking each one again at run time would cost more than making it.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler(problemHandler(logger));
  app.removeContentTypeParser('text/plain');
  const methods = methodsOf(app);
  // A bare OPTIONS is told what the address knows; browsers ask with more.
  app.addHook('onRequest', async (request, reply) => {
    if (request.method !== 'OPTIONS') return;
    const allowed = methods.at(request.url.split('?', 1)[0] as string);
    if (allowed.length > 0) reply.header('allow', [...new Set([...allowed, 'OPTIONS'])].join(', '));
  });
  await manners(app, gatekeeper, options.rateLimit ?? DEFAULT_LIMITS);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Lamppost',
        version: '1.0.0',
        description: DESCRIPTION,
        license: { name: 'Each box carries its own licence', url: '/api/v1/licences' },
      },
      servers: [{ url: options.publicUrl || '/' }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'Box key, owner token, writer token or admin token' },
        },
      },
    },
    transform: describeSchema,
  });
  await app.register(swaggerUi, { routePrefix: '/api/docs', staticCSP: true, uiConfig: { deepLinking: true } });

  boxRoutes(app, context);
  latestRoutes(app, context);
  const exportsRunning = observationRoutes(app, context);
  areaRoutes(app, context);
  indexRoutes(app, context);
  provenanceRoutes(app, context);
  frameRoutes(app, context);
  hotspotRoutes(app, context);
  writeRoutes(app, context);
  ownerRoutes(app, context);
  careRoutes(app, context);
  claimRoutes(app, context);
  firmwareRoutes(app, context);
  feedbackRoutes(app, context);
  pushRoutes(app, context);
  qualityRoutes(app, context);
  streamRoutes(app, context, live);
  recordRoutes(app, context);
  revisionRoutes(app, context);
  tableRoutes(app, context);
  operationRoutes(app, context, live, () => warm, exportsRunning);
  if (options.sta) staRoutes(app, context, options.sta.host, options.sta.scratch);
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => withTuples(app.swagger()));
  for (const url of ['/api/v1', '/api/v1/'])
    app.get(url, { schema: { hide: true } }, async () => ({
      title: 'Lamppost',
      openapi: '/api/openapi.json',
      docs: '/api/docs',
      data: '/data',
      licences: '/api/v1/licences',
      problems: '/problems',
      sensorthings: options.sta ? '/sta/v1.1' : null,
      calls: [...new Set(methods.routes.map((r) => r.url))]
        .filter((u) => u.startsWith('/api/v1/') && u !== '/api/v1/')
        .sort(),
    }));
  const page = await pages(app, context);

  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] as string;
    const answer = page(request, reply);
    if (answer) return answer;
    const allowed = methods.at(path);
    if (allowed.length > 0 && !allowed.includes(request.method)) {
      const allow = [...allowed, 'OPTIONS'].join(', ');
      return sendProblem(
        reply,
        new Problem('method-not-allowed', `This address knows ${allow}`, { headers: { allow } }),
      );
    }
    return sendProblem(reply, new Problem('not-found', 'Nothing lives at this address; /api/docs lists the calls'));
  });

  await app.listen({ host: options.host ?? '127.0.0.1', port: options.port });
  const { port } = app.server.address() as AddressInfo;
  const fill = async (): Promise<void> => {
    options.latest.apply(await options.store.latest(clock() - (options.latestSpan ?? LATEST_SPAN)), false);
    warm = true;
  };
  const fillLater = async (): Promise<void> => {
    while (!warm && !closing.signal.aborted) {
      await delay(STORE_AGAIN, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
      await fill().catch(() => undefined);
    }
  };
  try {
    await context.models.learn();
    await (options.filled?.then(() => void (warm = true)) ?? fill());
  } catch (error) {
    // Boxes are acknowledged without it: a store on another machine may come later.
    if (error instanceof StoreUnavailable) void fillLater();
    else {
      await app.close();
      throw new Error('the store could not be read at the start of the API', { cause: error });
    }
  }

  return {
    port,
    url: (options.publicUrl || `http://${options.host ?? '127.0.0.1'}:${port}`).replace(/\/+$/, ''),
    server: app.server,
    routes: methods.routes,
    live(rows) {
      const taken = options.latest.apply(rows);
      if (taken.length === 0) return;
      if (context.models.knows(rows.model, rows.length)) live.publish(rows, taken);
      else
        context.models.learn().then(
          () => live.publish(rows, taken),
          (error: unknown) => logger.error({ error: String(error) }, 'model names could not be read'),
        );
    },
    heard(boxes) {
      for (const [num, at] of boxes) {
        context.presence.heard(num, at);
        live.presence(num);
      }
    },
    status(box, status) {
      const thing = options.registry.get(box);
      if (!thing) return;
      context.presence.status(thing.num, status, clock());
      live.presence(thing.num);
    },
    async close() {
      closing.abort(new Error('the server is stopping'));
      live.close();
      const force = setTimeout(() => app.server.closeAllConnections(), GRACE);
      await app.close();
      clearTimeout(force);
    },
  };
}

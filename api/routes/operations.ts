/** For whoever runs the server: `/healthz`, `/readyz`, `/metrics`; and `/api/v1/config` for the web pages. */
import { Counter, Gauge, Histogram, Registry as Metrics } from 'prom-client';
import { z } from 'zod';
import type { App, Context } from '../context.ts';
import type { LiveStream } from '../live.ts';
import type { PartHealth } from '../options.ts';
import { healthReport, problemAnswers } from '../schemas.ts';

export function operationRoutes(
  app: App,
  context: Context,
  live: LiveStream,
  ready: () => boolean,
  exportsRunning: () => number,
): void {
  const own = new Metrics();
  const requests = new Counter({
    name: 'lamppost_http_requests_total',
    help: 'HTTP requests answered',
    labelNames: ['method', 'route', 'status'],
    registers: [own],
  });
  const duration = new Histogram({
    name: 'lamppost_http_request_duration_seconds',
    help: 'Time from the first byte of a request to the end of its answer',
    labelNames: ['route'],
    buckets: [0.001, 0.005, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
    registers: [own],
  });
  const gauge = (name: string, help: string, read: () => number): void => {
    // oxlint-disable-next-line no-new -- a gauge registers itself with the registry it is given
    new Gauge({
      name,
      help,
      registers: [own],
      collect() {
        this.set(read());
      },
    });
  };
  gauge('lamppost_stream_clients', 'Clients on the live stream', () => live.clients);
  gauge('lamppost_stream_dropped_clients', 'Clients let go because they read too slowly', () => live.dropped);
  gauge('lamppost_exports', 'CSV and NDJSON answers being written', exportsRunning);
  gauge('lamppost_latest_datastreams', 'Datastreams in the table of latest values', () => context.latest.size);
  gauge('lamppost_boxes', 'Boxes that are not retired', () => context.registry.count('box'));
  gauge('lamppost_stations', 'Reference stations that are not retired', () => context.registry.count('station'));
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    requests.inc({ method: request.method, route, status: reply.statusCode });
    duration.observe({ route }, reply.elapsedTime / 1000);
  });

  const report = async () => {
    let parts: PartHealth[];
    try {
      const { ok, problem } = await context.store.health();
      const others = (await context.options.health?.()) ?? [];
      parts = others.some((p) => p.name === 'store') ? [...others] : [{ name: 'store', ok, problem }, ...others];
    } catch (error) {
      context.logger.error({ error: String(error) }, 'a health check failed');
      parts = [{ name: 'health', ok: false, problem: 'a part did not answer; the reason is in the log' }];
    }
    const status = parts.some((p) => !p.ok) ? 'degraded' : ready() ? 'ok' : 'starting';
    return { status, parts: parts.map(({ name, ok, problem }) => ({ name, ok, problem })) } as const;
  };
  const probe = { budget: 'none' } as const;
  app.get(
    '/healthz',
    {
      config: probe,
      schema: {
        operationId: 'healthz',
        summary: 'Alive: answers as long as the process does',
        tags: ['operation'],
        response: { 200: healthReport, ...problemAnswers },
      },
    },
    async (_request, reply) => reply.header('cache-control', 'no-store').send(await report()),
  );
  app.get(
    '/readyz',
    {
      config: probe,
      schema: {
        operationId: 'readyz',
        summary: 'Ready: 200 when every part works, else 503',
        tags: ['operation'],
        response: { 200: healthReport, 503: healthReport, ...problemAnswers },
      },
    },
    async (_request, reply) => {
      const answer = await report();
      return reply
        .code(answer.status === 'ok' ? 200 : 503)
        .header('cache-control', 'no-store')
        .send(answer);
    },
  );
  app.get(
    '/metrics',
    {
      config: probe,
      schema: {
        operationId: 'metrics',
        summary: 'Prometheus metrics',
        tags: ['operation'],
        response: {
          200: { description: 'Metrics', content: { 'text/plain': { schema: z.string() } } },
          ...problemAnswers,
        },
      },
    },
    async (_request, reply) => {
      const others = context.options.metrics ? await context.options.metrics.metrics() : '';
      return reply
        .type('text/plain; version=0.0.4; charset=utf-8')
        .header('cache-control', 'no-store')
        .send(others + (others.endsWith('\n') || others === '' ? '' : '\n') + (await own.metrics()));
    },
  );
  app.get(
    '/api/v1/config',
    {
      schema: {
        operationId: 'getConfig',
        summary: 'Settings the web pages need',
        tags: ['operation'],
        response: { 200: z.looseObject({ timezone: z.string(), registration: z.boolean() }), ...problemAnswers },
      },
    },
    async () => ({ ...context.options.publicConfig, timezone: context.timezone, registration: true }),
  );
}

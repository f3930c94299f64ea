/** The built web pages and the dumps as files; without pages, a plain one that names the calls. */
import { existsSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { catalogueRoutes } from './catalogue.ts';
import type { App, Context } from './context.ts';
import { dataPage } from './data-page.ts';
import { Problem } from './problem.ts';
import { problemRoutes } from './routes/problems.ts';

const PLAIN = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Lamppost</title>
<h1>Lamppost</h1><p>The web pages are not built. The data are there all the same:</p>
<ul><li><a href="/api/v1/boxes">boxes</a><li><a href="/api/v1/latest.geojson?property=pm25">latest PM2.5</a>
<li><a href="/api/docs">every call</a><li><a href="/healthz">health</a></ul>`;

/** Addresses that the pages themselves route (design §7). */
const PAGE =
  /^\/(?:$|register\/?$|fleet\/?$|data\/?$|methods\/?$|townships\/?$|compare\/?$|embed\/(?:map|value|chart)\/?$|boxes\/[^/]+\/?$)/;

/** Our strong tags in the words of the sender of files, which writes and compares weak ones; a coding's mark is taken off. */
function tagsOfFiles(headers: IncomingHttpHeaders): void {
  const inRange = headers['if-range'];
  if (typeof inRange === 'string' && /^(?:W\/)?"/.test(inRange))
    headers['if-range'] = inRange.startsWith('W/') ? '"weak tags name no bytes"' : `W/${inRange}`;
  const known = headers['if-none-match'];
  if (known === undefined) return;
  headers['if-none-match'] = known.replaceAll(/-(?:br|gzip|deflate)"/g, '"');
  // Browsers' fetch adds `no-cache` to a condition of the caller's own; it is meant for caches, and this is the origin.
  delete headers['cache-control'];
}

export async function pages(
  app: App,
  context: Context,
): Promise<(request: FastifyRequest, reply: FastifyReply) => FastifyReply | null> {
  const { dashboard = '', dumps = '' } = context.options;
  dataPage(app, context, catalogueRoutes(app, context));
  problemRoutes(app);
  // The framework knows QUERY and would ask for its body before it sees that no address takes it.
  app.addHook('onRequest', async (request) => {
    if (request.method === 'QUERY')
      throw new Problem('method-not-allowed', 'No address here knows QUERY', {
        headers: { allow: 'GET, HEAD, OPTIONS' },
      });
  });
  const built = dashboard !== '' && existsSync(join(dashboard, 'index.html'));
  if (dumps !== '') {
    // A range is of the file's own bytes, never of compressed ones.
    app.addHook('onRequest', async (request) => {
      if (!request.url.startsWith('/dumps/')) return;
      if (request.headers.range !== undefined) request.headers['x-no-compression'] = '1';
      tagsOfFiles(request.headers);
    });
    const toManifest = async (_request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
      reply.redirect('/dumps/manifest.json', 302);
    for (const url of ['/dumps', '/dumps/']) app.get(url, { schema: { hide: true } }, toManifest);
    const { boxDumps } = context.options;
    if (boxDumps)
      app.get<{ Params: { id: string } }>(
        '/dumps/boxes/:id/manifest.json',
        { schema: { hide: true } },
        async (request, reply) => {
          const manifest = await boxDumps(request.params.id);
          if (manifest === null) throw new Problem('not-found', `there is no box ${request.params.id}`);
          if (manifest === 'busy')
            throw new Problem('unavailable', 'the files of many boxes are being written; try again in a minute', {
              headers: { 'retry-after': '60' },
            });
          return reply
            .type('application/json; charset=utf-8')
            .header('cache-control', 'no-cache')
            .send(JSON.stringify(manifest, null, 1));
        },
      );
    await app.register(fastifyStatic, {
      root: dumps,
      prefix: '/dumps/',
      decorateReply: !built,
      acceptRanges: true,
      index: false,
      list: false,
      setHeaders(response, path) {
        // A file here is written under another name and moved to its place: the same size and time are the same bytes.
        const tag = response.getHeader('etag');
        if (typeof tag === 'string') response.header('etag', tag.replace(/^W\//, ''));
        if (path.endsWith('.parquet')) response.header('content-type', 'application/vnd.apache.parquet');
        if (path.endsWith('.geojson')) response.header('content-type', 'application/geo+json; charset=utf-8');
        // A revision never changes; what names revisions does.
        response.header(
          'cache-control',
          /[/\\]observations-[^/\\]+$/.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache',
        );
      },
    });
  }
  if (built) {
    await app.register(fastifyStatic, {
      root: dashboard,
      prefix: '/',
      // One route a file: a wildcard would answer the bare "/" itself, with 403 for a folder without listing.
      wildcard: false,
      index: false,
      // Vite puts a hash of the content into these names.
      setHeaders(response, path) {
        response.header(
          'cache-control',
          path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
        );
      },
    });
  }
  return (request, reply) => {
    const path = request.url.split('?', 1)[0] as string;
    if ((request.method !== 'GET' && request.method !== 'HEAD') || !PAGE.test(path)) return null;
    if (!built) return path === '/' ? reply.code(200).type('text/html; charset=utf-8').send(PLAIN) : null;
    const name = `${path.split('/')[1] ?? ''}.html`;
    return reply.code(200).sendFile(name !== '.html' && existsSync(join(dashboard, name)) ? name : 'index.html');
  };
}

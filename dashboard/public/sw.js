/*
 * Keeps the pages usable without a network: built files as they are (their names hold a hash), the newest pages and latest values
 * as seen last. Values from the cache carry their own times, so the page shows how old they are.
 */
const CACHE = 'lamppost-1';
/** Answers of the API that are worth having offline; the rest is asked for anew. */
const KEPT = /^\/api\/v1\/(latest\.geojson|(boxes|stations)\/[a-z0-9-]+(\/observations)?)$/;
const MAX_KEPT = 80;

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(['/', '/icon.svg', '/app.webmanifest']))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((n) => n !== CACHE).map((n) => caches.delete(n))))
      .then(() => self.clients.claim()),
  );
});

/** The first visit loads its files before this worker runs: the page tells which. */
self.addEventListener('message', (event) => {
  const urls = (Array.isArray(event.data) ? event.data : []).filter(
    (u) => typeof u === 'string' && new URL(u).origin === location.origin && worth(new URL(u)),
  );
  event.waitUntil(
    caches.open(CACHE).then((cache) =>
      Promise.all(
        urls.map(async (u) => {
          if (!(await cache.match(u))) await cache.add(u).catch(() => undefined);
        }),
      ),
    ),
  );
});

const worth = (url) => url.pathname.startsWith('/assets/') || KEPT.test(url.pathname);

async function trim(cache) {
  const kept = (await cache.keys()).filter((r) => KEPT.test(new URL(r.url).pathname));
  await Promise.all(kept.slice(0, Math.max(0, kept.length - MAX_KEPT)).map((r) => cache.delete(r)));
}

async function networkFirst(request, fallback) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) {
      // Put again at the end: the oldest answers are dropped first.
      await cache.delete(request);
      await cache.put(request, response.clone());
      await trim(cache);
    }
    return response;
  } catch (error) {
    const kept =
      (await cache.match(request)) ??
      (fallback ? await cache.match(fallback) : undefined) ??
      (await cache.match(everywhere(request.url)));
    if (kept) return kept;
    throw error;
  }
}

/** Latest values of a square that was never looked at are among those of everywhere. */
function everywhere(text) {
  const url = new URL(text);
  url.searchParams.delete('bbox');
  return url.href;
}

async function cacheFirst(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  if (request.mode === 'navigate') {
    if (!/^\/(api|sta|dumps|metrics|healthz|readyz)/.test(url.pathname)) event.respondWith(networkFirst(request, '/'));
  } else if (url.pathname.startsWith('/assets/')) event.respondWith(cacheFirst(request));
  else if (KEPT.test(url.pathname)) event.respondWith(networkFirst(request, null));
});

/**
 * A server for the pages alone: the HTTP shapes of the real one out of `city.ts`. Used by the end-to-end tests and the map bench;
 * by hand: `node tests/dashboard/server.ts --port 8090 --boxes 300`.
 */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { isPropertyKey, type PropertyKey } from '../../model/properties.ts';
import { DAY, HOUR, MINUTE, formatTime, parseTime } from '../../model/time.ts';
import { SLOT_MS, spots, tracks } from '../../api/hotspots.ts';
import { city, feature, type FakeCity, type FakeThing } from './city.ts';

export const DIST = fileURLToPath(new URL('../../dist/dashboard/', import.meta.url));
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};

export interface PageServer {
  readonly url: string;
  readonly city: FakeCity;
  /** The box that has hung there longest: ten years, the others little more than one. */
  readonly oldest: FakeThing;
  /** Sends the feature of a Thing to every open stream. */
  push(thing: FakeThing, property: PropertyKey, value: number): void;
  /** Squares of the open streams, '' = everywhere. */
  streamSquares(): string[];
  /** Answers nothing any more (connections are cut) until `comeBack`. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

export interface PageServerOptions {
  readonly boxes?: number;
  readonly seed?: number;
  readonly port?: number;
  /** Live observations a second; 0 = only what is pushed. */
  readonly rate?: number;
  readonly now?: () => number;
  /** Folder of the built pages; default the project's own. */
  readonly pages?: string;
}

/** Whether a Thing lies in west,south,east,north; '' = everywhere. */
const within = (bbox: string): ((t: FakeThing) => boolean) => {
  const [w, s, e, n] = (bbox || '-180,-90,180,90').split(',').map(Number) as [number, number, number, number];
  return (t) => t.lon >= w && t.lon <= e && t.lat >= s && t.lat <= n;
};

/** The one run over history this server knows: all but the last four hours. */
const REVISION = 7;

const duration = (text: string | null): number =>
  ({ PT1H: HOUR, PT3H: 3 * HOUR, P1D: DAY, PT10M: 10 * MINUTE })[text ?? ''] ?? 0;

export async function startServer(options: PageServerOptions = {}): Promise<PageServer> {
  const now = options.now ?? Date.now;
  const country = city(options.boxes ?? 300, options.seed ?? 1);
  const byId = new Map(country.things.map((t) => [t.id, t]));
  const oldest = country.things.find(
    (t) => t.kind === 'box' && t.mood === 'ok' && t.exposure === 'outdoor' && t.claimed,
  );
  if (!oldest) throw new Error('a city without one good box');
  const born = (t: FakeThing): number => now() - (t === oldest ? 3653 : 400) * DAY;
  const streams = new Set<{ res: ServerResponse; property: string; level: string | null; bbox: string }>();

  const item = (t: FakeThing): unknown => ({
    id: t.id,
    name: t.name,
    nativeId: t.kind === 'box' && !t.claimed ? `74DA3895${t.id.slice(-4)}` : '',
    format: 'json',
    kind: t.kind,
    lat: t.lat,
    lon: t.lon,
    claimed: t.claimed,
    exposure: t.exposure,
    sensors: t.kind === 'box' ? ['PMS5003', 'SHT31'] : ['BAM-1020'],
    properties: t.kind === 'box' ? ['pm25', 'pm10', 'temperature', 'humidity'] : ['pm25', 'pm10'],
    licence: 'CC-BY-4.0',
    licenceDetail: { id: 'CC-BY-4.0', name: 'CC BY 4.0', url: 'https://creativecommons.org/licenses/by/4.0/' },
    attribution: t.kind === 'box' ? 'Lamppost test city' : 'Ministry of the test city',
    lastSeen: formatTime(now()),
    health: null,
    places: [{ lat: t.lat, lon: t.lon, from: formatTime(born(t)) }],
  });

  const observations = (t: FakeThing, q: URLSearchParams): unknown[] => {
    const property = q.get('property') as PropertyKey;
    const level = q.get('level') === 'raw' ? 'raw' : 'corrected';
    const from = parseTime(q.get('from') ?? '') ?? now() - DAY;
    const to = Math.min(parseTime(q.get('to') ?? '') ?? now(), now());
    const bin = duration(q.get('interval'));
    const step = bin || (t.kind === 'station' ? HOUR : 5 * MINUTE);
    const out: unknown[] = [];
    const end = t.mood === 'silent' ? Math.min(to, now() - 9 * HOUR) : to;
    const phase = bin || t.kind === 'station' ? 0 : Math.floor((t.phase % step) / 1000) * 1000;
    let start = Math.ceil((Math.max(from, born(t)) - phase) / step) * step + phase;
    if (t.mood === 'single') start = Math.max(start, Math.floor((now() - HOUR) / step) * step);
    for (let at = start; at < end && out.length < 20_000; at += step) {
      // A pause of an hour and a half in every thirty-five, by age: at no time of the day does it hide a moment that a test asks for.
      if (bin === 0 && (now() - at + 25 * HOUR) % (35 * HOUR) < 1.5 * HOUR) continue;
      const v = country.value(t, property, level, bin ? at + bin / 2 : at);
      if (!v) continue;
      out.push({
        ...v,
        time: undefined,
        product: at < now() - 4 * HOUR ? 'revised' : 'live',
        revision: at < now() - 4 * HOUR ? REVISION : 0,
        property,
        level,
        unit: 'ug/m3',
        phenomenonTime: formatTime(at),
        ...(bin ? { phenomenonTimeEnd: formatTime(at + bin), count: Math.round(bin / (5 * MINUTE)), coverage: 1 } : {}),
      });
      if (t.mood === 'single') break;
    }
    return out;
  };

  /** Out of the same code as the real server's. */
  const hotspotsOf = (level: 'raw' | 'corrected', from: number, to: number): unknown => {
    const boxes = country.things.filter((t) => t.kind === 'box' && t.mood === 'ok' && t.exposure === 'outdoor');
    const slots = [];
    for (let time = Math.floor(from / SLOT_MS) * SLOT_MS; time < Math.min(to, now()); time += SLOT_MS)
      slots.push({
        time,
        spots: spots(
          boxes.flatMap((t) => {
            const value = country.value(t, 'pm25', level, time)?.value;
            return typeof value === 'number' ? [{ lat: t.lat, lon: t.lon, value }] : [];
          }),
        ),
      });
    return {
      property: 'pm25',
      level,
      items: tracks(slots).map((h) => ({
        ...h,
        start: formatTime(h.start),
        end: formatTime(h.end),
        path: h.path.map((p) => ({ ...p, time: formatTime(p.time) })),
      })),
    };
  };

  const json = (res: ServerResponse, status: number, body: unknown, zip = false): void => {
    const text = JSON.stringify(body);
    const headers: Record<string, string> = {
      'content-type': status === 200 ? 'application/json' : 'application/problem+json',
      'cache-control': 'no-cache',
    };
    if (zip && text.length > 2000)
      res.writeHead(status, { ...headers, 'content-encoding': 'gzip' }).end(gzipSync(text, { level: 1 }));
    else res.writeHead(status, headers).end(text);
  };

  const dist = options.pages ?? DIST;
  const file = (res: ServerResponse, path: string): void => {
    const wanted = normalize(join(dist, path));
    const isFile = wanted.startsWith(dist) && existsSync(wanted) && statSync(wanted).isFile();
    const chosen = isFile ? wanted : join(dist, 'index.html');
    if (!isFile && extname(path) !== '') return void res.writeHead(404).end();
    res.writeHead(200, {
      'content-type': TYPES[extname(chosen)] ?? 'application/octet-stream',
      'cache-control': 'no-cache',
    });
    createReadStream(chosen).pipe(res);
  };

  let server: Server;
  let port = options.port ?? 0;
  const listen = async (): Promise<void> => {
    server = createServer((req, res) => {
      const url = new URL(req.url ?? '/', 'http://localhost');
      const property = url.searchParams.get('property') ?? 'pm25';
      const level = url.searchParams.get('level') === 'raw' ? 'raw' : 'corrected';
      const inSquare = within(url.searchParams.get('bbox') ?? '');
      const zip = /gzip/.test(String(req.headers['accept-encoding']));
      const one = /^\/api\/v1\/(boxes|stations)\/([^/]+)(\/observations)?$/.exec(url.pathname);
      if (url.pathname === '/api/v1/latest.geojson') {
        if (!isPropertyKey(property)) return json(res, 400, { title: 'unknown property', status: 400 });
        const at = now();
        const features = country.things
          .filter((t) => !url.searchParams.has('kind') || t.kind === url.searchParams.get('kind'))
          .filter(inSquare)
          .map((t) => feature(t, property, level, country.latest(t, property, level, at)));
        return json(res, 200, { type: 'FeatureCollection', features }, zip);
      }
      if (url.pathname === '/api/v1/frames') {
        const from = parseTime(url.searchParams.get('from') ?? '') ?? NaN;
        const to = parseTime(url.searchParams.get('to') ?? '') ?? NaN;
        if (!isPropertyKey(property) || !(to - from <= 8 * DAY))
          return json(res, 400, { title: 'impossible span', status: 400 });
        const start = Math.floor(from / HOUR) * HOUR;
        const hours = Math.max(0, Math.ceil((Math.min(to, now()) - start) / HOUR));
        const series = country.things.filter((t) => t.mood !== 'empty' && t.mood !== 'single' && inSquare(t));
        return json(
          res,
          200,
          {
            property,
            level,
            unit: 'ug/m3',
            start: formatTime(start),
            step: 'PT1H',
            hours,
            ids: series.map((t) => t.id),
            values: series.map((t) =>
              Array.from({ length: hours }, (_, i) =>
                t.mood === 'silent' && i > hours - 10
                  ? null
                  : (country.value(t, property, level, start + i * HOUR + HOUR / 2)?.value ?? null),
              ),
            ),
          },
          zip,
        );
      }
      if (url.pathname === '/api/v1/hotspots') {
        const to = parseTime(url.searchParams.get('to') ?? '') ?? now();
        const from = parseTime(url.searchParams.get('from') ?? '') ?? to - DAY;
        return json(res, 200, hotspotsOf(level, from, to), zip);
      }
      if (url.pathname === '/api/v1/quality') {
        const boxes = country.things.filter((t) => t.kind === 'box' && inSquare(t));
        return json(res, 200, {
          items: boxes.map((t) => {
            const score = t.mood === 'suspect' ? 41 : 88;
            return {
              id: t.id,
              score,
              siteClass: t.gain > 1.8 ? 'near_source' : '',
              words: { zh: `健康度 ${score}（滿分 100）。`, en: `Health ${score} of 100.` },
            };
          }),
          next: null,
        });
      }
      if (url.pathname === '/api/v1/revisions')
        return json(res, 200, {
          items: [
            {
              number: REVISION,
              product: 'revised',
              from: formatTime(0),
              to: formatTime(now() - 4 * HOUR),
              issuedAt: formatTime(now() - 3 * HOUR),
            },
          ],
          next: null,
        });
      const changes = /^\/api\/v1\/revisions\/(\d+)\/changes$/.exec(url.pathname);
      if (changes) {
        const days = [0, 1, 2].map((d) => formatTime(now() - d * DAY).slice(0, 10));
        return json(res, 200, {
          items: days.map((day) => ({ day, values: 288, moved: 12, meanShift: -1.4, maxShift: 6.2 })),
          next: null,
        });
      }
      if (one) {
        const t = byId.get(one[2] as string);
        if (!t || (one[1] === 'stations') !== (t.kind === 'station' || Boolean(one[3])))
          if (!t || !one[3]) return json(res, 404, { title: 'not found', status: 404 });
        return json(res, 200, one[3] ? { items: observations(t, url.searchParams), next: null } : item(t), zip);
      }
      if (url.pathname === '/api/v1/stream') {
        res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
        res.write(': hello\n\n');
        const stream = {
          res,
          property,
          level: url.searchParams.get('level'),
          bbox: url.searchParams.get('bbox') ?? '',
        };
        streams.add(stream);
        res.on('close', () => streams.delete(stream));
        return;
      }
      if (url.pathname.startsWith('/api/')) return json(res, 404, { title: 'not found', status: 404 });
      file(res, decodeURIComponent(url.pathname));
    });
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    port = (server.address() as AddressInfo).port;
  };
  await listen();

  const send = (thing: FakeThing, property: string, level: string, body: unknown): void => {
    const text = `event: observation\nid: ${now()}\ndata: ${JSON.stringify(body)}\n\n`;
    for (const s of streams)
      if (s.property === property && (s.level === null || s.level === level) && within(s.bbox)(thing))
        s.res.write(text);
  };
  let turn = 0;
  const rate = options.rate ?? 0;
  const ticker =
    rate > 0
      ? setInterval(() => {
          if (streams.size === 0) return;
          const property = ([...streams][0]?.property ?? 'pm25') as PropertyKey;
          for (let i = 0; i < Math.max(1, rate / 10); i++) {
            const t = country.things[turn++ % country.things.length] as FakeThing;
            if (t.kind === 'station' || t.mood === 'silent' || t.mood === 'stale') continue;
            for (const level of ['corrected', 'raw'] as const) {
              const v = country.value(t, property, level, Math.floor(now() / 1000) * 1000);
              if (v) send(t, property, level, feature(t, property, level, v));
            }
          }
        }, 100)
      : undefined;

  const shut = (): Promise<void> => {
    for (const s of streams) s.res.destroy();
    server.closeAllConnections();
    return new Promise((done) => void server.close(() => done()));
  };
  return {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    city: country,
    oldest,
    push(thing, property, value) {
      const time = Math.floor(now() / 1000) * 1000;
      for (const level of ['corrected', 'raw'] as const)
        send(
          thing,
          property,
          level,
          feature(thing, property, level, {
            time,
            value,
            flag: 1,
            reasons: [],
            lo90: level === 'raw' ? null : value - 3,
            hi90: level === 'raw' ? null : value + 3,
            model: 'pms-l4-push',
            correctionLevel: 'L4',
          }),
        );
    },
    streamSquares: () => [...streams].map((s) => s.bbox),
    goAway: shut,
    comeBack: listen,
    async close() {
      clearInterval(ticker);
      await shut();
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '8090' },
      boxes: { type: 'string', default: '300' },
      rate: { type: 'string', default: '5' },
    },
  });
  const server = await startServer({
    port: Number(values.port),
    boxes: Number(values.boxes),
    rate: Number(values.rate),
  });
  console.log(server.url);
}

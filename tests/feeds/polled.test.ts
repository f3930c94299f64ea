/** Polled feeds against local servers that answer in the recorded shapes (own records: ids, values and places are made up). */
import { tmpdir } from 'node:os';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { Registry as Metrics } from 'prom-client';
import { loadConfig, type ConfigError } from '../../config.ts';
import { decoderForTopic } from '../../ingest/decoders/index.ts';
import { createFeeds, feedMetrics } from '../../ingest/feeds/index.ts';
import { feedSettings, type FeedSettings } from '../../ingest/feeds/settings.ts';
import { backoffMs, wordsOf, type Feed } from '../../ingest/feeds/feed.ts';
import { LASS_PORTAL, listFeed, SENSOR_COMMUNITY } from '../../ingest/feeds/lists.ts';
import { moenvFeed } from '../../ingest/feeds/moenv.ts';
import { archivePath, openAqFeed } from '../../ingest/feeds/openaq.ts';
import { sensorThingsFeed } from '../../ingest/feeds/sensorthings.ts';
import { stationDirectory } from '../../ingest/feeds/stations.ts';
import type { Packet } from '../../model/packet.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { readingsOf, valuesOf } from '../decoders/expect.ts';
import { keeper, serve, steps, type LocalServer } from './servers.ts';

const NOW = Date.UTC(2026, 2, 2, 4, 30);
const clock = () => NOW;
let open: (LocalServer | Feed)[] = [];
afterEach(async () => {
  for (const one of open) await ('stop' in one ? one.stop() : one.close());
  open = [];
});
const opened = <T extends LocalServer | Feed>(one: T): T => {
  open.push(one);
  return one;
};
const decoded = (p: Packet | undefined) =>
  p
    ? readingsOf(decoderForTopic(p.topic)?.decode(p.payload, p.topic) ?? { ok: false, code: 'none', detail: p.topic })
    : [];

const box = (id: string, minute: number, pm: number) => ({
  app: 'AirBox',
  device_id: id,
  SiteName: '測試國小',
  area: 'x',
  s_d0: pm,
  s_t0: 20.5,
  s_h0: 60,
  gps_lat: 24.5,
  gps_lon: 120.7,
  timestamp: `2026-03-02T04:${String(minute).padStart(2, '0')}:00Z`,
  c_d0: 99,
});

describe('the LASS portal', () => {
  it('delivers what is new, asks on condition, and is told by hash where the server knows no conditions', async () => {
    let feeds = [box('74DA38000001', 1, 9), box('74DA38000002', 1, 12)];
    let etag = '"1"';
    const server = opened(
      await serve((request, response) => {
        if (etag !== '' && request.headers['if-none-match'] === etag) response.writeHead(304).end();
        else
          response
            .writeHead(200, etag === '' ? {} : { etag })
            .end(JSON.stringify({ source: 'test', feeds, num_of_records: 3088 }));
      }),
    );
    const journal = keeper();
    const step = steps();
    const feed = opened(
      listFeed(
        LASS_PORTAL,
        { name: 'portal', url: server.url, intervalMs: 300_000 },
        { accept: (p) => journal.accept(p), clock, pause: step.pause },
      ),
    );
    feed.start();
    expect(await step.next()).toBe(300_000);
    expect(journal.packets).toHaveLength(1);
    expect(journal.packets[0]).toMatchObject({
      via: 'feed',
      topic: 'feeds/lass-portal',
      sender: '',
      client: 'feed:portal',
      receivedAt: NOW,
    });
    const readings = decoded(journal.packets[0]);
    expect(readings.map((r) => [r.nativeId, valuesOf(r)['pm25']])).toEqual([
      ['74DA38000001', 9],
      ['74DA38000002', 12],
    ]);
    expect(readings[0]?.hints?.attribution).toContain('Academia Sinica');

    step.go(); // nothing changed: 304
    await step.next();
    expect(server.requests[1]?.headers['if-none-match']).toBe('"1"');
    expect(journal.packets).toHaveLength(1);
    expect(feed.health()).toMatchObject({ ok: true, problem: '', packets: 1, unchanged: 1, lastSuccess: NOW });

    etag = '"2"'; // one box of two has a new record
    feeds = [box('74DA38000001', 6, 10), feeds[1] as ReturnType<typeof box>];
    step.go();
    await step.next();
    expect(decoded(journal.packets[1]).map((r) => [r.nativeId, valuesOf(r)['pm25']])).toEqual([['74DA38000001', 10]]);

    etag = ''; // a server without validators: the same bytes
    step.go();
    await step.next();
    expect(journal.packets).toHaveLength(2);
  });

  it('what the journal refused is delivered at the next poll, not lost', async () => {
    const server = opened(
      await serve((_, response) =>
        response.writeHead(200, { etag: '"1"' }).end(JSON.stringify({ feeds: [box('74DA38000001', 1, 9)] })),
      ),
    );
    const journal = keeper();
    journal.refuse = 'disk full';
    const step = steps();
    const feed = opened(
      listFeed(
        LASS_PORTAL,
        { name: 'portal', url: server.url, intervalMs: 1000 },
        { accept: (p) => journal.accept(p), clock, pause: step.pause },
      ),
    );
    feed.start();
    await step.next();
    expect(feed.health()).toMatchObject({ failures: 1, problem: 'disk full', packets: 0, lastSuccess: null });
    journal.refuse = '';
    step.go();
    await step.next();
    expect(server.requests[1]?.headers['if-none-match']).toBeUndefined();
    expect(journal.packets).toHaveLength(1);
  });

  it('waits longer after each failure, as long as the server asks, and recovers', async () => {
    const answers: [number, Record<string, string>, string][] = [
      [500, {}, 'oops'],
      [500, {}, 'oops'],
      [503, { 'retry-after': '7200' }, ''],
      [200, {}, 'no json'],
      [200, {}, '{"feeds":[]}'],
    ];
    const server = opened(
      await serve((_, response) => {
        const [status, headers, body] = answers.shift() ?? [200, {}, '{"feeds":[]}'];
        response.writeHead(status, headers).end(body);
      }),
    );
    const step = steps();
    const feed = opened(
      listFeed(
        LASS_PORTAL,
        { name: 'portal', url: `${server.url}/x?api_key=SECRET`, intervalMs: 1000 },
        { accept: () => Promise.resolve(1), clock, pause: step.pause },
      ),
    );
    feed.start();
    const first = await step.next();
    expect(feed.health().ok).toBe(true);
    step.go();
    const second = await step.next();
    expect(second).toBe(first * 2);
    step.go();
    expect(await step.next()).toBe(7_200_000);
    expect(feed.health()).toMatchObject({ ok: false, failures: 3 });
    expect(feed.health().problem).toContain('503');
    step.go();
    await step.next();
    expect(feed.health().problem).toContain('no JSON');
    step.go();
    expect(await step.next()).toBe(1000);
    expect(feed.health()).toMatchObject({ ok: true, failures: 0, problem: '' });
    expect(JSON.stringify(feed.health())).not.toContain('SECRET');
  });

  it('an answer without end is cut off', async () => {
    const server = opened(
      await serve((_, response) => {
        response.writeHead(200, { 'content-length': String(10 ** 12) }).write('{');
      }),
    );
    const step = steps();
    const feed = opened(
      listFeed(
        LASS_PORTAL,
        { name: 'portal', url: server.url, intervalMs: 1000 },
        { accept: () => Promise.resolve(1), clock, pause: step.pause },
      ),
    );
    feed.start();
    await step.next();
    expect(feed.health().problem).toContain('longer than');
  });

  it('a server that is not there is a problem in words', async () => {
    const step = steps();
    const feed = opened(
      listFeed(
        LASS_PORTAL,
        { name: 'portal', url: 'http://127.0.0.1:1/?key=SECRET', intervalMs: 1000 },
        { accept: () => Promise.resolve(1), clock, pause: step.pause },
      ),
    );
    feed.start();
    await step.next();
    expect(feed.health().problem).not.toBe('');
    expect(feed.health().problem).not.toContain('SECRET');
  });
});

describe('Sensor.Community', () => {
  it('both records of a chip in five minutes come, each once; gzip and trailing garbage are no matter', async () => {
    const record = (time: string, p1: string) => ({
      timestamp: time,
      sensor: { id: 77001, pin: '1', sensor_type: { name: 'SDS011' } },
      location: { latitude: '48.78', longitude: '9.18', indoor: 0 },
      sensordatavalues: [{ value_type: 'P1', value: p1 }],
    });
    const list = [record('2026-03-02 04:25:00', '5'), record('2026-03-02 04:27:30', '6')];
    const server = opened(
      await serve((_, response) => response.writeHead(200).end(gzipSync(`${JSON.stringify(list)}\n<br>`))),
    );
    const journal = keeper();
    const step = steps();
    const feed = opened(
      listFeed(
        SENSOR_COMMUNITY,
        { name: 'sc', url: server.url, intervalMs: 1000 },
        { accept: (p) => journal.accept(p), clock, pause: step.pause },
      ),
    );
    feed.start();
    await step.next();
    expect(decoded(journal.packets[0]).map((r) => valuesOf(r)['pm10'])).toEqual([5, 6]);
    list.push(record('2026-03-02 04:30:00', '7'));
    step.go();
    await step.next();
    expect(decoded(journal.packets[1]).map((r) => valuesOf(r)['pm10'])).toEqual([7]);
  });
});

describe('a SensorThings server', () => {
  const thing = (id: number, time: string, pm: number) => ({
    '@iot.id': id,
    name: `測站-${id}`,
    properties: { stationID: `9990000000${id}`, isOutdoor: 'true' },
    Locations: [{ location: { type: 'Point', coordinates: [121.5, 25] } }],
    Datastreams: [
      {
        name: 'PM2.5',
        unitOfMeasurement: { symbol: 'μg/m3' },
        Observations: [{ phenomenonTime: time, result: pm, resultTime: null }],
      },
    ],
  });

  it('follows pages, takes Things with new Observations', async () => {
    const things = [thing(1, '2026-03-02T04:20:00.000Z', 5), thing(2, '2026-03-02T04:21:00.000Z', 6)];
    let base = '';
    const server = opened(
      await serve((request, response) => {
        const second = request.url?.includes('skip');
        response.writeHead(200).end(
          JSON.stringify({
            value: [things[second ? 1 : 0]],
            ...(second ? {} : { '@iot.nextLink': `${base}/v1.0/Things?$skip=100` }),
          }),
        );
      }),
    );
    base = server.url;
    const journal = keeper();
    const step = steps();
    const feed = opened(
      sensorThingsFeed(
        {
          name: 'epa',
          url: `${server.url}/v1.0`,
          filter: "properties/city eq '基隆市'",
          observations: 3,
          intervalMs: 1000,
        },
        { accept: (p) => journal.accept(p), clock, pause: step.pause },
      ),
    );
    feed.start();
    await step.next();
    const asked = new URL(server.requests[0]?.url ?? '', server.url);
    expect(asked.pathname).toBe('/v1.0/Things');
    expect(asked.searchParams.get('$filter')).toBe("properties/city eq '基隆市'");
    expect(asked.searchParams.get('$expand')).toContain('Observations($orderby=phenomenonTime desc;$top=3)');
    expect(journal.packets.flatMap(decoded).map((r) => [r.nativeId, valuesOf(r)])).toEqual([
      ['99900000001', { pm25: 5 }],
      ['99900000002', { pm25: 6 }],
    ]);
    things[1] = thing(2, '2026-03-02T04:24:00.000Z', 7);
    step.go();
    await step.next();
    expect(
      journal.packets
        .slice(2)
        .flatMap(decoded)
        .map((r) => valuesOf(r)),
    ).toEqual([{ pm25: 7 }]);
  });

  it('does not follow a link to somebody else’s server', async () => {
    const server = opened(
      await serve((_, response) =>
        response.writeHead(200).end('{"value":[],"@iot.nextLink":"http://169.254.169.254/latest"}'),
      ),
    );
    const step = steps();
    const feed = opened(
      sensorThingsFeed(
        { name: 'epa', url: server.url, filter: '', observations: 1, intervalMs: 1000 },
        { accept: () => Promise.resolve(1), clock, pause: step.pause },
      ),
    );
    feed.start();
    await step.next();
    expect(feed.health().problem).toContain('another server');
    expect(server.requests).toHaveLength(1);
  });
});

describe('OpenAQ', () => {
  it('names files as the archive does', () => {
    expect(archivePath(2178, Date.UTC(2023, 1, 22))).toBe(
      'records/csv.gz/locationid=2178/year=2023/month=02/location-2178-20230222.csv.gz',
    );
  });
  it('takes the days that are there, once, and asks again for those that are not', async () => {
    const there = new Map([['location-7-20260227.csv.gz', 3]]);
    const server = opened(
      await serve((request, response) => {
        const file = request.url?.split('/').at(-1) ?? '';
        const pm = there.get(file);
        const etag = `"${file}-${pm}"`;
        if (pm === undefined) response.writeHead(404).end();
        else if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
        else
          response
            .writeHead(200, { etag })
            .end(
              gzipSync(
                `location_id,sensors_id,location,datetime,lat,lon,parameter,units,value\n7,1,Test-7,2026-02-27T01:00:00+08:00,25,121.5,pm25,µg/m³,${pm}\n`,
              ),
            );
      }),
    );
    const journal = keeper();
    const step = steps();
    const feed = opened(
      openAqFeed(
        { name: 'aq', url: server.url, locations: [7], days: 5, intervalMs: 1000 },
        { accept: (p) => journal.accept(p), clock, pause: step.pause },
      ),
    );
    feed.start();
    await step.next();
    expect(server.requests).toHaveLength(5);
    expect(decoded(journal.packets[0])[0]).toMatchObject({ nativeId: '7', time: Date.UTC(2026, 1, 26, 17) });
    step.go();
    await step.next();
    expect(journal.packets).toHaveLength(1);
    there.set('location-7-20260228.csv.gz', 4);
    step.go();
    await step.next();
    expect(journal.packets).toHaveLength(2);
  });
});

describe('MOENV reference stations', () => {
  const record = (hour: number, pm: string, more = {}) => ({
    sitename: '測試',
    county: '某縣',
    'pm2.5': pm,
    status: '良好',
    publishtime: `2026/03/02 ${hour}:00:00`,
    latitude: '25.12',
    longitude: '121.76',
    siteid: '901',
    ...more,
  });

  it('makes the station once, publishes on its topic, takes each hour once, moves it when its place was revised', async () => {
    const registry = openRegistry(':memory:');
    try {
      let records: unknown[] = [
        record(11, '15'),
        record(11, '', { siteid: '902', sitename: '缺測' }),
        record(11, '9', { siteid: '903', status: '設備維護' }),
      ];
      const server = opened(await serve((_, response) => response.writeHead(200).end(JSON.stringify({ records }))));
      let now = NOW;
      const later = () => now;
      const journal = keeper();
      const step = steps();
      const stations = stationDirectory(registry, 'moenv', later);
      const feed = opened(
        moenvFeed({ name: 'moenv', url: `${server.url}/aqx_p_432?api_key=SECRET`, intervalMs: 1000 }, stations, {
          accept: (p) => journal.accept(p),
          clock,
          pause: step.pause,
        }),
      );
      feed.start();
      await step.next();
      const [station, ...others] = registry.list({ kind: 'station' });
      expect(others).toEqual([]);
      expect(station).toMatchObject({
        kind: 'station',
        nativeId: '901',
        name: '某縣測試',
        licence: 'OGDL-Taiwan-1.0',
        claimed: true,
        project: 'moenv',
      });
      expect(station?.place).toMatchObject({ lat: 25.12, lon: 121.76 });
      expect(journal.packets).toHaveLength(1);
      expect(journal.packets[0]).toMatchObject({
        topic: `boxes/${station?.id}/moenv`,
        sender: station?.id,
        via: 'feed',
      });
      // 11:00 in Taiwan ends the hour that began at 02:00 UTC.
      expect(decoded(journal.packets[0])[0]).toMatchObject({
        time: Date.UTC(2026, 2, 2, 2),
        values: [{ property: 'pm25', value: 15 }],
      });
      expect(JSON.stringify(feed.health()) + journal.texts().join()).not.toContain('SECRET');

      now += 3_600_000;
      records = [record(12, '17', { latitude: '25.13' })];
      step.go();
      await step.next();
      step.go();
      await step.next();
      expect(journal.packets).toHaveLength(2);
      expect(registry.list({ kind: 'station' })).toHaveLength(1);
      expect(registry.get(station?.id ?? '')?.place).toMatchObject({ lat: 25.13 });
      // A new start finds the station again.
      expect(stationDirectory(registry, 'moenv', clock).idOf(decoded(journal.packets[1])[0] as never)).toBe(
        station?.id,
      );
    } finally {
      registry.close();
    }
  });

  it('an answer without any station is a fault, not silence', async () => {
    const registry = openRegistry(':memory:');
    try {
      const server = opened(await serve((_, response) => response.writeHead(200).end('{"message":"api key invalid"}')));
      const step = steps();
      const feed = opened(
        moenvFeed({ name: 'moenv', url: server.url, intervalMs: 1000 }, stationDirectory(registry, 'moenv', clock), {
          accept: () => Promise.resolve(1),
          clock,
          pause: step.pause,
        }),
      );
      feed.start();
      await step.next();
      expect(feed.health().problem).toContain('no record');
    } finally {
      registry.close();
    }
  });
});

describe('settings and metrics', () => {
  it('defaults, bounds and unknown keys', () => {
    const ok = feedSettings.parse([{ kind: 'moenv', name: 'moenv', url: 'https://example.org/aqx_p_432?api_key=k' }]);
    expect(ok[0]).toMatchObject({ interval: 600 });
    for (const bad of [
      [{ kind: 'moenv', name: 'moenv', url: 'ftp://x' }],
      [{ kind: 'moenv', name: 'm', url: 'https://x', interval: 1 }],
      [{ kind: 'moenv', name: 'm', url: 'https://x', intervall: 100 }],
      [{ kind: 'nothing', name: 'm' }],
      [{ kind: 'mqtt', name: 'm', url: 'http://x', topics: ['a'], clientId: 'c' }],
      [{ kind: 'mqtt', name: 'm', url: 'mqtt://x', topics: [], clientId: 'c' }],
    ])
      expect(feedSettings.safeParse(bad).success).toBe(false);
  });

  it('two feeds of one name are refused; metrics tell each feed', async () => {
    const registry = openRegistry(':memory:');
    try {
      const settings: FeedSettings = feedSettings.parse([
        { kind: 'lass-portal', name: 'a', url: 'http://127.0.0.1:1' },
      ]);
      const parts = { accept: () => Promise.resolve(1), clock };
      expect(() => createFeeds([...settings, ...settings], registry, parts)).toThrow('"a"');
      const metrics = new Metrics();
      feedMetrics(createFeeds(settings, registry, parts), metrics);
      const text = await metrics.metrics();
      expect(text).toContain('lamppost_feed_up{feed="a",kind="lass-portal"} 1');
      expect(text).toContain('lamppost_feed_packets_total{feed="a",kind="lass-portal"} 0');
    } finally {
      registry.close();
    }
  });

  it('backoff doubles to an hour; words hide addresses’ secrets', () => {
    const waits = Array.from({ length: 12 }, (_, i) => backoffMs('x', i + 1, null));
    expect(waits[1]).toBe((waits[0] as number) * 2);
    expect(Math.max(...waits)).toBeLessThanOrEqual(1.25 * 3_600_000);
    expect(backoffMs('x', 1, 10 ** 12)).toBe(86_400_000);
    expect(wordsOf(new Error('fetch failed', { cause: new Error('connect mqtt://user:pw@host/?key=1') }))).toBe(
      'fetch failed: connect mqtt://…@host/?…',
    );
  });
});

describe('feeds in the configuration', () => {
  const problems = (feeds: unknown): readonly string[] => {
    try {
      loadConfig({ env: { LAMPPOST_FEEDS: JSON.stringify(feeds) }, cwd: tmpdir() });
    } catch (error) {
      return (error as ConfigError).problems;
    }
    return [];
  };
  it('are read from the environment as JSON, with their defaults', () => {
    const env = {
      LAMPPOST_FEEDS: JSON.stringify([{ kind: 'moenv', name: 'moenv', url: 'https://example.org/x?api_key=k' }]),
    };
    expect(loadConfig({ env, cwd: tmpdir() }).feeds).toEqual([
      { kind: 'moenv', name: 'moenv', url: 'https://example.org/x?api_key=k', interval: 600 },
    ]);
    expect(loadConfig({ env: {}, cwd: tmpdir() }).feeds).toEqual([]);
  });
  it('a wrong one is named by its place, and its key is not shown', () => {
    const [first] = problems([{ kind: 'moenv', name: 'Wrong Name', url: 'https://example.org/x?api_key=SECRET' }]);
    expect(first).toContain('LAMPPOST_FEEDS');
    expect(first).toContain('0.name');
    expect(first).not.toContain('SECRET');
    expect(problems('nothing')).toHaveLength(1);
  });
});

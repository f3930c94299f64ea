/** The feeds an operator has set up, made of their settings. */
import { Counter, Gauge, type Registry as Metrics } from 'prom-client';
import { SECOND } from '../../model/time.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Feed, FeedHealth, FeedParts } from './feed.ts';
import { LASS_PORTAL, listFeed, SENSOR_COMMUNITY } from './lists.ts';
import { moenvFeed } from './moenv.ts';
import { mqttBridge } from './mqtt-bridge.ts';
import { openAqFeed } from './openaq.ts';
import { sensorThingsFeed } from './sensorthings.ts';
import type { FeedSettings } from './settings.ts';
import { stationDirectory } from './stations.ts';

function feedOf(s: FeedSettings[number], registry: Registry, parts: FeedParts): Feed {
  switch (s.kind) {
    case 'mqtt': {
      const { kind: _, username, password, prefix, ...rest } = s;
      return mqttBridge(
        {
          ...rest,
          ...(username === undefined ? {} : { username }),
          ...(password === undefined ? {} : { password }),
          ...(prefix === undefined ? {} : { prefix }),
        },
        parts,
      );
    }
    case 'lass-portal':
      return listFeed(LASS_PORTAL, { ...s, intervalMs: s.interval * SECOND }, parts);
    case 'sensor-community':
      return listFeed(SENSOR_COMMUNITY, { ...s, intervalMs: s.interval * SECOND }, parts);
    case 'sensorthings':
      return sensorThingsFeed({ ...s, intervalMs: s.interval * SECOND }, parts);
    case 'openaq':
      return openAqFeed({ ...s, intervalMs: s.interval * SECOND }, parts);
    case 'moenv':
      return moenvFeed(
        { ...s, intervalMs: s.interval * SECOND },
        stationDirectory(registry, 'moenv', parts.clock),
        parts,
      );
  }
}

export interface Feeds {
  start(): void;
  stop(): Promise<void>;
  health(): FeedHealth[];
}

/** @throws Error when two feeds have one name */
export function createFeeds(settings: FeedSettings, registry: Registry, parts: FeedParts): Feeds {
  const names = new Set<string>();
  for (const s of settings) {
    if (names.has(s.name)) throw new Error(`two feeds are named "${s.name}"; give each its own name`);
    names.add(s.name);
  }
  const feeds = settings.map((s) => feedOf(s, registry, parts));
  return {
    start() {
      for (const feed of feeds) feed.start();
    },
    async stop() {
      await Promise.all(feeds.map((f) => f.stop()));
    },
    health: () => feeds.map((f) => f.health()),
  };
}

/** Per-feed metrics, read when they are asked for. */
export function feedMetrics(feeds: Pick<Feeds, 'health'>, metrics: Metrics): void {
  const labelNames = ['feed', 'kind'] as const;
  const gauge = (metric: string, help: string, of: (h: FeedHealth) => number | null): void => {
    const made = new Gauge({
      name: metric,
      help,
      labelNames,
      registers: [],
      collect() {
        for (const h of feeds.health()) {
          const value = of(h);
          if (value !== null) this.set({ feed: h.name, kind: h.kind }, value);
        }
      },
    });
    metrics.registerMetric(made);
  };
  const counter = (metric: string, help: string, of: (h: FeedHealth) => number): void => {
    const made = new Counter({
      name: metric,
      help,
      labelNames,
      registers: [],
      collect() {
        this.reset();
        for (const h of feeds.health()) this.inc({ feed: h.name, kind: h.kind }, of(h));
      },
    });
    metrics.registerMetric(made);
  };
  gauge('lamppost_feed_up', '1 while the feed works', (h) => (h.ok ? 1 : 0));
  gauge('lamppost_feed_last_success_seconds', 'When the feed last worked (Unix time)', (h) =>
    h.lastSuccess === null ? null : h.lastSuccess / 1000,
  );
  gauge('lamppost_feed_failures', 'Failures in a row', (h) => h.failures);
  counter('lamppost_feed_packets_total', 'Packets of the feed that are on disk', (h) => h.packets);
  counter('lamppost_feed_skipped_total', 'Messages of the feed that were not taken', (h) => h.skipped);
}

/** The parts a server is made of, as `main.ts` picks them; heavy ones are loaded when they are first asked for. */
import type { MessagePort } from 'node:worker_threads';
import type { Registry as Metrics } from 'prom-client';
import type { Api, ApiOptions } from '../api/options.ts';
import type { StaHost, StaHostOptions } from '../api/sta/host.ts';
import type { Broker, BrokerOptions } from '../broker/broker.ts';
import type { Config } from '../config.ts';
import type { Feeds } from '../ingest/feeds/index.ts';
import type { FeedSettings } from '../ingest/feeds/settings.ts';
import type { JournalReader, JournalWriter } from '../journal/journal.ts';
import type { Packet } from '../model/packet.ts';
import type { Registry } from '../registry/registry.ts';
import type { SetupOptions, SetupStep } from '../store/influx/setup.ts';
import type { BulkStore } from '../store/store.ts';

/** A store, and more doors to it for other threads. */
export interface OpenStore {
  readonly store: BulkStore;
  /** A port for one more thread, which makes a store of it with `connectStore`. */
  readonly connect: () => MessagePort | Promise<MessagePort>;
  readonly close: () => Promise<void>;
  /** Rejects when the store's thread ends by itself: nothing goes on without it. */
  readonly died: Promise<never>;
}

export interface Parts {
  /** The program itself, for threads of it. */
  readonly entry: URL;
  readonly openRegistry: (path: string, options: { maxUnclaimed: number; readOnly?: boolean }) => Registry;
  /** `log` hears of damaged files set aside and the like. */
  readonly openStore: (config: Config, folder: string, log?: (message: string) => void) => Promise<OpenStore>;
  /** Buckets and tasks on the InfluxDB server of the settings. */
  readonly setupInflux: (config: Config, options: SetupOptions) => Promise<readonly SetupStep[]>;
  readonly openJournal: (folder: string, options: { startAfter?: number; maxBytes?: number }) => Promise<JournalWriter>;
  readonly openJournalReader: (folder: string) => Promise<JournalReader>;
  readonly startBroker: (options: BrokerOptions) => Promise<Broker>;
  /** The card of a correction from the literature; null = none has that id. */
  readonly publishedModel: (id: string) => Record<string, unknown> | null;
  readonly startSta: (options: StaHostOptions) => Promise<StaHost>;
  /** Feeds that are not started yet, with their metrics registered. */
  readonly openFeeds: (
    settings: FeedSettings,
    registry: Registry,
    accept: (packet: Packet) => Promise<unknown>,
    metrics: Metrics,
  ) => Promise<Feeds>;
  readonly startApi: (options: ApiOptions) => Promise<Api>;
}

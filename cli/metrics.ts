/** Prometheus metrics of broker, journal, pipeline and store; the HTTP side adds its own and serves all at `/metrics`. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { StationVerdict } from '../calibration/stage.ts';
import type { BrokerStats } from '../broker/stats.ts';
import type { CommitMessage } from '../ingest/messages.ts';
import type { PipelineStatus } from '../ingest/thread.ts';
import type { JournalHealth } from '../journal/journal.ts';
import type { StoreHealth } from '../store/store.ts';
import type { ThreadUse } from './threads.ts';

export interface ServerMetrics {
  readonly registry: Registry;
  accepted(via: string, bytes: number): void;
  committed(commit: CommitMessage, now: number): void;
}

export interface MetricSources {
  readonly journal: () => JournalHealth | null;
  readonly pipeline: () => PipelineStatus | null;
  readonly store: () => StoreHealth | null;
  readonly broker: () => BrokerStats | null;
  readonly stations: () => readonly StationVerdict[];
  readonly threads: () => Promise<readonly ThreadUse[]>;
}

export function createMetrics(sources: MetricSources): ServerMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []): Counter<L> =>
    new Counter({ name: `lamppost_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string, read: () => number | null | undefined): Gauge =>
    new Gauge({
      name: `lamppost_${name}`,
      help,
      registers,
      collect() {
        const value = read();
        if (value !== null && value !== undefined) this.set(value);
      },
    });

  const accepted = counter('packets_accepted_total', 'Packets that are in the journal and acknowledged', ['via']);
  const bytes = counter('packet_bytes_total', 'Bytes of those packets');
  const processed = counter('packets_processed_total', 'Packets that went through the pipeline');
  const stored = counter('observations_stored_total', 'Values stored');
  const duplicates = counter('duplicates_total', 'Redelivered readings and values that were dropped');
  const conflicts = counter('conflicts_total', 'Values refused because another one of the same time is stored');
  const rejects = counter('rejects_total', 'Packets and readings kept as rejects', ['code']);
  const lag = new Histogram({
    name: 'lamppost_pipeline_lag_seconds',
    help: 'From receipt of the newest packet of a batch to its being stored',
    buckets: [0.1, 0.25, 0.5, 1, 2, 5, 10, 60, 600],
    registers,
  });
  gauge(
    'pipeline_backlog_records',
    'Records in the journal that are not yet stored',
    // The pipeline counts at commits, and none comes while the store is away.
    () => {
      const [pipeline, journal] = [sources.pipeline(), sources.journal()];
      return pipeline && journal ? Math.max(0, journal.lastSeq - pipeline.seq) : pipeline?.backlog;
    },
  );
  gauge('journal_bytes', 'Bytes of the journal that are not trimmed', () => sources.journal()?.bytes);
  gauge('journal_ok', '1 = the journal takes packets', () =>
    sources.journal() ? Number(sources.journal()?.ok) : null,
  );
  gauge('journal_last_seq', 'Number of the newest journal record', () => sources.journal()?.lastSeq);
  gauge('store_rows', 'Values in the store', () => sources.store()?.rows);
  gauge('store_bytes', 'Size of the store', () => sources.store()?.bytes);
  gauge('rejects_dropped_total', 'Rejects that had to go because there were more than maxRejects', () => sources.store()?.rejectsDropped); // prettier-ignore
  gauge('store_ok', '1 = the store works', () => (sources.store() ? Number(sources.store()?.ok) : null));
  gauge('mqtt_connections', 'Open MQTT connections', () => sources.broker()?.connections ?? 0);
  gauge('mqtt_pending_bytes', 'Bytes of publishes that are not yet durable', () => sources.broker()?.pendingBytes);
  const ofStations = (name: string, help: string, value: (verdict: StationVerdict) => number): Gauge<'station'> =>
    new Gauge({
      name: `lamppost_station_${name}`,
      help,
      labelNames: ['station'],
      registers,
      collect() {
        this.reset();
        for (const verdict of sources.stations()) this.set({ station: verdict.station }, value(verdict));
      },
    });
  ofStations('excluded', '1 = the values of this reference station are not believed', (v) =>
    Number(v.stuck || v.excludedFor.length > 0),
  );
  ofStations(
    'clock_offset_seconds',
    'What is added to the time labels of this reference station',
    (v) => v.clockMs / 1000,
  );
  const ofThreads = (name: string, help: string, value: (use: ThreadUse) => number): Gauge<'thread'> =>
    new Gauge({
      name: `lamppost_thread_${name}`,
      help,
      labelNames: ['thread'],
      registers,
      async collect() {
        for (const use of await threads()) this.set({ thread: use.name }, value(use));
      },
    });
  // One look serves the four gauges of one scrape.
  let looking: Promise<readonly ThreadUse[]> | null = null;
  const threads = (): Promise<readonly ThreadUse[]> => {
    looking ??= sources.threads().finally(() => (looking = null));
    return looking;
  };
  ofThreads('heap_used_bytes', 'Objects on the heap of a thread', (u) => u.heapUsed);
  ofThreads('heap_bytes', 'Memory reserved for the heap of a thread', (u) => u.heapTotal);
  ofThreads('external_bytes', 'Array buffers and the like of a thread, outside its heap', (u) => u.external);
  ofThreads('cpu_seconds', 'Processor time of a thread since its start, without garbage collection by helpers', (u) => u.cpuSeconds); // prettier-ignore
  // The broker counts by itself; what it says is shown, not counted again.
  const shown = (name: string, help: string, read: (stats: BrokerStats) => number): Counter =>
    new Counter({
      name: `lamppost_${name}`,
      help,
      registers,
      collect() {
        const stats = sources.broker();
        if (!stats) return;
        this.reset();
        this.inc(read(stats));
      },
    });
  shown('mqtt_connections_total', 'MQTT connections since the start', (s) => s.connectionsTotal);
  shown('mqtt_packets_total', 'MQTT packets of any kind that came', (s) => s.packets);
  shown('mqtt_bytes_total', 'Bytes that came over MQTT', (s) => s.bytes);
  shown('mqtt_publishes_total', 'Publishes of readings that came', (s) => s.publishes);
  shown('mqtt_held_total', 'Times a publish was held because the journal refused it', (s) => s.held);
  shown('mqtt_live_dropped_total', 'Live messages left out for slow subscribers', (s) => s.liveDropped);
  const refused = new Counter({
    name: 'lamppost_mqtt_refused_total',
    help: 'Connections, publishes and subscriptions that were refused',
    labelNames: ['reason'],
    collect() {
      this.reset();
      for (const [why, n] of Object.entries(sources.broker()?.refused ?? {})) this.inc({ reason: why }, n);
    },
    registers: [],
  });
  registry.registerMetric(refused);

  return {
    registry,
    accepted(via, length) {
      accepted.inc({ via });
      bytes.inc(length);
    },
    committed(commit, now) {
      processed.inc(commit.packets);
      stored.inc(commit.stored);
      duplicates.inc(commit.duplicates);
      conflicts.inc(commit.conflicts);
      for (const [code, n] of Object.entries(commit.rejects)) rejects.inc({ code }, n);
      if (commit.newest > 0) lag.observe(Math.max(0, now - commit.newest) / 1000);
    },
  };
}

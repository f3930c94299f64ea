/** Prometheus metrics of journal, pipeline and store; the HTTP side adds its own and serves all at `/metrics`. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { CommitMessage } from '../ingest/messages.ts';
import type { PipelineStatus } from '../ingest/thread.ts';
import type { JournalHealth } from '../journal/journal.ts';
import type { StoreHealth } from '../store/store.ts';

export interface ServerMetrics {
  readonly registry: Registry;
  accepted(via: string, bytes: number): void;
  committed(commit: CommitMessage, now: number): void;
}

export interface MetricSources {
  readonly journal: () => JournalHealth | null;
  readonly pipeline: () => PipelineStatus | null;
  readonly store: () => StoreHealth | null;
  readonly connections: () => number;
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
    () => sources.pipeline()?.backlog,
  );
  gauge('journal_bytes', 'Bytes of the journal that are not trimmed', () => sources.journal()?.bytes);
  gauge('journal_ok', '1 = the journal takes packets', () =>
    sources.journal() ? Number(sources.journal()?.ok) : null,
  );
  gauge('journal_last_seq', 'Number of the newest journal record', () => sources.journal()?.lastSeq);
  gauge('store_rows', 'Values in the store', () => sources.store()?.rows);
  gauge('store_bytes', 'Size of the store', () => sources.store()?.bytes);
  gauge('store_ok', '1 = the store works', () => (sources.store() ? Number(sources.store()?.ok) : null));
  gauge('mqtt_connections', 'Open MQTT connections', sources.connections);

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

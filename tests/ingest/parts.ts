/** A pipeline with the real registry, decoders and stage; the test passes clock and journal in. */
import { createStage } from '../../calibration/create.ts';
import { decoderFor, decoderForTopic, decoders } from '../../ingest/decoders/index.ts';
import { createPipeline, type Pipeline, type PipelineParts } from '../../ingest/pipeline.ts';
import type { JournalRecord } from '../../journal/journal.ts';
import { encodePacket, type Packet } from '../../model/packet.ts';
import type { Registry } from '../../registry/registry.ts';
import { openRegistry } from '../../registry/sqlite.ts';

/** 2026-11-21T08:00:00Z */
export const NOON = Date.UTC(2026, 10, 21, 8);

export function parts(registry: Registry, change: Partial<PipelineParts> = {}): PipelineParts {
  return {
    registry,
    stage: createStage(),
    decoderFor,
    decoderForTopic,
    formats: decoders.map((d) => d.format),
    maxUnclaimed: 3,
    ...change,
  };
}

export interface Bench {
  readonly registry: Registry;
  readonly pipeline: Pipeline;
  /** Hands packets over as the next journal records. */
  readonly send: (...packets: Partial<Packet>[]) => ReturnType<Pipeline['process']>;
}

export const record = (seq: number, packet: Partial<Packet>): JournalRecord => ({
  seq,
  bytes: encodePacket({
    receivedAt: NOON,
    via: 'mqtt',
    topic: 'boxes/box-one-1/json',
    sender: 'box-one-1',
    client: 'c1',
    packetId: seq % 65536,
    payload: new Uint8Array(),
    ...packet,
  }),
});

export const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

export function bench(): Bench {
  const registry = openRegistry(':memory:', { maxUnclaimed: 3 });
  registry.addMany(
    [
      { id: 'box-one-1', lat: 25.03, lon: 121.56, sensors: ['PMS5003'], exposure: 'outdoor' },
      { id: 'box-two-2', lat: 25.04, lon: 121.56, sensors: ['PMS5003'], exposure: 'outdoor' },
      { id: 'station-1', kind: 'station', lat: 25.035, lon: 121.56 },
      { id: 'no-place-1' },
    ],
    NOON - 1000,
  );
  const pipeline = createPipeline(parts(registry));
  let seq = 0;
  return { registry, pipeline, send: (...packets) => pipeline.process(packets.map((p) => record(++seq, p))) };
}

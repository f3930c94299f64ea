/**
 * A simulated box of every kind, through the real pipeline: registered under its own topic, and unregistered on its native
 * one, where it becomes an unclaimed box. Heartbeats beside the readings leave no reject.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createStage } from '../../calibration/create.ts';
import type { Measurement, SimBox } from '../../firmware-sim/box.ts';
import { PAYLOAD_WRITERS, writeMessages, writePayload } from '../../firmware-sim/payloads/index.ts';
import { decoderFor, decoderForTopic, decoders } from '../../ingest/decoders/index.ts';
import { setPseudonymKey } from '../../ingest/decoders/pseudonym.ts';
import { createPipeline, type Pipeline } from '../../ingest/pipeline.ts';
import { encodePacket } from '../../model/packet.ts';
import type { Registry } from '../../registry/registry.ts';
import { openRegistry } from '../../registry/sqlite.ts';

const NOW = Date.UTC(2026, 10, 21, 8);
const BOX_ID = 'registered-1';
let registry: Registry;
let pipeline: Pipeline;
let seq = 0;

beforeEach(() => {
  setPseudonymKey(Buffer.alloc(32, 7));
  registry = openRegistry(':memory:', { maxUnclaimed: 1000 });
  registry.addMany([{ id: BOX_ID, lat: 25, lon: 121.5 }], NOW - 1000);
  pipeline = createPipeline({
    registry,
    stage: createStage(),
    decoderFor,
    decoderForTopic,
    formats: decoders.map((d) => d.format),
    maxUnclaimed: 1000,
  });
  seq = 0;
});
afterEach(() => registry.close());

const box = (index: number) => ({ id: BOX_ID, index, lat: 25.01, lon: 121.51, sensor: 'PMS5003' }) as unknown as SimBox;
const measuredAt = (time: number): Measurement => ({
  time,
  trueTime: time,
  pm1: 8,
  pm25: 12,
  pm10: 20,
  temperature: 24,
  humidity: 61,
});

/** Each message a second after the one before, as they come in. */
const send = (messages: readonly { topic: string; payload: string | Buffer }[], sender = '') =>
  pipeline.process(
    messages.map(({ topic, payload }) => ({
      seq: ++seq,
      bytes: encodePacket({
        receivedAt: NOW + seq * 1000,
        via: 'mqtt',
        topic,
        sender,
        client: 'c',
        packetId: seq,
        payload: Buffer.from(payload),
      }),
    })),
  );
const messagesOf = (format: string, index: number, own: string, time = NOW - 60_000) => {
  const measured = measuredAt(time);
  const { payload, openTopic } = writePayload(format, box(index), [measured], false);
  return writeMessages(format, box(index), measured, own) ?? [{ topic: own ? `${own}/${format}` : openTopic, payload }];
};

describe.each(PAYLOAD_WRITERS.map((w) => w.format))('%s', (format) => {
  it('of a registered box becomes readings of that box alone', () => {
    for (const index of [0, 1, 2]) {
      const out = send(messagesOf(format, index, `boxes/${BOX_ID}`, NOW - (9 - index) * 60_000), BOX_ID);
      expect(out.rejects).toEqual([]);
      expect(new Set(out.readings.map((r) => r.thing))).toEqual(new Set([BOX_ID]));
      const pm25 = out.readings.flatMap((r) => r.values).find((v) => v.property === 'pm25');
      expect(pm25?.raw).toBeCloseTo(12, 0);
    }
    expect(registry.count()).toBe(1);
  });

  it.skipIf(format === 'json')('of an unregistered box makes one unclaimed box, however often it sends', () => {
    for (const index of [0, 1, 2, 0, 1, 2]) expect(send(messagesOf(format, index, '')).rejects).toEqual([]);
    const unclaimed = registry.list({ claimed: false });
    expect(unclaimed).toHaveLength(3);
    for (const thing of unclaimed) {
      expect(thing.format).toBe(format);
      expect(thing.nativeId).not.toBe('');
    }
  });
});

describe('what is no reading', () => {
  it.each([
    ['boxes/registered-1/tasmota/LWT', 'Online'],
    ['boxes/registered-1/esphome/status', 'online'],
    ['boxes/registered-1/esphome/debug', '[I][wifi] connected'],
    ['tele/tasmota_1/STATE', '{"UptimeSec":1}'],
    ['device/sck/abc123/hello', 'hi'],
    ['esphome/lamp-1/status', 'offline'],
  ])('%s is passed over', (topic, payload) => {
    expect(send([{ topic, payload }], topic.startsWith('boxes') ? BOX_ID : '')).toMatchObject({
      readings: [],
      rejects: [],
    });
  });

  it('LASS messages that come again on the companion topic count once', () => {
    const { payload } = writePayload('lass', box(0), [measuredAt(NOW - 60_000)], false);
    const out = send([
      { topic: 'LASS/Test/PM25', payload },
      { topic: 'LASS/Test/PM25/FT9_001', payload },
    ]);
    expect(out.readings).toHaveLength(1);
    expect(out.duplicates).toBe(1);
  });
});

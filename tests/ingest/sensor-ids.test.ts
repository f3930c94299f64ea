/** A senseBox that only changed its host name: its owner says what the ids of openSenseMap stand for. */
import { expect, it } from 'vitest';
import { publicProperties } from '../../registry/place.ts';
import { sensorIdProperties } from '../../registry/sensor-ids.ts';
import { noSamples, sample } from '../decoders/samples.ts';
import { bench, NOON } from './parts.ts';

const IDS = { '5A0000000000000000000001': 'pm25', '5a0000000000000000000002': 'temperature' } as const;
const body = Buffer.from('{"5a0000000000000000000001":"12.5","5a0000000000000000000002":"21.25","5a0000000000000000000003":"7"}'); // prettier-ignore

it('the ids are read as their owner said; others are told to him', () => {
  const { registry, send } = bench();
  const packet = { topic: 'boxes/box-one-1/opensensemap', payload: body };
  expect(send(packet)).toMatchObject({ readings: [], rejects: [{ code: 'unknown-sensor' }] });
  registry.update('box-one-1', { properties: { township: '信義區', ...sensorIdProperties(IDS) } }, NOON);
  const done = send({ ...packet, receivedAt: NOON + 1000 });
  expect(done.readings[0]?.values.map((v) => [v.property, v.raw])).toEqual([['pm25', 12.5], ['temperature', 21.25]]); // prettier-ignore
  expect(done.rejects).toMatchObject([{ code: 'partly-kept' }]);
  expect(publicProperties(registry.get('box-one-1') as never)).toEqual({ township: '信義區' });
});

it.skipIf(noSamples)('the recorded bytes of ../shared/formats/samples/opensensemap, by the values in SOURCES', () => {
  const { registry, send } = bench();
  registry.update('box-one-1', { properties: sensorIdProperties({ '5a0000000000000000000002': 'pm25', '5a0000000000000000000003': 'pm10' }) }, NOON); // prettier-ignore
  const bytes = Buffer.from(sample('opensensemap/sbx-bytes.hex.txt').toString().replace(/\s/g, ''), 'hex');
  // 00 00 48 41 little-endian is 0x41480000: 1.5625 · 2³ = 12.5; 00 00 e8 40 is 0x40e80000: 1.8125 · 2² = 7.25
  const { readings } = send({ topic: 'boxes/box-one-1/opensensemap', payload: bytes });
  expect(readings[0]?.values.map((v) => [v.property, v.raw])).toEqual([['pm25', 12.5], ['pm10', 7.25]]); // prettier-ignore
});

import { serialize } from 'node:v8';
import * as fc from '../property.ts';
import { expect, test } from 'vitest';
import { createStage } from '../../calibration/create.ts';
import { decodeParts, encodeParts } from '../../calibration/snapshot.ts';
import type { RawReading } from '../../model/observation.ts';

const array = fc
  .record({ kind: fc.constantFrom(Float64Array, Float32Array, Int32Array, Uint32Array, Uint8Array), length: fc.constantFrom(0, 1, 511, 4095, 5001) })
  .map(({ kind, length }) => new kind(Array.from({ length }, (_, i) => (i * 37) % 251))); // prettier-ignore
const leaf = fc.oneof(array, fc.array(array, { maxLength: 3 }), fc.string(), fc.double(), fc.constant(null), fc.array(fc.integer()), fc.constant(new Map([['a', { x: 1 }]]))); // prettier-ignore
const state = fc.dictionary(
  fc.constantFrom('qc', 'pool', 'blocks', 'n'),
  fc.oneof(leaf, fc.dictionary(fc.constantFrom('a', 'b', 'c'), leaf)),
);

test('a state comes back as it was from its parts, wherever in memory they lie', () => {
  fc.assert(
    fc.property(state, fc.integer({ min: 0, max: 9 }), (given, offset) => {
      const parts = encodeParts(given);
      const room = new Uint8Array(offset + parts.reduce((n, p) => n + p.length, 0));
      let at = offset;
      for (const part of parts) {
        room.set(part, at);
        at += part.length;
      }
      expect(decodeParts(room.subarray(offset))).toEqual(given);
    }),
  );
});

test('large arrays are copied neither way where they can lie as they are; older states are read; what is cut short is refused', () => {
  const big = Float64Array.from({ length: 5000 }, (_, i) => i);
  const parts = encodeParts({ pool: { count: 1, blocks: [big, big.subarray(0, 3)] } });
  expect(parts.some((p) => p.buffer === big.buffer)).toBe(true);
  const bytes = Buffer.concat(parts);
  const found = decodeParts(bytes) as { pool: { blocks: Float64Array[] } };
  expect(found.pool.blocks[0]?.buffer === bytes.buffer).toBe(bytes.byteOffset % 8 === 0);
  expect(found.pool.blocks).toEqual([big, big.subarray(0, 3)]);
  expect(decodeParts(serialize({ a: big }))).toEqual({ a: big });
  const whole = Buffer.concat(encodeParts({ a: big }));
  expect(() => decodeParts(whole.subarray(0, whole.length - 8))).toThrow('cut short');
});

test('a stage that took a state over keeps nothing of the bytes', () => {
  const stage = createStage();
  const start = Date.UTC(2026, 10, 21);
  for (let num = 1; num <= 1500; num++) {
    const [lat, lon] = [23 + (num % 40) / 100, 120 + Math.floor(num / 40) / 100];
    stage.setBox({ id: `box-${num}`, num, lat, lon, sensor: 'PMS5003', field: '', trusted: true, exposure: 'outdoor' });
  }
  for (let minute = 0; minute < 3; minute++) {
    const readings = Array.from({ length: 1500 }, (_, i): RawReading => {
      const time = start + minute * 60_000 + i;
      const values = [{ property: 'pm25' as const, raw: 10 + ((i * 7 + minute) % 13) }, { property: 'humidity' as const, raw: 60 }]; // prettier-ignore
      return { stage: 'raw', thing: `box-${i + 1}`, thingNum: i + 1, phenomenonTime: time, resultTime: time, clock: 'box', seq: i, values }; // prettier-ignore
    });
    stage.correct(stage.check(readings));
  }
  const whole = stage.snapshot();
  const bytes = Buffer.allocUnsafeSlow(whole.length);
  bytes.set(whole);
  const [one, other] = [createStage(), createStage()];
  one.restore(whole);
  other.restore(bytes);
  bytes.fill(0);
  expect(Buffer.compare(other.snapshot(), one.snapshot())).toBe(0);
});

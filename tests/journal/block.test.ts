import { crc32 } from 'node:zlib';
import * as fc from '../property.ts';
import { expect, test } from 'vitest';
import { decodeBlock, encodeBlock } from '../../journal/block.ts';

const text = (s: string): Buffer => Buffer.from(s);
const readings = (n: number): Buffer[] =>
  Array.from({ length: n }, (_, i) =>
    text(`{"t":"2026-11-21T08:00:${10 + (i % 50)}Z","pm25":${i % 70},"humidity":88}`),
  );

test('records come back as they were, whatever they are', () => {
  const record = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(text('{"pm25":31,"pm10":40}')));
  fc.assert(
    fc.property(fc.array(record, { maxLength: 200 }), fc.nat(), fc.nat(), (records, seq, offset) => {
      const block = decodeBlock(encodeBlock(seq, offset, records), seq);
      expect([block?.firstSeq, block?.offset, block?.count]).toEqual([seq, offset, records.length]);
      expect(block?.records()?.map((r) => [...r])).toEqual(records.map((r) => [...r]));
    }),
  );
});

test('many readings are written in less than half their bytes, a few as they are', () => {
  const many = readings(500);
  const bytes = many.reduce((sum, r) => sum + r.length, 0);
  expect(encodeBlock(1, 0, many).length).toBeLessThan(bytes / 2);
  const few = encodeBlock(1, 0, readings(3));
  expect(few.toString('latin1', 0, 4)).toBe('LPJ1');
  expect(few.includes('"pm25":2')).toBe(true);
});

test('a block of an earlier version is read', () => {
  const records = readings(400);
  const lengths = Buffer.alloc(4 * records.length);
  for (const [i, r] of records.entries()) lengths.writeUInt32LE(r.length, 4 * i);
  const bytes = Buffer.concat([Buffer.alloc(28), lengths, ...records]);
  bytes.write('LPJ1', 0, 'latin1');
  bytes.writeDoubleLE(7, 8);
  bytes.writeDoubleLE(1234, 16);
  bytes.writeUInt32LE(400, 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  expect(decodeBlock(bytes, 7)?.records()).toEqual(records);
  expect(decodeBlock(bytes, 8)).toBeNull();
});

test('a flipped or a missing byte is seen, also when the checksum was made for it', () => {
  const records = readings(100);
  const whole = encodeBlock(5, 0, records);
  const resealed = (bytes: Buffer): Buffer => {
    bytes.writeUInt32LE(crc32(bytes.subarray(8), crc32(bytes.subarray(0, 4))), 4);
    return bytes;
  };
  fc.assert(
    fc.property(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bytes = Buffer.from(whole);
      bytes.writeUInt8(bytes.readUInt8(at) ^ flip, at);
      expect(decodeBlock(bytes, 5)).toBeNull();
    }),
  );
  fc.assert(
    fc.property(fc.nat({ max: whole.length - 29 }), (cut) => {
      const bytes = Buffer.from(whole.subarray(0, 28 + cut));
      expect(decodeBlock(bytes, 5)).toBeNull();
      expect(decodeBlock(resealed(bytes), 5)?.records() ?? null).toBeNull();
    }),
  );
  const bomb = Buffer.from(whole);
  bomb.writeUInt32LE(0xffffffff, 28);
  expect(decodeBlock(resealed(bomb), 5)?.records()).toBeNull();
});

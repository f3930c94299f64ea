import * as fc from '../property.ts';
import { expect, test } from 'vitest';
import { decodePacket, encodePacket } from '../../model/packet.ts';

test('a packet comes out of its bytes as it went in', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 40 });
  fc.assert(
    fc.property(
      fc.record({
        receivedAt: fc.nat(4e12),
        via: fc.constantFrom('mqtt' as const, 'http' as const, 'feed' as const),
        topic: text,
        sender: text,
        client: text,
        packetId: fc.nat(65_535),
        payload: fc.uint8Array({ maxLength: 200 }).map((b) => Buffer.from(b)),
      }),
      (packet) => {
        expect(decodePacket(encodePacket(packet))).toEqual(packet);
      },
    ),
  );
});

test('any other bytes are an error, never a wrong packet or a crash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        const packet = decodePacket(bytes);
        expect(encodePacket(packet).length).toBe(bytes.length);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }),
    { numRuns: 1000 },
  );
});

import * as fc from '../property.ts';
import { describe, expect, it } from 'vitest';
import { NOT_A_READING } from '../../ingest/decoder.ts';
import { columnsOf, modelNumbers } from '../../ingest/columns.ts';
import { decoderFor, decoderForTopic, decoders } from '../../ingest/decoders/index.ts';
import { MemoryStore } from '../../store/memory.ts';
import { bench, NOON, record } from './parts.ts';

const word = fc.oneof(
  fc.constantFrom(
    'boxes',
    'box-one-1',
    'box-two-2',
    'station-1',
    'batch',
    'status',
    'LASS',
    'MAPS',
    ...decoders.map((d) => d.format),
  ),
  fc.string({ unit: 'grapheme' }),
);
const topic = fc.array(word, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
/** Bytes, text, JSON of any shape, and JSON that looks like readings. */
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.string({ unit: 'binary' }).map((s) => new TextEncoder().encode(s)),
  fc.json().map((s) => new TextEncoder().encode(s)),
  fc
    .array(
      fc.record(
        {
          t: fc.oneof(
            fc.string(),
            fc.date({ noInvalidDate: true }).map((d) => d.toISOString()),
          ),
          pm25: fc.oneof(fc.double(), fc.string()),
          humidity: fc.double(),
          lat: fc.double(),
          lon: fc.double(),
        },
        { requiredKeys: [] },
      ),
      { maxLength: 4 },
    )
    .map((v) => new TextEncoder().encode(JSON.stringify(v))),
  fc
    .array(
      fc.tuple(fc.constantFrom('device_id', 'date', 'time', 's_d0', 's_h0', 'gps_lat', 'gps_lon', 'app'), fc.string()),
      { maxLength: 9 },
    )
    .map((pairs) => new TextEncoder().encode(`|${pairs.map((p) => p.join('=')).join('|')}`)),
);
const packet = fc.record({
  receivedAt: fc.integer({ min: NOON, max: NOON + 1e6 }),
  via: fc.constantFrom('mqtt' as const, 'http' as const, 'feed' as const),
  topic,
  sender: fc.constantFrom('', 'box-one-1', 'box-two-2'),
  packetId: fc.nat({ max: 3 }),
  payload,
});

/** What firmware sends beside its readings. */
const heartbeat = (name: string, bytes: Uint8Array): boolean => {
  const [first, , format = ''] = name.split('/');
  const decoded = (first === 'boxes' ? decoderFor(format) : decoderForTopic(name))?.decode(bytes, name);
  return decoded?.ok === false && decoded.code === NOT_A_READING;
};

describe('any bytes', () => {
  it('end in readings, in a reject with a reason, or as a counted duplicate, and never throw', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(packet, { minLength: 1, maxLength: 8 }), async (packets) => {
        const { send, registry } = bench();
        try {
          for (const p of packets) {
            const out = send(p);
            const silent = /^boxes\/[^/]*\/status$/.test(p.topic) || heartbeat(p.topic, p.payload);
            expect(out.readings.length + out.rejects.length + out.duplicates > 0 || silent).toBe(true);
            expect(out.problem).toBe('');
            for (const r of out.rejects) {
              expect(r.code).toMatch(/^[a-z0-9-]+$/);
              expect(r.code).not.toBe('ingest-error');
              expect(r.detail).not.toBe('');
            }
            const store = new MemoryStore();
            const models = modelNumbers(store);
            await models.learn(out.readings);
            const rows = columnsOf(out.readings, models);
            for (let i = 0; i < rows.length; i++) {
              expect(Number.isFinite(rows.raw[i])).toBe(true);
              expect([1, 2, 3, 4, 9]).toContain(rows.flag[i]);
              expect(Number.isNaN(rows.corrected[i])).toBe(Number.isNaN(rows.lo90[i]));
            }
          }
        } finally {
          registry.close();
        }
      }),
      { numRuns: 300 },
    );
  });

  it('as a journal record never throw', () => {
    const { pipeline } = bench();
    let seq = 0;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat({ max: 80 }), (bytes, cut) => {
        const whole = record(1, {}).bytes;
        const out = pipeline.process([
          { seq: ++seq, bytes },
          { seq: ++seq, bytes: whole.subarray(0, Math.min(cut, whole.length)) },
        ]);
        expect(out.seq).toBe(seq);
      }),
    );
  });
});

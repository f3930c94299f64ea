/** Whatever the bytes: no decoder throws, values are finite, each property stands once, places are on Earth. */
import * as fc from '../property.ts';
import { describe, expect, it } from 'vitest';
import type { SimBox } from '../../firmware-sim/box.ts';
import { payloadFormats, writePayload } from '../../firmware-sim/payloads/index.ts';
import type { Decoded } from '../../ingest/decoder.ts';
import { decoderFor, decoderForTopic, decoders } from '../../ingest/decoders/index.ts';
import { decimal } from '../../ingest/decoders/text.ts';
import { isPropertyKey } from '../../model/properties.ts';

function check(decoded: Decoded): void {
  if (!decoded.ok) {
    expect(decoded.code).toMatch(/^[a-z0-9-]+$/);
    expect(decoded.detail.length).toBeGreaterThan(0);
    expect(decoded.detail.length).toBeLessThan(3000);
    return;
  }
  expect(decoded.readings.length).toBeGreaterThan(0);
  for (const r of decoded.readings) {
    expect(r.values.length).toBeGreaterThan(0);
    expect(new Set(r.values.map((v) => v.property)).size).toBe(r.values.length);
    for (const v of r.values) {
      expect(isPropertyKey(v.property)).toBe(true);
      expect(Number.isFinite(v.value)).toBe(true);
    }
    expect(r.nativeId.length).toBeLessThanOrEqual(64);
    expect(r.time === null || Number.isSafeInteger(r.time)).toBe(true);
    if (r.place) {
      expect(Math.abs(r.place.lat)).toBeLessThanOrEqual(90);
      expect(Math.abs(r.place.lon)).toBeLessThanOrEqual(180);
    }
    expect((r.notes ?? []).length).toBeLessThanOrEqual(40);
  }
}

const WORDS = [
  's_d0',
  's_t0',
  'gps_lat',
  'gps_lon',
  'date',
  'time',
  'device_id',
  'app',
  'FAKE_GPS',
  'pm25',
  't',
  'value',
  'values',
  'sensordatavalues',
  'value_type',
  'Time',
  'PM2.5',
  'data',
  'sensors',
  'recorded_at',
  'id',
  'pm02',
  'serialno',
  'channels',
  'fields',
  'pm2_5_cf_1',
  'result',
  'phenomenonTime',
  'BME280',
  'Temperature',
  'feeds',
  'timestamp',
  'gps',
  'gps-loc',
];
const scalar = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.double({ noNaN: true }),
  fc.integer(),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom(
    '2026-03-01',
    '04:05:06',
    '2026-03-01T04:05:06Z',
    'nan',
    '-1',
    '1',
    'LinkItONE',
    'MAPS',
    '',
    '-3.-5',
    '1e999',
    '65535',
  ),
  fc.constant(null),
);
const document = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 5 },
    scalar,
    fc.array(tie('node'), { maxLength: 5 }),
    fc.dictionary(fc.constantFrom(...WORDS), tie('node'), { maxKeys: 8 }),
  ),
})).node;
const pipes = fc
  .array(fc.tuple(fc.constantFrom(...WORDS), scalar, fc.constantFrom('|', '|', '|', '!', ' ', '||', '=', '＝', '\r')), {
    maxLength: 30,
  })
  .map((tokens) => tokens.map(([k, v, sep]) => `${k}=${String(v)}${sep}`).join(''));

const topics = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.constantFrom(
    ...decoders.flatMap((d) => [
      `boxes/abcdefgh/${d.format}`,
      ...d.openTopics.map((t) => t.replaceAll('+', 'x').replace('#', 'a/b')),
    ]),
  ),
);

describe.each(decoders.map((d) => [d.format, d] as const))('%s', (_, decoder) => {
  it('never throws on bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), topics, (bytes, topic) => check(decoder.decode(bytes, topic))),
      { numRuns: 300 },
    );
  });
  it('never throws on JSON of the right words', () => {
    fc.assert(
      fc.property(document, topics, (body, topic) => check(decoder.decode(Buffer.from(JSON.stringify(body)), topic))),
      { numRuns: 400 },
    );
  });
  it.skipIf(!payloadFormats().includes(decoder.format))('never throws on a damaged message of its own', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'cut', 'insert', 'double')), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(fc.nat(20), damage, topics, (index, edits, topic) => {
        const box = { id: 'abcdefgh', index, lat: 25.01, lon: 121.51, sensor: 'PMS5003' } as unknown as SimBox;
        const time = Date.UTC(2026, 2, 1, 4, 5, 6);
        const measured = { time, trueTime: time, pm1: 8, pm25: 12.3, pm10: 20, temperature: -3.5, humidity: 61 };
        let bytes = Buffer.from(writePayload(decoder.format, box, [measured], false).payload);
        for (const [where, byte, how] of edits) {
          const at = where % (bytes.length + 1);
          const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
          if (how === 'cut') bytes = head;
          else if (how === 'insert') bytes = Buffer.concat([head, Buffer.from([byte]), tail]);
          else if (how === 'double') bytes = Buffer.concat([head, tail, tail]);
          else if (at < bytes.length) bytes[at] = byte;
        }
        check(decoder.decode(bytes, topic));
        check(decoder.decode(bytes, `boxes/abcdefgh/${decoder.format}/batch`));
      }),
      { numRuns: 300 },
    );
  });
  it('never throws on pipes', () => {
    fc.assert(
      fc.property(pipes, topics, (text, topic) => check(decoder.decode(Buffer.from(text), topic))),
      { numRuns: 300 },
    );
  });
});

describe('the table of decoders', () => {
  it('has one decoder per format', () => {
    expect(new Set(decoders.map((d) => d.format)).size).toBe(decoders.length);
    for (const d of decoders) expect(decoderFor(d.format)).toBe(d);
    expect(decoderFor('nothing')).toBeNull();
  });
  it('finds a decoder by topic', () => {
    expect(decoderForTopic('boxes/abcdefgh/json')?.format).toBe('json');
    expect(decoderForTopic('boxes/abcdefgh/json/batch')?.format).toBe('json');
    expect(decoderForTopic('boxes/abcdefgh/status')).toBeNull();
    expect(decoderForTopic('LASS/Test/PM25/FT1_001')?.format).toBe('lass');
    expect(decoderForTopic('LASS')?.format).toBe('lass');
    expect(decoderForTopic('LASSO/Test')).toBeNull();
    expect(decoderForTopic('$SYS/broker')).toBeNull();
    expect(decoderForTopic('')).toBeNull();
  });
});

describe('decimal', () => {
  it('reads what Number reads, to the last bit', () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }),
        fc.integer({ min: 0, max: 12 }),
        (x, digits) => {
          const text = x.toFixed(digits);
          expect(decimal(text)).toBe(Number(text) + 0);
          expect(decimal(String(x))).toBe(x + 0);
        },
      ),
    );
  });
  it.each([
    '',
    ' ',
    '-',
    '.',
    '1.2.3',
    '1970-01-01',
    '0x10',
    'Infinity',
    'inf',
    'nan',
    '1e',
    '12,5',
    '1e999',
    '--1',
    '%.1f',
    '-59 dBm',
  ])('refuses %j', (text) => {
    expect(decimal(text)).toBeNaN();
  });
  it.each([
    ['+5', 5],
    ['5.', 5],
    ['.5', 0.5],
    [' 7 ', 7],
    ['1e3', 1000],
    ['-0.10', -0.1],
    ['12345678901234567890', 1.2345678901234567e19],
  ])('reads %j', (text, value) => {
    expect(decimal(text)).toBe(value);
  });
});

import { describe, expect, it } from 'vitest';
import { json, MAX_BATCH } from '../../ingest/decoders/json.ts';
import { expectReading, readingsOf } from './expect.ts';

const decode = (text: string) => json.decode(Buffer.from(text), 'boxes/abcdefgh/json');

describe('our JSON', () => {
  it('reads one reading', () => {
    const [r] = readingsOf(
      decode('{"t":"2026-11-21T08:00:00Z","pm25":12.3,"pm10":20,"temperature":24.1,"humidity":61}'),
    );
    expectReading(r, {
      id: '',
      time: '2026-11-21T08:00:00Z',
      values: { pm25: 12.3, pm10: 20, temperature: 24.1, humidity: 61 },
      place: null,
    });
    expect(r?.notes).toBeUndefined();
  });

  it('does without a time, and says what it did not take', () => {
    expectReading(readingsOf(decode('{"pm25":1}'))[0], { time: null, values: { pm25: 1 } });
    expectReading(readingsOf(decode('{"t":"2026-11-21 08:00","pm25":1}'))[0], { time: null, note: /RFC 3339/ });
    expectReading(readingsOf(decode('{"t":1700000000,"pm25":1}'))[0], { time: null, note: /RFC 3339/ });
    expectReading(readingsOf(decode('{"pm25":1,"pm10":"20","humidity":null,"temperature":1e999,"pm2.5":3}'))[0], {
      values: { pm25: 1 },
      note: /pm10 is 20, not a JSON number.*\n.*too large.*\n.*pm2\.5/,
    });
  });

  it('keeps sentinels: a number is a number', () => {
    expectReading(readingsOf(decode('{"pm25":-999,"temperature":-128,"tvoc":65535}'))[0], {
      values: { pm25: -999, temperature: -128, tvoc: 65535 },
    });
  });

  it('places a mobile box', () => {
    expectReading(readingsOf(decode('{"pm25":1,"lat":25.04,"lon":121.5}'))[0], {
      place: [25.04, 121.5],
      source: 'gps',
    });
    expectReading(readingsOf(decode('{"pm25":1,"lat":125.04,"lon":21.5}'))[0], { place: null, note: /lat, lon/ });
    expectReading(readingsOf(decode('{"pm25":1,"lat":0,"lon":0}'))[0], { place: null });
  });

  it('reads a batch, and keeps the good ones of it', () => {
    const readings = readingsOf(
      decode('[{"t":"2026-11-21T08:00:00Z","pm25":1},{"pm25":"x"},{"t":"2026-11-21T08:01:00Z","pm25":2}]'),
    );
    expect(readings.map((r) => r.values[0]?.value)).toEqual([1, 2]);
    expect(readings[0]?.notes?.join()).toMatch(/item 1/);
  });

  it.each([
    ['', 'bad-json'],
    ['{"pm25":nan}', 'bad-json'],
    ["{'pm25':1}", 'bad-json'],
    ['{"pm25":12.3', 'bad-json'],
    ['[]', 'no-values'],
    ['{}', 'no-values'],
    ['null', 'no-values'],
    ['"pm25"', 'no-values'],
    ['{"t":"2026-11-21T08:00:00Z"}', 'no-values'],
    [`[${Array.from({ length: MAX_BATCH + 1 }, () => '{"pm25":1}').join(',')}]`, 'too-long'],
    [`{${Array.from({ length: 100 }, (_, i) => `"k${i}":1`).join(',')},"pm25":1}`, 'no-values'],
    ['['.repeat(100_000), 'bad-json'],
    [`{"pm25":1,"x":"${'y'.repeat(2_200_000)}"}`, 'too-long'],
  ])('refuses %.40s', (text, code) => {
    const d = decode(text);
    expect(d).toMatchObject({ ok: false, code });
    if (!d.ok) expect(d.detail.length).toBeLessThan(2500);
  });
});

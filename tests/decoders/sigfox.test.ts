/** Frames put together by hand from the bit widths of AnySense_7688 lib/encode.py. */
import { expect, it } from 'vitest';
import { sigfox } from '../../ingest/decoders/sigfox.ts';
import { pushEndpoints, pushTopic } from '../../ingest/push.ts';

const decode = (payload: string | Buffer, topic = 'boxes/abcdefgh/sigfox') => sigfox.decode(Buffer.from(payload), topic); // prettier-ignore

it('type 1: 24.5 °C, 61 %, 1009 hPa, PM2.5 31, PM10 40, PM1 18', () => {
  // 0001 | (24.5+20)·10 = 445: 0110111101 | 61: 0000111101 | 1009: 1111110001 | 31: 0000011111 | 40: 0000101000 | 18: 0000010010
  // = 0001 0110 1111 0100 0011 1101 1111 1100 0100 0001 1111 0000 1010 0000 0001 0010, then 32 zeros
  const frame = '16F43DFC41F0A01200000000';
  const values = [
    { property: 'temperature', value: 24.5 },
    { property: 'humidity', value: 61 },
    { property: 'pressure', value: 1009 },
    { property: 'pm25', value: 31 },
    { property: 'pm10', value: 40 },
    { property: 'pm1', value: 18 },
  ];
  const reading = { time: null, place: null, values };
  expect(decode(frame)).toMatchObject({ ok: true, readings: [{ ...reading, nativeId: '' }] });
  expect(decode(Buffer.from(frame, 'hex'), 'sigfox/4D3A21')).toMatchObject({ readings: [{ ...reading, nativeId: '4D3A21' }] }); // prettier-ignore
});

it('type 2: CO2 885 ppm and TVOC 567 ppb; colour counts are not taken', () => {
  // 0010 | 885: 0001101110101 | 567: 0001000110111 | 4 × 16 ones | 00
  // = 0010 0001 1011 1010 1000 1000 1101 11 + 64 ones + 00
  expect(decode('21BA88DFFFFFFFFFFFFFFFFC')).toMatchObject({
    ok: true,
    readings: [{ values: [{ property: 'co2', value: 885 }, { property: 'tvoc', value: 567 }] }], // prettier-ignore
  });
});

it('a 0 is what the encoder writes for no value: left out', () => {
  // Only PM2.5 = 31: 0001, then 10-bit zeros, 31 in the fourth place.
  // 0001 | 30 zeros | 0000011111 | … = 1 0000000 0 1 F in digits
  expect(decode('1000000001F0000000000000')).toMatchObject({ ok: true, readings: [{ values: [{ property: 'pm25', value: 31 }] }] }); // prettier-ignore
  expect(decode('100000000000000000000000')).toMatchObject({ ok: false, code: 'no-values' });
});

it.each([
  ['a pressure of 1024 hPa, which takes 11 bits and pushes all behind it along', '16F43D8000F8500880000000', /bits behind/],
  ['another type', '36F43DFC41F0A01200000000', /type 3/],
  ['too short', '16F43D', /12 bytes/],
  ['no hexadecimal', 'zz', /12 bytes/],
])('is refused: %s', (_what, frame, words) => {
  const decoded = decode(frame);
  expect(decoded.ok ? 'taken' : decoded.detail).toMatch(words);
}); // prettier-ignore

it('comes by the callback path of the portal', () => {
  const endpoint = pushEndpoints.find((e) => e.url === '/Upload/SigFox.php' && e.method === 'GET');
  const ask = (rawQuery: string) => endpoint?.toPacket({ params: {}, rawQuery, headers: {}, body: new Uint8Array() });
  const packet = ask('device_id=4D3A21&data=16F43DFC41F0A01200000000');
  expect(packet).toMatchObject({ ok: true, format: 'sigfox', credential: null });
  if (packet?.ok) expect(pushTopic(packet, '')).toBe('sigfox/4D3A21');
  expect(ask('device_id=4D3A21&data=16F4')).toMatchObject({ ok: false, status: 400 });
  expect(ask('data=16F43DFC41F0A01200000000')).toMatchObject({ ok: false, status: 400 });
});

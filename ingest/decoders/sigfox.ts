/**
 * AnySense over SigFox: frames of 12 bytes, as 24 hexadecimal digits in a query or as they are; formats §1.8, AnySense_7688
 * `lib/encode.py`. The first 4 bits are the type, then whole numbers without gaps, then zeros to 96 bits:
 *
 *   1: temperature (t + 20) · 10, humidity %, pressure hPa, PM2.5, PM10, PM1 µg/m³ — 10 bits each
 *   2: CO2 ppm, TVOC ppb — 13 bits each; red, green, blue, clear counts — 16 bits each, not taken
 *
 * The encoder writes 0 for what is absent or out of range, so a 0 says nothing and is left out. No time, no position.
 */
import type { PropertyKey } from '../../model/properties.ts';
import type { Decoded, Decoder } from '../decoder.ts';
import { nativeIdOf, rejected, type Value } from './text.ts';

const BITS = 96;
type Field = readonly [property: PropertyKey | null, bits: number, toUnit?: (n: number) => number];
const TYPES: Readonly<Record<number, readonly Field[]>> = {
  // Tenths: one division, so that 24.5 comes out as 24.5.
  1: [['temperature', 10, (n) => (n - 200) / 10], ['humidity', 10], ['pressure', 10], ['pm25', 10], ['pm10', 10], ['pm1', 10]], // prettier-ignore
  2: [['co2', 13], ['tvoc', 13], [null, 16], [null, 16], [null, 16], [null, 16]], // prettier-ignore
};

function frameOf(payload: Uint8Array): bigint | null {
  let hex = Buffer.from(payload.buffer, payload.byteOffset, Math.min(payload.length, 64)).toString('latin1').trim();
  if (!/^[0-9a-f]{24}$/i.test(hex)) {
    if (payload.length !== BITS / 8) return null;
    hex = Buffer.from(payload).toString('hex');
  }
  return BigInt(`0x${hex}`);
}

function decode(payload: Uint8Array, topic: string): Decoded {
  const frame = frameOf(payload);
  if (frame === null) return rejected('bad-message', 'a SigFox frame has 12 bytes, or 24 hexadecimal digits');
  let left = BITS;
  const take = (bits: number): number => Number((frame >> BigInt((left -= bits))) & ((1n << BigInt(bits)) - 1n));
  const type = take(4);
  const fields = TYPES[type];
  if (!fields) return rejected('bad-message', `SigFox frames of type ${type} are not known; there are 1 and 2`);
  const values: Value[] = [];
  for (const [property, bits, toUnit] of fields) {
    const n = take(bits);
    if (property && n !== 0) values.push({ property, value: toUnit ? toUnit(n) : n });
  }
  // A value too large for its bits (pressure above 1023 hPa) pushes all behind it out of place.
  if (take(left) !== 0)
    return rejected('bad-message', 'bits behind the last value are set: a value was too large for its place');
  if (values.length === 0) return rejected('no-values', 'all values are 0, which is what stands for no value');
  const levels = topic.split('/');
  const nativeId = levels[0] === 'sigfox' ? nativeIdOf(levels[1] ?? '') : '';
  return { ok: true, readings: [{ nativeId, time: null, values, place: null }] };
}

export const sigfox: Decoder = { format: 'sigfox', openTopics: ['sigfox/#'], decode };

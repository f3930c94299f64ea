/**
 * senseBox sketches (format document §3) with the sensor ids that the registration page gives: "Lamppost" in hexadecimal, three
 * zero bytes and the property's number. One measurement is CSV without a time (even boxes) or sbx-bytes (odd ones); a batch is
 * sbx-bytes-ts.
 */
import { property, type PropertyKey } from '../../model/properties.ts';
import type { Measurement } from '../box.ts';
import type { PayloadWriter } from './writer.ts';

const sensor = (key: PropertyKey): string =>
  `${Buffer.from('Lamppost').toString('hex')}000000${property(key).num.toString(16).padStart(2, '0')}`;
const KEYS = ['pm25', 'pm10', 'pm1', 'temperature', 'humidity'] as const;

function bytes(measurements: readonly Measurement[], timed: boolean): Buffer {
  return Buffer.concat(
    measurements.flatMap((m) =>
      KEYS.map((key) => {
        const record = Buffer.alloc(timed ? 20 : 16);
        record.write(sensor(key), 0, 'hex');
        record.writeFloatLE(m[key], 12);
        if (timed) record.writeUInt32LE(Math.floor((m.time ?? m.trueTime) / 1000), 16);
        return record;
      }),
    ),
  );
}

export const opensensemap: PayloadWriter = {
  format: 'opensensemap',
  openTopic: (box) => `opensensemap/${(box.index + 1).toString(16).padStart(24, '5')}`,
  write(box, measurements, batch) {
    if (batch) return bytes(measurements, true);
    const m = measurements[0] as Measurement;
    if (box.index % 2 === 1) return bytes([m], false);
    return KEYS.map((key) => `${sensor(key)},${m[key]}\r\n`).join('');
  },
};

/**
 * AnySense over SigFox (format document §1.8): 12 bytes as 24 hexadecimal digits. Every measurement is a frame of type 1;
 * whole µg/m³ and %, tenths of a degree; what does not fit is written as 0.
 */
import type { Measurement } from '../box.ts';
import { mac } from './wire.ts';
import type { PayloadWriter } from './writer.ts';

const bits = (value: number, width: number): string => {
  const n = Math.round(value);
  return (n >= 0 && n < 2 ** width ? n : 0).toString(2).padStart(width, '0');
};

export const sigfox: PayloadWriter = {
  format: 'sigfox',
  openTopic: (box) => `sigfox/${mac(box, '0042').slice(-6).toUpperCase()}`,
  write(_box, measurements) {
    const m = measurements[0] as Measurement;
    const t = m.temperature >= -20 && m.temperature <= 80 ? (m.temperature + 20) * 10 : 0;
    const frame = `0001${bits(t, 10)}${bits(m.humidity, 10)}${bits(1013, 10)}${bits(m.pm25, 10)}${bits(m.pm10, 10)}${bits(m.pm1, 10)}`;
    const whole = frame.padEnd(96, '0');
    return (whole.match(/.{4}/g) ?? []).map((four) => Number.parseInt(four, 2).toString(16).toUpperCase()).join('');
  },
};

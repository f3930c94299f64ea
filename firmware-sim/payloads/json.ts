import type { Measurement } from '../box.ts';
import type { PayloadWriter } from './writer.ts';

const reading = (m: Measurement): Record<string, unknown> => ({
  ...(m.time === null ? {} : { t: new Date(m.time).toISOString() }),
  pm1: m.pm1,
  pm25: m.pm25,
  pm10: m.pm10,
  temperature: m.temperature,
  humidity: m.humidity,
});

/** Lamppost's own JSON (design §6): one object, or an array of them on `…/json/batch`. */
export const json: PayloadWriter = {
  format: 'json',
  openTopic: () => '',
  write: (_box, measurements, batch) =>
    JSON.stringify(batch ? measurements.map(reading) : reading(measurements[0] as Measurement)),
};

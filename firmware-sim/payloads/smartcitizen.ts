/**
 * Smart Citizen Kit (format document §7.3): the compact form that is no JSON, with nulls and stray bytes; a batch (the kit
 * was offline) is the JSON with several times. Sensor ids: 55 °C, 56 %, 58 kPa, 87 PM2.5, 88 PM10, 89 PM1.
 */
import type { Measurement, SimBox } from '../box.ts';
import { dateAndClock, fixed } from './wire.ts';
import type { PayloadWriter } from './writer.ts';

/** The token is the kit's credential: made up, six characters. */
const token = (box: SimBox): string => `s${box.index.toString(36).padStart(5, '0')}`;

export const smartcitizen: PayloadWriter = {
  format: 'smartcitizen',
  openTopic: (box) => `device/sck/${token(box)}/readings/raw`,
  write(box, measurements, batch) {
    const m = measurements[0] as Measurement;
    if (batch) {
      const data = measurements.map((one) => {
        const { date, clock } = dateAndClock(one.time ?? one.trueTime);
        return {
          recorded_at: `${date} ${clock}Z`,
          sensors: [
            { id: 55, value: one.temperature },
            { id: 56, value: one.humidity },
            { id: 87, value: one.pm25 },
            { id: 88, value: one.pm10 },
            { id: 89, value: one.pm1 },
          ],
        };
      });
      return JSON.stringify({ data });
    }
    const { date, clock } = dateAndClock(m.time ?? m.trueTime);
    const junk = box.index % 5 === 4 ? '\u{1f4a3}' : '';
    return `{t:${date}T${clock}Z${junk}, 10:98, 55:${fixed(m.temperature)}, 56:${fixed(m.humidity)},58:101.32,87:${fixed(m.pm25, 1)},88:${fixed(m.pm10, 1)},89:${fixed(m.pm1, 1)},21:null}`;
  },
};

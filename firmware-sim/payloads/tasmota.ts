/**
 * Tasmota `tele/<topic>/SENSOR` (format document §7.2): one object a chip, local time without a zone. Every fourth box is set
 * to °F, and an old build among them writes a bare nan, which is no JSON.
 */
import type { Measurement, SimBox } from '../box.ts';
import { dateAndClock, fixed, mac } from './wire.ts';
import type { PayloadWriter } from './writer.ts';

export const tasmota: PayloadWriter = {
  format: 'tasmota',
  openTopic: (box) => `tele/tasmota_${mac(box, '').toUpperCase()}/SENSOR`,
  write(box: SimBox, measurements) {
    const m = measurements[0] as Measurement;
    const { date, clock } = dateAndClock(m.time ?? m.trueTime, 'taipei');
    const fahrenheit = box.index % 4 === 3;
    const temperature = fahrenheit ? (m.temperature * 9) / 5 + 32 : m.temperature;
    const dew = box.index % 8 === 7 ? 'nan' : fixed(temperature - 5, 1);
    return (
      `{"Time":"${date}T${clock}","BME280":{"Temperature":${fixed(temperature, 1)},"Humidity":${fixed(m.humidity, 1)},"DewPoint":${dew},"Pressure":1013.2},` +
      `"SDS0X1":{"PM2.5":${fixed(m.pm25, 1)},"PM10":${fixed(m.pm10, 1)}},"PressureUnit":"hPa","TempUnit":"${fahrenheit ? 'F' : 'C'}"}`
    );
  },
};

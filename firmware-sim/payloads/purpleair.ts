/** PurpleAir's local JSON (format document §5): °F, two channels, a lower-case z, and the privacy fields a receiver has to drop. */
import type { Measurement, SimBox } from '../box.ts';
import { dateAndClock, mac } from './wire.ts';
import type { PayloadWriter } from './writer.ts';

/** Octets as the firmware prints them: without their leading zero. */
const sensorId = (box: SimBox): string =>
  (mac(box, '84f3eb').match(/../g) as string[]).map((o) => Number.parseInt(o, 16).toString(16)).join(':');

export const purpleair: PayloadWriter = {
  format: 'purpleair',
  openTopic: (box) => `purpleair/pa-${box.index + 1}`,
  write(box, measurements) {
    const m = measurements[0] as Measurement;
    const { date, clock } = dateAndClock(m.time ?? m.trueTime);
    const b = Number((m.pm25 * 0.97).toFixed(2));
    return JSON.stringify({
      SensorId: sensorId(box),
      DateTime: `${date.replaceAll('-', '/')}T${clock}z`,
      Geo: `PurpleAir-${mac(box, '84f3eb').slice(-4)}`,
      lat: box.lat,
      lon: box.lon,
      place: 'outside',
      version: '6.01',
      rssi: -59,
      current_temp_f: Math.round((m.temperature * 9) / 5 + 32),
      current_humidity: Math.round(m.humidity),
      current_dewpoint_f: 41,
      pressure: 1013.25,
      p25aqic: 'rgb(8,229,0)',
      'pm2.5_aqi': 17,
      pm1_0_cf_1: m.pm1,
      pm2_5_cf_1: m.pm25,
      pm10_0_cf_1: m.pm10,
      pm2_5_atm: m.pm25,
      'pm2.5_aqi_b': 16,
      pm2_5_cf_1_b: b,
      pm2_5_atm_b: b,
      ssid: 'a network name that must stay private',
    });
  },
};

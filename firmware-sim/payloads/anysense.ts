/** AnySense on the LinkIt Smart 7688 (format document §1.3, §1.8): a dict in any order, FAKE_GPS=1 beside fmt_opt=0, decimal degrees. */
import type { Measurement } from '../box.ts';
import { fixed, mac, stamp } from './wire.ts';
import type { PayloadWriter } from './writer.ts';

export const anysense: PayloadWriter = {
  format: 'anysense',
  openTopic: () => 'LASS/Test/PM25/AnySense',
  write(box, measurements) {
    const m = measurements[0] as Measurement;
    const { date, clock } = stamp(m);
    const fields: Record<string, string> = {
      gps_lon: fixed(box.lon, 4),
      s_t0: fixed(m.temperature),
      fmt_opt: '0',
      app: 'PM25',
      FAKE_GPS: '1',
      date,
      s_d0: fixed(m.pm25, 1),
      s_d1: fixed(m.pm10, 1),
      s_d2: fixed(m.pm1, 1),
      gps_lat: fixed(box.lat, 4),
      // Seconds of uptime, with a fraction.
      tick: fixed((m.trueTime % 8_640_000) / 1000, 2),
      device: 'LinkIt7688',
      s_h0: fixed(m.humidity),
      device_id: mac(box, '9c65f9').toUpperCase(),
      ver_app: '3.0',
      time: clock,
      gps_fix: '1',
      gps_num: '100',
      gps_alt: '2',
      ver_format: '3',
    };
    const keys = Object.keys(fields);
    // A Python 2 dict: the order is the hash table's, here another one for each box.
    const turn = box.index % keys.length;
    return `|${[...keys.slice(turn), ...keys.slice(0, turn)].map((k) => `${k}=${fields[k]}`).join('|')}`;
  },
};

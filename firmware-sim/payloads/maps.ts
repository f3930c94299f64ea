/**
 * MAPS6 (format document §1.8): over WiFi a Python dict with `|MQ` at its end and no position, over NB-IoT with position and
 * the modem's Ctrl-Z behind it. Even boxes are WiFi, odd ones NB-IoT.
 */
import type { Measurement, SimBox } from '../box.ts';
import { fixed, mac, stamp } from './wire.ts';
import type { PayloadWriter } from './writer.ts';

const id = (box: SimBox): string => mac(box, 'b827eb').toUpperCase();
const nbIot = (box: SimBox): boolean => box.index % 2 === 1;

export const maps: PayloadWriter = {
  format: 'maps',
  openTopic: (box) => `MAPS/MAPS6/${nbIot(box) ? 'NBIOT/' : ''}${id(box)}`,
  write(box, measurements) {
    const m = measurements[0] as Measurement;
    const { date, clock } = stamp(m);
    if (!nbIot(box)) {
      return `|s_g8=415|s_t0=${fixed(m.temperature)}|app=MAPS6|date=${date}|s_d0=${fixed(m.pm25, 1)}|s_h0=${fixed(m.humidity)}|device_id=${id(box)}|s_gg=65535|ver_app=6.4.3-a|time=${clock}|MQ`;
    }
    return `|gps_lat=${fixed(box.lat, 6)}|s_t0=${fixed(m.temperature)}|app=MAPS6|date=${date}|s_d2=${fixed(m.pm1, 1)}|s_d0=${fixed(m.pm25, 1)}|s_d1=${fixed(m.pm10, 1)}|s_h0=${fixed(m.humidity)}|s_lc=120|device_id=${id(box)}|s_g8=415|s_gg=12|gps_lon=${fixed(box.lon, 6)}|ver_app=5.2b.1|time=${clock}\u001a`;
  },
};

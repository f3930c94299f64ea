/**
 * Edimax AirBoxes (format document §1.7): even ones as LASS pipes over MQTT with Taiwan's local time, odd ones as a record of
 * the portal in the layout of 2019, with 0 for the gases it has no sensor for.
 */
import type { Measurement, SimBox } from '../box.ts';
import { dateAndClock, fixed, mac, stamp } from './wire.ts';
import type { PayloadWriter } from './writer.ts';

const id = (box: SimBox): string => mac(box, box.index % 2 === 0 ? '74da38' : '08beac').toUpperCase();

function record(box: SimBox, m: Measurement): Record<string, unknown> {
  const { date, clock } = dateAndClock(m.time ?? m.trueTime);
  return {
    hcho: '0',
    gps_num: 9,
    app: 'AirBox',
    gps_alt: 2,
    s_d2: m.pm1,
    odm: 'acelink.edimax',
    s_d0: m.pm25,
    s_d1: m.pm10,
    s_h0: m.humidity,
    SiteName: id(box),
    gps_fix: 1,
    s_gg: 0,
    gps_lat: Number(box.lat.toFixed(3)),
    s_t0: m.temperature,
    timestamp: `${date}T${clock}Z`,
    adf_status: '0',
    gps_lon: Number(box.lon.toFixed(3)),
    date,
    device_id: id(box),
    s_g8: 0,
    c_d0: 'N/A',
    fw_ver: 'v1.06',
    s_g1: 0,
    time: clock,
    model: 'AI-1003WN',
    c_d0_method: 'N/A',
  };
}

export const airbox: PayloadWriter = {
  format: 'airbox',
  openTopic: (box) => `LASS/AirBox/${id(box)}`,
  write(box, measurements) {
    const m = measurements[0] as Measurement;
    if (box.index % 2 === 1) return JSON.stringify(record(box, m));
    const { date, clock } = stamp(m, 'taipei');
    return `|ver_format=3|fmt_opt=1|app=AirBox|ver_app=0.35.2|device_id=${id(box)}|tick=${Math.floor(m.trueTime / 1000)}|date=${date}|time=${clock}|device=AirBox|s_0=1|s_1=100|s_2=1|s_3=0|s_d0=${fixed(m.pm25, 1)}|s_d1=${fixed(m.pm10, 1)}|s_d2=${fixed(m.pm1, 1)}|s_t0=${fixed(m.temperature)}|s_h0=${fixed(m.humidity)}|gps_lat=${fixed(box.lat, 3)}|gps_lon=${fixed(box.lon, 3)}|gps_fix=1|gps_num=9|gps_alt=2`;
  },
};

/**
 * LASS boxes (format document §1.2–1.6), three kinds in turn: LinkIt ONE with a GPS (position as ddmm.mmmm ÷ 100), LinkIt ONE
 * with its place typed in (FAKE_GPS=1, decimal degrees), and CompactPM25, which spells it `Fake_GPS` and prints `%d.%d`.
 */
import type { Measurement, SimBox } from '../box.ts';
import { fixed, stamp } from './wire.ts';
import type { PayloadWriter } from './writer.ts';

/** 24.808333° → 24.485000: 24 degrees, 48.5 minutes, divided by 100. */
function nmea(degrees: number): string {
  const whole = Math.floor(degrees);
  const minutes = (degrees - whole) * 60;
  return fixed(whole + minutes / 100, 6);
}

const deviceId = (box: SimBox): string => `FT9_${String(box.index + 1).padStart(3, '0')}`;

/** LASS.ino `INFO_MQTT`: every value `%.2f`, one space at the end. */
function linkItOne(box: SimBox, m: Measurement, gps: boolean): string {
  const { date, clock } = stamp(m);
  const [lat, lon] = gps ? [nmea(box.lat), nmea(box.lon)] : [fixed(box.lat, 6), fixed(box.lon, 6)];
  return (
    `|ver_format=3|FAKE_GPS=${gps ? 0 : 1}|app=PM25|ver_app=0.8.3|device_id=${deviceId(box)}|tick=${m.trueTime % 4_294_967_296}` +
    `|date=${date}|time=${clock}|device=LinkItONE|s_0=${fixed(m.trueTime % 10_000)}|s_1=100.00|s_2=1.00|s_3=0.00|s_4=0.00` +
    `|s_d0=${fixed(m.pm25)}|s_t0=${fixed(m.temperature)}|s_h0=${fixed(m.humidity)}|s_d1=${fixed(m.pm10)}|s_d2=${fixed(m.pm1)}` +
    `|gps_lat=${lat}|gps_lon=${lon}|gps_fix=1|gps_num=9|gps_alt=12 `
  );
}

/** `%d.%d` of tenths in C: both parts carry the sign, and −0.5 loses it in front. */
export function splitTenths(x: number): string {
  const tenths = Math.round(x * 10);
  return `${Math.trunc(tenths / 10) + 0}.${(tenths % 10) + 0}`;
}

/** LASS_CompactPM25.ino:467; `tick` is an int32 of milliseconds and goes negative after 24.8 days. */
function compact(box: SimBox, m: Measurement): string {
  const { date, clock } = stamp(m);
  return (
    `|ver_format=3|Fake_GPS=1|app=PM25|ver_app=live|device_id=${deviceId(box)}|tick=${m.trueTime | 0}` +
    `|date=${date}|time=${clock}|device=Ameba|s_d0=${Math.round(m.pm25)}.00|s_t0=${splitTenths(m.temperature)}` +
    `|s_h0=${Math.round(m.humidity)}|s_d1=${Math.round(m.pm10)}.00|gps_lat=${fixed(box.lat, 4)}|gps_lon=${fixed(box.lon, 4)}|gps_fix=1|gps_alt=3`
  );
}

export const lass: PayloadWriter = {
  format: 'lass',
  openTopic: () => 'LASS/Test/PM25',
  write(box, measurements) {
    const m = measurements[0] as Measurement;
    if (box.index % 3 === 2) return compact(box, m);
    return linkItOne(box, m, box.index % 3 === 0);
  },
};

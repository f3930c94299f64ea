/** CanAirIO's InfluxDB line (format document §8): every field always, 0 where there is no sensor, the place as a geohash. */
import type { Measurement, SimBox } from '../box.ts';
import { mac } from './wire.ts';
import type { PayloadWriter } from './writer.ts';

const BASE32 = '0123456789bcdefghjkmnpqrstuvwxyz';

/** Bits of longitude and latitude in turn, five to a character, each the half of the cell that holds the point. */
export function geohash(lat: number, lon: number, length: number): string {
  const axes = [
    { low: -180, high: 180, at: lon },
    { low: -90, high: 90, at: lat },
  ];
  let hash = '';
  for (let i = 0; i < length; i++) {
    let five = 0;
    for (let bit = 0; bit < 5; bit++) {
      const axis = axes[(i * 5 + bit) % 2] as (typeof axes)[number];
      const middle = (axis.low + axis.high) / 2;
      five *= 2;
      if (axis.at >= middle) {
        five += 1;
        axis.low = middle;
      } else axis.high = middle;
    }
    hash += BASE32[five];
  }
  return hash;
}

export const canairio: PayloadWriter = {
  format: 'canairio',
  openTopic: () => 'canairio/write',
  write(box: SimBox, measurements) {
    const m = measurements[0] as Measurement;
    const geo = geohash(box.lat, box.lon, 9);
    const time = m.time === null ? '' : ` ${m.time}000000`;
    return (
      `fixed_stations_01,mac=${mac(box, '246f28')},geo3=${geo.slice(0, 3)},name=CA${box.index + 1},rev=920 ` +
      `pm1=${m.pm1},pm25=${m.pm25},pm10=${m.pm10},co2=0,co2hum=0,co2tmp=0,tmp=${m.temperature},hum=${m.humidity},geo="${geo}",` +
      `prs=0,gas=0,nh3=0,co=0,no2=0,o3=0,alt=0,cpm=0,usvh=0,bat=0,vbat=0,rssi=-61,heap=120000i,name="CA${box.index + 1}"${time}`
    );
  },
};

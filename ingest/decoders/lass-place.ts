/**
 * Where a LASS message says the box is. Two encodings share one field name: boxes with a GPS chip send NMEA degrees and
 * minutes ÷ 100 (`24.485000` = 24° 48.5000′), all others decimal degrees. Taken the wrong way a box lands up to 44 km off,
 * still on the island, so the message has to say which it is (formats §1.4, decision table).
 */
import type { DecodedReading } from '../decoder.ts';
import { decimal, isPlace, note } from './text.ts';

type Place = NonNullable<DecodedReading['place']>;

/** The degree value of NMEA `ddmm.mmmm ÷ 100`: whole degrees, and the fraction × 100 are minutes. */
export function degreesFromNmea(value: number): number {
  const size = Math.abs(value);
  const degrees = Math.floor(size);
  // 24.485 − 24 carries binary dust of 1e-15; to 1e-9 degrees (0.1 mm) it is gone.
  const result = Math.round((degrees + ((size - degrees) * 100) / 60) * 1e9) / 1e9;
  return value < 0 ? -result : result;
}

/** Defaults of firmware and examples, and what chips say without a fix, as written in the message: never a place. */
const JUNK: readonly (readonly [number, number])[] = [
  [0, 0],
  [-1, -1],
  [23, 120], // LASS example
  [25.1933, 121.787], // AnySense, MAPS
  [21.543361, 137.076127], // no fix, Pacific
  [30.242268, 138.187933], // the same spot as a GGA sentence gives it
];

export interface PlaceFields {
  app: string;
  device: string;
  fakeGps: string;
  fmtOpt: string;
  lat: string;
  lon: string;
  fix: string;
  /** `$GPGGA,…` of format 1. */
  gga: string;
  /** `{ type:"Point", coordinates: [lat , lon ] }` of format 1 (0.7.0). */
  loc: string;
}

/** `$GPGGA,005248.009,3024.2268,S,13818.7933,E,0,…`: it says its hemisphere and whether there was a fix. */
function placeOfGga(gga: string, notes: string[]): Place | null {
  const f = gga.split(',', 8);
  if (f.length < 7 || !/^\$G[A-Z]GGA$/.test(f[0] as string)) {
    note(notes, 'gps is no GGA sentence; no position taken');
    return null;
  }
  if (f[6] === '0' || f[6] === '') {
    note(notes, 'the GPS had no fix; no position taken');
    return null;
  }
  const lat = degreesFromNmea(decimal(f[2] as string) / 100) * (f[3] === 'S' ? -1 : 1);
  const lon = degreesFromNmea(decimal(f[4] as string) / 100) * (f[5] === 'W' ? -1 : 1);
  return isPlace(lat, lon) ? { lat, lon, source: 'gps' } : null;
}

const LOC = /\[\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*\]/;

type Encoding = 'typed' | 'nmea' | 'decimal' | 'unknown';

function encodingOf(f: PlaceFields): Encoding {
  if (f.fakeGps === '1') return 'typed';
  const declaresGps = f.fakeGps === '0' || f.fmtOpt === '0';
  if (declaresGps && f.device === 'LinkItONE') return 'nmea';
  if (f.app.startsWith('MAPS') || f.app === 'AirBox' || f.app.startsWith('AnySense') || f.app.endsWith('_COPY')) {
    return 'decimal';
  }
  if (f.device.startsWith('LinkIt7688') || f.device.startsWith('LinkItSmart7688')) return 'decimal'; // AnySense's board
  return f.fakeGps === '0' ? 'nmea' : 'unknown';
}

export function placeOf(f: PlaceFields, notes: string[]): Place | null {
  if (f.gga !== '') return placeOfGga(f.gga, notes);
  let { lat: latText, lon: lonText } = f;
  if (f.loc !== '') {
    const m = LOC.exec(f.loc.slice(0, 200));
    if (m) [, latText, lonText] = m as unknown as [string, string, string];
  }
  if (latText === '' && lonText === '') return null;
  let lat = decimal(latText);
  let lon = decimal(lonText);
  if (Number.isNaN(lat) || Number.isNaN(lon)) {
    note(notes, `gps_lat, gps_lon are not numbers; no position taken`);
    return null;
  }
  if (JUNK.some((j) => j[0] === lat && j[1] === lon)) {
    note(notes, `gps_lat, gps_lon ${lat}, ${lon} are a default of the firmware; no position taken`);
    return null;
  }
  const encoding = encodingOf(f);
  if (encoding === 'nmea') {
    lat = degreesFromNmea(lat);
    lon = degreesFromNmea(lon);
    // The firmware drops the hemisphere letter and sends the south as 90 + degrees, the west as 180 + degrees.
    if (lat > 90) lat = -(lat - 90);
    if (lon > 180) lon = -(lon - 180);
  }
  if (!isPlace(lat, lon)) {
    note(notes, `gps_lat, gps_lon ${latText.slice(0, 20)}, ${lonText.slice(0, 20)} are no place on Earth`);
    return null;
  }
  if (encoding === 'unknown') {
    note(notes, 'the message does not say how its position is encoded (FAKE_GPS missing); taken as decimal degrees');
    return { lat, lon, source: 'unknown' };
  }
  if (encoding === 'nmea' && decimal(f.fix) === 0) {
    note(notes, 'gps_fix=0: the position is the last or a default one of the GPS');
    return { lat, lon, source: 'unknown' };
  }
  return { lat, lon, source: encoding === 'nmea' ? 'gps' : 'typed' };
}

/**
 * No recorded sample is forgotten: each file has a row that says which format reads it, and how many readings come out or why
 * none can. What the readings hold is tested beside each format.
 */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decoderFor } from '../../ingest/decoders/index.ts';
import { noSamples, sample, SAMPLES } from './samples.ts';

/** file → format, readings or reject code; null = no payload of a box. */
const ROWS: Record<string, readonly [string, number | string] | null> = {
  'airbox/AirBox-SiteName-Keelung.txt': null, // a list of names and addresses
  'airbox/feed-74DA38AF4812-2018.json': ['airbox', 1],
  'airbox/last-all-airbox-20200523-12-of-3088.json': ['lass-portal', 12],
  'airgradient/config.json': ['airgradient', 'no-values'], // settings
  'airgradient/measures-current-I-9PSL-3.1.3.json': ['airgradient', 1],
  'airrohr/archive-sds011-11245.csv': ['sensor-community', 1],
  'airrohr/madavi-union.json': ['airrohr', 1],
  'airrohr/opensensemap-luftdaten-NRZ-2016-058.json': ['opensensemap', 1],
  'airrohr/opensensemap-luftdaten-NRZ-2017-099-pms-bme.json': ['opensensemap', 1],
  'airrohr/opensensemap-luftdaten-NRZ-2018-121C.json': ['airrohr', 1],
  'airrohr/public-api-bme280-2023.json': ['sensor-community', 1],
  'airrohr/push-dht22-pin7.json': ['airrohr', 1],
  'airrohr/push-sds011-pin1.json': ['airrohr', 1],
  'civil-iot/Datastreams-of-Thing-1.json': ['sensorthings', 'no-values'], // no Observations in it
  'civil-iot/Observations-of-Datastream-1-first2.json': ['sensorthings', 'no-values'], // without their Datastream
  'civil-iot/Things-1-expand-Locations.json': ['sensorthings', 'no-values'],
  'civil-iot/Things-page1-first3.json': ['sensorthings', 'no-values'],
  'civil-iot/pyciot-get_data-11613429495.py.txt': ['sensorthings', 'bad-json'], // a Python repr
  'epa-taiwan/aqi-2020-pascalcase-bare-array.json': ['moenv', 1],
  'epa-taiwan/aqx_p_02-record-2022.json': ['moenv', 1],
  'epa-taiwan/aqx_p_432-record-2022.json': ['moenv', 1],
  'epa-taiwan/aqx_p_432-record-2023-10-datacreationdate.json': ['moenv', 1],
  'epa-taiwan/aqx_p_432-v2-envelope-2023-04.json': ['moenv', 2],
  'esphome/discover.json': ['esphome', 'not-a-reading'],
  'lass-portal/idw-data-62-of-260.json': null, // the data of a map, with names and addresses of people
  'lass-portal/last-all-epa-20200523-cut.json': ['moenv', 2], // two of four are under maintenance
  'lass-portal/last-all-lass-2016-first-feed.json': ['lass-portal', 1],
  'lass/lass.raw': null, // Python text of many messages; tests/decoders/lass.test.ts takes it apart
  'lass/ride2.raw': null,
  'lass/v1-example-0.6.2-1980.txt': ['lass', 'no-values'], // values= without names
  'lass/v1-hello-0.6-nodata.txt': ['lass', 'no-values'],
  'lass/v1-maps-0.6.6-gpgga-nofix.txt': ['lass', 1],
  'lass/v1-maps-0.7.0-gps-loc.txt': ['lass', 1],
  'lass/v2-maps-0.7.1-hyphen-keys.txt': ['lass', 1],
  'lass/v3-linkitone-0.7.10-FT1_030-no-date-time.txt': ['lass', 1],
  'lass/v3-linkitone-0.7.13-FT1_978.txt': ['lass', 1],
  'lass/v3-linkitone-0.7.5-FT1_003.txt': ['lass', 1],
  'lass/v3-linkitone-0.7.6-FT1_007-coldstart-2080.txt': ['lass', 1],
  'lass/v3-linkitone-0.8.3-Prodisky-FAKE_GPS0-noleadingpipe.txt': ['lass', 1],
  'lass/v3-maps-MAPS_001-nofix-pressure.txt': ['lass', 1],
  'lass/v3-spec-LJ_PM25_001.txt': ['lass', 1],
  'maps/maps6-6.4.3-a-B827EB8E9774.json': ['maps', 1],
  'openaq/location-2178-head.csv': ['openaq', 1],
  'opensensemap/hackair.json': ['opensensemap', 1],
  'opensensemap/json-array.json': ['opensensemap', 'unknown-sensor'], // ids of another server say no quantity
  'opensensemap/json-object.json': ['opensensemap', 'unknown-sensor'],
  'opensensemap/lines.csv': ['opensensemap', 'unknown-sensor'],
  'opensensemap/sbx-bytes-ts.hex.txt': ['opensensemap', 'unknown-sensor'],
  'opensensemap/sbx-bytes.hex.txt': ['opensensemap', 'unknown-sensor'],
  'purpleair/api-v1-sensors-2022.json': ['purpleair', 4],
  'purpleair/local-json-bad_1.json': ['purpleair', 1],
  'purpleair/local-json-bad_2.json': ['purpleair', 1],
  'purpleair/local-json-good_device.json': ['purpleair', 1],
  'purpleair/local-json-good_proxy.json': ['purpleair', 1],
  'smartcitizen/raw-parser-cases.json': null, // cases of a test
  'smartcitizen/readings-raw-nonascii.txt': ['smartcitizen', 'no-values'], // ids without a documented quantity
  'smartcitizen/readings-raw-null.txt': ['smartcitizen', 'no-values'],
  'smartcitizen/readings-raw.txt': ['smartcitizen', 'no-values'],
  'smartcitizen/readings.json': ['smartcitizen', 'no-values'],
  'smartcitizen/topics.json': null, // cases of a test
  'tasmota/SENSOR-bme280-sds0x1.json': ['tasmota', 1],
  'tasmota/SENSOR-ds18b20-with-id.json': ['tasmota', 1],
  'tasmota/SENSOR-ds18b20.json': ['tasmota', 1],
};

describe.skipIf(noSamples)(`every recorded sample (${SAMPLES})`, () => {
  it('has a row', () => {
    const files = readdirSync(SAMPLES, { recursive: true, withFileTypes: true })
      .filter((e) => e.isFile() && e.name !== 'SOURCES.md')
      .map((e) => `${e.parentPath}/${e.name}`.slice(SAMPLES.length).replace(/^\/+/, ''));
    expect(files.sort()).toEqual(Object.keys(ROWS).sort());
  });

  it.each(Object.entries(ROWS).flatMap(([file, row]) => (row ? [[file, ...row] as const] : [])))(
    '%s as %s: %s',
    (file, format, wanted) => {
      const bytes = file.endsWith('.hex.txt')
        ? Buffer.from(sample(file).toString().replace(/\s/g, ''), 'hex')
        : sample(file);
      const decoded = decoderFor(format)?.decode(bytes, `boxes/abcdefgh/${format}`);
      expect(decoded?.ok ? decoded.readings.length : decoded?.code).toBe(wanted);
      // Privacy: whatever the sample holds, these never pass a decoder.
      expect(JSON.stringify(decoded)).not.toMatch(/ssid|84:f3:eb|路.{0,10}[0-9]+號|MASKED/);
    },
  );
});

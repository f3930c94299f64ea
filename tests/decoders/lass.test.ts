/**
 * Expected values are worked out by hand from the format document: a GPS box's gps_lat is degrees and minutes ÷ 100
 * (24.485000 = 24° 48.5′ = 24.808333°).
 */
import { describe, expect, it } from 'vitest';
import { decoderFor } from '../../ingest/decoders/index.ts';
import { lass } from '../../ingest/decoders/lass.ts';
import { degreesFromNmea } from '../../ingest/decoders/lass-place.ts';
import { expectReading, readingsOf, type Wanted } from './expect.ts';
import { noSamples, sample, SAMPLES } from './samples.ts';

const decode = (text: string, topic = 'LASS/Test/PM25') => lass.decode(Buffer.from(text), topic);
const one = (text: string, topic?: string) => {
  const readings = readingsOf(decode(text, topic));
  expect(readings).toHaveLength(1);
  return readings[0];
};

// Own messages in the shape of each firmware: ids, values and places are made up.
const GPS_BOX =
  '|ver_format=3|FAKE_GPS=0|app=PM25|ver_app=0.8.3|device_id=FT9_901|tick=12345678|date=2026-03-01|time=04:05:06|device=LinkItONE|s_0=12.00|s_1=100.00|s_2=1.00|s_3=0.00|s_4=2.00|s_d0=18.00|s_t0=24.50|s_h0=61.20|s_d1=25.00|s_d2=11.00|gps_lat=24.593000|gps_lon=121.045000|gps_fix=1|gps_num=9|gps_alt=12';

const cases: readonly (readonly [string, string, Wanted])[] = [
  [
    'a GPS box: ddmm ÷ 100',
    GPS_BOX,
    {
      id: 'FT9_901',
      time: '2026-03-01T04:05:06Z',
      values: { pm25: 18, pm10: 25, pm1: 11, temperature: 24.5, humidity: 61.2 },
      place: [24 + 59.3 / 60, 121 + 4.5 / 60],
      source: 'gps',
    },
  ],
  [
    'FAKE_GPS=1: decimal degrees',
    GPS_BOX.replace('FAKE_GPS=0', 'FAKE_GPS=1'),
    { place: [24.593, 121.045], source: 'typed' },
  ],
  [
    'Fake_GPS=1 of CompactPM25, spelled in its own way',
    '|ver_format=3|Fake_GPS=1|app=PM25|ver_app=0.8.3|device_id=FT9_902|tick=-86400123|date=2026-03-01|time=04:05:06|device=Ameba|s_d0=18.00|s_t0=-3.-5|s_h0=61|s_d1=25.00|gps_lat=25.0412|gps_lon=121.6145|gps_fix=1|gps_alt=3',
    {
      values: { pm25: 18, temperature: -3.5, humidity: 61, pm10: 25 },
      place: [25.0412, 121.6145],
      source: 'typed',
    },
  ],
  ['-0.5 °C printed as 0.-5', 'app=PM25|device_id=a|s_t0=0.-5', { values: { temperature: -0.5 } }],
  [
    'a LinkIt ONE MAPS box of 2015: the app does not change the encoding',
    GPS_BOX.replace('app=PM25', 'app=MAPS').replace('FAKE_GPS=0', 'fmt_opt=0'),
    { place: [24 + 59.3 / 60, 121 + 4.5 / 60], source: 'gps' },
  ],
  [
    'MAPS on other boards: decimal',
    GPS_BOX.replace('app=PM25', 'app=MAPS').replace('LinkItONE', 'RaspberryPi'),
    { place: [24.593, 121.045] },
  ],
  [
    'AnySense: FAKE_GPS=1 together with fmt_opt=0, dict order, uptime as tick, float seconds',
    '|gps_lon=121.5654|s_t0=31.2|fmt_opt=0|app=PM25|FAKE_GPS=1|date=2026-03-01|s_d0=7|gps_lat=25.033|tick=123.45|device=LinkIt7688Duo|s_h0=70.1|device_id=AABBCCDDEEFF|ver_app=3.0|time=04:05:06|gps_fix=1|gps_num=100|gps_alt=2|ver_format=3',
    { id: 'AABBCCDDEEFF', values: { temperature: 31.2, pm25: 7, humidity: 70.1 }, place: [25.033, 121.5654] },
  ],
  [
    'FAKE_GPS=0 of another board: NMEA',
    GPS_BOX.replace('LinkItONE', 'Ameba'),
    { place: [24 + 59.3 / 60, 121 + 4.5 / 60], source: 'gps' },
  ],
  [
    'no word on the encoding: kept as it came, and said so',
    'app=PM25|device_id=a|device=Ameba|s_d0=5|gps_lat=24.593|gps_lon=121.045',
    { place: [24.593, 121.045], source: 'unknown', note: /FAKE_GPS missing/ },
  ],
  [
    'a re-published message: decimal, gases, −1 is missing',
    '|ver_format=3|fmt_opt=1|app=EPA_COPY|date=2026-03-01|time=04:00:00|SiteName=測試站|PM2_5=15|PM10=-1|SO2=2.1|CO=0.3|NO2=|O3=30|gps_lat=25.0|gps_lon=121.5|Status=設備維護',
    { id: '測試站', values: { pm25: 15, so2: 2.1, co: 0.3, o3: 30 }, place: [25, 121.5] },
  ],
  [
    'a Python repr as name (WEBDUINO_COPY)',
    "|app=WEBDUINO_COPY|s_d0=4|SiteName=u'\\u6e2c\\u8a66'|date=2080-01-01|time=00:00:00|gps_lat=0|gps_lon=0",
    { id: '測試', time: null, values: { pm25: 4 }, place: null, note: /clock says 2080-01-01/ },
  ],
  ['GPS cold start: 2080-01-06', GPS_BOX.replace('2026-03-01', '2080-01-06'), { time: null, note: /2080-01-06/ }],
  ['AnySense before its first read: 1900', GPS_BOX.replace('2026-03-01', '1900-01-01'), { time: null }],
  ['default of lass2db_airbox: 2100-12-31', GPS_BOX.replace('2026-03-01', '2100-12-31'), { time: null }],
  ['a day that is none', GPS_BOX.replace('2026-03-01', '2026-02-30'), { time: null }],
  [
    '2017-8-7 and 8:4:5',
    GPS_BOX.replace('2026-03-01', '2017-8-7').replace('04:05:06', '8:4:5'),
    { time: '2017-08-07T08:04:05Z' },
  ],
  ['9/7/15 is 9 July 2015', 'app=X|device_id=a|date=9/7/15|time=12:49:6|s_d0=1\r', { time: '2015-07-09T12:49:06Z' }],
  ['6/1/80 is the GPS epoch', 'app=X|device_id=a|date=6/1/80|time=0:3:39|s_d0=1', { time: null }],
  ['no date and no time', GPS_BOX.replace(/\|date=[^|]*\|time=[^|]*/, ''), { time: null, note: /no date and time/ }],
  ['PiM25 sends local time', GPS_BOX.replace('app=PM25', 'app=PiM25'), { time: '2026-02-28T20:05:06Z' }],
  [
    'a topic and a space in front',
    `LASS/Test/PM25 ${GPS_BOX}`,
    { id: 'FT9_901', place: [24 + 59.3 / 60, 121 + 4.5 / 60] },
  ],
  ['no leading pipe', GPS_BOX.slice(1), { id: 'FT9_901' }],
  ['a trailing space and CR', `${GPS_BOX} \r\n`, { id: 'FT9_901', time: '2026-03-01T04:05:06Z' }],
  [
    'stray spaces in keys',
    '|app=W| device_id = a |s_ph =7.1| s_t0 = 25.5 ',
    { id: 'a', values: { ph: 7.1, temperature: 25.5 } },
  ],
  ['a full-width equals sign', '|app=W|device_id=a|s_t0＝25.5', { values: { temperature: 25.5 } }],
  ['! typed for |', '|app=W|device_id=a|s_d1=25!s_d2=17|s_d0=20', { values: { pm10: 25, pm1: 17, pm25: 20 } }],
  ['!key behind a pipe', '|app=W|device_id=a|!s_d2=17', { values: { pm1: 17 } }],
  [
    'a token without = and no ver_format, no position (MAPS6)',
    '|s_g8=412|s_t0=25.11|app=MAPS6|date=2026-03-01|s_d0=9|s_h0=55.2|device_id=B827EB000001|s_gg=65535|ver_app=6.4.3-a|time=04:05:06|MQ',
    {
      id: 'B827EB000001',
      time: '2026-03-01T04:05:06Z',
      // 65535 is what the SGP30 says when it is not ready: kept, for QC to flag.
      values: { co2: 412, temperature: 25.11, pm25: 9, humidity: 55.2, tvoc: 65535 },
      place: null,
    },
  ],
  ['s_g0 is NH3 in ppm', '|app=X|device_id=a|s_g0=0.5', { values: { nh3: 500 } }],
  ['s_g0 of MAPS is CO2', '|app=MAPS|device_id=a|s_g0=415', { values: { co2: 415 } }],
  [
    'the main sensor wins over the second one',
    '|app=X|device_id=a|s_t2=30|s_t0=25|s_t3=31',
    { values: { temperature: 25 } },
  ],
  ['CF=1 beside atmospheric', '|app=X|device_id=a|CFPM2.5=30|s_d0=22', { values: { pm25: 22 } }],
  ['a calculated value is not a measurement', '|app=X|device_id=a|s_d0=9|c_d0=49.15', { values: { pm25: 9 } }],
  ['a word for a number', '|app=X|device_id=a|s_d0=N/A|s_t0=20', { values: { temperature: 20 }, note: /s_d0 is N\/A/ }],
  [
    'inf, nan and hex are no numbers',
    '|app=X|device_id=a|s_d0=inf|s_d1=nan|s_d2=0x10|s_t0=20',
    { values: { temperature: 20 } },
  ],
  ['an empty value is no 0', '|app=X|device_id=a|s_d0=|s_t0=20', { values: { temperature: 20 } }],
  ['−4 °C and 0 % are kept for QC', '|app=X|device_id=a|s_t0=-4|s_h0=0', { values: { temperature: -4, humidity: 0 } }],
  [
    'no fix, the Pacific',
    GPS_BOX.replace('24.593000', '21.543361').replace('121.045000', '137.076127').replace('gps_fix=1', 'gps_fix=0'),
    { place: null },
  ],
  [
    'no fix: never more than a guess',
    GPS_BOX.replace('gps_fix=1', 'gps_fix=0'),
    { place: [24 + 59.3 / 60, 121 + 4.5 / 60], source: 'unknown' },
  ],
  [
    'the example’s default',
    GPS_BOX.replace('24.593000', '23.000000').replace('121.045000', '120.000000'),
    { place: null },
  ],
  [
    'the AnySense default',
    GPS_BOX.replace('FAKE_GPS=0', 'FAKE_GPS=1').replace('24.593000', '25.1933').replace('121.045000', '121.7870'),
    { place: null },
  ],
  ['−1.00 of the ArduinoNano', GPS_BOX.replace('24.593000', '-1.00').replace('121.045000', '-1.00'), { place: null }],
  ['the south is 90 + degrees', GPS_BOX.replace('24.593000', '123.300000'), { place: [-33.5, 121 + 4.5 / 60] }],
  [
    'latitude and longitude swapped',
    GPS_BOX.replace('FAKE_GPS=0', 'FAKE_GPS=1').replace('24.593', '121.593').replace('121.045', '25.045'),
    { place: null, note: /no place on Earth/ },
  ],
  [
    'GPGGA with a fix (format 1)',
    '|ver_format=1|app=MAPS|device_id=a|s_d0=1|gps=$GPGGA,124810.000,2430.0000,N,12115.0000,E,1,8,1.14,87.9,M,15.0,M,,*64',
    { place: [24.5, 121.25], source: 'gps' },
  ],
  [
    'GPGGA without a fix',
    '|ver_format=1|app=MAPS|device_id=a|s_d0=1|gps=$GPGGA,124810.000,2430.0000,N,12115.0000,E,0,0,,-2001.4,M,15.0,M,,*64',
    { place: null, note: /no fix/ },
  ],
  [
    'gps-loc of 0.7.0, latitude first, NMEA',
    '|ver_format=1|fmt_opt=0|app=MAPS|device_id=a|device=LinkItONE|data-B=1008.5|data-T=21.5|data-H=80|gps-loc={ type:"Point",  coordinates: [24.300000 , 121.150000 ] }|gps-fix=1',
    { values: { pressure: 1008.5, temperature: 21.5, humidity: 80 }, place: [24.5, 121.25], source: 'gps' },
  ],
  ['an id in quotes', '|app=X|device_id="LTE_1"|s_d0=1', { id: 'LTE_1' }],
];

describe('LASS', () => {
  it.each(cases)('%s', (_, text, wanted) => expectReading(one(text), wanted));

  it('reads a batch line by line, as the box logged it', () => {
    const lines = [`@${GPS_BOX}`, 'garbage', GPS_BOX.slice(1).replace('04:05:06', '04:06:06'), ''].join('\r\n');
    const decoded = decoderFor('lass')?.decode(Buffer.from(lines), 'boxes/abcdefgh/lass/batch');
    const readings = readingsOf(decoded ?? { ok: false, code: 'none', detail: '' });
    expect(readings).toHaveLength(2);
    expectReading(readings[0], { id: 'FT9_901', time: '2026-03-01T04:05:06Z', note: /item 1/ });
    expectReading(readings[1], { id: 'FT9_901', time: '2026-03-01T04:06:06Z' });
  });

  it('forgives the @ of the log where no pipe follows it', () => {
    expectReading(one(`@${GPS_BOX.slice(1)}`), { id: 'FT9_901' });
    expect(decode(`@ver_format=0|app=X|device_id=a|s_d0=1`)).toMatchObject({ ok: false, code: 'user-defined' });
  });

  it('takes the id from the companion topic when the message has none', () => {
    expectReading(one('|app=PM25|s_d0=1', 'LASS/Test/PM25/FT9_905'), { id: 'FT9_905' });
    expectReading(one('|app=PM25|s_d0=1', 'LASS/Test/PM25'), { id: '' });
  });

  it.each([
    ['', 'empty'],
    ['|ver_format=0|app=X|device_id=a|s_d0=1', 'user-defined'],
    ['|ver_format=1|app=HELLO|ver_app=0.6|device_id=a|date=1/8/15', 'no-values'],
    ['|app=X|device_id=a|values=2,100,0', 'no-values'],
    ['hello', 'not-lass'],
    ['{"pm25":1}', 'not-lass'],
    ['x'.repeat(20_000), 'too-long'],
  ])('refuses %j: %s', (text, code) => {
    expect(decode(text)).toMatchObject({ ok: false, code });
  });

  it('reads degrees and minutes', () => {
    expect(degreesFromNmea(24.485)).toBeCloseTo(24.808333333, 9);
    expect(degreesFromNmea(121)).toBe(121);
    expect(degreesFromNmea(-33.3)).toBeCloseTo(-33.5, 9);
  });
});

// Minutes by hand from the recorded coordinates, e.g. 22.375000 → 22° 37.5′.
const recorded: readonly (readonly [string, Wanted])[] = [
  [
    'v1-maps-0.6.6-gpgga-nofix.txt',
    {
      id: 'LASS-MAPS-LJ',
      time: '2015-10-01T00:52:48Z',
      values: { pressure: 1010.88, temperature: 33, humidity: 99.9, illuminance: 119 },
      place: null,
    },
  ],
  [
    'v1-maps-0.7.0-gps-loc.txt',
    {
      time: '2015-10-10T06:54:42Z',
      values: { pressure: 1007.83, temperature: 26.7, humidity: 81.2, illuminance: 6 },
      place: [25 + 2.5 / 60, 121 + 36.5 / 60],
    },
  ],
  [
    'v2-maps-0.7.1-hyphen-keys.txt',
    {
      time: '2015-10-19T06:29:41Z',
      values: { pressure: 1001.64, temperature: 26.9, humidity: 72.7, illuminance: 24 },
      place: [25 + 4.5 / 60, 121 + 38.5 / 60],
      source: 'unknown',
    },
  ],
  [
    'v3-linkitone-0.7.10-FT1_030-no-date-time.txt',
    {
      id: 'FT1_030',
      time: null,
      values: { pm25: 11, temperature: 24.6, humidity: 63.8, pm10: 13 },
      place: [25 + 0.5 / 60, 121 + 26.5 / 60],
      source: 'unknown',
    },
  ],
  [
    'v3-linkitone-0.7.13-FT1_978.txt',
    {
      id: 'FT1_978',
      time: '2016-01-14T06:26:48Z',
      values: { pm25: 42, temperature: 24.5, humidity: 57.2, pm10: 57 },
      place: [22 + 37.5 / 60, 120 + 18.5 / 60],
      source: 'gps',
    },
  ],
  [
    'v3-linkitone-0.7.5-FT1_003.txt',
    {
      id: 'FT1_003',
      time: '2015-10-18T06:26:25Z',
      values: { pm25: 33, temperature: 22.6, humidity: 83.5 },
      place: [25 + 2.5 / 60, 121 + 37.5 / 60],
    },
  ],
  [
    'v3-linkitone-0.7.6-FT1_007-coldstart-2080.txt',
    {
      id: 'FT1_007',
      time: null,
      values: { pm25: 12, temperature: 27.9, humidity: 54.5 },
      place: [24 + 48.5 / 60, 120 + 59.5 / 60],
      source: 'unknown',
    },
  ],
  [
    'v3-linkitone-0.8.3-Prodisky-FAKE_GPS0-noleadingpipe.txt',
    {
      id: 'Prodisky',
      time: '2017-08-07T08:54:25Z',
      values: { pm25: 10, temperature: 38.2, humidity: 91.1, pm10: 13 },
      place: [24 + 10.5 / 60, 120 + 39.5 / 60],
    },
  ],
  [
    'v3-maps-MAPS_001-nofix-pressure.txt',
    {
      id: 'MAPS_001',
      time: '2015-11-22T06:26:32Z',
      values: { pressure: 1011.93, temperature: 30.3, humidity: 51.8, illuminance: 0 },
      place: null,
    },
  ],
  [
    'v3-spec-LJ_PM25_001.txt',
    {
      id: 'LJ_PM25_001',
      time: '2015-10-15T22:35:07Z',
      values: { pm25: 39, temperature: 25.5, humidity: 65.8 },
      place: [25 + 2.5 / 60, 121 + 37.5 / 60],
    },
  ],
];

describe.skipIf(noSamples)(`LASS as recorded (${SAMPLES}lass)`, () => {
  it.each(recorded)('%s', (file, wanted) => expectReading(one(sample(`lass/${file}`).toString()), wanted));

  it('says that a hello message and an unlabelled list hold no reading', () => {
    for (const file of ['v1-hello-0.6-nodata.txt', 'v1-example-0.6.2-1980.txt']) {
      expect(lass.decode(sample(`lass/${file}`), 'LASS/Test/X')).toMatchObject({ ok: false, code: 'no-values' });
    }
    for (const file of ['lass.raw', 'ride2.raw']) {
      for (const line of sample(`lass/${file}`).toString().split('\n').filter(Boolean)) {
        const text = line.replace(/^b'|'$/g, '').replaceAll('\\r', '\r');
        expect(decode(text)).toMatchObject({ ok: false, code: 'no-values' });
      }
    }
  });
});

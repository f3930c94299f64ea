/** What feeds of other networks bring: Sensor.Community, Civil IoT Taiwan, OpenAQ, and Taiwan's national stations. */
import { describe, expect, it } from 'vitest';
import { decoderFor, decoderForTopic } from '../../ingest/decoders/index.ts';
import type { Decoded } from '../../ingest/decoder.ts';
import { expectReading, readingsOf, type Wanted } from './expect.ts';
import { noSamples, sample, SAMPLES } from './samples.ts';

const decode = (format: string, body: unknown): Decoded => {
  const bytes = body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return decoderFor(format)?.decode(bytes, `feeds/${format}`) ?? { ok: false, code: 'no-decoder', detail: format };
};

describe('Sensor.Community', () => {
  const record = {
    timestamp: '2026-03-01 04:05:06',
    sensor: { id: 77001, pin: '11', sensor_type: { name: 'BME280' } },
    location: { id: 66001, latitude: '48.780', longitude: '9.180', indoor: 0, country: 'DE' },
    sensordatavalues: [
      { value_type: 'temperature', value: '20.84' },
      { value_type: 'pressure', value: '97294.09' },
      { value_type: 'pressure_at_sealevel', value: 102089.58 },
    ],
  };
  it('naive UTC, strings, Pa, licence', () => {
    const [r] = readingsOf(decode('sensor-community', [record]));
    expectReading(r, {
      id: '77001',
      time: '2026-03-01T04:05:06Z',
      values: { temperature: 20.84, pressure: 972.9409 },
      place: [48.78, 9.18],
    });
    expect(r?.hints).toMatchObject({ licence: 'ODbL-1.0', sensors: ['BME280'], exposure: 'outdoor' });
  });
  it('indoor is said, counts stay out, garbage behind the end is forgiven', () => {
    const indoor = { ...record, location: { ...record.location, indoor: 1 } };
    const counts = {
      ...record,
      sensor: { id: 2, sensor_type: { name: 'PPD42NS' } },
      sensordatavalues: [{ value_type: 'P1', value: '500' }],
    };
    const [r, ...rest] = readingsOf(decode('sensor-community', `${JSON.stringify([indoor, counts])}<br>`));
    expect(rest).toHaveLength(0);
    expect(r?.hints?.exposure).toBe('indoor');
    expect(r?.notes?.join()).toMatch(/particle count/);
  });
  it('the archive: empty, unavailable, nan and %.1f', () => {
    const csv =
      'sensor_id;sensor_type;location;lat;lon;timestamp;P1;durP1;ratioP1;P2;durP2;ratioP2\n1;SDS011;5;49.857;8.646;2026-03-01T00:00:18;5.43;;;5.33;;\n1;SDS011;5;49.857;8.646;2026-03-01T00:02:18;unavailable;;;%.1f;;\n1;SDS011;5;49.857;8.646;2026-03-01T00:04:18;nan;;;7;;\n';
    const readings = readingsOf(decode('sensor-community', csv));
    expectReading(readings[0], {
      id: '1',
      time: '2026-03-01T00:00:18Z',
      values: { pm10: 5.43, pm25: 5.33 },
      place: [49.857, 8.646],
      note: /unavailable.*\n.*%\.1f.*\n.*nan/,
    });
    expectReading(readings[1], { time: '2026-03-01T00:04:18Z', values: { pm25: 7 } });
    expect(readings).toHaveLength(2);
  });
});

const stream = (name: string, symbol: string, observations: unknown[]) => ({
  name,
  unitOfMeasurement: { symbol },
  Observations: observations,
});
const at = (phenomenonTime: string, result: unknown) => ({ phenomenonTime, result, resultTime: null });
const thing = {
  '@iot.id': 1,
  name: '智慧城鄉空品微型感測器-99900000001',
  properties: { isMobile: 'false', isOutdoor: 'true', stationID: '99900000001', authority: '行政院環境保護署' },
  Locations: [{ encodingType: 'application/vnd.geo+json', location: { type: 'Point', coordinates: [121.5, 25.0] } }],
  Datastreams: [
    stream('PM2.5', 'μg/m3', [at('2026-03-01T04:05:28.000Z', 11.92)]),
    stream('Temperature', '°C', [at('2026-03-01T04:05:28.000Z', 30.6)]),
    stream('Relative humidity', '%', [at('2026-03-01T04:06:28.000Z', 100)]),
    stream('VOC', 'ppb', [at('2026-03-01T04:05:28.000Z', 5)]),
  ],
};

describe('SensorThings of Civil IoT Taiwan', () => {
  it('streams keep their own clocks; strings are not booleans; longitude comes first', () => {
    const readings = readingsOf(decode('sensorthings', { value: [thing] }));
    expect(readings).toHaveLength(2);
    expectReading(readings[0], {
      id: '99900000001',
      time: '2026-03-01T04:05:28Z',
      values: { pm25: 11.92, temperature: 30.6 },
      place: [25, 121.5],
    });
    expectReading(readings[1], { time: '2026-03-01T04:06:28Z', values: { humidity: 100 } });
    expect(readings[0]?.hints).toMatchObject({ exposure: 'outdoor', licence: 'OGDL-Taiwan-1.0', name: thing.name });
    expect(readings[0]?.hints?.attribution).toContain('民生公共物聯網');
  });
  it('a unit nobody knows is refused by name', () => {
    const odd = { ...thing, Datastreams: [stream('PM2.5', 'grains/ft3', [at('2026-03-01T04:05:28Z', 3)])] };
    expect(decode('sensorthings', odd)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('grains/ft3') as string,
    });
  });
});

describe('OpenAQ', () => {
  it('one row a value, zones, −1 is missing, mass of a gas is not a mole fraction', () => {
    const csv = [
      '"location_id","sensors_id","location","datetime","lat","lon","parameter","units","value"',
      '2,1,Test-2,2026-03-01T01:00:00-07:00,35.1,-106.5,pm10,µg/m³,14.0',
      '2,1,Test-2,2026-03-01T01:00:00-07:00,35.1,-106.5,pm25,µg/m³,-1',
      '2,1,Test-2,2026-03-01T01:00:00-07:00,35.1,-106.5,o3,ppm,0.031',
      '2,1,Test-2,2026-03-01T01:00:00-07:00,35.1,-106.5,no2,µg/m³,40',
      '2,1,Test-2,2026-03-01T09:00:00Z,35.1,-106.5,pm10,µg/m³,15',
    ].join('\n');
    const readings = readingsOf(decode('openaq', csv));
    expect(readings).toHaveLength(2);
    expectReading(readings[0], {
      id: '2',
      time: '2026-03-01T08:00:00Z',
      values: { pm10: 14, o3: 31 },
      place: [35.1, -106.5],
      note: /no2 in µg/,
    });
    expectReading(readings[1], { time: '2026-03-01T09:00:00Z', values: { pm10: 15 } });
  });
  it('says which column is missing', () => {
    expect(decode('openaq', 'a,b\n1,2')).toMatchObject({
      ok: false,
      code: 'bad-csv',
      detail: expect.stringContaining('location_id') as string,
    });
  });
});

describe('MOENV stations', () => {
  // 12:00 in Taiwan ends the hour from 11:00, which is 03:00 UTC.
  const hour = '2026-03-01T03:00:00Z';
  const lower = {
    sitename: '測試',
    county: '某縣',
    status: '良好',
    so2: '0',
    co: '0.17',
    o3: '24.1',
    'pm2.5': '5',
    pm10: '',
    no2: '3.5',
    wind_speed: '0.6',
    wind_direc: '78',
    publishtime: '2026/03/01 12:00:00',
    'pm2.5_avg': '66',
    longitude: '121.76',
    latitude: '25.12',
    siteid: '901',
  };
  const wanted: Wanted = {
    id: '901',
    time: hour,
    values: { so2: 0, co: 0.17, o3: 24.1, pm25: 5, no2: 3.5, wind_speed: 0.6, wind_direction: 78 },
    place: [25.12, 121.76],
  };
  const shapes: Record<string, unknown> = {
    'bare list, 2024': [lower],
    'records, 2022': { fields: [], total: '1', records: [lower] },
    'one record': lower,
    'PascalCase, 2020': [
      {
        SiteName: '測試',
        County: '某縣',
        Status: '良好',
        SO2: '0',
        CO: '0.17',
        O3: '24.1',
        'PM2.5': '5',
        PM10: '',
        NO2: '3.5',
        WindSpeed: '0.6',
        WindDirec: '78',
        PublishTime: '2026-03-01 12:00',
        'PM2.5_AVG': '66',
        Longitude: '121.76',
        Latitude: '25.12',
        SiteId: '901',
      },
    ],
    'datacreationdate, October 2023': (() => {
      const { publishtime: _p, wind_speed: _s, wind_direc: _d, ...rest } = lower;
      return {
        records: [{ ...rest, windspeed: '0.6', winddirec: '78', datacreationdate: '2026-03-01 12:00', unit: '' }],
      };
    })(),
    'the LASS portal’s copy': {
      feeds: [
        {
          app: 'EPA_COPY',
          PublishTime: '2026-03-01 12:00',
          SO2: 0,
          CO: 0.17,
          O3: 24.1,
          PM2_5: 5,
          PM2_5_AVG: 66,
          NO2: 3.5,
          WindSpeed: 0.6,
          WindDirec: 78,
          Status: '良好',
          SiteName: '測試',
          SiteId: '901',
          gps_lat: 25.12,
          gps_lon: 121.76,
          timestamp: '2026-03-01T04:00:00Z',
        },
      ],
    },
  };
  it.each(Object.entries(shapes))('%s', (_, body) => {
    const [r] = readingsOf(decode('moenv', body));
    expectReading(r, wanted);
    expect(r?.hints?.licence).toBe('OGDL-Taiwan-1.0');
  });
  it.each([
    ['maintenance', { ...lower, status: '設備維護' }],
    ['daily', { siteid: '85', sitename: 'x', monitordate: '2026/03/01 08:00:00', concentration: '62' }],
    ['no-time', { ...lower, publishtime: '' }],
    ['no-values', { siteid: '1', publishtime: '2026-03-01 12:00', 'pm2.5': '' }],
  ])('refuses %s', (code, body) => expect(decode('moenv', body)).toMatchObject({ ok: false, code }));
  it('a number with a flag behind it is invalid, wind 888 and 999 are no direction', () => {
    expectReading(readingsOf(decode('moenv', { ...lower, pm10: '12x', wind_direc: '888' }))[0], {
      values: { so2: 0, co: 0.17, o3: 24.1, pm25: 5, no2: 3.5, wind_speed: 0.6 },
      note: /12x/,
    });
  });
});

describe('topics of feeds', () => {
  it.each([
    ['feeds/moenv', 'moenv'],
    ['feeds/openaq/2178', 'openaq'],
    ['feeds/sensor-community', 'sensor-community'],
    ['feeds/lass-portal/airbox', 'lass-portal'],
    ['feeds/sensorthings/epa', 'sensorthings'],
  ])('%s', (topic, format) => {
    expect(decoderForTopic(topic)?.format).toBe(format);
  });
});

describe.skipIf(noSamples)(`networks as recorded (${SAMPLES})`, () => {
  it('Sensor.Community', () => {
    expectReading(readingsOf(decode('sensor-community', sample('airrohr/public-api-bme280-2023.json')))[0], {
      id: '77456',
      time: '2023-07-07T19:17:48Z',
      values: { temperature: 20.84, pressure: 972.9409, humidity: 36.35 },
      place: [50.13, 14],
    });
    expectReading(readingsOf(decode('sensor-community', sample('airrohr/archive-sds011-11245.csv')))[0], {
      id: '11245',
      time: '2018-12-01T00:00:18Z',
      values: { pm10: 5.43, pm25: 5.33 },
      place: [49.857, 8.646],
    });
  });
  it('Civil IoT: Thing, Datastreams and Observations of their own answers, put together as $expand gives them', () => {
    const json = (f: string) => JSON.parse(sample(`civil-iot/${f}`).toString()) as Record<string, unknown>;
    const streams = json('Datastreams-of-Thing-1.json')['value'] as Record<string, unknown>[];
    const observations = json('Observations-of-Datastream-1-first2.json')['value'];
    const whole = {
      ...json('Things-1-expand-Locations.json'),
      Datastreams: streams.map((s) => (s['@iot.id'] === 1 ? { ...s, Observations: observations } : s)),
    };
    const readings = readingsOf(decode('sensorthings', whole));
    expect(readings).toHaveLength(2);
    expectReading(readings[0], {
      id: '11113765144',
      time: '2021-03-20T13:03:29Z',
      values: { pm25: 11.08 },
      place: [25.111078, 121.687045],
    });
    expectReading(readings[1], { time: '2021-03-20T13:07:28Z', values: { pm25: 11.92 } });
    expect(decode('sensorthings', sample('civil-iot/Things-page1-first3.json'))).toMatchObject({
      ok: false,
      code: 'no-values',
    });
    expect(decode('sensorthings', sample('civil-iot/pyciot-get_data-11613429495.py.txt'))).toMatchObject({
      ok: false,
      code: 'bad-json',
    });
  });
  it('OpenAQ: 01:00 −07:00 is 08:00 UTC', () => {
    expectReading(readingsOf(decode('openaq', sample('openaq/location-2178-head.csv')))[0], {
      id: '2178',
      time: '2023-02-22T08:00:00Z',
      values: { pm10: 14 },
      place: [35.1353, -106.584702],
    });
  });
  const stations: readonly (readonly [string, number, Wanted])[] = [
    [
      'epa-taiwan/aqi-2020-pascalcase-bare-array.json',
      1,
      {
        id: '312',
        time: '2020-02-29T14:00:00Z',
        values: { so2: 0.5, o3: 15, pm10: 46, pm25: 31, no2: 13, wind_speed: 0.3, wind_direction: 116 },
        place: [25.063039, 121.128044],
      },
    ],
    [
      'epa-taiwan/aqx_p_02-record-2022.json',
      1,
      { id: '大城', time: '2022-09-28T01:00:00Z', values: { pm25: 18 }, place: null },
    ],
    [
      'epa-taiwan/aqx_p_432-record-2022.json',
      1,
      {
        id: '1',
        time: '2022-09-30T01:00:00Z',
        values: { so2: 0, co: 0.17, o3: 24.1, pm10: 8, pm25: 5, no2: 3.5, wind_speed: 0.6, wind_direction: 78 },
      },
    ],
    [
      'epa-taiwan/aqx_p_432-record-2023-10-datacreationdate.json',
      1,
      {
        id: '17',
        time: '2023-10-16T10:00:00Z',
        values: { so2: 0.7, co: 0.45, o3: 64.6, pm10: 32, pm25: 18, no2: 13.5, wind_speed: 3.1, wind_direction: 61 },
      },
    ],
    [
      'epa-taiwan/aqx_p_432-v2-envelope-2023-04.json',
      2,
      {
        id: '1',
        time: '2023-04-29T07:00:00Z',
        values: { so2: 1.1, co: 0.4, o3: 81.6, pm10: 33, pm25: 26, no2: 7.2, wind_speed: 0.9, wind_direction: 87 },
      },
    ],
    [
      'lass-portal/last-all-epa-20200523-cut.json',
      2,
      {
        id: '61',
        time: '2020-05-23T01:00:00Z',
        values: { o3: 46, no2: 1.7, pm25: 5, co: 0.08, pm10: 7, so2: 0.7, wind_speed: 2.7, wind_direction: 274 },
        place: [21.958069, 120.788928],
        note: /基隆 is under maintenance/,
      },
    ],
  ];
  it.each(stations)('%s', (file, count, wanted) => {
    const readings = readingsOf(decode('moenv', sample(file)));
    expect(readings).toHaveLength(count);
    expectReading(readings[0], wanted);
  });
});

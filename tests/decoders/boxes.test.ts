/**
 * The formats of boxes other than LASS, each from its maker's document: own messages in the documented shape (ids, values and
 * places made up), and the recorded samples where they are at hand. Conversions are worked out by hand beside them.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datastreamId } from '../../model/datastream.ts';
import { decoderFor, decoderForTopic } from '../../ingest/decoders/index.ts';
import { geohashCentre } from '../../ingest/decoders/canairio.ts';
import { propertyNamed } from '../../ingest/decoders/names.ts';
import { parseBytes, parseCsv, parseJson, sensorId, sensorProperty } from '../../ingest/decoders/opensensemap.ts';
import { pseudonym, setPseudonymKey } from '../../ingest/decoders/pseudonym.ts';
import { parseRaw } from '../../ingest/decoders/smartcitizen.ts';
import type { Decoded } from '../../ingest/decoder.ts';
import { expectReading, readingsOf, valuesOf, type Wanted } from './expect.ts';
import { noSamples, sample, SAMPLES } from './samples.ts';

const decode = (format: string, body: unknown, topic = `boxes/abcdefgh/${format}`): Decoded => {
  const bytes = body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const decoder = decoderFor(format);
  if (!decoder) throw new Error(`no decoder for ${format}`);
  return decoder.decode(bytes, topic);
};

beforeAll(() => setPseudonymKey(Buffer.alloc(32, 7)));

interface Case {
  readonly format: string;
  readonly topic?: string;
  readonly body: unknown;
  readonly wanted?: Wanted;
  readonly refused?: string;
}

const values = (list: Record<string, unknown>) => ({
  software_version: 'NRZ-2024-135',
  sensordatavalues: Object.entries(list).map(([value_type, value]) => ({ value_type, value })),
});

const cases: Record<string, Case> = {
  'MAPS6 over WiFi, |MQ at the end, no position': {
    format: 'maps',
    topic: 'MAPS/MAPS6/B827EB000001',
    body: '|s_g8=412|s_t0=25.11|app=MAPS6|date=2026-03-01|s_d0=9|s_h0=55.2|device_id=B827EB000001|s_gg=12|ver_app=6.4.3-a|time=04:05:06|MQ',
    wanted: {
      id: 'B827EB000001',
      time: '2026-03-01T04:05:06Z',
      values: { co2: 412, temperature: 25.11, pm25: 9, humidity: 55.2, tvoc: 12 },
      place: null,
    },
  },
  'MAPS6 over NB-IoT, position first, the modem’s Ctrl-Z behind': {
    format: 'maps',
    topic: 'MAPS/MAPS6/NBIOT/B827EB000002',
    body: '|gps_lat=25.0412|s_t0=20|app=MAPS6|date=2026-03-01|s_d2=3|s_d0=4|s_d1=5|s_h0=60|s_lc=9|device_id=B827EB000002|s_g8=420|s_gg=65535|gps_lon=121.6145|ver_app=5.2b.1|time=04:05:06\x1a',
    wanted: {
      values: { temperature: 20, pm1: 3, pm25: 4, pm10: 5, humidity: 60, co2: 420, tvoc: 65535 },
      time: '2026-03-01T04:05:06Z',
      place: [25.0412, 121.6145],
    },
  },
  'MAPS6 as JSON, all strings': {
    format: 'maps',
    body: {
      s_t0: '26.38',
      app: 'MAPS6',
      date: '2026-03-01',
      s_d0: '4',
      s_h0: '52.0',
      device_id: 'B827EB000003',
      s_gg: '1',
      time: '09:09:31',
    },
    wanted: {
      id: 'B827EB000003',
      time: '2026-03-01T09:09:31Z',
      values: { temperature: 26.38, pm25: 4, humidity: 52, tvoc: 1 },
    },
  },
  'MAPS6 without an id: the topic has it': {
    format: 'maps',
    topic: 'MAPS/MAPS6/B827EB000004',
    body: '|s_d0=9',
    wanted: { id: 'B827EB000004' },
  },
  'AnySense: decimal degrees though fmt_opt=0': {
    format: 'anysense',
    body: '|FAKE_GPS=1|fmt_opt=0|app=PM25|device=LinkIt7688|device_id=AABBCCDDEEFF|s_d0=7|gps_lat=25.03|gps_lon=121.56|date=2026-03-01|time=04:05:06',
    wanted: { place: [25.03, 121.56], source: 'typed' },
  },

  'airRohr, one chip: SDS011 on pin 1': {
    format: 'airrohr',
    topic: 'airrohr/esp8266-1234567/pin1',
    body: values({ P1: '11.43', P2: '6.25' }),
    wanted: { id: 'esp8266-1234567', time: null, values: { pm10: 11.43, pm25: 6.25 }, place: null },
  },
  'airRohr, one chip: BME280 on pin 11, pressure in Pa': {
    format: 'airrohr',
    topic: 'airrohr/esp8266-1234567/pin11',
    body: values({ temperature: '20.84', humidity: '36.35', pressure: '97294.09' }),
    wanted: { values: { temperature: 20.84, humidity: 36.35, pressure: 972.9409 } },
  },
  'airRohr: counts of a PPD42NS are not µg/m³': {
    format: 'airrohr',
    topic: 'airrohr/esp8266-1234567/pin5',
    body: values({ P1: '1234.00', P2: '321.00' }),
    refused: 'no-values',
  },
  'airRohr: a PPD42NS is known by its duration fields where no pin is sent': {
    format: 'airrohr',
    body: values({
      durP1: '1.00',
      ratioP1: '0.5',
      P1: '600.00',
      durP2: '1',
      ratioP2: '1',
      P2: '100',
      temperature: '20.00',
    }),
    wanted: { values: { temperature: 20 }, note: /particle count/ },
  },
  'airRohr, the union with two temperature chips': {
    format: 'airrohr',
    body: values({
      SDS_P1: '5.38',
      SDS_P2: '4.98',
      BMP280_temperature: '30.00',
      BMP280_pressure: '100000.00',
      temperature: '26.50',
      humidity: '99.90',
      signal: '-59 dBm',
      samples: '316274',
    }),
    wanted: {
      id: '',
      values: { pm10: 5.38, pm25: 4.98, temperature: 26.5, humidity: 99.9, pressure: 1000, rssi: -59 },
      note: /BMP280_temperature: another chip/,
    },
  },
  'airRohr: GPS without a fix': {
    format: 'airrohr',
    body: values({
      SDS_P2: '4',
      GPS_lat: '-200.000000',
      GPS_lon: '-200.000000',
      GPS_height: '-1000.00',
      GPS_timestamp: '1970-01-01T00:00:00.000',
    }),
    wanted: { time: null, place: null, values: { pm25: 4 } },
  },
  'airRohr: GPS with one': {
    format: 'airrohr',
    body: values({ SDS_P2: '4', GPS_lat: '48.78', GPS_lon: '9.18' }),
    wanted: { place: [48.78, 9.18] },
  },
  'airRohr: noise, CO2, PM4': {
    format: 'airrohr',
    body: values({
      DNMS_noise_LAeq: '51.20',
      DNMS_noise_LA_min: '40.00',
      DNMS_noise_LA_max: '70.10',
      SCD30_co2_ppm: '640.00',
      SPS30_P4: '8.00',
    }),
    wanted: { values: { noise_laeq: 51.2, noise_lamin: 40, noise_lamax: 70.1, co2: 640, pm4: 8 } },
  },
  'airRohr: nan and %.1f are no values': {
    format: 'airrohr',
    body: values({ P1: 'nan', P2: '%.1f', temperature: '20' }),
    wanted: { values: { temperature: 20 } },
  },
  'airRohr without values': { format: 'airrohr', body: values({}), refused: 'no-values' },

  'AirGradient by MQTT': {
    format: 'airgradient',
    topic: 'airgradient/readings/aabbccddeeff',
    body: {
      wifi: -46,
      serialno: 'aabbccddeeff',
      rco2: 447,
      pm01: 3,
      pm02: 7,
      pm10: 8,
      pm003Count: 442,
      atmp: 25.87,
      atmpCompensated: 24.47,
      rhum: 43,
      rhumCompensated: 49,
      tvocIndex: 100,
      noxIndex: 1,
      model: 'I-9PSL',
      pm02Compensated: 5,
    },
    wanted: {
      id: 'aabbccddeeff',
      time: null,
      values: {
        rssi: -46,
        co2: 447,
        pm1: 3,
        pm25: 7,
        pm10: 8,
        pm03_count: 442,
        temperature: 25.87,
        humidity: 43,
        voc_index: 100,
        nox_index: 1,
      },
    },
  },
  'AirGradient’s cloud POST: no serial in it, firmware is the PM sensor’s': {
    format: 'airgradient',
    topic: 'airgradient/measures/aabbccddeeff',
    body: { wifi: -50, rco2: 500, pm02: 12.5, firmware: '40', resetReason: 1, freeHeap: 12 },
    wanted: { id: 'aabbccddeeff', values: { rssi: -50, co2: 500, pm25: 12.5 } },
  },
  'AirGradient with two PM sensors': {
    format: 'airgradient',
    body: { serialno: 'aabbccddeeff', pm02: 11, pm01: 6, atmp: 20, channels: { 1: { pm02: 10 }, 2: { pm02: 12 } } },
    wanted: { values: { pm25: 10, pm25_b: 12, pm1: 6, temperature: 20 } },
  },
  'AirGradient with one of two PM sensors dead: the mean is the other one': {
    format: 'airgradient',
    body: { serialno: 'aabbccddeeff', pm02: 12, channels: { 1: {}, 2: { pm02: 12 } } },
    wanted: { values: { pm25_b: 12 }, note: /channel 1 says nothing/ },
  },
  'AirGradient: only CF=1': { format: 'airgradient', body: { pm02Standard: 9 }, wanted: { values: { pm25: 9 } } },
  'AirGradient: a corrected value is not raw': {
    format: 'airgradient',
    body: { serialno: 'test123', pm02Compensated: 15.5, rco2: 650, atmpCompensated: 22.5, rhumCompensated: 55 },
    wanted: { id: 'test123', values: { co2: 650 }, note: /pm02Compensated/ },
  },

  'PurpleAir, local: °F, A and B, no place, no network name': {
    format: 'purpleair',
    body: {
      SensorId: '84:f3:eb:28:d:ec',
      DateTime: '2026/03/20T17:18:02z',
      Geo: 'PurpleAir-0dec',
      lat: 25.01,
      lon: 121.5,
      ssid: 'SECRET',
      place: 'outside',
      current_temp_f: 68,
      current_humidity: 48,
      pressure: 1024.3,
      pm2_5_cf_1: 4.02,
      pm2_5_cf_1_b: 2.95,
      pm2_5_atm: 9,
      'pm2.5_aqi': 17,
      p_0_3_um: 637.3,
      rssi: -59,
    },
    // (68 − 32) × 5/9 = 20
    wanted: {
      time: '2026-03-20T17:18:02Z',
      values: {
        temperature: 20,
        humidity: 48,
        pressure: 1024.3,
        pm25: 4.02,
        pm25_b: 2.95,
        pm03_count: 637.3,
        rssi: -59,
      },
      place: null,
    },
  },
  'PurpleAir, local: "nan"': {
    format: 'purpleair',
    body: { DateTime: '2026/03/20T17:18:02z', current_temp_f: 50, pm2_5_cf_1: 'nan', pm2_5_cf_1_b: 3 },
    wanted: { values: { temperature: 10, pm25_b: 3 }, note: /pm2_5_cf_1 is nan/ },
  },
  'PurpleAir API: the order of columns is the server’s': {
    format: 'purpleair',
    body: {
      fields: ['humidity', 'sensor_index', 'temperature', 'last_seen', 'pm2.5_cf_1_b', 'pm2.5_cf_1_a', 'location_type'],
      data: [[58, 2856, 59, 1772339106, 5, 4, 1]],
    },
    // (59 − 32) × 5/9 = 15; 1772339106 s = 2026-03-01T04:25:06Z
    wanted: { id: '2856', time: '2026-03-01T04:25:06Z', values: { pm25: 4, pm25_b: 5, humidity: 58, temperature: 15 } },
  },

  'ESPHome: one number per topic': {
    format: 'esphome',
    topic: 'kitchen/sensor/particulate_matter__2_5_m_concentration/state',
    body: '12.4',
    wanted: { id: 'kitchen', time: null, values: { pm25: 12.4 } },
  },
  'ESPHome under our own topics': {
    format: 'esphome',
    topic: 'boxes/abcdefgh/esphome/sensor/bme280_temperature/state',
    body: '21.7',
    wanted: { id: '', values: { temperature: 21.7 } },
  },
  'ESPHome: nan': { format: 'esphome', topic: 'kitchen/sensor/pm_2_5/state', body: 'nan', refused: 'no-values' },
  'ESPHome: None': { format: 'esphome', topic: 'kitchen/sensor/pm_2_5/state', body: 'None', refused: 'no-values' },
  'ESPHome: a sensor that is no property': {
    format: 'esphome',
    topic: 'kitchen/sensor/uptime/state',
    body: '12',
    refused: 'unknown-property',
  },
  'ESPHome: a log line': { format: 'esphome', topic: 'kitchen/debug', body: '[I] hello', refused: 'not-a-reading' },

  'Tasmota: online and offline are no readings': {
    format: 'tasmota',
    topic: 'boxes/abcdefgh/tasmota/LWT',
    body: 'Online',
    refused: 'not-a-reading',
  },
  Tasmota: {
    format: 'tasmota',
    topic: 'tele/tasmota_A1B2C3/SENSOR',
    body: {
      Time: '2026-03-01T12:05:06',
      BME280: { Temperature: 20.5, Humidity: 53.1, DewPoint: 10.6, Pressure: 977.0 },
      SDS0X1: { 'PM2.5': 11.8, PM10: 5.8 },
      PressureUnit: 'hPa',
      TempUnit: 'C',
    },
    wanted: {
      id: 'tasmota_A1B2C3',
      time: null,
      values: { temperature: 20.5, humidity: 53.1, pressure: 977, pm25: 11.8, pm10: 5.8 },
    },
  },
  'Tasmota in °F and mmHg': {
    format: 'tasmota',
    body: {
      Time: '2026-03-01T12:05:06',
      BME280: { Temperature: 77, Humidity: 50, Pressure: 750 },
      PressureUnit: 'mmHg',
      TempUnit: 'F',
    },
    // 750 × 1.33322387415 = 999.9179056125
    wanted: { values: { temperature: 25, humidity: 50, pressure: 999.9179056125 } },
  },
  'Tasmota with bare nan and a stray comma': {
    format: 'tasmota',
    body: '{"Time":"2018.02.01 21:29:40","DHT22":{"Temperature":nan,"Humidity":50.0},"SDS0X1":{,"PM2.5":3},"TempUnit":"C"}',
    wanted: { time: null, values: { humidity: 50, pm25: 3 }, note: /mended/ },
  },
  'Tasmota: null is missing; CF=1 before atmospheric; STATUS8': {
    format: 'tasmota',
    topic: 'stat/tasmota_A1B2C3/STATUS8',
    body: {
      StatusSNS: {
        Time: '2026-03-01T12:05:06+08:00',
        PMS5003: { CF1: 5, 'CF2.5': 8, CF10: 9, PM1: 4, 'PM2.5': 7, PM10: 9, 'PB0.3': 900 },
        SHT3X: { Temperature: null },
      },
    },
    wanted: {
      id: 'tasmota_A1B2C3',
      time: '2026-03-01T04:05:06Z',
      values: { pm1: 5, pm25: 8, pm10: 9, pm03_count: 900 },
    },
  },
  'Tasmota: two of a kind': {
    format: 'tasmota',
    body: { 'DS18B20-1': { Temperature: 20.9 }, 'DS18B20-2': { Temperature: 31 }, TempUnit: 'C' },
    wanted: { values: { temperature: 20.9 } },
  },

  'Smart Citizen, raw: junk bytes, null, spaces, kPa': {
    format: 'smartcitizen',
    topic: 'device/sck/abc123/readings/raw',
    body: '{ 55 : 24.5, t:2026-03-01T04:05:06Z💣💣, 58:101.32, 87:12, 88:null, 10:88 }',
    wanted: { time: '2026-03-01T04:05:06Z', values: { temperature: 24.5, pressure: 1013.2, pm25: 12 } },
  },
  'Smart Citizen, JSON, a space in the time': {
    format: 'smartcitizen',
    topic: 'bridge/device/sck/abc123/readings',
    body: {
      data: [
        {
          recorded_at: '2026-03-01 04:05:06Z',
          sensors: [
            { id: 55, value: 21 },
            { id: 53, value: '48.5' },
          ],
        },
      ],
    },
    wanted: { time: '2026-03-01T04:05:06Z', values: { temperature: 21, noise_laeq: 48.5 } },
  },
  'Smart Citizen: an empty message is legal and holds nothing': {
    format: 'smartcitizen',
    body: '{}',
    refused: 'no-values',
  },
  'Smart Citizen: text without braces': { format: 'smartcitizen', body: 'nothing of the kind', refused: 'bad-message' },

  'CanAirIO: 0 is "no such sensor", but a real 0 °C stays': {
    format: 'canairio',
    body: 'fixed_stations_01,mac=aabbccddeeff,geo3=wsq,name=WSQTEST,rev=800 pm1=4,pm25=7,pm10=9,co2=0,co2hum=0,co2tmp=0,tmp=0,hum=55.5,geo="wsqqm6x",prs=0,gas=0,bat=0,vbat=0,rssi=-71,heap=12345,name="" 1772339106000000000',
    wanted: {
      id: 'WSQTEST',
      time: '2026-03-01T04:25:06Z',
      values: { pm1: 4, pm25: 7, pm10: 9, temperature: 0, humidity: 55.5, rssi: -71 },
    },
  },
  'CanAirIO for Home Assistant: strings': {
    format: 'canairio',
    topic: 'homeassistant/sensor/canairio1/state',
    body: { pm25: '7', pm10: '9', pm1: '4', tmp: '21.5', hum: '60', co2: '0' },
    wanted: { id: 'canairio1', values: { pm25: 7, pm10: 9, pm1: 4, temperature: 21.5, humidity: 60 } },
  },
  'CanAirIO: all 0': {
    format: 'canairio',
    body: 'fixed_stations_01,mac=a,name=x pm1=0,pm25=0,pm10=0,tmp=0,hum=0',
    refused: 'no-values',
  },

  'openSenseMap, object': {
    format: 'opensensemap',
    body: { [sensorId('pm25')]: '12.5', [sensorId('temperature')]: ['21.5'] },
    wanted: { time: null, values: { pm25: 12.5, temperature: 21.5 } },
  },
  'openSenseMap, array with time and [lng, lat, height]': {
    format: 'opensensemap',
    body: [
      { sensor: sensorId('pm10'), value: '7.25', createdAt: '2026-03-01T06:00:00.000Z', location: [121.5, 25.0, 12] },
    ],
    wanted: { time: '2026-03-01T06:00:00Z', values: { pm10: 7.25 }, place: [25, 121.5] },
  },
  'openSenseMap: a date is no value': {
    format: 'opensensemap',
    body: { [sensorId('pm10')]: '1970-01-01T00:00:00Z' },
    refused: 'no-values',
  },
  'openSenseMap: ids of another server': {
    format: 'opensensemap',
    body: { '5a0000000000000000000001': 3 },
    refused: 'unknown-sensor',
  },
  'openSenseMap: hackAIR': {
    format: 'opensensemap',
    body: {
      reading: { 'PM2.5_AirPollutantValue': '7.93', PM10_AirPollutantValue: '32.63' },
      battery: '5.99',
      tamper: '0',
      error: '4',
    },
    wanted: { values: { pm25: 7.93, pm10: 32.63 }, note: /error 4/ },
  },
  'openSenseMap: ?luftdaten=1': {
    format: 'opensensemap',
    topic: 'opensensemap/5a0000000000000000000009',
    body: values({ SDS_P1: '5.38', SDS_P2: '4.98' }),
    wanted: { id: '5a0000000000000000000009', values: { pm10: 5.38, pm25: 4.98 } },
  },
  'openSenseMap: bytes': {
    format: 'opensensemap',
    // 4.3 as float32 LE is 9a 99 89 40.
    body: Buffer.from(`${sensorId('pm25')}9a998940`, 'hex'),
    wanted: { time: null, values: { pm25: 4.3 } },
  },
  'openSenseMap: bytes with time': {
    format: 'opensensemap',
    topic: 'boxes/abcdefgh/opensensemap/batch',
    // 0x65e16ee0 = 1709272800 s = 2024-03-01T06:00:00Z
    body: Buffer.from(`${sensorId('pm25')}9a998940e06ee165`, 'hex'),
    wanted: { time: '2024-03-01T06:00:00Z', values: { pm25: 4.3 } },
  },

  'SensorThings: an Observation on a datastream of ours': {
    format: 'sensorthings',
    topic: `v1.1/Datastreams(${datastreamId(12, 'pm25')})/Observations`,
    body: { result: 11.92, phenomenonTime: '2026-03-01T04:05:06Z' },
    wanted: { time: '2026-03-01T04:05:06Z', values: { pm25: 11.92 } },
  },
};

describe('formats of boxes', () => {
  it.each(Object.entries(cases))('%s', (_, c) => {
    const decoded = decode(c.format, c.body, c.topic);
    if (c.refused !== undefined) {
      expect(decoded).toMatchObject({ ok: false, code: c.refused });
      return;
    }
    const readings = readingsOf(decoded);
    expect(readings).toHaveLength(1);
    expectReading(readings[0], c.wanted as Wanted);
  });

  it('every format has a case', () => {
    const covered = new Set(Object.values(cases).map((c) => c.format));
    expect([...covered].sort()).toEqual([
      'airgradient',
      'airrohr',
      'anysense',
      'canairio',
      'esphome',
      'maps',
      'opensensemap',
      'purpleair',
      'sensorthings',
      'smartcitizen',
      'tasmota',
    ]);
  });

  it('routes topics', () => {
    expect(decoderForTopic('MAPS/MAPS6/NBIOT/B827EB000001')?.format).toBe('maps');
    expect(decoderForTopic('LASS/Test/PM25/AnySense')?.format).toBe('anysense');
    expect(decoderForTopic('airgradient/readings/aabbccddeeff')?.format).toBe('airgradient');
    expect(decoderForTopic('airrohr/esp8266-1/pin1')?.format).toBe('airrohr');
    expect(decoderForTopic('kitchen/sensor/pm_2_5/state')?.format).toBe('esphome');
    expect(decoderForTopic('tele/tasmota_1/SENSOR')?.format).toBe('tasmota');
    expect(decoderForTopic('device/sck/abc123/readings/raw')?.format).toBe('smartcitizen');
    expect(decoderForTopic('bridge/device/sck/abc123/readings')?.format).toBe('smartcitizen');
    expect(decoderForTopic('homeassistant/sensor/x/state')?.format).toBe('canairio');
    expect(decoderForTopic('v1.1/Datastreams(5)/Observations')?.format).toBe('sensorthings');
    expect(decoderForTopic('boxes/abcdefgh/tasmota')?.format).toBe('tasmota');
  });
});

describe('batches', () => {
  const topic = (format: string) => `boxes/abcdefgh/${format}/batch`;
  it.each([
    [
      'purpleair',
      [
        { DateTime: '2026/03/20T17:18:02z', pm2_5_cf_1: 4 },
        { DateTime: '2026/03/20T17:20:02z', pm2_5_cf_1: 5 },
      ],
    ],
    [
      'airrohr',
      [
        { timestamp: '2026-03-20T17:18:02Z', ...values({ SDS_P2: '4' }) },
        { timestamp: '2026-03-20T17:20:02Z', ...values({ SDS_P2: '5' }) },
      ],
    ],
    [
      'tasmota',
      [
        { Time: '2026-03-20T17:18:02Z', SDS0X1: { 'PM2.5': 4 } },
        { Time: '2026-03-20T17:20:02Z', SDS0X1: { 'PM2.5': 5 } },
      ],
    ],
  ])('%s: an array of its messages', (format, body) => {
    const readings = readingsOf(decode(format, body, topic(format)));
    expect(readings.map((r) => [r.time, valuesOf(r)['pm25']])).toEqual([
      [Date.UTC(2026, 2, 20, 17, 18, 2), 4],
      [Date.UTC(2026, 2, 20, 17, 20, 2), 5],
    ]);
  });
  it('one bad item is noted, only bad ones are refused', () => {
    const readings = readingsOf(decode('purpleair', [{ nothing: 1 }, { pm2_5_cf_1: 5 }], topic('purpleair')));
    expect(readings).toHaveLength(1);
    expect(readings[0]?.notes?.join()).toContain('item 0');
    expect(decode('purpleair', [], topic('purpleair'))).toMatchObject({ ok: false, code: 'no-values' });
    expect(
      decode(
        'purpleair',
        Array.from({ length: 6000 }, () => 1),
        topic('purpleair'),
      ),
    ).toMatchObject({ ok: false, code: 'too-long' });
  });
});

describe('secrets', () => {
  afterAll(() => setPseudonymKey(Buffer.alloc(32, 7)));

  it('a Smart Citizen token is never the name of its box, and the same token has the same name', () => {
    const body = '{t:2026-03-01T04:05:06Z,55:20}';
    const one = decode('smartcitizen', body, 'device/sck/abc123/readings/raw');
    expect(JSON.stringify(one)).not.toContain('abc123');
    const id = readingsOf(one)[0]?.nativeId ?? '';
    expect(id).toMatch(/^sck-[0-9a-f]{16}$/);
    expect(readingsOf(decode('smartcitizen', body, 'bridge/device/sck/abc123/readings/raw'))[0]?.nativeId).toBe(id);
    setPseudonymKey(Buffer.alloc(32, 8));
    expect(readingsOf(decode('smartcitizen', body, 'device/sck/abc123/readings/raw'))[0]?.nativeId).not.toBe(id);
    expect(() => setPseudonymKey(Buffer.alloc(8))).toThrow(RangeError);
    expect(pseudonym('x', '')).toBe('');
  });

  it('PurpleAir’s network name, position and hardware address stay out; a short octet is the same box', () => {
    const body = cases['PurpleAir, local: °F, A and B, no place, no network name']?.body as Record<string, unknown>;
    const text = JSON.stringify(decode('purpleair', body));
    for (const secret of ['SECRET', '84:f3', '84f3eb', '25.01', '121.5']) expect(text).not.toContain(secret);
    const id = (mac: string) => readingsOf(decode('purpleair', { ...body, SensorId: mac }))[0]?.nativeId;
    expect(id('84:f3:eb:28:d:ec')).toBe(id('84:F3:EB:28:0D:EC'));
  });

  it('CanAirIO’s hardware address stays out', () => {
    const text = JSON.stringify(decode('canairio', 'x,mac=aabbccddeeff pm25=7,pm10=9'));
    expect(text).not.toContain('aabbccddeeff');
  });
});

describe('names of quantities', () => {
  it.each([
    ['PM2.5', 'pm25'],
    ['pm_2_5', 'pm25'],
    ['pm02', 'pm25'],
    ['PM 1.0', 'pm1'],
    ['pm_1_0', 'pm1'],
    ['PM10', 'pm10'],
    ['pm_10_0', 'pm10'],
    ['PM1', 'pm1'],
    ['pm4', 'pm4'],
    ['particulate_matter__1_0_m_concentration', 'pm1'],
    ['particulate_matter__10_0_m_concentration', 'pm10'],
    ['Temperatur', 'temperature'],
    ['rel. Luftfeuchte', 'humidity'],
    ['Luftdruck', 'pressure'],
    ['Relative humidity', 'humidity'],
    ['相對溼度', 'humidity'],
    ['溫度', 'temperature'],
    ['細懸浮微粒 PM2.5', 'pm25'],
    ['co2', 'co2'],
    ['scd30_co2', 'co2'],
    ['CO', 'co'],
    ['NO2', 'no2'],
    ['o3', 'o3'],
    ['Beleuchtungsstärke', 'illuminance'],
    ['soil temperature', 'soil_temperature'],
    ['Wind speed', 'wind_speed'],
    ['pm_2_5_count', null],
    ['pm25_aqi', null],
    ['dew_point_temperature', null],
    ['esp32_internal_temperature', null],
    ['eco2', null],
    ['sealevel_pressure', null],
    ['soil moisture', null],
    ['color', null],
    ['contact', null],
    ['', null],
    ['x'.repeat(200), null],
  ])('%s is %s', (name, key) => expect(propertyNamed(name)).toBe(key));
});

describe('openSenseMap bodies', () => {
  it('the ids of our sketches say their property', () => {
    expect(sensorId('pm25')).toBe('4c616d70706f737400000002');
    expect(sensorProperty(sensorId('noise_laeq').toUpperCase())).toBe('noise_laeq');
    expect(sensorProperty('4c616d70706f7374000000ff')).toBeNull();
    expect(sensorProperty('pm25')).toBe('pm25');
  });

  it('lines of several moments become several readings', () => {
    const id = sensorId('pm25');
    const csv = `${id},7.25,2026-03-01T06:00:00Z,121.5,25.0\r\n${id},7.5,2026-03-01T06:01:00Z,121.5,25.0,12\n`;
    const readings = readingsOf(decode('opensensemap', csv));
    expect(readings.map((r) => valuesOf(r))).toEqual([{ pm25: 7.25 }, { pm25: 7.5 }]);
    expectReading(readings[1], { time: '2026-03-01T06:01:00Z', place: [25, 121.5] });
  });
});

describe('geohash', () => {
  it('ezs42 is 42.605, −5.603 (the example of the geohash article)', () => {
    const c = geohashCentre('ezs42');
    expect(c?.lat).toBeCloseTo(42.605, 3);
    expect(c?.lon).toBeCloseTo(-5.603, 3);
  });
  it.each(['', 'ezs', 'ezs4a!', 'ailo5'])('%j is no place', (hash) => expect(geohashCentre(hash)).toBeNull());
});

describe.skipIf(noSamples)(`boxes as recorded (${SAMPLES})`, () => {
  const recorded: readonly (readonly [string, string, string, Wanted])[] = [
    [
      'maps',
      'MAPS/MAPS6/B827EB8E9774',
      'maps/maps6-6.4.3-a-B827EB8E9774.json',
      {
        id: 'B827EB8E9774',
        time: '2022-04-12T09:09:31Z',
        values: { temperature: 26.38, pm25: 4, humidity: 52, tvoc: 1 },
        place: null,
      },
    ],
    [
      'airrohr',
      'airrohr/esp8266-1/pin1',
      'airrohr/push-sds011-pin1.json',
      { id: 'esp8266-1', time: null, values: { pm10: 11.43, pm25: 6.25 } },
    ],
    [
      'airrohr',
      'airrohr/esp8266-1/pin7',
      'airrohr/push-dht22-pin7.json',
      { values: { temperature: 26.5, humidity: 52.9 } },
    ],
    [
      'airrohr',
      'x',
      'airrohr/madavi-union.json',
      { values: { pm10: 11.43, pm25: 6.25, temperature: 26.5, humidity: 52.9 } },
    ],
    [
      'airrohr',
      'x',
      'airrohr/opensensemap-luftdaten-NRZ-2016-058.json',
      { values: { pm10: 5.38, pm25: 4.98, rssi: -59 } },
    ],
    [
      'opensensemap',
      'x',
      'airrohr/opensensemap-luftdaten-NRZ-2018-121C.json',
      { values: { pm10: 1.87, pm25: 1.05, temperature: 26.8, pressure: 1006.59, rssi: -52 } },
    ],
    [
      'airrohr',
      'x',
      'airrohr/opensensemap-luftdaten-NRZ-2017-099-pms-bme.json',
      { values: { pm1: 1, pm10: 2, pm25: 2, temperature: 24.98, humidity: 39.6, pressure: 1005.2025, rssi: -38 } },
    ],
    [
      'airgradient',
      'airgradient/readings/ecda3b1eaaaf',
      'airgradient/measures-current-I-9PSL-3.1.3.json',
      {
        id: 'ecda3b1eaaaf',
        time: null,
        values: {
          rssi: -46,
          co2: 447,
          pm1: 3,
          pm25: 7,
          pm10: 8,
          pm03_count: 442,
          temperature: 25.87,
          humidity: 43,
          voc_index: 100,
          nox_index: 1,
        },
      },
    ],
    // (61 − 32) × 5/9 = 16.111…
    [
      'purpleair',
      'x',
      'purpleair/local-json-good_device.json',
      {
        time: '2020-03-20T17:18:02Z',
        values: {
          pm25: 4.02,
          pm25_b: 2.95,
          pm1: 2.2,
          pm10: 4.43,
          humidity: 48,
          pressure: 1024.3,
          pm03_count: 637.3,
          pm05_count: 174.22,
          pm1_count: 28.53,
          pm25_count: 3.97,
          rssi: -59,
          temperature: 16.1111111111111,
        },
        place: null,
      },
    ],
    [
      'purpleair',
      'x',
      'purpleair/local-json-good_proxy.json',
      {
        time: '2020-03-20T17:16:00Z',
        values: {
          pm25: 3.85,
          pm25_b: 2.97,
          pm1: 2.39,
          pm10: 5.17,
          humidity: 49,
          pressure: 1024.255,
          pm03_count: 641.75,
          pm05_count: 179.98,
          temperature: 16.1111111111111,
        },
      },
    ],
    // (53 − 32) × 5/9 = 11.666…
    [
      'purpleair',
      'x',
      'purpleair/local-json-bad_1.json',
      {
        time: '2020-03-18T05:23:59Z',
        values: { humidity: 57, pressure: 1015.94, temperature: 11.6666666666667 },
        note: /nan/,
      },
    ],
    // (54 − 32) × 5/9 = 12.222…; pm1_0_cf_1_b is "nan", A is not.
    [
      'purpleair',
      'x',
      'purpleair/local-json-bad_2.json',
      {
        values: {
          pm25: 6.13,
          pm25_b: 5.15,
          pm1: 3.6,
          pm10: 6.8,
          humidity: 58,
          pressure: 1022.78,
          pm03_count: 873.5,
          pm05_count: 245.18,
          pm1_count: 37.5,
          pm25_count: 6.47,
          temperature: 12.2222222222222,
        },
      },
    ],
    [
      'tasmota',
      'tele/node_mcu_terrace/SENSOR',
      'tasmota/SENSOR-bme280-sds0x1.json',
      {
        id: 'node_mcu_terrace',
        time: null,
        values: { temperature: 20.5, humidity: 53.1, pressure: 977, pm25: 11.8, pm10: 5.8 },
      },
    ],
    ['tasmota', 'tele/a/SENSOR', 'tasmota/SENSOR-ds18b20-with-id.json', { values: { temperature: 20.9 } }],
    ['tasmota', 'tele/a/SENSOR', 'tasmota/SENSOR-ds18b20.json', { values: { temperature: 20.6 } }],
    ['opensensemap', 'x', 'opensensemap/hackair.json', { values: { pm25: 7.93, pm10: 32.63 }, note: /error 4/ }],
  ];
  it.each(recorded)('%s on %s: %s', (format, topic, file, wanted) => {
    const readings = readingsOf(decode(format, sample(file), topic));
    expect(readings).toHaveLength(1);
    expectReading(readings[0], wanted);
  });

  it('PurpleAir’s API of 2022', () => {
    const readings = readingsOf(decode('purpleair', sample('purpleair/api-v1-sensors-2022.json')));
    expect(readings).toHaveLength(4);
    // 1672286435 s = 2022-12-29T04:00:35Z; (59 − 32) × 5/9 = 15
    expectReading(readings[0], {
      id: '2856',
      time: '2022-12-29T04:00:35Z',
      values: { pm25: 10, humidity: 58, pressure: 1008.46, temperature: 13.8888888888889 },
    });
    expectReading(readings[1], {
      id: '159749',
      values: { pm25: 8.5, humidity: 50, pressure: 1011.67, temperature: 15 },
    });
  });

  it('openSenseMap’s five bodies say the same', () => {
    const T = '2024-03-01T06:00:00.000Z';
    const ids = [1, 2, 3].map((n) => `5a00000000000000000000${String(n).padStart(2, '0')}`);
    const hex = (file: string) => Buffer.from(sample(`opensensemap/${file}`).toString().replace(/\s/g, ''), 'hex');
    const plain = (ms: ReturnType<typeof parseJson>) => (ms ?? []).map((m) => [m.sensor, m.value, m.createdAt]);
    expect(plain(parseJson(JSON.parse(sample('opensensemap/json-array.json').toString())))).toEqual([
      [ids[0], 0, null],
      [ids[1], 12.5, T],
      [ids[2], 7.25, T],
    ]);
    expect(plain(parseJson(JSON.parse(sample('opensensemap/json-object.json').toString())))).toEqual([
      [ids[0], 0, null],
      [ids[1], 12.5, null],
      [ids[2], 7.25, T],
    ]);
    expect(plain(parseCsv(sample('opensensemap/lines.csv').toString()))).toEqual([
      [ids[0], 0, null],
      [ids[1], 12.5, T],
      [ids[2], 7.25, T],
      [ids[2], 7.5, '2024-03-01T06:01:00.000Z'],
    ]);
    expect(plain(parseBytes(hex('sbx-bytes.hex.txt'), false))).toEqual([
      [ids[0], 0, null],
      [ids[1], 12.5, null],
      [ids[2], 7.25, null],
    ]);
    // 0x65e16ee0, 0x65e16ea4, 0x65e16e68: 06:00:00, 05:59:00, 05:58:00
    expect(plain(parseBytes(hex('sbx-bytes-ts.hex.txt'), true))).toEqual([
      [ids[0], 0, 1709272800000],
      [ids[1], 12.5, 1709272740000],
      [ids[2], 7.25, 1709272680000],
    ]);
    for (const file of ['json-array.json', 'json-object.json', 'lines.csv']) {
      expect(decode('opensensemap', sample(`opensensemap/${file}`))).toMatchObject({
        ok: false,
        code: 'unknown-sensor',
      });
    }
  });

  it('Smart Citizen’s compact form as the platform’s own parser reads it', () => {
    const all = JSON.parse(sample('smartcitizen/raw-parser-cases.json').toString()) as {
      message: string;
      recorded_at?: string | null;
      sensors?: unknown[];
      error?: boolean;
    }[];
    expect(all).toHaveLength(14);
    for (const c of all) {
      const parsed = parseRaw(c.message);
      if (c.error) expect(parsed).toBeNull();
      else expect(parsed).toEqual({ recordedAt: c.recorded_at, sensors: c.sensors });
    }
    // None of the sample's ids (1, 10, 12, 13, 21, 100) has a documented quantity.
    for (const file of ['readings.json', 'readings-raw.txt', 'readings-raw-null.txt', 'readings-raw-nonascii.txt']) {
      expect(decode('smartcitizen', sample(`smartcitizen/${file}`))).toMatchObject({ ok: false, code: 'no-values' });
    }
  });

  it('what is no reading is refused in words', () => {
    expect(decode('airgradient', sample('airgradient/config.json'))).toMatchObject({ ok: false, code: 'no-values' });
    expect(decode('esphome', sample('esphome/discover.json'), 'esphome/discover/x')).toMatchObject({
      ok: false,
      code: 'not-a-reading',
    });
  });
});

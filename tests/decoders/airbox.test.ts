import { describe, expect, it } from 'vitest';
import { airbox } from '../../ingest/decoders/airbox.ts';
import { decoderForTopic } from '../../ingest/decoders/index.ts';
import { expectReading, readingsOf, type Wanted } from './expect.ts';
import { noSamples, sample, SAMPLES } from './samples.ts';

const decode = (body: unknown) => airbox.decode(Buffer.from(JSON.stringify(body)), 'LASS/AirBox/x');

// Made-up boxes in the two layouts of the portal.
const OLD = {
  c_d0_method: 'LR/14/10.14',
  gps_lat: 24.5,
  gps_num: 9,
  s_d1: 9,
  name: '測試國小',
  s_t0: -4,
  area: 'test',
  SiteName: '測試國小',
  timestamp: '2026-03-01T04:05:06Z',
  app: 'AirBox',
  gps_fix: 1,
  gps_lon: 120.7,
  SiteAddr: '[358]測試鎮70號',
  time: '04:05:06',
  s_d0: 9,
  gps_alt: 2,
  date: '2026-03-01',
  s_d2: 7,
  s_h0: 0,
  c_d0: 49.15,
  device_id: '74DA38000001',
};
const NEW = {
  hcho: '0',
  gps_num: 9,
  app: 'AirBox',
  s_d2: 20,
  odm: 'acelink.edimax',
  s_d0: 41,
  s_d1: 54,
  s_h0: 100,
  SiteName: '測試巷7號王宅',
  s_gg: 0,
  gps_lat: 23.6676,
  s_t0: 27.5,
  timestamp: '2026-03-01T04:05:06Z',
  gps_lon: 120.4744,
  date: '2026-03-01',
  device_id: '08BEAC000001',
  s_g8: 0,
  c_d0: 'N/A',
  s_g1: 0,
  time: '04:05:06',
  model: 'AI-1003WN',
};

describe('AirBox', () => {
  it('keeps what a dead chip says, for QC, and never the calculated value', () => {
    const [r] = readingsOf(decode(OLD));
    expectReading(r, {
      id: '74DA38000001',
      time: '2026-03-01T04:05:06Z',
      values: { pm25: 9, pm10: 9, pm1: 7, temperature: -4, humidity: 0 },
      place: [24.5, 120.7],
    });
    expect(r?.hints?.name).toBe('測試國小');
  });

  it('leaves out gases that are not fitted, and names that are an address', () => {
    const [r] = readingsOf(decode(NEW));
    expectReading(r, { id: '08BEAC000001', values: { pm25: 41, pm10: 54, pm1: 20, temperature: 27.5, humidity: 100 } });
    expect(JSON.stringify(r)).not.toMatch(/王宅|號/);
  });

  it.each([
    ['a feed', { source: 'x', feeds: [OLD, NEW] }, 2],
    ['a bare array', [OLD, NEW], 2],
    ['latest', { feeds: [{ AirBox: OLD }] }, 1],
    ['one record', OLD, 1],
  ])('%s', (_, body, count) => expect(readingsOf(decode(body))).toHaveLength(count));

  it('takes the time that the history keeps as a key', () => {
    const { timestamp: _t, date: _d, time: _c, ...bare } = OLD;
    const [r] = readingsOf(decode({ feeds: [{ AirBox: [{ '2026-02-28T11:32:17Z': bare }] }] }));
    expectReading(r, { time: '2026-02-28T11:32:17Z' });
  });

  it('date and time of a portal record without a timestamp are UTC', () => {
    const { timestamp: _, ...bare } = OLD;
    expectReading(readingsOf(decode(bare))[0], { time: '2026-03-01T04:05:06Z' });
  });

  it('reads date and time without a timestamp as Taiwan’s local time (Edimax over MQTT)', () => {
    const text =
      '|ver_format=3|app=AirBox|device_id=74DA38000002|date=2026-03-01|time=12:05:06|s_d0=5|gps_lat=25.01|gps_lon=121.5';
    const [r] = readingsOf(airbox.decode(Buffer.from(text), 'LASS/AirBox/74DA38000002'));
    expectReading(r, { time: '2026-03-01T04:05:06Z', values: { pm25: 5 }, place: [25.01, 121.5] });
  });

  it('Edimax’s and ASUS’s clouds: Taiwan’s time, 0 is no gas sensor', () => {
    const edimax = {
      status: 'ok',
      entries: [
        {
          id: '74DA38000003',
          name: '測試國小',
          area: 'x',
          status: 'online',
          type: 'lass-airbox',
          lat: 24.5,
          lon: 120.7,
          pm1: 5,
          pm25: 8,
          pm10: 9,
          co: 0,
          co2: 0,
          tvoc: 0,
          hcho: 0,
          t: 25.5,
          h: 60,
          time: '2026-03-01 12:05:06',
        },
      ],
    };
    expectReading(readingsOf(decode(edimax))[0], {
      id: '74DA38000003',
      time: '2026-03-01T04:05:06Z',
      values: { pm1: 5, pm25: 8, pm10: 9, temperature: 25.5, humidity: 60 },
      place: [24.5, 120.7],
    });
    const asus = [
      {
        id: 'asus-1',
        name: 'x',
        lat: '24.5',
        lng: '120.7',
        pm25: '8',
        humidity: '60',
        temperature: '25.5',
        time: '2026/03/01 12:05:06',
      },
    ];
    expectReading(readingsOf(decode(asus))[0], {
      id: 'asus-1',
      time: '2026-03-01T04:05:06Z',
      values: { pm25: 8, temperature: 25.5, humidity: 60 },
      place: [24.5, 120.7],
    });
  });

  it('empty strings are no values', () => {
    const [r] = readingsOf(decode({ ...OLD, s_t0: '', s_h0: '', device_id: 'taiwan.tciot.epa.1' }));
    expectReading(r, { id: 'taiwan.tciot.epa.1', values: { pm25: 9, pm10: 9, pm1: 7 } });
  });

  it('speaks on LASS/AirBox, not on LASS/Test', () => {
    expect(decoderForTopic('LASS/AirBox/1')?.format).toBe('airbox');
    expect(decoderForTopic('LASS/Test/PM25')?.format).toBe('lass');
  });
});

const feed: readonly Wanted[] = [
  {
    id: '08BEAC0A0270',
    time: '2020-05-23T02:19:20Z',
    values: { pm1: 20, pm25: 41, pm10: 54, humidity: 100, temperature: 27.5 },
    place: [23.6676036, 120.4744785],
  },
  { id: '08BEAC0A06D4', values: { pm1: 14, pm25: 26, pm10: 28, humidity: 100, temperature: 27.2 } },
  {
    id: '08BEAC0A0278',
    time: '2020-05-23T02:17:40Z',
    values: { pm1: 7, pm25: 11, pm10: 11, humidity: 94, temperature: 24.3 },
    place: [24.8565817972, 121.215067729],
  },
  { id: '74DA38F7C3C6', values: { pm1: 1, pm25: 3, pm10: 5, humidity: 0, temperature: -4 } },
  {
    id: '74DA38F20904',
    time: '2020-05-23T02:17:20Z',
    values: { pm1: 7, pm25: 9, pm10: 9, humidity: 0, temperature: -4 },
    place: [24.438, 120.679],
  },
  { id: '08BEAC0A06D0', values: { pm1: 0, pm25: 0, pm10: 0, humidity: 100, temperature: 24.5 } },
  { id: '74DA38ED07F4', place: [41.748, -87.67] },
  { id: '08BEAC0286E4', place: [1.293, 103.842] },
  { id: '08BEAC028B32' },
  { id: '08BEAC0A01D2', values: { pm1: 3331, pm25: 3331, pm10: 3331, humidity: 98, temperature: 25.8 } },
  { id: '08BEAC0A0326', values: { pm1: 18, pm25: 31, pm10: 33, humidity: 0, temperature: -2 } },
  { id: '74DA38F20F7E', values: { pm1: 2, pm25: 3, pm10: 4, humidity: -57, temperature: 19.37 } },
];

describe.skipIf(noSamples)(`AirBox as recorded (${SAMPLES}airbox)`, () => {
  it('a record of 2018', () => {
    const [r] = readingsOf(airbox.decode(sample('airbox/feed-74DA38AF4812-2018.json'), 'LASS/AirBox/x'));
    expectReading(r, {
      id: '74DA38AF4812',
      time: '2018-05-23T03:28:14Z',
      values: { pm1: 17, pm25: 23, pm10: 25, humidity: 100, temperature: 39.12 },
      place: [22.982, 120.222],
    });
  });
  it('twelve odd boxes of 2020', () => {
    const readings = readingsOf(airbox.decode(sample('airbox/last-all-airbox-20200523-12-of-3088.json'), 'x'));
    expect(readings).toHaveLength(feed.length);
    feed.forEach((wanted, i) => expectReading(readings[i], wanted));
  });
  it('the LASS boxes of the portal', () => {
    const [r] = readingsOf(airbox.decode(sample('lass-portal/last-all-lass-2016-first-feed.json'), 'x'));
    expectReading(r, {
      id: 'FT3_999',
      time: '2016-10-23T20:58:04Z',
      values: { temperature: 26.9, pm25: 43, humidity: 85.5 },
      source: 'unknown',
    });
  });
});

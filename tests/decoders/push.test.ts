/** From the request a firmware makes to the reading it means. */
import * as fc from '../property.ts';
import { describe, expect, it } from 'vitest';
import { decoderForTopic } from '../../ingest/decoders/index.ts';
import { sensorId } from '../../ingest/decoders/opensensemap.ts';
import { pushEndpoints, pushQuestions, pushTopic, type PushPacket, type PushRequest } from '../../ingest/push.ts';
import { expectReading, readingsOf, type Wanted } from './expect.ts';

const endpoint = (method: string, url: string) => {
  const found = pushEndpoints.find((e) => e.method === method && e.url === url);
  if (!found) throw new Error(`no endpoint ${method} ${url}`);
  return found;
};
const request = (r: Partial<Omit<PushRequest, 'body'>> & { body?: unknown }): PushRequest => ({
  params: {},
  rawQuery: '',
  headers: {},
  ...r,
  body:
    r.body instanceof Uint8Array
      ? r.body
      : Buffer.from(typeof r.body === 'string' ? r.body : r.body === undefined ? '' : JSON.stringify(r.body)),
});
const packet = (method: string, url: string, r: Parameters<typeof request>[0]): PushPacket => {
  const p = endpoint(method, url).toPacket(request(r));
  if (!p.ok) throw new Error(p.detail);
  return p;
};
const BASIC = `Basic ${Buffer.from('abcdefgh:secret').toString('base64')}`;
const chip = {
  software_version: 'NRZ-2024-135',
  sensordatavalues: [
    { value_type: 'P1', value: '11.43' },
    { value_type: 'P2', value: '6.25' },
  ],
};

const cases: readonly (readonly [string, string, string, Parameters<typeof request>[0], string, Wanted])[] = [
  [
    'airRohr, pin 1',
    'POST',
    '/v1/push-sensor-data/',
    { headers: { 'x-sensor': 'esp8266-1234567', 'x-pin': '1', 'x-mac-id': 'esp8266-aabbccddeeff' }, body: chip },
    'airrohr/esp8266-1234567/pin1',
    { id: 'esp8266-1234567', values: { pm10: 11.43, pm25: 6.25 } },
  ],
  [
    'airRohr, old header',
    'POST',
    '/v1/push-sensor-data',
    { headers: { node: 'esp8266-1234567' }, body: chip },
    'airrohr/esp8266-1234567',
    { id: 'esp8266-1234567' },
  ],
  [
    'AirGradient',
    'POST',
    '/sensors/:device/measures',
    { params: { device: 'airgradient:AABBCCDDEEFF' }, body: { pm02: 7, rhum: 40 } },
    'airgradient/measures/aabbccddeeff',
    { id: 'aabbccddeeff', values: { pm25: 7, humidity: 40 } },
  ],
  [
    'openSenseMap JSON',
    'POST',
    '/boxes/:boxId/data',
    {
      params: { boxId: '5a0000000000000000000009' },
      headers: { 'content-type': 'application/json' },
      body: { [sensorId('pm25')]: 12.5 },
    },
    'opensensemap/5a0000000000000000000009',
    { id: '5a0000000000000000000009', values: { pm25: 12.5 } },
  ],
  [
    'openSenseMap bytes with time',
    'POST',
    '/boxes/:boxId/data',
    {
      params: { boxId: '5a0000000000000000000009' },
      headers: { 'content-type': 'application/sbx-bytes-ts' },
      body: Buffer.from(`${sensorId('pm25')}9a998940e06ee165`, 'hex'),
    },
    'opensensemap/5a0000000000000000000009/batch',
    { time: '2024-03-01T06:00:00Z', values: { pm25: 4.3 } },
  ],
  [
    'openSenseMap, one sensor',
    'POST',
    '/boxes/:boxId/:sensorId',
    {
      params: { boxId: 'abcdefgh', sensorId: sensorId('pm25') },
      body: { value: '3.5', createdAt: '2026-03-01T06:00:00Z' },
    },
    'opensensemap/abcdefgh',
    { time: '2026-03-01T06:00:00Z', values: { pm25: 3.5 } },
  ],
  [
    'MAPS, raw pipes',
    'GET',
    '/Upload/MAPS-secure.php',
    {
      rawQuery:
        'topic=MAPS6&device_id=B827EB000001&key=NoKey&msg=|s_g8=885|s_t0=25.91|app=MAPS6|date=2026-03-01|s_d0=41|s_h0=55|time=04:05:06',
    },
    'MAPS/MAPS6/B827EB000001',
    {
      id: 'B827EB000001',
      time: '2026-03-01T04:05:06Z',
      values: { co2: 885, temperature: 25.91, pm25: 41, humidity: 55 },
    },
  ],
  [
    'MAPS, escaped pipes, the id in quotes',
    'GET',
    '/Upload/MAPS.php',
    { rawQuery: 'device_id=%22LTE_TEST_001%22&key=NoKey&msg=%7Cs_t0=25.91%7Capp=MAPS6%7Cs_d0=41' },
    'MAPS/MAPS6/LTE_TEST_001',
    { id: 'LTE_TEST_001', values: { temperature: 25.91, pm25: 41 } },
  ],
  [
    'PiM25',
    'GET',
    '/Upload/PiM25.php',
    { rawQuery: 'topic=PiM25&device_id=a1&key=NoKey&msg=|app=PiM25|s_d0=4|date=2026-03-01|time=12:05:06' },
    'LASS/Test/PiM25/a1',
    { id: 'a1', time: '2026-03-01T04:05:06Z', values: { pm25: 4 } },
  ],
  [
    'CanAirIO',
    'POST',
    '/write',
    { rawQuery: 'db=canairio', body: 'fixed_stations_01,mac=a,name=X pm25=7,pm10=9' },
    'canairio/write',
    { id: 'X', values: { pm25: 7, pm10: 9 } },
  ],
];

describe('push endpoints', () => {
  it.each(cases)('%s', (_, method, url, r, topic, wanted) => {
    const p = packet(method, url, r);
    expect(pushTopic(p, '')).toBe(topic);
    expect(p.credential).toBeNull();
    const decoder = decoderForTopic(topic);
    expect(decoder?.format).toBe(p.format);
    expectReading(readingsOf(decoder?.decode(p.payload, topic) ?? { ok: false, code: 'none', detail: '' })[0], wanted);
    expect(JSON.stringify([topic, p.payload.toString()])).not.toContain('aabbccddeeff'.toUpperCase());
  });

  it('the hardware address of airRohr goes nowhere', () => {
    const p = packet('POST', '/v1/push-sensor-data/', {
      headers: { 'x-sensor': 'esp8266-1', 'x-mac-id': 'esp8266-112233445566', 'user-agent': 'NRZ/1/112233445566' },
      body: chip,
    });
    expect(p.nativeTopic + Buffer.from(p.payload).toString()).not.toContain('112233445566');
  });

  it('a box may prove who it is: Basic, a bare token, SecureKey', () => {
    expect(
      packet('POST', '/v1/push-sensor-data/', { headers: { authorization: BASIC }, body: chip }).credential,
    ).toEqual({ id: 'abcdefgh', key: 'secret' });
    const p = packet('POST', '/boxes/:boxId/data', {
      params: { boxId: 'abcdefgh' },
      headers: { authorization: 'f00' },
      body: '{}',
    });
    expect(p.credential).toEqual({ id: 'abcdefgh', key: 'f00' });
    expect(pushTopic(p, 'abcdefgh')).toBe('boxes/abcdefgh/opensensemap');
    expect(
      packet('GET', '/Upload/MAPS-secure.php', { rawQuery: 'device_id=b827eb000001&key=k%20ey&msg=|s_d0=1' })
        .credential,
    ).toEqual({ id: 'b827eb000001', key: 'k ey' });
    expect(
      packet('POST', '/v1/push-sensor-data/', { headers: { 'x-sensor': 'a', authorization: 'Basic !!!' }, body: chip })
        .credential,
    ).toBeNull();
  });

  it('an id that is no topic level is no id', () => {
    for (const id of ['a/b', '#', '+', '../x', 'a b', 'x'.repeat(100)]) {
      expect(
        endpoint('POST', '/v1/push-sensor-data/').toPacket(request({ headers: { 'x-sensor': id }, body: chip })),
      ).toMatchObject({ ok: false, status: 400 });
      const maps = packet('GET', '/Upload/MAPS.php', {
        rawQuery: `device_id=${encodeURIComponent(id)}&topic=${encodeURIComponent(id)}&msg=|s_d0=1`,
      });
      expect(maps.nativeTopic).toBe('MAPS/MAPS6');
    }
  });

  it('answers as each firmware expects', () => {
    const status = (url: string) => pushEndpoints.find((e) => e.url === url)?.ok.status;
    expect(status('/v1/push-sensor-data/')).toBe(201);
    expect(status('/sensors/:device/measures')).toBe(200);
    expect(status('/boxes/:boxId/data')).toBe(201);
    const config = pushQuestions[0];
    expect(config?.answer(false).status).toBe(400); // "not registered" to the monitor
    expect(config?.answer(true).status).toBe(200);
    expect(config?.subject(request({ params: { device: 'airgradient:AABBCCDDEEFF' } }))).toEqual({
      format: 'airgradient',
      nativeId: 'aabbccddeeff',
    });
    expect(config?.subject(request({ params: { device: 'x' } }))).toBeNull();
  });

  it('no request throws, and topics are one packet’s own', () => {
    const anyText = fc.string({ unit: 'binary', maxLength: 60 });
    fc.assert(
      fc.property(
        fc.constantFrom(...pushEndpoints),
        anyText,
        anyText,
        anyText,
        anyText,
        fc.uint8Array({ maxLength: 80 }),
        (e, a, b, c, q, body) => {
          const p = e.toPacket({
            params: { device: a, boxId: b, sensorId: c },
            rawQuery: `device_id=${a}&topic=${b}&key=${c}&msg=${q}`,
            headers: { 'x-sensor': a, 'x-pin': b, authorization: c, 'content-type': q },
            body,
          });
          if (!p.ok) expect(p.detail.length).toBeGreaterThan(5);
          else {
            expect(p.nativeTopic).toMatch(/^[A-Za-z0-9._:/-]+$/);
            expect(p.nativeTopic.startsWith('boxes/')).toBe(false);
            expect(decoderForTopic(p.nativeTopic)?.format).toBe(p.format);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

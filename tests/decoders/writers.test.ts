/**
 * The simulator's writers and the decoders were written from the same documents and not from each other: what one writes the
 * other must read, to the resolution of the format.
 */
import * as fc from '../property.ts';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Measurement, SimBox } from '../../firmware-sim/box.ts';
import { airrohrPosts } from '../../firmware-sim/payloads/airrohr.ts';
import { geohash } from '../../firmware-sim/payloads/canairio.ts';
import { PAYLOAD_WRITERS, writeMessages, writePayload } from '../../firmware-sim/payloads/index.ts';
import { splitTenths } from '../../firmware-sim/payloads/lass.ts';
import { decoderFor, decoderForTopic, decoders } from '../../ingest/decoders/index.ts';
import { setPseudonymKey } from '../../ingest/decoders/pseudonym.ts';
import { pushEndpoints, pushTopic } from '../../ingest/push.ts';
import type { DecodedReading } from '../../ingest/decoder.ts';
import { readingsOf, valuesOf } from './expect.ts';

beforeAll(() => setPseudonymKey(Buffer.alloc(32, 7)));

const tenth = (min: number, max: number) => fc.integer({ min: min * 10, max: max * 10 }).map((n) => n / 10);
const measurement = fc
  .record({
    time: fc.integer({ min: Date.UTC(2016, 0, 1) / 1000, max: Date.UTC(2037, 0, 1) / 1000 }).map((s) => s * 1000),
    pm1: tenth(0, 300),
    // CanAirIO's 0 means "no sensor", so the particles are never all 0 here.
    pm25: tenth(0, 500).map((x) => x + 0.1),
    pm10: tenth(0, 800),
    temperature: tenth(-12, 45),
    humidity: tenth(1, 100),
  })
  .map((m): Measurement => ({ ...m, pm25: Number(m.pm25.toFixed(1)), trueTime: m.time }));
const box = fc
  .record({
    index: fc.integer({ min: 0, max: 5000 }),
    lat: fc.integer({ min: 2_190_000, max: 2_530_000 }),
    lon: fc.integer({ min: 12_000_000, max: 12_200_000 }),
  })
  // 23, 120 is the place of LASS's example, and believed of nobody.
  .filter(({ lat, lon }) => Math.abs(lat - 2_300_000) > 100 || lon > 12_000_100)
  .map(
    ({ index, lat, lon }) =>
      ({ id: `sim-box-${index}`, index, lat: lat / 1e5, lon: lon / 1e5, sensor: 'PMS5003' }) as unknown as SimBox,
  );

/** Resolution of a format's values, and how exactly it tells place and time; absent = not said at all. */
interface Fidelity {
  readonly pm: number;
  readonly t: number;
  readonly h: number;
  readonly placeDeg?: number;
  readonly timed: boolean;
  readonly without?: readonly string[];
  /** Whole numbers, of which 0 says nothing. */
  readonly zeroIsNone?: true;
}
const exact = { pm: 1e-9, t: 1e-9, h: 1e-9 };
const FIDELITY: Record<string, (b: SimBox) => Fidelity> = {
  json: () => ({ ...exact, timed: true }),
  lass: (b) =>
    b.index % 3 === 2
      ? { pm: 0.5, t: 0.051, h: 0.5, placeDeg: 5.1e-5, timed: true, without: ['pm1'] }
      : { ...exact, placeDeg: 2e-6, timed: true },
  maps: (b) => ({ ...exact, timed: true, ...(b.index % 2 === 1 ? { placeDeg: 1e-6 } : { without: ['pm1', 'pm10'] }) }),
  anysense: () => ({ ...exact, placeDeg: 5.1e-5, timed: true }),
  airbox: () => ({ ...exact, placeDeg: 5.1e-4, timed: true }),
  airrohr: () => ({ ...exact, timed: false, without: ['pm1'] }),
  opensensemap: () => ({ pm: 1e-4, t: 1e-5, h: 1e-5, timed: false }),
  airgradient: () => ({ ...exact, timed: false }),
  purpleair: () => ({ pm: 1e-9, t: 0.2778, h: 0.5, timed: true }),
  // The first tenth of a degree is Fahrenheit's in every fourth box.
  tasmota: (b) => ({ pm: 1e-9, t: b.index % 4 === 3 ? 0.0279 : 1e-9, h: 1e-9, timed: false, without: ['pm1'] }),
  smartcitizen: () => ({ ...exact, timed: true }),
  sigfox: () => ({ pm: 0.5, t: 0.0501, h: 0.5, timed: false, zeroIsNone: true }),
  // Nine characters of geohash: 45 bits, cells of 4.3e-5°.
  canairio: () => ({ ...exact, placeDeg: 2.2e-5, timed: true }),
  sensorthings: () => ({ ...exact, placeDeg: 1e-9, timed: true, without: ['pm1', 'pm10'] }),
};
const QUANTITIES = ['pm1', 'pm25', 'pm10', 'temperature', 'humidity'] as const;

function agree(readings: readonly DecodedReading[], b: SimBox, m: Measurement, f: Fidelity): void {
  const said = Object.assign({}, ...readings.map((r) => valuesOf(r))) as Record<string, number>;
  for (const key of QUANTITIES) {
    if (f.without?.includes(key)) {
      expect(said[key]).toBeUndefined();
      continue;
    }
    if (f.zeroIsNone && said[key] === undefined && Math.abs(m[key]) <= 0.5) continue;
    const tolerance = key === 'temperature' ? f.t : key === 'humidity' ? f.h : f.pm;
    expect(Math.abs((said[key] ?? Number.NaN) - m[key]), `${key} ${said[key]} for ${m[key]}`).toBeLessThanOrEqual(
      tolerance,
    );
  }
  const [first] = readings;
  expect(first?.time).toBe(f.timed ? m.time : null);
  if (f.placeDeg === undefined) expect(first?.place).toBeNull();
  else {
    expect(Math.abs((first?.place?.lat ?? 99) - b.lat)).toBeLessThanOrEqual(f.placeDeg);
    expect(Math.abs((first?.place?.lon ?? 999) - b.lon)).toBeLessThanOrEqual(f.placeDeg);
  }
}

describe('writer → decoder', () => {
  it.each(Object.keys(FIDELITY))('%s', (format) => {
    fc.assert(
      fc.property(box, measurement, (b, m) => {
        const { payload, openTopic } = writePayload(format, b, [m], false);
        const topic = openTopic || `boxes/${b.id}/${format}`;
        const decoder = decoderForTopic(topic);
        expect(decoder?.format).toBe(format);
        const readings = readingsOf(
          decoder?.decode(Buffer.from(payload), topic) ?? { ok: false, code: 'none', detail: '' },
        );
        agree(readings, b, m, (FIDELITY[format] as (b: SimBox) => Fidelity)(b));
        // On an open topic every box has a name of its own; registered ones need none.
        if (openTopic !== '') expect(readings[0]?.nativeId).not.toBe('');
        const registered = decoderFor(format)?.decode(Buffer.from(payload), `boxes/${b.id}/${format}`);
        expect(registered?.ok).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('ESPHome: one measurement in several messages, whole µg/m³, under an open topic and under our own', () => {
    fc.assert(
      fc.property(box, measurement, fc.boolean(), (b, m, registered) => {
        const messages = writeMessages('esphome', b, m, registered ? `boxes/${b.id}` : '') ?? [];
        const readings = messages.map(({ topic, payload }) => {
          const decoder = decoderForTopic(topic);
          expect(decoder?.format).toBe('esphome');
          return readingsOf(
            decoder?.decode(Buffer.from(payload), topic) ?? { ok: false, code: 'none', detail: '' },
          )[0] as DecodedReading;
        });
        expect(new Set(readings.map((r) => r.nativeId))).toEqual(
          new Set([registered ? '' : `esphome/lamp-${b.index + 1}`]),
        );
        agree(readings, b, m, { pm: 0.5, t: 1e-9, h: 1e-9, timed: false });
      }),
    );
  });

  it('airRohr’s POSTs per chip, through the push endpoint', () => {
    fc.assert(
      fc.property(box, measurement, (b, m) => {
        const readings = airrohrPosts(b, m).map((post) => {
          const endpoint = pushEndpoints.find((e) => e.url === post.path);
          const packet = endpoint?.toPacket({
            params: {},
            rawQuery: '',
            headers: post.headers,
            body: Buffer.from(post.body),
          });
          if (!packet?.ok) throw new Error('refused');
          const topic = pushTopic(packet, '');
          return readingsOf(
            decoderForTopic(topic)?.decode(packet.payload, topic) ?? { ok: false, code: 'none', detail: '' },
          )[0] as DecodedReading;
        });
        agree(readings, b, m, { pm: 1e-9, t: 1e-9, h: 1e-9, timed: false, without: ['pm1'] });
        expect(Object.assign({}, ...readings.map(valuesOf))).toMatchObject({ pressure: 1013.25 });
      }),
    );
  });

  it.each(['json', 'opensensemap', 'smartcitizen'])('a batch of %s keeps every time', (format) => {
    fc.assert(
      fc.property(
        box,
        fc.uniqueArray(measurement, { selector: (m) => m.time, minLength: 2, maxLength: 20 }),
        (b, list) => {
          const { payload } = writePayload(format, b, list, true);
          const readings = readingsOf(
            decoderFor(format)?.decode(Buffer.from(payload), `boxes/${b.id}/${format}/batch`) ?? {
              ok: false,
              code: 'none',
              detail: '',
            },
          );
          expect(new Map(readings.map((r) => [r.time, Math.round((valuesOf(r)['pm25'] ?? 0) * 10)]))).toEqual(
            new Map(list.map((m) => [m.time, Math.round(m.pm25 * 10)])),
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  it('every format a box can send has a writer', () => {
    const feeds = ['lass-portal', 'sensor-community', 'openaq', 'moenv'];
    expect(PAYLOAD_WRITERS.map((w) => w.format).sort()).toEqual(
      decoders
        .map((d) => d.format)
        .filter((f) => !feeds.includes(f))
        .sort(),
    );
    expect(Object.keys(FIDELITY).concat('esphome').sort()).toEqual(PAYLOAD_WRITERS.map((w) => w.format).sort());
  });
});

describe('what firmwares print', () => {
  it.each([
    [-3.5, '-3.-5'],
    [-0.5, '0.-5'],
    [25.1, '25.1'],
    [0, '0.0'],
    [-4, '-4.0'],
  ])('%d as %s', (x, text) => expect(splitTenths(x)).toBe(text));
  it('57.64911, 10.40744 is u4pruydqqvj (the example of the geohash article)', () =>
    expect(geohash(57.64911, 10.40744, 11)).toBe('u4pruydqqvj'));
});

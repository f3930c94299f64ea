/** Single boxes without neighbours: what the streaming tests say, and how verdicts on one property leave the others alone. */
import * as fc from '../property.ts';
import { describe, expect, it } from 'vitest';
import { createQc } from '../../calibration/qc/qc.ts';
import { mergedPm25 } from '../../calibration/qc/draft.ts';
import { reason, reasonStrings } from '../../model/flags.ts';
import type { CheckedReading } from '../../model/observation.ts';
import { PROPERTIES } from '../../model/properties.ts';
import { HOUR, START, pm25Of, reading } from './town.ts';

const all = (r: CheckedReading | undefined): string[] =>
  (r?.values ?? []).flatMap((v) => [`${v.property}=${v.flag}`, ...reasonStrings(v.property, v.reasons)]);

describe('one reading', () => {
  const check = (values: Parameters<typeof reading>[2]): string[] =>
    all(createQc().check([reading(1, START, values)])[0]);
  it('leaves PM2.5 alone when the T/RH chip is dead (−4 °C, 0 %)', () => {
    expect(check({ pm25: 12, temperature: -4, humidity: 0 })).toEqual([
      'pm25=1',
      'temperature=4',
      'temperature.sentinel',
      'humidity=4',
      'humidity.plausible_range',
      'humidity.sentinel',
    ]);
  });
  it('fails a sign-flipped humidity and keeps temperature', () => {
    const found = check({ pm25: 12, temperature: 28.4, humidity: -57 });
    expect(found).toContain('humidity.negative');
    expect(found).toContain('temperature=1');
    expect(found).toContain('pm25=1');
  });
  it('fails 3331 and −1', () => {
    expect(check({ pm25: 3331 })).toContain('pm25=4');
    expect(check({ pm25: -1 })).toEqual(['pm25=4', 'pm25.gross_range', 'pm25.sentinel', 'pm25.negative']);
  });
  it('does not trust channel B when A is a placeholder', () =>
    expect(check({ pm25: -1, pm25_b: 751 })).toContain('pm25=4'));
  it('lets one channel speak for both', () => {
    const [r] = createQc().check([reading(1, START, { pm25: 12, pm25_b: 4245 })]);
    expect(all(r)).toEqual(['pm25=1', 'pm25.single_channel', 'pm25_b=4', 'pm25_b.gross_range']);
    expect(mergedPm25(r as CheckedReading)).toBe(12);
  });
  it('fails both channels when they disagree and nobody can tell which is right', () => {
    const [r] = createQc().check([reading(1, START, { pm25: 12, pm25_b: 60 })]);
    expect(all(r)).toEqual(['pm25=4', 'pm25.channels', 'pm25_b=4', 'pm25_b.channels']);
  });
});

describe('a stream', () => {
  it('fails the second reading of the same moment and keeps the first', () => {
    const qc = createQc();
    const [a, b, c] = qc.check([
      reading(1, START, { pm25: 12 }),
      reading(1, START, { pm25: 13 }),
      reading(1, START + 60_000, { pm25: 12 }),
    ]);
    expect([all(a), all(b), all(c)]).toEqual([['pm25=1'], ['pm25=4', 'pm25.duplicate'], ['pm25=1']]);
  });
  it('goes on behind a reading that a clock a year ahead has dated', () => {
    const qc = createQc();
    const minute = (m: number, pm25: number) => reading(1, START + m * 60_000, { pm25 });
    qc.check([minute(365 * 24 * 60, 12)]);
    const answers = Array.from({ length: 12 }, (_, m) => qc.check([minute(m, m === 11 ? 300 : 12 + (m % 3))])[0]);
    expect(answers.slice(0, 11).flatMap(all)).toEqual(Array.from({ length: 11 }, () => 'pm25=1'));
    expect(all(answers[11])).toEqual(['pm25=3', 'pm25.spike']);
  });
  it('calls a lone jump suspect, and neither the fall back nor a confirmed step', () => {
    const qc = createQc();
    const flags = [10, 11, 10, 90, 11, 10, 80, 82, 85, 81].map(
      (pm25, k) => pm25Of(qc.check([reading(1, START + k * 360_000, { pm25 })])[0] as CheckedReading).flag,
    );
    expect(flags).toEqual([1, 1, 1, 3, 1, 1, 3, 1, 1, 1]);
  });
  it('finds humidity that stays at 100 % after three hours', () => {
    const qc = createQc();
    const flags = Array.from(
      { length: 6 },
      (_, h) => qc.check([reading(1, START + h * HOUR, { humidity: 100 })])[0]?.values[0]?.flag,
    );
    expect(flags).toEqual([1, 1, 1, 1, 3, 3]);
  });
  it('finds a stuck second channel by the first, and goes on with the first alone', () => {
    const qc = createQc();
    let last: string[] = [];
    for (let h = 0; h < 40; h++)
      last = all(qc.check([reading(1, START + h * HOUR, { pm25: 7 + 4 * Math.sin(h / 3), pm25_b: 6 })])[0]);
    expect(last).toEqual(['pm25=1', 'pm25.single_channel', 'pm25_b=4', 'pm25_b.flat_line']);
  });
  it('answers in the order it was asked, whatever the order of times', () => {
    const times = [5, 1, 3, 2, 4];
    const out = createQc().check(times.map((k) => reading(1, START + k * 60_000, { pm25: k })));
    expect(out.map((r) => r.values[0]?.raw)).toEqual(times);
  });
  it('an empty batch is no error', () => expect(createQc().check([])).toEqual([]));
});

describe('any input', () => {
  const number = fc.oneof(fc.double(), fc.constantFrom(0, -1, 100, 65535, Number.NaN, Infinity, -Infinity, 1e308));
  const anyReading = fc.record({
    num: fc.integer({ min: 1, max: 8 }),
    t: fc.integer({ min: 0, max: 4_000_000 }),
    values: fc.uniqueArray(fc.tuple(fc.constantFrom(...PROPERTIES.map((p) => p.key)), number), {
      selector: (v) => v[0],
      maxLength: 8,
    }),
  });
  it('never throws, never changes raw, and gives each value a QARTOD flag', () => {
    fc.assert(
      fc.property(fc.array(fc.array(anyReading, { maxLength: 12 }), { maxLength: 6 }), (batches) => {
        const qc = createQc();
        for (let num = 1; num <= 6; num++)
          qc.setBox({
            id: `box-00000${num}`,
            num,
            lat: num === 6 ? null : 24 + num / 100,
            lon: 120.6,
            sensor: '',
            field: '',
            trusted: true,
            exposure: 'outdoor',
          });
        for (const batch of batches) {
          const readings = batch.map((r) => reading(r.num, START + r.t * 1000, Object.fromEntries(r.values)));
          const out = qc.check(readings);
          qc.advance(START + 4_000_000_000);
          for (const [i, r] of out.entries()) {
            expect(r.values.map((v) => v.raw)).toEqual(readings[i]?.values.map((v) => v.raw));
            for (const v of r.values) {
              expect([1, 2, 3, 4, 9]).toContain(v.flag);
              expect(Number.isInteger(v.reasons)).toBe(true);
              // PM2.5 may be saved by a second channel; everything else stands alone.
              // A second reading of one moment fails whatever it holds.
              if (Number.isNaN(v.raw) && v.property !== 'pm25')
                expect(v.flag).toBe(v.reasons & reason('duplicate') ? 4 : 9);
              else if (!Number.isFinite(v.raw) && v.property !== 'pm25') expect(v.flag).toBe(4);
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

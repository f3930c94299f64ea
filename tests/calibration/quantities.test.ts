/** Temperature and humidity against stations, the zero of CO2: true values of a made-up town are known. */
import { describe, expect, it } from 'vitest';
import { createStage } from '../../calibration/create.ts';
import { sunElevation } from '../../calibration/geo/sun.ts';
import { backgroundCo2 } from '../../calibration/quantities/co2.ts';
import { saturation } from '../../calibration/quantities/weather.ts';
import type { CalibrationStage } from '../../calibration/stage.ts';
import type { CorrectedValue } from '../../model/observation.ts';
import type { PropertyKey } from '../../model/properties.ts';
import { HOUR, reading, START } from '../qc/town.ts';
import { random } from './small_city.ts';

const LAT = 24.15;
const LON = 120.66;
const box = (num: number, exposure: 'outdoor' | 'indoor' | 'unknown' = 'outdoor', lat: number | null = LAT + 0.02) => ({ id: `box-${String(num).padStart(6, '0')}`, num, lat, lon: lat === null ? null : LON, sensor: '', field: '' as const, trusted: true, exposure }); // prettier-ignore
const valueOf = (stage: CalibrationStage, num: number, t: number, values: Partial<Record<PropertyKey, number>>): Map<PropertyKey, CorrectedValue> =>
  new Map(stage.correct(stage.check([reading(num, t, values)]))[0]?.values.map((v) => [v.property, v]) ?? []); // prettier-ignore

describe('temperature and humidity', () => {
  /** Air of the station, and what a box on a hill, in the sun, shows of it. */
  const weather = (h: number, next: () => number) => {
    const t = START + h * HOUR;
    const air = 20 + 5 * Math.sin((2 * Math.PI * (h - 9)) / 24) + 2 * Math.sin(h / 60) + (next() - 0.5);
    const rh = Math.min(95, Math.max(30, 75 - 2 * (air - 20) + 5 * (next() - 0.5)));
    const sun = Math.max(0, Math.sin((sunElevation(t + HOUR / 2, LAT, LON) * Math.PI) / 180));
    const warm = air + 1.5 + 6 * sun + 2 * (next() - 0.5);
    return { t, air, rh, warm, damp: ((rh + 3 + 8 * (next() - 0.5)) * saturation(air)) / saturation(warm) };
  };
  const run = (days: number, stage: CalibrationStage, stations = true) => {
    const next = random(7);
    if (stations) stage.setStation({ id: 's1', num: 90, lat: LAT, lon: LON });
    stage.setBox(box(1));
    const seen: { raw: number; answer: CorrectedValue; truth: number; key: string }[] = [];
    for (let h = 0; h < days * 24; h++) {
      const w = weather(h, next);
      const found = valueOf(stage, 1, w.t + HOUR / 2, { pm25: 10, temperature: w.warm, humidity: w.damp });
      stage.advance(w.t + HOUR);
      if (stations) {
        stage.weather([
          { station: 's1', time: w.t, property: 'temperature', value: w.air },
          { station: 's1', time: w.t, property: 'humidity', value: w.rh },
        ]);
      }
      const [a, b] = [found.get('temperature') as CorrectedValue, found.get('humidity') as CorrectedValue];
      seen.push({ raw: w.warm, answer: a, truth: w.air, key: 'temperature' }, { raw: w.damp, answer: b, truth: w.rh, key: 'humidity' }); // prettier-ignore
    }
    return seen;
  };
  const rmse = (v: readonly number[]): number => Math.sqrt(v.reduce((s, x) => s + x * x, 0) / v.length);

  it.each([["temperature", 0.25, 0.8], ["humidity", 0.5, 5]] as const)('%s: the sun is taken off, and the interval holds', (key, share, most) => {
    const seen = run(30, createStage()).filter((s) => s.key === key).slice(240);
    expect(seen.every((s) => s.answer.corrected !== null)).toBe(true);
    const errors = seen.map((s) => (s.answer.corrected as number) - s.truth);
    expect(rmse(errors)).toBeLessThan(most);
    expect(rmse(errors)).toBeLessThan(share * rmse(seen.map((s) => s.raw - s.truth)));
    const inside = seen.filter((s) => (s.answer.lo90 as number) <= s.truth && s.truth <= (s.answer.hi90 as number)).length; // prettier-ignore
    expect(inside / seen.length).toBeGreaterThan(0.85);
    expect(inside / seen.length).toBeLessThan(0.97);
  }); // prettier-ignore
  it('is not answered before three days, nor without a station', () => {
    const seen = run(3, createStage());
    expect(seen.every((s) => s.answer.corrected === null)).toBe(true);
    expect(run(10, createStage(), false).every((s) => s.answer.corrected === null)).toBe(true);
  });
  it('a restored state answers like the one that lived on', () => {
    const stage = createStage();
    run(8, stage);
    const again = createStage();
    again.restore(stage.snapshot());
    const t = START + 200 * HOUR;
    const values = { pm25: 10, temperature: 25, humidity: 60 };
    expect(valueOf(again, 1, t, values)).toEqual(valueOf(stage, 1, t, values));
    expect(valueOf(again, 1, t + HOUR, values).get('temperature')?.corrected).not.toBeNull();
  });
  it('a saturated chip, a sentinel and an indoor box get no value', () => {
    const stage = createStage();
    run(8, stage);
    const t = START + 200 * HOUR;
    expect(valueOf(stage, 1, t, { pm25: 10, temperature: 25, humidity: 100 }).get('humidity')?.corrected).toBeNull();
    expect(valueOf(stage, 1, t + HOUR, { pm25: 10, temperature: -127, humidity: 50 }).get('temperature')?.corrected).toBeNull(); // prettier-ignore
    stage.setBox(box(2, 'indoor'));
    expect(valueOf(stage, 2, t, { temperature: 25, humidity: 50 }).get('temperature')?.corrected).toBeNull();
  });
});

describe('CO2', () => {
  const run = (days: number, shift: number, exposure: 'outdoor' | 'indoor' | 'unknown' = 'outdoor') => {
    const next = random(2);
    const stage = createStage();
    stage.setBox(box(1, exposure));
    let last: CorrectedValue | undefined;
    let truth = 0;
    for (let h = 0; h < days * 24; h++) {
      const t = START + h * HOUR;
      truth = backgroundCo2(t / 1000) + 4 + 60 * Math.max(0, Math.sin((2 * Math.PI * h) / 24)) * next();
      last = valueOf(stage, 1, t, { co2: truth + shift, humidity: 60 }).get('co2');
    }
    return { last: last as CorrectedValue, truth };
  };
  it('a zero that is 90 ppm off is put right', () => {
    const { last, truth } = run(15, 90);
    expect(Math.abs((last.corrected as number) - truth)).toBeLessThan(12);
    expect(last.lo90 as number).toBeLessThan(truth);
    expect(last.hi90 as number).toBeGreaterThan(truth);
    expect(last.model).toBe('co2-baseline-1');
  });
  it.each([20, -28])('one that is %d ppm off is left to itself (its own baseline may be at work)', (shift) =>
    expect(run(15, shift).last.corrected).toBe(Math.round(run(15, shift).last.raw)),
  );
  it('is refused indoors, where nobody says it is outdoors, in the first week, and when it is no drift', () => {
    expect(run(15, 90, 'indoor').last.corrected).toBeNull();
    expect(run(15, 90, 'unknown').last.corrected).toBeNull();
    expect(run(6, 90).last.corrected).toBeNull();
    expect(run(15, 400).last.corrected).toBeNull();
  });
});

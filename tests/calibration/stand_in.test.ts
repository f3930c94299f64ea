/** Humidity of the boxes around in the place of a chip that is dead or missing: lent to the correction of PM2.5, stored nowhere. */
import { expect, it } from 'vitest';
import { createStage } from '../../calibration/create.ts';
import { FLAG, reason } from '../../model/flags.ts';
import type { CorrectedReading, RawReading } from '../../model/observation.ts';

const START = Date.UTC(2026, 0, 5);
const MINUTES = 10;
type Weather = { temperature?: number; humidity?: number };

/** Eight boxes within a kilometre, no station; the last has its own weather. @returns its last answer and that of its neighbour */
function lastOf(own: Weather, steps = 30, boxes = 8): { lone: CorrectedReading; well: CorrectedReading } {
  const stage = createStage();
  for (let num = 1; num <= boxes; num++)
    stage.setBox({ id: `box-${num}`, num, lat: 24.1 + 0.001 * num, lon: 120.6, sensor: 'PMS5003', field: 'cf1', trusted: true, exposure: 'outdoor' }); // prettier-ignore
  let out: CorrectedReading[] = [];
  for (let i = 0; i < steps; i++) {
    const t = START + i * MINUTES * 60_000;
    const slice = Array.from({ length: boxes }, (_, k): RawReading => {
      const weather: Weather = k === boxes - 1 ? own : { temperature: 20, humidity: 80 };
      const values = [{ property: 'pm25' as const, raw: 30 + ((i * 7) % 5) }, ...(['temperature', 'humidity'] as const).flatMap((property) => weather[property] === undefined ? [] : [{ property, raw: weather[property] + 0.1 * ((i * 3) % 4) * (weather[property] > 0 ? 1 : 0) }])]; // prettier-ignore
      return {
        stage: 'raw',
        thing: `box-${k + 1}`,
        thingNum: k + 1,
        phenomenonTime: t,
        resultTime: t,
        clock: 'box',
        seq: 0,
        values,
      };
    });
    stage.advance(t);
    out = stage.correct(stage.check(slice));
  }
  return { lone: out.at(-1)!, well: out[0]! };
}
const of = (r: CorrectedReading, property: 'pm25' | 'humidity') => r.values.find((v) => v.property === property);

it.each([
  ['dead (0 %)', { temperature: 20, humidity: 0 }],
  ['missing', { temperature: 20 }],
  ['missing, and no thermometer', {}],
] as const)('%s: the published equation takes what the boxes around say, and the value says so', (_name, weather) => {
  const { lone, well } = lastOf(weather);
  const [a, b] = [of(lone, 'pm25')!, of(well, 'pm25')!];
  expect(b.reasons & reason('imputed')).toBe(0);
  expect(a.reasons & reason('imputed')).not.toBe(0);
  expect(a.level).toBe('L2');
  expect(Math.abs(a.corrected! - b.corrected!)).toBeLessThan(0.3);
  // Wider than where the box's own chip spoke, and the chip's word stands as it came.
  expect(a.hi90! - a.lo90!).toBeGreaterThanOrEqual(b.hi90! - b.lo90!);
  if ('humidity' in weather) expect(of(lone, 'humidity')).toMatchObject({ raw: 0, flag: FLAG.fail, corrected: null });
  else expect(of(lone, 'humidity')).toBeUndefined();
});

it('the same water in a case that is 5 °C warmer is a lower humidity', () => {
  const cool = of(lastOf({ temperature: 20, humidity: 0 }).lone, 'pm25')!;
  const warm = of(lastOf({ temperature: 25, humidity: 0 }).lone, 'pm25')!;
  // 80 % at 20 °C is 59 % at 25 °C: 0.0862 · 21 = 1.8 µg/m³ more by Barkjohn 2021.
  expect(warm.corrected! - cool.corrected!).toBeGreaterThan(1.5);
  expect(warm.corrected! - cool.corrected!).toBeLessThan(2.1);
});

it('with too few around who know, the correction says that an input is missing', () => {
  const { lone } = lastOf({ temperature: 20, humidity: 0 }, 30, 4);
  expect(of(lone, 'pm25')).toMatchObject({ corrected: null });
  expect(of(lone, 'pm25')!.reasons & reason('input')).not.toBe(0);
});

/** A lone box near a reference station: nobody else can say that it hangs indoors. */
import { describe, expect, it } from 'vitest';
import { createQc } from '../../calibration/qc/qc.ts';
import { HOUR, pm25Of, random, reading, setBoxes, START } from './town.ts';

function last(box: (air: number, next: () => number) => number, options: { stepH?: number; lagH?: number; km?: number } = {}): string[] {
  const { stepH = 1, lagH = 0, km = 1 } = options;
  const next = random(6);
  const qc = createQc();
  qc.setStation({ id: 's', num: 9, lat: 24.15, lon: 120.66 });
  setBoxes(qc, [{ num: 1, lat: 24.15 + km / 111, lon: 120.66 }]);
  let level = 2.7;
  let said: string[] = [];
  const series: number[] = [];
  for (let h = 0; h < 25 * 24; h += stepH) {
    level += 0.03 * stepH * (2.7 - level) + 0.1 * Math.sqrt(stepH) * (next() - 0.5);
    const t = START + h * HOUR;
    const air = Math.exp(level + (stepH === 1 ? 0.3 * Math.sin((2 * Math.PI * h) / 24) : 0) + 0.5 * Math.sin(h / 40));
    series.push(air);
    const [r] = qc.check([reading(1, t, { pm25: box(air, next) })]);
    said = pm25Of(r!).reasons;
    const seen = series[series.length - 1 - lagH] ?? air;
    qc.reference([{ station: 's', time: t, pm25: Math.max(0, seen + 5 * (next() - 0.5)) }]);
    qc.advance(t);
  }
  return said;
} // prettier-ignore

describe('a lone box near a station', () => {
  it('in a room is called indoor', () => expect(last((air, next) => 6 + 0.1 * air + next())).toContain('pm25.indoor'));
  it('in a room, one value a day', () => expect(last((air, next) => 6 + 0.1 * air + next(), { stepH: 24 })).toContain('pm25.indoor')); // prettier-ignore
  it.each([
    ['in the open', (air: number, next: () => number): number => 1.7 * air + next()],
    ['with a small gain', (air: number): number => 0.5 * air],
    ['damped by half', (air: number): number => 0.6 * air + 4],
  ] as const)('%s is not', (_name, box) => expect(last(box)).not.toContain('pm25.indoor'));
  it('in the open while the clock of the station is five hours off', () =>
    expect(last((air) => 1.6 * air, { lagH: 5 })).not.toContain('pm25.indoor'));
  it('in a room, but ten kilometres away: nobody knows', () =>
    expect(last((air, next) => 6 + 0.1 * air + next(), { km: 10 })).not.toContain('pm25.indoor'));
});

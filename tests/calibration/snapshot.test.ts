import { describe, expect, it } from 'vitest';
import { createStage } from '../../calibration/create.ts';
import type { CalibrationStage } from '../../calibration/stage.ts';
import type { RawReading } from '../../model/observation.ts';
import { HOUR, smallCity } from './small_city.ts';

describe('state of the stage', () => {
  it('kept and taken up again in the middle, it goes on as if nothing had happened', () => {
    const { rows, input } = smallCity(12);
    const set = (stage: CalibrationStage): void => {
      for (const b of input.boxes) stage.setBox(b);
      for (const s of input.stations) stage.setStation(s);
      stage.setColocations(input.colocations);
    };
    const steps = [...Map.groupBy(rows, (r) => r.time)];
    const feed = (stage: CalibrationStage, from: number, to: number): string[] =>
      steps.slice(from, to).map(([time, slice]) => {
        stage.reference(input.reference.filter((r) => r.time === time - 2 * HOUR).map((r) => ({ ...r })));
        stage.advance(time);
        const readings = slice.map((r): RawReading => ({
          stage: 'raw',
          thing: r.box,
          thingNum: Number(r.box.slice(1)) + 1,
          phenomenonTime: time,
          resultTime: time,
          clock: 'box',
          seq: 0,
          values: [
            { property: 'pm25', raw: r.pm25 },
            { property: 'temperature', raw: r.temperature },
            { property: 'humidity', raw: r.humidity },
          ],
        }));
        return JSON.stringify(stage.correct(stage.check(readings)));
      });
    const whole = createStage();
    set(whole);
    const cut = 9 * 24 + 5;
    const before = feed(whole, 0, cut);
    const kept = whole.snapshot();
    const after = feed(whole, cut, steps.length);
    const again = createStage();
    again.restore(kept);
    expect(feed(again, cut, steps.length)).toEqual(after);
    expect(before.at(-1)).toContain('"L5+"');
  });

  it('refuses bytes that are no snapshot', () => {
    expect(() => createStage().restore(new Uint8Array([1, 2, 3]))).toThrow();
  });
});

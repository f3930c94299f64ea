import { describe, expect, it } from 'vitest';
import { runBacktest } from '../../calibration/backtest/run.ts';
import { ageFactor } from '../../calibration/correction/age.ts';
import { createStage } from '../../calibration/create.ts';
import type { CalibrationStage, StageBox } from '../../calibration/stage.ts';
import type { RawReading } from '../../model/observation.ts';
import { DAY, HOUR, HOURLY, START, smallCity, table } from './small_city.ts';

const YEAR = 365.25 * DAY;

describe('the factor of σ by age', () => {
  it.each([
    [-1, 1],
    [0, 1],
    [1, 1.03],
    [2.6, 1.078],
    [3.5, 1.105],
    [3.75, 1.5525],
    [4, 2],
    [30, 2],
    [NaN, 1],
  ])('%d years: %d', (years, factor) => {
    expect(ageFactor(START - years * YEAR, START)).toBeCloseTo(factor, 9);
  });
  it('never jumps: half a percent a day at most', () => {
    for (let day = 0; day < 5 * 365; day++) {
      const step = ageFactor(0, (day + 1) * DAY) - ageFactor(0, day * DAY);
      expect(step).toBeGreaterThanOrEqual(0);
      expect(step).toBeLessThan(0.005);
    }
  });
});

const city = smallCity(14);
const steps = [...Map.groupBy(city.rows, (r) => r.time)];
const CUT = 12 * 24;

/** b0–b2 hang beside stations, b3–b5 do not. */
function begun(old: readonly string[]): CalibrationStage {
  const stage = createStage();
  for (const b of city.input.boxes) stage.setBox(aged(b, old.includes(b.id)));
  for (const s of city.input.stations) stage.setStation(s);
  stage.setColocations(city.input.colocations);
  return stage;
}
const aged = (box: StageBox, old: boolean): StageBox => ({ ...box, since: START - (old ? 5 * YEAR : 0) });

interface Told {
  readonly value: number;
  readonly width: number;
}
/** What each box was told last. */
function told(stage: CalibrationStage, from: number, to: number): Map<string, Told> {
  const last = new Map<string, Told>();
  for (const [time, slice] of steps.slice(from, to)) {
    stage.reference(city.input.reference.filter((r) => r.time === time - 2 * HOUR));
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
    for (const { thing, values } of stage.correct(stage.check(readings))) {
      const { corrected, lo90, hi90 } = values[0] as (typeof values)[0];
      last.set(thing, { value: corrected as number, width: (hi90 as number) - (lo90 as number) });
    }
  }
  return last;
}
const all = city.input.boxes.map((b) => b.id);
const runs = (old: readonly string[]): Map<string, Told> => told(begun(old), 0, CUT);

describe('the interval of an old box', () => {
  const young = runs([]);
  const of = (run: Map<string, Told>, id: string): Told => run.get(id) as Told;

  it('is wider without a station, and is not beside one; the value is the same', () => {
    const some = runs(['b3', 'b1']);
    expect(of(some, 'b3').width / of(young, 'b3').width).toBeGreaterThan(1.6);
    for (const id of ['b0', 'b1', 'b2']) expect(of(some, id)).toEqual(of(young, id));
    for (const id of all) expect(of(some, id).value).toBe(of(young, id).value);
  });

  it('holds its age once: where the boxes beside stations are as old, errors seen there are of that age', () => {
    const every = runs(all);
    const fresh = runs(['b0', 'b1', 'b2']);
    for (const id of ['b3', 'b4', 'b5']) {
      expect(of(every, id).width / of(young, id).width).toBeCloseTo(1, 1);
      expect(of(fresh, id).width).toBeLessThan(0.75 * of(young, id).width);
    }
  });

  it('comes with a saved state, and with being told nothing but the age of a box that is known', () => {
    const whole = begun(['b3']);
    told(whole, 0, CUT);
    const kept = whole.snapshot();
    const expected = told(whole, CUT, steps.length);
    const again = createStage();
    again.restore(kept);
    expect(told(again, CUT, steps.length)).toEqual(expected);

    const late = begun([]);
    told(late, 0, CUT);
    for (const b of city.input.boxes) late.setBox(aged(b, b.id === 'b3'));
    expect(told(late, CUT, steps.length)).toEqual(expected);
  });

  it('is that of its first row in a backtest', () => {
    const first = { box: 'b3', time: START - 5 * YEAR, pm25: NaN, temperature: NaN, humidity: NaN };
    const plain = runBacktest(city.input, HOURLY);
    // At the end of the file: the order of rows changes nothing.
    const old = runBacktest({ ...city.input, readings: table([...city.rows, first]) }, HOURLY);
    for (const [id, factor] of [['b3', 2], ['b4', 1], ['b0', 1]] as const) {
      const row = city.rows.findLastIndex((r) => r.box === id);
      const width = (out: typeof plain): number => (out.hi90[row] as number) - (out.lo90[row] as number);
      expect(width(old) / width(plain)).toBeCloseTo(factor, 1);
    } // prettier-ignore
  });
});

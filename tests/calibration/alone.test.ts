/** What a box beside a station would be told without it: its neighbours have a say in that, however late the reference comes. */
import { describe, expect, it } from 'vitest';
import { newGain, strangersAmong } from '../../calibration/correction/consensus.ts';
import { Correction } from '../../calibration/correction/correction.ts';
import type { Series, State } from '../../calibration/correction/memory.ts';
import { startScale } from '../../calibration/correction/uncertainty.ts';
import { FLAG } from '../../model/flags.ts';
import type { CheckedReading } from '../../model/observation.ts';
import { DAY, HOUR } from '../../model/time.ts';
import { random, START } from './small_city.ts';

const checked = (thing: string, thingNum: number, time: number, pm25: number): CheckedReading => ({
  stage: 'checked',
  thing,
  thingNum,
  phenomenonTime: time,
  resultTime: time,
  clock: 'box',
  seq: 0,
  values: [
    { property: 'pm25', raw: pm25, flag: FLAG.good, reasons: 0 },
    { property: 'humidity', raw: 60, flag: FLAG.good, reasons: 0 },
    { property: 'temperature', raw: 22, flag: FLAG.good, reasons: 0 },
  ],
});

/** Two stations a few km apart; a box beside each, the first of which shows half as much again, and six others around. */
function series(lagHours: number): Series {
  const next = random(7);
  const correction = new Correction({ lagMs: lagHours * HOUR });
  const place = (i: number) => ({ lat: 24 + 0.01 * (i % 3), lon: 120.6 + 0.012 * Math.floor(i / 3) });
  const id = (i: number): string => `b${i}`;
  const gains = [1.5, 1, 1, 1, 1, 1, 1, 1];
  const boxes = gains.length;
  for (let i = 0; i < boxes; i++) {
    correction.setBox({ id: id(i), num: i + 1, ...place(i), sensor: 'PMS5003', field: '', trusted: true, exposure: 'outdoor' }); // prettier-ignore
  }
  for (const i of [0, 1]) correction.setStation({ id: `s${i}`, num: 100 + i, ...place(i) });
  correction.setColocations([0, 1].map((i) => ({ box: id(i), station: `s${i}` })));
  const air: number[] = [];
  for (let h = 0; h < 8 * 24; h++) {
    air.push(20 + 8 * Math.sin(h / 9) + 2 * next());
    const t = START + h * HOUR;
    const known = h - 1 - lagHours;
    if (known >= 0) {
      correction.reference([0, 1].map((i) => ({ station: `s${i}`, time: START + known * HOUR, pm25: (air[known] as number) + next() }))); // prettier-ignore
    }
    correction.advance(t);
    correction.correct(
      Array.from({ length: boxes }, (_, i) =>
        checked(id(i), i + 1, t, 1.6 * (gains[i] as number) * (air[h] as number) + next()),
      ),
    );
  }
  return (correction.state().state as State).series.find((s) => s.boxes[0] === 'b0') as Series;
}

describe('a box judged as if it had no station', () => {
  it.each([0, 1, 2])('is held against its neighbours, reference %i h late', (lag) => {
    expect(series(lag).alone.ratio).toBeGreaterThan(0.2);
  });
  it('does not hear of its station through another box beside it', () => {
    const box = (km: number, anchored: boolean) => ({ gain: { ...newGain(), anchored }, km });
    const [twin, other, far] = [box(0.01, true), box(0.01, false), box(3, true)];
    expect(strangersAmong([twin, other, far])).toEqual([other, far]);
  });
  it('keeps a score for each pair', () => {
    expect(series(1).scores.L4.values.length).toBeGreaterThan((4 * DAY) / HOUR);
  });
});

describe('a box where there is no station', () => {
  it('has an interval a tenth narrower than the literature would have it', () => {
    const correction = new Correction();
    correction.setBox({ id: 'b0', num: 1, lat: 24, lon: 120, sensor: 'PMS5003', field: '', trusted: true, exposure: 'outdoor' }); // prettier-ignore
    const reading = checked('b0', 1, START, 60);
    const value = correction.correct([reading])[0]?.values[0];
    const y = value?.corrected as number;
    const half = ((value?.hi90 as number) - (value?.lo90 as number)) / 2;
    expect(value?.level).toBe('L2');
    expect(half / startScale('L2', y, Infinity, Math.sqrt(0.02))).toBeCloseTo(1.48, 1);
  });
});

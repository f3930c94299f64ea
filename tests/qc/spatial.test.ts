/** A town of thirty boxes: what the spatial test sees and what it must not see. */
import { describe, expect, it } from 'vitest';
import { createQc } from '../../calibration/qc/qc.ts';
import { FLAG } from '../../model/flags.ts';
import type { CheckedReading } from '../../model/observation.ts';
import {
  START,
  boxOf,
  flaggedShare,
  hourOf,
  pm25Of,
  random,
  reading,
  run,
  setBoxes,
  slice,
  townBoxes,
  townQc,
} from './town.ts';

const boxes = townBoxes();

describe('S7', () => {
  it('flags hardly any good reading, from the first hour on', () => {
    const answers = run(townQc(boxes), boxes, 0, 96).flat();
    expect(flaggedShare(answers)).toBeLessThan(0.003);
  });
  it.each([
    ['x3', (x: number) => x * 3],
    ['x2', (x: number) => x * 2],
    ['x0.5', (x: number) => x * 0.5],
    ['x0.3', (x: number) => x * 0.3],
    ['+30', (x: number) => x + 30],
  ])('finds one reading %s', (_, falsify) => {
    const qc = townQc(boxes);
    run(qc, boxes, 0, 48);
    const last = run(qc, boxes, 48, 49, (values) => values.set(14, falsify(values.get(14) as number)));
    const found = pm25Of(boxOf(last.flat(), 14));
    expect(found.flag).toBeGreaterThanOrEqual(FLAG.suspect);
    expect(found.reasons).toContain('pm25.spatial');
    expect(flaggedShare(last.flat())).toBe(1 / boxes.length);
  });
  it.each([0.3, 0.5, 2, 3])('blames no box when the air over all of them changes by %d', (factor) => {
    const qc = townQc(boxes);
    run(qc, boxes, 0, 48);
    const last = run(qc, boxes, 48, 49, (values) => {
      for (const [num, x] of values) values.set(num, x * factor);
    });
    expect(flaggedShare(last.flat())).toBe(0);
  });
  it('learns that a box always reads 70 % above its neighbours, and then finds its faults', () => {
    const odd = boxes.map((b) => (b.num === 9 ? { ...b, gain: 1.7 } : b));
    const qc = townQc(odd);
    const answers = run(qc, odd, 0, 72)
      .flat()
      .filter((r) => r.thingNum === 9);
    expect(flaggedShare(answers.slice(24))).toBe(0);
    const last = run(qc, odd, 72, 73, (values) => values.set(9, (values.get(9) as number) / 2));
    expect(pm25Of(boxOf(last.flat(), 9)).flag).toBeGreaterThanOrEqual(FLAG.suspect);
  });
  it('accepts a step that the next reading confirms', () => {
    const qc = townQc(boxes);
    run(qc, boxes, 0, 48);
    const flags = run(qc, boxes, 48, 52, (values) => values.set(14, (values.get(14) as number) * 1.9)).map(
      (a) => pm25Of(boxOf(a, 14)).flag,
    );
    expect(flags[0]).toBeGreaterThanOrEqual(FLAG.suspect);
    expect(flags.slice(1)).toEqual([FLAG.good, FLAG.good, FLAG.good]);
  });
  it('a large step of one box alone is not believed for a day, then it is the site', () => {
    const qc = townQc(boxes);
    run(qc, boxes, 0, 48);
    const flags = run(qc, boxes, 48, 96, (values) => values.set(14, (values.get(14) as number) * 4)).map(
      (a) => pm25Of(boxOf(a, 14)).flag,
    );
    expect(Math.min(...flags.slice(0, 20))).toBeGreaterThanOrEqual(FLAG.suspect);
    expect(flags.slice(30)).toEqual(flags.slice(30).map(() => FLAG.good));
  });
  it('finds dead boxes though a third of the town is dead', () => {
    const dead = new Set([2, 5, 8, 11, 14, 17, 20, 23, 26]);
    const qc = townQc(boxes);
    const answers = run(qc, boxes, 0, 30, (values) => {
      for (const num of dead) values.set(num, 0);
    });
    const late = answers.slice(3).flat();
    expect(flaggedShare(late.filter((r) => dead.has(r.thingNum)))).toBe(1);
    expect(flaggedShare(late.filter((r) => !dead.has(r.thingNum)))).toBeLessThan(0.01);
    expect(pm25Of(boxOf(answers[20] as CheckedReading[], 2)).reasons).toContain('pm25.stuck_zero');
  });
});

describe('S8', () => {
  const plume = (peak: number) => (values: Map<number, number>) => {
    const centre = boxes[14];
    if (!centre) throw new Error('no box');
    for (const b of boxes) {
      const km = 111 * Math.hypot(b.lat - centre.lat, (b.lon - centre.lon) * 0.91);
      values.set(b.num, (values.get(b.num) as number) + peak * Math.exp(-0.5 * (km / 1) ** 2));
    }
  };
  it.each([15, 30, 60, 120])('keeps a plume of %d µg/m³ that several boxes see', (peak) => {
    const qc = townQc(boxes);
    run(qc, boxes, 0, 48);
    const answers = run(qc, boxes, 48, 51, plume(peak)).flat();
    expect(flaggedShare(answers)).toBeLessThan(0.03);
  });
});

describe('where there is nothing to compare with', () => {
  it.each([
    ['one box', boxes.slice(0, 1)],
    ['four boxes', boxes.slice(0, 4)],
    ['boxes without places', boxes.map((b) => ({ ...b, lat: null, lon: null }))],
    ['boxes at 0, 0', boxes.map((b) => ({ ...b, lat: 0, lon: 0 }))],
    ['boxes on one default position', boxes.map((b) => ({ ...b, lat: 25.062, lon: 121.451 }))],
  ])('%s: no spatial verdict, the stream alone is judged', (_, placed) => {
    const qc = setBoxes(createQc(), placed);
    const some = boxes.slice(0, placed.length);
    const calm = run(qc, some, 0, 12).flat();
    expect(flaggedShare(calm)).toBe(0);
    const found = run(qc, some, 12, 13, (values) => values.set(1, 200)).flat();
    expect(pm25Of(boxOf(found, 1))).toEqual({ flag: FLAG.suspect, reasons: ['pm25.spike'] });
  });
  it('a box that moves by more than 200 m starts anew', () => {
    const odd = boxes.map((b) => (b.num === 9 ? { ...b, gain: 2.2 } : b));
    const qc = townQc(odd);
    run(qc, odd, 0, 48);
    setBoxes(qc, [{ num: 9, lat: 23, lon: 120.2 }]);
    const answers = run(qc, odd, 48, 60).flat();
    expect(flaggedShare(answers)).toBeLessThan(0.01);
  });
});

describe('order and gaps', () => {
  it('the order of rows in a slice changes nothing', () => {
    const next = random(5);
    const [straight, shuffled] = [townQc(boxes), townQc(boxes)];
    for (let h = 0; h < 30; h++) {
      const readings = slice(hourOf(boxes, h), h);
      const mixed = readings.toSorted(() => next() - 0.5);
      const a = straight.check(readings);
      const b = shuffled.check(mixed).toSorted((x, y) => x.thingNum - y.thingNum);
      expect(b).toEqual(a);
    }
  });
  it('survives days of silence and a late buffer', () => {
    const qc = townQc(boxes);
    run(qc, boxes, 0, 24);
    expect(flaggedShare(run(qc, boxes, 200, 210).flat())).toBeLessThan(0.02);
    const late = qc.check([
      reading(3, START + 30 * 3_600_000, { pm25: 40 }),
      reading(3, START + 31 * 3_600_000, { pm25: 5000 }),
    ]);
    expect(late.map((r) => pm25Of(r).flag)).toEqual([FLAG.good, FLAG.fail]);
  });
  it('boxes that report one by one are judged like a slice', () => {
    const qc = townQc(boxes);
    let flagged = 0;
    for (let minute = 0; minute < 24 * 60; minute += 6)
      for (const b of boxes) {
        const h = minute / 60 + b.num / 1000;
        const pm25 = (hourOf(boxes, h).get(b.num) as number) * (minute === 1200 && b.num === 14 ? 3 : 1);
        const [r] = qc.check([reading(b.num, Math.round(START + h * 3_600_000), { pm25 })]);
        const { flag } = pm25Of(r as CheckedReading);
        if (minute === 1200 && b.num === 14) expect(flag).toBeGreaterThanOrEqual(FLAG.suspect);
        else if (flag >= FLAG.suspect) flagged++;
      }
    expect(flagged / (240 * boxes.length)).toBeLessThan(0.003);
  });
});

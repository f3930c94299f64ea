/** What nights find out: who hangs indoors, who beside a source, who follows nobody, who drifts. */
import { describe, expect, it } from 'vitest';
import type { CheckedReading } from '../../model/observation.ts';
import { boxOf, flaggedShare, HOUR, pm25Of, random, run, START, townBoxes, townQc } from './town.ts';

const boxes = townBoxes();
const DAYS = 24;

function after(days: number, change: (values: Map<number, number>, h: number) => void) {
  const qc = townQc(boxes);
  const answers = run(qc, boxes, 0, days * DAYS, change);
  return { qc, answers, last: answers.at(-1) as CheckedReading[] };
}

describe('N1 and N2', () => {
  it('leaves a healthy town alone and gives it a high health score', () => {
    const { qc, last } = after(12, () => {});
    for (const r of last) expect(pm25Of(r)).toEqual({ flag: 1, reasons: [] });
    for (const b of boxes) {
      const health = qc.health(b.num);
      expect(health?.score).toBeGreaterThan(90);
      expect(health?.correlation).toBeGreaterThan(0.9);
      expect(health?.siteClass).toBe('');
    }
  });
  it('calls a box at 40 % of its neighbours indoors, without failing it', () => {
    const { last, answers } = after(8, (values) => values.set(9, (values.get(9) as number) * 0.4));
    expect(pm25Of(boxOf(last, 9)).reasons).toContain('pm25.indoor');
    const mine = answers.slice(48).map((a) => boxOf(a, 9));
    expect(flaggedShare(mine)).toBeLessThan(0.02);
  });
  it('calls a box at 2.3 times its neighbours near a source, without failing it', () => {
    const { last, answers } = after(8, (values) => values.set(9, (values.get(9) as number) * 2.3));
    expect(pm25Of(boxOf(last, 9)).reasons).toContain('pm25.near_source');
    expect(flaggedShare(answers.slice(48).map((a) => boxOf(a, 9)))).toBeLessThan(0.02);
  });
  it('fails a box that follows nobody for days, and says so in its health', () => {
    const next = random(9);
    const { qc, last } = after(8, (values) => values.set(9, 10 + 40 * next()));
    const found = pm25Of(boxOf(last, 9));
    expect(found.flag).toBe(4);
    expect(found.reasons).toContain('pm25.correlation');
    expect(qc.health(9)?.score).toBeLessThan(75);
    expect(flaggedShare(last)).toBe(1 / boxes.length);
  });
  it('goes on judging when the clock was a year ahead for a moment', () => {
    const next = random(9);
    const qc = townQc(boxes);
    run(qc, boxes, 0, DAYS);
    qc.advance(START + 366 * DAYS * HOUR);
    const last = run(qc, boxes, DAYS, 9 * DAYS, (values) => values.set(9, 10 + 40 * next())).at(-1);
    expect(pm25Of(boxOf(last ?? [], 9)).flag).toBe(4);
  });
  it('forgives a box that is repaired', () => {
    const next = random(9);
    const qc = townQc(boxes);
    run(qc, boxes, 0, 8 * DAYS, (values) => values.set(9, 10 + 40 * next()));
    const healed = run(qc, boxes, 8 * DAYS, 40 * DAYS);
    expect(pm25Of(boxOf(healed.at(-1) as CheckedReading[], 9)).flag).toBe(1);
  });
  it.each([0, 500])('believes a box that stood at %d for a week as soon as it lives again', (value) => {
    const qc = townQc(boxes);
    run(qc, boxes, 0, 14 * DAYS);
    const dead = run(qc, boxes, 14 * DAYS, 21 * DAYS, (values) => values.set(9, value));
    expect(pm25Of(boxOf(dead.at(-1) as CheckedReading[], 9)).flag).toBe(4);
    expect(qc.health(9)?.flaggedShare).toBeGreaterThan(0.5);
    const alive = run(qc, boxes, 21 * DAYS, 23 * DAYS).map((a) => boxOf(a, 9));
    expect(flaggedShare(alive)).toBeLessThan(0.1);
  });
  it('knows the health of a box that was dead from its first day', () => {
    const { qc } = after(3, (values) => values.set(9, 0));
    expect(qc.health(9)?.score).toBeLessThan(60);
  });
});

describe('N3', () => {
  it('sees a drift of 2 % a day and keeps the values', () => {
    const { qc, last } = after(40, (values, h) =>
      values.set(9, (values.get(9) as number) * Math.exp((0.02 * Math.max(0, h - 16 * DAYS)) / DAYS)),
    );
    expect(pm25Of(boxOf(last, 9)).reasons).toContain('pm25.drift');
    expect(qc.health(9)?.driftLog).toBeGreaterThan(0.2);
    expect(last.filter((r) => pm25Of(r).reasons.includes('pm25.drift')).map((r) => r.thingNum)).toEqual([9]);
  });
  it('takes a drift back in the first night without it', () => {
    const qc = townQc(boxes);
    run(qc, boxes, 0, 16 * DAYS);
    run(qc, boxes, 16 * DAYS, 25 * DAYS, (values) => values.set(9, (values.get(9) as number) * 0.5));
    expect(qc.drift(9)).toBeLessThan(-0.3);
    run(qc, boxes, 25 * DAYS, 26 * DAYS);
    expect(qc.drift(9)).toBe(0);
  });
  it('does not blame the boxes when the whole network drifts together', () => {
    const { last } = after(40, (values, h) => {
      for (const [num, x] of values) values.set(num, x * Math.exp((0.02 * h) / DAYS));
    });
    expect(last.flatMap((r) => pm25Of(r).reasons)).toEqual([]);
  });
});

/** Boxes with a wrong unit, channels that died, and what other sensors of the same box know. */
import { describe, expect, it } from 'vitest';
import { createQc } from '../../calibration/qc/qc.ts';
import { ChannelPairs } from '../../calibration/qc/channel_pair.ts';
import type { CheckedReading } from '../../model/observation.ts';
import { boxOf, flaggedShare, hourOf, pm25Of, random, reading, run, START, HOUR, townBoxes, townQc, air, setBoxes } from './town.ts'; // prettier-ignore

const boxes = townBoxes();

describe('a wrong unit', () => {
  it.each([10, 0.1, 12, 0.08])('x%d is said by name, and no other box suffers', (factor) => {
    const qc = townQc(boxes);
    const answers = run(qc, boxes, 0, 5 * 24, (values) => values.set(9, (values.get(9) as number) * factor));
    const later = answers.slice(30).map((a) => boxOf(a, 9));
    expect(flaggedShare(later)).toBe(1);
    const last = pm25Of(boxOf(answers.at(-1) as CheckedReading[], 9));
    expect(last.flag).toBe(4);
    expect(last.reasons).toContain('pm25.scale');
    const found = qc.health(9)?.scaleFactor as number;
    expect(found / factor).toBeGreaterThan(0.6);
    expect(found / factor).toBeLessThan(1.6);
    for (const a of answers.slice(24)) expect(a.filter((r) => r.thingNum !== 9 && pm25Of(r).flag >= 3).length).toBeLessThan(2); // prettier-ignore
  });
  it('is found when a firmware brings it, and forgiven when the next one mends it', () => {
    const qc = townQc(boxes);
    const change = (values: Map<number, number>, h: number): void => {
      if (h >= 96 && h < 192) values.set(9, (values.get(9) as number) / 10);
    };
    const answers = run(qc, boxes, 0, 300, change).map((a) => boxOf(a, 9));
    expect(flaggedShare(answers.slice(24, 96))).toBeLessThan(0.02);
    expect(flaggedShare(answers.slice(96, 192))).toBeGreaterThan(0.9);
    expect(answers.slice(140, 192).every((r) => pm25Of(r).reasons.includes('pm25.scale'))).toBe(true);
    expect(flaggedShare(answers.slice(210))).toBeLessThan(0.02);
  });
  it('is not what a street, a room or a kitchen does', () => {
    const qc = townQc(boxes);
    const next = random(3);
    const answers = run(qc, boxes, 0, 10 * 24, (values, h) => {
      values.set(9, (values.get(9) as number) * 3);
      values.set(10, 4 + 3 * next());
      values.set(11, (values.get(11) as number) + (h % 24 > 16 && h % 24 < 21 ? 250 * next() : 0));
    });
    for (const a of answers) for (const r of a) expect(pm25Of(r).reasons).not.toContain('pm25.scale');
  });
});

describe('a dead channel', () => {
  const dual = (n: number, a: (k: number) => number, b: (k: number) => number, stepH = 1): CheckedReading[] => {
    const qc = setBoxes(createQc(), [{ num: 1, lat: null, lon: null }]);
    return Array.from({ length: n }, (_, k) => {
      const t = START + k * stepH * HOUR;
      qc.advance(t);
      return qc.check([reading(1, t, { pm25: a(k), pm25_b: b(k) })])[0] as CheckedReading;
    });
  };
  const next = random(11);
  const low = Array.from({ length: 600 }, (_, k) => 6 + 4 * Math.sin(k / 5) + 2 * next());
  const alive = (k: number): number => Math.round(10 * (low[k] as number)) / 10;
  it.each([
    ['zero', (): number => 0],
    ['stuck at 1', (): number => 1],
    ['whispering', (): number => Math.round(15 * next()) / 10],
    ['stuck at 4', (): number => 4],
  ] as const)('%s at low values: the living one speaks, hourly and daily', (_name, dead) => {
    for (const stepH of [1, 24]) {
      for (const [a, b] of [
        [alive, dead],
        [dead, alive],
      ] as const) {
        // prettier-ignore
        const answers = dual(600, a, b, stepH);
        expect(answers.slice(24).filter((r) => pm25Of(r).flag >= 4).length / 576).toBeLessThan(0.01);
        const one = answers.slice(24).filter((r) => pm25Of(r).reasons.includes('pm25.single_channel'));
        expect(one.length).toBeGreaterThan(560);
      }
    }
  });
  it('is not called so while both follow the air, however unlike their gains', () => {
    const pairs = new ChannelPairs();
    for (let k = 0; k < 600; k++) {
      pairs.take(1, alive(k), 0.3 * alive(k));
      expect(pairs.dead(1)).toBe('');
    }
  });
});

describe('S8: other sensors of the box', () => {
  it('a lone rise that carbon monoxide shares is an event', () => {
    const found = [true, false].map((smoke) => {
      const qc = townQc(boxes);
      const next = random(5);
      let mine: CheckedReading | undefined;
      for (let h = 0; h < 60; h++) {
        const t = START + h * HOUR;
        qc.advance(t);
        const readings = [...hourOf(boxes, h)].map(([num, x]) => {
          const burning = num === 9 && h === 59;
          const co = 0.4 + 0.05 * next() + (burning && smoke ? 3 : 0);
          return reading(num, t, { pm25: burning ? x * 3 : x, ...(num === 9 ? { co } : {}) });
        });
        mine = boxOf(qc.check(readings), 9);
      }
      return pm25Of(mine as CheckedReading);
    });
    expect(found[0]?.reasons).toContain('pm25.event');
    expect(found[0]?.flag).toBe(1);
    expect(found[1]?.reasons).toContain('pm25.spatial');
  });
});

describe('N1 without neighbours', () => {
  it('remarks on what is far from the last fortnight, and leaves its flag alone', () => {
    const qc = setBoxes(createQc(), [{ num: 1, lat: null, lon: null }]);
    const next = random(4);
    const said: string[][] = [];
    let worst = 0;
    for (let h = 0; h < 20 * 24; h++) {
      const t = START + h * HOUR;
      const x = h >= 460 && h < 470 ? 400 : air(h) * (0.9 + 0.2 * next());
      const [r] = qc.check([reading(1, t, { pm25: x })]);
      said.push(pm25Of(r as CheckedReading).reasons);
      if (h > 461 && h < 469) worst = Math.max(worst, pm25Of(r as CheckedReading).flag);
    }
    expect(said.slice(0, 460).flat()).toEqual([]);
    expect(said.slice(461, 469).every((r) => r.includes('pm25.outlier'))).toBe(true);
    expect(worst).toBeLessThan(3);
  });
});

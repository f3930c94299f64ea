/** How far boxes and places differ for good, learnt from boxes among each other. */
import { describe, expect, it } from 'vitest';
import { apart, newGain, type Apart, type Around } from '../../calibration/correction/consensus.ts';
import { split } from '../../calibration/correction/spread.ts';
import { random } from './small_city.ts';

const next = random(5);
const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
/** Boxes with six others around, as far as `near` says (1 = a kilometre or more). */
const town = (n: number, box: number, place: number, near: (i: number) => number): Apart[] =>
  Array.from({ length: n }, (_, i) => {
    const [gains, places] = [7 / 6, near(i) * (7 / 6)];
    return { ratio: Math.sqrt(gains * box + places * place) * normal(), gains, places, noise: 0 };
  });
const known = { box: 0.08, boxes: 4, place: 0.1, places: 2 };

describe('variances of gains and places', () => {
  it('are what is known otherwise where no boxes are among each other', () => {
    expect(split(known, [])).toEqual({ box: 0.02, place: 0.05 });
  });

  it('come apart where some boxes are close', () => {
    const found = split(
      known,
      town(400, 0.06, 0.01, (i) => (i % 2 === 0 ? 0.05 : 1)),
    );
    expect(found.box).toBeGreaterThan(0.045);
    expect(found.box).toBeLessThan(0.07);
    expect(found.place).toBeLessThan(0.025);
  });

  it('keep the sum that boxes far apart show', () => {
    for (const all of [0.02, 0.2]) {
      const found = split(
        known,
        town(400, all / 2, all / 2, () => 1),
      );
      expect((found.box + found.place) / all).toBeGreaterThan(0.85);
      expect((found.box + found.place) / all).toBeLessThan(1.2);
    }
  });

  it('are not those of boxes that hang indoors', () => {
    const list = town(100, 0.02, 0.01, () => 1);
    const plain = split(known, list);
    const some = split(known, [...list, ...list.slice(0, 5).map((a) => ({ ...a, ratio: -1 }))]);
    expect(some.box + some.place).toBeLessThan(1.15 * (plain.box + plain.place));
  });
});

describe('the lasting ratio of a box', () => {
  const around = (anchored: number): Around[] =>
    Array.from({ length: 6 }, (_, i) => ({ gain: { ...newGain(), log: 3, anchored: i < anchored }, km: 0.5 }));

  it('counts after two days, where four or more without station are around', () => {
    const gain = { ...newGain(), n: 48, ratio: 0.2 };
    expect(apart(gain, around(2))).toMatchObject({ ratio: 0.2, gains: 1 + 4.5 / 36, places: 0.5 * (7 / 6) });
    expect(apart(gain, around(3))).toBeNull();
    expect(apart({ ...gain, n: 47 }, around(0))).toBeNull();
    expect(apart({ ...gain, anchored: true }, around(0))).toBeNull();
  });
});

/** The state saved and loaded again answers like the state that lived on. */
import { describe, expect, it } from 'vitest';
import { createQc } from '../../calibration/qc/qc.ts';
import { hourOf, random, reading, run, setBoxes, slice, START, townBoxes, townQc } from './town.ts';

const boxes = townBoxes(12); // 72 boxes: several tiles
const falsify = (next: () => number) => (values: Map<number, number>) => {
  for (const [num, x] of values) {
    const u = next();
    if (u < 0.02) values.set(num, x * 3);
    else if (u < 0.03) values.delete(num);
  }
};

describe('snapshot', () => {
  it.each([
    ['before the boxes are told again', true],
    ['after', false],
  ])('restored %s: the same answers', (_, restoreFirst) => {
    const lived = townQc(boxes);
    run(lived, boxes, 0, 40, falsify(random(3)));
    const bytes = lived.snapshot();
    const loaded = createQc();
    if (!restoreFirst) setBoxes(loaded, boxes);
    loaded.restore(bytes);
    if (restoreFirst) setBoxes(loaded, boxes);
    expect(run(loaded, boxes, 40, 70, falsify(random(4)))).toEqual(run(lived, boxes, 40, 70, falsify(random(4))));
    for (const b of boxes) expect(loaded.health(b.num)).toEqual(lived.health(b.num));
  });
  it('saving changes nothing', () => {
    const [plain, saving] = [townQc(boxes), townQc(boxes)];
    for (let h = 0; h < 30; h++) {
      const readings = slice(hourOf(boxes, h), h);
      expect(saving.check(readings)).toEqual(plain.check(readings));
      saving.snapshot();
    }
  });
  it('keeps streams of every property', () => {
    const qc = createQc();
    for (let h = 0; h < 4; h++) qc.check([reading(5, START + h * 3_600_000, { humidity: 100, co2: 500 })]);
    const again = createQc();
    again.restore(qc.snapshot());
    const [r] = again.check([reading(5, START + 4 * 3_600_000, { humidity: 100, co2: 501 })]);
    expect(r?.values.map((v) => v.flag)).toEqual([3, 1]);
  });
  it('refuses bytes of another version', async () => {
    const { serialize } = await import('node:v8');
    expect(() => createQc().restore(serialize({ version: 0 }))).toThrow(/version 0/);
  });
});

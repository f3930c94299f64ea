/** Fits without some of their rows, and how far a fit of few days is believed. */
import { expect, test } from 'vitest';
import { solutionsWithout, trust } from '../../calibration/correction/left_out.ts';
import { newNormal, accumulate, newRows, solve, type Prior, type Rows } from '../../calibration/correction/linear.ts';
import { hashNormal } from '../../firmware-sim/random.ts';

const PRIOR: Prior = { mean: [1, 0.5], spread: [4, 0.25] };

/** Hourly rows of `days` days; the line of a day is y = slope·x + its own level. */
function made(days: number, slope: number, levelOf: (day: number) => number): { rows: Rows; day: number[] } {
  const rows = newRows(2);
  const day: number[] = [];
  for (let i = 0; i < 24 * days; i++) {
    const d = Math.floor(i / 24);
    const x = 15 + 10 * Math.sin(i / 5) + d;
    rows.x.push(1, x);
    rows.y.push(slope * x + levelOf(d) + 0.5 * hashNormal(7, i));
    rows.w.push(1);
    rows.n++;
    day.push(d);
  }
  return { rows, day };
}

const trustOf = ({ rows, day }: ReturnType<typeof made>): number =>
  trust(rows, Float64Array.from(rows.w), day, PRIOR, 1.5);

test('what is left when a part is taken away is the fit that has not seen it', () => {
  const { rows, day } = made(3, 0.6, (d) => d);
  const others = solutionsWithout(rows, Float64Array.from(rows.w), day, PRIOR, 2);
  expect([...others.keys()]).toEqual([0, 1, 2]);
  const normal = newNormal(2);
  for (let i = 0; i < rows.n; i++)
    if (day[i] !== 1) accumulate(normal, rows.x, 2 * i, rows.y[i] as number, rows.w[i] as number);
  const direct = solve(normal, PRIOR, 2) as number[];
  others.get(1)?.forEach((v, k) => expect(v).toBeCloseTo(direct[k] as number, 9));
});

test('days that say different things are believed by their number, n²/(n² + 4)', () => {
  // Around the published line: what one day says, the next denies.
  const quarrel = (days: number): number => trustOf(made(days, 0.5, (d) => (d % 2 === 0 ? 5 : -3)));
  expect(quarrel(1)).toBeCloseTo(1 / 5, 9);
  expect(quarrel(2)).toBeCloseTo(4 / 8, 9);
  expect(quarrel(4)).toBeCloseTo(16 / 20, 9);
  expect(quarrel(30)).toBeGreaterThan(0.95);
});

test('a type that is far from the published line every day is believed sooner', () => {
  const { rows, day } = made(3, 1.1, () => 1);
  expect(trustOf({ rows, day })).toBeGreaterThan(0.9);
  expect(trustOf({ rows, day })).toBeLessThanOrEqual(1);
});

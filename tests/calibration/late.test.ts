/** Intervals while little is known, or late. */
import { expect, test } from 'vitest';
import { intervalForNewPlace, isKnown, keep, newScores } from '../../calibration/correction/places.ts';
import { lateness, newUnrest, stir, unrestNow } from '../../calibration/correction/uncertainty.ts';
import { DAY, HOUR } from '../../model/time.ts';

test('intervals grow with the steps that references come late', () => {
  expect(lateness(0, HOUR)).toBe(1);
  expect(lateness(HOUR, HOUR)).toBe(1);
  expect(lateness(DAY, HOUR)).toBeCloseTo(1.19, 2);
  expect(lateness(DAY, DAY)).toBe(1);
  expect(lateness(7 * DAY, DAY)).toBeCloseTo(1.117, 3);
});

test('five scores of a place are not known yet', () => {
  const scores = newScores();
  for (let i = 0; i < 5; i++) keep(scores, 0.3, 10);
  expect(isKnown(scores)).toBe(false);
  keep(scores, 0.3, 10);
  expect(isKnown(scores)).toBe(true);
  expect(intervalForNewPlace([scores]).high).toBeGreaterThan(1.645);
});

test('a calm box is not in a calm spell because it is new', () => {
  const unrest = newUnrest();
  for (let i = 0; i < 60; i++) {
    stir(unrest, i % 2 === 0 ? 0.25 : -0.35, i);
    expect(unrestNow(unrest)).toBeGreaterThan(0.8);
    expect(unrestNow(unrest)).toBeLessThan(1.05);
  }
  for (let i = 60; i < 70; i++) stir(unrest, 1.5, i);
  expect(unrestNow(unrest)).toBeGreaterThan(1.15);
});

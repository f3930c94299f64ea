import { describe, expect, it } from 'vitest';
import { addToTrial, comesBack, newTrial, TRIAL, trialErrors, verdict } from '../../calibration/correction/trial.ts';
import { DAY, HOUR } from '../../model/time.ts';

/** Hours of pairs from `from` on: squared errors of the model in force and of the other. */
function run(hours: number, force: (h: number) => number, other: (h: number) => number) {
  const trial = newTrial('new', 0);
  for (let h = 0; h < hours; h++) addToTrial(trial, h * HOUR, HOUR, force(h), other(h));
  return trial;
}

describe('a newer fit in the shadow', () => {
  it('is not judged before a day is over', () => {
    expect(
      verdict(
        run(
          20,
          () => 4,
          () => 1,
        ),
        20 * HOUR,
      ),
    ).toBeNull();
  });
  it('takes over after a day when it did no worse, and goes when it did', () => {
    expect(
      verdict(
        run(
          24,
          () => 4,
          () => 3.9,
        ),
        DAY,
      ),
    ).toBe('promoted');
    expect(
      verdict(
        run(
          24,
          () => 4,
          () => 4.1,
        ),
        DAY,
      ),
    ).toBe('declined');
  });
  it('waits for pairs, but not for ever', () => {
    const few = run(
      5,
      () => 4,
      () => 1,
    );
    expect(verdict(few, DAY)).toBeNull();
    expect(verdict(few, TRIAL.longest)).toBe('promoted');
  });
  it('takes over when no reference came to say anything against it', () => {
    expect(verdict(newTrial('new', 0), TRIAL.longest)).toBe('promoted');
  });
  it('keeps root mean squares of both', () => {
    expect(
      trialErrors(
        run(
          10,
          () => 9,
          () => 4,
        ),
      ),
    ).toEqual({ pairs: 10, force: 3, other: 2 });
  });
});

describe('the model before', () => {
  const noisy = (mean: number) => (h: number) => mean * (1 + 0.3 * Math.sin(h));
  it('comes back when the new one is a fifth worse over two days', () => {
    expect(comesBack(run(48, noisy(1.5 ** 2), noisy(1)), 2 * DAY)).toBe(true);
  });
  it('does not when the new one is a tenth worse, or one bad day speaks', () => {
    expect(comesBack(run(48, noisy(1.1 ** 2), noisy(1)), 2 * DAY)).toBe(false);
    expect(
      comesBack(
        run(
          48,
          (h) => (h < 6 ? 8 : 1),
          () => 1,
        ),
        2 * DAY,
      ),
    ).toBe(false);
    expect(comesBack(run(24, noisy(4), noisy(1)), DAY)).toBe(false);
  });
});

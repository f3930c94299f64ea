/** The tests named under "why this number" are the tests that run. */
import { describe, expect, it } from 'vitest';
import { limitsOf } from '../../calibration/qc/parameters.ts';
import { VALUE_TESTS } from '../../calibration/qc/tests.ts';
import { PROPERTIES } from '../../model/properties.ts';
import { en } from '../../dashboard/i18n/en.ts';
import { found, testsOf } from '../../dashboard/ui/tests-made.ts';

/** Tests of several boxes, two channels or many nights run outside the table of single values (qc.ts, nightly.ts, scale.ts). */
const BEYOND: readonly string[] = [
  'pm25.channels',
  'pm25_b.channels',
  'pm25.spatial',
  'pm25.fog',
  'pm25.correlation',
  'pm25.scale',
  'pm25.drift',
];

describe('test by test', () => {
  it.each(PROPERTIES.map((p) => p.key))('%s: names every test that is made of it, and none that is not', (key) => {
    const limits = limitsOf(key);
    const made = VALUE_TESTS.filter((t) => !t.for || t.for.includes(key))
      .filter((t) => t.reason !== 'flat_line' || limits.flat !== null)
      .filter((t) => t.reason !== 'spike' || limits.spike !== null)
      .map((t) => t.reason as string);
    const beyond = BEYOND.filter((r) => r.startsWith(`${key}.`)).map((r) => r.slice(key.length + 1));
    expect(
      testsOf(key)
        .flatMap((t) => t.reasons)
        .sort(),
    ).toEqual([...new Set([...made, ...beyond])].sort());
    for (const t of testsOf(key)) expect(en).toHaveProperty([`why.each.${t.key}`]);
  });

  it('goes by the reasons of that property alone', () => {
    const odd = (reasons: string[]): string[] =>
      testsOf('pm25')
        .filter((t) => found(t, 'pm25', reasons))
        .map((t) => t.key);
    expect(odd(['pm25.spatial', 'pm25.scale', 'humidity.saturated', 'pm10.spike', 'pm25.event'])).toEqual([
      'around',
      'follows',
    ]);
    expect(odd([])).toEqual([]);
  });
});

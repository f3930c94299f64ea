/**
 * The tests a value of a property is asked, as a reader can follow them: one entry for what is one question to people, whatever number of
 * tests stands behind it (docs/qc.md). `tests/dashboard/why.test.ts` holds this list against the tests that really run.
 */
import type { ReasonCode } from '../../model/flags.ts';
import type { PropertyKey } from '../../model/properties.ts';

export interface TestMade {
  /** Its words are `why.each.<key>`. */
  readonly key: keyof typeof QUESTIONS;
  /** With one of these in the record it found something. */
  readonly reasons: readonly ReasonCode[];
}

const PARTICLES: readonly PropertyKey[] = ['pm1', 'pm25', 'pm25_b', 'pm4', 'pm10'];
const NOISE: readonly PropertyKey[] = ['noise_laeq', 'noise_lamin', 'noise_lamax'];

const QUESTIONS = {
  range: { reasons: ['gross_range', 'plausible_range', 'negative'], of: null },
  sentinel: { reasons: ['sentinel'], of: null },
  zero: { reasons: ['stuck_zero'], of: PARTICLES },
  saturated: { reasons: ['saturated'], of: ['humidity'] },
  still: {
    reasons: ['flat_line'],
    of: [...PARTICLES, ...NOISE, 'temperature', 'humidity', 'pressure', 'co2', 'tvoc', 'no2', 'o3', 'co', 'so2', 'nh3'],
  },
  spike: { reasons: ['spike'], of: [...PARTICLES, 'temperature', 'humidity', 'pressure', 'co2', 'water_level'] },
  channels: { reasons: ['channels'], of: ['pm25', 'pm25_b'] },
  order: { reasons: ['size_order'], of: ['pm25', 'noise_laeq'] },
  disturbed: { reasons: ['fog'], of: ['pm25', 'co2', ...NOISE] },
  sun: { reasons: ['solar'], of: ['temperature'] },
  around: { reasons: ['spatial'], of: ['pm25', 'temperature', 'humidity'] },
  usual: { reasons: ['outlier'], of: PARTICLES },
  follows: { reasons: ['correlation', 'scale'], of: ['pm25'] },
  drift: { reasons: ['drift'], of: ['pm25', 'water_level', 'noise_lamin'] },
} as const satisfies Record<
  string,
  { readonly reasons: readonly ReasonCode[]; readonly of: readonly PropertyKey[] | null }
>;

/** In the order of the questions; `null` in the table = every property. */
export const testsOf = (property: PropertyKey): TestMade[] =>
  (Object.keys(QUESTIONS) as TestMade['key'][]).flatMap((key) => {
    const of: readonly PropertyKey[] | null = QUESTIONS[key].of;
    return of === null || of.includes(property) ? [{ key, reasons: QUESTIONS[key].reasons }] : [];
  });

/** Whether a test of a property found something, going by the reasons (`<property>.<code>`) in the record. */
export const found = (test: TestMade, property: PropertyKey, reasons: readonly string[]): boolean =>
  test.reasons.some((code) => reasons.includes(`${property}.${code}`));

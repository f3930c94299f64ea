/** Two channels an hour later: whose value it was does not change. */
import { describe, expect, it } from 'vitest';
import { Confirmation } from '../../calibration/qc/confirm.ts';
import { createQc } from '../../calibration/qc/qc.ts';
import { mergedPm25 } from '../../calibration/qc/draft.ts';
import type { CheckedReading, RawReading } from '../../model/observation.ts';

const START = 1_772_323_200_000;
const MINUTE = 60_000;

/** Channel A says an error code all the time; B, which speaks for both, goes on at 10 but for one reading. */
function hours(b: (n: number) => number): CheckedReading[] {
  const qc = createQc();
  const confirmation = new Confirmation();
  const out: CheckedReading[] = [];
  for (let n = 0; n < 40; n++) {
    const time = START + 10 * n * MINUTE;
    const reading: RawReading = { stage: 'raw', thing: 'b', thingNum: 1, phenomenonTime: time, resultTime: time, clock: 'box', seq: 0, values: [{ property: 'pm25', raw: 1500 }, { property: 'pm25_b', raw: b(n) }] }; // prettier-ignore
    out.push(...confirmation.push(qc.check([reading])));
  }
  return out;
}
const flags = (r: CheckedReading): number[] => r.values.map((v) => v.flag);

describe('a lone jump of the channel that speaks for both', () => {
  const found = hours((n) => (n === 20 ? 120 : 10 + (n % 3)));
  it('fails the reading, and the dead channel does not become its value', () => {
    const jump = found[20] as CheckedReading;
    expect(mergedPm25(jump)).toBe(120);
    expect(flags(jump)[0]).toBe(4);
  });
  it('leaves those before and after alone', () => {
    for (const n of [18, 19, 22]) {
      expect(mergedPm25(found[n] as CheckedReading)).toBe(10 + (n % 3));
      expect(flags(found[n] as CheckedReading)[0]).toBeLessThanOrEqual(2);
    }
  });
});

it('a step that the next reading stays with becomes good for both', () => {
  const found = hours((n) => (n >= 20 ? 120 : 10 + (n % 3)));
  expect(mergedPm25(found[20] as CheckedReading)).toBe(120);
  expect(flags(found[20] as CheckedReading)).toEqual([1, 1]);
});

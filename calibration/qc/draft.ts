/** A verdict in the making: what the values of one reading have been found to be so far. */
import { FLAG, type Flag, reason, worse } from '../../model/flags.ts';
import type { CheckedReading, CheckedValue, RawReading } from '../../model/observation.ts';
import type { PropertyKey } from '../../model/properties.ts';

const MISSING = reason('missing');

export interface DraftValue {
  readonly property: PropertyKey;
  readonly raw: number;
  flag: Flag;
  reasons: number;
  /** Whether the value failed a test that needs no memory. */
  broken: boolean;
  /** Step from the reading before, in units of the stream's usual step; NaN = not known. */
  jump: number;
}

/** The values of one reading, and where PM2.5 and its second channel stand among them (−1 = there is none). */
export interface Draft {
  readonly values: DraftValue[];
  a: number;
  b: number;
}

export function mark(v: DraftValue, flag: Flag, reasons: number): void {
  v.flag = worse(v.flag, flag);
  v.reasons |= reasons;
}

/** What was not measured is neither good nor bad. */
export function sayMissing({ values: all, a, b }: Draft): void {
  for (const [i, v] of all.entries()) {
    if (!Number.isNaN(v.raw) || (i === a && b >= 0)) continue;
    v.flag = FLAG.missing;
    v.reasons = MISSING;
  }
}

export function checked(reading: RawReading, draft: Draft, near?: CheckedReading['around']): CheckedReading {
  const out: CheckedReading = {
    stage: 'checked',
    thing: reading.thing,
    thingNum: reading.thingNum,
    phenomenonTime: reading.phenomenonTime,
    resultTime: reading.resultTime,
    clock: reading.clock,
    seq: reading.seq,
    values: draft.values.map((v): CheckedValue => ({
      property: v.property,
      raw: v.raw,
      flag: v.flag,
      reasons: v.reasons,
    })),
  };
  return near ? { ...out, around: near } : out;
}

/**
 * PM2.5 of a checked reading: the mean of its two channels, or the one that speaks for both; NaN = no PM2.5.
 * Boxes with one channel: that value, whatever its flag.
 */
export function mergedPm25(reading: CheckedReading): number {
  const a = reading.values.find((v) => v.property === 'pm25');
  const b = reading.values.find((v) => v.property === 'pm25_b');
  if (!a || !b) return a?.raw ?? b?.raw ?? Number.NaN;
  if (!(a.reasons & reason('single_channel'))) return (a.raw + b.raw) / 2;
  return b.flag === FLAG.fail ? a.raw : b.raw;
}

/** Gross and plausible range of every property (S1 of the calibration note §8.1), from the table of observed properties. */
import { FLAG, reason } from '../model/flags.ts';
import type { CheckedReading, CheckedValue, RawReading, RawValue } from '../model/observation.ts';
import { property } from '../model/properties.ts';
import type { EpochMs } from '../model/time.ts';
import type { StageBox } from './stage.ts';

const GROSS = reason('gross_range');
const PLAUSIBLE = reason('plausible_range');
const MISSING = reason('missing');

function checkValue(value: RawValue): CheckedValue {
  const { gross, plausible } = property(value.property);
  const raw = value.raw;
  if (!Number.isFinite(raw)) return { ...value, flag: FLAG.missing, reasons: MISSING };
  if (raw < gross[0] || raw > gross[1]) return { ...value, flag: FLAG.fail, reasons: GROSS };
  if (raw < plausible[0] || raw > plausible[1]) return { ...value, flag: FLAG.suspect, reasons: PLAUSIBLE };
  return { ...value, flag: FLAG.good, reasons: 0 };
}

export class QualityControl {
  setBox(_box: StageBox): void {}
  advance(_now: EpochMs): void {}
  check(readings: readonly RawReading[]): CheckedReading[] {
    return readings.map((r) => ({ ...r, stage: 'checked', values: r.values.map(checkValue) }));
  }
}

/**
 * The calibration stage put together: QC, then correction.
 */
import { QualityControl } from './checks.ts';
import { Correction, type CorrectionOptions } from './correction/correction.ts';
import type { CalibrationStage } from './stage.ts';

export type StageOptions = CorrectionOptions;

export function createStage(options: StageOptions = {}): CalibrationStage {
  const qc = new QualityControl();
  const correction = new Correction(options);
  return {
    setBox: (box) => {
      qc.setBox(box);
      correction.setBox(box);
    },
    setStation: (station) => correction.setStation(station),
    setColocations: (pairs) => correction.setColocations(pairs),
    check: (readings) => qc.check(readings),
    correct: (readings) => correction.correct(readings),
    reference: (values) => correction.reference(values),
    advance: (now) => {
      qc.advance(now);
      correction.advance(now);
    },
    snapshot: () => correction.snapshot(),
    restore: (bytes) => correction.restore(bytes),
  };
}

/**
 * The calibration stage put together: QC, then correction.
 */
import { Correction, type CorrectionOptions, type CorrectionState } from './correction/correction.ts';
import { createQc, type QcState } from './qc/qc.ts';
import { Quantities, type QuantitiesState } from './quantities/quantities.ts';
import type { CheckedReading } from '../model/observation.ts';
import { withOwn, withStandIn } from './stand_in.ts';
import { decodeParts, encodeParts } from './snapshot.ts';
import type { CalibrationStage } from './stage.ts';

export type StageOptions = CorrectionOptions;

export function createStage(options: StageOptions = {}): CalibrationStage {
  const qc = createQc();
  const correction = new Correction(options);
  correction.driftOf = (thingNum) => qc.drift(thingNum);
  const quantities = new Quantities();
  const parts = (): Uint8Array[] =>
    encodeParts({ qc: qc.state(), correction: correction.state(), quantities: quantities.state() });
  return {
    setBox: (box) => {
      qc.setBox(box);
      correction.setBox(box);
      quantities.setBox(box);
    },
    setStation: (station) => {
      qc.setStation(station);
      correction.setStation(station);
      quantities.setStation(station);
    },
    setColocations: (pairs) => correction.setColocations(pairs),
    check: (readings) => qc.check(readings),
    correct: (readings) => {
      const seen = correction.correct(readings.map(withStandIn));
      return quantities.correct(seen.map((s, i) => withOwn(s, readings[i] as CheckedReading)));
    },
    reference: (values) => {
      qc.reference(values);
      correction.reference(values);
    },
    weather: (values) => {
      qc.weather(values);
      quantities.weather(values);
    },
    advance: (now) => {
      qc.advance(now);
      correction.advance(now);
    },
    health: (thingNum) => qc.health(thingNum),
    stationVerdicts: () => correction.stationVerdicts(),
    get cards() {
      return correction.cards;
    },
    get turns() {
      return correction.turns;
    },
    inForce: () => correction.inForce(),
    setDecisions: (decisions) => correction.setDecisions(decisions),
    snapshot: () => Buffer.concat(parts()),
    snapshotParts: parts,
    restore: (bytes) => {
      const found = decodeParts(bytes) as { qc: QcState; correction: CorrectionState; quantities?: QuantitiesState };
      qc.restoreState(found.qc);
      correction.restoreState(found.correction);
      if (found.quantities) quantities.restoreState(found.quantities);
    },
  };
}

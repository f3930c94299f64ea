/**
 * The correction half of the stage: picks the highest level that is valid for a box at this moment and applies it.
 */
import { FLAG, reason } from '../../model/flags.ts';
import type { CheckedReading, CheckedValue, CorrectedReading, CorrectedValue } from '../../model/observation.ts';
import { property, roundTo } from '../../model/properties.ts';
import type { EpochMs } from '../../model/time.ts';
import type { Colocation, ReferenceValue, StageBox, StageStation } from '../stage.ts';
import { barkjohn2021 } from './published.ts';
import { sensorClass } from './sensor.ts';

export interface CorrectionOptions {
  /** Averaging interval of the reference values [ms]. Default one hour. */
  readonly stepMs?: number;
}

const NO_MODEL = reason('no_model');
const INPUT = reason('input');
const RESOLUTION = property('pm25').resolution;
const Z90 = 1.645;

const declined = (value: CheckedValue, reasons: number): CorrectedValue => ({
  ...value,
  reasons: value.reasons | reasons,
  corrected: null,
  lo90: null,
  hi90: null,
  level: '',
  model: '',
});

export class Correction {
  readonly #boxes = new Map<string, StageBox>();

  readonly options: CorrectionOptions;

  constructor(options: CorrectionOptions) {
    this.options = options;
  }

  setBox(box: StageBox): void {
    this.#boxes.set(box.id, box);
  }
  setStation(_station: StageStation): void {}
  setColocations(_pairs: readonly Colocation[] | null): void {}
  reference(_values: readonly ReferenceValue[]): void {}
  advance(_now: EpochMs): void {}
  snapshot(): Uint8Array {
    return new Uint8Array();
  }
  restore(_bytes: Uint8Array): void {}

  correct(readings: readonly CheckedReading[]): CorrectedReading[] {
    return readings.map((reading) => ({
      ...reading,
      stage: 'corrected',
      values: reading.values.map((value) =>
        value.property === 'pm25' ? this.#pm25(reading, value) : declined(value, 0),
      ),
    }));
  }

  #pm25(reading: CheckedReading, value: CheckedValue): CorrectedValue {
    if (value.flag === FLAG.fail || value.flag === FLAG.missing) return declined(value, 0);
    const box = this.#boxes.get(reading.thing);
    if (!box || sensorClass(box.sensor) !== 'plantower') return declined(value, NO_MODEL);
    const humidity = reading.values.find((v) => v.property === 'humidity');
    if (!humidity || humidity.flag > FLAG.notEvaluated || humidity.raw <= 0) return declined(value, INPUT);
    const y = barkjohn2021(value.raw, Math.min(humidity.raw, 95));
    const u = Math.hypot(4 + 0.2 * Math.max(y, 0), 0.1 * y); // calibration note §8.4, L2
    return {
      ...value,
      corrected: roundTo(y, RESOLUTION),
      lo90: roundTo(y - Z90 * u, RESOLUTION),
      hi90: roundTo(y + Z90 * u, RESOLUTION),
      level: 'L2',
      model: 'barkjohn-2021',
    };
  }
}

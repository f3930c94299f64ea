import { reason } from '../model/flags.ts';
import { CORRECTION_LEVELS, type CorrectedReading, type CorrectionLevel } from '../model/observation.ts';
import { datastreamId } from '../model/datastream.ts';
import { allocateColumns, type ObservationColumns, type ObservationStore } from '../store/store.ts';

const levelNum = new Map<CorrectionLevel, number>(CORRECTION_LEVELS.map((level, num) => [level, num]));
const CLOCK = reason('clock');

/** Numbers of model ids as the store keeps them, asked once each. */
export interface ModelNumbers {
  /** Learns the ids that occur in the readings. */
  learn(readings: readonly CorrectedReading[]): Promise<void>;
  num(model: string): number;
}

export function modelNumbers(store: Pick<ObservationStore, 'modelNum'>): ModelNumbers {
  const nums = new Map<string, number>([['', 0]]);
  return {
    async learn(readings) {
      const unknown = new Set<string>();
      let last = '';
      for (const r of readings) {
        for (const { model } of r.values) {
          if (model === '' || model === last) continue;
          last = model;
          if (!nums.has(model)) unknown.add(model);
        }
      }
      for (const model of unknown) nums.set(model, await store.modelNum(model));
    },
    num: (model) => nums.get(model) ?? 0,
  };
}

/** One row per value, in the order of the readings. Values of a reading whose clock was not believed carry that reason. */
export function columnsOf(readings: readonly CorrectedReading[], models: ModelNumbers): ObservationColumns {
  let length = 0;
  for (const r of readings) length += r.values.length;
  const columns = allocateColumns(length);
  let row = 0;
  for (const r of readings) {
    const clock = r.clock === 'received' ? CLOCK : 0;
    for (const v of r.values) {
      columns.datastream[row] = datastreamId(r.thingNum, v.property);
      columns.phenomenonTime[row] = r.phenomenonTime;
      columns.resultTime[row] = r.resultTime;
      columns.raw[row] = v.raw;
      columns.corrected[row] = v.corrected ?? NaN;
      columns.lo90[row] = v.lo90 ?? NaN;
      columns.hi90[row] = v.hi90 ?? NaN;
      columns.flag[row] = v.flag;
      columns.reasons[row] = v.reasons | clock;
      columns.level[row] = levelNum.get(v.level) ?? 0;
      columns.model[row] = models.num(v.model);
      row++;
    }
  }
  return columns;
}

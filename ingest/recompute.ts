/**
 * Runs QC and correction again over stored raw data and writes what comes out in the place of what was there (design §4).
 * A fresh stage goes through the readings in time order, one slice per phenomenon time, beginning a day earlier so that tests
 * with a memory (flat line, spike) have one when the span begins. Raw values and times never change.
 */
import type { CalibrationStage } from '../calibration/stage.ts';
import { propertyOf, thingNumOf } from '../model/datastream.ts';
import { reason } from '../model/flags.ts';
import type { RawReading } from '../model/observation.ts';
import { DAY, type EpochMs } from '../model/time.ts';
import type { Registry, Thing } from '../registry/registry.ts';
import type { ObservationStore } from '../store/store.ts';
import { columnsOf, modelNumbers } from './columns.ts';
import { referenceHours } from './reference-hours.ts';
import { stageBox } from './things.ts';

const LEAD_IN = DAY;
const CLOCK = reason('clock');
/** Rows rewritten at once. */
const CHUNK = 5000;

export interface RecomputeOptions {
  readonly store: Pick<ObservationStore, 'scan' | 'rewrite' | 'modelNum'>;
  readonly registry: Registry;
  readonly createStage: () => CalibrationStage;
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly box: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (rows: number) => void;
}

/** @throws Error when `box` is no box of this server */
export async function recompute(options: RecomputeOptions): Promise<{ readings: number; changed: number }> {
  const { store, registry, from, to, signal } = options;
  const only = options.box === '' ? null : registry.get(options.box);
  if (options.box !== '' && !only) throw new Error(`no box has the id ${options.box}`);
  const stage = options.createStage();
  const models = modelNumbers(store);
  const hours = referenceHours();
  const things = new Map<number, Thing | null>();
  const thingOf = (num: number): Thing | null => {
    let thing = things.get(num);
    if (thing === undefined) {
      things.set(num, (thing = registry.byNum(num)));
      if (thing?.kind === 'box') stage.setBox(stageBox(thing));
      else if (thing) stage.setStation(stageBox(thing));
    }
    return thing;
  };

  let readings = 0;
  let changed = 0;
  let rows = 0;
  let pending: ReturnType<CalibrationStage['correct']> = [];
  const flush = async (): Promise<void> => {
    if (pending.length === 0) return;
    await models.learn(pending);
    changed += (await store.rewrite(columnsOf(pending, models))).changed;
    pending = [];
  };

  /** All readings of one phenomenon time. */
  const slice = async (time: EpochMs, byThing: Map<number, RawReading>): Promise<void> => {
    const raw: RawReading[] = [];
    for (const [num, reading] of byThing) {
      const thing = thingOf(num);
      if (!thing) continue;
      if (thing.kind === 'station') {
        const pm25 = reading.values.find((v) => v.property === 'pm25');
        if (pm25) hours.add(thing.id, time, pm25.raw);
      } else raw.push({ ...reading, thing: thing.id });
    }
    const closed = hours.close(time);
    if (closed.length > 0) stage.reference(closed);
    stage.advance(time);
    if (raw.length === 0) return;
    const corrected = stage.correct(stage.check(raw));
    if (time < from) return;
    readings += corrected.length;
    pending.push(...(only ? corrected.filter((r) => r.thingNum === only.num) : corrected));
    if (pending.length >= CHUNK) await flush();
  };

  let time = NaN;
  let byThing = new Map<number, RawReading>();
  for await (const block of store.scan(from - LEAD_IN, to)) {
    signal?.throwIfAborted();
    for (let i = 0; i < block.length; i++) {
      const t = block.phenomenonTime[i] as number;
      const id = block.datastream[i] as number;
      const raw = block.raw[i] as number;
      if (t !== time) {
        if (byThing.size > 0) await slice(time, byThing);
        time = t;
        byThing = new Map();
      }
      if (Number.isNaN(raw)) continue;
      const num = thingNumOf(id);
      const value = { property: propertyOf(id), raw };
      const there = byThing.get(num);
      byThing.set(num, {
        stage: 'raw',
        thing: '',
        thingNum: num,
        phenomenonTime: t,
        resultTime: block.resultTime[i] as number,
        clock: (block.reasons[i] as number) & CLOCK ? 'received' : 'box',
        seq: 0,
        values: there ? [...there.values, value] : [value],
      });
    }
    rows += block.length;
    options.onProgress?.(rows);
  }
  if (byThing.size > 0) await slice(time, byThing);
  await flush();
  return { readings, changed };
}

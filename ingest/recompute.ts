/**
 * Runs QC and correction again over stored raw data and writes what comes out in the place of what was there (design §4). Raw values and times
 * never change. Each run is a revision with a changelog (revisions.ts).
 *
 * A stage of its own goes through the readings in time order, one slice per phenomenon time. It begins well before the span, so that models are as
 * old as the live ones were, or goes on from the state in which the run before left it. Readings wait an hour for the next of their box
 * (calibration/qc/confirm.ts); reference values become known to the correction at the place where it stands, never before. So the same
 * rows give the same bytes, whenever and however often it is run.
 */
import { createHash, type Hash } from 'node:crypto';
import { CODE_VERSION } from '../calibration/correction/models.ts';
import { Confirmation, type ConfirmationState } from '../calibration/qc/confirm.ts';
import type { CalibrationStage, StageCard } from '../calibration/stage.ts';
import { datastreamId, propertyOf, thingNumOf } from '../model/datastream.ts';
import { reason } from '../model/flags.ts';
import type { CheckedReading, CorrectedReading, RawReading } from '../model/observation.ts';
import { property, PROPERTY_SLOTS } from '../model/properties.ts';
import { DAY, HOUR, type EpochMs } from '../model/time.ts';
import type { Registry, Thing } from '../registry/registry.ts';
import type { ObservationStore } from '../store/store.ts';
import { columnsOf, modelNumbers } from './columns.ts';
import { addWeather, closeWeather, referenceHours, stateOfWeather, WEATHER_KEYS, weatherHours, type StationHours } from './reference-hours.ts'; // prettier-ignore
import { type BoxDayChange, type Product, type Revision, RevisionWriter } from './revisions.ts';
import { hash32, stageBox } from './things.ts';

/** Models need so long until they are as good as those that were live (half-lives of three weeks, clocks by thirty days). */
export const LEAD_IN = 45 * DAY;
const CLOCK = reason('clock');
const PM25 = property('pm25').num;
/** Rows rewritten at once. */
const CHUNK = 5000;

/** Where a run stands when it ends; the next goes on from there. */
export interface RecomputeState {
  /** Rows before this have been read. */
  readonly scannedTo: EpochMs;
  /** Values before this have been written. */
  readonly writtenTo: EpochMs;
  readonly learntFrom: EpochMs;
  readonly stage: Uint8Array;
  readonly confirmation: ConfirmationState;
  readonly hours: Map<string, StationHours>;
  readonly weather: Record<(typeof WEATHER_KEYS)[number], Map<string, StationHours>>;
  /** What the stage was told of each thing, as a hash. */
  readonly told: Map<number, number>;
}

export interface RecomputeOptions {
  readonly store: Pick<ObservationStore, 'scan' | 'rewrite' | 'modelNum'>;
  readonly registry: Registry;
  readonly createStage: () => CalibrationStage;
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly box: string;
  /** Folder of the changelog; absent = none is kept. */
  readonly revisions?: string;
  readonly product?: Exclude<Product, 'live'>;
  /** How long before `from` it begins to learn [ms]. */
  readonly leadIn?: number;
  /** Go on from here when it ends where `from` begins. */
  readonly resume?: RecomputeState | null;
  /** Hears of the state at the end, before it is used up. */
  readonly onState?: (state: RecomputeState) => void;
  readonly now?: () => EpochMs;
  readonly onCards?: (cards: readonly StageCard[]) => void;
  readonly signal?: AbortSignal;
  readonly onProgress?: (rows: number) => void;
}

export interface RecomputeResult {
  readonly readings: number;
  /** Rows written. */
  readonly changed: number;
  /** Rows whose corrected value moved. */
  readonly moved: number;
  readonly revision: number | null;
  readonly sha256: string;
}

/** What stood there before, by (datastream, time). */
interface Before {
  readonly corrected: number;
  readonly flag: number;
}

/** Changes of the days in hand. */
class DayChanges {
  readonly #days = new Map<EpochMs, Map<number, { values: number; moved: number; lost: number; gained: number; flags: number; pairs: number; sum: number; max: number }>>(); // prettier-ignore
  values = 0;
  moved = 0;
  lost = 0;
  gained = 0;
  flags = 0;
  #pm = { pairs: 0, sum: 0, max: 0 };

  get meanShift(): number {
    return this.#pm.pairs === 0 ? 0 : tidy(this.#pm.sum / this.#pm.pairs);
  }
  get maxShift(): number {
    return tidy(this.#pm.max);
  }

  note(datastream: number, time: EpochMs, before: Before, corrected: number, flag: number): void {
    this.values++;
    const [had, has] = [!Number.isNaN(before.corrected), !Number.isNaN(corrected)];
    const shift = had && has ? corrected - before.corrected : 0;
    const moves = shift !== 0 || had !== has;
    const day = Math.floor(time / DAY) * DAY;
    let things = this.#days.get(day);
    if (!things) this.#days.set(day, (things = new Map()));
    let sum = things.get(datastream);
    if (!sum)
      things.set(datastream, (sum = { values: 0, moved: 0, lost: 0, gained: 0, flags: 0, pairs: 0, sum: 0, max: 0 }));
    sum.values++;
    if (had && has) {
      sum.pairs++;
      sum.sum += shift;
      sum.max = Math.max(sum.max, Math.abs(shift));
      if (datastream % PROPERTY_SLOTS === PM25) {
        this.#pm.pairs++;
        this.#pm.sum += shift;
        this.#pm.max = Math.max(this.#pm.max, Math.abs(shift));
      }
    }
    if (before.flag !== flag) {
      sum.flags++;
      this.flags++;
    }
    if (!moves) return;
    sum.moved++;
    this.moved++;
    if (had && !has) {
      sum.lost++;
      this.lost++;
    }
    if (!had && has) {
      sum.gained++;
      this.gained++;
    }
  }

  /** Takes out the days that end at or before a time: only boxes of which something changed. */
  ended(time: EpochMs): BoxDayChange[] {
    const out: BoxDayChange[] = [];
    for (const [day, things] of [...this.#days].sort(([a], [b]) => a - b)) {
      if (day + DAY > time) continue;
      this.#days.delete(day);
      for (const [datastream, s] of [...things].sort(([a], [b]) => a - b)) {
        if (s.moved === 0 && s.flags === 0) continue;
        out.push({
          thingNum: thingNumOf(datastream),
          property: propertyOf(datastream),
          day,
          values: s.values,
          moved: s.moved,
          lost: s.lost,
          gained: s.gained,
          flags: s.flags,
          meanShift: s.pairs === 0 ? 0 : tidy(s.sum / s.pairs),
          maxShift: tidy(s.max),
        });
      }
    }
    return out;
  }
}

const tidy = (x: number): number => Math.round(x * 1e4) / 1e4;

function hashRows(hash: Hash, readings: readonly CorrectedReading[]): void {
  let text = '';
  for (const r of readings)
    for (const v of r.values)
      text += `${r.thingNum},${v.property},${r.phenomenonTime},${v.corrected},${v.lo90},${v.hi90},${v.flag},${v.reasons},${v.level},${v.model}\n`;
  hash.update(text);
}

/** @throws Error when `box` is no box of this server */
export async function recompute(options: RecomputeOptions): Promise<RecomputeResult> {
  const { store, registry, from, to, signal } = options;
  const only = options.box === '' ? null : registry.get(options.box);
  if (options.box !== '' && !only) throw new Error(`no box has the id ${options.box}`);
  const resume = options.resume?.writtenTo === from ? options.resume : null;
  const stage = options.createStage();
  const models = modelNumbers(store);
  const hours = referenceHours();
  const weather = weatherHours();
  const confirmation = new Confirmation();
  const learntFrom = resume?.learntFrom ?? from - (options.leadIn ?? LEAD_IN);
  if (resume) {
    stage.restore(resume.stage);
    hours.restore(resume.hours);
    for (const key of WEATHER_KEYS) weather[key].restore(resume.weather[key]);
    confirmation.restore(resume.confirmation);
  }
  const writer = options.revisions === undefined ? null : new RevisionWriter(options.revisions);
  const changes = new DayChanges();
  const hash = createHash('sha256');
  const told = new Map<number, number>(resume?.told);
  const things = new Map<number, Thing | null>();
  const thingOf = (num: number): Thing | null => {
    let thing = things.get(num);
    if (thing === undefined) {
      things.set(num, (thing = registry.byNum(num)));
      const box = thing ? stageBox(thing) : null;
      const hash = box ? hash32(JSON.stringify([box, thing?.kind])) : 0;
      // What a restored stage knows already is not told again: it would begin anew with that box.
      if (box && told.get(num) !== hash) {
        told.set(num, hash);
        if (thing?.kind === 'box') stage.setBox(box);
        else stage.setStation(box);
      }
    }
    return thing;
  };
  /** What stands in the store for readings that are not written yet. */
  const before = new Map<EpochMs, Map<number, Before>>();

  let readings = 0;
  let changed = 0;
  let rows = 0;
  let pending: CorrectedReading[] = [];
  const flush = async (): Promise<void> => {
    if (pending.length === 0) return;
    hashRows(hash, pending);
    await models.learn(pending);
    const columns = columnsOf(pending, models);
    for (let i = 0; i < columns.length; i++) {
      const time = columns.phenomenonTime[i] as number;
      const datastream = columns.datastream[i] as number;
      const old = before.get(time)?.get(datastream);
      if (old) changes.note(datastream, time, old, columns.corrected[i] as number, columns.flag[i] as number);
    }
    changed += (await store.rewrite(columns)).changed;
    const written = (pending.at(-1) as CorrectedReading).phenomenonTime;
    for (const time of before.keys()) {
      if (time >= written) break;
      before.delete(time);
    }
    writer?.changes(changes.ended(written));
    options.onCards?.(stage.cards);
    pending = [];
  };

  /** Settled readings, all times in order. */
  const correct = async (settled: readonly CheckedReading[]): Promise<void> => {
    for (let i = 0; i < settled.length;) {
      const time = (settled[i] as CheckedReading).phenomenonTime;
      let end = i;
      while (end < settled.length && settled[end]?.phenomenonTime === time) end++;
      const closed = hours.close(time);
      if (closed.length > 0) stage.reference(closed);
      const around = closeWeather(weather, time);
      if (around.length > 0) stage.weather(around);
      stage.advance(time);
      const corrected = stage.correct(settled.slice(i, end));
      i = end;
      if (time < from || time >= to) continue;
      readings += corrected.length;
      pending.push(...(only ? corrected.filter((r) => r.thingNum === only.num) : corrected));
      if (pending.length >= CHUNK) await flush();
    }
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
        addWeather(weather, thing.id, time, reading.values);
      } else raw.push({ ...reading, thing: thing.id });
    }
    if (raw.length > 0) await correct(confirmation.push(stage.check(raw)));
  };

  let time = NaN;
  let byThing = new Map<number, RawReading>();
  const end = to + HOUR;
  for await (const block of store.scan(resume ? resume.scannedTo : learntFrom, end)) {
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
      if (t >= from && t < to && writer && (!only || only.num === num)) {
        let at = before.get(t);
        if (!at) before.set(t, (at = new Map()));
        at.set(datastreamId(num, propertyOf(id)), { corrected: block.corrected[i] as number, flag: block.flag[i] as number }); // prettier-ignore
      }
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
  // The hour behind the span has been heard: what is left of the span has nothing to wait for.
  await correct(confirmation.settle(to));
  await flush();
  options.onState?.({
    scannedTo: end,
    writtenTo: to,
    learntFrom,
    stage: stage.snapshot(),
    confirmation: confirmation.state(),
    hours: hours.state(),
    weather: stateOfWeather(weather),
    told,
  });
  const sha256 = hash.digest('hex');
  let revision: Revision | null = null;
  if (writer) {
    writer.changes(changes.ended(Infinity));
    revision = writer.finish({
      product: options.product ?? 'revised',
      from,
      to,
      box: options.box,
      thingNum: only?.num ?? 0,
      issuedAt: (options.now ?? Date.now)(),
      code: CODE_VERSION,
      learntFrom,
      values: changes.values,
      moved: changes.moved,
      lost: changes.lost,
      gained: changes.gained,
      flags: changes.flags,
      meanShift: changes.meanShift,
      maxShift: changes.maxShift,
      sha256,
    });
  }
  return { readings, changed, moved: changes.moved, revision: revision?.number ?? null, sha256 };
}

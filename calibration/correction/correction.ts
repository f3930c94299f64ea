/**
 * The correction half of the stage: learns from pairs of box and reference, and answers each reading with the highest level that is
 * valid for that box at that moment (calibration note §8.2).
 *
 *   L5  the box's own co-location, shrunken onto L3          + short-term residual of its own station
 *   L4  network in situ: this hour's regression and kriged ratio, or L3 with the residual of stations around it
 *   L3  pooled model of the sensor type
 *   L2  published equation (Plantower with humidity only)
 *
 * Readings are answered in `answer.ts`; reference values become pairs in `pairing.ts`, which teach in `learning.ts`; the fits of the
 * night are in `nightly.ts`. What is remembered lies in `memory.ts`, as plain objects, so that a snapshot is its serialisation.
 */
import { deserialize, serialize } from 'node:v8';
import type { CheckedReading, CorrectedReading, CorrectedValue } from '../../model/observation.ts';
import { DAY, type EpochMs } from '../../model/time.ts';
import type { Colocation, ReferenceValue, StageBox, StageStation, StationVerdict } from '../stage.ts';
import { correctPm25, declined } from './answer.ts';
import { unpackBoxes, type BoxColumns } from './box-columns.ts';
import type { BoxRowsState } from './box-rows.ts';
import { lowerBound } from './history.ts';
import { newLone } from './lone.ts';
import { Memory, type CorrectionOptions, type State } from './memory.ts';
import type { ModelCard } from './models.ts';
import { fitNight, nextFit } from './nightly.ts';
import { takeIn } from './pairing.ts';
import { isReference, isStuck, newStation } from './reference.ts';
import { decideByHand, poolsInForce, type ModelDecision, type ModelTurn, type PoolInForce } from './succession.ts';
import { stationVerdicts } from './verdicts.ts';
import { BETWEEN } from './pooled.ts';
import { Residents } from './residents.ts';
import { newOwnLearning } from './short_term.ts';
import { NO_ZONES } from './zones.ts';

export type { CorrectionOptions } from './memory.ts';

export interface CorrectionState {
  readonly version: number;
  readonly state: unknown;
  /** Of an earlier version: `BoxColumns`. */
  readonly boxes: BoxRowsState | BoxColumns;
}

const VERSION = 4;

export class Correction {
  readonly #m: Memory;
  readonly #residents: Residents;
  #decisions: readonly ModelDecision[] = [];

  constructor(options: CorrectionOptions = {}) {
    this.#m = new Memory(options);
    this.#residents = new Residents(this.#m);
  }

  setBox(box: StageBox): void {
    this.#residents.setBox(box);
  }

  setStation(station: StageStation): void {
    this.#residents.setStation(station);
  }

  setColocations(pairs: readonly Colocation[] | null): void {
    this.#residents.setColocations(pairs);
  }

  /** Cards of all models made so far, newest last. */
  get cards(): readonly ModelCard[] {
    return this.#m.s.cards;
  }

  /** Stations that are not believed, or whose clock was put right. */
  stationVerdicts(): StationVerdict[] {
    return stationVerdicts(this.#m);
  }

  /** What happened between the models so far, newest last. */
  get turns(): readonly ModelTurn[] {
    return this.#m.s.turns;
  }

  inForce(): PoolInForce[] {
    return poolsInForce(this.#m);
  }

  /** Who says by how much a box has drifted. */
  set driftOf(drift: (thingNum: number) => number) {
    this.#m.driftOf = drift;
  }

  /** All that operators have decided; what has been applied is not applied again. */
  setDecisions(decisions: readonly ModelDecision[]): void {
    this.#decisions = decisions;
  }

  reference(values: readonly ReferenceValue[]): void {
    const { s, fitUntil } = this.#m;
    for (const v of values) {
      let station = s.stations.get(v.station);
      if (!station) s.stations.set(v.station, (station = newStation(v.station)));
      if (!isReference(v.pm25) || v.time >= fitUntil) continue;
      if (isStuck(station.stuck, v.pm25, v.time)) continue;
      const at = lowerBound(station.time, v.time);
      if (station.time[at] === v.time) continue; // the first counts
      if (at === station.time.length) {
        station.time.push(v.time);
        station.y.push(v.pm25);
      } else {
        station.time.splice(at, 0, v.time);
        station.y.splice(at, 0, v.pm25);
      }
      station.pending.push({ time: v.time, y: v.pm25 });
    }
  }

  advance(now: EpochMs): void {
    const m = this.#m;
    if (m.s.dirty) this.#residents.connect();
    if (this.#decisions.length > 0) decideByHand(m, this.#decisions, now);
    takeIn(m, now);
    // More than a day off: reckoned by a clock that has been put right since.
    if (Number.isNaN(m.s.nextFit) || m.s.nextFit - now > DAY) m.s.nextFit = nextFit(m, now);
    if (now >= m.s.nextFit) {
      fitNight(m, now);
      m.s.nextFit = nextFit(m, now);
    }
  }

  correct(readings: readonly CheckedReading[]): CorrectedReading[] {
    const m = this.#m;
    // Later changes wait for the next `advance`: boxes come in one by one, and pairs are of hours.
    if (m.s.dirty && !m.s.connected) this.#residents.connect();
    return readings.map((reading) => {
      const values: CorrectedValue[] = [];
      for (const value of reading.values) {
        values.push(value.property === 'pm25' ? correctPm25(m, this.#residents, reading, value) : declined(value, 0));
      }
      return { ...reading, stage: 'corrected', values };
    });
  }

  /** Everything the next answers depend on. Partly live: serialise it before the next call. */
  state(): CorrectionState {
    return { version: VERSION, state: { ...this.#m.s, boxes: new Map() }, boxes: this.#residents.state() };
  }

  /** @throws Error when the state is of another version */
  restoreState(found: CorrectionState): void {
    if (found.version !== VERSION) throw new Error('not a state of the correction, or of another version');
    this.#m.s = whole(found.state as State);
    this.#residents.restore('floats' in found.boxes ? found.boxes : unpackBoxes(found.boxes));
  }

  snapshot(): Uint8Array {
    return serialize(this.state());
  }

  restore(bytes: Uint8Array): void {
    this.restoreState(deserialize(bytes) as CorrectionState);
  }
}

/** A state of an earlier version of the program lacks what has been added since. */
function whole(s: State): State {
  s.turns ??= [];
  s.decided ??= [];
  s.zones ??= NO_ZONES;
  for (const { stuck, time } of s.stations.values()) {
    stuck.air ??= time.at(-1) ?? -Infinity;
    stuck.heard ??= stuck.air;
  }
  for (const series of s.series) {
    series.ownShadow ??= null;
    series.slides ??= null;
    for (const known of series.short.ring) known.base ??= NaN;
  }
  for (const pool of s.pools.values()) {
    pool.since ??= s.newest;
    for (const model of [pool.pooled, pool.rival, pool.shadow?.model, pool.former?.model])
      if (model) Object.assign(model, { zones: model.zones ?? [], between: model.between ?? BETWEEN.variance });
    pool.networks ??= new Map();
    pool.shadow ??= null;
    pool.former ??= null;
    pool.putBack ??= false;
    pool.held ??= false;
    pool.towns ??= [];
    pool.ownLearning ??= newOwnLearning();
    pool.lone ??= newLone();
  }
  return s;
}

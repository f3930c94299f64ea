/**
 * The calibration stage seen from outside: QC, then correction, over readings in time order. Pure in the sense of design §1:
 * no clock, no disk, no network; whatever time it needs is in the data. The same object runs live, in `backtest` and in
 * `recompute`.
 */
import type { CheckedReading, CorrectedReading, RawReading } from '../model/observation.ts';
import type { EpochMs } from '../model/time.ts';
import type { ModelDecision, ModelTurn, PoolInForce } from './correction/succession.ts';
import type { BoxHealth } from './qc/nightly.ts';
import type { StationWeather } from './quantities/weather.ts';

export type { BoxHealth, SiteClass } from './qc/nightly.ts';
export type { ModelDecision, ModelTurn, PoolInForce } from './correction/succession.ts';
export type { PutBackModel } from './correction/models.ts';

/** What the stage knows of a box. */
export interface StageBox {
  readonly id: string;
  readonly num: number;
  readonly lat: number | null;
  readonly lon: number | null;
  /** Class of the particle sensor (`PMS5003`, `SDS011` …), '' = not known. */
  readonly sensor: string;
  /** Which Plantower output is sent, '' = not known. */
  readonly field: 'cf1' | 'atm' | '';
  /** Unclaimed boxes are corrected but never used for fitting. */
  readonly trusted: boolean;
  readonly exposure: 'outdoor' | 'indoor' | 'mobile' | 'unknown';
  /** First heard of [ms], kept to the day: its sensor is at least so old, wherever it has hung since. Absent = not known. */
  readonly since?: EpochMs;
}

export interface StageStation {
  readonly id: string;
  readonly num: number;
  readonly lat: number | null;
  readonly lon: number | null;
}

/** A box known to stand beside a station. */
export interface Colocation {
  readonly box: string;
  readonly station: string;
  readonly from?: EpochMs;
  readonly to?: EpochMs;
}

/** One averaged PM2.5 value of a reference station; `time` = start of the averaging interval. */
export interface ReferenceValue {
  readonly station: string;
  readonly time: EpochMs;
  readonly pm25: number;
}

/** What the stage has found out about a reference station, where there is something to say. */
export interface StationVerdict {
  readonly station: string;
  /** Types of boxes for which its values are as good as not there: they do not fit those of the other stations. */
  readonly excludedFor: readonly string[];
  /** It stands still, or has shown nothing for a week: its values are not taken. */
  readonly stuck: boolean;
  /** Added to its time labels, because boxes fit it best so [ms]; 0 = its clock is right. */
  readonly clockMs: number;
}

/** One hour mean of the weather at a reference station; `time` = start of the hour. */
export type { StationWeather } from './quantities/weather.ts';

/** What the card of every fitted model says at least. */
export interface StageCard {
  readonly id: string;
  /** `own` of one box, `pooled` of a sensor type … */
  readonly kind: string;
  /** The box, the pool. */
  readonly subject: string;
  readonly madeAt: EpochMs;
  /** Pairs of box and reference hours it was fitted on. */
  readonly pairs: number;
}

export interface CalibrationStage {
  /** Adds a box or changes what is known of it (a move keeps its history apart). */
  setBox(box: StageBox): void;
  setStation(station: StageStation): void;
  /** null = find pairs by distance. */
  setColocations(pairs: readonly Colocation[] | null): void;
  /** S0–S8 on readings that belong together: in `backtest` all rows of one time, live what came since the last call. */
  check(readings: readonly RawReading[]): CheckedReading[];
  correct(readings: readonly CheckedReading[]): CorrectedReading[];
  /** Reference values that have become known. */
  reference(values: readonly ReferenceValue[]): void;
  /** Hours of temperature and humidity at reference stations that have become known. */
  weather(values: readonly StationWeather[]): void;
  /** Work that is due at `now`: network field, nightly fits. Called at least every few minutes of data time. */
  advance(now: EpochMs): void;
  /** What the nights say of a box: health score with its parts, site class, drift; null = no night has judged it yet. */
  health(thingNum: number): BoxHealth | null;
  /** Reference stations that are not believed, or whose clock was put right; by id. */
  stationVerdicts(): readonly StationVerdict[];
  /** Cards of the models fitted so far, oldest first; the list may be cut at its front. Never changed once there. */
  readonly cards: readonly StageCard[];
  /** What happened between models: fitted, in the shadow, promoted, declined, put back; as the cards, oldest first. */
  readonly turns: readonly ModelTurn[];
  /** The pooled models in force and those that run in their shadow. */
  inForce(): readonly PoolInForce[];
  /** All that operators have decided about models; each is applied once, when its time has come. */
  setDecisions(decisions: readonly ModelDecision[]): void;
  /** State of QC and models, to go on after a restart as if nothing had happened. */
  snapshot(): Uint8Array;
  /** The same in parts that lie one behind the other; live: write them before the next reading. A million boxes need no copy that way. */
  snapshotParts(): Uint8Array[];
  restore(bytes: Uint8Array): void;
}

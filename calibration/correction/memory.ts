/** What the correction remembers: plain objects, so that a snapshot is their serialisation. */
import { HOUR, type EpochMs } from '../../model/time.ts';
import type { Colocation } from '../stage.ts';
import type { KeptBox } from './box-columns.ts';
import { lowerBound } from './history.ts';
import { newGain, PRIOR_SPREAD, type Around, type Gain } from './consensus.ts';
import type { ModelCard, NamedZone } from './models.ts';
import type { DayOfContest } from './contest.ts';
import { newLone, type Lone } from './lone.ts';
import type { Network, StationStep } from './network.ts';
import type { OwnModel } from './own.ts';
import type { PooledModel } from './solution.ts';
import type { StationState } from './reference.ts';
import { SETTINGS, type CorrectionSettings } from './settings.ts';
import { newLearning, newOwnLearning, newShortTerm, type ShortTerm, type ShortTermLearning } from './short_term.ts';
import type { Spot } from './spatial.ts';
import { newScores, type PlaceInterval, type Scores } from './places.ts';
import { newQuantiles, newTilt, newUnrest, type Quantiles, type Tilt, type Unrest } from './uncertainty.ts';
import type { Pairing } from './colocation.ts';
import type { Slides, TownDrift } from './common_drift.ts';
import type { ModelTurn } from './succession.ts';
import type { Trial } from './trial.ts';
import { isOneZone, NO_ZONES, NOWHERE, ZoneMap, type Zones } from './zones.ts';

export interface CorrectionOptions {
  /** Averaging interval of the reference values [ms]. Default one hour. */
  readonly stepMs?: number;
  /** A reference value is used when its (repaired) time + step + this has come [ms]. Default 0: it is known when it arrives. */
  readonly lagMs?: number;
  /** Reference that starts at or after this has no effect. */
  readonly fitUntil?: EpochMs | null;
  readonly settings?: Partial<CorrectionSettings>;
}

export interface BoxState extends KeptBox {
  /** What went into the network last, or would have [µg/m³]; NaN = nothing yet. */
  seen: number;
  pool: string;
  plantower: boolean;
  /** First heard of, to the day; NaN = not known. */
  readonly since: EpochMs;
  /** In the surroundings; -1 = no place. */
  slot: number;
}

/** All boxes by id; what it gives is a look at the box, not to be kept. */
export interface Boxes {
  readonly size: number;
  get(id: string): BoxState | undefined;
  values(): Iterable<BoxState>;
}

/** Squared errors of what was, or would have been, answered; fading means. */
export interface Errors {
  n: number;
  raw: number;
  pooled: number;
  own: number;
  answer: number;
}

export interface Series {
  readonly id: string;
  readonly station: string;
  readonly kind: 'own' | 'near';
  readonly boxes: readonly string[];
  readonly pool: string;
  readonly from: number;
  readonly to: number;
  time: number[];
  y: number[];
  x: number[];
  rh: number[];
  temp: number[];
  short: ShortTerm;
  /** Residual of what a box there would get without its station. */
  quantiles: Quantiles;
  unrest: Unrest;
  errors: Errors;
  own: (OwnModel & { id: string }) | null;
  /** The fit of a later night, running beside it (trial.ts). */
  ownShadow: Trial<OwnModel & { id: string }> | null;
  /** Running mean of squared residuals, in the scale of `residualOf`. */
  spread: number;
  /** Running mean of log(reference / what the box would be told without its station). */
  ratio: number;
  /** Gain of the box as it would be known without its station. */
  alone: Gain;
  /** Scores of what a box there would be told without this station, by level. */
  scores: { L4: Scores; L3: Scores };
  /** The same of a box that stands here but has no co-location of its own; null = no other box beside this station. */
  neighbour: { gain: Gain; scores: Scores } | null;
  /** References in a row that no box can follow. */
  odd: number;
  /** Of boxes near a station: how far they have moved against it since the start; null = not watched yet. */
  slides: Slides | null;
}

export type NamedPooled = Omit<PooledModel, 'zones'> & { id: string; zones: readonly NamedZone[] };

export interface PoolState {
  pooled: NamedPooled | null;
  /** Since when it is in force. */
  since: EpochMs;
  /** The fit of a later night, running beside it, and the model it replaced, which may come back (trial.ts). */
  shadow: Trial<NamedPooled> | null;
  former: Trial<NamedPooled> | null;
  /** An operator put the model in force back; nothing else may take over until he releases it. */
  putBack: boolean;
  held: boolean;
  /** Whether growth in humid air is part of the pooled model. */
  growth: boolean;
  /** The model of the other kind, and how the two did on pairs that neither had seen, by day. */
  rival: PooledModel | null;
  contest: DayOfContest[];
  /** The regression of the hour by climate zone (`Memory.region`), and the id of its card. */
  networks: Map<string, { readonly network: Network; readonly id: string }>;
  learning: ShortTermLearning;
  /** The same for boxes beside their own station. */
  ownLearning: ShortTermLearning;
  /** Slope of a residual on the field of the other stations: sums of products. */
  fieldXy: number;
  fieldXx: number;
  /** The same on the forecast of the other boxes beside one's own station. */
  besideXy: number;
  besideXx: number;
  noise: number;
  /** Of boxes beside their own station (L5), and of the regression of the hour (network), as it did at stations left out. */
  quantiles: Partial<Record<'L5' | 'network', Quantiles>>;
  /** Of boxes without station, by level. */
  places: Partial<Record<'L4' | 'L3' | 'beside', PlaceInterval>>;
  /** Of the scale of boxes beside stations. */
  tilt: Tilt;
  /** Steps since those were made. */
  waited: number;
  /** Errors of the two ways to answer a box without station, as seen at stations that were left out. */
  quiet: { n: number; field: number; network: number };
  /** Stations that do not fit the others: for boxes of this pool as good as not there. */
  doubted: readonly string[];
  /** Variances of persistent log-ratios: of boxes of this type against each other, of places against each other. */
  spread: { box: number; place: number };
  /** How much of what sets a box apart from its neighbours in an hour is its own. */
  lone: Lone;
  /** By how much all boxes without station are moved together (log), as their neighbours beside stations ask for. */
  common: number;
  /** Where boxes without station drift together, by station; empty = nowhere. */
  towns: readonly TownDrift[];
}

export interface State {
  boxes: Boxes;
  stations: Map<string, StationState>;
  colocations: readonly Colocation[] | null;
  series: Series[];
  pools: Map<string, PoolState>;
  nextFit: EpochMs;
  /** Delay between the start of a reference interval and its use [ms]. */
  delay: number;
  newest: EpochMs;
  /** Forecast of each station's residual for now, by pool. */
  field: Map<string, { time: EpochMs; spots: Spot[]; values: number[]; stations: string[] }>;
  fieldVersion: number;
  /** Boxes or stations have changed since pairs were last sought. */
  dirty: boolean;
  /** Whether pairs have been sought at all. */
  connected: boolean;
  cards: ModelCard[];
  /** What happened between models, oldest first; cut with the cards. */
  turns: ModelTurn[];
  /** Numbers of the operators' decisions that have been applied. */
  decided: number[];
  recent: Map<string, StationStep[][]>;
  /** Climate zones of the stations that have pairs, as the last night found them. */
  zones: Zones;
}

/** Residuals are taken relative to (KNEE + ŷ): additive in clean air, proportional in dirty air. */
export const KNEE = 20;
export const residualOf = (y: number, base: number): number =>
  Math.min(1.5, Math.max(-1.5, (y - base) / (KNEE + Math.max(0, base))));

/** Rate of the fading means of errors. */
export const SPEED = 0.01;

/** The state and the numbers it is worked with. */
export class Memory {
  readonly settings: CorrectionSettings;
  /** Averaging interval of the reference [ms]. */
  readonly step: number;
  readonly lag: number;
  readonly fitUntil: number;
  s: State = {
    boxes: new Map(),
    stations: new Map(),
    colocations: null,
    series: [],
    pools: new Map(),
    nextFit: NaN,
    delay: 0,
    newest: -Infinity,
    field: new Map(),
    fieldVersion: 0,
    dirty: false,
    connected: false,
    cards: [],
    turns: [],
    decided: [],
    recent: new Map(),
    zones: NO_ZONES,
  };
  /** Forecasts of all stations for the step that is being paired; made again when needed. */
  forecasts: StationForecasts & { key: string } = { key: '', spots: [], values: [], stations: [] };

  constructor(options: CorrectionOptions) {
    this.settings = { ...SETTINGS, ...options.settings };
    this.step = options.stepMs ?? HOUR;
    this.lag = options.lagMs ?? 0;
    this.fitUntil = options.fitUntil ?? Infinity;
    this.s.delay = this.step + this.lag;
  }

  #zoneMap = new ZoneMap(NO_ZONES);
  get zoneMap(): ZoneMap {
    if (this.#zoneMap.zones !== this.s.zones) this.#zoneMap = new ZoneMap(this.s.zones);
    return this.#zoneMap;
  }

  /** What stations are compared within: their zone; one for all while there is only one. */
  region(station: string): string {
    const { zones } = this.s;
    if (isOneZone(zones)) return NOWHERE;
    const known = zones.of.get(station);
    if (known !== undefined) return known;
    const { lat, lon } = this.s.stations.get(station) ?? { lat: null, lon: null };
    return (lat === null || lon === null ? null : this.zoneMap.at(lat, lon)) ?? NOWHERE;
  }

  /** By how much a box is sure to have drifted against its neighbours [log of PM2.5 + 3], as the control finds it. */
  driftOf: (thingNum: number) => number = () => 0;

  /** Boxes around a box, as `Residents` finds them. */
  around: (state: BoxState) => readonly Around[] = () => [];

  pool(key: string): PoolState {
    let pool = this.s.pools.get(key);
    if (!pool) {
      pool = {
        pooled: null,
        since: NaN,
        shadow: null,
        former: null,
        putBack: false,
        held: false,
        growth: false,
        rival: null,
        contest: [],
        networks: new Map(),
        learning: newLearning(),
        ownLearning: newOwnLearning(),
        fieldXy: 0,
        fieldXx: 0,
        besideXy: 0,
        besideXx: 0,
        noise: 0.2,
        quantiles: {},
        places: {},
        tilt: newTilt(),
        waited: 0,
        quiet: { n: 0, field: 0, network: 0 },
        doubted: [],
        spread: { box: PRIOR_SPREAD.box, place: PRIOR_SPREAD.place },
        lone: newLone(),
        common: 0,
        towns: [],
      };
      this.s.pools.set(key, pool);
    }
    return pool;
  }
}

/** Forecast of the residual at each station that has one. */
export interface StationForecasts {
  spots: Spot[];
  values: number[];
  stations: string[];
}

export const newSeries = (id: string, pairing: Pairing): Series => ({
  ...pairing,
  id,
  time: [],
  y: [],
  x: [],
  rh: [],
  temp: [],
  short: newShortTerm(),
  quantiles: newQuantiles(),
  unrest: newUnrest(),
  errors: newErrors(),
  own: null,
  ownShadow: null,
  spread: 0.04,
  ratio: 0,
  alone: newGain(),
  scores: { L4: newScores(), L3: newScores() },
  neighbour: null,
  odd: 0,
  slides: null,
});

const newErrors = (): Errors => ({ n: 0, raw: 0, pooled: 0, own: 0, answer: 0 });

/** Forgets what was learnt from the pairs of a series, not the pairs. */
export function unlearn(series: Series): void {
  series.own = null;
  series.ownShadow = null;
  series.short = newShortTerm();
  series.quantiles = newQuantiles();
  series.unrest = newUnrest();
  series.errors = newErrors();
  series.ratio = 0;
  series.alone = newGain();
  series.scores = { L4: newScores(), L3: newScores() };
  series.neighbour = null;
}

/** What intervals and forecasts have learnt from pairs that turned out to be none. */
export function forgetScores(pool: PoolState): void {
  pool.quantiles = {};
  pool.places = {};
  pool.quiet = { n: 0, field: 0, network: 0 };
  pool.noise = 0.2;
  pool.fieldXy = pool.fieldXx = 0;
  pool.besideXy = pool.besideXx = 0;
  pool.tilt = newTilt();
}

export function trim(series: Series, before: EpochMs): void {
  const cut = lowerBound(series.time, before);
  if (cut === 0) return;
  for (const column of [series.time, series.y, series.x, series.rh, series.temp]) column.splice(0, cut);
}

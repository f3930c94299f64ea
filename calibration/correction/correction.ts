/**
 * The correction half of the stage: learns from pairs of box and reference, and answers each reading with the highest level that is
 * valid for that box at that moment (calibration note §8.2).
 *
 *   L5  the box's own co-location, shrunken onto L3          + short-term residual of its own station
 *   L4  network in situ: this hour's regression and kriged ratio, or L3 with the residual of stations around it
 *   L3  pooled model of the sensor type
 *   L2  published equation (Plantower with humidity only)
 *
 * State is a plain object, so that a snapshot is its serialisation.
 */
import { deserialize, serialize } from 'node:v8';
import { FLAG, reason } from '../../model/flags.ts';
import type {
  CheckedReading,
  CheckedValue,
  CorrectedReading,
  CorrectedValue,
  CorrectionLevel,
} from '../../model/observation.ts';
import { property, roundTo } from '../../model/properties.ts';
import { DAY, HOUR, type EpochMs } from '../../model/time.ts';
import type { Colocation, ReferenceValue, StageBox, StageStation } from '../stage.ts';
import { mergedPm25 } from '../qc/qc.ts';
import { distanceKm } from '../geo/distance.ts';
import { scanClock } from './clock.ts';
import { packBoxes, unpackBoxes, type BoxColumns, type KeptBox } from './box-columns.ts';
import { findPairings, servedPools } from './colocation.ts';
import { CONSENSUS, consent, logOf, newGain, type Gain } from './consensus.ts';
import { forget, lowerBound, newHistory, record, stepMean, type History, type StepMean } from './history.ts';
import { median } from './linear.ts';
import { nameModel, type ModelCard } from './models.ts';
import { applyNetwork, fitNetwork, MIN_STATIONS, ratioAt, type Network, type StationStep } from './network.ts';
import { carryOwn, fitOwn, type OwnModel } from './own.ts';
import { applyBetas, errorsOnOtherDays, fitPooled, type Pairs, type PooledModel } from './pooled.ts';
import { barkjohn2021 } from './published.ts';
import { isReference, isStuck, newStation, type StationState } from './reference.ts';
import { poolKey, sensorClass } from './sensor.ts';
import {
  FIT_HOUR,
  HISTORY_MS,
  NEAR_KM,
  OWN_MIN_DAYS,
  OWN_MIN_PAIRS,
  REGION_KM,
  SETTINGS,
  YOUNG_MS,
  YOUNG_PAIRS,
  type CorrectionSettings,
} from './settings.ts';
import {
  featuresAt,
  follow,
  forecast,
  learn,
  newLearning,
  newShortTerm,
  relearn,
  type ShortTerm,
  type ShortTermLearning,
} from './short_term.ts';
import { krige, type Spot } from './spatial.ts';
import { Surroundings } from './surroundings.ts';
import { POOL_SCORES, newQuantiles, startScale, tailForNewPlace, track, type Quantiles } from './uncertainty.ts';

export interface CorrectionOptions {
  /** Averaging interval of the reference values [ms]. Default one hour. */
  readonly stepMs?: number;
  /** A reference value is used when its (repaired) time + step + this has come [ms]. Default 0: it is known when it arrives. */
  readonly lagMs?: number;
  /** Reference that starts at or after this has no effect. */
  readonly fitUntil?: EpochMs | null;
  readonly settings?: Partial<CorrectionSettings>;
}

const NO_MODEL = reason('no_model');
const INPUT = reason('input');
const GUARD = reason('output_guard');
const EXTRAPOLATED = reason('extrapolated');
const FOG = reason('fog');
const INDOOR = reason('indoor');
const DRIFT = reason('drift');
/** Suspicions that say nothing against using the value in a fit: dirty air is just where pairs are wanted. */
const BENIGN = FOG | EXTRAPOLATED | reason('plausible_range') | reason('size_order') | reason('single_channel');
const RESOLUTION = property('pm25').resolution;

interface BoxState extends KeptBox {
  pool: string;
  plantower: boolean;
  /** In the surroundings; -1 = no place. */
  slot: number;
}

/** Squared errors of what was, or would have been, answered; fading means. */
interface Errors {
  n: number;
  raw: number;
  pooled: number;
  own: number;
  answer: number;
}

interface Series {
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
  errors: Errors;
  own: (OwnModel & { id: string }) | null;
  /** Running mean of squared residuals, in the scale of `residualOf`. */
  spread: number;
  /** References in a row that no box can follow. */
  odd: number;
}

interface PoolState {
  pooled: (PooledModel & { id: string }) | null;
  network: Network | null;
  networkId: string;
  learning: ShortTermLearning;
  /** Slope of a residual on the field of the other stations: sums of products. */
  fieldXy: number;
  fieldXx: number;
  noise: number;
  quantiles: Partial<Record<string, Quantiles>>;
  /** Errors of the two ways to answer a box without station, as seen at stations that were left out. */
  quiet: { n: number; field: number; network: number };
  /** Stations that do not fit the others: for boxes of this pool as good as not there. */
  doubted: readonly string[];
}

interface State {
  boxes: Map<string, BoxState>;
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
  recent: Map<string, StationStep[][]>;
}

/** Residuals are taken relative to (KNEE + ŷ): additive in clean air, proportional in dirty air. */
const KNEE = 20;
const residualOf = (y: number, base: number): number =>
  Math.min(1.5, Math.max(-1.5, (y - base) / (KNEE + Math.max(0, base))));
const PRIOR_FIELD = { slope: 0.7, strength: 0.5 };
const SPEED = 0.01;
/** A reference so many times (KNEE + ŷ) away is odd; so many in a row are not. */
const ODD = 1;
const ODD_RUN = 3;
/** How far the forecast of one station may be from the middle of all. */
const MAX_APART = 0.3;
interface Base {
  y: number;
  level: CorrectionLevel;
  model: string;
}

export interface CorrectionState {
  readonly version: number;
  readonly state: unknown;
  readonly boxes: BoxColumns;
}

export class Correction {
  readonly #settings: CorrectionSettings;
  readonly #step: number;
  readonly #lag: number;
  readonly #fitUntil: number;
  /** Who is near whom; not part of the state, made again from it. */
  #surroundings = new Surroundings();
  #bySlot: BoxState[] = [];
  /** Boxes within reach of a station: the only ones that pairs may be found for. Null = stations have changed, look at all again. */
  #reachable: Set<string> | null = null;
  /** Types with boxes near stations: farther ones are not asked. */
  #served: ReadonlySet<string> = new Set();
  /** Forecasts of all stations for the step that is being paired. */
  #forecasts: { key: string; spots: Spot[]; values: number[]; stations: string[] } = {
    key: '',
    spots: [],
    values: [],
    stations: [],
  };
  readonly #words = new Map<string, string>();
  /** Lent to `consent` for one call. */
  readonly #around: { gain: Gain; km: number }[] = [];
  #s: State = {
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
    recent: new Map(),
  };

  constructor(options: CorrectionOptions = {}) {
    this.#settings = { ...SETTINGS, ...options.settings };
    this.#step = options.stepMs ?? HOUR;
    this.#lag = options.lagMs ?? 0;
    this.#fitUntil = options.fitUntil ?? Infinity;
    this.#s.delay = this.#step + this.#lag;
  }

  setBox(box: StageBox): void {
    const before = this.#s.boxes.get(box.id);
    if (before) this.#leave(before);
    const state = this.#unused(box);
    // A box that was moved starts anew: what it showed elsewhere says nothing here.
    if (before && before.box.lat === box.lat && before.box.lon === box.lon) state.history = before.history;
    this.#s.boxes.set(box.id, state);
    this.#settle(state);
    // A box far from every station has no pairs: a million of those must not make them be sought again and again.
    const paired = before !== undefined && (before.own.length > 0 || before.history !== null);
    if (this.#reachable === null) this.#s.dirty = true;
    else {
      const reached = this.#isReachable(box);
      if (reached) this.#reachable.add(box.id);
      else this.#reachable.delete(box.id);
      if (reached || paired) this.#s.dirty = true;
    }
  }

  #unused(box: StageBox): BoxState {
    return {
      box,
      pool: this.#word(poolKey(box.sensor, box.field)),
      plantower: sensorClass(box.sensor) === 'plantower',
      own: [],
      history: null,
      fieldVersion: -1,
      fieldValue: 0,
      fieldKm: Infinity,
      gain: newGain(),
      indoor: false,
      slot: -1,
    };
  }

  /** One copy of a name that a million boxes share. */
  #word(text: string): string {
    const known = this.#words.get(text);
    if (known !== undefined) return known;
    this.#words.set(text, text);
    return text;
  }

  /** Whether a box may be paired with a station: near one, or declared to be. */
  #isReachable({ id, lat, lon, sensor, field }: StageBox): boolean {
    if (this.#s.colocations?.some((c) => c.box === id)) return true;
    if (lat === null || lon === null) return false;
    const reach = this.#served.has(poolKey(sensor, field)) ? NEAR_KM : REGION_KM;
    for (const s of this.#s.stations.values()) {
      if (s.lat === null || s.lon === null || Math.abs(s.lat - lat) > reach / 110.5) continue;
      if (distanceKm(s.lat, s.lon, lat, lon) <= reach) return true;
    }
    return false;
  }

  #settle(state: BoxState): void {
    const { id, lat, lon, exposure } = state.box;
    if (lat === null || lon === null) return;
    const witness = exposure !== 'indoor' && exposure !== 'mobile';
    state.slot = this.#surroundings.add({ id, lat, lon, kind: state.pool, witness });
    this.#bySlot[state.slot] = state;
  }

  #leave(state: BoxState): void {
    if (state.slot >= 0) this.#surroundings.remove(state.slot);
    state.slot = -1;
  }

  setStation(station: StageStation): void {
    const known = this.#s.stations.get(station.id) ?? newStation(station.id);
    known.lat = station.lat;
    known.lon = station.lon;
    this.#s.stations.set(station.id, known);
    this.#reachable = null;
    this.#s.dirty = true;
  }

  setColocations(pairs: readonly Colocation[] | null): void {
    this.#s.colocations = pairs;
    this.#reachable = null;
    this.#s.dirty = true;
  }

  /** Cards of all models made so far, newest last. */
  get cards(): readonly ModelCard[] {
    return this.#s.cards;
  }

  reference(values: readonly ReferenceValue[]): void {
    for (const v of values) {
      let station = this.#s.stations.get(v.station);
      if (!station) this.#s.stations.set(v.station, (station = newStation(v.station)));
      if (!isReference(v.pm25) || v.time >= this.#fitUntil) continue;
      if (isStuck(station.stuck, v.pm25)) continue;
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
    if (this.#s.dirty) this.#connect();
    this.#pair(now);
    if (Number.isNaN(this.#s.nextFit)) this.#s.nextFit = this.#fitAfter(now);
    if (now >= this.#s.nextFit) {
      this.#fit(now);
      this.#s.nextFit = this.#fitAfter(now);
    }
  }

  /** Everything the next answers depend on. Partly live: serialise it before the next call. */
  state(): CorrectionState {
    return { version: 2, state: { ...this.#s, boxes: new Map() }, boxes: packBoxes(this.#s.boxes) };
  }

  /** @throws Error when the state is of another version */
  restoreState(found: CorrectionState): void {
    if (found.version !== 2) throw new Error('not a state of the correction, or of another version');
    this.#s = found.state as State;
    this.#reachable = null;
    this.#surroundings = new Surroundings();
    this.#bySlot = [];
    for (const { box, own, history, gain, indoor, fieldVersion, fieldValue, fieldKm } of unpackBoxes(found.boxes)) {
      const state: BoxState = { ...this.#unused(box), own, history, gain, indoor, fieldVersion, fieldValue, fieldKm };
      this.#s.boxes.set(box.id, state);
      this.#settle(state);
    }
  }

  snapshot(): Uint8Array {
    return serialize(this.state());
  }

  restore(bytes: Uint8Array): void {
    this.restoreState(deserialize(bytes) as CorrectionState);
  }

  correct(readings: readonly CheckedReading[]): CorrectedReading[] {
    // Later changes wait for the next `advance`: boxes come in one by one, and pairs are of hours.
    if (this.#s.dirty && !this.#s.connected) this.#connect();
    return readings.map((reading) => {
      const values: CorrectedValue[] = [];
      for (const value of reading.values) {
        values.push(value.property === 'pm25' ? this.#pm25(reading, value) : declined(value, 0));
      }
      return { ...reading, stage: 'corrected', values };
    });
  }

  // --- answering -------------------------------------------------------------------------------------------------------

  #pm25(reading: CheckedReading, value: CheckedValue): CorrectedValue {
    if (value.flag === FLAG.fail || value.flag === FLAG.missing) return declined(value, 0);
    const state = this.#s.boxes.get(reading.thing);
    if (!state) return declined(value, NO_MODEL);
    const x = mergedPm25(reading);
    if (!Number.isFinite(x)) return declined(value, INPUT);
    let rh = NaN;
    let temp = NaN;
    let fog = (value.reasons & FOG) !== 0;
    for (const v of reading.values) {
      if (v.property === 'humidity') {
        if (v.flag <= FLAG.notEvaluated && v.raw > 0 && v.raw <= 100.5) rh = v.raw;
        if (v.reasons & FOG) fog = true;
      } else if (v.property === 'temperature' && v.flag <= FLAG.notEvaluated && v.raw > -45 && v.raw < 70) temp = v.raw;
    }
    const time = reading.phenomenonTime;
    state.indoor = (value.reasons & INDOOR) !== 0;
    const series = this.#seriesAt(state, time);
    const answer = this.#answer(state, series, x, rh, temp, time);
    const fits = value.flag <= FLAG.notEvaluated || (value.flag === FLAG.suspect && (value.reasons & ~BENIGN) === 0);
    if (state.history && fits) {
      record(state.history, time, x, rh, temp, answer.y, answer.u);
    }
    if (Number.isNaN(answer.y)) return declined(value, answer.reasons);
    const q = this.#quantiles(state, series, answer.level, time);
    // Beside a station the fit goes along with a drift; elsewhere nobody knows how far it has got (calibration note §8.5).
    const drifting = (value.reasons & DRIFT) !== 0 && !series;
    const u = answer.u * (fog ? 2 : 1) * (drifting ? 1.5 : 1) * (this.#isYoung(state) ? 1.25 : 1);
    const y = roundTo(answer.y, RESOLUTION);
    return {
      ...value,
      reasons: value.reasons | answer.reasons,
      corrected: y,
      lo90: Math.min(y, roundTo(answer.y - q.low * u, RESOLUTION)),
      hi90: Math.max(y, roundTo(answer.y + q.high * u, RESOLUTION)),
      level: answer.level,
      model: answer.model,
    };
  }

  /** Whether the model of a type without published prior is of a few days only. */
  #isYoung(state: BoxState): boolean {
    const pooled = this.#s.pools.get(state.pool)?.pooled;
    return !state.plantower && pooled !== null && pooled !== undefined && pooled.days < OWN_MIN_DAYS;
  }

  /** The co-location in force, else the last that has ended: what was learnt there goes along with the box. */
  #seriesAt(state: BoxState, time: EpochMs): Series | null {
    let last: Series | null = null;
    for (const i of state.own) {
      const s = this.#s.series[i] as Series;
      if (time < s.from || this.#s.pools.get(state.pool)?.doubted.includes(s.station)) continue;
      if (time < s.to) return s;
      if (!last || s.to > last.to) last = s;
    }
    return last;
  }

  #base(state: BoxState, series: Series | null, x: number, rh: number, temp: number): Base {
    const pool = this.#s.pools.get(state.pool);
    const pooled = pool?.pooled;
    if (series?.own && pooled && this.#ownServes(series)) {
      const y = applyBetas(series.own.betas, pooled.range, this.#settings, x, rh, temp);
      if (!Number.isNaN(y)) return { y, level: 'L5', model: series.own.id };
    }
    if (pooled) {
      const y = applyBetas(pooled.betas, pooled.range, this.#settings, x, rh, temp);
      if (!Number.isNaN(y)) return { y, level: 'L3', model: pooled.id };
    }
    if (state.plantower && !Number.isNaN(rh)) {
      return { y: barkjohn2021(x, Math.min(rh, 95)), level: 'L2', model: PUBLISHED };
    }
    return { y: NaN, level: '', model: '' };
  }

  /** Own co-location is used when it is long enough and has not lately done worse than the pooled model. */
  #ownServes(series: Series): boolean {
    const own = series.own as OwnModel;
    const needed = Math.min(OWN_MIN_PAIRS, (OWN_MIN_DAYS * DAY) / this.#step - 1e-9);
    if (own.days < OWN_MIN_DAYS || own.pairs < needed) return false;
    const e = series.errors;
    return e.n < 30 || e.own <= 1.08 * e.pooled;
  }

  #answer(
    state: BoxState,
    series: Series | null,
    x: number,
    rh: number,
    temp: number,
    time: EpochMs,
  ): { y: number; u: number; level: CorrectionLevel; model: string; reasons: number } {
    const pool = this.#s.pools.get(state.pool);
    const base = this.#base(state, series, x, rh, temp);
    let { y, level, model } = base;
    let km = Infinity;
    let reasons = 0;
    const network = pool?.network;
    if (network && level !== 'L5' && this.#networkServes(pool, network, time)) {
      const input = network.on === 'raw' ? x : base.level === 'L3' ? base.y : NaN;
      if (!Number.isNaN(input)) {
        const field = this.#networkField(state, network);
        y = applyNetwork(network, input, field.value, share(time - network.time, this.#step));
        km = field.km;
        level = network.stations.includes(series?.station ?? '') ? 'L4+' : 'L4';
        model = pool.networkId;
      }
    } else if (!Number.isNaN(y)) {
      const moved = this.#shortTerm(state, series, time);
      if (moved) {
        const residual = this.#settings.shortTerm * moved.residual;
        const shift = residual * (KNEE + Math.max(0, y));
        // Slowly varying ratio, within [0.5, 2] (calibration note §8.2), with room in clean air.
        y += Math.min(Math.max(0, y) + 5, Math.max(-0.5 * Math.max(0, y) - 5, shift));
        km = moved.km;
        if (moved.ownStation) level = `${level === 'L2' ? 'L4' : level}+` as CorrectionLevel;
        else if (moved.near) level = 'L4';
      }
    }
    if (Number.isNaN(y)) {
      return { y, u: NaN, level: '', model: '', reasons: state.plantower && Number.isNaN(rh) ? INPUT : NO_MODEL };
    }
    if (level.startsWith('L5')) {
      Object.assign(state.gain, { log: logOf(y), time, anchored: true });
    } else if (this.#settings.consensus) {
      state.gain.anchored = false;
      y = consent(state.gain, y, time, this.#gainsAround(state), Math.max(2 * this.#step, HOUR), CONSENSUS);
    }
    const range = pool?.pooled?.range;
    if (range && x > 1.3 * range.xMax + 10) reasons |= EXTRAPOLATED;
    // A correction that more than trebles a value is no correction (it would have stopped 66 of LASS's boxes, calibration note §2.3).
    if (y > 3 * x + 20) return { y: NaN, u: NaN, level: '', model: '', reasons: GUARD };
    y = Math.max(y, -3);
    // Without its station a box is known little better than its type.
    const ended = level === 'L5' && (!series || this.#ended(series, time));
    let u = ended ? 0.8 * startScale('L3', y, km) : startScale(level, y, km);
    if (reasons & EXTRAPOLATED) u *= 1.5;
    // A young co-location: few pairs say little about what is to come.
    if (series && !ended) {
      const few = 8 * Math.max(1, (this.#settings.correlatedPairs * HOUR) / this.#step);
      u *= Math.sqrt(1 + few / (series.time.length + few));
    }
    return { y, u, level, model, reasons };
  }

  /** The gains of the nearest boxes of the same type; valid until the next call. */
  #gainsAround(state: BoxState): readonly { gain: Gain; km: number }[] {
    const around = this.#around;
    around.length = 0;
    if (state.slot < 0) return around;
    const count = this.#surroundings.count(state.slot);
    for (let i = 0; i < count; i++) {
      const other = this.#bySlot[this.#surroundings.slotAt(state.slot, i)] as BoxState;
      around.push({ gain: other.gain, km: this.#surroundings.kmAt(state.slot, i) });
    }
    return around;
  }

  #networkServes(pool: PoolState, network: Network, time: EpochMs): boolean {
    if (time - network.time > 12 * this.#step) return false;
    const q = pool.quiet;
    return q.n < 50 || !pool.pooled || q.network <= q.field;
  }

  /** Whether nothing has been heard from the station of a co-location for long: then the box stands for itself again. */
  #ended(series: Series, time: EpochMs): boolean {
    return time >= series.to || time - series.short.time > Math.max(4 * DAY, 6 * this.#step);
  }

  #networkField(state: BoxState, network: Network): { value: number; km: number } {
    if (state.fieldVersion !== this.#s.fieldVersion) {
      const e = ratioAt(network, state.box, this.#settings);
      state.fieldVersion = this.#s.fieldVersion;
      state.fieldValue = e.value;
      state.fieldKm = e.nearestKm;
    }
    return { value: state.fieldValue, km: state.fieldKm };
  }

  /** Residual expected now: from the box's own station, else from the stations around. */
  #shortTerm(
    state: BoxState,
    series: Series | null,
    time: EpochMs,
  ): { residual: number; km: number; ownStation: boolean; near: boolean } | null {
    const pool = this.#s.pools.get(state.pool);
    if (!pool) return null;
    if (series) {
      if (!this.#ended(series, time)) {
        const f = featuresAt(series.short, time - this.#s.delay, time) ?? featuresAt(series.short, time, time);
        if (f) return { residual: forecast(pool.learning, f), km: 0, ownStation: true, near: true };
      }
    }
    const field = this.#s.field.get(state.pool);
    if (!field || field.values.length === 0) return null;
    if (state.fieldVersion !== this.#s.fieldVersion) {
      const e = krige(field.spots, field.values, state.box, this.#settings.fieldLengthKm, this.#settings.fieldNugget);
      state.fieldVersion = this.#s.fieldVersion;
      state.fieldValue = e.value;
      state.fieldKm = e.nearestKm;
    }
    const age = share(time - field.time, this.#step);
    if (age < STALE) return null;
    return {
      residual: state.fieldValue * this.#fieldSlope(pool) * age,
      km: state.fieldKm,
      ownStation: false,
      near: state.fieldKm < 20,
    };
  }

  #fieldSlope(pool: PoolState): number {
    const slope = (pool.fieldXy + PRIOR_FIELD.strength * PRIOR_FIELD.slope) / (pool.fieldXx + PRIOR_FIELD.strength);
    return Math.min(1.5, Math.max(0, slope));
  }

  #quantiles(state: BoxState, series: Series | null, level: CorrectionLevel, time: EpochMs): Quantiles {
    const of = this.#s.pools.get(state.pool)?.quantiles ?? {};
    if (series && !this.#ended(series, time)) {
      return series.quantiles.n >= 10 ? series.quantiles : (of['L5'] ?? DEFAULT_QUANTILES);
    }
    const key = level === 'L5' ? 'L3' : level.replace('+', '');
    return of[key] ?? of['L3'] ?? of['L4'] ?? DEFAULT_QUANTILES;
  }

  // --- pairing ---------------------------------------------------------------------------------------------------------

  #pool(key: string): PoolState {
    let pool = this.#s.pools.get(key);
    if (!pool) {
      pool = {
        pooled: null,
        network: null,
        networkId: '',
        learning: newLearning(),
        fieldXy: 0,
        fieldXx: 0,
        noise: 0.2,
        quantiles: {},
        quiet: { n: 0, field: 0, network: 0 },
        doubted: [],
      };
      this.#s.pools.set(key, pool);
    }
    return pool;
  }

  #connect(): void {
    const s = this.#s;
    s.dirty = false;
    s.connected = true;
    const stations = [...s.stations.values()].map((st) => ({ id: st.id, num: 0, lat: st.lat, lon: st.lon }));
    if (this.#reachable === null) {
      this.#served = new Set();
      const all = [...s.boxes.values()].map((b) => b.box).filter((box) => this.#isReachable(box));
      this.#served = servedPools(findPairings(all, stations, s.colocations, 0));
      this.#reachable = new Set(all.filter((box) => this.#isReachable(box)).map((box) => box.id));
    }
    const reachable = this.#reachable;
    const before = new Map(s.series.map((x) => [x.id, x]));
    const boxes = function* (): Generator<StageBox> {
      for (const id of reachable) yield (s.boxes.get(id) as BoxState).box;
    };
    for (const x of s.series) {
      for (const id of x.boxes) {
        const b = s.boxes.get(id);
        if (b) b.own = [];
      }
    }
    s.series = findPairings(boxes(), stations, s.colocations).map((p) => {
      const id = `${p.kind}\n${p.station}\n${p.kind === 'own' ? p.boxes[0] : p.pool}\n${p.from}`;
      const known = before.get(id);
      const series: Series = known
        ? { ...known, ...p }
        : {
            ...p,
            id,
            time: [],
            y: [],
            x: [],
            rh: [],
            temp: [],
            short: newShortTerm(),
            quantiles: newQuantiles(),
            errors: { n: 0, raw: 0, pooled: 0, own: 0, answer: 0 },
            own: null,
            spread: 0.04,
            odd: 0,
          };
      return series;
    });
    s.series.forEach((x, i) => {
      for (const id of x.boxes) {
        const b = s.boxes.get(id);
        if (!b) continue;
        if (x.kind === 'own') b.own.push(i);
        b.history ??= newHistory(Math.max(60_000, this.#step / 4));
      }
    });
  }

  /** Takes in the reference values whose time has come, oldest first, all stations of one time together. */
  #pair(now: EpochMs): void {
    const ready: { time: EpochMs; station: StationState; y: number }[] = [];
    for (const station of this.#s.stations.values()) {
      if (station.pending.length === 0) continue;
      const rest: { time: EpochMs; y: number }[] = [];
      for (const p of station.pending) {
        const time = p.time + station.clockMs;
        // Never before the label says it could be known, wherever the repaired clock puts it.
        if (Math.max(p.time, time) + this.#step + this.#lag > now) rest.push(p);
        else if (time < this.#fitUntil) ready.push({ time, station, y: p.y });
      }
      station.pending = rest;
    }
    if (ready.length === 0) return;
    ready.sort((a, b) => a.time - b.time || (a.station.id < b.station.id ? -1 : 1));
    for (let i = 0; i < ready.length;) {
      const time = (ready[i] as { time: number }).time;
      const step = new Map<string, number>();
      for (; i < ready.length && (ready[i] as { time: number }).time === time; i++) {
        const r = ready[i] as (typeof ready)[number];
        if (!step.has(r.station.id)) step.set(r.station.id, r.y);
      }
      this.#step1(time, step);
      if (time > this.#s.newest) {
        this.#s.newest = time;
        this.#s.delay = now - time;
      }
    }
    this.#refreshField();
  }

  #pairOf(series: Series, time: EpochMs): StepMean | null {
    if (series.kind === 'own') {
      if (time < series.from || time >= series.to) return null;
      const h = this.#s.boxes.get(series.boxes[0] as string)?.history;
      return h ? stepMean(h, time, this.#step) : null;
    }
    const means: StepMean[] = [];
    for (const id of series.boxes) {
      const box = this.#s.boxes.get(id);
      const h = box?.indoor ? null : box?.history;
      const m = h ? stepMean(h, time, this.#step) : null;
      if (m && m.x > 0) means.push(m);
    }
    if (means.length < 2) return null;
    const logs = means.map((m) => Math.log(m.x + 3));
    const mid = median(logs);
    const mad = Math.max(0.15, 1.4826 * median(logs.map((l) => Math.abs(l - mid))));
    const kept = means.length < 4 ? means : means.filter((_, i) => Math.abs((logs[i] as number) - mid) < 3.5 * mad);
    const of = (v: number[]): number => {
      const given = v.filter((z) => !Number.isNaN(z));
      return given.length === 0 ? NaN : median(given);
    };
    return { x: median(kept.map((m) => m.x)), rh: of(kept.map((m) => m.rh)), temp: of(kept.map((m) => m.temp)) };
  }

  #step1(time: EpochMs, reference: ReadonlyMap<string, number>): void {
    const pending: { series: Series; residual: number }[] = [];
    const asOf = time - this.#s.delay;
    const dense = new Map<string, Map<string, { x: number; y: number; own: boolean; mean: StepMean }>>();
    for (const series of this.#s.series) {
      const y = reference.get(series.station);
      if (y === undefined) continue;
      const mean = this.#pairOf(series, time);
      if (!mean) continue;
      if (series.time.length > 0 && time <= (series.time.at(-1) as number)) continue;
      const pool = this.#pool(series.pool);
      const state = this.#s.boxes.get(series.boxes[0] as string) as BoxState;
      const { x, rh, temp } = mean;
      const base = this.#base(state, series.kind === 'own' ? series : null, x, rh, temp);
      // A lone value far from what the box can follow is the analyser's (maintenance, zero air, an error code averaged in); three in
      // a row are the air's.
      if (!Number.isNaN(base.y)) {
        const apart = Math.abs(y - base.y) / (KNEE + Math.max(0, base.y));
        series.odd = apart > Math.max(ODD, 8 * Math.sqrt(series.spread)) ? series.odd + 1 : 0;
        if (series.odd > 0 && series.odd < ODD_RUN) continue;
      }
      series.time.push(time);
      series.y.push(y);
      series.x.push(x);
      series.rh.push(rh);
      series.temp.push(temp);
      // Pairs go on being made, so that it can be judged again.
      if (pool.doubted.includes(series.station)) continue;
      let byStation = dense.get(series.pool);
      if (!byStation) dense.set(series.pool, (byStation = new Map()));
      const there = byStation.get(series.station);
      if (!there || (series.kind === 'own' && !there.own)) {
        byStation.set(series.station, { x, y, own: series.kind === 'own', mean });
      }
      if (Number.isNaN(base.y)) continue;
      const residual = residualOf(y, base.y);
      pending.push({ series, residual });
      if (series.kind === 'own') this.#learnFrom(series, state, pool, time, asOf, y, mean, base.y, residual);
    }
    for (const { series, residual } of pending) {
      // An hour of maintenance must not be carried into the next ones.
      const limit = Math.max(0.25, 3 * Math.sqrt(series.spread));
      const held = Math.min(limit, Math.max(-limit, residual));
      follow(series.short, time, held, this.#step, this.#s.delay);
      series.spread += 0.02 * (held * held - series.spread);
    }
    for (const [key, stations] of dense) this.#stepNetwork(key, time, stations);
    for (const pool of this.#s.pools.values()) relearn(pool.learning, 2.4 * Math.sqrt(pool.noise));
  }

  /** What the pair says about forecasts, levels and intervals, each judged only by what was known before it. */
  #learnFrom(
    series: Series,
    state: BoxState,
    pool: PoolState,
    time: EpochMs,
    asOf: EpochMs,
    y: number,
    mean: StepMean,
    base: number,
    residual: number,
  ): void {
    const { x, rh, temp } = mean;
    pool.noise += 0.005 * (residual * residual - pool.noise);
    const features = featuresAt(series.short, asOf, time);
    if (features) learn(pool.learning, features, residual, time, 1);
    // As if the box had no station: the pooled model that has not seen it, and the field of the others.
    const pooled = pool.pooled;
    let alone = NaN;
    if (pooled) {
      alone = applyBetas(pooled.without[series.station] ?? {}, pooled.range, this.#settings, x, rh, temp);
      if (Number.isNaN(alone) && state.plantower && !Number.isNaN(rh)) alone = barkjohn2021(x, Math.min(rh, 95));
    }
    if (!Number.isNaN(alone)) {
      const field = this.#fieldWithout(series, asOf, time);
      const e = residualOf(y, alone);
      let shifted = alone;
      let km = Infinity;
      if (field) {
        shifted = alone + field.value * this.#fieldSlope(pool) * (KNEE + Math.max(0, alone));
        km = field.nearestKm;
        pool.fieldXy = 0.999 * pool.fieldXy + field.value * e;
        pool.fieldXx = 0.999 * pool.fieldXx + field.value * field.value;
      }

      const level: CorrectionLevel = field && field.nearestKm < 20 ? 'L4' : 'L3';
      track(
        (pool.quantiles[level] ??= newQuantiles(POOL_SCORES)),
        (y - shifted) / startScale(level, shifted, km),
        tailForNewPlace(pooled?.stations.length ?? 1),
      );
      // Boxes far from all stations, or without a place, get the model alone: scores of the one level say nothing of the other.
      if (level === 'L4') {
        track(
          (pool.quantiles.L3 ??= newQuantiles(POOL_SCORES)),
          (y - alone) / startScale('L3', alone, Infinity),
          tailForNewPlace(pooled?.stations.length ?? 1),
        );
      }
      const err = series.errors;
      const own = series.own && pooled ? applyBetas(series.own.betas, pooled.range, this.#settings, x, rh, temp) : NaN;
      const rate = Math.max(SPEED, 1 / (err.n + 1));
      err.n++;
      err.raw += rate * ((x - y) ** 2 - err.raw);
      err.pooled += rate * ((alone - y) ** 2 - err.pooled);
      if (!Number.isNaN(own)) err.own += rate * ((own - y) ** 2 - err.own);
      pool.quiet.field += SPEED * ((shifted - y) ** 2 - pool.quiet.field);
    }
    // What was really answered.
    const h = state.history;
    if (h) {
      for (let i = lowerBound(h.time, time); i < h.time.length && (h.time[i] as number) < time + this.#step; i++) {
        const answer = h.answer[i] as number;
        if (Number.isNaN(answer)) continue;
        const score = (y - answer) / (h.scale[i] as number);
        const level = (pool.quantiles['L5'] ??= newQuantiles(POOL_SCORES));
        track(series.quantiles, score, undefined, level);
        track(level, score);
        series.errors.answer += SPEED * ((answer - y) ** 2 - series.errors.answer);
        break; // one row a step, as the pairs are
      }
    }
    void base;
  }

  /** Forecast of the residual at a station from all other stations of the pool. */
  #fieldWithout(series: Series, asOf: EpochMs, time: EpochMs) {
    const key = `${series.pool} ${time}`;
    if (this.#forecasts.key !== key) this.#forecasts = { key, ...this.#stationForecasts(series.pool, asOf, time) };
    const { spots, values, stations } = this.#forecasts;
    const skip = stations.indexOf(series.station);
    if (spots.length - (skip < 0 ? 0 : 1) === 0) return null;
    const station = this.#s.stations.get(series.station) as StationState;
    const state = this.#s.boxes.get(series.boxes[0] as string) as BoxState;
    const place: Spot = station.lat === null ? state.box : station;
    return krige(spots, values, place, this.#settings.fieldLengthKm, this.#settings.fieldNugget, skip);
  }

  #stationForecasts(poolKeyName: string, asOf: EpochMs, time: EpochMs) {
    const pool = this.#pool(poolKeyName);
    const sums = new Map<string, { sum: number; n: number; own: boolean }>();
    for (const s of this.#s.series) {
      if (s.pool !== poolKeyName || pool.doubted.includes(s.station)) continue;
      const f = featuresAt(s.short, asOf, time);
      if (!f || time - s.short.time > 4 * DAY + 4 * this.#step) continue;
      const at = sums.get(s.station);
      const value = forecast(pool.learning, f);
      if (!at || (s.kind === 'own' && !at.own)) sums.set(s.station, { sum: value, n: 1, own: s.kind === 'own' });
      else if (at.own === (s.kind === 'own')) {
        at.sum += value;
        at.n++;
      }
    }
    const spots: Spot[] = [];
    const values: number[] = [];
    const stations: string[] = [];
    const middle = median([...sums.values()].map((at) => at.sum / at.n));
    for (const [name, at] of sums) {
      const station = this.#s.stations.get(name) as StationState;
      spots.push({ lat: station.lat, lon: station.lon });
      // One station that lies must not move the boxes around it.
      const value = at.sum / at.n;
      values.push(sums.size < 4 ? value : Math.min(middle + MAX_APART, Math.max(middle - MAX_APART, value)));
      stations.push(name);
    }
    return { spots, values, stations };
  }

  #refreshField(): void {
    const now = this.#s.newest + this.#s.delay;
    for (const key of this.#s.pools.keys()) {
      const field = this.#stationForecasts(key, this.#s.newest, now);
      this.#s.field.set(key, { time: now, ...field });
    }
    this.#s.fieldVersion++;
  }

  #stepNetwork(
    key: string,
    time: EpochMs,
    stations: ReadonlyMap<string, { x: number; y: number; own: boolean; mean: StepMean }>,
  ): void {
    const pool = this.#pool(key);
    const on = pool.pooled ? 'pooled' : 'raw';
    const steps: StationStep[] = [];
    for (const [name, at] of stations) {
      const spot = this.#s.stations.get(name) as StationState;
      const pooled = pool.pooled;
      const x = pooled
        ? applyBetas(pooled.betas, pooled.range, this.#settings, at.mean.x, at.mean.rh, at.mean.temp)
        : at.x;
      if (!Number.isNaN(x))
        steps.push({ station: name, spot: { lat: spot.lat, lon: spot.lon }, x, y: at.y, weight: 1 });
    }
    if (steps.length < MIN_STATIONS) {
      pool.network = null;
      return;
    }
    const network = fitNetwork(steps, time, on, key);
    if (!network) return;
    // How well it does at stations it has not seen: by station, for the interval and for choosing between the two ways.
    const quantiles = (pool.quantiles['L4'] ??= newQuantiles(POOL_SCORES));
    const scores: number[] = [];
    for (const series of this.#s.series) {
      if (series.pool !== key) continue;
      const at = stations.get(series.station);
      if (!at) continue;
      const without = fitNetwork(steps, time, on, key, series.station);
      if (!without) continue;
      const station = this.#s.stations.get(series.station) as StationState;
      const ratio = ratioAt(without, station, this.#settings);
      for (const id of series.boxes) {
        const h = this.#s.boxes.get(id)?.history;
        const mean = h && stepMean(h, time, this.#step);
        if (!mean) continue;
        const x = pool.pooled
          ? applyBetas(pool.pooled.betas, pool.pooled.range, this.#settings, mean.x, mean.rh, mean.temp)
          : mean.x;
        if (Number.isNaN(x)) continue;
        const y = applyNetwork(without, x, ratio.value, 1);
        if (y > 3 * mean.x + 20) continue;
        scores.push((at.y - y) / startScale('L4', y, ratio.nearestKm));
        if (series.kind === 'own') pool.quiet.network += SPEED * ((y - at.y) ** 2 - pool.quiet.network);
      }
      if (series.kind === 'own') pool.quiet.n++;
    }
    for (const score of scores) track(quantiles, score);
    pool.network = network;
    const card = nameModel({
      kind: 'network',
      subject: key,
      madeAt: time,
      from: time,
      to: time + this.#step,
      pairs: steps.length,
      stations: network.stations,
      coefficients: { line: [network.intercept, network.slope], logRatio: network.logRatios },
      scale: 0,
      live: {},
      guards: [],
    });
    pool.networkId = card.id;
  }

  // --- nightly ---------------------------------------------------------------------------------------------------------

  /** The next 03:00 local solar time after `now`, by the mean longitude of stations (else boxes) with a place, else UTC. */
  #fitAfter(now: EpochMs): EpochMs {
    const lons: number[] = [];
    for (const s of this.#s.stations.values()) if (s.lon !== null) lons.push(s.lon);
    if (lons.length === 0) for (const b of this.#s.boxes.values()) if (b.box.lon !== null) lons.push(b.box.lon);
    const offset = lons.length === 0 ? 0 : (median(lons) / 15) * HOUR;
    const local = now + offset;
    const today = Math.floor(local / DAY) * DAY + FIT_HOUR;
    return (today > local ? today : today + DAY) - offset;
  }

  #fit(now: EpochMs): void {
    const s = this.#s;
    const repaired = new Set<string>();
    if (this.#settings.scanClocks) {
      for (const station of s.stations.values()) for (const key of this.#scan(station, now)) repaired.add(key);
    }
    for (const b of s.boxes.values()) if (b.history) forget(b.history, now - HISTORY_MS);
    const correlated = Math.max(1, (this.#settings.correlatedPairs * HOUR) / this.#step);
    const byPool = new Map<string, Series[]>();
    for (const series of s.series) {
      trim(series, Math.min(now, series.time.at(-1) ?? now) - Math.max(this.#settings.memoryMs, 720 * this.#step));
      const list = byPool.get(series.pool) ?? [];
      list.push(series);
      byPool.set(series.pool, list);
    }
    for (const [key, list] of byPool) {
      const pool = this.#pool(key);
      const own = list.filter((x) => x.kind === 'own' && x.time.length > 0);
      const ownStations = new Set(own.map((x) => x.station));
      const used = list
        .filter((x) => x.kind === 'own' || (ownStations.size < 3 && !ownStations.has(x.station)))
        .map((x) => ({ ...x, weight: x.kind === 'own' ? 1 : 0.3 }));
      const newest = Math.max(...used.map((x) => x.time.at(-1) ?? -Infinity));
      // Without new reference the season moves on: the older the newest pair, the less the newest ones count for more.
      const silent = Math.max(0, now - newest - 4 * DAY);
      if (silent > 0 && pool.pooled && Math.floor(silent / (7 * DAY)) === Math.floor((silent - DAY) / (7 * DAY)))
        continue;
      const settings = {
        ...this.#settings,
        pooledHalfLifeMs: this.#settings.pooledHalfLifeMs + 3 * silent,
        ownHalfLifeMs: this.#settings.ownHalfLifeMs + 3 * silent,
      };
      const pooled = fitPooled(key, used, newest, correlated, settings);
      if (!pooled || !this.#enough(key, pooled, own.length > 0 ? used : [], newest, correlated)) continue;
      const { without: _, range: __, betas, ...rest } = pooled;
      const card = nameModel({
        kind: 'pooled',
        subject: key,
        madeAt: now,
        from: rest.from,
        to: rest.to,
        pairs: rest.pairs,
        stations: rest.stations,
        coefficients: betas,
        scale: rest.scale,
        live: {},
        guards: rest.guards,
      });
      pool.pooled = { ...pooled, id: card.id };
      s.cards.push(card);
      this.#doubt(pool, pooled.liars, list);
      if (repaired.has(key)) forgetScores(pool);
      for (const x of own) {
        if (pool.doubted.includes(x.station)) continue;
        const model =
          silent === 0 && x.own && x.own.to === x.time.at(-1)
            ? carryOwn(x.own, pooled, now, settings)
            : fitOwn({ ...x, weight: 1 }, pooled, correlated, settings);
        if (!model) continue;
        const e = x.errors;
        const ownCard = nameModel({
          kind: 'own',
          subject: x.boxes[0] as string,
          madeAt: now,
          from: model.from,
          to: model.to,
          pairs: model.pairs,
          stations: [x.station],
          coefficients: model.betas,
          scale: model.scale,
          live: e.n > 0 ? { raw: Math.sqrt(e.raw), pooled: Math.sqrt(e.pooled), own: Math.sqrt(e.own) } : {},
          guards: [],
        });
        x.own = { ...model, id: ownCard.id };
        s.cards.push(ownCard);
      }
    }
    const MAX_CARDS = 2000;
    if (s.cards.length > MAX_CARDS) s.cards.splice(0, s.cards.length - MAX_CARDS);
  }

  /** A station found to lie has no say any more; what the intervals learnt from it is forgotten. */
  #doubt(pool: PoolState, liars: readonly string[], list: readonly Series[]): void {
    const found = liars.filter((name) => !pool.doubted.includes(name));
    pool.doubted = liars;
    if (found.length === 0) return;
    forgetScores(pool);
    pool.learning = newLearning();
    for (const x of list) {
      if (!found.includes(x.station)) continue;
      x.own = null;
      x.short = newShortTerm();
      x.quantiles = newQuantiles();
      x.errors = { n: 0, raw: 0, pooled: 0, own: 0, answer: 0 };
    }
  }

  /**
   * With a published prior a day of pairs is enough to begin moving; without one a model needs a week, or three days beside a station
   * when it is much better than raw values on days it has not seen.
   */
  #enough(
    key: string,
    { days, pairs, from, to }: PooledModel,
    beside: readonly (Pairs & Series)[],
    newest: EpochMs,
    correlated: number,
  ): boolean {
    if (key.startsWith('plantower')) return days >= 2 && pairs >= Math.min(24, (2 * DAY) / this.#step);
    if (days >= OWN_MIN_DAYS && pairs >= Math.min(OWN_MIN_PAIRS, (OWN_MIN_DAYS * DAY) / this.#step)) return true;
    if (beside.length === 0 || to - from < YOUNG_MS || pairs < YOUNG_PAIRS) return false;
    const e = errorsOnOtherDays(key, beside, newest, correlated, this.#settings);
    return e.model < 0.7 * e.raw;
  }

  /** @returns the types of which what was learnt, was learnt under a wrong clock */
  #scan(station: StationState, now: EpochMs): Set<string> {
    const repaired = new Set<string>();
    const beside: History[] = [];
    const around: History[] = [];
    for (const series of this.#s.series) {
      if (series.station !== station.id) continue;
      for (const id of series.boxes) {
        const h = this.#s.boxes.get(id)?.history;
        if (h && h.time.length > 0) (series.kind === 'own' ? beside : around).push(h);
      }
    }
    const histories = (beside.length > 0 ? beside : around).slice(0, 3);
    const cut = lowerBound(station.time, now - HISTORY_MS);
    if (cut > 500) {
      station.time.splice(0, cut);
      station.y.splice(0, cut);
    }
    if (histories.length === 0) return repaired;
    const found = scanClock(station.time, station.y, histories, this.#step, station.clockMs, now - 30 * DAY);
    if (!found) return repaired;
    station.clockMs = found.lagMs;
    for (const series of this.#s.series) {
      if (series.station !== station.id) continue;
      // What intervals learnt from the wrong clock would widen them for months.
      this.#pool(series.pool).quantiles = {};
      // Pairs made with the wrong clock are made again; what is older than the history is given up.
      series.time = [];
      series.y = [];
      series.x = [];
      series.rh = [];
      series.temp = [];
      series.short = newShortTerm();
      series.quantiles = newQuantiles();
      series.errors = { n: 0, raw: 0, pooled: 0, own: 0, answer: 0 };
      series.own = null;
      repaired.add(series.pool);
    }
    station.pending = station.time
      .map((time, i) => ({ time, y: station.y[i] as number }))
      .filter((p) => p.time >= now - HISTORY_MS);
    this.#pair(now);
    return repaired;
  }
}

/** What intervals and forecasts have learnt from pairs that turned out to be none. */
function forgetScores(pool: PoolState): void {
  pool.quantiles = {};
  pool.quiet = { n: 0, field: 0, network: 0 };
  pool.noise = 0.2;
  pool.fieldXy = pool.fieldXx = 0;
}

const PUBLISHED = 'barkjohn-2021';
const DEFAULT_QUANTILES = newQuantiles();

/** Below this share a field is no longer worth its name. */
const STALE = 0.1;

/** How much of the field still counts when it is older than it should be. */
const share = (age: number, stepMs: number): number =>
  Math.exp(-Math.max(0, age - 3 * stepMs) / (12 * Math.max(stepMs, HOUR)));

function trim(series: Series, before: EpochMs): void {
  const cut = lowerBound(series.time, before);
  if (cut === 0) return;
  for (const column of [series.time, series.y, series.x, series.rh, series.temp]) column.splice(0, cut);
}

const declined = (value: CheckedValue, reasons: number): CorrectedValue => ({
  ...value,
  reasons: value.reasons | reasons,
  corrected: null,
  lo90: null,
  hi90: null,
  level: '',
  model: '',
});

/** One reading answered with the highest level that is valid for its box at that moment, and its interval. */
import { FLAG, reason } from '../../model/flags.ts';
import type { CheckedReading, CheckedValue, CorrectedValue, CorrectionLevel } from '../../model/observation.ts';
import { property, roundTo } from '../../model/properties.ts';
import { HOUR, type EpochMs } from '../../model/time.ts';
import { mergedPm25 } from '../qc/draft.ts';
import { ageFactor } from './age.ts';
import { DRIFT_OFFSET, STILL, together, townDrift, undrifted } from './common_drift.ts';
import { consent, consensusOf, PRIOR_SPREAD, shifted, witness } from './consensus.ts';
import { besideSlope, fieldSlope, share } from './field.ts';
import { record } from './history.ts';
import { baseBefore, baseOf, betweenZones, ended, isYoung, networkFor, seriesAt, solutionFor } from './levels.ts';
import { KNEE, type BoxState, type Memory, type PoolState, type Series } from './memory.ts';
import { shareOfBox, standsOut } from './lone.ts';
import { applyNetwork, ratioAt, type Network } from './network.ts';
import type { Residents } from './residents.ts';
import { featuresAt, forecast } from './short_term.ts';
import { BESIDE_KM } from './settings.ts';
import { krige, spotDistance, type Spot } from './spatial.ts';
import { scaleFor } from './places.ts';
import { lateness, newQuantiles, startScale, tilted, unrestNow, type Interval } from './uncertainty.ts';

const NO_MODEL = reason('no_model');
const INPUT = reason('input');
const GUARD = reason('output_guard');
const EXTRAPOLATED = reason('extrapolated');
const FOG = reason('fog');
const INDOOR = reason('indoor');
const DRIFT = reason('drift');
/** Suspicions that say nothing against using the value in a fit: dirty air is just where pairs are wanted. */
const BENIGN =
  FOG | EXTRAPOLATED | reason('moved') | reason('plausible_range') | reason('size_order') | reason('single_channel');
const RESOLUTION = property('pm25').resolution;

/** A drift that goes on runs ahead of what follows it: a percent a day by some ten percent [one standard deviation, log]. */
const DRIFT_LAG = 0.12;
const DEFAULT_QUANTILES = newQuantiles();
/**
 * Of the published equation alone, whose scale is made for the worst: without any reference 1.645 held 94 % in Denver, 99 % in US SE,
 * 99.8 % in Virginia's smoke.
 */
const PUBLISHED_QUANTILES: Interval = { low: 1.48, high: 1.48 };

/** Below this share a field is no longer worth its name. */
const STALE = 0.1;

export function correctPm25(
  m: Memory,
  residents: Residents,
  reading: CheckedReading,
  value: CheckedValue,
): CorrectedValue {
  if (value.flag === FLAG.fail || value.flag === FLAG.missing) return declined(value, 0);
  const state = m.s.boxes.get(reading.thing);
  if (!state) return declined(value, NO_MODEL);
  const x = mergedPm25(reading);
  if (!Number.isFinite(x)) return declined(value, INPUT);
  let rh = NaN;
  let temp = NaN;
  let doubted = NaN;
  let fog = (value.reasons & FOG) !== 0;
  for (const v of reading.values) {
    if (v.property === 'pm25_b') {
      if (v.flag === FLAG.suspect || v.flag === FLAG.fail) doubted = v.raw;
    } else if (v.property === 'humidity') {
      if (v.flag <= FLAG.notEvaluated && v.raw > 0 && v.raw <= 100.5) rh = v.raw;
      if (v.reasons & FOG) fog = true;
    } else if (v.property === 'temperature' && v.flag <= FLAG.notEvaluated && v.raw > -45 && v.raw < 70) temp = v.raw;
  }
  // The only channel left to believe is not believed itself.
  if (doubted === x) return declined(value, GUARD);
  const time = reading.phenomenonTime;
  state.indoor = (value.reasons & INDOOR) !== 0;
  const series = seriesAt(m, state, time);
  // Beside a station the fit goes along with a drift; elsewhere what is sure of it is taken off before anything else.
  const own = series ? 0 : m.driftOf(reading.thingNum);
  const towns = m.s.pools.get(state.pool)?.towns ?? [];
  const town = series || towns.length === 0 ? STILL : townDrift(towns, state.box);
  const drift = together(own, town.taken);
  const sensed = undrifted(x, drift);
  const fits = value.flag <= FLAG.notEvaluated || (value.flag === FLAG.suspect && (value.reasons & ~BENIGN) === 0);
  const answer = answerOf(m, residents, state, series, sensed, rh, temp, time, (value.reasons & DRIFT) !== 0, fits);
  const alive = series && !ended(m, series, time) ? series : null;
  const pool = m.s.pools.get(state.pool);
  // Beside a station the scale follows what errors have been like lately and at this level.
  const spell = alive && pool ? unrestNow(alive.unrest) * tilted(pool.tilt, answer.y) : 1;
  if (state.history && fits) {
    record(state.history, time, x, rh, temp, answer.y, answer.u * spell, answer.middle);
  }
  if (Number.isNaN(answer.y)) return declined(value, answer.reasons);
  const q = intervalOf(pool, state, alive, answer);
  // Elsewhere nobody knows for sure how far a drift has got (calibration note §8.5).
  const drifting = ((value.reasons & DRIFT) !== 0 || own !== 0) && !series;
  const late = alive ? lateness(m.s.delay - m.step, m.step) : 1;
  // A drift that has been found is no longer a matter of age.
  const alone = alive ? 1 : Math.max(drifting ? 1.5 : 1, ageFactor(state.since, time));
  const young = isYoung(m, state) ? 1.25 : 1;
  const known = answer.u * late * (fog ? 2 : 1) * alone * young * spell * scaleFor(q, answer.y);
  const behind = Math.hypot(own === 0 ? 0 : DRIFT_LAG, town.doubt);
  const u = behind === 0 ? known : Math.hypot(known, behind * (Math.max(0, answer.y) + DRIFT_OFFSET));
  const y = roundTo(answer.y, RESOLUTION);
  return {
    ...value,
    reasons: value.reasons | answer.reasons | (drift === 0 ? 0 : DRIFT),
    corrected: y,
    lo90: Math.min(y, roundTo(answer.y - q.low * u, RESOLUTION)),
    hi90: Math.max(y, roundTo(answer.y + q.high * u, RESOLUTION)),
    level: answer.level,
    model: answer.model,
  };
}

function answerOf(
  m: Memory,
  residents: Residents,
  state: BoxState,
  series: Series | null,
  x: number,
  rh: number,
  temp: number,
  time: EpochMs,
  drifting: boolean,
  usable: boolean,
): {
  y: number;
  u: number;
  level: CorrectionLevel;
  model: string;
  reasons: number;
  byNetwork: boolean;
  middle: number;
} {
  const pool = m.s.pools.get(state.pool);
  const base = baseOf(m, state, series, x, rh, temp);
  let { y, level, model } = base;
  let km = Infinity;
  let reasons = 0;
  let left = Math.sqrt(consensusOf(pool?.spread ?? PRIOR_SPREAD).boxVariance);
  const hour = pool && networkFor(m, state, pool);
  const maxAge = Math.max(2 * m.step, HOUR);
  const on = hour?.network.on ?? (pool?.pooled ? 'pooled' : 'raw');
  const input = on === 'raw' ? x : level === 'L3' || level === 'L5' ? y : NaN;
  const serves = !!pool && !!hour && level !== 'L5' && networkServes(m, pool, hour.network, time);
  const byNetwork = serves && !Number.isNaN(input);
  const lone = byNetwork ? shareOfBox(pool.lone) : 0;
  const middle = lone > 0 || state.history ? residents.middleAround(state, time, maxAge) : NaN;
  state.seen = usable && x > 0 ? input : NaN;
  if (byNetwork) {
    const { network } = hour;
    const field = networkField(m, state, network);
    y = applyNetwork(network, input, field.value, share(time - network.time, m.step));
    km = field.km;
    level = network.stations.includes(series?.station ?? '') ? 'L4+' : 'L4';
    model = hour.id;
  } else if (!serves && !Number.isNaN(y)) {
    const moved = shortTerm(m, state, series, time, y);
    if (moved) {
      const residual = m.settings.shortTerm * moved.residual;
      const shift = residual * (KNEE + Math.max(0, y));
      // Slowly varying ratio, within [0.5, 2] (calibration note §8.2), with room in clean air.
      y += Math.min(Math.max(0, y) + 5, Math.max(-0.5 * Math.max(0, y) - 5, shift));
      km = moved.km;
      if (moved.ownStation) level = `${level === 'L2' ? 'L4' : level}+` as CorrectionLevel;
      else if (moved.near) level = 'L4';
    }
  }
  if (Number.isNaN(y)) {
    return {
      y,
      u: NaN,
      level: '',
      model: '',
      reasons: state.plantower && Number.isNaN(rh) ? INPUT : NO_MODEL,
      byNetwork,
      middle,
    };
  }
  if (level.startsWith('L5')) {
    witness(state.gain, y, time, residents.gainsAround(state), maxAge);
  } else if (m.settings.consensus) {
    state.gain.anchored = false;
    ({ y, left } = consent(
      state.gain,
      y,
      time,
      residents.gainsAround(state),
      maxAge,
      consensusOf(pool?.spread ?? PRIOR_SPREAD),
      drifting,
    ));
    if (pool && base.level !== 'L2') y = shifted(y, pool.common);
    // What no station confirms of a single reading's standing out is the box's.
    if (byNetwork) y = shifted(y, -lone * standsOut(hour.network, input, middle, state.gain));
  }
  if (!series) left = Math.hypot(left, Math.sqrt(betweenZones(m, state)));
  const range = pool?.pooled && solutionFor(m, state, pool.pooled).range;
  if (range && x > 1.3 * range.xMax + 10) reasons |= EXTRAPOLATED;
  // A correction that more than trebles a value is no correction (it would have stopped 66 of LASS's boxes, calibration note §2.3).
  if (y > 3 * x + 20) return { y: NaN, u: NaN, level: '', model: '', reasons: GUARD, byNetwork, middle };
  y = Math.max(y, -3);
  // Without its station a box is known little better than its type.
  const without = level === 'L5' && (!series || ended(m, series, time));
  let u = without ? 0.8 * startScale('L3', y, km, left) : startScale(level, y, km, left);
  if (reasons & EXTRAPOLATED) u *= 1.5;
  // A young co-location: few pairs say little about what is to come.
  if (series && !without) {
    const few = 8 * Math.max(1, (m.settings.correlatedPairs * HOUR) / m.step);
    u *= Math.sqrt(1 + few / (series.time.length + few));
  }
  return { y, u, level, model, reasons, byNetwork, middle };
}

function networkServes(m: Memory, pool: PoolState, network: Network, time: EpochMs): boolean {
  if (time - network.time > 12 * m.step) return false;
  const q = pool.quiet;
  return q.n < 50 || !pool.pooled || q.network <= q.field;
}

function networkField(m: Memory, state: BoxState, network: Network): { value: number; km: number } {
  if (state.fieldVersion !== m.s.fieldVersion) {
    const e = ratioAt(network, state.box, m.settings);
    state.fieldVersion = m.s.fieldVersion;
    state.fieldValue = e.value;
    state.fieldKm = e.nearestKm;
  }
  return { value: state.fieldValue, km: state.fieldKm };
}

/** Residual expected now: from the box's own station, else from the stations around. */
function shortTerm(
  m: Memory,
  state: BoxState,
  series: Series | null,
  time: EpochMs,
  base: number,
): { residual: number; km: number; ownStation: boolean; near: boolean } | null {
  const pool = m.s.pools.get(state.pool);
  if (!pool) return null;
  if (series) {
    if (!ended(m, series, time)) {
      const before = baseBefore(m, state, series, time);
      const f =
        featuresAt(series.short, time - m.s.delay, time, base, before) ??
        featuresAt(series.short, time, time, base, before);
      if (f) return { residual: forecast(pool.ownLearning, f), km: 0, ownStation: true, near: true };
    }
  }
  const field = m.s.field.get(state.pool);
  if (!field || field.values.length === 0) return null;
  if (state.fieldVersion !== m.s.fieldVersion) {
    const e = krige(field.spots, field.values, state.box, m.settings.fieldLengthKm, m.settings.fieldNugget);
    const at = stationHere(field.spots, state, e.nearestKm);
    state.fieldVersion = m.s.fieldVersion;
    state.fieldValue = at >= 0 ? (field.values[at] as number) : e.value;
    state.fieldKm = at >= 0 ? 0 : e.nearestKm;
  }
  const age = share(time - field.time, m.step);
  if (age < STALE) return null;
  return {
    residual: state.fieldValue * (state.fieldKm <= BESIDE_KM ? besideSlope(pool) : fieldSlope(pool)) * age,
    km: state.fieldKm,
    ownStation: false,
    near: state.fieldKm < 20,
  };
}

/** The station a box stands beside without having been declared to: -1 = none. Where nothing at all has a place, the only station. */
function stationHere(spots: readonly Spot[], { box }: BoxState, nearestKm: number): number {
  if (nearestKm <= BESIDE_KM) return spots.findIndex((s) => spotDistance(s, box) === nearestKm);
  return box.lat === null && spots.length === 1 && spots[0]?.lat === null ? 0 : -1;
}

function intervalOf(
  pool: PoolState | undefined,
  state: BoxState,
  alive: Series | null,
  { level, byNetwork }: { level: CorrectionLevel; byNetwork: boolean },
): Interval {
  if (alive) return alive.quantiles.n >= 10 ? alive.quantiles : (pool?.quantiles.L5 ?? DEFAULT_QUANTILES);
  if (byNetwork) return pool?.quantiles.network ?? DEFAULT_QUANTILES;
  if (level === 'L4' && pool?.places.beside && state.fieldKm <= BESIDE_KM) return pool.places.beside;
  if (level === 'L2' && pool?.pooled) return PUBLISHED_QUANTILES;
  return pool?.places[level === 'L4' ? 'L4' : 'L3'] ?? (level === 'L2' ? PUBLISHED_QUANTILES : DEFAULT_QUANTILES);
}

export const declined = (value: CheckedValue, reasons: number): CorrectedValue => ({
  property: value.property,
  raw: value.raw,
  flag: value.flag,
  reasons: value.reasons | reasons,
  corrected: null,
  lo90: null,
  hi90: null,
  level: '',
  model: '',
});

/** What each pair teaches about forecasts, ways to answer and intervals, judged only by what was known before it. */
import { HOUR, type EpochMs } from '../../model/time.ts';
import { ageFactor } from './age.ts';
import { townOf, undrifted } from './common_drift.ts';
import { compare } from './contest.ts';
import { consensusOf, consent, consented, logOf, newGain, persistent, shifted, strangersAmong } from './consensus.ts';
import { besideSlope, fieldSlope, fieldWithout } from './field.ts';
import { answerIn, stepMean, stepMiddle, type StepMean } from './history.ts';
import { fade, learnLone, shareOfBox, standsOut, witnesses } from './lone.ts';
import { KNEE, residualOf, SPEED, type BoxState, type Memory, type PoolState, type Series } from './memory.ts';
import { nameModel } from './models.ts';
import { baseBefore } from './levels.ts';
import { airAt, applyNetwork, fitNetwork, MIN_STATIONS, ratioAt, type Network, type StationBoxes, type StationStep } from './network.ts'; // prettier-ignore
import { varianceWeight } from './pooled.ts';
import { barkjohn2021 } from './published.ts';
import type { StationState } from './reference.ts';
import { featuresAt, forecast, learn } from './short_term.ts';
import { applyBetas, solutionAt } from './solution.ts';
import { spotDistance } from './spatial.ts';
import { addToTrial } from './trial.ts';
import { gainsInScores, intervalForNewPlace, isKnown, keep, newScores, OTHER_PLACES, SAME_PLACE } from './places.ts';
import { isOneZone } from './zones.ts';
import { lean, newQuantiles, POOL_SCORES, startScale, stir, tilted, track, trackStep } from './uncertainty.ts';

/** What the pair says about forecasts, levels and intervals, each judged only by what was known before it. */
export function learnFrom(
  m: Memory,
  series: Series,
  state: BoxState,
  pool: PoolState,
  time: EpochMs,
  asOf: EpochMs,
  y: number,
  mean: StepMean,
  residual: number,
  base: number,
  others: readonly Series[],
): void {
  const { x, rh, temp } = mean;
  pool.noise += 0.005 * (residual * residual - pool.noise);
  const features = featuresAt(series.short, asOf, time);
  if (features) learn(pool.learning, features, residual, time, 1);
  const withOwn = featuresAt(series.short, asOf, time, base, baseBefore(m, state, series, time));
  if (withOwn) learn(pool.ownLearning, withOwn, residual, time, 1);
  compare(pool, m.settings, series.station, time, y, x, rh, temp, m.step);
  // As if the box had no station: the pooled model that has not seen it, and the field of the others.
  const pooled = pool.pooled && solutionAt(pool.pooled, series.station);
  let alone = NaN;
  if (pooled) {
    alone = applyBetas(pooled.without ?? {}, pooled.range, x, rh, temp);
    if (Number.isNaN(alone) && state.plantower && !Number.isNaN(rh)) alone = barkjohn2021(x, Math.min(rh, 95));
  }
  if (!Number.isNaN(alone)) {
    const field = fieldWithout(m, series, asOf, time);
    const e = residualOf(y, alone);
    let shifted = alone;
    let km = Infinity;
    if (field) {
      shifted = alone + field.value * fieldSlope(pool) * (KNEE + Math.max(0, alone));
      km = field.nearestKm;
      pool.fieldXy = 0.999 * pool.fieldXy + field.value * e;
      pool.fieldXx = 0.999 * pool.fieldXx + field.value * field.value;
    }

    judgeAlone(m, series, state, time, y, alone, shifted, km);
    series.ratio += Math.max(1 / (series.errors.n + 1), 1 / 400) * (logOf(y) - logOf(shifted) - series.ratio);
    const err = series.errors;
    const own = series.own && pooled ? applyBetas(series.own.betas, pooled.range, x, rh, temp) : NaN;
    const rate = Math.max(SPEED, 1 / (err.n + 1));
    err.n++;
    err.raw += rate * ((x - y) ** 2 - err.raw);
    err.pooled += rate * ((alone - y) ** 2 - err.pooled);
    if (!Number.isNaN(own)) err.own += rate * ((own - y) ** 2 - err.own);
    const shadow = series.ownShadow;
    const later = shadow && pooled ? applyBetas(shadow.model.betas, pooled.range, x, rh, temp) : NaN;
    if (shadow && !Number.isNaN(own) && !Number.isNaN(later)) {
      const weight = varianceWeight(x, m.settings);
      addToTrial(shadow, time, m.step, weight * (own - y) ** 2, weight * (later - y) ** 2);
    }
    // Against the regression of the hour, where there can be one.
    if (isOneZone(m.s.zones) || pool.networks.has(m.region(series.station)))
      pool.quiet.field += SPEED * ((shifted - y) ** 2 - pool.quiet.field);
  }
  if (others.length > 0) judgeBeside(m, series, state, time, asOf, y, mean, others);
  // What was really answered: one row a step, as the pairs are.
  const answer = state.history && answerIn(state.history, time, m.step);
  if (!answer) return;
  const score = (y - answer.y) / answer.scale;
  const level = (pool.quantiles['L5'] ??= newQuantiles(POOL_SCORES));
  const plain = (y - answer.y) / startScale('L5', answer.y, 0, 0);
  stir(series.unrest, plain / tilted(pool.tilt, answer.y), series.quantiles.n);
  lean(pool.tilt, plain, answer.y);
  track(series.quantiles, score, undefined, level);
  track(level, score);
  series.errors.answer += SPEED * ((answer.y - y) ** 2 - series.errors.answer);
}

/** References come late: by then the boxes around have said more. Their last words count if they are of so long ago [ms]. */
const heardFor = (m: Memory): number => 3 * Math.max(2 * m.step, HOUR);

/** Keeps the scores of what a box at this place would be told if it had no station. */
function judgeAlone(
  m: Memory,
  series: Series,
  state: BoxState,
  time: EpochMs,
  y: number,
  alone: number,
  shifted: number,
  km: number,
): void {
  const pool = m.pool(series.pool);
  const numbers = consensusOf(pool.spread);
  let l4 = shifted;
  let left = Math.sqrt(numbers.boxVariance);
  if (m.settings.consensus) {
    const strangers = strangersAmong(m.around(state));
    ({ y: l4, left } = consent(series.alone, shifted, time + m.s.delay, strangers, heardFor(m), numbers));
  }
  const l3 = alone + (l4 - shifted);
  // Answers elsewhere are widened by their own box's age: what this one's has done is not to be in the quantile, too.
  const age = ageFactor(state.since, time);
  if (km < 20) keep(series.scores.L4, (y - l4) / (age * startScale('L4', l4, km, left)), l4);
  keep(series.scores.L3, (y - l3) / (age * startScale('L3', l3, Infinity, left)), l3);
}

/** And what it would be told if it had no co-location while other boxes stand beside the same station. */
function judgeBeside(
  m: Memory,
  series: Series,
  state: BoxState,
  time: EpochMs,
  asOf: EpochMs,
  y: number,
  { x, rh, temp }: StepMean,
  others: readonly Series[],
): void {
  const pool = m.pool(series.pool);
  if (!pool.pooled) return;
  const { betas, range } = solutionAt(pool.pooled, series.station);
  const base = applyBetas(betas, range, x, rh, temp);
  const forecasts = others.flatMap((o) => {
    const f = featuresAt(o.short, asOf, time);
    return f ? [forecast(pool.learning, f)] : [];
  });
  if (Number.isNaN(base) || forecasts.length === 0) return;
  const field = forecasts.reduce((a, b) => a + b, 0) / forecasts.length;
  const residual = residualOf(y, base);
  pool.besideXy = 0.999 * pool.besideXy + field * residual;
  pool.besideXx = 0.999 * pool.besideXx + field * field;
  const numbers = consensusOf(pool.spread);
  series.neighbour ??= { gain: newGain(), scores: newScores() };
  let told = base + field * besideSlope(pool) * (KNEE + Math.max(0, base));
  let left = Math.sqrt(numbers.boxVariance);
  if (m.settings.consensus) {
    ({ y: told, left } = consent(series.neighbour.gain, told, time + m.s.delay, m.around(state), heardFor(m), numbers));
  }
  const age = ageFactor(state.since, time);
  keep(series.neighbour.scores, (y - told) / (age * startScale('L4', told, 0, left)), told);
}

/** Of the boxes near a station so many are judged one by one. */
const JUDGED = 4;
/** Farther boxes stand in other air [km]. */
const LONE_KM = 1;

/** The same for boxes near a station, where none stands beside one. */
export function learnNear(m: Memory, series: Series, time: EpochMs, asOf: EpochMs, y: number, mean: StepMean): void {
  const pool = m.pool(series.pool);
  compare(pool, m.settings, series.station, time, y, mean.x, mean.rh, mean.temp, m.step);
  if (!pool.pooled) return;
  const { betas, range, without } = solutionAt(pool.pooled, series.station);
  const field = fieldWithout(m, series, asOf, time);
  const km = field?.nearestKm ?? Infinity;
  const numbers = consensusOf(pool.spread);
  const bare = Math.sqrt(numbers.boxVariance);
  for (const id of series.boxes.slice(0, JUDGED)) {
    const box = m.s.boxes.get(id);
    if (!box?.history || box.indoor) continue;
    const one = stepMean(box.history, time, m.step);
    if (!one) continue;
    const alone = applyBetas(without ?? betas, range, one.x, one.rh, one.temp);
    if (Number.isNaN(alone)) continue;
    const age = ageFactor(box.since, time);
    keep(series.scores.L3, (y - alone) / (age * startScale('L3', alone, Infinity, bare)), alone);
    if (!field || km >= 20) continue;
    let moved = alone + field.value * fieldSlope(pool) * (KNEE + Math.max(0, alone));
    let left = bare;
    // As it is answered: without what the boxes around have shown to be the box's own.
    if (m.settings.consensus) {
      ({ y: moved, left } = consented(box.gain, moved, time + m.s.delay, m.around(box), heardFor(m), numbers));
    }
    keep(series.scores.L4, (y - moved) / (age * startScale('L4', moved, km, left)), moved);
  }
}

/** Makes the intervals of boxes without station anew, now and then. */
export function settlePlaces(m: Memory): void {
  const byPool = Map.groupBy(m.s.series, (s) => s.pool);
  for (const [key, list] of byPool) {
    const pool = m.pool(key);
    if (pool.waited++ % 6 !== 0) continue;
    // Scores are of young boxes' scales.
    const ages = list.flatMap((s) => m.s.boxes.get(s.boxes[0] ?? '') ?? []).map((b) => ageFactor(b.since, m.s.newest));
    const young = ages.reduce((sum, age) => sum + 1 / age ** 2, 0) / Math.max(1, ages.length);
    for (const level of ['L4', 'L3'] as const) {
      const places = list.map((s) => s.scores[level]).filter(isKnown);
      const least = young * gainsInScores(places, level, pool.spread.box);
      if (places.length > 0) pool.places[level] = intervalForNewPlace(places, OTHER_PLACES, least);
    }
    const beside = list.flatMap((s) => s.neighbour?.scores ?? []).filter((s) => s.values.length >= 24);
    if (beside.length > 0) pool.places.beside = intervalForNewPlace(beside, SAME_PLACE);
  }
}

type AtStations = ReadonlyMap<string, StationBoxes>;

/** The regression of this hour, of each zone by itself. */
export function stepNetwork(m: Memory, key: string, time: EpochMs, stations: AtStations): void {
  fade(m.pool(key).lone);
  for (const [zone, list] of Map.groupBy(stations, ([name]) => m.region(name)))
    stepZone(m, key, time, zone, new Map(list));
}

function stepZone(m: Memory, key: string, time: EpochMs, zone: string, stations: AtStations): void {
  const pool = m.pool(key);
  const on = pool.pooled ? 'pooled' : 'raw';
  const steps: StationStep[] = [];
  for (const [name, at] of stations) {
    const spot = m.s.stations.get(name) as StationState;
    const here = pool.pooled && solutionAt(pool.pooled, name);
    const mean = airAt(at, pool.spread);
    const x = here ? applyBetas(here.betas, here.range, mean.x, mean.rh, mean.temp) : mean.x;
    if (!Number.isNaN(x)) steps.push({ station: name, spot: { lat: spot.lat, lon: spot.lon }, x, y: at.y, weight: 1 });
  }
  if (steps.length < MIN_STATIONS) {
    pool.networks.delete(zone);
    return;
  }
  const network = fitNetwork(steps, time, on, key);
  if (!network) return;
  // How well it does at stations it has not seen: by station, for the interval and for choosing between the two ways.
  const seen = m.s.series.flatMap((series) => {
    const at = series.pool === key ? stations.get(series.station) : undefined;
    return at ? [atStation(m, pool, series, steps, network, time, at.y)] : [];
  });
  const said = seen.map(({ boxes }) => witnesses(boxes.filter((b) => b.km <= LONE_KM).slice(0, JUDGED)));
  learnLone(pool.lone, said);
  const quantiles = (pool.quantiles.network ??= newQuantiles(POOL_SCORES));
  const scores: number[] = [];
  const left = Math.sqrt(consensusOf(pool.spread).boxVariance);
  seen.forEach(({ series, km, y, boxes }, i) => {
    const share = shareOfBox(pool.lone, said[i]);
    for (const box of boxes) {
      const told = shifted(box.told, -share * box.out);
      if (told > 3 * box.x + 20) continue;
      scores.push((y - told) / (box.age * startScale('L4', told, km, left)));
      if (series.kind === 'own') pool.quiet.network += SPEED * ((told - y) ** 2 - pool.quiet.network);
    }
    if (series.kind === 'own') pool.quiet.n++;
  });
  trackStep(quantiles, scores);
  const card = nameModel({
    kind: 'network',
    subject: key,
    madeAt: time,
    from: time,
    to: time + m.step,
    pairs: steps.length,
    stations: network.stations,
    coefficients: { line: [network.intercept, network.slope], logRatio: network.logRatios },
    scale: 0,
    live: {},
    guards: [],
  });
  pool.networks.set(zone, { network, id: card.id });
  m.s.cards.push(card);
}

/** What the network that has not seen a station would have told the boxes there. */
function atStation(
  m: Memory,
  pool: PoolState,
  series: Series,
  steps: readonly StationStep[],
  network: Network,
  time: EpochMs,
  y: number,
): { series: Series; km: number; y: number; boxes: Told[] } {
  const boxes: Told[] = [];
  const without = fitNetwork(steps, time, network.on, series.pool, series.station);
  const station = m.s.stations.get(series.station) as StationState;
  const ratio = without ? ratioAt(without, station, m.settings) : null;
  const here = pool.pooled && solutionAt(pool.pooled, series.station);
  const gone = series.kind === 'own' ? 0 : townOf(m, pool, series.station);
  for (const id of without ? series.boxes : []) {
    const box = m.s.boxes.get(id);
    const h = box?.history;
    const found = h && stepMean(h, time, m.step);
    if (!found || !without || !ratio) continue;
    const mean = gone === 0 ? found : { ...found, x: undrifted(found.x, gone) };
    const input = here ? applyBetas(here.betas, here.range, mean.x, mean.rh, mean.temp) : mean.x;
    if (Number.isNaN(input)) continue;
    const told = applyNetwork(without, input, ratio.value, 1);
    const middle = stepMiddle(h, time, m.step);
    // Of a box beside its station the ratio is kept for what its own fit says.
    const out = series.kind === 'own' ? 0 : standsOut(without, input, middle, box.gain);
    const km = Number.isNaN(middle) ? Infinity : spotDistance(station, box.box);
    const age = ageFactor(box.since, time);
    boxes.push({ age, x: mean.x, told, out, error: logOf(told) - persistent(box.gain) - logOf(y), km });
  }
  return { series, km: ratio?.nearestKm ?? Infinity, y, boxes };
}

interface Told {
  /** Of the box, as a factor of its scale (`age.ts`). */
  readonly age: number;
  readonly x: number;
  readonly told: number;
  readonly out: number;
  readonly error: number;
  /** To the station; Infinity = neighbours of the box have not been heard. */
  readonly km: number;
}

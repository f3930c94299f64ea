/** What each pair teaches about forecasts, ways to answer and intervals, judged only by what was known before it. */
import type { CorrectionLevel } from '../../model/observation.ts';
import type { EpochMs } from '../../model/time.ts';
import { fieldSlope, fieldWithout } from './field.ts';
import { lowerBound, stepMean, type StepMean } from './history.ts';
import { KNEE, residualOf, SPEED, type BoxState, type Memory, type PoolState, type Series } from './memory.ts';
import { nameModel } from './models.ts';
import { applyNetwork, fitNetwork, MIN_STATIONS, ratioAt, type StationStep } from './network.ts';
import { applyBetas } from './pooled.ts';
import { barkjohn2021 } from './published.ts';
import type { StationState } from './reference.ts';
import { featuresAt, learn } from './short_term.ts';
import { newQuantiles, POOL_SCORES, startScale, tailForNewPlace, track } from './uncertainty.ts';

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
): void {
  const { x, rh, temp } = mean;
  pool.noise += 0.005 * (residual * residual - pool.noise);
  const features = featuresAt(series.short, asOf, time);
  if (features) learn(pool.learning, features, residual, time, 1);
  // As if the box had no station: the pooled model that has not seen it, and the field of the others.
  const pooled = pool.pooled;
  let alone = NaN;
  if (pooled) {
    alone = applyBetas(pooled.without[series.station] ?? {}, pooled.range, m.settings, x, rh, temp);
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
    const own = series.own && pooled ? applyBetas(series.own.betas, pooled.range, m.settings, x, rh, temp) : NaN;
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
    for (let i = lowerBound(h.time, time); i < h.time.length && (h.time[i] as number) < time + m.step; i++) {
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
}

export function stepNetwork(
  m: Memory,
  key: string,
  time: EpochMs,
  stations: ReadonlyMap<string, { x: number; y: number; own: boolean; mean: StepMean }>,
): void {
  const pool = m.pool(key);
  const on = pool.pooled ? 'pooled' : 'raw';
  const steps: StationStep[] = [];
  for (const [name, at] of stations) {
    const spot = m.s.stations.get(name) as StationState;
    const pooled = pool.pooled;
    const x = pooled ? applyBetas(pooled.betas, pooled.range, m.settings, at.mean.x, at.mean.rh, at.mean.temp) : at.x;
    if (!Number.isNaN(x)) steps.push({ station: name, spot: { lat: spot.lat, lon: spot.lon }, x, y: at.y, weight: 1 });
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
  for (const series of m.s.series) {
    if (series.pool !== key) continue;
    const at = stations.get(series.station);
    if (!at) continue;
    const without = fitNetwork(steps, time, on, key, series.station);
    if (!without) continue;
    const station = m.s.stations.get(series.station) as StationState;
    const ratio = ratioAt(without, station, m.settings);
    for (const id of series.boxes) {
      const h = m.s.boxes.get(id)?.history;
      const mean = h && stepMean(h, time, m.step);
      if (!mean) continue;
      const x = pool.pooled
        ? applyBetas(pool.pooled.betas, pool.pooled.range, m.settings, mean.x, mean.rh, mean.temp)
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
    to: time + m.step,
    pairs: steps.length,
    stations: network.stations,
    coefficients: { line: [network.intercept, network.slope], logRatio: network.logRatios },
    scale: 0,
    live: {},
    guards: [],
  });
  pool.networkId = card.id;
  m.s.cards.push(card);
}

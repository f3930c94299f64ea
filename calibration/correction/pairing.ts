/** Pairs of box and reference, made when the time of a reference value has come. */
import type { EpochMs } from '../../model/time.ts';
import { townOf, undrifted } from './common_drift.ts';
import { refreshField } from './field.ts';
import { middleOf, stepMean, type StepMean } from './history.ts';
import { learnFrom, learnNear, settlePlaces, stepNetwork } from './learning.ts';
import { baseOf } from './levels.ts';
import { KNEE, residualOf, type BoxState, type Memory, type Series } from './memory.ts';
import type { StationBoxes } from './network.ts';
import type { StationState } from './reference.ts';
import { follow, relearn } from './short_term.ts';

/** A reference so many times (KNEE + ŷ) away is odd; so many in a row are not. */
const ODD = 1;
const ODD_RUN = 3;

/** Takes in the reference values whose time has come, oldest first, all stations of one time together. */
export function takeIn(m: Memory, now: EpochMs): void {
  const ready: { time: EpochMs; station: StationState; y: number }[] = [];
  for (const station of m.s.stations.values()) {
    if (station.pending.length === 0) continue;
    const rest: { time: EpochMs; y: number }[] = [];
    for (const p of station.pending) {
      const time = p.time + station.clockMs;
      // Never before the label says it could be known, wherever the repaired clock puts it.
      if (Math.max(p.time, time) + m.step + m.lag > now) rest.push(p);
      else if (time < m.fitUntil) ready.push({ time, station, y: p.y });
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
    pairStep(m, time, step);
    if (time > m.s.newest) {
      m.s.newest = time;
      m.s.delay = now - time;
    }
  }
  refreshField(m);
  settlePlaces(m);
}

/** What the boxes of a series showed in a step. */
function meansOf(m: Memory, series: Series, time: EpochMs): StepMean[] {
  if (series.kind === 'own' && (time < series.from || time >= series.to)) return [];
  const means: StepMean[] = [];
  for (const id of series.boxes) {
    const box = m.s.boxes.get(id);
    const h = series.kind === 'near' && box?.indoor ? null : box?.history;
    const mean = h ? stepMean(h, time, m.step) : null;
    if (mean && (series.kind === 'own' || mean.x > 0)) means.push(mean);
  }
  return means;
}

function pairOf(series: Series, means: readonly StepMean[]): StepMean | null {
  return series.kind === 'own' ? (means[0] ?? null) : means.length < 2 ? null : middleOf(means);
}

function pairStep(m: Memory, time: EpochMs, reference: ReadonlyMap<string, number>): void {
  const pending: { series: Series; residual: number; base: number }[] = [];
  // Types of which no box stands beside a station of a zone learn from those near one.
  const ownSeries = m.s.series.filter((s) => s.kind === 'own');
  const beside = new Set(ownSeries.map((s) => `${s.pool}\n${m.region(s.station)}`));
  const atStation = Map.groupBy(ownSeries, (s) => `${s.pool}\n${s.station}`);
  const asOf = time - m.s.delay;
  const dense = new Map<string, Map<string, StationBoxes>>();
  for (const series of m.s.series) {
    const y = reference.get(series.station);
    if (y === undefined) continue;
    const means = meansOf(m, series, time);
    const mean = pairOf(series, means);
    if (!mean) continue;
    if (series.time.length > 0 && time <= (series.time.at(-1) as number)) continue;
    const pool = m.pool(series.pool);
    const state = m.s.boxes.get(series.boxes[0] as string) as BoxState;
    const { x, rh, temp } = mean;
    const base = baseOf(m, state, series.kind === 'own' ? series : null, x, rh, temp);
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
    let there = byStation.get(series.station);
    if (!there) byStation.set(series.station, (there = { y, beside: [], near: [] }));
    const gone = series.kind === 'own' ? 0 : townOf(m, pool, series.station);
    const sensed = gone === 0 ? means : means.map((v) => ({ ...v, x: undrifted(v.x, gone) }));
    there[series.kind === 'own' ? 'beside' : 'near'].push(...sensed);
    if (Number.isNaN(base.y)) continue;
    const residual = residualOf(y, base.y);
    pending.push({ series, residual, base: base.y });
    if (series.kind === 'own') {
      const others = (atStation.get(`${series.pool}\n${series.station}`) ?? []).filter(
        (s) => s.boxes[0] !== series.boxes[0],
      );
      learnFrom(m, series, state, pool, time, asOf, y, mean, residual, base.y, others);
    } else if (!beside.has(`${series.pool}\n${m.region(series.station)}`)) learnNear(m, series, time, asOf, y, mean);
  }
  for (const { series, residual, base } of pending) {
    // An hour of maintenance must not be carried into the next ones.
    const limit = Math.max(0.25, 3 * Math.sqrt(series.spread));
    const held = Math.min(limit, Math.max(-limit, residual));
    follow(series.short, time, held, m.step, m.s.delay, base);
    series.spread += 0.02 * (held * held - series.spread);
  }
  for (const [key, stations] of dense) stepNetwork(m, key, time, stations);
  // What is foretold over a long delay errs alike for as long.
  const alike = Math.max(m.settings.correlatedPairs, m.s.delay / m.step);
  for (const pool of m.s.pools.values()) {
    const noise = Math.sqrt(alike * pool.noise);
    relearn(pool.learning, noise, m.s.delay);
    relearn(pool.ownLearning, noise, m.s.delay);
  }
}

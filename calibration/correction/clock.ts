/**
 * Finds a reference clock that is off: the lag at which the station fits the boxes beside it best. Done before anything is fitted,
 * because a few hours of clock error cost more than any choice of model gains (calibration note §0.11).
 *
 * A lag is believed only on evidence by days: the regression's squared error must fall by 4 % and the daily gains must be
 * consistent (t ≥ 3.5 over at least 5 days), which a chance maximum among fifty lags does not reach; where a quarter of the error goes,
 * it is enough that the days agree each by its own error.
 */
import { DAY, HOUR, type EpochMs } from '../../model/time.ts';
import { lowerBound, type History } from './history.ts';
import { median } from './linear.ts';

const RANGE_MS = 14 * HOUR;
const MIN_DAYS = 5;
const MIN_PAIRS = 80;
const MIN_GAIN = 0.04;
const MIN_T = 3.5;
/** A week of smoke makes daily gains so unequal that none is sure; where much is gained, each day's share of its own error counts as well. */
const LARGE = { gain: 0.25, t: 4, days: 6 };
const SMOOTH = 1.08;
const MAX_UNEXPLAINED = 0.7;
/** Least height of a lone jump [µg/m³]. */
const JUMP = 10;

export interface ClockFinding {
  /** To be added to the station's labels [ms]. */
  readonly lagMs: number;
  readonly gain: number;
  readonly t: number;
  readonly days: number;
}

interface Scan {
  /** Squared error by day. */
  readonly byDay: Map<number, number>;
  readonly total: number;
  /** The same without any regression: variance of the station. */
  readonly variance: number;
}

/**
 * @param time labels of the station, ascending
 * @param current the correction in force; another lag has to beat that one
 */
export function scanClock(
  time: readonly EpochMs[],
  reference: readonly number[],
  histories: readonly History[],
  stepMs: number,
  current: number,
  since: EpochMs,
): ClockFinding | null {
  const from = lowerBound(time, since);
  const y = [...reference.slice(0, from), ...despike(reference.slice(from))];
  if (time.length - from < (stepMs >= DAY / 2 ? 20 : MIN_PAIRS)) return null;
  const fine = histories.some((h) => h.interval > 0 && h.interval <= stepMs / 3);
  const daily = stepMs >= DAY / 2;
  const grid = daily ? stepMs : stepMs / 2;
  const range = daily ? 2 * stepMs : RANGE_MS;
  const boxes = histories.map((h) => toGrid(h, stepMs));
  const base = scan(time, y, from, boxes, stepMs, current);
  if (!base) return null;
  let best: { lag: number; scan: Scan; cost: number } | null = null;
  for (let lag = -range; lag <= range; lag += grid) {
    if (lag === current) continue;
    const s = scan(time, y, from, boxes, stepMs, lag);
    // Boxes that hardly follow the station tell nothing of its clock.
    if (!s || s.total > MAX_UNEXPLAINED * s.variance) continue;
    // Half steps of slow boxes are means of two readings: smoother, and so a better fit at any lag. That must be beaten.
    const cost = !fine && Math.abs(lag - current) % stepMs !== 0 ? s.total * SMOOTH : s.total;
    if (!best || cost < best.cost) best = { lag, scan: s, cost };
  }
  if (!best || !(best.cost < (1 - MIN_GAIN) * base.total)) return null;
  const gains: number[] = [];
  const shares: number[] = [];
  for (const [day, sse] of base.byDay) {
    const other = best.scan.byDay.get(day);
    if (other === undefined) continue;
    gains.push(sse - other);
    shares.push((sse - other) / (sse + other + 1e-12));
  }
  if (gains.length < (daily ? 20 : MIN_DAYS)) return null;
  const gain = 1 - best.scan.total / base.total;
  const [t, even] = [certainty(gains), certainty(shares)];
  if (t < MIN_T && !(gain > LARGE.gain && even > LARGE.t && gains.length >= LARGE.days)) return null;
  return { lagMs: best.lag, gain, t: Math.max(t, even), days: gains.length };
}

/** Student's t of a mean above zero. */
function certainty(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1);
  return mean / Math.sqrt(variance / values.length + 1e-12);
}

interface Grid {
  readonly start: number;
  readonly binMs: number;
  /** √x per bin: peaks must not decide alone. */
  readonly x: Float64Array;
}

function toGrid(h: History, stepMs: number): Grid {
  const { binMs } = h;
  const start = h.time[0] ?? 0;
  const n = h.time.length === 0 ? 0 : ((h.time.at(-1) as number) - start) / binMs + 1;
  const x = new Float64Array(n).fill(NaN);
  const spread = Math.max(1, Math.min(Math.round(stepMs / binMs), Math.round(h.interval / binMs)));
  h.time.forEach((t, i) => {
    const value = Math.sqrt(Math.max(0, (h.x[i] as number) / (h.count[i] as number)));
    const at = (t - start) / binMs;
    // A slow reading stands for the bins until the next one.
    x[at] = value;
    for (let k = 1; k < spread && at + k < n; k++) x[at + k] = value;
  });
  return { start, binMs, x };
}

function scan(
  time: readonly number[],
  y: readonly number[],
  from: number,
  boxes: readonly Grid[],
  stepMs: number,
  lag: number,
): Scan | null {
  const days: number[] = [];
  const xs: number[] = [];
  const ys: number[] = [];
  let variance = 0;
  const byDay = new Map<number, number>();
  let total = 0;
  for (const box of boxes) {
    days.length = xs.length = ys.length = 0;
    const per = Math.max(1, Math.round(stepMs / box.binMs));
    for (let i = from; i < time.length; i++) {
      const at = Math.round(((time[i] as number) + lag - box.start) / box.binMs);
      if (at < 0 || at + per > box.x.length) continue;
      let sum = 0;
      let n = 0;
      for (let k = 0; k < per; k++) {
        const v = box.x[at + k] as number;
        if (!Number.isNaN(v)) {
          sum += v;
          n++;
        }
      }
      if (n < 0.74 * per) continue;
      xs.push(sum / n);
      ys.push(Math.sqrt(Math.max(0, y[i] as number)));
      days.push(Math.floor((time[i] as number) / DAY));
    }
    const n = xs.length;
    if (n < 20) continue;
    let mx = 0;
    let my = 0;
    for (let i = 0; i < n; i++) {
      mx += xs[i] as number;
      my += ys[i] as number;
    }
    mx /= n;
    my /= n;
    let sxx = 0;
    let sxy = 0;
    for (let i = 0; i < n; i++) {
      sxx += ((xs[i] as number) - mx) ** 2;
      sxy += ((xs[i] as number) - mx) * ((ys[i] as number) - my);
    }
    // A lag that only fits with the sign turned is no fit.
    const slope = sxx > 0 ? Math.max(0, sxy / sxx) : 0;
    for (let i = 0; i < n; i++) {
      const r = (ys[i] as number) - my - slope * ((xs[i] as number) - mx);
      variance += ((ys[i] as number) - my) ** 2 / n;
      const e = (r * r) / n;
      total += e;
      const day = days[i] as number;
      byDay.set(day, (byDay.get(day) ?? 0) + e);
    }
  }
  return byDay.size === 0 ? null : { byDay, total, variance };
}

/**
 * Lone jumps put back to the middle of five: an hour of maintenance must not hide what all other hours say. Only jumps: a
 * median everywhere would make the station smoother, and smooth means of two readings the better fit.
 */
function despike(y: readonly number[]): number[] {
  const middles = y.map((_, i) => median(y.slice(Math.max(0, i - 2), i + 3)));
  const usual = median(y.map((v, i) => Math.abs(v - (middles[i] as number))).filter((d) => d > 0));
  const jump = Math.max(JUMP, 10 * (Number.isNaN(usual) ? 0 : usual));
  return y.map((v, i) => (Math.abs(v - (middles[i] as number)) > jump ? (middles[i] as number) : v));
}

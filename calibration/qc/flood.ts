/**
 * Water on the street, by the rules of calibration note §6.1: a depth of 10 cm in two readings running (one is enough when a neighbour or rain
 * agrees), a second level at 30 cm, a rise of 5 cm in ten minutes, and an end with hysteresis. A jump that nothing supports still alerts, as
 * "unconfirmed": a missed flood costs more than a false alarm. Pure; a few numbers a gauge.
 */
import type { EpochMs } from '../../model/time.ts';

export const FLOOD = {
  /** Depths of the levels [m]: WRA counts floods from 10 cm; 30 cm stops cars. */
  levels: [0.1, 0.3],
  /** Rain that agrees with water [mm/h]. */
  rain: 10,
  /** Rise [m] within `riseMs` that alerts below the first level. */
  rise: 0.05,
  riseMs: 10 * 60_000,
  /** Falls below a level less this [m] for `clearMs` before the level is over. */
  hysteresis: 0.03,
  clearMs: 30 * 60_000,
  /** A reading after a longer silence does not count as "running" [ms]. */
  maxGapMs: 60 * 60_000,
} as const;

export interface FloodState {
  /** 0 = dry, 1 = from 10 cm, 2 = from 30 cm. */
  level: 0 | 1 | 2;
  confirmed: boolean;
  /** Last reading. */
  time: EpochMs;
  depth: number;
  /** Lowest depth of about the last ten minutes, and when. */
  lowTime: EpochMs;
  low: number;
  /** Since when the depth is below the level in force less the hysteresis; NaN = it is not. */
  belowSince: EpochMs;
}

export const newFlood = (): FloodState => ({
  level: 0,
  confirmed: false,
  time: NaN,
  depth: NaN,
  lowTime: NaN,
  low: NaN,
  belowSince: NaN,
});

export interface FloodReading {
  readonly time: EpochMs;
  /** Depth above the dry street [m]. */
  readonly depth: number;
  /** Whether QC doubts the value (a jump that nothing supports). */
  readonly doubted: boolean;
  /** A gauge nearby also has water, or it rains by `FLOOD.rain` or more. */
  readonly supported: boolean;
}

export type FloodChange =
  | { readonly kind: 'flood'; readonly level: 1 | 2; readonly confirmed: boolean }
  | { readonly kind: 'flood-rising'; readonly by: number }
  | { readonly kind: 'flood-over' };

const levelOf = (depth: number): 0 | 1 | 2 => (depth >= FLOOD.levels[1] ? 2 : depth >= FLOOD.levels[0] ? 1 : 0);

/** Takes in one reading and says what has changed by it; older readings than the last change nothing. */
export function floodStep(state: FloodState, reading: FloodReading): FloodChange[] {
  const { time, depth, doubted, supported } = reading;
  if (!Number.isFinite(depth) || time <= state.time) return [];
  const changes: FloodChange[] = [];
  const running = time - state.time <= FLOOD.maxGapMs;
  const before = running ? levelOf(state.depth) : 0;
  const now = levelOf(depth);

  // Two readings running reach the lower of their two levels; support makes one enough; a doubted one alerts unconfirmed.
  const reached = supported ? now : (Math.min(before, now) as 0 | 1 | 2);
  const target = Math.max(reached, doubted && now > 0 ? now : 0) as 0 | 1 | 2;
  const confirmed = reached >= target;
  if (target > state.level || (target > 0 && target === state.level && confirmed && !state.confirmed)) {
    state.level = target;
    state.confirmed = confirmed;
    changes.push({ kind: 'flood', level: target as 1 | 2, confirmed });
  }

  if (!running || Number.isNaN(state.low) || depth <= state.low || time - state.lowTime > FLOOD.riseMs) {
    // Slower gauges are judged by their rise per ten minutes.
    const rose = running ? (depth - state.low) * Math.min(1, FLOOD.riseMs / (time - state.lowTime)) : 0;
    if (state.level === 0 && rose >= FLOOD.rise) changes.push({ kind: 'flood-rising', by: rose });
    state.low = depth;
    state.lowTime = time;
  } else if (state.level === 0 && depth - state.low >= FLOOD.rise) {
    changes.push({ kind: 'flood-rising', by: depth - state.low });
    state.low = depth;
    state.lowTime = time;
  }

  if (state.level > 0) {
    const floor = (FLOOD.levels[state.level - 1] as number) - FLOOD.hysteresis;
    if (depth >= floor) state.belowSince = NaN;
    else if (Number.isNaN(state.belowSince)) state.belowSince = time;
    else if (time - state.belowSince >= FLOOD.clearMs) {
      state.level = levelOf(depth + FLOOD.hysteresis);
      if (state.level === 0) {
        state.confirmed = false;
        changes.push({ kind: 'flood-over' });
      } else changes.push({ kind: 'flood', level: state.level, confirmed: state.confirmed });
      state.belowSince = NaN;
    }
  }
  state.time = time;
  state.depth = depth;
  return changes;
}

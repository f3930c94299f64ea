/**
 * Two kinds of pooled model are fitted each night, with and without growth of particles in humid air, and judged by pairs of later
 * days at stations they have not seen. The other one takes over when it is clearly and consistently better (calibration note §8.3).
 */
import { DAY, type EpochMs } from '../../model/time.ts';
import type { PoolState } from './memory.ts';
import { varianceWeight } from './pooled.ts';
import type { CorrectionSettings } from './settings.ts';
import { applyBetas, solutionAt, type PooledModel } from './solution.ts';
import { addToTrial } from './trial.ts';

export interface DayOfContest {
  readonly day: number;
  /** Weighted squared errors. */
  mine: number;
  other: number;
}

const DAYS = 28;
const LEAST_DAYS = 5;
/** The challenger's squared error may be at most this part: 0.97 of the error. */
const MUCH_BETTER = 0.97 ** 2;
/** One-sided 90 % of Student's t for few days. */
const SURE = 1.5;

/** Its answer at this station, from the solution that has not seen the station where there is one. */
function answer(model: PooledModel, station: string, x: number, rh: number, temp: number): number {
  const { betas, range, without } = solutionAt(model, station);
  return applyBetas(model.stations.length > 1 ? (without ?? {}) : betas, range, x, rh, temp);
}

export function compare(
  pool: PoolState,
  settings: CorrectionSettings,
  station: string,
  time: EpochMs,
  y: number,
  x: number,
  rh: number,
  temp: number,
  step: number,
): void {
  if (!pool.pooled) return;
  const force = answer(pool.pooled, station, x, rh, temp);
  if (Number.isNaN(force)) return;
  const weight = varianceWeight(x, settings);
  for (const trial of [pool.shadow, pool.former]) {
    const beside = trial ? answer(trial.model, station, x, rh, temp) : NaN;
    if (trial && !Number.isNaN(beside))
      addToTrial(trial, time, step, weight * (force - y) ** 2, weight * (beside - y) ** 2);
  }
  if (!pool.rival) return;
  // Of the same night, where that one still runs in the shadow.
  const mine = pool.shadow ? answer(pool.shadow.model, station, x, rh, temp) : force;
  const other = answer(pool.rival, station, x, rh, temp);
  if (Number.isNaN(mine) || Number.isNaN(other)) return;
  const day = Math.floor(time / DAY);
  let at = pool.contest.find((d) => d.day === day);
  if (!at) {
    pool.contest.push((at = { day, mine: 0, other: 0 }));
    if (pool.contest.length > DAYS) pool.contest.shift();
  }
  at.mine += weight * (mine - y) ** 2;
  at.other += weight * (other - y) ** 2;
}

/** Whether the other kind takes over from tonight: it has run beside this one for days. */
export function decide(pool: PoolState): boolean {
  const { contest } = pool;
  const n = contest.length;
  if (n < LEAST_DAYS) return false;
  let [mine, other] = [0, 0];
  for (const d of contest) {
    mine += d.mine;
    other += d.other;
  }
  if (other > MUCH_BETTER * mine) return false;
  const mean = (mine - other) / n;
  const variance = contest.reduce((sum, d) => sum + (d.mine - d.other - mean) ** 2, 0) / (n - 1);
  if (mean < SURE * Math.sqrt(variance / n)) return false;
  pool.growth = !pool.growth;
  for (const d of contest) [d.mine, d.other] = [d.other, d.mine];
  return true;
}

/**
 * A newly fitted model runs for a day in the shadow of the one in force: both answer every pair that comes, at stations they have not seen,
 * and the newer one takes over only when it did no worse (calibration note §8.3). The one that was replaced is watched for a week longer:
 * when the new one turns out a fifth worse than it, it comes back. All in data time, so that a backtest and a recomputation decide alike.
 */
import { DAY, HOUR, type EpochMs } from '../../model/time.ts';

/** Weighted squared errors of the model in force and of the other one, over a piece of time. */
export interface TrialBlock {
  readonly at: number;
  force: number;
  other: number;
  pairs: number;
}

export interface Trial<Model> {
  readonly model: Model;
  /** Since when it has run beside the one in force. */
  readonly since: EpochMs;
  readonly blocks: TrialBlock[];
}

export const TRIAL = {
  /** A shadow run lasts so long [ms]; nights are not always exactly a day apart. */
  lasts: DAY - HOUR,
  /** And so many pairs, or as many days more. */
  pairs: 12,
  longest: 4 * DAY,
  /** Errors of neighbouring hours are alike: so many of them are one piece of evidence [ms]. */
  block: 6 * HOUR,
  /** The newer fit of the same kind takes over when its error is at most this part of that of the one in force. */
  atMost: 1,
  /** Until a type has so many days of pairs every night teaches more than a day in the shadow could: taken at once. */
  young: 14,
  /** The model before is watched for so long after it was replaced [ms] … */
  watched: 7 * DAY,
  /** … and comes back when the new one's error is this much larger (calibration note §8.3), over two days and more, … */
  worse: 1.2,
  least: 2 * DAY,
  /** … and blocks agree: one-sided 95 % of Student's t. */
  sure: 1.7,
} as const;

export const newTrial = <Model>(model: Model, since: EpochMs): Trial<Model> => ({ model, since, blocks: [] });

/** Takes in one pair: squared errors, weighted alike. */
export function addToTrial(trial: Trial<unknown>, time: EpochMs, step: number, force: number, other: number): void {
  const at = Math.floor(time / Math.max(TRIAL.block, step));
  let block = trial.blocks.at(-1);
  if (block?.at !== at) trial.blocks.push((block = { at, force: 0, other: 0, pairs: 0 }));
  block.force += force;
  block.other += other;
  block.pairs++;
}

export interface TrialErrors {
  readonly pairs: number;
  /** Root mean squares, weighted; NaN without pairs. */
  readonly force: number;
  readonly other: number;
}

export function trialErrors({ blocks }: Trial<unknown>): TrialErrors {
  let [pairs, force, other] = [0, 0, 0];
  for (const b of blocks) {
    pairs += b.pairs;
    force += b.force;
    other += b.other;
  }
  return { pairs, force: Math.sqrt(force / pairs), other: Math.sqrt(other / pairs) };
}

/** What becomes of a model in the shadow at `now`; null = it goes on running there. */
export function verdict(trial: Trial<unknown>, now: EpochMs): 'promoted' | 'declined' | null {
  const age = now - trial.since;
  const { pairs, force, other } = trialErrors(trial);
  if (age < TRIAL.lasts || (pairs < TRIAL.pairs && age < TRIAL.longest)) return null;
  // No reference came: nothing speaks against it.
  return pairs === 0 || other <= TRIAL.atMost * force ? 'promoted' : 'declined';
}

/** Whether the model that was replaced does so much better than the one in force that it has to come back. */
export function comesBack(trial: Trial<unknown>, now: EpochMs): boolean {
  const { blocks } = trial;
  const { pairs, force, other } = trialErrors(trial);
  if (now - trial.since < TRIAL.least || pairs < 2 * TRIAL.pairs || blocks.length < 3) return false;
  if (force < TRIAL.worse * other) return false;
  const n = blocks.length;
  const mean = blocks.reduce((sum, b) => sum + (b.force - b.other) / b.pairs, 0) / n;
  const variance = blocks.reduce((sum, b) => sum + ((b.force - b.other) / b.pairs - mean) ** 2, 0) / (n - 1);
  return mean > TRIAL.sure * Math.sqrt(variance / n);
}

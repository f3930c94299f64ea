/**
 * The products *revised* and *archive*, made without anybody asking: which spans are due, and the state in which each was left. Runs in a thread of
 * its own (recompute-thread.ts), one job at a time, each as large as an hour or a day of data, never more than `maxRows`.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { DAY, HOUR, MINUTE, type EpochMs } from '../model/time.ts';
import { LEAD_IN, type RecomputeState } from './recompute.ts';
import type { Product } from './revisions.ts';

export interface ProductJob {
  readonly name: 'revised' | 'archive' | 'vintage';
  readonly product: Exclude<Product, 'live'>;
  /** Length of a span; spans begin at multiples of it (UTC). */
  readonly step: number;
  /** How long after its end a span is run: what came in meanwhile is in it. */
  readonly delay: number;
  /** A span with more rows is left as it is: another machine has to do it. */
  readonly maxRows: number;
}

/** Calibration note §8.6: revised in the next hour, archive a day later, once more after thirty days. */
export const PRODUCTS: readonly ProductJob[] = [
  // One hour for the readings that confirm, ten minutes for late ones.
  { name: 'revised', product: 'revised', step: HOUR, delay: HOUR + 10 * MINUTE, maxRows: 2_000_000 },
  { name: 'archive', product: 'archive', step: DAY, delay: 5 * HOUR, maxRows: 40_000_000 },
  { name: 'vintage', product: 'archive', step: DAY, delay: 30 * DAY, maxRows: 40_000_000 },
];

/** Rows that a first run may read to learn from. */
const MAX_LEAD_ROWS = 60_000_000;
const LEADS = [LEAD_IN, 14 * DAY, 7 * DAY, 2 * DAY, DAY];

export interface DueSpan {
  readonly job: ProductJob;
  readonly from: EpochMs;
  readonly to: EpochMs;
}

/** The next span of a job. @param doneTo end of the last span that was done or passed over; NaN = none yet. */
export function nextSpan(job: ProductJob, doneTo: EpochMs, now: EpochMs): DueSpan | null {
  const latest = Math.floor((now - job.delay) / job.step) * job.step;
  const from = Number.isNaN(doneTo) ? latest - job.step : doneTo;
  return from + job.step <= latest ? { job, from, to: from + job.step } : null;
}

/** The longest lead-in whose rows can be read. */
export async function leadFor(from: EpochMs, count: (from: EpochMs, to: EpochMs) => Promise<number>): Promise<number> {
  for (const lead of LEADS) if ((await count(from - lead, from)) <= MAX_LEAD_ROWS) return lead;
  return DAY;
}

interface Saved {
  /** End of the last span done or passed over. */
  readonly doneTo: EpochMs;
  /** Of the program that wrote it: another one starts anew. */
  readonly code: string;
  readonly state: RecomputeState | null;
}

const fileOf = (folder: string, job: ProductJob): string => join(folder, `${job.name}.state`);

/** A state that cannot be read, or is of another version of the code, is none: the job learns anew from stored data. */
export function loadJob(
  folder: string,
  job: ProductJob,
  code: string,
): { doneTo: EpochMs; state: RecomputeState | null } {
  const file = fileOf(folder, job);
  if (!existsSync(file)) return { doneTo: NaN, state: null };
  try {
    const saved = deserialize(readFileSync(file)) as Saved;
    return { doneTo: saved.doneTo, state: saved.code === code ? saved.state : null };
  } catch {
    rmSync(file, { force: true });
    return { doneTo: NaN, state: null };
  }
}

export function saveJob(folder: string, job: ProductJob, saved: Saved): void {
  const file = fileOf(folder, job);
  writeFileSync(`${file}.new`, serialize(saved));
  renameSync(`${file}.new`, file);
}

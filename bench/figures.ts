/**
 * What a benchmark measured, for the one table of `npm run bench` (bench/run.ts), which names a file for it. Run by itself a benchmark
 * prints what it prints, and nothing is kept.
 */
import { appendFileSync } from 'node:fs';

export interface Figure {
  readonly what: string;
  readonly measured: string;
  /** What is wanted; '' = stated only. */
  readonly wanted: string;
}
export interface LeftOut {
  readonly what: string;
  /** Why it was not measured, and what to do. */
  readonly leftOut: string;
}

const keep = (line: Figure | LeftOut): void => {
  const file = process.env['BENCH_FIGURES'];
  if (file) appendFileSync(file, `${JSON.stringify(line)}\n`);
};

export const figure = (what: string, measured: string, wanted = ''): void => keep({ what, measured, wanted });
export const leftOut = (what: string, why: string): void => keep({ what, leftOut: why });
/** 1,234,567 */
export const whole = (n: number): string => Math.round(n).toLocaleString('en');

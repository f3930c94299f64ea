/**
 * What a stream usually shows: median and MAD of the last fortnight, followed by small steps instead of kept windows (Tierney 1983, SIAM J. Sci.
 * Stat. Comput. 4:706: stochastic approximation of quantiles). Behind two tests: far from the usual (N1) and the dry bias of a gauge.
 */
import { FLAG, type Flag } from '../../model/flags.ts';
import { type PoolState, RecordPool } from './pool.ts';

export const USUAL = {
  /** FILTER (calibration note §1.9): ±10 MAD over 360 h. */
  hours: 360,
  mads: 10,
  /** Before so much has been seen, nothing is unusual [h]. */
  least: 72,
  /** The box must also be so far off [µg/m³], and a factor: in clean and quiet air ten MAD are little. */
  minOff: 30,
  factor: 4,
  madMin: 1,
} as const;

const U = { median: 0, mad: 1, hours: 2 } as const;
const MAX_STEP_H = 2;

export class Usual {
  readonly pool = new RecordPool(3);

  add(): number {
    return this.pool.add();
  }
  median(record: number): number {
    return this.pool.f32(record)[this.pool.offset(record) + U.median] as number;
  }
  mad(record: number): number {
    return this.pool.f32(record)[this.pool.offset(record) + U.mad] as number;
  }
  hours(record: number): number {
    return this.pool.f32(record)[this.pool.offset(record) + U.hours] as number;
  }

  /** @param gapS time since the reading before; NaN = the first. @param floor least MAD, in the property's unit */
  take(record: number, x: number, gapS: number, floor: number): void {
    const f = this.pool.f32(record);
    const at = this.pool.offset(record);
    if (Number.isNaN(gapS)) {
      f[at + U.median] = x;
      f[at + U.mad] = floor;
      return;
    }
    const step = Math.min(MAX_STEP_H, gapS / 3600);
    const hours = (f[at + U.hours] as number) + step;
    f[at + U.hours] = Math.min(USUAL.hours, hours);
    // Quick while young, then by about its own spread in a week.
    const rate = Math.min(0.5, 2 * step * Math.max(1 / (hours + step), 2 / USUAL.hours));
    const off = x - (f[at + U.median] as number);
    const mad = f[at + U.mad] as number;
    f[at + U.median] = (f[at + U.median] as number) + rate * 2 * mad * Math.sign(off);
    f[at + U.mad] = Math.max(floor, mad * (1 + rate * Math.sign(Math.abs(off) - mad)));
  }

  snapshot(): PoolState {
    return this.pool.snapshot();
  }
  restore(from: PoolState): void {
    this.pool.restore(from);
  }
}

/**
 * N1 where neighbours cannot tell: far from what this stream showed in the last fortnight. A remark: smoke over a lone box looks the same.
 * @param median and `mad` of the stream before this reading, `hours` of evidence behind them
 */
export function outlierTest(x: number, median: number, mad: number, hours: number): Flag {
  if (hours < USUAL.least) return FLAG.notEvaluated;
  const off = Math.abs(x - median);
  if (off <= Math.max(USUAL.minOff, USUAL.mads * mad)) return FLAG.good;
  const [low, high] = x > median ? [median, x] : [x, median];
  return high > USUAL.factor * (low + USUAL.madMin) ? FLAG.suspect : FLAG.good;
}

/** A microphone that never hears less than this hears itself, or its offset is wrong [dB(A)]. */
const NEVER_QUIET = 60;

/**
 * The least level of a place falls at night (calibration note §2.6: LAmin must fall under a night threshold). One whose usual range of a fortnight,
 * down to three MAD below its median, never comes near that is not believed.
 */
export function quietTest(median: number, mad: number, hours: number): Flag {
  if (hours < USUAL.least) return FLAG.notEvaluated;
  return median - 3 * mad > NEVER_QUIET ? FLAG.suspect : FLAG.good;
}

/**
 * A gauge that hangs over a street is dry most of the time: its median is its zero, which has to be within 2 cm (calibration note §6.1). A
 * gauge in a river moves (MAD above 1 cm) and has no dry median to be judged by.
 */
export function dryBiasTest(median: number, mad: number, hours: number): Flag {
  if (hours < USUAL.least || !(mad <= 0.011)) return FLAG.notEvaluated;
  return Math.abs(median) > 0.02 ? FLAG.suspect : FLAG.good;
}

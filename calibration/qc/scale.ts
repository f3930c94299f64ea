/**
 * A box that always reads the same multiple of what is around it has a wrong unit or a wrong decimal point (milligrams, tenths, counts for
 * mass), not another air: streets and rooms change their factor by the hour. So the factor has to be large, and steady.
 */
export const SCALE = {
  /** Both the box and its neighbours must say something: the larger of the two at least this [µg/m³]. */
  least: 8,
  /** Added to both, so that zeros and whole numbers do not shout [µg/m³]. */
  offset: 0.3,
  /** Beyond this factor it is no street and no kitchen (a raw Plantower is within 0.5–2.5 of others of its kind). */
  factor: Math.log(5),
  /**
   * Standard deviation of the log-ratio of a box that measures the same air in another unit: at most half of what the air itself does, and
   * never more than `spreadMax`. A source or a room goes its own way.
   */
  spread: 0.25,
  spreadShare: 0.5,
  spreadMax: 0.5,
  /** Evidence that is needed [h], and its memory. */
  hours: 18,
  memoryHours: 48,
  /** A reading further than this from the mean ratio is odd; so many in a row, and another unit is in force. */
  odd: 1.1,
  oddRun: 6,
} as const;

/** Fields of a record, from `at` on. */
export const SCALE_FIELDS = { mean: 0, variance: 1, hours: 2, odd: 3, airMean: 4, airVariance: 5 } as const;
export const SCALE_WORDS = 6;
const F = SCALE_FIELDS;

/**
 * Takes in one reading.
 * @param around what neighbours say [µg/m³]
 * @param stepH hours this reading stands for
 */
export function watchScale(f: Float32Array, at: number, x: number, around: number, stepH: number): void {
  if (!(Math.max(x, around) >= SCALE.least) || !(around > 0)) return;
  const ratio = Math.log((x + SCALE.offset) / (around + SCALE.offset));
  const air = Math.log(around + SCALE.offset);
  const hours = f[at + F.hours] as number;
  const off = ratio - (f[at + F.mean] as number);
  if (hours > 0 && Math.abs(off) > SCALE.odd) {
    f[at + F.odd] = (f[at + F.odd] as number) + 1;
    if ((f[at + F.odd] as number) < SCALE.oddRun) return;
    f[at + F.hours] = 0;
  }
  f[at + F.odd] = 0;
  if (f[at + F.hours] === 0) {
    f[at + F.mean] = ratio;
    f[at + F.variance] = 0;
    f[at + F.airMean] = air;
    f[at + F.airVariance] = 0;
    f[at + F.hours] = stepH;
    return;
  }
  const age = Math.min(SCALE.memoryHours, hours + stepH);
  const w = stepH / age;
  f[at + F.mean] = (f[at + F.mean] as number) + w * off;
  f[at + F.variance] = (1 - w) * ((f[at + F.variance] as number) + w * off * off);
  const airOff = air - (f[at + F.airMean] as number);
  f[at + F.airMean] = (f[at + F.airMean] as number) + w * airOff;
  f[at + F.airVariance] = (1 - w) * ((f[at + F.airVariance] as number) + w * airOff * airOff);
  f[at + F.hours] = age;
}

/** The steady factor of a box to its neighbours, when it is one that no air explains; NaN = none. */
export function scaleFactor(f: Float32Array, at: number): number {
  const mean = f[at + F.mean] as number;
  if ((f[at + F.hours] as number) < SCALE.hours || Math.abs(mean) < SCALE.factor) return Number.NaN;
  const moves = Math.sqrt(f[at + F.airVariance] as number);
  const limit = Math.min(SCALE.spreadMax, Math.max(SCALE.spread, SCALE.spreadShare * moves));
  return Math.sqrt(f[at + F.variance] as number) < limit ? Math.exp(mean) : Number.NaN;
}

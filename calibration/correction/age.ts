/**
 * Age of a sensor as a prior of its uncertainty (calibration note §8.5): σ grows 3 % a year and is twice what it was after 3.5 years. deSouza et
 * al. 2023 (Environ. Sci.: Atmos., d2ea00142j) found −0.12 µg/m³ a year in 11,932 PurpleAir boxes, and a jump after 3.5 years.
 */
import { DAY, type EpochMs } from '../../model/time.ts';

const YEAR = 365.25 * DAY;
const PER_YEAR = 0.03;
/** From here on the jump comes in [years]; each sensor has its own day, so all of them are not twice as unsure overnight. */
const JUMP_FROM = 3.5;
const JUMP_TAKES = 0.5;
/** What it comes to in all; the yearly growth is in it. */
const OLD = 2;
const AT_JUMP = 1 + PER_YEAR * JUMP_FROM;

/**
 * Factor of σ of a box that stands beside no station, 1–2.
 *
 * @param since when the sensor was first heard of; NaN = not known, then 1
 */
export function ageFactor(since: EpochMs, time: EpochMs): number {
  const years = (time - since) / YEAR;
  if (!(years > 0)) return 1;
  if (years <= JUMP_FROM) return 1 + PER_YEAR * years;
  return Math.min(OLD, AT_JUMP + ((OLD - AT_JUMP) * (years - JUMP_FROM)) / JUMP_TAKES);
}

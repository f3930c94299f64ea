import { FLAG, type Flag } from '../../model/flags.ts';
import type { SpikeLimits } from './parameters.ts';

/** The middle one of three. */
export const median3 = (a: number, b: number, c: number): number =>
  Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));

/**
 * Spike by the stream's own past, in the moment (calibration note §8.1 S4: x > 3·median + 15), in both directions. QARTOD's test waits for the next
 * reading; a live answer cannot. So a lone jump is suspect at once, and the reading after it is good again when it confirms the jump
 * (stays with it) or falls back: a real step costs one reading, a spike is caught when it happens.
 * @param level median of the last readings
 * @param last the reading before this one, and whether that was called a spike
 * @param usual what the stream usually moves from reading to reading, in the property's unit; NaN = not known yet
 * @param gapS time since the reading before [s]
 */
export function spikeTest(
  x: number,
  level: number,
  last: { readonly value: number; readonly spike: boolean },
  usual: number,
  gapS: number,
  limits: SpikeLimits,
): Flag {
  if (!(gapS <= limits.maxGapS) || Number.isNaN(level)) return FLAG.notEvaluated;
  // A quantity that adds up may ramp (a sunny morning): then it is near the last value, though far from the level.
  const size = limits.factor === null ? Math.min(Math.abs(x - level), Math.abs(x - last.value)) : Math.abs(x - level);
  if (size <= limits.minJump || size <= limits.usual * (Number.isNaN(usual) ? 0 : usual)) return FLAG.good;
  if (limits.factor !== null) {
    const high = Math.max(x, level);
    const low = Math.max(Math.min(x, level), 0);
    if (high <= limits.factor * low + limits.minJump) return FLAG.good;
  }
  if (last.spike && Math.abs(x - last.value) < 0.5 * Math.abs(last.value - level)) return FLAG.good;
  return FLAG.suspect;
}

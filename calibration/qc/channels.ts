import { FLAG, type Flag } from '../../model/flags.ts';

/**
 * Two channels of one sensor must agree: |A−B| > 5 µg/m³ and 2|A−B|/(A+B) > 0.7 fails (EPA rule for sub-daily data, Barkjohn et al. 2021,
 * as in USEPA/sensortoolkit), > 0.4 is suspect (calibration note §8.1 S5). Not evaluated without a second channel.
 */
export function channelsTest(a: number, b: number): Flag {
  if (Number.isNaN(a) || Number.isNaN(b)) return FLAG.notEvaluated;
  const difference = Math.abs(a - b);
  if (difference <= 5) return FLAG.good;
  const relative = (2 * difference) / Math.abs(a + b);
  return relative > 0.7 ? FLAG.fail : relative > 0.4 ? FLAG.suspect : FLAG.good;
}

/** What one channel is known to be: its value (NaN = none) and whether its own tests failed it. */
export interface Channel {
  readonly value: number;
  readonly failed: boolean;
}

export type ChannelUse = 'a' | 'b' | 'mean' | 'none';

/**
 * Which channel speaks for the box: the mean of two that live, else the one that does. When two living channels disagree, the one that fits
 * `expected` (what neighbours say) is taken if only that one fits.
 * @param expected [µg/m³], NaN = not known
 */
export function channelUse(a: Channel, b: Channel, expected = Number.NaN): ChannelUse {
  const useA = !a.failed && !Number.isNaN(a.value);
  const useB = !b.failed && !Number.isNaN(b.value);
  if (!useA || !useB) return useA ? 'a' : useB ? 'b' : 'none';
  if (channelsTest(a.value, b.value) === FLAG.fail && !Number.isNaN(expected)) {
    const offA = Math.abs(Math.log((a.value + 3) / (expected + 3)));
    const offB = Math.abs(Math.log((b.value + 3) / (expected + 3)));
    if (Math.min(offA, offB) < Math.LN2 / 2 && Math.max(offA, offB) > Math.LN2) return offA < offB ? 'a' : 'b';
  }
  return 'mean';
}

export const useValue = (use: ChannelUse, a: number, b: number): number =>
  use === 'a' ? a : use === 'b' ? b : use === 'mean' ? (a + b) / 2 : Number.NaN;

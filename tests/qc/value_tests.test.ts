/** Tables that can be checked by hand: one argument varies at a time. */
import { describe, expect, it } from 'vitest';
import { buddyTest } from '../../calibration/qc/buddy.ts';
import { channelUse, channelsTest } from '../../calibration/qc/channels.ts';
import { flatLineTest } from '../../calibration/qc/flat_line.ts';
import { grossRangeTest } from '../../calibration/qc/gross_range.ts';
import { limitsOf } from '../../calibration/qc/parameters.ts';
import { dewPoint, isFoggy, sizeOrderTest, solarTest } from '../../calibration/qc/physics.ts';
import { deadChipTest, saturatedTest, sentinelTest, stuckZeroTest } from '../../calibration/qc/sentinel.ts';
import { spikeTest } from '../../calibration/qc/spike.ts';

const NONE = Number.NaN;
const H = 3600;

describe('grossRangeTest', () => {
  it.each([
    [-1, 4],
    [0, 1],
    [500, 1],
    [500.1, 3],
    [1000, 3],
    [1000.1, 4],
    [3331, 4],
    [NONE, 4],
    [Infinity, 4],
  ])('PM2.5 %d → %d', (x, flag) => expect(grossRangeTest(x, [0, 500], [0, 1000])).toBe(flag));
  it('refuses a plausible span outside the gross span', () =>
    expect(() => grossRangeTest(1, [-1, 5], [0, 10])).toThrow(RangeError));
});

describe('sentinelTest', () => {
  it.each([
    ['pm25', 65535, 4],
    ['pm25', -999, 4],
    ['pm25', -1, 4],
    ['pm25', 0, 2],
    ['pm25', 12, 2],
    ['temperature', -127, 4],
    ['temperature', 85, 4],
    ['temperature', -4, 2],
    ['humidity', 0, 4],
    ['humidity', 100, 2],
  ] as const)('%s %d → %d', (key, x, flag) => expect(sentinelTest(key, x)).toBe(flag));
});

describe('deadChipTest', () => {
  it.each([
    [-4, 0, 4],
    [-4, 60, 2],
    [-18.33, -1, 4],
    [21.3, -57, 2],
    [-4, NONE, 2],
  ])('%d °C beside %d %% → %d', (t, rh, flag) => expect(deadChipTest(t, rh)).toBe(flag));
});

describe('stuckZeroTest', () => {
  it.each([
    [0, 2 * H, 30, 4],
    [0, H, 30, 3],
    [0, 2 * H, 5, 1],
    [0, 2 * H, NONE, 2],
    [1, 2 * H, 30, 4],
    [2, 2 * H, 30, 1],
  ])('%d µg/m³ for %d s beside %d → %d', (x, s, around, flag) => expect(stuckZeroTest(x, s, around)).toBe(flag));
  it.each([
    [0, 2, 20, 2],
    [0, 4, 20, 3],
    [0, 13, 20, 4],
    [0, 40, 6, 2],
    [0, 40, NaN, 2],
  ])('%d µg/m³ for %d h alone, usually %d → %d', (x, hours, usual, flag) =>
    expect(stuckZeroTest(x, hours * 3600, NaN, hours * 3600, usual)).toBe(flag),
  );
  it('alone, a little that moves is no dead laser', () => {
    expect(stuckZeroTest(0.3, 40 * 3600, NaN, 600, 20)).toBe(2);
  });
});

describe('saturatedTest', () => {
  it.each([
    [99, 9 * H, NONE, 1],
    [100, 3 * H, NONE, 2],
    [100, 3 * H + 1, NONE, 3],
    [100, 0, 60, 3],
    [100, 0, 95, 2],
  ])('%d %% for %d s beside %d → %d', (x, s, around, flag) => expect(saturatedTest(x, s, around)).toBe(flag));
});

describe('flatLineTest of PM2.5', () => {
  const limits = limitsOf('pm25').flat;
  if (!limits) throw new Error('PM2.5 must have flat line limits');
  it.each([
    // value, run [s], gap [s], neighbours moved by → flag, and up to
    [20, 2 * H, 600, 10, 1],
    [20, 3 * H, 600, 10, 3],
    [20, 12 * H, 600, 10, 4],
    [20, 12 * H, 600, 4, 1],
    [20, 3 * H, H, 10, 1],
    [20, 5 * H, H, 10, 3],
    [3, 12 * H, 600, 10, 1],
    [3, 24 * H, 600, 10, 3],
    [20, 12 * H, 600, NONE, 1],
    [20, 24 * H, 600, NONE, 3],
    [3, 99 * H, 600, NONE, 2],
    [500, 12 * H, 600, 10, 4, 30],
    [500, 12 * H, 600, 10, 1, 60],
  ])('%d for %d s every %d s, others moved %d → %d', (x, runS, gapS, range, flag, most = x) =>
    expect(flatLineTest(x, runS, gapS, range, most, limits)).toBe(flag),
  );
});

describe('spikeTest of PM2.5', () => {
  const limits = limitsOf('pm25').spike;
  if (!limits) throw new Error('PM2.5 must have spike limits');
  const quiet = { value: 10, spike: false };
  it.each([
    // x > 3·median + 15
    [45, 10, quiet, 1, 60, 1],
    [45.1, 10, quiet, 1, 60, 3],
    // the same downwards
    [8, 39, quiet, 1, 60, 1],
    [8, 39.1, quiet, 1, 60, 3],
    // a restless stream is not judged by a jump it often makes
    [60, 10, quiet, 13, 60, 1],
    // after a long silence the level is not known
    [60, 10, quiet, 1, 3 * H, 2],
    [60, NONE, quiet, 1, 60, 2],
    // the jump before is confirmed
    [58, 10, { value: 60, spike: true }, 1, 60, 1],
    [200, 10, { value: 60, spike: true }, 1, 60, 3],
  ])('%d over level %d → (%#)', (x, level, last, usual, gap, flag) =>
    expect(spikeTest(x, level, last, usual, gap, limits)).toBe(flag),
  );
  it('lets temperature ramp', () => {
    const t = limitsOf('temperature').spike;
    if (!t) throw new Error('temperature must have spike limits');
    expect(spikeTest(30, 22, { value: 27, spike: false }, 0.5, 600, t)).toBe(1);
    expect(spikeTest(30, 22, { value: 22, spike: false }, 0.5, 600, t)).toBe(3);
  });
});

describe('channelsTest', () => {
  it.each([
    [10, 15, 1],
    [10, 15.1, 3],
    [10, 21, 4],
    [100, 140, 1],
    [100, 160, 3],
    [NONE, 5, 2],
  ])('A %d, B %d → %d', (a, b, flag) => expect(channelsTest(a, b)).toBe(flag));
});

describe('channelUse', () => {
  const live = (value: number) => ({ value, failed: false });
  const dead = (value: number) => ({ value, failed: true });
  it('takes the mean of two that live', () => expect(channelUse(live(10), live(12))).toBe('mean'));
  it('takes the one that lives', () => {
    expect(channelUse(dead(4), live(12))).toBe('b');
    expect(channelUse(live(10), dead(4))).toBe('a');
    expect(channelUse(dead(10), dead(4))).toBe('none');
  });
  it('asks the neighbours when two that live disagree', () => {
    expect(channelUse(live(10), live(80), 11)).toBe('a');
    expect(channelUse(live(10), live(80), 75)).toBe('b');
    expect(channelUse(live(10), live(80), 30)).toBe('mean');
    expect(channelUse(live(10), live(80))).toBe('mean');
  });
});

describe('buddyTest', () => {
  it.each([
    [25, 10, 15, 1],
    [25.1, 10, 15, 3],
    [-6, 10, 15, 3],
    [25.1, NONE, 15, 2],
  ])('%d beside %d, at most %d → %d', (x, around, most, flag) => expect(buddyTest(x, around, most)).toBe(flag));
});

describe('physics', () => {
  it.each([
    [8, 10, 12, 1],
    [14, 10, 12, 3],
    [8, 20, 12, 3],
    [NONE, 10, NONE, 2],
    [NONE, 10, 12, 1],
  ])('PM1 %d ≤ PM2.5 %d ≤ PM10 %d → %d', (a, b, c, flag) => expect(sizeOrderTest(a, b, c)).toBe(flag));
  it('knows the dew point (25 °C, 60 % → 16.7 °C, Alduchov & Eskridge)', () =>
    expect(dewPoint(25, 60)).toBeCloseTo(16.7, 1));
  it('calls it fog only near saturation and never at a stuck 100 %', () => {
    expect(isFoggy(20, 97)).toBe(true);
    expect(isFoggy(20, 92)).toBe(false);
    expect(isFoggy(20, 100)).toBe(false);
    expect(isFoggy(NONE, 97)).toBe(false);
  });
  it.each([
    [34, 29, 40, 3],
    [33, 29, 40, 1],
    [34, 29, -10, 1],
    [34, NONE, 40, 2],
  ])('%d °C beside %d, sun at %d° → %d', (t, around, sun, flag) => expect(solarTest(t, around, () => sun)).toBe(flag));
});

/**
 * `node bench/evaluate/means.ts`: how much narrower the interval of a mean may be than the mean of its intervals. Coverage of 8 h and day means
 * of Denver and Virginia, beside the station and with it left out, for shares of the variance that do not average out.
 */
import type { BacktestInput } from '../../calibration/backtest/input.ts';
import { runBacktest } from '../../calibration/backtest/run.ts';
import { HOUR } from '../../model/time.ts';
import { hasSet, loadSet, pairsOf, type Pair, type PairRules } from './sets.ts';

const SHARES = [1, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0];
/** Hours whose errors are alike. */
const ALIKE = 6;

function coverage(pairs: readonly Pair[], hours: number, share: number): { held: number; n: number } {
  let [held, n] = [0, 0];
  const given = pairs.filter((p) => !Number.isNaN(p.corrected) && p.intervals.length > 0);
  for (const list of Map.groupBy(given, (p) => `${p.box} ${Math.floor(p.time / (hours * HOUR))}`).values()) {
    if (list.length < 0.75 * hours) continue;
    const mean = (of: (p: Pair) => number): number => list.reduce((sum, p) => sum + of(p), 0) / list.length;
    const y = mean((p) => p.y);
    const c = mean((p) => p.corrected);
    const narrower = Math.sqrt(share + (1 - share) / Math.max(1, list.length / ALIKE));
    const low = c - narrower * (c - mean((p) => p.intervals[0]?.[0] as number));
    const high = c + narrower * (mean((p) => p.intervals[0]?.[1] as number) - c);
    n++;
    if (y >= low && y <= high) held++;
  }
  return { held, n };
}

function show(name: string, pairs: readonly Pair[]): void {
  for (const hours of [8, 24]) {
    const line = SHARES.map((share) => {
      const { held, n } = coverage(pairs, hours, share);
      return `${share}: ${((100 * held) / n).toFixed(1)}`;
    });
    console.log(`${name}, ${hours} h (${coverage(pairs, hours, 1).n} means)  ${line.join('  ')}`);
  }
}

const hourly = { stepMs: HOUR, lagMs: HOUR, fitUntil: null };
if (hasSet('denver_lovemyair')) {
  const input = await loadSet('denver_lovemyair');
  const rules: PairRules = { stepMs: HOUR };
  const cut = Date.parse('2019-02-01T07:00:00Z');
  const station = new Map((input.colocations ?? []).map((c) => [c.box, c.station]));
  show('Denver', pairsOf(input, runBacktest(input, hourly), rules).filter((p) => p.time >= cut)); // prettier-ignore
  const pairs: Pair[] = [];
  for (const s of input.stations) {
    const without: BacktestInput = {
      ...input,
      reference: input.reference.filter((r) => r.station !== s.id),
      colocations: (input.colocations ?? []).filter((c) => c.station !== s.id),
    };
    pairs.push(...pairsOf(input, runBacktest(without, hourly), rules).filter((p) => station.get(p.box) === s.id));
  }
  show('Denver, station left out', pairs.filter((p) => p.time >= cut)); // prettier-ignore
}
if (hasSet('va_deq_purpleair')) {
  const input = await loadSet('va_deq_purpleair');
  const rules: PairRules = { stepMs: HOUR, shiftMs: 5 * HOUR, rows: 5 };
  show('Virginia', pairsOf(input, runBacktest(input, hourly), rules));
}

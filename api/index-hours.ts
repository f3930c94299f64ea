/**
 * Hour means as air quality indices ask for them: of values that every test has passed (flag 1), and only hours of which at least 75 % of the
 * readings are there and good (calibration note §8.1; Directive 2008/50/EC annex XI).
 */
import { FLAG } from '../model/flags.ts';
import { DAY, HOUR, type EpochMs } from '../model/time.ts';
import type { ObservationStore } from '../store/store.ts';
import { readings, type SeriesQuery } from './series.ts';

const CAPTURE = 0.75;

/**
 * @param query `to` is a full hour
 * @param span hours, at most 24
 * @returns means, the newest first; null = too few good readings, or none
 */
export async function indexHours(
  store: ObservationStore,
  query: Omit<SeriesQuery, 'from'>,
  span: number,
): Promise<(number | null)[]> {
  const { to } = query;
  const sums = new Float64Array(span);
  const good = new Int32Array(span);
  const gaps: number[] = [];
  let last: EpochMs | null = null;
  // How often the box sends is seen over a day: one reading in an hour says nothing of how many there should be.
  for await (const rows of readings(store, { ...query, from: to - DAY }, { order: 'asc' })) {
    for (let i = 0; i < rows.length; i++) {
      const t = rows.phenomenonTime[i] as EpochMs;
      if (last !== null) gaps.push(t - last);
      last = t;
      const hour = Math.ceil((to - t) / HOUR) - 1;
      const value = (query.level === 'corrected' ? rows.corrected[i] : rows.raw[i]) as number;
      if (hour >= span || rows.flag[i] !== FLAG.good || Number.isNaN(value)) continue;
      sums[hour] = (sums[hour] as number) + value;
      good[hour] = (good[hour] as number) + 1;
    }
  }
  const pace = gaps.sort((a, b) => a - b)[gaps.length >> 1];
  return Array.from(good, (count, hour) => {
    if (pace === undefined || count === 0) return null;
    return count < CAPTURE * Math.max(1, Math.floor(HOUR / pace)) ? null : (sums[hour] as number) / count;
  });
}

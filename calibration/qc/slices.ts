/** Readings that belong together, cut into slices in the order of their times. */
import type { CheckedReading, RawReading } from '../../model/observation.ts';
import { MINUTE, type EpochMs } from '../../model/time.ts';

/** Readings further apart than this are not one slice. */
const SLICE_MS = 5 * MINUTE;

/**
 * Judges slice by slice; in one there is one reading of each box.
 * @param twice for a reading of a box and a time that were there already
 * @returns the answers in the order of `readings`
 */
export function bySlices(
  readings: readonly RawReading[],
  judge: (slice: readonly RawReading[]) => CheckedReading[],
  twice: (reading: RawReading) => CheckedReading,
): CheckedReading[] {
  const order = readings.map((_, i) => i);
  order.sort(
    (a, b) => (readings[a] as RawReading).phenomenonTime - (readings[b] as RawReading).phenomenonTime || a - b,
  );
  const out: CheckedReading[] = [];
  out.length = readings.length;
  let slice: number[] = [];
  const inSlice = new Map<number, EpochMs>();
  const flush = (): void => {
    const judged = judge(slice.map((k) => readings[k] as RawReading));
    for (const [i, k] of slice.entries()) out[k] = judged[i] as CheckedReading;
    slice = [];
    inSlice.clear();
  };
  for (const k of order) {
    const reading = readings[k] as RawReading;
    const t = reading.phenomenonTime;
    const same = inSlice.get(reading.thingNum);
    if (same === t) {
      out[k] = twice(reading);
      continue;
    }
    const start = slice[0];
    if (same !== undefined || (start !== undefined && t - (readings[start] as RawReading).phenomenonTime > SLICE_MS))
      flush();
    slice.push(k);
    inSlice.set(reading.thingNum, t);
  }
  if (slice.length > 0) flush();
  return out;
}

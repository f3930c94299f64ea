/** Stations whose values are in another unit, or of something else: no climate and no sensor makes a fiftieth or twenty times of the air. */
import type { Pairs } from './solution.ts';

/** Of station to box, on the mean. Climates and sensors were a factor 7 apart in the worst of worlds; mg/m³ is a thousand. */
const PLAUSIBLE = { least: 1 / 50, most: 20 };
/** Known by so many of the latest pairs; in clean air [µg/m³] a ratio says nothing. */
const PAIRS = { least: 20, most: 240, dirty: 3 };

type Pair = Pick<Pairs, 'station' | 'x' | 'y'>;

/** By all boxes there that can tell, in the order of `series`. A lone station has no other to be held against. */
export const inOtherUnits = (series: readonly Pair[]): string[] =>
  [...Map.groupBy(series, (s) => s.station)].flatMap(([station, list]) => {
    const told = list.map(isStrange).filter((strange) => strange !== null);
    return told.length > 0 && told.every(Boolean) ? [station] : [];
  });

/** Null = too few pairs, or too clean. */
function isStrange({ x, y }: Pair): boolean | null {
  const n = Math.min(PAIRS.most, x.length);
  const sum = (values: readonly number[]): number => values.slice(-n).reduce((a, b) => a + b, 0);
  const [box, station] = n < PAIRS.least ? [0, 0] : [sum(x), sum(y)];
  if (Math.max(box, station) < PAIRS.dirty * Math.max(1, n)) return null;
  return station < PLAUSIBLE.least * box || station > PLAUSIBLE.most * box;
}

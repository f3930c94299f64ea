import { FLAG, type Flag } from '../../model/flags.ts';

/**
 * QARTOD gross range test: fail outside what the sensor or the quantity can have, suspect outside what is plausible.
 * Spans are inclusive. A value that is not a number fails.
 * @throws RangeError when the plausible span is not inside the gross span
 */
export function grossRangeTest(
  x: number,
  plausible: readonly [number, number],
  gross: readonly [number, number],
): Flag {
  if (plausible[0] < gross[0] || plausible[1] > gross[1])
    throw new RangeError(`plausible span [${plausible.join(', ')}] must lie inside gross span [${gross.join(', ')}]`);
  if (!(x >= gross[0] && x <= gross[1])) return FLAG.fail;
  if (x < plausible[0] || x > plausible[1]) return FLAG.suspect;
  return FLAG.good;
}

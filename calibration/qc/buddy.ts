import { FLAG, type Flag } from '../../model/flags.ts';

/**
 * A plain buddy check for quantities whose errors add up: suspect when further than `maxDifference` from the neighbours' median. Wide on purpose:
 * cases in the sun, heights and courtyards differ; this is for a chip that has lost its zero.
 * @param around median of at least five neighbours within one weather, NaN = not known
 */
export function buddyTest(x: number, around: number, maxDifference: number): Flag {
  if (Number.isNaN(around)) return FLAG.notEvaluated;
  return Math.abs(x - around) > maxDifference ? FLAG.suspect : FLAG.good;
}

import { FLAG, type Flag } from '../../model/flags.ts';
import type { FlatLineLimits } from './parameters.ts';

/**
 * QARTOD flat line test by time, not by count (ioos_qc converts seconds to counts with the median interval, which is wrong for
 * boxes that report irregularly).
 * @param runS how long the value has stayed within `limits.tolerance` [s]
 * @param evidenceRange by how much neighbours, or the second channel, moved in the same time; NaN = not known
 */
export function flatLineTest(x: number, runS: number, evidenceRange: number, limits: FlatLineLimits): Flag {
  const { alone } = limits;
  if (Number.isNaN(evidenceRange) && limits.evidenceRange > 0) {
    if (!alone || x < limits.quietBelow) return FLAG.notEvaluated;
    return byTime(runS, alone.suspectS, alone.failS);
  }
  if (evidenceRange < limits.evidenceRange) return FLAG.good;
  if (x < limits.quietBelow && alone) return byTime(runS, alone.suspectS, alone.failS);
  return byTime(runS, limits.suspectS, limits.failS);
}

const byTime = (runS: number, suspectS: number, failS: number): Flag =>
  runS >= failS ? FLAG.fail : runS >= suspectS ? FLAG.suspect : FLAG.good;

import { FLAG, type Flag } from '../../model/flags.ts';
import type { FlatLineLimits } from './parameters.ts';

/**
 * QARTOD flat line test by time, not by count (ioos_qc converts seconds to counts with the median interval, which is wrong for
 * boxes that report irregularly).
 *
 * Where neighbours tell whether the air moved, they must have moved by `evidenceRange` and by a quarter of the value: at 50 µg/m³ a calm
 * evening stays within 0.5 for three hourly means quite naturally. The smaller of box and neighbours is what a quarter is taken of: a
 * sensor that stands at its limit (Plantower: 500, 999) is far above any air that could move by a quarter of that.
 * And a run of fewer than six readings is no run.
 * @param runS how long the value has stayed within `limits.tolerance` [s]
 * @param gapS time since the reading before [s]
 * @param evidenceRange by how much neighbours, or the second channel, moved in the same time; NaN = not known
 * @param evidenceMost the most they showed in that time
 */
export function flatLineTest(
  x: number,
  runS: number,
  gapS: number,
  evidenceRange: number,
  evidenceMost: number,
  limits: FlatLineLimits,
): Flag {
  const { alone } = limits;
  if (runS < 5 * gapS) return FLAG.good;
  if (limits.evidenceRange > 0) {
    if (Number.isNaN(evidenceRange)) {
      if (!alone || x < limits.quietBelow) return FLAG.notEvaluated;
      return byTime(runS, alone.suspectS, alone.failS);
    }
    if (evidenceRange < Math.max(limits.evidenceRange, EVIDENCE_SHARE * Math.min(x, evidenceMost))) return FLAG.good;
  }
  if (x < limits.quietBelow && alone) return byTime(runS, alone.suspectS, alone.failS);
  return byTime(runS, limits.suspectS, limits.failS);
}

const EVIDENCE_SHARE = 0.25;

const byTime = (runS: number, suspectS: number, failS: number): Flag =>
  runS >= failS ? FLAG.fail : runS >= suspectS ? FLAG.suspect : FLAG.good;

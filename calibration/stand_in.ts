/**
 * Humidity of the boxes around in the place of a chip that is saturated, dead or missing (calibration note §0.6, §8.1 S2): the water that the air
 * around holds, at the temperature that the box's own chip says. It is lent to the correction of PM2.5 alone; what is stored stays as it came.
 */
import { FLAG, reason } from '../model/flags.ts';
import type { CheckedReading, CheckedValue, CorrectedReading } from '../model/observation.ts';
import { saturation } from './quantities/weather.ts';

const IMPUTED = reason('imputed');
/** A case is not this much warmer or colder than those around: then its own temperature says nothing either [°C]. */
const ALIKE = 8;

/** The reading as the correction is to see it; the same object where nothing stands in. */
export function withStandIn(reading: CheckedReading): CheckedReading {
  const { around } = reading;
  if (!around) return reading;
  // A case in the sun is doubted as weather, and is the place where the laser sits all the same.
  const own = reading.values.find((v) => v.property === 'temperature' && v.flag < FLAG.fail)?.raw;
  const here = own !== undefined && Math.abs(own - around.temperature) <= ALIKE ? own : around.temperature;
  const humidity = Math.min(99, (around.humidity * saturation(around.temperature)) / saturation(here));
  const lent: CheckedValue = { property: 'humidity', raw: humidity, flag: FLAG.notEvaluated, reasons: IMPUTED };
  return { ...reading, values: [...reading.values.filter((v) => v.property !== 'humidity'), lent] };
}

/** The corrected reading with its own humidity back, and the remark on PM2.5 where one stood in. */
export function withOwn(seen: CorrectedReading, reading: CheckedReading): CorrectedReading {
  if (!reading.around) return seen;
  const given = new Map(seen.values.map((v) => [v.property, v]));
  const { around: _, ...rest } = reading;
  return {
    ...rest,
    stage: 'corrected',
    values: reading.values.map((v) => {
      const found = given.get(v.property);
      if (!found || v.property === 'humidity') return { ...v, corrected: null, lo90: null, hi90: null, level: '', model: '' }; // prettier-ignore
      return found.corrected !== null ? { ...found, reasons: found.reasons | IMPUTED } : found;
    }),
  };
}

/**
 * What the linear models look at. x = raw PM2.5 of the box [µg/m³], humidity [%], temperature [°C] inside the box; NaN = not usable.
 * Humidity and temperature are centred and in steps of ten, so that coefficients and their priors can be read.
 */
import type { CorrectionSettings } from './settings.ts';

export type FeatureSet = 'P' | 'PR' | 'PRT';

/** The richest set the inputs allow. */
export const featureSet = (rh: number, t: number): FeatureSet =>
  Number.isNaN(rh) ? 'P' : Number.isNaN(t) ? 'PR' : 'PRT';

const RH_CAP = 95;

export function featureCount(set: FeatureSet, settings: CorrectionSettings): number {
  const base = set === 'P' ? 2 : set === 'PR' ? 3 : 4;
  return base + (settings.interactions && set !== 'P' ? 1 : 0) + (settings.curvature ? 1 : 0);
}

/** Knee of the curvature term [µg/m³]: below it a Plantower is close to linear. */
const KNEE = 50;

export function fillFeatures(
  into: number[] | Float64Array,
  at: number,
  set: FeatureSet,
  settings: CorrectionSettings,
  x: number,
  rh: number,
  t: number,
): void {
  let i = at;
  into[i++] = 1;
  into[i++] = x;
  const humid = (Math.min(rh, RH_CAP) - 50) / 10;
  if (set !== 'P') into[i++] = humid;
  if (set === 'PRT') into[i++] = (t - 20) / 10;
  if (settings.interactions && set !== 'P') into[i++] = (x * humid) / 10;
  if (settings.curvature) into[i++] = x > KNEE ? (x - KNEE) / 10 : 0;
}

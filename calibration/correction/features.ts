/**
 * What the linear models look at. x = raw PM2.5 of the box [µg/m³], humidity [%], temperature [°C] inside the box; NaN = not usable.
 * Humidity and temperature are centred and in steps of ten, so that coefficients and their priors can be read.
 */
import { hygroscopicGrowth } from './published.ts';
import type { CorrectionSettings } from './settings.ts';

export type FeatureSet = 'P' | 'PR' | 'PRT';

/** The richest set the inputs allow. */
export const featureSet = (rh: number, t: number): FeatureSet =>
  Number.isNaN(rh) ? 'P' : Number.isNaN(t) ? 'PR' : 'PRT';

const RH_CAP = 95;

export function featureCount(set: FeatureSet, settings: CorrectionSettings): number {
  const base = set === 'P' ? 2 : set === 'PR' ? 3 : 4;
  return base + (settings.growth && set !== 'P' ? 1 : 0);
}

/**
 * Share of wet particle mass that is water at this humidity, against that at 50 %: x times this is what growth takes away (Crilley et
 * al. 2018; κ 0.4 lies in the middle of 0.1–0.5, calibration note §2.2; how much of it counts is fitted).
 */
const dryShare = (rh: number): number => 1 / hygroscopicGrowth(Math.min(rh, RH_CAP), 0.4);
const AT_50 = dryShare(50);

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
  if (set !== 'P') into[i++] = (Math.min(rh, RH_CAP) - 50) / 10;
  if (set === 'PRT') into[i++] = (t - 20) / 10;
  if (settings.growth && set !== 'P') into[i++] = x * (dryShare(rh) - AT_50);
}

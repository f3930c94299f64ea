/** The model of a sensor type as it was fitted, and what it makes of a value. */
import type { EpochMs } from '../../model/time.ts';
import { featureSet, fillFeatures, type FeatureSet } from './features.ts';
import { dot } from './linear.ts';
import type { Validation } from './models.ts';
import { SETTINGS, type CorrectionSettings } from './settings.ts';

export interface Pairs {
  readonly station: string;
  readonly time: readonly EpochMs[];
  readonly y: readonly number[];
  readonly x: readonly number[];
  readonly rh: readonly number[];
  readonly temp: readonly number[];
  /** How much of a co-located pair these count for. */
  readonly weight: number;
}

export type Betas = Partial<Record<FeatureSet, number[]>>;

/** The pooled model as it stands in one climate zone. */
export interface ZoneModel {
  /** The station in its middle; '' = all that have no place. */
  readonly zone: string;
  readonly betas: Betas;
  readonly range: Range;
  readonly stations: readonly string[];
  readonly pairs: number;
}

export interface PooledModel {
  readonly betas: Betas;
  /** None when all stations are of one zone. */
  readonly zones: readonly ZoneModel[];
  /** Variance of log of levels between zones: what is not known of a place in none of them. */
  readonly between: number;
  /** The same without one station: what a box there would get if it had no station. */
  readonly without: Readonly<Record<string, Betas>>;
  readonly scale: number;
  readonly pairs: number;
  readonly days: number;
  readonly stations: readonly string[];
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly range: Range;
  readonly guards: readonly string[];
  /** Stations whose pairs do not fit the others and were left out. */
  readonly liars: readonly string[];
  /** How it does at stations left out of the fit; null = there is only one. */
  readonly validation: Validation | null;
}

/** 1st and 99th percentile of the covariates in the fit, largest x and y. */
export interface Range {
  readonly xMax: number;
  readonly yMax: number;
  readonly rh: readonly [number, number];
  readonly temp: readonly [number, number];
}

/** Feature sets, richest first. */
export const SETS: readonly FeatureSet[] = ['PRT', 'PR', 'P'];

/** Coefficients and what they were fitted on. */
export type Solution = Pick<PooledModel, 'betas' | 'range'>;

/** The pooled model as it stands in a zone; null = the box is in none. */
export function solutionIn<M extends PooledModel>(model: M, zone: string | null): M | M['zones'][number] {
  if (zone === null || model.zones.length === 0) return model;
  return model.zones.find((z) => z.zone === zone) ?? model;
}

/** The same beside a station, and what a box there would get without it. */
export function solutionAt(model: PooledModel, station: string): Solution & { readonly without: Betas | undefined } {
  const { betas, range } = model.zones.find((z) => z.stations.includes(station)) ?? model;
  return { betas, range, without: model.without[station] };
}

const GROWING: CorrectionSettings = { ...SETTINGS, growth: true };
const scratch = new Float64Array(8);
const clamp = (v: number, [lo, hi]: readonly [number, number]): number => (v < lo ? lo : v > hi ? hi : v);

/** NaN when no set of coefficients serves the inputs that are there. Covariates are held within what the fit has seen. */
export function applyBetas(betas: Betas, range: Range, x: number, rh: number, temp: number): number {
  const richest = featureSet(rh, temp);
  for (const set of SETS) {
    const beta = betas[set];
    if (!beta || (set === 'PRT' && richest !== 'PRT') || (set === 'PR' && richest === 'P')) continue;
    // `dot` takes as many as there are coefficients: a model without growth leaves that one alone.
    fillFeatures(scratch, 0, set, GROWING, x, clamp(rh, range.rh), clamp(temp, range.temp));
    return dot(scratch, 0, beta);
  }
  return NaN;
}

/**
 * What the streaming tests take as limits, per property. One table; a property without an entry in it is tested for its
 * ranges (model/properties.ts) alone. Units: the property's; times in seconds.
 */
import type { PropertyKey } from '../../model/properties.ts';

const HOUR = 3600;

export interface FlatLineLimits {
  /** The value counts as unchanged while its whole range stays below this. */
  readonly tolerance: number;
  readonly suspectS: number;
  readonly failS: number;
  /** Limits when nothing else tells whether the air changed (no neighbours, no second channel); null = cannot be judged then. */
  readonly alone: { readonly suspectS: number; readonly failS: number } | null;
  /** Neighbours (or the second channel) must have moved by at least this in the same time. */
  readonly evidenceRange: number;
  /** Below this a sensor that counts in whole steps may honestly stand still: suspect only after `alone.suspectS`. */
  readonly quietBelow: number;
}

export interface SpikeLimits {
  /** A jump of less than this is never a spike. */
  readonly minJump: number;
  /** For quantities that vary by factors: the value must be this many times the level (or one part of it). null = additive quantity. */
  readonly factor: number | null;
  /** The jump must be this many times what the stream usually does from reading to reading. */
  readonly usual: number;
  /** After a gap longer than this the level is not known any more. */
  readonly maxGapS: number;
}

export interface PropertyLimits {
  readonly flat: FlatLineLimits | null;
  readonly spike: SpikeLimits | null;
}

/** Calibration note §8.1 S3: 0.5 µg/m³, 3 h and 12 h, neighbours must have moved by 3; whole-number sensors below 5 exempt to 24 h. */
const PM_FLAT: FlatLineLimits = {
  tolerance: 0.5,
  suspectS: 3 * HOUR,
  failS: 12 * HOUR,
  alone: { suspectS: 24 * HOUR, failS: 48 * HOUR },
  evidenceRange: 3,
  quietBelow: 5,
};

/** Calibration note §8.1 S4: x > 3·median + 15. */
const PM_SPIKE: SpikeLimits = { minJump: 15, factor: 3, usual: 4, maxGapS: 2 * HOUR };

const still = (tolerance: number, suspectH: number, failH: number): FlatLineLimits => ({
  tolerance,
  suspectS: suspectH * HOUR,
  failS: failH * HOUR,
  alone: { suspectS: suspectH * HOUR, failS: failH * HOUR },
  evidenceRange: 0,
  quietBelow: -Infinity,
});

const jump = (minJump: number): SpikeLimits => ({ minJump, factor: null, usual: 6, maxGapS: HOUR / 2 });

const GAS: PropertyLimits = { flat: still(1e-6, 12, 24), spike: null };
const COUNT: PropertyLimits = { flat: null, spike: null };

const limits: Partial<Record<PropertyKey, PropertyLimits>> = {
  pm1: { flat: PM_FLAT, spike: PM_SPIKE },
  pm25: { flat: PM_FLAT, spike: PM_SPIKE },
  pm25_b: { flat: PM_FLAT, spike: PM_SPIKE },
  pm4: { flat: PM_FLAT, spike: PM_SPIKE },
  pm10: { flat: PM_FLAT, spike: { ...PM_SPIKE, minJump: 30 } },
  // Air temperature outdoors moves by a few tenths within half a day even in fog; 5 °C between two readings is a case in the sun at most.
  temperature: { flat: still(0.05, 12, 24), spike: jump(6) },
  // Saturation has a test of its own (`saturated`); a number that stands still elsewhere is a dead chip.
  humidity: { flat: still(0.05, 12, 24), spike: jump(30) },
  pressure: { flat: still(0.01, 24, 72), spike: jump(5) },
  co2: { flat: still(0.5, 6, 24), spike: jump(1500) },
  tvoc: { flat: still(0.5, 24, 72), spike: null },
  // A microphone that hears no change of 0.1 dB for an hour is not in the open (calibration note §2.6: level must move day and night).
  noise_laeq: { flat: still(0.1, 2, 6), spike: null },
  noise_lamin: { flat: still(0.05, 6, 24), spike: null },
  noise_lamax: { flat: still(0.05, 6, 24), spike: null },
  // A dry street stands still honestly. 0.5 m between two readings: calibration note §6.1 (still alerts, as "unconfirmed").
  water_level: { flat: null, spike: { minJump: 0.5, factor: null, usual: 0, maxGapS: HOUR } },
  no2: GAS,
  o3: GAS,
  co: GAS,
  so2: GAS,
  nh3: GAS,
  pm03_count: COUNT,
};

const NONE: PropertyLimits = { flat: null, spike: null };

export const limitsOf = (key: PropertyKey): PropertyLimits => limits[key] ?? NONE;

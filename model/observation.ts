/**
 * The three stages of an observation: raw → checked → corrected. A stage only adds. The `stage` word makes skipping one a
 * type error: a store takes `CorrectedReading`, and only the correction makes one, out of a `CheckedReading`.
 *
 * The unit that travels is a reading: all properties that one Thing measured at one phenomenon time. QC and correction need
 * the neighbours of a value (humidity beside PM2.5), the store then keeps each property as an observation of its datastream.
 */
import type { Flag } from './flags.ts';
import type { PropertyKey } from './properties.ts';
import type { EpochMs } from './time.ts';

export interface RawValue {
  readonly property: PropertyKey;
  /** In the property's unit, as decoded: never clipped, rounded or repaired. */
  readonly raw: number;
}

export interface RawReading {
  readonly stage: 'raw';
  /** Id of the box or reference station, `^[a-z0-9-]{8,40}$`. */
  readonly thing: string;
  /** The registry's number of that Thing. */
  readonly thingNum: number;
  readonly phenomenonTime: EpochMs;
  /** When the packet was received. */
  readonly resultTime: EpochMs;
  /** Whose clock gave `phenomenonTime`. `received` = the box had no believable time. */
  readonly clock: 'box' | 'received';
  /** Journal sequence number of the packet; 0 outside a journal. */
  readonly seq: number;
  /** Each property at most once. */
  readonly values: readonly RawValue[];
}

export interface CheckedValue extends RawValue {
  readonly flag: Flag;
  /** Mask of `REASONS`. */
  readonly reasons: number;
}

export interface CheckedReading extends Omit<RawReading, 'stage' | 'values'> {
  readonly stage: 'checked';
  readonly values: readonly CheckedValue[];
  /** What the live chips of the boxes around say [°C, %], where the box's own humidity cannot be believed. */
  readonly around?: { readonly temperature: number; readonly humidity: number };
}

/** Correction levels of the calibration note §8.2; `+` = the box's own station took part in the current field. */
export const CORRECTION_LEVELS = ['', 'L0', 'L1', 'L2', 'L3', 'L4', 'L5', 'L3+', 'L4+', 'L5+'] as const;
export type CorrectionLevel = (typeof CORRECTION_LEVELS)[number];

export interface CorrectedValue extends CheckedValue {
  /** Signed, rounded to the property's resolution; null where the stage declines (a reason says why). */
  readonly corrected: number | null;
  /** Ends of the 90 % interval; given exactly when `corrected` is. */
  readonly lo90: number | null;
  readonly hi90: number | null;
  readonly level: CorrectionLevel;
  /** Id of the immutable model, '' where none was used. */
  readonly model: string;
}

export interface CorrectedReading extends Omit<RawReading, 'stage' | 'values'> {
  readonly stage: 'corrected';
  readonly values: readonly CorrectedValue[];
}

/**
 * How observations lie in InfluxDB (`docs/influxdb.md` says why): measurement `observation`, one tag `box`, one point a box and
 * moment, and for each property that was measured then these fields, all of them floats:
 *
 *   pm25              raw value; absent where there was none (flag 9)
 *   pm25_flag         QARTOD flag; always there: it is what makes a row
 *   pm25_latency      resultTime − phenomenonTime [ms]; always there
 *   pm25_corrected, pm25_lo90, pm25_hi90    absent where none was given
 *   pm25_model        number of the model × 16 + index into `CORRECTION_LEVELS`; absent = 0
 *   pm25_reasons      mask of `REASONS`; absent = 0
 *   pm25_withdrawn    1 = a recompute took the corrected value back; then the three fields above do not count
 *
 * One type for all fields: a type conflict cannot happen, and an answer is one table instead of one a series.
 *
 * The number of series is bounded, whatever the number of boxes: `box` is the Thing's number modulo `SERIES`, and the quotient,
 * its slot, stands in the nanoseconds of the time behind the millisecond. Up to `SERIES` Things `box` is the number itself and
 * times are whole milliseconds; beyond, boxes share series and are told apart by their slots.
 */
import { PROPERTIES, propertyByNum, PROPERTY_SLOTS } from '../../model/properties.ts';
import type { EpochMs } from '../../model/time.ts';
import type { ObservationColumns } from '../store.ts';

export const MEASUREMENT = 'observation';

/** What a value is told with; '' is the raw value itself. */
export const ASPECTS = ['', 'flag', 'latency', 'corrected', 'lo90', 'hi90', 'model', 'reasons', 'withdrawn'] as const;
export type Aspect = (typeof ASPECTS)[number];

const LEVELS = 16;

/** Series at most. With 20 fields a box, InfluxDB 2.7 needs about 1.5 kB of memory for each series and field. */
export const SERIES = 8192;
/** Nanoseconds in a millisecond: the slots there are. */
export const SLOTS = 1_000_000;

/** Times that can be told (nothing was measured before 1970; int64 of nanoseconds ends in 2262), in whole ms. */
export const FIRST_TIME: EpochMs = 0;
export const LAST_TIME: EpochMs = 9_223_372_036_854;

/** Property keys may themselves hold `_`, so names are looked up, never cut. */
const names: string[][] = [];
const byName = new Map<string, { readonly property: number; readonly aspect: Aspect }>();
for (const { key, num } of PROPERTIES) {
  names[num] = ASPECTS.map((aspect) => (aspect === '' ? key : `${key}_${aspect}`));
  for (const [i, aspect] of ASPECTS.entries()) byName.set(names[num][i] as string, { property: num, aspect });
}

/** @throws RangeError for a number that is no property */
export const fieldName = (property: number, aspect: Aspect): string =>
  names[propertyByNum(property).num]?.[ASPECTS.indexOf(aspect)] as string;

/** Names of all fields of a property, in the order of `ASPECTS`; undefined = no such property. */
export const fieldNames = (property: number): readonly string[] | undefined => names[property];

/** What a field of the bucket means; undefined = not one of ours. */
export const fieldOf = (name: string): { readonly property: number; readonly aspect: Aspect } | undefined =>
  byName.get(name);

export const packModel = (model: number, level: number): number => model * LEVELS + level;
export const modelIn = (packed: number): number => Math.floor(packed / LEVELS);
export const levelIn = (packed: number): number => packed % LEVELS;

/** Why a row cannot be told to InfluxDB at all; '' = it can. */
export function unfit(rows: ObservationColumns, i: number): string {
  const time = rows.phenomenonTime[i] as number;
  if (!(time >= FIRST_TIME && time < LAST_TIME && Number.isInteger(time))) return 'times from 1970 to 2262 can be kept';
  if (Math.abs(rows.raw[i] as number) === Infinity) return 'the value is not a finite number';
  return names[(rows.datastream[i] as number) % PROPERTY_SLOTS] ? '' : 'the property is not known';
}

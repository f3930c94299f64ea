/**
 * How boxes appear as SensorThings entities: ids made from the numbers of the registry, so that they are the same after every
 * rebuild of the catalogue. All lie below `FIRST_USER_ID`.
 */
import { datastreamId, propertyOf, thingNumOf } from '../../model/datastream.ts';
import type { PropertyKey } from '../../model/properties.ts';

/** Raw as it came, checked by quality control, corrected: three Datastreams of one Thing. */
export const LEVELS = ['raw', 'checked', 'corrected'] as const;
export type ObservationLevel = (typeof LEVELS)[number];

const LEVEL_SLOTS = 4;
/** Places that one Thing may have had. */
export const PLACE_SLOTS = 4096;

export const boxDatastreamId = (thingNum: number, key: PropertyKey, level: ObservationLevel): number =>
  datastreamId(thingNum, key) * LEVEL_SLOTS + LEVELS.indexOf(level);

export function boxDatastream(id: number): {
  stored: number;
  thingNum: number;
  key: PropertyKey;
  level: ObservationLevel;
} {
  const stored = Math.floor(id / LEVEL_SLOTS);
  const level = LEVELS[id % LEVEL_SLOTS];
  if (!level) throw new RangeError(`${id} is no datastream of a box`);
  return { stored, thingNum: thingNumOf(stored), key: propertyOf(stored), level };
}

/** Location, HistoricalLocation and FeatureOfInterest of the k-th place share a number. */
export const placeId = (thingNum: number, k: number): number => thingNum * PLACE_SLOTS + Math.min(k, PLACE_SLOTS - 1);

/** Observations of boxes: `<datastream>-<epoch ms>`. */
export const observationId = (datastream: number, time: number): string => `${datastream}-${time}`;
export function parseObservationId(id: string): { datastream: number; time: number } | null {
  const m = /^(\d{1,13})-(-?\d{1,15})$/.exec(id);
  return m ? { datastream: Number(m[1]), time: Number(m[2]) } : null;
}

import { PROPERTY_SLOTS, property, propertyByNum, type PropertyKey } from './properties.ts';

/**
 * The id of a datastream: one property of one Thing. An integer below 2^31, so that columns of a million boxes stay small;
 * made from the Thing's number (given by the registry, from 1, never reused) and the property's number, so no table of
 * datastreams has to be kept in step anywhere.
 */
export type DatastreamId = number;

/** Things are numbered from 1 to this. */
export const MAX_THING_NUM = Math.floor((2 ** 31 - 1) / PROPERTY_SLOTS) - 1;

export const datastreamId = (thingNum: number, key: PropertyKey): DatastreamId =>
  thingNum * PROPERTY_SLOTS + property(key).num;
export const thingNumOf = (id: DatastreamId): number => Math.floor(id / PROPERTY_SLOTS);
export const propertyOf = (id: DatastreamId): PropertyKey => propertyByNum(id % PROPERTY_SLOTS).key;

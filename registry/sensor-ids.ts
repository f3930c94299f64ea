/**
 * What the ids that another server gave the sensors of a box stand for (openSenseMap bodies name a sensor by 24 hexadecimal
 * digits and say no quantity). Kept among the properties of the Thing, one entry a sensor; of no use to the public.
 */
import { isPropertyKey, type PropertyKey } from '../model/properties.ts';
import type { Thing } from './registry.ts';

const PREFIX = 'sensor:';

export const isSensorIdProperty = (name: string): boolean => name.startsWith(PREFIX);

export function sensorIdsOf(properties: Thing['properties']): Map<string, PropertyKey> {
  const out = new Map<string, PropertyKey>();
  for (const [name, key] of Object.entries(properties)) {
    if (isSensorIdProperty(name) && isPropertyKey(key)) out.set(name.slice(PREFIX.length), key);
  }
  return out;
}

export const sensorIdProperties = (ids: Readonly<Record<string, PropertyKey>>): Record<string, string> =>
  Object.fromEntries(Object.entries(ids).map(([id, key]) => [PREFIX + id.toLowerCase(), key]));

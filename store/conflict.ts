import { thingNumOf, type DatastreamId } from '../model/datastream.ts';
import { PROPERTIES, PROPERTY_SLOTS } from '../model/properties.ts';
import { formatTime, type EpochMs } from '../model/time.ts';
import type { Reject } from './store.ts';

const name = (id: DatastreamId): string => PROPERTIES.find((p) => p.num === id % PROPERTY_SLOTS)?.key ?? 'a value';
const said = (raw: number): string => (Number.isNaN(raw) ? 'no value' : String(raw));

/** What becomes of a row whose moment is taken by another value: kept as a reject, for the owner to see. */
export function conflict(id: DatastreamId, time: EpochMs, resultTime: EpochMs, kept: number, refused: number): Reject {
  return {
    receivedAt: resultTime,
    via: 'store',
    topic: '',
    thing: '',
    thingNum: thingNumOf(id),
    code: 'conflict',
    detail:
      `${name(id)} at ${formatTime(time)} is stored as ${said(kept)}; a later packet said ${said(refused)} and was not kept. ` +
      'The first packet stands: if two devices share this id, give each its own; if the clock was set back, set it right.',
    payload: new Uint8Array(0),
  };
}

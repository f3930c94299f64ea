/**
 * A decoder turns one packet of one box format into readings, or says why not. Pure: the packet is all it sees.
 * A new format is one file in `decoders/`, a line in `decoders/index.ts`, fixtures and a test.
 */
import type { PropertyKey } from '../model/properties.ts';
import type { EpochMs } from '../model/time.ts';

export interface DecodedReading {
  /** The name the box has in its own network (LASS `device_id`, MAC …); '' when the packet does not say. */
  readonly nativeId: string;
  /** As the box says it, UTC; null = absent or impossible (then the receive time is used and the reading says so). */
  readonly time: EpochMs | null;
  readonly values: readonly { readonly property: PropertyKey; readonly value: number }[];
  /** Where the packet says the box is; null = it does not say, or says something impossible. */
  readonly place: { readonly lat: number; readonly lon: number; readonly source: 'gps' | 'typed' | 'unknown' } | null;
  /** Public hints about the box that the packet carries (name, sensor model, firmware); never secrets or addresses. */
  readonly hints?: {
    readonly name?: string;
    readonly sensors?: readonly string[];
    readonly exposure?: 'indoor' | 'outdoor' | 'mobile';
    readonly field?: 'cf1' | 'atm';
    readonly licence?: string;
    readonly attribution?: string;
  };
  /** Odd things that did not stop the decoding, in words for the owner (`s_d0 is "N/A"`). */
  readonly notes?: readonly string[];
}

export type Decoded =
  | { readonly ok: true; readonly readings: readonly DecodedReading[] }
  /** `code` is machine-readable (`bad-json`); `detail` says what was wrong and what to change. */
  | { readonly ok: false; readonly code: string; readonly detail: string };

/**
 * The code of messages that firmware sends beside its readings and that hold none by design (a heartbeat, a log line): nothing
 * is missing when they are passed over, so they are no rejects.
 */
export const NOT_A_READING = 'not-a-reading';

/** Lower-case sensor ids and their properties. */
export type SensorIds = ReadonlyMap<string, PropertyKey>;

export interface Decoder {
  /** The word in `boxes/<id>/<format>`. */
  readonly format: string;
  /** Topic filters (MQTT wildcards) on which unregistered boxes speak this format; [] = none. */
  readonly openTopics: readonly string[];
  /** `sensorIds`: of a registered box, what the ids that another server gave its sensors stand for. */
  decode(payload: Uint8Array, topic: string, sensorIds?: SensorIds): Decoded;
}

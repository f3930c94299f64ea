/**
 * Reference values are dirty too: error codes (also averaged into hours), impossible values, maintenance. Honest noise below zero stays.
 */
import { DAY, type EpochMs } from '../../model/time.ts';

/** Beta gauges show noise down to about −10 in clean air; anything below is an error code averaged into the hour. */
const LOWEST = -10;
/** No PM2.5 hour outside a fire or dust storm comes near; −999/9999 and 985 (BAM full scale) averages do. */
const HIGHEST = 1500;
const CODES = new Set([985, 995, 999, 9999, 999.9, 985.0, 65535]);

export const isReference = (y: number): boolean => Number.isFinite(y) && y >= LOWEST && y <= HIGHEST && !CODES.has(y);

/** Runs of one and the same value: an analyser in maintenance or a dead link. */
export interface StuckState {
  value: number;
  count: number;
  /** When the newest value came, and the newest that was air. */
  heard: EpochMs;
  air: EpochMs;
}

/** Not air until it has shown some: milligrams would otherwise be followed for a week. */
export const newStuck = (): StuckState => ({ value: NaN, count: 0, heard: -Infinity, air: -Infinity });

/** The cleanest air shows that much within a week [µg/m³]; values in milligrams, a dead analyser and zero air do not. */
const AIR = 1;
const AIR_MS = 7 * DAY;

/** True once a value above 3 µg/m³ has come more than this often in a row (values are rounded to integers in some networks). */
const STUCK_RUN = 6;

export function isStuck(state: StuckState, y: number, time: EpochMs): boolean {
  state.heard = Math.max(state.heard, time);
  if (y >= AIR) state.air = Math.max(state.air, time);
  if (y === state.value) state.count++;
  else {
    state.value = y;
    state.count = 1;
  }
  return isStuckNow(state);
}

/** Whether the station stands still at this moment, or has shown nothing for a week. */
export const isStuckNow = ({ value, count, heard, air }: StuckState): boolean =>
  heard - air > AIR_MS || (value > 3 && count > (Number.isInteger(value) ? 2 * STUCK_RUN : STUCK_RUN));

export interface StationState {
  readonly id: string;
  lat: number | null;
  lon: number | null;
  /** Reference values that passed, by the station's own label; ascending. */
  time: EpochMs[];
  y: number[];
  /** Known, but their (repaired) time + step + lag has not come. */
  pending: { time: EpochMs; y: number }[];
  /** True time = label + clockMs. */
  clockMs: number;
  stuck: StuckState;
  /** Newest (true) time paired. */
  newest: EpochMs;
}

export const newStation = (id: string): StationState => ({
  id,
  lat: null,
  lon: null,
  time: [],
  y: [],
  pending: [],
  clockMs: 0,
  stuck: newStuck(),
  newest: -Infinity,
});

/**
 * The boxes and reference stations, who owns them, where they hung and when, under which licence. Knows no observations.
 *
 * Kept in `registry.sqlite` (WAL) in the data folder: every thread and command opens it by itself, reads are synchronous
 * point look-ups of a few microseconds, so a million boxes cost neither memory nor start-up time.
 */
import type { EpochMs } from '../model/time.ts';
import type { Care } from './care.ts';
import type { Claims } from './claims.ts';

export type ThingKind = 'box' | 'station';
export type Exposure = 'outdoor' | 'indoor' | 'mobile' | 'unknown';

export interface Place {
  readonly lat: number;
  readonly lon: number;
  /** Metres above the ground, null = not told. */
  readonly height: number | null;
  /** In force from (inclusive). */
  readonly from: EpochMs;
}

export interface Thing {
  /** `^[a-z0-9-]{8,40}$`, opaque, never reused. */
  readonly id: string;
  /** Stable integer from 1, never reused: the left part of datastream ids. */
  readonly num: number;
  readonly kind: ThingKind;
  readonly name: string;
  /** The public name it has in its own network (LASS device_id …), '' = none. */
  readonly nativeId: string;
  /** The payload format it speaks, '' = not yet known. */
  readonly format: string;
  /** The place in force, exact; what is shown publicly is `publicPlace()`. */
  readonly place: Place | null;
  /** `exact`, or snapped once to a fixed grid so that averaging never undoes it. */
  readonly placePrecision: 'exact' | 'grid';
  /** Where a `grid` box is shown (fixed once per box); use `publicPlace()` of `place.ts`. */
  readonly shown?: { readonly lat: number; readonly lon: number } | null;
  readonly exposure: Exposure;
  /** Sensor models such as `PMS5003`, `BME280`. */
  readonly sensors: readonly string[];
  /** For Plantower: which output is sent. */
  readonly field: 'cf1' | 'atm' | '';
  readonly claimed: boolean;
  readonly project: string;
  readonly licence: string;
  readonly attribution: string;
  readonly createdAt: EpochMs;
  readonly retired: boolean;
  /** For the time being its owner lets it send nothing. */
  readonly paused?: boolean;
  /** Operator and feed extras (township, lamp post number, authority …), public. */
  readonly properties: Readonly<Record<string, string>>;
}

export interface NewThing {
  readonly id?: string;
  readonly kind?: ThingKind;
  readonly name?: string;
  readonly nativeId?: string;
  readonly format?: string;
  readonly lat?: number | null;
  readonly lon?: number | null;
  readonly height?: number | null;
  readonly placePrecision?: 'exact' | 'grid';
  readonly exposure?: Exposure;
  readonly sensors?: readonly string[];
  readonly field?: 'cf1' | 'atm' | '';
  readonly claimed?: boolean;
  readonly project?: string;
  readonly licence?: string;
  readonly attribution?: string;
  readonly properties?: Readonly<Record<string, string>>;
}

export type TokenScope = 'admin' | 'sta-write' | 'bridge';

/** Something that happened to a box and that users of its data should know. Public: no exact hidden place, no secret. */
export interface RegistryEvent {
  /** Ascending, never reused. */
  readonly id: number;
  readonly time: EpochMs;
  /** The registry writes `registered`, `moved`, `claimed`, `retired`; the pipeline adds `drift`, `drift-over` and `refit`. */
  readonly kind: string;
  /** Id of the thing, '' = about none in particular. */
  readonly thing: string;
  /** Property key, '' = none. */
  readonly property: string;
  readonly detail: string;
}

/** What a presented secret opens. Nothing of the secret itself is ever kept: only its SHA-256. */
export type Principal =
  | { readonly kind: 'token'; readonly scope: TokenScope; readonly name: string }
  | { readonly kind: 'box'; readonly id: string }
  | { readonly kind: 'owner'; readonly id: string };

/** One line of the roll of all things. */
export interface ThingLine {
  readonly num: number;
  readonly id: string;
  readonly kind: ThingKind;
  readonly lat: number | null;
  readonly lon: number | null;
  readonly placedFrom: EpochMs;
  /** JSON array. */
  readonly sensors: string;
  readonly field: 'cf1' | 'atm' | '';
  readonly exposure: Exposure;
  readonly claimed: boolean;
  readonly retired: boolean;
  readonly paused: boolean;
  readonly createdAt: EpochMs;
}

export interface ThingQuery {
  readonly kind?: ThingKind;
  /** west, south, east, north, of the public places; west > east crosses the antimeridian. */
  readonly bbox?: readonly [number, number, number, number];
  readonly project?: string;
  readonly exposure?: Exposure;
  readonly claimed?: boolean;
  readonly licence?: string;
  readonly includeRetired?: boolean;
  /** Only things with num > this. */
  readonly after?: number;
  /** Only things with num ≤ this: a search that finds little is cut into windows, so that nothing else has to wait for it. */
  readonly until?: number;
  readonly limit?: number;
}

export interface Registry {
  /** `unknown` = no such box id (treat as anonymous), `refused` = known id, wrong key. Compared in constant time. */
  authenticate(id: string, key: string): 'ok' | 'refused' | 'unknown';
  principal(secret: string): Principal | null;

  get(id: string): Thing | null;
  byNum(num: number): Thing | null;
  /** Things that changed after that `version()`, in order of change; retired ones included. For caches. */
  changedSince(version: number, limit: number): { things: Thing[]; version: number };
  /** In order of `num`. */
  list(query?: ThingQuery): Thing[];
  /** Everybody in order of number, retired ones too, as little as possible of each: for who has to know a million of them. */
  roll(after: number, limit: number): ThingLine[];
  /** Numbers of those whose public place may lie in the bbox (a little beyond it too); null = too many to name. */
  inArea(bbox: readonly [west: number, south: number, east: number, north: number]): number[] | null;
  count(kind?: ThingKind): number;
  /** The highest number given so far, 0 = none. */
  lastNum(): number;

  /** Keys are 160 random bits, shown once here. @throws Error naming the field that is wrong */
  add(thing: NewThing, now: EpochMs): { thing: Thing; key: string; ownerToken: string };
  /** Adds many in one transaction, without owner tokens; keys as given (tests, fleets) or made. */
  addMany(things: Iterable<NewThing & { key?: string }>, now: EpochMs): { id: string; key: string }[];
  /** The box first met on an open topic under that native id, claimed since or not, or one registered with it; never made. */
  known(format: string, nativeId: string): Thing | null;
  /** The unclaimed box of that native id, made when new; null when `maxUnclaimed` is reached. */
  unclaimed(format: string, nativeId: string, now: EpochMs): Thing | null;
  update(id: string, change: Omit<NewThing, 'id' | 'kind'>, now: EpochMs): Thing;
  /** A new place from `from` on; the former ones stay in the history. */
  move(id: string, place: Place): Thing;
  places(id: string): Place[];
  rotateKey(id: string): string;
  rotateOwnerToken(id: string): string;
  retire(id: string, now: EpochMs): void;

  addToken(scope: TokenScope, name: string, now: EpochMs): string;
  tokens(): { name: string; scope: TokenScope; createdAt: EpochMs }[];
  removeToken(name: string): boolean;

  addEvent(event: Omit<RegistryEvent, 'id'>): void;
  /** Newest first, of id < before. */
  events(query: { limit: number; before?: number; thing?: string; kind?: string }): RegistryEvent[];

  /** The people around a box: alerts, hand-over, reports, pausing, forgetting. */
  readonly care: Care;
  /** How an unclaimed box gets an owner. */
  readonly claims: Claims;

  /** Grows with every committed change by any connection or process; cheap to ask. */
  version(): number;
  close(): void;
}

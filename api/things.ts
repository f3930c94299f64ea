/** Boxes and stations as the public sees them, kept ready by number so that a feature costs a look-up and not a query. */
import type { EpochMs } from '../model/time.ts';
import { inBbox } from './geometry.ts';
import type { Bbox } from './parameters.ts';
import { publicPlace, type PublicPlace } from '../registry/place.ts';
import type { Registry, Thing } from '../registry/registry.ts';

/** A Thing with its public place and the parts of its GeoJSON feature that do not change with the readings. */
export interface PublicThing {
  readonly num: number;
  readonly id: string;
  readonly kind: 'box' | 'station';
  readonly place: PublicPlace | null;
  readonly retired: boolean;
  readonly licence: string;
  /** Feature text up to the observed property … */
  readonly head: string;
  /** … and from behind the observation to the end. */
  readonly tail: string;
}

/** About 700 bytes each. */
const MAX_KEPT = 150_000;

export class ThingCache {
  readonly #registry: Registry;
  readonly #kept = new Map<number, PublicThing | null>();
  /** Public places by number, kept for all: lon, lat; NaN = not looked up yet, Infinity = none or retired. */
  #places = new Float64Array(0);
  #version: number;
  #changes = 0;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#version = registry.version();
  }

  /** Forgets what changed since the last call; grows when anything did. Call once a request. */
  refresh(): number {
    if (this.#registry.version() === this.#version) return this.#changes;
    this.#changes++;
    const { things, version } = this.#registry.changedSince(this.#version, 5000);
    if (version < this.#registry.version()) {
      this.#kept.clear();
      this.#places.fill(NaN);
      this.#version = this.#registry.version();
    } else {
      for (const t of things) {
        this.#kept.delete(t.num);
        this.#places.fill(NaN, t.num * 2, t.num * 2 + 2);
      }
      this.#version = version;
    }
    return this.#changes;
  }

  /** Whether a Thing is shown inside a bbox: 16 bytes each, so that a stream over a million boxes needs no look-ups. */
  inBbox(num: number, bbox: Bbox): boolean {
    if (num * 2 + 1 >= this.#places.length) {
      const longer = new Float64Array(Math.max(1024, num * 3)).fill(NaN);
      longer.set(this.#places);
      this.#places = longer;
    }
    let lon = this.#places[num * 2] as number;
    if (Number.isNaN(lon)) {
      const thing = this.get(num);
      if (!thing) return false;
      const place = thing.retired ? null : thing.place;
      lon = this.#places[num * 2] = place?.lon ?? Infinity;
      this.#places[num * 2 + 1] = place?.lat ?? Infinity;
    }
    return inBbox(bbox, lon, this.#places[num * 2 + 1] as number);
  }

  /** null: the registry has no such number. */
  get(num: number): PublicThing | null {
    let thing = this.#kept.get(num);
    if (thing === undefined) {
      const found = this.#registry.byNum(num);
      thing = found ? publicThing(found) : null;
      if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
      // A number that is not there yet may be a box that another thread adds this moment.
      if (thing) this.#kept.set(num, thing);
    }
    return thing;
  }
}

export function publicThing(t: Thing): PublicThing {
  const place = publicPlace(t);
  const geometry = place ? `{"type":"Point","coordinates":[${place.lon},${place.lat}]}` : 'null';
  const tail = {
    claimed: t.claimed,
    exposure: t.exposure,
    placePrecision: t.placePrecision,
    licence: t.licence || null,
    attribution: t.attribution || null,
  };
  return {
    num: t.num,
    id: t.id,
    kind: t.kind,
    place,
    retired: t.retired,
    licence: t.licence,
    head:
      `{"type":"Feature","id":${t.num},"geometry":${geometry},"properties":{"id":${JSON.stringify(t.id)},` +
      `"name":${JSON.stringify(t.name)},"nativeId":${JSON.stringify(t.nativeId)},"kind":"${t.kind}",`,
    tail: `,${JSON.stringify(tail).slice(1)}}`,
  };
}

export type Health = 'ok' | 'suspect' | 'offline' | 'unknown';
/** A box that has said nothing for this long is offline. */
export const OFFLINE_AFTER = 60 * 60_000;

export function healthOf(lastSeen: EpochMs | null, suspect: boolean, now: EpochMs): Health {
  if (lastSeen === null) return 'unknown';
  if (now - lastSeen > OFFLINE_AFTER) return 'offline';
  return suspect ? 'suspect' : 'ok';
}

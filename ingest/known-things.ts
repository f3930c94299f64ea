/**
 * What readings need of all boxes and stations of the registry, in columns: about 100 bytes each, and no query for a box that is known.
 * Read in one go at the start (a query for each of a million boxes would take half a minute of the first minute), kept by what changes.
 */
import { DAY, type EpochMs } from '../model/time.ts';
import type { Registry, Thing, ThingLine } from '../registry/registry.ts';

/** Changes that are taken one by one; past it the whole roll is read again. */
const MANY_CHANGES = 5000;
const PAGE = 5000;
const FIRST = 1024;

const KNOWN = 1;
const STATION = 2;
const CLAIMED = 4;
const RETIRED = 8;
const PAUSED = 16;
const NEWS = 32;

export interface KnownThing {
  readonly id: string;
  readonly num: number;
  readonly kind: 'box' | 'station';
}

/** What few combinations of many things share. */
export interface Traits {
  readonly sensors: readonly string[];
  readonly field: Thing['field'];
  readonly exposure: Thing['exposure'];
}

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;
function longer<T extends Column>(array: T, length: number): T {
  const out = new (array.constructor as new (n: number) => T)(length);
  out.set(array);
  return out;
}

/** FNV-1a, 32 bit. */
function hashOf(id: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) h = Math.imul(h ^ id.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/**
 * Since when a thing is known [ms], to the day: since it is in the registry, or since its readings, which may be older, have put it somewhere.
 * A move does not make it young.
 */
export const sinceOf = (createdAt: EpochMs, placedFrom: EpochMs): EpochMs =>
  Math.min(0xffff, Math.max(0, Math.floor(Math.min(createdAt, placedFrom) / DAY))) * DAY;

export class KnownThings {
  readonly #registry: Registry;
  #version: number;
  /** Open addressing by id: number of the thing, 0 = free. */
  #slots = new Int32Array(2 * FIRST);
  #count = 0;
  /** The ids behind one another, each behind its length; ids are ASCII of at most 40 characters (registry/thing.ts). */
  #ids = new Uint8Array(32 * FIRST);
  #idsEnd = 1;
  // By number of the thing.
  #idAt = new Uint32Array(FIRST);
  #bits = new Uint8Array(FIRST);
  #traits = new Uint32Array(FIRST);
  #lat = new Float64Array(FIRST);
  #lon = new Float64Array(FIRST);
  #from = new Float64Array(FIRST);
  /** Day since 1970. */
  #since = new Uint16Array(FIRST);
  readonly #words: Traits[] = [];
  readonly #wordAt = new Map<string, number>();

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#version = registry.version();
    this.#readAll();
  }

  /** Takes over what has changed since the last call. @returns the registry's version */
  refresh(): number {
    const registry = this.#registry;
    if (registry.version() === this.#version) return this.#version;
    const { things, version } = registry.changedSince(this.#version, MANY_CHANGES);
    if (version < registry.version()) {
      this.#version = registry.version();
      this.#readAll();
    } else {
      for (const thing of things) this.take(thing);
      this.#version = version;
    }
    return this.#version;
  }

  /** A thing as the registry gave it this moment. */
  take(t: Thing): void {
    this.#put(
      {
        ...t,
        lat: t.place?.lat ?? null,
        lon: t.place?.lon ?? null,
        placedFrom: t.place?.from ?? NaN,
        sensors: '',
        paused: t.paused === true,
      },
      this.#wordOf(JSON.stringify(t.sensors), t.field, t.exposure, () => t.sensors),
    );
  }

  /** 0 = no such id. A thing that was added this moment is looked up in the registry. */
  find(id: string): number {
    const slot = this.#slotOf(id);
    const num = this.#slots[slot] as number;
    if (num !== 0) return num;
    const thing = this.#registry.get(id);
    if (!thing) return 0;
    this.take(thing);
    return thing.num;
  }

  /** Whether a thing was read from the registry since this was last asked of it. */
  isNews(num: number): boolean {
    const bits = this.#bits[num] as number;
    this.#bits[num] = bits & ~NEWS;
    return (bits & NEWS) !== 0;
  }
  isStation(num: number): boolean {
    return ((this.#bits[num] as number) & STATION) !== 0;
  }
  isClaimed(num: number): boolean {
    return ((this.#bits[num] as number) & CLAIMED) !== 0;
  }
  isRetired(num: number): boolean {
    return ((this.#bits[num] as number) & RETIRED) !== 0;
  }
  isPaused(num: number): boolean {
    return ((this.#bits[num] as number) & PAUSED) !== 0;
  }
  /** The place in force [degrees], NaN = none, and since when. */
  lat(num: number): number {
    return this.#lat[num] as number;
  }
  lon(num: number): number {
    return this.#lon[num] as number;
  }
  placedFrom(num: number): EpochMs {
    return this.#from[num] as number;
  }
  /** First heard of, to the day. */
  since(num: number): EpochMs {
    return (this.#since[num] as number) * DAY;
  }
  traits(num: number): Traits {
    return this.#words[this.#traits[num] as number] as Traits;
  }

  #readAll(): void {
    for (let after = 0; ;) {
      const page = this.#registry.roll(after, PAGE);
      for (const line of page) {
        const { sensors, field, exposure } = line;
        this.#put(
          line,
          this.#wordOf(sensors, field, exposure, () => JSON.parse(sensors) as string[]),
        );
      }
      if (page.length < PAGE) return;
      after = page.at(-1)?.num ?? after;
    }
  }

  #wordOf(name: string, field: Thing['field'], exposure: Thing['exposure'], sensors: () => readonly string[]): number {
    const key = `${field}\n${exposure}\n${name}`;
    let word = this.#wordAt.get(key);
    if (word === undefined) {
      this.#wordAt.set(key, (word = this.#words.length));
      this.#words.push({ sensors: sensors(), field, exposure });
    }
    return word;
  }

  #put(t: ThingLine, word: number): void {
    const { num } = t;
    if (num >= this.#bits.length) this.#grow(Math.ceil(1.125 * num) + 1);
    if (((this.#bits[num] as number) & KNOWN) === 0) this.#enter(t.id, num);
    this.#bits[num] =
      KNOWN |
      NEWS |
      (t.kind === 'station' ? STATION : 0) |
      (t.claimed ? CLAIMED : 0) |
      (t.retired ? RETIRED : 0) |
      (t.paused ? PAUSED : 0);
    this.#traits[num] = word;
    this.#lat[num] = t.lat ?? NaN;
    this.#lon[num] = t.lon ?? NaN;
    this.#from[num] = t.lat === null ? NaN : t.placedFrom;
    this.#since[num] = sinceOf(t.createdAt, t.lat === null ? Infinity : t.placedFrom) / DAY;
  }

  /** A new id; ids never change. */
  #enter(id: string, num: number): void {
    if (this.#idsEnd + id.length + 1 > this.#ids.length) this.#ids = longer(this.#ids, this.#ids.length * 2);
    this.#idAt[num] = this.#idsEnd;
    this.#ids[this.#idsEnd++] = id.length;
    for (let i = 0; i < id.length; i++) this.#ids[this.#idsEnd++] = id.charCodeAt(i);
    if (2 * ++this.#count > this.#slots.length) this.#rehash();
    this.#slots[this.#slotOf(id)] = num;
  }

  #rehash(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(2 * old.length);
    for (const num of old) if (num !== 0) this.#slots[this.#slotOf(this.#idOf(num))] = num;
  }

  #grow(length: number): void {
    this.#idAt = longer(this.#idAt, length);
    this.#bits = longer(this.#bits, length);
    this.#traits = longer(this.#traits, length);
    this.#lat = longer(this.#lat, length);
    this.#lon = longer(this.#lon, length);
    this.#from = longer(this.#from, length);
    this.#since = longer(this.#since, length);
  }

  #idOf(num: number): string {
    const at = this.#idAt[num] as number;
    return Buffer.from(this.#ids.buffer, at + 1, this.#ids[at]).toString('latin1');
  }

  /** Where an id is, or would be. */
  #slotOf(id: string): number {
    const mask = this.#slots.length - 1;
    let slot = hashOf(id) & mask;
    for (;;) {
      const num = this.#slots[slot] as number;
      if (num === 0 || this.#is(num, id)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #is(num: number, id: string): boolean {
    let at = this.#idAt[num] as number;
    if (this.#ids[at++] !== id.length) return false;
    for (let i = 0; i < id.length; i++) if (this.#ids[at++] !== id.charCodeAt(i)) return false;
    return true;
  }
}

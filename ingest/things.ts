/**
 * Whose reading it is. Boxes and stations are known from `known-things.ts`; the calibration stage is told of one when a reading of it comes
 * first, and again after the registry has changed it.
 */
import type { CalibrationStage, StageBox } from '../calibration/stage.ts';
import type { DecodedReading } from './decoder.ts';
import type { EpochMs } from '../model/time.ts';
import { distanceM } from '../model/geo.ts';
import type { Registry, Thing } from '../registry/registry.ts';
import { KnownThings, sinceOf, type KnownThing } from './known-things.ts';

export type { KnownThing } from './known-things.ts';

export type Lookup =
  | { readonly ok: true; readonly thing: KnownThing }
  | {
      readonly ok: false;
      readonly code: string;
      readonly detail: string;
      /** The box it is about, whose owner is told once a day. */
      readonly thing?: KnownThing;
    };

/** Things are numbered from 1 without gaps, so columns by number are dense. */
export interface ThingColumns {
  /** 32-bit hash of what the stage was told, 0 = nothing yet. */
  told: Int32Array;
  /** Phenomenon time and values hash of the last reading that went to the stage. */
  lastTime: Float64Array;
  lastValues: Int32Array;
}

export interface ThingDirectory {
  byId(id: string): Lookup;
  /** The unclaimed box behind a native id of an open topic. */
  byNativeId(format: string, reading: DecodedReading, receivedAt: EpochMs): Lookup;
  /** A box that says where it is and has no place yet, or whose unclaimed box has clearly moved, is put there. */
  noteDecoded(thing: KnownThing, reading: DecodedReading, phenomenonTime: EpochMs): void;
  /** Somebody claims this unclaimed box at the moment: `text`, what belongs to this reading alone, may hold the code. */
  claimHeard(thing: KnownThing, text: () => string, receivedAt: EpochMs): void;
  /** True when the thing's last reading had this time and these values: a plain redelivery. Otherwise remembers it. */
  repeats(num: number, phenomenonTime: EpochMs, valuesHash: number): boolean;
  /** Asks the registry for its version; called once a batch, with the time of its newest packet. */
  refresh(now: EpochMs): void;
  state(): ThingColumns;
  restore(state: ThingColumns): void;
}

/** A fixed box whose GPS says something else by more than this, several times, hangs elsewhere now [m]; calibration note S0. */
const MOVED_M = 200;
const MOVED_TIMES = 3;

/** FNV-1a, 32 bit, never 0. */
export function hash32(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h | 0 || 1;
}

const PARTICLE_SENSOR = /^(PMS|PMSA|SDS|SPS|SEN5|SEN6|HPMA|IPS|PPD|NEXTPM|OPC|DN7C|ZH0|GP2Y|A4|G3|G5|G7|PM ?SENSOR)/i;

/** The name of the particle sensor among a box's sensors; '' = none known. */
export const particleSensor = (sensors: readonly string[]): string =>
  sensors.find((s) => PARTICLE_SENSOR.test(s)) ?? '';

export const stageBox = (t: Thing): StageBox => ({
  id: t.id,
  num: t.num,
  lat: t.place?.lat ?? null,
  lon: t.place?.lon ?? null,
  sensor: particleSensor(t.sensors),
  field: t.field,
  trusted: t.claimed,
  exposure: t.exposure,
  since: sinceOf(t.createdAt, t.place?.from ?? Infinity),
});

function grown<T extends Int32Array | Float64Array>(array: T, length: number): T {
  if (length <= array.length) return array;
  const bigger = new (array.constructor as new (n: number) => T)(Math.max(length, array.length * 2));
  bigger.set(array);
  return bigger;
}

export function thingDirectory(registry: Registry, stage: CalibrationStage, maxUnclaimed: number): ThingDirectory {
  const known = new KnownThings(registry);
  const native = new Map<string, string>();
  const moving = new Map<number, { lat: number; lon: number; times: number }>();
  let version = registry.version();
  let claimed: { readonly version: number; readonly nums: ReadonlySet<number> } = { version: -1, nums: new Set() };
  let columns: ThingColumns = {
    told: new Int32Array(1024),
    lastTime: new Float64Array(1024),
    lastValues: new Int32Array(1024),
  };
  const particle = new Map<readonly string[], string>();

  const fit = (num: number): void => {
    if (num < columns.told.length) return;
    columns = {
      told: grown(columns.told, num + 1),
      lastTime: grown(columns.lastTime, num + 1),
      lastValues: grown(columns.lastValues, num + 1),
    };
  };

  const tell = (id: string, num: number): KnownThing => {
    const kind = known.isStation(num) ? 'station' : 'box';
    fit(num);
    if (known.isNews(num)) {
      const { sensors, field, exposure } = known.traits(num);
      let sensor = particle.get(sensors);
      if (sensor === undefined) particle.set(sensors, (sensor = particleSensor(sensors)));
      const lat = known.lat(num);
      const placed = !Number.isNaN(lat);
      const box: StageBox = {
        id,
        num,
        lat: placed ? lat : null,
        lon: placed ? known.lon(num) : null,
        sensor,
        field,
        trusted: known.isClaimed(num),
        exposure,
        since: known.since(num),
      };
      const told = hash32(JSON.stringify([box, kind]));
      if (columns.told[num] !== told) {
        columns.told[num] = told;
        if (kind === 'station') stage.setStation({ id, num, lat: box.lat, lon: box.lon });
        else stage.setBox(box);
      }
    }
    return { id, num, kind };
  };
  const tellThing = (thing: Thing): KnownThing => {
    known.take(thing);
    return tell(thing.id, thing.num);
  };

  const byId = (id: string): Lookup => {
    const num = known.find(id);
    if (num === 0) {
      return {
        ok: false,
        code: 'unknown-box',
        detail: `no box has the id "${id.slice(0, 60)}": register it at /register and publish under the id given there`,
      };
    }
    if (known.isRetired(num)) {
      return {
        ok: false,
        code: 'retired-box',
        detail: `box ${id} was retired by its owner; register it anew if it should send again`,
      };
    }
    if (known.isPaused(num))
      return { ok: false, code: 'paused-box', detail: `box ${id} was paused by its owner; resume it on its page` };
    return { ok: true, thing: tell(id, num) };
  };

  /** What the packet says of its box is a courtesy: words the registry refuses do not cost the reading. */
  const courteous = (change: () => Thing): void => {
    try {
      tellThing(change());
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ERR_SQLITE_ERROR') throw error;
    }
  };

  const applyHints = (thing: KnownThing, hints: NonNullable<DecodedReading['hints']>, now: EpochMs): void =>
    courteous(() =>
      registry.update(
        thing.id,
        {
          ...(hints.name ? { name: hints.name } : {}),
          ...(hints.sensors?.length ? { sensors: hints.sensors } : {}),
          ...(hints.exposure ? { exposure: hints.exposure } : {}),
          ...(hints.field ? { field: hints.field } : {}),
          ...(hints.licence ? { licence: hints.licence } : {}),
          ...(hints.attribution ? { attribution: hints.attribution } : {}),
        },
        now,
      ),
    );

  return {
    byId,
    byNativeId(format, reading, receivedAt) {
      const key = `${format}\0${reading.nativeId}`;
      const id = native.get(key);
      if (id !== undefined) {
        const found = byId(id);
        // Claimed since: whoever speaks in its name without its key is nobody.
        if (found.ok && !known.isClaimed(found.thing.num)) return found;
        native.delete(key);
      }
      const before = registry.version();
      const thing = registry.unclaimed(format, reading.nativeId, receivedAt);
      if (!thing) {
        return {
          ok: false,
          code: 'unclaimed-limit',
          detail: `this server keeps at most ${maxUnclaimed} unregistered boxes (LAMPPOST_MAX_UNCLAIMED) and is full: register the box`,
        };
      }
      if (thing.retired) {
        return { ok: false, code: 'retired-box', detail: `box ${thing.id} was retired by its owner` };
      }
      if (thing.claimed) {
        return {
          ok: false,
          code: 'claimed-box',
          thing: { id: thing.id, num: thing.num, kind: thing.kind },
          detail: `device id "${reading.nativeId}" belongs to the registered box ${thing.id}: publish with its key on boxes/${thing.id}/${format}`,
        };
      }
      if (registry.version() !== before && reading.hints) applyHints(thing, reading.hints, receivedAt);
      native.set(key, thing.id);
      return { ok: true, thing: tellThing(registry.get(thing.id) ?? thing) };
    },
    noteDecoded(thing, reading, phenomenonTime) {
      const place = reading.place;
      if (!place) return;
      const { num } = thing;
      const there = { lat: place.lat, lon: place.lon, height: null, from: phenomenonTime };
      const [lat, lon] = [known.lat(num), known.lon(num)];
      if (Number.isNaN(lat)) {
        courteous(() => registry.move(thing.id, there));
        return;
      }
      // The owner's word on a registered box's place stands above its GPS.
      if (known.isClaimed(num)) return;
      if (distanceM(lat, lon, place.lat, place.lon) <= MOVED_M) {
        moving.delete(thing.num);
        return;
      }
      const seen = moving.get(thing.num);
      const again = seen !== undefined && distanceM(seen.lat, seen.lon, place.lat, place.lon) <= MOVED_M;
      const times = again ? seen.times + 1 : 1;
      if (times < MOVED_TIMES) {
        moving.set(thing.num, { lat: place.lat, lon: place.lon, times });
        return;
      }
      moving.delete(thing.num);
      if (phenomenonTime > known.placedFrom(num)) courteous(() => registry.move(thing.id, there));
    },
    claimHeard(thing, text, receivedAt) {
      if (claimed.nums.size > 0 && claimed.nums.has(thing.num)) registry.claims.heard(thing.num, text(), receivedAt);
    },
    repeats(num, phenomenonTime, valuesHash) {
      if (columns.lastTime[num] === phenomenonTime && columns.lastValues[num] === valuesHash) return true;
      columns.lastTime[num] = phenomenonTime;
      columns.lastValues[num] = valuesHash;
      return false;
    },
    refresh(now) {
      version = known.refresh();
      if (claimed.version !== version) claimed = { version, nums: registry.claims.watched(now) };
    },
    state: () => columns,
    restore(state) {
      columns = state;
    },
  };
}

/** A box or station as the REST calls show it. */
import { formatTime } from '../model/time.ts';
import { property, type PropertyKey } from '../model/properties.ts';
import { licence } from '../registry/licences.ts';
import { publicPlace, publicPlaces, publicProperties } from '../registry/place.ts';
import type { Thing } from '../registry/registry.ts';
import type { Context } from './context.ts';
import { observationOf } from './observation.ts';
import { slotView } from './rows.ts';
import { healthOf, type Health } from './things.ts';

/** Newest values of flag 3 or 4 make a box suspect. */
function hasSuspect(context: Context, num: number, keys: readonly PropertyKey[]): boolean {
  return keys.some((key) => {
    const p = property(key).num;
    const flag = context.latest.column(p)?.flag[context.latest.slot(p, num)];
    return flag === 3 || flag === 4;
  });
}

export function healthOfThing(context: Context, thing: Thing): Health {
  const keys = context.latest.properties(thing.num);
  return healthOf(context.latest.lastSeen(thing.num), hasSuspect(context, thing.num, keys), context.clock());
}

/** When anything came of a box, readings or not, and whether it says itself online. */
export function presenceView(context: Context, num: number) {
  const at = Math.max(context.latest.lastSeen(num) ?? 0, context.presence.lastHeard(num) ?? 0);
  return { lastContact: at === 0 ? null : formatTime(at), connection: context.presence.connection(num) };
}

export function thingView(context: Context, t: Thing) {
  const place = publicPlace(t);
  const seen = context.latest.lastSeen(t.num);
  return {
    id: t.id,
    name: t.name,
    nativeId: t.nativeId,
    format: t.format,
    kind: t.kind,
    lat: place?.lat ?? null,
    lon: place?.lon ?? null,
    placePrecision: t.placePrecision,
    claimed: t.claimed,
    exposure: t.exposure,
    sensors: t.sensors,
    properties: context.latest.properties(t.num),
    project: t.project,
    licence: t.licence || null,
    lastSeen: seen === null ? null : formatTime(seen),
    lastSeenLocal: seen === null ? null : context.localTime(seen),
    ...presenceView(context, t.num),
    health: healthOfThing(context, t),
    retired: t.retired,
    paused: t.paused === true,
  };
}

/** One line that may stand under a chart. */
export function attributionText(t: Thing): string {
  const who = t.attribution || t.name || t.id;
  const l = licence(t.licence);
  return l ? `${who}, ${l.name} (${l.url})` : `${who}, licence not stated: ask before you republish`;
}

export function thingDetailView(context: Context, t: Thing) {
  const places = publicPlaces(t, context.registry.places(t.id));
  return {
    ...thingView(context, t),
    height: t.placePrecision === 'exact' ? (t.place?.height ?? null) : null,
    createdAt: formatTime(t.createdAt),
    attribution: t.attribution || null,
    attributionText: attributionText(t),
    licenceDetail: licence(t.licence),
    extra: publicProperties(t),
    places: places.map((p, i) => {
      const next = places[i + 1];
      return {
        lat: p.lat,
        lon: p.lon,
        height: p.height,
        from: formatTime(p.from),
        to: next ? formatTime(next.from) : null,
      };
    }),
    latest: context.latest.properties(t.num).flatMap((key) => {
      const num = property(key).num;
      const column = context.latest.column(num);
      const slot = context.latest.slot(num, t.num);
      if (!column || slot < 0) return [];
      const row = slotView(context, column, slot);
      const raw = observationOf(key, 'raw', row);
      const corrected = observationOf(key, 'corrected', row);
      return [{ ...raw, corrected: corrected.value, lo90: corrected.lo90, hi90: corrected.hi90, model: corrected.model, correctionLevel: corrected.correctionLevel }]; // prettier-ignore
    }),
  };
}

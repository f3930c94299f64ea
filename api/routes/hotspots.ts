/** `GET /api/v1/hotspots`: where several boxes rose together and where that went, for the map. */
import { z } from 'zod';
import { FLAG, reason } from '../../model/flags.ts';
import { PROPERTY_SLOTS, property } from '../../model/properties.ts';
import { formatTime, HOUR, MINUTE, SECOND, type EpochMs } from '../../model/time.ts';
import type { BulkStore, ObservationStore } from '../../store/store.ts';
import type { App, Context } from '../context.ts';
import { SLOT_MS, spots, tracks, type SlotValue, type Spot } from '../hotspots.ts';
import type { Level } from '../observation.ts';
import { level, endTime, time } from '../parameters.ts';
import { Problem } from '../problem.ts';
import type { PublicPlace } from '../../registry/place.ts';
import { hotspotsAnswer, problemAnswers } from '../schemas.ts';

const MAX_HOURS = 72;
/** Slots asked of the store in one question. */
const AT_ONCE = 18;
const MAX_BOXES = 20_000;
/** Boxes have sent what they had kept for a server that was away. */
const SETTLES = 15 * MINUTE;
/** Slots kept; one is a few hundred bytes. */
const MAX_KEPT = 4000;

const canAsk = (store: ObservationStore): store is BulkStore => 'sql' in store;

export function hotspotRoutes(app: App, context: Context): void {
  const { store } = context;
  const kept = new Map<string, { spots: readonly Spot[]; until: number }>();
  /** One question at a time: the map may wait, ingest may not. */
  let queue: Promise<unknown> = Promise.resolve();
  const pm25 = property('pm25');
  const settled = context.elapsed() + SETTLES;

  async function ask(bulk: BulkStore, lvl: Level, from: EpochMs, to: EpochMs): Promise<Map<EpochMs, SlotValue[]>> {
    const column = lvl === 'raw' ? 'raw' : 'corrected';
    const answer = await bulk.sql(
      {
        text:
          `SELECT datastream // ${PROPERTY_SLOTS} AS thing, ("phenomenonTime" // ${SLOT_MS})::BIGINT AS slot, avg(${column}) AS mean ` +
          `FROM observation WHERE datastream % ${PROPERTY_SLOTS} = $1 AND NOT isnan(${column}) ` +
          `AND (flag IN (${FLAG.good}, ${FLAG.notEvaluated}) OR (reasons & ${reason('event')}) <> 0) GROUP BY 1, 2`,
        params: [pm25.num],
        from,
        to,
        timeoutMs: 20 * SECOND,
        maxRows: MAX_BOXES * AT_ONCE,
        only: { properties: [pm25.num], columns: [column, 'reasons'] },
      },
      context.closing,
    );
    if (answer.cut) throw new Problem('too-large', `Hot spots are looked for among at most ${MAX_BOXES} boxes`);
    const slots = new Map<EpochMs, SlotValue[]>();
    context.things.refresh();
    const places = new Map<number, PublicPlace | null>();
    const placeOf = (num: number): PublicPlace | null => {
      const known = places.get(num);
      if (known !== undefined) return known;
      const found = context.things.get(num);
      // A station's value stands for a whole hour: it would lag behind a plume.
      const used =
        found && !found.retired && found.kind === 'box' && context.registry.byNum(num)?.exposure !== 'indoor';
      const place = used ? found.place : null;
      places.set(num, place);
      return place;
    };
    const [thing, slot, mean] = answer.columns as unknown as [number[], number[], number[]];
    for (let i = 0; i < answer.rows; i++) {
      const place = placeOf(thing[i] as number);
      if (!place) continue;
      const at = (slot[i] as number) * SLOT_MS;
      const list = slots.get(at);
      const value = { lat: place.lat, lon: place.lon, value: mean[i] as number };
      if (list) list.push(value);
      else slots.set(at, [value]);
    }
    return slots;
  }

  async function load(
    bulk: BulkStore,
    lvl: Level,
    from: EpochMs,
    to: EpochMs,
  ): Promise<{ time: EpochMs; spots: readonly Spot[] }[]> {
    const [now, lived] = [context.clock(), context.elapsed()];
    const name = (t: EpochMs): string => `${lvl} ${t}`;
    const fresh = (t: EpochMs): boolean => (kept.get(name(t))?.until ?? 0) > lived;
    for (let t = from; t < to; t += SLOT_MS) {
      if (fresh(t)) continue;
      let end = t + SLOT_MS;
      while (end < to && end < t + AT_ONCE * SLOT_MS && !fresh(end)) end += SLOT_MS;
      const slots = await ask(bulk, lvl, t, end);
      for (; t < end; t += SLOT_MS)
        kept.set(name(t), {
          spots: spots(slots.get(t) ?? []),
          // The present changes at once, the past when boxes send late: many do when a server comes up.
          until: lived + (t + 2 * SLOT_MS > now || lived < settled ? MINUTE : t + 6 * HOUR > now ? 10 * MINUTE : HOUR),
        });
      t -= SLOT_MS;
    }
    const found: { time: EpochMs; spots: readonly Spot[] }[] = [];
    for (let t = from; t < to; t += SLOT_MS) found.push({ time: t, spots: kept.get(name(t))?.spots ?? [] });
    for (const key of kept.keys()) {
      if (kept.size <= MAX_KEPT) break;
      kept.delete(key);
    }
    return found;
  }

  app.get(
    '/api/v1/hotspots',
    {
      schema: {
        operationId: 'listHotspots',
        summary: 'Places where several boxes stood far above their surroundings, and the way they took',
        description:
          `From ten-minute means of PM2.5 of outdoor boxes that passed: at least three near each other, 20 µg/m³ above and at twice ` +
          `the median of the 10 to 14 km around, seen in two slots. At most ${MAX_HOURS} hours. Newest first.`,
        tags: ['observations'],
        querystring: z.strictObject({
          level: level.default('corrected'),
          from: time.optional().describe('Inclusive, the slot that holds it; default 24 hours before `to`'),
          to: endTime.optional().describe('Exclusive; default now'),
        }),
        response: { 200: hotspotsAnswer, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const q = request.query;
      if (!canAsk(store)) throw new Problem('not-found', 'The store of this server has no means of many boxes at once');
      const to = Math.ceil((q.to ?? context.clock()) / SLOT_MS) * SLOT_MS;
      const from = Math.floor((q.from ?? to - 24 * HOUR) / SLOT_MS) * SLOT_MS;
      if (from >= to)
        throw new Problem('invalid-parameter', 'from must lie before to', {
          errors: [{ field: 'from', detail: 'is not before to' }],
        });
      if (to - from > MAX_HOURS * HOUR)
        throw new Problem('invalid-parameter', `from and to: at most ${MAX_HOURS} hours`);
      const work = queue.then(() => load(store, q.level, from, Math.min(to, context.clock() + SLOT_MS)));
      queue = work.catch(() => undefined);
      const found = tracks(await work);
      reply.header('cache-control', 'public, max-age=60');
      const round = (x: number, digits: number): number => Number(x.toFixed(digits));
      return {
        property: 'pm25' as const,
        unit: pm25.unit,
        level: q.level,
        from: formatTime(from),
        to: formatTime(to),
        slot: 'PT10M' as const,
        items: found.map((t) => ({
          id: t.id,
          start: formatTime(t.start),
          end: formatTime(t.end),
          kind: t.kind,
          path: t.path.map((p) => ({
            time: formatTime(p.time),
            lat: round(p.lat, 4),
            lon: round(p.lon, 4),
            radiusKm: round(p.radiusKm, 2),
            boxes: p.boxes,
            peak: round(p.peak, 1),
            background: round(p.background, 1),
          })),
        })),
      };
    },
  );
}

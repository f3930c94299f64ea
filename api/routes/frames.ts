/** `GET /api/v1/frames`: hour means of a whole network as columns, for playing a day back on the map in one answer. */
import { z } from 'zod';
import { PROPERTY_SLOTS, property, roundTo } from '../../model/properties.ts';
import { formatTime, HOUR, MINUTE, SECOND, type EpochMs } from '../../model/time.ts';
import type { BulkStore, ObservationStore } from '../../store/store.ts';
import type { App, Context } from '../context.ts';
import type { Level } from '../observation.ts';
import { bbox, level, propertyKey, endTime, time, type Bbox } from '../parameters.ts';
import { Problem } from '../problem.ts';
import { framesAnswer, problemAnswers } from '../schemas.ts';

/** A week; a longer play-back takes several calls. */
const MAX_HOURS = 7 * 24;
/** Hours asked of the store in one question. */
const AT_ONCE = 12;
const MAX_BOXES = 20_000;
const MAX_IN_AREA = 2000;
/** Hours kept, of about 100 kB each at 10,000 boxes. */
const MAX_KEPT = 400;

const MEAN: Record<Level, string> = {
  raw: 'avg(raw) FILTER (WHERE flag IN (1, 2) AND NOT isnan(raw))',
  corrected: 'avg(corrected) FILTER (WHERE NOT isnan(corrected))',
};

/** Means by number of the Thing. */
type Hour = ReadonlyMap<number, number>;

const canAsk = (store: ObservationStore): store is BulkStore => 'sql' in store;

export function frameRoutes(app: App, context: Context): void {
  const { store } = context;
  const kept = new Map<string, { hour: Hour; until: number }>();
  /** One question at a time: a play-back may wait, ingest may not. */
  let queue: Promise<unknown> = Promise.resolve();
  const settled = context.elapsed() + 15 * MINUTE;

  async function ask(
    bulk: BulkStore,
    num: number,
    lvl: Level,
    from: EpochMs,
    to: EpochMs,
    things: readonly number[] | null,
  ): Promise<Hour[]> {
    const ids = things?.map((t) => t * PROPERTY_SLOTS + num);
    const which = ids
      ? `datastream IN (${ids.map((_, i) => `$${i + 1}`).join(',')})`
      : `datastream % ${PROPERTY_SLOTS} = $1`;
    const answer = await bulk.sql(
      {
        text:
          `SELECT datastream // ${PROPERTY_SLOTS} AS thing, ("phenomenonTime" // ${HOUR})::BIGINT AS hour, ${MEAN[lvl]} AS mean ` +
          `FROM observation WHERE ${which} GROUP BY 1, 2 HAVING mean IS NOT NULL`,
        params: ids ?? [num],
        from,
        to,
        timeoutMs: 20 * SECOND,
        maxRows: MAX_BOXES * AT_ONCE,
        only: { properties: [num], columns: [lvl], ...(things && { things }) },
      },
      context.closing,
    );
    if (answer.cut) throw new Problem('too-large', `More than ${MAX_BOXES} boxes: give a bbox`);
    const hours = Array.from({ length: Math.ceil((to - from) / HOUR) }, () => new Map<number, number>());
    const [thing, hour, mean] = answer.columns as unknown as [number[], number[], number[]];
    for (let i = 0; i < answer.rows; i++)
      hours[(hour[i] as number) - from / HOUR]?.set(thing[i] as number, mean[i] as number);
    return hours;
  }

  /** Hours from memory where they are fresh, the rest from the store. */
  async function load(bulk: BulkStore, num: number, lvl: Level, from: EpochMs, to: EpochMs): Promise<Hour[]> {
    const [now, lived] = [context.clock(), context.elapsed()];
    const name = (t: EpochMs): string => `${num} ${lvl} ${t}`;
    for (let t = from; t < to;) {
      if ((kept.get(name(t))?.until ?? 0) > lived) {
        t += HOUR;
        continue;
      }
      let end = t + HOUR;
      while (end < to && end < t + AT_ONCE * HOUR && !((kept.get(name(end))?.until ?? 0) > lived)) end += HOUR;
      for (const hour of await ask(bulk, num, lvl, t, end, null)) {
        // The present hour changes at once; the past only when boxes send late (many do when a server comes up), or when it is computed anew.
        kept.set(name(t), { hour, until: lived + (t + 2 * HOUR > now || lived < settled ? MINUTE : 15 * MINUTE) });
        t += HOUR;
      }
    }
    const hours: Hour[] = [];
    for (let t = from; t < to; t += HOUR) hours.push(kept.get(name(t))?.hour ?? new Map());
    for (const key of kept.keys()) {
      if (kept.size <= MAX_KEPT) break;
      kept.delete(key);
    }
    return hours;
  }

  function numsIn(area: Bbox): number[] {
    const things = context.registry.list({ bbox: area, limit: MAX_IN_AREA + 1 });
    if (things.length > MAX_IN_AREA)
      throw new Problem('too-large', `More than ${MAX_IN_AREA} boxes in the bbox: give a smaller one`);
    return things.map((t) => t.num);
  }

  app.get(
    '/api/v1/frames',
    {
      schema: {
        operationId: 'getFrames',
        summary: 'Hour means of all boxes as columns',
        description: `values[i][h] is the mean of ids[i] over the hour that starts h hours after \`start\`; null: none. At most ${MAX_HOURS} hours.`,
        tags: ['observations'],
        querystring: z.strictObject({
          property: propertyKey.default('pm25'),
          level: level.default('raw'),
          from: time.optional().describe('Inclusive, the hour that holds it; default 48 hours before `to`'),
          to: endTime.optional().describe('Exclusive; default now'),
          bbox: bbox.optional(),
        }),
        response: { 200: framesAnswer, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const q = request.query;
      if (!canAsk(store)) throw new Problem('not-found', 'The store of this server has no means of many boxes at once');
      const to = Math.ceil((q.to ?? context.clock()) / HOUR) * HOUR;
      const from = Math.floor((q.from ?? to - 48 * HOUR) / HOUR) * HOUR;
      if (from >= to)
        throw new Problem('invalid-parameter', 'from must lie before to', {
          errors: [{ field: 'from', detail: 'is not before to' }],
        });
      if (to - from > MAX_HOURS * HOUR)
        throw new Problem('invalid-parameter', `from and to: at most ${MAX_HOURS} hours`);
      const p = property(q.property);
      const area = q.bbox ? numsIn(q.bbox) : null;
      const work = queue.then(async (): Promise<Hour[]> => {
        if (!area) return load(store, p.num, q.level, from, to);
        if (area.length === 0) return [];
        const hours: Hour[] = [];
        for (let t = from; t < to; t += 24 * HOUR) {
          hours.push(...(await ask(store, p.num, q.level, t, Math.min(to, t + 24 * HOUR), area)));
        }
        return hours;
      });
      queue = work.catch(() => undefined);
      const hours = await work;
      context.things.refresh();
      const nums = [...new Set(hours.flatMap((h) => [...h.keys()]))].sort((a, b) => a - b);
      const shown = nums.flatMap((num) => {
        const thing = context.things.get(num);
        return thing && !thing.retired ? [{ num, id: thing.id, licence: thing.licence }] : [];
      });
      reply.header('cache-control', 'public, max-age=60');
      return {
        property: q.property,
        unit: p.unit,
        level: q.level,
        start: formatTime(from),
        end: formatTime(to),
        hours: (to - from) / HOUR,
        licences: [...new Set(shown.map((s) => s.licence))].filter((l) => l !== '').sort(),
        ids: shown.map((s) => s.id),
        licence: shown.map((s) => s.licence || null),
        values: shown.map(({ num }) =>
          hours.map((h) => {
            const mean = h.get(num);
            return mean === undefined ? null : roundTo(mean, p.resolution / 10);
          }),
        ),
      };
    },
  );
}

/** Air quality indices: the tables themselves, and the index of one box from means over the time that the table asks for. */
import { z } from 'zod';
import { INDICES, indexAt, indexOf, inUnitOf, nowCast, taiwanRealtime, type AirQualityIndex, type IndexPollutant, type IndexScale, type IndexValue } from '../../model/indices.ts'; // prettier-ignore
import { property, roundTo } from '../../model/properties.ts';
import { formatTime, HOUR, SECOND } from '../../model/time.ts';
import type { App, Context } from '../context.ts';
import { indexHours } from '../index-hours.ts';
import { level, thingId, time } from '../parameters.ts';
import { Problem } from '../problem.ts';
import { indexAnswer, indexTableList, problemAnswers } from '../schemas.ts';
import { thingAt } from './boxes.ts';

const KEYS = [...new Set(INDICES.map((i) => i.key))] as [string, ...string[]];
const POLLUTANTS = ['pm25', 'pm10', 'o3', 'no2', 'so2', 'co'] as const satisfies readonly IndexPollutant[];

/** Hours of which an averaging time needs means, and how many of them have to be there (75 % as for other means); null: not made here. */
const HOURS: Record<IndexScale['averaging'], readonly [span: number, needed: number] | null> = {
  '1h': [1, 1],
  '8h': [8, 6],
  '24h': [24, 18],
  nowcast: [12, 2],
  realtime: [12, 6],
  '5min': null,
  '1a': null,
};

function averaged(averaging: IndexScale['averaging'], hours: readonly (number | null)[]): number | null {
  if (averaging === 'nowcast') return nowCast(hours);
  if (averaging === 'realtime') return taiwanRealtime(hours);
  const [span, needed] = HOURS[averaging] ?? [0, 1];
  const given = hours.slice(0, span).filter((h) => h !== null);
  return given.length < needed ? null : given.reduce((a, b) => a + b, 0) / given.length;
}

/** What one scale of a table makes of hour means (newest first, in the box's unit); the value is null where too many are missing. */
interface Judged {
  readonly scale: IndexScale;
  readonly span: number;
  readonly hours: number;
  /** In the unit of the scale. */
  readonly concentration: number | null;
  readonly value: IndexValue | null;
}

function judge(table: AirQualityIndex, scale: IndexScale, unit: string, hours: readonly (number | null)[]): Judged {
  const [span] = HOURS[scale.averaging] ?? [0];
  const mean = averaged(scale.averaging, hours);
  const concentration = mean === null ? null : inUnitOf(scale, scale.pollutant, mean, unit);
  return {
    scale,
    span,
    hours: hours.slice(0, span).filter((h) => h !== null).length,
    concentration,
    value: concentration === null ? null : indexOf(table, scale.pollutant, concentration, scale.averaging),
  };
}

const view = (i: AirQualityIndex) => ({
  key: i.key,
  name: i.name,
  version: i.version,
  from: i.from === null ? null : formatTime(i.from),
  until: i.until === null ? null : formatTime(i.until),
  kind: i.kind,
  source: i.source,
  categories: i.categories,
  // Infinity is no JSON: the last break has no upper end.
  scales: i.scales.map((s) => ({
    ...s,
    breaks: s.breaks.map((b) => ({ ...b, high: Number.isFinite(b.high) ? b.high : null })),
  })),
});

export function indexRoutes(app: App, context: Context): void {
  app.get(
    '/api/v1/indices',
    {
      schema: {
        operationId: 'listIndices',
        summary: 'Air quality index tables with versions, break points, words and colours',
        tags: ['indices'],
        response: { 200: indexTableList, ...problemAnswers },
      },
    },
    async () => ({ items: INDICES.map(view), next: null }),
  );

  for (const path of ['boxes', 'stations'] as const) {
    app.get(
      `/api/v1/${path}/:id/index`,
      {
        schema: {
          operationId: `get${path === 'boxes' ? 'Box' : 'Station'}Index`,
          summary: 'Air quality index by a named table, from means of full hours',
          description:
            'A single reading is never an index: the concentration is averaged as the table asks (`averaging`), over full hours before `at`. ' +
            'An hour counts when at least 75 % of its readings are there with flag 1. Where a table has two scales (ozone of 8 h and of 1 h) the ' +
            'higher index stands. Gases measured as mole fractions are turned into mass at 293 K and 101.3 kPa where the table asks for mass. ' +
            '`value` is null, with the reason, when too many hours are missing.',
          tags: ['indices'],
          params: z.object({ id: thingId }),
          querystring: z.strictObject({
            table: z.enum(KEYS).default('tw_aqi').describe('Key of the table'),
            property: z.enum(POLLUTANTS).default('pm25'),
            level: level.default(path === 'boxes' ? 'corrected' : 'raw'),
            at: time.optional().describe('Default now'),
          }),
          response: { 200: indexAnswer, ...problemAnswers },
        },
      },
      async (request) => {
        const thing = thingAt(context, request.params.id);
        const q = request.query;
        const at = q.at ?? context.clock();
        const to = Math.floor(at / HOUR) * HOUR;
        const table = indexAt(q.table, at);
        if (!table) throw new Problem('invalid-parameter', `table: ${q.table} was not in force at ${formatTime(at)}`);
        const scales = table.scales.filter((s) => s.pollutant === q.property && HOURS[s.averaging] !== null);
        if (scales.length === 0)
          throw new Problem('invalid-parameter', `table: ${q.table} (${table.version}) has no scale for ${q.property}`);
        const { unit } = property(q.property);
        const signal = AbortSignal.any([AbortSignal.timeout(20 * SECOND), context.closing]);
        const hours = await indexHours(
          context.store,
          { thingNum: thing.num, property: q.property, to, level: q.level, signal },
          Math.max(...scales.map((s) => HOURS[s.averaging]?.[0] ?? 1)),
        );
        const judged = scales.map((s) => judge(table, s, unit, hours));
        const told = judged.reduce((best, j) => ((j.value?.value ?? -1) > (best.value?.value ?? -1) ? j : best));
        const { scale, value, concentration, span } = told;
        const from = to - span * HOUR;
        const category = value ? table.categories[value.category] : undefined;
        const missing = `only ${told.hours} of ${span} hours have a ${q.level} mean of enough good readings`;
        return {
          table: table.key,
          tableVersion: table.version,
          source: table.source,
          property: q.property,
          level: q.level,
          averaging: scale.averaging,
          phenomenonTime: formatTime(from),
          phenomenonTimeEnd: formatTime(to),
          localTimeEnd: context.localTime(to),
          concentration: concentration === null ? null : roundTo(concentration, property(q.property).resolution / 10),
          unit: scale.unit,
          hours: told.hours,
          value: value?.value ?? null,
          category: category
            ? {
                key: category.key,
                zh: category.zh,
                en: category.en,
                colour: category.colour,
                colourSafe: category.colourSafe,
              }
            : null,
          reason: value ? null : missing,
          licence: thing.licence || null,
        };
      },
    );
  }
}

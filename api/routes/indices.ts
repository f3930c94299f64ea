/** Air quality indices: the tables themselves, and the index of one box from means over the time that the table asks for. */
import { z } from 'zod';
import { datastreamId } from '../../model/datastream.ts';
import { INDICES, indexAt, indexOf, nowCast, taiwanRealtime, type AirQualityIndex, type IndexPollutant, type IndexScale } from '../../model/indices.ts'; // prettier-ignore
import { property, roundTo } from '../../model/properties.ts';
import { formatTime, HOUR, SECOND } from '../../model/time.ts';
import type { App, Context } from '../context.ts';
import { level, thingId, time } from '../parameters.ts';
import { Problem } from '../problem.ts';
import { indexAnswer, indexTableList, problemAnswers } from '../schemas.ts';
import { thingAt } from './boxes.ts';

const KEYS = [...new Set(INDICES.map((i) => i.key))] as [string, ...string[]];
const POLLUTANTS = ['pm25', 'pm10', 'o3', 'no2', 'so2', 'co'] as const satisfies readonly IndexPollutant[];

/** Hours of which an averaging time needs means, and how many of them have to be there (75 % as for other means). */
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
            '`value` is null, with the reason, when too many hours are missing.',
          tags: ['indices'],
          params: z.object({ id: thingId }),
          querystring: z.strictObject({
            table: z.enum(KEYS).default('tw_aqi').describe('Key of the table'),
            property: z.enum(POLLUTANTS).default('pm25'),
            level: level.default('corrected'),
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
        const scale = table.scales.find((s) => s.pollutant === q.property && HOURS[s.averaging] !== null);
        if (!scale)
          throw new Problem('invalid-parameter', `table: ${q.table} (${table.version}) has no scale for ${q.property}`);
        const { unit } = property(q.property);
        const [span] = HOURS[scale.averaging] ?? [1];
        const from = to - span * HOUR;
        const signal = AbortSignal.any([AbortSignal.timeout(20 * SECOND), context.closing]);
        const rows = await context.store.aggregate(
          { datastream: datastreamId(thing.num, q.property), from, to, step: HOUR, level: q.level },
          signal,
        );
        const hours: (number | null)[] = Array.from({ length: span }, () => null);
        for (const row of rows) hours[Math.round((to - row.end) / HOUR)] = row.mean;
        const concentration = scale.unit === unit ? averaged(scale.averaging, hours) : null;
        const value = concentration === null ? null : indexOf(table, q.property, concentration, scale.averaging);
        const category = value ? table.categories[value.category] : undefined;
        const missing =
          scale.unit === unit
            ? `only ${hours.filter((h) => h !== null).length} of ${span} hours have a ${q.level} mean`
            : `the table is in ${scale.unit}, this box measures ${unit}`;
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
          unit,
          hours: hours.filter((h) => h !== null).length,
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

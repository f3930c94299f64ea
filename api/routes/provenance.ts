/**
 * How one value came about (calibration note §8.6): what the sensor gave, what the tests said in words, which model made what of it with which
 * inputs, and which edition this is. Put together from what is stored: the row, the rows beside it, the model's card, the changelog of values.
 */
import { z } from 'zod';
import { datastreamId } from '../../model/datastream.ts';
import { FLAG, reason, REASONS } from '../../model/flags.ts';
import type { PropertyKey } from '../../model/properties.ts';
import { DAY, formatTime, SECOND, type EpochMs } from '../../model/time.ts';
import type { App, Context } from '../context.ts';
import { observationOf } from '../observation.ts';
import { propertyKey, thingId, time } from '../parameters.ts';
import { Problem } from '../problem.ts';
import { editionOf, rowView } from '../rows.ts';
import { edition, problemAnswers, rfc3339 } from '../schemas.ts';
import { thingAt } from './boxes.ts';

const source = z
  .strictObject({
    source: z
      .enum(['box', 'around', 'none'])
      .describe(
        'around: the boxes around stood in; none: not measured, or not believed, and the correction did without',
      ),
    value: z.number().nullable(),
    flag: z.number().int().nullable(),
  })
  .nullable()
  .describe('null: no input of the correction of this quantity');
const provenance = z.strictObject({
  id: z.string(),
  property: propertyKey,
  unit: z.string(),
  phenomenonTime: rfc3339,
  localTime: rfc3339,
  receivedAt: rfc3339,
  raw: z.number().nullable(),
  rawField: z.enum(['cf1', 'atm']).nullable().describe("Which of a Plantower's two outputs the box sends; null: not known, or only one"), // prettier-ignore
  secondChannel: z.number().nullable().describe('PM2.5 of channel B; `raw` is that of channel A'),
  sensors: z.array(z.string()),
  qc: z.strictObject({
    flag: z.number().int(),
    reasons: z.array(z.strictObject({ reason: z.string(), zh: z.string(), en: z.string() })),
    version: z.string().nullable().describe('Of the code: of the run that issued the value; of a live value that of its model; null: not recorded'), // prettier-ignore
  }),
  correctionLevel: z.string().nullable(),
  model: z.strictObject({ id: z.string(), url: z.string(), kind: z.string().nullable() }).nullable(),
  inputs: z.strictObject({
    humidity: source,
    temperature: source,
    references: z.array(z.string()).describe('Stations that the model was fitted on; the level says whether the own one took part'), // prettier-ignore
  }),
  corrected: z.number().nullable(),
  lo90: z.number().nullable(),
  hi90: z.number().nullable(),
  ...edition,
  issuedAt: rfc3339.describe('When this edition was made: for a live value its receipt'),
  licence: z.string().nullable(),
});

const words = (reason: string): { reason: string; zh: string; en: string } => {
  const code = reason.slice(reason.indexOf('.') + 1);
  const { zh, en } = REASONS.find((r) => r.code === code) ?? { zh: code, en: code };
  return { reason, zh, en };
};

/** What the correction of PM2.5 takes of a box's own weather (calibration/correction/answer.ts). */
const USABLE = {
  humidity: (v: number) => v > 0 && v <= 100.5,
  temperature: (v: number) => v > -45 && v < 70,
} as const;

const IMPUTED = reason('imputed');
const numberOr = (v: number | undefined): number | null => (v !== undefined && Number.isFinite(v) ? v : null);
const texts = (v: unknown): string[] => (Array.isArray(v) ? v.filter((s) => typeof s === 'string') : []);

export function provenanceRoutes(app: App, context: Context): void {
  const { store } = context;

  app.get(
    '/api/v1/boxes/:id/provenance',
    {
      schema: {
        operationId: 'getProvenance',
        summary: 'How one value of a box came about',
        description:
          'The reading at `time`, else the newest of the last 24 hours: raw value, verdicts in words, model and inputs of the correction, interval, edition.',
        tags: ['boxes'],
        params: z.object({ id: thingId }),
        querystring: z.strictObject({
          property: propertyKey.default('pm25'),
          time: time.optional().describe('Exact phenomenon time'),
        }),
        response: { 200: provenance, ...problemAnswers },
      },
    },
    async (request) => {
      const thing = thingAt(context, request.params.id);
      const { property: key, time: at } = request.query;
      const signal = AbortSignal.any([AbortSignal.timeout(20 * SECOND), context.closing]);
      const one = (property: PropertyKey, from: EpochMs, to: EpochMs) =>
        store.range({ datastreams: [datastreamId(thing.num, property)], from, to, limit: 1, order: 'desc' }, signal);
      const now = context.clock();
      const rows = at === undefined ? await one(key, now - DAY, now + DAY) : await one(key, at, at + 1);
      if (rows.length === 0)
        throw new Problem('not-found', 'This box has no value of that property at that time; /observations lists its times'); // prettier-ignore
      if (!context.models.knows(rows.model, 1)) await context.models.learn();
      const row = rowView(context, rows, 0);
      const beside = async (property: PropertyKey) => {
        if (key !== 'pm25') return null;
        const found = await one(property, row.time, row.time + 1);
        return found.length === 0 ? null : { value: found.raw[0] as number, flag: found.flag[0] as number };
      };
      const weather = async (property: keyof typeof USABLE): Promise<z.output<typeof source>> => {
        if (key !== 'pm25') return null;
        const found = await beside(property);
        const used = found !== null && found.flag <= FLAG.notEvaluated && USABLE[property](found.value);
        const lent = property === 'humidity' && (row.reasons & IMPUTED) !== 0;
        return { source: lent ? 'around' : used ? 'box' : 'none', value: numberOr(found?.value), flag: found?.flag ?? null }; // prettier-ignore
      };
      const card = row.model === '' ? null : ((await context.options.modelCard?.(row.model)) ?? null);
      const told = observationOf(key, 'corrected', row);
      const { product, revision } = editionOf(context)(thing.num, row.time, rows.resultTime[0] as number);
      const run = context.options.revisions?.list().find((r) => r.number === revision);
      const code = run?.code ?? card?.['code'];
      return {
        id: thing.id,
        property: key,
        unit: told.unit,
        phenomenonTime: told.phenomenonTime,
        localTime: context.localTime(row.time),
        receivedAt: formatTime(rows.resultTime[0] as number),
        raw: numberOr(row.raw),
        rawField: thing.field === '' ? null : thing.field,
        secondChannel: numberOr((await beside('pm25_b'))?.value),
        sensors: [...thing.sensors],
        qc: {
          flag: row.flag,
          reasons: told.reasons.map(words),
          version: typeof code === 'string' ? code : null,
        },
        correctionLevel: told.correctionLevel,
        model: told.model === null ? null : { id: told.model, url: `/api/v1/models/${encodeURIComponent(told.model)}`, kind: typeof card?.['kind'] === 'string' ? card['kind'] : null }, // prettier-ignore
        inputs: {
          humidity: await weather('humidity'),
          temperature: await weather('temperature'),
          references: texts(card?.['stations']),
        },
        corrected: told.value,
        lo90: told.lo90,
        hi90: told.hi90,
        product,
        revision,
        issuedAt: formatTime(run?.issuedAt ?? (rows.resultTime[0] as number)),
        licence: thing.licence || null,
      };
    },
  );
}

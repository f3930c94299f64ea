/** What the nights say of a box: health score with its parts, site class, drift; in words for people too. */
import { z } from 'zod';
import type { BoxHealth, StationVerdict } from '../../calibration/stage.ts';
import { FLAG } from '../../model/flags.ts';
import type { App, Context } from '../context.ts';
import { bbox, thingId } from '../parameters.ts';
import { Problem } from '../problem.ts';
import { problemAnswers } from '../schemas.ts';
import { thingAt } from './boxes.ts';

const share = z.number().min(0).max(1);
const quality = z.strictObject({
  id: z.string(),
  score: z
    .number()
    .min(0)
    .max(100)
    .describe('40·(1 − flagged share) + 30·correlation + 20·completeness + 10 without drift'),
  flaggedShare: share.describe('Of the last week'),
  completeness: share.describe('Of the last week'),
  correlation: z
    .number()
    .nullable()
    .describe('With its neighbours over 14 days, logarithmic; null = too little evidence'),
  attenuation: z.number().nullable().describe('Spread of the box over spread of its neighbours'),
  siteClass: z.enum(['', 'indoor', 'near_source']),
  scaleFactor: z
    .number()
    .nullable()
    .describe('Steady factor to its neighbours that only a wrong unit explains; null = none'),
  driftSuspected: z.boolean().describe('Its nights move away from its neighbours (CUSUM)'),
  drifting: z
    .boolean()
    .describe('The hours of the last week confirm it (Kolmogorov–Smirnov, p < 0.01, half a day counts as one)'),
  driftLog: z.number().nullable().describe('Present deviation at night against the first nights, logarithmic'),
  words: z.strictObject({ zh: z.string(), en: z.string() }),
});

export function qualityWords(h: BoxHealth): { zh: string; en: string } {
  const zh: string[] = [`健康度 ${Math.round(h.score)}（滿分 100）`];
  const en: string[] = [`Health ${Math.round(h.score)} of 100`];
  const say = (when: boolean, chinese: string, english: string): void => {
    if (!when) return;
    zh.push(chinese);
    en.push(english);
  };
  const percent = (x: number): string => `${Math.round(100 * x)} %`;
  say(
    h.flaggedShare > 0.02,
    `近一週 ${percent(h.flaggedShare)} 的讀數被標記`,
    `${percent(h.flaggedShare)} of last week's readings were flagged`,
  );
  say(
    h.completeness < 0.9,
    `近一週只收到 ${percent(h.completeness)} 的讀數`,
    `only ${percent(h.completeness)} of last week's readings arrived`,
  );
  say(h.follows === FLAG.suspect || h.follows === FLAG.fail, '與鄰近測點不同步', 'it does not follow its neighbours');
  say(
    h.drifting,
    '與鄰近測點的差距逐漸變大（近一週各時段也證實）',
    'it drifts away from its neighbours, and all hours of the last week confirm it',
  );
  say(
    h.driftSuspected && !h.drifting,
    '夜間與鄰近測點的差距變大，近一週各時段尚未證實',
    'at night it moves away from its neighbours, which the hours of the last week do not confirm so far',
  );
  const factor = h.scaleFactor ?? 1;
  say(
    h.scaleFactor !== null,
    `讀數一直是鄰近測點的 ${factor >= 1 ? `${factor.toPrecision(2)} 倍` : `1/${(1 / factor).toPrecision(2)}`}，請檢查單位`,
    `it always reads ${factor >= 1 ? `${factor.toPrecision(2)} times` : `1/${(1 / factor).toPrecision(2)} of`} what its neighbours do: check the unit`,
  );
  say(h.siteClass === 'indoor', '看來裝在室內', 'it seems to hang indoors');
  say(h.siteClass === 'near_source', '看來緊鄰污染源', 'it seems to hang beside a source');
  return { zh: `${zh.join('；')}。`, en: `${en.join('; ')}.` };
}

const stationQuality = z.strictObject({
  id: z.string(),
  used: z.boolean().describe('false = its values take no part in any correction'),
  excludedFor: z.array(z.string()).describe('Types of boxes that are corrected without it'),
  stuck: z.boolean().describe('It stands still, or has shown nothing for a week; its values are not taken'),
  clockOffsetSeconds: z.number().describe('Added to its time labels, because boxes fit it best so'),
  words: z.strictObject({ zh: z.string(), en: z.string() }),
});

export function stationWords(v: StationVerdict): { zh: string; en: string } {
  const zh: string[] = [];
  const en: string[] = [];
  if (v.stuck) {
    zh.push('數值停滯不動或近乎為零，暫不採用');
    en.push('it stands still, or shows next to nothing, and is not used meanwhile');
  }
  if (v.excludedFor.length > 0) {
    zh.push(`與其他測站不符，校正 ${v.excludedFor.join('、')} 時不採用`);
    en.push(`it does not fit the other stations and is left out for ${v.excludedFor.join(', ')}`);
  }
  if (v.clockMs !== 0) {
    const hours = v.clockMs / 3_600_000;
    zh.push(`時鐘差 ${-hours} 小時，已修正`);
    en.push(`its clock is off by ${-hours} h and was put right`);
  }
  if (en.length === 0) return { zh: '沒有異常。', en: 'Nothing odd was found.' };
  return { zh: `${zh.join('；')}。`, en: `${en.join('; ')}.` };
}

/** Boxes that are asked about at once. */
const MAX_IN_AREA = 2000;

export function qualityRoutes(app: App, context: Context): void {
  app.get(
    '/api/v1/quality',
    {
      schema: {
        operationId: 'listBoxQuality',
        summary: 'Health and site class of the boxes of an area, judged every night',
        description: `At most ${MAX_IN_AREA} boxes; those that no night has judged yet are left out.`,
        tags: ['boxes'],
        querystring: z.strictObject({ bbox }),
        response: { 200: z.strictObject({ items: z.array(quality), next: z.null() }), ...problemAnswers },
      },
    },
    async (request, reply) => {
      const things = context.registry.list({ bbox: request.query.bbox, limit: MAX_IN_AREA + 1 });
      if (things.length > MAX_IN_AREA)
        throw new Problem('too-large', `More than ${MAX_IN_AREA} boxes in the bbox: give a smaller one`);
      const boxes = things.filter((t) => t.kind === 'box' && !t.retired);
      const found = await Promise.all(boxes.map(async (t) => (await context.options.quality?.(t.num)) ?? null));
      reply.header('cache-control', 'public, max-age=300');
      return {
        items: boxes.flatMap((t, i) => {
          const judged = found[i];
          if (!judged) return [];
          const { follows: _, ...shown } = judged;
          return [{ id: t.id, ...shown, words: qualityWords(judged) }];
        }),
        next: null,
      };
    },
  );
  app.get(
    '/api/v1/boxes/:id/quality',
    {
      schema: {
        operationId: 'getBoxQuality',
        summary: 'Health, site class and drift of a box, judged every night',
        tags: ['boxes'],
        params: z.object({ id: thingId }),
        response: { 200: quality, ...problemAnswers },
      },
    },
    async (request) => {
      const thing = thingAt(context, request.params.id);
      const found = (await context.options.quality?.(thing.num)) ?? null;
      if (!found) throw new Problem('not-found', 'No night has judged this box yet; look again tomorrow');
      const { follows: _, ...shown } = found;
      return { id: thing.id, ...shown, words: qualityWords(found) };
    },
  );
  app.get(
    '/api/v1/stations/:id/quality',
    {
      schema: {
        operationId: 'getStationQuality',
        summary: 'Whether a reference station is believed, and what was done about its clock',
        tags: ['stations'],
        params: z.object({ id: thingId }),
        response: { 200: stationQuality, ...problemAnswers },
      },
    },
    async (request) => {
      const thing = thingAt(context, request.params.id);
      if (thing.kind !== 'station')
        throw new Problem('not-found', 'This is a box; /api/v1/boxes/{id}/quality judges it');
      const none: StationVerdict = { station: thing.id, excludedFor: [], stuck: false, clockMs: 0 };
      const v = context.options.stationVerdicts?.().find((s) => s.station === thing.id) ?? none;
      return {
        id: thing.id,
        used: !v.stuck && v.excludedFor.length === 0,
        excludedFor: [...v.excludedFor],
        stuck: v.stuck,
        clockOffsetSeconds: v.clockMs / 1000,
        words: stationWords(v),
      };
    },
  );
}

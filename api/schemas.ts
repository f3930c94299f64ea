/** The shapes of answers (design §7): they make the OpenAPI document, and the tests hold every answer against them. */
import { z } from 'zod';
import { PROPERTIES, type PropertyKey } from '../model/properties.ts';

export const rfc3339 = z.string().meta({ format: 'date-time' });
const key = z.enum(PROPERTIES.map((p) => p.key) as [PropertyKey, ...PropertyKey[]]);
const flag = z
  .union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(9)])
  .describe('QARTOD: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing');

export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    instance: z.string().optional(),
    errors: z.array(z.object({ field: z.string(), detail: z.string() })).optional(),
  })
  .describe('RFC 9457 problem');

const answer = (description: string) => ({ description, content: { 'application/problem+json': { schema: problem } } });
/** What any call may answer when it cannot. */
export const problemAnswers = {
  '4xx': answer('The request cannot be answered as it stands'),
  '5xx': answer('A failure on our side'),
};

const value = {
  property: key,
  value: z.number().nullable().describe('null: missing or refused, see reasons; never 0 in its place'),
  unit: z.string().describe('UCUM'),
  level: z.enum(['raw', 'corrected']),
  flag,
  reasons: z.array(z.string()).describe('<property>.<code>'),
  lo90: z.number().nullable().describe('Ends of the 90 % interval; given with corrected values'),
  hi90: z.number().nullable(),
  model: z.string().nullable(),
  correctionLevel: z.string().nullable().describe('L0–L5; + = the own station of the box took part'),
};

export const edition = {
  product: z
    .enum(['live', 'revised', 'archive'])
    .describe(
      'live: as answered at its time; revised: run again an hour later or by the operator; archive: run again after a day, and after 30',
    ),
  revision: z.number().int().min(0).describe('Number at /api/v1/revisions; 0 = live'),
};

export const featureProperties = z.strictObject({
  id: z.string(),
  name: z.string(),
  nativeId: z.string().describe('Public name in its own network'),
  kind: z.enum(['box', 'station']),
  ...value,
  phenomenonTime: rfc3339,
  ...edition,
  claimed: z.boolean(),
  exposure: z.enum(['outdoor', 'indoor', 'mobile', 'unknown']),
  placePrecision: z.enum(['exact', 'grid']).describe('grid: the centre of a cell, the true place is hidden'),
  licence: z.string().nullable(),
  attribution: z.string().nullable(),
});

export const feature = z.strictObject({
  type: z.literal('Feature'),
  id: z.number().int(),
  geometry: z.strictObject({ type: z.literal('Point'), coordinates: z.tuple([z.number(), z.number()]) }).nullable(),
  properties: featureProperties,
});
export const featureCollection = z.strictObject({
  type: z.literal('FeatureCollection'),
  features: z.array(feature),
  licences: z.array(z.string()).describe('Every licence among the features; each feature names its own'),
});

export const thing = z.strictObject({
  id: z.string(),
  name: z.string(),
  nativeId: z.string(),
  format: z.string(),
  kind: z.enum(['box', 'station']),
  lat: z.number().nullable(),
  lon: z.number().nullable(),
  placePrecision: z.enum(['exact', 'grid']),
  claimed: z.boolean(),
  exposure: z.enum(['outdoor', 'indoor', 'mobile', 'unknown']),
  sensors: z.array(z.string()),
  properties: z.array(key).describe('Observed properties'),
  project: z.string(),
  licence: z.string().nullable(),
  lastSeen: rfc3339.nullable().describe('When its newest reading was received'),
  lastSeenLocal: rfc3339.nullable(),
  lastContact: rfc3339
    .nullable()
    .describe('When anything came from it, a heartbeat or a refused packet too; since the start of the server'),
  connection: z.enum(['online', 'offline']).nullable().describe('As its status topic or last will says; null: it never said'), // prettier-ignore
  health: z
    .enum(['ok', 'suspect', 'offline', 'unknown'])
    .describe('suspect: the newest values carry flags 3 or 4; offline: silent for an hour; unknown: not heard lately'),
  retired: z.boolean(),
  paused: z.boolean().describe('Its owner lets it send nothing for the time being'),
  distance: z.number().optional().describe('[m], where a point was asked about'),
});
export const thingList = z.strictObject({ items: z.array(thing), next: z.string().nullable() });

export const licenceInfo = z.strictObject({
  id: z.string(),
  name: z.string(),
  url: z.string(),
  offered: z.boolean(),
  attributionRequired: z.boolean(),
  shareAlikeRequired: z.boolean(),
  commercialUseAllowed: z.boolean(),
  redistributionAllowed: z.boolean(),
  modificationAllowed: z.boolean(),
});

export const thingDetail = thing.extend({
  height: z.number().nullable(),
  createdAt: rfc3339,
  attribution: z.string().nullable(),
  attributionText: z.string().describe('Ready to copy'),
  licenceDetail: licenceInfo.nullable(),
  extra: z.record(z.string(), z.string()).describe('Further public facts, such as township or lamp post number'),
  places: z.array(
    z.strictObject({
      lat: z.number(),
      lon: z.number(),
      height: z.number().nullable(),
      from: rfc3339,
      to: rfc3339.nullable(),
    }),
  ),
  latest: z.array(
    z
      .strictObject({ ...value, phenomenonTime: rfc3339, corrected: z.number().nullable() })
      .describe('raw, with the corrected value beside it'),
  ),
});

export const observation = z.strictObject({
  product: edition.product.optional(),
  revision: edition.revision.optional(),
  phenomenonTime: rfc3339.describe('UTC; start of the interval for aggregates'),
  localTime: rfc3339,
  ...value,
  licence: z.string().nullable(),
});
export const aggregate = observation.extend({
  phenomenonTimeEnd: rfc3339,
  count: z.number().int().describe('Values that took part'),
  total: z.number().int().describe('Readings in the interval, flagged ones included'),
  coverage: z.number().min(0).max(1).nullable().describe('count by the number expected at the usual pace of the box'),
  min: z.number().nullable(),
  max: z.number().nullable(),
  percentiles: z.record(z.string(), z.number().nullable()).optional(),
});
export const observationList = z.strictObject({
  items: z.array(z.union([aggregate, observation])),
  next: z.string().nullable(),
});

export const compareList = z.strictObject({
  items: z.array(
    z.strictObject({
      phenomenonTime: rfc3339,
      localTime: rfc3339,
      phenomenonTimeEnd: rfc3339.optional(),
      property: key,
      unit: z.string(),
      product: edition.product.optional(),
      revision: edition.revision.optional(),
      raw: z.number().nullable(),
      corrected: z.number().nullable(),
      lo90: z.number().nullable(),
      hi90: z.number().nullable(),
      difference: z.number().nullable().describe('corrected − raw'),
      flag,
      reasons: z.array(z.string()),
      model: z.string().nullable(),
      correctionLevel: z.string().nullable(),
      licence: z.string().nullable(),
    }),
  ),
  next: z.string().nullable(),
});

export const readingsAccepted = z.strictObject({ accepted: z.number().int() });
export const registered = thing.extend({
  key: z.string().describe('Password of the box; shown only here'),
  ownerToken: z.string().describe("For the owner's calls; shown only here"),
  ownerUrl: z.string(),
  mqtt: z.strictObject({ topic: z.string(), username: z.string() }),
  readingsUrl: z.string(),
});

export const licenceList = z.strictObject({ items: z.array(licenceInfo), next: z.null() });
export const modelInfo = z.looseObject({ id: z.string() });
const error = z.number().nullable().describe('Weighted error against reference stations left out [ug/m3]');
export const modelInForce = z.strictObject({
  subject: z.string().describe('The type of sensor'),
  model: z.string(),
  since: rfc3339,
  held: z.boolean().describe('An operator holds it: no other may take over'),
  putBack: z.boolean().describe('An operator put it back'),
  shadow: z.string().describe('The later fit that runs beside it, "" = none'),
  shadowSince: rfc3339.nullable(),
  shadowPairs: z.number().int().describe('Pairs of box and reference that have judged the two'),
  error,
  shadowError: error,
});
export const modelTurn = z.strictObject({
  time: rfc3339,
  subject: z.string(),
  turn: z.enum(['in force', 'shadow', 'promoted', 'declined', 'came back', 'put back', 'released']),
  model: z.string(),
  before: z.string().describe('The model in force until then, "" = none'),
  pairs: z.number().int(),
  error,
  otherError: error,
});
export const modelList = z.strictObject({
  items: z.array(modelInfo),
  inForce: z.array(modelInForce).describe('The pooled models that answer now, and what runs in their shadow'),
  turns: z.array(modelTurn).describe('The latest changes between them, newest first'),
  next: z.null(),
});
export const eventList = z.strictObject({
  items: z.array(
    z.strictObject({
      id: z.number().int(),
      time: rfc3339,
      localTime: rfc3339,
      kind: z.string(),
      thing: z.string(),
      property: z.string(),
      detail: z.string(),
    }),
  ),
  next: z.string().nullable(),
});
export const rejectList = z.strictObject({
  items: z.array(
    z.strictObject({
      id: z.number().int(),
      receivedAt: rfc3339,
      via: z.string(),
      topic: z.string(),
      thing: z.string().nullable(),
      code: z.string(),
      detail: z.string(),
      payload: z.string(),
      payloadEncoding: z.enum(['utf-8', 'base64']),
    }),
  ),
  next: z.string().nullable(),
});
export const propertyList = z.strictObject({
  items: z.array(
    z.strictObject({
      key,
      name: z.strictObject({ zh: z.string(), en: z.string() }),
      unit: z.string(),
      unitLabel: z.string(),
      resolution: z.number(),
      plausible: z.tuple([z.number(), z.number()]),
      gross: z.tuple([z.number(), z.number()]),
      source: z.string(),
    }),
  ),
  next: z.null(),
});
export const healthReport = z.strictObject({
  status: z.enum(['ok', 'degraded', 'starting']),
  parts: z.array(z.strictObject({ name: z.string(), ok: z.boolean(), problem: z.string() })),
});

const indexCategory = z.strictObject({
  key: z.string(),
  zh: z.string(),
  en: z.string(),
  colour: z.string(),
  colourSafe: z.string(),
});
export const indexTableList = z.strictObject({
  items: z.array(
    z.strictObject({
      key: z.string(),
      name: z.strictObject({ zh: z.string(), en: z.string() }),
      version: z.string(),
      from: rfc3339.nullable(),
      until: rfc3339.nullable(),
      kind: z.enum(['interpolated', 'category']),
      source: z.string(),
      categories: z.array(indexCategory),
      scales: z.array(
        z.strictObject({
          pollutant: z.string(),
          unit: z.string(),
          averaging: z.string(),
          step: z.number(),
          to: z.string(),
          breaks: z.array(
            z.strictObject({
              low: z.number(),
              high: z.number().nullable(),
              from: z.number(),
              to: z.number(),
              category: z.number().int(),
            }),
          ),
        }),
      ),
    }),
  ),
  next: z.null(),
});
export const indexAnswer = z.strictObject({
  table: z.string(),
  tableVersion: z.string(),
  source: z.string(),
  property: key,
  level: z.enum(['raw', 'corrected']),
  averaging: z.string(),
  phenomenonTime: rfc3339,
  phenomenonTimeEnd: rfc3339,
  localTimeEnd: rfc3339,
  concentration: z.number().nullable(),
  unit: z.string(),
  hours: z.number().int(),
  value: z.number().nullable(),
  category: indexCategory.nullable(),
  reason: z.string().nullable().describe('Why there is no value'),
  licence: z.string().nullable(),
});

export const framesAnswer = z.strictObject({
  property: key,
  unit: z.string(),
  level: z.enum(['raw', 'corrected']),
  start: rfc3339,
  end: rfc3339,
  hours: z.number().int(),
  licences: z.array(z.string()).describe('Every licence that occurs'),
  ids: z.array(z.string()),
  licence: z.array(z.string().nullable()).describe('Of the box at the same place in ids; null: not stated'),
  values: z.array(z.array(z.number().nullable())),
});

export const hotspotsAnswer = z.strictObject({
  property: key,
  unit: z.string(),
  level: z.enum(['raw', 'corrected']),
  from: rfc3339,
  to: rfc3339,
  slot: z.literal('PT10M'),
  items: z.array(
    z.strictObject({
      id: z.string(),
      start: rfc3339,
      end: rfc3339,
      kind: z.enum(['moving', 'standing']),
      path: z.array(
        z.strictObject({
          time: rfc3339,
          lat: z.number(),
          lon: z.number(),
          radiusKm: z.number(),
          boxes: z.number().int(),
          peak: z.number(),
          background: z.number(),
        }),
      ),
    }),
  ),
});

export const ownerView = thingDetail.extend({
  exactPlaces: z.array(
    z.strictObject({ lat: z.number(), lon: z.number(), height: z.number().nullable(), from: rfc3339 }),
  ),
  lampPost: z.string(),
  side: z.string(),
  batch: z.string(),
  sensorIds: z.record(z.string(), key),
});
export const newSecret = z.strictObject({
  key: z.string().optional(),
  ownerToken: z.string().optional(),
  ownerUrl: z.string().optional(),
});

export const firmwareList = z.strictObject({
  items: z.array(
    z.strictObject({
      id: z.string(),
      name: z.string(),
      version: z.string(),
      format: z.string().describe('Payload format of the box once it is flashed'),
      chips: z.array(z.string()).describe('Chip families, as esp-web-tools names them'),
      manifest: z.string(),
    }),
  ),
  next: z.null(),
});

const claim = {
  code: z.string().describe('To be sent by the box; any case'),
  expires: rfc3339,
  heard: z.number().int().describe('Readings with the code since the last one without'),
  since: rfc3339.nullable(),
  until: rfc3339.nullable().describe('Until when every reading has to carry the code'),
  proven: z.boolean(),
};
export const claimState = z.strictObject(claim);
export const claimOpened = z.strictObject({ ...claim, claimToken: z.string().describe('Opens this claim; keep it') });

export const contact = z.strictObject({
  webhook: z.string(),
  email: z.string(),
  confirmed: z.boolean().describe('Whether the owner of the e-mail address has said yes; nothing is sent before'),
  kinds: z.array(z.enum(['offline', 'stuck', 'odd'])),
  lang: z.enum(['zh-TW', 'en']),
  mail: z.boolean().describe('Whether this server can send mail at all'),
});
export const feedbackList = z.strictObject({
  items: z.array(
    z.strictObject({
      id: z.number().int(),
      box: z.string(),
      time: rfc3339,
      kind: z.enum(['value', 'place', 'indoors', 'smoke', 'other']),
      text: z.string(),
      answer: z.string(),
      answeredAt: rfc3339.nullable(),
    }),
  ),
  next: z.string().nullable(),
});
export const handover = z.strictObject({ handoverUrl: z.string(), expires: rfc3339 });
export const answerList = z.strictObject({
  items: z.array(
    z.strictObject({
      kind: z.enum(['value', 'place', 'indoors', 'smoke', 'other']),
      answer: z.string(),
      answeredAt: rfc3339,
    }),
  ),
  next: z.null(),
});

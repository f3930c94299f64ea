/** The query parameters that several calls share: one zod schema each, which checks, explains itself and becomes OpenAPI. */
import { z } from 'zod';
import { PROPERTIES, isPropertyKey, type PropertyKey } from '../model/properties.ts';
import { DAY, HOUR, MINUTE, parseTime, SECOND, type EpochMs } from '../model/time.ts';
import { isTimezone } from './localtime.ts';

export type Bbox = readonly [west: number, south: number, east: number, north: number];
export type Point = readonly [lon: number, lat: number];

/**
 * Query strings are text to the checks, and numbers to people and programs that read the document: `meta` says what the
 * checks take, as far as JSON Schema can.
 */
const DEGREES = String.raw`-?(?:\d|[1-8]\d|90)(?:\.\d{1,12})?`;
const LONGITUDE = String.raw`-?(?:\d{1,2}|1[0-7]\d)(?:\.\d{1,12})?`;

/** Plain decimals only: `Number('')`, hex and `Infinity` are no coordinates. */
const DECIMAL = /^[+-]?(\d{1,20}(\.\d{0,25})?|\.\d{1,25})([eE][+-]?\d{1,3})?$/;
const decimal = (text: string): number => (DECIMAL.test(text.trim()) ? Number(text) : NaN);

const issue = (ctx: z.core.$RefinementCtx, message: string): never => {
  ctx.issues.push({ code: 'custom', message, input: ctx.value });
  return z.NEVER;
};

export const propertyKey = z
  .enum(PROPERTIES.map((p) => p.key) as [PropertyKey, ...PropertyKey[]])
  .describe('Observed property, by its key');

const KEYS = PROPERTIES.map((p) => p.key).join('|');
/** One or several, separated by commas. */
export const propertyKeys = z
  .string()
  .max(400)
  .transform((text, ctx): readonly PropertyKey[] => {
    const keys = text.split(',').map((k) => k.trim());
    const wrong = keys.find((k) => !isPropertyKey(k));
    if (wrong !== undefined) {
      return issue(
        ctx,
        `${JSON.stringify(wrong)} is no property; known are ${PROPERTIES.map((p) => p.key).join(', ')}`,
      );
    }
    return keys as PropertyKey[];
  })
  .describe('Property keys, separated by commas')
  .meta({ pattern: `^(?:${KEYS})(?:,(?:${KEYS})){0,20}$`, sample: 'pm25,pm10' });

export const bbox = z
  .string()
  .max(120)
  .transform((text, ctx): Bbox => {
    const n = text.split(',').map(decimal);
    const [west, south, east, north] = n as [number, number, number, number];
    if (n.length !== 4 || n.some(Number.isNaN)) return issue(ctx, 'four numbers: west,south,east,north');
    if (Math.abs(west) > 180 || Math.abs(east) > 180) return issue(ctx, 'longitudes lie between -180 and 180');
    if (Math.abs(south) > 90 || Math.abs(north) > 90) return issue(ctx, 'latitudes lie between -90 and 90');
    if (south > north) return issue(ctx, 'south must not be above north: west,south,east,north');
    return [west, south, east, north];
  })
  .describe('west,south,east,north in degrees (WGS 84); west > east crosses the antimeridian')
  .meta({
    pattern: `^${LONGITUDE},${DEGREES},${LONGITUDE},${DEGREES}$`,
    sample: '121.45,24.95,121.65,25.12',
  });

export const polygon = z
  .string()
  .max(12_000)
  .transform((text, ctx): readonly Point[] => {
    const wkt = /^\s*POLYGON\s*\(\(([^()]*)\)\)\s*$/i.exec(text);
    const pairs = wkt
      ? (wkt[1] as string).split(',').map((p) => p.trim().split(/\s+/))
      : (text.match(/[^,]+,[^,]+/g) ?? []).map((p) => p.split(','));
    const points = pairs.map((p): Point =>
      p.length === 2 ? [decimal(p[0] as string), decimal(p[1] as string)] : [NaN, NaN],
    );
    if (!wkt && text.split(',').length % 2 !== 0) return issue(ctx, 'an even number of values: lon,lat,lon,lat,…');
    if (points.length < 3 || points.length > 500)
      return issue(ctx, '3 to 500 corners: lon,lat,lon,lat,… or WKT POLYGON');
    if (points.some(([lon, lat]) => !(Math.abs(lon) <= 180 && Math.abs(lat) <= 90))) {
      return issue(ctx, 'corners are lon,lat,lon,lat,… in degrees, or WKT POLYGON((lon lat, …))');
    }
    return points;
  })
  .describe('lon,lat,lon,lat,… or WKT POLYGON((lon lat, …)) without holes')
  .meta({
    pattern: `^(?:${LONGITUDE},${DEGREES}(?:,${LONGITUDE},${DEGREES}){2,499}|POLYGON ?\\(\\(.+\\)\\))$`,
    sample: '121.5,25.0,121.6,25.0,121.6,25.1,121.5,25.1',
  });

const number = (min: number, max: number, what: string) =>
  z
    .string()
    .transform((text, ctx): number => {
      const n = text.length <= 60 ? decimal(text) : NaN;
      return n >= min && n <= max ? n : issue(ctx, `a number from ${min} to ${max}: ${what}`);
    })
    .meta({ type: 'number', minimum: min, maximum: max });

export const lat = number(-90, 90, 'latitude in degrees').describe('Latitude [°]').meta({ sample: 25.033 });
export const lon = number(-180, 180, 'longitude in degrees').describe('Longitude [°]').meta({ sample: 121.565 });
export const radius = number(1, 100_000, 'metres').describe('Radius [m], at most 100 km').meta({ sample: 2000 });

/** Earliest and latest time an answer can be about; beyond them dates have no four-digit year. */
const FIRST = 0;
const LAST = Date.UTC(2200, 0, 1);

export const time = z
  .string()
  .max(40)
  .transform((text, ctx): EpochMs => {
    // A + in a query that was not encoded arrives as a blank.
    const dated = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text.replace(/ (\d{2}:\d{2})$/, '+$1');
    const t = parseTime(dated);
    if (t === null) return issue(ctx, 'RFC 3339 with a zone, such as 2026-11-21T08:00:00Z, or a date (UTC)');
    if (t < FIRST || t > LAST) return issue(ctx, 'between 1970 and 2200');
    return t;
  })
  .describe('RFC 3339 with zone, or a date (midnight UTC)')
  .meta({
    pattern: String.raw`^(?:19[7-9]|20\d|21\d)\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,3})?(?:Z|[+-](?:0\d|1[0-3]):[0-5]\d))?$`,
    sample: '2026-11-21T08:00:00Z',
  });
/** The end of a span that begins with `time`. */
export const endTime = time.meta({ ...time.meta(), sample: '2026-11-22T08:00:00Z' });

export const level = z
  .enum(['raw', 'corrected'])
  .describe('`raw`: as the sensor gave it; `corrected`: with the 90 % interval of the correction model');

export const limit = (max: number, usual: number) =>
  z
    .string()
    .default(String(usual))
    .transform((text, ctx): number => {
      const n = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
      return n >= 1 && n <= max ? n : issue(ctx, `a whole number from 1 to ${max}`);
    })
    .describe(`How many at most, 1 to ${max}`)
    .meta({ type: 'integer', minimum: 1, maximum: max, default: usual });

export const boolean = z
  .enum(['true', 'false'])
  .transform((t) => t === 'true')
  .describe('true or false');

export const cursor = z
  .string()
  .min(1)
  .max(300)
  .describe('`next` of the former page')
  .meta({ pattern: '^[A-Za-z0-9_-]{1,300}$' });

export const timezone = z
  .string()
  .max(60)
  .refine(isTimezone, 'an IANA time zone such as Asia/Taipei')
  .describe('IANA time zone in which days, months and hours of the aggregation begin')
  .meta({ pattern: '^[A-Za-z]+(?:[/_+-][A-Za-z0-9]+)*$', sample: 'Asia/Taipei' });

/** Width of an aggregation step: fixed [ms], or a calendar day or month of a time zone. */
export type Step = number | 'day' | 'month';

const DURATION =
  /^P(?:(\d{1,4})W|(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?)$/;

/** ISO 8601 durations; P1D and P1M follow the calendar. Null for what is none or what cannot be a step. */
export function parseStep(text: string): Step | null {
  const m = DURATION.exec(text);
  if (!m || text === 'P' || text.endsWith('T')) return null;
  const [weeks, years, months, days, hours, minutes, seconds] = m.slice(1).map((v) => Number(v ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (text === 'P1M') return 'month';
  if (text === 'P1D') return 'day';
  if (years > 0 || months > 0) return null;
  const ms = (weeks * 7 + days) * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND;
  return ms >= MINUTE && ms <= 366 * DAY ? ms : null;
}

export const interval = z
  .string()
  .max(30)
  .transform((text, ctx): Step => {
    const step = parseStep(text);
    return step ?? issue(ctx, 'an ISO 8601 duration from PT1M to P366D, or P1M: PT1H, PT8H, P1D, P1M …');
  })
  .describe(
    'Aggregation step as ISO 8601 duration (PT1H, PT8H, P1D = calendar day, P1M = calendar month); absent: every reading',
  )
  .meta({
    pattern: '^P(?:1M|[1-9]\\d?D|[1-9]W|T(?:[1-9]\\d{0,2}H|[1-9]\\d{0,4}M))$',
    sample: 'PT1H',
  });

/** Any ISO 8601 duration of days and below [ms], for ages. */
export const duration = (maxMs: number) =>
  z
    .string()
    .max(30)
    .transform((text, ctx): number => {
      const step = parseStep(text);
      const ms = step === 'day' ? DAY : step;
      return typeof ms === 'number' && ms <= maxMs ? ms : issue(ctx, 'an ISO 8601 duration such as PT1H or P1D');
    })
    .meta({ pattern: '^P(?:[1-9]D|T(?:[1-9]\\d?H|[1-9]\\d{0,3}M))$', sample: 'PT1H' });

export const thingId = z.string().max(200).describe('Id of a box or reference station');

/** Opaque page marks: JSON behind base64url, checked on the way in. */
export const encodeCursor = (mark: readonly (number | string)[]): string =>
  Buffer.from(JSON.stringify(mark)).toString('base64url');

export function decodeCursor(text: string): readonly (number | string)[] | null {
  try {
    const mark: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return Array.isArray(mark) && mark.every((m) => typeof m === 'string' || Number.isSafeInteger(m)) ? mark : null;
  } catch {
    return null;
  }
}

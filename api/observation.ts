/**
 * One stored row as the outside sees it: a value never without property, unit, level, flag, reasons, interval and model. Text is
 * put together by hand because a city's map is ten thousand of these; a test parses it against the schema.
 */
import { FLAG, reason, reasonStrings } from '../model/flags.ts';
import { CORRECTION_LEVELS } from '../model/observation.ts';
import { property, roundTo, type ObservedProperty, type PropertyKey } from '../model/properties.ts';
import { formatTime, type EpochMs } from '../model/time.ts';

export type Level = 'raw' | 'corrected';

export interface RowView {
  readonly time: EpochMs;
  readonly raw: number;
  readonly corrected: number;
  readonly lo90: number;
  readonly hi90: number;
  readonly flag: number;
  readonly reasons: number;
  /** Index into CORRECTION_LEVELS. */
  readonly level: number;
  readonly model: string;
}

/** What an answer says of a row at a level; null = refused, missing, or no interval at this level. */
export interface Observation {
  readonly phenomenonTime: string;
  readonly property: PropertyKey;
  readonly value: number | null;
  readonly unit: string;
  readonly level: Level;
  readonly flag: number;
  readonly reasons: readonly string[];
  readonly lo90: number | null;
  readonly hi90: number | null;
  readonly model: string | null;
  readonly correctionLevel: string | null;
}

const orNull = (v: number): number | null => (Number.isFinite(v) ? v : null);
/** Interval ends may have lost digits on their way (32-bit floats); a multiple of the resolution comes back exactly. */
const endOf = (v: number, resolution: number): number | null => (Number.isFinite(v) ? roundTo(v, resolution) : null);

const REFUSALS = reason('no_model') | reason('input') | reason('output_guard');
/** A corrected value that is not given has a reason: where none was stored, this quantity has no model. */
const reasonsOf = (corrected: boolean, row: RowView): number =>
  corrected && !Number.isFinite(row.corrected) && row.flag < FLAG.fail && !(row.reasons & REFUSALS)
    ? row.reasons | reason('no_model')
    : row.reasons;

export function observationOf(key: PropertyKey, level: Level, row: RowView): Observation {
  const p = property(key);
  const corrected = level === 'corrected';
  const value = orNull(corrected ? row.corrected : row.raw);
  const interval = corrected && value !== null;
  return {
    phenomenonTime: formatTime(row.time),
    property: key,
    value,
    unit: p.unit,
    level,
    flag: row.flag,
    reasons: reasonStrings(key, reasonsOf(corrected, row)),
    lo90: interval ? endOf(row.lo90, p.resolution) : null,
    hi90: interval ? endOf(row.hi90, p.resolution) : null,
    model: (corrected && row.model) || null,
    correctionLevel: (corrected && CORRECTION_LEVELS[row.level]) || null,
  };
}

/** Reasons as JSON, per property; a network shows a few hundred different masks at most. */
const reasonTexts = new Map<PropertyKey, Map<number, string>>();
function reasonsText(key: PropertyKey, mask: number): string {
  if (mask === 0) return '[]';
  let texts = reasonTexts.get(key);
  if (!texts) reasonTexts.set(key, (texts = new Map()));
  let text = texts.get(mask);
  if (text === undefined) {
    if (texts.size > 10_000) texts.clear();
    texts.set(mask, (text = JSON.stringify(reasonStrings(key, mask))));
  }
  return text;
}

const num = (v: number): string => (Number.isFinite(v) ? String(v) : 'null');
const end = (v: number, resolution: number): string => (Number.isFinite(v) ? String(roundTo(v, resolution)) : 'null');

/** Which edition of a value this is: as it came in, or the revision of QC and correction that speaks for it. */
export interface Edition {
  readonly product: 'live' | 'revised' | 'archive';
  /** 0 = live. */
  readonly revision: number;
}

/** The members of a feature's `properties` that come from the row, in the order of design §7, without braces. */
export function observationText(
  p: ObservedProperty & { key: PropertyKey },
  level: Level,
  row: RowView,
  { product, revision }: Edition,
): string {
  const corrected = level === 'corrected';
  const value = corrected ? row.corrected : row.raw;
  const interval = corrected && Number.isFinite(value);
  const model = corrected && row.model !== '' ? JSON.stringify(row.model) : 'null';
  const step = (corrected && CORRECTION_LEVELS[row.level]) || '';
  return (
    `"property":"${p.key}","value":${num(value)},"unit":${JSON.stringify(p.unit)},"level":"${level}","flag":${row.flag},` +
    `"reasons":${reasonsText(p.key, reasonsOf(corrected, row))},"lo90":${interval ? end(row.lo90, p.resolution) : 'null'},` +
    `"hi90":${interval ? end(row.hi90, p.resolution) : 'null'},"model":${model},` +
    `"correctionLevel":${step === '' ? 'null' : `"${step}"`},"phenomenonTime":"${formatTime(row.time)}",` +
    `"product":"${product}","revision":${revision}`
  );
}

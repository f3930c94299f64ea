/**
 * How one Thing looks on the map: which shape, which colour, how faded. Shape carries what colour must not carry alone.
 * The legend is drawn from the same table.
 */
import { FLAG } from '../../model/flags.ts';
import { HOUR, MINUTE } from '../../model/time.ts';
import { classOf, type Palette } from '../scales/scales.ts';
import { EXPOSURE, KIND, type BoxTable } from '../values/table.ts';
import type { Hideable, Level } from '../state/url.ts';

/** Numbers are the shader's. */
export const SHAPE = {
  circle: 0,
  diamond: 1,
  square: 2,
  triangle: 3,
  cross: 4,
  ring: 5,
  cluster: 6,
  tile: 7,
  dot: 8,
} as const;
export type Shape = keyof typeof SHAPE;

/** `uncorrected`: measured and not refused, but no correction applies to this box (yet). */
export type Status = 'ok' | 'suspect' | 'refused' | 'uncorrected' | 'silent';

/**
 * From `fresh` on a value fades, from `silent` on it is not shown as a value any more. Boxes report every few minutes;
 * a station's time is the start of an hour that becomes known after its end.
 */
export const AGE = {
  box: { fresh: 15 * MINUTE, silent: HOUR },
  station: { fresh: 2.5 * HOUR, silent: 5 * HOUR },
} as const;

export interface RowView {
  readonly value: number;
  readonly lo90: number;
  readonly hi90: number;
  readonly time: number;
  readonly flag: number;
  readonly reasons: string;
  readonly model: string;
  readonly status: Status;
}

/** A moment of the past: hourly means, which have no flag of their own; nothing there = no value. */
function pastView(t: BoxTable, row: number, past: NonNullable<BoxTable['past']>): RowView {
  const value = past.value[row] ?? NaN;
  return {
    value,
    lo90: NaN,
    hi90: NaN,
    time: past.time,
    flag: FLAG.good,
    reasons: '',
    model: '',
    status: Number.isNaN(value) ? 'silent' : 'ok',
  };
}

/** The value of a row at a level, NaN = none. For `difference` both values have to be of the same moment. */
export function valueAt(t: BoxTable, row: number, level: Level): number {
  if (t.past) return t.past.value[row] ?? NaN;
  const { corrected, raw } = t.levels;
  if (level === 'raw') return raw.value[row] as number;
  const value = corrected.value[row] as number;
  if (level === 'corrected') return value;
  return raw.time[row] === corrected.time[row] ? value - (raw.value[row] as number) : NaN;
}

/** @param value as `valueAt` gave it */
export function statusAt(t: BoxTable, row: number, level: Level, now: number, value: number): Status {
  if (t.past) return Number.isNaN(value) ? 'silent' : 'ok';
  const l = level === 'raw' ? t.levels.raw : t.levels.corrected;
  const flag = l.flag[row];
  const age = t.kind[row] === KIND.station ? AGE.station : AGE.box;
  if (!(now - (l.time[row] as number) <= age.silent)) return 'silent';
  if (flag === FLAG.fail || flag === FLAG.missing) return 'refused';
  if (Number.isNaN(value)) return level === 'raw' ? 'refused' : 'uncorrected';
  return flag === FLAG.suspect ? 'suspect' : 'ok';
}

/** All that a row says at a level. */
export function rowView(t: BoxTable, row: number, level: Level, now: number): RowView {
  if (t.past) return pastView(t, row, t.past);
  const l = level === 'raw' ? t.levels.raw : t.levels.corrected;
  const value = valueAt(t, row, level);
  const difference = level === 'difference';
  return {
    value,
    lo90: difference ? NaN : (l.lo90[row] as number),
    hi90: difference ? NaN : (l.hi90[row] as number),
    time: l.time[row] as number,
    flag: l.flag[row] as number,
    reasons: l.reasons[row] ?? '',
    model: l.model[row] ?? '',
    status: statusAt(t, row, level, now, value),
  };
}

const INDOOR = EXPOSURE.indexOf('indoor');
export const isIndoor = (t: BoxTable, row: number): boolean => t.exposure[row] === INDOOR;

export function isHidden(t: BoxTable, row: number, status: Status, hide: readonly Hideable[]): boolean {
  if (hide.length === 0) return false;
  return (
    (status === 'silent' && hide.includes('silent')) ||
    ((status === 'suspect' || status === 'refused') && hide.includes('flagged')) ||
    (t.claimed[row] === 0 && hide.includes('unclaimed')) ||
    (isIndoor(t, row) && hide.includes('indoor'))
  );
}

export function shapeOf(t: BoxTable, row: number, status: Status): Shape {
  if (status === 'silent') return 'ring';
  if (status === 'refused') return 'cross';
  if (status === 'uncorrected') return 'dot';
  if (t.kind[row] === KIND.station) return 'diamond';
  if (status === 'suspect') return 'triangle';
  return isIndoor(t, row) ? 'square' : 'circle';
}

/** 1 = fresh; falls to 0.4 when the value is about to count as silent. */
export function freshness(t: BoxTable, row: number, time: number, now: number): number {
  if (t.past) return 1;
  const age = t.kind[row] === KIND.station ? AGE.station : AGE.box;
  const over = (now - time - age.fresh) / (age.silent - age.fresh);
  return over <= 0 ? 1 : Math.max(0.4, 1 - 0.6 * over);
}

/** Colours of the health layer, for people who look after boxes. */
export const HEALTH = {
  ok: '#3d8f6f',
  suspect: '#e0a030',
  refused: '#c4502e',
  uncorrected: '#6f9cc0',
  silent: '#7a848d',
} as const satisfies Record<Status, string>;

export const GREY: readonly [number, number, number] = [122, 132, 141];

export const rgb = (hex: string): [number, number, number] => [
  Number.parseInt(hex.slice(1, 3), 16),
  Number.parseInt(hex.slice(3, 5), 16),
  Number.parseInt(hex.slice(5, 7), 16),
];

/** Precomputed colours of a palette; `of` gives the class colour of a value. */
export function colours(p: Palette): { of: (value: number) => readonly [number, number, number] } {
  const list = p.classes.map((c) => rgb(c.color));
  return { of: (value) => list[classOf(p, value)] ?? GREY };
}

/** A value counts for means and sentences: fresh enough, not doubted, outdoors. */
export function counts(t: BoxTable, row: number, v: RowView): boolean {
  return v.status === 'ok' && !isIndoor(t, row);
}

/**
 * "The air near you, now": one estimate for a place out of the boxes and stations round it, and how sure it is. Pure.
 * Nothing beyond `MAX_RADIUS_M` takes part: far values are not a guess about here.
 */
import { distanceM } from '../../model/geo.ts';
import { KIND, type BoxTable } from './table.ts';
import { counts, rowView } from '../map/marks.ts';
import { classOf, type Palette } from '../scales/scales.ts';

const RADII_M = [1000, 2000, 3000, 5000, 10_000];
const MAX_RADIUS_M = 10_000;
const ENOUGH = 4;
/** Half-width of a 90 % interval of a normal distribution in standard deviations. */
const Z90 = 1.645;
/** Without an interval of its own (raw values, stations without one) a value counts as this uncertain, relative and absolute [µg/m³]. */
const DEFAULT_SD = { relative: 0.15, absolute: 1.5 };

export interface Glance {
  readonly value: number;
  readonly lo: number;
  readonly hi: number;
  readonly boxes: number;
  readonly stations: number;
  readonly radiusM: number;
  readonly newest: number;
  readonly oldest: number;
  /** Rows that took part, nearest first. */
  readonly rows: readonly number[];
  readonly sure: 'high' | 'middle' | 'low';
  /** Class of the value, and the other class the interval reaches into (the same when it does not). */
  readonly classAt: number;
  readonly otherClass: number;
}

/**
 * Mean weighted by nearness and certainty. Its spread is the larger of what the single intervals say and how much the
 * values disagree; half of the single uncertainty is taken as shared (one correction model, one weather) and does not average out.
 */
export function glance(t: BoxTable, lat: number, lon: number, now: number, palette: Palette): Glance | null {
  const near: { row: number; d: number; value: number; sd: number; time: number }[] = [];
  const degrees = MAX_RADIUS_M / 100_000;
  for (let row = 0; row < t.length; row++) {
    if (Math.abs((t.lat[row] as number) - lat) > degrees || Math.abs((t.lon[row] as number) - lon) > degrees * 1.3)
      continue;
    const v = rowView(t, row, 'corrected', now);
    if (!counts(t, row, v)) continue;
    const d = distanceM(lat, lon, t.lat[row] as number, t.lon[row] as number);
    if (d > MAX_RADIUS_M) continue;
    const sd = Number.isNaN(v.lo90)
      ? Math.max(DEFAULT_SD.absolute, DEFAULT_SD.relative * Math.abs(v.value))
      : (v.hi90 - v.lo90) / (2 * Z90);
    near.push({ row, d, value: v.value, sd: Math.max(0.3, sd), time: v.time });
  }
  if (near.length === 0) return null;
  near.sort((a, b) => a.d - b.d);
  const radiusM = RADII_M.find((r) => near.filter((n) => n.d <= r).length >= ENOUGH) ?? MAX_RADIUS_M;
  const used = near.filter((n) => n.d <= radiusM).slice(0, 30);
  let weights = 0;
  let squares = 0;
  let sum = 0;
  let variance = 0;
  for (const n of used) {
    const w = 1 / ((n.d / 1000) ** 2 + 0.3) / n.sd ** 2;
    weights += w;
    squares += w * w;
    sum += w * n.value;
    variance += w * n.sd ** 2;
  }
  const value = sum / weights;
  const effective = (weights * weights) / squares;
  const own = variance / weights;
  let disagreement = 0;
  for (const n of used) disagreement += (1 / ((n.d / 1000) ** 2 + 0.3) / n.sd ** 2 / weights) * (n.value - value) ** 2;
  const sd = Math.sqrt(own / 4 + Math.max((own * 3) / 4, disagreement) / effective);
  const lo = value - Z90 * sd;
  const hi = value + Z90 * sd;
  const classAt = classOf(palette, value);
  const [below, above] = [classOf(palette, lo), classOf(palette, hi)];
  const otherClass = above !== classAt ? above : below;
  const sure = used.length < 2 || above - below > 1 || radiusM > 5000 ? 'low' : above === below ? 'high' : 'middle';
  return {
    value,
    lo,
    hi,
    boxes: used.filter((n) => t.kind[n.row] === KIND.box).length,
    stations: used.filter((n) => t.kind[n.row] === KIND.station).length,
    radiusM,
    newest: Math.max(...used.map((n) => n.time)),
    oldest: Math.min(...used.map((n) => n.time)),
    rows: used.map((n) => n.row),
    sure,
    classAt,
    otherClass,
  };
}

/** The span of time that a condition on Observations asks for, apart from the rest of it. */
import { parseObservationId } from './box-ids.ts';
import { allOf, isoTime, type Expression } from './expression.ts';

const FOREVER = 8.64e15;

/** All that the store may hold [epoch ms]. */
export const EVER = { from: 0, to: Date.UTC(2200, 0) };

export interface Span {
  readonly from: number;
  readonly to: number;
  /** What the span does not say. */
  readonly rest: Expression | null;
}

const FLIPPED: Record<string, string> = { gt: 'lt', ge: 'le', lt: 'gt', le: 'ge', eq: 'eq' };

/** The time range that a conjunction asks for. Box observations have instants, so that every bound is exact. */
export function spanOf(e: Expression | null): Span {
  if (!e) return { from: -FOREVER, to: FOREVER, rest: null };
  if (e.kind === 'binary' && e.op === 'and') {
    const [a, b] = [spanOf(e.left), spanOf(e.right)];
    return { from: Math.max(a.from, b.from), to: Math.min(a.to, b.to), rest: allOf(a.rest, b.rest) };
  }
  if (e.kind === 'binary' && e.op === 'eq') {
    // An id of a box's Observation says its time.
    const [id, literal] = e.left.kind === 'path' ? [e.left, e.right] : [e.right, e.left];
    const text = literal.kind === 'literal' && typeof literal.value === 'string' ? literal.value : '';
    const named = id.kind === 'path' && /^(?:@iot\.)?id$/.test(id.steps.join('/')) ? parseObservationId(text) : null;
    if (named) return { from: named.time, to: named.time + 1, rest: e };
  }
  if (e.kind === 'binary') {
    const path = (x: Expression): boolean =>
      x.kind === 'path' && x.steps.length === 1 && x.steps[0] === 'phenomenonTime';
    const side = path(e.left) ? e.right : path(e.right) ? e.left : null;
    const op = path(e.left) ? e.op : FLIPPED[e.op];
    const t =
      side?.kind === 'time'
        ? side.start
        : side?.kind === 'literal' && typeof side.value === 'string'
          ? isoTime(side.value)
          : NaN;
    if (!Number.isNaN(t)) {
      // Times are whole milliseconds: > t is ≥ t + 1.
      if (op === 'gt') return { from: t + 1, to: FOREVER, rest: null };
      if (op === 'ge') return { from: t, to: FOREVER, rest: null };
      if (op === 'lt') return { from: -FOREVER, to: t, rest: null };
      if (op === 'le') return { from: -FOREVER, to: t + 1, rest: null };
      if (op === 'eq') return { from: t, to: t + 1, rest: null };
    }
  }
  return { from: -FOREVER, to: FOREVER, rest: e };
}

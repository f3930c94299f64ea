/**
 * Conditions and orders on Observations of boxes as SQL of the observation store (DuckDB's dialect), for questions over many
 * Datastreams at once. A stored row is up to three Observations: `lvl` 0 raw, 1 checked, 2 corrected. What this dialect
 * cannot say is null: the caller then judges row by row, or says that it is not offered.
 */
import { FLAG } from '../../model/flags.ts';
import type { SqlValue } from '../../store/store.ts';
import { parseObservationId } from './box-ids.ts';
import { isoTime, type BinaryOperator, type Expression, type OrderBy } from './expression.ts';

/** Rows of one Observation each, with its `result` (null where there is none). */
export const OBSERVATION_ROWS = `(SELECT o.*, l.lvl, nullif(CASE l.lvl WHEN 0 THEN o.raw WHEN 1 THEN CASE WHEN o.flag = ${FLAG.fail} THEN NULL ELSE o.raw END ELSE o.corrected END, 'NaN'::DOUBLE) AS result
  FROM observation o, (VALUES (0), (1), (2)) l(lvl))`;

export class Params {
  readonly values: SqlValue[] = [];
  add(value: SqlValue): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
  /** The text with only the parameters that it uses, numbered anew: a part may have been compiled and then left out. */
  used(text: string): { text: string; params: SqlValue[] } {
    const params: SqlValue[] = [];
    const places = new Map<number, number>();
    const renumbered = text.replace(/\$(\d+)/g, (_, n: string) => {
      const old = Number(n);
      let place = places.get(old);
      if (place === undefined) {
        params.push(this.values[old - 1] as SqlValue);
        places.set(old, (place = params.length));
      }
      return `$${place}`;
    });
    return { text: renumbered, params };
  }
}

interface Typed {
  readonly type: 'number' | 'time' | 'duration' | 'boolean' | 'string' | 'null';
  readonly sql: string;
}

const COLUMNS: Readonly<Record<string, Typed>> = {
  result: { type: 'number', sql: 'result' },
  phenomenonTime: { type: 'time', sql: '"phenomenonTime"' },
  resultTime: { type: 'time', sql: '"resultTime"' },
  'resultQuality/flag': { type: 'number', sql: '(CASE WHEN lvl = 0 THEN NULL ELSE flag END)' },
};
const COMPARE: Partial<Record<BinaryOperator, string>> = { eq: '=', ne: '<>', gt: '>', ge: '>=', lt: '<', le: '<=' };
const ARITHMETIC: Partial<Record<BinaryOperator, string>> = { add: '+', sub: '-', mul: '*' };
const moment = (t: Typed): string => `make_timestamp(CAST(${t.sql} AS BIGINT) * 1000)`;
const PARTS = ['year', 'month', 'day', 'hour', 'minute', 'second'];
const ROUNDING: Readonly<Record<string, string>> = { round: 'round', floor: 'floor', ceiling: 'ceil' };

function compile(e: Expression, params: Params, now: number): Typed | null {
  switch (e.kind) {
    case 'literal':
      if (e.type === 'null') return { type: 'null', sql: 'NULL' };
      if (e.type === 'number') return { type: 'number', sql: `CAST(${params.add(e.value)} AS DOUBLE)` };
      if (e.type === 'boolean') return { type: 'boolean', sql: e.value ? 'true' : 'false' };
      return { type: 'string', sql: params.add(e.value) };
    case 'time':
      return { type: 'time', sql: params.add(e.start) };
    case 'duration':
      return { type: 'duration', sql: params.add(e.ms) };
    case 'path':
      return COLUMNS[e.steps.join('/')] ?? null;
    case 'not': {
      const inner = compile(e.operand, params, now);
      return inner?.type === 'boolean' ? { type: 'boolean', sql: `(NOT ${inner.sql})` } : null;
    }
    case 'call':
      return call(e.name.toLowerCase(), e.args, params, now);
    case 'binary': {
      const byId = comparedId(e, params);
      if (byId) return byId;
      const left = compile(e.left, params, now);
      const right = left && compile(e.right, params, now);
      return left && right ? binary(e.op, left, right, e, params) : null;
    }
    default:
      return null;
  }
}

/** `id eq '264-1795262400000'`: ids are made of Datastream and time. Numbers are ids of the other kind. */
function comparedId(e: Extract<Expression, { kind: 'binary' }>, params: Params): Typed | null {
  const isId = (x: Expression): boolean =>
    x.kind === 'path' && (x.steps.join() === 'id' || x.steps.join() === '@iot.id');
  const literal = isId(e.left) ? e.right : isId(e.right) ? e.left : null;
  if (literal?.kind !== 'literal' || (e.op !== 'eq' && e.op !== 'ne')) return null;
  const id = typeof literal.value === 'string' ? parseObservationId(literal.value) : null;
  const same = id
    ? `(datastream * 4 + lvl = ${params.add(id.datastream)} AND "phenomenonTime" = ${params.add(id.time)})`
    : 'false';
  return { type: 'boolean', sql: e.op === 'eq' ? same : `(NOT ${same})` };
}

/** A quoted time beside a time is a time. */
function timeIf(t: Typed, other: Typed, e: Expression, params: Params): Typed {
  if (other.type !== 'time' || e.kind !== 'literal' || typeof e.value !== 'string') return t;
  const ms = isoTime(e.value);
  return Number.isNaN(ms) ? t : { type: 'time', sql: params.add(ms) };
}

function binary(
  op: BinaryOperator,
  left: Typed,
  right: Typed,
  e: Extract<Expression, { kind: 'binary' }>,
  params: Params,
): Typed | null {
  if (op === 'and' || op === 'or')
    return left.type === 'boolean' && right.type === 'boolean'
      ? { type: 'boolean', sql: `(${left.sql} ${op.toUpperCase()} ${right.sql})` }
      : null;
  const sign = COMPARE[op];
  if (sign) {
    if (left.type === 'null' || right.type === 'null') {
      if (op !== 'eq' && op !== 'ne') return { type: 'boolean', sql: 'false' };
      const other = left.type === 'null' ? right : left;
      return { type: 'boolean', sql: `(${other.sql} IS ${op === 'ne' ? 'NOT ' : ''}NULL)` };
    }
    const [a, b] = [timeIf(left, right, e.left, params), timeIf(right, left, e.right, params)];
    // Results of boxes are numbers: beside text they are the text that they are written as.
    if (a.type !== b.type) {
      if (a.sql !== 'result' && b.sql !== 'result') return null;
      const literal = a.sql === 'result' ? e.right : e.left;
      if (literal.kind !== 'literal') return null;
      if (typeof literal.value === 'boolean') return { type: 'boolean', sql: 'CAST(NULL AS BOOLEAN)' };
      // Texts are put in order by the other engine, which writes numbers as JSON does.
      if (op !== 'eq' && op !== 'ne') return null;
      const value = Number(literal.value);
      if (String(value) !== literal.value)
        return { type: 'boolean', sql: `(CASE WHEN result IS NOT NULL THEN ${op === 'ne'} END)` };
      return { type: 'boolean', sql: `(result ${sign} CAST(${params.add(value)} AS DOUBLE))` };
    }
    return { type: 'boolean', sql: `(${a.sql} ${sign} ${b.sql})` };
  }
  if (left.type === 'time' || right.type === 'time' || left.type === 'duration' || right.type === 'duration') {
    if (op === 'sub' && left.type === 'time' && right.type === 'time')
      return { type: 'duration', sql: `(${left.sql} - ${right.sql})` };
    if ((op === 'add' || op === 'sub') && left.type === 'time' && right.type === 'duration')
      return { type: 'time', sql: `(${left.sql} ${ARITHMETIC[op]} ${right.sql})` };
    return null;
  }
  if (left.type !== 'number' || right.type !== 'number') return null;
  if (op === 'div') return { type: 'number', sql: `(${left.sql} / nullif(${right.sql}, 0))` };
  if (op === 'mod') return { type: 'number', sql: `fmod(${left.sql}, nullif(${right.sql}, 0))` };
  return { type: 'number', sql: `(${left.sql} ${ARITHMETIC[op]} ${right.sql})` };
}

function call(name: string, args: readonly Expression[], params: Params, now: number): Typed | null {
  if (name === 'now' && args.length === 0) return { type: 'time', sql: params.add(now) };
  const [first, second] = args;
  if (!first) return null;
  if (PARTS.includes(name) && args.length === 1) {
    const t = compile(first, params, now);
    return t?.type === 'time' ? { type: 'number', sql: `CAST(extract(${name} FROM ${moment(t)}) AS DOUBLE)` } : null;
  }
  const rounding = Object.hasOwn(ROUNDING, name) ? ROUNDING[name] : undefined;
  if (rounding && args.length === 1) {
    const x = compile(first, params, now);
    return x?.type === 'number' ? { type: 'number', sql: `${rounding}(${x.sql})` } : null;
  }
  if ((name === 'before' || name === 'after' || name === 'during') && second && args.length === 2) {
    const t = compile(first, params, now);
    const bounds =
      second.kind === 'interval' ? second : second.kind === 'time' ? { start: second.start, end: second.start } : null;
    if (t?.type !== 'time' || !bounds) return null;
    if (name === 'before') return { type: 'boolean', sql: `(${t.sql} < ${params.add(bounds.start)})` };
    // An interval does not hold its end.
    if (name === 'after')
      return {
        type: 'boolean',
        sql: `(${t.sql} >= ${params.add(bounds.end)} AND ${t.sql} > ${params.add(bounds.start)})`,
      };
    if (second.kind !== 'interval') return null;
    return {
      type: 'boolean',
      sql: `(${t.sql} >= ${params.add(bounds.start)} AND ${t.sql} < ${params.add(bounds.end)})`,
    };
  }
  return null;
}

/** A condition on `OBSERVATION_ROWS`; null where it cannot be said. */
export function rowCondition(e: Expression, params: Params, now: number): string | null {
  const compiled = compile(e, params, now);
  return compiled?.type === 'boolean' ? compiled.sql : null;
}

export interface RowKey {
  readonly sql: string;
  readonly descending: boolean;
}

/** Datastream and time are what an id is made of. */
const ID_KEYS = ['(datastream * 4 + lvl)', '"phenomenonTime"'];

/** Sort keys that end in what tells every Observation from every other; null where the order cannot be said. */
export function rowOrder(orderBy: readonly OrderBy[]): RowKey[] | null {
  const keys: RowKey[] = [];
  for (const { expression, descending } of orderBy) {
    if (expression.kind !== 'path') return null;
    const name = expression.steps.join('/');
    if (name === 'id' || name === '@iot.id' || name === 'Datastream/id' || name === 'Datastream/@iot.id')
      keys.push(...ID_KEYS.slice(0, name.startsWith('Datastream') ? 1 : 2).map((sql) => ({ sql, descending })));
    else if (COLUMNS[name]) keys.push({ sql: COLUMNS[name].sql, descending });
    else return null;
  }
  if (keys.length === 0) keys.push({ sql: '"phenomenonTime"', descending: false });
  const said = new Set(keys.map((k) => k.sql));
  for (const sql of ID_KEYS) if (!said.has(sql)) keys.push({ sql, descending: false });
  return keys;
}

/** Rows behind the one with these sort values; null counts as least. */
export function rowsBehind(keys: readonly RowKey[], values: readonly (number | null)[], params: Params): string {
  const alternatives: string[] = [];
  keys.forEach((key, i) => {
    const value = values[i] ?? null;
    if (value === null && key.descending) return;
    const terms = keys.slice(0, i).map((before, k) => {
      const v = values[k] ?? null;
      return v === null ? `${before.sql} IS NULL` : `${before.sql} = ${params.add(v)}`;
    });
    if (value === null) terms.push(`${key.sql} IS NOT NULL`);
    else if (key.descending) terms.push(`(${key.sql} < ${params.add(value)} OR ${key.sql} IS NULL)`);
    else terms.push(`${key.sql} > ${params.add(value)}`);
    alternatives.push(`(${terms.join(' AND ')})`);
  });
  return alternatives.length > 0 ? `(${alternatives.join(' OR ')})` : 'false';
}

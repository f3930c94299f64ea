/**
 * Filter and order expressions as SQLite SQL. Every value of the request becomes a parameter; names come from the entity
 * table only.
 *
 * A path over relations joins the related rows, as the reference implementation does: `Datastreams/ObservedProperty/name eq
 * 'x' and Datastreams/Sensor/name eq 'y'` asks for one Datastream with both. The joins sit in one EXISTS round the whole
 * filter, so a Thing with ten fitting Datastreams appears once.
 */
import { entity, navigationOf, propertyOf, type EntityType } from './entities.ts';
import { isoTime, type BinaryOperator, type Expression, type OrderBy } from './expression.ts';
import { isPattern, parseWkt } from './geometry.ts';
import { badRequest } from './problem.ts';

type SqlValue = number | string;

/** Times are epoch ms, durations ms. */
type Typed =
  | {
      readonly type: 'number' | 'string' | 'boolean' | 'time' | 'duration' | 'geometry' | 'null';
      readonly sql: string;
      readonly params: readonly SqlValue[];
    }
  /** A json value whose type each row has for itself: `kind` is what `json_type` says of it. */
  | { readonly type: 'dynamic'; readonly sql: string; readonly params: readonly SqlValue[]; readonly kind: Sql }
  | { readonly type: 'interval'; readonly start: Sql; readonly end: Sql };

export interface Sql {
  readonly sql: string;
  readonly params: readonly SqlValue[];
}

const isInterval = (t: Typed): t is Extract<Typed, { type: 'interval' }> => t.type === 'interval';

/** Columns that hold nothing but what their name says. */
function columnOf(type: EntityType, alias: string, steps: readonly string[]): Typed {
  const first = (steps[0] as string).replace(/^@iot\./, '');
  // Ids of boxes' Observations are text.
  if (first === 'id' && steps.length === 1)
    return type.name === 'Observation'
      ? {
          type: 'dynamic',
          sql: `${alias}.id`,
          params: [],
          kind: { sql: `iif(typeof(${alias}.id) = 'text', 'text', 'integer')`, params: [] },
        }
      : { type: 'number', sql: `${alias}.id`, params: [] };
  const property = propertyOf(type, first);
  if (!property) throw badRequest(`${type.name} has no property "${first}"`);
  const inside = steps.slice(1);
  if (type.name === 'Observation' && first === 'result') {
    if (inside.length === 0)
      return {
        type: 'dynamic',
        // Whole numbers beyond what a double holds are kept as text.
        sql: `iif(${alias}.result_type = 'i', CAST(${alias}.result AS REAL), ${alias}.result)`,
        params: [],
        kind: {
          sql: `CASE ${alias}.result_type WHEN 'n' THEN 'real' WHEN 'i' THEN 'real' WHEN 's' THEN 'text' WHEN 'b' THEN iif(${alias}.result, 'true', 'false') WHEN 'j' THEN 'object' END`,
          params: [],
        },
      };
    return jsonValue(`iif(${alias}.result_type = 'j', ${alias}.result, NULL)`, inside);
  }
  const column = `${alias}."${first}"`;
  switch (property.type) {
    case 'string':
      if (inside.length > 0) throw badRequest(`"${first}" has nothing inside it`);
      return { type: 'string', sql: column, params: [] };
    case 'instant':
      return { type: 'time', sql: column, params: [] };
    case 'interval':
      return {
        type: 'interval',
        start: { sql: `${alias}."${first}_start"`, params: [] },
        end: { sql: `${alias}."${first}_end"`, params: [] },
      };
    case 'geometry':
      if (inside.length === 0) return { type: 'geometry', sql: column, params: [] };
      return jsonValue(column, inside);
    default:
      return jsonValue(column, inside);
  }
}

function jsonValue(column: string, inside: readonly string[]): Typed {
  const params = [jsonPath(inside)];
  return {
    type: 'dynamic',
    sql: `json_extract(${column}, ?)`,
    params,
    kind: { sql: `json_type(${column}, ?)`, params },
  };
}

/** Keys are quoted, so a dot or bracket in one means itself; a whole number picks from an array. */
const jsonPath = (keys: readonly string[]): string =>
  `$${keys.map((k) => (/^\d{1,9}$/.test(k) ? `[${k}]` : `.${JSON.stringify(k)}`)).join('')}`;

const JOINS_LIMIT = 24;

/** Joins collected while one expression is compiled; the root row is alias `t`. */
export class Scope {
  readonly root: EntityType;
  readonly rootAlias: string;
  readonly joins: string[] = [];
  private readonly aliases = new Map<string, { alias: string; type: EntityType }>();

  constructor(root: EntityType, rootAlias = 't') {
    this.root = root;
    this.rootAlias = rootAlias;
  }

  /** Walks relations as far as the path has them; the rest is the property. */
  resolve(steps: readonly string[]): { type: EntityType; alias: string; rest: readonly string[] } {
    let type = this.root;
    let alias = this.rootAlias;
    let key = '';
    for (let i = 0; i < steps.length; i++) {
      const navigation = navigationOf(type, steps[i] as string);
      if (!navigation) return { type, alias, rest: steps.slice(i) };
      key += `/${navigation.name}`;
      const target = entity(navigation.target);
      const known = this.aliases.get(key);
      if (known) {
        ({ alias, type } = known);
        continue;
      }
      if (this.joins.length >= JOINS_LIMIT)
        throw badRequest(`the expression follows more than ${JOINS_LIMIT} relations`);
      const next = `${this.rootAlias}_j${this.joins.length}`;
      const by = navigation.by;
      // The tick is called for each combination of rows so far: a query that multiplies them can be ended.
      const ticked = `AND sta_tick(${alias}.id)`;
      if (by.kind === 'own')
        this.joins.push(`LEFT JOIN "${target.table}" ${next} ON ${next}.id = ${alias}.${by.column} ${ticked}`);
      else if (by.kind === 'other')
        this.joins.push(`LEFT JOIN "${target.table}" ${next} ON ${next}.${by.column} = ${alias}.id ${ticked}`);
      else
        this.joins.push(
          `LEFT JOIN "${by.table}" ${next}l ON ${next}l.${by.here} = ${alias}.id ${ticked} LEFT JOIN "${target.table}" ${next} ON ${next}.id = ${next}l.${by.there}`,
        );
      this.aliases.set(key, { alias: next, type: target });
      alias = next;
      type = target;
    }
    return { type, alias, rest: [] };
  }

  path(steps: readonly string[]): Typed {
    const { type, alias, rest } = this.resolve(steps);
    if (rest.length === 0) throw badRequest(`"${steps.join('/')}" is an entity; compare one of its properties`);
    return columnOf(type, alias, rest);
  }
}

const NUMBERS = "IN ('integer', 'real')";
/** Of a json value: NULL where it has another type, so that neither a condition nor its opposite finds it. */
const truthOf = (t: Dynamic): Sql => ({
  sql: `(CASE ${t.kind.sql} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END)`,
  params: t.kind.params,
});
const numberOf = (t: Dynamic): Sql => ({
  sql: `iif(${t.kind.sql} ${NUMBERS}, ${t.sql}, NULL)`,
  params: [...t.kind.params, ...t.params],
});
/** Numbers and truth values as they are written. */
const textOf = (t: Dynamic): Sql => ({
  sql: `(CASE ${t.kind.sql} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' WHEN 'real' THEN printf('%.15g', ${t.sql}) ELSE CAST(${t.sql} AS TEXT) END)`,
  params: [...t.kind.params, ...t.params, ...t.params],
});
/** The julian day is the one thing SQLite can make of every ISO form of a time. */
const timeOf = (t: Dynamic): Sql => ({
  sql: `iif(${t.kind.sql} = 'text', (julianday(${t.sql}) - 2440587.5) * 86400000.0, NULL)`,
  params: [...t.kind.params, ...t.params],
});

const literal = (type: 'number' | 'string' | 'boolean' | 'time' | 'duration' | 'geometry', value: SqlValue): Typed => ({
  type,
  sql: '?',
  params: [value],
});

function compile(e: Expression, scope: Scope, now: number): Typed {
  switch (e.kind) {
    case 'literal':
      if (e.type === 'null') return { type: 'null', sql: 'NULL', params: [] };
      return literal(e.type, typeof e.value === 'boolean' ? Number(e.value) : (e.value as SqlValue));
    case 'time':
      return literal('time', e.start);
    case 'interval':
      return { type: 'interval', start: { sql: '?', params: [e.start] }, end: { sql: '?', params: [e.end] } };
    case 'duration':
      return literal('duration', e.ms);
    case 'geometry':
      parseWkt(e.wkt);
      return literal('geometry', e.wkt);
    case 'path':
      return scope.path(e.steps);
    case 'member': {
      const { sql } = scope.path([...e.steps, 'id']) as Plain;
      return {
        type: 'boolean',
        sql: `(${sql} IN (SELECT value FROM json_each(?)))`,
        params: [JSON.stringify(e.ids)],
      };
    }
    case 'not': {
      const inner = truth(compile(e.operand, scope, now));
      return { type: 'boolean', sql: `(NOT ${inner.sql})`, params: inner.params };
    }
    case 'call':
      return call(e.name, e.args, scope, now);
    case 'binary':
      return binary(e.op, compile(e.left, scope, now), compile(e.right, scope, now));
  }
}

function truth(t: Typed): Sql {
  if (isInterval(t)) throw badRequest('a time is not true or false; compare it with something');
  if (t.type === 'boolean' || t.type === 'null') return t;
  if (t.type === 'dynamic') return truthOf(t);
  throw badRequest(`a ${t.type} is not true or false; compare it with something`);
}

const COMPARE: Partial<Record<BinaryOperator, string>> = { eq: '=', ne: '<>', gt: '>', ge: '>=', lt: '<', le: '<=' };
const ARITHMETIC: Partial<Record<BinaryOperator, string>> = { add: '+', sub: '-', mul: '*' };

function binary(op: BinaryOperator, left: Typed, right: Typed): Typed {
  if (op === 'and' || op === 'or') {
    const [a, b] = [truth(left), truth(right)];
    return { type: 'boolean', sql: `(${a.sql} ${op.toUpperCase()} ${b.sql})`, params: [...a.params, ...b.params] };
  }
  const sign = COMPARE[op];
  return sign ? compare(op, sign, left, right) : arithmetic(op, left, right);
}

function compare(op: BinaryOperator, sign: string, left: Typed, right: Typed): Typed {
  const boolean = (sql: string, ...parts: readonly (readonly SqlValue[])[]): Typed => ({
    type: 'boolean',
    sql: `(${sql})`,
    params: parts.flat(),
  });
  if (left.type === 'null' || right.type === 'null') {
    const other = left.type === 'null' ? right : left;
    if (op !== 'eq' && op !== 'ne') return boolean('0');
    const { sql, params } = isInterval(other) ? other.start : other;
    return boolean(`${sql} IS ${op === 'ne' ? 'NOT ' : ''}NULL`, params);
  }
  if (isInterval(left) || isInterval(right))
    return betweenTimes(BETWEEN_TIMES[op] as string, asInterval(left), asInterval(right));
  // A quoted time compared with a time is a time: clients differ in whether they quote.
  const [a, b] = [timeIf(left, right), timeIf(right, left)];
  if (a.type === 'geometry' || b.type === 'geometry') {
    if (a.type !== b.type || (op !== 'eq' && op !== 'ne'))
      throw badRequest('geometries are compared with the st_ functions');
    return boolean(`sta_st_equals(${a.sql}, ${b.sql}) = ${op === 'eq' ? 1 : 0}`, a.params, b.params);
  }
  if (a.type === 'dynamic' || b.type === 'dynamic') return compareDynamic(sign, a, b);
  if (a.type !== b.type) throw badRequest(`a ${a.type} cannot be compared with a ${b.type}`);
  return boolean(`${a.sql} ${sign} ${b.sql}`, a.params, b.params);
}

type Plain = Exclude<Typed, { type: 'interval' }>;
type Dynamic = Extract<Typed, { type: 'dynamic' }>;

function timeIf(t: Plain, other: Plain): Plain {
  const value = t.params[0];
  if (other.type !== 'time' || t.type !== 'string' || t.sql !== '?' || typeof value !== 'string') return t;
  const ms = isoTime(value);
  if (Number.isNaN(ms)) throw badRequest(`'${value}' is not a time`);
  return { type: 'time', sql: '?', params: [ms] };
}

/**
 * A json value is compared as what the other side is: beside text (`result gt '3'`) a number is the text that it is written
 * as, as in the reference implementation.
 */
function compareDynamic(sign: string, a: Plain, b: Plain): Typed {
  const say = (x: Sql, y: Sql): Sql => ({ sql: `${x.sql} ${sign} ${y.sql}`, params: [...x.params, ...y.params] });
  const either = (test: Sql, then: Sql, otherwise: Sql): Typed => ({
    type: 'boolean',
    sql: `(CASE WHEN ${test.sql} THEN ${then.sql} ELSE ${otherwise.sql} END)`,
    params: [...test.params, ...then.params, ...otherwise.params],
  });
  const as = (f: (t: Dynamic) => Sql): Typed => {
    const { sql, params } = say(a.type === 'dynamic' ? f(a) : a, b.type === 'dynamic' ? f(b) : b);
    return { type: 'boolean', sql: `(${sql})`, params };
  };
  if (a.type === 'dynamic' && b.type === 'dynamic')
    return either(
      { sql: `${a.kind.sql} ${NUMBERS} AND ${b.kind.sql} ${NUMBERS}`, params: [...a.kind.params, ...b.kind.params] },
      say(a, b),
      say(textOf(a), textOf(b)),
    );
  const other = a.type === 'dynamic' ? b : a;
  switch (other.type) {
    case 'number':
      return as(numberOf);
    case 'boolean':
      return as(truthOf);
    case 'time':
      return as(timeOf);
    case 'string':
      return as(textOf);
    default:
      throw badRequest(`a ${other.type} cannot be compared with a value whose type is not known`);
  }
}

function asInterval(t: Typed): { start: Sql; end: Sql } {
  if (isInterval(t)) return t;
  if (t.type === 'time') return { start: t, end: t };
  const value = t.params[0];
  if (t.type === 'string' && t.sql === '?' && typeof value === 'string') {
    const [from, to] = value.split('/');
    const start = isoTime(from ?? '');
    const end = to === undefined ? start : isoTime(to);
    if (!Number.isNaN(start) && !Number.isNaN(end))
      return { start: { sql: '?', params: [start] }, end: { sql: '?', params: [end] } };
  }
  throw badRequest(`a time cannot be compared with a ${t.type}`);
}

/** Of two times: [template, what has to stand between]. `%1` `%2` are start and end of the first, `%3` `%4` of the second. */
const BEFORE = '%2 <= %3 AND %1 < %3';
const AFTER = '%1 >= %4 AND %1 > %3';
/**
 * An interval holds its start and not its end; an instant is an interval whose end is its start. gt: begins when the other
 * is over; lt: is over when it begins; eq: the same; ge, le: both ends are not before, not after.
 */
const BETWEEN_TIMES: Partial<Record<BinaryOperator, string>> = {
  gt: AFTER,
  lt: BEFORE,
  ge: '%1 >= %3 AND %2 >= %4',
  le: '%1 <= %3 AND %2 <= %4',
  eq: '%1 = %3 AND %2 = %4',
  ne: '(%1 <> %3 OR %2 <> %4)',
};

const betweenTimes = (template: string, a: { start: Sql; end: Sql }, b: { start: Sql; end: Sql }): Typed => ({
  type: 'boolean',
  ...fill(`(${template})`, [a.start, a.end, b.start, b.end]),
});

function arithmetic(op: BinaryOperator, left: Typed, right: Typed): Typed {
  const shifted = moved(op, left, right) ?? (op === 'add' ? moved(op, right, left) : null);
  if (shifted) return shifted;
  const [a, b] = [instant(left), instant(right)];
  const params = [...a.params, ...b.params];
  const of = (type: 'number' | 'time' | 'duration', sql: string, p: readonly SqlValue[] = params): Typed => ({
    type,
    sql,
    params: p,
  });
  const sign = ARITHMETIC[op];
  const timed = (t: Plain): boolean => t.type === 'time' || t.type === 'duration';
  if (timed(a) || timed(b)) {
    if (op === 'sub' && a.type === 'time' && b.type === 'time') return of('duration', `(${a.sql} - ${b.sql})`);
    if ((op === 'add' || op === 'sub') && a.type === 'time' && b.type === 'duration')
      return of('time', `(${a.sql} ${sign} ${b.sql})`);
    if (op === 'add' && a.type === 'duration' && b.type === 'time') return of('time', `(${a.sql} + ${b.sql})`);
    if ((op === 'add' || op === 'sub') && a.type === 'duration' && b.type === 'duration')
      return of('duration', `(${a.sql} ${sign} ${b.sql})`);
    if (op === 'mul' && (a.type === 'number' || b.type === 'number')) return of('duration', `(${a.sql} * ${b.sql})`);
    if (op === 'div' && a.type === 'duration' && b.type === 'number')
      return of('duration', `(${a.sql} / NULLIF(${b.sql}, 0))`);
    throw badRequest(`${op} of a ${a.type} and a ${b.type} means nothing`);
  }
  const [x, y] = [numeric(a), numeric(b)];
  const both = [...x.params, ...y.params];
  if (sign) return of('number', `(${x.sql} ${sign} ${y.sql})`, both);
  if (op === 'div') return of('number', `((${x.sql}) * 1.0 / NULLIF(${y.sql}, 0))`, both);
  return of('number', `sta_mod(${x.sql}, ${y.sql})`, both);
}

/** An interval and a duration: both its ends move. */
function moved(op: BinaryOperator, interval: Typed, by: Typed): Typed | null {
  if (!isInterval(interval) || isInterval(by) || by.type !== 'duration' || (op !== 'add' && op !== 'sub')) return null;
  const end = (t: Sql): Sql => fill(`(%1 ${op === 'add' ? '+' : '-'} %2)`, [t, by]);
  return { type: 'interval', start: end(interval.start), end: end(interval.end) };
}

/** Other arithmetic on an interval uses its start. */
const instant = (t: Typed): Plain => (isInterval(t) ? { type: 'time', ...t.start } : t);

function numeric(t: Typed): Sql {
  if (t.type === 'number' || t.type === 'null') return t;
  if (t.type === 'dynamic') return numberOf(t);
  throw badRequest(`a ${t.type} is not a number`);
}
function text(t: Typed): Sql {
  if (t.type === 'string' || t.type === 'null') return t;
  if (t.type === 'dynamic') return textOf(t);
  throw badRequest(`a ${t.type} is not text`);
}
function time(t: Typed): Sql {
  if (isInterval(t)) return t.start;
  if (t.type === 'time' || t.type === 'null') return t;
  const value = t.params[0];
  if (t.type === 'string' && t.sql === '?' && typeof value === 'string' && !Number.isNaN(isoTime(value)))
    return { sql: '?', params: [isoTime(value)] };
  if (t.type === 'dynamic') return timeOf(t);
  throw badRequest(`a ${t.type} is not a time`);
}
function geometry(t: Typed): Sql {
  if (t.type === 'geometry' || t.type === 'null') return t;
  if (t.type === 'dynamic') return t;
  const value = isInterval(t) ? undefined : t.params[0];
  if (t.type === 'string' && t.sql === '?' && typeof value === 'string') {
    parseWkt(value);
    return t;
  }
  throw badRequest(`a ${t.type} is not a geometry`);
}

type Kind = 'text' | 'number' | 'time' | 'geometry';
type Result = 'number' | 'string' | 'boolean' | 'time';
const COERCE: Record<Kind, (t: Typed) => Sql> = { text, number: numeric, time, geometry };

/** Name, what it takes, what it gives, and its SQL with `%1` … for the arguments. */
const FUNCTIONS: Readonly<
  Record<string, { readonly takes: readonly Kind[]; readonly gives: Result; readonly sql: string }>
> = {
  substringof: { takes: ['text', 'text'], gives: 'boolean', sql: '(instr(%2, %1) > 0)' },
  contains: { takes: ['text', 'text'], gives: 'boolean', sql: '(instr(%1, %2) > 0)' },
  startswith: { takes: ['text', 'text'], gives: 'boolean', sql: '(instr(%1, %2) = 1)' },
  length: { takes: ['text'], gives: 'number', sql: 'length(%1)' },
  indexof: { takes: ['text', 'text'], gives: 'number', sql: '(instr(%1, %2) - 1)' },
  tolower: { takes: ['text'], gives: 'string', sql: 'sta_lower(%1)' },
  toupper: { takes: ['text'], gives: 'string', sql: 'sta_upper(%1)' },
  trim: { takes: ['text'], gives: 'string', sql: 'sta_trim(%1)' },
  concat: { takes: ['text', 'text'], gives: 'string', sql: '(%1 || %2)' },
  year: { takes: ['time'], gives: 'number', sql: 'sta_year(%1)' },
  month: { takes: ['time'], gives: 'number', sql: 'sta_month(%1)' },
  day: { takes: ['time'], gives: 'number', sql: 'sta_day(%1)' },
  hour: { takes: ['time'], gives: 'number', sql: 'sta_hour(%1)' },
  minute: { takes: ['time'], gives: 'number', sql: 'sta_minute(%1)' },
  second: { takes: ['time'], gives: 'number', sql: 'sta_second(%1)' },
  fractionalseconds: { takes: ['time'], gives: 'number', sql: 'sta_fractionalseconds(%1)' },
  date: { takes: ['time'], gives: 'time', sql: 'sta_date(%1)' },
  time: { takes: ['time'], gives: 'string', sql: 'sta_time(%1)' },
  // Times are kept in UTC.
  totaloffsetminutes: { takes: ['time'], gives: 'number', sql: '(0 * %1)' },
  round: { takes: ['number'], gives: 'number', sql: 'sta_round(%1)' },
  floor: { takes: ['number'], gives: 'number', sql: 'sta_floor(%1)' },
  ceiling: { takes: ['number'], gives: 'number', sql: 'sta_ceiling(%1)' },
  'geo.distance': { takes: ['geometry', 'geometry'], gives: 'number', sql: 'sta_distance(%1, %2)' },
  'geo.length': { takes: ['geometry'], gives: 'number', sql: 'sta_length(%1)' },
  'geo.intersects': { takes: ['geometry', 'geometry'], gives: 'boolean', sql: '(sta_geo_intersects(%1, %2) = 1)' },
  ...Object.fromEntries(
    ['equals', 'disjoint', 'touches', 'within', 'overlaps', 'crosses', 'intersects', 'contains'].map((name) => [
      `st_${name}`,
      { takes: ['geometry', 'geometry'] as const, gives: 'boolean' as const, sql: `(sta_st_${name}(%1, %2) = 1)` },
    ]),
  ),
};
export const FUNCTION_NAMES = [
  ...Object.keys(FUNCTIONS),
  'substring',
  'endswith',
  'now',
  'mindatetime',
  'maxdatetime',
  'st_relate',
];

/** Allen's relations between times; the interval functions of the reference implementation. */
const INTERVAL_FUNCTIONS: Readonly<Record<string, string>> = {
  before: BEFORE,
  after: AFTER,
  meets: '%2 = %3 OR %1 = %4',
  during: '%1 >= %3 AND %2 <= %4 AND %1 < %4',
  overlaps: '(%1 < %4 OR %1 = %3) AND (%3 < %2 OR %1 = %3)',
  starts: '%1 = %3',
  finishes: '%2 = %4',
};

function fill(template: string, args: readonly Sql[]): Sql {
  const params: SqlValue[] = [];
  const sql = template.replace(/%(\d)/g, (_, n: string) => {
    const arg = args[Number(n) - 1] as Sql;
    params.push(...arg.params);
    return arg.sql;
  });
  return { sql, params };
}

function call(name: string, args: readonly Expression[], scope: Scope, now: number): Typed {
  const arity = (...allowed: number[]): void => {
    if (!allowed.includes(args.length))
      throw badRequest(`${name} takes ${allowed.join(' or ')} arguments, not ${args.length}`);
  };
  const typed = args.map((a) => compile(a, scope, now));
  const at = (i: number): Typed => typed[i] as Typed;
  const key = name.toLowerCase();
  const simple = Object.hasOwn(FUNCTIONS, key) ? FUNCTIONS[key] : undefined;
  if (simple) {
    arity(simple.takes.length);
    return {
      type: simple.gives,
      ...fill(
        simple.sql,
        simple.takes.map((kind, i) => COERCE[kind](at(i))),
      ),
    };
  }
  const relation = Object.hasOwn(INTERVAL_FUNCTIONS, key) ? INTERVAL_FUNCTIONS[key] : undefined;
  if (relation) {
    arity(2);
    const within = at(1);
    if (key === 'during' && !isInterval(within))
      throw badRequest('during takes an interval as its second argument: an instant has nothing inside it');
    return betweenTimes(relation, asInterval(at(0)), asInterval(within));
  }
  switch (key) {
    case 'endswith':
      arity(2);
      return {
        type: 'boolean',
        ...fill("(substr(%1, -length(%2)) = %2 OR (%2 = '' AND %1 IS NOT NULL))", [text(at(0)), text(at(1))]),
      };
    case 'substring': {
      arity(2, 3);
      const parts = [text(at(0)), numeric(at(1)), ...(args.length === 3 ? [numeric(at(2))] : [])];
      return { type: 'string', ...fill(`sta_substring(%1, %2, ${args.length === 3 ? '%3' : 'NULL'})`, parts) };
    }
    case 'now':
      arity(0);
      return literal('time', now);
    case 'mindatetime':
      arity(0);
      return literal('time', Date.parse('0001-01-01T00:00:00Z'));
    case 'maxdatetime':
      arity(0);
      return literal('time', Date.UTC(9999, 11, 31, 23, 59, 59, 999));
    case 'st_relate': {
      arity(3);
      const pattern = args[2];
      if (pattern?.kind !== 'literal' || !isPattern(String(pattern.value)))
        throw badRequest(
          "st_relate takes a pattern of nine of T, F, *, 0, 1, 2 as its third argument, such as 'T********'",
        );
      return {
        type: 'boolean',
        ...fill('(sta_relate(%1, %2, %3) = 1)', [geometry(at(0)), geometry(at(1)), text(at(2))]),
      };
    }
    default:
      throw badRequest(`there is no function "${name}"; there are ${FUNCTION_NAMES.join(', ')}`);
  }
}

/** A condition on rows of `type` under alias `t`. @throws StaProblem 400 */
export function compileFilter(e: Expression, type: EntityType, now: number, alias = 't'): Sql {
  const scope = new Scope(type, alias);
  const condition = truth(compile(e, scope, now));
  if (scope.joins.length === 0) return condition;
  return {
    sql: `EXISTS (SELECT 1 FROM (SELECT 1) AS ${alias}_root ${scope.joins.join(' ')} WHERE ${condition.sql})`,
    params: condition.params,
  };
}

export interface SortKey extends Sql {
  readonly descending: boolean;
}

/** Sort keys on rows under alias `t`; a path to a related entity takes one of them. @throws StaProblem 400 */
export function compileOrder(orderBy: readonly OrderBy[], type: EntityType, now: number, alias = 't'): SortKey[] {
  return orderBy.map(({ expression, descending }, i) => {
    const scope = new Scope(type, alias);
    const t = compile(expression, scope, now);
    const key = isInterval(t) ? (descending ? t.end : t.start) : t;
    if (scope.joins.length === 0) return { ...key, descending };
    return {
      sql: `(SELECT ${key.sql} FROM (SELECT 1) AS ${alias}_o${i} ${scope.joins.join(' ')} LIMIT 1)`,
      params: key.params,
      descending,
    };
  });
}

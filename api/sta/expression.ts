/**
 * `$filter` and `$orderby` expressions of SensorThings 1.1 (18-088 §9.3.3.5, after OData 4.0): text to a syntax tree.
 * Knows the grammar only; which properties exist is the compiler's business. Bounded in length and depth, so that no query
 * can cost more than its size.
 */
import { badRequest } from './problem.ts';

export type Expression =
  | {
      readonly kind: 'literal';
      readonly type: 'number' | 'string' | 'boolean' | 'null';
      readonly value: number | string | boolean | null;
    }
  | { readonly kind: 'time'; readonly start: number }
  | { readonly kind: 'interval'; readonly start: number; readonly end: number }
  | { readonly kind: 'duration'; readonly ms: number }
  /** WKT, as given between the quotes of geography'…' */
  | { readonly kind: 'geometry'; readonly wkt: string }
  /** `Datastream/Thing/properties/city`: the steps of the path. */
  | { readonly kind: 'path'; readonly steps: readonly string[] }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] }
  | { readonly kind: 'binary'; readonly op: BinaryOperator; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'not'; readonly operand: Expression }
  /** The entity at the path is one of these; never written in a request, put there by what was found in the other store. */
  | { readonly kind: 'member'; readonly steps: readonly string[]; readonly ids: readonly number[] };

/** Every path of an expression. */
export function pathsOf(e: Expression): (readonly string[])[] {
  switch (e.kind) {
    case 'path':
    case 'member':
      return [e.steps];
    case 'call':
      return e.args.flatMap(pathsOf);
    case 'binary':
      return [...pathsOf(e.left), ...pathsOf(e.right)];
    case 'not':
      return pathsOf(e.operand);
    default:
      return [];
  }
}

/** The same expression as seen from `count` steps further along its paths. */
export function seenFrom(e: Expression, count: number): Expression {
  switch (e.kind) {
    case 'path':
    case 'member':
      return { ...e, steps: e.steps.slice(count) };
    case 'call':
      return { ...e, args: e.args.map((a) => seenFrom(a, count)) };
    case 'binary':
      return { ...e, left: seenFrom(e.left, count), right: seenFrom(e.right, count) };
    case 'not':
      return { kind: 'not', operand: seenFrom(e.operand, count) };
    default:
      return e;
  }
}

export const allOf = (a: Expression | null, b: Expression | null): Expression | null =>
  a && b ? { kind: 'binary', op: 'and', left: a, right: b } : (a ?? b);

export type BinaryOperator =
  | 'or'
  | 'and'
  | 'eq'
  | 'ne'
  | 'gt'
  | 'ge'
  | 'lt'
  | 'le'
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'mod';

/** Longest expression and deepest nesting that are read. */
export const MAX_EXPRESSION_LENGTH = 8192;
export const MAX_EXPRESSION_DEPTH = 64;

type Token =
  | { readonly t: 'word'; readonly text: string; readonly at: number }
  | { readonly t: 'number'; readonly value: number; readonly at: number }
  | { readonly t: 'string'; readonly value: string; readonly at: number }
  | { readonly t: 'time'; readonly start: number; readonly end: number | null; readonly at: number }
  | { readonly t: 'typed'; readonly type: string; readonly value: string; readonly at: number }
  | { readonly t: '(' | ')' | ',' | '/' | '[' | ']'; readonly at: number };

/** A blank before the zone is a plus that was sent without being encoded. */
const TIME = /\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2}| \d{2}:\d{2})?)?/y;
const CLOCK = /\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?/y;
const NUMBER = /-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const WORD = /[@\p{L}_][\p{L}\p{N}_.:-]*/uy;

/** Epoch ms of an ISO 8601 time; without a zone it is UTC, without a clock midnight. NaN when it is no date. */
export function isoTime(text: string): number {
  const zoned = text.replace(/ (\d{2}:\d{2})$/, '+$1');
  const full = text.length === 10 ? `${text}T00:00:00Z` : /(?:Z|[+-]\d{2}:?\d{2})$/.test(zoned) ? zoned : `${zoned}Z`;
  return Date.parse(full.replace(/([+-]\d{2})(\d{2})$/, '$1:$2'));
}

const DURATION = /^(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

/** xs:dayTimeDuration in ms; NaN when it is none. */
export function durationMs(text: string): number {
  const m = DURATION.exec(text);
  if (!m || text.endsWith('T') || /^-?P$/.test(text)) return NaN;
  const [, sign, d, h, min, s] = m;
  const ms =
    Number(d ?? 0) * 86_400_000 + Number(h ?? 0) * 3_600_000 + Number(min ?? 0) * 60_000 + Number(s ?? 0) * 1000;
  return sign ? -ms : ms;
}

/** A quoted string that starts at `at` (18-088: a quote inside is doubled). */
function quoted(text: string, at: number): { value: string; end: number } {
  let value = '';
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] !== "'") value += text[i];
    else if (text[i + 1] === "'") value += text[i++];
    else return { value, end: i + 1 };
  }
  throw badRequest(`the string that starts at character ${at + 1} has no closing quote`);
}

function match(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

function tokenize(text: string): Token[] {
  if (text.length > MAX_EXPRESSION_LENGTH)
    throw badRequest(`the expression is longer than ${MAX_EXPRESSION_LENGTH} characters`);
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const c = text[at] as string;
    if (c === ' ' || c === '\t' || c === '\n' || c === '\r') {
      at++;
    } else if (c === '(' || c === ')' || c === ',' || c === '/' || c === '[' || c === ']') {
      tokens.push({ t: c, at });
      at++;
    } else if (c === "'") {
      const { value, end } = quoted(text, at);
      tokens.push({ t: 'string', value, at });
      at = end;
    } else {
      const time = match(TIME, text, at);
      const clock = match(CLOCK, text, at);
      const number = match(NUMBER, text, at);
      const word = match(WORD, text, at);
      if (time) {
        const start = isoTime(time);
        if (Number.isNaN(start)) throw badRequest(`"${time}" is not a time`);
        const start0 = at;
        at += time.length;
        let end: number | null = null;
        if (text[at] === '/') {
          const second = match(TIME, text, at + 1);
          if (second) {
            end = isoTime(second);
            if (Number.isNaN(end)) throw badRequest(`"${second}" is not a time`);
            at += 1 + second.length;
          }
        }
        tokens.push({ t: 'time', start, end, at: start0 });
      } else if (clock) {
        tokens.push({ t: 'string', value: clock.length === 5 ? `${clock}:00` : clock, at });
        at += clock.length;
      } else if (number !== null) {
        tokens.push({ t: 'number', value: Number(number), at });
        at += number.length;
      } else if (word !== null) {
        if (
          text[at + word.length] === "'" &&
          /^(?:geography|geometry|duration|datetime|datetimeoffset|time|date)$/i.test(word)
        ) {
          const { value, end } = quoted(text, at + word.length);
          tokens.push({ t: 'typed', type: word.toLowerCase(), value, at });
          at = end;
        } else {
          tokens.push({ t: 'word', text: word, at });
          at += word.length;
        }
      } else throw badRequest(`unexpected character "${c}" at position ${at + 1}`);
    }
  }
  return tokens;
}

/** Loosest first. */
const PRECEDENCE: readonly (readonly BinaryOperator[])[] = [
  ['or'],
  ['and'],
  ['eq', 'ne', 'gt', 'ge', 'lt', 'le'],
  ['add', 'sub'],
  ['mul', 'div', 'mod'],
];
const COMPARISON = 2;
const OPERATORS = new Set<string>(PRECEDENCE.flat());

class Parser {
  readonly tokens: Token[];
  at = 0;
  depth = 0;
  constructor(tokens: Token[]) {
    this.tokens = tokens;
  }

  peek(): Token | undefined {
    return this.tokens[this.at];
  }

  fail(expected: string): never {
    const token = this.peek();
    const found = !token ? 'the end' : token.t === 'word' ? `"${token.text}"` : `"${token.t}"`;
    throw badRequest(`expected ${expected} but found ${found}${token ? ` at character ${token.at + 1}` : ''}`);
  }

  take(t: Token['t'], expected: string): void {
    if (this.peek()?.t !== t) this.fail(expected);
    this.at++;
  }

  expression(level = 0): Expression {
    if (level === PRECEDENCE.length) return this.unary();
    // Precedence climbing recurses once a level; nesting is counted where brackets and calls open.
    let left = this.expression(level + 1);
    for (;;) {
      const token = this.peek();
      const op = token?.t === 'word' ? (token.text as BinaryOperator) : undefined;
      if (!op || !PRECEDENCE[level]?.includes(op)) return left;
      this.at++;
      left = { kind: 'binary', op, left, right: this.expression(level + 1) };
    }
  }

  nested<T>(read: () => T): T {
    if (++this.depth > MAX_EXPRESSION_DEPTH)
      throw badRequest(`the expression is nested more than ${MAX_EXPRESSION_DEPTH} deep`);
    const result = read();
    this.depth--;
    return result;
  }

  unary(): Expression {
    const token = this.peek();
    if (token?.t === 'word' && token.text === 'not') {
      this.at++;
      // `not a eq b` means `not (a eq b)`: the other reading would negate something that is no truth value.
      return this.nested(() => ({ kind: 'not', operand: this.expression(COMPARISON) }));
    }
    return this.primary();
  }

  primary(): Expression {
    const token = this.peek();
    if (!token) this.fail('a value');
    switch (token.t) {
      case '(': {
        this.at++;
        const inner = this.nested(() => this.expression());
        this.take(')', '")"');
        return inner;
      }
      case 'number':
        this.at++;
        return { kind: 'literal', type: 'number', value: token.value };
      case 'string':
        this.at++;
        return { kind: 'literal', type: 'string', value: token.value };
      case 'time':
        this.at++;
        return token.end === null
          ? { kind: 'time', start: token.start }
          : { kind: 'interval', start: token.start, end: token.end };
      case 'typed':
        this.at++;
        return typed(token.type, token.value);
      case 'word':
        return this.word(token.text);
      default:
        return this.fail('a value');
    }
  }

  word(text: string): Expression {
    this.at++;
    if (text === 'true' || text === 'false') return { kind: 'literal', type: 'boolean', value: text === 'true' };
    if (text === 'null') return { kind: 'literal', type: 'null', value: null };
    if (OPERATORS.has(text)) {
      this.at--;
      this.fail('a value');
    }
    if (this.peek()?.t === '(') {
      this.at++;
      const args: Expression[] = [];
      if (this.peek()?.t !== ')') {
        for (;;) {
          args.push(this.nested(() => this.expression()));
          if (this.peek()?.t !== ',') break;
          this.at++;
        }
      }
      this.take(')', '"," or ")"');
      return { kind: 'call', name: text, args };
    }
    const steps = [text];
    this.indexes(steps);
    while (this.peek()?.t === '/') {
      this.at++;
      const step = this.peek();
      // Keys inside `properties` may be numbers or quoted.
      if (step?.t === 'word') steps.push(step.text);
      else if (step?.t === 'number') steps.push(String(step.value));
      else if (step?.t === 'string') steps.push(step.value);
      else this.fail('a property name');
      this.at++;
      this.indexes(steps);
    }
    return { kind: 'path', steps };
  }

  /** `[0][1]` behind a name: places in arrays. */
  indexes(steps: string[]): void {
    while (this.peek()?.t === '[') {
      this.at++;
      const index = this.peek();
      if (index?.t !== 'number' || !Number.isInteger(index.value) || index.value < 0) this.fail('a place in the array');
      steps.push(String(index.value));
      this.at++;
      this.take(']', '"]"');
    }
  }
}

function typed(type: string, value: string): Expression {
  if (type === 'geography' || type === 'geometry') return { kind: 'geometry', wkt: value };
  if (type === 'duration') {
    const ms = durationMs(value);
    if (Number.isNaN(ms))
      throw badRequest(`duration'${value}' is not an ISO 8601 duration of days, hours, minutes, seconds`);
    return { kind: 'duration', ms };
  }
  if (type === 'date' || type === 'time') return { kind: 'literal', type: 'string', value };
  const start = isoTime(value);
  if (Number.isNaN(start)) throw badRequest(`${type}'${value}' is not a time`);
  return { kind: 'time', start };
}

/** @throws StaProblem 400 that says what was expected and where */
export function parseExpression(text: string): Expression {
  const parser = new Parser(tokenize(text));
  const result = parser.expression();
  if (parser.peek()) parser.fail('an operator or the end');
  return result;
}

export interface OrderBy {
  readonly expression: Expression;
  readonly descending: boolean;
}

/** `$orderby=phenomenonTime desc,id`. @throws StaProblem 400 */
export function parseOrderBy(text: string): OrderBy[] {
  const parser = new Parser(tokenize(text));
  const list: OrderBy[] = [];
  for (;;) {
    const expression = parser.expression();
    const direction = parser.peek();
    const word = direction?.t === 'word' ? direction.text : '';
    if (word === 'asc' || word === 'desc') parser.at++;
    list.push({ expression, descending: word === 'desc' });
    if (!parser.peek()) return list;
    parser.take(',', '"asc", "desc" or ","');
  }
}

/** The query options of SensorThings 1.1 (18-088 §9.3.3), also nested in `$expand`, as a checked structure. */
import { entity, navigationOf, type EntityType, type Navigation } from './entities.ts';
import { parseExpression, parseOrderBy, type Expression, type OrderBy } from './expression.ts';
import { badRequest, StaProblem } from './problem.ts';

export interface Expand {
  readonly navigation: Navigation;
  readonly query: Query;
}

export interface Query {
  readonly filter: Expression | null;
  readonly filterText: string;
  readonly orderBy: readonly OrderBy[];
  /** As written, for the next links of expansions. */
  readonly orderText: string;
  readonly expandText: string;
  readonly top: number | null;
  readonly skip: number;
  readonly count: boolean;
  readonly expand: readonly Expand[];
  /** null = everything. Property names, navigation names, `id`, or paths into json. */
  readonly select: readonly string[] | null;
  readonly resultFormat: ResultFormat;
  /** Continue behind these sort values (our own next links). */
  readonly skipToken: string | null;
}

export type ResultFormat = 'json' | 'dataArray' | 'GeoJSON' | 'CSV';
const RESULT_FORMATS: Record<string, ResultFormat> = {
  json: 'json',
  dataarray: 'dataArray',
  geojson: 'GeoJSON',
  csv: 'CSV',
};

export const EMPTY_QUERY: Query = {
  filter: null,
  filterText: '',
  orderBy: [],
  orderText: '',
  expandText: '',
  top: null,
  skip: 0,
  count: false,
  expand: [],
  select: null,
  resultFormat: 'json',
  skipToken: null,
};

/** How many `$expand` may be nested, and how many entities one query may expand side by side. */
export const MAX_EXPAND_DEPTH = 8;
export const MAX_EXPANDS = 64;

/** Splits at `separator` outside brackets and quotes. */
export function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let inString = false;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    // A doubled quote inside a string closes and opens it again: the state comes out right.
    if (c === "'") inString = !inString;
    else if (inString) continue;
    else if (c === '(') depth++;
    else if (c === ')') depth--;
    else if (c === separator && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,15}$/.test(text.trim())) throw badRequest(`${option}=${text}: expected a whole number from 0`);
  return Number(text);
}

interface Budget {
  expands: number;
}

/** Clients differ in how they write `$orderBy`. */
const OPTION_NAMES = new Map(
  ['$filter', '$orderby', '$top', '$skip', '$count', '$select', '$expand', '$resultFormat', '$skiptoken'].map(
    (name) => [name.toLowerCase(), name],
  ),
);

function parseOptions(options: readonly [string, string][], type: EntityType, depth: number, budget: Budget): Query {
  const query: { -readonly [K in keyof Query]: Query[K] } = { ...EMPTY_QUERY };
  const seen = new Set<string>();
  for (const [given, value] of options) {
    const name = OPTION_NAMES.get(given.toLowerCase()) ?? given;
    if (!name.startsWith('$')) {
      if (depth > 0)
        throw badRequest(`"${name}" is not a query option; inside $expand(…) options are separated by ";"`);
      continue;
    }
    if (seen.has(name)) throw badRequest(`${name} is given twice`);
    seen.add(name);
    switch (name) {
      case '$filter':
        query.filterText = value;
        query.filter = parseExpression(value);
        break;
      case '$orderby':
        query.orderText = value;
        query.orderBy = parseOrderBy(value);
        break;
      case '$top':
        query.top = wholeNumber('$top', value);
        break;
      case '$skip':
        query.skip = wholeNumber('$skip', value);
        break;
      case '$count':
        if (value !== 'true' && value !== 'false') throw badRequest(`$count=${value}: expected true or false`);
        query.count = value === 'true';
        break;
      case '$select':
        query.select = parseSelect(value, type);
        break;
      case '$expand':
        query.expandText = value;
        query.expand = parseExpand(value, type, depth, budget);
        break;
      case '$resultFormat': {
        const format = RESULT_FORMATS[value.toLowerCase()];
        if (!format || depth > 0)
          throw badRequest(
            `$resultFormat=${value}: expected one of json, dataArray, GeoJSON, CSV, on the whole answer`,
          );
        query.resultFormat = format;
        break;
      }
      case '$skiptoken':
        query.skipToken = value;
        break;
      default:
        throw badRequest(
          `${name} is not a query option; there are $filter, $orderby, $top, $skip, $count, $select, $expand, $resultFormat`,
        );
    }
  }
  return query;
}

function parseSelect(text: string, type: EntityType): string[] {
  return text.split(',').map((part) => {
    const name = part.trim().replace(/^@iot\./, '');
    const first = name.split('/')[0] as string;
    const known =
      first === 'id' ||
      first === 'selfLink' ||
      type.properties.some((q) => q.name === first) ||
      navigationOf(type, first) !== undefined;
    if (!known) throw badRequest(`$select: ${type.name} has no property "${name}"`);
    return name;
  });
}

function parseExpand(text: string, type: EntityType, depth: number, budget: Budget): Expand[] {
  if (depth >= MAX_EXPAND_DEPTH) throw badRequest(`$expand is nested more than ${MAX_EXPAND_DEPTH} deep`);
  const byName = new Map<string, Expand>();
  for (const part of splitOutside(text, ',')) {
    if (++budget.expands > MAX_EXPANDS) throw badRequest(`more than ${MAX_EXPANDS} entities are expanded`);
    const open = part.indexOf('(');
    const path = (open < 0 ? part : part.slice(0, open)).trim().split('/');
    const inner = open < 0 ? '' : part.slice(open + 1).trimEnd();
    if (open >= 0 && !inner.endsWith(')')) throw badRequest(`$expand: "${part.trim()}" lacks a closing bracket`);
    const [first, ...rest] = path as [string, ...string[]];
    const navigation = navigationOf(type, first);
    if (!navigation) throw badRequest(`$expand: ${type.name} has no relation "${first}"`);
    const target = entity(navigation.target);
    const options = open < 0 ? [] : optionsOf(splitOutside(inner.slice(0, -1), ';'));
    // A/B is A expanded with B; options in brackets belong to the last step.
    const query =
      rest.length > 0
        ? {
            ...EMPTY_QUERY,
            expand: parseExpand(rest.join('/') + (open < 0 ? '' : part.slice(open)), target, depth + 1, budget),
          }
        : parseOptions(options, target, depth + 1, budget);
    const before = byName.get(first);
    // `$expand=A/B,A/C` names A twice: its expansions come together.
    byName.set(first, before ? { navigation, query: merge(before.query, query) } : { navigation, query });
  }
  return [...byName.values()];
}

const merge = (a: Query, b: Query): Query => ({
  ...a,
  ...Object.fromEntries(
    Object.entries(b).filter(([key, value]) => value !== EMPTY_QUERY[key as keyof Query] && key !== 'expand'),
  ),
  expand: [...a.expand, ...b.expand],
});

function optionsOf(parts: readonly string[]): [string, string][] {
  return parts
    .filter((s) => s.trim() !== '')
    .map((s) => {
      const eq = s.indexOf('=');
      if (eq < 0) throw badRequest(`"${s.trim()}" lacks "="`);
      return [s.slice(0, eq).trim(), s.slice(eq + 1).trim()];
    });
}

/** `raw` is the query string as it came, without `?`. @throws StaProblem 400 */
export function parseQuery(raw: string, type: EntityType): Query {
  const options = raw
    .split('&')
    .filter((s) => s !== '')
    .map((s): [string, string] => {
      const eq = s.indexOf('=');
      if (eq >= 0) return [decode(s.slice(0, eq)), decode(s.slice(eq + 1))];
      // Some clients encode the whole option, its = too.
      const [name = '', value = ''] = decode(s).split(/=(.*)/s);
      return [name, value];
    });
  return parseOptions(options, type, 0, { expands: 0 });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (cause) {
    throw Object.assign(new StaProblem(400, `"${text.slice(0, 60)}" is not valid percent-encoding`), { cause });
  }
}

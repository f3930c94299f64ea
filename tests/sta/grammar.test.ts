/**
 * `$filter`, `$orderby`, `$expand` and paging against a naive evaluation of the same expressions over the entities as JSON.
 * The rules are those of docs/sensorthings.md: a missing value, or one of another type, fulfils neither a condition nor its
 * opposite; `eq null` finds it. Then text that is nearly a query: it is answered, or refused as a problem, and nothing else.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from '../property.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BoxObservations } from '../../api/sta/box-observations.ts';
import { openDatabase } from '../../api/sta/database.ts';
import { BoxMirror } from '../../api/sta/mirror.ts';
import { createStaService, type StaService } from '../../api/sta/service.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import { columns } from '../api/server.ts';

const BASE = 'http://test/sta/v1.1';
const NOW = Date.UTC(2026, 10, 21, 8);
/** Entities made through SensorThings; and boxes, whose Observations lie in the observation store and are asked for in its SQL. */
let service: StaService;
let boxes: StaService;
interface Entity {
  readonly '@iot.id': number;
  readonly [key: string]: unknown;
}
const all: Record<string, Entity[]> = {};

async function ask(url: string, body?: unknown, of = service): Promise<{ status: number; body: string; type: string }> {
  const [path = '', query = ''] = url.split(/\?(.*)/s);
  const request = { method: body === undefined ? 'GET' : 'POST', path, query, contentType: 'application/json', body: JSON.stringify(body ?? null), mayWrite: true }; // prettier-ignore
  const response = await of.handle(request);
  return { status: response.status, body: response.body, type: response.headers['content-type'] ?? '' };
}
async function get(
  url: string,
  of = service,
): Promise<{ value: Entity[]; '@iot.nextLink'?: string; '@iot.count'?: number }> {
  const { status, body } = await ask(url, undefined, of);
  expect(status, `${decodeURIComponent(url)}: ${body}`).toBe(200);
  return JSON.parse(body) as never;
}

const TEXTS = ['', 'a', 'A', 'abc', 'straße', 'ÄÖ', "O'Neil", '信義國小', '台', '臺', '😀x', ' spaced ', '%_', '\\', '3', '-2.5', '+1', 'true', '\tx', 'é', 'é', '"', 'a&b=c;d', '(x)']; // prettier-ignore
const NUMBERS = [0, 1, -1, 2, 3, 2.5, -2.5, 7, 10, 100, 0.5, -0.5, 1.5];
const pick = <T>(list: readonly T[], i: number): T => list[i % list.length] as T;

beforeAll(async () => {
  const db = openDatabase(':memory:', { scratch: true });
  service = createStaService({ db, base: BASE, clock: () => NOW, scratch: true, foreign: null });
  const thing = (i: number): unknown => ({
    name: pick(TEXTS, i),
    description: pick(TEXTS, i * 7 + 3),
    properties: {
      n: pick([...NUMBERS, 'x', null, true], i * 5),
      t: pick([...TEXTS, 4, false, null], i * 11 + 1),
      ...(i % 3 === 0 ? { on: i % 2 === 0 } : {}),
      deep: { er: [i, { k: pick(TEXTS, i) }] },
    },
    Locations: [{ name: `l${i}`, description: '', encodingType: 'application/geo+json', location: { type: 'Point', coordinates: [120 + (i % 6) / 2, 24 + (i % 4) / 2] } }], // prettier-ignore
    ...(i < 6
      ? {
          Datastreams: [0, 1].map((k) => ({
            name: pick(TEXTS, i + k),
            description: 'd',
            observationType: 'http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Observation',
            unitOfMeasurement: { name: 'u', symbol: null, definition: 'x' },
            properties: { k },
            Sensor: { name: `s${i % 2}`, description: '', encodingType: 'text/plain', metadata: '' },
            ObservedProperty: { name: `o${k}`, definition: 'http://x', description: '' },
          })),
        }
      : {}),
  });
  for (let i = 0; i < 26; i++) expect((await ask('/Things', thing(i))).status).toBe(201);
  for (let i = 0; i < 60; i++) {
    const t = NOW - 40 * 86_400_000 + i * 61 * 3_600_000 + (i % 7) * 1234;
    const observation = {
      phenomenonTime: new Date(t).toISOString(),
      ...(i % 5 === 0 ? {} : { resultTime: new Date(t + i * 60_000).toISOString() }),
      result: pick([...NUMBERS, 'abc', '3', true, false, null], i * 3),
      parameters: { n: pick(NUMBERS, i), t: pick(TEXTS, i) },
    };
    expect((await ask(`/Datastreams(${(i % 12) + 1})/Observations`, observation)).status).toBe(201);
  }
  for (const set of ['Things', 'Observations', 'Datastreams']) all[set] = (await get(`/${set}?$top=1000`)).value;
});

const dir = mkdtempSync(join(tmpdir(), 'lamppost-sta-grammar-'));
let store: DuckStore;
beforeAll(async () => {
  store = await DuckStore.open(dir);
  const registry = openRegistry(':memory:');
  const db = openDatabase(':memory:', { scratch: false });
  const mirror = new BoxMirror(db, registry);
  const rows = ['one', 'two'].flatMap((name, k) => {
    const { num } = registry.add({ name, lat: 25, lon: 121.5 + k, exposure: 'outdoor' }, NOW - 90 * 86_400_000).thing;
    return Array.from({ length: 25 }, (_, i) => ({
      num,
      time: NOW - 40 * 86_400_000 + i * 38 * 3_600_000 + k * 61_001,
      raw: pick(NUMBERS, i * 3 + k),
      ...(i % 3 === 0 ? {} : { corrected: pick(NUMBERS, i + k), lo90: i / 2, hi90: i, level: 2 }),
      flag: pick([1, 3, 4], i),
    }));
  });
  await store.append(columns(rows), [], 0);
  mirror.syncThings();
  for (const r of rows)
    mirror.seen([{ thingNum: r.num, key: 'pm25', firstTime: r.time, lastTime: r.time, lastResultTime: r.time + 1000, corrected: 'corrected' in r }]); // prettier-ignore
  const foreign = new BoxObservations(db, store, { newest: () => null });
  boxes = createStaService({ db, base: BASE, clock: () => NOW, scratch: false, foreign });
  all['Observations of boxes'] = (await get('/Observations?$top=1000', boxes)).value;
});
afterAll(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

/** null is unknown. */
type Value = number | string | boolean | null;
/** An expression as text, and what it is of an entity. */
interface Expr<T extends Value> {
  readonly text: string;
  of(e: Entity): T | null;
}
const constant = <T extends Value>(text: string, value: T): Expr<T> => ({ text, of: () => value });
const json = (path: string): ((e: Entity) => unknown) => {
  const steps = path.split('/');
  return (e) =>
    steps.reduce<unknown>((v, step) => (v as Record<string, unknown> | null | undefined)?.[step], e) ?? null;
};
const numberAt = (path: string): Expr<number> => {
  const at = json(path);
  return { text: path, of: (e) => (typeof at(e) === 'number' ? (at(e) as number) : null) };
};
/** Numbers and truth values as they are written. */
const textAt = (path: string): Expr<string> => {
  const at = json(path);
  return { text: path, of: (e) => (at(e) === null ? null : String(at(e))) };
};
const timeAt = (path: string): Expr<number> => {
  const at = json(path);
  return { text: path, of: (e) => (typeof at(e) === 'string' ? Date.parse(at(e) as string) : null) };
};
function call<A extends Value, R extends Value>(text: string, args: readonly Expr<A>[], f: (...values: A[]) => R | null): Expr<R> {
  return {
    text,
    of: (e) => {
      const values = args.map((a) => a.of(e));
      return values.includes(null) ? null : f(...(values as A[]));
    },
  };
} // prettier-ignore
const points = (s: string): string[] => Array.from(s);
const bytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
const quoted = (s: string): string => `'${s.replaceAll("'", "''")}'`;
const away = (x: number): number => Math.sign(x) * Math.round(Math.abs(x));
const indexOf = (s: string, part: string): number => {
  const at = s.indexOf(part);
  return at < 0 ? -1 : points(s.slice(0, at)).length;
};

const ZONES = ['Z', '+08:00', '-03:30', ''];
const timeLiteral = fc
  .tuple(fc.integer({ min: NOW - 45 * 86_400_000, max: NOW + 9_000_000_000 }), fc.constantFrom(...ZONES))
  .map(([t, zone]): Expr<number> => {
    const whole = Math.floor(t / 1000) * 1000;
    const offset = zone === '+08:00' ? 8 : zone === '-03:30' ? -3.5 : 0;
    return constant(new Date(whole + offset * 3_600_000).toISOString().slice(0, 19) + zone, whole);
  });
const duration = fc.constantFrom<[string, number]>(['PT1H', 3_600_000], ['P1DT30M', 88_200_000], ['PT0.5S', 500], ['-PT90M', -5_400_000]); // prettier-ignore

interface Side {
  readonly numbers: readonly Expr<number>[];
  readonly texts: readonly Expr<string>[];
  readonly times: readonly Expr<number>[];
}
const SIDES: Record<string, Side> = {
  Things: {
    numbers: [numberAt('properties/n'), numberAt('id'), numberAt('properties/nothing')],
    texts: [textAt('name'), textAt('description'), textAt('properties/t')],
    times: [constant('now()', NOW)],
  },
  Observations: {
    numbers: [numberAt('result'), numberAt('parameters/n')],
    texts: [textAt('parameters/t')],
    times: [timeAt('resultTime')],
  },
};
const OF_BOXES: Side = {
  numbers: [
    numberAt('result'),
    numberAt('parameters/raw'),
    numberAt('resultQuality/flag'),
    numberAt('parameters/lo90'),
  ],
  texts: [textAt('parameters/model')],
  times: [timeAt('resultTime'), timeAt('phenomenonTime')],
};
SIDES['Things']?.numbers.forEach((e) => {
  if (e.text === 'id') (e as { of: (x: Entity) => number }).of = (x) => x['@iot.id'];
});

/** A value whose type each row has for itself; two of them beside each other are compared as what both are there. */
const isOpen = (text: string): boolean =>
  text === 'result' || /^(?:properties|parameters|resultQuality)\/\w+$/.test(text);

function grammar(side: Side): fc.Arbitrary<Expr<boolean>> {
  const two = <T extends Value, R extends Value>(a: fc.Arbitrary<Expr<T>>, b: fc.Arbitrary<Expr<T>>, write: (x: string, y: string) => string, f: (x: T, y: T) => R | null) =>
    fc.tuple(a, b).filter(([x, y]) => !(isOpen(x.text) && isOpen(y.text))).map(([x, y]) => call(write(x.text, y.text), [x, y], f)); // prettier-ignore
  const { any } = fc.letrec<{ any: Expr<boolean>; number: Expr<number>; text: Expr<string>; time: Expr<number> }>(
    (tie) => {
      const [number, text, time] = [tie('number'), tie('text'), tie('time')];
      const compare = <T extends Value>(e: fc.Arbitrary<Expr<T>>, order: (a: T, b: T) => number) =>
        fc.oneof(
          ...([
            ['eq', (n: number) => n === 0],
            ['ne', (n: number) => n !== 0],
            ['gt', (n: number) => n > 0],
            ['ge', (n: number) => n >= 0],
            ['lt', (n: number) => n < 0],
            ['le', (n: number) => n <= 0],
          ] as const).map(([op, holds]) => two(e, e, (x, y) => `${x} ${op} ${y}`, (x, y) => holds(order(x, y)))),
        ); // prettier-ignore
      const infix = (op: string, f: (x: number, y: number) => number | null) =>
        two(number, number, (x, y) => `(${x} ${op} ${y})`, f);
      const of1 = <A extends Value, R extends Value>(name: string, arg: fc.Arbitrary<Expr<A>>, f: (x: A) => R) =>
        arg.map((x) => call(`${name}(${x.text})`, [x], f));
      const utc = (get: (d: Date) => number) => (t: number) => get(new Date(t));
      return {
        number: fc.oneof(
          { maxDepth: 3, depthSize: 'small' },
          fc.constantFrom(...NUMBERS).map((n) => constant(String(n), n)),
          fc.constantFrom(...side.numbers),
          infix('add', (x, y) => x + y),
          infix('sub', (x, y) => x - y),
          infix('mul', (x, y) => x * y),
          infix('div', (x, y) => (y === 0 ? null : x / y)),
          infix('mod', (x, y) => (y === 0 ? null : x % y)),
          of1('round', number, away),
          of1('floor', number, Math.floor),
          of1('ceiling', number, Math.ceil),
          of1('length', text, (s) => points(s).length),
          two(text, text, (x, y) => `indexof(${x},${y})`, indexOf),
          of1('year', time, utc((d) => d.getUTCFullYear())),
          of1('month', time, utc((d) => d.getUTCMonth() + 1)),
          of1('day', time, utc((d) => d.getUTCDate())),
          of1('hour', time, utc((d) => d.getUTCHours())),
          of1('minute', time, utc((d) => d.getUTCMinutes())),
          of1('second', time, utc((d) => d.getUTCSeconds())),
        ), // prettier-ignore
        text: fc.oneof(
          { maxDepth: 3, depthSize: 'small' },
          fc.constantFrom(...TEXTS).map((s) => constant(quoted(s), s)),
          fc.constantFrom(...side.texts),
          of1('tolower', text, (s) => s.toLowerCase()),
          of1('toupper', text, (s) => s.toUpperCase()),
          of1('trim', text, (s) => s.trim()),
          two(text, text, (x, y) => `concat(${x}, ${y})`, (x, y) => x + y),
          fc.tuple(text, fc.nat(4)).map(([s, n]) => call(`substring(${s.text},${n})`, [s], (x) => points(x).slice(n).join(''))),
          fc.tuple(text, fc.nat(4), fc.nat(3)).map(([s, n, m]) => call(`substring(${s.text},${n},${m})`, [s], (x) => points(x).slice(n, n + m).join(''))),
        ), // prettier-ignore
        time: fc.oneof(
          { maxDepth: 2, depthSize: 'small' },
          timeLiteral,
          fc.constantFrom(...side.times),
          fc.tuple(time, duration).map(([t, [d, ms]]) => call(`(${t.text} add duration'${d}')`, [t], (x) => x + ms)),
          fc.tuple(time, duration).map(([t, [d, ms]]) => call(`(${t.text} sub duration'${d}')`, [t], (x) => x - ms)),
        ),
        any: fc.oneof(
          { maxDepth: 4, depthSize: 'small' },
          compare(number, (a, b) => a - b),
          compare(text, bytes),
          compare(time, (a, b) => a - b),
          two(text, text, (x, y) => `substringof(${x},${y})`, (x, y) => y.includes(x)),
          two(text, text, (x, y) => `startswith(${x}, ${y})`, (x, y) => x.startsWith(y)),
          two(text, text, (x, y) => `endswith(${x},${y})`, (x, y) => x.endsWith(y)),
          fc.constantFrom(...side.numbers, ...side.texts).filter((e) => e.text !== 'id').map((e): Expr<boolean> => {
            const at = json(e.text);
            return { text: `${e.text} eq null`, of: (x) => at(x) === null };
          }),
          tie('any').map((x): Expr<boolean> => ({ text: `not (${x.text})`, of: (e) => { const v = x.of(e); return v === null ? null : !v; } })),
          fc.tuple(tie('any'), tie('any')).map(([x, y]): Expr<boolean> => ({ text: `(${x.text}) and (${y.text})`, of: (e) => { const [a, b] = [x.of(e), y.of(e)]; return a === false || b === false ? false : a === null || b === null ? null : true; } })),
          fc.tuple(tie('any'), tie('any')).map(([x, y]): Expr<boolean> => ({ text: `((${x.text}) or (${y.text}))`, of: (e) => { const [a, b] = [x.of(e), y.of(e)]; return a === true || b === true ? true : a === null || b === null ? null : false; } })),
        ), // prettier-ignore
      };
    },
  );
  return any;
}

const enc = encodeURIComponent;
const ids = (list: readonly Entity[]): number[] => list.map((e) => e['@iot.id']);

describe.each(['Things', 'Observations'])('%s', (set) => {
  const side = SIDES[set] as Side;
  it('a filter finds what a naive reading of it finds', async () => {
    await fc.assert(
      fc.asyncProperty(grammar(side), async (e) => {
        const found = await get(`/${set}?$top=1000&$orderby=id&$count=true&$select=id&$filter=${enc(e.text)}`);
        const expected = ids((all[set] ?? []).filter((x) => e.of(x) === true));
        expect(ids(found.value), e.text).toEqual(expected);
        expect(found['@iot.count']).toBe(expected.length);
      }),
      { numRuns: 400 },
    );
  });

  it('an order with missing and mixed values, page by page, shows everything once', async () => {
    const rank = (v: unknown): number => (v === null || v === undefined ? 0 : typeof v === 'string' ? 2 : 1);
    const order = (a: unknown, b: unknown): number => {
      if (rank(a) !== rank(b)) return rank(a) - rank(b);
      if (rank(a) === 0) return 0;
      return typeof a === 'string' ? bytes(a, b as string) : Number(a) - Number(b);
    };
    const keys = [...side.numbers.slice(0, 1), ...side.texts].map((e) => e.text);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...keys), fc.boolean()), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 30 }),
        async (by, top) => {
          const text = by.map(([key, desc]) => `${key}${desc ? ' desc' : ''}`).join(',');
          const expected = ids(
            (all[set] ?? []).toSorted((a, b) => {
              for (const [key, desc] of by) {
                const d = order(json(key)(a), json(key)(b));
                if (d !== 0) return desc ? -d : d;
              }
              return a['@iot.id'] - b['@iot.id'];
            }),
          );
          const seen: number[] = [];
          for (let url: string | undefined = `/${set}?$select=id&$top=${top}&$orderby=${enc(text)}`; url;) {
            const page: Awaited<ReturnType<typeof get>> = await get(url);
            seen.push(...ids(page.value));
            url = page['@iot.nextLink']?.slice(BASE.length);
            expect(seen.length).toBeLessThanOrEqual(expected.length);
          }
          expect(seen, text).toEqual(expected);
          const skip = expected.length >> 1;
          expect(ids((await get(`/${set}?$select=id&$top=1000&$skip=${skip}&$orderby=${enc(text)}`)).value)).toEqual(expected.slice(skip)); // prettier-ignore
        },
      ),
      { numRuns: 60 },
    );
  });
});

it('Observations of boxes: a filter finds what a naive reading of it finds, whichever engine judges it', async () => {
  expect(all['Observations of boxes']?.length).toBe(2 * 25 * 3);
  const [, first = ''] = /^(\d+)-/.exec(String(all['Observations of boxes']?.[0]?.['@iot.id'])) ?? [];
  await fc.assert(
    fc.asyncProperty(grammar(OF_BOXES), fc.boolean(), async (e, one) => {
      const url = one ? `/Datastreams(${first})/Observations` : '/Observations';
      const found = await get(`${url}?$top=1000&$count=true&$select=id&$filter=${enc(e.text)}`, boxes);
      const expected = (all['Observations of boxes'] ?? []).filter(
        (x) => e.of(x) === true && (!one || String(x['@iot.id']).startsWith(`${first}-`)),
      );
      expect(new Set(ids(found.value)), e.text).toEqual(new Set(ids(expected)));
      expect(found['@iot.count'], e.text).toBe(expected.length);
    }),
    { numRuns: 70 },
  );
});

it('an expansion with options is what the relation answers with the same options', async () => {
  const OPTIONS = ['$top=1', '$top=2;$skip=1', '$orderby=id desc', '$select=id', '$filter=id gt 3', '$count=true;$top=1', '$expand=Datastreams', '$top=0;$count=true']; // prettier-ignore
  const RELATIONS: Record<string, readonly string[]> = {
    Things: ['Datastreams', 'Locations', 'HistoricalLocations'],
    Datastreams: ['Observations', 'Thing', 'Sensor', 'ObservedProperty'],
    Observations: ['Datastream', 'FeatureOfInterest'],
  };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.entries(RELATIONS).flatMap(([set, list]) => list.map((r) => [set, r] as const))),
      fc.constantFrom('', ...OPTIONS),
      fc.nat(5),
      async ([set, relation], options, i) => {
        const many = relation.endsWith('s');
        if (!many && /\$(?:top|orderby|filter)/.test(options)) return;
        if (options.includes('Datastreams') && !['Thing', 'Sensor', 'ObservedProperty'].includes(relation)) return;
        const entity = pick(all[set] ?? [], i);
        const url = `/${set}(${entity['@iot.id']})`;
        const whole = (await get(
          `${url}?$expand=${relation}${options ? `(${enc(options)})` : ''}`,
        )) as unknown as Entity;
        const direct = await get(`${url}/${relation}?${options.split(';').map((o) => o.replace(/=(.*)/s, (_, v: string) => `=${enc(v)}`)).join('&')}`); // prettier-ignore
        if (!many) {
          expect(whole[relation]).toEqual(direct);
          return;
        }
        expect(whole[relation]).toEqual(direct.value);
        expect(whole[`${relation}@iot.count`]).toEqual(direct['@iot.count']);
        const next = whole[`${relation}@iot.nextLink`] as string | undefined;
        expect(next === undefined).toBe(direct['@iot.nextLink'] === undefined);
        if (next) expect((await get(next.slice(BASE.length))).value).toEqual((await get((direct['@iot.nextLink'] as string).slice(BASE.length))).value); // prettier-ignore
      },
    ),
    { numRuns: 200 },
  );
});

it('what is nearly a query is answered or refused, with a problem that says why', async () => {
  const damaged = fc
    .tuple(
      grammar(SIDES['Observations'] as Side),
      fc.array(
        fc.tuple(
          fc.nat(),
          fc.constantFrom("'", '(', ')', ',', '/', ' ', 'and', '$', '0', '\u0000', '�', '-', ':', '[', ''),
          fc.nat(3),
        ),
        { minLength: 1, maxLength: 4 },
      ),
    ) // prettier-ignore
    .map(([e, changes]) =>
      changes.reduce((text, [at, put, gone]) => {
        const i = at % (text.length + 1);
        return (text.slice(0, i) + put + text.slice(i + gone)).toWellFormed();
      }, e.text),
    );
  await fc.assert(
    fc.asyncProperty(damaged, fc.constantFrom('$filter', '$orderby', '$expand', '$select', '$skiptoken'), async (text, option) => {
      const { status, body, type } = await ask(`/Observations?${option}=${enc(text)}`);
      expect([200, 400], `${option}=${text}: ${body}`).toContain(status);
      if (status === 200) return;
      expect(type).toContain('application/problem+json');
      expect((JSON.parse(body) as { detail: string }).detail.length).toBeGreaterThan(10);
    }),
    { numRuns: 600 },
  ); // prettier-ignore
});

it('places: in, near and across, against arithmetic', async () => {
  const at = (i: number): [number, number] => [120 + (i % 6) / 2, 24 + (i % 4) / 2];
  const things = ids(all['Things'] ?? []);
  const where = async (filter: string): Promise<number[]> =>
    ids((await get(`/Things?$top=100&$select=id&$orderby=id&$filter=${enc(filter)}`)).value);
  const fit = (holds: (x: number, y: number) => boolean): number[] => things.filter((_, i) => holds(...at(i)));
  const square = "geography'POLYGON((120.2 24.2,121.7 24.2,121.7 25.2,120.2 25.2,120.2 24.2))'";
  const inside = fit((x, y) => x > 120.2 && x < 121.7 && y > 24.2 && y < 25.2);
  for (const filter of [
    `st_within(Locations/location, ${square})`,
    `st_intersects(Locations/location,${square})`,
    `geo.intersects(Locations/location,${square})`,
    `st_contains(${square},Locations/location)`,
    `not st_disjoint(Locations/location,${square})`,
  ])
    // prettier-ignore
    expect(await where(filter), filter).toEqual(inside);
  expect(await where("st_equals(Locations/location,geography'POINT(121 25)')")).toEqual(fit((x, y) => x === 121 && y === 25)); // prettier-ignore
  expect(await where("geo.distance(Locations/location,geography'POINT(120 24)') lt 0.8")).toEqual(
    fit((x, y) => Math.hypot(x - 120, y - 24) < 0.8),
  );
  expect(await where("st_touches(geography'LINESTRING(120 24,120 26)',Locations/location)")).toEqual(fit((x, y) => x === 120 && y === 24)); // prettier-ignore
  for (const bad of [
    'geo.distance(Locations/location) lt 1',
    "geo.distance(Locations/location,geography'POINT(1)') lt 1",
    'geo.length(name) gt 1',
    "st_relate(Locations/location,geography'POINT(1 1)','X') ",
    "geo.distance(Locations/location,geography'POINT(1 1)') eq 'x'",
  ])
    // prettier-ignore
    expect((await ask(`/Things?$filter=${enc(bad)}`)).status, bad).toBe(400);
});

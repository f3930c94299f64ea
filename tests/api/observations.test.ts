import { afterAll, beforeAll, expect, test } from 'vitest';
import * as fc from '../property.ts';
import { COUNT, NOW, STEP, columns, world, type World } from './server.ts';
import { formatTime } from '../../model/time.ts';
import { parseStep } from '../../api/parameters.ts';
import { quantile } from '../../api/series.ts';
import { timeWriter } from '../../api/csv.ts';
import { allocateColumns } from '../../store/store.ts';

interface Item {
  phenomenonTime: string;
  phenomenonTimeEnd: string;
  localTime: string;
  value: number | null;
  flag: number;
  reasons: string[];
  count: number;
  total: number;
  coverage: number;
  min: number;
  max: number;
  lo90: number | null;
  hi90: number | null;
  percentiles: Record<string, number>;
}
interface Page {
  items: Item[];
  next: string | null;
}

let w: World;
let base: string;
beforeAll(async () => {
  w = await world();
  base = `/api/v1/boxes/${w.ids.school}/observations`;
});
afterAll(() => w.close());

const FROM = formatTime(NOW - (COUNT - 1) * STEP);

test('from is inclusive, to exclusive, the default the last 24 hours', async () => {
  const page = await w.json<Page>(`${base}?from=2026-11-21T10:00:00Z&to=2026-11-21T11:00:00Z`);
  expect(page.items[0]?.phenomenonTime).toBe('2026-11-21T10:00:00Z');
  expect(page.items[0]?.localTime).toBe('2026-11-21T18:00:00+08:00');
  expect(page.items.at(-1)?.phenomenonTime).toBe('2026-11-21T10:55:00Z');
  const day = await w.json<Page>(base);
  expect(day.items).toHaveLength(289);
  expect(day.items[0]?.phenomenonTime).toBe('2026-11-20T12:00:00Z');
});

test('a refused correction is null with its reason; a failed value is kept and flagged', async () => {
  const at = (i: number): string => formatTime(NOW - (COUNT - 1 - i) * STEP);
  const [spike, refused] = (await w.json<Page>(`${base}?from=${at(300)}&to=${at(302)}&level=corrected`)).items;
  expect(spike).toMatchObject({ value: null, flag: 4, reasons: ['pm25.spike'], lo90: null, hi90: null });
  expect(refused).toMatchObject({ value: null, flag: 1, reasons: ['pm25.no_model'] });
  expect((await w.json<Page>(`${base}?from=${at(300)}&to=${at(301)}`)).items[0]).toMatchObject({ value: 400, flag: 4 });
});

test.each(['asc', 'desc'])('pages %s join without gap or overlap while readings come in', async (order) => {
  const whole = (await w.json<Page>(`${base}?from=${FROM}&to=2026-11-21T12:00:01Z&order=${order}&limit=10000`)).items;
  expect(whole).toHaveLength(COUNT);
  const seen: string[] = [];
  let next: string | null = null;
  do {
    const page: Page = await w.json(
      `${base}?from=${FROM}&to=2026-11-21T12:00:01Z&order=${order}&limit=97${next ? `&cursor=${next}` : ''}`,
    );
    seen.push(...page.items.map((i) => i.phenomenonTime));
    next = page.next;
    await w.store.append(columns([{ num: 1, time: NOW + 3600_000 + seen.length, raw: 1 }]), [], 0);
  } while (next);
  expect(seen).toEqual(whole.map((i) => i.phenomenonTime));
});

test('the Link header leads to the next page', async () => {
  const response = await w.get(`${base}?limit=5`);
  const { next } = (await response.json()) as Page;
  const link = /<([^>]+)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1] ?? '';
  expect(link).toContain(`cursor=${next}`);
  expect(((await (await fetch(link)).json()) as Page).items[0]?.phenomenonTime).toBe('2026-11-20T12:25:00Z');
});

test('CSV: the header of the contract, one line a reading, all of them without a cap', async () => {
  const response = await w.get(`${base}?from=${FROM}&level=corrected&format=csv`);
  expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
  expect(response.headers.get('link')).toContain('rel="license"');
  const lines = (await response.text()).split('\n');
  expect(lines[0]).toBe('phenomenonTime,value,unit,level,flag,reasons,lo90,hi90,model,licence');
  expect(lines.at(-1)).toBe('');
  expect(lines.length - 2).toBe(COUNT);
  expect(lines[1]).toBe(`${FROM},8,ug/m3,corrected,1,,5,11,published:test,CC-BY-4.0`);
  expect(lines[301]).toBe(`${formatTime(NOW - (COUNT - 301) * STEP)},,ug/m3,corrected,4,pm25.spike,,,,CC-BY-4.0`);
});

test('NDJSON says the same as JSON', async () => {
  const span = `from=${FROM}&to=2026-11-21T12:00:01Z&limit=10000`;
  const json = await w.json<Page>(`${base}?${span}`);
  const text = await (await w.get(`${base}?${span}&format=ndjson`)).text();
  expect(text.trimEnd().split('\n').map((l) => JSON.parse(l))).toEqual(json.items); // prettier-ignore
  const hours = await w.json<Page>(`${base}?${span}&interval=PT1H`);
  const lines = await (await w.get(`${base}?${span}&interval=PT1H&format=ndjson`)).text();
  expect(lines.trimEnd().split('\n').map((l) => JSON.parse(l))).toEqual(hours.items); // prettier-ignore
});

test('hours: means of what may take part, with count, coverage and percentiles', async () => {
  const page = await w.json<Page>(
    `${base}?from=2026-11-20T10:00:00Z&to=2026-11-20T16:00:00Z&interval=PT1H&percentiles=0,50,100`,
  );
  expect(page.items).toHaveLength(6);
  // Minutes 0, 5, … 55 carry 21, 10, 11 … 20 (the newest reading of all is the 576th, 21 µg/m³, at a full hour).
  expect(page.items[0]).toMatchObject({
    phenomenonTime: '2026-11-20T10:00:00Z',
    phenomenonTimeEnd: '2026-11-20T11:00:00Z',
    value: 15.5,
    min: 10,
    max: 21,
    count: 12,
    total: 12,
    coverage: 1,
    flag: 1,
    percentiles: { p0: 10, p50: 15.5, p100: 21 },
  });
  // Reading 300 (the spike, 400) began at 13:05 and does not take part.
  expect(page.items[3]).toMatchObject({
    phenomenonTime: '2026-11-20T13:00:00Z',
    count: 11,
    total: 12,
    max: 21,
    coverage: 0.917,
  });
});

test('days begin at midnight of the zone asked for', async () => {
  const query = 'from=2026-11-20T00:00:00Z&to=2026-11-21T12:00:00Z&interval=P1D';
  const utc = await w.json<Page>(`${base}?${query}`);
  expect(utc.items.map((i) => i.phenomenonTime)).toEqual(['2026-11-20T00:00:00Z', '2026-11-21T00:00:00Z']);
  const taipei = await w.json<Page>(`${base}?${query}&timezone=Asia/Taipei`);
  expect(taipei.items.map((i) => i.phenomenonTime)).toEqual(['2026-11-19T16:00:00Z', '2026-11-20T16:00:00Z']);
  expect(taipei.items[1]).toMatchObject({
    localTime: '2026-11-21T00:00:00+08:00',
    phenomenonTimeEnd: '2026-11-21T16:00:00Z',
  });
});

test('aggregates page without gap or overlap, and jump over years without readings', async () => {
  await w.store.append(columns([{ num: 2, time: Date.UTC(1999, 5, 1), raw: 7 }]), [], 0);
  const home = `/api/v1/boxes/${w.ids.home}/observations?from=1990-01-01&interval=PT1M`;
  const whole = await w.json<Page>(home);
  expect(whole.items.map((i) => i.phenomenonTime)).toEqual(['1999-06-01T00:00:00Z', '2026-11-21T09:00:00Z']);
  expect(whole.items[1]).toMatchObject({ value: null, flag: 9, count: 0, total: 1 });
  const span = `${base}?from=${FROM}&to=2026-11-21T12:00:01Z&interval=PT30M`;
  const all = await w.json<Page>(span);
  const seen: Item[] = [];
  let next: string | null = null;
  do {
    const page: Page = await w.json(`${span}&limit=7${next ? `&cursor=${next}` : ''}`);
    seen.push(...page.items);
    next = page.next;
  } while (next);
  expect(seen).toEqual(all.items);
});

test('aggregated CSV adds end, count and coverage', async () => {
  const text = await (
    await w.get(`${base}?from=2026-11-20T10:00:00Z&to=2026-11-20T11:00:00Z&interval=PT1H&format=csv&level=corrected`)
  ).text();
  expect(text).toBe(
    'phenomenonTime,value,unit,level,flag,reasons,lo90,hi90,model,licence,phenomenonTimeEnd,count,coverage\n' +
      '2026-11-20T10:00:00Z,13.5,ug/m3,corrected,1,,10.5,16.5,,CC-BY-4.0,2026-11-20T11:00:00Z,12,1\n',
  );
});

test('compare: raw and corrected of one moment with their difference', async () => {
  const { items } = await w.json<{ items: Record<string, unknown>[] }>(
    `/api/v1/boxes/${w.ids.school}/compare?from=2026-11-21T11:55:00Z&to=2026-11-21T12:00:00Z`,
  );
  expect(items).toMatchObject([
    { raw: 20, corrected: 18, lo90: 15, hi90: 21, difference: -2, model: 'published:test' },
  ]);
});

test('an export of many rows is flat in memory and complete', async () => {
  const n = 45_000;
  const big = w.registry.add({ name: 'long history' }, NOW).thing;
  await w.store.append(columns(Array.from({ length: n }, (_, i) => ({ num: big.num, time: i * 60_000, raw: i % 100 }))), [], 0); // prettier-ignore
  const response = await w.get(`/api/v1/boxes/${big.id}/observations?format=csv&from=1970-01-01`);
  let lines = 0;
  for await (const chunk of response.body ?? []) for (const byte of chunk) if (byte === 10) lines++;
  expect(lines).toBe(n + 1);
});

test('a client that leaves in the middle of an export leaves nothing running', async () => {
  const endless = await world({ maxExports: 1 });
  endless.store.range = async (q) => {
    const c = allocateColumns(q.limit);
    for (let i = 0; i < q.limit; i++) c.phenomenonTime[i] = (q.after?.phenomenonTime ?? 0) + i + 1;
    return c;
  };
  const path = `/api/v1/boxes/${endless.ids.school}/observations?format=csv`;
  for (let i = 0; i < 4; i++) {
    const gone = new AbortController();
    const response = await endless.get(path, { signal: gone.signal });
    expect(response.status).toBe(200);
    const second = await endless.get(path);
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '10']);
    gone.abort();
    // One export may run at a time: the next one can only begin when the server has noticed that this client has gone.
    await expect
      .poll(async () => {
        const next = new AbortController();
        const { status } = await endless.get(path, { signal: next.signal });
        next.abort();
        return status;
      })
      .toBe(200);
    await expect.poll(async () => /lamppost_exports 0/.test(await (await endless.get('/metrics')).text())).toBe(true);
  }
  await endless.close();
});

test('ISO 8601 durations', () => {
  expect(['PT1H', 'PT8H', 'P1D', 'P1M', 'P1W', 'PT90M', 'P7D', 'P1DT12H'].map(parseStep)).toEqual([3600_000, 28_800_000, 'day', 'month', 604_800_000, 5_400_000, 604_800_000, 129_600_000]); // prettier-ignore
  expect(['', 'P', 'PT', 'P1Y', 'P2M', 'PT30S', '1H', 'PT-1H', 'P400D', 'p1d', 'P1DT'].map(parseStep)).toEqual(Array.from({ length: 11 }, () => null)); // prettier-ignore
});

test('quantile: type 7 of Hyndman & Fan, as R gives it', () => {
  // R: quantile(c(1, 2, 4, 8), c(.1, .25, .5, .9)) → 1.3 1.75 3.0 6.8
  expect([0.1, 0.25, 0.5, 0.9].map((q) => quantile([1, 2, 4, 8], q))).toEqual(
    [1.3, 1.75, 3, 6.8].map((v) => expect.closeTo(v, 10)),
  );
});

test('the fast writer of times agrees with formatTime', () => {
  const write = timeWriter();
  fc.assert(fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), (t) => write(t) === formatTime(t) && write(t - (t % 1000)) === formatTime(t - (t % 1000)))); // prettier-ignore
});

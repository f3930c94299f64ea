import { afterAll, beforeAll, expect, test } from 'vitest';
import { NOW, columns, world, type World } from './server.ts';

let w: World;
let id: string;
const HOUR = 3600_000;
beforeAll(async () => {
  w = await world();
  const { thing } = w.registry.add({ name: 'twelve hours' }, NOW);
  id = thing.id;
  // Hour means, newest first: 20 20 20 20 10 10 10 10 10 10 10 10 [µg/m³].
  const rows = Array.from({ length: 12 }, (_, h) => ({ num: thing.num, time: NOW - (h + 1) * HOUR + 60_000, raw: h < 4 ? 20 : 10 })); // prettier-ignore
  await w.store.append(columns(rows), [], 0);
});
afterAll(() => w.close());

const index = (query: string) => w.json<Record<string, unknown>>(`/api/v1/boxes/${id}/index?level=raw&${query}`);

test('Taiwan: half the mean of 12 hours and half that of 4', async () => {
  // 0.5 · (4·20 + 8·10)/12 + 0.5 · 20 = 16.667; the table in force rounds to 16.7, between 12.5 (51) and 30.4 (100):
  // 51 + 49 · (16.7 − 12.5)/(30.4 − 12.5) = 62.497.
  expect(await index('table=tw_aqi')).toMatchObject({
    table: 'tw_aqi',
    averaging: 'realtime',
    concentration: 16.67,
    unit: 'ug/m3',
    hours: 12,
    value: 62,
    category: { key: 'moderate' },
    phenomenonTime: '2026-11-21T00:00:00Z',
    phenomenonTimeEnd: '2026-11-21T12:00:00Z',
    localTimeEnd: '2026-11-21T20:00:00+08:00',
  });
});

test('the European index takes the last full hour; a level not there gives null and why', async () => {
  expect(await index('table=eaqi')).toMatchObject({
    averaging: '1h',
    concentration: 20,
    value: 3,
    category: { key: 'moderate' },
  });
  const corrected = await w.json(`/api/v1/boxes/${id}/index?table=tw_aqi`);
  expect(corrected).toMatchObject({ level: 'corrected', value: null, category: null, concentration: null, reason: 'only 0 of 12 hours have a corrected mean of enough good readings' }); // prettier-ignore
  expect(await index('table=who')).toMatchObject({
    averaging: '24h',
    value: null,
    reason: 'only 12 of 24 hours have a raw mean of enough good readings',
  });
});

test('an hour counts with 75 % of its readings good, and no flagged value takes part', async () => {
  const { thing } = w.registry.add({ name: 'ten minutes' }, NOW);
  // Every ten minutes 10 µg/m³. In the hour before NOW two of six are spikes of flag 3 (67 % left), in the one before that one (83 %).
  const flagged = new Set([1, 3, 8]);
  const rows = Array.from({ length: 24 * 6 }, (_, i) => ({
    num: thing.num,
    time: NOW - (i + 1) * 600_000 + 60_000,
    raw: flagged.has(i) ? 500 : 10,
    flag: flagged.has(i) ? 3 : 1,
  }));
  await w.store.append(columns(rows), [], 0);
  const of = (query: string) => w.json(`/api/v1/boxes/${thing.id}/index?level=raw&${query}`);
  expect(await of('table=eaqi')).toMatchObject({ value: null, hours: 0 });
  expect(await of('table=tw_aqi')).toMatchObject({ concentration: 10, hours: 11, value: 40 });
  expect(await of(`table=eaqi&at=${new Date(NOW - HOUR).toISOString()}`)).toMatchObject({
    concentration: 10,
    value: 2,
  });
});

test('one reading is no hour, however often the box sends', async () => {
  const { thing } = w.registry.add({ name: 'first reading' }, NOW);
  await w.store.append(columns([{ num: thing.num, time: NOW - 60_000, raw: 10 }]), [], 0);
  expect(await w.json(`/api/v1/boxes/${thing.id}/index?level=raw&table=eaqi`)).toMatchObject({ value: null, hours: 0 });
});

test('ozone: the higher of 8 h and 1 h; mass where the table asks for mass', async () => {
  const { thing } = w.registry.add({ name: 'ozone' }, NOW);
  const rows = Array.from({ length: 10 }, (_, h) => ({ num: thing.num, property: 'o3' as const, time: NOW - (h + 1) * HOUR + 60_000, raw: h === 0 ? 140 : 40 })); // prettier-ignore
  await w.store.append(columns(rows), [], 0);
  const of = (query: string) => w.json(`/api/v1/boxes/${thing.id}/index?level=raw&property=o3&${query}`);
  // 8 h: (140 + 7·40)/8 = 52.5 → 53 ppb → 49; 1 h: 140 ppb → 151 + 49·(140 − 135)/(204 − 135) = 154.6.
  expect(await of('table=tw_aqi')).toMatchObject({ averaging: '1h', concentration: 140, unit: '[ppb]', value: 155, phenomenonTime: '2026-11-21T11:00:00Z' }); // prettier-ignore
  expect(await of(`table=tw_aqi&at=${new Date(NOW - HOUR).toISOString()}`)).toMatchObject({ averaging: '8h', concentration: 40, value: 37 }); // prettier-ignore
  // 140 ppb · 47.998 g/mol / 24.055 l/mol = 279.35 µg/m³: above 180.
  expect(await of('table=eaqi')).toMatchObject({ concentration: 279.35, unit: 'ug/m3', value: 6 });
});

test('the table in force at the time asked about; one not in force, or without the pollutant, is refused', async () => {
  expect(await index('table=tw_aqi&at=2020-01-01T00:00:00Z')).toMatchObject({ tableVersion: '2016-12-01' });
  expect((await w.get(`/api/v1/boxes/${id}/index?table=us_aqi&at=2020-01-01`)).status).toBe(400);
  expect((await w.get(`/api/v1/boxes/${id}/index?table=tw_ten&property=pm10`)).status).toBe(400);
  expect((await w.get(`/api/v1/boxes/${id}/index?table=x`)).status).toBe(400);
});

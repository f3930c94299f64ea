import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventKeeper } from '../../ingest/events.ts';
import { datastreamId } from '../../model/datastream.ts';
import { reason } from '../../model/flags.ts';
import { HOUR } from '../../model/time.ts';
import type { Registry } from '../../registry/registry.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { columnsOf } from '../../store/columns.ts';
import { NOON } from './parts.ts';

let registry: Registry;
let num = 0;
beforeEach(() => {
  registry = openRegistry(':memory:');
  num = registry.add({ id: 'box-one-1' }, NOON).thing.num;
});
afterEach(() => registry.close());

const row = (hour: number, drifts: boolean, key: 'pm25' | 'humidity' = 'pm25') => ({
  datastream: datastreamId(num, key),
  phenomenonTime: NOON + hour * HOUR,
  raw: 10,
  reasons: drifts ? reason('drift') | reason('clock') : reason('clock'),
});
const noted = () =>
  registry
    .events({ limit: 10, thing: 'box-one-1' })
    .map(({ kind, time }) => [kind, (time - NOON) / HOUR])
    .filter(([kind]) => kind !== 'registered')
    .reverse();

it('a drift is told when it begins and when it ends, not with each reading', () => {
  const keeper = eventKeeper(registry);
  keeper.rows(columnsOf([row(0, false), row(1, true), row(2, true), row(2, true, 'humidity')]));
  expect(noted()).toEqual([['drift', 1]]);
  keeper.rows(columnsOf([row(3, true), row(4, false), row(5, false)]));
  expect(noted()).toEqual([['drift', 1], ['drift-over', 4]]); // prettier-ignore
  expect(registry.events({ limit: 1, kind: 'drift' })).toMatchObject([{ thing: 'box-one-1', property: 'pm25' }]);
});

it('a restart tells nothing again, and still finds the end', () => {
  eventKeeper(registry).rows(columnsOf([row(1, true)]));
  const keeper = eventKeeper(registry);
  keeper.rows(columnsOf([row(2, true)]));
  expect(noted()).toEqual([['drift', 1]]);
  keeper.rows(columnsOf([row(3, false)]));
  expect(noted()).toEqual([['drift', 1], ['drift-over', 3]]); // prettier-ignore
  eventKeeper(registry).rows(columnsOf([row(4, false), row(5, true)]));
  expect(noted()).toHaveLength(3);
});

it('a late reading from before the drift does not end it', () => {
  const keeper = eventKeeper(registry);
  keeper.rows(columnsOf([row(2, true), row(1, false), row(3, true)]));
  expect(noted()).toEqual([['drift', 2]]);
});

it('a model names its box, or nobody when it is of many', () => {
  const keeper = eventKeeper(registry);
  keeper.model({ id: 'ab', kind: 'own', subject: 'box-one-1', madeAt: NOON, pairs: 200 });
  keeper.model({ id: 'cd', kind: 'pooled', subject: 'plantower', madeAt: NOON, pairs: 900 });
  expect(registry.events({ limit: 2, kind: 'refit' })).toMatchObject([
    { thing: '', property: 'pm25', detail: 'model cd: pooled fit of plantower from 900 pairs' },
    { thing: 'box-one-1', detail: 'model ab: own fit of box-one-1 from 200 pairs' },
  ]);
});

it('water on the street is told by its levels, and a gauge that stood in water at a restart is not told twice', () => {
  const depth = (minute: number, raw: number, flag = 1, reasons = 0) => ({
    datastream: datastreamId(num, 'water_level'),
    phenomenonTime: NOON + (minute * HOUR) / 60,
    raw,
    flag,
    reasons,
  });
  const told = () =>
    registry
      .events({ limit: 10, thing: 'box-one-1' })
      .filter((e) => e.kind.startsWith('flood'))
      .map((e) => e.detail)
      .reverse();
  const keeper = eventKeeper(registry);
  keeper.rows(columnsOf([depth(0, 0), depth(5, 0.12), depth(10, 0.15), depth(15, 9, 4)]));
  expect(told()).toEqual(['rose by 12 cm within ten minutes, to 12 cm', 'level 1: 15 cm of water']);
  keeper.rows(columnsOf([depth(20, 0.8, 3, reason('spike'))]));
  expect(told().at(-1)).toBe('level 2: 80 cm of water, unconfirmed');
  const again = eventKeeper(registry);
  again.rows(columnsOf([depth(25, 0.8), depth(30, 0.8)]));
  expect(told().at(-1)).toBe('level 2: 80 cm of water');
  expect(told()).toHaveLength(4);
  again.rows(columnsOf([depth(40, 0), depth(70, 0)]));
  expect(told().at(-1)).toBe('0 cm: no flood any more');
});

it('a flood is confirmed by the first reading where it pours, and a drizzle confirms nothing', () => {
  const value = (key: 'water_level' | 'rain', minutes: number, raw: number) => ({ datastream: datastreamId(num, key), phenomenonTime: NOON + minutes * 60_000, raw, flag: 1 }); // prettier-ignore
  const floods = () => registry.events({ limit: 10, kind: 'flood' }).map((e) => (e.time - NOON) / 60_000);
  const drizzle = eventKeeper(registry);
  drizzle.rows(columnsOf([value('water_level', 0, 0), value('rain', 0, 0)]));
  drizzle.rows(columnsOf([value('water_level', 10, 0.15), value('rain', 10, 0.5)]));
  expect(floods()).toEqual([]);
  // 3 mm in ten minutes are 18 mm/h; the rain stands behind the water in the reading.
  const pouring = eventKeeper(registry);
  pouring.rows(columnsOf([value('water_level', 20, 0), value('rain', 20, 0)]));
  pouring.rows(columnsOf([value('water_level', 30, 0.15), value('rain', 30, 3)]));
  expect(floods()).toEqual([30]);
});

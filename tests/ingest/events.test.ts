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

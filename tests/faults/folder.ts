/** A data folder with some days of history, as an earlier run of the server left it, and questions over HTTP about it. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { dataFolder } from '../../cli/folder.ts';
import { datastreamId } from '../../model/datastream.ts';
import { DAY, MINUTE, startOfDay } from '../../model/time.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { columnsOf } from '../../store/columns.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import type { ChildServer } from '../e2e/server.ts';

export interface History {
  readonly box: { readonly id: string; readonly key: string; readonly num: number };
  /** Midnight UTC of the first of the days [epoch ms]. */
  readonly start: number;
  readonly days: number;
}

/** A value a minute. */
export const ROWS_A_DAY = DAY / MINUTE;
/** What the box said in that minute: 0 to 99.9 µg/m³ [µg/m³]. */
export const valueAt = (minute: number): number => ((minute * 7919) % 1000) / 10;

/** One box with `days` full days of PM2.5 in day files and one roll-up, that of their month, the last of them a week ago or some days more. */
export async function makeHistory(root: string, days = 3): Promise<History> {
  const folder = dataFolder(root);
  mkdirSync(root, { recursive: true });
  const registry = openRegistry(folder.registry);
  const [added] = registry.addMany(
    [{ name: '有歷史的盒子', lat: 25.03, lon: 121.5, sensors: ['PMS5003'], exposure: 'outdoor' }],
    Date.now(),
  );
  if (!added) throw new Error('no box was made');
  const num = registry.get(added.id)?.num ?? 0;
  registry.close();
  const month = (time: number): string => new Date(time).toISOString().slice(0, 7);
  let start = startOfDay(Date.now()) - (days + 7) * DAY;
  while (month(start) !== month(start + (days - 1) * DAY)) start -= DAY;
  const store = await DuckStore.open(folder.store);
  await store.append(
    columnsOf(
      Array.from({ length: days * ROWS_A_DAY }, (_, i) => ({
        datastream: datastreamId(num, 'pm25'),
        phenomenonTime: start + i * MINUTE,
        resultTime: start + i * MINUTE + 1000,
        raw: valueAt(i),
      })),
    ),
    [],
    0,
  );
  // As of the day after: later they would be gathered into files of several days.
  await store.compact(start + days * DAY + MINUTE);
  await store.close();
  return { box: { ...added, num }, start, days };
}

/** Names of the files of a kind, sorted: by day, or by month. */
export const partsOf = (root: string, kind: 'days' | 'hours'): string[] =>
  readdirSync(join(dataFolder(root).store, 'parquet', kind)).sort();

export const partPath = (root: string, kind: 'days' | 'hours', name: string): string =>
  join(dataFolder(root).store, 'parquet', kind, name);

export const iso = (time: number): string => new Date(time).toISOString();

export async function ask(server: ChildServer, path: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://127.0.0.1:${server.http}${path}`);
  return { status: response.status, body: await response.text() };
}

/** Lines of a CSV answer without its header. @throws when the answer is not 200 */
export async function csv(server: ChildServer, path: string): Promise<string[]> {
  const { status, body } = await ask(server, `${path}&format=csv`);
  expect(status, `${path}\n${body}`).toBe(200);
  return body.trimEnd().split('\n').slice(1);
}

/** Every minute of the box's days `from` to `to` (exclusive). */
export const minutesOf = (server: ChildServer, h: History, from: number, to: number): Promise<string[]> =>
  csv(
    server,
    `/api/v1/boxes/${h.box.id}/observations?property=pm25&level=raw&from=${iso(h.start + from * DAY)}&to=${iso(h.start + to * DAY)}`,
  );

/** Hour means of all its days: time, mean and how many values. */
export async function hourMeans(server: ChildServer, h: History): Promise<{ time: string; mean: number; n: number }[]> {
  const { status, body } = await ask(
    server,
    `/api/v1/boxes/${h.box.id}/observations?property=pm25&level=raw&interval=PT1H&from=${iso(h.start)}&to=${iso(h.start + h.days * DAY)}`,
  );
  expect(status, body).toBe(200);
  const { items } = JSON.parse(body) as { items: { phenomenonTime: string; value: number; count: number }[] };
  return items.map((i) => ({ time: i.phenomenonTime, mean: i.value, n: i.count }));
}

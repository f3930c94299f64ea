/** The table of latest values seen from another thread. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { LatestTable, LatestView } from '../../api/latest.ts';
import { datastreamId } from '../../model/datastream.ts';
import { property } from '../../model/properties.ts';
import { allocateColumns, type ObservationColumns } from '../../store/store.ts';

const PM25 = property('pm25').num;

/** Every number of a row says the same, so that halves of two rows are seen. */
function rowsOf(things: readonly number[], n: number): ObservationColumns {
  const rows = allocateColumns(things.length);
  for (const [i, thing] of things.entries()) {
    rows.datastream[i] = datastreamId(thing, 'pm25');
    for (const name of ['phenomenonTime', 'resultTime', 'raw', 'corrected', 'lo90', 'hi90'] as const) rows[name][i] = n;
    rows.reasons[i] = rows.model[i] = n;
    rows.flag[i] = rows.level[i] = n % 200;
  }
  return rows;
}

it('a row is there once the columns are known, and columns that grew are asked for again', () => {
  const table = new LatestTable();
  const view = new LatestView();
  const row = allocateColumns(1);
  expect(view.read(PM25, 1, row)).toBe(false);
  table.apply(rowsOf([1], 5));
  expect(table.layout).toBeGreaterThan(0);
  view.adopt(structuredClone(table.shared()));
  expect(view.read(PM25, 1, row)).toBe(true);
  expect([row.raw[0], row.phenomenonTime[0], row.model[0]]).toEqual([5, 5, 5]);
  expect(view.read(PM25, 2, row)).toBe(false);
  expect(view.read(property('co2').num, 1, row)).toBe(false);
  // The same memory: nothing has to be sent for a change.
  let { layout } = table;
  table.apply(rowsOf([1, 2], 6));
  expect(table.layout).toBe(layout);
  expect(view.read(PM25, 2, row) && row.raw[0]).toBe(6);
  table.apply(rowsOf([5000], 7));
  expect(table.layout).toBeGreaterThan(layout);
  ({ layout } = table);
  view.adopt(structuredClone(table.shared()));
  expect(view.read(PM25, 5000, row) && row.raw[0]).toBe(7);
});

it('what is read while it is written is one reading or the next, never half of each', async () => {
  const table = new LatestTable();
  const things = [1, 2, 3];
  table.apply(rowsOf(things, 1));
  const reader = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     import(workerData.module).then(({ LatestView }) => {
       const view = new LatestView();
       view.adopt(workerData.columns);
       const row = Object.fromEntries(['phenomenonTime','resultTime','raw','corrected','lo90','hi90','flag','reasons','level','model'].map((k) => [k, [0]]));
       let [reads, newest, torn] = [0, 0, 0];
       parentPort.postMessage('reading');
       while (newest < workerData.last) {
         view.read(workerData.property, 1 + (reads++ % 3), row);
         const n = row.raw[0];
         const rest = ['phenomenonTime','resultTime','corrected','lo90','hi90','reasons','model'].map((k) => row[k][0]);
         if (rest.some((x) => x !== n) || row.flag[0] !== n % 200 || row.level[0] !== n % 200) torn++;
         newest = Math.max(newest, n);
       }
       parentPort.postMessage({ reads, torn });
     });`,
    {
      eval: true,
      workerData: {
        module: new URL('../../api/latest.ts', import.meta.url).href,
        columns: table.shared(),
        property: PM25,
        last: 60_000,
      },
    },
  );
  await once(reader, 'message');
  const answered = once(reader, 'message');
  for (let n = 2; n <= 60_000; n++) table.apply(rowsOf(things, n));
  const [{ reads, torn }] = (await answered) as [{ reads: number; torn: number }];
  expect(torn).toBe(0);
  expect(reads).toBeGreaterThan(10);
  await reader.terminate();
});

import { expect, it } from 'vitest';
import { LatestTable } from '../../api/latest.ts';
import { columnsOf } from '../../store/columns.ts';

it('what the store refuses as a conflict does not reach the map either', () => {
  const latest = new LatestTable();
  const row = (raw: number, flag: number) => columnsOf([{ datastream: 66, phenomenonTime: 1000, raw, flag }]);
  expect(latest.apply(row(12, 1))).toEqual([0]);
  expect(latest.apply(row(13, 1))).toEqual([]);
  expect(latest.column(2)?.raw[0]).toBe(12);
  // A new verdict on the same value does.
  expect(latest.apply(row(12, 3))).toEqual([0]);
  expect(latest.column(2)?.flag[0]).toBe(3);
});

/** Rows of the table of latest values and of the store in the form that is written out. */
import type { ObservationColumns } from '../store/store.ts';
import type { Context } from './context.ts';
import type { LatestColumn } from './latest.ts';
import type { Edition, RowView } from './observation.ts';

/** Which edition each value is, asked once for many: the ledger looks whether its file has changed. */
export function editionOf(
  context: Pick<Context, 'options'>,
): (thingNum: number, phenomenonTime: number, resultTime: number) => Edition {
  const editions = context.options.revisions?.editions();
  return editions ? (num, time, result) => editions.of(num, time, result) : () => LIVE;
}
const LIVE: Edition = { product: 'live', revision: 0 };

export function slotView(context: Pick<Context, 'models'>, c: LatestColumn, slot: number): RowView {
  return {
    time: c.time[slot] as number,
    raw: c.raw[slot] as number,
    corrected: c.corrected[slot] as number,
    lo90: c.lo90[slot] as number,
    hi90: c.hi90[slot] as number,
    flag: c.flag[slot] as number,
    reasons: c.reasons[slot] as number,
    level: c.level[slot] as number,
    model: context.models.name(c.model[slot] as number),
  };
}

export function rowView(context: Pick<Context, 'models'>, rows: ObservationColumns, i: number): RowView {
  return {
    time: rows.phenomenonTime[i] as number,
    raw: rows.raw[i] as number,
    corrected: rows.corrected[i] as number,
    lo90: rows.lo90[i] as number,
    hi90: rows.hi90[i] as number,
    flag: rows.flag[i] as number,
    reasons: rows.reasons[i] as number,
    level: rows.level[i] as number,
    model: context.models.name(rows.model[i] as number),
  };
}

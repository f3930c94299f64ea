/**
 * The newest row of each datastream, for the table of latest values at the start of a server. `last()` would look at every series
 * and field (and, where boxes share series, at every row); but the ledger knows when each newest row was, so the newest slices
 * of time are read until all are found, and the few that lie far back are asked for by name.
 */
import { PROPERTY_SLOTS } from '../../model/properties.ts';
import { type EpochMs } from '../../model/time.ts';
import { joinColumns } from '../columns.ts';
import { allocateColumns, type ObservationColumns } from '../store.ts';
import type { Watermarks } from '../watermarks.ts';
import type { Connection } from './connection.ts';
import { slices, within } from './queries.ts';
import { newest as newestOfSeries, picked, rowsOf } from './rows.ts';

/** A slice of which fewer of these rows are newest ones is not worth its reading: the rest is asked for by name. */
const WORTH = 50;
/** Datastreams asked for by name at most; others stay unknown until they send again. */
const MOST_BY_NAME = 20_000;
/** Boxes of one question by name, and rows it may answer. */
const TOGETHER = 50;
const ROWS_BY_NAME = 200_000;
/** A million boxes would take many minutes: what is not found within this [ms] is known when it sends again. */
const PATIENCE = 45_000;
/** Rows looked at where it is not known when the newest were, and boxes share series. */
const MOST_ROWS = 5_000_000;

export interface LatestQuery {
  readonly since: EpochMs;
  /** `newest` knows of every datastream with a row at or after `since`. */
  readonly complete: boolean;
  readonly newest: Watermarks;
  readonly ends: { readonly first: EpochMs; readonly last: EpochMs; readonly shared: boolean; readonly rows: number };
}

export async function latest(connection: Connection, query: LatestQuery): Promise<ObservationColumns> {
  const { since, complete, newest, ends } = query;
  const span = within({ from: since, to: Infinity }, ends);
  if (!(span.from < span.to)) return allocateColumns(0);
  if (!complete && !ends.shared) return (await newestOfSeries(connection, span)).byDatastream();

  /** When the newest row of each was, as of now: appends go on meanwhile. Taken out as they are found. */
  const missing = new Map<number, EpochMs>();
  for (const id of newest.datastreams()) {
    const time = newest.timeOf(id);
    if (time >= since) missing.set(id, time);
  }
  const found: ObservationColumns[] = [];
  const seen = new Set<number>();
  let looked = 0;
  const began = performance.now();
  const late = (): boolean => performance.now() - began > PATIENCE;
  let last = span.to;
  if (!complete || missing.size > 0)
    for await (const rows of slices(connection, null, span, { descending: true, density: ends })) {
      const order: number[] = [];
      for (let i = rows.length - 1; i >= 0; i--) {
        const id = rows.datastream[i] as number;
        const time = rows.phenomenonTime[i] as number;
        if (complete ? missing.get(id) !== time : seen.has(id)) continue;
        if (complete) missing.delete(id);
        else seen.add(id);
        order.push(i);
      }
      if (order.length > 0) found.push(picked(rows, order));
      looked += rows.length;
      last = rows.phenomenonTime[0] as number;
      if (complete && (missing.size === 0 || order.length * WORTH < rows.length)) break;
      if (late() || (!complete && looked > MOST_ROWS)) break;
    }
  if (complete) found.push(...(await byName(connection, missing, last, late)));
  return byDatastream(joinColumns(found));
}

/** Rows that lie at known moments before `until`, boxes whose moments lie close together in one question. */
async function byName(
  connection: Connection,
  missing: ReadonlyMap<number, EpochMs>,
  until: EpochMs,
  late: () => boolean,
): Promise<ObservationColumns[]> {
  const wanted = [...missing].filter(([, time]) => time <= until).sort((a, b) => b[1] - a[1]);
  const found: ObservationColumns[] = [];
  for (let from = 0; from < Math.min(wanted.length, MOST_BY_NAME) && !late();) {
    const newestTime = (wanted[from] as [number, number])[1];
    const boxes = new Set<number>();
    let to = from;
    let oldest = newestTime;
    for (; to < wanted.length; to++) {
      const [id, time] = wanted[to] as [number, number];
      boxes.add(Math.floor(id / PROPERTY_SLOTS));
      // A moment of one box costs as much as some minutes of it.
      if (boxes.size > TOGETHER || newestTime - time > 600_000) break;
      oldest = time;
    }
    const part = wanted.slice(from, to);
    const span = { from: oldest, to: newestTime + 1 };
    const rows = await rowsOf(connection, part.map(([id]) => id), span, ROWS_BY_NAME); // prettier-ignore
    if (rows) {
      const order: number[] = [];
      for (let i = 0; i < rows.length; i++)
        if (missing.get(rows.datastream[i] as number) === rows.phenomenonTime[i]) order.push(i);
      found.push(picked(rows, order));
    }
    from = to;
  }
  return found;
}

function byDatastream(rows: ObservationColumns): ObservationColumns {
  const { datastream } = rows;
  const order = Uint32Array.from({ length: rows.length }, (_, i) => i);
  return picked(
    rows,
    order.sort((a, b) => (datastream[a] as number) - (datastream[b] as number)),
  );
}

/**
 * Writing. Most rows are newer than anything their datastream has (the watermarks know) and go straight out; the late ones are
 * looked up first. Points the server refuses are told apart from a server that is away: those become rejects and the rest of
 * the batch goes on.
 */
import { flux } from '@influxdata/influxdb-client';
import { HttpError } from '@influxdata/influxdb-client';
import { thingNumOf } from '../../model/datastream.ts';
import { formatTime, MINUTE } from '../../model/time.ts';
import { PROPERTY_SLOTS } from '../../model/properties.ts';
import { conflict } from '../conflict.ts';
import { Moments } from '../moments.ts';
import type { AppendResult, ObservationColumns, Reject } from '../store.ts';
import type { Watermarks } from '../watermarks.ts';
import { Refused, type Connection } from './connection.ts';
import { encodePoints, linesOf, type Points } from './lines.ts';
import { BOXES_AT_ONCE, source, type Span } from './rows.ts';
import { fieldOf, unfit, type Aspect } from './schema.ts';

/**
 * Rows of one request: InfluxData advise 5,000 lines a write, and a line tells some four rows. Fewer are sent in halves, but not
 * below the other bound.
 */
const ROWS_AT_ONCE = 20_000;
const FEWEST_ROWS = 4000;
/** Requests under way at once. */
const PARALLEL = 2;
/** Late rows of more boxes than this are looked up by time alone, if they lie close together. */
const MANY_BOXES = 1000;
const NARROW = 30 * MINUTE;
/**
 * Points of one batch that may be refused one by one. More means that something is wrong with all of them (another writer has
 * given a field another type, say): then the batch waits for the operator, and nothing becomes a reject.
 */
const MAX_REFUSED = 100;

interface Group extends Span {
  readonly boxes: number[] | null;
}

/** Boxes whose rows lie at about the same time are asked together. */
function groupsOf(rows: ObservationColumns, indices: ArrayLike<number>): Group[] {
  const spans = new Map<number, { from: number; to: number }>();
  let [from, to] = [Infinity, -Infinity];
  for (let n = 0; n < indices.length; n++) {
    const i = indices[n] as number;
    const box = thingNumOf(rows.datastream[i] as number);
    const t = rows.phenomenonTime[i] as number;
    const span = spans.get(box);
    if (!span) spans.set(box, { from: t, to: t + 1 });
    else {
      span.from = Math.min(span.from, t);
      span.to = Math.max(span.to, t + 1);
    }
    from = Math.min(from, t);
    to = Math.max(to, t + 1);
  }
  if (spans.size > MANY_BOXES && to - from <= NARROW) return [{ boxes: null, from, to }];
  const groups: { boxes: number[]; from: number; to: number }[] = [];
  for (const [box, span] of [...spans].sort((a, b) => a[1].from - b[1].from || a[1].to - b[1].to)) {
    const last = groups.at(-1);
    const joined = last && Math.max(last.to, span.to) - last.from;
    const near = last && (joined as number) <= 2 * (span.to - span.from) + NARROW;
    if (last && near && last.boxes.length < BOXES_AT_ONCE) {
      last.boxes.push(box);
      last.to = Math.max(last.to, span.to);
    } else groups.push({ boxes: [box], ...span });
  }
  return groups;
}

/** What is stored at the moments of these rows: the raw value, NaN for a row without one; nothing where there is no row. */
export async function storedValues(
  connection: Connection,
  rows: ObservationColumns,
  indices: ArrayLike<number>,
): Promise<Moments> {
  const wanted = new Map<number, Set<number>>();
  for (let n = 0; n < indices.length; n++) {
    const i = indices[n] as number;
    const id = rows.datastream[i] as number;
    let times = wanted.get(id);
    if (!times) wanted.set(id, (times = new Set()));
    times.add(rows.phenomenonTime[i] as number);
  }
  const properties = [...new Set([...wanted.keys()].map((id) => id % PROPERTY_SLOTS))];
  const found = new Moments();
  for (const group of groupsOf(rows, indices)) {
    const aspects: readonly Aspect[] = ['', 'flag'];
    await connection.query(
      flux`${source(connection, { ...group, properties, aspects })} |> group() |> keep(columns: ["_time", "_value", "_field", "box"])`,
      ({ box, slot, field, time, value }) => {
        const known = fieldOf(field);
        if (!known) return;
        const id = (slot * connection.series + Number(box)) * PROPERTY_SLOTS + known.property;
        if (!wanted.get(id)?.has(time)) return;
        if (known.aspect === '') found.set(id, time, value);
        else found.add(id, time, NaN);
      },
    );
  }
  return found;
}

export interface Judged {
  /** Rows to be written, in the order of the batch. */
  readonly fresh: Int32Array;
  readonly duplicates: number;
  readonly conflicts: readonly Reject[];
  /** Rows that cannot be kept. */
  readonly refused: readonly Reject[];
}

/** Same value; no value (NaN) is the same as no value, and -0 as 0. */
const same = (a: number, b: number): boolean => a === b || (Number.isNaN(a) && Number.isNaN(b));

function refusal(rows: ObservationColumns, i: number, code: string, why: string): Reject {
  const id = rows.datastream[i] as number;
  const time = rows.phenomenonTime[i] as number;
  const when = Number.isFinite(time) && Math.abs(time) <= 8.64e15 ? formatTime(time) : String(time);
  return {
    receivedAt: rows.resultTime[i] as number,
    via: 'store',
    topic: '',
    thing: '',
    thingNum: thingNumOf(id),
    code,
    detail: `the value of ${when} was not kept: ${why}`,
    payload: new Uint8Array(0),
  };
}

/**
 * Tells new rows from those that are there.
 * @param floor newest time of anything the watermarks do not know: a row beyond it and its datastream's mark is surely new
 * @param oldest values before this are no longer taken by the bucket
 */
export async function judge(
  connection: Connection,
  rows: ObservationColumns,
  watermarks: Watermarks,
  floor: number,
  oldest: number,
): Promise<Judged> {
  const fresh: number[] = [];
  const late: number[] = [];
  const refused: Reject[] = [];
  for (let i = 0; i < rows.length; i++) {
    const why = unfit(rows, i);
    if (why !== '') refused.push(refusal(rows, i, 'refused-by-store', why));
    else if ((rows.phenomenonTime[i] as number) < oldest)
      refused.push(
        refusal(rows, i, 'beyond-retention', 'it is older than what the bucket keeps; the operator may keep more'),
      );
    else if (watermarks.raise(rows.datastream[i] as number, rows.phenomenonTime[i] as number, floor)) fresh.push(i);
    else late.push(i);
  }
  if (late.length === 0) return { fresh: Int32Array.from(fresh), duplicates: 0, conflicts: [], refused };

  const stored = await storedValues(connection, rows, late);
  const lateStreams = new Set(late.map((i) => rows.datastream[i] as number));
  // A late row of the same moment as a fresh one stands behind it in the batch.
  for (const i of fresh)
    if (lateStreams.has(rows.datastream[i] as number))
      stored.set(rows.datastream[i] as number, rows.phenomenonTime[i] as number, rows.raw[i] as number);
  const conflicts: Reject[] = [];
  let duplicates = 0;
  for (const i of late) {
    const id = rows.datastream[i] as number;
    const time = rows.phenomenonTime[i] as number;
    const raw = rows.raw[i] as number;
    const there = stored.get(id, time);
    if (there === undefined) {
      stored.set(id, time, raw);
      fresh.push(i);
    } else if (same(there, raw)) duplicates++;
    else conflicts.push(conflict(id, time, rows.resultTime[i] as number, there, raw));
  }
  return { fresh: Int32Array.from(fresh).sort(), duplicates, conflicts, refused };
}

/**
 * Writes these rows in requests of a size the server likes; while one is under way the next is encoded.
 * @param again the points are there: only what QC and correction added is written
 * @returns the rows it refused, with its reason
 */
export async function send(
  connection: Connection,
  rows: ObservationColumns,
  order: Int32Array,
  again = false,
): Promise<Map<number, string>> {
  const refused = new Map<number, string>();
  const share = Math.ceil(order.length / PARALLEL);
  const size = Math.max(FEWEST_ROWS, Math.min(ROWS_AT_ONCE, share));
  const pieces: Int32Array[] = [];
  for (let from = 0; from < order.length; from += size) pieces.push(order.subarray(from, from + size));

  const lines = async (points: Points, from: number, to: number): Promise<void> => {
    try {
      await connection.write(linesOf(points, from, to));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (refused.size >= MAX_REFUSED)
        throw new Error(`${error.message}; more than ${MAX_REFUSED} values of one batch, so none is given up`, {
          cause: error,
        });
      if (to - from > 1) {
        // What was taken is taken again, to the same effect; the halves find the culprit.
        const middle = (from + to) >> 1;
        await lines(points, from, middle);
        await lines(points, middle, to);
        return;
      }
      const told = Array.from(points.order).slice(points.starts[from], points.starts[to]);
      if (told.length === 1 || (error.cause instanceof HttpError && /retention/.test(error.cause.message))) {
        for (const i of told) refused.set(i, error.message);
        return;
      }
      // One value of the point is bad: the others are told without it.
      for (const i of told)
        for (const [row, why] of await send(connection, rows, Int32Array.of(i), again)) refused.set(row, why);
    }
  };
  const queue = pieces.values();
  const work = async (): Promise<void> => {
    for (const piece of queue) {
      const points = encodePoints(rows, piece, { series: connection.series, again });
      await lines(points, 0, points.length);
    }
  };
  // All have to end before an error is told: a request still under way must not come in behind what follows.
  const ended = await Promise.allSettled(Array.from({ length: PARALLEL }, work));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  return refused;
}

/** Writes what is new. @returns what `append` answers, the rows that are in, and what has to be kept as rejects */
export async function writeRows(
  connection: Connection,
  rows: ObservationColumns,
  judged: Judged,
): Promise<{ result: AppendResult; stored: Int32Array; rejects: Reject[] }> {
  const bad = await send(connection, rows, judged.fresh);
  const rejects = [...judged.conflicts, ...judged.refused];
  for (const [i, why] of bad) rejects.push(refusal(rows, i, 'refused-by-store', why));
  const stored = bad.size === 0 ? judged.fresh : judged.fresh.filter((i) => !bad.has(i));
  return {
    result: { stored: stored.length, duplicates: judged.duplicates, conflicts: judged.conflicts.length },
    stored,
    rejects,
  };
}

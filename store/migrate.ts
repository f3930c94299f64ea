/**
 * From one observation store into another: every row with what QC and correction added, every reject, every model name, and the
 * journal's checkpoint, so that a server goes on with the new store where it stopped with the old one. Nobody may write to
 * either store meanwhile.
 *
 *   rejects → rows, a UTC day at a time: copy, then count and checksum every datastream of that day on both sides → checkpoint
 *
 * Killed at any moment it goes on at the day it was in: what has been copied is a duplicate (promise 1 of `store.ts`), and the
 * rejects that have arrived are counted.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { DatastreamId } from '../model/datastream.ts';
import { DAY, dayName, startOfDay, type EpochMs } from '../model/time.ts';
import { sliceColumns } from './columns.ts';
import { allocateColumns, type ObservationColumns, type ObservationStore } from './store.ts';

/** No row lies beyond: clocks that far ahead are refused at the door. */
const END_OF_TIME = Date.UTC(2200, 0, 1);
const REJECT_PAGE = 1000;
/** Differences that are listed; all are counted. */
const MAX_LISTED = 20;

export interface MigrateOptions {
  readonly from: ObservationStore;
  readonly to: ObservationStore;
  /** File that remembers how far the work is; removed when all is done and equal. */
  readonly stateFile: string;
  /** Compare only; nothing is written to either store. */
  readonly verifyOnly?: boolean;
  readonly onProgress?: (rows: number) => void;
  readonly signal?: AbortSignal;
}

/** A datastream that does not hold the same on both sides on that UTC day. */
export interface Difference {
  readonly day: string;
  readonly datastream: DatastreamId;
  readonly rowsFrom: number;
  readonly rowsTo: number;
}

export interface MigrateReport {
  /** Rows compared in this run, in the store they come from. */
  readonly rows: number;
  readonly days: number;
  readonly rejects: number;
  readonly checkpoint: number;
  /** Datastreams and days that are not equal. */
  readonly differing: number;
  /** Rows that the target holds beyond (below 0: lacks of) those of the source, all days together. */
  readonly surplus: number;
  /** At most 20 of them. */
  readonly differences: readonly Difference[];
}

interface State {
  readonly version: 1;
  /** Rows before this are copied and equal. */
  doneUntil: EpochMs;
  /** Rejects that the target held before the first of ours. */
  readonly rejectsBefore: number;
}

/** @throws the signal's reason; errors of the stores. Called again it goes on. */
export async function migrate(options: MigrateOptions): Promise<MigrateReport> {
  const { from, to, stateFile, signal } = options;
  const copying = options.verifyOnly !== true;
  const state = (copying && readState(stateFile)) || {
    version: 1 as const,
    doneUntil: 0,
    rejectsBefore: copying ? await to.rejectCount() : 0,
  };
  if (copying) writeState(stateFile, state);
  const rejects = copying ? await copyRejects(from, to, state.rejectsBefore, signal) : 0;
  const names = await modelNames(from, to, copying);

  let [rows, days, differing] = [0, 0, 0];
  const differences: Difference[] = [];
  const finish = async (day: EpochMs, ours: DayTally): Promise<void> => {
    const theirs = new DayTally();
    for await (const block of to.scan(day, day + DAY)) theirs.add(block, names.to);
    for (const [datastream, rowsFrom, rowsTo] of ours.compare(theirs)) {
      differing++;
      if (differences.length < MAX_LISTED) differences.push({ day: dayName(day), datastream, rowsFrom, rowsTo });
    }
    days++;
    if (copying && differing === 0) {
      state.doneUntil = day + DAY;
      writeState(stateFile, state);
    }
  };

  let day = -1;
  let tally = new DayTally();
  for await (const block of from.scan(state.doneUntil, END_OF_TIME)) {
    for (const part of byDay(block)) {
      signal?.throwIfAborted();
      const partDay = startOfDay(part.phenomenonTime[0] as number);
      if (partDay !== day) {
        if (day >= 0) await finish(day, tally);
        day = partDay;
        tally = new DayTally();
      }
      if (copying) await copyRows(part, to, names.numbers);
      tally.add(part, names.from);
      rows += part.length;
      options.onProgress?.(rows);
    }
  }
  if (day >= 0) await finish(day, tally);

  // A day that only the target has never came by above.
  const surplus = (await to.count(0, END_OF_TIME)) - (await from.count(0, END_OF_TIME));
  const checkpoint = await from.checkpoint();
  if (copying && differing === 0 && surplus === 0) {
    await to.append(allocateColumns(0), [], checkpoint);
    rmSync(stateFile, { force: true });
  }
  return { rows, days, rejects, checkpoint, differing, surplus, differences };
}

/** Rows that are there already get what QC and correction say in the source: the run before may have been cut between the two. */
async function copyRows(rows: ObservationColumns, to: ObservationStore, numbers: Int32Array): Promise<void> {
  const copy = { ...rows, model: rows.model.map((num) => numbers[num] ?? 0) };
  const { duplicates } = await to.append(copy, [], 0);
  if (duplicates > 0) await to.rewrite(copy);
}

/** Oldest first, as they came; those of an earlier run are counted off. */
async function copyRejects(
  from: ObservationStore,
  to: ObservationStore,
  before: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  /** Ids under which the pages, newest first, begin. */
  const starts: (number | undefined)[] = [];
  let total = 0;
  for (let start: number | undefined; ;) {
    const page = await from.rejects({ limit: REJECT_PAGE, ...(start === undefined ? {} : { before: start }) });
    if (page.length === 0) break;
    starts.push(start);
    total += page.length;
    start = (page.at(-1) as { id: number }).id;
  }
  let skip = (await to.rejectCount()) - before;
  for (const start of starts.reverse()) {
    signal?.throwIfAborted();
    const page = await from.rejects({ limit: REJECT_PAGE, ...(start === undefined ? {} : { before: start }) });
    const oldestFirst = page.reverse();
    const missing = oldestFirst.slice(Math.min(skip, oldestFirst.length));
    skip = Math.max(0, skip - oldestFirst.length);
    if (missing.length > 0) await to.append(allocateColumns(0), missing, 0);
  }
  return total;
}

/** Numbers of models differ between stores, their names do not. Checksums of the names by number, and the target's numbers. */
async function modelNames(
  from: ObservationStore,
  to: ObservationStore,
  copying: boolean,
): Promise<{ from: Int32Array; to: Int32Array; numbers: Int32Array }> {
  const sums = (names: readonly string[]): Int32Array => Int32Array.of(0, ...names.map((name) => crc32(name) | 0));
  const names = await from.models();
  const numbers = new Int32Array(names.length + 1);
  if (copying) for (const [i, name] of names.entries()) numbers[i + 1] = await to.modelNum(name);
  return { from: sums(names), to: sums(await to.models()), numbers };
}

/** Pieces of a block that lie within one UTC day. */
function* byDay(block: ObservationColumns): Generator<ObservationColumns> {
  for (let start = 0; start < block.length;) {
    const end = startOfDay(block.phenomenonTime[start] as number) + DAY;
    let i = start + 1;
    while (i < block.length && (block.phenomenonTime[i] as number) < end) i++;
    yield sliceColumns(block, start, i);
    start = i;
  }
}

/** Row count and CRC-32 of each datastream of a day, over all its columns in the order of time. */
class DayTally {
  readonly #place = new Map<DatastreamId, number>();
  #rows = new Int32Array(64);
  #sums = new Uint32Array(64);
  readonly #row = new DataView(new ArrayBuffer(6 * 8 + 4 * 4));
  readonly #bytes = new Uint8Array(this.#row.buffer);

  add(rows: ObservationColumns, modelSums: Int32Array): void {
    for (let i = 0; i < rows.length; i++) {
      const place = this.#placeOf(rows.datastream[i] as number);
      const row = this.#row;
      row.setFloat64(0, rows.phenomenonTime[i] as number);
      row.setFloat64(8, rows.resultTime[i] as number);
      row.setFloat64(16, plain(rows.raw[i] as number));
      row.setFloat64(24, plain(rows.corrected[i] as number));
      row.setFloat64(32, plain(rows.lo90[i] as number));
      row.setFloat64(40, plain(rows.hi90[i] as number));
      row.setInt32(48, rows.flag[i] as number);
      row.setInt32(52, rows.reasons[i] as number);
      row.setInt32(56, rows.level[i] as number);
      row.setInt32(60, modelSums[rows.model[i] as number] ?? 0);
      this.#sums[place] = crc32(this.#bytes, this.#sums[place]);
      this.#rows[place] = (this.#rows[place] as number) + 1;
    }
  }

  #placeOf(datastream: DatastreamId): number {
    const known = this.#place.get(datastream);
    if (known !== undefined) return known;
    const place = this.#place.size;
    this.#place.set(datastream, place);
    if (place === this.#rows.length) {
      const [rows, sums] = [new Int32Array(place * 2), new Uint32Array(place * 2)];
      rows.set(this.#rows);
      sums.set(this.#sums);
      [this.#rows, this.#sums] = [rows, sums];
    }
    return place;
  }

  #at(datastream: DatastreamId): { rows: number; sum: number } {
    const place = this.#place.get(datastream);
    return place === undefined
      ? { rows: 0, sum: 0 }
      : { rows: this.#rows[place] as number, sum: this.#sums[place] as number };
  }

  /** Datastreams that differ: id, rows here, rows there. */
  *compare(there: DayTally): Generator<[DatastreamId, number, number]> {
    for (const datastream of new Set([...this.#place.keys(), ...there.#place.keys()])) {
      const [a, b] = [this.#at(datastream), there.#at(datastream)];
      if (a.rows !== b.rows || a.sum !== b.sum) yield [datastream, a.rows, b.rows];
    }
  }
}

/** One zero and one NaN: both have several bit patterns that mean the same. */
const plain = (x: number): number => (Number.isNaN(x) ? NaN : x + 0);

function readState(file: string): State | null {
  if (!existsSync(file)) return null;
  const state = JSON.parse(readFileSync(file, 'utf8')) as Partial<State>;
  if (state.version !== 1 || typeof state.doneUntil !== 'number' || typeof state.rejectsBefore !== 'number')
    throw new Error(`${file} is not the record of a migration by this version; remove it to begin anew`);
  return state as State;
}

/** Beside, flushed, renamed: never half a file. */
function writeState(file: string, state: State): void {
  const beside = `${file}.new`;
  const fd = openSync(beside, 'w', 0o600);
  try {
    writeSync(fd, JSON.stringify(state));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(beside, file);
}

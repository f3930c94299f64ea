/**
 * The reference: every promise of `store.ts` in the plainest way, all in memory, gone at the end of the process. For tests,
 * for `backtest`-like runs, and as the measure for the other stores. About 300 bytes a row.
 */
import { type EpochMs } from '../model/time.ts';
import { binsOf, combine, partialOf } from './bins.ts';
import { ColumnsBuilder, rowAt, type ObservationRow } from './columns.ts';
import { conflict } from './conflict.ts';
import type {
  AggregateQuery,
  AggregateRow,
  AppendResult,
  ObservationColumns,
  ObservationStore,
  RangeQuery,
  Reject,
  RejectQuery,
  StoreHealth,
} from './store.ts';

const SCAN_BLOCK = 10_000;

/** First index whose time is ≥ t. */
function lowerBound(rows: readonly ObservationRow[], t: EpochMs): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if ((rows[mid] as ObservationRow).phenomenonTime < t) low = mid + 1;
    else high = mid;
  }
  return low;
}

export class MemoryStore implements ObservationStore {
  /** Per datastream, ascending by phenomenon time. */
  readonly #series = new Map<number, ObservationRow[]>();
  readonly #rejects: (Reject & { id: number })[] = [];
  readonly #models: string[] = [];
  #checkpoint = 0;
  #rows = 0;

  async append(rows: ObservationColumns, rejects: readonly Reject[], checkpoint: number): Promise<AppendResult> {
    const again = checkpoint > 0 && checkpoint <= this.#checkpoint;
    let [stored, duplicates, conflicts] = [0, 0, 0];
    if (!again) for (const reject of rejects) this.#reject(reject);
    for (let i = 0; i < rows.length; i++) {
      const row = rowAt(rows, i);
      let series = this.#series.get(row.datastream);
      if (!series) this.#series.set(row.datastream, (series = []));
      const at = lowerBound(series, row.phenomenonTime);
      const there = series[at];
      if (there?.phenomenonTime !== row.phenomenonTime) {
        series.splice(at, 0, row);
        stored++;
      } else if (Object.is(there.raw + 0, row.raw + 0)) {
        duplicates++;
      } else {
        conflicts++;
        if (!again) this.#reject(conflict(row.datastream, row.phenomenonTime, row.resultTime, there.raw, row.raw));
      }
    }
    this.#rows += stored;
    this.#checkpoint = Math.max(this.#checkpoint, checkpoint);
    return { stored, duplicates, conflicts };
  }

  #reject(reject: Reject): void {
    this.#rejects.push({ ...reject, payload: reject.payload.slice(0, 4096), id: this.#rejects.length + 1 });
  }

  async checkpoint(): Promise<number> {
    return this.#checkpoint;
  }

  async modelNum(model: string): Promise<number> {
    const known = this.#models.indexOf(model);
    return known >= 0 ? known + 1 : this.#models.push(model);
  }

  async models(): Promise<string[]> {
    return [...this.#models];
  }

  /** Rows of [from, to) in (phenomenonTime, datastream) order. */
  #between(datastreams: Iterable<number>, from: EpochMs, to: EpochMs): ObservationRow[] {
    const found: ObservationRow[] = [];
    for (const id of new Set(datastreams)) {
      const series = this.#series.get(id) ?? [];
      for (let i = lowerBound(series, from); i < series.length; i++) {
        const row = series[i] as ObservationRow;
        if (row.phenomenonTime >= to) break;
        found.push(row);
      }
    }
    return found.sort((a, b) => a.phenomenonTime - b.phenomenonTime || a.datastream - b.datastream);
  }

  async range(query: RangeQuery, signal?: AbortSignal): Promise<ObservationColumns> {
    signal?.throwIfAborted();
    const rows = this.#between(query.datastreams, query.from, query.to);
    if (query.order === 'desc') rows.reverse();
    const sign = query.order === 'desc' ? -1 : 1;
    const { after } = query;
    const behind = (r: ObservationRow): boolean =>
      !after || sign * (r.phenomenonTime - after.phenomenonTime || r.datastream - after.datastream) > 0;
    const columns = new ColumnsBuilder();
    for (const row of rows) {
      if (columns.length >= query.limit) break;
      if (behind(row)) columns.push(row);
    }
    return columns.take();
  }

  async aggregate(query: AggregateQuery, signal?: AbortSignal): Promise<AggregateRow[]> {
    signal?.throwIfAborted();
    const rows = this.#between([query.datastream], query.from, query.to);
    return combine(rows.map(partialOf), binsOf(query), query.level);
  }

  async latest(since: EpochMs): Promise<ObservationColumns> {
    const columns = new ColumnsBuilder();
    for (const id of [...this.#series.keys()].sort((a, b) => a - b)) {
      const newest = this.#series.get(id)?.at(-1);
      if (newest && newest.phenomenonTime >= since) columns.push(newest);
    }
    return columns.take();
  }

  async count(from: EpochMs, to: EpochMs): Promise<number> {
    let n = 0;
    for (const series of this.#series.values()) n += Math.max(0, lowerBound(series, to) - lowerBound(series, from));
    return n;
  }

  async *scan(from: EpochMs, to: EpochMs): AsyncGenerator<ObservationColumns> {
    const rows = this.#between(this.#series.keys(), from, to);
    for (let i = 0; i < rows.length; i += SCAN_BLOCK) {
      const columns = new ColumnsBuilder();
      for (const row of rows.slice(i, i + SCAN_BLOCK)) columns.push(row);
      yield columns.take();
    }
  }

  async rewrite(rows: ObservationColumns): Promise<{ changed: number }> {
    let changed = 0;
    for (let i = 0; i < rows.length; i++) {
      const row = rowAt(rows, i);
      const series = this.#series.get(row.datastream) ?? [];
      const at = lowerBound(series, row.phenomenonTime);
      const there = series[at];
      if (there?.phenomenonTime !== row.phenomenonTime) continue;
      series[at] = { ...row, resultTime: there.resultTime, raw: there.raw };
      changed++;
    }
    return { changed };
  }

  async rejects(query: RejectQuery): Promise<(Reject & { id: number })[]> {
    const { thing, thingNum, before = Infinity } = query;
    const wanted = (r: Reject): boolean =>
      (thing === undefined && thingNum === undefined) ||
      (thing !== undefined && r.thing === thing) ||
      (thingNum !== undefined && r.thingNum === thingNum);
    return this.#rejects
      .filter((r) => r.id < before && wanted(r))
      .reverse()
      .slice(0, query.limit);
  }

  async rejectCount(): Promise<number> {
    return this.#rejects.length;
  }

  async emptyRejects(before: number): Promise<void> {
    for (const [i, r] of this.#rejects.entries()) {
      if (r.receivedAt < before) this.#rejects[i] = { ...r, payload: new Uint8Array() };
    }
  }

  async compact(): Promise<void> {}

  async health(): Promise<StoreHealth> {
    return { ok: true, problem: '', rows: this.#rows, bytes: this.#rows * 300 };
  }

  async close(): Promise<void> {}
}

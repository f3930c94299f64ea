/** Medians of townships. Which township a box lies in is found a few thousand boxes at a time, so that no frame waits for it. */
import { KIND, type BoxTable } from '../values/table.ts';
import { townAt } from '../places/here.ts';
import type { Level } from '../state/url.ts';
import type { Towns } from './base.ts';
import { median } from './clusters.ts';
import { counts, rowView } from './marks.ts';

/** Fewer values than this are shown pale and not ranked. */
export const ENOUGH = 3;

export interface TownStat {
  /** Index into the towns of the atlas. */
  readonly town: number;
  readonly n: number;
  readonly stations: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rows: readonly number[];
}

const NOT_YET = -2;

export class TownIndex {
  readonly #towns: Towns;
  #of = new Int16Array(0);
  #done = 0;

  constructor(towns: Towns) {
    this.#towns = towns;
  }

  /** Assigns up to `limit` more rows; true when all have been. */
  advance(t: BoxTable, limit: number): boolean {
    if (this.#of.length < t.length) {
      const bigger = new Int16Array(Math.ceil(t.length * 1.3)).fill(NOT_YET);
      bigger.set(this.#of);
      this.#of = bigger;
    }
    const end = Math.min(t.length, this.#done + limit);
    for (; this.#done < end; this.#done++)
      this.#of[this.#done] = townAt(this.#towns, t.lat[this.#done] as number, t.lon[this.#done] as number);
    return this.#done >= t.length;
  }

  of(row: number): number {
    return this.#of[row] ?? NOT_YET;
  }

  stats(t: BoxTable, level: Level, now: number): TownStat[] {
    return this.statsOf(t, (row) => {
      const v = rowView(t, row, level, now);
      return counts(t, row, v) ? v.value : NaN;
    });
  }

  /** @param valueOf NaN = does not count */
  statsOf(t: BoxTable, valueOf: (row: number) => number): TownStat[] {
    const groups = new Map<number, number[]>();
    for (let row = 0; row < Math.min(t.length, this.#done); row++) {
      const town = this.of(row);
      if (town < 0 || Number.isNaN(valueOf(row))) continue;
      const list = groups.get(town);
      if (list) list.push(row);
      else groups.set(town, [row]);
    }
    return [...groups].map(([town, rows]) => {
      const values = rows.map(valueOf).sort((a, b) => a - b);
      return {
        town,
        n: rows.length,
        stations: rows.filter((row) => t.kind[row] === KIND.station).length,
        median: median(values),
        min: values[0] as number,
        max: values.at(-1) as number,
        rows,
      };
    });
  }
}

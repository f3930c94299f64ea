/**
 * Boxes that would lie on top of each other, gathered into cells of the screen at one zoom. A cell shows the median of the
 * values that count, so that one broken box does not colour it. Reference stations are never gathered.
 */
import { KIND, type BoxTable } from '../values/table.ts';
import type { Hideable, Level } from '../state/url.ts';
import { isHidden, isIndoor, statusAt, valueAt } from './marks.ts';

export interface Cluster {
  readonly x: number;
  readonly y: number;
  /** Boxes gathered. */
  readonly boxes: number;
  /** Of them, how many values count. */
  readonly used: number;
  /** NaN when none counts. */
  readonly median: number;
}

export interface Clustering {
  readonly clusters: readonly Cluster[];
  /** 1 for each row that is inside a cluster and not drawn by itself. */
  readonly inside: Uint8Array;
}

const CELL_PX = 47;

export const median = (sorted: readonly number[] | Float64Array): number => {
  const n = sorted.length;
  if (n === 0) return NaN;
  const half = n >> 1;
  return n % 2 === 1 ? (sorted[half] as number) : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2;
};

/** Rows by cell, one after the other: rows of cell c are `rows[start[c]] … rows[start[c + 1] - 1]`. */
interface Cells {
  readonly count: number;
  readonly key: Float64Array;
  readonly start: Int32Array;
  readonly rows: Int32Array;
  /** Sums of the positions. */
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/** Without an array a cell: a hundred thousand boxes are gathered between two frames. */
function gather(t: BoxTable, cell: number, taken: (row: number) => boolean): Cells {
  const number = new Map<number, number>();
  const of = new Int32Array(t.length).fill(-1);
  const keys: number[] = [];
  const sizes: number[] = [];
  let used = 0;
  let lastKey = NaN;
  let last = -1;
  for (let row = 0; row < t.length; row++) {
    if (!taken(row)) continue;
    const key = Math.floor(((t.x[row] as number) + 1) / cell) * ACROSS + Math.floor(((t.y[row] as number) + 1) / cell);
    if (key !== lastKey) {
      let c = number.get(key);
      if (c === undefined) {
        number.set(key, (c = keys.length));
        keys.push(key);
        sizes.push(0);
      }
      lastKey = key;
      last = c;
    }
    of[row] = last;
    (sizes[last] as number)++;
    used++;
  }
  const count = keys.length;
  const start = new Int32Array(count + 1);
  for (let c = 0; c < count; c++) start[c + 1] = (start[c] as number) + (sizes[c] as number);
  const next = start.slice();
  const rows = new Int32Array(used);
  const x = new Float64Array(count);
  const y = new Float64Array(count);
  for (let row = 0; row < t.length; row++) {
    const c = of[row] as number;
    if (c < 0) continue;
    rows[(next[c] as number)++] = row;
    (x[c] as number) += t.x[row] as number;
    (y[c] as number) += t.y[row] as number;
  }
  return { count, key: Float64Array.from(keys), start, rows, x, y };
}

/** @param zoom whole zoom level: the grid stays put while one zooms within it */
export function cluster(t: BoxTable, zoom: number, level: Level, hide: readonly Hideable[], now: number): Clustering {
  const cell = CELL_PX / (512 * 2 ** zoom);
  const inside = new Uint8Array(t.length);
  // Only where the status decides what is hidden has it to be known of every box.
  const byStatus = hide.includes('silent') || hide.includes('flagged');
  const cells = gather(t, cell, (row) => {
    if (t.kind[row] === KIND.station) return false;
    if (hide.length === 0) return true;
    const status = byStatus ? statusAt(t, row, level, now, valueAt(t, row, level)) : 'ok';
    return !isHidden(t, row, status, hide);
  });
  const values = new Float64Array(cells.rows.length);
  const clusters: Cluster[] = [];
  for (const group of merged(cells, cell)) {
    const boxes = group.cells.reduce((n, c) => n + (cells.start[c + 1] as number) - (cells.start[c] as number), 0);
    if (boxes < 2) continue;
    let used = 0;
    for (const c of group.cells)
      for (let i = cells.start[c] as number; i < (cells.start[c + 1] as number); i++) {
        const row = cells.rows[i] as number;
        inside[row] = 1;
        if (isIndoor(t, row)) continue;
        const value = valueAt(t, row, level);
        if (statusAt(t, row, level, now, value) === 'ok') values[used++] = value;
      }
    clusters.push({ x: group.x, y: group.y, boxes, used, median: median(values.subarray(0, used).sort()) });
  }
  return { clusters, inside };
}

const ACROSS = 67_108_864;

/** Cells whose middles lie closer than most of a cell become one: a crowd on a grid line is one crowd. */
function merged(cells: Cells, cell: number): { cells: number[]; x: number; y: number }[] {
  const size = (c: number): number => (cells.start[c + 1] as number) - (cells.start[c] as number);
  const order = Array.from({ length: cells.count }, (_, c) => c).sort((a, b) => size(b) - size(a));
  const groups = new Map<number, { cells: number[]; x: number; y: number; n: number }>();
  for (const c of order) {
    const n = size(c);
    const key = cells.key[c] as number;
    const [x, y] = [(cells.x[c] as number) / n, (cells.y[c] as number) / n];
    let host: { cells: number[]; x: number; y: number; n: number } | undefined;
    for (let dx = -1; dx <= 1 && !host; dx++)
      for (let dy = -1; dy <= 1; dy++) {
        const g = groups.get(key + dx * ACROSS + dy);
        if (g && Math.hypot(g.x - x, g.y - y) < cell * 0.72) {
          host = g;
          break;
        }
      }
    if (host) {
      host.x = (host.x * host.n + x * n) / (host.n + n);
      host.y = (host.y * host.n + y * n) / (host.n + n);
      host.n += n;
      host.cells.push(c);
    } else groups.set(key, { cells: [c], x, y, n });
  }
  return [...groups.values()];
}

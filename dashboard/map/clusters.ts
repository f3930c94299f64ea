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

/** @param zoom whole zoom level: the grid stays put while one zooms within it */
export function cluster(t: BoxTable, zoom: number, level: Level, hide: readonly Hideable[], now: number): Clustering {
  const cell = CELL_PX / (512 * 2 ** zoom);
  const cells = new Map<number, number[]>();
  const inside = new Uint8Array(t.length);
  for (let row = 0; row < t.length; row++) {
    if (t.kind[row] === KIND.station) continue;
    if (hide.length > 0 && isHidden(t, row, statusAt(t, row, level, now, valueAt(t, row, level)), hide)) continue;
    const cx = Math.floor(((t.x[row] as number) + 1) / cell);
    const cy = Math.floor(((t.y[row] as number) + 1) / cell);
    const key = cx * ACROSS + cy;
    const list = cells.get(key);
    if (list) list.push(row);
    else cells.set(key, [row]);
  }
  const clusters: Cluster[] = [];
  for (const rows of merged(t, cells, cell)) {
    if (rows.length < 2) continue;
    let x = 0;
    let y = 0;
    const values = new Float64Array(rows.length);
    let used = 0;
    for (const row of rows) {
      inside[row] = 1;
      x += t.x[row] as number;
      y += t.y[row] as number;
      const value = valueAt(t, row, level);
      if (!isIndoor(t, row) && statusAt(t, row, level, now, value) === 'ok') values[used++] = value;
    }
    clusters.push({
      x: x / rows.length,
      y: y / rows.length,
      boxes: rows.length,
      used,
      median: median(values.subarray(0, used).sort()),
    });
  }
  return { clusters, inside };
}

const ACROSS = 67_108_864;

/** Cells whose middles lie closer than most of a cell become one: a crowd on a grid line is one crowd. */
function merged(t: BoxTable, cells: ReadonlyMap<number, number[]>, cell: number): number[][] {
  const middle = (rows: readonly number[]): { x: number; y: number } => {
    let x = 0;
    let y = 0;
    for (const row of rows) {
      x += t.x[row] as number;
      y += t.y[row] as number;
    }
    return { x: x / rows.length, y: y / rows.length };
  };
  const groups = new Map<number, { rows: number[]; x: number; y: number }>();
  for (const [key, rows] of [...cells].sort((a, b) => b[1].length - a[1].length)) {
    const m = middle(rows);
    let host: { rows: number[]; x: number; y: number } | undefined;
    for (let dx = -1; dx <= 1 && !host; dx++)
      for (let dy = -1; dy <= 1; dy++) {
        const g = groups.get(key + dx * ACROSS + dy);
        if (g && Math.hypot(g.x - m.x, g.y - m.y) < cell * 0.72) {
          host = g;
          break;
        }
      }
    if (host) {
      const n = host.rows.length;
      host.x = (host.x * n + m.x * rows.length) / (n + rows.length);
      host.y = (host.y * n + m.y * rows.length) / (n + rows.length);
      for (const row of rows) host.rows.push(row);
    } else groups.set(key, { rows: [...rows], ...m });
  }
  return [...groups.values()].map((g) => g.rows);
}

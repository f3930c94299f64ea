/**
 * The latest values of one property as columns on the main thread: what the map draws from. A hundred thousand boxes are
 * 4 MB here, and a live update touches only its own rows.
 */
import { relativeX, relativeY } from '../map/mercator.ts';
import { FLAG } from '../../model/flags.ts';

export type DataLevel = 'raw' | 'corrected';

export const KIND = { box: 0, station: 1 } as const;
export const EXPOSURE = ['outdoor', 'indoor', 'mobile', 'unknown'] as const;

/** Values of some rows at one level. `row[i]` says which row; NaN = null. */
export interface LevelColumns {
  readonly level: DataLevel;
  readonly row: Int32Array;
  readonly value: Float32Array;
  readonly lo90: Float32Array;
  readonly hi90: Float32Array;
  /** Epoch ms; NaN = never. */
  readonly time: Float64Array;
  readonly flag: Uint8Array;
  /** Joined by `;`, one entry a row; '' = none. */
  readonly reasons: readonly string[];
  readonly model: readonly string[];
  /** Correction level such as `L4+`, "" where it is not told. */
  readonly correctionLevel: readonly string[];
}

/** Things that were not known before, in row order from `first` on. Strings joined by U+0000: one string clones fast. */
export interface ThingColumns {
  readonly first: number;
  readonly ids: string;
  readonly names: string;
  readonly lon: Float64Array;
  readonly lat: Float64Array;
  readonly kind: Uint8Array;
  readonly exposure: Uint8Array;
  readonly claimed: Uint8Array;
}

export interface LevelTable {
  value: Float32Array;
  lo90: Float32Array;
  hi90: Float32Array;
  time: Float64Array;
  flag: Uint8Array;
  reasons: string[];
  model: string[];
  level: string[];
}

const grown = <T extends Float32Array | Float64Array | Uint8Array>(old: T, capacity: number, fill = 0): T => {
  const bigger = new (old.constructor as new (n: number) => T)(capacity);
  if (fill !== 0) bigger.fill(fill);
  bigger.set(old);
  return bigger;
};

const emptyLevel = (): LevelTable => ({
  value: new Float32Array(0),
  lo90: new Float32Array(0),
  hi90: new Float32Array(0),
  time: new Float64Array(0),
  flag: new Uint8Array(0),
  reasons: [],
  model: [],
  level: [],
});

export class BoxTable {
  length = 0;
  ids: string[] = [];
  names: string[] = [];
  lon = new Float64Array(0);
  lat = new Float64Array(0);
  /** Mercator world units relative to `ORIGIN`. */
  x = new Float64Array(0);
  y = new Float64Array(0);
  kind = new Uint8Array(0);
  exposure = new Uint8Array(0);
  claimed = new Uint8Array(0);
  readonly levels: Record<DataLevel, LevelTable> = { raw: emptyLevel(), corrected: emptyLevel() };
  /** Set while a moment of the past is shown: the mean of the hour that begins at `time`, by row. */
  past: { readonly time: number; readonly value: Float32Array } | null = null;
  readonly #rows = new Map<string, number>();

  row(id: string): number {
    return this.#rows.get(id) ?? -1;
  }

  addThings(t: ThingColumns): void {
    const ids = t.ids === '' ? [] : t.ids.split('\0');
    const names = t.names.split('\0');
    const n = t.first + ids.length;
    if (n > this.lon.length) this.#grow(Math.max(1024, Math.ceil(n * 1.5)));
    for (let i = 0; i < ids.length; i++) {
      const row = t.first + i;
      this.ids[row] = ids[i] as string;
      this.names[row] = names[i] ?? '';
      this.#rows.set(ids[i] as string, row);
    }
    this.lon.set(t.lon, t.first);
    this.lat.set(t.lat, t.first);
    for (let row = t.first; row < n; row++) {
      this.x[row] = relativeX(this.lon[row] as number);
      this.y[row] = relativeY(this.lat[row] as number);
    }
    this.kind.set(t.kind, t.first);
    this.exposure.set(t.exposure, t.first);
    this.claimed.set(t.claimed, t.first);
    this.length = Math.max(this.length, n);
  }

  #grow(capacity: number): void {
    this.lon = grown(this.lon, capacity);
    this.lat = grown(this.lat, capacity);
    this.x = grown(this.x, capacity);
    this.y = grown(this.y, capacity);
    this.kind = grown(this.kind, capacity);
    this.exposure = grown(this.exposure, capacity);
    this.claimed = grown(this.claimed, capacity);
    for (const l of Object.values(this.levels)) {
      l.value = grown(l.value, capacity, NaN);
      l.lo90 = grown(l.lo90, capacity, NaN);
      l.hi90 = grown(l.hi90, capacity, NaN);
      l.time = grown(l.time, capacity, NaN);
      l.flag = grown(l.flag, capacity, FLAG.missing);
    }
  }

  /** Older values than those already there are ignored (a snapshot may arrive behind live updates). */
  apply(c: LevelColumns): void {
    const l = this.levels[c.level];
    for (let i = 0; i < c.row.length; i++) {
      const row = c.row[i] as number;
      const time = c.time[i] as number;
      if (time < (l.time[row] as number)) continue;
      l.value[row] = c.value[i] as number;
      l.lo90[row] = c.lo90[i] as number;
      l.hi90[row] = c.hi90[i] as number;
      l.time[row] = time;
      l.flag[row] = c.flag[i] as number;
      l.reasons[row] = c.reasons[i] ?? '';
      l.model[row] = c.model[i] ?? '';
      l.level[row] = c.correctionLevel[i] ?? '';
    }
  }

  /** Forgets all values (another property), keeps the things. */
  clearValues(): void {
    for (const l of Object.values(this.levels)) {
      l.value.fill(NaN);
      l.lo90.fill(NaN);
      l.hi90.fill(NaN);
      l.time.fill(NaN);
      l.flag.fill(FLAG.missing);
      l.reasons = [];
      l.model = [];
      l.level = [];
    }
  }
}

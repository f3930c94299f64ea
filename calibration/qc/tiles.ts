/**
 * The country cut into tiles of some two dozen boxes each, with a rim of neighbours around: small dense systems instead of one huge one.
 * A tile's covariance matrix is inverted once and kept while its set of boxes stays; leave-one-out residuals then cost one row each.
 * A box that is silent or excluded is not cut out of the matrix: its value is replaced by its own prediction, which gives the rest exactly
 * the residuals they would have without it, but for the factor 1/Q_ii (a few per cent).
 */
import { EARTH_RADIUS_KM, distanceKm } from '../geo/distance.ts';
import { exponentialCovariance, invertSpd } from '../geo/kriging.ts';
import type { Place } from '../geo/neighbours.ts';

/** Exponential covariance: length [km] and nugget (sill 1) of log PM2.5 after each site's own expectation is taken off. */
export const FIELD = { lengthKm: 10, nugget: 0.5 } as const;

/** Boxes whose verdict a tile gives at most; boxes around them that it looks at, more for a small tile. */
const CORE = 24;
const RIM = 16;
const TOTAL_MIN = 32;
/** A neighbour further than this says nothing [km]. */
const REACH_KM = 60;
/**
 * New boxes wait this long until the tiles around them are made again [s]: when a whole network reports for the first time, each of its
 * tiles would otherwise be made anew for each of its boxes.
 */
const WAIT_S = 120;
/** "Near" for the rule how many boxes a spatial test needs (calibration note §8.1 S7: within 15 km). */
export const NEAR_KM = 15;

/** `fresh`: heard in this slice, not judged yet; `apart`: the same, but known to be sick, so nobody is judged by it. */
export const STATUS = { missing: 0, present: 1, excluded: 2, fresh: 3, apart: 4 } as const;

export interface Tile {
  /** Sites, the core first. */
  readonly members: Uint32Array;
  readonly core: number;
  /** K⁻¹, of which the lower triangle is kept, row by row; its row sums and their sum. */
  readonly inverse: Float32Array;
  readonly rowSums: Float64Array;
  readonly total: number;
  /** Q_ii of geo/kriging.ts: inverse variance of each leave-one-out residual. */
  readonly precision: Float64Array;
  /** How many other members lie within NEAR_KM of each. */
  readonly near: Uint8Array;
  /** Per member: latest log value less the site's expectation, as seen and as used (imputed where missing or excluded). */
  readonly seen: Float64Array;
  readonly used: Float64Array;
  readonly time: Float64Array;
  /** How long a value of the member stays in use [s]. */
  readonly window: Float64Array;
  readonly status: Uint8Array;
  /** |innovation| over its standard deviation at the last evaluation; NaN = none. */
  readonly norm: Float64Array;
  /** Signed z at the last evaluation. */
  readonly z: Float64Array;
  /** Medians of temperature and humidity, and when they were taken [s]. */
  weatherTime: number;
  temperature: number;
  humidity: number;
  readonly spanKm: number;
  /** Median expected deviation of the boxes that count: the level from which deviations are told. */
  anchor: number;
  /** Verdict marks of the last evaluation (spatial.ts). */
  readonly mark: Uint8Array;
  /** Share of members heard of lately. */
  alive: number;
  mean: number;
  /** When the tile as a whole was last looked at [s]; median of its values, the limit for gross outliers, its unrest. */
  surveyTime: number;
  centre: number;
  gross: number;
  unrest: number;
  /** Latest phenomenon time judged [s]. */
  newest: number;
  /** Phenomenon time at which it was made [s]. */
  readonly madeAt: number;
}

interface Leaf {
  sites: number[];
  /** A leaf that was split off keeps the tile of the whole until it has its own. */
  tile: Tile | null;
  /** Sites have come since the tile was made. */
  stale: boolean;
}
interface Branch {
  readonly axis: 'lat' | 'lon';
  readonly at: number;
  readonly low: Node;
  readonly high: Node;
}
type Node = Leaf | Branch;

/** What a tile's arrays hold, as they lie behind one another in a snapshot: one array for all tiles instead of eight for each. */
const NUMBERS = ['seen', 'used', 'time', 'norm', 'z'] as const;
const BYTES = ['status', 'mark'] as const;
type Scalars = Omit<Tile, keyof System | 'members' | 'window' | (typeof NUMBERS | typeof BYTES)[number]>;

/** What is made anew from the places. */
type System = Pick<Tile, 'inverse' | 'rowSums' | 'precision' | 'near'>;
type Arrays = System & Pick<Tile, 'members' | 'window' | (typeof NUMBERS | typeof BYTES)[number]>;

/** The arrays of a tile of n members in one buffer: a reading looks at most of them, and each buffer of its own costs some 170 bytes. */
function arraysOf(n: number): Arrays {
  const triangle = (n * (n + 1)) / 2;
  const buffer = new ArrayBuffer(n * (8 * 8 + 4 + 3) + 4 * triangle);
  let at = 0;
  const next = <T>(kind: new (b: ArrayBuffer, from: number, length: number) => T, size: number, length = n): T => {
    const out = new kind(buffer, at, length);
    at += size * length;
    return out;
  };
  return {
    seen: next(Float64Array, 8),
    used: next(Float64Array, 8),
    time: next(Float64Array, 8),
    window: next(Float64Array, 8),
    norm: next(Float64Array, 8),
    z: next(Float64Array, 8),
    precision: next(Float64Array, 8),
    rowSums: next(Float64Array, 8),
    members: next(Uint32Array, 4),
    inverse: next(Float32Array, 4, triangle),
    near: next(Uint8Array, 1),
    status: next(Uint8Array, 1),
    mark: next(Uint8Array, 1),
  };
}

/** A leaf or branch as it is kept in a snapshot; a leaf says which tile is its own, −1 = none. */
type NodeState =
  | { sites: number[]; stale: boolean; tile: number }
  | { axis: 'lat' | 'lon'; at: number; low: NodeState; high: NodeState };

export interface TilesState {
  tree: NodeState;
  tiles: (Scalars & { length: number })[];
  members: Uint32Array;
  numbers: Float64Array;
  bytes: Uint8Array;
}

export class Tiles {
  #root: Node = { sites: [], tile: null, stale: false };
  readonly #place: (site: number) => Place;
  readonly #window: (site: number) => number;
  /** By site number: the leaf that holds it. An array, because a million boxes make maps of objects dear. */
  #leafOf: (Leaf | undefined)[] = [];
  #lookers = new Lookers();

  /** @param window how long a value of a site stays in use [s] */
  constructor(place: (site: number) => Place, window: (site: number) => number) {
    this.#place = place;
    this.#window = window;
  }

  add(site: number): void {
    this.#root = this.#insert(this.#root, site);
  }

  remove(site: number): void {
    const leaf = this.#leafOf[site];
    if (!leaf) return;
    leaf.sites = leaf.sites.filter((s) => s !== site);
    this.#leafOf[site] = undefined;
    this.#drop(leaf);
    const lookers = this.#lookers;
    for (let e = lookers.first(site); e !== 0; e = lookers.next(e))
      lookers.tile(e).status[lookers.at(e)] = STATUS.missing;
    lookers.clear(site);
  }

  /** The tile that judges a site at a time [s]; made when first asked for. Null = none, or not yet one with this site in it. */
  tileOf(site: number, t: number): Tile | null {
    const leaf = this.#leafOf[site];
    if (!leaf) return null;
    if (leaf.tile && !leaf.stale) return leaf.tile;
    if (leaf.tile && t - leaf.tile.madeAt < WAIT_S) return memberAt(leaf.tile, site) < 0 ? null : leaf.tile;
    const tile = this.#build(leaf, t);
    this.#drop(leaf);
    leaf.tile = tile;
    leaf.stale = false;
    return tile;
  }

  /** Every tile that looks at a site. */
  lookers(site: number): readonly Tile[] {
    const tiles: Tile[] = [];
    for (let e = this.#lookers.first(site); e !== 0; e = this.#lookers.next(e)) tiles.push(this.#lookers.tile(e));
    return tiles;
  }

  /** The same without a list, for each reading: the entry of the first of them, 0 = none. */
  get looking(): Pick<Lookers, 'first' | 'next' | 'tile' | 'at'> {
    return this.#lookers;
  }

  #drop(leaf: Leaf): void {
    const old = leaf.tile;
    if (!old) return;
    leaf.tile = null;
    for (const site of old.members) if (this.#leafOf[site]?.tile === old) return;
    this.#lookers.drop(old);
  }

  #insert(node: Node, site: number): Node {
    if ('axis' in node) {
      const inLow = this.#place(site)[node.axis] < node.at;
      const child = inLow ? node.low : node.high;
      const next = this.#insert(child, site);
      if (next === child) return node;
      return inLow ? { ...node, low: next } : { ...node, high: next };
    }
    node.sites.push(site);
    node.stale = true;
    this.#leafOf[site] = node;
    return node.sites.length > CORE ? this.#split(node) : node;
  }

  /** Halves a leaf across its longer side, at the median; sites on one line or spot stay together. */
  #split(leaf: Leaf): Node {
    const places = leaf.sites.map((s) => this.#place(s));
    const sorted = (axis: 'lat' | 'lon'): number[] => places.map((p) => p[axis]).toSorted((a, b) => a - b);
    const span = (values: number[]): number => (values.at(-1) as number) - (values[0] as number);
    const [lats, lons] = [sorted('lat'), sorted('lon')];
    const width = span(lons) * Math.cos(((lats[0] as number) * Math.PI) / 180);
    const axis = width > span(lats) ? 'lon' : 'lat';
    const values = axis === 'lon' ? lons : lats;
    // The side below the cut must not be empty, even where most sites share the smallest value.
    const at = Math.max(
      values[values.length >> 1] as number,
      values.find((x) => x > (values[0] as number)) ?? -Infinity,
    );
    if (!(at > (values[0] as number))) return leaf;
    const side = (low: boolean): Leaf => ({
      sites: leaf.sites.filter((s) => this.#place(s)[axis] < at === low),
      tile: leaf.tile,
      stale: true,
    });
    const [low, high] = [side(true), side(false)];
    for (const child of [low, high]) for (const s of child.sites) this.#leafOf[s] = child;
    return { axis, at, low, high };
  }

  /** Sites near a place that lie in other leaves, nearest first. */
  #around(centre: Place, km: number, skip: Leaf): { site: number; km: number }[] {
    const found: { site: number; km: number }[] = [];
    const dLat = km / 111.2;
    const dLon = km / (111.2 * Math.max(0.01, Math.cos((centre.lat * Math.PI) / 180)));
    const walk = (node: Node): void => {
      if ('axis' in node) {
        const x = centre[node.axis];
        const d = node.axis === 'lat' ? dLat : dLon;
        if (x - d < node.at) walk(node.low);
        if (x + d >= node.at) walk(node.high);
      } else if (node !== skip) {
        for (const site of node.sites) {
          const p = this.#place(site);
          const distance = distanceKm(centre.lat, centre.lon, p.lat, p.lon);
          if (distance <= km) found.push({ site, km: distance });
        }
      }
    };
    walk(this.#root);
    return found.sort((a, b) => a.km - b.km || a.site - b.site);
  }

  /** Bytes held by matrices and values of the tiles made so far. */
  bytes(): number {
    const of = (node: Node): number => {
      if ('axis' in node) return of(node.low) + of(node.high);
      const n = node.tile?.members.length ?? 0;
      return ((n * (n + 1)) / 2) * 4 + n * (8 * 8 + 7);
    };
    return of(this.#root);
  }

  /** Members of the largest tile: what one matrix is at most. */
  largest(): number {
    const of = (node: Node): number =>
      'axis' in node ? Math.max(of(node.low), of(node.high)) : (node.tile?.members.length ?? 0);
    return of(this.#root);
  }

  /** The tree with what its tiles remember; matrices are made again from the places. */
  snapshot(): TilesState {
    const numberOf = new Map<Tile, number>();
    let total = 0;
    const save = (node: Node): NodeState => {
      if ('axis' in node) return { axis: node.axis, at: node.at, low: save(node.low), high: save(node.high) };
      if (!node.tile) return { sites: node.sites, stale: node.stale, tile: -1 };
      let tile = numberOf.get(node.tile);
      if (tile === undefined) {
        numberOf.set(node.tile, (tile = numberOf.size));
        total += node.tile.members.length;
      }
      return { sites: node.sites, stale: node.stale, tile };
    };
    const state: TilesState = {
      tree: save(this.#root),
      tiles: [],
      members: new Uint32Array(total),
      numbers: new Float64Array(total * NUMBERS.length),
      bytes: new Uint8Array(total * BYTES.length),
    };
    let at = 0;
    for (const tile of numberOf.keys()) {
      const {
        inverse: _,
        rowSums: _r,
        precision: _p,
        near: _n,
        window: _w,
        members,
        seen,
        used,
        time,
        norm,
        z,
        status,
        mark,
        ...rest
      } = tile;
      const length = members.length;
      state.tiles.push({ ...rest, length });
      state.members.set(members, at);
      [seen, used, time, norm, z].forEach((a, k) => state.numbers.set(a, at * NUMBERS.length + k * length));
      [status, mark].forEach((a, k) => state.bytes.set(a, at * BYTES.length + k * length));
      at += length;
    }
    return state;
  }

  /** The pool of places must have been restored before. */
  restore(from: TilesState): void {
    this.#leafOf = [];
    this.#lookers = new Lookers();
    let at = 0;
    const tiles = from.tiles.map(({ length, ...rest }): Tile => {
      // Copies: a view would keep the whole snapshot in memory.
      const arrays = arraysOf(length);
      const { members } = arrays;
      members.set(from.members.subarray(at, at + length));
      NUMBERS.forEach((name, k) => {
        const start = at * NUMBERS.length + k * length;
        arrays[name].set(from.numbers.subarray(start, start + length));
      });
      BYTES.forEach((name, k) => {
        const start = at * BYTES.length + k * length;
        arrays[name].set(from.bytes.subarray(start, start + length));
      });
      for (const [i, site] of members.entries()) arrays.window[i] = this.#window(site);
      const total = solve(
        arrays,
        Array.from(members, (s) => this.#place(s)),
      );
      const tile: Tile = { ...rest, ...arrays, total };
      at += length;
      this.#lookers.add(tile);
      return tile;
    });
    const load = (node: NodeState): Node => {
      if ('axis' in node) return { axis: node.axis, at: node.at, low: load(node.low), high: load(node.high) };
      const leaf: Leaf = { sites: node.sites, tile: tiles[node.tile] ?? null, stale: node.stale };
      for (const site of leaf.sites) this.#leafOf[site] = leaf;
      return leaf;
    };
    this.#root = load(from.tree);
  }

  #build(leaf: Leaf, t: number): Tile {
    const places = leaf.sites.map((s) => this.#place(s));
    const middle = (values: number[]): number => (Math.min(...values) + Math.max(...values)) / 2;
    const centre = { lat: middle(places.map((p) => p.lat)), lon: middle(places.map((p) => p.lon)) };
    const radius = Math.max(0, ...places.map((p) => distanceKm(centre.lat, centre.lon, p.lat, p.lon)));
    const wanted = Math.max(RIM, TOTAL_MIN - leaf.sites.length);
    // Look no wider than needed: a dense city has its rim within a kilometre or two.
    let rim: { site: number; km: number }[] = [];
    const limit = Math.min(radius + REACH_KM, 2 * REACH_KM);
    for (let km = Math.max(1, radius * 1.3); ; km = Math.min(limit, km * 2)) {
      rim = this.#around(centre, km, leaf);
      if (rim.length >= wanted || km >= limit) break;
    }
    const chosen = [...leaf.sites, ...rim.slice(0, wanted).map((r) => r.site)];
    const arrays = arraysOf(chosen.length);
    const { members } = arrays;
    members.set(chosen);
    arrays.norm.fill(Number.NaN);
    const total = solve(
      arrays,
      chosen.map((s) => this.#place(s)),
    );
    const tile: Tile = {
      ...arrays,
      core: leaf.sites.length,
      total,
      weatherTime: 0,
      temperature: Number.NaN,
      humidity: Number.NaN,
      spanKm: radius,
      newest: 0,
      madeAt: t,
      anchor: 0,
      alive: 0,
      mean: 0,
      surveyTime: 0,
      centre: Number.NaN,
      gross: 1.5,
      unrest: 1,
    };
    for (const [at, site] of members.entries()) {
      tile.window[at] = this.#window(site);
      // A box that already speaks elsewhere brings its latest value along.
      const entry = this.#lookers.first(site);
      if (entry !== 0) {
        const known = this.#lookers.tile(entry);
        const there = this.#lookers.at(entry);
        tile.seen[at] = tile.used[at] = known.seen[there] as number;
        tile.time[at] = known.time[there] as number;
        tile.status[at] = known.status[there] as number;
        tile.norm[at] = known.norm[there] as number;
      }
    }
    this.#lookers.add(tile);
    return tile;
  }
}

/** Which tiles look at a site, and where among their members it stands: 12 bytes for each, and 4 a site; lists of tiles take 190 bytes a site. */
class Lookers {
  readonly #tiles: (Tile | null)[] = [];
  readonly #numberOf = new Map<Tile, number>();
  readonly #freeTiles: number[] = [];
  /** By site: its first entry, 0 = none. */
  #first = new Int32Array(1024);
  /** By entry: number of the tile, place among its members, next entry of the same site. Entry 0 is none. */
  #entries = new Int32Array(1024 * 3);
  #used = 1;
  /** Entries given back, linked by their third field. */
  #free = 0;

  first(site: number): number {
    return this.#first[site] ?? 0;
  }
  next(entry: number): number {
    return this.#entries[entry * 3 + 2] as number;
  }
  tile(entry: number): Tile {
    return this.#tiles[this.#entries[entry * 3] as number] as Tile;
  }
  at(entry: number): number {
    return this.#entries[entry * 3 + 1] as number;
  }

  /** A tile becomes the last to look at each of its members. */
  add(tile: Tile): void {
    const number = this.#freeTiles.pop() ?? this.#tiles.length;
    this.#tiles[number] = tile;
    this.#numberOf.set(tile, number);
    for (const [at, site] of tile.members.entries()) {
      let entry = this.#free;
      if (entry !== 0) this.#free = this.next(entry);
      else if ((entry = this.#used++) * 3 >= this.#entries.length)
        this.#entries = longer(this.#entries, 3 * Math.ceil(1.25 * entry));
      this.#entries[entry * 3] = number;
      this.#entries[entry * 3 + 1] = at;
      this.#entries[entry * 3 + 2] = 0;
      if (site >= this.#first.length) this.#first = longer(this.#first, Math.ceil(1.25 * site) + 1);
      let last = this.#first[site] as number;
      if (last === 0) this.#first[site] = entry;
      else {
        for (let e = last; e !== 0; e = this.next(e)) last = e;
        this.#entries[last * 3 + 2] = entry;
      }
    }
  }

  /** A tile looks at nobody any more. */
  drop(tile: Tile): void {
    const number = this.#numberOf.get(tile);
    if (number === undefined) return;
    this.#numberOf.delete(tile);
    for (const site of tile.members) {
      let before = 0;
      for (let e = this.first(site); e !== 0; before = e, e = this.next(e)) {
        if (this.#entries[e * 3] !== number) continue;
        if (before === 0) this.#first[site] = this.next(e);
        else this.#entries[before * 3 + 2] = this.next(e);
        this.#giveBack(e);
        break;
      }
    }
    this.#tiles[number] = null;
    this.#freeTiles.push(number);
  }

  /** Nobody looks at a site any more. */
  clear(site: number): void {
    for (let e = this.first(site); e !== 0;) {
      const next = this.next(e);
      this.#giveBack(e);
      e = next;
    }
    if (site < this.#first.length) this.#first[site] = 0;
  }

  #giveBack(entry: number): void {
    this.#entries[entry * 3 + 2] = this.#free;
    this.#free = entry;
  }
}

function longer(array: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const out = new Int32Array(length);
  out.set(array);
  return out;
}

/** K⁻¹ of the members' places with what follows from it. @returns the sum of all its elements */
function solve({ inverse, rowSums, precision, near }: System, places: readonly Place[]): number {
  const n = places.length;
  const km = planeKm(places);
  const covariance = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    covariance[i * n + i] = 1 + FIELD.nugget;
    for (let j = 0; j < i; j++) {
      const d = km(i, j);
      covariance[i * n + j] = covariance[j * n + i] = exponentialCovariance(d, FIELD.lengthKm);
      if (d > NEAR_KM) continue;
      near[i] = (near[i] as number) + 1;
      near[j] = (near[j] as number) + 1;
    }
  }
  const whole = invertSpd(covariance, n);
  for (let i = 0, at = 0; i < n; i++) for (let j = 0; j <= i; j++) inverse[at++] = whole[i * n + j] as number;
  let total = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) rowSums[i] = (rowSums[i] as number) + Math.fround(whole[i * n + j] as number);
    total += rowSums[i] as number;
  }
  for (const [i, sum] of rowSums.entries()) {
    // A box alone has nothing to be predicted from: its residual is 0, not a division by 0.
    precision[i] = Math.max(1e-9, Math.fround(whole[i * n + i] as number) - (sum * sum) / total);
  }
  return total;
}

/** Where a site stands among a tile's members, −1 = nowhere. */
export function memberAt({ members }: Tile, site: number): number {
  // A loop: for three dozen numbers the call of `indexOf` costs more than the search.
  for (let i = 0; i < members.length; i++) if (members[i] === site) return i;
  return -1;
}

/** Distances on a plane about the first place [km]: within a tile (some ten kilometres) good to a thousandth, and far quicker. */
function planeKm(places: readonly Place[]): (i: number, j: number) => number {
  const origin = places[0] ?? { lat: 0, lon: 0 };
  const perDegree = (Math.PI / 180) * EARTH_RADIUS_KM;
  const perLon = perDegree * Math.cos((origin.lat * Math.PI) / 180);
  const x = places.map((p) => (((p.lon - origin.lon + 540) % 360) - 180) * perLon);
  const y = places.map((p) => (p.lat - origin.lat) * perDegree);
  return (i, j) => Math.hypot((x[i] as number) - (x[j] as number), (y[i] as number) - (y[j] as number));
}

/** Mean of the field by generalised least squares from the tile's used values. */
export function tileMean(tile: Tile): number {
  let sum = 0;
  for (let i = 0; i < tile.used.length; i++) sum += (tile.rowSums[i] as number) * (tile.used[i] as number);
  return sum / tile.total;
}

/** Used value of a member less its prediction from all others. */
export function looResidual(tile: Tile, i: number, mean: number): number {
  const { inverse, used } = tile;
  const n = used.length;
  let sum = 0;
  // Row i as far as the diagonal, from there on column i: the same numbers, the matrix is symmetric.
  let at = (i * (i + 1)) / 2;
  for (let k = 0; k <= i; k++) sum += (inverse[at++] as number) * ((used[k] as number) - mean);
  at--;
  for (let k = i + 1; k < n; k++) sum += (inverse[(at += k)] as number) * ((used[k] as number) - mean);
  return sum / (tile.precision[i] as number);
}

/** Puts predictions in the place of members that are missing or excluded (Gauss–Seidel; the matrix is well conditioned by its nugget). */
export function impute(tile: Tile, rounds: number): number {
  const { status, used } = tile;
  let mean = tileMean(tile);
  for (let round = 0; round < rounds; round++) {
    let moved = 0;
    for (let i = 0; i < used.length; i++) {
      if (status[i] === STATUS.present || status[i] === STATUS.fresh) continue;
      const r = looResidual(tile, i, mean);
      used[i] = (used[i] as number) - r;
      moved = Math.max(moved, Math.abs(r));
    }
    mean = tileMean(tile);
    if (moved < 1e-3) break;
  }
  return mean;
}

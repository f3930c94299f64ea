/**
 * Hot spots: places where several boxes at once stand far above the air around them, and the way such a place takes over the
 * hours (a plume). Pure: values of ten-minute slots in, tracks out.
 *
 * The thresholds are ours, chosen so that the plumes of the simulated city are found where they are (tests/api/hotspots.test.ts);
 * no published rule fits a dense network of ten-minute values.
 */
import { distanceM } from '../model/geo.ts';
import { MINUTE, type EpochMs } from '../model/time.ts';

export const SLOT_MS = 10 * MINUTE;

/** One box or station in one slot. */
export interface SlotValue {
  readonly lat: number;
  readonly lon: number;
  /** Mean PM2.5 of the slot [µg/m³]. */
  readonly value: number;
}

/** One moment of a hot spot. */
export interface Spot {
  /** Middle, weighted by how far each box stands above the surroundings. */
  readonly lat: number;
  readonly lon: number;
  /** Within this distance of the middle lie its boxes (root mean square, at least 0.5) [km]. */
  readonly radiusKm: number;
  readonly boxes: number;
  /** Highest value in it [µg/m³]. */
  readonly peak: number;
  /** Median of the surroundings [µg/m³]. */
  readonly background: number;
}

export interface HotspotTrack {
  /** `<start in minutes, base 36>-<lat>-<lon>`: the same for as long as the data are the same. */
  readonly id: string;
  readonly start: EpochMs;
  /** End of its last slot. */
  readonly end: EpochMs;
  /** `moving` when it went farther than its own size. */
  readonly kind: 'moving' | 'standing';
  readonly path: readonly (Spot & { readonly time: EpochMs })[];
}

/**
 * Above the surroundings by this much and by this factor [µg/m³, 1]. In the simulated city 91 % of the clear moments of plumes are found,
 * and twelve days without any plume show five hot spots, each at a steady source that is really there; 12 and 1.5 found 89 % and showed 83.
 */
const EXCESS = 20;
const FACTOR = 2;
/** Fewer boxes together are one odd box and its twin, not the air. */
const MIN_BOXES = 3;
/** Raised boxes this near each other belong together [km]. */
const LINK_KM = 2.5;
/** Within its radius at least this share of the boxes must be raised. */
const MIN_SHARE = 0.5;
/** Side of the squares whose surroundings are looked at together [km], and how many squares each way those reach. */
const CELL_KM = 4;
const AROUND_CELLS = 3;
/** Surroundings of fewer values say nothing. */
const MIN_AROUND = 8;
/** Values of one neighbourhood that are sorted; more are thinned evenly. */
const MAX_AROUND = 500;
const KM_PER_DEGREE = 111.195;
/** A hot spot may pause for so many slots and still be the same. */
const MAX_PAUSE = 3;
/** How fast it may go [km/h], and how far its middle may jump because other boxes report [km]. */
const MAX_KMH = 30;
const JUMP_KM = 2;
/** Seen in fewer slots it was chance. */
const MIN_SLOTS = 2;

const median = (values: number[]): number => {
  values.sort((a, b) => a - b);
  const half = values.length >> 1;
  return values.length % 2 === 1
    ? (values[half] as number)
    : ((values[half - 1] as number) + (values[half] as number)) / 2;
};

/** Kilometres east and north of a corner, good to a percent within one country. */
function flat(values: readonly SlotValue[]): { x: Float64Array; y: Float64Array } {
  const lat0 = values.reduce((s, v) => s + v.lat, 0) / Math.max(1, values.length);
  const kx = KM_PER_DEGREE * Math.cos((lat0 * Math.PI) / 180);
  return {
    x: Float64Array.from(values, (v) => v.lon * kx),
    y: Float64Array.from(values, (v) => v.lat * KM_PER_DEGREE),
  };
}

class Grid {
  readonly #cells = new Map<string, number[]>();
  readonly #side: number;
  constructor(x: Float64Array, y: Float64Array, members: Iterable<number>, side: number) {
    this.#side = side;
    for (const i of members) {
      const key = `${Math.floor((x[i] as number) / side)} ${Math.floor((y[i] as number) / side)}`;
      const list = this.#cells.get(key);
      if (list) list.push(i);
      else this.#cells.set(key, [i]);
    }
  }
  /** Everything in the squares up to `reach` squares away. */
  around(x: number, y: number, reach: number): number[] {
    const [cx, cy] = [Math.floor(x / this.#side), Math.floor(y / this.#side)];
    const found: number[] = [];
    for (let dx = -reach; dx <= reach; dx++)
      for (let dy = -reach; dy <= reach; dy++) {
        const list = this.#cells.get(`${cx + dx} ${cy + dy}`);
        if (list) for (const i of list) found.push(i);
      }
    return found;
  }
}

/** The hot spots of one slot. */
export function spots(values: readonly SlotValue[]): Spot[] {
  const { x, y } = flat(values);
  const all = new Grid(x, y, values.keys(), CELL_KM);
  const backgrounds = new Map<string, number>();
  const backgroundAt = (i: number): number => {
    const key = `${Math.floor((x[i] as number) / CELL_KM)} ${Math.floor((y[i] as number) / CELL_KM)}`;
    let b = backgrounds.get(key);
    if (b === undefined) {
      const near = all.around(x[i] as number, y[i] as number, AROUND_CELLS);
      const step = Math.ceil(near.length / MAX_AROUND);
      b =
        near.length < MIN_AROUND
          ? NaN
          : median(near.filter((_, k) => k % step === 0).map((k) => (values[k] as SlotValue).value));
      backgrounds.set(key, b);
    }
    return b;
  };
  const raised = new Map<number, number>();
  values.forEach(({ value }, i) => {
    const b = backgroundAt(i);
    if (value >= b + EXCESS && value >= b * FACTOR) raised.set(i, b);
  });
  const near = new Grid(x, y, raised.keys(), LINK_KM);
  const seen = new Set<number>();
  const found: Spot[] = [];
  for (const first of raised.keys()) {
    if (seen.has(first)) continue;
    const group = [first];
    seen.add(first);
    for (let g = 0; g < group.length; g++) {
      const i = group[g] as number;
      for (const j of near.around(x[i] as number, y[i] as number, 1)) {
        if (seen.has(j)) continue;
        if (Math.hypot((x[i] as number) - (x[j] as number), (y[i] as number) - (y[j] as number)) > LINK_KM) continue;
        seen.add(j);
        group.push(j);
      }
    }
    if (group.length < MIN_BOXES) continue;
    const spot = gather(group, values, raised, x, y, all);
    if (spot) found.push(spot);
  }
  return found.sort((a, b) => b.peak - a.peak);
}

function gather(
  group: readonly number[],
  values: readonly SlotValue[],
  raised: ReadonlyMap<number, number>,
  x: Float64Array,
  y: Float64Array,
  all: Grid,
): Spot | null {
  let [weights, mx, my, lat, lon, peak] = [0, 0, 0, 0, 0, 0];
  for (const i of group) {
    const v = values[i] as SlotValue;
    const w = v.value - (raised.get(i) as number);
    weights += w;
    mx += w * (x[i] as number);
    my += w * (y[i] as number);
    lat += w * v.lat;
    lon += w * v.lon;
    peak = Math.max(peak, v.value);
  }
  [mx, my] = [mx / weights, my / weights];
  const squares = group.reduce((s, i) => s + ((x[i] as number) - mx) ** 2 + ((y[i] as number) - my) ** 2, 0);
  const radiusKm = Math.max(0.5, Math.sqrt(squares / group.length));
  const inside = all
    .around(mx, my, Math.ceil(radiusKm / CELL_KM))
    .filter((i) => Math.hypot((x[i] as number) - mx, (y[i] as number) - my) <= radiusKm);
  if (inside.filter((i) => raised.has(i)).length < MIN_SHARE * inside.length) return null;
  return {
    lat: lat / weights,
    lon: lon / weights,
    radiusKm,
    boxes: group.length,
    peak,
    background: median(group.map((i) => raised.get(i) as number)),
  };
}

const km = (a: Spot, b: Spot): number => distanceM(a.lat, a.lon, b.lat, b.lon) / 1000;

/** Joins the spots of ascending slots into tracks, nearest first; newest track first in the answer. */
export function tracks(slots: readonly { readonly time: EpochMs; readonly spots: readonly Spot[] }[]): HotspotTrack[] {
  const open: { path: (Spot & { time: EpochMs })[] }[] = [];
  const closed: typeof open = [];
  for (const { time, spots: found } of slots) {
    for (let k = open.length - 1; k >= 0; k--) {
      const last = (open[k] as (typeof open)[number]).path.at(-1) as { time: EpochMs };
      if (time - last.time > (MAX_PAUSE + 1) * SLOT_MS) closed.push(...open.splice(k, 1));
    }
    const pairs = open.flatMap((track) => {
      const last = track.path.at(-1) as Spot & { time: EpochMs };
      const reach = JUMP_KM + (MAX_KMH * (time - last.time)) / (60 * MINUTE);
      return found.map((spot) => ({ track, spot, d: km(last, spot) })).filter((p) => p.d <= reach);
    });
    const taken = new Set<unknown>();
    for (const { track, spot } of pairs.sort((a, b) => a.d - b.d)) {
      if (taken.has(track) || taken.has(spot)) continue;
      taken.add(track).add(spot);
      track.path.push({ ...spot, time });
    }
    for (const spot of found) if (!taken.has(spot)) open.push({ path: [{ ...spot, time }] });
  }
  return [...closed, ...open]
    .filter((t) => t.path.length >= MIN_SLOTS)
    .map(({ path }): HotspotTrack => {
      const first = path[0] as Spot & { time: EpochMs };
      const last = path.at(-1) as Spot & { time: EpochMs };
      const size = path.reduce((s, p) => s + p.radiusKm, 0) / path.length;
      return {
        id: `${(first.time / MINUTE).toString(36)}-${Math.round(first.lat * 100)}-${Math.round(first.lon * 100)}`,
        start: first.time,
        end: last.time + SLOT_MS,
        kind: km(first, last) > Math.max(1, size) ? 'moving' : 'standing',
        path,
      };
    })
    .sort((a, b) => b.end - a.end || b.start - a.start);
}

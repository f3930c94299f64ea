/**
 * A drift that the boxes of a town have in common. They agree among themselves, so the nightly control (qc/nightly.ts) sees nothing; stations
 * and the boxes beside them do. Night by night: log-ratio of what the pooled model makes of the boxes around a station to what it makes of the
 * box beside it, or, where none stands there, to the reference less what boxes beside other stations are off by (season, weather and the
 * model's own errors are in both). Places differ but do not drift: it is held against the first nights. When boxes beside stations
 * shift as well, it is the reference or the weather, and nothing is done (calibration note §8.5).
 */
import { DAY, type EpochMs } from '../../model/time.ts';
import { lowerBound, stepMean } from './history.ts';
import { median } from './linear.ts';
import type { Memory, NamedPooled, PoolState, Series } from './memory.ts';
import { applyBetas, solutionAt } from './solution.ts';
import { HISTORY_MS } from './settings.ts';
import { spotDistance, type Spot } from './spatial.ts';

export const COMMON = {
  /** Days that make the start. */
  startDays: 7,
  /** Days after it before anything is said. */
  settleDays: 3,
  /** Weight of the newest day in where the boxes stand now. */
  weight: 0.25,
  /** No day counts for more than this [log]. */
  most: 0.5,
  /** Pairs that make a day; of daily ones one. */
  pairs: 6,
  /** Boxes without station around a station that are asked at least. */
  boxes: 2,
  /** Stations so far apart speak of one town [km]. */
  townKm: 50,
  /**
   * Standard deviation of how the air at a station stands to that around it, from one season to another: Denver's four stations against each other
   * 0.1–0.2, over 9 months. What stations have in common of it, and how many stations this is worth beside their own spread.
   */
  places: 0.15,
  together: 0.05,
  worth: 6,
  /** Below so many standard errors nothing is taken off; above, the more the surer (James & Stein's positive part). */
  sure: 1.5,
  /** Stations that have to agree. */
  least: 2,
  /** What it may have run ahead since [log]. */
  lag: 0.08,
  max: Math.log(3),
} as const;

/** How far a box is from where it began [log]. */
export interface Slide {
  days: number;
  start: number;
  now: number;
}
const KINDS = ['here', 'others', 'reference'] as const;
/** Of a box near a station: against the box beside it, against boxes beside other stations by way of the reference, against the reference alone. */
type BoxSlides = Record<(typeof KINDS)[number], Slide>;
const newSlide = (): Slide => ({ days: 0, start: 0, now: 0 });

/** Of the boxes without station near one. */
export interface Slides {
  /** Pairs up to here have been taken in. */
  until: EpochMs;
  readonly boxes: Record<string, BoxSlides>;
}

/** What boxes without station around a place have drifted by together [log of PM2.5 + 3], and how sure that is not [standard deviation]. */
export interface TownDrift {
  readonly spot: Spot;
  readonly taken: number;
  readonly doubt: number;
}

const OFFSET = 2;
const logOf = (y: number): number => Math.log(Math.max(0, y) + OFFSET);

/** Once a night: takes the days that are over in and says anew where towns drift. */
export function watchTowns(m: Memory, key: string, pool: PoolState): void {
  const { pooled } = pool;
  const known = m.s.series.filter((s) => s.pool === key && !pool.doubted.includes(s.station));
  const own = known.filter((s) => s.kind === 'own' && s.time.length > 0);
  const near = known.filter((s) => s.kind === 'near' && s.time.length > 0);
  if (!pooled || own.length === 0 || near.length === 0) {
    pool.towns = [];
    return;
  }
  const newest = Math.max(...near.map((s) => s.time.at(-1) as number));
  const since = Math.min(...near.map((s) => s.slides?.until ?? -Infinity));
  const offAt = offsets(pooled, own, Math.max(since, newest - HISTORY_MS));
  for (const s of near) {
    const slides = (s.slides ??= { until: -Infinity, boxes: {} });
    const boxes = s.boxes.filter((id) => m.s.boxes.get(id)?.own.length === 0);
    for (const id of Object.keys(slides.boxes)) if (!boxes.includes(id)) delete slides.boxes[id];
    for (const id of boxes) slides.boxes[id] ??= { here: newSlide(), others: newSlide(), reference: newSlide() };
    takeDays(m, pooled, s, slides, offAt, Math.floor(newest / DAY) * DAY);
  }
  pool.towns = judge(m, near);
}

/** By time, what boxes beside stations are off by at each station. */
function offsets(pooled: NamedPooled, own: readonly Series[], after: EpochMs): Map<EpochMs, Map<string, number>> {
  const out = new Map<EpochMs, Map<string, number>>();
  for (const s of own) {
    const { betas, range } = solutionAt(pooled, s.station);
    for (let i = lowerBound(s.time, after); i < s.time.length; i++) {
      const y = applyBetas(betas, range, s.x[i] as number, s.rh[i] as number, s.temp[i] as number);
      if (Number.isNaN(y)) continue;
      const off = logOf(y) - logOf(s.y[i] as number);
      const time = s.time[i] as number;
      let at = out.get(time);
      if (!at) out.set(time, (at = new Map()));
      const there = at.get(s.station);
      at.set(s.station, there === undefined ? off : (there + off) / 2);
    }
  }
  return out;
}

type Days = Record<(typeof KINDS)[number], number[]>;

function takeDays(
  m: Memory,
  pooled: NamedPooled,
  s: Series,
  slides: Slides,
  offAt: ReadonlyMap<EpochMs, ReadonlyMap<string, number>>,
  today: EpochMs,
): void {
  const needed = Math.min(COMMON.pairs, DAY / m.step);
  const { until } = slides;
  const { betas, range } = solutionAt(pooled, s.station);
  const region = m.region(s.station);
  for (const [id, of] of Object.entries(slides.boxes)) {
    const box = m.s.boxes.get(id);
    if (!box?.history || box.indoor) continue;
    let days: Days = { here: [], others: [], reference: [] };
    for (let i = lowerBound(s.time, until + 1); i < s.time.length; i++) {
      const time = s.time[i] as number;
      if (time >= today) break;
      slides.until = Math.max(slides.until, time);
      const mean = stepMean(box.history, time, m.step);
      const y = mean ? applyBetas(betas, range, mean.x, mean.rh, mean.temp) : NaN;
      if (!Number.isNaN(y)) {
        const off = logOf(y) - logOf(s.y[i] as number);
        days.reference.push(off);
        const at = offAt.get(time);
        const beside = at?.get(s.station);
        if (beside !== undefined) days.here.push(off - beside);
        const others = [...(at ?? [])]
          .filter(([station]) => station !== s.station && m.region(station) === region)
          .map(([, v]) => v);
        if (others.length > 0) days.others.push(off - median(others));
      }
      const next = s.time[i + 1] ?? Infinity;
      if (next < today && Math.floor(next / DAY) === Math.floor(time / DAY)) continue;
      for (const kind of KINDS) if (days[kind].length >= needed) follow(of[kind], median(days[kind]));
      days = { here: [], others: [], reference: [] };
    }
  }
}

function follow(slide: Slide, value: number): void {
  slide.days++;
  if (slide.days <= COMMON.startDays) slide.start += (value - slide.start) / slide.days;
  else slide.now += COMMON.weight * (Math.max(-COMMON.most, Math.min(COMMON.most, value - slide.start)) - slide.now);
}

/** All that is known of a station's surroundings has to say the same: the smallest of it. */
function agreed(m: Memory, { boxes }: Slides): number | null {
  const heard = Object.entries(boxes).flatMap(([id, of]) => (m.s.boxes.get(id)?.indoor ? [] : [of]));
  const middle = (kind: (typeof KINDS)[number]): number | null => {
    const old = heard.map((of) => of[kind]).filter((s) => s.days >= COMMON.startDays + COMMON.settleDays);
    return old.length < COMMON.boxes ? null : median(old.map((s) => s.now));
  };
  const [here, others] = [middle('here'), middle('others')];
  const a = here ?? others;
  const b = here === null || others === null ? middle('reference') : others;
  if (a === null || b === null) return null;
  return a * b <= 0 ? 0 : Math.sign(a) * Math.min(Math.abs(a), Math.abs(b));
}

function judge(m: Memory, near: readonly Series[]): TownDrift[] {
  const judged = near.flatMap((s) => {
    const log = s.slides ? agreed(m, s.slides) : null;
    const spot = m.s.stations.get(s.station);
    return log === null || !spot || spot.lat === null ? [] : [{ spot: { lat: spot.lat, lon: spot.lon }, log }];
  });
  const out = judged.map(({ spot }): TownDrift => {
    const town = judged.filter((j) => spotDistance(j.spot, spot) <= COMMON.townKm).map((j) => j.log);
    const middle = median(town);
    const spread = town.reduce((sum, log) => sum + (log - middle) ** 2, COMMON.worth * COMMON.places ** 2);
    const error = Math.hypot(Math.sqrt(spread / (COMMON.worth + town.length - 1) / town.length), COMMON.together);
    const sure = town.length < COMMON.least ? 0 : Math.max(0, 1 - ((COMMON.sure * error) / middle) ** 2);
    const taken = Math.max(-COMMON.max, Math.min(COMMON.max, sure * middle));
    return { spot, taken, doubt: Math.abs(middle) > error ? Math.max(COMMON.lag, Math.abs(middle - taken)) : 0 };
  });
  return out.some((t) => t.taken !== 0 || t.doubt !== 0) ? out : [];
}

export const STILL: Pick<TownDrift, 'taken' | 'doubt'> = { taken: 0, doubt: 0 };

/** What is known of the town that a box without station hangs in. */
export function townDrift(towns: readonly TownDrift[], place: Spot): Pick<TownDrift, 'taken' | 'doubt'> {
  if (towns.length === 0 || place.lat === null) return STILL;
  let found = STILL;
  let nearest: number = COMMON.townKm;
  for (const town of towns) {
    const km = spotDistance(town.spot, place);
    if (km < nearest) [nearest, found] = [km, town];
  }
  return found;
}

/** What is taken off from boxes around a station. */
export const townOf = (m: Memory, { towns }: PoolState, station: string): number =>
  towns.length === 0 ? 0 : townDrift(towns, m.s.stations.get(station) ?? { lat: null, lon: null }).taken;

/** The control and this module follow drifts in log(PM2.5 + 3) (qc/sites.ts). */
export const DRIFT_OFFSET = 3;

/** What the sensor would have shown without a drift. */
export const undrifted = (x: number, drift: number): number =>
  drift === 0 ? x : Math.max(0, (x + DRIFT_OFFSET) * Math.exp(-drift) - DRIFT_OFFSET);

/** A box found to drift against its neighbours has part of the town's drift in that: the larger counts, and both where they go apart. */
export const together = (own: number, town: number): number =>
  own * town < 0 ? own + town : Math.abs(own) > Math.abs(town) ? own : town;

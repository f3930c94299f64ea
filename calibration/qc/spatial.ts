/**
 * S7, the spatial test: does a box still stand to its neighbours as it usually does? Leave-one-out kriging residual of log(PM2.5 + 3) less the
 * deviation expected of each site, tile by tile, with the worst taken out one by one (calibration note §8.1 S7, carried on in time).
 * And S8, the event gate, inside the same loop. The order of readings within a slice changes nothing.
 */
import { distanceKm } from '../geo/distance.ts';
import { EVENT, type Witness, isCoherent } from './event.ts';
import { S, SITE, type Sites } from './sites.ts';
import { STATUS, type Tile, type Tiles, impute, looResidual, tileMean } from './tiles.ts';

export const SPATIAL = {
  /** Suspect beyond this many standard deviations; readings above their neighbours have heavier tails in faults than in air. */
  suspectHigh: 3.3,
  suspectLow: 3.6,
  fail: 6,
  /** Other boxes needed within 15 km, heard of lately. */
  minNear: 4,
  /** A neighbour's last value counts this long [s], or 0.9 of its own usual interval if that is longer. */
  freshS: 600,
  /** A first look sets aside what lies this many robust deviations from the tile's median. */
  gross: 5,
} as const;

/** One site's PM2.5 in a slice. */
export interface SliceEntry {
  readonly site: number;
  /** Phenomenon time [s]. */
  readonly t: number;
  /** [µg/m³]; NaN = no usable value: then only what neighbours say is wanted. */
  readonly pm25: number;
  /** False for a box that is known to be sick: it is judged, but nobody is judged by it. */
  readonly counts: boolean;
}

export interface SpatialAnswer {
  /** False where there are too few neighbours: the test is not evaluated and `z` is NaN. */
  evaluated: boolean;
  /** Signed: above or below what was expected. */
  z: number;
  event: boolean;
  /** Reading accepted because the flagged one before it said the same. */
  confirmed: boolean;
  /** What neighbours say of the air there [µg/m³], without and with the site's own usual deviation; NaN = not known. */
  field: number;
  expected: number;
  /** log(x+3) − log(field+3): how the box stands to its neighbours; NaN = not known. */
  deviation: number;
}

const UNKNOWN: Readonly<SpatialAnswer> = {
  evaluated: false,
  z: Number.NaN,
  event: false,
  confirmed: false,
  field: Number.NaN,
  expected: Number.NaN,
  deviation: Number.NaN,
};

const scratch: number[] = [];
/** Median of the numbers collected in `scratch`, which is emptied; NaN of none. */
function takeMedian(): number {
  scratch.sort((a, b) => a - b);
  const n = scratch.length;
  const m =
    n === 0
      ? Number.NaN
      : n % 2
        ? (scratch[n >> 1] as number)
        : ((scratch[n / 2 - 1] as number) + (scratch[n / 2] as number)) / 2;
  scratch.length = 0;
  return m;
}

interface Pending {
  readonly entry: SliceEntry;
  readonly answer: SpatialAnswer;
  readonly tile: Tile;
  readonly at: number;
  /** Hours since the site's last reading, for the update. */
  readonly hours: number;
}

/** Judges one slice: each site at most once, none older than its last. Answers in the order of the entries. */
export function judgeSlice(sites: Sites, tiles: Tiles, entries: readonly SliceEntry[]): SpatialAnswer[] {
  const answers: SpatialAnswer[] = [];
  const pending: Pending[] = [];
  const touched = new Set<Tile>();
  for (const entry of entries) {
    const tile = entry.site === 0 ? null : tiles.tileOf(entry.site);
    // A late reading (offline buffer) has no neighbours of its own time any more.
    if (!tile || entry.t < sites.time(entry.site) || entry.t < tile.newest - freshFor(sites, entry.site)) {
      answers.push({ ...UNKNOWN });
      continue;
    }
    const before = sites.time(entry.site);
    sites.predict(entry.site, entry.t);
    touched.add(tile);
    const answer = { ...UNKNOWN };
    answers.push(answer);
    const memberships = tiles.memberships(entry.site);
    const usable = entry.pm25 >= 0;
    const seen = usable ? Math.log(entry.pm25 + SITE.c) - sites.expected(entry.site) : Number.NaN;
    let at = 0;
    for (const m of memberships) {
      if (m.tile === tile) at = m.at;
      if (usable) {
        m.tile.seen[m.at] = m.tile.used[m.at] = seen;
        m.tile.time[m.at] = entry.t;
        m.tile.status[m.at] = entry.counts ? STATUS.fresh : STATUS.apart;
      } else m.tile.status[m.at] = STATUS.missing;
    }
    pending.push({ entry, answer, tile, at, hours: before === 0 ? 1 : (entry.t - before) / 3600 });
  }
  const judged = new Map<Tile, TileVerdict>();
  for (const tile of touched) {
    let now = 0;
    for (let i = 0; i < tile.time.length; i++)
      if (tile.status[i] === STATUS.fresh || tile.status[i] === STATUS.apart)
        now = Math.max(now, tile.time[i] as number);
    for (const p of pending) if (p.tile === tile) now = Math.max(now, p.entry.t);
    tile.newest = Math.max(tile.newest, now);
    judged.set(tile, judgeTile(sites, tile, now));
  }
  for (const p of pending) conclude(sites, p, judged.get(p.tile) as TileVerdict);
  return answers;
}

interface TileVerdict {
  mean: number;
  /** How much more restless than usual the whole tile is now. */
  unrest: number;
  /** Members left after staleness, as a share. */
  present: number;
  readonly flagged: Set<number>;
  readonly event: Set<number>;
  readonly confirmed: Set<number>;
}

/** How long a value of a site stays in use [s]. */
const freshFor = (sites: Sites, site: number): number => Math.max(SPATIAL.freshS, 0.9 * sites.read(site, S.interval));

function judgeTile(sites: Sites, tile: Tile, now: number): TileVerdict {
  const { status, seen, used, time, members, norm, z } = tile;
  const n = members.length;
  const verdict: TileVerdict = {
    mean: 0,
    unrest: 1,
    present: 0,
    flagged: new Set(),
    event: new Set(),
    confirmed: new Set(),
  };
  const fresh: number[] = [];
  const apart: number[] = [];
  let alive = 0;
  for (let i = 0; i < n; i++) {
    if (status[i] !== STATUS.missing && now - (time[i] as number) > freshFor(sites, members[i] as number))
      status[i] = STATUS.missing;
    if (status[i] !== STATUS.missing) alive++;
    if (status[i] === STATUS.apart) {
      apart.push(i);
      status[i] = STATUS.excluded;
    } else if (status[i] === STATUS.fresh) fresh.push(i);
    if (status[i] === STATUS.present || status[i] === STATUS.fresh) scratch.push(used[i] as number);
  }
  verdict.present = alive / n;
  const centre = takeMedian();
  if (Number.isNaN(centre)) return verdict;
  for (let i = 0; i < n; i++) {
    if (status[i] === STATUS.present || status[i] === STATUS.fresh)
      scratch.push(Math.abs((used[i] as number) - centre));
    else if (time[i] === 0) {
      used[i] = centre; // never heard of: start its imputed value where the others are
      time[i] = -1;
    }
  }
  const gross = Math.max(1.5, SPATIAL.gross * 1.4826 * takeMedian());
  const aside: number[] = [];
  for (const i of fresh)
    if (Math.abs((seen[i] as number) - centre) > gross) {
      status[i] = STATUS.excluded;
      used[i] = centre;
      aside.push(i);
    }

  const innovation = (i: number): number => (seen[i] as number) - prediction(i);
  const prediction = (i: number): number => (used[i] as number) - looResidual(tile, i, verdict.mean);
  const sd2 = (i: number, r: number): number => {
    const site = members[i] as number;
    return sites.variance(site, (seen[i] as number) - r + sites.expected(site));
  };
  const unrest = (): number => {
    for (let i = 0; i < n; i++)
      if ((status[i] === STATUS.present || status[i] === STATUS.fresh) && !Number.isNaN(norm[i]))
        scratch.push(norm[i] as number);
    const m = 1.4826 * takeMedian();
    return m > 1 ? m : 1;
  };
  const look = (i: number): number => {
    const r = innovation(i);
    const variance = sd2(i, r);
    norm[i] = Math.abs(r) / Math.sqrt(variance);
    z[i] = r; // scaled below, once the unrest of the moment is known
    return variance;
  };
  const scale = (i: number, variance: number): void => {
    z[i] = (z[i] as number) / Math.sqrt(variance * verdict.unrest ** 2 + SITE.floor ** 2);
  };
  const variances = new Map<number, number>();
  const passes = (i: number): boolean => {
    const zi = z[i] as number;
    return zi > 0 ? zi <= SPATIAL.suspectHigh : -zi <= SPATIAL.suspectLow;
  };

  const rounds = 2 + Math.ceil(n / 4);
  for (let round = 0; round < rounds; round++) {
    verdict.mean = impute(tile, round === 0 ? 4 : 3);
    for (const i of fresh) if (status[i] === STATUS.fresh) variances.set(i, look(i));
    verdict.unrest = unrest();
    let worst = -1;
    let worstZ = 0;
    for (const i of fresh) {
      if (status[i] !== STATUS.fresh) continue;
      scale(i, variances.get(i) as number);
      if (passes(i) || verdict.event.has(i) || verdict.confirmed.has(i)) continue;
      const size = Math.abs(z[i] as number);
      if (size > worstZ) {
        worstZ = size;
        worst = i;
      }
    }
    if (worst < 0) break;
    const site = members[worst] as number;
    const deviation = innovation(worst) + sites.expected(site);
    if (sites.confirms(site, deviation, sites.read(site, S.interval) / 3600) < SPATIAL.suspectLow) {
      verdict.confirmed.add(worst);
      continue;
    }
    const sign = Math.sign(z[worst] as number);
    const witnesses = witnessesOf(sites, tile, worst, now);
    if (isCoherent(sign, witnesses)) {
      verdict.event.add(worst);
      for (const w of witnesses) if (w.z * sign > EVENT.z) verdict.event.add(w.at);
      continue;
    }
    status[worst] = STATUS.excluded;
    verdict.flagged.add(worst);
  }
  // What was set aside at first sight comes back if it fits after all.
  for (const i of aside) {
    scaleOne(i);
    if (passes(i)) status[i] = STATUS.fresh;
    else verdict.flagged.add(i);
  }
  if (aside.length > 0) {
    for (const i of aside) if (status[i] === STATUS.fresh) used[i] = seen[i] as number;
    verdict.mean = impute(tile, 3);
  }
  for (const i of fresh) scaleOne(i);
  for (const i of apart) {
    scaleOne(i);
    norm[i] = Number.NaN;
    if (!passes(i)) verdict.flagged.add(i);
  }
  if (now - tile.anchorTime >= 600) {
    tile.anchorTime = now;
    for (let i = 0; i < n; i++)
      if (status[i] === STATUS.present || status[i] === STATUS.fresh)
        scratch.push(sites.expected(members[i] as number));
    const anchor = takeMedian();
    if (!Number.isNaN(anchor)) tile.anchor = anchor;
  }
  verdict.mean = tileMean(tile);
  for (const i of fresh) if (status[i] === STATUS.fresh) status[i] = STATUS.present;
  return verdict;

  function scaleOne(i: number): void {
    const variance = look(i);
    variances.set(i, variance);
    scale(i, variance);
  }
}

function witnessesOf(sites: Sites, tile: Tile, i: number, now: number): (Witness & { at: number })[] {
  const { members, status, time, z, norm } = tile;
  const place = (k: number): [number, number] => {
    const site = members[k] as number;
    return [sites.read(site, S.lat), sites.read(site, S.lon)];
  };
  const [lat, lon] = place(i);
  const found: (Witness & { at: number })[] = [];
  for (let k = 0; k < members.length; k++) {
    if (k === i || status[k] === STATUS.missing || Number.isNaN(norm[k])) continue;
    if (now - (time[k] as number) > EVENT.windowS) continue;
    const km = distanceKm(lat, lon, ...place(k));
    if (km <= EVENT.reachKm) found.push({ km, z: z[k] as number, at: k });
  }
  return found.sort((a, b) => a.km - b.km || a.at - b.at);
}

function conclude(sites: Sites, p: Pending, verdict: TileVerdict): void {
  const { tile, at, entry, answer } = p;
  const { site } = entry;
  const enough = (tile.near[at] as number) * verdict.present >= SPATIAL.minNear;
  if (!enough) return;
  const expected = sites.expected(site);
  const prediction = (tile.used[at] as number) - looResidual(tile, at, verdict.mean);
  answer.field = Math.exp(prediction + tile.anchor) - SITE.c;
  answer.expected = Math.exp(prediction + expected) - SITE.c;
  if (!(entry.pm25 >= 0)) return;
  answer.evaluated = true;
  answer.z = tile.z[at] as number;
  const innovation = (tile.seen[at] as number) - prediction;
  answer.deviation = innovation + expected - tile.anchor;
  if (verdict.flagged.has(at)) {
    sites.write(site, S.pending, innovation + expected);
    return;
  }
  answer.event = verdict.event.has(at);
  answer.confirmed = verdict.confirmed.has(at);
  if (answer.event || answer.confirmed) sites.follow(site, innovation);
  else sites.learn(site, innovation, sites.variance(site, prediction + expected), p.hours);
}

/**
 * Medians of temperature and humidity in a tile, from boxes heard of within the hour whose chips live; NaN of fewer than five, or in
 * tiles too wide to share one weather.
 */
export function refreshWeather(sites: Sites, tile: Tile, now: number): void {
  if (now - tile.weatherTime < 600 && !Number.isNaN(tile.temperature)) return;
  tile.weatherTime = now;
  tile.temperature = tile.humidity = Number.NaN;
  if (tile.spanKm > WEATHER_SPAN_KM) return;
  for (const field of [S.temperature, S.humidity] as const) {
    for (const site of tile.members) {
      const x = sites.read(site, field);
      if (!Number.isNaN(x) && Math.abs(now - sites.integer(site, S.weatherTime)) <= 3600) scratch.push(x);
    }
    const enough = scratch.length >= 5;
    const m = takeMedian();
    if (field === S.temperature) tile.temperature = enough ? m : Number.NaN;
    else tile.humidity = enough ? m : Number.NaN;
  }
}
const WEATHER_SPAN_KM = 25;

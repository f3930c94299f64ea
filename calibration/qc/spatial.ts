/**
 * S7, the spatial test: does a box still stand to its neighbours as it usually does? Leave-one-out kriging residual of log(PM2.5 + 3) less the
 * deviation expected of each site, tile by tile, with the worst taken out one by one (calibration note §8.1 S7, carried on in time).
 * And S8, the event gate, inside the same loop. The order of readings within a slice changes nothing.
 */
import { distanceKm } from '../geo/distance.ts';
import type { Plumes } from './downwind.ts';
import { EVENT, type Witness, isCoherent } from './event.ts';
import { S, SITE, type Sites } from './sites.ts';
import { STATUS, type Tile, type Tiles, impute, looResidual, memberAt } from './tiles.ts';

export const SPATIAL = {
  /** Suspect beyond this many standard deviations; readings above their neighbours have heavier tails in faults than in air. */
  suspectHigh: 3.4,
  suspectLow: 3.7,
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

/** Numbers whose median is wanted; one buffer for all, a slice is judged by one thread. */
const scratch = new Float64Array(256);
let collected = 0;
const collect = (x: number): void => {
  scratch[collected++] = x;
};
/** Median of the collected numbers (lower one of the middle two), by insertion sort: they are a few dozen. NaN of none. */
function takeMedian(): number {
  const n = collected;
  collected = 0;
  for (let i = 1; i < n; i++) {
    const x = scratch[i] as number;
    let j = i - 1;
    for (; j >= 0 && (scratch[j] as number) > x; j--) scratch[j + 1] = scratch[j] as number;
    scratch[j + 1] = x;
  }
  return n === 0 ? Number.NaN : (scratch[(n - 1) >> 1] as number);
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
export function judgeSlice(
  sites: Sites,
  tiles: Tiles,
  plumes: Plumes,
  entries: readonly SliceEntry[],
): SpatialAnswer[] {
  const answers: SpatialAnswer[] = [];
  const pending: Pending[] = [];
  const touched = new Set<Tile>();
  const { looking } = tiles;
  for (const entry of entries) {
    const tile = entry.site === 0 ? null : tiles.tileOf(entry.site, entry.t);
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
    const usable = entry.pm25 >= 0;
    const seen = usable ? Math.log(entry.pm25 + SITE.c) - sites.expected(entry.site) : Number.NaN;
    const window = freshFor(sites, entry.site);
    for (let e = looking.first(entry.site); e !== 0; e = looking.next(e)) {
      const looker = looking.tile(e);
      const at = looking.at(e);
      looker.window[at] = window;
      if (usable) {
        looker.seen[at] = looker.used[at] = seen;
        looker.time[at] = entry.t;
        looker.status[at] = entry.counts ? STATUS.fresh : STATUS.apart;
      } else looker.status[at] = STATUS.missing;
    }
    const at = memberAt(tile, entry.site);
    pending.push({ entry, answer, tile, at, hours: before === 0 ? 1 : (entry.t - before) / 3600 });
  }
  for (const p of pending) p.tile.newest = Math.max(p.tile.newest, p.entry.t);
  for (const tile of touched) judgeTile(sites, tile, plumes, tile.newest);
  for (const p of pending) conclude(sites, plumes, p);
  return answers;
}

/** Bits of a member's mark. */
const FLAGGED = 1;
const SHARED = 2;
const CONFIRMED = 4;

/** How long a value of a site stays in use [s]. */
export const freshFor = (sites: Sites, site: number): number =>
  Math.max(SPATIAL.freshS, 0.9 * sites.read(site, S.interval));

/** Members heard in the slice, and their variances; as long as the largest tile. */
const fresh = new Int32Array(256);
const variance = new Float64Array(256);

const inUse = (status: number | undefined): boolean => status === STATUS.present || status === STATUS.fresh;
const passes = (z: number): boolean => (z > 0 ? z <= SPATIAL.suspectHigh : -z <= SPATIAL.suspectLow);

function judgeTile(sites: Sites, tile: Tile, plumes: Plumes, now: number): void {
  const { status, seen, used, time, window, members, norm, z, mark } = tile;
  const n = members.length;
  let heard = 0;
  let alive = 0;
  for (let i = 0; i < n; i++) {
    if (status[i] !== STATUS.missing && now - (time[i] as number) > (window[i] as number)) status[i] = STATUS.missing;
    if (status[i] !== STATUS.missing) alive++;
    if (status[i] === STATUS.fresh || status[i] === STATUS.apart) {
      fresh[heard++] = i;
      mark[i] = 0;
    }
  }
  tile.alive = alive / n;
  if (heard === 0) return;
  // When boxes report one by one, what describes the whole tile changes slowly and is not worked out for each.
  const many = 4 * heard >= n;
  const survey = many || now - tile.surveyTime >= SURVEY_S;
  if (survey) surveyTile(tile, now);
  if (Number.isNaN(tile.centre)) return;
  let aside = 0;
  for (let k = 0; k < heard; k++) {
    const i = fresh[k] as number;
    if (status[i] === STATUS.apart || Math.abs((seen[i] as number) - tile.centre) > tile.gross) {
      if (status[i] === STATUS.fresh) {
        mark[i] = ASIDE;
        aside++;
      }
      status[i] = STATUS.excluded;
      used[i] = tile.centre;
    }
  }
  const look = (i: number): void => {
    const site = members[i] as number;
    const r = (seen[i] as number) - (used[i] as number) + looResidual(tile, i, tile.mean);
    const v = sites.variance(site, (seen[i] as number) - r + sites.expected(site));
    variance[i] = v;
    norm[i] = Math.abs(r) / Math.sqrt(v);
    z[i] = r; // scaled once the unrest of the moment is known
  };
  const scale = (i: number): void => {
    z[i] = (z[i] as number) / Math.sqrt((variance[i] as number) * tile.unrest ** 2 + SITE.floor ** 2);
  };

  const rounds = 2 + (heard >> 2);
  for (let round = 0; round < rounds; round++) {
    tile.mean = impute(tile, many ? 3 : 1);
    for (let k = 0; k < heard; k++) if (status[fresh[k] as number] === STATUS.fresh) look(fresh[k] as number);
    if (survey) tile.unrest = unrestOf(tile);
    let worst = -1;
    let worstZ = 0;
    for (let k = 0; k < heard; k++) {
      const i = fresh[k] as number;
      if (status[i] !== STATUS.fresh) continue;
      scale(i);
      if (passes(z[i] as number) || mark[i] !== 0) continue;
      const size = Math.abs(z[i] as number);
      if (size > worstZ) {
        worstZ = size;
        worst = i;
      }
    }
    if (worst < 0) break;
    const verdict = mitigate(sites, tile, plumes, worst, now);
    mark[worst] = verdict;
    if (verdict === FLAGGED) status[worst] = STATUS.excluded;
  }
  // What was set aside at first sight comes back if it fits after all.
  if (aside > 0) {
    for (let k = 0; k < heard; k++) {
      const i = fresh[k] as number;
      if (mark[i] !== ASIDE) continue;
      look(i);
      scale(i);
      mark[i] = 0;
      if (!passes(z[i] as number)) mark[i] = mitigate(sites, tile, plumes, i, now);
      if (mark[i] === FLAGGED) continue;
      status[i] = STATUS.fresh;
      used[i] = seen[i] as number;
    }
    tile.mean = impute(tile, 3);
  }
  for (let k = 0; k < heard; k++) {
    const i = fresh[k] as number;
    look(i);
    scale(i);
    if (status[i] === STATUS.fresh) status[i] = STATUS.present;
    else if (mark[i] !== FLAGGED) {
      // Known to be sick: judged, but its restlessness is not the tile's.
      norm[i] = Number.NaN;
      if (!passes(z[i] as number)) mark[i] = FLAGGED;
    }
  }
  if (survey) {
    for (let i = 0; i < n; i++) if (inUse(status[i])) collect(sites.expected(members[i] as number));
    const anchor = takeMedian();
    if (!Number.isNaN(anchor)) tile.anchor = anchor;
  }
}

const ASIDE = 8;
/** What describes a tile as a whole is worked out at least this often [s]. */
const SURVEY_S = 300;

/** Centre and gross limit of the values in use; never-heard boxes start at the centre. */
function surveyTile(tile: Tile, now: number): void {
  const { status, used, time } = tile;
  tile.surveyTime = now;
  for (let i = 0; i < used.length; i++) if (inUse(status[i])) collect(used[i] as number);
  tile.centre = takeMedian();
  if (Number.isNaN(tile.centre)) return;
  for (let i = 0; i < used.length; i++) {
    if (inUse(status[i])) collect(Math.abs((used[i] as number) - tile.centre));
    else if (time[i] === 0) {
      used[i] = tile.centre;
      time[i] = -1;
    }
  }
  tile.gross = Math.max(1.5, SPATIAL.gross * 1.4826 * takeMedian());
}

/** By how much the whole tile is more restless than its sites are used to: never below 1. */
function unrestOf(tile: Tile): number {
  for (let i = 0; i < tile.used.length; i++)
    if (inUse(tile.status[i]) && !Number.isNaN(tile.norm[i])) collect(tile.norm[i] as number);
  const m = 1.4826 * takeMedian();
  return m > 1 ? m : 1;
}

/** A deviation beyond the limit: confirmed by the reading before, shared by neighbours, or a flag. */
function mitigate(sites: Sites, tile: Tile, plumes: Plumes, i: number, now: number): number {
  const { members, used, seen, mark } = tile;
  const site = members[i] as number;
  const r = (seen[i] as number) - (used[i] as number) + looResidual(tile, i, tile.mean);
  const hours = sites.read(site, S.interval) / 3600;
  if (sites.confirms(site, r + sites.expected(site), hours, tile.time[i] as number, SPATIAL.suspectLow))
    return CONFIRMED;
  const sign = Math.sign(r);
  const witnesses = witnessesOf(sites, tile, i, now);
  if (!isCoherent(sign, witnesses)) {
    const at = tile.time[i] as number;
    const carried = sign > 0 && plumes.explain(site, members, sites.read(site, S.lat), sites.read(site, S.lon), at);
    return carried ? SHARED : FLAGGED;
  }
  for (const w of witnesses) if (w.z * sign > EVENT.z && mark[w.at] === 0) mark[w.at] = SHARED;
  return SHARED;
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

function conclude(sites: Sites, plumes: Plumes, p: Pending): void {
  const { tile, at, entry, answer } = p;
  const { site } = entry;
  if (!((tile.near[at] as number) * tile.alive >= SPATIAL.minNear) || Number.isNaN(tile.centre)) return;
  const expected = sites.expected(site);
  const prediction = (tile.used[at] as number) - looResidual(tile, at, tile.mean);
  answer.field = Math.exp(prediction + tile.anchor) - SITE.c;
  answer.expected = Math.exp(prediction + expected) - SITE.c;
  if (!(entry.pm25 >= 0) || tile.status[at] === STATUS.missing) return;
  answer.evaluated = true;
  answer.z = tile.z[at] as number;
  if (answer.z > SPATIAL.suspectHigh) plumes.rises(site, sites.read(site, S.lat), sites.read(site, S.lon), entry.t);
  const innovation = (tile.seen[at] as number) - prediction;
  answer.deviation = innovation + expected - tile.anchor;
  const mark = tile.mark[at] as number;
  if (mark === FLAGGED) {
    sites.suspect(site, innovation + expected, entry.t);
    return;
  }
  answer.event = mark === SHARED;
  answer.confirmed = mark === CONFIRMED;
  // A witness within its own limits learns as always; what stood out and was believed is followed at once.
  if (answer.confirmed && sites.hasLasted(site, innovation + expected, entry.t))
    sites.settle(site, innovation + expected);
  else if (!passes(answer.z) && mark !== 0) sites.follow(site, innovation);
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
      if (!Number.isNaN(x) && Math.abs(now - sites.integer(site, S.weatherTime)) <= 3600) collect(x);
    }
    const enough = collected >= 5;
    const m = takeMedian();
    if (field === S.temperature) tile.temperature = enough ? m : Number.NaN;
    else tile.humidity = enough ? m : Number.NaN;
  }
}
const WEATHER_SPAN_KM = 25;

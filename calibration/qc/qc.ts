/**
 * Quality control as one object: the streaming tests S0–S6 on each value, the spatial test and the event gate on each slice, and what is
 * done once a night. Pure: no clock, no disk, no network; time is in the data. Raw values are never changed.
 *
 * PM2.5 of a box with two channels: the flag of `pm25` judges what both channels together say (`mergedPm25` gives that value), the flag
 * of `pm25_b` judges channel B alone. Reason `single_channel` on `pm25` says that one channel spoke for both.
 */
import { deserialize, serialize } from 'node:v8';
import { FLAG, type Flag, reason, worse } from '../../model/flags.ts';
import type { CheckedReading, CheckedValue, RawReading } from '../../model/observation.ts';
import { PROPERTIES, PROPERTY_SLOTS, type PropertyKey, property } from '../../model/properties.ts';
import type { EpochMs } from '../../model/time.ts';
import type { ReferenceValue, StageBox, StageStation, StationWeather } from '../stage.ts';
import { BesideStations, type BesideState } from './beside_station.ts';
import { type Channel, channelUse, channelsTest, useValue } from './channels.ts';
import { ChannelPairs, type PairsState } from './channel_pair.ts';
import { INDEPENDENT, JUMP } from './company.ts';
import { Plumes, type PlumesState, towards } from './downwind.ts';
import { type BoxHealth, Nightly } from './nightly.ts';
import { type PropertyLimits, limitsOf } from './parameters.ts';
import type { PoolState } from './pool.ts';
import { isFoggy } from './physics.ts';
import { isNearZero } from './sentinel.ts';
import { median3 } from './spike.ts';
import { distanceKm, isPlace } from '../geo/distance.ts';
import { sunElevation } from '../geo/sun.ts';
import { S, Sites, type SitesState } from './sites.ts';
import { SPATIAL, type SliceEntry, type SpatialAnswer, freshFor, judgeSlice, refreshWeather } from './spatial.ts';
import { Spots } from './spots.ts';
import { DEAD_BIT, SPIKE_BIT, STREAM, Streams, type StreamsState } from './streams.ts';
import { VALUE_TESTS, type ValueContext, type ValueTest } from './tests.ts';
import { Tiles, type TilesState } from './tiles.ts';
import { Usual } from './usual.ts';

export interface Qc {
  setBox(box: StageBox): void;
  setStation(station: StageStation): void;
  /** Reference values that have become known. */
  reference(values: readonly ReferenceValue[]): void;
  /** Hours of the weather at stations that have become known; only their wind is used here. */
  weather(values: readonly StationWeather[]): void;
  /** Judges readings that belong together: in `backtest` all rows of one time, live a micro-batch. Same order out as in. */
  check(readings: readonly RawReading[]): CheckedReading[];
  /** Nightly work that is due at `now`. */
  advance(now: EpochMs): void;
  /** What the nights have found out about a box; null = nothing yet (no place, no neighbours, first day). */
  health(thingNum: number): BoxHealth | null;
  /** By how much a box is sure to have drifted against its neighbours [log of PM2.5 + 3]; 0 = nothing is known. */
  drift(thingNum: number): number;
  /** Bytes of memory held for streams, sites, nights and tiles. */
  stateBytes(): number;
  /** Boxes in the largest neighbourhood that is solved as one. */
  largestTile(): number;
  /** Everything the next answers depend on. Its arrays are live: serialise it before the next `check`. */
  state(): QcState;
  /** Copies what it is given. @throws Error when the state is of another version */
  restoreState(state: QcState): void;
  snapshot(): Uint8Array;
  restore(bytes: Uint8Array): void;
}

const SNAPSHOT_VERSION = 7;
/** A value counts as unchanged over a silence of at most this [s]. */
const MAX_RUN_GAP_S = 6 * 3600;
/** Weight of a new step in the running mean of steps. */
const USUAL_WEIGHT = 0.05;

const num = (key: PropertyKey): number => property(key).num;
/** What is needed of a property, by its number. */
interface Plan {
  readonly property: (typeof PROPERTIES)[number];
  readonly limits: PropertyLimits;
  readonly instant: readonly Step[];
  readonly history: readonly Step[];
}
interface Step {
  readonly mask: number;
  readonly test: ValueTest['test'];
  readonly remark: boolean;
}
const plans: Plan[] = [];
for (const p of PROPERTIES) {
  const steps = (kind: ValueTest['kind']): Step[] =>
    VALUE_TESTS.filter((t) => t.kind === kind && (!t.for || t.for.includes(p.key))).map((t) => ({
      mask: reason(t.reason),
      test: t.test,
      remark: t.remark === true,
    }));
  plans[p.num] = { property: p, limits: limitsOf(p.key), instant: steps('instant'), history: steps('history') };
}
const PM25 = num('pm25');
const PM25_B = num('pm25_b');
const PARTICLES = new Set([PM25, PM25_B, num('pm1'), num('pm4'), num('pm10')]);
const WATER = num('water_level');
/** Least MAD of what is kept as usual, by property number; a property without one is not followed. */
const USUAL_FLOOR = new Map([...PARTICLES, WATER, num('noise_lamin')].map((n) => [n, n === WATER ? 0.002 : 1]));
/** Water within this distance [km] and time [s] that rose by this [m] supports a jump. */
const WATER_NEAR = { km: 2, s: 1800, rose: 0.05 } as const;
const TEMPERATURE = num('temperature');
const HUMIDITY = num('humidity');
const WIND_SPEED = num('wind_speed');
const WIND_DIRECTION = num('wind_direction');
/** Reasons that make a value at least suspect by themselves. */
const SUSPECTING =
  reason('plausible_range') | reason('flat_line') | reason('channels') | reason('size_order') | reason('stuck_zero');
/** Solar hour at which a night is over and judged. */
const JUDGED_AT = 5;
/** Mean solar time of a place, 0–24. */
const solarHour = (utcHours: number, lon: number): number => (((utcHours + lon / 15) % 24) + 24) % 24;
/** Readings further apart than this are not one slice. */
const SLICE_MS = 5 * 60_000;
/** More boxes than a roof of a co-location campaign holds. */
const MAX_ON_SPOT = 12;
/** A box that moved less stays the same site [km] (calibration note §8.1 S0). */
const MOVE_KM = 0.2;
const PLACEHOLDER = reason('sentinel') | reason('negative');
const DEAD = reason('flat_line') | reason('stuck_zero');
const SPIKE = reason('spike');
const FOG = reason('fog');
const CHANNELS = reason('channels');
const SINGLE_CHANNEL = reason('single_channel');
const SPATIAL_REASON = reason('spatial');
const OUTLIER = reason('outlier');
const SCALE_REASON = reason('scale');
const INDOOR = reason('indoor');
const EVENT = reason('event');
const CORRELATION = reason('correlation');
const DRIFT = reason('drift');
const DUPLICATE = reason('duplicate');
const MOVED = reason('moved');
const MISSING = reason('missing');
/** For so long a reading says that its box has been moved [s]. */
const MOVED_S = 24 * 3600;

/**
 * PM2.5 of a checked reading: the mean of its two channels, or the one that speaks for both; NaN = no PM2.5.
 * Boxes with one channel: that value, whatever its flag.
 */
export function mergedPm25(reading: CheckedReading): number {
  const a = reading.values.find((v) => v.property === 'pm25');
  const b = reading.values.find((v) => v.property === 'pm25_b');
  if (!a || !b) return a?.raw ?? b?.raw ?? Number.NaN;
  if (!(a.reasons & reason('single_channel'))) return (a.raw + b.raw) / 2;
  return b.flag === FLAG.fail ? a.raw : b.raw;
}

/** Weather around the reading in hand; NaN = not known. */
interface Weather {
  site: number;
  temperature: number;
  humidity: number;
  sun(t: EpochMs): number;
}

/** A verdict in the making. */
interface DraftValue {
  readonly property: PropertyKey;
  readonly raw: number;
  flag: Flag;
  reasons: number;
  /** Whether the value failed a test that needs no memory. */
  broken: boolean;
  /** Step from the reading before, in units of the stream's usual step; NaN = not known. */
  jump: number;
}
/** The values of one reading, and where PM2.5 and its second channel stand among them (−1 = there is none). */
interface Draft {
  readonly values: DraftValue[];
  a: number;
  b: number;
}

function mark(v: DraftValue, flag: Flag, reasons: number): void {
  v.flag = worse(v.flag, flag);
  v.reasons |= reasons;
}

export function createQc(): Qc {
  const streams = new Streams();
  const sites = new Sites();
  const tiles = new Tiles(
    (site) => ({ lat: sites.read(site, S.lat), lon: sites.read(site, S.lon) }),
    (site) => freshFor(sites, site),
  );
  const nightly = new Nightly();
  const pairs = new ChannelPairs();
  const usual = new Usual();
  const beside = new BesideStations();
  const plumes = new Plumes();
  /** Where stations stand: some measure the wind. */
  const stations = new Map<string, { lat: number; lon: number }>();
  /** Sites by the spot they claim, about 10 m wide. */
  const spots = new Spots(
    (site) =>
      Math.round((sites.read(site, S.lat) + 90) * 1e4) * 4e6 + Math.round((sites.read(site, S.lon) + 180) * 1e4),
  );
  /** Boxes that hang elsewhere now, by number: since when [s], 0 = no reading has come from there. */
  const moved = new Map<number, number>();
  /** Last full hour [h since 1970] whose nightly work is done; 0 = none yet. */
  let doneHour = 0;
  const weather: Weather = {
    site: 0,
    temperature: Number.NaN,
    humidity: Number.NaN,
    sun: (t) =>
      weather.site === 0
        ? Number.NaN
        : sunElevation(t, sites.read(weather.site, S.lat), sites.read(weather.site, S.lon)),
  };
  const values = new Float64Array(PROPERTY_SLOTS).fill(Number.NaN);
  const c: ValueContext = {
    x: 0,
    key: 'pm25',
    property: property('pm25'),
    limits: limitsOf('pm25'),
    gapS: Number.NaN,
    level: Number.NaN,
    last: { value: Number.NaN, spike: false },
    usual: Number.NaN,
    runS: 0,
    evidenceRange: Number.NaN,
    equalS: 0,
    lowS: 0,
    around: Number.NaN,
    median: Number.NaN,
    mad: Number.NaN,
    usualHours: 0,
    supported: false,
    time: 0,
    sunElevation: () => weather.sun(c.time),
    beside: (key) => values[num(key)] as number,
  };

  function run(steps: readonly Step[], v: DraftValue): void {
    for (const { mask, test, remark } of steps) {
      const flag = test(c);
      if (flag === FLAG.notEvaluated) continue;
      if (remark) {
        if (flag !== FLAG.good) v.reasons |= mask;
        continue;
      }
      v.flag = worse(v.flag, flag);
      if (flag !== FLAG.good) v.reasons |= mask;
    }
  }

  function load(reading: RawReading): void {
    values.fill(Number.NaN);
    for (const v of reading.values) values[num(v.property)] = v.raw;
  }

  function aim(key: PropertyKey, x: number): Plan {
    const plan = plans[num(key)] as Plan;
    c.key = key;
    c.x = x;
    c.property = plan.property;
    c.limits = plan.limits;
    return plan;
  }

  /** Tests without memory. */
  function instant(reading: RawReading): Draft {
    load(reading);
    const draft: Draft = { values: [], a: -1, b: -1 };
    for (const { property: key, raw } of reading.values) {
      const v: DraftValue = { property: key, raw, flag: FLAG.notEvaluated, reasons: 0, broken: false, jump: Number.NaN }; // prettier-ignore
      if (key === 'pm25') draft.a = draft.values.length;
      else if (key === 'pm25_b') draft.b = draft.values.length;
      draft.values.push(v);
      run(aim(key, raw).instant, v);
      v.broken = v.flag === FLAG.fail;
    }
    return draft;
  }

  /** What moves when the air moves, apart from the value itself: neighbours, or else the other channel of the same box. */
  function evidence(propertyNum: number, field: number): number {
    if (!Number.isNaN(field)) return field;
    const x = values[propertyNum === PM25_B ? PM25 : PM25_B] as number;
    return x >= 0 && x <= 1000 ? x : Number.NaN;
  }

  /** Tests with memory, for one value; then the memory takes the value in. */
  function history(reading: RawReading, v: DraftValue, answer: SpatialAnswer): void {
    const plan = aim(v.property, v.raw);
    const n = plan.property.num;
    const record = streams.find(reading.thingNum, n);
    const f = streams.pool.f32(record);
    const u = streams.pool.u32(record);
    const at = streams.pool.offset(record);
    const t = Math.max(1, Math.floor(reading.phenomenonTime / 1000));
    const before = u[at + STREAM.time] as number;
    // Late readings (an offline buffer) have no present to be compared with.
    if (v.broken || t < before) return;
    const x = Math.fround(v.raw);
    const gap = before === 0 ? Number.NaN : t - before;
    const particles = PARTICLES.has(n);
    const seen = particles ? evidence(n, answer.field) : Number.NaN;
    const v1 = f[at + STREAM.v1] as number;

    const continues = gap <= MAX_RUN_GAP_S;
    const low = Math.min(f[at + STREAM.runMin] as number, x);
    const high = Math.max(f[at + STREAM.runMax] as number, x);
    const tolerance = c.limits.flat?.tolerance ?? 0;
    if (continues && high - low < tolerance) {
      f[at + STREAM.runMin] = low;
      f[at + STREAM.runMax] = high;
      if (!Number.isNaN(seen)) {
        const lowest = f[at + STREAM.otherMin] as number;
        const highest = f[at + STREAM.otherMax] as number;
        f[at + STREAM.otherMin] = seen < lowest || Number.isNaN(lowest) ? seen : lowest;
        f[at + STREAM.otherMax] = seen > highest || Number.isNaN(highest) ? seen : highest;
      }
    } else {
      u[at + STREAM.runStart] = t;
      f[at + STREAM.runMin] = f[at + STREAM.runMax] = x;
      f[at + STREAM.otherMin] = f[at + STREAM.otherMax] = seen;
    }
    if (!continues || x !== v1) u[at + STREAM.equalSince] = t;

    if (!isNearZero(x, seen)) u[at + STREAM.lowSince] = t;
    else if (!continues) u[at + STREAM.lowSince] = t;

    const misc = u[at + STREAM.misc] as number;
    const count = misc & 0xff;
    c.gapS = gap;
    c.last.value = v1;
    c.last.spike = (misc & SPIKE_BIT) !== 0;
    c.level =
      count >= 3
        ? median3(v1, f[at + STREAM.v2] as number, f[at + STREAM.v3] as number)
        : count === 2
          ? Math.min(v1, f[at + STREAM.v2] as number)
          : Number.NaN;
    c.usual = f[at + STREAM.usual] as number;
    c.runS = t - (u[at + STREAM.runStart] as number);
    c.evidenceRange = (f[at + STREAM.otherMax] as number) - (f[at + STREAM.otherMin] as number);
    c.equalS = t - (u[at + STREAM.equalSince] as number);
    c.lowS = t - (u[at + STREAM.lowSince] as number);
    c.around = particles
      ? seen
      : n === TEMPERATURE
        ? weather.temperature
        : n === HUMIDITY
          ? weather.humidity
          : Number.NaN;
    c.time = reading.phenomenonTime;
    const floor = USUAL_FLOOR.get(n);
    let slow = u[at + STREAM.slow] as number;
    if (floor !== undefined && slow === 0) u[at + STREAM.slow] = slow = usual.add();
    c.usualHours = floor === undefined ? 0 : usual.hours(slow);
    if (c.usualHours > 0) {
      c.median = usual.median(slow);
      c.mad = usual.mad(slow);
    }
    c.supported = n === WATER && supportsWater(reading, x - v1, gap);
    run(plan.history, v);
    if (floor !== undefined) usual.take(slow, x, gap, floor);
    v.jump = count >= 10 && gap <= 3600 ? (x - v1) / Math.max(c.usual, 1e-6) : Number.NaN;

    const spike = v.reasons & SPIKE;
    if (count > 0 && !spike) {
      const step = Math.abs(x - v1);
      f[at + STREAM.usual] = Number.isNaN(c.usual) ? step : c.usual + USUAL_WEIGHT * (step - c.usual);
    }
    f[at + STREAM.v3] = f[at + STREAM.v2] as number;
    f[at + STREAM.v2] = v1;
    f[at + STREAM.v1] = x;
    u[at + STREAM.time] = t;
    const dead = v.flag === FLAG.fail && v.reasons & DEAD;
    u[at + STREAM.misc] = Math.min(255, count + 1) | (spike ? SPIKE_BIT : 0) | (dead ? DEAD_BIT : 0);
  }

  /** Whether rain, or a gauge nearby that rises as well, stands behind a jump of the water; and keeps that this one rose. */
  function supportsWater(reading: RawReading, step: number, gap: number): boolean {
    const site = sites.get(reading.thingNum);
    const t = Math.max(1, Math.floor(reading.phenomenonTime / 1000));
    let found = c.beside('rain') > 0;
    if (site === 0 || Math.abs(step) < WATER_NEAR.rose || !(gap <= MAX_RUN_GAP_S)) return found;
    const tile = found ? null : tiles.tileOf(site, t);
    for (const other of tile?.members ?? []) {
      if (other === site || Math.abs(t - sites.integer(other, S.waterRose)) > WATER_NEAR.s) continue;
      const km = distanceKm(sites.read(site, S.lat), sites.read(site, S.lon), sites.read(other, S.lat), sites.read(other, S.lon)); // prettier-ignore
      if (km <= WATER_NEAR.km) found = true;
    }
    if (step > 0) sites.writeInteger(site, S.waterRose, t);
    return found;
  }

  /** Two channels: what they say together becomes the verdict on `pm25`. Fog is a remark on the whole reading. */
  function together(thingNum: number, draft: Draft, expected: number): void {
    const a = draft.values[draft.a];
    if (!a) return;
    const b = draft.values[draft.b];
    if (b) {
      if (!a.broken && !b.broken) pairs.take(thingNum, a.raw, b.raw);
      const dead = pairs.dead(thingNum);
      const channel = (v: DraftValue): Channel => ({
        value: v.raw,
        failed: v.flag === FLAG.fail || v === (dead === 'a' ? a : dead === 'b' ? b : null),
      });
      // A placeholder in A (Denver: −1) comes with nonsense in B: such a reading has no PM2.5 at all.
      const use = a.reasons & PLACEHOLDER ? 'none' : channelUse(channel(a), channel(b), expected);
      if (use === 'mean') {
        const flag = channelsTest(a.raw, b.raw);
        const why = flag === FLAG.good ? 0 : CHANNELS;
        mark(a, flag, why);
        mark(b, flag, why);
      } else if (use !== 'none') {
        if (use === 'b') {
          a.flag = b.flag;
          if (dead === 'a') a.reasons |= CHANNELS;
        } else if (b.flag !== FLAG.fail) mark(b, FLAG.fail, CHANNELS);
        a.reasons |= SINGLE_CHANNEL;
      }
    }
    if (isFoggy(values[TEMPERATURE] as number, values[HUMIDITY] as number)) a.reasons |= FOG;
  }

  /** Whether a stream was found dead at its last reading. */
  function wasDead(thingNum: number, propertyNum: number): boolean {
    const record = streams.find(thingNum, propertyNum);
    return ((streams.pool.u32(record)[streams.pool.offset(record) + STREAM.misc] as number) & DEAD_BIT) !== 0;
  }

  /** PM2.5 as the field sees it, before anything with memory has spoken; NaN = none that can be used. */
  function forField(thingNum: number, draft: Draft): number {
    const a = draft.values[draft.a];
    if (!a) return Number.NaN;
    const b = draft.values[draft.b];
    if (!b) return a.broken ? Number.NaN : a.raw;
    if (a.reasons & PLACEHOLDER) return Number.NaN;
    const dead = pairs.dead(thingNum);
    const use = channelUse(
      { value: a.raw, failed: a.broken || dead === 'a' || wasDead(thingNum, PM25) },
      { value: b.raw, failed: b.broken || dead === 'b' || wasDead(thingNum, PM25_B) },
    );
    return use === 'mean' && channelsTest(a.raw, b.raw) === FLAG.fail ? Number.NaN : useValue(use, a.raw, b.raw);
  }

  /** What the spatial test adds to PM2.5, and what it takes back: a jump that neighbours share is no spike. */
  function spatial(draft: Draft, answer: SpatialAnswer): void {
    if (!answer.evaluated) return;
    const size = Math.abs(answer.z);
    const limit = answer.z > 0 ? SPATIAL.suspectHigh : SPATIAL.suspectLow;
    // Other sensors of the same box jump with it, which know nothing of its laser: something happened there (S8).
    const company =
      size > limit && answer.z > 0 && draft.values.some((v) => v.jump > JUMP && INDEPENDENT.has(v.property) && v.flag !== FLAG.fail); // prettier-ignore
    const flagged = size > limit && !answer.event && !answer.confirmed && !company;
    if (!flagged)
      for (const v of draft.values) {
        if (!PARTICLES.has(num(v.property))) continue;
        v.reasons &= ~OUTLIER;
        if (!(v.reasons & SPIKE) || v.flag !== FLAG.suspect) continue;
        // Nothing else that makes a value suspect may be lost with the spike.
        if (!(v.reasons & SUSPECTING)) v.flag = FLAG.good;
        v.reasons &= ~SPIKE;
      }
    const a = draft.values[draft.a] as DraftValue;
    if (flagged) mark(a, size > SPATIAL.fail ? FLAG.fail : FLAG.suspect, SPATIAL_REASON);
    else mark(a, FLAG.good, answer.event || company ? EVENT : 0);
  }

  function judge(slice: readonly RawReading[]): CheckedReading[] {
    const drafts: Draft[] = [];
    const entries: SliceEntry[] = [];
    const before: number[] = [];
    for (const reading of slice) {
      const draft = instant(reading);
      drafts.push(draft);
      const known = sites.get(reading.thingNum);
      if (known !== 0) rememberWeather(known, reading, draft);
      if (known !== 0) rememberWind(known, reading);
      const site = draft.a < 0 ? 0 : known;
      before.push(site === 0 ? 0 : sites.time(site));
      entries.push({
        site,
        t: Math.max(1, Math.floor(reading.phenomenonTime / 1000)),
        pm25: site === 0 ? Number.NaN : forField(reading.thingNum, draft),
        counts:
          site !== 0 &&
          nightly.follows(site) !== FLAG.fail &&
          Number.isNaN(nightly.scale(site)) &&
          !wasDead(reading.thingNum, PM25),
      });
    }
    const answers = judgeSlice(sites, tiles, plumes, entries);
    return slice.map((reading, k) => {
      const draft = drafts[k] as Draft;
      const answer = answers[k] as SpatialAnswer;
      load(reading);
      aimWeather(reading);
      for (const v of draft.values) history(reading, v, answer);
      together(reading.thingNum, draft, answer.expected);
      spatial(draft, answer);
      overDays(reading, draft, entries[k] as SliceEntry, answer, before[k] as number);
      if (moved.size > 0) sayMoved(reading, draft);
      sayMissing(draft);
      return checked(reading, draft, around(draft));
    });
  }

  /** What the nights found out is said of each reading; what the reading shows is kept for the nights to come. */
  function overDays(
    { thingNum, phenomenonTime }: RawReading,
    draft: Draft,
    entry: SliceEntry,
    answer: SpatialAnswer,
    before: number,
  ): void {
    const { site } = entry;
    const a = draft.values[draft.a];
    if (site === 0 || !a) return;
    if (answer.evaluated && before !== 0)
      nightly.take(site, {
        gapS: entry.t - before,
        intervalS: sites.read(site, S.interval),
        pm25: entry.pm25,
        field: answer.field,
        flagged: a.flag === FLAG.suspect || a.flag === FLAG.fail,
        solarHour: solarHour(entry.t / 3600, sites.read(site, S.lon)),
      });
    if (a.flag !== FLAG.fail && a.flag !== FLAG.missing) beside.take(thingNum, phenomenonTime, entry.pm25, sites.read(site, S.lat), sites.read(site, S.lon)); // prettier-ignore
    const follows = nightly.follows(site);
    mark(a, follows, follows === FLAG.suspect || follows === FLAG.fail ? CORRELATION : 0);
    const siteClass = nightly.siteClass(site);
    if (!Number.isNaN(nightly.scale(site))) mark(a, FLAG.fail, SCALE_REASON);
    else if (siteClass !== '') a.reasons |= reason(siteClass);
    else if (beside.isIndoor(thingNum)) a.reasons |= INDOOR;
    if (nightly.drifting(site)) a.reasons |= DRIFT;
  }

  /** What was not measured is neither good nor bad. */
  function sayMissing({ values: all, a, b }: Draft): void {
    for (const [i, v] of all.entries()) {
      if (!Number.isNaN(v.raw) || (i === a && b >= 0)) continue;
      v.flag = FLAG.missing;
      v.reasons = MISSING;
    }
  }

  /** A remark on all that a box sends on its first day at a new place. */
  function sayMoved({ thingNum, phenomenonTime }: RawReading, draft: Draft): void {
    const since = moved.get(thingNum);
    if (since === undefined) return;
    const t = Math.floor(phenomenonTime / 1000);
    if (since === 0) moved.set(thingNum, t);
    else if (t - since >= MOVED_S) return void moved.delete(thingNum);
    for (const v of draft.values) v.reasons |= MOVED;
  }

  /** Sites where it has become 05 h solar time, or 24 h of them after a pause. */
  function advance(now: EpochMs): void {
    const hour = Math.floor(now / 3_600_000);
    if (doneHour === 0) doneHour = hour;
    for (let h = Math.max(doneHour + 1, hour - 23); h <= hour; h++)
      for (let site = 1; site <= nightly.pool.count; site++)
        if (Math.floor(solarHour(h, sites.read(site, S.lon))) === JUDGED_AT) nightly.judge(site);
    doneHour = Math.max(doneHour, hour);
  }

  function rememberWeather(site: number, reading: RawReading, draft: Draft): void {
    for (const v of draft.values) {
      if (v.flag !== FLAG.good) continue;
      if (v.property === 'temperature') sites.write(site, S.temperature, v.raw);
      else if (v.property === 'humidity') sites.write(site, S.humidity, v.raw < 99.9 ? v.raw : Number.NaN);
      else continue;
      sites.writeInteger(site, S.weatherTime, Math.max(0, Math.floor(reading.phenomenonTime / 1000)));
    }
  }

  /** Wind of a box with a vane; `load` has put its values in place. */
  function rememberWind(site: number, { thing, phenomenonTime }: RawReading): void {
    const [speed, direction] = [values[WIND_SPEED] as number, values[WIND_DIRECTION] as number];
    if (!(speed >= 0 && speed <= 60 && direction >= 0 && direction <= 360)) return;
    const { east, north } = towards(speed, direction);
    plumes.wind(
      thing,
      sites.read(site, S.lat),
      sites.read(site, S.lon),
      Math.floor(phenomenonTime / 1000),
      east,
      north,
    );
  }

  /** Hour means of the wind at stations; both components of an hour come together. */
  function weatherOf(values: readonly StationWeather[]): void {
    for (const { station, time, property: key, value } of values) {
      if (key !== 'wind_east') continue;
      const place = stations.get(station);
      const north = values.find((v) => v.property === 'wind_north' && v.station === station && v.time === time);
      if (place && north)
        plumes.wind(station, place.lat, place.lon, Math.floor(time / 1000) + 1800, value, north.value);
    }
  }

  function aimWeather(reading: RawReading): void {
    weather.site = sites.get(reading.thingNum);
    weather.temperature = weather.humidity = Number.NaN;
    if (weather.site === 0) return;
    if (Number.isNaN(values[TEMPERATURE]) && Number.isNaN(values[HUMIDITY]) && Number.isNaN(values[PM25])) return;
    const t = Math.floor(reading.phenomenonTime / 1000);
    const tile = tiles.tileOf(weather.site, t);
    if (!tile) return;
    refreshWeather(sites, tile, t);
    weather.temperature = tile.temperature;
    weather.humidity = tile.humidity;
  }

  /** What stands in for the box's own humidity where that says nothing; `aimWeather` has looked around. */
  function around(draft: Draft): CheckedReading['around'] {
    if (draft.a < 0 || Number.isNaN(weather.humidity) || Number.isNaN(weather.temperature)) return undefined;
    const own = draft.values.find((v) => v.property === 'humidity');
    if (own && own.flag <= FLAG.notEvaluated) return undefined;
    return { temperature: weather.temperature, humidity: weather.humidity };
  }

  function checked(reading: RawReading, draft: Draft, near?: CheckedReading['around']): CheckedReading {
    const out: CheckedReading = {
      stage: 'checked',
      thing: reading.thing,
      thingNum: reading.thingNum,
      phenomenonTime: reading.phenomenonTime,
      resultTime: reading.resultTime,
      clock: reading.clock,
      seq: reading.seq,
      values: draft.values.map((v): CheckedValue => ({
        property: v.property,
        raw: v.raw,
        flag: v.flag,
        reasons: v.reasons,
      })),
    };
    return near ? { ...out, around: near } : out;
  }

  function duplicate(reading: RawReading): CheckedReading {
    const draft = instant(reading);
    for (const v of draft.values) mark(v, FLAG.fail, DUPLICATE);
    return checked(reading, draft);
  }

  function check(readings: readonly RawReading[]): CheckedReading[] {
    const order = readings.map((_, i) => i);
    order.sort(
      (a, b) => (readings[a] as RawReading).phenomenonTime - (readings[b] as RawReading).phenomenonTime || a - b,
    );
    const out: CheckedReading[] = [];
    out.length = readings.length;
    let slice: number[] = [];
    const inSlice = new Map<number, EpochMs>();
    const flush = (): void => {
      const judged = judge(slice.map((k) => readings[k] as RawReading));
      for (const [i, k] of slice.entries()) out[k] = judged[i] as CheckedReading;
      slice = [];
      inSlice.clear();
    };
    for (const k of order) {
      const reading = readings[k] as RawReading;
      const t = reading.phenomenonTime;
      const same = inSlice.get(reading.thingNum);
      if (same === t) {
        out[k] = duplicate(reading);
        continue;
      }
      const start = slice[0];
      if (same !== undefined || (start !== undefined && t - (readings[start] as RawReading).phenomenonTime > SLICE_MS))
        flush();
      slice.push(k);
      inSlice.set(reading.thingNum, t);
    }
    if (slice.length > 0) flush();
    return out;
  }

  function setBox(box: StageBox): void {
    const { lat, lon, num: thingNum } = box;
    const placed = isPlace(lat, lon) && box.exposure !== 'indoor' && box.exposure !== 'mobile';
    const site = sites.get(thingNum);
    if (site !== 0 && placed) {
      const km = distanceKm(sites.read(site, S.lat), sites.read(site, S.lon), lat as number, lon as number);
      if (km < MOVE_KM) return;
    }
    if (site !== 0) {
      // Another place is another site: nothing learnt at the old one holds.
      leave(site);
      sites.byThing.set(thingNum, 0);
      if (placed) moved.set(thingNum, 0);
    }
    if (placed) place(sites.add(thingNum, lat as number, lon as number));
  }

  /**
   * Puts a site among its neighbours. A spot with very many boxes is a default position (a factory setting, a town's centre): those
   * boxes hang elsewhere, so they neither bear witness nor are they judged in space.
   */
  function place(site: number): void {
    spots.add(site);
    if (spots.count(site, MAX_ON_SPOT + 1) > MAX_ON_SPOT) for (const other of spots.on(site)) tiles.remove(other);
    else tiles.add(site);
  }

  function leave(site: number): void {
    tiles.remove(site);
    spots.remove(site);
  }

  const state = (): QcState => ({
    version: SNAPSHOT_VERSION,
    streams: streams.snapshot(),
    sites: sites.snapshot(),
    tiles: tiles.snapshot(),
    nightly: nightly.snapshot(),
    pairs: pairs.snapshot(),
    usual: usual.snapshot(),
    beside: beside.state(),
    doneHour,
    moved,
    plumes: plumes.state(),
    stations,
  });

  function restoreState(from: QcState): void {
    if (from.version !== SNAPSHOT_VERSION)
      throw new Error(`QC state of version ${from.version} cannot be read by this program; start without it`);
    streams.restore(from.streams);
    sites.restore(from.sites);
    tiles.restore(from.tiles);
    nightly.restore(from.nightly);
    pairs.restore(from.pairs);
    usual.restore(from.usual);
    beside.restore(from.beside);
    doneHour = from.doneHour;
    plumes.restore(from.plumes);
    stations.clear();
    for (const [id, place] of from.stations) stations.set(id, place);
    moved.clear();
    for (const [thingNum, since] of from.moved) moved.set(thingNum, since);
    spots.clear();
    for (const site of from.sites.byThing) if (site !== 0) spots.add(site);
  }

  return {
    setBox,
    setStation: ({ id, lat, lon }) => {
      beside.setStation(id, lat, lon);
      if (isPlace(lat, lon)) stations.set(id, { lat: lat as number, lon: lon as number });
      else stations.delete(id);
    },
    weather: weatherOf,
    reference: (values) => beside.reference(values),
    check,
    advance,
    health: (thingNum) => nightly.health(sites.get(thingNum)),
    drift: (thingNum) => nightly.drift(sites.get(thingNum)),
    stateBytes: () => streams.bytes + sites.pool.bytes + sites.byThing.bytes + nightly.pool.bytes + pairs.bytes + usual.pool.bytes + tiles.bytes(), // prettier-ignore
    largestTile: () => tiles.largest(),
    state,
    restoreState,
    snapshot: () => serialize(state()),
    restore: (bytes) => restoreState(deserialize(bytes) as QcState),
  };
}

export interface QcState {
  version: number;
  streams: StreamsState;
  sites: SitesState;
  tiles: TilesState;
  nightly: PoolState;
  pairs: PairsState;
  usual: PoolState;
  beside: BesideState;
  doneHour: number;
  moved: Map<number, number>;
  plumes: PlumesState;
  stations: Map<string, { lat: number; lon: number }>;
}

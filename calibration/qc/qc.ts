/**
 * Quality control as one object: the streaming tests S0–S6 on each value, the spatial test and the event gate on each slice, and what is
 * done once a night. Pure: no clock, no disk, no network; time is in the data. Raw values are never changed.
 *
 * PM2.5 of a box with two channels: the flag of `pm25` judges what both channels together say (`mergedPm25` gives that value), the flag
 * of `pm25_b` judges channel B alone. Reason `single_channel` on `pm25` says that one channel spoke for both.
 */
import { deserialize, serialize } from 'node:v8';
import { FLAG, reason } from '../../model/flags.ts';
import type { CheckedReading, RawReading } from '../../model/observation.ts';
import { property } from '../../model/properties.ts';
import type { EpochMs } from '../../model/time.ts';
import type { ReferenceValue, StageBox, StageStation, StationWeather } from '../stage.ts';
import { BesideStations, type BesideState } from './beside_station.ts';
import type { PairsState } from './channel_pair.ts';
import { INDEPENDENT, JUMP } from './company.ts';
import { Plumes, type PlumesState } from './downwind.ts';
import { type Draft, type DraftValue, checked, mark, sayMissing } from './draft.ts';
import { type BoxHealth, Nightly } from './nightly.ts';
import { isFoggy } from './physics.ts';
import { Places } from './places.ts';
import type { PoolState } from './pool.ts';
import { DEAD, PARTICLES, SingleTests } from './single.ts';
import { S, Sites, type SitesState } from './sites.ts';
import { bySlices } from './slices.ts';
import { SPATIAL, type SliceEntry, type SpatialAnswer, freshFor, judgeSlice } from './spatial.ts';
import type { StreamsState } from './streams.ts';
import { Tiles, type TilesState } from './tiles.ts';
import { TwoChannels } from './two_channels.ts';
import { type Stations, WeatherAround, Winds } from './weather.ts';

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
const PM25 = property('pm25').num;
const TEMPERATURE = property('temperature').num;
const HUMIDITY = property('humidity').num;
/** Reasons that make a value at least suspect by themselves. */
const SUSPECTING =
  reason('plausible_range') | reason('flat_line') | reason('channels') | reason('size_order') | reason('stuck_zero');
/** Solar hour at which a night is over and judged. */
const JUDGED_AT = 5;
/** Mean solar time of a place, 0–24. */
const solarHour = (utcHours: number, lon: number): number => (((utcHours + lon / 15) % 24) + 24) % 24;
const SPIKE = reason('spike');
const FOG = reason('fog');
const SPATIAL_REASON = reason('spatial');
const OUTLIER = reason('outlier');
const SCALE_REASON = reason('scale');
const INDOOR = reason('indoor');
const EVENT = reason('event');
const CORRELATION = reason('correlation');
const DRIFT = reason('drift');
const SINGLE_CHANNEL = reason('single_channel');
const DUPLICATE = reason('duplicate');

export function createQc(): Qc {
  const sites = new Sites();
  const tiles = new Tiles(
    (site) => ({ lat: sites.read(site, S.lat), lon: sites.read(site, S.lon) }),
    (site) => freshFor(sites, site),
  );
  const nightly = new Nightly();
  const beside = new BesideStations();
  const plumes = new Plumes();
  const winds = new Winds(plumes, sites);
  const places = new Places(sites, tiles);
  const weather = new WeatherAround(sites, tiles);
  const single = new SingleTests(sites, tiles, weather);
  const channels = new TwoChannels(single);
  /** Last full hour [h since 1970] whose nightly work is done; 0 = none yet. */
  let doneHour = 0;

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
        if (!PARTICLES.has(property(v.property).num)) continue;
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
      const draft = single.instant(reading);
      drafts.push(draft);
      const known = sites.get(reading.thingNum);
      if (known !== 0) {
        weather.remember(known, reading, draft);
        winds.ofBox(known, reading, single.values);
      }
      const site = draft.a < 0 ? 0 : known;
      before.push(site === 0 ? 0 : sites.time(site));
      entries.push({
        site,
        t: Math.max(1, Math.floor(reading.phenomenonTime / 1000)),
        pm25: site === 0 ? Number.NaN : channels.forField(reading.thingNum, draft),
        counts:
          site !== 0 &&
          nightly.follows(site) !== FLAG.fail &&
          Number.isNaN(nightly.scale(site)) &&
          !single.wasDead(reading.thingNum, PM25),
      });
    }
    const answers = judgeSlice(sites, tiles, plumes, entries);
    return slice.map((reading, k) => {
      const draft = drafts[k] as Draft;
      const answer = answers[k] as SpatialAnswer;
      single.load(reading);
      weather.aim(reading, single.values);
      for (const v of draft.values) single.history(reading, v, answer);
      channels.judge(reading.thingNum, draft, answer.expected);
      const a = draft.values[draft.a];
      if (a && isFoggy(single.values[TEMPERATURE] as number, single.values[HUMIDITY] as number)) a.reasons |= FOG;
      spatial(draft, answer);
      overDays(reading, draft, entries[k] as SliceEntry, answer, before[k] as number);
      if (places.moved.size > 0) places.say(reading, draft);
      sayMissing(draft);
      return checked(reading, draft, weather.standIn(draft));
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
        dead: a.flag === FLAG.fail && (a.reasons & DEAD) !== 0 && !(a.reasons & SINGLE_CHANNEL),
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

  /** Sites where it has become 05 h solar time, or 24 h of them after a pause. */
  function advance(now: EpochMs): void {
    const hour = Math.floor(now / 3_600_000);
    // More than a day behind what was judged last: that was by a clock that has been put right since.
    if (doneHour === 0 || hour < doneHour - 24) doneHour = hour;
    for (let h = Math.max(doneHour + 1, hour - 23); h <= hour; h++)
      for (let site = 1; site <= nightly.pool.count; site++)
        if (Math.floor(solarHour(h, sites.read(site, S.lon))) === JUDGED_AT) nightly.judge(site);
    doneHour = Math.max(doneHour, hour);
  }

  function duplicate(reading: RawReading): CheckedReading {
    const draft = single.instant(reading);
    for (const v of draft.values) mark(v, FLAG.fail, DUPLICATE);
    return checked(reading, draft);
  }

  const state = (): QcState => ({
    version: SNAPSHOT_VERSION,
    streams: single.streams.snapshot(),
    sites: sites.snapshot(),
    tiles: tiles.snapshot(),
    nightly: nightly.snapshot(),
    pairs: channels.pairs.snapshot(),
    usual: single.usual.snapshot(),
    beside: beside.state(),
    doneHour,
    moved: places.moved,
    plumes: plumes.state(),
    stations: winds.stations,
  });

  function restoreState(from: QcState): void {
    if (from.version !== SNAPSHOT_VERSION)
      throw new Error(`QC state of version ${from.version} cannot be read by this program; start without it`);
    single.streams.restore(from.streams);
    sites.restore(from.sites);
    tiles.restore(from.tiles);
    nightly.restore(from.nightly);
    channels.pairs.restore(from.pairs);
    single.usual.restore(from.usual);
    beside.restore(from.beside);
    doneHour = from.doneHour;
    plumes.restore(from.plumes);
    winds.restore(from.stations);
    places.restore(from.moved, from.sites.byThing);
  }

  return {
    setBox: (box) => places.setBox(box),
    setStation: (station) => {
      beside.setStation(station.id, station.lat, station.lon);
      winds.setStation(station);
    },
    weather: (values) => winds.ofStations(values),
    reference: (values) => beside.reference(values),
    check: (readings) => bySlices(readings, judge, duplicate),
    advance,
    health: (thingNum) => nightly.health(sites.get(thingNum)),
    drift: (thingNum) => nightly.drift(sites.get(thingNum)),
    stateBytes: () => single.streams.bytes + sites.pool.bytes + sites.byThing.bytes + nightly.pool.bytes + channels.pairs.bytes + single.usual.pool.bytes + tiles.bytes(), // prettier-ignore
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
  stations: Stations;
}

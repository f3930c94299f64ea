/** The boxes: where they are, who is around whom, which of them stand near a station and are paired with it. */
import { distanceKm } from '../geo/distance.ts';
import type { Colocation, StageBox, StageStation } from '../stage.ts';
import type { KeptBox } from './box-columns.ts';
import { type BoxRecord, BoxRows, type BoxRowsState, GainView } from './box-rows.ts';
import { findPairings, servedPools } from './colocation.ts';
import type { Around } from './consensus.ts';
import type { EpochMs } from '../../model/time.ts';
import { newHistory } from './history.ts';
import { median } from './linear.ts';
import { LEAST_AROUND } from './lone.ts';
import { newSeries, type Memory } from './memory.ts';
import { newStation } from './reference.ts';
import { poolKey } from './sensor.ts';
import { NEAR_KM, REGION_KM } from './settings.ts';
import { AROUND, Surroundings } from './surroundings.ts';

export class Residents {
  readonly #m: Memory;
  #rows = new BoxRows();
  /** Who is near whom; not part of the state, made again from it. */
  #surroundings = new Surroundings((row) => this.#rows.ids.text(row));
  /** Boxes within reach of a station: the only ones that pairs may be found for. Null = stations have changed, look at all again. */
  #reachable: Set<string> | null = null;
  /** Types with boxes near stations: farther ones are not asked. */
  #served: ReadonlySet<string> = new Set();
  /** Lent for one call. */
  #views: { gain: GainView; km: number }[] = [];
  readonly #around: { gain: GainView; km: number }[] = [];

  constructor(memory: Memory) {
    this.#m = memory;
    memory.around = (state) => this.gainsAround(state);
    this.#lend();
  }

  /** The rows into the hands of all others. */
  #lend(): void {
    this.#m.s.boxes = this.#rows;
    this.#views = Array.from({ length: AROUND }, () => ({ gain: new GainView(this.#rows), km: 0 }));
  }

  setBox(box: StageBox): void {
    const { s } = this.#m;
    const before = this.#rows.get(box.id);
    if (before && sameButAge(before.box, box)) {
      before.since = box.since;
      return;
    }
    let history = null;
    let paired = false;
    if (before) {
      if (before.slot >= 0) this.#surroundings.remove(before.slot);
      paired = before.own.length > 0 || before.history !== null;
      // A box that was moved starts anew: what it showed elsewhere says nothing here.
      if (before.lat === box.lat && before.lon === box.lon) history = before.history;
    }
    const state = this.#rows.put(box);
    if (history) state.history = history;
    this.#settle(state);
    // A box far from every station has no pairs: a million of those must not make them be sought again and again.
    if (this.#reachable === null) s.dirty = true;
    else {
      const reached = this.#isReachable(box);
      if (reached) this.#reachable.add(box.id);
      else this.#reachable.delete(box.id);
      if (reached || paired) s.dirty = true;
    }
  }

  setStation(station: StageStation): void {
    const { s } = this.#m;
    const known = s.stations.get(station.id) ?? newStation(station.id);
    known.lat = station.lat;
    known.lon = station.lon;
    s.stations.set(station.id, known);
    this.#reachable = null;
    s.dirty = true;
  }

  setColocations(pairs: readonly Colocation[] | null): void {
    this.#m.s.colocations = pairs;
    this.#reachable = null;
    this.#m.s.dirty = true;
  }

  state(): BoxRowsState {
    return this.#rows.state();
  }

  /** Puts back the boxes of a saved state, or one by one those of an earlier version; the memory's own state has been put back before. */
  restore(boxes: BoxRowsState | Iterable<KeptBox>): void {
    this.#reachable = null;
    this.#rows = new BoxRows();
    this.#surroundings = new Surroundings((row) => this.#rows.ids.text(row));
    this.#lend();
    if ('floats' in boxes) this.#rows.restore(boxes);
    else
      for (const { box, own, history, gain, indoor, fieldVersion, fieldValue, fieldKm } of boxes) {
        const state = this.#rows.put(box);
        Object.assign(state, { own, history, indoor, fieldVersion, fieldValue, fieldKm });
        Object.assign(state.gain, gain);
      }
    for (const state of this.#rows.values()) {
      // Histories of earlier versions know nothing of neighbours.
      if (state.history) state.history.middle ??= state.history.time.map(() => NaN);
      this.#settle(state);
    }
  }

  /** The gains of the nearest boxes of the same type; valid until the next call. */
  gainsAround({ slot }: { readonly slot: number }): readonly Around[] {
    const around = this.#around;
    around.length = 0;
    if (slot < 0) return around;
    const count = this.#surroundings.count(slot);
    for (let i = 0; i < count; i++) {
      const view = this.#views[i] as (typeof around)[number];
      view.gain.row = this.#surroundings.rowAt(slot, i);
      view.km = this.#surroundings.kmAt(slot, i);
      around.push(view);
    }
    return around;
  }

  /** Median of what the neighbours put into the network lately [µg/m³]; NaN = fewer than two have been heard. */
  middleAround({ slot }: { readonly slot: number }, time: EpochMs, maxAgeMs: number): number {
    if (slot < 0) return NaN;
    const heard: number[] = [];
    const count = this.#surroundings.count(slot);
    for (let i = 0; i < count; i++) {
      const row = this.#surroundings.rowAt(slot, i);
      const { time: at } = this.#rows.gain(row);
      const seen = this.#rows.seen(row);
      if (!Number.isNaN(seen) && at <= time && time - at <= maxAgeMs) heard.push(seen);
    }
    return heard.length < LEAST_AROUND ? NaN : median(heard);
  }

  /** Seeks the pairs of box and station again. */
  connect(): void {
    const m = this.#m;
    const { s } = m;
    s.dirty = false;
    s.connected = true;
    const stations = [...s.stations.values()].map((st) => ({ id: st.id, num: 0, lat: st.lat, lon: st.lon }));
    if (this.#reachable === null) {
      this.#served = new Set();
      const all: StageBox[] = [];
      for (const { box } of s.boxes.values()) if (this.#isReachable(box)) all.push(box);
      this.#served = servedPools(findPairings(all, stations, s.colocations, 0));
      this.#reachable = new Set(all.filter((box) => this.#isReachable(box)).map((box) => box.id));
    }
    const reachable = this.#reachable;
    const before = new Map(s.series.map((x) => [x.id, x]));
    const boxes = function* (): Generator<StageBox> {
      for (const id of reachable) yield (s.boxes.get(id) as BoxRecord).box;
    };
    for (const x of s.series) {
      for (const id of x.boxes) {
        const b = s.boxes.get(id);
        if (b) b.own = [];
      }
    }
    s.series = findPairings(boxes(), stations, s.colocations).map((p) => {
      const id = `${p.kind}\n${p.station}\n${p.kind === 'own' ? p.boxes[0] : p.pool}\n${p.from}`;
      const known = before.get(id);
      return known ? { ...known, ...p } : newSeries(id, p);
    });
    s.series.forEach((x, i) => {
      for (const id of x.boxes) {
        const b = s.boxes.get(id);
        if (!b) continue;
        if (x.kind === 'own') b.own = [...b.own, i];
        b.history ??= newHistory(Math.max(60_000, m.step / 4));
      }
    });
  }

  /** Whether a box may be paired with a station: near one, or declared to be. */
  #isReachable({ id, lat, lon, sensor, field }: StageBox): boolean {
    const { s } = this.#m;
    if (s.colocations?.some((c) => c.box === id)) return true;
    if (lat === null || lon === null) return false;
    const reach = this.#served.has(poolKey(sensor, field)) ? NEAR_KM : REGION_KM;
    for (const station of s.stations.values()) {
      if (station.lat === null || station.lon === null || Math.abs(station.lat - lat) > reach / 110.5) continue;
      if (distanceKm(station.lat, station.lon, lat, lon) <= reach) return true;
    }
    return false;
  }

  #settle(state: BoxRecord): void {
    const { lat, lon, row } = state;
    if (lat === null || lon === null) return;
    const { exposure, pool } = this.#rows.kind(row);
    const witness = exposure !== 'indoor' && exposure !== 'mobile';
    state.slot = this.#surroundings.add({ row, lat, lon, kind: pool, witness });
  }
}

/** What a box has shown stays when nothing is told anew but since when it is known. */
const sameButAge = (a: StageBox, b: StageBox): boolean =>
  a.num === b.num &&
  a.lat === b.lat &&
  a.lon === b.lon &&
  a.sensor === b.sensor &&
  a.field === b.field &&
  a.trusted === b.trusted &&
  a.exposure === b.exposure;

/**
 * Boxes near a reference station, where too few other boxes stand to judge them: a box that moves from day to day by much less than the air at the
 * station hangs indoors. Means of days, because hours of a beta gauge are noisy, and because a clock that is hours off changes them little; spreads
 * only, because the level of a raw sensor says nothing.
 */
import { distanceKm } from '../geo/distance.ts';
import type { ReferenceValue } from '../stage.ts';

export const BESIDE = {
  /** Within this the air of the station is the air of the box [km]. */
  km: 3,
  /** Days that both were heard, and their memory. */
  leastDays: 10,
  memoryDays: 30,
  /** The air must have moved by so much, and the box by less than this share of it (log units, means of days). */
  leastSd: 0.25,
  share: 0.4,
  /** Hours of a day that a mean rests on; a station that gives one value a day gives its mean. */
  hours: 12,
} as const;

const DAY_MS = 86_400_000;

interface Days {
  day: number;
  sum: number;
  n: number;
}
/** The day in hand and the one before it. */
interface Course {
  now: Days;
  before: Days;
}
interface Beside {
  station: string;
  course: Course;
  days: number;
  meanBox: number;
  meanAir: number;
  varBox: number;
  varAir: number;
}

export interface BesideState {
  stations: Map<string, { lat: number; lon: number; course: Course }>;
  boxes: Map<number, Beside>;
}

const newCourse = (): Course => ({ now: { day: -1, sum: 0, n: 0 }, before: { day: -1, sum: 0, n: 0 } });
/** True when a day has ended by it. */
function add(course: Course, day: number, x: number): boolean {
  if (day < course.now.day) return false;
  const ended = day > course.now.day;
  if (ended) {
    course.before = course.now;
    course.now = { day, sum: 0, n: 0 };
  }
  course.now.sum += x;
  course.now.n++;
  return ended;
}

export class BesideStations {
  #s: BesideState = { stations: new Map(), boxes: new Map() };
  /** Grows with every station; for which of it the station of a thing was sought, by number. */
  #version = 1;
  #sought = new Int32Array(1024);

  setStation(id: string, lat: number | null, lon: number | null): void {
    this.#version++;
    if (lat === null || lon === null) this.#s.stations.delete(id);
    else this.#s.stations.set(id, { lat, lon, course: this.#s.stations.get(id)?.course ?? newCourse() });
  }

  /** The nearest station within reach; a box that is moved begins anew. */
  #seek(thingNum: number, lat: number, lon: number): void {
    if (thingNum >= this.#sought.length) {
      const grown = new Int32Array(Math.max(thingNum + 1, 2 * this.#sought.length));
      grown.set(this.#sought);
      this.#sought = grown;
    }
    this.#sought[thingNum] = this.#version;
    let [station, nearest] = ['', BESIDE.km as number];
    for (const [id, s] of this.#s.stations) {
      if (Math.abs(s.lat - lat) > BESIDE.km / 110) continue;
      const km = distanceKm(lat, lon, s.lat, s.lon);
      if (km < nearest) [station, nearest] = [id, km];
    }
    if (this.#s.boxes.get(thingNum)?.station === station) return;
    if (station === '') this.#s.boxes.delete(thingNum);
    else this.#s.boxes.set(thingNum, { station, course: newCourse(), days: 0, meanBox: 0, meanAir: 0, varBox: 0, varAir: 0 }); // prettier-ignore
  }

  /** A sound reading of PM2.5 [µg/m³] of a box that hangs there. */
  take(thingNum: number, timeMs: number, x: number, lat: number, lon: number): void {
    if (this.#s.stations.size === 0) return;
    if (this.#sought[thingNum] !== this.#version) this.#seek(thingNum, lat, lon);
    const box = this.#s.boxes.get(thingNum);
    if (box && x >= 0) add(box.course, Math.floor(timeMs / DAY_MS), x);
  }

  reference(values: readonly ReferenceValue[]): void {
    for (const v of values) {
      const station = this.#s.stations.get(v.station);
      if (!station || !(v.pm25 > -10 && v.pm25 < 1000)) continue;
      if (add(station.course, Math.floor(v.time / DAY_MS), Math.max(0, v.pm25))) this.#close(v.station, station.course.before); // prettier-ignore
    }
  }

  #close(id: string, air: Days): void {
    if (air.n === 0 || (air.n > 1 && air.n < BESIDE.hours)) return;
    const y = Math.log(air.sum / air.n + 3);
    for (const box of this.#s.boxes.values()) {
      if (box.station !== id) continue;
      const mine = box.course.now.day === air.day ? box.course.now : box.course.before;
      if (mine.day !== air.day || mine.n === 0) continue;
      const x = Math.log(mine.sum / mine.n + 3);
      box.days = Math.min(BESIDE.memoryDays, box.days + 1);
      const w = 1 / box.days;
      const [dx, dy] = [x - box.meanBox, y - box.meanAir];
      box.meanBox += w * dx;
      box.meanAir += w * dy;
      box.varBox = (1 - w) * (box.varBox + w * dx * dx);
      box.varAir = (1 - w) * (box.varAir + w * dy * dy);
    }
  }

  /** Whether the box moves so much less than the air that it must hang indoors. */
  isIndoor(thingNum: number): boolean {
    const box = this.#s.boxes.get(thingNum);
    if (!box || box.days < BESIDE.leastDays || box.varAir < BESIDE.leastSd ** 2) return false;
    return box.varBox < BESIDE.share ** 2 * box.varAir;
  }

  state(): BesideState {
    return this.#s;
  }
  restore(from: BesideState): void {
    this.#s = structuredClone(from);
    this.#version++;
  }
}

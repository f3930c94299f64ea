/**
 * Temperature and humidity of boxes against the stations around (calibration note §2.6). A case in the sun is too warm, a box on a hill colder:
 * the difference to the stations is followed as offset + slope · sine of the sun's elevation, and taken off. Humidity keeps the water that is in the
 * air: what the chip says at the temperature of its case is worked out for the corrected temperature, and what is then left over taken off.
 * About 130 bytes a box near a station.
 */
import { sunElevation } from '../geo/sun.ts';
import { distanceKm } from '../geo/distance.ts';
import { type PoolState, RecordPool, ThingIndex } from '../qc/pool.ts';

export const WEATHER = {
  /** A station further than this shares the weather no more [km]. */
  reachKm: 15,
  /** Stations that speak for a box. */
  stations: 3,
  /** Half-life of what was learnt [h]. */
  halfLifeH: 14 * 24,
  /** Hours beside stations before anything is corrected. */
  least: 72,
  /** Prior: an offset of 0 ± 3 °C and a case that is 0 ± 4 °C too warm under a sun in the zenith; noise of an hour 1 °C. */
  offsetSd: 3,
  sunSd: 4,
  noiseSd: 1,
  /** Residual humidity 0 ± 10 %, noise of an hour 4 %. */
  humiditySd: 10,
  humidityNoise: 4,
  /** No box stands so far off that it could be put right [°C]. */
  mostOff: 15,
  /** Half width of the first intervals in standard deviations of the hours before; then so that nine of ten hold. */
  quantile: 1.7,
  quantileStep: 0.02,
} as const;

/** Saturation pressure over water [hPa] (Alduchov & Eskridge 1996, J. Appl. Meteor. 35:601, eq. 21). */
export const saturation = (t: number): number => 6.1094 * Math.exp((17.625 * t) / (243.04 + t));

const RING = 4;
const W = {
  /** Hour in hand (since 1970), sums and counts. */
  hour: 0,
  sumT: 1,
  nT: 2,
  sumH: 3,
  nH: 4,
  /** Finished hours that wait for their reference: hour, temperature, humidity. */
  ring: 5,
  /** Normal equations of temperature: Σ1, Σs, Σss, Σr, Σrs. */
  n: 5 + 3 * RING,
  s: 6 + 3 * RING,
  ss: 7 + 3 * RING,
  r: 8 + 3 * RING,
  rs: 9 + 3 * RING,
  /** Mean square of errors made before the reference was known, and how many hours [since the start, at most 1e6]. */
  errT: 10 + 3 * RING,
  hours: 11 + 3 * RING,
  /** Σ1 and Σr of humidity, mean square of its errors. */
  hn: 12 + 3 * RING,
  hr: 13 + 3 * RING,
  errH: 14 + 3 * RING,
  hoursH: 15 + 3 * RING,
} as const;
const WORDS = 16 + 3 * RING;

export interface WeatherStation {
  readonly id: string;
  readonly lat: number;
  readonly lon: number;
}

/** One hour mean of a station. `time` = start of the hour [ms]. */
export interface StationWeather {
  readonly station: string;
  readonly time: number;
  /** Wind as what the air does: metres a second towards east and north. */
  readonly property: 'temperature' | 'humidity' | 'wind_east' | 'wind_north';
  readonly value: number;
}

interface Place {
  readonly lat: number;
  readonly lon: number;
  /** Stations within reach, nearest first. */
  readonly near: readonly { readonly id: string; readonly km: number }[];
}

export interface Estimate {
  readonly value: number;
  /** Half width of the 90 % interval. */
  readonly half: number;
  readonly km: number;
}

export class Weather {
  readonly pool = new RecordPool(WORDS);
  readonly #record = new ThingIndex();
  /** All stations, and those of them that measure weather. */
  #known = new Map<string, WeatherStation>();
  #stations: WeatherStation[] = [];
  /** Places of boxes by thing number, NaN = none; and those with stations in reach, made from places and stations. */
  #lat: Float64Array = new Float64Array(1024).fill(Number.NaN);
  #lon: Float64Array = new Float64Array(1024).fill(Number.NaN);
  readonly #places = new Map<number, Place>();
  #quantile = { temperature: WEATHER.quantile as number, humidity: WEATHER.quantile as number };

  /** False = no station here measures weather: nothing can be corrected, nothing has to be remembered. */
  get useful(): boolean {
    return this.#stations.length > 0;
  }

  setStation(station: WeatherStation): void {
    this.#known.set(station.id, station);
    if (this.#stations.some((s) => s.id === station.id)) this.#use(station);
  }

  #use(station: WeatherStation): void {
    this.#stations = [...this.#stations.filter((s) => s.id !== station.id), station];
    for (let num = 0; num < this.#lat.length; num++) if (!Number.isNaN(this.#lat[num])) this.#look(num);
  }

  /** @param lat null = the box has no place any more */
  setPlace(thingNum: number, lat: number | null, lon: number | null): void {
    if (thingNum >= this.#lat.length) {
      this.#lat = grown(this.#lat, thingNum);
      this.#lon = grown(this.#lon, thingNum);
    }
    const moved = Math.abs((this.#lat[thingNum] as number) - (lat ?? NaN)) > 0.002 || Math.abs((this.#lon[thingNum] as number) - (lon ?? NaN)) > 0.002; // prettier-ignore
    if (moved) this.#forget(thingNum);
    this.#lat[thingNum] = lat ?? Number.NaN;
    this.#lon[thingNum] = lon ?? Number.NaN;
    this.#look(thingNum);
  }

  #look(thingNum: number): void {
    const lat = this.#lat[thingNum] as number;
    const lon = this.#lon[thingNum] as number;
    const near = this.#stations
      .filter((s) => Math.abs(s.lat - lat) < WEATHER.reachKm / 110)
      .map((s) => ({ id: s.id, km: distanceKm(lat, lon, s.lat, s.lon) }))
      .filter((s) => s.km <= WEATHER.reachKm)
      .sort((a, b) => a.km - b.km || (a.id < b.id ? -1 : 1))
      .slice(0, WEATHER.stations);
    if (near.length > 0) this.#places.set(thingNum, { lat, lon, near });
    else this.#places.delete(thingNum);
  }

  #forget(thingNum: number): void {
    const record = this.#record.get(thingNum);
    if (record === 0) return;
    const at = this.pool.offset(record);
    this.pool.u32(record).fill(0, at, at + WORDS);
  }

  /** Takes in a sound reading; NaN = not measured. @param t [s] */
  take(thingNum: number, t: number, temperature: number, humidity: number): void {
    if (!this.#places.has(thingNum) || Number.isNaN(temperature)) return;
    let record = this.#record.get(thingNum);
    if (record === 0) {
      record = this.pool.add();
      this.#record.set(thingNum, record);
    }
    const f = this.pool.f32(record);
    const u = this.pool.u32(record);
    const at = this.pool.offset(record);
    const hour = Math.floor(t / 3600);
    const current = u[at + W.hour] as number;
    if (hour < current) return;
    if (hour > current) {
      if ((f[at + W.nT] as number) > 0) {
        const slot = at + W.ring + 3 * (current % RING);
        u[slot] = current;
        f[slot + 1] = (f[at + W.sumT] as number) / (f[at + W.nT] as number);
        f[slot + 2] = (f[at + W.nH] as number) > 0 ? (f[at + W.sumH] as number) / (f[at + W.nH] as number) : Number.NaN;
      }
      u[at + W.hour] = hour;
      f[at + W.sumT] = f[at + W.nT] = f[at + W.sumH] = f[at + W.nH] = 0;
    }
    f[at + W.sumT] = (f[at + W.sumT] as number) + temperature;
    f[at + W.nT] = (f[at + W.nT] as number) + 1;
    if (Number.isNaN(humidity)) return;
    f[at + W.sumH] = (f[at + W.sumH] as number) + humidity;
    f[at + W.nH] = (f[at + W.nH] as number) + 1;
  }

  /** Hours of stations that have become known. */
  reference(values: readonly StationWeather[]): void {
    const byHour = new Map<number, Map<string, { temperature: number; humidity: number }>>();
    for (const v of values) {
      if (!Number.isFinite(v.value) || v.property === 'wind_east' || v.property === 'wind_north') continue;
      const station = this.#known.get(v.station);
      if (station && !this.#stations.includes(station)) this.#use(station);
      const hour = Math.floor(v.time / 3_600_000);
      let stations = byHour.get(hour);
      if (!stations) byHour.set(hour, (stations = new Map()));
      const at = stations.get(v.station) ?? { temperature: Number.NaN, humidity: Number.NaN };
      at[v.property] = v.value;
      stations.set(v.station, at);
    }
    for (const [hour, stations] of [...byHour].sort(([a], [b]) => a - b))
      for (const [num, place] of this.#places) this.#pair(num, place, hour, stations);
  }

  #pair(
    num: number,
    place: Place,
    hour: number,
    stations: ReadonlyMap<string, { temperature: number; humidity: number }>,
  ): void {
    const record = this.#record.get(num);
    if (record === 0) return;
    const f = this.pool.f32(record);
    const u = this.pool.u32(record);
    const at = this.pool.offset(record);
    const slot = at + W.ring + 3 * (hour % RING);
    const inHand = u[at + W.hour] === hour && (f[at + W.nT] as number) > 0;
    if (!inHand && u[slot] !== hour) return;
    const temperature = inHand ? (f[at + W.sumT] as number) / (f[at + W.nT] as number) : (f[slot + 1] as number);
    const humidity = inHand ? (f[at + W.sumH] as number) / (f[at + W.nH] as number) : (f[slot + 2] as number);
    const t = mean(place, stations, 'temperature');
    if (Number.isNaN(t) || Math.abs(temperature - t) > WEATHER.mostOff) return;
    const sun = sunAt(place, (hour + 0.5) * 3600);
    const r = temperature - t;
    const before = this.#off(f, at, sun);
    const hours = f[at + W.hours] as number;
    if (hours >= WEATHER.least / 2) this.#learnWidth('temperature', Math.abs(r - before), f, at + W.errT, hours);
    const keep = 2 ** (-1 / WEATHER.halfLifeH);
    for (const [field, x] of [
      [W.n, 1],
      [W.s, sun],
      [W.ss, sun * sun],
      [W.r, r],
      [W.rs, r * sun],
    ] as const)
      f[at + field] = keep * (f[at + field] as number) + x;
    f[at + W.hours] = Math.min(1e6, hours + 1);

    const h = mean(place, stations, 'humidity');
    if (Number.isNaN(h) || Number.isNaN(humidity)) return;
    const left = atTemperature(humidity, temperature, temperature - before) - h;
    const hoursH = f[at + W.hoursH] as number;
    if (hoursH >= WEATHER.least / 2)
      this.#learnWidth('humidity', Math.abs(left - this.#leftOver(f, at)), f, at + W.errH, hoursH);
    f[at + W.hn] = keep * (f[at + W.hn] as number) + 1;
    f[at + W.hr] = keep * (f[at + W.hr] as number) + left;
    f[at + W.hoursH] = Math.min(1e6, hoursH + 1);
  }

  /** Follows the size of errors, and how many standard deviations hold nine of ten of them. */
  #learnWidth(of: 'temperature' | 'humidity', error: number, f: Float32Array, field: number, hours: number): void {
    const ms = f[field] as number;
    if (ms > 0) {
      const outside = error > this.#quantile[of] * Math.sqrt(ms);
      const moved = this.#quantile[of] + WEATHER.quantileStep * ((outside ? 1 : 0) - 0.1);
      this.#quantile[of] = Math.min(4, Math.max(1, moved));
    }
    const w = Math.max(1 / 200, 1 / (hours - WEATHER.least / 2 + 1));
    f[field] = ms + w * (error * error - ms);
  }

  /** What the case is too warm by [°C]. */
  #off(f: Float32Array, at: number, sun: number): number {
    const noise = WEATHER.noiseSd ** 2;
    const n = (f[at + W.n] as number) + noise / WEATHER.offsetSd ** 2;
    const s = f[at + W.s] as number;
    const ss = (f[at + W.ss] as number) + noise / WEATHER.sunSd ** 2;
    const r = f[at + W.r] as number;
    const rs = f[at + W.rs] as number;
    const determinant = n * ss - s * s;
    return (r * ss - rs * s + sun * (n * rs - s * r)) / determinant;
  }

  #leftOver(f: Float32Array, at: number): number {
    const prior = (WEATHER.humidityNoise / WEATHER.humiditySd) ** 2;
    return (f[at + W.hr] as number) / ((f[at + W.hn] as number) + prior);
  }

  /** Air temperature [°C] from what the box says; null = no station near, or not long enough beside it. @param t [s] */
  temperature(thingNum: number, t: number, x: number): Estimate | null {
    const place = this.#places.get(thingNum);
    const record = this.#record.get(thingNum);
    if (!place || record === 0) return null;
    const f = this.pool.f32(record);
    const at = this.pool.offset(record);
    if ((f[at + W.hours] as number) < WEATHER.least) return null;
    const value = x - this.#off(f, at, sunAt(place, t));
    if (!Number.isFinite(value)) return null;
    return { value, half: this.#half(f, at + W.errT, 'temperature', 0.3), km: place.near[0]?.km ?? 0 };
  }

  /** Relative humidity of the air [%] from chip and case temperature. */
  humidity(thingNum: number, x: number, caseTemperature: number, airTemperature: number): Estimate | null {
    const place = this.#places.get(thingNum);
    const record = this.#record.get(thingNum);
    if (!place || record === 0) return null;
    const f = this.pool.f32(record);
    const at = this.pool.offset(record);
    if ((f[at + W.hoursH] as number) < WEATHER.least) return null;
    const value = atTemperature(x, caseTemperature, airTemperature) - this.#leftOver(f, at);
    if (!Number.isFinite(value)) return null;
    return {
      value: Math.min(100, Math.max(0, value)),
      half: this.#half(f, at + W.errH, 'humidity', 2),
      km: place.near[0]?.km ?? 0,
    };
  }

  #half(f: Float32Array, field: number, of: 'temperature' | 'humidity', least: number): number {
    return Math.max(least, this.#quantile[of] * Math.sqrt(f[field] as number));
  }

  snapshot(): WeatherState {
    return { pool: this.pool.snapshot(), record: this.#record.snapshot(), quantile: { ...this.#quantile }, known: [...this.#known.values()], stations: this.#stations.map((s) => s.id), lat: this.#lat, lon: this.#lon }; // prettier-ignore
  }
  restore(from: WeatherState): void {
    this.pool.restore(from.pool);
    this.#record.restore(from.record);
    this.#quantile = { ...from.quantile };
    this.#known = new Map(from.known.map((s) => [s.id, s]));
    this.#stations = from.known.filter((s) => from.stations.includes(s.id));
    this.#places.clear();
    this.#lat = from.lat.slice();
    this.#lon = from.lon.slice();
    if (this.useful)
      for (let num = 0; num < this.#lat.length; num++) if (!Number.isNaN(this.#lat[num])) this.#look(num);
  }
}

export interface WeatherState {
  pool: PoolState;
  record: Uint32Array;
  quantile: { temperature: number; humidity: number };
  known: WeatherStation[];
  stations: string[];
  lat: Float64Array;
  lon: Float64Array;
}

function grown(array: Float64Array, holds: number): Float64Array {
  const out = new Float64Array(Math.max(holds + 1, 2 * array.length)).fill(Number.NaN);
  out.set(array);
  return out;
}

/** Sine of the sun's elevation, 0 at night. */
const sunAt = (place: Place, t: number): number =>
  Math.max(0, Math.sin((sunElevation(t * 1000, place.lat, place.lon) * Math.PI) / 180));

/** What the same air would show at another temperature [%]. */
export const atTemperature = (humidity: number, from: number, to: number): number =>
  (humidity * saturation(from)) / saturation(to);

/** Mean of the stations around, the nearer the more. */
function mean(
  place: Place,
  stations: ReadonlyMap<string, { temperature: number; humidity: number }>,
  of: 'temperature' | 'humidity',
): number {
  let sum = 0;
  let weights = 0;
  for (const { id, km } of place.near) {
    const x = stations.get(id)?.[of] ?? Number.NaN;
    if (Number.isNaN(x)) continue;
    const w = 1 / (1 + km * km);
    sum += w * x;
    weights += w;
  }
  return weights === 0 ? Number.NaN : sum / weights;
}

/** The weather around the reading in hand, from the boxes of its neighbourhood; and the wind of boxes and stations for the plume test. */
import { FLAG } from '../../model/flags.ts';
import type { CheckedReading, RawReading } from '../../model/observation.ts';
import { property } from '../../model/properties.ts';
import type { EpochMs } from '../../model/time.ts';
import { isPlace } from '../geo/distance.ts';
import { sunElevation } from '../geo/sun.ts';
import type { StageStation, StationWeather } from '../stage.ts';
import { type Plumes, towards } from './downwind.ts';
import type { Draft } from './draft.ts';
import { S, type Sites } from './sites.ts';
import { refreshWeather } from './spatial.ts';
import type { Tiles } from './tiles.ts';

const PM25 = property('pm25').num;
const TEMPERATURE = property('temperature').num;
const HUMIDITY = property('humidity').num;
const WIND_SPEED = property('wind_speed').num;
const WIND_DIRECTION = property('wind_direction').num;

/** Temperature [°C] and humidity [%] at the reading in hand, as the boxes around it show them; NaN = not known. */
export class WeatherAround {
  temperature = Number.NaN;
  humidity = Number.NaN;
  readonly #sites: Sites;
  readonly #tiles: Tiles;
  #site = 0;

  constructor(sites: Sites, tiles: Tiles) {
    this.#sites = sites;
    this.#tiles = tiles;
  }

  /** Looks around a reading whose values stand in `values` by property number. */
  aim({ thingNum, phenomenonTime }: RawReading, values: Float64Array): void {
    this.#site = this.#sites.get(thingNum);
    this.temperature = this.humidity = Number.NaN;
    if (this.#site === 0) return;
    if (Number.isNaN(values[TEMPERATURE]) && Number.isNaN(values[HUMIDITY]) && Number.isNaN(values[PM25])) return;
    const t = Math.floor(phenomenonTime / 1000);
    const tile = this.#tiles.tileOf(this.#site, t);
    if (!tile) return;
    refreshWeather(this.#sites, tile, t);
    this.temperature = tile.temperature;
    this.humidity = tile.humidity;
  }

  /** The sun's elevation at the place of the reading [degrees]. */
  sun(t: EpochMs): number {
    const sites = this.#sites;
    return this.#site === 0
      ? Number.NaN
      : sunElevation(t, sites.read(this.#site, S.lat), sites.read(this.#site, S.lon));
  }

  /** What a box says of the weather, for those around it. */
  remember(site: number, { phenomenonTime }: RawReading, draft: Draft): void {
    const sites = this.#sites;
    for (const v of draft.values) {
      if (v.flag !== FLAG.good) continue;
      if (v.property === 'temperature') sites.write(site, S.temperature, v.raw);
      else if (v.property === 'humidity') sites.write(site, S.humidity, v.raw < 99.9 ? v.raw : Number.NaN);
      else continue;
      sites.writeInteger(site, S.weatherTime, Math.max(0, Math.floor(phenomenonTime / 1000)));
    }
  }

  /** What stands in for the box's own humidity where that says nothing; `aim` has looked around. */
  standIn(draft: Draft): CheckedReading['around'] {
    if (draft.a < 0 || Number.isNaN(this.humidity) || Number.isNaN(this.temperature)) return undefined;
    const own = draft.values.find((v) => v.property === 'humidity');
    if (own && own.flag <= FLAG.notEvaluated) return undefined;
    return { temperature: this.temperature, humidity: this.humidity };
  }
}

export type Stations = Map<string, { lat: number; lon: number }>;

/** Passes on to the plumes what boxes with a vane and stations say of the wind. */
export class Winds {
  /** Where stations stand: some measure the wind. */
  readonly stations: Stations = new Map();
  readonly #plumes: Plumes;
  readonly #sites: Sites;

  constructor(plumes: Plumes, sites: Sites) {
    this.#plumes = plumes;
    this.#sites = sites;
  }

  setStation({ id, lat, lon }: StageStation): void {
    if (isPlace(lat, lon)) this.stations.set(id, { lat: lat as number, lon: lon as number });
    else this.stations.delete(id);
  }

  /** Wind of a box with a vane, its values by property number. */
  ofBox(site: number, { thing, phenomenonTime }: RawReading, values: Float64Array): void {
    const [speed, direction] = [values[WIND_SPEED] as number, values[WIND_DIRECTION] as number];
    if (!(speed >= 0 && speed <= 60 && direction >= 0 && direction <= 360)) return;
    const { east, north } = towards(speed, direction);
    this.#plumes.wind(
      thing,
      this.#sites.read(site, S.lat),
      this.#sites.read(site, S.lon),
      Math.floor(phenomenonTime / 1000),
      east,
      north,
    );
  }

  /** Hour means of the wind at stations; both components of an hour come together. */
  ofStations(values: readonly StationWeather[]): void {
    for (const { station, time, property: key, value } of values) {
      if (key !== 'wind_east') continue;
      const place = this.stations.get(station);
      const north = values.find((v) => v.property === 'wind_north' && v.station === station && v.time === time);
      if (place && north)
        this.#plumes.wind(station, place.lat, place.lon, Math.floor(time / 1000) + 1800, value, north.value);
    }
  }

  restore(stations: Stations): void {
    this.stations.clear();
    for (const [id, place] of stations) this.stations.set(id, place);
  }
}

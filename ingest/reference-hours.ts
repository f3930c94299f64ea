/**
 * Hour means of what reference stations publish, which is what the calibration stage takes.
 *
 * A station may send every minute or once an hour with the hour's mean (the time of a reading is the start of its averaging
 * interval): an hour is closed one minute after its end by the receive clock, with the mean of the readings that came by then.
 * A station that sends hourly sends after the end, so its hour closes at once; so does an hour that arrives late as a whole.
 * An hour that was closed is not opened again: what models have seen does not change. Hours begin on the UTC hour.
 */
import { towards } from '../calibration/qc/downwind.ts';
import type { ReferenceValue, StationWeather } from '../calibration/stage.ts';
import type { RawValue } from '../model/observation.ts';
import { property } from '../model/properties.ts';
import { HOUR, MINUTE, type EpochMs } from '../model/time.ts';

export const REFERENCE_STEP = HOUR;
const GRACE = MINUTE;
/** How many closed hours a station remembers as closed; older ones count as closed. */
const REMEMBERED_HOURS = 24 * 14;

interface OpenHour {
  sum: number;
  count: number;
}

export interface StationHours {
  readonly open: Map<EpochMs, OpenHour>;
  readonly closed: Set<EpochMs>;
}

export interface ReferenceHours {
  add(station: string, time: EpochMs, pm25: number): void;
  /** Hours that are complete at receive time `now`, ordered by (time, station); each is given once. */
  close(now: EpochMs): ReferenceValue[];
  state(): Map<string, StationHours>;
  /** Absent = nothing (a state from before that was kept). */
  restore(state: Map<string, StationHours> | undefined): void;
}

/** What of a station's weather is averaged into hours like its PM2.5. */
export const WEATHER_KEYS = ['temperature', 'humidity', 'wind_east', 'wind_north'] as const;
export type WeatherHours = Record<(typeof WEATHER_KEYS)[number], ReferenceHours>;
export const weatherHours = (): WeatherHours => ({
  temperature: referenceHours(),
  humidity: referenceHours(),
  wind_east: referenceHours(),
  wind_north: referenceHours(),
});
const AIR_KEYS = ['temperature', 'humidity'] as const;

/** Takes in the weather of a reading of a station that can be a measurement. */
export function addWeather(hours: WeatherHours, station: string, time: EpochMs, values: readonly RawValue[]): void {
  const plausible = (key: 'temperature' | 'humidity' | 'wind_speed' | 'wind_direction'): number => {
    const raw = values.find((x) => x.property === key)?.raw ?? NaN;
    const [low, high] = property(key).plausible;
    return raw >= low && raw <= high ? raw : NaN;
  };
  for (const key of AIR_KEYS) {
    const raw = plausible(key);
    if (!Number.isNaN(raw)) hours[key].add(station, time, raw);
  }
  const wind = towards(plausible('wind_speed'), plausible('wind_direction'));
  if (Number.isNaN(wind.east)) return;
  hours.wind_east.add(station, time, wind.east);
  hours.wind_north.add(station, time, wind.north);
}

export const closeWeather = (hours: WeatherHours, now: EpochMs): StationWeather[] =>
  WEATHER_KEYS.flatMap((key) =>
    hours[key].close(now).map(({ station, time, pm25: value }) => ({ station, time, property: key, value })),
  );

export const stateOfWeather = (
  hours: WeatherHours,
): Record<(typeof WEATHER_KEYS)[number], Map<string, StationHours>> => ({
  temperature: hours.temperature.state(),
  humidity: hours.humidity.state(),
  wind_east: hours.wind_east.state(),
  wind_north: hours.wind_north.state(),
});

export function referenceHours(): ReferenceHours {
  let stations = new Map<string, StationHours>();
  return {
    add(station, time, pm25) {
      let hours = stations.get(station);
      if (!hours) stations.set(station, (hours = { open: new Map(), closed: new Set() }));
      const start = Math.floor(time / HOUR) * HOUR;
      if (hours.closed.has(start)) return;
      const hour = hours.open.get(start);
      if (hour) {
        hour.sum += pm25;
        hour.count++;
      } else hours.open.set(start, { sum: pm25, count: 1 });
    },
    close(now) {
      const values: ReferenceValue[] = [];
      for (const [station, hours] of stations) {
        for (const [start, hour] of hours.open) {
          if (start + HOUR + GRACE > now) continue;
          values.push({ station, time: start, pm25: hour.sum / hour.count });
          hours.open.delete(start);
          hours.closed.add(start);
          if (hours.closed.size > REMEMBERED_HOURS) hours.closed.delete(hours.closed.values().next().value as EpochMs);
        }
      }
      return values.sort((a, b) => a.time - b.time || (a.station < b.station ? -1 : 1));
    },
    state: () => stations,
    restore(state) {
      stations = state ?? new Map();
    },
  };
}

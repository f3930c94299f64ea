/** Wind where something measures it, to see where a hot spot will go next. */
import { signal } from '@preact/signals';
import { HOUR, MINUTE, parseTime } from '../../model/time.ts';
import { get } from './api.ts';
import type { LatestFeature } from './features.ts';

export interface Wind {
  readonly lon: number;
  readonly lat: number;
  /** m/s */
  readonly speed: number;
  /** Degrees from north it comes from. */
  readonly from: number;
}

export const wind = signal<readonly Wind[]>([]);
const REFRESH_MS = 10 * MINUTE;
/** Older wind blew elsewhere. */
const MAX_AGE = 2 * HOUR;
let timer: ReturnType<typeof setTimeout> | undefined;

export function followWind(): void {
  clearTimeout(timer);
  void load().finally(() => (timer = setTimeout(followWind, REFRESH_MS)));
}
export function stopWind(): void {
  clearTimeout(timer);
  timer = undefined;
  wind.value = [];
}

async function load(): Promise<void> {
  try {
    const [direction, speed] = await Promise.all(
      ['wind_direction', 'wind_speed'].map((p) =>
        get<{ features: LatestFeature[] }>(`/api/v1/latest.geojson?property=${p}&level=raw`),
      ),
    );
    wind.value = pair(direction?.features ?? [], speed?.features ?? [], Date.now());
  } catch {
    return; // The map stands without; asked again later.
  }
}

/** Direction and speed of the same Thing and nearly the same moment, both of them passed. */
export function pair(direction: readonly LatestFeature[], speed: readonly LatestFeature[], now: number): Wind[] {
  const good = (f: LatestFeature): number | null => {
    const { value, flag, phenomenonTime } = f.properties;
    const time = parseTime(phenomenonTime ?? '');
    return value !== null && (flag === 1 || flag === 2) && time !== null && now - time <= MAX_AGE ? value : null;
  };
  const speeds = new Map(speed.map((f) => [f.properties.id, f]));
  return direction.flatMap((f): Wind[] => {
    const from = good(f);
    const other = speeds.get(f.properties.id);
    const mps = other ? good(other) : null;
    const [lon, lat] = f.geometry?.coordinates ?? [];
    if (from === null || mps === null || lon === undefined || lat === undefined) return [];
    return [{ lon, lat, speed: mps, from }];
  });
}

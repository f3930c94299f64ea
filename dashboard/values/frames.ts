/**
 * Hours of the past for playback: hourly means of every box as columns. From `/api/v1/frames` in one answer; a server without it
 * is asked for the boxes in sight one by one.
 */
import { HOUR, parseTime } from '../../model/time.ts';
import type { PropertyKey } from '../../model/properties.ts';
import { get, HttpError, observations } from './api.ts';
import { KIND, type BoxTable, type DataLevel } from './table.ts';

export interface Frames {
  readonly property: PropertyKey;
  readonly level: DataLevel;
  /** Start of the first hour. */
  readonly start: number;
  readonly hours: number;
  /** By id: one mean an hour, NaN = none. */
  readonly byId: ReadonlyMap<string, Float32Array>;
}

interface FramesAnswer {
  readonly start: string;
  readonly hours: number;
  readonly ids: readonly string[];
  readonly values: readonly (readonly (number | null)[])[];
}

const MAX_SINGLE = 150;
const AT_ONCE = 6;

export async function loadFrames(
  t: BoxTable,
  property: PropertyKey,
  level: DataLevel,
  from: number,
  to: number,
  inSight: () => readonly number[],
  signal: AbortSignal,
): Promise<Frames> {
  const start = Math.floor(from / HOUR) * HOUR;
  const hours = Math.ceil((to - start) / HOUR);
  const byId = new Map<string, Float32Array>();
  const q = new URLSearchParams({
    property,
    level,
    from: new Date(start).toISOString(),
    to: new Date(to).toISOString(),
  });
  try {
    const answer = await get<FramesAnswer>(`/api/v1/frames?${q}`, signal);
    const first = parseTime(answer.start) ?? start;
    answer.ids.forEach((id, i) =>
      byId.set(
        id,
        Float32Array.from(answer.values[i] ?? [], (v) => v ?? NaN),
      ),
    );
    const missing = level === 'corrected' && t.ids.some((id, row) => t.kind[row] === KIND.station && !byId.has(id));
    if (missing) {
      q.set('level', 'raw');
      const raw = await get<FramesAnswer>(`/api/v1/frames?${q}`, signal);
      raw.ids.forEach((id, i) => {
        if (t.kind[t.row(id)] === KIND.station)
          byId.set(
            id,
            Float32Array.from(raw.values[i] ?? [], (v) => v ?? NaN),
          );
      });
    }
    return { property, level, start: first, hours: answer.hours, byId };
  } catch (error) {
    if (!(error instanceof HttpError && error.status === 404)) throw error;
  }
  const queue = [...inSight()].slice(0, MAX_SINGLE);
  const work = async (): Promise<void> => {
    for (let row = queue.pop(); row !== undefined; row = queue.pop()) {
      const id = t.ids[row] as string;
      const column = new Float32Array(hours).fill(NaN);
      for (const o of await observations(
        id,
        property,
        t.kind[row] === KIND.station ? 'raw' : level,
        { from: start, to, interval: 'PT1H' },
        signal,
      )) {
        const i = Math.round((o.time - start) / HOUR);
        if (i >= 0 && i < hours && o.value !== null) column[i] = o.value;
      }
      byId.set(id, column);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { property, level, start, hours, byId };
}

/** The hour that holds `time`, as the table wants it. */
export function frameAt(t: BoxTable, frames: Frames, time: number): { time: number; value: Float32Array } {
  const i = Math.floor((time - frames.start) / HOUR);
  const value = new Float32Array(t.length).fill(NaN);
  for (let row = 0; row < t.length; row++) value[row] = frames.byId.get(t.ids[row] as string)?.[i] ?? NaN;
  return { time: frames.start + i * HOUR, value };
}

import { expect } from 'vitest';
import { parseTime } from '../../model/time.ts';
import type { Decoded, DecodedReading } from '../../ingest/decoder.ts';

/** What a row of a decoder table says about one reading. `place` in decimal degrees, within 1e-6 (0.1 m). */
export interface Wanted {
  readonly id?: string;
  /** RFC 3339; null = the box told no usable time. */
  readonly time?: string | null;
  readonly values?: Readonly<Record<string, number>>;
  readonly place?: readonly [number, number] | null;
  readonly source?: string;
  readonly note?: RegExp;
}

export const readingsOf = (decoded: Decoded): readonly DecodedReading[] => {
  if (!decoded.ok) throw new Error(`refused: ${decoded.code}: ${decoded.detail}`);
  return decoded.readings;
};

export const valuesOf = (r: DecodedReading): Record<string, number> =>
  Object.fromEntries(r.values.map((v) => [v.property, v.value]));

export function expectReading(reading: DecodedReading | undefined, wanted: Wanted): void {
  expect(reading).toBeDefined();
  const r = reading as DecodedReading;
  if (wanted.id !== undefined) expect(r.nativeId).toBe(wanted.id);
  if (wanted.time !== undefined) {
    const time = wanted.time === null ? null : parseTime(wanted.time);
    if (wanted.time !== null) expect(time, `${wanted.time} is no RFC 3339 time`).not.toBeNull();
    expect(r.time).toBe(time);
  }
  if (wanted.values !== undefined) {
    expect(valuesOf(r)).toEqual(wanted.values);
    expect(new Set(r.values.map((v) => v.property)).size).toBe(r.values.length);
  }
  if (wanted.place === null) expect(r.place).toBeNull();
  else if (wanted.place !== undefined) {
    expect(r.place?.lat).toBeCloseTo(wanted.place[0], 6);
    expect(r.place?.lon).toBeCloseTo(wanted.place[1], 6);
  }
  if (wanted.source !== undefined) expect(r.place?.source).toBe(wanted.source);
  if (wanted.note !== undefined) expect((r.notes ?? []).join('\n')).toMatch(wanted.note);
}

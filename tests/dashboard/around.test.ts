/** What lies round a place in time and space: the last day, the square that is followed, hot spots, editions of a link. */
import { describe, expect, it } from 'vitest';
import { means, since, trend } from '../../dashboard/values/lately.ts';
import { nearBox } from '../../dashboard/values/near.ts';
import { journey, peakOf, spotAt, type Hotspot } from '../../dashboard/values/hotspots.ts';
import { palette } from '../../dashboard/scales/scales.ts';
import { pair } from '../../dashboard/values/wind.ts';
import type { LatestFeature } from '../../dashboard/values/features.ts';
import { BoxTable, KIND } from '../../dashboard/values/table.ts';
import { formatWas, parseWas } from '../../dashboard/state/url.ts';

const HOUR = 3_600_000;
const T0 = Date.UTC(2026, 10, 21);
const tw = palette('tw_aqi', 'pm25', false, false);

describe('the last day at a place', () => {
  const table = new BoxTable();
  table.addThings({
    first: 0,
    ids: ['a', 'b', 'far', 'indoor', 'station'].join('\0'),
    names: '\0\0\0\0',
    lat: Float64Array.of(24, 24, 24.2, 24, 24),
    lon: Float64Array.of(121, 121.00985, 121, 121, 121),
    kind: Uint8Array.of(0, 0, 0, 0, KIND.station),
    exposure: Uint8Array.of(0, 0, 0, 1, 0),
    claimed: Uint8Array.of(1, 1, 1, 1, 1),
  });

  it('weighs boxes by nearness, leaves indoor ones, stations and far ones out, and says nothing where nothing is', () => {
    const found = means(
      table,
      {
        hours: 2,
        ids: ['a', 'b', 'far', 'indoor', 'station', 'unknown'],
        values: [
          [10, null],
          [20, null],
          [900, 900],
          [900, 900],
          [900, 900],
          [900, 900],
        ],
      },
      24,
      121,
    );
    // One at 0 km (weight 1 / 0.3), one at 1.0 km (weight 1 / 1.3).
    expect(found[0]).toBeCloseTo((10 / 0.3 + 20 / 1.3) / (1 / 0.3 + 1 / 1.3), 1);
    expect(found[1]).toBeNaN();
  });

  it('knows since when the class has been the same', () => {
    const day = { start: T0, means: [40, 20, NaN, 20, 25, 22] };
    expect(since(day, tw, 1)).toEqual({ time: T0 + 3 * HOUR, whole: false });
    expect(since({ start: T0, means: [20, 21] }, tw, 1)).toEqual({ time: T0, whole: true });
    expect(since(day, tw, 2)).toBeNull();
    expect(since({ start: T0, means: [] }, tw, 1)).toBeNull();
  });

  it('speaks of a change only when there is one', () => {
    const day = { start: T0, means: [1, 20, 30, 30] };
    expect(trend(day, 26, 3)).toBe('rising');
    expect(trend(day, 14, 3)).toBe('falling');
    expect(trend(day, 22, 3)).toBe('steady');
    expect(trend({ start: T0, means: [1, 2] }, 22, 3)).toBeNull();
    expect(trend({ start: T0, means: [NaN, 2, 2] }, 22, 3)).toBeNull();
  });
});

describe('the square that is followed live', () => {
  const at = (zoom: number, lon = 121): { lat: number; lon: number; zoom: number } => ({ lat: 24, lon, zoom });

  it('is everything for the country, and holds what is in sight and 10 km round the middle for a town', () => {
    expect(nearBox(at(8), 1280, 800, '')).toBe('');
    for (const zoom of [10, 12, 15]) {
      const [west, south, east, north] = nearBox(at(zoom), 1280, 800, '').split(',').map(Number) as [
        number,
        number,
        number,
        number,
      ];
      const half = (640 * 360) / (512 * 2 ** zoom);
      expect(east - 121).toBeGreaterThan(half);
      expect(121 - west).toBeGreaterThan(half);
      expect(Math.min(north - 24, 24 - south)).toBeGreaterThan(10 / 111.2);
    }
  });

  it('stays while one moves a little, follows when one goes far, shrinks when one goes close', () => {
    const first = nearBox(at(12), 1280, 800, '');
    expect(nearBox(at(12, 121.02), 1280, 800, first)).toBe(first);
    expect(nearBox(at(12, 122), 1280, 800, first)).not.toBe(first);
    const wide = nearBox(at(10), 1280, 800, '');
    expect(nearBox(at(16), 1280, 800, wide)).not.toBe(wide);
    expect(nearBox(at(8), 1280, 800, first)).toBe('');
  });
});

describe('hot spots', () => {
  const spot = (minutes: number, lat: number, lon: number, peak: number) => ({
    time: T0 + minutes * 60_000,
    lat,
    lon,
    peak,
    radiusKm: 1,
    boxes: 3,
    background: 20,
  });
  const h: Hotspot = {
    id: 'x',
    start: T0,
    end: T0 + HOUR,
    kind: 'moving',
    path: [spot(0, 24, 121, 50), spot(10, 24, 121.02, 80), spot(60, 24, 121.1, 60)],
  };

  it('are where they were last seen, and gone soon after', () => {
    expect(spotAt(h, T0 - 1)).toBeNull();
    expect(spotAt(h, T0 + 15 * 60_000)?.peak).toBe(80);
    expect(spotAt(h, T0 + 45 * 60_000)).toBeNull();
    expect(spotAt(h, T0 + 61 * 60_000)?.peak).toBe(60);
    expect(peakOf(h).peak).toBe(80);
  });

  it('tell how far, how fast and where to they went', () => {
    const way = journey(h);
    // 0.1 degrees of longitude on 24° N: 111.32 km × cos 24° × 0.1.
    expect(way.km).toBeCloseTo(10.17, 1);
    expect(way.bearing).toBeCloseTo(90, 0);
    expect(way.kmh).toBeCloseTo(10.17, 1);
    expect(journey({ ...h, path: [spot(0, 24, 121, 50)] })).toEqual({ km: 0, bearing: 0, kmh: 0 });
  });
});

describe('wind', () => {
  const feature = (id: string, value: number | null, minutesAgo = 5, flag = 1): LatestFeature =>
    ({
      geometry: { coordinates: [121, 24] },
      properties: { id, value, flag, phenomenonTime: new Date(T0 - minutesAgo * 60_000).toISOString() },
    }) as unknown as LatestFeature;

  it('needs a direction and a speed of the same place that are new and not doubted', () => {
    const found = pair(
      [feature('a', 270), feature('b', 90), feature('old', 90, 300), feature('odd', 90, 5, 4), feature('none', null)],
      [feature('a', 3), feature('old', 3), feature('odd', 3), feature('none', 3)],
      T0,
    );
    expect(found).toEqual([{ lon: 121, lat: 24, speed: 3, from: 270 }]);
  });
});

describe('what a link claims', () => {
  it('is read back with the edition it names, with none, and not at all where it is nonsense', () => {
    for (const claim of [
      { value: 14.9, model: 'pms-l4-012', product: 'archive', revision: 7 },
      { value: -0.3, model: '', product: '', revision: 0 },
      { value: 0, model: 'm', product: 'live', revision: 0 },
    ])
      expect(parseWas(formatWas(claim))).toEqual(claim);
    for (const text of ['14.9;m;golden.1', '14.9;m;live', '14.9;m;live.-1', 'x;m', '14.9', '1e9;m', '14.9;<b>'])
      expect(parseWas(text), text).toBeNull();
  });
});

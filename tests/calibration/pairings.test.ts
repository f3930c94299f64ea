import { describe, expect, it } from 'vitest';
import { findPairings } from '../../calibration/correction/colocation.ts';
import type { StageBox } from '../../calibration/stage.ts';

const KM = 1 / 111.2;
const box = (id: string, km: number, sensor: string): StageBox => ({
  id,
  num: 0,
  lat: 48 + km * KM,
  lon: 9,
  sensor,
  field: '',
  trusted: true,
  exposure: 'unknown',
});
const stations = [{ id: 's', num: 1, lat: 48, lon: 9 }];
const found = (boxes: StageBox[]) =>
  findPairings(boxes, stations, null).map(({ kind, pool, boxes: of }) => `${kind} ${pool} ${of.join(' ')}`);

describe('which boxes speak about the air at a station', () => {
  it('is one beside it, else those near it', () => {
    expect(found([box('a', 0.02, 'SDS011'), box('b', 2, 'SDS011'), box('c', 8, 'SDS011')])).toEqual([
      'own sds011 a',
      'near sds011 b',
    ]);
  });
  it('is those of the region where no two of a type are near any', () => {
    const far = [box('c', 8, 'SDS011'), box('d', 12, 'SDS011'), box('e', 30, 'SDS011')];
    expect(found(far)).toEqual(['near sds011 c d']);
    expect(found([...far, box('b', 2, 'SDS011')])).toEqual(['near sds011 b c d']);
    // Another type with boxes near the station changes nothing for these.
    expect(found([...far, box('p', 1, 'PMS5003'), box('q', 2, 'PMS5003')])).toEqual([
      'near plantower p q',
      'near sds011 c d',
    ]);
  });
  it('is none where one box alone stands far off', () => {
    expect(found([box('c', 8, 'SDS011')])).toEqual([]);
  });
  it('is never one that nobody has claimed: not beside the station, not near it, not declared, not to fill up a type', () => {
    const stranger = (id: string, km: number) => ({ ...box(id, km, 'SDS011'), trusted: false });
    expect(found([stranger('a', 0.02), stranger('b', 2), stranger('c', 3)])).toEqual([]);
    expect(findPairings([stranger('a', 0.02)], stations, [{ station: 's', box: 'a', from: -Infinity, to: Infinity }])).toEqual([]); // prettier-ignore
    expect(found([box('c', 8, 'SDS011'), stranger('d', 9)])).toEqual([]);
    // Whatever strangers there are, the pairings of the others stay as they are.
    const own = [box('b', 0.05, 'SDS011'), box('c', 8, 'SDS011'), box('d', 12, 'SDS011')];
    expect(found([...own, stranger('a', 0.01), stranger('e', 1), stranger('f', 10)])).toEqual(found(own));
  });
});

import { deserialize, serialize } from 'node:v8';
import * as fc from '../property.ts';
import { expect, test } from 'vitest';
import { unpackBoxes, type BoxColumns, type KeptBox } from '../../calibration/correction/box-columns.ts';
import { BoxRows, type BoxRowsState } from '../../calibration/correction/box-rows.ts';
import { newHistory } from '../../calibration/correction/history.ts';
import { Ids } from '../../calibration/correction/ids.ts';
import { DAY } from '../../model/time.ts';

const number = fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -Infinity));
const id = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.string({ minLength: 250, maxLength: 300 }));
const kept: fc.Arbitrary<KeptBox> = fc.record({
  box: fc.record(
    {
      id,
      num: fc.nat(),
      lat: fc.option(fc.double({ min: -90, max: 90, noNaN: true })),
      lon: fc.option(fc.double({ min: -180, max: 180, noNaN: true })),
      sensor: fc.constantFrom('PMS5003', 'SDS011', ''),
      field: fc.constantFrom('cf1' as const, 'atm' as const, '' as const),
      trusted: fc.boolean(),
      exposure: fc.constantFrom('outdoor' as const, 'indoor' as const, 'mobile' as const, 'unknown' as const),
      since: fc.integer({ min: 1, max: 0xffff }).map((day) => day * DAY),
    },
    { requiredKeys: ['id', 'num', 'lat', 'lon', 'sensor', 'field', 'trusted', 'exposure'] },
  ),
  own: fc.array(fc.nat(), { maxLength: 2 }),
  history: fc.constantFrom(null, newHistory(900_000)),
  fieldVersion: fc.integer(),
  fieldValue: number,
  fieldKm: number,
  gain: fc.record({ log: number, time: number, anchored: fc.boolean(), ratio: number, n: fc.nat() }),
  indoor: fc.boolean(),
});

function filled(boxes: readonly KeptBox[]): BoxRows {
  const rows = new BoxRows();
  for (const { box, gain, ...rest } of boxes) {
    const state = rows.put(box);
    Object.assign(state, rest);
    Object.assign(state.gain, gain);
  }
  return rows;
}
const found = (rows: BoxRows): KeptBox[] =>
  Array.from(rows.values(), (s) => {
    const { log, time, anchored, ratio, n } = s.gain;
    const { box, own, history, fieldVersion, fieldValue, fieldKm, indoor } = s;
    return { box, own, history, fieldVersion, fieldValue, fieldKm, gain: { log, time, anchored, ratio, n }, indoor };
  });

test('boxes in rows, written and read again, are the same, in the same order, and are found by id', () => {
  fc.assert(
    fc.property(fc.uniqueArray(kept, { selector: (k) => k.box.id, maxLength: 20 }), (boxes) => {
      const rows = filled(boxes);
      expect(found(rows)).toEqual(boxes);
      const again = new BoxRows();
      again.restore(deserialize(serialize(rows.state())) as BoxRowsState);
      expect(found(again)).toEqual(boxes);
      for (const { box } of boxes) expect(again.get(box.id)?.box).toEqual(box);
      expect(again.get('never heard of')).toBeUndefined();
    }),
  );
});

test('a state from before ages were kept is read: none is known', () => {
  const box = { id: 'a', num: 7, lat: 25, lon: 121, sensor: 'PMS5003', field: 'cf1' as const, trusted: true, exposure: 'outdoor' as const }; // prettier-ignore
  const rows = new BoxRows();
  rows.put({ ...box, since: 20_000 * DAY + 5 });
  expect(rows.get('a')?.box).toEqual({ ...box, since: 20_000 * DAY });
  const { since: _, ...earlier } = rows.state();
  rows.restore(earlier);
  expect(rows.get('a')?.box).toEqual(box);
  for (let i = 0; i < 1500; i++) rows.put({ ...box, id: `b${i}`, since: 20_000 * DAY });
  expect(rows.get('a')?.since).toBeNaN();
  expect(rows.get('b1499')?.since).toBe(20_000 * DAY);
});

test('what went into the network is kept; a state from before it was known has none', () => {
  const rows = new BoxRows();
  const box = { id: 'b', num: 1, lat: 1, lon: 2, sensor: '', field: '' as const, trusted: true, exposure: 'unknown' as const }; // prettier-ignore
  rows.put(box).seen = 12.5;
  const again = new BoxRows();
  again.restore(rows.state());
  expect(again.get('b')?.seen).toBe(12.5);
  const { seen: _, ...earlier } = rows.state();
  again.restore(earlier);
  expect(again.get('b')?.seen).toBeNaN();
  rows.put(box);
  expect(rows.get('b')?.seen).toBeNaN();
});

test('a box that is put again starts anew in its row', () => {
  fc.assert(
    fc.property(fc.uniqueArray(kept, { selector: (k) => k.box.id, minLength: 2, maxLength: 5 }), (boxes) => {
      const rows = filled(boxes);
      const [first] = boxes as [KeptBox];
      rows.put({ ...first.box, lat: 1, lon: 2 });
      expect(rows.size).toBe(boxes.length);
      const state = rows.get(first.box.id);
      expect(state?.box).toEqual({ ...first.box, lat: 1, lon: 2 });
      expect([state?.own, state?.history, state?.fieldVersion, state?.indoor, state?.gain.n]).toEqual([[], null, -1, false, 0]); // prettier-ignore
      expect(found(rows).slice(1)).toEqual(boxes.slice(1));
    }),
  );
});

test('thousands of ids are numbered in order, before and after they were written', () => {
  const ids = new Ids();
  const names = Array.from({ length: 5000 }, (_, i) => (i % 7 === 0 ? `臺北-${i}` : `box-${(i * 7919) % 100_000}`));
  for (const [i, name] of names.entries()) expect(ids.add(name)).toBe(i);
  const again = new Ids();
  again.restore(deserialize(serialize(ids.state())) as ReturnType<Ids['state']>);
  for (const some of [ids, again]) {
    expect(some.size).toBe(5000);
    for (const [i, name] of names.entries()) expect([some.find(name), some.text(i)]).toEqual([i, name]);
    expect(some.find('box-x')).toBe(-1);
  }
  expect(again.add('one more')).toBe(5000);
});

test('boxes of an earlier snapshot are read', () => {
  const box = { num: 7, lat: 25, lon: 121, sensor: 'PMS5003', field: 'cf1' as const, trusted: true, exposure: 'outdoor' as const }; // prettier-ignore
  const history = newHistory(900_000);
  const { sensor, field, trusted, exposure } = box;
  const earlier: BoxColumns = {
    ids: ['a', 'b'],
    kind: Uint32Array.of(0, 0),
    kinds: [{ sensor, field, trusted, exposure }],
    // One column behind the other: num, lat, lon, fieldVersion, fieldValue, fieldKm, log, time, ratio, n.
    numbers: Float64Array.of(
      7,
      8,
      25,
      NaN,
      121,
      NaN,
      3,
      -1,
      0.5,
      0,
      4,
      Infinity,
      NaN,
      0.1,
      -Infinity,
      9e11,
      0,
      1,
      0,
      5,
    ),
    bits: Uint8Array.of(0, 3),
    paired: new Map([[1, { own: [2], history }]]),
  };
  expect([...unpackBoxes(earlier)]).toEqual([
    { box: { id: 'a', ...box }, own: [], history: null, fieldVersion: 3, fieldValue: 0.5, fieldKm: 4, gain: { log: NaN, time: -Infinity, anchored: false, ratio: 0, n: 0 }, indoor: false }, // prettier-ignore
    { box: { id: 'b', ...box, num: 8, lat: null, lon: null }, own: [2], history, fieldVersion: -1, fieldValue: 0, fieldKm: Infinity, gain: { log: 0.1, time: 9e11, anchored: true, ratio: 1, n: 5 }, indoor: true }, // prettier-ignore
  ]);
});

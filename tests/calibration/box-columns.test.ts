import { deserialize, serialize } from 'node:v8';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packBoxes, unpackBoxes, type BoxColumns, type KeptBox } from '../../calibration/correction/box-columns.ts';
import { newHistory } from '../../calibration/correction/history.ts';

const number = fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -Infinity));
const kept: fc.Arbitrary<KeptBox> = fc.record({
  box: fc.record({
    id: fc.string(),
    num: fc.nat(),
    lat: fc.option(fc.double({ min: -90, max: 90, noNaN: true })),
    lon: fc.option(fc.double({ min: -180, max: 180, noNaN: true })),
    sensor: fc.constantFrom('PMS5003', 'SDS011', ''),
    field: fc.constantFrom('cf1' as const, 'atm' as const, '' as const),
    trusted: fc.boolean(),
    exposure: fc.constantFrom('outdoor' as const, 'indoor' as const, 'mobile' as const, 'unknown' as const),
  }),
  own: fc.array(fc.nat(), { maxLength: 2 }),
  history: fc.constantFrom(null, newHistory(900_000)),
  fieldVersion: fc.integer(),
  fieldValue: number,
  fieldKm: number,
  gain: fc.record({ log: number, time: number, anchored: fc.boolean(), ratio: number, n: fc.nat() }),
  indoor: fc.boolean(),
});

test('boxes packed into columns and written come back the same, in the same order', () => {
  fc.assert(
    fc.property(fc.uniqueArray(kept, { selector: (k) => k.box.id, maxLength: 20 }), (boxes) => {
      const columns = packBoxes(new Map(boxes.map((b) => [b.box.id, b])));
      expect([...unpackBoxes(deserialize(serialize(columns)) as BoxColumns)]).toEqual(boxes);
    }),
  );
});

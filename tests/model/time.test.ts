import * as fc from '../property.ts';
import { expect, test } from 'vitest';
import { parseTime } from '../../model/time.ts';

const time = fc
  .integer({ min: Date.UTC(1000, 0, 1), max: Date.UTC(9999, 11, 31) })
  .map((t) => new Date(t).toISOString());

test('times come back from their text, with and without thousandths', () => {
  fc.assert(
    fc.property(time, (text) => {
      expect(parseTime(text)).toBe(Date.parse(text));
      const seconds = `${text.slice(0, 19)}Z`;
      expect(parseTime(seconds)).toBe(Date.parse(seconds));
    }),
  );
  for (let ms = 0; ms < 1000; ms++) {
    const fraction = String(ms).padStart(3, '0');
    expect(parseTime(`2026-11-22T01:02:03.${fraction}Z`)).toBe(parseTime(`2026-11-22T01:02:03.${fraction}+00:00`));
  }
});

test('Z and +00:00 are the same, whatever is wrong before them', () => {
  const character = fc.constantFrom(...'0123456789-:.T Z'.split(''), 'é', '٣');
  fc.assert(
    fc.property(time, fc.boolean(), fc.nat({ max: 22 }), character, (text, short, at, c) => {
      const body = short ? text.slice(0, 19) : text.slice(0, 23);
      const odd = body.slice(0, at) + c + body.slice(at + 1);
      expect(parseTime(`${odd}Z`)).toBe(parseTime(`${odd}+00:00`));
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['2026-02-29T00:00:00Z', null],
  ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
  ['2026-04-31T00:00:00.000Z', null],
  ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
  ['2026-13-01T00:00:00Z', null],
  ['2026-11-22T24:00:00Z', null],
  ['2026-11-22T08:00:00+08:00', Date.UTC(2026, 10, 22)],
  ['2026-11-22T08:00:00', null],
])('%s', (text, expected) => {
  expect(parseTime(text)).toBe(expected);
});

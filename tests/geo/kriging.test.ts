import * as fc from '../property.ts';
import { describe, expect, it } from 'vitest';
import { distanceKm, isPlace } from '../../calibration/geo/distance.ts';
import { covarianceMatrix, createField, invertSpd, leaveOneOutResiduals } from '../../calibration/geo/kriging.ts';
import { createNeighbourIndex } from '../../calibration/geo/neighbours.ts';
import { sunElevation } from '../../calibration/geo/sun.ts';

const place = fc.record({
  lat: fc.double({ min: 22, max: 25, noNaN: true }),
  lon: fc.double({ min: 120, max: 122, noNaN: true }),
  value: fc.double({ min: 0, max: 100, noNaN: true }),
});

describe('distance', () => {
  it('Taipei 101 to Kaohsiung 85 Sky Tower is about 297 km', () =>
    expect(distanceKm(25.0338, 121.5646, 22.6117, 120.3003)).toBeCloseTo(298.6, 0));
  it('one degree of latitude is 111.19 km', () => expect(distanceKm(24, 121, 25, 121)).toBeCloseTo(111.19, 2));
  it.each([
    [24, 121, true],
    [0, 0, false],
    [91, 0, false],
    [null, 121, false],
    [Number.NaN, 121, false],
  ])('(%d, %d) is a place: %s', (lat, lon, yes) => expect(isPlace(lat, lon)).toBe(yes));
});

it('neighbours come in order of distance', () => {
  fc.assert(
    fc.property(fc.array(place, { minLength: 1, maxLength: 60 }), place, (places, at) => {
      const found = createNeighbourIndex(places).nearest(at.lat, at.lon, 8, 500);
      const wanted = places.map((p) => distanceKm(at.lat, at.lon, p.lat, p.lon)).toSorted((a, b) => a - b);
      expect(found.map((f) => f.km)).toEqual(found.map((f) => f.km).toSorted((a, b) => a - b));
      for (const [i, f] of found.entries()) expect(f.km).toBeCloseTo(wanted[i] as number, 6);
    }),
  );
});

describe('kriging', () => {
  it('all leave-one-out residuals of one inverse are those of leaving each out', () => {
    fc.assert(
      fc.property(fc.array(place, { minLength: 3, maxLength: 12 }), (places) => {
        const n = places.length;
        const y = places.map((p) => p.value);
        const inverse = invertSpd(covarianceMatrix(places, 10, 0.5), n);
        const quick = leaveOneOutResiduals(inverse, n, y);
        for (let i = 0; i < n; i++) {
          const p = places[i] as (typeof places)[number];
          const field = createField(places, {
            lengthKm: 10,
            nugget: 0.5,
            neighbours: n,
            maxKm: 1000,
            mean: 'estimated',
          });
          const left = field.at(p.lat, p.lon, (k) => k === i);
          expect(quick.residuals[i]).toBeCloseTo(p.value - left.value, 6);
          expect(quick.variances[i]).toBeCloseTo(left.variance + 0.5, 6);
        }
      }),
      { numRuns: 30 },
    );
  });
  it('far from everything it says the mean and a variance of at least 1', () => {
    const values = [
      { lat: 24, lon: 121, value: 10 },
      { lat: 24.1, lon: 121, value: 20 },
    ];
    const options = { lengthKm: 10, nugget: 0.5, neighbours: 8, maxKm: 1000 };
    const far = createField(values, { ...options, mean: 'estimated' }).at(27, 121);
    expect(far.value).toBeCloseTo(15, 6);
    expect(far.variance).toBeGreaterThan(1);
    expect(createField(values, { ...options, maxKm: 5, mean: 3 }).at(27, 121)).toMatchObject({ value: 3, used: 0 });
  });
  it('names the cure when the matrix is singular', () =>
    expect(() =>
      invertSpd(
        covarianceMatrix(
          [
            { lat: 1, lon: 1 },
            { lat: 1, lon: 1 },
          ],
          10,
          0,
        ),
        2,
      ),
    ).toThrow(/nugget/));
});

// NOAA Solar Calculator: Taipei 2024-06-21 12:00 +08:00, elevation 88.4°; 18:00, 8.5° (with refraction under 0.2°).
it.each([
  ['2024-06-21T04:00:00Z', 25.03, 121.56, 88.4],
  ['2024-06-21T16:00:00Z', 25.03, 121.56, -41.5],
])('sun at %s over %d, %d', (time, lat, lon, degrees) =>
  expect(Math.abs(sunElevation(Date.parse(time), lat, lon) - degrees)).toBeLessThan(0.6),
);

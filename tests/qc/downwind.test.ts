/** Plumes that come with the wind, and boxes that were moved. */
import { describe, expect, it } from 'vitest';
import { DOWNWIND, Plumes, towards } from '../../calibration/qc/downwind.ts';
import { createQc } from '../../calibration/qc/qc.ts';
import type { CheckedReading, RawReading } from '../../model/observation.ts';
import { pm25Of, random } from './town.ts';

const T = 1_772_323_200;
const LAT = 24;
const LON = 120.6;
/** Degrees of longitude of a kilometre there. */
const KM = 1 / (111.195 * Math.cos((LAT * Math.PI) / 180));

it('wind has the name of where it comes from', () => {
  expect(towards(3, 270).east).toBeCloseTo(3);
  expect(towards(3, 0).north).toBeCloseTo(-3);
});

describe('a rise downwind of another', () => {
  /** A rise at the west, wind from the west with 2 m/s; asked 3 km east of it, so many minutes later. */
  const asked = (minutes: number, speed = 2, direction = 270, km = 3, north = 0): boolean => {
    const plumes = new Plumes();
    const { east, north: n } = towards(speed, direction);
    plumes.wind('mast', LAT, LON, T, east, n);
    plumes.rises(1, LAT, LON, T);
    return plumes.explain(2, [1, 2], LAT + north / 111.195, LON + km * KM, T + 60 * minutes);
  };
  it('is air when it comes as late as the wind takes', () => expect(asked(25)).toBe(true));
  it.each([
    ['at once', asked(0)],
    ['far too soon', asked(5)],
    ['far too late', asked(90)],
    ['upwind', asked(25, 2, 90)],
    ['beside the way', asked(25, 2, 270, 1, 3)],
    ['in calm air', asked(25, 0.5)],
    ['too far away', asked(80, 2, 270, DOWNWIND.reachKm + 1)],
  ])('is none %s', (_, found) => expect(found).toBe(false));
  it('is none when nothing is known of the wind, or the rise upwind has lasted for hours', () => {
    const plumes = new Plumes();
    plumes.rises(1, LAT, LON, T);
    expect(plumes.explain(2, [1], LAT, LON + 3 * KM, T + 1500)).toBe(false);
    plumes.wind('mast', LAT, LON, T, 2, 0);
    expect(plumes.explain(2, [1], LAT, LON + 3 * KM, T + 1500)).toBe(true);
    for (let m = 10; m <= 180; m += 10) plumes.rises(1, LAT, LON, T + 60 * m);
    expect(plumes.explain(2, [1], LAT, LON + 3 * KM, T + 180 * 60 + 600)).toBe(false);
  });
  it('goes on after a restart, and forgets the oldest before it grows', () => {
    const plumes = new Plumes();
    plumes.wind('mast', LAT, LON, T, 2, 0);
    plumes.rises(1, LAT, LON, T);
    const again = new Plumes();
    again.restore(structuredClone(plumes.state()));
    expect(again.explain(2, [1], LAT, LON + 3 * KM, T + 1500)).toBe(true);
    for (let site = 3; site < DOWNWIND.most + 10; site++) again.rises(site, LAT, LON, T);
    expect(again.state().rises.size).toBe(DOWNWIND.most);
    expect(again.explain(2, [1], LAT, LON + 3 * KM, T + 1500)).toBe(false);
  });
});

/** Twelve boxes three kilometres apart, every five minutes; a plume of an hour goes from west to east. */
function country(vane: boolean) {
  const qc = createQc();
  const next = random(3);
  const place = (i: number) => ({ lat: LAT + (3 * Math.floor(i / 4)) / 111.195, lon: LON + 3 * (i % 4) * KM });
  for (let i = 0; i < 12; i++)
    qc.setBox({ id: `b${i}`, num: i + 1, ...place(i), sensor: 'PMS5003', field: '', trusted: true, exposure: 'outdoor' }); // prettier-ignore
  const flags = new Map<number, number>();
  const read = (i: number, s: number, pm25: number): RawReading => ({
    stage: 'raw',
    thing: `b${i}`,
    thingNum: i + 1,
    phenomenonTime: 1000 * s,
    resultTime: 1000 * s,
    clock: 'box',
    seq: 0,
    values: [
      { property: 'pm25', raw: pm25 },
      ...(vane && i === 8 ? [{ property: 'wind_speed' as const, raw: 2.5 }, { property: 'wind_direction' as const, raw: 270 }] : []), // prettier-ignore
    ],
  });
  const days = 3;
  for (let m = 0; m < days * 24 * 12; m++) {
    const s = T + 300 * m;
    const air = 20 + 5 * Math.sin(m / 60);
    const readings = Array.from({ length: 12 }, (_, i) => {
      // 3 km at 2.5 m/s: twenty minutes from box to box of the southern row.
      const since = (s - (T + (days - 1) * 86_400) - 1200 * (i % 4)) / 60;
      const plume = i < 4 && since >= 0 && since < 15 ? 90 : 0;
      return read(i, s, air * (1 + 0.06 * (next() - 0.5)) + plume);
    });
    qc.advance(1000 * s);
    for (const [i, r] of qc.check(readings).entries())
      if ((r.values[0]?.raw ?? 0) > 80) flags.set(i, Math.max(flags.get(i) ?? 0, pm25Of(r).flag));
  }
  return flags;
}

it('a plume that goes with the wind is doubted where it begins, and nowhere downwind', () => {
  const blown = country(true);
  expect([1, 2, 3].map((i) => blown.get(i))).toEqual([1, 1, 1]);
  const without = country(false);
  expect([1, 2, 3].some((i) => (without.get(i) as number) >= 3)).toBe(true);
});

describe('a box that was moved', () => {
  const at = (lat: number) => ({ id: 'b', num: 1, lat, lon: LON, sensor: '', field: '' as const, trusted: true, exposure: 'outdoor' as const }); // prettier-ignore
  const reading = (s: number): RawReading => ({ stage: 'raw', thing: 'b', thingNum: 1, phenomenonTime: 1000 * s, resultTime: 1000 * s, clock: 'box', seq: 0, values: [{ property: 'pm25', raw: 12 }] }); // prettier-ignore
  it('says so for its first day there, also over a restart, and a nudge is no move', () => {
    let qc = createQc();
    const said = (s: number): boolean => pm25Of(qc.check([reading(s)])[0] as CheckedReading).reasons.includes('pm25.moved'); // prettier-ignore
    qc.setBox(at(24));
    expect(said(T)).toBe(false);
    qc.setBox(at(24.001));
    expect(said(T + 60)).toBe(false);
    qc.setBox(at(24.1));
    expect(said(T + 120)).toBe(true);
    const saved = qc.snapshot();
    qc = createQc();
    qc.restore(saved);
    expect(said(T + 80_000)).toBe(true);
    expect(said(T + 86_600)).toBe(false);
    expect(said(T + 86_700)).toBe(false);
  });
});

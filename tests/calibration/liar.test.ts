/** A reference station that lies must spoil neither the box beside it, nor the others, nor what the intervals promise. */
import { describe, expect, it } from 'vitest';
import { makeWorld } from '../../bench/evaluate/worlds.ts';
import { runBacktest, type BacktestOutput } from '../../calibration/backtest/run.ts';
import { barkjohn2021 } from '../../calibration/correction/published.ts';
import { inOtherUnits } from '../../calibration/correction/units.ts';
import { DAY, HOURLY, smallCity, START, type City } from './small_city.ts';

const city = smallCity(20, { seed: 5 });
const FROM = START + 10 * DAY;

/** Of one box, from the tenth day: RMSE of what was answered, RMSE raw, mean width and coverage of the interval. */
function judge({ rows, truth }: City, out: BacktestOutput, box: string) {
  let [n, error, raw, width, inside] = [0, 0, 0, 0, 0];
  rows.forEach((row, i) => {
    const c = out.corrected[i] as number;
    if (row.box !== box || row.time < FROM || Number.isNaN(c)) return;
    const y = truth.get(`${box} ${row.time}`) as number;
    n++;
    error += (c - y) ** 2;
    raw += (row.pm25 - y) ** 2;
    width += (out.hi90[i] as number) - (out.lo90[i] as number);
    if ((out.lo90[i] as number) <= y && y <= (out.hi90[i] as number)) inside++;
  });
  return { n, rmse: Math.sqrt(error / n), raw: Math.sqrt(raw / n), width: width / n, coverage: inside / n };
}

describe('a station that lies', () => {
  const honest = runBacktest(city.input, HOURLY);
  const lying = runBacktest(
    {
      ...city.input,
      reference: city.input.reference.map((r, i) => (r.station === 's0' ? { ...r, pm25: 8 + ((i * 7) % 11) / 2 } : r)),
    },
    HOURLY,
  );
  it('is as good as not there for the box beside it', () => {
    const box = judge(city, lying, 'b0');
    expect(box.n).toBeGreaterThan(200);
    expect(box.rmse).toBeLessThan(0.4 * box.raw);
    expect(lying.level.filter((_, i) => city.rows[i]?.box === 'b0').at(-1)).toBe('L4');
  });
  it('does not widen the intervals of the others', () => {
    for (const box of ['b1', 'b3', 'b5']) {
      expect(judge(city, lying, box).width, box).toBeLessThan(2 * judge(city, honest, box).width);
    }
  });
});

describe('a box without a place', () => {
  it('gets an interval made for a box that no field reaches', () => {
    const lost = { ...city.input, boxes: city.input.boxes.map((b) => ({ ...b, lat: null, lon: null })) };
    const boxes = judge(city, runBacktest(lost, HOURLY), 'b5');
    expect(boxes.coverage).toBeGreaterThan(0.85);
    expect(boxes.rmse).toBeLessThan(0.5 * boxes.raw);
  });
});

describe('a type without a published equation', () => {
  it('is answered from the fourth day beside stations on, not from the first', () => {
    const sds = smallCity(7, { seed: 5, sensor: 'SDS011' });
    const out = runBacktest(sds.input, HOURLY);
    let [n, error, raw, inside] = [0, 0, 0, 0];
    sds.rows.forEach((row, i) => {
      const c = out.corrected[i] as number;
      if (Number.isNaN(c)) return;
      expect(row.time).toBeGreaterThan(START + 3 * DAY);
      const y = sds.truth.get(`${row.box} ${row.time}`) as number;
      n++;
      error += (c - y) ** 2;
      raw += (row.pm25 - y) ** 2;
      if ((out.lo90[i] as number) <= y && y <= (out.hi90[i] as number)) inside++;
    });
    expect(n).toBeGreaterThan(sds.rows.length / 4);
    expect(error).toBeLessThan(0.25 * raw);
    expect(inside / n).toBeGreaterThan(0.85);
  });
});

describe('a station in other units', () => {
  const series = (station: string, factor: number, level = 20) => {
    const x = Array.from({ length: 40 }, (_, i) => level * (1 + 0.5 * Math.sin(i)));
    return { station, x, y: x.map((v) => factor * v) };
  };
  it('is not taken for another climate, nor clean air for other units', () => {
    expect(inOtherUnits([series('a', 0.14), series('b', 4), series('c', 0.001), series('d', 0, 2)])).toEqual(['c']);
  });
  it('is known by all boxes beside it, not by one that stands still', () => {
    expect(inOtherUnits([series('a', 0.6), series('a', 0.01)])).toEqual([]);
  });
  it('is not followed where it is the only one: its box is answered as if there were none', () => {
    const town = { about: 'mg/m³', boxes: 3, stations: 1, beside: 1, days: 5 };
    const { input, beside } = makeWorld({ ...town, reference: (_i, _t, y) => y / 1000 }, 3);
    const r = input.readings;
    const out = runBacktest(input, HOURLY);
    for (let i = 0; i < r.length; i++) {
      if (!beside.has(r.boxes[r.box[i] as number] as string)) continue;
      if ((r.time[i] as number) < (r.time[0] as number) + 3 * DAY || out.level[i] === '') continue;
      expect(out.level[i]).toBe('L2');
      expect(out.corrected[i]).toBeCloseTo(Math.max(-3, barkjohn2021(r.pm25[i] as number, Math.min(95, r.humidity[i] as number))), -1); // prettier-ignore
    }
    expect(out.level.at(-1)).toBe('L2');
  });
});

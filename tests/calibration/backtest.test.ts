import * as fc from '../property.ts';
import { describe, expect, it } from 'vitest';
import { runBacktest, type BacktestOutput } from '../../calibration/backtest/run.ts';
import { DAY, HOUR, HOURLY, START, random, smallCity, table, type City, type Row } from './small_city.ts';

/** The answer of each row as text, by box and time. */
function written(rows: readonly Row[], out: BacktestOutput): Map<string, string> {
  const map = new Map<string, string>();
  rows.forEach((r, i) => {
    const key = `${r.box} ${r.time}`;
    const text = [
      out.raw[i],
      out.corrected[i],
      out.lo90[i],
      out.hi90[i],
      out.flag[i],
      out.reasons[i],
      out.level[i],
      out.model[i],
    ].join();
    map.set(map.has(key) ? `${key} again` : key, text);
  });
  return map;
}

const rmse = (
  city: City,
  out: BacktestOutput,
  from: number,
  boxes: readonly string[],
  column: 'raw' | 'corrected',
): number => {
  let sum = 0;
  let n = 0;
  city.rows.forEach((r, i) => {
    const v = out[column][i] as number;
    if (r.time < from || !boxes.includes(r.box) || Number.isNaN(v)) return;
    sum += (v - (city.truth.get(`${r.box} ${r.time}`) as number)) ** 2;
    n++;
  });
  return Math.sqrt(sum / n);
};

describe('backtest', () => {
  const city = smallCity(16, { holes: true });
  const whole = runBacktest(city.input, HOURLY);

  it('says the same twice', () => {
    const again = runBacktest(city.input, HOURLY);
    expect(written(city.rows, again)).toEqual(written(city.rows, whole));
  });

  it('does not care for the order of rows in the files', () => {
    const next = random(5);
    const keyed = city.rows.map((r, i) => ({ r, i, k: next() }));
    // Of duplicates the first counts: keep those in their order.
    keyed.sort((a, b) => (a.r.box === b.r.box && a.r.time === b.r.time ? a.i - b.i : a.k - b.k));
    const seen = new Set<string>();
    const rows = keyed.map((v) => v.r);
    const firsts = rows.filter((r) => {
      const key = `${r.box} ${r.time}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
    const uniq = new Map(city.rows.toReversed().map((r) => [`${r.box} ${r.time}`, r]));
    const shuffled = firsts.map((r) => uniq.get(`${r.box} ${r.time}`) as Row);
    const out = runBacktest(
      {
        ...city.input,
        readings: table(shuffled),
        reference: city.input.reference.toReversed(),
        boxes: city.input.boxes.toReversed(),
      },
      HOURLY,
    );
    const before = written(city.rows, whole);
    for (const [key, text] of written(shuffled, out)) expect(text, key).toBe(before.get(key));
  });

  it.each([4.3, 9.1, 13.6])('what comes after day %d changes nothing before it', (day) => {
    const cut = START + day * DAY;
    const rows = city.rows.filter((r) => r.time <= cut);
    const reference = city.input.reference.filter((r) => r.time + 2 * HOUR <= cut);
    const out = runBacktest({ ...city.input, readings: table(rows), reference }, HOURLY);
    const before = written(city.rows, whole);
    for (const [key, text] of written(rows, out)) expect(text, key).toBe(before.get(key));
  });

  it('reference from --fit-until on has no effect', () => {
    const until = START + 8 * DAY;
    const a = runBacktest(city.input, { ...HOURLY, fitUntil: until });
    const b = runBacktest(
      { ...city.input, reference: city.input.reference.map((r) => (r.time >= until ? { ...r, pm25: r.pm25 * 5 } : r)) },
      { ...HOURLY, fitUntil: until },
    );
    expect(written(city.rows, a)).toEqual(written(city.rows, b));
    expect(written(city.rows, a)).not.toEqual(written(city.rows, whole));
  });

  it('gives an interval exactly with an answer, a reason with none, numbers only', () => {
    city.rows.forEach((_, i) => {
      const given = !Number.isNaN(whole.corrected[i]);
      expect(Number.isNaN(whole.lo90[i] as number)).toBe(!given);
      expect(Number.isNaN(whole.hi90[i] as number)).toBe(!given);
      if (given) {
        expect(whole.lo90[i]).toBeLessThanOrEqual(whole.corrected[i] as number);
        expect(whole.hi90[i]).toBeGreaterThanOrEqual(whole.corrected[i] as number);
        expect(whole.level[i]).toMatch(/^L[0-5]\+?$/);
      } else expect(whole.reasons[i]).not.toBe('');
      if (whole.flag[i] === 4 || whole.flag[i] === 9) expect(given).toBe(false);
    });
  });

  it('a second row of a box and time is a duplicate', () => {
    const twice = city.rows.map((r, i) => city.rows.findIndex((o) => o.box === r.box && o.time === r.time) < i);
    expect(twice.some(Boolean)).toBe(true);
    twice.forEach((second, i) => {
      expect(whole.reasons[i] === 'pm25.duplicate').toBe(second);
      if (second) expect(whole.flag[i]).toBe(4);
    });
  });

  it('is nearer to the truth than raw, beside a station and away from one', () => {
    const clean = smallCity(20);
    const out = runBacktest(clean.input, HOURLY);
    const from = START + 10 * DAY;
    for (const box of ['b0', 'b1', 'b2', 'b3', 'b4', 'b5']) {
      const got = rmse(clean, out, from, [box], 'corrected');
      expect(got, box).toBeLessThan(0.5 * rmse(clean, out, from, [box], 'raw'));
    }
    expect(rmse(clean, out, from, ['b0', 'b1', 'b2'], 'corrected')).toBeLessThan(1.5);
    expect(out.level.at(-6)).toBe('L5+');
    expect(out.level.at(-1)).toBe('L4');
  });

  it('repairs a reference clock that is five hours off', () => {
    const shifted = smallCity(16, { clockMs: 5 * HOUR });
    const out = runBacktest(shifted.input, HOURLY);
    expect(rmse(shifted, out, START + 12 * DAY, ['b0', 'b1', 'b2'], 'corrected')).toBeLessThan(2);
  });

  it('a sensor without a published equation is not corrected before there are three days of pairs', () => {
    const other = smallCity(14, { sensor: 'SDS011' });
    const out = runBacktest(other.input, HOURLY);
    const early = other.rows.map((r, i) => [r, i] as const).filter(([r]) => r.time < START + 3 * DAY);
    for (const [, i] of early) {
      expect(out.corrected[i]).toBeNaN();
      expect(out.reasons[i]).toContain('pm25.no_model');
    }
    expect(Number.isNaN(out.corrected.at(-1) as number)).toBe(false);
  });

  it('a Plantower without humidity and without reference is refused, not guessed', () => {
    const rows = smallCity(2).rows.map((r) => ({ ...r, humidity: NaN }));
    const out = runBacktest(
      { ...smallCity(2).input, readings: table(rows), reference: [], stations: [], colocations: null },
      HOURLY,
    );
    expect(out.corrected.every(Number.isNaN)).toBe(true);
    expect(out.reasons.every((r) => r.includes('pm25.input'))).toBe(true);
  });

  it('takes what was learnt beside a station along when the co-location has ended', () => {
    const moved = smallCity(24);
    const to = START + 12 * DAY;
    const colocations = (moved.input.colocations ?? []).map((c) => (c.box === 'b1' ? { ...c, to } : c));
    const out = runBacktest({ ...moved.input, colocations }, HOURLY);
    const last = moved.rows.findLastIndex((r) => r.box === 'b1');
    expect(out.level[last]).toMatch(/^(L5|L4)$/);
    expect(rmse(moved, out, START + 16 * DAY, ['b1'], 'corrected')).toBeLessThan(
      0.4 * rmse(moved, out, START + 16 * DAY, ['b1'], 'raw'),
    );
  });

  it('error codes and zero air in the reference are not learnt from', () => {
    const dirty = smallCity(20);
    const reference = dirty.input.reference.map((r, i) =>
      i % 29 === 0 ? { ...r, pm25: -50 } : i % 31 === 0 ? { ...r, pm25: 8 * r.pm25 + 100 } : r,
    );
    const out = runBacktest({ ...dirty.input, reference }, HOURLY);
    expect(rmse(dirty, out, START + 10 * DAY, ['b0', 'b1', 'b2'], 'corrected')).toBeLessThan(1.6);
  });

  it('a whole reference in milligrams is as good as none', () => {
    const mg = city.input.reference.map((r) => ({ ...r, pm25: r.pm25 / 1000 }));
    const out = runBacktest({ ...city.input, reference: mg }, HOURLY);
    expect(out.corrected).toEqual(runBacktest({ ...city.input, reference: [] }, HOURLY).corrected);
  });

  it('one station that lies does not spoil the boxes away from it', () => {
    const honest = smallCity(20);
    const lying = honest.input.reference.map((r) => (r.station === 's2' ? { ...r, pm25: r.pm25 * 3 } : r));
    const out = runBacktest({ ...honest.input, reference: lying }, HOURLY);
    const from = START + 10 * DAY;
    expect(rmse(honest, out, from, ['b0', 'b1'], 'corrected')).toBeLessThan(2);
  });

  it('anything at all as numbers gives numbers or refusals, never an exception', () => {
    const odd = fc.oneof(fc.double({ min: -100, max: 200 }), fc.constantFrom(NaN, 0, -999, 65535, 1e9, -1e9));
    const row = fc.record({
      box: fc.constantFrom('b0', 'b1', 'b9'),
      time: fc.integer({ min: 0, max: 300 }).map((k) => START + k * 10 * 60_000),
      pm25: odd,
      pm25b: odd,
      temperature: odd,
      humidity: odd,
    });
    const value = fc.record({
      station: fc.constantFrom('s0', 's9'),
      time: fc.integer({ min: 0, max: 60 }).map((k) => START + k * HOUR),
      pm25: odd,
    });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 60 }), fc.array(value, { maxLength: 40 }), (rows, reference) => {
        const out = runBacktest(
          { ...city.input, readings: table(rows), reference: reference.filter((r) => !Number.isNaN(r.pm25)) },
          HOURLY,
        );
        rows.forEach((_, i) => {
          const c = out.corrected[i] as number;
          expect(Number.isFinite(c) || (Number.isNaN(c) && out.reasons[i] !== '')).toBe(true);
        });
      }),
      { numRuns: 40 },
    );
  });
});

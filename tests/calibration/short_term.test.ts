/** What a box beside its station says now, what it said before, and what the station said last, weighed by how noisy the box is. */
import { describe, expect, it } from 'vitest';
import { runBacktest } from '../../calibration/backtest/run.ts';
import { DAY, HOUR, HOURLY, random, smallCity, START, table, type Row } from './small_city.ts';

const rms = (errors: readonly number[]): number => Math.sqrt(errors.reduce((s, e) => s + e * e, 0) / errors.length);

/** One box beside one station, its readings off by a fresh ± `noise` each hour, in air that changes slowly. */
function noisy(noise: number, days: number) {
  const next = random(5);
  const rows: Row[] = [];
  const reference: { station: string; time: number; pm25: number }[] = [];
  let level = 25;
  for (let h = 0; h < days * 24; h++) {
    const time = START + h * HOUR;
    level = Math.max(3, level + (next() - 0.5) * 3 + 0.03 * (25 - level));
    rows.push({
      box: 'b',
      time,
      pm25: Math.max(0, 1.7 * level + 2 * (next() - 0.5) * noise),
      temperature: 20,
      humidity: 50,
    });
    reference.push({ station: 's', time, pm25: level });
  }
  const place = { lat: 24, lon: 120.6 };
  return {
    reference,
    input: {
      boxes: [{ id: 'b', num: 1, ...place, sensor: 'PMS5003', field: '', trusted: true, exposure: 'outdoor' }],
      stations: [{ id: 's', num: 1, ...place }],
      colocations: [{ box: 'b', station: 's' }],
      reference,
      readings: table(rows),
    } as const,
  };
}

describe('a box beside its station', () => {
  it.each([2, 10])('whose readings are off by ± %d µg/m³ at random is believed as far as it deserves', (noise) => {
    const { input, reference } = noisy(noise, 40);
    const out = runBacktest(input, HOURLY);
    const from = 15 * 24;
    const truth = reference.map((r) => r.pm25);
    const judged = truth.map((_, i) => i).filter((i) => i >= from && !Number.isNaN(out.corrected[i]));
    expect(judged.length).toBeGreaterThan(0.99 * (truth.length - from));
    const told = rms(judged.map((i) => (out.corrected[i] as number) - (truth[i] as number)));
    const last = rms(judged.map((i) => (truth[i - 2] as number) - (truth[i] as number)));
    const alone = rms(judged.map((i) => (out.raw[i] as number) / 1.7 - (truth[i] as number)));
    expect(told).toBeLessThan(noise > 5 ? 0.5 * alone : 0.7 * last);
  });
});

describe('references that are known late', () => {
  it('still make a co-location: a week late, every box keeps its own model', () => {
    const { input, truth, rows } = smallCity(40);
    const out = runBacktest(input, { ...HOURLY, lagMs: 7 * DAY });
    const late = rows.flatMap((r, i) => (r.box === 'b1' && r.time > START + 20 * DAY ? [i] : []));
    expect(late.filter((i) => out.level[i]?.startsWith('L5')).length / late.length).toBeGreaterThan(0.95);
    const error = rms(late.map((i) => (out.corrected[i] as number) - (truth.get(`b1 ${rows[i]?.time}`) as number)));
    expect(error).toBeLessThan(1.6);
  });
});

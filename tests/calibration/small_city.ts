/** A made-up network for tests of the backtest: few boxes, known truth, holes and faults of every kind. */
import type { BacktestInput, ReadingTable } from '../../calibration/backtest/input.ts';
import type { Colocation } from '../../calibration/stage.ts';
import { DAY, HOUR, formatTime } from '../../model/time.ts';

export const START = Date.UTC(2026, 0, 5);

export function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export interface Row {
  readonly box: string;
  readonly time: number;
  readonly pm25: number;
  readonly pm25b?: number;
  readonly temperature: number;
  readonly humidity: number;
}

export function table(rows: readonly Row[]): ReadingTable {
  const boxes = [...new Set(rows.map((r) => r.box))];
  return {
    length: rows.length,
    boxes,
    box: rows.map((r) => boxes.indexOf(r.box)),
    time: rows.map((r) => r.time),
    timeText: rows.map((r) => formatTime(r.time)),
    pm25: rows.map((r) => r.pm25),
    pm25b: rows.some((r) => r.pm25b !== undefined) ? rows.map((r) => r.pm25b ?? NaN) : null,
    pm10: rows.map(() => NaN),
    pm1: rows.map(() => NaN),
    temperature: rows.map((r) => r.temperature),
    humidity: rows.map((r) => r.humidity),
  };
}

export interface City {
  readonly input: BacktestInput;
  readonly rows: readonly Row[];
  readonly truth: ReadonlyMap<string, number>;
}

/**
 * Six boxes, three beside a station each; raw = 1.8 · gain · truth, more when humid. With `holes`, a tenth of everything is missing,
 * doubled, or a sentinel.
 */
export function smallCity(
  days: number,
  options: { seed?: number; holes?: boolean; clockMs?: number; sensor?: string } = {},
): City {
  const next = random(options.seed ?? 1);
  const rows: Row[] = [];
  const reference: { station: string; time: number; pm25: number }[] = [];
  const truth = new Map<string, number>();
  const gains = [1, 0.8, 1.25, 0.9, 1.1, 1];
  let level = 15;
  for (let h = 0; h < days * 24; h++) {
    const time = START + h * HOUR;
    level = Math.max(2, level + (next() - 0.5) * 5 + 0.04 * (15 - level));
    const rh = 60 + 25 * Math.sin((2 * Math.PI * h) / 24) + (next() - 0.5) * 6;
    gains.forEach((gain, i) => {
      const air = level * (1 + 0.05 * (i % 3)) + (next() - 0.5);
      truth.set(`b${i} ${time}`, air);
      const raw = 1.8 * gain * air * (1 + 0.004 * (rh - 60)) + (next() - 0.5) * 2;
      const row: Row = { box: `b${i}`, time, pm25: Math.max(0, raw), temperature: 18 + (h % 24) / 3, humidity: rh };
      if (options.holes) {
        const u = next();
        if (u < 0.02) return;
        if (u < 0.04) rows.push(row);
        if (u < 0.05) return void rows.push({ ...row, pm25: -1, humidity: -1, temperature: -18.33 });
        if (u < 0.06) return void rows.push({ ...row, pm25: 65535 });
        if (u < 0.08) return void rows.push({ ...row, humidity: NaN });
        if (u < 0.09) return void rows.push({ ...row, pm25: NaN });
        if (u < 0.1) return void rows.push({ ...row, humidity: 100, temperature: NaN });
      }
      rows.push(row);
      if (i < 3 && !(options.holes && next() < 0.05)) {
        const y = options.holes && next() < 0.01 ? -999 : air + (next() - 0.5) * 2;
        reference.push({ station: `s${i}`, time: time - (options.clockMs ?? 0), pm25: y });
      }
    });
  }
  const place = (i: number) => ({ lat: 24 + 0.05 * (i % 3) + (i < 3 ? 0 : 0.03), lon: 120.6 + 0.04 * (i % 3) });
  const colocations: Colocation[] = [0, 1, 2].map((i) => ({ box: `b${i}`, station: `s${i}` }));
  return {
    rows,
    truth,
    input: {
      boxes: gains.map((_, i) => ({
        id: `b${i}`,
        num: i + 1,
        ...place(i),
        sensor: options.sensor ?? 'PMS5003',
        field: '',
        trusted: true,
        exposure: 'unknown',
      })),
      stations: [0, 1, 2].map((i) => ({ id: `s${i}`, num: i + 1, ...place(i) })),
      readings: table(rows),
      reference,
      colocations,
    },
  };
}

export const HOURLY = { stepMs: HOUR, lagMs: HOUR, fitUntil: null };
export { DAY, HOUR };

/**
 * CO2 without a reference beside it: outdoor air comes down to the background of the globe within a fortnight, so the lowest daily minimum of
 * that time tells how far a sensor's zero is off (calibration note §2.6). Sensors that do this themselves (automatic baseline at 400 ppm) are left
 * alone: twice corrected is wrong twice.
 */
import { type PoolState, RecordPool, ThingIndex } from '../qc/pool.ts';

export const CO2 = {
  /** Annual mean of the globe in mid 2024 [ppm] and its growth [ppm/a] (NOAA GML, Mauna Loa, mean of 2014–2024). */
  background: 424.6,
  backgroundAt: 2024.5,
  growth: 2.6,
  days: 14,
  leastDays: 7,
  /** Within this of the background a zero is right, or looked after by the sensor itself [ppm]. */
  right: 40,
  /** Beyond this it is no drift [ppm]. */
  most: 300,
  /** Half width of the interval: data sheets of Sensirion SCD30 and Senseair S8, ±(40 ppm + 3 %); a shifted zero is less sure. */
  interval: { base: 40, share: 0.03, shifted: 20 },
} as const;

const DAY_S = 86_400;
const YEAR_S = 365.2425 * DAY_S;

/** Background at a time [ppm]. @param t seconds since 1970 */
export const backgroundCo2 = (t: number): number =>
  CO2.background + CO2.growth * (1970 + t / YEAR_S - CO2.backgroundAt);

/** Newest day [days since 1970], hour in hand (number since 1970, sum, count), then the minima of hours by day, a ring of CO2.days. */
const C = { day: 0, hour: 1, sum: 2, count: 3, minima: 4 } as const;

export interface Baseline {
  /** To be taken off [ppm]; 0 = the zero is right. */
  readonly offset: number;
}

export class Co2Baselines {
  readonly pool = new RecordPool(C.minima + CO2.days);
  readonly #record = new ThingIndex();

  /** Takes in a sound reading of a box in the open [ppm], `t` in seconds. Hours count by their mean: one odd reading is no minimum. */
  take(thingNum: number, t: number, x: number): void {
    let record = this.#record.get(thingNum);
    if (record === 0) {
      record = this.pool.add();
      this.#record.set(thingNum, record);
      this.pool.f32(record).fill(Number.NaN, this.pool.offset(record) + C.minima, this.pool.offset(record) + C.minima + CO2.days); // prettier-ignore
    }
    const f = this.pool.f32(record);
    const u = this.pool.u32(record);
    const at = this.pool.offset(record);
    const hour = Math.floor(t / 3600);
    if (hour < (u[at + C.hour] as number)) return;
    if (hour > (u[at + C.hour] as number)) {
      if ((f[at + C.count] as number) > 0) this.#close(f, u, at);
      u[at + C.hour] = hour;
      f[at + C.sum] = f[at + C.count] = 0;
    }
    f[at + C.sum] = (f[at + C.sum] as number) + x;
    f[at + C.count] = (f[at + C.count] as number) + 1;
  }

  #close(f: Float32Array, u: Uint32Array, at: number): void {
    const mean = (f[at + C.sum] as number) / (f[at + C.count] as number);
    const day = Math.floor((u[at + C.hour] as number) / 24);
    const newest = u[at + C.day] as number;
    // Days that were silent are empty; a longer silence empties all.
    for (let d = Math.max(newest + 1, day - CO2.days + 1); d <= day; d++)
      f[at + C.minima + (d % CO2.days)] = Number.NaN;
    u[at + C.day] = Math.max(day, newest);
    const slot = at + C.minima + (day % CO2.days);
    const before = f[slot] as number;
    f[slot] = mean < before || Number.isNaN(before) ? mean : before;
  }

  /** What the last fortnight says; null = too few days, or a zero so far off that it is no drift. @param t seconds */
  baseline(thingNum: number, t: number): Baseline | null {
    const record = this.#record.get(thingNum);
    if (record === 0) return null;
    const f = this.pool.f32(record);
    const at = this.pool.offset(record);
    let days = 0;
    let lowest = Infinity;
    for (let d = 0; d < CO2.days; d++) {
      const x = f[at + C.minima + d] as number;
      if (Number.isNaN(x)) continue;
      days++;
      lowest = Math.min(lowest, x);
    }
    if (days < CO2.leastDays) return null;
    const off = lowest - backgroundCo2(t);
    if (Math.abs(off) > CO2.most) return null;
    return { offset: Math.abs(off) <= CO2.right ? 0 : off };
  }

  snapshot(): Co2State {
    return { pool: this.pool.snapshot(), record: this.#record.snapshot() };
  }
  restore(from: Co2State): void {
    this.pool.restore(from.pool);
    this.#record.restore(from.record);
  }
}

export interface Co2State {
  pool: PoolState;
  record: Uint32Array;
}

/**
 * What S7 knows of a site: by how much the box there usually reads above or below the field that its neighbours draw, in log space.
 * deviation = offset + local + noise. `offset` hardly changes (place, sensor gain); `local` comes and goes within hours (street, weather, kitchen).
 * Both are followed by a Kalman filter of two states (West & Harrison, Bayesian Forecasting and Dynamic Models, ch. 4), and the
 * site's own scale by a running mean of |innovation|: a restless site is judged by its own restlessness.
 */
import { type PoolState, RecordPool, ThingIndex } from './pool.ts';

/**
 * All in units of log(x + 3) or of the site's scale. Chosen on boxes outside the four cities of the fault bench (docs/qc.md), then rounded.
 */
export const SITE = {
  /** log(x + c): c keeps clean air from shouting [µg/m³]. */
  c: 3,
  /** Local deviations fade with this time constant [h]. */
  localHours: 4,
  /** Standard deviations of local deviation and of noise, in units of the site's scale. */
  local: 1.2,
  noise: 0.6,
  /** How fast the offset may wander, in units of the scale per √h. */
  wander: 0.02,
  /** Standard deviation of offsets between sites: what is believed of a box never seen. */
  offsetPrior: 0.35,
  /** An offset beyond a factor 3 is a site class or a fault, never "normal" (calibration note §8.1 S7). */
  offsetMax: Math.log(3),
  /** Offsets lean back to 0 with this time constant [h]: all sites together cannot wander away. */
  offsetHours: 24 * 30,
  /** A flagged deviation up to this is believed when the next reading confirms it; beyond, after `lastingS` [s]. */
  confirmMax: 0.85,
  lastingS: 24 * 3600,
  scaleStart: 0.15,
  scaleMin: 0.08,
  /** Memory of the scale [h], and at least this weight per reading. */
  scaleHours: 6,
  scaleWeightMin: 0.02,
  /** Innovations count in the scale up to this many standard deviations. */
  clip: 2,
  /** Error of the reading itself [µg/m³]: matters in clean air. */
  reading: 2,
  /** Error of the kriged field, log units. */
  floor: 0.04,
} as const;

export const S = {
  time: 0,
  offset: 1,
  local: 2,
  varOffset: 3,
  varLocal: 4,
  covariance: 5,
  scale: 6,
  /** Deviation of a last reading that was flagged; NaN = none. The next one may confirm it. */
  pending: 7,
  /** Running mean of the time between readings [s]. */
  interval: 8,
  lat: 9,
  lon: 10,
  /** Latest temperature and humidity that passed, and when. */
  temperature: 11,
  humidity: 12,
  weatherTime: 13,
  /** Since when [s] readings have been flagged for the same kind of deviation. */
  pendingSince: 14,
  /** When the water at this gauge last rose [s]. */
  waterRose: 15,
} as const;
const WORDS = 16;

export class Sites {
  readonly pool = new RecordPool(WORDS);
  readonly byThing = new ThingIndex();

  get(thingNum: number): number {
    return this.byThing.get(thingNum);
  }

  /** A new site: nothing known but its place. */
  add(thingNum: number, lat: number, lon: number): number {
    const site = this.pool.add();
    const f = this.pool.f32(site);
    const at = this.pool.offset(site);
    f[at + S.varOffset] = SITE.offsetPrior ** 2;
    f[at + S.scale] = SITE.scaleStart;
    f[at + S.varLocal] = (SITE.local * SITE.scaleStart) ** 2;
    f[at + S.pending] = f[at + S.temperature] = f[at + S.humidity] = Number.NaN;
    f[at + S.lat] = lat;
    f[at + S.lon] = lon;
    this.byThing.set(thingNum, site);
    return site;
  }

  read(site: number, field: number): number {
    return this.pool.f32(site)[this.pool.offset(site) + field] as number;
  }
  write(site: number, field: number, value: number): void {
    this.pool.f32(site)[this.pool.offset(site) + field] = value;
  }
  /** Fields that hold whole numbers (times). */
  integer(site: number, field: number): number {
    return this.pool.u32(site)[this.pool.offset(site) + field] as number;
  }
  writeInteger(site: number, field: number, value: number): void {
    this.pool.u32(site)[this.pool.offset(site) + field] = value;
  }
  time(site: number): number {
    return this.integer(site, S.time);
  }

  /** Moves the site's state on to `t` [s]: local deviation fades, doubt grows. */
  predict(site: number, t: number): void {
    const f = this.pool.f32(site);
    const u = this.pool.u32(site);
    const at = this.pool.offset(site);
    const before = u[at + S.time] as number;
    u[at + S.time] = t;
    if (before === 0) return;
    const gap = t - before;
    const hours = gap / 3600;
    const keep = Math.exp(-hours / SITE.localHours);
    const scale = f[at + S.scale] as number;
    f[at + S.local] = (f[at + S.local] as number) * keep;
    f[at + S.varLocal] = keep * keep * (f[at + S.varLocal] as number) + (1 - keep * keep) * (SITE.local * scale) ** 2;
    f[at + S.covariance] = (f[at + S.covariance] as number) * keep;
    f[at + S.offset] = (f[at + S.offset] as number) * Math.exp(-hours / SITE.offsetHours);
    f[at + S.varOffset] = Math.min(
      SITE.offsetPrior ** 2,
      (f[at + S.varOffset] as number) + (SITE.wander * scale) ** 2 * hours,
    );
    const interval = f[at + S.interval] as number;
    f[at + S.interval] = interval === 0 ? gap : interval + 0.1 * (Math.min(gap, 4 * interval) - interval);
  }

  /** Expected deviation at the time of the last `predict`. */
  expected(site: number): number {
    const f = this.pool.f32(site);
    const at = this.pool.offset(site);
    return (f[at + S.offset] as number) + (f[at + S.local] as number);
  }

  /** Variance of a new deviation around the expected one, when the air there holds about exp(level) − c µg/m³. */
  variance(site: number, level: number): number {
    const f = this.pool.f32(site);
    const at = this.pool.offset(site);
    return (
      (f[at + S.varLocal] as number) +
      (f[at + S.varOffset] as number) +
      2 * (f[at + S.covariance] as number) +
      (SITE.noise * (f[at + S.scale] as number)) ** 2 +
      (SITE.reading / Math.exp(level)) ** 2
    );
  }

  /** Kalman update with an innovation that passed. */
  learn(site: number, innovation: number, variance: number, hours: number): void {
    const f = this.pool.f32(site);
    const at = this.pool.offset(site);
    const sd = Math.sqrt(variance);
    const e = Math.max(-SITE.clip * sd, Math.min(SITE.clip * sd, innovation));
    const va = f[at + S.varLocal] as number;
    const vb = f[at + S.varOffset] as number;
    const cov = f[at + S.covariance] as number;
    const gainLocal = (va + cov) / variance;
    const gainOffset = (vb + cov) / variance;
    f[at + S.local] = (f[at + S.local] as number) + gainLocal * e;
    const offset = (f[at + S.offset] as number) + gainOffset * e;
    f[at + S.offset] = Math.max(-SITE.offsetMax, Math.min(SITE.offsetMax, offset));
    f[at + S.varLocal] = va - gainLocal * (va + cov);
    f[at + S.varOffset] = vb - gainOffset * (vb + cov);
    f[at + S.covariance] = cov - gainLocal * (vb + cov);
    const weight = Math.max(SITE.scaleWeightMin, 1 - Math.exp(-hours / SITE.scaleHours));
    const scale = f[at + S.scale] as number;
    // 1.25·mean|e| is the standard deviation of a normal variable.
    const ratio = Math.min(SITE.clip, (1.25 * Math.abs(innovation)) / sd);
    f[at + S.scale] = Math.max(SITE.scaleMin, scale * (1 - weight + weight * ratio));
    f[at + S.pending] = Number.NaN;
  }

  /** A deviation that has lasted is the site's own: it becomes the offset, to be learnt anew from there. */
  settle(site: number, deviation: number): void {
    const f = this.pool.f32(site);
    const at = this.pool.offset(site);
    f[at + S.offset] = Math.max(-SITE.offsetMax, Math.min(SITE.offsetMax, deviation));
    f[at + S.local] = deviation - (f[at + S.offset] as number);
    f[at + S.varOffset] = SITE.offsetPrior ** 2;
    f[at + S.varLocal] = (SITE.local * (f[at + S.scale] as number)) ** 2;
    f[at + S.covariance] = 0;
    f[at + S.pending] = Number.NaN;
  }

  /** Whether the same deviation has been flagged for so long that it must be the site. */
  hasLasted(site: number, deviation: number, t: number): boolean {
    return this.read(site, S.pending) * deviation > 0 && t - this.integer(site, S.pendingSince) >= SITE.lastingS;
  }

  /** A deviation that was confirmed (by the next reading or by neighbours) is local air: follow it at once. */
  follow(site: number, innovation: number): void {
    const f = this.pool.f32(site);
    const at = this.pool.offset(site);
    f[at + S.local] = (f[at + S.local] as number) + 0.8 * innovation;
    f[at + S.varLocal] = (SITE.local * (f[at + S.scale] as number)) ** 2;
    f[at + S.pending] = Number.NaN;
  }

  /** Keeps a deviation that was flagged, for the next reading to confirm. */
  suspect(site: number, deviation: number, t: number): void {
    const f = this.pool.f32(site);
    const at = this.pool.offset(site);
    const before = f[at + S.pending] as number;
    if (!(before * deviation > 0)) this.pool.u32(site)[at + S.pendingSince] = t;
    f[at + S.pending] = deviation;
  }

  /**
   * Whether the flagged reading before this one said the same. One more reading is enough for what streets and kitchens do (up to a factor 2.3);
   * a larger step must last a day before it counts as the site's own air.
   * @param hours since the reading before
   */
  confirms(site: number, deviation: number, hours: number, t: number, limit: number): boolean {
    const pending = this.read(site, S.pending);
    if (Number.isNaN(pending)) return false;
    if (this.hasLasted(site, deviation, t)) return true;
    if (Math.abs(pending) > SITE.confirmMax) return false;
    const keep = Math.exp(-hours / SITE.localHours);
    const scale = this.read(site, S.scale);
    const offset = this.read(site, S.offset);
    const variance = (SITE.noise * scale) ** 2 + (1 - keep * keep) * (SITE.local * scale) ** 2 + SITE.floor ** 2;
    return Math.abs(deviation - offset - (pending - offset) * keep) < limit * Math.sqrt(variance);
  }

  snapshot(): SitesState {
    return { pool: this.pool.snapshot(), byThing: this.byThing.snapshot() };
  }
  restore(from: SitesState): void {
    this.pool.restore(from.pool);
    this.byThing.restore(from.byThing);
  }
}

export interface SitesState {
  pool: PoolState;
  byThing: Uint32Array;
}

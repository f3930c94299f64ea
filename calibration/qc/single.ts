/**
 * The tests that each value of a reading goes through by itself: those without memory, then those that know what its stream showed before
 * and what stands around it. What they remember is 60 bytes a stream (streams.ts) and what it usually shows (usual.ts).
 */
import { FLAG, reason, worse } from '../../model/flags.ts';
import type { RawReading } from '../../model/observation.ts';
import { PROPERTIES, PROPERTY_SLOTS, type PropertyKey, property } from '../../model/properties.ts';
import { MAX_CLOCK_AHEAD } from '../../model/time.ts';
import { distanceKm } from '../geo/distance.ts';
import type { Draft, DraftValue } from './draft.ts';
import { type PropertyLimits, limitsOf } from './parameters.ts';
import { isNearZero } from './sentinel.ts';
import { S, type Sites } from './sites.ts';
import type { SpatialAnswer } from './spatial.ts';
import { median3 } from './spike.ts';
import { DEAD_BIT, SPIKE_BIT, STREAM, Streams } from './streams.ts';
import { VALUE_TESTS, type ValueContext, type ValueTest } from './tests.ts';
import type { Tiles } from './tiles.ts';
import { Usual } from './usual.ts';
import type { WeatherAround } from './weather.ts';

/** A value counts as unchanged over a silence of at most this [s]. */
const MAX_RUN_GAP_S = 6 * 3600;
/** Weight of a new step in the running mean of steps. */
const USUAL_WEIGHT = 0.05;
/** Water within this distance [km] and time [s] that rose by this [m] supports a jump. */
const WATER_NEAR = { km: 2, s: 1800, rose: 0.05 } as const;

const num = (key: PropertyKey): number => property(key).num;
const PM25 = num('pm25');
const PM25_B = num('pm25_b');
const WATER = num('water_level');
const TEMPERATURE = num('temperature');
const HUMIDITY = num('humidity');
/** Property numbers of what a particle counter gives. */
export const PARTICLES: ReadonlySet<number> = new Set([PM25, PM25_B, num('pm1'), num('pm4'), num('pm10')]);
/** Least MAD of what is kept as usual, by property number; a property without one is not followed. */
const USUAL_FLOOR = new Map([...PARTICLES, WATER, num('noise_lamin')].map((n) => [n, n === WATER ? 0.002 : 1]));
export const DEAD = reason('flat_line') | reason('stuck_zero');
const SPIKE = reason('spike');

/** What is needed of a property, by its number. */
interface Plan {
  readonly property: (typeof PROPERTIES)[number];
  readonly limits: PropertyLimits;
  readonly instant: readonly Step[];
  readonly history: readonly Step[];
}
interface Step {
  readonly mask: number;
  readonly test: ValueTest['test'];
  readonly remark: boolean;
}
const plans: Plan[] = [];
for (const p of PROPERTIES) {
  const steps = (kind: ValueTest['kind']): Step[] =>
    VALUE_TESTS.filter((t) => t.kind === kind && (!t.for || t.for.includes(p.key))).map((t) => ({
      mask: reason(t.reason),
      test: t.test,
      remark: t.remark === true,
    }));
  plans[p.num] = { property: p, limits: limitsOf(p.key), instant: steps('instant'), history: steps('history') };
}

export class SingleTests {
  readonly streams = new Streams();
  readonly usual = new Usual();
  /** The values of the reading in hand by property number; NaN = there is none. */
  readonly values = new Float64Array(PROPERTY_SLOTS).fill(Number.NaN);
  readonly #sites: Sites;
  readonly #tiles: Tiles;
  readonly #weather: WeatherAround;
  readonly #context: ValueContext = {
    x: 0,
    key: 'pm25',
    property: property('pm25'),
    limits: limitsOf('pm25'),
    gapS: Number.NaN,
    level: Number.NaN,
    last: { value: Number.NaN, spike: false },
    usual: Number.NaN,
    runS: 0,
    evidenceRange: Number.NaN,
    evidenceMost: Number.NaN,
    equalS: 0,
    lowS: 0,
    around: Number.NaN,
    median: Number.NaN,
    mad: Number.NaN,
    usualHours: 0,
    supported: false,
    time: 0,
    sunElevation: () => this.#weather.sun(this.#context.time),
    beside: (key) => this.values[num(key)] as number,
  };

  constructor(sites: Sites, tiles: Tiles, weather: WeatherAround) {
    this.#sites = sites;
    this.#tiles = tiles;
    this.#weather = weather;
  }

  /** Takes a reading in hand. */
  load(reading: RawReading): void {
    this.values.fill(Number.NaN);
    for (const v of reading.values) this.values[num(v.property)] = v.raw;
  }

  /** Tests without memory. */
  instant(reading: RawReading): Draft {
    this.load(reading);
    const draft: Draft = { values: [], a: -1, b: -1 };
    for (const { property: key, raw } of reading.values) {
      const v: DraftValue = { property: key, raw, flag: FLAG.notEvaluated, reasons: 0, broken: false, jump: Number.NaN }; // prettier-ignore
      if (key === 'pm25') draft.a = draft.values.length;
      else if (key === 'pm25_b') draft.b = draft.values.length;
      draft.values.push(v);
      this.#run(this.#aim(key, raw).instant, v);
      v.broken = v.flag === FLAG.fail;
    }
    return draft;
  }

  /** Tests with memory, for one value; then the memory takes the value in. */
  history(reading: RawReading, v: DraftValue, answer: SpatialAnswer): void {
    const c = this.#context;
    const plan = this.#aim(v.property, v.raw);
    const n = plan.property.num;
    const record = this.streams.find(reading.thingNum, n);
    const f = this.streams.pool.f32(record);
    const u = this.streams.pool.u32(record);
    const at = this.streams.pool.offset(record);
    const t = Math.max(1, Math.floor(reading.phenomenonTime / 1000));
    // A time that has not come yet was given by a clock that was ahead.
    const last = u[at + STREAM.time] as number;
    const before = last * 1000 > reading.resultTime + MAX_CLOCK_AHEAD ? 0 : last;
    // Late readings (an offline buffer) have no present to be compared with.
    if (v.broken || t < before) return;
    const x = Math.fround(v.raw);
    const gap = before === 0 ? Number.NaN : t - before;
    const particles = PARTICLES.has(n);
    const seen = particles ? this.#evidence(n, answer.field) : Number.NaN;
    const v1 = f[at + STREAM.v1] as number;

    this.#followRun({ f, u, at }, t, x, seen, gap <= MAX_RUN_GAP_S);
    const misc = u[at + STREAM.misc] as number;
    const count = misc & 0xff;
    c.gapS = gap;
    c.last.value = v1;
    c.last.spike = (misc & SPIKE_BIT) !== 0;
    c.level =
      count >= 3
        ? median3(v1, f[at + STREAM.v2] as number, f[at + STREAM.v3] as number)
        : count === 2
          ? Math.min(v1, f[at + STREAM.v2] as number)
          : Number.NaN;
    c.usual = f[at + STREAM.usual] as number;
    c.runS = t - (u[at + STREAM.runStart] as number);
    c.evidenceMost = f[at + STREAM.otherMax] as number;
    c.evidenceRange = c.evidenceMost - (f[at + STREAM.otherMin] as number);
    c.equalS = t - (u[at + STREAM.equalSince] as number);
    c.lowS = t - (u[at + STREAM.lowSince] as number);
    c.around = particles
      ? seen
      : n === TEMPERATURE
        ? this.#weather.temperature
        : n === HUMIDITY
          ? this.#weather.humidity
          : Number.NaN;
    c.time = reading.phenomenonTime;
    const floor = USUAL_FLOOR.get(n);
    let slow = u[at + STREAM.slow] as number;
    if (floor !== undefined && slow === 0) u[at + STREAM.slow] = slow = this.usual.add();
    c.usualHours = floor === undefined ? 0 : this.usual.hours(slow);
    if (c.usualHours > 0) {
      c.median = this.usual.median(slow);
      c.mad = this.usual.mad(slow);
    }
    c.supported = n === WATER && this.#supportsWater(reading, x - v1, gap);
    this.#run(plan.history, v);
    if (floor !== undefined) this.usual.take(slow, x, gap, floor);
    v.jump = count >= 10 && gap <= 3600 ? (x - v1) / Math.max(c.usual, 1e-6) : Number.NaN;

    const spike = v.reasons & SPIKE;
    if (count > 0 && !spike) {
      const step = Math.abs(x - v1);
      f[at + STREAM.usual] = Number.isNaN(c.usual) ? step : c.usual + USUAL_WEIGHT * (step - c.usual);
    }
    f[at + STREAM.v3] = f[at + STREAM.v2] as number;
    f[at + STREAM.v2] = v1;
    f[at + STREAM.v1] = x;
    u[at + STREAM.time] = t;
    const dead = v.flag === FLAG.fail && v.reasons & DEAD;
    u[at + STREAM.misc] = Math.min(255, count + 1) | (spike ? SPIKE_BIT : 0) | (dead ? DEAD_BIT : 0);
  }

  /** Keeps since when the stream has not moved, has shown one and the same number, and has stood near zero. */
  #followRun(
    { f, u, at }: { readonly f: Float32Array; readonly u: Uint32Array; readonly at: number },
    t: number,
    x: number,
    seen: number,
    continues: boolean,
  ): void {
    const low = Math.min(f[at + STREAM.runMin] as number, x);
    const high = Math.max(f[at + STREAM.runMax] as number, x);
    if (continues && high - low < (this.#context.limits.flat?.tolerance ?? 0)) {
      f[at + STREAM.runMin] = low;
      f[at + STREAM.runMax] = high;
      if (!Number.isNaN(seen)) {
        const lowest = f[at + STREAM.otherMin] as number;
        const highest = f[at + STREAM.otherMax] as number;
        f[at + STREAM.otherMin] = seen < lowest || Number.isNaN(lowest) ? seen : lowest;
        f[at + STREAM.otherMax] = seen > highest || Number.isNaN(highest) ? seen : highest;
      }
    } else {
      u[at + STREAM.runStart] = t;
      f[at + STREAM.runMin] = f[at + STREAM.runMax] = x;
      f[at + STREAM.otherMin] = f[at + STREAM.otherMax] = seen;
    }
    if (!continues || x !== (f[at + STREAM.v1] as number)) u[at + STREAM.equalSince] = t;
    if (!continues || !isNearZero(x, seen)) u[at + STREAM.lowSince] = t;
  }

  /** Whether a stream was found dead at its last reading. */
  wasDead(thingNum: number, propertyNum: number): boolean {
    const record = this.streams.find(thingNum, propertyNum);
    return ((this.streams.pool.u32(record)[this.streams.pool.offset(record) + STREAM.misc] as number) & DEAD_BIT) !== 0;
  }

  #run(steps: readonly Step[], v: DraftValue): void {
    for (const { mask, test, remark } of steps) {
      const flag = test(this.#context);
      if (flag === FLAG.notEvaluated) continue;
      if (remark) {
        if (flag !== FLAG.good) v.reasons |= mask;
        continue;
      }
      v.flag = worse(v.flag, flag);
      if (flag !== FLAG.good) v.reasons |= mask;
    }
  }

  #aim(key: PropertyKey, x: number): Plan {
    const plan = plans[num(key)] as Plan;
    const c = this.#context;
    c.key = key;
    c.x = x;
    c.property = plan.property;
    c.limits = plan.limits;
    return plan;
  }

  /** What moves when the air moves, apart from the value itself: neighbours, or else the other channel of the same box. */
  #evidence(propertyNum: number, field: number): number {
    if (!Number.isNaN(field)) return field;
    const x = this.values[propertyNum === PM25_B ? PM25 : PM25_B] as number;
    return x >= 0 && x <= 1000 ? x : Number.NaN;
  }

  /** Whether rain, or a gauge nearby that rises as well, stands behind a jump of the water; and keeps that this one rose. */
  #supportsWater(reading: RawReading, step: number, gap: number): boolean {
    const sites = this.#sites;
    const site = sites.get(reading.thingNum);
    const t = Math.max(1, Math.floor(reading.phenomenonTime / 1000));
    let found = this.#context.beside('rain') > 0;
    if (site === 0 || Math.abs(step) < WATER_NEAR.rose || !(gap <= MAX_RUN_GAP_S)) return found;
    const tile = found ? null : this.#tiles.tileOf(site, t);
    for (const other of tile?.members ?? []) {
      if (other === site || Math.abs(t - sites.integer(other, S.waterRose)) > WATER_NEAR.s) continue;
      const km = distanceKm(sites.read(site, S.lat), sites.read(site, S.lon), sites.read(other, S.lat), sites.read(other, S.lon)); // prettier-ignore
      if (km <= WATER_NEAR.km) found = true;
    }
    if (step > 0) sites.writeInteger(site, S.waterRose, t);
    return found;
  }
}

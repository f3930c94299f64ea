/**
 * A simulated box: a low-cost optical counter in a plastic case, with the errors such boxes have, and one fault at most.
 * It reads the city's true air and says what it would send; how that is written as a payload is not its business.
 */
import type { Air, City, Position } from './city.ts';
import { hash01, hashNormal } from './random.ts';

export const FAULTS = [
  'rh-100',
  'dead-trh',
  'rh-negative',
  'dead-fan',
  'stuck',
  'spikes',
  'clipped',
  'clock-ahead',
  'clock-1970',
  'clock-2080',
  'clock-slow',
  'offline',
  'resend',
  'twin',
  'drift',
  'indoor',
  'sentinel',
] as const;
export type Fault = (typeof FAULTS)[number];

export interface BoxErrors {
  /** Factor on the particle mass at low humidity. */
  readonly gain: number;
  /** µg/m³ added. */
  readonly offset: number;
  /** Hygroscopicity: growth factor is 1 + kappa·aw/(1−aw) (Malings 2020 form), aw capped at 0.97. */
  readonly kappa: number;
  /** Relative gain change a day. */
  readonly driftPerDay: number;
  /** Noise: standard deviation is noise + noiseShare·value [µg/m³]. */
  readonly noise: number;
  readonly noiseShare: number;
  /** The case is warmer than the air by this at noon [K], and half a degree at night. */
  readonly heating: number;
  readonly humidityOffset: number;
}

export interface Measurement {
  /** What the box writes as its time, null = it has no clock. */
  readonly time: number | null;
  /** When it was really measured. */
  readonly trueTime: number;
  readonly pm1: number;
  readonly pm25: number;
  readonly pm10: number;
  readonly temperature: number;
  readonly humidity: number;
}

/** What a box sends at one moment: nothing, one measurement, a buffer of several, or one twice. */
export interface Emission {
  readonly measurements: readonly Measurement[];
  readonly batch: boolean;
}

export interface SimBox extends Position {
  readonly id: string;
  readonly index: number;
  readonly sensor: 'PMS5003' | 'SDS011';
  readonly errors: BoxErrors;
  readonly fault: Fault | null;
  /** The fault shows from this moment [epoch ms]. */
  readonly faultFrom: number;
  measure(time: number): Measurement;
  /** Call with growing times, one a reporting interval; `intervalMs` tells how long the last silence should be filled. */
  emit(time: number, intervalMs: number): Emission;
}

const DAY_MS = 86_400_000;
const round1 = (x: number): number => Math.round(x * 10) / 10;

export interface SimBoxOptions {
  readonly id: string;
  readonly index: number;
  readonly place: Position;
  readonly sensor?: 'PMS5003' | 'SDS011';
  readonly errors?: Partial<BoxErrors>;
  readonly fault?: Fault | null;
  readonly faultFrom?: number;
  /** When the box was new: drift counts from here. */
  readonly installed?: number;
}

/** Typical Plantower errors: over-reads about 1.5 times, differs by ±15 % from box to box (calibration note §2.1, §8.4). */
export function typicalErrors(seed: number, index: number): BoxErrors {
  return {
    gain: 1.35 * Math.exp(0.15 * hashNormal(seed, index, 0x21)),
    offset: 0.8 * hashNormal(seed, index, 0x22),
    kappa: 0.12 + 0.1 * hash01(seed, index, 0x23),
    driftPerDay: 0,
    noise: 0.5,
    noiseShare: 0.04,
    heating: 2 + 3 * hash01(seed, index, 0x24),
    humidityOffset: 4 * hashNormal(seed, index, 0x25),
  };
}

export function growth(kappa: number, humidity: number): number {
  const aw = Math.min(0.97, Math.max(0, humidity / 100));
  return 1 + (kappa * aw) / (1 - aw);
}

export function createBox(city: City, options: SimBoxOptions): SimBox {
  const { id, index, place } = options;
  const seed = city.seed ^ 0x2b2b;
  const errors: BoxErrors = { ...typicalErrors(seed, index), ...options.errors };
  const fault = options.fault ?? null;
  const faultFrom = options.faultFrom ?? 0;
  const installed = options.installed ?? 0;
  const buffer: Measurement[] = [];
  let stuckAt: Measurement | null = null;

  const sense = (air: Air, time: number): Omit<Measurement, 'time' | 'trueTime'> => {
    const tick = Math.floor(time / 1000);
    const wet = growth(errors.kappa, air.humidity);
    const drift = installed ? 1 + (errors.driftPerDay * (time - installed)) / DAY_MS : 1;
    const particle = (mass: number, salt: number): number => {
      const value = errors.gain * drift * wet * mass + errors.offset;
      return Math.max(0, value + (errors.noise + errors.noiseShare * value) * hashNormal(seed ^ salt, tick, index));
    };
    const pm25 = particle(air.pm25, 0x31);
    // One counter makes all three sizes: their noise is common, the sizes stay in order.
    const share = pm25 / Math.max(0.1, air.pm25);
    const warm = 0.5 + errors.heating * city.sun(time);
    return {
      pm1: Math.round(air.pm1 * share),
      pm25: Math.round(pm25),
      pm10: Math.round(air.pm10 * share),
      temperature: round1(air.temperature + warm + 0.1 * hashNormal(seed ^ 0x32, tick, index)),
      humidity: round1(
        Math.min(
          100,
          Math.max(5, air.humidity - 3 * warm + errors.humidityOffset + 0.5 * hashNormal(seed ^ 0x33, tick, index)),
        ),
      ),
    };
  };

  const broken = (m: Measurement, time: number): Measurement => {
    const tick = Math.floor(time / 1000);
    switch (fault) {
      case 'rh-100':
        return { ...m, humidity: 100 };
      case 'dead-trh':
        return { ...m, temperature: -4, humidity: 0 };
      case 'rh-negative':
        return { ...m, humidity: -m.humidity };
      case 'dead-fan':
        return { ...m, pm1: 0, pm25: 0, pm10: 0 };
      case 'stuck':
        stuckAt ??= m;
        return { ...m, pm1: stuckAt.pm1, pm25: stuckAt.pm25, pm10: stuckAt.pm10 };
      case 'spikes':
        return hash01(seed ^ 0x41, tick, index) < 0.03 ? { ...m, pm25: m.pm25 * 6 + 90, pm10: m.pm10 * 6 + 100 } : m;
      case 'clipped':
        return { ...m, pm1: Math.min(m.pm1, 25), pm25: Math.min(m.pm25, 25), pm10: Math.min(m.pm10, 25) };
      case 'sentinel':
        return { ...m, pm25: 3331, pm10: 3331, pm1: 3331 };
      case 'drift':
        return { ...m, pm25: Math.round(m.pm25 * (1 + (0.03 * (time - faultFrom)) / DAY_MS)) };
      case 'indoor':
        return {
          ...m,
          pm25: Math.round(4 + 0.15 * m.pm25),
          pm10: Math.round(6 + 0.15 * m.pm10),
          pm1: Math.round(3 + 0.12 * m.pm1),
        };
      case 'clock-ahead':
        return { ...m, time: m.trueTime + 5 * 3_600_000 };
      case 'clock-1970':
        return { ...m, time: m.trueTime % (30 * DAY_MS) };
      case 'clock-2080':
        // The cold-start date of a GPS receiver without a fix (LASS archives hold 2080-01-06).
        return { ...m, time: Date.UTC(2080, 0, 6) + (m.trueTime % DAY_MS) };
      case 'clock-slow':
        return { ...m, time: m.trueTime - 90 * 60_000 };
      default:
        return m;
    }
  };

  const measure = (time: number): Measurement => {
    const m: Measurement = { time, trueTime: time, ...sense(city.at(place, time), time) };
    return fault && time >= faultFrom ? broken(m, time) : m;
  };

  return {
    id,
    index,
    ...place,
    sensor: options.sensor ?? 'PMS5003',
    errors,
    fault,
    faultFrom,
    measure,
    emit(time, intervalMs) {
      const m = measure(time);
      if (fault === 'offline' && time >= faultFrom) {
        // Two hours in six without a network; then the whole buffer in one message.
        const sixHours = 6 * 3_600_000;
        if ((time - faultFrom) % sixHours < 2 * 3_600_000) {
          buffer.push(m);
          if (buffer.length > 2000) buffer.shift();
          return { measurements: [], batch: false };
        }
        if (buffer.length > 0) return { measurements: [...buffer.splice(0), m], batch: true };
      }
      if (fault === 'resend' && time >= faultFrom && hash01(seed ^ 0x42, Math.floor(time / intervalMs), index) < 0.3)
        return { measurements: [m, m], batch: false };
      return { measurements: [m], batch: false };
    },
  };
}

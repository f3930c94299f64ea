/**
 * What QC can say an hour later: a lone jump waits for the reading after it (QARTOD's spike test; calibration note §8.1 S4 and the product
 * *revised*). The live answer cannot wait; history can.
 *
 * A value that is suspect for nothing but a jump (`spike`, `spatial`) and that the next reading of its stream stays with, is good: it was the first
 * reading of a real step. One that the next falls back from by twice the limit is no longer only suspect: it fails.
 */
import { FLAG, reason } from '../../model/flags.ts';
import type { CheckedReading, CheckedValue } from '../../model/observation.ts';
import { HOUR, type EpochMs } from '../../model/time.ts';
import { limitsOf } from './parameters.ts';

const SPIKE = reason('spike');
const SPATIAL = reason('spatial');
const JUMPED = SPIKE | SPATIAL;
/** Reasons that say nothing against a value. */
const REMARKS =
  reason('event') | reason('fog') | reason('indoor') | reason('near_source') | reason('single_channel') | reason('drift') | reason('moved') | reason('outlier') | reason('clock'); // prettier-ignore
/** A reading this near stays with the one before: a share of the step, and of the value. */
const STAYS = 0.25;

const isJump = (v: CheckedValue): boolean =>
  v.flag === FLAG.suspect && (v.reasons & JUMPED) !== 0 && (v.reasons & ~(JUMPED | REMARKS)) === 0;

/** The verdict on `v`, knowing the value of its stream before and after it. */
export function confirm(v: CheckedValue, before: CheckedValue | undefined, after: CheckedValue): CheckedValue {
  if (!isJump(v)) return v;
  const afterSound = after.flag === FLAG.good || after.flag === FLAG.notEvaluated;
  const step = before ? v.raw - before.raw : NaN;
  if (afterSound && Math.abs(after.raw - v.raw) <= STAYS * Math.max(Math.abs(v.raw), Math.abs(step) || 0)) {
    return { ...v, flag: FLAG.good, reasons: v.reasons & ~JUMPED };
  }
  const limits = limitsOf(v.property).spike;
  const back = v.raw - after.raw;
  if (before && limits && v.reasons & SPIKE && step * back > 0 && Math.min(Math.abs(step), Math.abs(back)) > 2 * limits.minJump) return { ...v, flag: FLAG.fail }; // prettier-ignore
  return v;
}

const SINGLE_CHANNEL = reason('single_channel');

/**
 * Where channel B spoke for both, what has become known of B is the verdict on `pm25`. B itself is not failed for it: whose value it was is told by
 * which of the two had failed (`mergedPm25`), and the dead channel A must not become the value of the reading an hour later.
 */
function settleChannels(before: readonly CheckedValue[], now: CheckedValue[]): CheckedValue[] {
  const a = now.findIndex((v) => v.property === 'pm25');
  const b = now.findIndex((v) => v.property === 'pm25_b');
  const [was, is] = [before[b], now[b]];
  if (!was || !is || !((now[a]?.reasons ?? 0) & SINGLE_CHANNEL) || was.flag === FLAG.fail || was === is) return now;
  return now.map((v, i) => (i === a ? { ...v, flag: is.flag } : i === b && is.flag === FLAG.fail ? was : v));
}

interface Held {
  readonly reading: CheckedReading;
  values: CheckedValue[];
}

export interface ConfirmationState {
  waiting: Held[];
  /** By thing: its last reading, and the values of the one before that. */
  last: Map<number, { held: Held; before: readonly CheckedValue[] }>;
}

/** Holds readings back until the next of the same box has come, an hour at most; gives them out in the order they came in. */
export class Confirmation {
  #s: ConfirmationState = { waiting: [], last: new Map() };
  #head = 0;

  /** Takes readings of one time, later than all before; returns those that are settled. */
  push(readings: readonly CheckedReading[]): CheckedReading[] {
    for (const reading of readings) {
      const last = this.#s.last.get(reading.thingNum);
      const held: Held = { reading, values: [...reading.values] };
      if (last && reading.phenomenonTime - last.held.reading.phenomenonTime <= HOUR) {
        const of = (values: readonly CheckedValue[], v: CheckedValue): CheckedValue | undefined =>
          values.find((w) => w.property === v.property);
        const settled = last.held.values.map((v) => {
          const after = of(reading.values, v);
          return after ? confirm(v, of(last.before, v), after) : v;
        });
        last.held.values = settleChannels(last.held.values, settled);
      }
      this.#s.waiting.push(held);
      this.#s.last.set(reading.thingNum, { held, before: last ? last.held.values : [] });
    }
    const now = readings[0]?.phenomenonTime;
    return now === undefined ? [] : this.#release(now - HOUR);
  }

  /** What waits from before a time, when nothing of the hour behind it will come any more. */
  settle(before: EpochMs): CheckedReading[] {
    return this.#release(before);
  }

  /** Live: serialise it before the next `push`. */
  state(): ConfirmationState {
    this.#s.waiting.splice(0, this.#head);
    this.#head = 0;
    return this.#s;
  }
  restore(state: ConfirmationState): void {
    this.#s = state;
    this.#head = 0;
  }

  #release(before: EpochMs): CheckedReading[] {
    const { waiting } = this.#s;
    const out: CheckedReading[] = [];
    for (; this.#head < waiting.length; this.#head++) {
      const { reading, values } = waiting[this.#head] as Held;
      if (reading.phenomenonTime >= before) break;
      out.push({ ...reading, values });
    }
    if (this.#head > 10_000 && 2 * this.#head > waiting.length) {
      waiting.splice(0, this.#head);
      this.#head = 0;
    }
    return out;
  }
}

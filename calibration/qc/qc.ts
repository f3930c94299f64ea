/**
 * Quality control as one object: the streaming tests S0–S6 on each value, the spatial test and the event gate on each slice, and what is
 * done once a night. Pure: no clock, no disk, no network; time is in the data. Raw values are never changed.
 *
 * PM2.5 of a box with two channels: the flag of `pm25` judges what both channels together say (`mergedPm25` gives that value), the flag
 * of `pm25_b` judges channel B alone. Reason `single_channel` on `pm25` says that one channel spoke for both.
 */
import { deserialize, serialize } from 'node:v8';
import { FLAG, type Flag, reason, worse } from '../../model/flags.ts';
import type { CheckedReading, CheckedValue, RawReading } from '../../model/observation.ts';
import { PROPERTIES, PROPERTY_SLOTS, type PropertyKey, property } from '../../model/properties.ts';
import type { EpochMs } from '../../model/time.ts';
import type { StageBox, StageStation } from '../stage.ts';
import { type Channel, channelUse, channelsTest } from './channels.ts';
import { limitsOf } from './parameters.ts';
import { isFoggy } from './physics.ts';
import { median3 } from './spike.ts';
import { SPIKE_BIT, STREAM, Streams } from './streams.ts';
import { VALUE_TESTS, type ValueContext, type ValueTest } from './tests.ts';

export interface Qc {
  setBox(box: StageBox): void;
  setStation(station: StageStation): void;
  /** Judges readings that belong together: in `backtest` all rows of one time, live a micro-batch. Same order out as in. */
  check(readings: readonly RawReading[]): CheckedReading[];
  /** Nightly work that is due at `now`. */
  advance(now: EpochMs): void;
  snapshot(): Uint8Array;
  restore(bytes: Uint8Array): void;
}

const SNAPSHOT_VERSION = 1;
/** A value counts as unchanged over a silence of at most this [s]. */
const MAX_RUN_GAP_S = 6 * 3600;
/** Weight of a new step in the running mean of steps. */
const USUAL_WEIGHT = 0.05;

const testsOf = new Map<PropertyKey, readonly ValueTest[]>(
  PROPERTIES.map((p) => [p.key, VALUE_TESTS.filter((t) => !t.for || t.for.includes(p.key))]),
);
const num = (key: PropertyKey): number => property(key).num;
const PM25 = num('pm25');
const PM25_B = num('pm25_b');
const PM10 = num('pm10');
const TEMPERATURE = num('temperature');
const HUMIDITY = num('humidity');
const PLACEHOLDER = reason('sentinel') | reason('negative');

/**
 * PM2.5 of a checked reading: the mean of its two channels, or the one that speaks for both; NaN = no PM2.5.
 * Boxes with one channel: that value, whatever its flag.
 */
export function mergedPm25(reading: CheckedReading): number {
  const a = reading.values.find((v) => v.property === 'pm25');
  const b = reading.values.find((v) => v.property === 'pm25_b');
  if (!a || !b) return a?.raw ?? b?.raw ?? Number.NaN;
  if (!(a.reasons & reason('single_channel'))) return (a.raw + b.raw) / 2;
  return b.flag === FLAG.fail ? a.raw : b.raw;
}

interface Draft {
  flags: Flag[];
  reasons: number[];
  /** Whether the value failed a test that needs no memory. */
  broken: boolean[];
}

export function createQc(): Qc {
  const streams = new Streams();
  const values = new Float64Array(PROPERTY_SLOTS).fill(Number.NaN);
  const c: ValueContext = {
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
    equalS: 0,
    around: Number.NaN,
    sunElevation: Number.NaN,
    beside: (key) => values[num(key)] as number,
  };

  function run(kind: ValueTest['kind'], draft: Draft, i: number): void {
    for (const t of testsOf.get(c.key) ?? []) {
      if (t.kind !== kind) continue;
      const flag = t.test(c);
      if (flag === FLAG.notEvaluated) continue;
      draft.flags[i] = worse(draft.flags[i] as Flag, flag);
      if (flag !== FLAG.good) draft.reasons[i] = (draft.reasons[i] as number) | reason(t.reason);
    }
  }

  function load(reading: RawReading): void {
    values.fill(Number.NaN);
    for (const v of reading.values) values[num(v.property)] = v.raw;
  }

  function aim(key: PropertyKey, x: number): void {
    c.key = key;
    c.x = x;
    c.property = property(key);
    c.limits = limitsOf(key);
  }

  /** Tests without memory. */
  function instant(reading: RawReading): Draft {
    load(reading);
    const draft: Draft = { flags: [], reasons: [], broken: [] };
    for (const [i, v] of reading.values.entries()) {
      draft.flags.push(FLAG.notEvaluated);
      draft.reasons.push(0);
      draft.broken.push(false);
      aim(v.property, v.raw);
      run('instant', draft, i);
      draft.broken[i] = draft.flags[i] === FLAG.fail;
    }
    return draft;
  }

  /** What moves when the air moves, apart from the value itself: neighbours, or the other channel or size of the same box. */
  function evidence(propertyNum: number, expected: number): number {
    if (propertyNum === PM25) return Number.isNaN(expected) ? other(PM25_B) : expected;
    if (propertyNum === PM25_B) return Number.isNaN(expected) ? other(PM25) : expected;
    return Number.NaN;
  }
  const other = (n: number): number => {
    const x = values[n] as number;
    return x >= 0 && x <= 1000 ? x : Number.NaN;
  };

  /** Tests with memory, for one value; then the memory takes the value in. */
  function history(reading: RawReading, draft: Draft, i: number, expected: number): void {
    const v = reading.values[i] as RawReading['values'][number];
    aim(v.property, v.raw);
    const n = c.property.num;
    const record = streams.find(reading.thingNum, n);
    const f = streams.f32(record);
    const u = streams.u32(record);
    const at = streams.offset(record);
    const t = Math.max(1, Math.floor(reading.phenomenonTime / 1000));
    const before = u[at + STREAM.time] as number;
    // Late readings (an offline buffer) have no present to be compared with.
    if (draft.broken[i] || t < before) return;
    const x = Math.fround(v.raw);
    const gap = before === 0 ? Number.NaN : t - before;
    const seen = evidence(n, expected);
    const v1 = f[at + STREAM.v1] as number;

    const continues = gap <= MAX_RUN_GAP_S;
    const low = Math.min(f[at + STREAM.runMin] as number, x);
    const high = Math.max(f[at + STREAM.runMax] as number, x);
    const tolerance = c.limits.flat?.tolerance ?? 0;
    if (continues && high - low < tolerance) {
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
    if (!continues || x !== v1) u[at + STREAM.equalSince] = t;

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
    c.evidenceRange = (f[at + STREAM.otherMax] as number) - (f[at + STREAM.otherMin] as number);
    c.equalS = t - (u[at + STREAM.equalSince] as number);
    c.around = n === PM25 || n === PM25_B || n === PM10 ? seen : Number.NaN;
    c.sunElevation = Number.NaN;
    run('history', draft, i);

    const spike = (draft.reasons[i] as number) & reason('spike');
    if (count > 0 && !spike) {
      const step = Math.abs(x - v1);
      f[at + STREAM.usual] = Number.isNaN(c.usual) ? step : c.usual + USUAL_WEIGHT * (step - c.usual);
    }
    f[at + STREAM.v3] = f[at + STREAM.v2] as number;
    f[at + STREAM.v2] = v1;
    f[at + STREAM.v1] = x;
    u[at + STREAM.time] = t;
    u[at + STREAM.misc] = Math.min(255, count + 1) | (spike ? SPIKE_BIT : 0);
  }

  /** Two channels: what they say together becomes the verdict on `pm25`. Fog and the like are remarks on the whole reading. */
  function together(reading: RawReading, draft: Draft, expected: number): void {
    const a = reading.values.findIndex((v) => v.property === 'pm25');
    if (a < 0) return;
    const b = reading.values.findIndex((v) => v.property === 'pm25_b');
    if (b >= 0) {
      const channel = (i: number): Channel => ({
        value: (reading.values[i] as { raw: number }).raw,
        failed: draft.flags[i] === FLAG.fail,
      });
      const [ca, cb] = [channel(a), channel(b)];
      // A placeholder in A (Denver: −1) comes with nonsense in B: such a reading has no PM2.5 at all.
      const use = (draft.reasons[a] as number) & PLACEHOLDER ? 'none' : channelUse(ca, cb, expected);
      if (use === 'mean') {
        const flag = channelsTest(ca.value, cb.value);
        for (const i of [a, b]) {
          draft.flags[i] = worse(draft.flags[i] as Flag, flag);
          if (flag !== FLAG.good) draft.reasons[i] = (draft.reasons[i] as number) | reason('channels');
        }
      } else if (use !== 'none') {
        if (use === 'b') draft.flags[a] = draft.flags[b] as Flag;
        else if (draft.flags[b] !== FLAG.fail) {
          draft.flags[b] = FLAG.fail;
          draft.reasons[b] = (draft.reasons[b] as number) | reason('channels');
        }
        draft.reasons[a] = (draft.reasons[a] as number) | reason('single_channel');
      }
    }
    if (isFoggy(values[TEMPERATURE] as number, values[HUMIDITY] as number))
      draft.reasons[a] = (draft.reasons[a] as number) | reason('fog');
  }

  function check(readings: readonly RawReading[]): CheckedReading[] {
    const seen = new Map<number, Set<EpochMs>>();
    const order = readings.map((_, i) => i);
    order.sort(
      (a, b) => (readings[a] as RawReading).phenomenonTime - (readings[b] as RawReading).phenomenonTime || a - b,
    );
    const out: CheckedReading[] = [];
    out.length = readings.length;
    for (const k of order) {
      const reading = readings[k] as RawReading;
      const draft = instant(reading);
      const times = seen.get(reading.thingNum);
      if (times?.has(reading.phenomenonTime)) {
        for (let i = 0; i < draft.flags.length; i++) {
          draft.flags[i] = FLAG.fail;
          draft.reasons[i] = (draft.reasons[i] as number) | reason('duplicate');
        }
      } else {
        if (times) times.add(reading.phenomenonTime);
        else seen.set(reading.thingNum, new Set([reading.phenomenonTime]));
        for (let i = 0; i < reading.values.length; i++) history(reading, draft, i, Number.NaN);
        together(reading, draft, Number.NaN);
      }
      out[k] = {
        ...reading,
        stage: 'checked',
        values: reading.values.map((v, i): CheckedValue => ({
          property: v.property,
          raw: v.raw,
          flag: draft.flags[i] as Flag,
          reasons: draft.reasons[i] as number,
        })),
      };
    }
    return out;
  }

  return {
    setBox: () => {},
    setStation: () => {},
    check,
    advance: () => {},
    snapshot: () => serialize({ version: SNAPSHOT_VERSION, streams: streams.snapshot() }),
    restore(bytes) {
      const state = deserialize(bytes) as { version: number; streams: ReturnType<Streams['snapshot']> };
      if (state.version !== SNAPSHOT_VERSION) throw new Error(`QC state of version ${state.version} cannot be read`);
      streams.restore(state.streams);
    },
  };
}

/** Gross and plausible range of every property (S1 of the calibration note §8.1), and one value out of two channels (S5). */
import { FLAG, reason, worse, type Flag } from '../model/flags.ts';
import type { CheckedReading, CheckedValue, RawReading, RawValue } from '../model/observation.ts';
import { property } from '../model/properties.ts';
import { HOUR } from '../model/time.ts';
import type { CalibrationStage } from './stage.ts';

const GROSS = reason('gross_range');
const PLAUSIBLE = reason('plausible_range');
const MISSING = reason('missing');
const CHANNELS = reason('channels');
const SINGLE = reason('single_channel');

function checkValue(value: RawValue): CheckedValue {
  const { gross, plausible } = property(value.property);
  const raw = value.raw;
  if (!Number.isFinite(raw)) return { ...value, flag: FLAG.missing, reasons: MISSING };
  if (raw < gross[0] || raw > gross[1]) return { ...value, flag: FLAG.fail, reasons: GROSS };
  if (raw < plausible[0] || raw > plausible[1]) return { ...value, flag: FLAG.suspect, reasons: PLAUSIBLE };
  return { ...value, flag: FLAG.good, reasons: 0 };
}

interface Run {
  value: number;
  since: number;
  count: number;
  low: number;
  high: number;
}

export type Qc = Pick<CalibrationStage, 'setBox' | 'setStation' | 'check' | 'advance' | 'snapshot' | 'restore'>;

export function mergedPm25(reading: CheckedReading): number {
  const a = reading.values.find((v) => v.property === 'pm25');
  const b = reading.values.find((v) => v.property === 'pm25_b');
  if (!a || !b) return a?.raw ?? b?.raw ?? NaN;
  if (!(a.reasons & SINGLE)) return (a.raw + b.raw) / 2;
  return b.flag === FLAG.fail ? a.raw : b.raw;
}

export function createQc(): Qc {
  const runs = new Map<string, Run>();
  const stuck = (key: string, v: number, other: number, t: number): boolean => {
    let r = runs.get(key);
    if (!r) runs.set(key, (r = { value: NaN, since: t, count: 0, low: Infinity, high: -Infinity }));
    if (v !== r.value) Object.assign(r, { value: v, since: t, count: 0, low: Infinity, high: -Infinity });
    r.count++;
    if (other >= 0 && other < 1000) {
      r.low = Math.min(r.low, other);
      r.high = Math.max(r.high, other);
    }
    return r.count >= 6 && t - r.since >= 3 * HOUR && r.high - r.low > 3;
  };
  return {
    setBox() {},
    setStation() {},
    advance() {},
    snapshot: () => new Uint8Array(),
    restore() {},
    check: (readings: readonly RawReading[]): CheckedReading[] =>
      readings.map((r) => {
        const values = r.values.map(checkValue) as { flag: Flag; reasons: number; raw: number; property: string }[];
        const a = values.find((v) => v.property === 'pm25');
        const b = values.find((v) => v.property === 'pm25_b');
        if (a && b) {
          const sa = stuck(`${r.thing}a`, a.raw, b.raw, r.phenomenonTime);
          const sb = stuck(`${r.thing}b`, b.raw, a.raw, r.phenomenonTime);
          const da = a.flag >= FLAG.fail || sa;
          const db = b.flag >= FLAG.fail || sb;
          if (da && !db) {
            a.reasons |= SINGLE;
            a.flag = FLAG.good;
          } else if (db && !da) {
            a.reasons |= SINGLE;
            b.flag = FLAG.fail;
          } else if (!da && Math.abs(a.raw - b.raw) > 5) {
            const rel = (2 * Math.abs(a.raw - b.raw)) / (a.raw + b.raw);
            if (rel > 0.4) {
              a.reasons |= CHANNELS;
              a.flag = worse(a.flag, rel > 0.7 ? FLAG.fail : FLAG.suspect);
            }
          }
        }
        return { ...r, stage: 'checked', values: values as unknown as CheckedValue[] };
      }),
  };
}

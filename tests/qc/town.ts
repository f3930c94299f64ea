/** A made-up town for the quality tests: boxes on a grid, a shared daily course, each box with its own gain and noise. Seeded. */
import { type Qc, createQc } from '../../calibration/qc/qc.ts';
import type { Flag } from '../../model/flags.ts';
import { reasonStrings } from '../../model/flags.ts';
import type { CheckedReading, RawReading, RawValue } from '../../model/observation.ts';

export const START = Date.UTC(2026, 2, 1);
export const HOUR = 3_600_000;

export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface TownBox {
  readonly num: number;
  readonly lat: number;
  readonly lon: number;
  readonly gain: number;
}

/** `rows` × 6 boxes, 0.9 km apart. */
export function townBoxes(rows = 5, seed = 1): TownBox[] {
  const next = random(seed);
  return Array.from({ length: rows * 6 }, (_, i) => ({
    num: i + 1,
    lat: 24.15 + Math.floor(i / 6) * 0.008,
    lon: 120.66 + (i % 6) * 0.009,
    gain: 0.8 + 0.4 * next(),
  }));
}

export function reading(num: number, t: number, values: Partial<Record<RawValue['property'], number>>): RawReading {
  return {
    stage: 'raw',
    thing: `box-${String(num).padStart(6, '0')}`,
    thingNum: num,
    phenomenonTime: t,
    resultTime: t,
    clock: 'box',
    seq: 0,
    values: Object.entries(values).map(([property, raw]) => ({ property: property as RawValue['property'], raw })),
  };
}

/** True air of the town at hour `h` [µg/m³]: between about 10 and 50. */
export const air = (h: number): number =>
  28 + 12 * Math.sin((2 * Math.PI * h) / 24) + 8 * Math.sin((2 * Math.PI * h) / 77);

export function setBoxes(qc: Qc, boxes: readonly { num: number; lat: number | null; lon: number | null }[]): Qc {
  for (const b of boxes)
    qc.setBox({
      id: `box-${String(b.num).padStart(6, '0')}`,
      num: b.num,
      lat: b.lat,
      lon: b.lon,
      sensor: 'PMS5003T',
      field: '',
      trusted: true,
      exposure: 'outdoor',
    });
  return qc;
}

export const townQc = (boxes: readonly TownBox[]): Qc => setBoxes(createQc(), boxes);

/** PM2.5 of every box at hour `h`, with 5 % noise. */
export function hourOf(boxes: readonly TownBox[], h: number, seed = 2): Map<number, number> {
  const next = random(seed * 100_003 + Math.round(h * 60));
  return new Map(boxes.map((b) => [b.num, air(h) * b.gain * Math.exp(0.1 * (next() - 0.5))]));
}

export const slice = (values: ReadonlyMap<number, number>, h: number): RawReading[] =>
  [...values].map(([num, pm25]) => reading(num, START + h * HOUR, { pm25: Math.round(pm25 * 10) / 10 }));

/** Runs hours `from` to `to` (exclusive) and returns all answers. `change` may falsify an hour's values. */
export function run(
  qc: Qc,
  boxes: readonly TownBox[],
  from: number,
  to: number,
  change: (values: Map<number, number>, h: number) => void = () => {},
): CheckedReading[][] {
  const out: CheckedReading[][] = [];
  for (let h = from; h < to; h++) {
    const values = hourOf(boxes, h);
    change(values, h);
    qc.advance(START + h * HOUR);
    out.push(qc.check(slice(values, h)));
  }
  return out;
}

export const pm25Of = (r: CheckedReading): { flag: Flag; reasons: string[] } => {
  const v = r.values.find((x) => x.property === 'pm25');
  if (!v) throw new Error('no pm25 in this reading');
  return { flag: v.flag, reasons: reasonStrings('pm25', v.reasons) };
};
export const boxOf = (answers: readonly CheckedReading[], num: number): CheckedReading => {
  const r = answers.find((x) => x.thingNum === num);
  if (!r) throw new Error(`no answer for box ${num}`);
  return r;
};
export const flaggedShare = (answers: readonly CheckedReading[]): number =>
  answers.filter((r) => pm25Of(r).flag >= 3).length / answers.length;

/** `node bench/qc.ts [--all]`: quality control against the peers' rules, on injected faults. `--all` adds the slow LOO-kriging references. */
import { type Qc, createQc } from '../calibration/qc/qc.ts';
import { FLAG } from '../model/flags.ts';
import type { RawReading } from '../model/observation.ts';
import {
  type BenchBox,
  type Detector,
  FAULTS,
  FAULT_SET,
  type Score,
  hasFaultSet,
  inject,
  loadFaultSet,
  pool,
  rates,
  score,
} from './qc_faults.ts';
import { figure, leftOut } from './figures.ts';
import { lasting, plumes, shifts, sixMinutes } from './qc_scenes.ts';
import { adf, airGradient, buddy, logMedian, looKriging } from './qc_peers.ts';

export function rawReading(num: number, t: number, values: RawReading['values']): RawReading {
  return {
    stage: 'raw',
    thing: `box-${num}`,
    thingNum: num,
    phenomenonTime: t,
    resultTime: t,
    clock: 'box',
    seq: 0,
    values,
  };
}

export function qcOf(boxes: readonly { lat: number; lon: number }[]): Qc {
  const qc = createQc();
  for (const [i, b] of boxes.entries())
    qc.setBox({
      id: `box-${i + 1}`,
      num: i + 1,
      lat: b.lat,
      lon: b.lon,
      sensor: 'PMS5003T',
      field: '',
      trusted: true,
      exposure: 'outdoor',
    });
  return qc;
}

/** Lamppost's own: flag 3 or 4, the live answer of each hour. */
export const lamppost: Detector = (boxes, rows, times) => {
  const qc = qcOf(boxes);
  return rows.map((row, h) => {
    const t = times[h] as number;
    const slice = row.flatMap((x, i) => (x ? [rawReading(i + 1, t, [{ property: 'pm25', raw: x.value }])] : []));
    qc.advance(t);
    const flagged = new Map(
      qc.check(slice).map((r) => {
        const flag = r.values[0]?.flag;
        return [r.thingNum - 1, flag === FLAG.suspect || flag === FLAG.fail] as const;
      }),
    );
    return row.map((_, i) => flagged.get(i) ?? null);
  });
};

const line = (s: Score): string => {
  const r = rates(s);
  return `${r.precision.toFixed(2)}/${r.recall.toFixed(2)}/${r.f1.toFixed(3)}/${(100 * r.fpr).toFixed(2)}`;
};

export function measure(
  name: string,
  detector: Detector,
  groups: Record<string, BenchBox[]>,
  times: readonly number[],
  seed = 7,
): Score {
  const scores = Object.values(groups).map((boxes) => {
    const rows = inject(boxes, seed);
    return score(rows, detector(boxes, rows, times));
  });
  const all = pool(scores);
  const faults = all.byFault.map(([found, n], i) => `${FAULTS[i]} ${(found / n).toFixed(2)}`).join(' ');
  const r = rates(all);
  figure(name, `precision ${r.precision.toFixed(2)}, recall ${r.recall.toFixed(2)}, F1 ${r.f1.toFixed(3)}, false positives ${(100 * r.fpr).toFixed(2)} %`); // prettier-ignore
  console.log(`${name.padEnd(26)} ${scores.map(line).join('  ')}  pooled ${line(all)}  ${faults}`);
  return all;
}

/** Seeded, so that runs can be compared (mulberry32). */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Speed on a made-up country: boxes in thirty towns, four values a reading; CPU time of this thread, others may be busy. */
export function speed(count: number, slices: number, batch: number): void {
  const next = random(count);
  const towns = Array.from({ length: 30 }, () => ({ lat: 22 + 3 * next(), lon: 120.2 + 1.5 * next() }));
  const boxes = Array.from({ length: count }, (_, i) => {
    const town = towns[i % 30] as { lat: number; lon: number };
    return { lat: town.lat + 0.15 * (next() - 0.5), lon: town.lon + 0.15 * (next() - 0.5) };
  });
  const qc = qcOf(boxes);
  const air = (k: number): number => 25 + 10 * Math.sin(k / 40);
  const spent: number[] = [];
  for (let k = 0; k < slices; k++) {
    const t = Date.UTC(2026, 0, 1) + k * 300_000;
    const readings = boxes.map((_, i) =>
      rawReading(i + 1, t, [
        { property: 'pm25', raw: Math.round(air(k) * (0.8 + 0.4 * next())) },
        { property: 'pm10', raw: Math.round(1.4 * air(k)) },
        { property: 'temperature', raw: 20 + next() },
        { property: 'humidity', raw: 60 + 5 * next() },
      ]),
    );
    const start = process.cpuUsage();
    for (let at = 0; at < count; at += batch) qc.check(readings.slice(at, at + batch));
    const used = process.cpuUsage(start);
    spent.push((used.user + used.system) / 1000);
  }
  const later = spent.slice(Math.min(2, slices - 1)).toSorted((a, b) => a - b);
  const typical = later[later.length >> 1] as number;
  console.log(
    `${String(count).padStart(9)} boxes, batches of ${String(batch).padStart(6)}: first slice ${(spent[0] as number).toFixed(0)} ms (tiles are made), ` +
      `then ${typical.toFixed(0)} ms = ${((1000 * typical) / count).toFixed(1)} µs per reading; state ${(qc.stateBytes() / count).toFixed(0)} bytes per box`,
  );
}

if (import.meta.main) {
  speed(3000, 12, 3000);
  speed(30_000, 6, 30_000);
  speed(30_000, 4, 500);
  if (!hasFaultSet()) {
    console.log(`skipped: ${FAULT_SET} is not there`);
    leftOut('precision and recall on injected faults', `${FAULT_SET} is not there`);
  } else {
    const set = loadFaultSet();
    console.log(
      `P/R/F1/FPR % on injected faults: ${Object.entries(set.cities)
        .map(([k, b]) => `${k} ${b.length}`)
        .join(', ')}`,
    );
    const t0 = performance.now();
    measure('Lamppost', lamppost, set.cities, set.times);
    console.log(`  ${(((performance.now() - t0) * 1000) / 76306).toFixed(1)} µs per reading`);
    measure('ADF 3 km', adf(3), set.cities, set.times);
    measure('AirGradient', airGradient, set.cities, set.times);
    measure('titanlib buddy', buddy, set.cities, set.times);
    measure('log median z>5', logMedian, set.cities, set.times);
    if (process.argv.includes('--all')) {
      measure('LOO-OK z>3.5', looKriging(3.5, false), set.cities, set.times);
      measure('LOO-OK z>3.5 + offset', looKriging(3.5, true), set.cities, set.times);
      measure('LOO-OK z>5 + offset', looKriging(5, true), set.cities, set.times);
    }
    const towns = Object.fromEntries(set.towns.map((t, i) => [`town ${i + 1}`, t]));
    measure('Lamppost, other towns', lamppost, towns, set.times, 11);
    measure('Lamppost, one network', lamppost, { all: [...set.boxes] }, set.times, 11);
    console.log('Other scenes, four cities');
    const groups = Object.values(set.cities);
    plumes(groups, set.times, qcOf, rawReading);
    shifts(groups, set.times, qcOf, rawReading);
    lasting(groups, set.times, qcOf, rawReading);
  }
  sixMinutes(qcOf, rawReading);
}

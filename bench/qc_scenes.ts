/**
 * What the injected single-hour faults of the recipe do not show: plumes that several boxes see (never to be flagged), shifts of the whole
 * network, faults that last, and faults in a stream of six-minute readings.
 */
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { Qc } from '../calibration/qc/qc.ts';
import type { CheckedReading, RawReading } from '../model/observation.ts';
import { parseTime } from '../model/time.ts';
import { type BenchBox, FAULTS, flatKm } from './qc_faults.ts';

type MakeQc = (boxes: readonly { lat: number; lon: number }[]) => Qc;
type MakeReading = (num: number, t: number, values: RawReading['values']) => RawReading;
const percent = (part: number, whole: number): string => (whole ? `${((100 * part) / whole).toFixed(1)} %` : '–');
const isFlagged = (r: CheckedReading): boolean => r.values.some((v) => v.property === 'pm25' && v.flag >= 3);

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Cell {
  value: number;
  /** What was done to it: µg/m³ of plume, or hours since a fault began; 0 = nothing. */
  mark: number;
}

/** Runs QC over hours × boxes and hands every judged cell to `count`. */
function judge(
  boxes: readonly BenchBox[],
  times: readonly number[],
  cells: readonly Cell[][],
  makeQc: MakeQc,
  makeReading: MakeReading,
  count: (flagged: boolean, cell: Cell, box: number, row: readonly Cell[]) => void,
): void {
  const qc = makeQc(boxes);
  for (const [h, row] of cells.entries()) {
    const t = times[h] as number;
    const readings = row.flatMap((cell, i) =>
      cell.value > 0 || cell.mark > 0 ? [makeReading(i + 1, t, [{ property: 'pm25', raw: cell.value }])] : [],
    );
    qc.advance(t);
    for (const r of qc.check(readings)) count(isFlagged(r), row[r.thingNum - 1] as Cell, r.thingNum - 1, row);
  }
}

const plain = (boxes: readonly BenchBox[], times: readonly number[]): Cell[][] =>
  times.map((_, h) => boxes.map((b) => ({ value: b.values[h] as number, mark: 0 })));

/** A round plume every six hours over a box drawn by lot. Shared = at least two boxes within 2 km are raised by 30 % and 5 µg/m³. */
export function plumes(
  groups: readonly BenchBox[][],
  times: readonly number[],
  makeQc: MakeQc,
  makeReading: MakeReading,
): void {
  for (const [peak, sigmaKm, hours] of [
    [15, 1, 1],
    [30, 0.7, 1],
    [30, 1.5, 2],
    [60, 1, 3],
    [100, 2, 2],
  ] as const) {
    const next = generator(5);
    let shared = 0;
    let sharedFlagged = 0;
    let away = 0;
    let awayFlagged = 0;
    for (const boxes of groups) {
      const cells = plain(boxes, times);
      for (let h = 24; h < times.length - 4; h += 6) {
        const centre = boxes[Math.floor(next() * boxes.length)] as BenchBox;
        for (let k = 0; k < hours; k++)
          for (const [i, b] of boxes.entries()) {
            const extra = peak * Math.exp(-0.5 * (flatKm(b, centre) / sigmaKm) ** 2);
            const cell = cells[h + k]?.[i] as Cell;
            cell.value += extra;
            cell.mark += extra;
          }
      }
      const raised = (cell: Cell): boolean => cell.mark > 5 && cell.mark > 0.3 * (cell.value - cell.mark);
      judge(boxes, times, cells, makeQc, makeReading, (flagged, cell, i, row) => {
        if (cell.mark < 1) {
          away++;
          if (flagged) awayFlagged++;
        } else if (
          raised(cell) &&
          row.some((c, j) => j !== i && raised(c) && flatKm(boxes[i] as BenchBox, boxes[j] as BenchBox) < 2)
        ) {
          shared++;
          if (flagged) sharedFlagged++;
        }
      });
    }
    console.log(
      `  plume +${peak} µg/m³, σ ${sigmaKm} km, ${hours} h: flagged ${percent(sharedFlagged, shared)} of ${shared} readings that two or more boxes share; elsewhere ${percent(awayFlagged, away)}`,
    );
  }
}

/** The whole network reads a factor more or less for one hour a day. */
export function shifts(
  groups: readonly BenchBox[][],
  times: readonly number[],
  makeQc: MakeQc,
  makeReading: MakeReading,
): void {
  for (const factor of [2, 0.5]) {
    let n = 0;
    let bad = 0;
    for (const boxes of groups) {
      const cells = plain(boxes, times);
      for (const [h, row] of cells.entries())
        if (h % 24 === 12) for (const cell of row) Object.assign(cell, { value: cell.value * factor, mark: 1 });
      judge(boxes, times, cells, makeQc, makeReading, (flagged, cell) => {
        if (cell.mark === 0) return;
        n++;
        if (flagged) bad++;
      });
    }
    console.log(`  all boxes x${factor} for an hour: flagged ${percent(bad, n)}`);
  }
}

/** How long each fault lasts [h]; a wrong unit stays. */
const LASTING = { stuck: 24, zero: 24, x3: 12, 'x0.3': 12, x10: 60, 'x0.1': 60 } as const;

/** One lasting fault in every fourth box. */
export function lasting(
  groups: readonly BenchBox[][],
  times: readonly number[],
  makeQc: MakeQc,
  makeReading: MakeReading,
): void {
  for (const kind of ['stuck', 'zero', 'x3', 'x0.3', 'x10', 'x0.1'] as const) {
    const next = generator(5);
    const length = LASTING[kind];
    let n = 0;
    let found = 0;
    let episodes = 0;
    const firstHours: number[] = [];
    for (const boxes of groups) {
      const cells = plain(boxes, times);
      for (const i of boxes.keys()) {
        if (i % 4 !== 0) continue;
        episodes++;
        const start = 72 + Math.floor(next() * 200);
        const held = cells[start]?.[i]?.value ?? 0;
        for (let k = 0; k < length; k++) {
          const cell = cells[start + k]?.[i] as Cell;
          cell.mark = k + 1;
          cell.value = kind === 'stuck' ? held : kind === 'zero' ? 0 : cell.value * Number(kind.slice(1));
        }
      }
      const seen = new Set<number>();
      judge(boxes, times, cells, makeQc, makeReading, (flagged, cell, i) => {
        if (cell.mark === 0) return;
        n++;
        if (!flagged) return;
        found++;
        if (!seen.has(i)) firstHours.push(cell.mark);
        seen.add(i);
      });
    }
    const mean = firstHours.reduce((a, b) => a + b, 0) / firstHours.length;
    console.log(
      `  ${kind} for ${length} h: found ${firstHours.length} of ${episodes}, on average in hour ${mean.toFixed(1)}; ${percent(found, n)} of its hours flagged`,
    );
  }
}

const LEARN = new URL('../../shared/data/learnciot_airbox_20221015/', import.meta.url);

/** The recipe's faults in the well boxes of a sick network that reports every six minutes, boxes one by one. */
export function sixMinutes(makeQc: MakeQc, makeReading: MakeReading): void {
  if (!existsSync(LEARN)) {
    console.log('skipped: shared/data/learnciot_airbox_20221015 is not there');
    return;
  }
  const lines = (text: string): string[][] =>
    text
      .trim()
      .split('\n')
      .slice(1)
      .map((l) => l.split(','));
  const boxes = lines(readFileSync(new URL('canonical/boxes.csv', LEARN), 'utf8')).map(([id = '', lat, lon]) => ({
    id,
    lat: Number(lat),
    lon: Number(lon),
  }));
  const numOf = new Map(boxes.map((b, i) => [b.id, i + 1]));
  const well = new Set(
    lines(readFileSync(new URL('inferred_annotations.csv', LEARN), 'utf8'))
      .filter((l) => l[7] === '' && Number(l[3]) < 0.05)
      .map((l) => l[0] ?? ''),
  );
  const qc = makeQc(boxes);
  const next = generator(7);
  const count = { tp: 0, fp: 0, fn: 0, tn: 0 };
  for (const [id = '', time = '', pm25] of lines(
    gunzipSync(readFileSync(new URL('canonical/readings.csv.gz', LEARN))).toString(),
  )) {
    const t = parseTime(time) as number;
    const x = Number(pm25);
    let value = x;
    const falsify = well.has(id) && x > 0 && next() < 0.02;
    if (falsify)
      value = [x * 2, x * 3, x * 0.5, x * 0.3, x + 30, x * 1.5][Math.floor(next() * FAULTS.length)] as number;
    qc.advance(t);
    const [r] = qc.check([makeReading(numOf.get(id) as number, t, [{ property: 'pm25', raw: value }])]);
    if (!well.has(id) || !r) continue;
    const flagged = isFlagged(r);
    count[falsify ? (flagged ? 'tp' : 'fn') : flagged ? 'fp' : 'tn']++;
  }
  const precision = count.tp / (count.tp + count.fp);
  const recall = count.tp / (count.tp + count.fn);
  console.log(
    `  ${well.size} well boxes of LearnCIOT, every 6 min: P/R/F1/FPR % ${precision.toFixed(2)}/${recall.toFixed(2)}/${((2 * precision * recall) / (precision + recall)).toFixed(3)}/${((100 * count.fp) / (count.fp + count.tn)).toFixed(2)}`,
  );
}

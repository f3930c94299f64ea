/**
 * `node bench/evaluate/adversary.ts [--only WORD] [--seeds N]`: the correction in made-up worlds (`worlds.ts`). Per world, for the boxes
 * without a station and for those beside one: error raw, corrected, by Barkjohn 2021 and by one line fitted on the pairs of the first days;
 * boxes that are worse than raw; coverage of the 90 % intervals overall and of the worst tenth of the boxes.
 */
import { parseArgs } from 'node:util';
import { runBacktest } from '../../calibration/backtest/run.ts';
import { barkjohn2021 } from '../../calibration/correction/published.ts';
import { HOUR } from '../../model/time.ts';
import { ols } from './baselines.ts';
import type { Pair } from './sets.ts';
import { makeWorld, WORLDS, type World, type WorldName } from './worlds.ts';

export interface Row {
  readonly world: string;
  readonly kind: 'without' | 'beside';
  readonly boxes: number;
  readonly answered: number;
  readonly raw: number;
  readonly corrected: number;
  readonly barkjohn: number;
  readonly line: number;
  readonly worse: number;
  readonly coverage: number;
  /** Mean over the worst tenth of the boxes. */
  readonly worstTenth: number;
  readonly width: number;
}

interface Sums {
  n: number;
  all: number;
  raw: number;
  corrected: number;
  barkjohn: number;
  line: number;
  hits: number;
  width: number;
}

export function judgeWorld(name: WorldName, seeds: readonly number[]): Row[] {
  const world: World = WORLDS[name];
  const byBox = new Map<string, Sums & { beside: boolean }>();
  for (const seed of seeds) {
    const made = makeWorld(world, seed);
    const { input, truth, stepMs } = made;
    const r = input.readings;
    const out = runBacktest(input, { stepMs, lagMs: HOUR, fitUntil: null });
    const early = truth.flatMap((t, i): Pair[] =>
      made.beside.has(t.box) && t.time < made.judgeFrom
        ? [{ box: t.box, time: t.time, y: t.y, x: r.pm25[i] as number, rh: r.humidity[i] as number, temp: r.temperature[i] as number, corrected: NaN, intervals: [] }] // prettier-ignore
        : [],
    );
    const line = early.length > 20 ? ols(early) : null;
    truth.forEach((t, i) => {
      if (t.time < made.judgeFrom || made.indoor.has(t.box) || out.reasons[i]?.includes('duplicate')) return;
      const key = `${seed} ${t.box}`;
      let s = byBox.get(key);
      if (!s) byBox.set(key, (s = { n: 0, all: 0, raw: 0, corrected: 0, barkjohn: 0, line: 0, hits: 0, width: 0, beside: made.beside.has(t.box) })); // prettier-ignore
      s.all++;
      const c = out.corrected[i] as number;
      if (Number.isNaN(c)) return;
      const [x, rh, temp] = [r.pm25[i] as number, r.humidity[i] as number, r.temperature[i] as number];
      s.n++;
      s.raw += (x - t.y) ** 2;
      s.corrected += (c - t.y) ** 2;
      s.barkjohn += (barkjohn2021(x, rh) - t.y) ** 2;
      s.line += line ? (line({ box: t.box, time: t.time, y: t.y, x, rh, temp, corrected: c, intervals: [] }) - t.y) ** 2 : NaN; // prettier-ignore
      s.width += (out.hi90[i] as number) - (out.lo90[i] as number);
      if ((out.lo90[i] as number) <= t.y && t.y <= (out.hi90[i] as number)) s.hits++;
    });
  }
  return (['without', 'beside'] as const).flatMap((kind): Row[] => {
    const list = [...byBox.values()].filter((s) => s.beside === (kind === 'beside'));
    const given = list.filter((s) => s.n > 0);
    if (list.length === 0) return [];
    const sum = (of: (s: Sums) => number): number => given.reduce((a, s) => a + of(s), 0);
    const n = sum((s) => s.n);
    const shares = given.map((s) => s.hits / s.n).sort((a, b) => a - b);
    const worst = shares.slice(0, Math.max(1, Math.round(given.length / 10)));
    return [
      {
        world: name,
        kind,
        boxes: list.length,
        answered: n / list.reduce((a, s) => a + s.all, 0),
        raw: Math.sqrt(sum((s) => s.raw) / n),
        corrected: Math.sqrt(sum((s) => s.corrected) / n),
        barkjohn: Math.sqrt(sum((s) => s.barkjohn) / n),
        line: Math.sqrt(sum((s) => s.line) / n),
        worse: given.filter((s) => s.corrected > s.raw).length,
        coverage: (100 * sum((s) => s.hits)) / n,
        worstTenth: (100 * worst.reduce((a, v) => a + v, 0)) / worst.length,
        width: sum((s) => s.width) / n,
      },
    ];
  });
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { only: { type: 'string' }, seeds: { type: 'string' } } });
  const seeds = Array.from({ length: Number(values.seeds ?? 3) }, (_, i) => 11 + i);
  const f = (v: number, width = 7): string => (Number.isNaN(v) ? '–' : v.toFixed(2)).padStart(width);
  console.log(
    `${'world'.padEnd(25)} boxes    answered    raw  ours  Barkjohn  line  worse   covered  worst tenth  width`,
  );
  const total = { boxes: 0, worse: 0, ratio: 0, n: 0, coverage: 0, worst: 0 };
  for (const name of Object.keys(WORLDS) as WorldName[]) {
    if (values.only !== undefined && !name.includes(values.only)) continue;
    for (const r of judgeWorld(name, seeds)) {
      console.log(`${name.padEnd(25)} ${r.kind} ${String(r.boxes).padStart(3)} ${f(100 * r.answered, 6)} ${f(r.raw)} ${f(r.corrected)} ${f(r.barkjohn)} ${f(r.line)} ${String(r.worse).padStart(4)} ${f(r.coverage)} ${f(r.worstTenth)} ${f(r.width)}`); // prettier-ignore
      total.boxes += r.boxes;
      total.worse += r.worse;
      total.n++;
      total.ratio += Math.log(r.corrected / r.raw);
      total.coverage += r.coverage;
      total.worst += r.worstTenth;
    }
  }
  console.log(`all: ${total.worse} of ${total.boxes} worse than raw; error ${Math.exp(total.ratio / total.n).toFixed(3)} of raw; covered ${(total.coverage / total.n).toFixed(1)}, worst tenth ${(total.worst / total.n).toFixed(1)}`); // prettier-ignore
}

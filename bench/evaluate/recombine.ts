/**
 * The real sets cut, turned, thinned and spoilt into many recordings that nobody has tuned on, each run through the backtest and held
 * against what a spreadsheet could answer (causal.ts): one line a recording. `--only TEXT` runs those whose name holds it (several: a,b), `--list` names them.
 */
import { parseArgs } from 'node:util';
import { runBacktest } from '../../calibration/backtest/run.ts';
import { DAY } from '../../model/time.ts';
import { BASELINES, causal, type Baseline } from './causal.ts';
import { recordings } from './recordings.ts';
import { copy, inputOf, span, stepsOf, type Scene } from './scenes.ts';

export interface Result {
  readonly name: string;
  readonly n: number;
  readonly answered: number;
  readonly rmse: number;
  readonly bias: number;
  readonly coverage: number;
  readonly worstBox: number;
  readonly harmed: number;
  readonly boxes: number;
  readonly flagged: number;
  readonly best: { readonly name: Baseline; readonly rmse: number };
  readonly others: Record<Baseline, number>;
  readonly early: number;
  readonly width: number;
  readonly microseconds: number;
  readonly levels: string;
}

export function measure(name: string, s: Scene): Result {
  const input = inputOf(s);
  const started = performance.now();
  const out = runBacktest(input, { stepMs: s.stepMs, lagMs: s.lagMs, fitUntil: s.fitUntil });
  const microseconds = (1000 * (performance.now() - started)) / s.readings.length;
  const steps = stepsOf(s);
  const lines = causal(steps, { ...s, alone: s.alone ?? new Set() });
  const [first] = span(s);
  const from = Number.isNaN(s.from) ? first + (s.stepMs >= DAY ? 30 : 10) * DAY : s.from;
  const given = (r: number): boolean => !Number.isNaN(out.corrected[r]);
  let [answered, hits, rows, width, flagged, bias] = [0, 0, 0, 0, 0, 0];
  const errors = Object.fromEntries(BASELINES.map((b) => [b, { n: 0, sum: 0, ours: 0 }])) as Record<
    Baseline,
    { n: number; sum: number; ours: number }
  >;
  const early = { ours: 0, raw: 0 };
  const byBox = new Map<string, { n: number; ours: number; raw: number; hits: number; rows: number }>();
  const levels = new Map<string, number>();
  let n = 0;
  for (const [i, p] of steps.entries()) {
    if (Number.isNaN(p.truth) || (s.alone && !s.alone.has(p.box))) continue;
    const told = p.rows.filter(given);
    const c = told.reduce((sum, r) => sum + (out.corrected[r] as number), 0) / told.length;
    if (p.time < from) {
      if (told.length > 0) {
        early.ours += (c - p.truth) ** 2;
        early.raw += (p.x - p.truth) ** 2;
      }
      continue;
    }
    n++;
    flagged += p.rows.filter((r) => out.flag[r] === 3 || out.flag[r] === 4).length / p.rows.length;
    if (told.length === 0) continue;
    answered++;
    bias += c - p.truth;
    const b = byBox.get(p.box) ?? { n: 0, ours: 0, raw: 0, hits: 0, rows: 0 };
    byBox.set(p.box, b);
    b.n++;
    b.ours += (c - p.truth) ** 2;
    b.raw += (p.x - p.truth) ** 2;
    for (const r of told) {
      b.rows++;
      rows++;
      width += (out.hi90[r] as number) - (out.lo90[r] as number);
      if (p.truth >= (out.lo90[r] as number) && p.truth <= (out.hi90[r] as number)) {
        b.hits++;
        hits++;
      }
      const level = out.level[r] as string;
      levels.set(level, (levels.get(level) ?? 0) + 1);
    }
    for (const name of BASELINES) {
      const v = lines[name][i] as number;
      if (Number.isNaN(v)) continue;
      const e = errors[name];
      e.n++;
      e.sum += (v - p.truth) ** 2;
      e.ours += (c - p.truth) ** 2;
    }
  }
  const others = Object.fromEntries(
    BASELINES.map((b) => [b, errors[b].n < 0.5 * answered ? NaN : Math.sqrt(errors[b].sum / errors[b].n)]),
  ) as Record<Baseline, number>;
  // The best of them by how it stands to ours on the pairs that both answer.
  const ranked = BASELINES.filter((b) => errors[b].n >= 0.5 * answered && errors[b].n > 0).sort(
    (a, b) => errors[a].sum / errors[a].ours - errors[b].sum / errors[b].ours,
  );
  const best = ranked[0] ?? 'raw';
  const total = [...byBox.values()].reduce((sum, b) => sum + b.ours, 0);
  return {
    name,
    n,
    answered,
    rmse: Math.sqrt(total / answered),
    bias: bias / answered,
    coverage: (100 * hits) / rows,
    worstBox: Math.min(...[...byBox.values()].filter((b) => b.n >= 30).map((b) => (100 * b.hits) / b.rows)),
    harmed: [...byBox.values()].filter((b) => b.ours > b.raw).length,
    boxes: byBox.size,
    flagged: (100 * flagged) / n,
    best: { name: best, rmse: Math.sqrt(errors[best].sum / errors[best].ours) },
    others,
    early: Math.sqrt(early.ours / early.raw),
    width: width / rows,
    microseconds,
    levels: [...levels]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 3)
      .map(([l, k]) => `${l} ${Math.round((100 * k) / rows)}`)
      .join(' '),
  };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { only: { type: 'string' }, list: { type: 'boolean' } } });
  const wanted = values.only?.split(',');
  const f = (v: number, d = 2): string => v.toFixed(d).padStart(6);
  const head =
    'ours/best raw    Barkj  line   own28  ratio  last  | bias   cover worst width harm  flag% none% early  µs  levels';
  if (!values.list) console.log(`${'recording'.padEnd(44)}   ours ${head}`);
  for (const { name, base, change } of await recordings()) {
    if (wanted && !wanted.some((w) => name.includes(w))) continue;
    if (values.list) {
      console.log(name);
      continue;
    }
    const scene = copy(base);
    try {
      for (const c of change) c(scene);
      const r = measure(name, scene);
      const ratio = 1 / r.best.rmse;
      const marks = [
        ratio > 1.03 ? 'LOSES' : '',
        Math.abs(r.coverage - 90) > 5 ? 'COVER' : '',
        r.flagged > 1 ? 'FLAG' : '',
        r.n - r.answered > 0.02 * r.n ? 'DECLINES' : '',
        r.harmed > 0 ? 'HARM' : '',
      ].filter(Boolean);
      console.log(
        `${name.padEnd(44)} ${f(r.rmse)} ${f(ratio)}  ${BASELINES.map((b) => f(r.others[b])).join(' ')} |${f(r.bias)} ${f(r.coverage, 1)} ${f(r.worstBox, 0)} ${f(r.width, 1)} ${`${r.harmed}/${r.boxes}`.padStart(5)} ${f(r.flagged, 1)} ${f(100 - (100 * r.answered) / r.n, 1)} ${f(r.early)} ${f(r.microseconds, 0)} ${r.levels} ${marks.join(' ')} [${r.best.name}]`,
      );
    } catch (error) {
      console.log(`${name.padEnd(44)} CRASH ${(error as Error).stack}`);
    }
  }
}

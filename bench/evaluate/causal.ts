/**
 * What anybody could answer with a spreadsheet, each knowing only what was known at its time: the lines the stage has to beat on data
 * nobody has tuned on.
 */
import { DAY, HOUR } from '../../model/time.ts';
import { barkjohn2021 } from '../../calibration/correction/published.ts';
import { cholesky, solveCholesky } from '../../calibration/geo/kriging.ts';

/** One reference step of one box. `y` is what the file says (NaN = no row), `truth` what the air was. */
export interface Step {
  readonly box: string;
  readonly station: string;
  readonly time: number;
  readonly x: number;
  readonly rh: number;
  readonly temp: number;
  readonly y: number;
  readonly truth: number;
}

export const BASELINES = ['raw', 'Barkjohn', 'line of all', 'own line 28 d', 'last ratio', 'last reference'] as const;
export type Baseline = (typeof BASELINES)[number];

export interface Rules {
  readonly stepMs: number;
  readonly lagMs: number;
  readonly fitUntil: number | null;
  /** Boxes that must be answered without their own station. */
  readonly alone: ReadonlySet<string>;
}

interface Line {
  readonly full: Float64Array | null;
  readonly plain: Float64Array | null;
}

const whole = (s: Step): boolean => !Number.isNaN(s.rh) && !Number.isNaN(s.temp);

function fit(rows: readonly Step[], least: number): Line {
  const of = (p: number, list: readonly Step[]): Float64Array | null => {
    if (list.length < least) return null;
    const [a, b] = [new Float64Array(p * p), new Float64Array(p)];
    for (const s of list) {
      const v = [1, s.x, s.rh, s.temp];
      for (let j = 0; j < p; j++) {
        b[j] = (b[j] as number) + (v[j] as number) * s.y;
        for (let k = 0; k <= j; k++) a[j * p + k] = (a[j * p + k] as number) + (v[j] as number) * (v[k] as number);
      }
    }
    for (let j = 0; j < p; j++) a[j * p + j] = (a[j * p + j] as number) * (1 + 1e-9) + 1e-9;
    return solveCholesky(cholesky(a, p), p, b);
  };
  return { full: of(4, rows.filter(whole)), plain: of(2, rows) };
}

function ask(line: Line | undefined, s: Step): number {
  if (!line) return NaN;
  if (line.full && whole(s)) {
    const [a, b, c, d] = line.full as unknown as [number, number, number, number];
    return a + b * s.x + c * s.rh + d * s.temp;
  }
  return line.plain ? (line.plain[0] as number) + (line.plain[1] as number) * s.x : NaN;
}

/** @returns per baseline one answer a step, in the order of `steps`; NaN = none */
export function causal(steps: readonly Step[], rules: Rules): Record<Baseline, Float64Array> {
  const out = Object.fromEntries(BASELINES.map((b) => [b, new Float64Array(steps.length).fill(NaN)])) as Record<
    Baseline,
    Float64Array
  >;
  const order = [...steps.keys()].sort((i, j) => (steps[i] as Step).time - (steps[j] as Step).time);
  const daily = rules.stepMs >= DAY;
  const known: Step[] = [];
  const waiting = order
    .map((i) => steps[i] as Step)
    .filter((s) => s.y > -10 && s.y < 1000 && s.x >= 0 && s.time < (rules.fitUntil ?? Infinity));
  let next = 0;
  let night = -Infinity;
  let all: Line | undefined;
  const own = new Map<string, Line>();
  const ratio = new Map<string, { x: number; y: number }>();
  const last = new Map<string, { y: number; time: number }>();
  for (const i of order) {
    const s = steps[i] as Step;
    const now = s.time;
    for (; next < waiting.length; next++) {
      const w = waiting[next] as Step;
      if (w.time + rules.stepMs + rules.lagMs > now) break;
      last.set(w.station, { y: w.y, time: w.time });
      if (rules.alone.has(w.box)) continue;
      known.push(w);
      const r = ratio.get(w.box) ?? { x: 0, y: 0 };
      const keep = daily ? 0.7 : 0.9;
      ratio.set(w.box, { x: keep * r.x + w.x, y: keep * r.y + w.y });
    }
    const day = Math.floor((now - 3 * HOUR) / DAY);
    if (day > night) {
      night = day;
      all = fit(known, daily ? 20 : 48);
      own.clear();
      for (const [box, list] of Map.groupBy(known, (k) => k.box)) {
        own.set(
          box,
          fit(
            list.filter((k) => k.time > now - 28 * DAY),
            daily ? 14 : 72,
          ),
        );
      }
    }
    const set = (b: Baseline, v: number): void => void (out[b][i] = v);
    set('raw', s.x);
    set('Barkjohn', barkjohn2021(s.x, s.rh));
    const line = ask(all, s);
    set('line of all', line);
    const mine = ask(own.get(s.box), s);
    set('own line 28 d', Number.isNaN(mine) ? line : mine);
    const r = ratio.get(s.box);
    if (r && r.x > 0) set('last ratio', (s.x * r.y) / r.x);
    const beside = rules.alone.has(s.box)
      ? [...last].filter(([name]) => name !== s.station).map(([, v]) => v)
      : [last.get(s.station)].filter((v) => v !== undefined);
    const newest = Math.max(...beside.map((v) => v.time));
    const fresh = beside.filter((v) => v.time === newest);
    if (fresh.length > 0) set('last reference', fresh.reduce((sum, v) => sum + v.y, 0) / fresh.length);
  }
  return out;
}

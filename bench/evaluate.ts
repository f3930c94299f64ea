/**
 * `npm run evaluate`: the calibration stage, run through the backtest over every shared data set, beside raw values, Barkjohn 2021,
 * ordinary least squares and the peers' rules. Fails (exit 1) when a number falls behind bench/evaluate-record.json by more than its
 * margin. Sets that are not there are skipped by name. `--record` writes the numbers of this run as the new record, `--only NAME`
 * measures one set.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { BacktestInput } from '../calibration/backtest/input.ts';
import { runBacktest } from '../calibration/backtest/run.ts';
import { DAY, HOUR } from '../model/time.ts';
import { barkjohn2021 } from '../calibration/correction/published.ts';
import { answers, baselines, leftOut, rmse, type Answers } from './evaluate/baselines.ts';
import { hasSet, loadSet, pairsOf, splitByBox, type Pair, type PairRules } from './evaluate/sets.ts';
import { interpolation } from './evaluate/interpolation.ts';
import { performance } from './evaluate/performance.ts';
import { snapshot } from './evaluate/taiwan.ts';
import { nightlyCost, readingCost } from './calibration.ts';
import { lamppost } from './qc.ts';
import { FAULT_SET, hasFaultSet, inject, loadFaultSet, pool, rates, score, type Detector } from './qc_faults.ts';
import { adf, airGradient, buddy } from './qc_peers.ts';

const RECORD = new URL('./evaluate-record.json', import.meta.url);

/** One measured number; `good` says which way is better, `target` the aim of the calibration note §8.7. */
interface Measured {
  readonly name: string;
  readonly value: number;
  /** `seen` is printed, not judged: it depends on the machine. */
  readonly good: 'low' | 'high' | 'near90' | 'near1' | 'seen';
  readonly target: number;
  readonly beside: string;
}

const measured: Measured[] = [];
const talk = (text: string): void => void process.stderr.write(process.stderr.isTTY ? `\r${text}\x1b[K` : '');

function note(name: string, value: number, good: Measured['good'], target: number, beside = ''): void {
  measured.push({ name, value, good, target, beside });
}

/** @param stepMs of the reference; the performance of answers is judged on means of 24 h */
function noteAnswers(name: string, pairs: readonly Pair[], stepMs: number, target: number, beside: string): void {
  const a: Answers = answers(pairs);
  note(`${name} RMSE`, a.rmse, 'low', target, `${beside} (n ${a.answered}/${a.n}, bias ${a.bias.toFixed(2)})`);
  note(`${name} 90 % interval`, a.coverage, 'near90', 90);
  note(`${name} 90 % interval, worst box`, a.worstBox, 'high', 85, `of those with 30 pairs or more`);
  note(`${name} boxes worse than raw`, a.harmed, 'low', 0, `of ${a.boxes}`);
  harm.boxes += a.boxes;
  harm.worse += a.harmed;
  const p = performance(pairs, stepMs);
  if (!p) return;
  note(`${name} below the RMSE of raw %`, p.overRaw, 'high', 70);
  note(`${name} 24 h slope`, p.slope, 'near1', 1, `${p.days} days; EPA's target 0.65–1.35, ours 0.85–1.15`);
  note(`${name} 24 h R²`, p.r2, 'high', 0.85, "EPA's target 0.7");
  note(`${name} 24 h NRMSE %`, p.nrmse, 'low', 20, "EPA's target 30");
  note(`${name} REU at 30 µg/m³ %`, p.reu30, 'low', 30, 'EU: 50 for indicative measurements (class 1)');
}

/** Over all sets. */
const harm = { boxes: 0, worse: 0 };

const f = (v: number): string => v.toFixed(2);
const hourly = { stepMs: HOUR, lagMs: HOUR, fitUntil: null };

async function denver(): Promise<void> {
  const input = await loadSet('denver_lovemyair');
  const rules: PairRules = { stepMs: HOUR };
  const cut = Date.parse('2019-02-01T07:00:00Z');
  const isTest = (p: Pair): boolean => p.time >= cut;
  const bare = pairsOf(input, null, rules);
  const station = new Map((input.colocations ?? []).map((c) => [c.box, c.station]));
  const [fit, test] = [bare.filter((p) => !isTest(p)), bare.filter(isTest)];
  const b = baselines(fit, test);
  const out = leftOut(fit, test, (p) => station.get(p.box) as string);
  talk('Denver');
  noteAnswers(
    'Denver from 2019-02-01',
    pairsOf(input, runBacktest(input, hourly), rules).filter(isTest),
    HOUR,
    3.0,
    `raw ${f(b.raw)} Barkjohn ${f(b.barkjohn)} OLS ${f(b.pooled)} per box ${f(b.perBox)}`,
  );
  const pairs: Pair[] = [];
  for (const s of input.stations) {
    talk(`Denver without ${s.id}`);
    const without: BacktestInput = {
      ...input,
      reference: input.reference.filter((r) => r.station !== s.id),
      colocations: (input.colocations ?? []).filter((c) => c.station !== s.id),
    };
    pairs.push(...pairsOf(input, runBacktest(without, hourly), rules).filter((p) => station.get(p.box) === s.id));
  }
  noteAnswers('Denver, station left out', pairs.filter(isTest), HOUR, 3.4, `OLS left out ${f(out)}`);
}

async function virginia(): Promise<void> {
  const input = await loadSet('va_deq_purpleair');
  const rules: PairRules = { stepMs: HOUR, shiftMs: 5 * HOUR, rows: 5 };
  const { fit, test } = splitByBox(pairsOf(input, null, rules), 0.6);
  const b = baselines(fit, test);
  const found = splitByBox(pairsOf(input, null, { ...rules, shiftMs: 0 }), 0.6);
  const asFound = baselines(found.fit, found.test);
  talk('Virginia');
  noteAnswers(
    'VA smoke, clock found by itself',
    splitByBox(pairsOf(input, runBacktest(input, hourly), rules), 0.6).test,
    HOUR,
    1.7,
    `repaired: raw ${f(b.raw)} Barkjohn ${f(b.barkjohn)} OLS ${f(b.pooled)} per box ${f(b.perBox)}; as found: OLS ${f(asFound.pooled)}`,
  );
  const pairs: Pair[] = [];
  for (const { id } of input.boxes) {
    const without = { ...input, colocations: (input.colocations ?? []).filter((c) => c.box !== id) };
    pairs.push(...pairsOf(input, runBacktest(without, hourly), rules).filter((p) => p.box === id));
  }
  noteAnswers(
    'VA smoke, box left out',
    splitByBox(pairs, 0.6).test,
    HOUR,
    2.0,
    `OLS left out ${f(leftOut(fit, test, (p) => p.box))}`,
  );
}

async function southEast(): Promise<void> {
  const input = await loadSet('us_se_purpleair_daily');
  const daily = { stepMs: DAY, lagMs: HOUR, fitUntil: null };
  const rules: PairRules = { stepMs: DAY, dual: true };
  const bare = pairsOf(input, null, rules);
  const { fit, test } = splitByBox(bare, 0.6);
  const b = baselines(fit, test);
  talk('US SE');
  noteAnswers(
    'US SE, last 40 %',
    splitByBox(pairsOf(input, runBacktest(input, daily), rules), 0.6).test,
    DAY,
    2.23,
    `raw ${f(b.raw)} Barkjohn ${f(b.barkjohn)} OLS ${f(b.pooled)} per box ${f(b.perBox)}`,
  );
  const colocations = input.colocations ?? [];
  for (const [days, target] of [
    [0, 2.4],
    [7, 2.0],
    [14, 2.0],
  ] as const) {
    const pairs: Pair[] = [];
    const FOLDS = 5; // boxes are left out in five groups: each sees fewer others than if it were left out alone
    for (let fold = 0; fold < FOLDS; fold++) {
      talk(`US SE, ${days} own days, group ${fold + 1} of ${FOLDS}`);
      const tested = new Map(colocations.filter((_, i) => i % FOLDS === fold).map((c) => [c.station, c.box]));
      const last = new Map<string, number>();
      const reference = [...Map.groupBy(input.reference, (r) => r.station)].flatMap(([name, rows]) => {
        const box = tested.get(name);
        if (box === undefined) return rows;
        const own = rows.toSorted((x, y) => x.time - y.time).slice(0, days);
        // As in the calibration note §2.3: boxes with fewer than N + 60 days are left out.
        last.set(box, days > 0 && rows.length < days + 60 ? Infinity : (own.at(-1)?.time ?? -Infinity));
        return own;
      });
      const known = days > 0 ? colocations : colocations.filter((c) => !tested.has(c.station));
      const out = runBacktest({ ...input, reference, colocations: known }, daily);
      pairs.push(...pairsOf(input, out, rules).filter((p) => p.time > (last.get(p.box) ?? Infinity)));
    }
    const against =
      days === 0
        ? `raw ${f(rmse(bare, (p) => p.x))} Barkjohn ${f(rmse(bare, (p) => barkjohn2021(p.x, p.rh)))} OLS each box left out ${f(leftOut(bare, bare, (p) => p.box))}`
        : `note §2.3: ${days === 7 ? '2.02' : '1.98'}`;
    noteAnswers(`US SE, ${days} own days`, pairs, DAY, target, against);
  }
}

async function taiwan(): Promise<void> {
  const input = await loadSet('taiwan_scmpm_snapshots');
  for (const [day, name] of [
    [0, '05-23'],
    [1, '05-24'],
  ] as const) {
    const r = snapshot(input, day, (share) => talk(`Taiwan ${name} ${Math.floor(100 * share)} %`));
    note(
      `Taiwan ${name}, station left out RMSE`,
      r.median,
      'low',
      3.6,
      `LASS ${f(r.lassMedian)} raw ${f(r.rawMedian)} Huber ${day === 0 ? '3.77' : '3.93'} (${r.stations} stations)`,
    );
    note(
      `Taiwan ${name}, single box RMSE`,
      r.single,
      'low',
      day === 0 ? 3.7 : 8.0,
      `LASS ${f(r.lassSingle)} Huber ${day === 0 ? '3.79' : '8.51'}`,
    );
    note(`Taiwan ${name} 90 % interval`, r.coverage, 'near90', 90, 'single boxes against the left-out station');
    const below = 100 * (1 - r.median / r.rawMedian);
    note(`Taiwan ${name}, station left out below the RMSE of raw %`, below, 'high', 70, 'Tzeng 2023: 38–68');
    note(
      `Taiwan ${name}, boxes less than 1 km apart differ by CV %`,
      r.correctedPairs,
      'low',
      12,
      `raw ${f(r.rawPairs)} (${r.pairs} pairs)`,
    );
  }
}

function faults(): void {
  talk('injected faults');
  const set = loadFaultSet();
  const of = (detector: Detector) =>
    rates(
      pool(
        Object.values(set.cities).map((boxes) => {
          const rows = inject(boxes);
          return score(rows, detector(boxes, rows, set.times));
        }),
      ),
    );
  const ours = of(lamppost);
  const theirs = [['ADF', of(adf(3))], ['AirGradient', of(airGradient)], ['buddy', of(buddy)]] as const; // prettier-ignore
  const peers = (show: (r: typeof ours) => string): string => theirs.map(([name, r]) => `${name} ${show(r)}`).join(' ');
  note(
    'Injected faults, pooled F1',
    ours.f1,
    'high',
    0.8,
    peers((r) => f(r.f1)),
  );
  note(
    'Injected faults, false positives %',
    100 * ours.fpr,
    'low',
    0.3,
    peers((r) => f(100 * r.fpr)),
  );
}

function between(): void {
  talk('interpolation');
  const r = interpolation();
  note(
    'Taiwan 2017, one box left out RMSE',
    r.remembering,
    'low',
    11,
    `${r.points} points, median of 8 ${f(r.median8)}`,
  );
  note(
    'Taiwan 2017, kriging of the hour alone',
    r.kriging,
    'low',
    11,
    'nearest 14.88, IDW of 5 11.67, kriging of 16 11.16',
  );
  note(
    'Taiwan 2017, field of the map against IDW %',
    100 * (r.map / r.mapIdw - 1),
    'low',
    -5,
    `${f(r.map)} and ${f(r.mapIdw)} at ${r.mapPoints} points`,
  );
}

function speed(): void {
  talk('speed');
  const each = readingCost(3000, 12);
  note('QC and correction, µs a reading', each.perReading, 'seen', 20, '3,000 boxes, 4 values, processor time');
  note('Slice of 3,000 boxes, ms', each.slice, 'seen', 100, 'all tests, neighbours and correction together');
  const night = nightlyCost(3000, 100, 30);
  note('Nightly fit of 3,000 boxes × 30 days, s', night.total, 'seen', 60, '100 stations; one thread');
}

interface RecordFile {
  /** How far a number may fall behind: relative for errors, in points for interval coverage. */
  readonly margin: { readonly relative: number; readonly points: number };
  readonly values: Readonly<Record<string, number>>;
}

function judge(record: RecordFile): string[] {
  const behind: string[] = [];
  for (const m of measured) {
    const then = record.values[m.name];
    if (then === undefined || m.good === 'seen') continue;
    const slack = Math.max(0.005, Math.abs(then) * record.margin.relative);
    const fallen =
      m.good === 'low'
        ? m.value > then + slack
        : m.good === 'high'
          ? m.value < then - slack
          : m.good === 'near1'
            ? Math.abs(m.value - 1) > Math.abs(then - 1) + record.margin.relative
            : Math.abs(m.value - 90) > Math.abs(then - 90) + record.margin.points;
    if (fallen) behind.push(`${m.name}: ${f(m.value)}, recorded ${f(then)}`);
  }
  return behind;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { record: { type: 'boolean' }, only: { type: 'string' } } });
  const parts: [string, () => Promise<void> | void, () => boolean][] = [
    ['denver_lovemyair', denver, () => hasSet('denver_lovemyair')],
    ['va_deq_purpleair', virginia, () => hasSet('va_deq_purpleair')],
    ['us_se_purpleair_daily', southEast, () => hasSet('us_se_purpleair_daily')],
    ['taiwan_scmpm_snapshots', taiwan, () => hasSet('taiwan_scmpm_snapshots')],
    [FAULT_SET.split('/').at(-1) as string, faults, hasFaultSet],
    [FAULT_SET.split('/').at(-1) as string, between, hasFaultSet],
    ['speed', speed, () => true],
  ];
  for (const [name, run, there] of parts) {
    if (values.only !== undefined && !name.includes(values.only)) continue;
    if (there()) await run();
    else console.log(`skipped: ../shared/data/${name} is not there`);
  }
  if (harm.boxes > 0) {
    const share = (100 * harm.worse) / harm.boxes;
    note('Boxes worse than raw, all sets %', share, 'low', 1, `${harm.worse} of ${harm.boxes}`);
  }
  talk('');
  if (process.stderr.isTTY) process.stderr.write('\r');
  const width = Math.max(10, ...measured.map((m) => m.name.length));
  console.log(`${'measure'.padEnd(width)}  Lamppost   target  beside`);
  for (const m of measured) {
    console.log(`${m.name.padEnd(width)}  ${f(m.value).padStart(8)} ${f(m.target).padStart(8)}  ${m.beside}`);
  }
  const record = JSON.parse(readFileSync(RECORD, 'utf8')) as RecordFile;
  if (values.record) {
    const merged = { ...record.values };
    for (const m of measured) if (m.good !== 'seen') merged[m.name] = Math.round(m.value * 1000) / 1000;
    writeFileSync(RECORD, `${JSON.stringify({ margin: record.margin, values: merged }, null, 2)}\n`);
    return 0;
  }
  const behind = judge(record);
  for (const line of behind) console.error(`fallen behind: ${line}`);
  return behind.length > 0 ? 1 : 0;
}

process.exitCode = await main();

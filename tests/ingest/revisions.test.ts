/** The changelog of values: what a run again moved, which product a value is, and that the same data give the same bytes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync, appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createStage } from '../../calibration/create.ts';
import { Confirmation } from '../../calibration/qc/confirm.ts';
import { columnsOf, modelNumbers } from '../../ingest/columns.ts';
import { leadFor, loadJob, nextSpan, PRODUCTS, saveJob, type ProductJob } from '../../ingest/products.ts';
import { recompute, type RecomputeState } from '../../ingest/recompute.ts';
import { products } from '../../ingest/recompute-thread.ts';
import { Editions, readChanges, readRevisions, revisionLedger, type Revision } from '../../ingest/revisions.ts';
import { FLAG, reason } from '../../model/flags.ts';
import type { CheckedReading } from '../../model/observation.ts';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import { rowAt } from '../../store/columns.ts';
import { MemoryStore } from '../../store/memory.ts';
import { bench, json, NOON } from './parts.ts';

const folders: string[] = [];
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'lamppost-revisions-'));
  folders.push(made);
  return made;
};
afterEach(() => {
  for (const f of folders.splice(0)) rmSync(f, { recursive: true, force: true });
});

/** Two boxes, a reading every ten minutes. */
async function stored(hours: number) {
  const { registry, send } = bench();
  const store = new MemoryStore();
  const models = modelNumbers(store);
  for (let n = 0; n < hours * 12; n++) {
    const id = n % 2 ? 'box-one-1' : 'box-two-2';
    const t = NOON + n * 5 * MINUTE;
    const payload = json({ t: new Date(t).toISOString(), pm25: 20 + (n % 5), humidity: 60, temperature: 24 });
    const batch = send({ topic: `boxes/${id}/json`, sender: id, receivedAt: t + 500, payload });
    await models.learn(batch.readings);
    await store.append(columnsOf(batch.readings, models), batch.rejects, batch.seq);
  }
  return { registry, store };
}

async function rows(store: MemoryStore) {
  const found = [];
  for await (const block of store.scan(0, Infinity)) for (let i = 0; i < block.length; i++) found.push(rowAt(block, i));
  return found;
}

it('says how many values moved, by how much, of which box and on which day', async () => {
  const { registry, store } = await stored(6);
  const revisions = folder();
  const span = { from: NOON, to: NOON + 6 * HOUR };
  const options = { store, registry, createStage, ...span, box: '', revisions, now: () => NOON + DAY };
  const first = await recompute(options);
  expect(first).toMatchObject({ revision: 1, moved: 0 });
  // Somebody's older program had answered one box 3 µg/m³ too high, and given no value twice.
  const num = registry.get('box-one-1')?.num as number;
  let spoiled = 0;
  for await (const block of store.scan(0, Infinity)) {
    const corrected = block.corrected.slice();
    for (let i = 0; i < block.length; i++) {
      if (Math.floor((block.datastream[i] as number) / 64) !== num || Number.isNaN(corrected[i])) continue;
      corrected[i] = spoiled++ < 2 ? NaN : (corrected[i] as number) + 3;
    }
    await store.rewrite({ ...block, corrected });
  }
  const second = await recompute(options);
  expect(second).toMatchObject({ revision: 2, moved: spoiled, sha256: first.sha256 });
  const [, entry] = readRevisions(revisions) as [Revision, Revision];
  expect(entry).toMatchObject({
    number: 2,
    product: 'revised',
    moved: spoiled,
    gained: 2,
    lost: 0,
    maxShift: 3,
    ...span,
  });
  const changes = readChanges(revisions, 2);
  expect(changes.map((c) => [c.thingNum, c.property])).toEqual([[num, 'pm25']]);
  expect(changes[0]).toMatchObject({ day: Math.floor(NOON / DAY) * DAY, moved: spoiled, gained: 2, meanShift: -3, maxShift: 3 }); // prettier-ignore
  expect((await recompute(options)).moved).toBe(0);
});

it('goes on from where it stood: hour by hour gives the same bytes as in one go', async () => {
  const { registry, store } = await stored(8);
  const common = { store, registry, createStage, box: '', leadIn: HOUR };
  await recompute({ ...common, from: NOON + HOUR, to: NOON + 6 * HOUR });
  const whole = await rows(store);
  let state: RecomputeState | null = null;
  for (let h = 1; h < 6; h++) {
    const resume: RecomputeState | null = state === null ? null : structuredClone(state);
    await recompute({
      ...common,
      from: NOON + h * HOUR,
      to: NOON + (h + 1) * HOUR,
      resume,
      onState: (s) => (state = s),
    });
  }
  expect(await rows(store)).toEqual(whole);
});

const entry = (r: Partial<Revision>): Revision => ({
  number: 1,
  product: 'revised',
  from: 0,
  to: 0,
  box: '',
  thingNum: 0,
  issuedAt: 1e6,
  code: '',
  learntFrom: 0,
  values: 0,
  moved: 0,
  lost: 0,
  gained: 0,
  flags: 0,
  meanShift: 0,
  maxShift: 0,
  sha256: '',
  ...r,
});

it('a value says which product it is: the newest revision that covers it, live when it came later', () => {
  const editions = new Editions([
    entry({ number: 1, from: 0, to: 100 }),
    entry({ number: 2, from: 50, to: 200, product: 'archive' }),
    entry({ number: 3, from: 60, to: 70, thingNum: 7, box: 'seven' }),
  ]);
  expect(editions.of(1, -1, 0)).toEqual({ product: 'live', revision: 0 });
  expect(editions.of(1, 0, 0)).toEqual({ product: 'revised', revision: 1 });
  expect(editions.of(1, 50, 0)).toEqual({ product: 'archive', revision: 2 });
  expect(editions.of(7, 65, 0)).toEqual({ product: 'revised', revision: 3 });
  expect(editions.of(8, 65, 0)).toEqual({ product: 'archive', revision: 2 });
  expect(editions.of(1, 199, 0)).toEqual({ product: 'archive', revision: 2 });
  expect(editions.of(1, 200, 0)).toEqual({ product: 'live', revision: 0 });
  expect(editions.of(1, 150, 2e6)).toEqual({ product: 'live', revision: 0 });
});

it('the index outlives a torn last line', async () => {
  const { registry, store } = await stored(1);
  const revisions = folder();
  const options = { store, registry, createStage, from: NOON, to: NOON + HOUR, box: '', revisions };
  await recompute(options);
  appendFileSync(join(revisions, 'index.jsonl'), '{"number":2,"pro');
  expect(readRevisions(revisions)).toHaveLength(1);
  const again = await recompute(options);
  expect(again.revision).toBe(2);
  const ledger = revisionLedger(revisions);
  expect(() => ledger.list()).not.toThrow();
  expect(readFileSync(join(revisions, 'index.jsonl'), 'utf8').split('\n').length).toBeGreaterThan(2);
});

it('makes the products that are due, once, and says which day is too large', async () => {
  const { registry, store } = await stored(40);
  const revisions = folder();
  const now = NOON + 40 * HOUR;
  const notices: string[] = [];
  const common = { store, registry, createStage, revisions };
  const made = await products(now, revisions, store, common, (words) => notices.push(words));
  expect(made.length).toBe(2); // the hour before, and yesterday
  expect(readRevisions(revisions).map((r) => r.product)).toEqual(['revised', 'archive']);
  expect(await products(now, revisions, store, common, () => undefined)).toEqual([]);
  expect((await products(now + HOUR, revisions, store, common, () => undefined)).length).toBe(1);
  expect(notices).toEqual([]);
  const huge = { count: async () => 1e12 };
  await products(now + 2 * HOUR, revisions, huge, common, (words) => notices.push(words));
  expect(notices[0]).toMatch(/revised of .* is not made: 1000000000000 values/);
});

it('a clock that was a year ahead for a moment does not end the products for a year', async () => {
  const { registry, store } = await stored(40);
  const revisions = folder();
  const now = NOON + 40 * HOUR;
  const common = { store, registry, createStage, revisions };
  expect(await products(now + 365 * DAY, revisions, store, common, () => undefined)).toEqual([]);
  expect((await products(now, revisions, store, common, () => undefined)).length).toBe(2);
});

it('spans follow one another without gaps', () => {
  const [job] = PRODUCTS as [ProductJob];
  expect(nextSpan(job, NaN, 10 * HOUR)).toMatchObject({ from: 7 * HOUR, to: 8 * HOUR });
  expect(nextSpan(job, 8 * HOUR, 10 * HOUR)).toBeNull();
  expect(nextSpan(job, 8 * HOUR, 10 * HOUR + 10 * MINUTE)).toMatchObject({ from: 8 * HOUR, to: 9 * HOUR });
  expect(nextSpan(job, 2 * HOUR, 10 * HOUR)).toMatchObject({ from: 2 * HOUR, to: 3 * HOUR });
});

it('begins earlier where there are few rows, later where there are many', async () => {
  expect(await leadFor(100 * DAY, async () => 1000)).toBe(45 * DAY);
  expect(await leadFor(100 * DAY, async (from, to) => ((to - from) / DAY) * 20e6)).toBe(2 * DAY);
  expect(await leadFor(100 * DAY, async () => 1e12)).toBe(DAY);
});

it('a state of another program, or a damaged one, is none', () => {
  const at = folder();
  const [job] = PRODUCTS as [ProductJob];
  const state = { scannedTo: 1, writtenTo: 1, learntFrom: 0, stage: new Uint8Array(3), confirmation: { waiting: [], last: new Map() }, hours: new Map(), weather: { temperature: new Map(), humidity: new Map(), wind_east: new Map(), wind_north: new Map() }, told: new Map() }; // prettier-ignore
  saveJob(at, job, { doneTo: 5, code: 'a', state });
  expect(loadJob(at, job, 'a').state?.writtenTo).toBe(1);
  expect(loadJob(at, job, 'b')).toEqual({ doneTo: 5, state: null });
  writeFileSync(join(at, 'revised.state'), 'nonsense');
  expect(loadJob(at, job, 'a')).toEqual({ doneTo: NaN, state: null });
});

it('an hour later a step is believed, and a spike fails', () => {
  const read = (k: number, raw: number, reasons = 0): CheckedReading => ({
    stage: 'checked',
    thing: 'box-one-1',
    thingNum: 1,
    phenomenonTime: NOON + k * 10 * MINUTE,
    resultTime: NOON,
    clock: 'box',
    seq: 0,
    values: [{ property: 'pm25', raw, flag: reasons ? FLAG.suspect : FLAG.good, reasons }],
  });
  const spike = reason('spike') | reason('spatial');
  const settle = (...series: CheckedReading[]): (readonly [number, number])[] => {
    const c = new Confirmation();
    const out = series.flatMap((r) => c.push([r]));
    out.push(...c.settle(Infinity));
    expect(out.map((r) => r.phenomenonTime)).toEqual(series.map((r) => r.phenomenonTime));
    return out.map((r) => [r.values[0]?.flag as number, r.values[0]?.reasons as number] as const);
  };
  expect(settle(read(0, 20), read(1, 80, spike), read(2, 82))[1]).toEqual([FLAG.good, 0]);
  expect(settle(read(0, 20), read(1, 80, spike), read(2, 21))[1]).toEqual([FLAG.fail, spike]);
  expect(settle(read(0, 20), read(1, 45, spike), read(2, 30))[1]).toEqual([FLAG.suspect, spike]);
  // Nothing within an hour to confirm it; and what has other reasons is not excused.
  expect(settle(read(0, 20), read(1, 80, spike), read(20, 82))[1]).toEqual([FLAG.suspect, spike]);
  const flat = spike | reason('flat_line');
  expect(settle(read(0, 20), read(1, 80, flat), read(2, 80))[1]).toEqual([FLAG.suspect, flat]);
});

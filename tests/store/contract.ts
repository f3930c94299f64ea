/**
 * The promises of `store/store.ts` as tests. Every store runs this suite: `storeContract('name', () => a harness)`.
 */
import * as fc from '../property.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { datastreamId } from '../../model/datastream.ts';
import { reason } from '../../model/flags.ts';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import { COLUMN_NAMES, columnsOf, rowAt, type ObservationRow } from '../../store/columns.ts';
import { MemoryStore } from '../../store/memory.ts';
import type { AggregateQuery, ObservationColumns, ObservationStore, Reject } from '../../store/store.ts';

export interface StoreHarness {
  open(): Promise<ObservationStore>;
  /** Opened again, it still holds what was appended. */
  readonly durable: boolean;
  /** Histories that the comparison with the reference store tries; fewer where opening is slow. */
  readonly histories: number;
  cleanUp(): Promise<void>;
}

/** A Sunday; with days before and after it, months and daylight saving change where the tests need them. */
export const T0 = Date.UTC(2026, 10, 1);
export const PM25 = datastreamId(1, 'pm25');
export const RH = datastreamId(1, 'humidity');
export const OTHER = datastreamId(2, 'pm25');
/** Long enough after T0 that all test data lie in full days. */
const LATER = T0 + 40 * DAY;

type SomeRow = Pick<ObservationRow, 'datastream' | 'phenomenonTime' | 'raw'> & Partial<ObservationRow>;

export const rowsOf = (columns: ObservationColumns): ObservationRow[] =>
  Array.from({ length: columns.length }, (_, i) => rowAt(columns, i));

export const some = (
  datastream: number,
  phenomenonTime: number,
  raw: number,
  more: Partial<ObservationRow> = {},
): SomeRow => ({
  datastream,
  phenomenonTime,
  resultTime: phenomenonTime + 1234,
  raw,
  ...more,
});

/** `n` readings of one datastream, one a minute. */
const minutes = (
  datastream: number,
  from: number,
  n: number,
  value: (i: number) => number = (i) => i / 10,
): SomeRow[] => Array.from({ length: n }, (_, i) => some(datastream, from + i * MINUTE, value(i)));

const rejectOf = (thing: string, code = 'bad-json'): Reject => ({
  receivedAt: T0,
  via: 'mqtt',
  topic: `boxes/${thing}/json`,
  thing,
  code,
  detail: 'the payload ends too early: 不完整',
  payload: new Uint8Array([0, 1, 255, 123]),
});

export async function everything(store: ObservationStore, from = 0, to = LATER * 2): Promise<ObservationRow[]> {
  const rows: ObservationRow[] = [];
  for await (const block of store.scan(from, to)) rows.push(...rowsOf(block));
  return rows;
}

export function storeContract(name: string, make: () => Promise<StoreHarness>): void {
  describe(`${name}: the promises of a store`, () => {
    let harness: StoreHarness;
    let store: ObservationStore;
    beforeEach(async () => {
      harness = await make();
      store = await harness.open();
    });
    afterEach(async () => {
      await store.close();
      await harness.cleanUp();
    });
    const reopen = async (): Promise<void> => {
      if (!harness.durable) return;
      await store.close();
      store = await harness.open();
    };
    const append = async (rows: SomeRow[], checkpoint = 0, rejects: Reject[] = []) =>
      store.append(columnsOf(rows), rejects, checkpoint);
    /** Runs checks on data as they came in, after they moved into older files, and after opening again. */
    const inEveryState = async (check: () => Promise<void>): Promise<void> => {
      await check();
      await store.compact(LATER);
      await check();
      await reopen();
      await check();
    };

    it('an empty store answers nothing', async () => {
      await inEveryState(async () => {
        expect(await store.checkpoint()).toBe(0);
        expect(await store.models()).toEqual([]);
        expect((await store.range({ datastreams: [PM25], from: 0, to: LATER, limit: 10 })).length).toBe(0);
        expect((await store.range({ datastreams: [], from: 0, to: LATER, limit: 10 })).length).toBe(0);
        expect(await store.aggregate({ datastream: PM25, from: 0, to: LATER, step: 'day', level: 'raw' })).toEqual([]);
        expect((await store.latest(0)).length).toBe(0);
        expect(await store.count(0, LATER)).toBe(0);
        expect(await everything(store)).toEqual([]);
        expect(await store.rejects({ limit: 10 })).toEqual([]);
        expect(await store.rejectCount()).toBe(0);
        expect(await store.health()).toMatchObject({ ok: true, problem: '', rows: 0 });
      });
    });

    it('gives back every column as it was appended', async () => {
      const full = some(PM25, T0 + 1, 12.345678901234567, {
        resultTime: T0 + 90_061,
        corrected: 9.8,
        lo90: -1.3,
        hi90: 20.9,
        flag: 3,
        reasons: reason('spike') | reason('moved'),
        level: 7,
        model: 3,
      });
      const odd = [
        some(RH, T0 + 2, -0.1, { corrected: -0.4, lo90: -12.3, hi90: 0 }),
        some(RH, T0 + 3, 1e300, { flag: 4 }),
        some(RH, T0 + 4, 0.1 + 0.2, { flag: 2 }),
        some(RH, T0 + 5, 65535, { corrected: 100000.5, lo90: -50000.1, hi90: 2e9 }),
        some(RH, T0 + 6, NaN, { flag: 9, reasons: reason('missing') }),
        some(RH, T0 + 7, 3, { resultTime: T0 - 400 * DAY }),
        // More digits than the property's resolution: a store may not round what it was given.
        some(RH, T0 + 8, 3, { corrected: 1.23456789, lo90: 1 / 3, hi90: 2 / 3 }),
      ];
      await append([full, ...odd]);
      await inEveryState(async () => {
        const rows = await everything(store);
        expect(rows).toEqual(rowsOf(columnsOf([full, ...odd])));
        expect(rows[0]).toMatchObject(full);
      });
    });

    it('the first row of a moment stands, the same again is a duplicate, another value a conflict', async () => {
      expect(await append([some(PM25, T0, 1), some(RH, T0, 50)])).toEqual({ stored: 2, duplicates: 0, conflicts: 0 });
      let before = await store.rejectCount();
      await inEveryState(async () => {
        // What QC and correction added plays no part: they may have learnt since.
        const again = [
          some(PM25, T0, 1, { flag: 4, resultTime: T0 + 99_999 }),
          some(PM25, T0 + 1, 7),
          some(PM25, T0, 2),
        ];
        const stored = (await store.count(T0 + 1, T0 + 2)) === 0 ? 1 : 0;
        expect(await append(again)).toEqual({ stored, duplicates: 2 - stored, conflicts: 1 });
        expect(rowsOf(await store.range({ datastreams: [PM25], from: T0, to: T0 + 1, limit: 9 }))).toMatchObject([
          { raw: 1, flag: 1, resultTime: T0 + 1234 },
        ]);
        expect(await store.rejectCount()).toBe(before + 1);
        before++;
      });
      const [reject] = await store.rejects({ limit: 1, thingNum: 1 });
      expect(reject).toMatchObject({ code: 'conflict', thingNum: 1, receivedAt: T0 + 1234 });
      expect(reject?.detail).toContain('pm25 at 2026-11-01T00:00:00Z is stored as 1; a later packet said 2');
    });

    it('judges duplicates and conflicts inside one batch in its order', async () => {
      const batch = [
        some(PM25, T0, 1),
        some(PM25, T0, 2),
        some(PM25, T0, 1),
        some(OTHER, T0, 2),
        some(PM25, T0 - 1, 9),
      ];
      expect(await append(batch)).toEqual({ stored: 3, duplicates: 1, conflicts: 1 });
      const missing = [some(RH, T0, NaN, { flag: 9 }), some(RH, T0, NaN, { flag: 9 }), some(RH, T0, 0)];
      expect(await append(missing)).toEqual({ stored: 1, duplicates: 1, conflicts: 1 });
      expect((await everything(store)).map((r) => r.raw)).toEqual([9, 1, NaN, 2]);
    });

    it('appending a batch again changes nothing, rejects included', async () => {
      const rows = [...minutes(PM25, T0, 5), some(PM25, T0, 99)];
      const rejects = [rejectOf('box-aaaa')];
      expect(await append(rows, 7, rejects)).toEqual({ stored: 5, duplicates: 0, conflicts: 1 });
      await inEveryState(async () => {
        expect(await append(rows, 7, rejects)).toEqual({ stored: 0, duplicates: 5, conflicts: 1 });
        expect(await store.rejectCount()).toBe(2);
        expect(await store.count(0, LATER)).toBe(5);
        expect(await store.checkpoint()).toBe(7);
      });
    });

    it('keeps the checkpoint, which never goes back', async () => {
      await append([], 5);
      await append([some(PM25, T0, 1)], 3);
      await append([some(PM25, T0 + 1, 1)], 0);
      await inEveryState(async () => {
        expect(await store.checkpoint()).toBe(5);
        expect(await store.count(0, LATER)).toBe(2);
      });
      await append([], 2 ** 40);
      await reopen();
      expect(await store.checkpoint()).toBe(2 ** 40);
    });

    it('numbers models from 1 in the order they came', async () => {
      expect(await store.modelNum('pm25-L1-2026-11-01')).toBe(1);
      expect(await store.modelNum('it\'s "L2"')).toBe(2);
      await inEveryState(async () => {
        expect(await store.modelNum('pm25-L1-2026-11-01')).toBe(1);
        expect(await store.models()).toEqual(['pm25-L1-2026-11-01', 'it\'s "L2"']);
      });
      expect(await Promise.all(['x', 'y', 'x'].map((m) => store.modelNum(m)))).toEqual([3, 4, 3]);
    });

    it('range pages by time and datastream, both ways, without gap or overlap', async () => {
      const late = minutes(OTHER, T0 + 12 * HOUR, 300);
      await append([...minutes(PM25, T0 + 12 * HOUR, 300), ...minutes(RH, T0 + 12 * HOUR, 300)]);
      await append(late);
      await append(minutes(PM25, T0 + 2 * DAY, 20));
      await inEveryState(async () => {
        for (const order of ['asc', 'desc'] as const) {
          const query = {
            datastreams: [OTHER, PM25, PM25],
            from: T0 + 12 * HOUR + 1,
            to: T0 + 2 * DAY + 10 * MINUTE,
            order,
          };
          const whole = rowsOf(await store.range({ ...query, limit: 10_000 }));
          expect(whole.length).toBe(299 * 2 + 10);
          const sorted = whole.toSorted((a, b) => a.phenomenonTime - b.phenomenonTime || a.datastream - b.datastream);
          expect(whole).toEqual(order === 'asc' ? sorted : sorted.reverse());
          const paged: ObservationRow[] = [];
          for (;;) {
            const after = paged.at(-1);
            const page = rowsOf(await store.range({ ...query, limit: 97, ...(after && { after }) }));
            paged.push(...page);
            if (page.length < 97) break;
          }
          expect(paged).toEqual(whole);
        }
      });
    });

    it('a page stays right while data keep coming in', async () => {
      await append(minutes(PM25, T0, 100));
      const first = rowsOf(await store.range({ datastreams: [PM25], from: T0, to: LATER, limit: 50 }));
      await append([...minutes(PM25, T0 + 100 * MINUTE, 100), some(PM25, T0 - 1, 0), some(PM25, T0 + 1, 0)]);
      await store.compact(LATER);
      await append([some(PM25, T0 + 2, 0)]);
      const after = first.at(-1) as ObservationRow;
      const second = rowsOf(await store.range({ datastreams: [PM25], from: T0, to: LATER, limit: 500, after }));
      expect(second.map((r) => r.phenomenonTime)).toEqual(
        Array.from({ length: 150 }, (_, i) => T0 + (50 + i) * MINUTE),
      );
    });

    it('finds late rows wherever they belong', async () => {
      await append(minutes(PM25, T0 + 5 * DAY, 10));
      await store.compact(LATER);
      await append([
        ...minutes(PM25, T0, 10),
        ...minutes(PM25, T0 + 5 * DAY - 5 * MINUTE, 5),
        ...minutes(OTHER, T0 + 5 * DAY, 3),
      ]);
      await inEveryState(async () => {
        const rows = rowsOf(await store.range({ datastreams: [PM25], from: T0, to: LATER, limit: 100 }));
        expect(rows.map((r) => r.phenomenonTime)).toEqual([
          ...Array.from({ length: 10 }, (_, i) => T0 + i * MINUTE),
          ...Array.from({ length: 15 }, (_, i) => T0 + 5 * DAY + (i - 5) * MINUTE),
        ]);
        expect(await store.count(0, LATER)).toBe(28);
        const hours = await store.aggregate({ datastream: PM25, from: T0, to: LATER, step: HOUR, level: 'raw' });
        expect(hours.map((h) => [h.start, h.count])).toEqual([
          [T0, 10],
          [T0 + 5 * DAY - HOUR, 5],
          [T0 + 5 * DAY, 10],
        ]);
      });
    });

    it('aggregates raw values that are good or not judged, and corrected ones that were given', async () => {
      const given = { corrected: 8, lo90: 4, hi90: 13 };
      await append([
        some(PM25, T0, 10, given),
        some(PM25, T0 + 1, 20, { flag: 2, corrected: 10, lo90: 5, hi90: 16 }),
        some(PM25, T0 + 2, 999, { flag: 4 }),
        some(PM25, T0 + 3, 50, { flag: 3, corrected: 30, lo90: 15, hi90: 46 }),
        some(PM25, T0 + 4, NaN, { flag: 9 }),
        some(PM25, T0 + HOUR, 77, { flag: 4 }),
        some(OTHER, T0, 1),
      ]);
      await inEveryState(async () => {
        const query = { datastream: PM25, from: T0, to: T0 + DAY, step: HOUR };
        const none = { mean: null, min: null, max: null, lo90: null, hi90: null };
        const empty = { start: T0 + HOUR, end: T0 + 2 * HOUR, ...none, count: 0, total: 1 };
        expect(await store.aggregate({ ...query, level: 'raw' })).toEqual([
          { start: T0, end: T0 + HOUR, mean: 15, min: 10, max: 20, lo90: null, hi90: null, count: 2, total: 5 },
          empty,
        ]);
        expect(await store.aggregate({ ...query, level: 'corrected' })).toEqual([
          { start: T0, end: T0 + HOUR, mean: 16, min: 8, max: 30, lo90: 8, hi90: 25, count: 3, total: 5 },
          empty,
        ]);
      });
    });

    it('aggregates over any step, span and zone', async () => {
      // 40 days of one reading each 20 minutes; the value is the number of the reading.
      const from = Date.UTC(2026, 9, 20);
      const rows = Array.from({ length: 40 * 72 }, (_, i) => some(PM25, from + i * 20 * MINUTE, i));
      await append(rows);
      const expected = new MemoryStore();
      await expected.append(columnsOf(rows), [], 0);
      const queries: Omit<AggregateQuery, 'datastream' | 'level'>[] = [
        { from, to: from + 40 * DAY, step: HOUR },
        { from: from + 10 * MINUTE, to: from + 30 * DAY + 50 * MINUTE, step: HOUR },
        { from: from + HOUR, to: from + HOUR + 1, step: HOUR },
        { from, to: from + 2 * DAY, step: 7 * MINUTE },
        { from: from + 5, to: from + 40 * DAY, step: 5 * HOUR, timezone: 'Asia/Taipei' },
        { from, to: from + 40 * DAY, step: DAY, timezone: 'Asia/Taipei' },
        { from, to: from + 40 * DAY, step: 'day' },
        { from, to: from + 40 * DAY, step: 'day', timezone: 'Asia/Taipei' },
        { from, to: from + 40 * DAY, step: 'day', timezone: 'Asia/Kolkata' },
        { from, to: from + 40 * DAY, step: HOUR, timezone: 'Asia/Kathmandu' },
        { from, to: from + 40 * DAY, step: 'month', timezone: 'Asia/Taipei' },
        // Daylight saving ends on 25 October 2026 in Berlin: a day of 25 hours.
        { from, to: from + 10 * DAY, step: 'day', timezone: 'Europe/Berlin' },
      ];
      const berlin = await expected.aggregate({
        ...(queries.at(-1) as AggregateQuery),
        datastream: PM25,
        level: 'raw',
      });
      expect(berlin.map((d) => (d.end - d.start) / HOUR)).toContain(25);
      expect(berlin.find((d) => d.end - d.start === 25 * HOUR)?.count).toBe(75);
      await inEveryState(async () => {
        for (const query of queries) {
          const whole: AggregateQuery = { ...query, datastream: PM25, level: 'raw' };
          const want = await expected.aggregate(whole);
          expect(want.length).toBeGreaterThan(0);
          expect(await store.aggregate(whole), JSON.stringify(query)).toEqual(
            // Sums of floating point numbers depend on their order in the last digits.
            want.map((bin) => ({ ...bin, mean: expect.closeTo(bin.mean as number, 9) })),
          );
        }
      });
    });

    it('refuses a step that cannot be', async () => {
      await append([some(PM25, T0, 1)]);
      const query = { datastream: PM25, from: T0, to: LATER, level: 'raw' } as const;
      await expect(store.aggregate({ ...query, step: 0 })).rejects.toThrow(
        'step must be a whole number of ms ≥ 1, not 0',
      );
      await expect(store.aggregate({ ...query, step: 'day', timezone: 'Mars/Olympus' })).rejects.toThrow(
        /Mars\/Olympus/,
      );
    });

    it('latest is the newest row of each datastream', async () => {
      await append([...minutes(PM25, T0, 10), ...minutes(OTHER, T0 + DAY, 2), some(RH, T0 - 10 * DAY, 1)]);
      await append([some(PM25, T0 - 5, 3)]);
      await inEveryState(async () => {
        const all = rowsOf(await store.latest(0)).map((r) => [r.datastream, r.phenomenonTime]);
        expect(all).toEqual([
          [PM25, T0 + 9 * MINUTE],
          [RH, T0 - 10 * DAY],
          [OTHER, T0 + DAY + MINUTE],
        ]);
        const since = rowsOf(await store.latest(T0 + 9 * MINUTE)).map((r) => r.datastream);
        expect(since).toEqual([PM25, OTHER]);
      });
      await append([some(PM25, T0 + 20 * DAY, 5, { flag: 3 })]);
      expect(rowsOf(await store.latest(T0))[0]).toMatchObject({ phenomenonTime: T0 + 20 * DAY, raw: 5, flag: 3 });
    });

    it('counts a span, its start included and its end not', async () => {
      await append([...minutes(PM25, T0, 10), ...minutes(RH, T0 + 3 * DAY, 10)]);
      await inEveryState(async () => {
        expect(await store.count(T0, T0 + 9 * MINUTE)).toBe(9);
        expect(await store.count(T0 + 1, T0 + 4 * DAY)).toBe(19);
        expect(await store.count(T0 + 3 * DAY + MINUTE, LATER)).toBe(9);
      });
    });

    it('scans a span in order, across days and files', async () => {
      const rows = [0, 1, 2].flatMap((day) => [
        ...minutes(OTHER, T0 + day * DAY, 4),
        ...minutes(PM25, T0 + day * DAY, 4),
      ]);
      await append(rows);
      await inEveryState(async () => {
        const scanned = await everything(store, T0 + MINUTE, T0 + 2 * DAY + 1);
        expect(scanned.map((r) => [r.phenomenonTime, r.datastream])).toEqual(
          rows
            .filter((r) => r.phenomenonTime >= T0 + MINUTE && r.phenomenonTime <= T0 + 2 * DAY)
            .map((r) => [r.phenomenonTime, r.datastream])
            .sort((a, b) => (a[0] as number) - (b[0] as number) || (a[1] as number) - (b[1] as number)),
        );
      });
    });

    it('rewrite replaces what QC and correction added, and nothing else', async () => {
      await append([...minutes(PM25, T0, 3), ...minutes(PM25, T0 + DAY, 3)]);
      let round = 0;
      await inEveryState(async () => {
        round++;
        const added = {
          corrected: round,
          lo90: round - 1,
          hi90: round + 1,
          flag: 3,
          reasons: reason('fog'),
          level: 2,
          model: round,
        };
        const change = [
          some(PM25, T0 + MINUTE, 777, { ...added, resultTime: 5 }),
          some(PM25, T0 + DAY, 777, added),
          some(PM25, T0 + 5, 1, added),
          some(OTHER, T0, 1, added),
        ];
        expect(await store.rewrite(columnsOf(change))).toEqual({ changed: 2 });
        const check = async (): Promise<void> => {
          const rows = await everything(store);
          expect(rows.length).toBe(6);
          expect(rows[1]).toEqual({ ...some(PM25, T0 + MINUTE, 0.1), ...added });
          expect(rows[3]).toEqual({ ...some(PM25, T0 + DAY, 0), ...added });
          expect(rows[0]).toMatchObject({ flag: 1, corrected: NaN });
          const [day] = await store.aggregate({
            datastream: PM25,
            from: T0,
            to: T0 + DAY,
            step: 'day',
            level: 'corrected',
          });
          expect(day).toMatchObject({ mean: round, count: 1, total: 3 });
        };
        await check();
        await store.compact(LATER);
        await check();
      });
    });

    it('empties the payloads of old rejects and nothing else', async () => {
      await append([], 1, [
        { ...rejectOf('box-aaaa'), receivedAt: T0 },
        { ...rejectOf('box-bbbb'), receivedAt: T0 + 1 },
      ]);
      await store.emptyRejects(T0 + 1);
      await inEveryState(async () => {
        const all = await store.rejects({ limit: 10 });
        expect(all.map((r) => [r.thing, r.payload.length > 0])).toEqual([
          ['box-bbbb', true],
          ['box-aaaa', false],
        ]);
        expect(all[1]?.detail).toBe(rejectOf('box-aaaa').detail);
        expect(await store.rejectCount()).toBe(2);
      });
    });

    it('keeps rejects, newest first, by thing', async () => {
      await append([], 1, [rejectOf('box-aaaa'), rejectOf('box-bbbb', 'unknown-format'), rejectOf('box-aaaa')]);
      await append([], 2, [{ ...rejectOf('box-cccc'), payload: new Uint8Array(10_000).fill(7) }]);
      await inEveryState(async () => {
        expect(await store.rejectCount()).toBe(4);
        const all = await store.rejects({ limit: 10 });
        expect(all.map((r) => r.thing)).toEqual(['box-cccc', 'box-aaaa', 'box-bbbb', 'box-aaaa']);
        expect(all[0]?.payload.length).toBe(4096);
        expect(all[2]).toMatchObject(rejectOf('box-bbbb', 'unknown-format'));
        const mine = await store.rejects({ thing: 'box-aaaa', limit: 1 });
        expect(mine).toEqual([all[1]]);
        expect(await store.rejects({ thing: 'box-aaaa', limit: 5, before: all[1]?.id as number })).toEqual([all[3]]);
        expect(await store.rejects({ thing: 'box-aaaa', thingNum: 77, limit: 5 })).toEqual([all[1], all[3]]);
        expect(await store.rejects({ thing: 'nobody', limit: 5 })).toEqual([]);
      });
    });

    it('answers appends and queries asked at the same time one by one', async () => {
      const batches = Array.from({ length: 8 }, (_, i) => minutes(PM25, T0 + i * HOUR, 60));
      const results = await Promise.all(batches.map(async (rows, i) => append(rows, i + 1)));
      expect(results.every((r) => r.stored === 60)).toBe(true);
      const [counts, compacted, more] = await Promise.all([
        Promise.all(Array.from({ length: 6 }, async () => store.count(0, LATER))),
        store.compact(LATER),
        append(minutes(PM25, T0 + 9 * HOUR, 60), 9),
      ]);
      expect(compacted).toBeUndefined();
      expect(more.stored).toBe(60);
      for (const n of counts) expect([480, 540]).toContain(n);
      expect(await store.count(0, LATER)).toBe(540);
      expect(await store.checkpoint()).toBe(9);
    });

    it('a query nobody waits for any more rejects with the reason', async () => {
      await append(minutes(PM25, T0, 10));
      const gone = AbortSignal.abort(new Error('the client hung up'));
      const query = { datastreams: [PM25], from: T0, to: LATER, limit: 10 };
      await expect(store.range(query, gone)).rejects.toThrow('the client hung up');
      expect((await store.range(query)).length).toBe(10);
    });

    it('agrees with the reference store whatever is done, in whatever order', async () => {
      const moment = fc
        .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 5 }))
        .map(([d, m]) => T0 + d * DAY + m * 17 * MINUTE);
      // An interval is given exactly when a corrected value is.
      const given = fc.constantFrom(
        { corrected: NaN, lo90: NaN, hi90: NaN },
        { corrected: 0, lo90: -1.5, hi90: 0.1 },
        { corrected: -2.25, lo90: -4, hi90: 30 },
      );
      const row = fc
        .record({
          datastream: fc.constantFrom(PM25, RH, OTHER),
          phenomenonTime: moment,
          resultTime: fc.constant(T0),
          raw: fc.constantFrom(1, 2.5),
          given,
          flag: fc.constantFrom(1, 2, 3, 4),
          reasons: fc.nat(2 ** 30),
          level: fc.nat(9),
          model: fc.nat(5),
        })
        .map(({ given: interval, ...rest }) => ({ ...rest, ...interval }));
      const batch = fc.array(row, { maxLength: 12 });
      const step = fc.oneof(
        { weight: 5, arbitrary: fc.record({ op: fc.constant('append' as const), rows: batch }) },
        {
          weight: 2,
          arbitrary: fc.record({
            op: fc.constant('rewrite' as const),
            rows: fc.uniqueArray(row, { maxLength: 6, selector: (r) => `${r.datastream}/${r.phenomenonTime}` }),
          }),
        },
        {
          weight: 2,
          arbitrary: fc.record({ op: fc.constant('compact' as const), day: fc.integer({ min: 0, max: 6 }) }),
        },
        { weight: 1, arbitrary: fc.record({ op: fc.constant('reopen' as const) }) },
      );
      const same = (columns: ObservationColumns) => COLUMN_NAMES.map((c) => Array.from(columns[c]));
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
          await store.close();
          await harness.cleanUp();
          harness = await make();
          store = await harness.open();
          const reference = new MemoryStore();
          for (const s of steps) {
            if (s.op === 'append') {
              const columns = columnsOf(s.rows);
              expect(await store.append(columns, [], 0)).toEqual(await reference.append(columns, [], 0));
            } else if (s.op === 'rewrite') {
              const columns = columnsOf(s.rows);
              expect(await store.rewrite(columns)).toEqual(await reference.rewrite(columns));
            } else if (s.op === 'compact') await store.compact(T0 + s.day * DAY);
            else await reopen();
          }
          expect(await everything(store)).toEqual(await everything(reference));
          const query = {
            datastreams: [PM25, OTHER],
            from: T0 + DAY,
            to: T0 + 3 * DAY + HOUR,
            limit: 7,
            order: 'desc',
          } as const;
          expect(same(await store.range(query))).toEqual(same(await reference.range(query)));
          expect(same(await store.latest(T0 + DAY))).toEqual(same(await reference.latest(T0 + DAY)));
          for (const level of ['raw', 'corrected'] as const) {
            const bins: AggregateQuery = {
              datastream: PM25,
              from: T0 + 20 * MINUTE,
              to: T0 + 4 * DAY,
              step: 2 * HOUR,
              level,
            };
            const close = (v: number | null): unknown => (v === null ? null : expect.closeTo(v, 9));
            expect(await store.aggregate(bins)).toEqual(
              (await reference.aggregate(bins)).map((b) => ({
                ...b,
                mean: close(b.mean),
                lo90: close(b.lo90),
                hi90: close(b.hi90),
              })),
            );
          }
          expect(await store.rejectCount()).toBe(await reference.rejectCount());
          expect((await store.health()).rows).toBe((await reference.health()).rows);
        }),
        { numRuns: harness.histories },
      );
    });
  });
}

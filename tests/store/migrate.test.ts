/** From one store into another, by real stores on both sides. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { datastreamId } from '../../model/datastream.ts';
import { DAY, MINUTE } from '../../model/time.ts';
import { columnsOf } from '../../store/columns.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import { MemoryStore } from '../../store/memory.ts';
import { migrate } from '../../store/migrate.ts';
import type { ObservationStore, Reject } from '../../store/store.ts';
import { everything, OTHER, PM25, RH, some, T0 } from './contract.ts';

let folder: string;
let stateFile: string;
let duckdb: ObservationStore;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lamppost-migrate-'));
  stateFile = join(folder, 'state.json');
  duckdb = await DuckStore.open(join(folder, 'store'));
});
afterEach(async () => {
  await duckdb.close();
  rmSync(folder, { recursive: true });
});

const reject = (i: number): Reject => ({
  receivedAt: T0 + i,
  via: 'mqtt',
  topic: 'boxes/b/json',
  thing: 'b',
  code: 'bad-json',
  detail: `reject ${i}`,
  payload: new Uint8Array([i % 256, 0, 255]),
});

/** Four days of three datastreams with every kind of row, two models, rejects of more than one page, and a checkpoint. */
async function fill(store: ObservationStore): Promise<void> {
  const a = await store.modelNum('model a');
  const b = await store.modelNum('模型 b');
  const rows = [];
  for (let i = 0; i < 4 * 144; i++) {
    const t = T0 + i * 10 * MINUTE;
    rows.push(
      some(PM25, t, i / 10, { corrected: i / 13, lo90: -0.5, hi90: i, level: 3, model: i % 2 ? a : b, flag: 1 }),
    );
    if (i % 3 === 0) rows.push(some(RH, t, i % 100, { flag: 3, reasons: 5 }));
  }
  rows.push(some(OTHER, T0 + DAY, NaN, { flag: 9 }), some(OTHER, T0 + DAY + 1, -0));
  await store.append(
    columnsOf(rows),
    Array.from({ length: 2345 }, (_, i) => reject(i)),
    77,
  );
}

const rejectsOf = async (store: ObservationStore): Promise<string[]> =>
  (await store.rejects({ limit: 5000 })).map((r) => `${r.detail} ${Buffer.from(r.payload).toString('hex')}`);

describe('migrate', () => {
  it('brings rows, models by name, rejects in their order, and the checkpoint', async () => {
    const from = new MemoryStore();
    await fill(from);
    await duckdb.modelNum('one that only the target knows');
    const report = await migrate({ from, to: duckdb, stateFile });
    expect(report).toMatchObject({ rows: 770, days: 4, rejects: 2345, checkpoint: 77, differing: 0, surplus: 0 });
    expect(await duckdb.checkpoint()).toBe(77);
    expect(await rejectsOf(duckdb)).toEqual(await rejectsOf(from));
    const names = [
      ['', ...(await from.models())],
      ['', ...(await duckdb.models())],
    ];
    const named = async (store: ObservationStore, side: number) =>
      (await everything(store)).map((r) => ({ ...r, raw: r.raw + 0, model: names[side]?.[r.model] }));
    expect(await named(duckdb, 1)).toEqual(await named(from, 0));
    expect(existsSync(stateFile)).toBe(false);

    await duckdb.compact(T0 + 40 * DAY);
    const back = new MemoryStore();
    expect(await migrate({ from: duckdb, to: back, stateFile })).toMatchObject({ rows: 770, differing: 0, surplus: 0 });
    expect(await rejectsOf(back)).toEqual(await rejectsOf(from));
    expect(await migrate({ from, to: back, stateFile, verifyOnly: true })).toMatchObject({ differing: 0, surplus: 0 });
  });

  it('goes on after every place at which it can be cut, and nothing is twice', async () => {
    const from = new MemoryStore();
    await fill(from);
    const to = new MemoryStore();
    let cuts = 0;
    for (let survive = 0; ; survive++) {
      let left = survive;
      const mortal = new Proxy(to, {
        get(target, name: keyof MemoryStore) {
          const member = target[name] as unknown;
          if (typeof member !== 'function') return member;
          if (name !== 'append' && name !== 'rewrite') return member.bind(target);
          return async (...args: unknown[]) => {
            if (left-- <= 0) throw new Error('cut');
            return member.apply(target, args) as unknown;
          };
        },
      });
      try {
        await migrate({ from, to: mortal, stateFile });
        break;
      } catch (error) {
        expect((error as Error).message).toBe('cut');
        cuts++;
      }
    }
    expect(cuts).toBeGreaterThan(2);
    expect(await everything(to)).toEqual(await everything(from));
    expect(await rejectsOf(to)).toEqual(await rejectsOf(from));
    expect(await to.checkpoint()).toBe(77);
  });

  it('starts at the first day that is not done', async () => {
    const from = new MemoryStore();
    await fill(from);
    const to = new MemoryStore();
    const stop = new AbortController();
    const reached = migrate({
      from,
      to,
      stateFile,
      signal: stop.signal,
      onProgress: (rows) => rows > 500 && stop.abort(new Error('stopped')),
    });
    await expect(reached).rejects.toThrow('stopped');
    const { doneUntil } = JSON.parse(readFileSync(stateFile, 'utf8')) as { doneUntil: number };
    expect(doneUntil).toBe(T0 + 2 * DAY);
    expect((await migrate({ from, to, stateFile })).days).toBe(2);
    expect(await everything(to)).toEqual(await everything(from));
  });

  it('names the datastream and day that differ, and keeps its place', async () => {
    const from = new MemoryStore();
    await fill(from);
    await migrate({ from, to: duckdb, stateFile });
    await duckdb.rewrite(columnsOf([some(PM25, T0 + DAY, 14.4, { corrected: 1, level: 3, model: 1 })]));
    await duckdb.append(columnsOf([some(datastreamId(9, 'pm25'), T0 + 9 * DAY, 1)]), [], 0);
    expect(await migrate({ from, to: duckdb, stateFile, verifyOnly: true })).toMatchObject({
      differing: 1,
      surplus: 1,
      differences: [{ day: '2026-11-02', datastream: PM25, rowsFrom: 144, rowsTo: 144 }],
    });
  });

  it('a target that holds another value at the same time is not overwritten', async () => {
    const from = new MemoryStore();
    await fill(from);
    await duckdb.append(columnsOf([some(PM25, T0 + DAY, 999)]), [], 0);
    const report = await migrate({ from, to: duckdb, stateFile });
    expect(report.differences).toMatchObject([{ datastream: PM25, day: '2026-11-02' }]);
    expect(await duckdb.checkpoint()).toBe(0);
    expect(existsSync(stateFile)).toBe(true);
  });

  it('refuses a record it does not understand', async () => {
    writeFileSync(stateFile, '{"version":2}');
    await expect(migrate({ from: new MemoryStore(), to: duckdb, stateFile })).rejects.toThrow(
      /remove it to begin anew/,
    );
  });
});

/** What a machine does to a store: kills, damaged and half-written files, other versions, a full disk. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, open, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import { columnsOf } from '../../store/columns.ts';
import { MIGRATIONS, SCHEMA_VERSION } from '../../store/duckdb/schema.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import { startStoreWorker } from '../../store/remote.ts';
import type { ObservationStore } from '../../store/store.ts';
import { everything, OTHER, PM25, rowsOf, some, T0 } from './contract.ts';
import { batchOf, PER_BATCH } from './victim.ts';

let folder: string;
let stores: ObservationStore[];
const opened = async (at = folder): Promise<DuckStore> => {
  const store = await DuckStore.open(at, { memoryMb: 300 });
  stores.push(store);
  return store;
};
const day = (n: number, rows = 1440) =>
  Array.from({ length: rows }, (_, i) =>
    some(PM25, T0 + n * DAY + i * MINUTE, ((i * 7919 + n) % 1000) / 10, { corrected: i / 10, lo90: 0, hi90: i / 5 }),
  );
const parts = async (kind: 'days' | 'hours') => (await readdir(join(folder, 'parquet', kind))).sort();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lamppost-store-'));
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** Three days in files; the store is closed. */
async function threeDays(): Promise<void> {
  const store = await opened();
  await store.append(columnsOf([...day(0), ...day(1), ...day(2)]), [], 1);
  await store.compact(T0 + 3 * DAY);
  await store.close();
}

describe('damaged files', () => {
  it('a Parquet file with foreign bytes is set aside by name, the rest keeps answering, a good copy comes back', async () => {
    await threeDays();
    const name = (await parts('days'))[1] as string;
    const path = join(folder, 'parquet', 'days', name);
    await copyFile(path, join(folder, 'copy'));
    const file = await open(path, 'r+');
    await file.write(Buffer.alloc(1500, 0xa5), 0, 1500, 200);
    await file.close();

    const store = await opened();
    const rows = await store.range({ datastreams: [PM25], from: T0, to: T0 + 3 * DAY, limit: 10_000 });
    const days = new Set(rowsOf(rows).map((r) => Math.floor((r.phenomenonTime - T0) / DAY)));
    expect([...days]).toEqual([0, 2]);
    const health = await store.health();
    expect(health.ok).toBe(false);
    expect(health.problem).toContain(`parquet/days/${name}`);
    expect(await parts('days')).toContain(`${name}.corrupt`);
    // Appending goes on, also for that day.
    expect(await store.append(columnsOf([some(OTHER, T0 + DAY, 1), some(PM25, T0 + 3 * DAY, 1)]), [], 2)).toMatchObject(
      { stored: 2 },
    );
    await store.close();

    await rename(join(folder, 'copy'), path);
    const again = await opened();
    expect((await again.health()).ok).toBe(true);
    expect(await again.count(T0, T0 + 3 * DAY)).toBe(3 * 1440 + 1);
  });

  it('a single flipped bit is found by the next compaction that reads the file', async () => {
    await threeDays();
    const name = (await parts('days'))[2] as string;
    const path = join(folder, 'parquet', 'days', name);
    const bytes = await readFile(path);
    bytes[1000] = (bytes[1000] as number) ^ 4;
    await writeFile(path, bytes);
    const store = await opened();
    for (let i = 0; i < 4; i++) await store.compact(T0 + 3 * DAY);
    const { problem } = await store.health();
    expect(problem).toContain(name);
    expect(problem).toContain('CRC-32');
  });

  it('a cut file and a missing one are found at start', async () => {
    await threeDays();
    const [first, second] = (await parts('days')) as [string, string];
    await truncate(join(folder, 'parquet', 'days', first), 100);
    await rm(join(folder, 'parquet', 'days', second));
    const store = await opened();
    const { ok, problem, rows } = await store.health();
    expect({ ok, rows }).toEqual({ ok: false, rows: 1440 });
    expect(problem).toContain(`${first} (the file has 100 bytes where`);
    expect(problem).toContain(`${second} (the file is missing)`);
    expect(await store.count(0, T0 + 9 * DAY)).toBe(1440);
  });

  it('half-written files of a killed compaction are removed, a lost roll-up is made again', async () => {
    await threeDays();
    const query = { datastream: PM25, from: T0, to: T0 + 3 * DAY, step: HOUR, level: 'raw' } as const;
    const before = await opened();
    const expected = await before.aggregate(query);
    expect(expected.length).toBe(72);
    await before.close();
    const days = await parts('days');
    const [hours] = (await parts('hours')) as [string];
    for (const name of ['days/2026-11-02.9.parquet', 'days/2026-11-02.9.parquet.tmp', 'hours/2026-11.9.parquet.tmp'])
      await writeFile(join(folder, 'parquet', name), 'PAR1 half');
    await truncate(join(folder, 'parquet', 'hours', hours), 200);

    const store = await opened();
    expect(await parts('days')).toEqual(days);
    expect(await parts('hours')).toEqual([`${hours}.corrupt`]);
    const close = expected.map((bin) => ({ ...bin, mean: expect.closeTo(bin.mean as number, 9) }));
    expect(await store.aggregate(query)).toEqual(close);
    expect((await store.health()).problem).toContain(hours);
    await store.compact(T0 + 3 * DAY);
    expect((await store.health()).ok).toBe(true);
    expect(await store.aggregate(query)).toEqual(close);
    expect((await parts('hours')).filter((n) => !n.endsWith('.corrupt')).length).toBe(1);
  });

  it('Parquet files without the file that lists them are not touched', async () => {
    await threeDays();
    for (const name of await readdir(folder)) if (name.startsWith('observations.duckdb')) await rm(join(folder, name));
    await expect(opened()).rejects.toThrow(/observations\.duckdb, which lists them, is missing\. Put it back/);
    expect((await parts('days')).length).toBe(3);
    // The thread says the same.
    await expect(startStoreWorker(folder)).rejects.toThrow(/which lists them, is missing/);
  });
});

describe('versions', () => {
  const raw = async <T>(work: (run: (sql: string) => Promise<unknown>) => Promise<T>): Promise<T> => {
    const db = await DuckDBInstance.create(join(folder, 'observations.duckdb'));
    const connection = await db.connect();
    try {
      return await work(async (sql) => connection.run(sql));
    } finally {
      connection.closeSync();
      db.closeSync();
    }
  };

  it('an older data folder is brought up to date and keeps its data', async () => {
    await raw(async (run) => {
      await run(MIGRATIONS[0] as string);
      await run('CREATE TABLE schema_version(version INTEGER NOT NULL); INSERT INTO schema_version VALUES (1)');
      await run(`INSERT INTO recent VALUES (${PM25}, ${T0}, ${T0}, 7, 'NaN', 'NaN', 'NaN', 1, 0, 0, 0)`);
      await run(`INSERT INTO reject VALUES (5, ${T0}, 'mqtt', 't', 'box-aaaa', 'bad-json', 'd', '\\x00'::BLOB)`);
      await run('UPDATE checkpoint SET seq = 42');
    });
    const store = await opened();
    expect(await store.checkpoint()).toBe(42);
    expect((await everything(store)).map((r) => r.raw)).toEqual([7]);
    expect(await store.rejects({ limit: 2 })).toMatchObject([{ id: 5, thing: 'box-aaaa' }]);
    expect(await store.append(columnsOf([some(PM25, T0, 8)]), [], 43)).toEqual({
      stored: 0,
      duplicates: 0,
      conflicts: 1,
    });
    expect((await store.rejects({ limit: 1, thingNum: 1 }))[0]?.id).toBe(6);
    await store.compact(T0 + DAY);
    expect(await store.rewrite(columnsOf([some(PM25, T0, 0, { flag: 4 })]))).toEqual({ changed: 1 });
  });

  it('a newer data folder is refused in words, and left as it is', async () => {
    const store = await opened();
    await store.append(columnsOf([some(PM25, T0, 1)]), [], 9);
    await store.close();
    await raw(async (run) => run('UPDATE schema_version SET version = 99'));
    await expect(opened()).rejects.toThrow(
      new RegExp(`written by a newer Lamppost \\(schema version 99, this one knows up to ${SCHEMA_VERSION}\\)`),
    );
    await raw(async (run) => run(`UPDATE schema_version SET version = ${SCHEMA_VERSION}`));
    expect(await (await opened()).checkpoint()).toBe(9);
  });
});

describe('kill -9', () => {
  it('at any moment of append, rewrite and compaction leaves every acknowledged row once and nothing else', async () => {
    let acknowledged = 0;
    const script = join(import.meta.dirname, 'victim.ts');
    // Spread over the life of the child: soon after it is ready, in the first batches, around compactions. The last ones when it has
    // stored something, however long a busy machine takes for that.
    const moments = [0, 3, 15, 40, 90, 150, 260, 400];
    for (const [i, after] of moments.entries()) {
      const from = i < 6 ? 'ready' : 'stored';
      const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
      const lines = createInterface({ input: child.stdout });
      const exited = once(child, 'exit');
      let timer: NodeJS.Timeout | undefined;
      for await (const line of lines) {
        const [word, number] = line.split(' ');
        if (word === from) timer ??= setTimeout(() => child.kill('SIGKILL'), after);
        if (word === 'ready') expect(Number(number)).toBeGreaterThanOrEqual(acknowledged);
        else if (word === 'stored') acknowledged = Number(number);
        else throw new Error(`the child says: ${line}`);
      }
      clearTimeout(timer);
      await exited;
    }
    expect(acknowledged).toBeGreaterThan(0);
    const store = await opened();
    const checkpoint = await store.checkpoint();
    expect(checkpoint).toBeGreaterThanOrEqual(acknowledged);
    const check = async (): Promise<void> => {
      const expected = new Map<string, number>();
      for (let n = 1; n <= checkpoint; n++) {
        const batch = batchOf(n);
        for (let i = 0; i < batch.length; i++)
          expected.set(`${batch.datastream[i]}/${batch.phenomenonTime[i]}`, batch.raw[i] as number);
      }
      const rows = await everything(store);
      expect(rows.length).toBe(expected.size);
      for (const row of rows) expect(row.raw).toBe(expected.get(`${row.datastream}/${row.phenomenonTime}`));
      expect((await store.health()).rows).toBe(checkpoint * PER_BATCH);
      expect(await store.rejectCount()).toBe(checkpoint);
    };
    await check();
    await store.compact(T0 + 400 * DAY);
    await check();
    expect([...(await parts('days')), ...(await parts('hours'))].filter((n) => n.endsWith('.tmp'))).toEqual([]);
    expect((await store.health()).ok).toBe(true);
  });
});

/** A file system of this size; null where the machine does not let us make one. */
function smallDisk(at: string, megabytes: number): { unmount(): void } | null {
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', at]);
  return mounted.status === 0 ? { unmount: () => void spawnSync('umount', ['-l', at]) } : null;
}
const canMount = process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/proc/mounts');

describe.skipIf(!canMount)('a disk of its own (needs root and Linux, to mount a tmpfs)', () => {
  it('full: append rejects with the reason, stored rows go on being answered, and it goes on when there is space', async (context) => {
    const at = join(folder, 'small');
    await mkdir(at);
    const disk = smallDisk(at, 24);
    if (!disk) return context.skip('mounting a tmpfs is not allowed here');
    try {
      const store = await opened(at);
      await writeFile(join(at, 'ballast'), Buffer.alloc(12 << 20));
      let n = 0;
      let error: Error | null = null;
      while (!error && n < 2000) {
        const batch = columnsOf(
          Array.from({ length: 5000 }, (_, i) => some(PM25 + 64 * i, T0 + n * MINUTE, Math.sin(i * n) * 100)),
        );
        await store.append(batch, [], n + 1).then(
          () => n++,
          (reason: Error) => (error = reason),
        );
      }
      expect(n).toBeGreaterThan(0);
      expect(String(error)).toMatch(/the store could not write: .*(No space left|disk|space|memory)/i);
      expect(await store.health()).toMatchObject({ ok: false });
      expect(await store.count(0, T0 + DAY)).toBe(n * 5000);
      expect(await store.checkpoint()).toBe(n);

      await rm(join(at, 'ballast'));
      for (const again of [n, n + 1]) {
        const batch = columnsOf(
          Array.from({ length: 5000 }, (_, i) =>
            some(PM25 + 64 * i, T0 + (again - 1) * MINUTE, Math.sin(i * (again - 1)) * 100),
          ),
        );
        expect(await store.append(batch, [], again)).toMatchObject({ stored: again === n ? 0 : 5000, conflicts: 0 });
      }
      expect(await store.health()).toMatchObject({ ok: true, rows: (n + 1) * 5000 });
      await store.close();
      const reopened = await opened(at);
      expect(await reopened.count(0, T0 + DAY)).toBe((n + 1) * 5000);
      await reopened.close();
    } finally {
      disk.unmount();
    }
  });

  it('read-only: opening says so', async (context) => {
    const at = join(folder, 'small');
    await mkdir(at);
    const disk = smallDisk(at, 16);
    if (!disk) return context.skip('mounting a tmpfs is not allowed here');
    try {
      const store = await opened(at);
      await store.append(columnsOf([some(PM25, T0, 1)]), [], 1);
      await store.close();
      expect(spawnSync('mount', ['-o', 'remount,ro', at]).status).toBe(0);
      await expect(opened(at)).rejects.toThrow(/read-only|Read-only/);
      expect(spawnSync('mount', ['-o', 'remount,rw', at]).status).toBe(0);
      expect(await (await opened(at)).checkpoint()).toBe(1);
      await stores.pop()?.close();
    } finally {
      disk.unmount();
    }
  });
});

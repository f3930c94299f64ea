import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from '../property.ts';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { createPipeline } from '../../ingest/pipeline.ts';
import { startLoop, type Commit, type LoopOptions } from '../../ingest/loop.ts';
import { openStateFolder } from '../../ingest/state.ts';
import { openJournal, openJournalReader } from '../../journal/lmdb.ts';
import { encodePacket } from '../../model/packet.ts';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import type { Registry } from '../../registry/registry.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { rowAt } from '../../store/columns.ts';
import { MemoryStore } from '../../store/memory.ts';
import { json, NOON, parts } from './parts.ts';

const root = mkdtempSync(join(tmpdir(), 'lamppost-loop-'));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;

function registryOf(boxes: number): Registry {
  const registry = openRegistry(':memory:');
  registry.addMany(
    Array.from({ length: boxes }, (_, i) => ({
      id: `box-${String(i).padStart(4, '0')}`,
      lat: 25 + i / 500,
      lon: 121.5,
      sensors: ['PMS5003'],
    })),
    NOON,
  );
  registry.addMany([{ id: 'station-1', kind: 'station', lat: 25, lon: 121.5 }], NOON);
  return registry;
}

/** A journal with packets of boxes that misbehave: redeliveries, jumps, no time, late, not decodable. */
async function journalOf(packets: number): Promise<string> {
  const folder = join(root, `journal-${folders++}`);
  const journal = openJournal(folder);
  const appended: Promise<number>[] = [];
  for (let n = 0; n < packets; n++) {
    const id = n % 11 === 10 ? 'station-1' : `box-${String(n % 5).padStart(4, '0')}`;
    const at = NOON + n * MINUTE;
    const t = n % 13 === 0 ? undefined : new Date(at - (n % 17 === 0 ? HOUR : 1000)).toISOString();
    const pm25 = n % 29 === 0 ? 400 : 10 + (n % 7);
    const payload =
      n % 23 === 0 ? new Uint8Array([n & 255]) : json({ t, pm25, temperature: 24, humidity: 60 + (n % 9) });
    const packet = { receivedAt: at, via: 'mqtt' as const, topic: `boxes/${id}/json`, sender: id, client: id, packetId: 1 + (n % 3), payload }; // prettier-ignore
    appended.push(journal.append(encodePacket(packet)));
    if (n % 19 === 0) appended.push(journal.append(encodePacket({ ...packet, receivedAt: at + 500 })));
  }
  await Promise.all(appended);
  await journal.close();
  return folder;
}

interface Life {
  readonly options?: Partial<LoopOptions>;
  /** At which append the process dies, and whether the store had taken it. */
  readonly death?: { readonly append: number; readonly taken: boolean };
}

/** Runs until everything is stored, or until the death. What a dead loop still holds is never used again. */
async function live(journal: string, state: string, store: MemoryStore, life: Life = {}): Promise<Commit[]> {
  const reader = openJournalReader(journal);
  const opened = openStateFolder(state);
  // A thread that is dead renames no files any more: here it is left the time to end that.
  let saving: Promise<void> = Promise.resolve();
  const folder = { ...opened, save: (...what: Parameters<typeof opened.save>) => (saving = opened.save(...what)) };
  const commits: Commit[] = [];
  let appends = 0;
  const last = reader.lastSeq();
  return new Promise((resolve, reject) => {
    const loop = startLoop({
      reader,
      store: {
        checkpoint: () => store.checkpoint(),
        modelNum: (m) => store.modelNum(m),
        async append(...args) {
          if (++appends === life.death?.append) {
            if (life.death.taken) await store.append(...args);
            await saving.catch(() => undefined);
            resolve(commits);
            return new Promise(() => undefined);
          }
          return store.append(...args);
        },
      },
      createPipeline: () => createPipeline(parts(registryOf(5))),
      folder,
      onCommit: (c) => {
        commits.push(c);
        if (c.seq === last) loop.stop().then(() => resolve(commits), reject);
      },
      onProblem: (p) => p && reject(new Error(p)),
      onNotice: (w) => reject(new Error(w)),
      onTrim: () => undefined,
      batchRecords: 7,
      batchEvery: 0,
      idle: 1,
      ...life.options,
    });
    loop.done.catch(reject);
  });
}

async function contents(store: MemoryStore): Promise<unknown> {
  const rows = [];
  for await (const block of store.scan(0, Number.MAX_SAFE_INTEGER))
    for (let i = 0; i < block.length; i++) rows.push(rowAt(block, i));
  const rejects = (await store.rejects({ limit: 10_000 })).map((r) => ({ ...r, payload: [...r.payload] }));
  return { rows, rejects, models: await store.models(), checkpoint: await store.checkpoint() };
}

describe('the loop', () => {
  it('stores everything once, in batches, and tells how far it is', async () => {
    const journal = await journalOf(100);
    const store = new MemoryStore();
    const commits = await live(journal, join(root, `state-${folders++}`), store);
    expect(commits.map((c) => c.packets).reduce((a, b) => a + b)).toBe(106);
    expect(commits.at(-1)).toMatchObject({ seq: 106, backlog: 0 });
    expect(await store.checkpoint()).toBe(106);
    const rows = commits.reduce((sum, c) => sum + c.rows.length, 0);
    expect(await store.count(0, Infinity)).toBeGreaterThan(200);
    expect(rows).toBeGreaterThan(200);
  });

  it('after deaths at any batches the store holds the same bytes as without', async () => {
    const journal = await journalOf(150);
    const undisturbed = new MemoryStore();
    await live(journal, join(root, `state-${folders++}`), undisturbed);
    const expected = await contents(undisturbed);
    const death = fc.record({ append: fc.integer({ min: 1, max: 9 }), taken: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(death, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 5, max: 60 }),
        async (deaths, records) => {
          const state = join(root, `state-${folders++}`);
          const store = new MemoryStore();
          for (const d of [...deaths, undefined]) {
            await live(journal, state, store, { ...(d ? { death: d } : {}), options: { saveEvery: { records } } });
            if ((await store.checkpoint()) === 158) break;
          }
          expect(await contents(store)).toEqual(expected);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('a batch that was begun before a death is cut the same afterwards', async () => {
    const journal = await journalOf(60);
    const state = join(root, `state-${folders++}`);
    const store = new MemoryStore();
    await live(journal, state, store, { death: { append: 2, taken: false } });
    const [first] = await live(journal, state, store, { options: { batchRecords: 1000 } });
    expect(first?.seq).toBe(14);
  });

  it('keeps offering what the store refuses, and says so', async () => {
    const journal = await journalOf(20);
    const store = new MemoryStore();
    const reader = openJournalReader(journal);
    const problems: string[] = [];
    let refusals = 3;
    await new Promise<void>((resolve, reject) => {
      const loop = startLoop({
        reader,
        store: {
          checkpoint: () => store.checkpoint(),
          modelNum: (m) => store.modelNum(m),
          append: (...args) => (refusals-- > 0 ? Promise.reject(new Error('disk full')) : store.append(...args)),
        },
        createPipeline: () => createPipeline(parts(registryOf(5))),
        folder: openStateFolder(join(root, `state-${folders++}`)),
        onCommit: (c) => void (c.backlog === 0 && loop.stop().then(resolve, reject)),
        onProblem: (p) => problems.push(p),
        onNotice: (w) => reject(new Error(w)),
        onTrim: () => undefined,
        retry: 1,
        batchEvery: 0,
      });
      loop.done.catch(reject);
    });
    expect(problems).toEqual([...Array<string>(3).fill('storing readings failed and is tried again: disk full'), '']);
    expect(await store.checkpoint()).toBe(reader.lastSeq());
  });

  it('a clock that is set back between two batches does not keep the next one waiting', async () => {
    const journal = await journalOf(20);
    let time = Date.now();
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => (time -= DAY));
    try {
      const commits = await live(journal, join(root, `state-${folders++}`), new MemoryStore(), {
        options: { batchEvery: 1 },
      });
      expect(commits.length).toBeGreaterThan(2);
      expect(commits.at(-1)?.backlog).toBe(0);
    } finally {
      clock.mockRestore();
    }
  });

  it('lets the journal be trimmed only behind a saved state', async () => {
    const journal = await journalOf(100);
    const state = join(root, `state-${folders++}`);
    const store = new MemoryStore();
    const trims: number[] = [];
    await live(journal, state, store, { options: { saveEvery: { records: 30 }, onTrim: (n) => trims.push(n) } });
    expect(trims.length).toBeGreaterThan(2);
    for (const upTo of trims) expect(upTo % 7 === 0 || upTo === 106).toBe(true);
    expect(openStateFolder(state).load().saved?.seq).toBe(trims.at(-1));
  });

  it('a saved state that the stage does not know is left, and the records after it are worked on', async () => {
    const journal = await journalOf(60);
    const state = join(root, `state-${folders++}`);
    const store = new MemoryStore();
    await live(journal, state, store, { death: { append: 5, taken: false }, options: { saveEvery: { records: 7 } } });
    const folder = openStateFolder(state);
    const { saved } = folder.load();
    if (!saved) throw new Error('nothing was saved');
    await folder.save(
      folder.encode({ seq: saved.seq, state: { ...saved.state, stage: [new Uint8Array([1, 2, 3])] } }),
      saved.seq,
    );
    const problems: string[] = [];
    await live(journal, state, store, { options: { onNotice: (p) => problems.push(p) } });
    expect(problems).toEqual([expect.stringMatching(/saved state .* cannot be used/)]);
    expect(await store.checkpoint()).toBe(64);
  });

  it('a damaged snapshot is told and not used', async () => {
    const path = join(root, `state-${folders++}`);
    const folder = openStateFolder(path);
    const pipeline = createPipeline(parts(registryOf(1)));
    await folder.save(folder.encode({ seq: 5, state: pipeline.state() }), 5);
    expect(folder.load().saved?.seq).toBe(5);
    const whole = readFileSync(join(path, 'snapshot'));
    for (const at of [0, 20, 60, whole.length - 1]) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] as number) ^ 1;
      writeFileSync(join(path, 'snapshot'), flipped);
      expect(folder.load()).toMatchObject({ saved: null, problem: expect.stringMatching(/damaged/) as string });
    }
    writeFileSync(join(path, 'snapshot'), whole.subarray(0, whole.length - 9));
    expect(folder.load().saved).toBeNull();
  });
});

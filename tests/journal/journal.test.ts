import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from '../property.ts';
import { afterEach, describe, expect, test } from 'vitest';
import { openJournal, openJournalReader } from '../../journal/lmdb.ts';
import type { JournalOptions } from '../../journal/lmdb.ts';
import type { JournalReader, JournalWriter } from '../../journal/journal.ts';

const folders: string[] = [];
const open: { close(): Promise<void> }[] = [];

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'lamppost-journal-'));
  folders.push(made);
  return made;
}

function writer(at: string, options?: JournalOptions): JournalWriter {
  const journal = openJournal(at, options);
  open.push(journal);
  return journal;
}

function reader(at: string): JournalReader {
  const journal = openJournalReader(at);
  open.push(journal);
  return journal;
}

afterEach(async () => {
  for (const journal of open.splice(0)) await journal.close();
  for (const at of folders.splice(0)) rmSync(at, { recursive: true, force: true });
});

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const all = (journal: JournalReader, after = 0): [number, string][] =>
  journal.read(after, 1e9).map((r) => [r.seq, text(r.bytes)]);

/** Lets the loop turn until the condition holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

describe('append', () => {
  test('an empty journal gives nothing and starts at 1', async () => {
    const at = folder();
    const journal = writer(at);
    const read = reader(at);
    expect(read.read(0, 10)).toEqual([]);
    expect(read.lastSeq()).toBe(0);
    expect(journal.health()).toEqual({ ok: true, problem: '', firstSeq: 1, lastSeq: 0, bytes: 0 });
    expect(await journal.append(Buffer.from('a'))).toBe(1);
    expect(all(read)).toEqual([[1, 'a']]);
  });

  test('numbers follow the order of the calls, also within one tick and across blocks', async () => {
    const at = folder();
    const journal = writer(at, { maxBlockBytes: 100 });
    const numbers = await Promise.all(Array.from({ length: 50 }, (_, i) => journal.append(Buffer.from(`r${i}`))));
    expect(numbers).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    expect(all(reader(at))).toEqual(Array.from({ length: 50 }, (_, i) => [i + 1, `r${i}`]));
  });

  test('a resolved append is what another thread or process sees', async () => {
    const at = folder();
    const journal = writer(at);
    const read = reader(at);
    for (let i = 1; i <= 20; i++) {
      await journal.append(Buffer.from(String(i)));
      // no turn of the loop in between: the reader must take a new snapshot by itself
      expect(read.lastSeq()).toBe(i);
    }
  });

  test('records of one tick share one fsync: bytes on disk are one block', async () => {
    const at = folder();
    const journal = writer(at);
    await Promise.all(Array.from({ length: 100 }, () => journal.append(Buffer.alloc(10))));
    expect(journal.health().bytes).toBe(28 + 100 * 4 + 100 * 10);
  });

  test('empty records and large ones', async () => {
    const at = folder();
    const journal = writer(at, { maxBlockBytes: 1000 });
    const big = Buffer.alloc(100_000, 7);
    await Promise.all([journal.append(Buffer.alloc(0)), journal.append(big), journal.append(Buffer.alloc(0))]);
    const records = reader(at).read(0, 10);
    expect(records.map((r) => r.bytes.length)).toEqual([0, 100_000, 0]);
    expect(Buffer.compare(records[1]?.bytes ?? Buffer.alloc(0), big)).toBe(0);
  });

  test('a record beyond the limit is refused with its size, nothing else is harmed', async () => {
    const at = folder();
    const journal = writer(at);
    await expect(journal.append(Buffer.alloc(16 * 1024 * 1024 + 1))).rejects.toThrow(/16777217/);
    expect(await journal.append(Buffer.from('ok'))).toBe(1);
  });

  test('after close, append says so', async () => {
    const at = folder();
    const journal = openJournal(at);
    const last = journal.append(Buffer.from('last'));
    await journal.close();
    expect(await last).toBe(1);
    await expect(journal.append(Buffer.from('x'))).rejects.toThrow(/closed/);
    expect(all(reader(at))).toEqual([[1, 'last']]);
  });

  test('two writers on one folder never overwrite one another', async () => {
    const at = folder();
    const one = writer(at);
    const two = writer(at);
    const numbers = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
        return (i % 2 ? one : two).append(Buffer.from(String(i)));
      }),
    );
    expect(new Set(numbers).size).toBe(200);
    const read = all(reader(at));
    expect(read.map(([seq]) => seq)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(read.map(([, t]) => t).sort()).toEqual(Array.from({ length: 200 }, (_, i) => String(i)).sort());
    for (const [i, seq] of numbers.entries()) expect(read[seq - 1]?.[1]).toBe(String(i));
  });
});

describe('trim', () => {
  test('removes up to the number and never one beyond it, also in the middle of a block', async () => {
    const at = folder();
    const journal = writer(at);
    const read = reader(at);
    await Promise.all(Array.from({ length: 10 }, (_, i) => journal.append(Buffer.from(String(i + 1)))));
    await Promise.all(Array.from({ length: 10 }, (_, i) => journal.append(Buffer.from(String(i + 11)))));
    for (let upTo = 0; upTo <= 20; upTo++) {
      await journal.trim(upTo);
      expect(all(read).map(([seq]) => seq)).toEqual(Array.from({ length: 20 - upTo }, (_, i) => upTo + 1 + i));
      expect(journal.health().firstSeq).toBe(upTo + 1);
    }
    expect(journal.health().bytes).toBe(0);
  });

  test('a number beyond the end trims to the end', async () => {
    const at = folder();
    const journal = writer(at);
    await journal.append(Buffer.from('a'));
    await journal.trim(99);
    expect(await journal.append(Buffer.from('b'))).toBe(2);
    expect(all(reader(at))).toEqual([[2, 'b']]);
  });

  test('numbers are not used again after everything was trimmed and the journal opened anew', async () => {
    const at = folder();
    let journal = openJournal(at);
    for (const t of ['a', 'b', 'c']) await journal.append(Buffer.from(t));
    await journal.trim(3);
    await journal.close();
    journal = writer(at);
    expect(journal.health()).toMatchObject({ firstSeq: 4, lastSeq: 3, bytes: 0 });
    expect(await journal.append(Buffer.from('d'))).toBe(4);
  });

  test('a lost journal folder goes on behind the checkpoint', async () => {
    const at = folder();
    const journal = writer(at, { startAfter: 1000 });
    expect(await journal.append(Buffer.from('a'))).toBe(1001);
    expect(all(reader(at), 1000)).toEqual([[1001, 'a']]);
  });

  test('so does one that has records under smaller numbers: they are numbered anew, since nobody knows who read them', async () => {
    const at = folder();
    const older = openJournal(at, { maxBlockBytes: 12 });
    for (const t of ['a', 'b', 'c', 'd', 'e']) await older.append(Buffer.from(t));
    await Promise.all(['f', 'g'].map((t) => older.append(Buffer.from(t))));
    await older.trim(2);
    await older.close();
    const journal = writer(at, { startAfter: 10 });
    expect(journal.health()).toMatchObject({ firstSeq: 11, lastSeq: 15 });
    expect(await journal.append(Buffer.from('h'))).toBe(16);
    const read = reader(at);
    expect(all(read)).toEqual(['c', 'd', 'e', 'f', 'g', 'h'].map((t, i) => [11 + i, t]));
    await journal.trim(15);
    expect(all(read)).toEqual([[16, 'h']]);
    await journal.trim(16);
    expect(journal.health().bytes).toBe(0);
  });

  test('a writer that was open already goes on behind the checkpoint that another one brought', async () => {
    const at = folder();
    const broker = writer(at);
    expect(await broker.append(Buffer.from('a'))).toBe(1);
    writer(at, { startAfter: 1000 });
    expect(await broker.append(Buffer.from('b'))).toBe(1002);
    expect(all(reader(at), 1000)).toEqual([
      [1001, 'a'],
      [1002, 'b'],
    ]);
  });

  test('the space of trimmed blocks is used again', async () => {
    const at = folder();
    const journal = writer(at);
    for (let round = 0; round < 60; round++) {
      const seq = await journal.append(Buffer.alloc(500_000, round));
      await journal.trim(seq - 1);
    }
    const { size } = await import('node:fs').then((fs) => fs.statSync(join(at, 'data.mdb')));
    expect(size).toBeLessThan(10_000_000);
  });
});

describe('back-pressure', () => {
  test('past maxBytes append waits until the reader trims, and nothing is dropped', async () => {
    const at = folder();
    const journal = writer(at, { maxBytes: 1000, maxBlockBytes: 200 });
    const read = reader(at);
    let done = 0;
    const appended = Array.from({ length: 100 }, (_, i) =>
      journal.append(Buffer.alloc(100, i)).then((seq) => {
        done++;
        return seq;
      }),
    );
    await until(() => !journal.health().ok);
    expect(journal.health().problem).toMatch(/1000 bytes wait for the pipeline/);
    expect(done).toBeLessThan(20);
    const seen: number[] = [];
    let after = 0;
    while (seen.length < 100) {
      for (const record of read.read(after, 7)) {
        seen.push(record.bytes[0] as number);
        after = record.seq;
      }
      expect(journal.health().bytes).toBeLessThan(1000 + 300);
      await journal.trim(after);
    }
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(await Promise.all(appended)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(journal.health().ok).toBe(true);
  });

  test('room that another process made is noticed', async () => {
    const at = folder();
    const broker = writer(at, { maxBytes: 100 });
    await broker.append(Buffer.alloc(200));
    const held = broker.append(Buffer.from('held'));
    await until(() => !broker.health().ok);
    await writer(at).trim(1);
    expect(await held).toBe(2);
  });

  test('what waits in memory is bounded: past it append rejects at once', async () => {
    const at = folder();
    const journal = writer(at, { maxBytes: 100, maxWaitingBytes: 1000 });
    await journal.append(Buffer.alloc(200));
    const waiting = [journal.append(Buffer.alloc(600)), journal.append(Buffer.alloc(300))];
    await until(() => !journal.health().ok);
    await expect(journal.append(Buffer.alloc(200))).rejects.toThrow(/pipeline/);
    await journal.trim(1);
    // the first makes the journal full again, so that the second waits for the next trim
    expect(await waiting[0]).toBe(2);
    await journal.trim(2);
    expect(await waiting[1]).toBe(3);
  });

  test('closing a full journal rejects what waits', async () => {
    const at = folder();
    const journal = openJournal(at, { maxBytes: 100 });
    await journal.append(Buffer.alloc(200));
    const held = journal.append(Buffer.from('held'));
    held.catch(() => undefined);
    await until(() => !journal.health().ok);
    await journal.close();
    await expect(held).rejects.toThrow(/closed while it was full/);
  });
});

describe('any use', () => {
  test('of append, trim, read and reopening agrees with a plain list', async () => {
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          do: fc.constant('append' as const),
          sizes: fc.array(fc.nat(300), { minLength: 1, maxLength: 8 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant('trim' as const), part: fc.double({ min: 0, max: 1.1, noNaN: true }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant('read' as const),
          after: fc.double({ min: 0, max: 1, noNaN: true }),
          limit: fc.integer({ min: 1, max: 20 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        fc.integer({ min: 50, max: 1000 }),
        async (steps, maxBlockBytes) => {
          const at = mkdtempSync(join(tmpdir(), 'lamppost-journal-'));
          let journal = openJournal(at, { maxBlockBytes });
          const read = openJournalReader(at);
          const written: Buffer[] = [];
          let trimmedTo = 0;
          try {
            for (const s of steps) {
              if (s.do === 'append') {
                const buffers = s.sizes.map((size, i) => Buffer.alloc(size, written.length + i));
                const before = written.length;
                written.push(...buffers);
                expect(await Promise.all(buffers.map((b) => journal.append(b)))).toEqual(
                  buffers.map((_, i) => before + i + 1),
                );
              } else if (s.do === 'trim') {
                const upTo = Math.round(s.part * written.length);
                await journal.trim(upTo);
                trimmedTo = Math.max(trimmedTo, Math.min(upTo, written.length));
              } else if (s.do === 'read') {
                const after = Math.floor(s.after * written.length);
                const start = Math.max(after, trimmedTo);
                const records = read.read(after, s.limit);
                expect(records.map((r) => r.seq)).toEqual(
                  written.slice(start, start + s.limit).map((_, i) => start + i + 1),
                );
                for (const r of records) expect(Buffer.compare(r.bytes, written[r.seq - 1] as Buffer)).toBe(0);
              } else {
                await journal.close();
                journal = openJournal(at, { maxBlockBytes });
              }
              expect(journal.health()).toMatchObject({ lastSeq: written.length, firstSeq: trimmedTo + 1 });
            }
          } finally {
            await journal.close();
            await read.close();
            rmSync(at, { recursive: true, force: true });
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});

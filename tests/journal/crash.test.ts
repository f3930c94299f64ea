import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { openJournal, openJournalReader } from '../../journal/lmdb.ts';

const folders: string[] = [];
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'lamppost-journal-'));
  folders.push(made);
  return made;
}
afterEach(() => {
  for (const at of folders.splice(0)) rmSync(at, { recursive: true, force: true });
});

const HOLD = new URL('./hold.ts', import.meta.url).pathname;
const READBACK = new URL('./readback.ts', import.meta.url).pathname;

/** Runs a writer and kills it after it told of `lines` acknowledged appends. Returns what it told. */
async function killedAfter(at: string, run: number, lines: number): Promise<string[]> {
  const child = spawn(process.execPath, [HOLD, at, String(run)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let told = '';
  let count = 0;
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk: string) => {
    told += chunk;
    count += chunk.split('\n').length - 1;
    if (count >= lines) child.kill('SIGKILL');
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.once('close', (c, s) => resolve([c, s])),
  );
  expect([code, signal]).toEqual([null, 'SIGKILL']);
  return told.split('\n').slice(0, -1);
}

describe('SIGKILL', () => {
  test('whenever it comes, every append that resolved is read back once, whole and in order, over many lives', async () => {
    const at = folder();
    const acknowledged = new Map<number, string>();
    for (let run = 0; run < 12; run++) {
      // not the same moment each time: from during the very first blocks to some thousand records on
      for (const line of await killedAfter(at, run, 1 + ((run * 397) % 2500))) {
        const space = line.indexOf(' ');
        const seq = Number(line.slice(0, space));
        expect(acknowledged.has(seq), `number ${seq} was given out twice`).toBe(false);
        acknowledged.set(seq, line.slice(space + 1));
      }
    }
    const journal = openJournal(at);
    const read = openJournalReader(at);
    const records = read.read(0, 1e9);
    expect(records.map((r) => r.seq)).toEqual(Array.from({ length: records.length }, (_, i) => i + 1));
    const seen = new Set<string>();
    for (const r of records) {
      const text = Buffer.from(r.bytes).toString();
      // whole, whether it was acknowledged or not, and never twice
      expect(text).toMatch(/^\d+:\d+:x*$/);
      const [run, n] = text.split(':') as [string, string];
      expect(text.length).toBe(run.length + n.length + 2 + (((Number(n) + 1) * 37) % 300));
      expect(seen.has(text)).toBe(false);
      seen.add(text);
      const known = acknowledged.get(r.seq);
      if (known !== undefined) expect(text).toBe(known);
      acknowledged.delete(r.seq);
    }
    expect([...acknowledged.keys()]).toEqual([]);
    await read.close();
    await journal.close();
  });
});

/** A thousand characters that do not deflate to little, always the same for a number. */
const recordOf = (n: number): string => {
  const noise = Array.from({ length: 12 }, (_, i) => createHash('sha512').update(`${n} ${i}`).digest('base64'));
  return `${n}:${noise.join('').slice(0, 1000)}`;
};

describe('damaged files', () => {
  const WRITTEN = 200;
  async function written(): Promise<string> {
    const at = folder();
    const journal = openJournal(at, { maxBlockBytes: 20_000 });
    await Promise.all(Array.from({ length: WRITTEN }, (_, i) => journal.append(Buffer.from(recordOf(i + 1)))));
    await journal.close();
    return at;
  }

  /** Reads a folder in a process of its own: memory-mapped files that end early kill the process that reads them. */
  function readback(at: string): { ended: boolean; records: { seq: number; text: string }[]; damage: number } {
    try {
      const out = execFileSync(process.execPath, [READBACK, at], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 20_000,
      });
      return { ended: true, ...(JSON.parse(out) as { records: { seq: number; text: string }[]; damage: number }) };
    } catch {
      return { ended: false, records: [], damage: 0 };
    }
  }

  test('a flipped byte anywhere: what is read is what was written, the rest is told', async () => {
    const at = await written();
    const file = join(at, 'data.mdb');
    const size = statSync(file).size;
    let withDamage = 0;
    for (let i = 0; i < 24; i++) {
      const copy = folder();
      cpSync(at, copy, { recursive: true });
      const fd = openSync(join(copy, 'data.mdb'), 'r+');
      const position = Math.floor(((i + 0.5) / 24) * size) + (i % 7);
      const byte = Buffer.alloc(1);
      readSync(fd, byte, 0, 1, position);
      byte[0] = (byte[0] as number) ^ 0x20;
      writeSync(fd, byte, 0, 1, position);
      closeSync(fd);
      const got = readback(copy);
      for (const { seq, text } of got.records) expect(text).toBe(recordOf(seq));
      if (!got.ended) continue;
      if (got.records.length < WRITTEN) {
        expect(got.damage, `a byte flipped at ${position} lost records without a word`).toBeGreaterThan(0);
        withDamage++;
      }
    }
    expect(withDamage).toBeGreaterThan(5);
  });

  test('a file cut short gives nothing wrong', async () => {
    const at = await written();
    const size = statSync(join(at, 'data.mdb')).size;
    for (const part of [0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99]) {
      const copy = folder();
      cpSync(at, copy, { recursive: true });
      truncateSync(join(copy, 'data.mdb'), Math.floor(size * part));
      for (const { seq, text } of readback(copy).records) expect(text).toBe(recordOf(seq));
    }
  });

  test('behind a damaged last block numbers go on, none is used again', async () => {
    const at = folder();
    const journal = openJournal(at);
    const last = await Promise.all(
      Array.from({ length: 5 }, (_, i) => journal.append(Buffer.from(`marker-${i}`.repeat(600)))),
    );
    await journal.close();
    const file = join(at, 'data.mdb');
    const bytes = readFileSync(file);
    const found = bytes.indexOf('LPJ2');
    expect(found).toBeGreaterThan(0);
    bytes.writeUInt8(bytes.readUInt8(found + 40) ^ 1, found + 40);
    writeFileSync(file, bytes);
    const again = openJournal(at);
    const seq = await again.append(Buffer.from('after'));
    expect(seq).toBeGreaterThan(last[4] as number);
    const damage: unknown[] = [];
    const read = openJournalReader(at, { onDamage: (d) => damage.push(d) });
    expect(read.read(0, 10).map((r) => Buffer.from(r.bytes).toString())).toEqual(['after']);
    expect(damage).toEqual([{ firstSeq: 1, lastSeq: seq - 1 }]);
    read.read(0, 10);
    expect(damage.length).toBe(1);
    await read.close();
    await again.close();
  });
});

describe('another thread', () => {
  test('follows the journal live, everything once and in order, while it is trimmed behind it', async () => {
    const at = folder();
    const journal = openJournal(at, { maxBytes: 200_000, maxBlockBytes: 5000 });
    const follower = new Worker(new URL('./follow.ts', import.meta.url), { workerData: { folder: at, until: 5000 } });
    const ended = new Promise<number[]>((resolve, reject) => {
      follower.on('message', (message: { checkpoint?: number; seen?: number[] }) => {
        if (message.checkpoint) void journal.trim(message.checkpoint);
        if (message.seen) resolve(message.seen);
      });
      follower.on('error', reject);
    });
    await Promise.all(Array.from({ length: 5000 }, (_, i) => journal.append(Buffer.alloc(100, i))));
    const seen = await ended;
    expect(seen).toEqual(Array.from({ length: 5000 }, (_, i) => i + 1));
    await follower.terminate();
    await journal.close();
  });
});

/** Root may mount; a container's root often may not. */
function mountable(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const at = mkdtempSync(join(tmpdir(), 'lamppost-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', at], { stdio: 'ignore' });
    execFileSync('umount', [at], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(at, { recursive: true, force: true });
  }
}

describe('a full disk', () => {
  test.skipIf(!mountable())(
    'rejects, says why, and goes on by itself when there is room (a tmpfs that root may mount)',
    async () => {
      const at = folder();
      const disk = join(at, 'disk');
      mkdirSync(disk);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]);
      const journal = openJournal(join(disk, 'journal'), { retryMs: 20 });
      try {
        const appended: number[] = [];
        let refused: Error | null = null;
        while (!refused && appended.length < 1000)
          await journal.append(randomBytes(50_000)).then(
            (seq) => appended.push(seq),
            (error: Error) => (refused = error),
          );
        expect(refused).toMatchObject({ message: expect.stringMatching(/free space on the disk/) });
        expect(journal.health()).toMatchObject({ ok: false, problem: expect.stringContaining(disk) });
        // what is acknowledged stays readable
        const read = openJournalReader(join(disk, 'journal'));
        expect(read.read(0, 1e6).map((r) => r.seq)).toEqual(appended);
        execFileSync('mount', ['-o', 'remount,size=8m', disk]);
        while (!journal.health().ok) await new Promise((resolve) => setImmediate(resolve));
        const next = await journal.append(Buffer.from('room'));
        expect(next).toBe((appended.at(-1) as number) + 1);
        expect(Buffer.from(read.read(next - 1, 1)[0]?.bytes ?? []).toString()).toBe('room');
        await read.close();
      } finally {
        await journal.close();
        execFileSync('umount', ['-l', disk]);
      }
    },
  );

  test('a folder that cannot be made is an error that names it', () => {
    const at = folder();
    writeFileSync(join(at, 'file'), '');
    expect(() => openJournal(join(at, 'file', 'journal'))).toThrow(/cannot open the journal in .*file.*journal/);
  });
});

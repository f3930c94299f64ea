/** A thread that follows a journal until it has seen record `until`, and says from time to time how far it is. */
import { parentPort, workerData } from 'node:worker_threads';
import { openJournalReader } from '../../journal/lmdb.ts';

const { folder, until } = workerData as { folder: string; until: number };
const journal = openJournalReader(folder);
const seen: number[] = [];

function follow(): void {
  for (const { seq, bytes } of journal.read(seen.at(-1) ?? 0, 64)) {
    if (bytes.length !== 100 || bytes.some((b) => b !== ((seq - 1) & 255)))
      throw new Error(`record ${seq} is not as written`);
    seen.push(seq);
  }
  parentPort?.postMessage({ checkpoint: seen.at(-1) });
  if ((seen.at(-1) ?? 0) < until) setImmediate(follow);
  else void journal.close().then(() => parentPort?.postMessage({ seen }));
}

follow();

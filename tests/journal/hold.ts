/**
 * A process of its own for the crash tests: appends numbered records as fast as it can, tells on stdout which of them were
 * acknowledged, until it is killed. `node hold.ts <folder> <run>`
 */
import { writeSync } from 'node:fs';
import { openJournal } from '../../journal/lmdb.ts';

const [folder, run] = process.argv.slice(2) as [string, string];
const journal = openJournal(folder, { maxBlockBytes: 4096 });
let n = 0;

async function sender(): Promise<void> {
  for (;;) {
    const text = `${run}:${n++}:${'x'.repeat((n * 37) % 300)}`;
    const seq = await journal.append(Buffer.from(text));
    // synchronously, so that the parent knows of every append that resolved before the kill
    writeSync(1, `${seq} ${text}\n`);
  }
}

for (let i = 0; i < 20; i++) void sender();

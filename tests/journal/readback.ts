/** Reads a whole journal in a process of its own and prints it as JSON. `node readback.ts <folder>` */
import { openJournalReader } from '../../journal/lmdb.ts';

const [folder] = process.argv.slice(2) as [string];
let damage = 0;
const journal = openJournalReader(folder, { onDamage: () => damage++ });
const records = journal.read(0, 1e9).map((r) => ({ seq: r.seq, text: Buffer.from(r.bytes).toString() }));
process.stdout.write(JSON.stringify({ records, damage }));

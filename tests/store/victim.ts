/**
 * The process that `faults.test.ts` kills: appends numbered batches with rejects, rewrites and compacts beside it, and says
 * what was acknowledged. `node victim.ts FOLDER`
 */
import { datastreamId } from '../../model/datastream.ts';
import { DAY, MINUTE } from '../../model/time.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import { allocateColumns, type ObservationColumns } from '../../store/store.ts';

const START = Date.UTC(2026, 10, 1);
export const PER_BATCH = 500;

/** Batch n: a sixth of a day further than the one before, every third row some days late. */
export function batchOf(n: number): ObservationColumns {
  const rows = allocateColumns(PER_BATCH);
  for (let i = 0; i < PER_BATCH; i++) {
    const late = i % 3 === 0 ? (1 + (i % 5)) * DAY : 0;
    rows.datastream[i] = datastreamId(1 + (i % 50), 'pm25');
    // Whole minutes plus a few ms that are n's own, so that no two batches meet.
    rows.phenomenonTime[i] = START + 20 * DAY + Math.floor(n / 6) * DAY + Math.floor(i / 50) * MINUTE - late + n;
    rows.resultTime[i] = rows.phenomenonTime[i] as number;
    rows.raw[i] = n + i / 1000;
    rows.flag[i] = 1;
  }
  return rows;
}

const seen = (batch: ObservationColumns): number => batch.phenomenonTime.reduce((a, b) => Math.max(a, b), 0);

async function main(folder: string): Promise<void> {
  const store = await DuckStore.open(folder, { memoryMb: 300, limits: { pieceRows: 300, stageRows: 1000 } });
  let n = await store.checkpoint();
  process.stdout.write(`ready ${n}\n`);
  let organising: Promise<unknown> = Promise.resolve();
  for (;;) {
    n++;
    const batch = batchOf(n);
    const reject = {
      receivedAt: START,
      via: 'mqtt',
      topic: 't',
      thing: 'box-aaaa',
      code: 'bad-json',
      detail: `${n}`,
      payload: new Uint8Array(3),
    };
    await store.append(batch, [reject], n);
    process.stdout.write(`stored ${n}\n`);
    if (n % 4 !== 0) continue;
    await organising;
    const older = batchOf(Math.max(1, n - 9));
    organising =
      n % 8 === 0
        ? store.rewrite({ ...older, flag: new Uint8Array(PER_BATCH).fill(3) })
        : // Each third time as if the months so far had ended: they are gathered, and what comes later comes late.
          store.compact(seen(batch) + (n % 12 === 0 ? 60 * DAY : 0));
  }
}

if (import.meta.main) await main(process.argv[2] as string);

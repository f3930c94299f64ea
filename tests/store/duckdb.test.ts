import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckStore, type DuckStoreOptions } from '../../store/duckdb/store.ts';
import { storeContract, type StoreHarness } from './contract.ts';

const harness = (options: DuckStoreOptions, histories: number) => async (): Promise<StoreHarness> => {
  const folder = await mkdtemp(join(tmpdir(), 'lamppost-store-'));
  return {
    open: async () => DuckStore.open(folder, { memoryMb: 400, ...options }),
    durable: true,
    histories,
    cleanUp: async () => rm(folder, { recursive: true, force: true }),
  };
};

storeContract('duckdb', harness({}, 25));

// Steps so small that every test has days and months of several files, merged piece by piece, and scans stage after stage.
const limits = { fileRows: 200, flushRows: 20, smallDay: 50, monthRows: 40, pieceRows: 60, stageRows: 100 };
storeContract('duckdb in small steps', harness({ limits }, 15));

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckStore } from '../../store/duckdb/store.ts';
import { storeContract } from './contract.ts';

storeContract('duckdb', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lamppost-store-'));
  return {
    open: async () => DuckStore.open(folder, { memoryMb: 400 }),
    durable: true,
    histories: 25,
    cleanUp: async () => rm(folder, { recursive: true, force: true }),
  };
});

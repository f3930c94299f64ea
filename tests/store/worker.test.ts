import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectStore, startStoreWorker } from '../../store/remote.ts';
import { storeContract } from './contract.ts';

storeContract('duckdb in a thread of its own', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lamppost-store-'));
  return {
    open: async () => {
      const worker = await startStoreWorker(folder, { memoryMb: 400 });
      const store = connectStore(worker.connect());
      const close = async (): Promise<void> => {
        await worker.close();
      };
      return Object.assign(store, { close });
    },
    durable: true,
    histories: 5,
    cleanUp: async () => rm(folder, { recursive: true, force: true }),
  };
});

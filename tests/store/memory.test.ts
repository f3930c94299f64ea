import { MemoryStore } from '../../store/memory.ts';
import { storeContract } from './contract.ts';

storeContract('memory', async () => ({
  open: async () => new MemoryStore(),
  durable: false,
  histories: 100,
  cleanUp: async () => {},
}));

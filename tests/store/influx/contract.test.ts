import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { InfluxStore } from '../../../store/influx/store.ts';
import { storeContract } from '../contract.ts';
import { newBucket, NO_INFLUX, stopServer } from './server.ts';

describe.skipIf(NO_INFLUX !== '')(`a real server${NO_INFLUX}`, () => {
  afterAll(stopServer);
  storeContract('influxdb', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lamppost-store-'));
    const address = await newBucket();
    return {
      open: async () => InfluxStore.open(folder, address),
      durable: true,
      histories: 10,
      cleanUp: async () => rm(folder, { recursive: true, force: true }),
    };
  });
});

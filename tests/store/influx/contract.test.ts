import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { InfluxStore } from '../../../store/influx/store.ts';
import { storeContract } from '../contract.ts';
import { newBucket, NO_INFLUX, stopServer } from './server.ts';

describe.skipIf(NO_INFLUX !== '')(`a real server${NO_INFLUX}`, () => {
  afterAll(stopServer);
  const on = (series?: number) => async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lamppost-store-'));
    const address = await newBucket();
    return {
      open: async () => InfluxStore.open(folder, { ...address, ...(series === undefined ? {} : { series }) }),
      durable: true,
      histories: 6,
      cleanUp: async () => rm(folder, { recursive: true, force: true }),
    };
  };
  storeContract('influxdb', on());
  // As in a network of more boxes than series: all boxes of these tests in one.
  storeContract('influxdb, boxes sharing series', on(1));
});

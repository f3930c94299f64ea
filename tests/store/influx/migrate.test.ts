/** From DuckDB into a real InfluxDB and back, corrections taken back by a recompute included. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOUR, MINUTE } from '../../../model/time.ts';
import { columnsOf } from '../../../store/columns.ts';
import { DuckStore } from '../../../store/duckdb/store.ts';
import { InfluxStore } from '../../../store/influx/store.ts';
import { migrate } from '../../../store/migrate.ts';
import { everything, PM25, RH, some, T0 } from '../contract.ts';
import { newBucket, NO_INFLUX, stopServer } from './server.ts';

describe.skipIf(NO_INFLUX !== '')(`migration over a real InfluxDB${NO_INFLUX}`, () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lamppost-migrate-'));
  });
  afterEach(async () => rm(folder, { recursive: true, force: true }));
  afterAll(stopServer);

  it('there and back again every value, model and checkpoint is the same', async () => {
    const here = await DuckStore.open(join(folder, 'here'));
    const there = await InfluxStore.open(join(folder, 'there'), await newBucket());
    const back = await DuckStore.open(join(folder, 'back'));
    const model = await here.modelNum('a model');
    const rows = [];
    for (let t = T0; t < T0 + 60 * HOUR; t += 7 * MINUTE)
      rows.push(
        some(PM25, t, Math.fround(t / 1e7), { corrected: (t % 977) / 10, lo90: 0.1, hi90: 99.9, level: 3, model }),
        some(RH, t + 1, (t % 1009) / 10, { flag: 3, reasons: 9 }),
      );
    await here.append(columnsOf(rows), [], 4321);
    await here.rewrite(columnsOf([{ ...some(PM25, T0, rows[0]?.raw ?? NaN), reasons: 4, flag: 3 }]));

    const stateFile = join(folder, 'state.json');
    const all = { rows: rows.length, days: 3, differing: 0, surplus: 0, checkpoint: 4321 };
    expect(await migrate({ from: here, to: there, stateFile })).toMatchObject(all);
    expect(await migrate({ from: there, to: back, stateFile })).toMatchObject(all);
    expect(await everything(back)).toEqual(await everything(here));
    expect(await back.checkpoint()).toBe(4321);
    // Over what is there already: nothing doubles, and a value taken back since then is taken back there too.
    await here.rewrite(columnsOf([{ ...some(PM25, T0 + 7 * MINUTE, rows[2]?.raw ?? NaN), flag: 4, reasons: 2 }]));
    expect(await migrate({ from: here, to: there, stateFile })).toMatchObject(all);
    for (const store of [here, there, back]) await store.close();
  });
});

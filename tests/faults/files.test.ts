/**
 * Damaged files below a running server, and below one that starts: the file is named in the log, `/readyz` says that files are damaged
 * (it is public: no names), every other day goes on being answered, and no question ends in a 500.
 */
import { copyFileSync, mkdtempSync, openSync, closeSync, renameSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs'; // prettier-ignore
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askServer } from '../../cli/control.ts';
import { dataFolder } from '../../cli/folder.ts';
import { DAY, formatTime, HOUR } from '../../model/time.ts';
import { startChild, until, type ChildServer } from '../e2e/server.ts';
import { ask, hourMeans, iso, makeHistory, minutesOf, partPath, partsOf, ROWS_A_DAY, valueAt, type History } from './folder.ts'; // prettier-ignore

let data = '';
let history: History;
let server: ChildServer;
const start = async (): Promise<void> => {
  server = await startChild({ LAMPPOST_DATA_DIR: data, LAMPPOST_LOG_LEVEL: 'warn' });
};
beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'lamppost-files-'));
  history = await makeHistory(data);
});
afterEach(async () => {
  await server.kill();
  rmSync(data, { recursive: true, force: true });
});

/** Foreign bytes in the middle of a file, which keeps its size: the page that a disk has lost. */
function damage(path: string): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.alloc(1500, 0xa5), 0, 1500, 200);
  closeSync(fd);
}

async function publish(): Promise<void> {
  const { id, key } = history.box;
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqtt}`, { username: id, password: key });
  await client.publishAsync(`boxes/${id}/json`, '{"pm25":12.3}', { qos: 1 });
  await client.endAsync();
}

describe('a day file', () => {
  it('damaged while the server runs: the other days are answered, and it is named; put back, all is there again', async () => {
    await start();
    const [, name] = partsOf(data, 'days') as [string, string];
    const path = partPath(data, 'days', name);
    copyFileSync(path, join(data, 'copy'));
    damage(path);

    const lines = await minutesOf(server, history, 0, 3);
    const days = new Set(lines.map((line) => line.slice(0, 10)));
    expect([...days]).toEqual([0, 2].map((d) => iso(history.start + d * DAY).slice(0, 10)));
    expect(lines.length).toBe(2 * ROWS_A_DAY);
    expect((await minutesOf(server, history, 2, 3)).length).toBe(ROWS_A_DAY);
    // The day itself: nothing, and no error.
    expect(await minutesOf(server, history, 1, 2)).toEqual([]);
    for (const path of ['/api/v1/latest.geojson', '/api/v1/boxes', '/sta/v1.1/Things?$expand=Datastreams'])
      expect((await ask(server, path)).status, path).toBe(200);
    await until(async () => (await ask(server, '/readyz')).status === 503);
    expect((await ask(server, '/readyz')).body).toMatch(/files are damaged/);
    expect(server.log()).toContain(`parquet/days/${name}`);
    // Boxes go on being heard.
    await publish();

    expect(await server.stop(), server.log()).toBe(0);
    renameSync(join(data, 'copy'), path);
    await start();
    expect((await ask(server, '/readyz')).body).not.toMatch(/damaged/);
    expect((await minutesOf(server, history, 0, 3)).length).toBe(3 * ROWS_A_DAY);
  });

  it('cut short before the start: the server starts, says which file, and answers the rest', async () => {
    const [first] = partsOf(data, 'days') as [string];
    truncateSync(partPath(data, 'days', first), 100);
    await start();
    expect((await minutesOf(server, history, 0, 3)).length).toBe(2 * ROWS_A_DAY);
    expect((await ask(server, '/readyz')).status).toBe(503);
    expect(server.log()).toContain(`parquet/days/${first}`);
    await publish();
    await until(async () => (await ask(server, `/api/v1/boxes/${history.box.id}/observations?property=pm25&level=raw`)).body.includes('12.3')); // prettier-ignore
  });
});

describe('a roll-up', () => {
  const expected = (): { time: string; mean: unknown; n: number }[] =>
    Array.from({ length: (3 * DAY) / HOUR }, (_, hour) => {
      const values = Array.from({ length: 60 }, (_, m) => valueAt(hour * 60 + m));
      const mean = values.reduce((sum, v) => sum + v, 0) / 60;
      // Means are told to a hundredth.
      return { time: formatTime(history.start + hour * HOUR), mean: expect.closeTo(mean, 1), n: 60 };
    });

  it('half-written by a kill: it is named, the means come from the days, and the next compaction makes it anew', async () => {
    const [hours] = partsOf(data, 'hours') as [string];
    truncateSync(partPath(data, 'hours', hours), 200);
    writeFileSync(partPath(data, 'hours', `${hours}.tmp`), 'PAR1 half');
    await start();
    expect(await hourMeans(server, history)).toMatchObject(expected());
    expect(server.log()).toContain(`parquet/hours/${hours}`);
    expect(partsOf(data, 'hours')).toEqual([`${hours}.corrupt`]);
    await askServer(dataFolder(data).control, { command: 'compact' }, () => undefined);
    await until(async () => (await ask(server, '/readyz')).status === 200);
    expect(partsOf(data, 'hours').filter((name) => !name.endsWith('.corrupt')).length).toBe(1);
    expect(await hourMeans(server, history)).toMatchObject(expected());
  });

  it('damaged while the server runs: the means are the same, out of the days', async () => {
    await start();
    expect(await hourMeans(server, history)).toMatchObject(expected());
    const [hours] = partsOf(data, 'hours') as [string];
    damage(partPath(data, 'hours', hours));
    expect(await hourMeans(server, history)).toMatchObject(expected());
    expect(server.log()).toContain(`parquet/hours/${hours}`);
  });
});

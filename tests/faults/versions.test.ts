/** Data folders of other versions: an older one is brought up to date when the server starts, a newer one is refused as it is. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STA_SCHEMA_VERSION } from '../../api/sta/version.ts';
import { dataFolder } from '../../cli/folder.ts';
import { datastreamId } from '../../model/datastream.ts';
import { SCHEMA_VERSION as REGISTRY_VERSION } from '../../registry/schema.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { MIGRATIONS, SCHEMA_VERSION as STORE_VERSION } from '../../store/duckdb/schema.ts';
import { runCommand, startChild, until } from '../e2e/server.ts';
import { ask, makeHistory, minutesOf, ROWS_A_DAY } from './folder.ts';

let data = '';
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'lamppost-versions-'));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));
const env = (): Record<string, string> => ({
  LAMPPOST_DATA_DIR: data,
  LAMPPOST_HTTP_PORT: '0',
  LAMPPOST_MQTT_PORT: '0',
});

async function duck(...sql: string[]): Promise<void> {
  const db = await DuckDBInstance.create(join(dataFolder(data).store, 'observations.duckdb'));
  const connection = await db.connect();
  try {
    for (const statement of sql) await connection.run(statement);
  } finally {
    connection.closeSync();
    db.closeSync();
  }
}
function sqlite(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

describe('a folder of a newer version', () => {
  it.each([
    {
      part: 'store',
      known: STORE_VERSION,
      set: (v: number) => duck(`UPDATE schema_version SET version = ${v}`),
    },
    {
      part: 'registry',
      known: REGISTRY_VERSION,
      set: async (v: number) => sqlite(dataFolder(data).registry, `PRAGMA user_version = ${v}`),
    },
    {
      part: 'SensorThings catalogue',
      known: STA_SCHEMA_VERSION,
      set: async (v: number) => sqlite(dataFolder(data).sta, `PRAGMA user_version = ${v}`),
    },
  ])('is refused for its $part: both versions and what to do are said, exit code 1, nothing is lost', async (c) => {
    const history = await makeHistory(data, 1);
    if (c.part === 'SensorThings catalogue') {
      // Made at the first start.
      const before = await startChild(env());
      expect(await before.stop()).toBe(0);
    }
    await c.set(c.known + 98);
    const { code, out, err } = await runCommand(['serve', '--no-pages'], env());
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain('newer Lamppost');
    expect(err).toMatch(new RegExp(`\\b${c.known + 98}\\b.*\\b${c.known}\\b`));
    expect(err).toContain(data);
    expect(err).toMatch(/update|start that version/i);
    // The doctor says the same; a copy of the older version would work again.
    if (c.part !== 'SensorThings catalogue')
      expect((await runCommand(['doctor'], env())).out).toMatch(/^bad .*newer Lamppost/m);

    await c.set(c.known);
    const server = await startChild(env());
    expect((await minutesOf(server, history, 0, 1)).length).toBe(ROWS_A_DAY);
    expect(await server.stop()).toBe(0);
  });
});

describe('a folder of the first version', () => {
  it('is brought up to date when the server starts: boxes keep their keys, values stay', async () => {
    const folder = dataFolder(data);
    const registry = openRegistry(folder.registry);
    const [box] = registry.addMany([{ name: 'old', lat: 25, lon: 121.5 }], Date.now());
    registry.close();
    if (!box) throw new Error('no box was made');
    sqlite(
      folder.registry,
      `DROP TABLE events; DROP INDEX things_retired; DROP INDEX things_native; DROP TABLE contacts; DROP TABLE handovers;
       DROP TABLE alerts; DROP TABLE feedback; DROP TABLE claims; ALTER TABLE things DROP COLUMN paused; PRAGMA user_version = 1`,
    );
    const time = Math.floor(Date.now() / 1000) * 1000 - 3_600_000;
    mkdirSync(folder.store, { recursive: true });
    await duck(
      MIGRATIONS[0] as string,
      'CREATE TABLE schema_version(version INTEGER NOT NULL)',
      'INSERT INTO schema_version VALUES (1)',
      `INSERT INTO recent VALUES (${datastreamId(1, 'pm25')}, ${time}, ${time}, 7.5, 'NaN', 'NaN', 'NaN', 1, 0, 0, 0)`,
    );
    expect(readdirSync(data).sort()).toEqual(['registry.sqlite', 'store']);

    const server = await startChild(env());
    const path = `/api/v1/boxes/${box.id}/observations?property=pm25&level=raw`;
    expect((await ask(server, path)).body).toContain('7.5');
    const sent = await fetch(`http://127.0.0.1:${server.http}/api/v1/boxes/${box.id}/readings`, {
      method: 'POST',
      headers: { authorization: `Bearer ${box.key}`, 'content-type': 'application/json' },
      body: '{"pm25":8.5}',
    });
    expect(sent.status).toBe(202);
    await until(async () => (await ask(server, path)).body.includes('8.5'));
    expect((await ask(server, '/readyz')).status).toBe(200);
    expect(await server.stop()).toBe(0);
  });
});

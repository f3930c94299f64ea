import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LatestTable, startApi, type Api } from '../../api/server.ts';
import { DUMP_COLUMNS, Dumps, type Manifest } from '../../cli/dumps.ts';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import { columns } from '../api/server.ts';

const dir = mkdtempSync(join(tmpdir(), 'lamppost-dumps-'));
const folder = join(dir, 'dumps');
const TODAY = Date.UTC(2026, 10, 21);
let now = TODAY + 2 * HOUR;
let store: DuckStore;
let api: Api;
const registry = openRegistry(':memory:');
let dumps: Dumps;
let num = 0;
let id = '';

beforeAll(async () => {
  store = await DuckStore.open(dir);
  const { thing } = registry.add(
    { name: '=cmd', lat: 25, lon: 121.5, licence: 'CC-BY-4.0', attribution: 'school' },
    TODAY - 9 * DAY,
  );
  ({ num, id } = thing);
  const rows = [1, 2, 3].flatMap((d) =>
    Array.from({ length: 10 }, (_, i) => ({ num, time: TODAY - d * DAY + i * MINUTE, raw: d * 10 + i })),
  );
  await store.append(columns([...rows, { num, time: TODAY + MINUTE, raw: 1 }]), [], 0);
  dumps = new Dumps(folder, store, registry, () => now);
  api = await startApi({
    registry,
    store,
    latest: new LatestTable(),
    accept: async () => {},
    port: 0,
    dumps: folder,
    clock: () => now,
  });
});
afterAll(async () => {
  await api.close();
  await store.close();
  registry.close();
  rmSync(dir, { recursive: true, force: true });
});
const manifest = (): Manifest => JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;

it('the first night writes every full day, and the manifest tells the truth about each file', async () => {
  await dumps.nightly();
  const { files, checked, promise } = manifest();
  expect(checked).toBe('2026-11-21');
  expect(promise).toContain('never changed');
  expect(files.map((f) => f.file)).toEqual(
    ['18', '19', '20'].flatMap((d) => [`observations-2026-11-${d}.csv.gz`, `observations-2026-11-${d}.parquet`]),
  );
  for (const f of files) {
    const bytes = readFileSync(join(folder, f.file));
    expect(f).toMatchObject({ rows: 10, revision: 1, current: true, bytes: bytes.length });
    expect(f.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  }
  const text = gunzipSync(readFileSync(join(folder, 'observations-2026-11-20.csv.gz'))).toString();
  expect(text.split('\n')[0]?.trim().split(',')).toEqual(DUMP_COLUMNS);
  expect(text.split('\n')[1]).toContain(`${id},pm25,ug/m3,2026-11-20T00:00:00.000Z`);
  expect(text.split('\n')[1]).toContain('CC-BY-4.0,school');
  const dictionary = JSON.parse(readFileSync(join(folder, 'csv-metadata.json'), 'utf8')) as {
    tableSchema: { columns: { name: string }[] };
    tables: { url: string }[];
  };
  expect(dictionary.tableSchema.columns.map((c) => c.name)).toEqual(DUMP_COLUMNS);
  expect(dictionary.tables).toHaveLength(3);
  expect(readFileSync(join(folder, 'boxes.csv'), 'utf8')).toContain("'=cmd");
});

it('boxes are a GeoParquet file that its readers know by its metadata', async () => {
  const file = join(folder, 'boxes.parquet');
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const meta = await connection.runAndReadAll(
    `SELECT decode(value) AS v FROM parquet_kv_metadata('${file}') WHERE decode(key) = 'geo'`,
  );
  expect(JSON.parse(String(meta.getRows()[0]?.[0]))).toEqual({
    version: '1.1.0',
    primary_column: 'geometry',
    columns: { geometry: { encoding: 'WKB', geometry_types: ['Point'], bbox: [121.5, 25, 121.5, 25] } },
  });
  const rows = await connection.runAndReadAll(`SELECT id, ST_AsText(geometry) FROM read_parquet('${file}')`);
  expect(rows.getRows()).toEqual([[id, 'POINT (121.5 25)']]);
  connection.closeSync();
  instance.closeSync();
});

it('what did not change is not written again; late data, corrections and licences give a new revision beside the old file', async () => {
  const old = join(folder, 'observations-2026-11-19.parquet');
  const before = { bytes: readFileSync(old), time: statSync(old).mtimeMs };
  now += DAY;
  await store.append(columns([{ num, time: TODAY - 2 * DAY + 5 * HOUR, raw: 99 }]), [], 0);
  await dumps.nightly();
  const of = (day: string): [number, boolean, number][] =>
    manifest()
      .files.filter((f) => f.day === day && f.format === 'parquet')
      .map((f) => [f.revision, f.current, f.rows]);
  expect(of('2026-11-19')).toEqual(
    [
      [1, false, 10],
      [2, true, 11],
    ]
      .sort((a, b) => Number(b[0]) - Number(a[0]))
      .toReversed(),
  );
  expect(of('2026-11-18')).toEqual([[1, true, 10]]);
  expect(of('2026-11-21')).toEqual([[1, true, 1]]);
  expect(readFileSync(old).equals(before.bytes)).toBe(true);
  expect(statSync(old).mtimeMs).toBe(before.time);
  await store.rewrite(columns([{ num, time: TODAY - 3 * DAY, raw: 30, corrected: 28, lo90: 20, hi90: 33, level: 2 }]));
  await dumps.write(TODAY - 3 * DAY, TODAY, ['parquet']);
  expect(of('2026-11-18')).toEqual([
    [1, false, 10],
    [2, true, 10],
  ]);
  expect(of('2026-11-20')).toEqual([[1, true, 10]]);
  registry.update(id, { licence: 'CC0-1.0' }, now);
  await dumps.write(TODAY - DAY, TODAY, ['parquet']);
  expect(of('2026-11-20')).toEqual([
    [1, false, 10],
    [2, true, 10],
  ]);
});

it('the same night is looked at once, and not before the hour', async () => {
  const { updated } = manifest();
  await dumps.nightly();
  now = TODAY + 2 * DAY + MINUTE;
  await dumps.nightly();
  expect(manifest().updated).toBe(updated);
});

it('files are served in ranges, as Parquet readers ask for them', async () => {
  const url = `${api.url}/dumps/observations-2026-11-20.parquet`;
  const whole = Buffer.from(await (await fetch(url)).arrayBuffer());
  const part = await fetch(url, { headers: { range: 'bytes=-4' } });
  expect(part.status).toBe(206);
  expect(await part.text()).toBe('PAR1');
  expect(part.headers.get('content-range')).toBe(`bytes ${whole.length - 4}-${whole.length - 1}/${whole.length}`);
  const head = await fetch(url, { method: 'HEAD' });
  expect(head.headers.get('accept-ranges')).toBe('bytes');
  expect(Number(head.headers.get('content-length'))).toBe(whole.length);
  expect((await fetch(`${api.url}/dumps/manifest.json`)).headers.get('content-type')).toContain('application/json');
  expect((await fetch(`${api.url}/dumps/..%2fstore.duckdb`)).status).toBeGreaterThanOrEqual(400);
});

it('a range of a text file is of its own bytes, whatever the client can unpack', async () => {
  const part = await fetch(`${api.url}/dumps/boxes.csv`, {
    headers: { range: 'bytes=0-6', 'accept-encoding': 'gzip' },
  });
  expect([part.status, part.headers.get('content-encoding'), await part.text()]).toEqual([206, null, 'id,name']);
  expect((await fetch(`${api.url}/dumps/observations-2026-11-20.parquet`)).headers.get('cache-control')).toContain(
    'immutable',
  );
});

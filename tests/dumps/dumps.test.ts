import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LatestTable, startApi, type Api } from '../../api/server.ts';
import { BoxDumps, type BoxManifest } from '../../cli/box-dumps.ts';
import type { RevisionEntry } from '../../api/options.ts';
import { DUMP_COLUMNS, Dumps, editionsIn, type Manifest } from '../../cli/dumps.ts';
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
let boxDumps: BoxDumps;
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
  boxDumps = new BoxDumps(folder, store, registry, () => now);
  api = await startApi({
    registry,
    store,
    latest: new LatestTable(),
    accept: async () => {},
    port: 0,
    dumps: folder,
    boxDumps: (box) => boxDumps.manifest(box),
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

it('a server that just began has a manifest without files, and its boxes', async () => {
  await dumps.begin();
  expect(manifest()).toMatchObject({ files: [], checked: '', byBox: 'boxes/{box}/manifest.json' });
  expect((await fetch(`${api.url}/dumps/boxes.geojson`)).status).toBe(200);
});

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
  expect(dictionary.tables).toHaveLength(4);
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

it('of the runs over a span those are left out that newer ones hide', () => {
  const run = (number: number, from: number, to: number, box = ''): RevisionEntry =>
    ({ number, product: number > 3 ? 'archive' : 'revised', from, to, box, issuedAt: 100 + number }) as RevisionEntry;
  const numOf = (box: string): number | null => (box === 'mine' ? 7 : null);
  const found = (runs: RevisionEntry[], from = 0, to = 24): (readonly [number, number, number, number | null])[] =>
    editionsIn(runs, from, to, numOf).map((e) => [e.revision, e.from, e.to, e.num]);
  expect(found([run(1, 0, 12), run(2, 12, 24), run(4, 0, 24)])).toEqual([[4, 0, 24, null]]);
  expect(found([run(1, 0, 20), run(2, 0, 8), run(4, 8, 12), run(5, 2, 4, 'mine')])).toEqual([
    [5, 2, 4, 7],
    [4, 8, 12, null],
    [2, 0, 8, null],
    [1, 0, 20, null],
  ]);
  expect(found([run(1, 2, 8), run(2, 0, 8), run(4, 8, 12)], 0, 10)).toEqual([
    [4, 8, 10, null],
    [2, 0, 8, null],
  ]);
  expect(found([run(1, 0, 24, 'of another server')])).toEqual([]);
});

it('a row says which run of quality control and correction speaks for it', async () => {
  const file = join(dir, 'dumps', 'edition.csv');
  const editions = [
    { revision: 2, product: 'archive', from: TODAY - DAY, to: TODAY - DAY + 5 * MINUTE, num: null, issuedAt: TODAY + 2 * DAY }, // prettier-ignore
    { revision: 1, product: 'revised', from: TODAY - DAY, to: TODAY, num, issuedAt: TODAY - DAY + 7 * MINUTE },
  ] as const;
  const { rows } = await store.dump({ from: TODAY - DAY, to: TODAY, file, things: [{ num, id, licence: '', attribution: '' }], editions }); // prettier-ignore
  expect(rows).toBe(10);
  const said = readFileSync(file, 'utf8').trim().split('\n').slice(1).map((line) => line.split(',').slice(-2).join(' ')); // prettier-ignore
  expect(said).toEqual([...Array(5).fill('archive 2'), ...Array(2).fill('revised 1'), ...Array(3).fill('live 0')]);
  rmSync(file);
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

it('tags are strong, and a range that is not there is said to be so', async () => {
  const url = `${api.url}/dumps/observations-2026-11-20.parquet`;
  const get = (headers: Record<string, string>): Promise<Response> => fetch(url, { headers });
  const tag = (await get({})).headers.get('etag') ?? '';
  expect(tag).toMatch(/^"[^"]+"$/);
  expect((await get({ range: 'bytes=0-3', 'if-range': tag })).status).toBe(206);
  for (const other of ['"other"', `W/${tag}`])
    expect((await get({ range: 'bytes=0-3', 'if-range': other })).status, other).toBe(200);
  for (const known of [tag, `"x", ${tag}`, `W/${tag}`, '*', tag.replace(/"$/, '-gzip"')])
    expect((await get({ 'if-none-match': known })).status, known).toBe(304);
  const size = (await (await get({})).arrayBuffer()).byteLength;
  const beyond = await get({ range: `bytes=${size}-` });
  expect([beyond.status, beyond.headers.get('content-range'), beyond.headers.get('content-type')]).toEqual([416, `bytes */${size}`, 'application/problem+json; charset=utf-8']); // prettier-ignore
  expect((await get({ 'if-match': '"other"' })).status).toBe(412);
  const refused = await fetch(url, { method: 'POST' });
  expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'HEAD, GET, OPTIONS']);
  for (const folder of ['/dumps', '/dumps/'])
    expect((await fetch(api.url + folder)).url).toBe(`${api.url}/dumps/manifest.json`);
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

it('the files of a box by month are made when they are asked for, and revised when more is known', async () => {
  const before = now;
  now = Date.UTC(2026, 11, 2, 3);
  const other = registry.add({ name: 'other', lat: 25, lon: 121, licence: 'CC0-1.0' }, TODAY).thing;
  await store.append(
    columns([
      { num, time: Date.UTC(2026, 9, 31, 23), raw: 5 },
      { num: other.num, time: Date.UTC(2026, 9, 31, 23), raw: 6 },
      { num, time: now, raw: 7 },
    ]),
    [],
    0,
  );
  const asked = async (box: string): Promise<Response> => fetch(`${api.url}/dumps/boxes/${box}/manifest.json`);
  const first = (await (await asked(id)).json()) as BoxManifest;
  expect(first).toMatchObject({ box: id, licence: 'CC0-1.0', attribution: 'school', pending: [] });
  expect(first.files.map((f) => [f.month, f.format, f.current])).toEqual([
    ['2026-10', 'csv.gz', true],
    ['2026-10', 'parquet', true],
    ['2026-11', 'csv.gz', true],
    ['2026-11', 'parquet', true],
  ]);
  for (const f of first.files) {
    const response = await fetch(`${api.url}/dumps/boxes/${id}/${f.file}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.length).toBe(f.bytes);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(f.sha256);
    expect(response.headers.get('cache-control')).toContain('immutable');
  }
  const october = gunzipSync(readFileSync(join(folder, 'boxes', id, `observations-${id}-2026-10.csv.gz`))).toString();
  expect(october.trim().split('\n')).toHaveLength(2);
  expect(october).toContain(`${id},`);
  expect(october).not.toContain(other.id);

  // Late data: the old file stays, a revision stands beside it; the month without news is left alone.
  await store.append(columns([{ num, time: Date.UTC(2026, 9, 30), raw: 4 }]), [], 0);
  now += DAY;
  const second = (await (await asked(id)).json()) as BoxManifest;
  expect(second.files.filter((f) => f.month === '2026-10').map((f) => [f.revision, f.current, f.rows])).toEqual([
    [1, false, 1],
    [1, false, 1],
    [2, true, 2],
    [2, true, 2],
  ]);
  expect(second.files.filter((f) => f.month === '2026-11')).toEqual(first.files.filter((f) => f.month === '2026-11'));
  expect((await asked('no-such-box')).status).toBe(404);
  now = before;
});

it('OpenAQ is given means of the last full hour, with its bounds', async () => {
  const before = now;
  now = Date.UTC(2026, 11, 10, 5, 20);
  const hour = Date.UTC(2026, 11, 10, 4);
  const values = [
    [0, 10, 1],
    [10, 14, 2],
    [20, 900, 4],
    [-5, 99, 1],
    [61, 99, 1],
  ] as const;
  await store.append(columns(values.map(([m, raw, flag]) => ({ num, time: hour + m * MINUTE, raw, flag }))), [], 0);
  const { meta, measurements } = (await (await fetch(`${api.url}/harvest/openaq.json`)).json()) as {
    meta: object;
    measurements: object[];
  };
  expect(meta).toMatchObject({
    averagingSeconds: 3600,
    datetimeFrom: '2026-12-10T04:00:00Z',
    datetimeTo: '2026-12-10T05:00:00Z',
  });
  expect(measurements).toEqual([
    { sensor_id: `${id}-pm25`, timestamp: '2026-12-10T05:00:00Z', measure: 12, count: 2, flags: {} },
  ]);
  now = before;
});

/** latest.geojson over a city: with ETag hits, without, while readings flow in; CSV export. `node bench/api.ts [boxes]` */
import { datastreamId } from '../model/datastream.ts';
import { openRegistry } from '../registry/sqlite.ts';
import { LatestTable, startApi } from '../api/server.ts';
import { MemoryStore } from '../store/memory.ts';
import { allocateColumns, type ObservationColumns } from '../store/store.ts';
import { Agent, request } from 'node:http';
import { cpus } from 'node:os';
import { figure, whole } from './figures.ts';

const boxes = Number(process.argv[2] ?? 10_000);
const NOW = Date.UTC(2026, 10, 21);

// mulberry32: the same city at every run.
let seed = 7;
function random(): number {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

const registry = openRegistry(':memory:');
registry.addMany(
  Array.from({ length: boxes }, (_, i) => ({
    name: `路燈 ${i}`,
    lat: 22 + random() * 3.2,
    lon: 120.2 + random() * 1.7,
    sensors: ['PMS5003'],
    exposure: 'outdoor' as const,
    licence: 'CC-BY-4.0',
  })),
  NOW,
);
const rows = (n: number, at: number, first = 1): ObservationColumns => {
  const c = allocateColumns(n);
  for (let i = 0; i < n; i++) {
    c.datastream[i] = datastreamId(first + (i % boxes), 'pm25');
    c.phenomenonTime[i] = at;
    c.resultTime[i] = at;
    c.raw[i] = Math.round(random() * 500) / 10;
    c.corrected[i] = Math.round(random() * 400) / 10;
    c.lo90[i] = Math.round(random() * 100) / 10;
    c.hi90[i] = Math.round(random() * 600) / 10;
    c.flag[i] = 1;
    c.level[i] = 3;
  }
  return c;
};
const store = new MemoryStore();
/** A day of seconds of one box, made as it is asked for: the export is measured, not a store. */
const history = 5_000_000;
store.range = async (q) => {
  const from = q.after ? q.after.phenomenonTime / 1000 + 1 : 0;
  const n = Math.max(0, Math.min(q.limit, history - from));
  const c = allocateColumns(n);
  for (let i = 0; i < n; i++) {
    c.datastream[i] = datastreamId(1, 'pm25');
    c.phenomenonTime[i] = (from + i) * 1000;
    c.raw[i] = (i % 500) / 10;
    c.flag[i] = 1;
  }
  return c;
};
const api = await startApi({ registry, store, latest: new LatestTable(), accept: async () => {}, port: 0, clock: () => NOW + 1e9, rateLimit: false }); // prettier-ignore
api.live(rows(boxes, NOW));

const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const get = (
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; etag: string; bytes: number }> =>
  new Promise((resolve, reject) => {
    const r = request(api.url + path, { agent, headers }, (response) => {
      let bytes = 0;
      response.on('data', (d: Buffer) => (bytes += d.length));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, etag: response.headers.etag ?? '', bytes }));
    });
    r.on('error', reject);
    r.end();
  });

const table: Record<string, Record<string, number>> = {};
async function measure(
  name: string,
  n: number,
  ask: (i: number) => Promise<{ status: number; bytes: number }>,
  parallel = 1,
): Promise<void> {
  const times: number[] = [];
  let bytes = 0;
  let next = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (next < n) {
        const t = performance.now();
        const answer = await ask(next++);
        if (answer.status >= 400) throw new Error(`${name}: ${answer.status}`);
        bytes = answer.bytes;
        times.push(performance.now() - t);
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  times.sort((a, b) => a - b);
  const at = (q: number): number => +(times[Math.floor(q * (times.length - 1))] ?? 0).toFixed(2);
  table[name] = {
    'req/s': Math.round(n / seconds),
    'p50 [ms]': at(0.5),
    'p99 [ms]': at(0.99),
    'body [kB]': Math.round(bytes / 1000),
  };
}

try {
  const path = '/api/v1/latest.geojson?property=pm25&level=corrected';
  const warm = await get(path);
  await measure('ETag hit (304), 8 clients', 20_000, () => get(path, { 'if-none-match': warm.etag }), 8);
  await measure('whole city, unchanged, plain', 300, () => get(path));
  await measure('whole city, unchanged, gzip', 1000, () => get(path, { 'accept-encoding': 'gzip' }));
  await measure('whole city, one reading before each', 200, async (i) => {
    api.live(rows(1, NOW + 1000 + i, 1 + (i % boxes)));
    return get(path);
  });
  await measure('bbox of a district', 500, () => get(`${path}&bbox=121.5,25,121.7,25.1`));
  await measure('one box', 2000, (i) => get(`/api/v1/boxes/${registry.byNum(1 + (i % boxes))?.id}`));
  await measure('page of 100 observations', 2000, () =>
    get(`/api/v1/boxes/${registry.byNum(1)?.id}/observations?from=1970-01-01&limit=100`),
  );
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
  const start = performance.now();
  const csv = await get(`/api/v1/boxes/${registry.byNum(1)?.id}/observations?format=csv&from=1970-01-01`);
  const seconds = (performance.now() - start) / 1000;
  clearInterval(watch);
  console.log(
    `${boxes} boxes, Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, client in the same process`,
  );
  console.table(table);
  for (const [name, row] of Object.entries(table))
    figure(
      name,
      `${whole(row['req/s'] as number)} requests/s; p50 ${row['p50 [ms]']} ms, p99 ${row['p99 [ms]']} ms`,
      name.startsWith('ETag') ? '1,000 requests/s' : name.startsWith('whole city') ? 'p99 < 30 ms' : '',
    );
  figure('CSV stream through HTTP', `${whole(history / seconds)} rows/s; memory + ${Math.round((peak - before) / 1e6)} MB`, '500,000 rows/s'); // prettier-ignore
  console.log(`CSV: ${history} rows, ${(csv.bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(1)} s = ${Math.round(history / seconds)} rows/s; memory +${Math.round((peak - before) / 1e6)} MB`); // prettier-ignore

  const big = new LatestTable();
  global.gc?.();
  const empty = process.memoryUsage().arrayBuffers;
  const filled = performance.now();
  for (const p of ['pm25', 'pm10', 'temperature', 'humidity'] as const) {
    for (let first = 1; first <= 1_000_000; first += 50_000) {
      const c = allocateColumns(50_000);
      for (let i = 0; i < 50_000; i++) c.datastream[i] = datastreamId(first + i, p);
      big.apply(c);
    }
  }
  const took = performance.now() - filled;
  global.gc?.();
  console.log(`table of ${big.size} datastreams: ${Math.round((process.memoryUsage().arrayBuffers - empty) / 1e6)} MB (with --expose-gc), ${Math.round(big.size / took)}k rows/s`); // prettier-ignore
} finally {
  agent.destroy();
  await api.close();
  registry.close();
}

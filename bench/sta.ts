/**
 * SensorThings over boxes, in its own process and without HTTP: pages, expansions, sets over all Datastreams.
 * `node bench/sta.ts [boxes] [readings a box]`; 4 values a reading.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoxObservations } from '../api/sta/box-observations.ts';
import { boxDatastreamId } from '../api/sta/box-ids.ts';
import { openDatabase } from '../api/sta/database.ts';
import { BoxMirror } from '../api/sta/mirror.ts';
import { createStaService } from '../api/sta/service.ts';
import { newestIn } from '../api/sta/thread.ts';
import { LatestTable } from '../api/latest.ts';
import { datastreamId } from '../model/datastream.ts';
import { MINUTE } from '../model/time.ts';
import { openRegistry } from '../registry/sqlite.ts';
import { DuckStore } from '../store/duckdb/store.ts';
import { allocateColumns } from '../store/store.ts';
import { figure } from './figures.ts';

const boxes = Number(process.argv[2] ?? 1000);
const readings = Number(process.argv[3] ?? 100);
const NOW = Date.UTC(2026, 10, 21, 12);
const KEYS = ['pm25', 'pm10', 'temperature', 'humidity'] as const;

const dir = mkdtempSync(join(tmpdir(), 'lamppost-bench-sta-'));
const registry = openRegistry(':memory:');
const store = await DuckStore.open(dir);
const table = new LatestTable();
const db = openDatabase(join(dir, 'sta.sqlite'), { scratch: false });
const mirror = new BoxMirror(db, registry);
try {
  registry.addMany(
    Array.from({ length: boxes }, (_, i) => ({
      name: `路燈 ${i}`,
      lat: 22 + (i % 320) / 100,
      lon: 120.2 + (i % 170) / 100,
      sensors: ['PMS5003', 'BME280'],
      exposure: 'outdoor' as const,
      licence: 'CC-BY-4.0',
      properties: { township: i % 12 === 0 ? '信義區' : '中正區' },
    })),
    NOW - 1000 * MINUTE,
  );
  for (let r = 0; r < readings; r++) {
    const c = allocateColumns(boxes * KEYS.length);
    let i = 0;
    for (let b = 1; b <= boxes; b++)
      for (const key of KEYS) {
        c.datastream[i] = datastreamId(b, key);
        c.phenomenonTime[i] = NOW - (readings - r) * MINUTE;
        c.resultTime[i] = (c.phenomenonTime[i] as number) + 1000;
        c.raw[i] = ((b * 7 + r * 3) % 500) / 10;
        if (key === 'pm25') {
          c.corrected[i] = ((b * 7 + r * 3) % 400) / 10;
          c.lo90[i] = 1;
          c.hi90[i] = 60;
          c.level[i] = 2;
        }
        c.flag[i++] = 1;
      }
    await store.append(c, [], r + 1);
    table.apply(c);
  }
  let started = performance.now();
  mirror.syncThings();
  mirror.seen(
    Array.from({ length: boxes }, (_, b) => b + 1).flatMap((thingNum) =>
      KEYS.map((key) => ({
        thingNum,
        key,
        firstTime: NOW - readings * MINUTE,
        lastTime: NOW - MINUTE,
        lastResultTime: NOW - MINUTE,
        corrected: key === 'pm25',
      })),
    ),
  );
  const made = performance.now() - started;
  const service = createStaService({
    db,
    base: 'http://bench/sta/v1.1',
    clock: () => NOW,
    scratch: false,
    foreign: new BoxObservations(db, store, newestIn(table)),
  });
  const measure = async (name: string, path: string, query: string, times: number) => {
    const took: number[] = [];
    let bytes = 0;
    const cpu = process.cpuUsage();
    for (let i = 0; i < times; i++) {
      started = performance.now();
      const response = await service.handle({ method: 'GET', path, query, contentType: '', body: '', mayWrite: false });
      took.push(performance.now() - started);
      if (response.status !== 200) throw new Error(`${name}: ${response.status} ${response.body}`);
      bytes = response.body.length;
    }
    took.sort((a, b) => a - b);
    const at = (p: number): number => Number((took[Math.min(times - 1, Math.floor(p * times))] as number).toFixed(1));
    // What it would take on a machine with nothing else to do.
    const { user, system } = process.cpuUsage(cpu);
    const cpu_ms = Number(((user + system) / 1000 / times).toFixed(1));
    return { name, cpu_ms, p50_ms: at(0.5), p99_ms: at(0.99), bytes };
  };
  const e = encodeURIComponent;
  const one = `/Datastreams(${boxDatastreamId(5, 'pm25', 'corrected')})/Observations`;
  const city = '$expand=Datastreams($expand=Observations($top=1;$orderby=phenomenonTime desc))&$top=100';
  console.log(
    JSON.stringify({ boxes, observations: boxes * readings * 9, cpus: cpus().length, load: loadavg()[0]?.toFixed(1), catalogue_s: made / 1000 }), // prettier-ignore
  );
  for (const [name, path, query, times] of [
    ['100 observations of one datastream', one, '$top=100', 40],
    ['the same, newest first', one, '$top=100&$orderby=phenomenonTime desc', 40],
    ['100 things, all datastreams, newest value each', '/Things', city, 20],
    ['newest 100 of all observations', '/Observations', '$top=100&$orderby=phenomenonTime desc', 10],
    ['all observations above a value, counted', '/Observations', `$count=true&$top=10&$filter=${e('result gt 49')}`, 5],
    ['things with a value above', '/Things', `$top=10&$filter=${e('Datastreams/Observations/result gt 49.8')}`, 5],
    ['things of a township', '/Things', `$top=100&$filter=${e("properties/township eq '信義區'")}`, 20],
  ] as const) {
    const r = await measure(name, path, query, times);
    figure(name, `p50 ${r.p50_ms} ms, p99 ${r.p99_ms} ms`);
    console.log(JSON.stringify(r));
  }
} finally {
  await store.close();
  registry.close();
  rmSync(dir, { recursive: true, force: true });
}

/** A real server on a free port over the reference store, with boxes and readings that a test can expect. */
import { datastreamId } from '../../model/datastream.ts';
import { reason } from '../../model/flags.ts';
import type { Packet } from '../../model/packet.ts';
import type { PropertyKey } from '../../model/properties.ts';
import { MINUTE } from '../../model/time.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { LatestTable, startApi, type Api, type ApiOptions } from '../../api/server.ts';
import { MemoryStore } from '../../store/memory.ts';
import { allocateColumns, type ObservationColumns } from '../../store/store.ts';
import type { Registry } from '../../registry/registry.ts';

export const NOW = Date.UTC(2026, 10, 21, 12);
export const ADMIN = 'the-admin-token';

export interface Row {
  num: number;
  property?: PropertyKey;
  time: number;
  raw: number;
  corrected?: number;
  lo90?: number;
  hi90?: number;
  flag?: number;
  reasons?: number;
  level?: number;
  model?: number;
}

export function columns(rows: readonly Row[]): ObservationColumns {
  const c = allocateColumns(rows.length);
  rows.forEach((r, i) => {
    c.datastream[i] = datastreamId(r.num, r.property ?? 'pm25');
    c.phenomenonTime[i] = r.time;
    c.resultTime[i] = r.time + 1000;
    c.raw[i] = r.raw;
    c.corrected[i] = r.corrected ?? NaN;
    c.lo90[i] = r.lo90 ?? NaN;
    c.hi90[i] = r.hi90 ?? NaN;
    c.flag[i] = r.flag ?? 1;
    c.reasons[i] = r.reasons ?? 0;
    c.level[i] = r.level ?? 0;
    c.model[i] = r.model ?? 0;
  });
  return c;
}

export interface World {
  api: Api;
  url: string;
  registry: Registry;
  store: MemoryStore;
  packets: Packet[];
  /** By name: `school` (exact, 2 days of minutes), `home` (hidden place), `feed` (unclaimed, no licence), `epa` (station). */
  ids: Record<'school' | 'home' | 'feed' | 'epa', string>;
  keys: Record<'school' | 'home', { key: string; owner: string }>;
  get(path: string, init?: RequestInit): Promise<Response>;
  json<T = Record<string, unknown>>(path: string): Promise<T>;
  close(): Promise<void>;
}

/** Two days of one reading every five minutes, the last at NOW; humidity from noon on; one spike, one refused correction. */
export const STEP = 5 * MINUTE;
export const COUNT = 576;

export async function world(more: Partial<ApiOptions> = {}): Promise<World> {
  const registry = openRegistry(':memory:');
  const store = new MemoryStore();
  const t0 = NOW - 30 * 24 * 3600_000;
  const school = registry.add({ name: '信義國小', nativeId: 'FT1_001', format: 'lass', lat: 25.0337, lon: 121.5645, sensors: ['PMS5003', 'BME280'], exposure: 'outdoor', project: 'schools', licence: 'CC-BY-4.0', attribution: '信義國小', properties: { township: '信義區' } }, t0); // prettier-ignore
  const home = registry.add({ name: 'balcony', lat: 25.05171, lon: 121.51449, placePrecision: 'grid', height: 7, sensors: ['SDS011'], exposure: 'outdoor', licence: 'CC0-1.0' }, t0); // prettier-ignore
  const feed = registry.unclaimed('airbox', '28C2DDDD415F', t0);
  const epa = registry.add(
    { kind: 'station', name: '中山', lat: 25.0624, lon: 121.5266, licence: 'OGDL-Taiwan-1.0' },
    t0,
  );
  const model = await store.modelNum('published:test');
  const rows: Row[] = [];
  for (let i = 0; i < COUNT; i++) {
    const time = NOW - (COUNT - 1 - i) * STEP;
    const spike = i === 300;
    const refused = i === 301;
    rows.push({
      num: school.thing.num,
      time,
      raw: spike ? 400 : 10 + (i % 12),
      ...(refused || spike
        ? {}
        : { corrected: 8 + (i % 12), lo90: 5 + (i % 12), hi90: 11 + (i % 12), level: 2, model }),
      flag: spike ? 4 : 1,
      reasons: spike ? reason('spike') : refused ? reason('no_model') : 0,
    });
  }
  rows.push({ num: school.thing.num, property: 'humidity', time: NOW, raw: 61 });
  rows.push({ num: home.thing.num, time: NOW - 3 * 3600_000, raw: 5, flag: 3, reasons: reason('spatial') });
  rows.push({ num: feed?.num ?? 0, time: NOW - MINUTE, raw: 900, flag: 4, reasons: reason('plausible_range') });
  rows.push({ num: epa.thing.num, time: NOW - 3600_000, raw: 14 });
  await store.append(columns(rows), [{ receivedAt: NOW, via: 'mqtt', topic: `boxes/${school.thing.id}/json`, thing: school.thing.id, code: 'bad-json', detail: 'not JSON', payload: Buffer.from('{') }], 1); // prettier-ignore
  const packets: Packet[] = [];
  const api = await startApi({
    registry,
    store,
    latest: new LatestTable(),
    accept: async (packet) => {
      packets.push(packet);
    },
    port: 0,
    adminToken: ADMIN,
    clock: () => NOW,
    ...more,
  });
  return {
    api,
    url: api.url,
    registry,
    store,
    packets,
    ids: { school: school.thing.id, home: home.thing.id, feed: feed?.id ?? '', epa: epa.thing.id },
    keys: { school: { key: school.key, owner: school.ownerToken }, home: { key: home.key, owner: home.ownerToken } },
    get: (path, init) => fetch(api.url + path, init),
    async json(path) {
      const response = await fetch(api.url + path);
      return (await response.json()) as never;
    },
    async close() {
      await api.close();
      registry.close();
    },
  };
}

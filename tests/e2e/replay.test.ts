/**
 * A real moment of the whole Taiwan AirBox network, sent by `lamppost replay` over MQTT into a running server: every box of the file is on
 * the map or among the rejects with a reason, and what is wrong with the real boxes is said of them.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPortalJson } from '../../firmware-sim/recording.ts';
import { ROOT, runCommand, startChild, until, type ChildServer } from './server.ts';

const FILE = join(ROOT, '../shared/data/taiwan_scmpm_snapshots/2020-05-23_last-all-airbox.json.gz');
const NEXT = FILE.replace('05-23', '05-24');
const ADMIN = 'replay-test-admin-token-0123456789';

interface Feature {
  readonly geometry: { readonly coordinates: readonly [number, number] } | null;
  readonly properties: {
    readonly nativeId: string;
    readonly value: number | null;
    readonly flag: number;
    readonly reasons: readonly string[];
    readonly phenomenonTime: string;
    readonly claimed: boolean;
  };
}
type Feed = Record<string, number | string | undefined> & { device_id: string };

describe.skipIf(!existsSync(FILE))('a national snapshot (../shared/data/taiwan_scmpm_snapshots)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lamppost-replay-'));
  let server: ChildServer;
  let feeds: Feed[] = [];
  const onMap = new Map<string, Map<string, Feature>>();
  let rejects: { code: string; detail: string }[] = [];

  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${server.http}${path}`, {
      headers: { authorization: `Bearer ${ADMIN}` },
    });
    expect(response.status, path).toBe(200);
    return (await response.json()) as T;
  };
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${server.http}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN);
  };

  beforeAll(async () => {
    const recording = await readPortalJson(FILE);
    feeds = recording.messages.map((m) => JSON.parse(m.payload) as Feed);
    server = await startChild({
      LAMPPOST_DATA_DIR: dir,
      LAMPPOST_OPEN_TOPICS: 'LASS/#',
      LAMPPOST_ADMIN_TOKEN: ADMIN,
      LAMPPOST_LOG_LEVEL: 'error',
    });
    const sent = await runCommand(['replay', FILE, '--url', `mqtt://127.0.0.1:${server.mqtt}`]);
    expect(sent.code, sent.err).toBe(0);
    await until(async () => (await metric('lamppost_packets_processed_total')) >= feeds.length);
    for (const property of ['pm25', 'temperature', 'humidity']) {
      const { features } = await get<{ features: Feature[] }>(`/api/v1/latest.geojson?property=${property}&level=raw`);
      onMap.set(property, new Map(features.map((f) => [f.properties.nativeId, f])));
    }
    rejects = (await get<{ items: typeof rejects }>('/api/v1/rejects?limit=1000')).items;
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const of = (property: string, feed: Feed): Feature => {
    const feature = onMap.get(property)?.get(feed.device_id);
    if (!feature) throw new Error(`${feed.device_id} has no ${property} on the map`);
    return feature;
  };
  const where = (test: (feed: Feed) => boolean): Feed[] => {
    const found = feeds.filter(test);
    expect(found.length).toBeGreaterThan(0);
    return found;
  };

  it('has every box on the map or a reason among the rejects, and the counts add up', () => {
    const missing = feeds.filter((f) => ![...onMap.values()].some((m) => m.has(f.device_id)));
    const refused = new Set(rejects.map((r) => r.code));
    expect({ missing: missing.length, rejects: rejects.length }).toEqual({
      missing: rejects.length,
      rejects: rejects.length,
    });
    expect(feeds.length).toBe(3088);
    for (const code of refused) expect(code).not.toBe('ingest-error');
    for (const reject of rejects) expect(reject.detail).not.toBe('');
  });

  it('shows values, times and places as the boxes sent them', () => {
    for (const feed of where((f) => typeof f['s_d0'] === 'number')) {
      const { geometry, properties } = of('pm25', feed);
      if (properties.value !== null) expect(properties.value).toBe(feed['s_d0']);
      expect(Date.parse(properties.phenomenonTime)).toBe(Date.parse(String(feed['timestamp'])));
      expect(properties.claimed).toBe(false);
      const [lon, lat] = geometry?.coordinates ?? [NaN, NaN];
      // Places of boxes are public to about a hundred metres at least.
      expect(Math.abs(lat - Number(feed['gps_lat']))).toBeLessThan(0.01);
      expect(Math.abs(lon - Number(feed['gps_lon']))).toBeLessThan(0.01);
    }
  });

  it('places the boxes outside Taiwan where they are', () => {
    const abroad = where((f) => !(Number(f['gps_lat']) > 21 && Number(f['gps_lat']) < 26.6 && Number(f['gps_lon']) > 118 && Number(f['gps_lon']) < 122.6)); // prettier-ignore
    expect(abroad.length).toBeGreaterThan(30);
    for (const feed of abroad) {
      const [lon, lat] = of('pm25', feed).geometry?.coordinates ?? [NaN, NaN];
      expect(lat < 21 || lat > 26.6 || lon < 118 || lon > 122.6).toBe(true);
    }
  });

  it('refuses the reading of 3331 µg/m³', () => {
    for (const feed of where((f) => f['s_d0'] === 3331)) {
      const { flag, reasons } = of('pm25', feed).properties;
      expect(flag).toBe(4);
      expect(reasons.length).toBeGreaterThan(0);
    }
  });

  it('doubts a zero where the boxes around it read something, and believes it in clean air', () => {
    const read = feeds.filter((f) => typeof f['s_d0'] === 'number' && Number.isFinite(Number(f['gps_lat'])));
    const tally = { doubted: 0, amongReadings: 0, doubtedInCleanAir: 0, inCleanAir: 0 };
    for (const feed of where((f) => f['s_d0'] === 0)) {
      // Kilometres of a degree at the latitude of Taiwan.
      const away = (g: Feed): number => Math.hypot((Number(g['gps_lat']) - Number(feed['gps_lat'])) * 111, (Number(g['gps_lon']) - Number(feed['gps_lon'])) * 101); // prettier-ignore
      const near = read
        .filter((g) => g !== feed && away(g) < 10)
        .sort((g, h) => away(g) - away(h))
        .slice(0, 8)
        .map((g) => Number(g['s_d0']))
        .sort((x, y) => x - y);
      if (near.length < 8) continue;
      const median = near[4] as number;
      const doubted = of('pm25', feed).properties.flag >= 3 ? 1 : 0;
      if (median > 10) {
        tally.amongReadings++;
        tally.doubted += doubted;
      } else if (median < 3) {
        tally.inCleanAir++;
        tally.doubtedInCleanAir += doubted;
      }
    }
    expect(tally.amongReadings).toBeGreaterThan(20);
    expect(tally.inCleanAir).toBeGreaterThan(50);
    expect(tally.doubted / tally.amongReadings).toBeGreaterThan(0.85);
    expect(tally.doubtedInCleanAir / tally.inCleanAir).toBeLessThan(0.05);
  });

  it('says of dead temperature and humidity chips that they are dead, and does not fail PM2.5 for them', () => {
    const dead = where((f) => Number(f['s_h0']) <= 0 && Number(f['s_t0']) <= 0);
    for (const feed of dead) {
      expect(of('humidity', feed).properties.flag).toBeGreaterThanOrEqual(3);
      const pm25 = of('pm25', feed).properties;
      expect(pm25.reasons.filter((r) => r.startsWith('humidity') || r.startsWith('temperature'))).toEqual([]);
    }
  });

  it('does not take a single RH of 100 or a single zero for a fault by itself: the tests of duration need time', () => {
    for (const feed of where((f) => f['s_h0'] === 100)) {
      expect(of('humidity', feed).properties.flag).not.toBe(4);
    }
  });

  it('takes the next day in: every box of both files is on the map, and each of its values is stored once', async () => {
    const next = (await readPortalJson(NEXT)).messages.map((m) => JSON.parse(m.payload) as Feed);
    const before = await metric('lamppost_observations_stored_total');
    const sent = await runCommand(['replay', NEXT, '--url', `mqtt://127.0.0.1:${server.mqtt}`]);
    expect(sent.code, sent.err).toBe(0);
    await until(async () => (await metric('lamppost_packets_processed_total')) >= feeds.length + next.length);
    const { features } = await get<{ features: Feature[] }>('/api/v1/latest.geojson?property=pm25&level=raw');
    const now = new Map(features.map((f) => [f.properties.nativeId, f]));
    const all = new Set([...feeds, ...next].map((f) => f.device_id));
    const refused = (await get<{ items: typeof rejects }>('/api/v1/rejects?limit=1000')).items;
    expect([...all].filter((id) => !now.has(id)).length).toBe(refused.length);
    for (const feed of next)
      if (typeof feed['s_d0'] === 'number' && feed['s_d0'] < 1000)
        expect(now.get(feed.device_id)?.properties.value, feed.device_id).toBe(feed['s_d0']);
    // Three sizes of particles, temperature, humidity of every box, at a new moment each.
    expect((await metric('lamppost_observations_stored_total')) - before).toBe(5 * next.length);
  });
});

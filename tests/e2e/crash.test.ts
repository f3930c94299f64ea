/**
 * The server is killed with SIGKILL again and again while boxes send with QoS 1 and resend what was not acknowledged. At the
 * end every acknowledged reading is stored exactly once, and nothing else is.
 *
 * CRASH_ROUNDS (default 8) and CRASH_SEED (default: the clock, printed on failure) make longer and repeatable runs.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { afterAll, expect, it } from 'vitest';
import { askServer } from '../../cli/control.ts';
import { dataFolder } from '../../cli/folder.ts';
import { datastreamId } from '../../model/datastream.ts';
import { DAY, SECOND } from '../../model/time.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import { startChild, until, type ChildServer } from './server.ts';

const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 8);
const SEED = Number(process.env['CRASH_SEED'] ?? Date.now() % 1_000_000);
const BOXES = 12;
const IN_FLIGHT = 20;

const dir = mkdtempSync(join(tmpdir(), 'lamppost-crash-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** mulberry32 */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Box {
  readonly id: string;
  readonly key: string;
  readonly num: number;
  /** Time of reading 0; some boxes send days that can be compacted. */
  readonly start: number;
  /** Readings made so far; reading i is at start + i seconds with pm25 = i mod 500 / 10. */
  made: number;
  readonly unacknowledged: Set<number>;
  readonly acknowledged: Set<number>;
}

const value = (i: number): number => (i % 500) / 10;

/** Sends until `stop`, on whatever connection there is; resends what was not acknowledged. */
function send(box: Box, port: number, more: () => boolean): { end: () => Promise<void> } {
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
    username: box.id,
    password: box.key,
    clientId: 'box',
    reconnectPeriod: 0,
    connectTimeout: 5000,
  });
  client.on('error', () => undefined);
  let sending = 0;
  const next = (): void => {
    while (sending < IN_FLIGHT && client.connected) {
      const again = [...box.unacknowledged].find((i) => !flying.has(i));
      if (again === undefined && !more()) return;
      const i = again ?? box.made++;
      box.unacknowledged.add(i);
      flying.add(i);
      sending++;
      const payload = JSON.stringify({ t: new Date(box.start + i * SECOND).toISOString(), pm25: value(i) });
      client.publish(`boxes/${box.id}/json`, payload, { qos: 1 }, (error) => {
        sending--;
        flying.delete(i);
        if (error) return;
        box.unacknowledged.delete(i);
        box.acknowledged.add(i);
        setImmediate(next);
      });
    }
  };
  const flying = new Set<number>();
  client.on('connect', next);
  return {
    end: () => client.endAsync(true).catch(() => undefined),
  };
}

it(
  `every acknowledged reading is stored exactly once after ${ROUNDS} kills (seed ${SEED})`,
  async () => {
    const chance = random(SEED);
    const folder = dataFolder(dir);
    mkdirSync(dir, { recursive: true });
    const registry = openRegistry(folder.registry);
    const keys = registry.addMany(
      Array.from({ length: BOXES }, (_, i) => ({
        name: `box ${i}`,
        lat: 25 + i / 100,
        lon: 121.5,
        sensors: ['PMS5003'],
      })),
      Date.now(),
    );
    const today = Math.floor(Date.now() / DAY) * DAY;
    const boxes: Box[] = keys.map(({ id, key }, i) => ({
      id,
      key,
      num: registry.get(id)?.num ?? 0,
      start: today - (1 + (i % 3)) * DAY,
      made: 0,
      unacknowledged: new Set(),
      acknowledged: new Set(),
    }));
    registry.close();

    const settings: Record<string, string> = { LAMPPOST_DATA_DIR: dir, LAMPPOST_LOG_LEVEL: 'error' };
    for (let round = 0; round < ROUNDS; round++) {
      const server: ChildServer = await startChild(settings);
      const senders = boxes.map((box) => send(box, server.mqtt, () => true));
      const before = boxes.reduce((n, b) => n + b.acknowledged.size, 0);
      // Every third life is ended while days are being moved into Parquet files, the others anywhere.
      if (round % 3 === 2) {
        await until(async () => boxes.reduce((n, b) => n + b.acknowledged.size, 0) > before + 500);
        void askServer(folder.control, { command: 'compact' }).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, chance() * 150));
      } else {
        await new Promise((resolve) => setTimeout(resolve, chance() * 1200));
      }
      await server.kill();
      await Promise.all(senders.map((s) => s.end()));
    }

    const last = await startChild(settings);
    const senders = boxes.map((box) => send(box, last.mqtt, () => false));
    await until(async () => boxes.every((b) => b.unacknowledged.size === 0));
    await Promise.all(senders.map((s) => s.end()));
    expect(await last.stop(), last.log()).toBe(0);

    const store = await DuckStore.open(folder.store);
    try {
      const stored = new Map<number, Map<number, number>>();
      let rows = 0;
      for await (const block of store.scan(0, Number.MAX_SAFE_INTEGER)) {
        rows += block.length;
        for (let i = 0; i < block.length; i++) {
          const id = block.datastream[i] as number;
          const of = stored.get(id) ?? new Map<number, number>();
          stored.set(id, of.set(block.phenomenonTime[i] as number, block.raw[i] as number));
        }
      }
      const acknowledged = boxes.reduce((n, b) => n + b.acknowledged.size, 0);
      expect(acknowledged).toBeGreaterThan(1000);
      expect(rows).toBe(acknowledged);
      for (const box of boxes) {
        expect(box.acknowledged.size).toBe(box.made);
        const of = stored.get(datastreamId(box.num, 'pm25'));
        expect(of?.size).toBe(box.made);
        for (const i of box.acknowledged) {
          if (of?.get(box.start + i * SECOND) !== value(i))
            expect.fail(`reading ${i} of ${box.id} is not as it was sent`);
        }
      }
      expect(await store.rejectCount()).toBe(0);
    } finally {
      await store.close();
    }
  },
  240_000 + ROUNDS * 30_000,
);

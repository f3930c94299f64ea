/**
 * What the machine does to a server: a full disk, a read-only folder, a clock that jumps. Nothing is acknowledged that is not on disk,
 * the reason is told, and the server goes on by itself when it can. The disk tests make a small tmpfs, which takes root.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dataFolder } from '../../cli/folder.ts';
import { datastreamId } from '../../model/datastream.ts';
import { DAY, SECOND } from '../../model/time.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import { DuckStore } from '../../store/duckdb/store.ts';
import { runCommand, startChild, until, type ChildServer } from './server.ts';

const mount = (...args: string[]): boolean => spawnSync('mount', args).status === 0;
const umount = (path: string): boolean => spawnSync('umount', ['-l', path]).status === 0;

/** Whether this user may mount: tried out once. */
const mayMount = ((): boolean => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const probe = mkdtempSync(join(tmpdir(), 'lamppost-mount-'));
  const mounted = mount('-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe);
  if (mounted) umount(probe);
  rmSync(probe, { recursive: true, force: true });
  return mounted;
})();

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lamppost-faults-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function addBox(folder: string): { id: string; key: string; num: number } {
  mkdirSync(folder, { recursive: true });
  const registry = openRegistry(dataFolder(folder).registry);
  const [added] = registry.addMany([{ lat: 25, lon: 121.5, sensors: ['PMS5003'] }], Date.now());
  if (!added) throw new Error('no box was made');
  const num = registry.get(added.id)?.num ?? 0;
  registry.close();
  return { ...added, num };
}

const connect = (server: ChildServer, box: { id: string; key: string }): Promise<MqttClient> =>
  mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqtt}`, { username: box.id, password: box.key, clientId: 'box' });

const ready = async (server: ChildServer): Promise<{ status: number; body: string }> => {
  const response = await fetch(`http://127.0.0.1:${server.http}/readyz`).catch(() => null);
  return { status: response?.status ?? 0, body: (await response?.text()) ?? '' };
};

async function storedTimes(folder: string, num: number): Promise<number[]> {
  const store = await DuckStore.open(dataFolder(folder).store);
  try {
    const times: number[] = [];
    for await (const block of store.scan(0, Number.MAX_SAFE_INTEGER))
      for (let i = 0; i < block.length; i++)
        if (block.datastream[i] === datastreamId(num, 'pm25')) times.push(block.phenomenonTime[i] as number);
    return times.sort((a, b) => a - b);
  } finally {
    await store.close();
  }
}

const payload = (t: number): string => JSON.stringify({ t: new Date(t).toISOString(), pm25: 12.3 });

describe.skipIf(!mayMount)('the disk (needs root and tmpfs)', () => {
  it('full: boxes are not acknowledged, the reason is told, and all goes on when there is room again', async () => {
    const data = join(dir, 'data');
    mkdirSync(data);
    expect(mount('-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', data)).toBe(true);
    let server: ChildServer | undefined;
    let died = '';
    try {
      const box = addBox(data);
      server = await startChild({ LAMPPOST_DATA_DIR: data });
      const running = server;
      running.process.once('exit', (code, signal) => {
        died = `${code} ${signal}\n${running.log().slice(-4000)}`;
      });
      const client = await connect(running, box);
      const start = Math.floor(Date.now() / SECOND) * SECOND - 3600 * SECOND;
      const acknowledged: number[] = [];
      let made = 0;
      const send = (): Promise<void> => {
        const t = start + made++ * SECOND;
        return client
          .publishAsync(`boxes/${box.id}/json`, payload(t), { qos: 1 })
          .then(() => void acknowledged.push(t));
      };
      for (let i = 0; i < 50; i++) await send();

      const ballast = join(data, 'ballast');
      const fd = openSync(ballast, 'w');
      const fill = (): void => {
        for (const piece of [1 << 20, 4096]) {
          try {
            for (;;) writeSync(fd, Buffer.alloc(piece, 1));
          } catch (error) {
            expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
          }
        }
      };
      fill();
      // One reading after the other, until the journal has nothing left to reuse and one stays without its acknowledgement.
      const waiting: Promise<void>[] = [];
      await until(async () => {
        fill();
        expect(died).toBe('');
        if (made - acknowledged.length < 200) waiting.push(send());
        return (await ready(running)).status === 503 && /no space left/i.test(running.log());
      });
      const state = await ready(running);
      expect(state.body).toMatch(/journal|store|pipeline/);
      const atFull = acknowledged.length;
      expect(atFull).toBeLessThan(made);

      closeSync(fd);
      rmSync(ballast);
      await Promise.all(waiting);
      await until(async () => (await ready(running)).status === 200);
      await send();
      expect(acknowledged.length).toBe(made);
      await client.endAsync();
      expect(await running.stop(), running.log()).toBe(0);
      server = undefined;
      expect(await storedTimes(data, box.num)).toEqual([...acknowledged].sort((a, b) => a - b));
    } finally {
      await server?.kill();
      umount(data);
    }
  });

  it('read-only: the server does not start, and says which folder and why', async () => {
    const data = join(dir, 'data');
    mkdirSync(data);
    expect(mount('-t', 'tmpfs', '-o', 'size=1m,ro', 'tmpfs', data)).toBe(true);
    try {
      const { code, err } = await runCommand(['serve', '--no-pages'], {
        LAMPPOST_DATA_DIR: data,
        LAMPPOST_HTTP_PORT: '0',
        LAMPPOST_MQTT_PORT: '0',
      });
      expect(code).toBe(1);
      expect(err).toContain(data);
      expect(err).toMatch(/read-only|EROFS|written/i);
    } finally {
      umount(data);
    }
  });
});

/** An ext4 file system in a file, which turns read-only at an error as the disk of a small server does; null where it cannot be made. */
function failingDisk(at: string): { device: string; fail(): void; unmount(): void; repair(): boolean } | null {
  const image = join(dir, 'disk.img');
  const mountIt = (): boolean => mount('-o', 'loop,errors=remount-ro', image, at);
  if (
    !mayMount ||
    spawnSync('truncate', ['-s', '256M', image]).status !== 0 ||
    spawnSync('mkfs.ext4', ['-q', '-F', image]).status !== 0 ||
    !mountIt()
  )
    return null;
  const device = (): string =>
    /^\/dev\/(\S+)/.exec(readFileSync('/proc/mounts', 'utf8').split('\n').find((l) => l.includes(` ${at} `)) ?? '')?.[1] ?? ''; // prettier-ignore
  const trigger = `/sys/fs/ext4/${device()}/trigger_fs_error`;
  if (!existsSync(trigger)) {
    umount(at);
    return null;
  }
  return {
    device: device(),
    fail: () => writeFileSync(trigger, '1'),
    unmount: () => void umount(at),
    // 1 = errors were corrected
    repair: () => (spawnSync('e2fsck', ['-y', '-f', image]).status ?? 9) <= 1 && mountIt(),
  };
}

describe.skipIf(!mayMount)(
  'a disk that turns read-only while the server runs (needs root, loop devices and ext4)',
  () => {
    it('boxes are not acknowledged, the reason is told; repaired and started again, nothing acknowledged is lost', async (context) => {
      const data = join(dir, 'data');
      mkdirSync(data);
      const disk = failingDisk(data);
      if (!disk) return context.skip('no ext4 on a loop device here');
      let server: ChildServer | undefined;
      try {
        const box = addBox(data);
        server = await startChild({ LAMPPOST_DATA_DIR: data });
        const running = server;
        let died = '';
        running.process.once('exit', (code, signal) => (died = `${code} ${signal}\n${running.log().slice(-4000)}`));
        const client = await connect(running, box);
        const start = Math.floor(Date.now() / SECOND) * SECOND - 3600 * SECOND;
        const acknowledged: number[] = [];
        let made = 0;
        const send = (): Promise<void> => {
          const t = start + made++ * SECOND;
          return client
            .publishAsync(`boxes/${box.id}/json`, payload(t), { qos: 1 })
            .then(() => void acknowledged.push(t));
        };
        for (let i = 0; i < 50; i++) await send();
        disk.fail();
        const before = acknowledged.length;
        for (let i = 0; i < 20; i++) send().catch(() => undefined);
        await until(async () => {
          expect(died).toBe('');
          return (await ready(running)).status === 503 && /read-only/i.test(running.log());
        });
        expect((await ready(running)).body).toMatch(/read-only/i);
        expect(acknowledged.length).toBe(before);
        client.end(true);
        await running.kill();
        server = undefined;
        disk.unmount();
        expect(disk.repair()).toBe(true);

        server = await startChild({ LAMPPOST_DATA_DIR: data });
        const again = await connect(server, box);
        const t = start + made++ * SECOND;
        await again.publishAsync(`boxes/${box.id}/json`, payload(t), { qos: 1 });
        acknowledged.push(t);
        await again.endAsync();
        const repaired = server;
        await until(async () => (await ready(repaired)).status === 200);
        expect(await server.stop(), server.log()).toBe(0);
        server = undefined;
        const stored = await storedTimes(data, box.num);
        expect(new Set(stored).size).toBe(stored.length);
        for (const time of acknowledged) expect(stored).toContain(time);
      } finally {
        await server?.kill();
        disk.unmount();
      }
    });
  },
);

describe('the clock of the machine', () => {
  it('jumps ahead and back: everything acknowledged is stored, once, and the server stays ready', async () => {
    const skewFile = join(dir, 'skew');
    const seen = (): string => (existsSync(`${skewFile}.seen`) ? readFileSync(`${skewFile}.seen`, 'utf8') : '');
    writeFileSync(skewFile, '0');
    const preload = new URL('./skewed-clock.mjs', import.meta.url).href;
    const data = join(dir, 'data');
    const box = addBox(data);
    const server = await startChild({
      LAMPPOST_DATA_DIR: data,
      LAMPPOST_LOG_LEVEL: 'error',
      CLOCK_SKEW_FILE: skewFile,
      NODE_OPTIONS: `--import=${preload}`,
    });
    try {
      const client = await connect(server, box);
      const start = Date.now() - 4 * DAY;
      const sent: number[] = [];
      for (const skew of [1, 2 * DAY, -3 * DAY, 400 * DAY, -2]) {
        writeFileSync(skewFile, String(skew));
        // A reading each until the server goes by that clock, and some more.
        for (let after = 0; after < 20; after += seen() === String(skew) ? 1 : 0) {
          const t = start + sent.length * SECOND;
          await client.publishAsync(`boxes/${box.id}/json`, payload(t), { qos: 1 });
          sent.push(t);
        }
      }
      // A reading without a time of its own gets that of the server, which is right again.
      await client.publishAsync(`boxes/${box.id}/json`, '{"pm25":31}', { qos: 1 });
      await until(async () => (await ready(server)).status === 200);
      await client.endAsync();
      expect(await server.stop(), server.log()).toBe(0);
      const stored = await storedTimes(data, box.num);
      expect(stored.slice(0, -1)).toEqual(sent);
      expect(Math.abs((stored.at(-1) ?? 0) - Date.now())).toBeLessThan(60_000);
    } finally {
      await server.kill();
    }
  });
});

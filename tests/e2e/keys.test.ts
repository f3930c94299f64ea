/** A key that has ended ends at once, also for a box that is connected. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand, startChild, type ChildServer } from './server.ts';

const folder = mkdtempSync(join(tmpdir(), 'lamppost-keys-'));
let server: ChildServer;
beforeAll(async () => {
  server = await startChild({ LAMPPOST_DATA_DIR: folder });
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Box {
  readonly id: string;
  readonly key: string;
  readonly ownerToken: string;
}
const call = (method: string, path: string, token = '', body?: unknown): Promise<Response> =>
  fetch(`http://127.0.0.1:${server.http}/api/v1/${path}`, {
    method,
    headers: {
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const connect = (id: string, key: string) =>
  mqtt.connectAsync(`mqtt://127.0.0.1:${server.mqtt}`, { username: id, password: key, reconnectPeriod: 0 }, false);

it.each([
  ['a new key', 'POST', 'key', undefined],
  ['pausing', 'PUT', 'paused', { paused: true }],
  ['retiring', 'DELETE', '', undefined],
  ['forgetting', 'DELETE', 'personal', undefined],
] as const)('%s closes the connection and refuses the former key', async (_what, method, path, body) => {
  const box = (await (await call('POST', 'boxes', '', { name: 'x', lat: 25, lon: 121.5 })).json()) as Box;
  const other = (await (await call('POST', 'boxes', '', { name: 'y' })).json()) as Box;
  const [mine, theirs] = await Promise.all([connect(box.id, box.key), connect(other.id, other.key)]);
  const closed = new Promise<void>((done) => void mine.once('close', () => done()));
  const answer = await call(method, `boxes/${box.id}${path === '' ? '' : `/${path}`}`, box.ownerToken, body);
  expect(answer.ok).toBe(true);
  await closed;
  await expect(connect(box.id, box.key)).rejects.toThrow();
  if (path === 'key') {
    const { key } = (await answer.json()) as { key: string };
    await (await connect(box.id, key)).endAsync();
  }
  expect(theirs.connected).toBe(true);
  await theirs.publishAsync(`boxes/${other.id}/json`, '{"pm25":5}', { qos: 1 });
  await theirs.endAsync();
});

it.each(['rotate-key', 'retire', 'forget'])('so does the operator, by lamppost box %s', async (action) => {
  const box = (await (await call('POST', 'boxes', '', { name: 'z', lat: 25, lon: 121.5 })).json()) as Box;
  const mine = await connect(box.id, box.key);
  const closed = new Promise<void>((done) => void mine.once('close', () => done()));
  const { code, err } = await runCommand(['box', action, box.id], { LAMPPOST_DATA_DIR: folder });
  expect([code, err]).toEqual([0, '']);
  await closed;
  await expect(connect(box.id, box.key)).rejects.toThrow();
});

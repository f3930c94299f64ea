import { describe, expect, test } from 'vitest';
import type { MqttClient } from 'mqtt';
import { ACCEPTED, connectBytes, publishBytes, rig, until } from './harness.ts';
import type { Rig } from './harness.ts';

/** Somebody with an admin token who notes all status messages. */
async function observer(r: Rig): Promise<{ got: string[]; client: MqttClient }> {
  const client = await r.client({ username: 'token', password: 'the-admin-token' });
  const got: string[] = [];
  client.on('message', (topic, payload, packet) =>
    got.push(`${topic.split('/')[1]} ${payload.toString()}${packet.retain ? ' retained' : ''}`),
  );
  await client.subscribeAsync('boxes/+/status', { qos: 1 });
  return { got, client };
}

describe.each([0, 1, 2] as const)('status and wills, QoS %i', (qos) => {
  test('online is retained; a connection that breaks publishes the will, a clean DISCONNECT does not', async () => {
    const told: string[] = [];
    const r = await rig({ adminToken: 'the-admin-token', onStatus: (box, status) => told.push(`${box} ${status}`) });
    const { id, key } = r.box();
    const { got } = await observer(r);
    const will = { topic: `boxes/${id}/status`, payload: Buffer.from('offline'), qos, retain: true };
    const box = await r.client({ username: id, password: key, clientId: 'esp', will });
    await box.publishAsync(`boxes/${id}/status`, 'online', { qos, retain: true });
    await until(() => got.length === 1);
    const late = await observer(r);
    await until(() => late.got.length === 1);
    expect(late.got).toEqual([`${id} online retained`]);
    box.stream.destroy();
    await until(() => got.length === 2);
    expect(got).toEqual([`${id} online`, `${id} offline`]);
    expect(told).toEqual([`${id} online`, `${id} offline`]);
    const afterwards = await observer(r);
    await until(() => afterwards.got.length === 1);
    expect(afterwards.got).toEqual([`${id} offline retained`]);

    const again = await r.client({ username: id, password: key, clientId: 'esp', will });
    await again.publishAsync(`boxes/${id}/status`, 'online', { qos, retain: true });
    await again.endAsync();
    await until(() => r.broker.stats().connections === 3);
    // an empty payload clears what was retained
    const clear = await r.client({ username: id, password: key, clientId: 'esp' });
    await clear.publishAsync(`boxes/${id}/status`, '', { qos: 1, retain: true });
    expect(told.slice(2)).toEqual([`${id} online`, `${id} `]);
    const last = await observer(r);
    const other = r.box();
    const second = await r.client({ username: other.id, password: other.key });
    await second.publishAsync(`boxes/${other.id}/status`, 'online', { qos: 1 });
    await until(() => last.got.length === 1);
    expect(last.got).toEqual([`${other.id} online`]);
    expect(r.accepted).toEqual([]);
  });
});

describe('wills', () => {
  test.each([
    ['on another box', (_: string, other: string) => `boxes/${other}/status`],
    ['on $SYS', () => '$SYS/x'],
    ['on a topic that is not open', () => 'home/kitchen'],
    ['on a filter', () => 'LASS/#'],
    ['on SensorThings', () => 'v1.1/Things'],
    ['on nothing', () => ''],
  ])('%s: return code 5 at CONNECT', async (_, topic) => {
    const r = await rig();
    const self = r.box();
    const raw = await r.raw();
    raw.write(
      connectBytes({
        user: self.id,
        password: self.key,
        will: { topic: topic(self.id, r.box().id), payload: 'x', retain: true },
      }),
    );
    expect(await raw.closed()).toEqual(Buffer.from([0x20, 2, 0, 5]));
    expect(r.broker.stats().refused).toEqual({ 'will-not-allowed': 1 });
  });

  test('on an open topic it is a reading like any other, and not retained', async () => {
    const r = await rig();
    const raw = await r.raw();
    await raw.login({ clientId: 'FT1', will: { topic: 'LASS/Test', payload: 'gone', qos: 1, retain: true } });
    raw.socket.destroy();
    await until(() => r.accepted.length === 1);
    expect(r.accepted[0]).toMatchObject({ topic: 'LASS/Test', client: 'FT1', sender: '' });
    const reader = await r.client();
    const got: string[] = [];
    reader.on('message', (topic) => got.push(topic));
    await reader.subscribeAsync('LASS/#');
    await reader.publishAsync('LASS/x', '1', { qos: 1 });
    await until(() => got.length === 1);
    expect(got).toEqual(['LASS/x']);
  });

  test('fires when the keep-alive ran out', async () => {
    let now = 0;
    const told: string[] = [];
    const r = await rig({ clock: () => now, onStatus: (_, status) => told.push(status) });
    const { id, key } = r.box();
    const raw = await r.raw();
    await raw.login({
      user: id,
      password: key,
      keepAlive: 10,
      will: { topic: `boxes/${id}/status`, payload: 'offline' },
    });
    now = 15_001;
    await raw.closed();
    await until(() => told.length === 1);
    expect(told).toEqual(['offline']);
  });
});

test('a status of more than 256 bytes is refused', async () => {
  const r = await rig();
  const { id, key } = r.box();
  const raw = await r.raw();
  raw.write(connectBytes({ user: id, password: key }), publishBytes(`boxes/${id}/status`, 'x'.repeat(257), 1, 1));
  expect(await raw.closed()).toEqual(ACCEPTED);
  expect(r.broker.stats().refused).toEqual({ 'status-too-long': 1 });
});

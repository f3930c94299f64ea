/** The bridge against a real broker: acknowledged there only when it is on disk here. */
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { Aedes } from 'aedes';
import mqtt from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mqttBridge } from '../../ingest/feeds/mqtt-bridge.ts';
import type { Feed } from '../../ingest/feeds/feed.ts';
import { keeper, steps } from './servers.ts';

const NOW = Date.UTC(2026, 2, 2, 4, 30);
let broker: Aedes;
let server: Server;
let port: number;
let acks: number[];
let bridge: Feed | null;
const journal = keeper();
let step: ReturnType<typeof steps>;

async function listen(at = 0): Promise<void> {
  broker = await Aedes.createBroker();
  acks = [];
  broker.on('ack', (packet, client) => {
    if (client?.id === 'bridge-1') acks.push((packet as { messageId?: number } | undefined)?.messageId ?? 0);
  });
  server = createServer(broker.handle);
  await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
}
async function close(): Promise<void> {
  await new Promise<void>((resolve) => broker.close(() => resolve()));
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
function start(topics = ['LASS/#']): Feed {
  bridge = mqttBridge(
    { name: 'lass', url: `mqtt://127.0.0.1:${port}`, topics, clientId: 'bridge-1' },
    { accept: (p) => journal.accept(p), clock: () => NOW, pause: step.pause },
  );
  bridge.start();
  return bridge;
}
async function publish(topic: string, payload: string, options: { qos?: 0 | 1; retain?: boolean } = {}): Promise<void> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`);
  await client.publishAsync(topic, payload, { qos: options.qos ?? 1, retain: options.retain ?? false });
  await client.endAsync();
}
const subscribed = (feed: Feed): Promise<void> => expect.poll(() => feed.health().problem).toBe('');

beforeEach(async () => {
  journal.packets.length = 0;
  journal.refuse = '';
  step = steps();
  await listen();
});
afterEach(async () => {
  await bridge?.stop();
  bridge = null;
  await close();
});

describe('the MQTT bridge', () => {
  it('keeps messages under their own topic', async () => {
    const feed = start();
    await subscribed(feed);
    await publish('LASS/Test/PM25', '|app=PM25|s_d0=1');
    await publish('LASS/Test/PM25', '|app=PM25|s_d0=2', { qos: 0 });
    await expect.poll(() => journal.texts()).toEqual(['|app=PM25|s_d0=1', '|app=PM25|s_d0=2']);
    expect(journal.packets[0]).toMatchObject({
      via: 'feed',
      topic: 'LASS/Test/PM25',
      sender: '',
      client: 'feed:lass',
      receivedAt: NOW,
    });
    expect(journal.packets[0]?.packetId).toBeGreaterThan(0);
    expect(journal.packets[1]?.packetId).toBe(0);
    expect(feed.health()).toMatchObject({ ok: true, packets: 2, lastSuccess: NOW });
  });

  it('acknowledges only what is on disk, and keeps trying', async () => {
    const feed = start();
    await subscribed(feed);
    journal.refuse = 'disk full';
    await publish('LASS/Test/PM25', 'first');
    await step.next(); // stands at the pause after the refusal
    expect(feed.health()).toMatchObject({ ok: false, packets: 0 });
    expect(feed.health().problem).toContain('disk full');
    expect(acks).toEqual([]);
    journal.refuse = '';
    step.go();
    await expect.poll(() => acks).toHaveLength(1);
    expect(journal.texts()).toEqual(['first']);
    expect(feed.health().ok).toBe(true);
  });

  it('acknowledges in the order of the messages, though they share the way to the disk', async () => {
    const going: (() => void)[] = [];
    bridge = mqttBridge(
      { name: 'lass', url: `mqtt://127.0.0.1:${port}`, topics: ['LASS/#'], clientId: 'bridge-1' },
      { accept: () => new Promise<void>((resolve) => going.push(resolve)), clock: () => NOW, pause: step.pause },
    );
    bridge.start();
    await subscribed(bridge);
    for (const text of ['1', '2', '3']) await publish('LASS/Test/PM25', text);
    // All three are on their way before any is on disk.
    await expect.poll(() => going).toHaveLength(3);
    expect(acks).toEqual([]);
    going[2]?.();
    going[1]?.();
    await publish('boxes/abcdefgh/json', 'not ours');
    expect(acks).toEqual([]);
    going[0]?.();
    await expect.poll(() => acks).toHaveLength(3);
    expect(acks).toEqual([...acks].sort((a, b) => a - b));
  });

  it('what was not acknowledged comes again after a restart of the bridge', async () => {
    const feed = start();
    await subscribed(feed);
    journal.refuse = 'disk full';
    await publish('LASS/Test/PM25', 'first');
    await step.next();
    await feed.stop();
    expect(acks).toEqual([]);
    journal.refuse = '';
    step = steps();
    await subscribed(start());
    await expect.poll(() => journal.texts()).toEqual(['first']);
    await expect.poll(() => acks).toHaveLength(1);
  });

  it('leaves out retained replays and the topics of our own boxes', async () => {
    await publish('kitchen/sensor/pm_2_5/state', '12', { retain: true });
    const feed = start(['#']);
    await subscribed(feed);
    await publish('boxes/abcdefgh/json', '{"pm25":999}');
    await publish('v1.1/Datastreams(1)/Observations', '{"result":999}');
    await publish('feeds/moenv', '[]');
    await publish('kitchen/sensor/pm_2_5/state', '13');
    await expect.poll(() => journal.texts()).toEqual(['13']);
    expect(feed.health().skipped).toBe(4);
  });

  it('comes back by itself when the other broker was away', async () => {
    const feed = start();
    await subscribed(feed);
    const at = port;
    await close();
    expect(await step.next()).toBeGreaterThan(0);
    expect(feed.health()).toMatchObject({ ok: false, failures: 1 });
    await listen(at);
    step.go();
    await subscribed(feed);
    expect(feed.health().failures).toBe(0);
    await publish('LASS/Test/PM25', 'back');
    await expect.poll(() => journal.texts()).toEqual(['back']);
  });
});

/**
 * Another MQTT broker, subscribed: each message goes into the journal under its own topic, and a QoS 1 message is
 * acknowledged there only after it is on disk here. mqtt.js sends PUBACK when `handleMessage` calls back without an error and
 * reads on only then, which would cost one fsync a message; called back with an error it reads on and sends nothing, so that
 * many messages share an fsync and the PUBACKs are written here, in the order of the messages [MQTT-4.6.0-2].
 *
 * Retained messages are left out: they are replays that look fresh. Topics of our own boxes and feeds are never taken from
 * outside: another broker cannot vouch for them.
 */
import mqtt, { type IPublishPacket, type MqttClient } from 'mqtt';
import { generate } from 'mqtt-packet';
import { SECOND, type EpochMs } from '../../model/time.ts';
import { backoffMs, pause, wordsOf, type Feed, type FeedParts } from './feed.ts';

/** Messages on their way to disk; past it the socket is not read on. */
const MAX_IN_FLIGHT = 2000;
/** Tells mqtt.js to read on without PUBACK. */
const NOT_YET = new Error('acknowledged when it is on disk');
const OURS = /^(?:boxes|feeds|v1\.1|\$)/;

export interface BridgeOptions {
  readonly name: string;
  /** `mqtt://host:port`, `mqtts://…`, `ws://…` */
  readonly url: string;
  readonly topics: readonly string[];
  readonly username?: string;
  readonly password?: string;
  /** Must differ between instances, or they kick each other off for ever. */
  readonly clientId: string;
  /** Levels in front of the native topic that are taken off, e.g. `bridge/`. */
  readonly prefix?: string;
}

export function mqttBridge(options: BridgeOptions, parts: FeedParts): Feed {
  const wait = parts.pause ?? pause;
  const abort = new AbortController();
  let client: MqttClient | null = null;
  let problem = 'not connected yet';
  let lastSuccess: EpochMs | null = null;
  let failures = 0;
  let packets = 0;
  let skipped = 0;
  let inFlight = 0;
  /** Resolves when the newest message so far is acknowledged. */
  let acknowledged: Promise<void> = Promise.resolve();
  /** Called when room is free again. */
  let resume: (() => void) | null = null;

  const nativeTopic = (topic: string): string =>
    options.prefix && topic.startsWith(options.prefix) ? topic.slice(options.prefix.length) : topic;

  /** Until it is on disk or the feed stops. @returns whether it is on disk */
  async function keep(packet: IPublishPacket): Promise<boolean> {
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const kept = {
      receivedAt: parts.clock(),
      via: 'feed' as const,
      topic: nativeTopic(packet.topic),
      sender: '',
      client: `feed:${options.name}`,
      packetId: packet.qos === 0 ? 0 : (packet.messageId ?? 0),
      payload,
    };
    for (let failed = 1; !abort.signal.aborted; failed++) {
      try {
        await parts.accept(kept);
        packets++;
        lastSuccess = parts.clock();
        if (client?.connected) problem = '';
        return true;
      } catch (error) {
        problem = `the journal does not take messages: ${wordsOf(error)}`;
        await wait(Math.min(backoffMs(options.name, failed, null), 30 * SECOND), abort.signal);
      }
    }
    return false;
  }

  /** Counts it as on its way until it is on disk, then lets the socket be read on. */
  async function keepCounted(packet: IPublishPacket): Promise<boolean> {
    inFlight++;
    const onDisk = await keep(packet);
    inFlight--;
    const go = resume;
    resume = null;
    go?.();
    return onDisk;
  }

  /** Acknowledges on the connection it came by, after those before it; on another one the packet id means another message. */
  async function acknowledge(packet: IPublishPacket, onDisk: Promise<boolean>, before: Promise<void>): Promise<void> {
    const stream = client?.stream;
    const [kept] = await Promise.all([onDisk, before]);
    if (!kept || !stream || stream.destroyed || client?.stream !== stream) return;
    stream.write(generate({ cmd: 'puback', messageId: packet.messageId ?? 0 }));
  }

  async function reconnectAfter(ms: number, c: MqttClient): Promise<void> {
    await wait(ms, abort.signal);
    if (!abort.signal.aborted) c.reconnect();
  }

  function handleMessage(packet: IPublishPacket, done: (error?: Error) => void): void {
    if (packet.retain || OURS.test(nativeTopic(packet.topic))) {
      skipped++;
      if (packet.qos > 0) acknowledged = acknowledge(packet, Promise.resolve(true), acknowledged);
      done(packet.qos > 0 ? NOT_YET : undefined);
      return;
    }
    const onDisk = keepCounted(packet);
    if (packet.qos > 0) acknowledged = acknowledge(packet, onDisk, acknowledged);
    const readOn = (): void => (packet.qos > 0 ? done(NOT_YET) : done());
    if (inFlight < MAX_IN_FLIGHT) readOn();
    else resume = readOn;
  }

  function connect(): void {
    const c = mqtt.connect(options.url, {
      clientId: options.clientId,
      // Messages that came while we were away are kept for us there.
      clean: false,
      protocolVersion: 4,
      reconnectPeriod: 0,
      connectTimeout: 20 * SECOND,
      keepalive: 60,
      ...(options.username === undefined ? {} : { username: options.username }),
      ...(options.password === undefined ? {} : { password: options.password }),
    });
    client = c;
    c.handleMessage = handleMessage;
    c.on('connect', () => {
      c.subscribe([...options.topics], { qos: 1 }, (error, granted) => {
        const refused = granted?.filter((g) => g.qos === (128 as number)).map((g) => g.topic) ?? [];
        if (error || refused.length > 0) {
          problem = error
            ? `the subscription failed: ${wordsOf(error)}`
            : `subscription refused: ${refused.join(', ')}`;
          return;
        }
        problem = '';
        failures = 0;
      });
    });
    c.on('error', (error) => {
      problem = wordsOf(error);
    });
    c.on('close', () => {
      if (abort.signal.aborted) return;
      failures++;
      if (problem === '') problem = 'the connection was closed by the other broker';
      void reconnectAfter(backoffMs(options.name, failures, null), c);
    });
  }

  return {
    name: options.name,
    start() {
      if (!client) connect();
    },
    async stop() {
      abort.abort();
      const c = client;
      client = null;
      if (c) await c.endAsync(true);
    },
    health: () => ({
      name: options.name,
      kind: 'mqtt',
      ok: problem === '',
      problem,
      lastSuccess,
      failures,
      packets,
      unchanged: 0,
      skipped,
    }),
  };
}

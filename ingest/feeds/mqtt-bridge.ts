/**
 * Another MQTT broker, subscribed: each message goes into the journal under its own topic, and a QoS 1 message is
 * acknowledged there only after it is on disk here (mqtt.js calls `handleMessage` before it sends PUBACK).
 *
 * Retained messages are left out: they are replays that look fresh. Topics of our own boxes and feeds are never taken from
 * outside: another broker cannot vouch for them.
 */
import mqtt, { type IPublishPacket, type MqttClient } from 'mqtt';
import { SECOND, type EpochMs } from '../../model/time.ts';
import { backoffMs, pause, wordsOf, type Feed, type FeedParts } from './feed.ts';

/** Unacknowledged QoS 0 messages on their way to disk; past it the socket is not read on. */
const MAX_IN_FLIGHT = 2000;
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

  async function keepUnacknowledged(packet: IPublishPacket): Promise<void> {
    inFlight++;
    await keep(packet);
    inFlight--;
    const go = resume;
    resume = null;
    go?.();
  }

  // Not calling `done` leaves the message unacknowledged: the other broker sends it again after the next connect.
  async function keepThenAcknowledge(packet: IPublishPacket, done: () => void): Promise<void> {
    if (await keep(packet)) done();
  }

  async function reconnectAfter(ms: number, c: MqttClient): Promise<void> {
    await wait(ms, abort.signal);
    if (!abort.signal.aborted) c.reconnect();
  }

  function handleMessage(packet: IPublishPacket, done: (error?: Error) => void): void {
    if (packet.retain || OURS.test(nativeTopic(packet.topic))) {
      skipped++;
      done();
      return;
    }
    if (packet.qos === 0) {
      void keepUnacknowledged(packet);
      if (inFlight < MAX_IN_FLIGHT) done();
      else resume = done;
      return;
    }
    void keepThenAcknowledge(packet, done);
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

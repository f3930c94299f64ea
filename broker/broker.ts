/**
 * The MQTT broker: boxes in, live topics out. It knows topics, credentials and packets, never what a payload means.
 *
 * What it promises (each has a test in `tests/broker/`; `docs/broker.md` tells it to operators):
 *  - a publish of readings is acknowledged (PUBACK, PUBREC) only after `accept` resolved for it;
 *  - who may not publish on a topic is disconnected, counted and logged, and nothing of it is kept;
 *  - limits work by not reading on, so what was sent is taken later and not dropped;
 *  - whatever bytes come, only the connection they came on is closed.
 */
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import type { Server as TlsServer } from 'node:tls';
import { Aedes } from 'aedes';
import type { Client, PublishPacket } from 'aedes';
import type { Packet } from '../model/packet.ts';
import { elapsed, type Clock } from '../model/time.ts';
import type { Registry } from '../registry/registry.ts';
import { identify, mayRead, ownedClientId, publishRight } from './access.ts';
import type { PublishRight, User } from './access.ts';
import { Connection, pendingSize } from './connection.ts';
import type { ConnectionHost, Transport } from './connection.ts';
import {
  AddressCount,
  DEFAULT_LIMITS,
  MAX_CLIENT_ID,
  MAX_STATUS_BYTES,
  MAX_TOPIC_BYTES,
  addressKey,
} from './limits.ts';
import type { Limits } from './limits.ts';
import { SILENT, limited } from './log.ts';
import type { Log } from './log.ts';
import { keepRetained } from './retained.ts';
import type { Persistence } from './retained.ts';
import { newStats } from './stats.ts';
import type { BrokerStats, Refusal } from './stats.ts';
import { parseOpenTopics } from './topic.ts';
import { webSockets } from './websocket.ts';

export interface BrokerOptions {
  readonly registry: Pick<Registry, 'authenticate' | 'principal'>;
  /**
   * Resolves when the packet is durable: the acknowledgement leaves then. Rejects = not now: the broker holds the packet, tries
   * again, and at last closes the connection so that the box sends again. The payload may share memory with other packets.
   */
  readonly accept: (packet: Packet) => Promise<void>;
  /** For receive times; one that is passed in goes for spans of time too. */
  readonly clock?: Clock;
  /** 0 = any free port. @default 1883 */
  readonly port?: number;
  /** @default all addresses */
  readonly host?: string;
  /** PEM files; looked at every `watchMs` and read again when they changed (renewed certificates). @default 30000 */
  readonly tls?: { readonly port: number; readonly cert: string; readonly key: string; readonly watchMs?: number };
  /** Filters on which anybody may publish and that anybody may read. @default [] */
  readonly openTopics?: readonly string[];
  /** Anybody may publish on SensorThings topics: a scratch instance. @default false */
  readonly sensorThingsForAll?: boolean;
  readonly limits?: Partial<Limits>;
  /** A token that is admin without being in the registry; '' = none. */
  readonly adminToken?: string;
  /** WebSocket clients are counted by the last X-Forwarded-For address. @default false */
  readonly trustProxy?: boolean;
  readonly log?: Log;
  /** `boxes/<id>/status` as the box, its will or a bridge published it. */
  readonly onStatus?: (box: string, status: string) => void;
  /** A SensorThings topic published by a writer's token; acknowledged when it resolves, refused when it rejects. */
  readonly onSensorThings?: (topic: string, payload: Uint8Array, user: User) => Promise<void>;
  /** The different SensorThings topics, and filters that may match some, which are subscribed from now on. */
  readonly onLiveTopics?: (topics: readonly string[]) => void;
  /** How often overdue connections are looked for [ms]. @default 1000 */
  readonly sweepMs?: number;
}

export interface Broker {
  readonly port: number;
  /** null = TLS is off */
  readonly tlsPort: number | null;
  /** For the HTTP server's `upgrade` event, for requests to `/mqtt`. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** A message of the server's own, such as a live observation. Costs nothing while nobody subscribes. */
  publish(topic: string, payload: string | Uint8Array, options?: { retain?: boolean; qos?: 0 | 1 }): void;
  /** Whether anybody subscribes to SensorThings topics at the moment. */
  hasLiveSubscribers(): boolean;
  /** Closes the connections of a box whose key has ended; what was not acknowledged it sends again, with its new key. */
  drop(boxId: string): void;
  /** A copy. */
  stats(): BrokerStats;
  /** Stops reading, waits (at most `graceMs`) until what was read is acknowledged, and closes everything. @default 5000 */
  close(graceMs?: number): Promise<void>;
}

/** What a SensorThings publish is forwarded as, once it was taken: nobody may subscribe there. */
const TAKEN = '$taken';

/** Live messages waiting in aedes' emitter past which further ones are left out. */
const MAX_LIVE_WAITING = 10_000;

const CLAIM = /^claim-[a-z2-7]{8}$/;

class Refused extends Error {}

/** @throws Error naming the port, file or topic filter that is wrong */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const clock = options.clock ?? Date.now;
  const span = options.clock ?? elapsed;
  const limits: Limits = { ...DEFAULT_LIMITS, ...options.limits };
  const log = options.log ?? SILENT;
  const warn = limited(log, 20, span);
  const openTopics = parseOpenTopics(options.openTopics ?? []);
  const open = { topics: openTopics, sensorThings: options.sensorThingsForAll ?? false };
  const adminToken = options.adminToken ?? '';
  const stats = newStats();
  const connections = new Set<Connection>();
  const addresses = new AddressCount(limits.maxConnectionsPerAddress);
  let openReaders = 0;
  let sensorThingsReaders = 0;
  /** SensorThings topics, and how many connections subscribe to each. */
  const liveTopics = new Map<string, number>();
  const topicsOf = new WeakMap<Connection, Set<string>>();
  let areTopicsTold = true;
  let nextNumber = 1;
  let closing = false;
  let deliverySecond = 0;
  let deliveries = 0;

  const count = (reason: Refusal): void => {
    stats.refused[reason] = (stats.refused[reason] ?? 0) + 1;
  };
  const whoIs = (c: Connection): object => ({
    address: c.address,
    user: c.user.kind === 'box' ? c.user.id : c.user.kind === 'token' ? `token ${c.user.name}` : '',
    client: c.clientId,
  });

  // --- what waits: acknowledgements of this turn, and sockets that wait for memory

  let dirty: Connection[] = [];
  const waiting = new Set<Connection>();
  let isScheduled = false;
  function schedule(): void {
    if (!isScheduled) setImmediate(flushAll);
    isScheduled = true;
  }
  function flushAll(): void {
    isScheduled = false;
    const now = dirty;
    dirty = [];
    for (const c of now) c.flush();
    if (waiting.size > 0 && stats.pendingBytes < limits.maxPendingBytes / 2) {
      const all = [...waiting];
      waiting.clear();
      for (const c of all) c.memoryFreed();
    }
  }

  const host: ConnectionHost = {
    limits,
    stats,
    clock,
    elapsed: span,
    accept: options.accept,
    publishRight: (c, topic) => publishRight(c.user, topic, open),
    refuse(c, reason, detail) {
      count(reason);
      warn({ ...whoIs(c), reason, ...(detail === undefined ? {} : { detail }) }, 'refused');
    },
    forward(topic, payload, qos) {
      if (openReaders > 0) emit(topic, payload, qos, false);
    },
    flushSoon(c) {
      schedule();
      if (dirty.at(-1) !== c) dirty.push(c);
    },
    waitForMemory: (c) => void waiting.add(c),
  };

  // --- aedes: CONNECT, subscriptions, wills, status, QoS 2

  const aedes = await Aedes.createBroker({
    concurrency: 100,
    connectTimeout: limits.authenticateMs + 60_000, // ours comes first
    drainTimeout: 20_000,
    // Prefixed ids are longer than what 3.1 allows; ours is the limit.
    maxClientsIdLength: 1_000_000,
    preConnect(client, packet, done) {
      const c = client.conn as Connection;
      const deny = (code: number, reason: Refusal, detail?: string): void => {
        c.sayRefused(code);
        host.refuse(c, reason, detail);
        done(new Refused(reason), false);
      };
      const { clientId } = packet;
      c.clientId = clientId;
      if (closing) return deny(3, 'too-many-connections', 'the broker is closing');
      if (clientId.length > MAX_CLIENT_ID) {
        c.clientId = clientId.slice(0, MAX_CLIENT_ID);
        return deny(2, 'client-id', `longer than ${MAX_CLIENT_ID}`);
      }
      // [MQTT-3.1.3-8]; 3.1 has no empty ids at all
      if (clientId === '' && (!packet.clean || packet.protocolVersion === 3))
        return deny(2, 'client-id', 'empty without clean session');
      let user: User | null;
      try {
        user = identify({ username: packet.username, password: packet.password }, options.registry, adminToken);
      } catch (error) {
        log.error({ error: (error as Error).message }, 'the registry could not be asked');
        return deny(3, 'credentials', 'registry');
      }
      if (!user) return deny(4, 'credentials', packet.username);
      c.user = user;
      // Much firmware lets its owner set a user name and nothing else: there a claim code is put (registry/claims.ts).
      if (user.kind === 'anonymous' && CLAIM.test(packet.username ?? '')) c.clientId = `${packet.username} ${clientId}`;
      if (packet.will) {
        const problem = willProblem(user, packet.will.topic, packet.will.payload.length);
        if (problem) return deny(5, 'will-not-allowed', problem);
      }
      c.keepAliveMs = (packet.keepalive ?? 0) * 1000;
      // Ours is the keep-alive: aedes does not see the publishes that prove the client alive.
      packet.keepalive = 0;
      // No sessions are kept: a subscriber that was away reads the gap over HTTP, and strangers cannot fill our memory.
      packet.clean = true;
      packet.clientId = ownedClientId(user, clientId, c.number);
      done(null, true);
    },
    authorizePublish(client, packet, done) {
      authorize(client, packet).then(
        () => setImmediate(done, null),
        (error: Error) => setImmediate(done, error),
      );
    },
    authorizeSubscribe(client, subscription, done) {
      const c = client.conn as Connection;
      const { topic } = subscription;
      const allowed = c.subscriptions < limits.maxSubscriptions && topic.length <= MAX_TOPIC_BYTES;
      if (!allowed || !mayRead(c.user, topic, openTopics)) {
        host.refuse(c, 'subscribe', topic.slice(0, MAX_TOPIC_BYTES));
        done(null, null); // SUBACK 0x80
        return;
      }
      c.subscriptions++;
      const sensorThings = topic.startsWith('v1.1') || /^[#+]/.test(topic);
      if (sensorThings) watchTopic(c, topic);
      if (sensorThings && !c.readsSensorThings) {
        c.readsSensorThings = true;
        sensorThingsReaders++;
      }
      if (!topic.startsWith('v1.1') && !c.readsOpen) {
        c.readsOpen = true;
        openReaders++;
      }
      done(null, subscription);
    },
    authorizeForward(client, packet) {
      const c = client.conn as Connection;
      if (!mayRead(c.user, packet.topic, openTopics)) return null;
      deliveries++;
      if (c.lagBytes > limits.maxLagBytes) {
        stats.liveDropped++;
        if (packet.qos === 0) return null;
        // QoS 1 may not be left out: who asked for it and does not read is let go.
        host.refuse(c, 'slow-subscriber');
        c.destroy();
        return null;
      }
      return packet;
    },
  });
  const persistence = keepRetained((aedes as unknown as { persistence: Persistence }).persistence);
  aedes.on('unsubscribe', (topics, client) => {
    for (const topic of topics) forgetTopic(client.conn as Connection, topic);
  });
  aedes.on('clientReady', (client) => (client.conn as Connection).ready());
  aedes.on('clientError', (client, error) => closedBy(client, error));
  aedes.on('connectionError', (client, error) => closedBy(client, error));
  (aedes as unknown as NodeJS.EventEmitter).on('error', (error: Error) => log.error({ error: error.message }, 'aedes'));

  function closedBy(client: Client, error: Error): void {
    const c = client.conn as Connection;
    if (error instanceof Refused || !c.address) return;
    // Broken packets end here; a socket that went away does too, and is nobody's fault.
    if (c.isReady || /parse|packet|invalid|must|protocol|short|flag/i.test(error.message)) {
      count('malformed');
      warn({ ...whoIs(c), reason: 'malformed', detail: error.message }, 'closed');
    }
  }

  /** A burst of subscriptions is told once. */
  function tellTopics(): void {
    if (!areTopicsTold || !options.onLiveTopics) return;
    areTopicsTold = false;
    setImmediate(() => {
      areTopicsTold = true;
      if (!closing) options.onLiveTopics?.([...liveTopics.keys()]);
    });
  }
  function watchTopic(c: Connection, topic: string): void {
    let own = topicsOf.get(c);
    if (!own) topicsOf.set(c, (own = new Set()));
    if (own.has(topic)) return;
    own.add(topic);
    const others = liveTopics.get(topic) ?? 0;
    liveTopics.set(topic, others + 1);
    if (others === 0) tellTopics();
  }
  function forgetTopic(c: Connection, topic: string): void {
    if (!topicsOf.get(c)?.delete(topic)) return;
    const left = (liveTopics.get(topic) ?? 1) - 1;
    if (left > 0) liveTopics.set(topic, left);
    else {
      liveTopics.delete(topic);
      tellTopics();
    }
  }

  function willProblem(user: User, topic: string, bytes: number): string {
    if (topic.length === 0 || topic.length > MAX_TOPIC_BYTES || /[#+\0]/.test(topic)) return 'no topic name';
    const right = publishRight(user, topic, open);
    if (right.kind === 'refused') return `${topic}: ${right.reason}`;
    if (right.kind === 'sensorthings') return `${topic}: no wills on SensorThings topics`;
    return right.kind === 'status' && bytes > MAX_STATUS_BYTES ? 'status too long' : '';
  }

  /** For what aedes handles. Fires for wills too, whose connection is gone, and again for every QoS 2 publish sent again. */
  async function authorize(client: Client | null, packet: PublishPacket): Promise<void> {
    const c = client?.conn as Connection | undefined;
    if (!client || !c) throw new Refused('a publish of nobody');
    // It is we who go: wills would tell of boxes that are fine, and what is not acknowledged is sent again.
    if (closing) throw new Refused('closing');
    const topic = packet.topic;
    const payload = Buffer.isBuffer(packet.payload) ? packet.payload : Buffer.from(packet.payload);
    const right: PublishRight = publishRight(c.user, topic, open);
    const refuse = (reason: Refusal): never => {
      host.refuse(c, reason, topic.slice(0, MAX_TOPIC_BYTES));
      throw new Refused(reason);
    };
    switch (right.kind) {
      case 'refused':
        return refuse(right.reason);
      case 'status':
        if (payload.length > MAX_STATUS_BYTES) return refuse('status-too-long');
        packet.retain = true;
        try {
          options.onStatus?.(right.box, payload.toString('utf8'));
        } catch (error) {
          log.error({ error: (error as Error).message, box: right.box }, 'a status was not noted');
        }
        return undefined;
      case 'sensorthings': {
        packet.retain = false;
        if (!options.onSensorThings) return refuse('sensorthings-refused');
        if (packet.qos === 2 && (await isRepeated(client, packet))) return undefined;
        // Subscribers hear of the entity that it became, not of these bytes.
        packet.topic = TAKEN;
        try {
          await options.onSensorThings(topic, payload, c.user);
        } catch (error) {
          log.debug({ error: (error as Error).message, topic }, 'SensorThings publish refused');
          return refuse('sensorthings-refused');
        }
        return undefined;
      }
      default: {
        // Readings are events; a retained one would greet every new subscriber as if it were fresh.
        packet.retain = false;
        const id = packet.messageId ?? 0;
        if (packet.qos === 2 && (await isRepeated(client, packet))) return undefined;
        await held(c.packetOf(topic, right.sender, id, payload));
        stats.accepted++;
        return undefined;
      }
    }
  }

  /** Whether this QoS 2 publish is in the journal already and only waits for its PUBREL [MQTT-4.3.3-2]. */
  const isRepeated = (client: Client, packet: PublishPacket): Promise<boolean> =>
    persistence.incomingGetPacket(client, packet).then(
      () => true,
      () => false,
    );

  /** `accept`, tried again for as long as a packet may be held. */
  async function held(packet: Packet): Promise<void> {
    const since = span();
    stats.pendingBytes += pendingSize(packet);
    try {
      for (;;) {
        try {
          await options.accept(packet);
          return;
        } catch (error) {
          stats.held++;
          if (closing || span() - since >= limits.holdMs) {
            count('journal-refuses');
            throw new Refused('journal-refuses', { cause: error });
          }
          await new Promise((resolve) => setTimeout(resolve, limits.retryMs));
        }
      }
    } finally {
      stats.pendingBytes -= pendingSize(packet);
      if (waiting.size > 0) schedule();
    }
  }

  /** Whether this second's deliveries are used up. */
  function isOverDelivered(): boolean {
    const second = Math.floor(span() / 1000);
    if (second !== deliverySecond) {
      deliverySecond = second;
      deliveries = 0;
    }
    return deliveries >= limits.maxDeliveriesPerSecond;
  }

  function emit(topic: string, payload: string | Uint8Array, qos: 0 | 1, retain: boolean): void {
    const emitter = (aedes as unknown as { mq: { length: number } }).mq;
    if (!retain && (emitter.length > MAX_LIVE_WAITING || isOverDelivered())) {
      stats.liveDropped++;
      return;
    }
    const bytes =
      typeof payload === 'string' ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    aedes.publish({ cmd: 'publish', topic, payload: bytes, qos, retain, dup: false }, (error) => {
      if (error) log.debug({ error: error.message, topic }, 'live message not sent');
    });
  }

  // --- connections

  /** The key to give back, or null when there is no room for another connection from that address. */
  function admit(address: string | undefined): string | null {
    const key = addressKey(address);
    const reason: Refusal | null =
      stats.connections >= limits.maxConnections
        ? 'too-many-connections'
        : addresses.enter(key)
          ? null
          : 'too-many-from-address';
    if (reason) {
      count(reason);
      warn({ address, reason }, 'refused');
      return null;
    }
    stats.connections++;
    stats.connectionsTotal++;
    return key;
  }

  function leave(key: string): void {
    stats.connections--;
    addresses.leave(key);
  }

  function attach(transport: Transport, address: string, request?: IncomingMessage): void {
    const c = new Connection(host, transport, nextNumber++, address);
    connections.add(c);
    c.once('close', () => {
      connections.delete(c);
      waiting.delete(c);
      if (c.readsOpen) openReaders--;
      if (c.readsSensorThings) sensorThingsReaders--;
      for (const topic of topicsOf.get(c) ?? []) forgetTopic(c, topic);
    });
    aedes.handle(c, request);
  }

  function onSocket(socket: Socket, isEncrypted: boolean): void {
    const key = closing ? null : admit(socket.remoteAddress);
    if (key === null) {
      socket.destroy();
      return;
    }
    socket.once('close', () => leave(key));
    if (!isEncrypted) attach(socket, socket.remoteAddress ?? '');
  }

  const plain: Server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) =>
    onSocket(socket, false),
  );
  await listening(plain, options.port ?? 1883, options.host);

  let secure: TlsServer | null = null;
  if (options.tls) {
    const { cert, key, port, watchMs = 30_000 } = options.tls;
    try {
      const server = createTlsServer({
        cert: readPem(cert),
        key: readPem(key),
        handshakeTimeout: limits.authenticateMs,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 60_000,
      });
      secure = server;
      server.on('connection', (socket) => onSocket(socket, true));
      server.on('secureConnection', (socket) => attach(socket, socket.remoteAddress ?? ''));
      server.on('tlsClientError', (error, socket) => {
        log.debug({ error: error.message, address: socket.remoteAddress }, 'TLS handshake failed');
        socket.destroy();
      });
      await listening(server, port, options.host);
      for (const file of [cert, key])
        watchFile(file, { interval: watchMs, persistent: false }, () => {
          try {
            server.setSecureContext({ cert: readPem(cert), key: readPem(key) });
            log.info({ file }, 'certificate read again');
          } catch (error) {
            log.error({ error: (error as Error).message }, 'the changed certificate is not usable, the former stays');
          }
        });
    } catch (error) {
      plain.close();
      secure?.close();
      aedes.close();
      throw error;
    }
  }

  const webSocket = webSockets({
    maxPayload: limits.maxPacketBytes + 64 * 1024,
    trustProxy: options.trustProxy ?? false,
    admit,
    leave,
    attach,
  });

  const sweep = setInterval(() => {
    const now = span();
    for (const c of connections) {
      const reason = c.overdue(now);
      if (!reason) continue;
      count(reason);
      log.debug({ ...whoIs(c), reason }, 'closed');
      c.destroy();
    }
  }, options.sweepMs ?? 1000);
  sweep.unref();

  return {
    port: (plain.address() as AddressInfo).port,
    tlsPort: secure ? (secure.address() as AddressInfo).port : null,
    handleUpgrade: (request, socket, head) => webSocket.handleUpgrade(request, socket, head),

    publish(topic, payload, { retain = false, qos = 0 } = {}) {
      if (retain || sensorThingsReaders > 0 || (openReaders > 0 && !topic.startsWith('v1.1')))
        emit(topic, payload, qos, retain);
    },

    hasLiveSubscribers: () => sensorThingsReaders > 0,

    stats: () => ({ ...stats, refused: { ...stats.refused } }),

    drop(boxId) {
      for (const c of connections) if (c.user.kind === 'box' && c.user.id === boxId) c.destroy();
    },
    async close(graceMs = 5000) {
      if (closing) return;
      closing = true;
      clearInterval(sweep);
      if (options.tls) {
        unwatchFile(options.tls.cert);
        unwatchFile(options.tls.key);
      }
      const closed = [plain, secure].map(
        (server) => new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve())),
      );
      const grace = new AbortController();
      await Promise.race([
        Promise.all([...connections].map((c) => c.finish())),
        new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, graceMs);
          grace.signal.addEventListener('abort', () => clearTimeout(timer));
        }),
      ]);
      grace.abort();
      await new Promise<void>((resolve) => aedes.close(resolve));
      for (const c of connections) c.destroy();
      webSocket.close();
      await Promise.all(closed);
    },
  };
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`cannot read ${file} for MQTT over TLS: ${(error as Error).message}`, { cause: error });
  }
}

function listening(server: Server, port: number, host: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      reject(
        new Error(
          error.code === 'EADDRINUSE'
            ? `MQTT port ${port} is taken by another program; stop it or set LAMPPOST_MQTT_PORT (LAMPPOST_MQTT_TLS_PORT)`
            : `cannot listen for MQTT on port ${port}: ${error.message}`,
          { cause: error },
        ),
      );
    server.once('error', failed);
    // A national outage ends with everybody reconnecting at once.
    server.listen({ port, host, backlog: 4096 }, () => {
      server.off('error', failed);
      server.on('error', () => undefined);
      resolve();
    });
  });
}

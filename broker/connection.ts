/**
 * One client's connection, between its socket and aedes.
 *
 * It cuts the bytes into packets, bounds and counts them, and decides who handles each: readings of QoS 0 and 1 that may be
 * published go straight to the journal and are acknowledged from here, everything else (CONNECT, subscriptions, wills,
 * status, QoS 2) goes on to aedes, for which this object is the socket.
 *
 * Order, as MQTT wants it [MQTT-4.6.0-2]: PUBACKs leave in the order of their PUBLISHes; a publish for aedes and a
 * DISCONNECT wait until everything before them is durable.
 *
 * Whoever must wait is not read on: each reason is a bit in `#stops`, and the socket is resumed when all are clear.
 */
import { Duplex } from 'node:stream';
import type { Packet } from '../model/packet.ts';
import type { EpochMs } from '../model/time.ts';
import { ANONYMOUS } from './access.ts';
import type { PublishRight, User } from './access.ts';
import { FrameReader } from './frame.ts';
import { MAX_TOPIC_BYTES } from './limits.ts';
import type { Limits } from './limits.ts';
import type { BrokerStats, Refusal } from './stats.ts';

const CONNECT = 1;
const PUBLISH = 3;
const DISCONNECT = 14;

/** Reasons not to read on. */
const CONNECTING = 1;
const RATE = 2;
const UNACKNOWLEDGED = 4;
const MEMORY = 8;
const HOLD = 16;
const AEDES = 32;
const DEFERRED = 64;
const SOCKET = 128;
const CLOSING = 256;

/** How long the last bytes to a client that is let go may take [ms]. */
const LINGER_MS = 2000;

/** What a connection asks of its broker. */
export interface ConnectionHost {
  readonly limits: Limits;
  readonly stats: BrokerStats;
  clock(): EpochMs;
  /** For spans of time [ms]: goes on evenly when the clock is set. */
  elapsed(): number;
  accept(packet: Packet): Promise<void>;
  publishRight(connection: Connection, topic: string): PublishRight;
  refuse(connection: Connection, reason: Refusal, detail?: string): void;
  /** Passes a durable reading on to the subscribers of an open topic. */
  forward(topic: string, payload: Uint8Array, qos: 0 | 1): void;
  /** Has `flush` called when this turn's journal writes have all been told. */
  flushSoon(connection: Connection): void;
  /** Has `memoryFreed` called when `maxPendingBytes` are no longer used. */
  waitForMemory(connection: Connection): void;
}

interface Pending {
  /** 0 = QoS 0, nothing to acknowledge. */
  readonly id: number;
  readonly packet: Packet;
  readonly open: boolean;
  done: boolean;
}

/** What a packet that is not yet durable counts as [bytes]. */
export const pendingSize = (p: Packet): number => p.payload.length + p.topic.length + 64;

/** The transport: a TCP or TLS socket, or a WebSocket as a stream. */
export type Transport = Duplex & { destroySoon?: () => void };

export class Connection extends Duplex {
  readonly number: number;
  readonly address: string;
  user: User = ANONYMOUS;
  /** As the client sent it. */
  clientId = '';
  keepAliveMs = 0;
  subscriptions = 0;
  readsOpen = false;
  readsSensorThings = false;

  readonly #host: ConnectionHost;
  readonly #socket: Transport;
  readonly #frames = new FrameReader();
  #stops = 0;
  #parsing = false;
  #ready = false;
  #connectSeen = false;
  readonly #since: number;
  #lastHeard: number;
  #tokens: number;
  #tokensAt: number;
  #rateTimer: NodeJS.Timeout | null = null;

  #pending: Pending[] = [];
  #pendingHead = 0;
  #held: Pending[] = [];
  #holdSince: number | null = null;
  #holdTimer: NodeJS.Timeout | null = null;
  #deferred: Buffer | null = null;

  #topicBytes: Buffer = Buffer.alloc(0);
  #topic = '';
  #topicRight: PublishRight | null = null;

  constructor(host: ConnectionHost, socket: Transport, number: number, address: string) {
    super({ readableHighWaterMark: 64 * 1024, writableHighWaterMark: 64 * 1024 });
    this.#host = host;
    this.#socket = socket;
    this.number = number;
    this.address = address;
    this.#since = this.#lastHeard = this.#tokensAt = host.elapsed();
    this.#tokens = host.limits.packetsPerSecond;
    this.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#heard(chunk));
    socket.on('end', () => this.push(null));
    socket.on('error', () => this.destroy());
    socket.on('close', () => this.destroy());
    socket.on('drain', () => this.#resume(SOCKET));
  }

  /** The client was let in: what it sent behind its CONNECT is looked at now. */
  ready(): void {
    this.#ready = true;
    this.#resume(CONNECTING);
  }

  get isReady(): boolean {
    return this.#ready;
  }

  /** Bytes written to this client that it has not taken yet. */
  get lagBytes(): number {
    return this.writableLength + this.#socket.writableLength;
  }

  /** Answers a CONNECT with a return code other than 0 [MQTT-3.2.2-5]; the caller then destroys. */
  sayRefused(returnCode: number): void {
    this.#socket.write(Buffer.from([0x20, 2, 0, returnCode]));
  }

  /** Why this connection must end now, if it must. */
  overdue(now: number): Refusal | null {
    if (!this.#ready) return now - this.#since > this.#host.limits.authenticateMs ? 'not-authenticated-in-time' : null;
    // Somebody whom we do not read cannot be heard.
    if (this.#stops !== 0) return null;
    const silence = now - this.#lastHeard;
    if (this.keepAliveMs > 0) return silence > this.keepAliveMs * 1.5 ? 'keep-alive' : null; // [MQTT-3.1.2-24]
    return silence > this.#host.limits.idleMs ? 'idle' : null;
  }

  /** Stops reading; resolves when everything that was read is durable and acknowledged. */
  async finish(): Promise<void> {
    this.#stop(CLOSING);
    while (!this.destroyed && this.#pendingHead < this.#pending.length)
      await new Promise<void>((resolve) => {
        this.once('drained', resolve);
        this.once('close', resolve);
      });
  }

  memoryFreed(): void {
    this.#resume(MEMORY);
  }

  #heard(chunk: Buffer): void {
    this.#lastHeard = this.#host.elapsed();
    this.#host.stats.bytes += chunk.length;
    this.#frames.push(chunk);
    this.#parse();
  }

  #stop(reason: number): void {
    if (this.#stops === 0) this.#socket.pause();
    this.#stops |= reason;
  }

  #resume(reason: number): void {
    if ((this.#stops & reason) === 0) return;
    this.#stops &= ~reason;
    if (this.#stops !== 0 || this.destroyed) return;
    this.#lastHeard = this.#host.elapsed();
    this.#parse();
    if (this.#stops === 0 && !this.destroyed) this.#socket.resume();
  }

  #parse(): void {
    if (this.#parsing) return;
    this.#parsing = true;
    try {
      const { limits, stats } = this.#host;
      while (this.#stops === 0 && !this.destroyed && this.#frames.waiting) {
        const frame = this.#ready
          ? this.#frames.next(limits.maxPacketBytes)
          : this.#frames.next(limits.maxConnectBytes, this.#connectSeen ? undefined : CONNECT << 4);
        if (this.#frames.strayBytes > 0) {
          stats.strayBytes += this.#frames.strayBytes;
          this.#frames.strayBytes = 0;
        }
        if (frame.kind === 'more') break;
        if (frame.kind === 'malformed') {
          this.#close('malformed', this.#connectSeen ? 'length of more than four bytes' : 'no CONNECT');
          break;
        }
        if (frame.kind === 'too-large') {
          this.#close('too-large', `${frame.announced} bytes announced`);
          break;
        }
        if (!this.#withinRate()) {
          this.#frames.unread(frame.bytes.length);
          break;
        }
        stats.packets++;
        this.#packet(frame.bytes, frame.headerBytes);
      }
    } finally {
      this.#parsing = false;
    }
  }

  /** A token bucket of one second's packets. */
  #withinRate(): boolean {
    const now = this.#host.elapsed();
    const rate = this.#host.limits.packetsPerSecond;
    if (now !== this.#tokensAt) {
      this.#tokens = Math.min(rate, this.#tokens + ((now - this.#tokensAt) * rate) / 1000);
      this.#tokensAt = now;
    }
    if (this.#tokens >= 1) {
      this.#tokens--;
      return true;
    }
    this.#stop(RATE);
    this.#rateTimer ??= setTimeout(() => {
      this.#rateTimer = null;
      this.#resume(RATE);
    }, 50);
    return false;
  }

  #packet(bytes: Buffer, header: number): void {
    const type = (bytes[0] as number) >> 4;
    if (type === PUBLISH && this.#ready) {
      this.#publish(bytes, header);
      return;
    }
    if (type === CONNECT && !this.#connectSeen) {
      if (!this.#isConnect(bytes, header)) return;
      this.#connectSeen = true;
      this.#stop(CONNECTING);
    }
    if (type === DISCONNECT) this.#defer(bytes);
    else this.#toAedes(bytes);
  }

  /** What must be judged before the parser sees it, or what the parser does not judge. */
  #isConnect(bytes: Buffer, header: number): boolean {
    const nameLength = bytes.length >= header + 2 ? bytes.readUInt16BE(header) : 0;
    const name = bytes.toString('latin1', header + 2, header + 2 + nameLength);
    const level = bytes[header + 2 + nameLength];
    const flags = bytes[header + 3 + nameLength];
    if ((name !== 'MQTT' && name !== 'MQIsdp') || level === undefined || flags === undefined) {
      this.#close('malformed', 'no MQTT CONNECT');
      return false;
    }
    // 3.1.1 and 3.1; the high bit marks a bridge (Mosquitto). Others hear so, whatever else theirs holds [MQTT-3.1.2-2].
    if ((level & 0x7f) !== (name === 'MQTT' ? 4 : 3)) {
      this.sayRefused(1);
      this.#close('protocol-version', `${name} level ${level}`);
      return false;
    }
    const willQos = (flags >> 3) & 3;
    const passwordAlone = (flags & 0xc0) === 0x40;
    if (willQos === 3 || passwordAlone) {
      this.#close(
        'malformed',
        willQos === 3 ? 'will QoS 3 [MQTT-3.1.2-14]' : 'password without user name [MQTT-3.1.2-22]',
      );
      return false;
    }
    return true;
  }

  #toAedes(bytes: Buffer): void {
    if (!this.push(bytes)) this.#stop(AEDES);
  }

  /** Passes a packet to aedes when everything before it is durable. */
  #defer(bytes: Buffer): void {
    if (this.#pendingHead === this.#pending.length) {
      this.#toAedes(bytes);
      return;
    }
    this.#deferred = bytes;
    this.#stop(DEFERRED);
  }

  #publish(bytes: Buffer, header: number): void {
    const qos = ((bytes[0] as number) >> 1) & 3;
    const topicEnd = bytes.length >= header + 2 ? header + 2 + bytes.readUInt16BE(header) : Infinity;
    const payloadAt = topicEnd + (qos > 0 ? 2 : 0);
    if (qos === 3 || payloadAt > bytes.length) {
      this.#close('malformed', 'PUBLISH');
      return;
    }
    const id = qos > 0 ? bytes.readUInt16BE(topicEnd) : 0;
    if (qos > 0 && id === 0) {
      this.#close('malformed', 'PUBLISH with packet identifier 0'); // [MQTT-2.3.1-1]
      return;
    }
    const right = this.#rightOf(bytes, header + 2, topicEnd);
    if (!right) return;
    this.#host.stats.publishes++;
    if (right.kind !== 'readings' || qos === 2) {
      this.#defer(bytes);
      this.#checkMemory();
      return;
    }
    const pending: Pending = {
      id,
      packet: this.packetOf(this.#topic, right.sender, id, bytes.subarray(payloadAt)),
      open: right.open,
      done: false,
    };
    this.#pending.push(pending);
    this.#host.stats.pendingBytes += pendingSize(pending.packet);
    this.#submit(pending);
    if (this.#pending.length - this.#pendingHead >= this.#host.limits.maxUnacknowledged) this.#stop(UNACKNOWLEDGED);
    this.#checkMemory();
  }

  #checkMemory(): void {
    if (this.#host.stats.pendingBytes < this.#host.limits.maxPendingBytes) return;
    this.#stop(MEMORY);
    this.#host.waitForMemory(this);
  }

  packetOf(topic: string, sender: string, packetId: number, payload: Uint8Array): Packet {
    return {
      receivedAt: this.#host.clock(),
      via: 'mqtt',
      topic,
      sender,
      client: this.clientId,
      packetId,
      payload,
    };
  }

  /** Null when it was refused and the connection closed. Boxes publish on one topic, so the last one is remembered. */
  #rightOf(bytes: Buffer, from: number, to: number): PublishRight | null {
    if (this.#topicRight && this.#topicBytes.length === to - from && this.#topicBytes.compare(bytes, from, to) === 0)
      return this.#topicRight;
    const topic = to - from <= MAX_TOPIC_BYTES ? topicName(bytes, from, to) : null;
    if (topic === null) {
      this.#close('bad-topic');
      return null;
    }
    const right = this.#host.publishRight(this, topic);
    if (right.kind === 'refused') {
      this.#close(right.reason, topic);
      return null;
    }
    this.#topicBytes = Buffer.from(bytes.subarray(from, to));
    this.#topic = topic;
    this.#topicRight = right;
    return right;
  }

  #submit(pending: Pending): void {
    let accepting: Promise<void>;
    try {
      accepting = this.#host.accept(pending.packet);
    } catch (error) {
      accepting = Promise.reject(error);
    }
    accepting.then(
      () => this.#accepted(pending),
      () => this.#notAccepted(pending),
    );
  }

  #accepted(pending: Pending): void {
    const { stats } = this.#host;
    pending.done = true;
    stats.accepted++;
    stats.pendingBytes -= pendingSize(pending.packet);
    if (pending.open) this.#host.forward(pending.packet.topic, pending.packet.payload, pending.id > 0 ? 1 : 0);
    this.#host.flushSoon(this);
    if (this.#holdSince !== null) {
      // The journal takes again: everything else that was held goes now.
      this.#holdSince = null;
      const held = this.#held;
      this.#held = [];
      this.#resume(HOLD);
      for (const p of held) this.#submit(p);
    }
  }

  #notAccepted(pending: Pending): void {
    const { stats, limits } = this.#host;
    if (this.destroyed) {
      stats.pendingBytes -= pendingSize(pending.packet);
      return;
    }
    stats.held++;
    this.#held.push(pending);
    const now = this.#host.elapsed();
    this.#holdSince ??= now;
    if (now - this.#holdSince >= limits.holdMs) {
      // Not acknowledged, so the box keeps it and sends it again.
      this.#close('journal-refuses');
      return;
    }
    this.#stop(HOLD);
    this.#holdTimer ??= setTimeout(() => {
      this.#holdTimer = null;
      const first = this.#held.shift();
      if (first) this.#submit(first);
    }, limits.retryMs);
  }

  /** Writes the acknowledgements that are due, all in one. */
  flush(): void {
    const ids: number[] = [];
    while (this.#pendingHead < this.#pending.length) {
      const first = this.#pending[this.#pendingHead] as Pending;
      if (!first.done) break;
      if (first.id > 0) ids.push(first.id);
      this.#pendingHead++;
    }
    if (this.#pendingHead === this.#pending.length) {
      this.#pending = [];
      this.#pendingHead = 0;
    } else if (this.#pendingHead > 1024) {
      this.#pending = this.#pending.slice(this.#pendingHead);
      this.#pendingHead = 0;
    }
    if (this.destroyed) return;
    if (ids.length > 0) {
      const acks = Buffer.allocUnsafe(4 * ids.length);
      let at = 0;
      for (const id of ids) at = acks.writeUInt32BE((0x40020000 | id) >>> 0, at);
      // A client that does not read its acknowledgements is not read either.
      if (!this.#socket.write(acks)) this.#stop(SOCKET);
    }
    if (this.#pending.length - this.#pendingHead < this.#host.limits.maxUnacknowledged) this.#resume(UNACKNOWLEDGED);
    if (this.#pending.length === 0) {
      const deferred = this.#deferred;
      this.#deferred = null;
      if (deferred) this.#toAedes(deferred);
      this.#resume(DEFERRED);
      this.emit('drained');
    }
  }

  #close(reason: Refusal, detail?: string): void {
    this.#host.refuse(this, reason, detail);
    this.destroy();
  }

  // --- the stream that aedes sees

  override _read(): void {
    this.#resume(AEDES);
  }

  #write(bytes: Buffer, done: () => void): void {
    if (this.#socket.write(bytes)) done();
    else this.#socket.once('drain', () => done());
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#write(chunk, done);
  }

  /** aedes writes a packet in many small pieces. */
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#write(Buffer.concat(chunks.map((c) => c.chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#rateTimer) clearTimeout(this.#rateTimer);
    if (this.#holdTimer) clearTimeout(this.#holdTimer);
    for (const p of this.#held) this.#host.stats.pendingBytes -= pendingSize(p.packet);
    this.#held = [];
    this.#deferred = null;
    const socket = this.#socket;
    if (!socket.destroyed) {
      // Let a last CONNACK out, but not for as long as the other side likes.
      if (socket.destroySoon) socket.destroySoon();
      else socket.end();
      setTimeout(() => socket.destroy(), LINGER_MS).unref();
    }
    done(error);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Null when it is no topic name: not UTF-8 [MQTT-1.5.3-1], with NUL [MQTT-1.5.3-2], empty [MQTT-4.7.3-1], with wildcards [MQTT-3.3.2-2]. */
function topicName(bytes: Buffer, from: number, to: number): string | null {
  if (from === to) return null;
  let ascii = true;
  for (let i = from; i < to; i++) {
    const c = bytes[i] as number;
    if (c === 0 || c === 0x23 || c === 0x2b) return null;
    if (c > 0x7f) ascii = false;
  }
  if (ascii) return bytes.toString('latin1', from, to);
  try {
    return utf8.decode(bytes.subarray(from, to));
  } catch {
    return null;
  }
}

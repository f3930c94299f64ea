/** What the broker tests share: a real broker with a real registry, and a client that writes hand-made bytes. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import mqtt from 'mqtt';
import type { IClientOptions, MqttClient } from 'mqtt';
import { afterEach } from 'vitest';
import { startBroker } from '../../broker/broker.ts';
import type { Broker, BrokerOptions } from '../../broker/broker.ts';
import type { Packet } from '../../model/packet.ts';
import { openRegistry } from '../../registry/sqlite.ts';
import type { Registry } from '../../registry/registry.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
export const atEnd = (cleanup: () => unknown): void => void cleanups.push(cleanup);

export interface Lines {
  readonly level: string;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

export interface Rig {
  readonly broker: Broker;
  readonly registry: Registry;
  readonly accepted: Packet[];
  readonly lines: Lines[];
  /** Id and key of a registered box. */
  box(): { id: string; key: string };
  client(options?: IClientOptions): Promise<MqttClient>;
  raw(): Promise<Raw>;
}

/** A broker on a free port; `accept` collects unless told otherwise. */
export async function rig(options: Partial<BrokerOptions> = {}): Promise<Rig> {
  const registry = openRegistry(':memory:');
  const accepted: Packet[] = [];
  const lines: Lines[] = [];
  const write =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push({ level, message, fields: fields as Record<string, unknown> });
  const broker = await startBroker({
    registry,
    accept: (packet) => {
      accepted.push({ ...packet, payload: Buffer.from(packet.payload) });
      return Promise.resolve();
    },
    port: 0,
    host: '127.0.0.1',
    openTopics: ['LASS/#', 'MAPS/#'],
    sweepMs: 10,
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    ...options,
  });
  atEnd(async () => {
    await broker.close(100);
    registry.close();
  });
  return {
    broker,
    registry,
    accepted,
    lines,
    box() {
      const { thing, key } = registry.add({ name: 'test' }, Date.now());
      return { id: thing.id, key };
    },
    async client(given = {}) {
      const client = mqtt.connect(`mqtt://127.0.0.1:${broker.port}`, { reconnectPeriod: 0, ...given });
      client.on('error', () => undefined);
      atEnd(() => client.endAsync(true));
      await new Promise<void>((resolve, reject) => {
        client.once('connect', () => resolve());
        client.once('error', reject);
        client.once('close', () => reject(new Error('closed before CONNACK')));
      });
      return client;
    },
    async raw() {
      const socket = connect(broker.port, '127.0.0.1');
      atEnd(() => socket.destroy());
      await new Promise((resolve) => socket.once('connect', resolve));
      return new Raw(socket);
    },
  };
}

/** A socket whose answers can be waited for. */
export class Raw {
  readonly socket: Socket;
  #got = Buffer.alloc(0);
  #closed = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#got = Buffer.concat([this.#got, chunk]);
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  write(...bytes: (Uint8Array | number[])[]): void {
    this.socket.write(Buffer.concat(bytes.map((b) => Buffer.from(b))));
  }

  /** CONNECT, and a ping behind it: with its answer the broker is done letting us in, with CONNACK not quite. */
  async login(options: ConnectBytes = {}): Promise<void> {
    this.write(connectBytes(options), PING);
    const answer = await this.read(6);
    if (!answer.equals(Buffer.concat([ACCEPTED, PONG]))) throw new Error(`login answered ${answer.toString('hex')}`);
  }

  /** The next `length` bytes. @throws when the connection closes before */
  async read(length: number): Promise<Buffer> {
    await this.#until(() => this.#got.length >= length || this.#closed);
    if (this.#got.length < length) throw new Error(`closed after ${this.#got.toString('hex') || 'nothing'}`);
    const out = this.#got.subarray(0, length);
    this.#got = this.#got.subarray(length);
    return out;
  }

  /** What came and was not read. */
  get rest(): Buffer {
    return this.#got;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Resolves when the broker closed, with what it had said before. */
  async closed(): Promise<Buffer> {
    await this.#until(() => this.#closed);
    return this.#got;
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

// --- packets by hand, from the OASIS document

export const text = (s: string): Buffer => {
  const bytes = Buffer.from(s);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
};

export function packet(first: number, ...body: (Uint8Array | number[])[]): Buffer {
  const content = Buffer.concat(body.map((b) => Buffer.from(b)));
  const length: number[] = [];
  let n = content.length;
  do {
    length.push((n & 127) | (n > 127 ? 128 : 0));
    n >>= 7;
  } while (n > 0);
  return Buffer.concat([Buffer.from([first, ...length]), content]);
}

export interface ConnectBytes {
  readonly name?: string;
  readonly level?: number;
  readonly clientId?: string;
  readonly clean?: boolean;
  readonly keepAlive?: number;
  readonly user?: string;
  readonly password?: string;
  readonly will?: {
    readonly topic: string;
    readonly payload: string;
    readonly qos?: number;
    readonly retain?: boolean;
  };
}

export function connectBytes(o: ConnectBytes = {}): Buffer {
  const flags =
    (o.clean === false ? 0 : 2) |
    (o.will ? 4 | ((o.will.qos ?? 0) << 3) | (o.will.retain ? 32 : 0) : 0) |
    (o.password === undefined ? 0 : 64) |
    (o.user === undefined ? 0 : 128);
  const keepAlive = o.keepAlive ?? 60;
  return packet(
    0x10,
    text(o.name ?? 'MQTT'),
    [o.level ?? 4, flags, keepAlive >> 8, keepAlive & 255],
    text(o.clientId ?? 'raw'),
    ...(o.will ? [text(o.will.topic), text(o.will.payload)] : []),
    ...(o.user === undefined ? [] : [text(o.user)]),
    ...(o.password === undefined ? [] : [text(o.password)]),
  );
}

export const publishBytes = (topic: string, payload: string | Uint8Array, qos = 0, id = 1, extra = 0): Buffer =>
  packet(0x30 | (qos << 1) | extra, text(topic), qos > 0 ? [id >> 8, id & 255] : [], Buffer.from(payload));

export const subscribeBytes = (id: number, filter: string, qos = 0): Buffer =>
  packet(0x82, [id >> 8, id & 255], text(filter), [qos]);

export const ACCEPTED = Buffer.from([0x20, 2, 0, 0]);
export const PING = Buffer.from([0xc0, 0]);
export const PONG = Buffer.from([0xd0, 0]);
export const puback = (id: number): Buffer => Buffer.from([0x40, 2, id >> 8, id & 255]);

/** Lets the loop turn until the condition holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

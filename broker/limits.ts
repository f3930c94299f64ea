/** What a stranger may take of the broker's memory, time and sockets. */
export interface Limits {
  /** Largest MQTT packet, judged by its announced length before anything of it is kept. A day of minute readings is about 200 kB. */
  readonly maxPacketBytes: number;
  /** Largest packet of somebody who has not been let in yet. */
  readonly maxConnectBytes: number;
  /** Packets a second of one connection; beyond, its socket is not read on. */
  readonly packetsPerSecond: number;
  readonly maxConnections: number;
  /** Connections of one address (IPv6: of one /64), not applied on loopback. Carriers put many boxes behind one address. */
  readonly maxConnectionsPerAddress: number;
  /** From the open socket to a CONNECT that was let in [ms]. */
  readonly authenticateMs: number;
  /** Longest silence of a client that asked for no keep-alive [ms]. */
  readonly idleMs: number;
  /** Publishes of one connection that are not yet durable; beyond, its socket is not read on. */
  readonly maxUnacknowledged: number;
  /** Bytes of all connections that are not yet durable; beyond, no socket is read on. */
  readonly maxPendingBytes: number;
  /** How long a publish that the journal refuses is held and tried again before its connection is closed [ms]. */
  readonly holdMs: number;
  /** Between two tries of a held publish [ms]. */
  readonly retryMs: number;
  readonly maxSubscriptions: number;
  /**
   * Messages delivered to subscribers a second, all together; beyond, live messages are left out. Reading is open to
   * everybody, and a thousand strangers who subscribe to everything must not slow down the boxes.
   */
  readonly maxDeliveriesPerSecond: number;
  /** Bytes a subscriber may lag behind before live messages are left out for it. */
  readonly maxLagBytes: number;
}

export const DEFAULT_LIMITS: Limits = {
  maxPacketBytes: 256 * 1024,
  maxConnectBytes: 16 * 1024,
  packetsPerSecond: 2000,
  maxConnections: 20_000,
  maxConnectionsPerAddress: 1000,
  authenticateMs: 10_000,
  idleMs: 3_600_000,
  maxUnacknowledged: 1000,
  maxPendingBytes: 32 * 1024 * 1024,
  holdMs: 30_000,
  retryMs: 1000,
  maxSubscriptions: 100,
  maxDeliveriesPerSecond: 20_000,
  maxLagBytes: 1024 * 1024,
};

/** MQTT allows 65535 bytes; no box needs more than this, and both are kept per message in the journal. */
export const MAX_TOPIC_BYTES = 512;
export const MAX_CLIENT_ID = 256;
export const MAX_STATUS_BYTES = 256;

const LOOPBACK = /^(::1$|(::ffff:)?127\.)/;

/** What connections are counted by: the IPv4 address or the IPv6 /64; '' = loopback, not counted. */
export function addressKey(address: string | undefined): string {
  if (!address || LOOPBACK.test(address)) return '';
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7);
  if (!address.includes(':')) return address;
  const [head = '', tail] = (address.split('%')[0] as string).split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail ? tail.split(':') : [];
  const groups =
    tail === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** Counts connections by address. */
export class AddressCount {
  readonly #counts = new Map<string, number>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** False when there are too many already; otherwise `leave` must follow. */
  enter(key: string): boolean {
    if (key === '') return true;
    const n = this.#counts.get(key) ?? 0;
    if (n >= this.#max) return false;
    this.#counts.set(key, n + 1);
    return true;
  }

  leave(key: string): void {
    if (key === '') return;
    const n = (this.#counts.get(key) ?? 0) - 1;
    if (n > 0) this.#counts.set(key, n);
    else this.#counts.delete(key);
  }
}

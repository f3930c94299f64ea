import type { EpochMs } from './time.ts';

/**
 * What the broker (or an HTTP push endpoint, or a feed) hands to the journal and ingest reads back: one message exactly as
 * it came, with what only the receiver knew about it.
 */
export interface Packet {
  readonly receivedAt: EpochMs;
  readonly via: 'mqtt' | 'http' | 'feed';
  /** MQTT topic, or the topic that the push endpoint or feed stands for. */
  readonly topic: string;
  /** The box that proved who it is (its key was right); '' = anonymous. */
  readonly sender: string;
  /** MQTT client id (without the owner prefix), behind a user name that is a claim code; over HTTP a user name that is no box; '' elsewhere. Tells two anonymous senders apart for deduplication. */
  readonly client: string;
  /** MQTT packet identifier; 0 for QoS 0 and outside MQTT. */
  readonly packetId: number;
  readonly payload: Uint8Array;
}

const VERSION = 1;
const VIA = ['mqtt', 'http', 'feed'] as const;
/** version u8, via u8, receivedAt f64, packetId u16, then three u16-prefixed strings, then the payload to the end. */
const FIXED = 1 + 1 + 8 + 2;

/** @throws RangeError when a string is longer than 65535 bytes (MQTT cannot carry one). */
export function encodePacket(p: Packet): Buffer {
  const topicBytes = Buffer.byteLength(p.topic);
  const senderBytes = Buffer.byteLength(p.sender);
  const clientBytes = Buffer.byteLength(p.client);
  const out = Buffer.allocUnsafe(FIXED + 6 + topicBytes + senderBytes + clientBytes + p.payload.length);
  out[0] = VERSION;
  out[1] = VIA.indexOf(p.via);
  out.writeDoubleLE(p.receivedAt, 2);
  out.writeUInt16LE(p.packetId, 10);
  let at = out.writeUInt16LE(topicBytes, FIXED);
  at += out.write(p.topic, at);
  at = out.writeUInt16LE(senderBytes, at);
  at += out.write(p.sender, at);
  at = out.writeUInt16LE(clientBytes, at);
  at += out.write(p.client, at);
  out.set(p.payload, at);
  return out;
}

/** @throws Error when the bytes are no packet of a version this code knows. The payload is a view, not a copy. */
export function decodePacket(bytes: Uint8Array): Packet {
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const via = VIA[b[1] ?? 255];
  if (b.length < FIXED + 6 || b[0] !== VERSION || !via) throw new Error('not a journal packet of a known version');
  let at = FIXED;
  const text = (): string => {
    const length = b.readUInt16LE(at);
    at += 2 + length;
    if (at > b.length) throw new Error('journal packet is cut short');
    return b.toString('utf8', at - length, at);
  };
  const topic = text();
  const sender = text();
  const client = text();
  return {
    receivedAt: b.readDoubleLE(2),
    via,
    topic,
    sender,
    client,
    packetId: b.readUInt16LE(10),
    payload: b.subarray(at),
  };
}

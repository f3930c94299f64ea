/**
 * The bytes of one block: the records that shared one fsync.
 *
 * | at | type | what |
 * |---|---|---|
 * | 0 | u32 | `LPJ1`, or `LPJ2` when the rest is deflated |
 * | 4 | u32 | CRC-32 of everything from byte 8 to the end, as it lies on disk; of `LPJ2` begun with its first four bytes |
 * | 8 | f64 | sequence number of the first record |
 * | 16 | f64 | bytes of all blocks ever written before this one; the difference of two tells how much lies between them |
 * | 24 | u32 | number of records, n |
 * | | | `LPJ2`: u32 bytes of the rest when inflated; then deflated (RFC 1951): |
 * | 28 | n × u32 | length of each record |
 * | | | the records, one after the other |
 *
 * All numbers little-endian. Readings of many boxes deflate to a quarter: that much less is written, and stays in memory as mapped pages until the
 * pipeline's state has been saved.
 */
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';

const PLAIN = 0x314a504c;
const DEFLATED = 0x324a504c;
const HEADER = 28;
/** Smaller blocks are a few records of a quiet server: not worth the time [bytes]. */
const WORTH = 2048;
/** No block inflates to more: one record of the largest size, or records up to the largest block, and their lengths [bytes]. */
const MAX_INFLATED = 64 * 2 ** 20;

/** A block holds at most this many records, so that a damaged last block cannot hide how far sequence numbers went. */
export const MAX_RECORDS = 65_536;

export interface Block {
  readonly firstSeq: number;
  readonly offset: number;
  /** How many records. */
  readonly count: number;
  /** Made at each call. Views of the block's bytes, or of what was inflated of them. Null when they are not what was written. */
  records(): readonly Uint8Array[] | null;
}

export function encodeBlock(firstSeq: number, offset: number, records: readonly Uint8Array[]): Buffer {
  let size = HEADER + 4 * records.length;
  for (const r of records) size += r.length;
  // Not from the shared pool: lmdb's own thread reads these bytes after we returned.
  const out = Buffer.allocUnsafeSlow(size);
  out.writeUInt32LE(PLAIN, 0);
  out.writeDoubleLE(firstSeq, 8);
  out.writeDoubleLE(offset, 16);
  out.writeUInt32LE(records.length, 24);
  let lengthAt = HEADER;
  let at = HEADER + 4 * records.length;
  for (const r of records) {
    out.writeUInt32LE(r.length, lengthAt);
    lengthAt += 4;
    out.set(r, at);
    at += r.length;
  }
  return sealed(size < WORTH ? out : deflated(out));
}

function deflated(plain: Buffer): Buffer {
  const rest = plain.subarray(HEADER);
  const body = deflateRawSync(rest, { level: 1 });
  if (rest.length > MAX_INFLATED || body.length + 4 >= rest.length) return plain;
  const out = Buffer.allocUnsafeSlow(HEADER + 4 + body.length);
  plain.copy(out, 0, 0, HEADER);
  out.writeUInt32LE(DEFLATED, 0);
  out.writeUInt32LE(rest.length, HEADER);
  body.copy(out, HEADER + 4);
  return out;
}

const checksum = (block: Buffer, magic: number): number =>
  magic === PLAIN ? crc32(block.subarray(8)) : crc32(block.subarray(8), crc32(block.subarray(0, 4)));

function sealed(block: Buffer): Buffer {
  block.writeUInt32LE(checksum(block, block.readUInt32LE(0)), 4);
  return block;
}

/** Returns null when the bytes are not the block that was written under `firstSeq`. */
export function decodeBlock(bytes: Buffer, firstSeq: number): Block | null {
  if (bytes.length < HEADER) return null;
  const magic = bytes.readUInt32LE(0);
  if (magic !== PLAIN && magic !== DEFLATED) return null;
  if (bytes.readUInt32LE(4) !== checksum(bytes, magic) || bytes.readDoubleLE(8) !== firstSeq) return null;
  const count = bytes.readUInt32LE(24);
  return {
    firstSeq,
    offset: bytes.readDoubleLE(16),
    count,
    records() {
      const rest = magic === PLAIN ? bytes.subarray(HEADER) : inflated(bytes);
      return rest && cut(rest, count);
    },
  };
}

function inflated(bytes: Buffer): Buffer | null {
  const length = bytes.length < HEADER + 4 ? Infinity : bytes.readUInt32LE(HEADER);
  if (length > MAX_INFLATED) return null;
  try {
    const rest = inflateRawSync(bytes.subarray(HEADER + 4), { maxOutputLength: Math.max(1, length) });
    return rest.length === length ? rest : null;
  } catch {
    return null;
  }
}

function cut(rest: Buffer, count: number): Uint8Array[] | null {
  const records: Uint8Array[] = [];
  let at = 4 * count;
  if (at > rest.length) return null;
  for (let i = 0; i < count; i++) {
    const length = rest.readUInt32LE(4 * i);
    if (at + length > rest.length) return null;
    records.push(rest.subarray(at, at + length));
    at += length;
  }
  return at === rest.length ? records : null;
}

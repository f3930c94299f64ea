/**
 * The bytes of one block: the records that shared one fsync.
 *
 * | at | type | what |
 * |---|---|---|
 * | 0 | u32 | `LPJ1` |
 * | 4 | u32 | CRC-32 of everything from byte 8 to the end |
 * | 8 | f64 | sequence number of the first record |
 * | 16 | f64 | bytes of all blocks ever written before this one; the difference of two tells how much lies between them |
 * | 24 | u32 | number of records, n |
 * | 28 | n × u32 | length of each record |
 * | | | the records, one after the other |
 *
 * All numbers little-endian.
 */
import { crc32 } from 'node:zlib';

const MAGIC = 0x314a504c;
const HEADER = 28;

/** A block holds at most this many records, so that a damaged last block cannot hide how far sequence numbers went. */
export const MAX_RECORDS = 65_536;

export interface Block {
  readonly firstSeq: number;
  readonly offset: number;
  readonly records: readonly Uint8Array[];
}

export function encodeBlock(firstSeq: number, offset: number, records: readonly Uint8Array[]): Buffer {
  let size = HEADER + 4 * records.length;
  for (const r of records) size += r.length;
  // Not from the shared pool: lmdb's own thread reads these bytes after we returned.
  const out = Buffer.allocUnsafeSlow(size);
  out.writeUInt32LE(MAGIC, 0);
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
  out.writeUInt32LE(crc32(out.subarray(8)), 4);
  return out;
}

/** Returns null when the bytes are not the block that was written under `firstSeq`. The records are views, not copies. */
export function decodeBlock(bytes: Buffer, firstSeq: number): Block | null {
  if (bytes.length < HEADER || bytes.readUInt32LE(0) !== MAGIC) return null;
  if (bytes.readUInt32LE(4) !== crc32(bytes.subarray(8)) || bytes.readDoubleLE(8) !== firstSeq) return null;
  const count = bytes.readUInt32LE(24);
  const records: Uint8Array[] = [];
  let at = HEADER + 4 * count;
  if (at > bytes.length) return null;
  for (let i = 0; i < count; i++) {
    const length = bytes.readUInt32LE(HEADER + 4 * i);
    if (at + length > bytes.length) return null;
    records.push(bytes.subarray(at, at + length));
    at += length;
  }
  return at === bytes.length ? { firstSeq, offset: bytes.readDoubleLE(16), records } : null;
}

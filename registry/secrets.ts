/** Keys and tokens: 160 random bits, shown once, kept only as SHA-256 (they are random, so a slow hash would protect nothing). */
import { createHash, randomFillSync, timingSafeEqual } from 'node:crypto';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** RFC 4648 base32, lower case, unpadded: can be typed from a label, and has no letter that a shell or URL would change. */
export function base32(bytes: Uint8Array): string {
  let out = '';
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += ALPHABET[(buffer >>> bits) & 31];
    }
    buffer &= (1 << bits) - 1;
  }
  if (bits > 0) out += ALPHABET[(buffer << (5 - bits)) & 31];
  return out;
}

/** The system is asked for random bytes in lots: a call costs 7 µs however few are wanted. Used bytes are wiped. */
const lot = Buffer.alloc(4000);
let used = lot.length;
function randomText(bytes: number): string {
  if (used + bytes > lot.length) {
    randomFillSync(lot);
    used = 0;
  }
  const slice = lot.subarray(used, used + bytes);
  used += bytes;
  const out = base32(slice);
  slice.fill(0);
  return out;
}

/** 32 characters, 160 bits. */
export const newSecret = (): string => randomText(20);

/** 16 characters, 80 random bits: an id that says nothing and is never met twice. */
export const newId = (): string => randomText(10);

/** The id of an unclaimed box: made from what the box calls itself, so that two servers fed by one broker agree on it. */
export const unclaimedId = (format: string, nativeId: string): string =>
  `u${base32(createHash('sha256').update(`${format}\n${nativeId}`).digest().subarray(0, 10)).slice(0, 15)}`;

export const hashSecret = (secret: string): Buffer => createHash('sha256').update(secret, 'utf8').digest();

/** Constant time in the bytes; false for anything that is no SHA-256. */
export function sameHash(a: Uint8Array | null | undefined, b: Uint8Array): boolean {
  return a?.length === b.length && timingSafeEqual(a, b);
}

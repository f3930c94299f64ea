/**
 * Names for boxes whose own id must stay secret: a Smart Citizen token is the kit's only credential, a hardware address is
 * personal. The box is known by a keyed hash (HMAC-SHA-256), so the same id always gives the same name on this instance, and
 * nobody without the instance's key can try all ids to find the one behind a name.
 *
 * The key is the one thing decoders know beside the packet: set once at start, the same for the life of the data folder.
 */
import { createHmac } from 'node:crypto';

let key: Uint8Array | null = null;

/** @param secret at least 16 random bytes, kept in the data folder. @throws RangeError when it is shorter */
export function setPseudonymKey(secret: Uint8Array): void {
  if (secret.length < 16) throw new RangeError('the pseudonym key must have at least 16 bytes');
  key = Uint8Array.from(secret);
}

/** `<prefix>-` and 16 hex digits; '' when no key is set or the id is empty, so that nothing secret is ever used as a name. */
export function pseudonym(prefix: string, id: string): string {
  if (key === null || id === '') return '';
  return `${prefix}-${createHmac('sha256', key).update(`${prefix}\0${id}`).digest('hex').slice(0, 16)}`;
}

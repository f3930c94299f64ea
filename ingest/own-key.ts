/** Whether somebody holds the credential that a box has in its own network, where the box is known here by a keyed hash of it. */
import { timingSafeEqual } from 'node:crypto';
import { pseudonym, setPseudonymKey } from './decoders/pseudonym.ts';
import { pseudonymKeyIn } from './pseudonym-key.ts';

/** Formats whose native id is made of a secret, not of an address that is printed on the box. */
const PREFIXES: Readonly<Record<string, string>> = { smartcitizen: 'sck' };

/** @param folder the data folder, which holds the key of the hashes */
export function ownKeyProof(folder: string): (format: string, nativeId: string, key: string) => boolean {
  setPseudonymKey(pseudonymKeyIn(folder));
  return (format, nativeId, key) => {
    const prefix = PREFIXES[format];
    if (prefix === undefined) return false;
    const [wanted, given] = [Buffer.from(nativeId), Buffer.from(pseudonym(prefix, key))];
    return wanted.length === given.length && timingSafeEqual(wanted, given);
  };
}

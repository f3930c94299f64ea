/** The instance's key for pseudonyms of boxes, kept beside the registry: whoever copies the data folder keeps the names. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BYTES = 32;

/** Made at the first call, the same ever after. @throws Error when the file is there and is no key */
export function pseudonymKeyIn(folder: string): Buffer {
  const path = join(folder, 'pseudonym.key');
  try {
    // `wx`: of two processes that start at once one makes it, the other reads it.
    writeFileSync(path, `${randomBytes(BYTES).toString('hex')}\n`, { flag: 'wx', mode: 0o600, flush: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'hex');
  if (key.length !== BYTES) {
    throw new Error(`${path} does not hold ${BYTES} bytes in hexadecimal; restore it from a backup of the data folder`);
  }
  return key;
}

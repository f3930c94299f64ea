/** The version of the SensorThings catalogue, apart from its code so that a start can ask before any thread runs. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

export const STA_SCHEMA_VERSION = 1;

/** @returns 0 for a file without tables @throws Error when the file was written by a newer version */
export function catalogueVersion(db: DatabaseSync, path: string): number {
  const version = (db.prepare('PRAGMA user_version').get() as { user_version: number }).user_version;
  if (version > STA_SCHEMA_VERSION)
    throw new Error(
      `${path} was written by a newer Lamppost (SensorThings schema ${version}, this one knows ${STA_SCHEMA_VERSION}): update Lamppost or use another data folder`,
    );
  return version;
}

/** @throws Error when there is a catalogue that this version cannot use */
export function checkCatalogue(path: string): void {
  if (path === ':memory:' || !existsSync(path)) return;
  const db = new DatabaseSync(path, { timeout: 5000 });
  try {
    catalogueVersion(db, path);
  } finally {
    db.close();
  }
}

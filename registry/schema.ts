/** The tables of `registry.sqlite`. A change of them is a new entry in `MIGRATIONS`; an entry that was released never changes. */
import type { DatabaseSync } from 'node:sqlite';

/**
 * `things.num` is AUTOINCREMENT and no thing is ever deleted, so neither a number nor an id comes back for another box.
 * `shown_lat/lon` is the public place (exact or snapped); the R*-tree holds that one, so no search can narrow down a hidden place.
 * `rev` is the value of `meta.version` when the thing last changed. Former places only are in `places`; the present one is in `things`.
 * `open_key` = format, newline, native id of a box first met on an open topic.
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
   INSERT INTO meta VALUES ('version', 1);
   CREATE TABLE things (
     num INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, name TEXT NOT NULL, native_id TEXT NOT NULL,
     format TEXT NOT NULL, lat REAL, lon REAL, height REAL, place_from INTEGER NOT NULL, precision TEXT NOT NULL, shown_lat REAL, shown_lon REAL,
     exposure TEXT NOT NULL, sensors TEXT NOT NULL, field TEXT NOT NULL, claimed INTEGER NOT NULL, project TEXT NOT NULL, licence TEXT NOT NULL,
     attribution TEXT NOT NULL, created_at INTEGER NOT NULL, retired INTEGER NOT NULL DEFAULT 0, properties TEXT NOT NULL,
     key_hash BLOB, owner_hash BLOB, open_key TEXT, rev INTEGER NOT NULL);
   CREATE UNIQUE INDEX things_open ON things (open_key) WHERE open_key IS NOT NULL;
   CREATE INDEX things_unclaimed ON things (num) WHERE claimed = 0;
   CREATE INDEX things_station ON things (num) WHERE kind = 'station';
   CREATE INDEX things_project ON things (project, num) WHERE project <> '';
   CREATE INDEX things_key ON things (key_hash) WHERE key_hash IS NOT NULL;
   CREATE INDEX things_owner ON things (owner_hash) WHERE owner_hash IS NOT NULL;
   CREATE INDEX things_rev ON things (rev);
   CREATE VIRTUAL TABLE area USING rtree (num, west, east, south, north);
   CREATE TABLE places (
     num INTEGER NOT NULL, since INTEGER NOT NULL, lat REAL NOT NULL, lon REAL NOT NULL, height REAL,
     PRIMARY KEY (num, since)) WITHOUT ROWID;
   CREATE TABLE tokens (name TEXT PRIMARY KEY, scope TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, created_at INTEGER NOT NULL);`,
  `CREATE TABLE events (
     id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, kind TEXT NOT NULL, thing TEXT NOT NULL, property TEXT NOT NULL,
     detail TEXT NOT NULL);
   CREATE INDEX events_thing ON events (thing, id);
   CREATE INDEX events_kind ON events (kind, id);`,
  // Counting: numbers have no gaps, so all less the retired, and stations from their own index.
  `CREATE INDEX things_retired ON things (kind) WHERE retired = 1;`,
  // The people around a box (care.ts). Secrets as SHA-256; confirm_hash NULL = the address is confirmed.
  `ALTER TABLE things ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
   CREATE TABLE contacts (
     num INTEGER PRIMARY KEY, webhook TEXT NOT NULL, email TEXT NOT NULL, confirm_hash BLOB, kinds TEXT NOT NULL, lang TEXT NOT NULL,
     since INTEGER NOT NULL);
   CREATE TABLE handovers (num INTEGER PRIMARY KEY, hash BLOB NOT NULL, expires INTEGER NOT NULL);
   CREATE TABLE alerts (num INTEGER NOT NULL, kind TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (num, kind)) WITHOUT ROWID;
   CREATE TABLE feedback (
     id INTEGER PRIMARY KEY AUTOINCREMENT, num INTEGER NOT NULL, time INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
     answer TEXT NOT NULL, answered_at INTEGER);
   CREATE INDEX feedback_thing ON feedback (num, id);`,
  // Claims of unclaimed boxes (claims.ts): the secret as SHA-256, the code in plain, for it is looked for in what boxes send.
  `CREATE TABLE claims (
     hash BLOB PRIMARY KEY, num INTEGER NOT NULL, code TEXT NOT NULL, expires INTEGER NOT NULL, heard INTEGER NOT NULL, since INTEGER,
     proven INTEGER NOT NULL) WITHOUT ROWID;
   CREATE INDEX claims_thing ON claims (num);`,
  // Boxes that were registered under the name they have in their own network.
  `CREATE INDEX things_native ON things (native_id) WHERE native_id <> '' AND open_key IS NULL;`,
];

export const SCHEMA_VERSION = MIGRATIONS.length;
/** "Lamp" in ASCII: tells our file from any other SQLite file. */
const APPLICATION_ID = 0x4c616d70;

const pragma = (db: DatabaseSync, name: string): number =>
  Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0] ?? 0);

/**
 * Brings the file to this program's schema; safe when several threads or processes do it at once.
 * @throws Error when the file belongs to a newer Lamppost or to another program
 */
export function prepareSchema(db: DatabaseSync, path: string, readOnly: boolean): void {
  const check = (): number => {
    const version = pragma(db, 'user_version');
    if (version > SCHEMA_VERSION) {
      throw new Error(
        `${path} was written by a newer Lamppost (registry schema ${version}, this one knows ${SCHEMA_VERSION}): update Lamppost or use another data folder`,
      );
    }
    const application = pragma(db, 'application_id');
    if (application !== APPLICATION_ID && (application !== 0 || version !== 0)) {
      throw new Error(`${path} is an SQLite file of another program: use another data folder`);
    }
    return version;
  };
  if (check() === SCHEMA_VERSION) return;
  if (readOnly) throw new Error(`${path} has an older schema: start the server once so that it is brought up to date`);
  // IMMEDIATE: the second of two starters waits here, and then finds the work done.
  db.exec('BEGIN IMMEDIATE');
  try {
    for (let v = check(); v < SCHEMA_VERSION; v++) db.exec(MIGRATIONS[v] as string);
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}; PRAGMA application_id = ${APPLICATION_ID}`);
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}

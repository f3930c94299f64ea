/**
 * What goes with the observations and has to be there when InfluxDB is away: the journal's checkpoint, the names of models,
 * the rejects, and what is known of the bucket. One SQLite file in the store's folder, beside the journal whose checkpoint it
 * holds, so both go into the same backup.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { EpochMs } from '../../model/time.ts';
import type { Reject, RejectQuery } from '../store.ts';

const FILE = 'influx.sqlite';
const VERSION = 1;
const PAYLOAD_LIMIT = 4096;

const TABLES = `
  CREATE TABLE state(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE model(num INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE reject(id INTEGER PRIMARY KEY AUTOINCREMENT, receivedAt INTEGER NOT NULL, via TEXT NOT NULL, topic TEXT NOT NULL,
    thing TEXT NOT NULL, thingNum INTEGER NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL, payload BLOB NOT NULL);
  CREATE INDEX reject_thing ON reject(thing, id);
  CREATE INDEX reject_num ON reject(thingNum, id);`;

/** What is known of the bucket: the number of rows, and between which times they lie (Infinity, -Infinity when empty). */
export interface Known {
  readonly rows: number;
  /** Boxes share series; true also where that is not known. */
  readonly shared: boolean;
  readonly first: EpochMs;
  readonly last: EpochMs;
}

export class Catalogue {
  readonly #db: DatabaseSync;
  readonly folder: string;
  /** The bucket has been looked at, or was empty: what is known of it is right. */
  #surveyed: boolean;

  /** @throws Error for a file of a newer version */
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.#db = new DatabaseSync(join(folder, FILE));
    // A checkpoint that is told to have been taken must be on disk.
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000');
    const version = Number(this.#db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
    if (version > VERSION) {
      this.#db.close();
      throw new Error(`${join(folder, FILE)} was written by a newer Lamppost (schema ${version}); start that version`);
    }
    if (version === 0) this.#db.exec(`BEGIN; ${TABLES} PRAGMA user_version = ${VERSION}; COMMIT`);
    // `clean` is what earlier versions left at their end.
    this.#surveyed = this.#get('surveyed') === 1 || this.#get('clean') === 1;
  }

  #get(key: string): unknown {
    return this.#db.prepare('SELECT value FROM state WHERE key = ?').get(key)?.['value'];
  }

  #set(key: string, value: SQLInputValue): void {
    this.#db
      .prepare('INSERT INTO state VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
      .run(key, value);
  }

  get checkpoint(): number {
    return Number(this.#get('checkpoint') ?? 0);
  }

  get known(): Known {
    const number = (key: string, none: number): number => Number(this.#get(key) ?? none);
    return {
      rows: number('rows', 0),
      shared: number('shared', 0) === 1,
      first: number('first', Infinity),
      last: number('last', -Infinity),
    };
  }

  get surveyed(): boolean {
    return this.#surveyed;
  }

  set surveyed(yes: boolean) {
    this.#set('surveyed', yes ? 1 : 0);
    this.#surveyed = yes;
  }

  /** Number of the last block of `newest.log` that belongs to a committed batch; 0 = none. */
  get noted(): number {
    return Number(this.#get('noted') ?? 0);
  }

  /** `newest.log` may not know of rows up to this time; -Infinity = it knows of all. */
  get floor(): EpochMs {
    const value = this.#get('floor');
    // A file of an earlier version has rows and no such log.
    if (value === undefined) return this.known.last;
    return value === null ? -Infinity : Number(value);
  }

  set floor(time: EpochMs) {
    this.#set('floor', Number.isFinite(time) ? time : null);
  }

  /** The bucket the rows are in; '' before the first. */
  get bucket(): string {
    return (this.#get('bucket') as string | undefined) ?? '';
  }

  set bucket(name: string) {
    this.#set('bucket', name);
  }

  /** How many series the bucket was begun with; 0 = it has not been. */
  get series(): number {
    return Number(this.#get('series') ?? 0);
  }

  set series(n: number) {
    this.#set('series', n);
  }

  #transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  setKnown(known: Known): void {
    this.#transaction(() => this.#setKnown(known));
  }

  #setKnown({ rows, shared, first, last }: Known): void {
    this.#set('rows', rows);
    this.#set('shared', shared ? 1 : 0);
    if (first <= last) {
      this.#set('first', first);
      this.#set('last', last);
    }
  }

  /** Rows are in the bucket: their rejects, what is known of the bucket, and the checkpoint, together. */
  commit(rejects: readonly Reject[], known: Known, checkpoint: number, noted: number): void {
    this.#transaction(() => {
      const insert = this.#db.prepare(
        'INSERT INTO reject(receivedAt, via, topic, thing, thingNum, code, detail, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      );
      for (const r of rejects) {
        const payload = r.payload.subarray(0, PAYLOAD_LIMIT);
        insert.run(Math.trunc(r.receivedAt), r.via, r.topic, r.thing, r.thingNum ?? 0, r.code, r.detail, payload);
      }
      this.#setKnown(known);
      this.#set('noted', noted);
      if (checkpoint > this.checkpoint) this.#set('checkpoint', checkpoint);
    });
  }

  modelNum(name: string): number {
    this.#db.prepare('INSERT OR IGNORE INTO model VALUES ((SELECT coalesce(max(num), 0) + 1 FROM model), ?)').run(name);
    return Number(this.#db.prepare('SELECT num FROM model WHERE name = ?').get(name)?.['num']);
  }

  models(): string[] {
    return this.#db
      .prepare('SELECT name FROM model ORDER BY num')
      .all()
      .map((row) => String(row['name']));
  }

  rejects({ thing, thingNum, limit, before }: RejectQuery): (Reject & { id: number })[] {
    const either: string[] = [];
    const values: SQLInputValue[] = [];
    if (thing !== undefined) either.push('thing = ?');
    if (thing !== undefined) values.push(thing);
    if (thingNum !== undefined) either.push('thingNum = ?');
    if (thingNum !== undefined) values.push(thingNum);
    const where = either.length > 0 ? `(${either.join(' OR ')})` : 'true';
    return this.#db
      .prepare(`SELECT * FROM reject WHERE ${where} AND id < ? ORDER BY id DESC LIMIT ?`)
      .all(...values, before ?? Number.MAX_SAFE_INTEGER, Math.max(0, Math.trunc(limit)))
      .map((row) => ({
        id: Number(row['id']),
        receivedAt: Number(row['receivedAt']),
        via: String(row['via']),
        topic: String(row['topic']),
        thing: String(row['thing']),
        ...(Number(row['thingNum']) > 0 && { thingNum: Number(row['thingNum']) }),
        code: String(row['code']),
        detail: String(row['detail']),
        payload: Uint8Array.from(row['payload'] as Uint8Array),
      }));
  }

  rejectCount(): number {
    return Number(this.#db.prepare('SELECT count(*) AS n FROM reject').get()?.['n']);
  }

  emptyRejects(before: EpochMs): void {
    this.#db
      .prepare("UPDATE reject SET payload = x'' WHERE receivedAt < ? AND length(payload) > 0")
      .run(Math.trunc(before));
  }

  get bytes(): number {
    const { page_count: pages } = this.#db.prepare('PRAGMA page_count').get() as { page_count: number };
    const { page_size: size } = this.#db.prepare('PRAGMA page_size').get() as { page_size: number };
    return pages * size;
  }

  close(): void {
    this.#db.close();
  }
}

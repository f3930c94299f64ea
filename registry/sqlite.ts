/** The registry in one SQLite file (WAL): every thread and command opens it by itself. See `registry.ts` for what it promises. */
import { chmodSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { EpochMs } from '../model/time.ts';
import { createCare } from './care.ts';
import { createClaims } from './claims.ts';
import { snapFrom, snapToGrid, type PublicPlace } from './place.ts';
import type {
  NewThing,
  Place,
  Principal,
  Registry,
  RegistryEvent,
  Thing,
  ThingKind,
  ThingQuery,
  TokenScope,
} from './registry.ts';
import { prepareSchema } from './schema.ts';
import { hashSecret, newId, newSecret, sameHash, unclaimedId } from './secrets.ts';
import {
  COLUMNS,
  checkPlace,
  checkThing,
  firstShown,
  InvalidThing,
  isThingId,
  thingOf,
  type ThingRow,
} from './thing.ts';

/** A statement that gives rows as arrays. */
interface ThingSelect {
  get(...values: SQLInputValue[]): ThingRow | undefined;
  all(...values: SQLInputValue[]): ThingRow[];
}

export interface RegistryOptions {
  /** Boxes met on open topics that nobody has claimed; beyond it new ones are refused. Default 100,000. */
  readonly maxUnclaimed?: number;
  readonly readOnly?: boolean;
  /** What is kept mapped of the file [bytes]. Pages count in each thread that maps them; who reads in one go needs none. @default 64 MiB */
  readonly mapped?: number;
}

const ROLL = 'num, id, kind, lat, lon, place_from, sensors, field, exposure, claimed, retired, paused, created_at';

/** Past this many boxes in a bbox, walking all boxes in order of number finds a page sooner than sorting what the R*-tree gives. */
const AREA_LIMIT = 20_000;
/** Negative = KiB, as SQLite wants it. */
const CACHE_KIB = -16_384;
/** The R*-tree keeps 32-bit floats; the exact comparison is made on the row [degrees]. */
const MARGIN = 1e-4;
/** Older events are forgotten. */
const MAX_EVENTS = 200_000;
const SCOPES: readonly TokenScope[] = ['admin', 'sta-write', 'bridge'];
/** What a registry keeps mapped of its file [bytes]: the rest is read through the system's cache, which counts as nobody's memory. */
const MAPPED = 64 * 2 ** 20;
/** A hash that no secret has, compared against when an id is unknown so that both cases take the same time. */
const NO_HASH = Buffer.alloc(32);

/** @throws Error when the file is of a newer Lamppost, of another program, or cannot be opened */
export function openRegistry(path: string, options: RegistryOptions = {}): Registry {
  const { maxUnclaimed = 100_000, readOnly = false, mapped = MAPPED } = options;
  let db: DatabaseSync;
  try {
    db = new DatabaseSync(path, { readOnly, timeout: 10_000 });
  } catch (cause) {
    throw new Error(`cannot open the registry ${path}: ${(cause as Error).message}`, { cause });
  }
  try {
    if (!readOnly) {
      if (path !== ':memory:') chmodSync(path, 0o600);
      // FULL: a power cut must not take back a number that stored observations already carry, nor a key already shown.
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    }
    db.exec(`PRAGMA cache_size = ${CACHE_KIB}; PRAGMA mmap_size = ${mapped}`);
    prepareSchema(db, path, readOnly);
  } catch (error) {
    db.close();
    throw error;
  }

  const statements = new Map<string, StatementSync>();
  const sql = (text: string): StatementSync => {
    let s = statements.get(text);
    if (!s) statements.set(text, (s = db.prepare(text)));
    return s;
  };
  /** Statements whose rows are arrays: things are read by the million. */
  const selects = new Map<string, ThingSelect>();
  function select(where: string, columns = COLUMNS): ThingSelect {
    const text = `SELECT ${columns} FROM things WHERE ${where}`;
    let s = selects.get(text);
    if (!s) {
      const statement = db.prepare(text);
      statement.setReturnArrays(true);
      selects.set(text, (s = statement as unknown as ThingSelect));
    }
    return s;
  }
  const one = (row: ThingRow | undefined): Thing | null => (row ? thingOf(row) : null);
  const secretsOf = db.prepare('SELECT key_hash, retired, paused FROM things WHERE id = ?');
  const byId = select('id = ?');
  const byNumber = select('num = ?');
  const versionOf = db.prepare("SELECT value FROM meta WHERE name = 'version'");
  const version = (): number => (versionOf.get() as { value: number }).value;

  /** One write transaction; `rev` is the version it makes. */
  function write<T>(work: (rev: number) => T): T {
    db.exec('BEGIN IMMEDIATE');
    try {
      sql("UPDATE meta SET value = value + 1 WHERE name = 'version'").run();
      const result = work(version());
      db.exec('COMMIT');
      return result;
    } catch (error) {
      db.exec('ROLLBACK');
      throw error;
    }
  }

  function note(event: Omit<RegistryEvent, 'id'>): void {
    const { time, kind, thing, property, detail } = event;
    const made = sql('INSERT INTO events (time, kind, thing, property, detail) VALUES (?,?,?,?,?)').run(time, kind, thing, property, detail.slice(0, 400)); // prettier-ignore
    const id = Number(made.lastInsertRowid);
    if (id % 1000 === 0) sql('DELETE FROM events WHERE id <= ?').run(id - MAX_EVENTS);
  }
  const noteOf = (time: EpochMs, kind: string, thing: string): void =>
    note({ time, kind, thing, property: '', detail: '' });

  const lastNum = (): number => (sql('SELECT max(num) AS n FROM things').get()?.n as number | null) ?? 0;

  const required = (id: string): Thing => {
    const thing = one(byId.get(id));
    if (!thing) throw new InvalidThing('id', `no box or station has the id ${JSON.stringify(id)}`);
    return thing;
  };

  const insertThing = (): StatementSync =>
    sql(
      `INSERT INTO things (id,kind,name,native_id,format,lat,lon,height,place_from,precision,shown_lat,shown_lon,exposure,sensors,field,claimed,
       project,licence,attribution,created_at,properties,key_hash,owner_hash,open_key,rev) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
    );

  function setArea(num: number, shown: PublicPlace | null): void {
    if (!shown) sql('DELETE FROM area WHERE num = ?').run(num);
    else sql('INSERT OR REPLACE INTO area VALUES (?,?,?,?,?)').run(num, shown.lon, shown.lon, shown.lat, shown.lat);
  }

  function insert(
    t: NewThing,
    now: EpochMs,
    rev: number,
    secrets: { key?: string; owner?: string; openKey?: string },
  ): string {
    const id = t.id ?? newId();
    const shown = firstShown(t);
    let num: number;
    try {
      const done = insertThing().run(
        id,
        t.kind ?? 'box',
        t.name ?? '',
        t.nativeId ?? '',
        t.format ?? '',
        t.lat ?? null,
        t.lon ?? null,
        t.height ?? null,
        now,
        t.placePrecision ?? 'exact',
        shown?.lat ?? null,
        shown?.lon ?? null,
        t.exposure ?? 'unknown',
        JSON.stringify(t.sensors ?? []),
        t.field ?? '',
        (t.claimed ?? true) ? 1 : 0,
        t.project ?? '',
        t.licence ?? '',
        t.attribution ?? '',
        now,
        JSON.stringify(t.properties ?? {}),
        secrets.key === undefined ? null : hashSecret(secrets.key),
        secrets.owner === undefined ? null : hashSecret(secrets.owner),
        secrets.openKey ?? null,
        rev,
      );
      num = Number(done.lastInsertRowid);
    } catch (error) {
      if ((error as Error).message.includes('things.id')) throw new InvalidThing('id', `${id} is already in use`);
      throw error;
    }
    if (shown) sql('INSERT INTO area VALUES (?,?,?,?,?)').run(num, shown.lon, shown.lon, shown.lat, shown.lat);
    return id;
  }

  /** The unclaimed are counted anew only after something changed. */
  let counted = { version: -1, unclaimed: 0 };
  function unclaimedCount(): number {
    const v = version();
    if (counted.version !== v) {
      const row = sql('SELECT count(*) AS n FROM things INDEXED BY things_unclaimed WHERE claimed = 0').get();
      counted = { version: v, unclaimed: row?.n as number };
    }
    return counted.unclaimed;
  }

  function list(query: ThingQuery = {}): Thing[] {
    const limit = Math.min(query.limit ?? Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    const where: string[] = ['num > ?'];
    const values: SQLInputValue[] = [query.after ?? 0];
    const and = (condition: string, ...v: SQLInputValue[]): void => {
      where.push(condition);
      values.push(...v);
    };
    // The unary + keeps the planner on the walk by number, which is what gives pages in order.
    if (query.until !== undefined) and('num <= ?', query.until);
    if (query.kind === 'station') and("kind = 'station'");
    else if (query.kind) and('kind = ?', query.kind);
    if (query.project !== undefined) and('project = ?', query.project);
    if (query.exposure) and('exposure = ?', query.exposure);
    if (query.claimed !== undefined) and(query.claimed ? '+claimed = 1' : 'claimed = 0');
    if (query.licence !== undefined) and('licence = ?', query.licence);
    if (!query.includeRetired) and('retired = 0');
    if (query.bbox) {
      const [west, south, east, north] = query.bbox;
      and('shown_lat BETWEEN ? AND ?', south, north);
      and(west <= east ? 'shown_lon BETWEEN ? AND ?' : '(shown_lon >= ? OR shown_lon <= ?)', west, east);
      const nums = inArea(query.bbox);
      if (nums) {
        const { after = 0, until = Infinity } = query;
        const page = nums.filter((n) => n > after && n <= until).sort((a, b) => a - b);
        const statement = select(`num = ? AND ${where.join(' AND ')}`);
        const out: Thing[] = [];
        for (const num of page) {
          const row = statement.get(num, ...values);
          if (row) out.push(thingOf(row));
          if (out.length >= limit) break;
        }
        return out;
      }
    }
    return select(`${where.join(' AND ')} ORDER BY num LIMIT ?`)
      .all(...values, limit)
      .map(thingOf);
  }

  /** Numbers in the bbox by the R*-tree (32-bit floats, so a little more than asked), or null when they are too many to sort. */
  function inArea([west, south, east, north]: readonly [number, number, number, number]): number[] | null {
    const spans: [number, number][] = west <= east ? [[west, east]] : [[west, 180], [-180, east]]; // prettier-ignore
    const nums = spans.flatMap(([w, e]) =>
      sql('SELECT num FROM area WHERE east >= ? AND west <= ? AND north >= ? AND south <= ? LIMIT ?')
        .all(w - MARGIN, e + MARGIN, south - MARGIN, north + MARGIN, AREA_LIMIT)
        .map((row) => row.num as number),
    );
    return nums.length >= AREA_LIMIT ? null : [...new Set(nums)];
  }

  function setKey(column: 'key_hash' | 'owner_hash', id: string): string {
    const secret = newSecret();
    write((rev) => {
      required(id);
      sql(`UPDATE things SET ${column} = ?, rev = ? WHERE id = ?`).run(hashSecret(secret), rev, id);
    });
    return secret;
  }

  return {
    authenticate(id, key) {
      const row = secretsOf.get(id);
      const right = sameHash((row?.key_hash as Uint8Array | null) ?? NO_HASH, hashSecret(key));
      if (!row) return 'unknown';
      return right && row.retired === 0 && row.paused === 0 ? 'ok' : 'refused';
    },

    principal(secret): Principal | null {
      // Look-up by hash: what a timing difference could tell is a prefix of a SHA-256, which helps nobody to a key.
      const hash = hashSecret(secret);
      const token = sql('SELECT name, scope, hash FROM tokens WHERE hash = ?').get(hash);
      if (token && sameHash(token.hash as Uint8Array, hash)) {
        return { kind: 'token', scope: token.scope as TokenScope, name: token.name as string };
      }
      const box = sql('SELECT id, key_hash FROM things WHERE key_hash = ? AND retired = 0').get(hash);
      if (box && sameHash(box.key_hash as Uint8Array, hash)) return { kind: 'box', id: box.id as string };
      const owner = sql('SELECT id, owner_hash FROM things WHERE owner_hash = ?').get(hash);
      if (owner && sameHash(owner.owner_hash as Uint8Array, hash)) return { kind: 'owner', id: owner.id as string };
      return null;
    },

    get: (id) => one(byId.get(id)),
    byNum: (num) => one(byNumber.get(num)),
    list,
    roll(after, limit) {
      return select('num > ? ORDER BY num LIMIT ?', ROLL)
        .all(after, limit)
        .map(([num, id, kind, lat, lon, from, sensors, field, exposure, claimed, retired, paused, createdAt]) => ({
          num: num as number,
          id: id as string,
          kind: kind as ThingKind,
          lat: lat as number | null,
          lon: lon as number | null,
          placedFrom: from as number,
          sensors: sensors as string,
          field: field as 'cf1' | 'atm' | '',
          exposure: exposure as Thing['exposure'],
          claimed: claimed === 1,
          retired: retired === 1,
          paused: paused === 1,
          createdAt: createdAt as number,
        }));
    },
    inArea: (bbox) => inArea(bbox),
    changedSince(since, limit) {
      const now = version();
      if (since >= now) return { things: [], version: now };
      const rows = select('rev > ? ORDER BY rev, num LIMIT ?', `${COLUMNS}, rev`).all(since, limit + 1);
      if (rows.length <= limit) return { things: rows.map(thingOf), version: now };
      // Cut before the transaction that did not fit; one that alone is larger than the limit comes whole.
      const cut = rows[limit]?.at(-1) as number;
      const whole = rows.filter((r) => (r.at(-1) as number) < cut);
      if (whole.length > 0) return { things: whole.map(thingOf), version: cut - 1 };
      return { things: select('rev = ? ORDER BY num').all(cut).map(thingOf), version: cut };
    },
    count(kind?: ThingKind) {
      // No thing is ever deleted and failed inserts give their number back, so there are as many things as numbers.
      const of = (text: string): number => sql(text).get()?.n as number;
      const retired = (k: ThingKind): number =>
        sql('SELECT count(*) AS n FROM things WHERE retired = 1 AND kind = ?').get(k)?.n as number;
      const stations = of("SELECT count(*) AS n FROM things WHERE kind = 'station'");
      const boxes = lastNum() - stations - retired('box');
      if (kind === 'box') return boxes;
      return kind === 'station' ? stations - retired('station') : boxes + stations - retired('station');
    },
    lastNum,

    add(thing, now) {
      checkThing(thing);
      const key = newSecret();
      const ownerToken = newSecret();
      const id = write((rev) => {
        const made = insert(thing, now, rev, { key, owner: ownerToken });
        noteOf(now, 'registered', made);
        return made;
      });
      return { thing: required(id), key, ownerToken };
    },
    addMany(things, now) {
      // Ids and hashes are random, so inserts touch all of their indexes: those have to fit into memory, or every insert reads the disk.
      db.exec('PRAGMA cache_size = -524288');
      try {
        return write((rev) => {
          const out: { id: string; key: string }[] = [];
          for (const { key = newSecret(), ...thing } of things) {
            checkThing(thing);
            out.push({ id: insert(thing, now, rev, { key }), key });
          }
          return out;
        });
      } finally {
        db.exec(`PRAGMA cache_size = ${CACHE_KIB}; PRAGMA shrink_memory`);
      }
    },
    known: (format, nativeId) =>
      one(
        select('open_key = ?').get(`${format}\n${nativeId}`) ??
          select("native_id = ? AND native_id <> '' AND open_key IS NULL AND format = ? AND retired = 0").get(
            nativeId,
            format,
          ),
      ),
    unclaimed(format, nativeId, now) {
      const openKey = `${format}\n${nativeId}`;
      const known = select('open_key = ?').get(openKey);
      if (known) return thingOf(known);
      if (readOnly || unclaimedCount() >= maxUnclaimed) return null;
      const thing: NewThing = { id: unclaimedId(format, nativeId), format, nativeId, claimed: false };
      checkThing(thing);
      // Another thread may have met the same box at the same moment: look again inside the transaction.
      const id = write((rev) => {
        const row = select('open_key = ?').get(openKey);
        return row ? thingOf(row).id : insert(thing, now, rev, { openKey });
      });
      return required(id);
    },

    update(id, change, now) {
      checkThing({ ...change, id });
      write((rev) => {
        const old = required(id);
        const precision = change.placePrecision ?? old.placePrecision;
        sql(
          `UPDATE things SET name=?, native_id=?, format=?, precision=?, exposure=?, sensors=?, field=?, claimed=?, project=?, licence=?,
           attribution=?, properties=?, rev=? WHERE id = ?`,
        ).run(
          change.name ?? old.name,
          change.nativeId ?? old.nativeId,
          change.format ?? old.format,
          precision,
          change.exposure ?? old.exposure,
          JSON.stringify(change.sensors ?? old.sensors),
          change.field ?? old.field,
          (change.claimed ?? old.claimed) ? 1 : 0,
          change.project ?? old.project,
          change.licence ?? old.licence,
          change.attribution ?? old.attribution,
          JSON.stringify(change.properties ?? old.properties),
          rev,
          id,
        );
        if (change.claimed === true && !old.claimed) noteOf(now, 'claimed', id);
        const { lat, lon } = change;
        if (typeof lat === 'number' && typeof lon === 'number') {
          const height = change.height === undefined ? (old.place?.height ?? null) : change.height;
          const same = old.place?.lat === lat && old.place.lon === lon && old.place.height === height;
          if (!same && old.place) noteOf(now, 'moved', id);
          if (!same) setPlace(old, { lat, lon, height, from: now });
        }
        if (precision !== old.placePrecision) reshow(id, precision);
      });
      return required(id);
    },
    move(id, place) {
      checkPlace(place);
      write((rev) => {
        const old = required(id);
        setPlace(old, place);
        // The first place that becomes known is no move.
        if (old.place) noteOf(place.from, 'moved', id);
        sql('UPDATE things SET rev = ? WHERE id = ?').run(rev, id);
      });
      return required(id);
    },
    places(id) {
      const thing = required(id);
      const former = sql('SELECT lat, lon, height, since FROM places WHERE num = ? ORDER BY since')
        .all(thing.num)
        .map((r) => ({ lat: r.lat, lon: r.lon, height: r.height, from: r.since }) as Place);
      return thing.place ? [...former, thing.place] : former;
    },
    rotateKey: (id) => setKey('key_hash', id),
    rotateOwnerToken: (id) => setKey('owner_hash', id),
    retire(id, now) {
      write((rev) => {
        required(id);
        sql('UPDATE things SET retired = 1, rev = ? WHERE id = ?').run(rev, id);
        noteOf(now, 'retired', id);
      });
    },

    addToken(scope, name, now) {
      if (!SCOPES.includes(scope)) throw new InvalidThing('scope', `one of ${SCOPES.join(', ')}`);
      if (!/^[\w.@ -]{1,80}$/.test(name)) {
        throw new InvalidThing('name', 'letters, digits, blanks and . _ @ -, at most 80 characters');
      }
      const secret = newSecret();
      write(() => {
        if (sql('SELECT 1 FROM tokens WHERE name = ?').get(name)) {
          throw new InvalidThing('name', `a token named ${name} exists; remove it first or take another name`);
        }
        sql('INSERT INTO tokens VALUES (?,?,?,?)').run(name, scope, hashSecret(secret), now);
      });
      return secret;
    },
    tokens: () =>
      sql('SELECT name, scope, created_at FROM tokens ORDER BY created_at, name')
        .all()
        .map((r) => ({ name: r.name as string, scope: r.scope as TokenScope, createdAt: r.created_at as number })),
    removeToken: (name) => write(() => sql('DELETE FROM tokens WHERE name = ?').run(name).changes > 0),

    addEvent(event) {
      // Not a change of any thing: caches stay.
      note(event);
    },
    events({ limit, before, thing, kind }) {
      const where = ['id < ?'];
      const values: SQLInputValue[] = [before ?? Number.MAX_SAFE_INTEGER];
      if (thing !== undefined) {
        where.push('thing = ?');
        values.push(thing);
      }
      if (kind !== undefined) {
        where.push('kind = ?');
        values.push(kind);
      }
      return sql(
        `SELECT id, time, kind, thing, property, detail FROM events WHERE ${where.join(' AND ')} ORDER BY id DESC LIMIT ?`,
      )
        .all(...values, limit)
        .map((r) => ({ ...r }) as unknown as RegistryEvent);
    },

    care: createCare({
      sql,
      write,
      required,
      byNum: (num) => one(byNumber.get(num)),
      setArea,
      note: noteOf,
    }),
    claims: createClaims({ sql, write, required, note: noteOf }),
    version,
    close() {
      if (db.isOpen) db.close();
    },
  };

  /** A place that is newer than the present one becomes it; an older one that became known late goes into the history. */
  function setPlace(thing: Thing, place: Place): void {
    const former = (p: Place): unknown =>
      sql('INSERT OR REPLACE INTO places VALUES (?,?,?,?,?)').run(thing.num, p.from, p.lat, p.lon, p.height);
    if (thing.place && place.from < thing.place.from) {
      former(place);
      return;
    }
    if (thing.place && place.from > thing.place.from) former(thing.place);
    const shown =
      thing.placePrecision === 'exact'
        ? { lat: place.lat, lon: place.lon }
        : snapFrom(thing.place ? (thing.shown ?? null) : null, place);
    sql('UPDATE things SET lat=?, lon=?, height=?, place_from=?, shown_lat=?, shown_lon=? WHERE num = ?').run(
      place.lat,
      place.lon,
      place.height,
      place.from,
      shown.lat,
      shown.lon,
      thing.num,
    );
    setArea(thing.num, shown);
  }

  /** Anew after the owner changed how exactly the box may be shown. */
  function reshow(id: string, precision: 'exact' | 'grid'): void {
    const thing = required(id);
    if (!thing.place) return;
    const shown = precision === 'exact' ? { lat: thing.place.lat, lon: thing.place.lon } : snapToGrid(thing.place);
    sql('UPDATE things SET shown_lat=?, shown_lon=? WHERE num = ?').run(shown.lat, shown.lon, thing.num);
    setArea(thing.num, shown);
  }
}

/** Ids that may stand in a topic or URL; anything else is nobody's. */
export { isThingId };

/**
 * The catalogue of SensorThings entities, and the observations that came in through SensorThings itself, in SQLite; the SQL
 * functions that filters need are added to the connection. Observations of boxes stay in the observation store.
 *
 * How a property is kept: `string` as text; `json`, `any`, `geometry` as JSON text; `instant` as epoch ms; `interval` as two
 * columns `<name>_start`, `<name>_end` (equal for an instant). `result` keeps numbers and text as themselves with
 * `result_type` beside it, so that comparisons need no parsing.
 */
import { DatabaseSync } from 'node:sqlite';
import type Geometry from 'jsts/org/locationtech/jts/geom/Geometry.js';
import { ENTITY_TYPES, type EntityType, type PropertyType } from './entities.ts';
import { StaProblem } from './problem.ts';
import { distance, isPattern, length, parseWkt, PREDICATES, readGeoJson, relate } from './geometry.ts';
import { catalogueVersion, STA_SCHEMA_VERSION } from './version.ts';

const SQL_TYPES: Record<PropertyType, (name: string) => string[]> = {
  string: (n) => [`"${n}" TEXT`],
  json: (n) => [`"${n}" TEXT`],
  any: (n) => [`"${n}" TEXT`],
  geometry: (n) => [`"${n}" TEXT`],
  instant: (n) => [`"${n}" REAL`],
  interval: (n) => [`"${n}_start" REAL`, `"${n}_end" REAL`],
};

/** Columns of a property in its table. */
export function columnsOf(type: EntityType, name: string): string[] {
  if (type.name === 'Observation' && name === 'result') return ['result', 'result_type'];
  const property = type.properties.find((q) => q.name === name);
  if (!property) throw new Error(`${type.name} has no property ${name}`);
  return property.type === 'interval' ? [`${name}_start`, `${name}_end`] : [name];
}

/** Ids of entities made through SensorThings begin here; below are the numbers of boxes and their datastreams. */
export const FIRST_USER_ID = 2 ** 40;

function createTables(db: DatabaseSync, scratch: boolean): void {
  for (const type of ENTITY_TYPES) {
    const columns = type.properties.flatMap((q) =>
      type.name === 'Observation' && q.name === 'result' ? ['result', 'result_type TEXT'] : SQL_TYPES[q.type](q.name),
    );
    const keys = type.navigation.flatMap((n) => (n.by.kind === 'own' ? [`${n.by.column} INTEGER`] : []));
    const id = 'id INTEGER PRIMARY KEY AUTOINCREMENT';
    db.exec(`CREATE TABLE "${type.table}" (${[id, ...columns, ...keys].join(', ')})`);
    for (const n of type.navigation)
      if (n.by.kind === 'own' && type.table !== 'observation')
        db.exec(`CREATE INDEX "${type.table}_${n.by.column}" ON "${type.table}" (${n.by.column})`);
    if (!scratch) db.prepare('INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)').run(type.table, FIRST_USER_ID);
  }
  db.exec(`
    CREATE TABLE thing_location (thing_id INTEGER, location_id INTEGER, PRIMARY KEY (thing_id, location_id)) WITHOUT ROWID;
    CREATE INDEX thing_location_back ON thing_location (location_id);
    CREATE TABLE historical_location_location (historical_location_id INTEGER, location_id INTEGER,
      PRIMARY KEY (historical_location_id, location_id)) WITHOUT ROWID;
    CREATE INDEX historical_location_location_back ON historical_location_location (location_id);
    CREATE INDEX observation_of_datastream ON observation (datastream_id, "phenomenonTime_start");
    CREATE INDEX observation_end ON observation (datastream_id, "phenomenonTime_end");
    CREATE INDEX observation_of_feature ON observation (feature_id);
    CREATE INDEX observation_time ON observation ("phenomenonTime_start");
    CREATE TABLE thing_feature (location_id INTEGER PRIMARY KEY, feature_id INTEGER);
  `);
  db.exec(`PRAGMA user_version = ${STA_SCHEMA_VERSION}`);
}

/** Longest time one statement may take [ms]. */
const PATIENCE_MS = 5000;
const clocks = new WeakMap<DatabaseSync, { end: number; patience: number }>();

/** Before each statement of a reader: its time begins. node:sqlite has no way to interrupt one from outside. */
export function startClock(db: DatabaseSync): void {
  const clock = clocks.get(db);
  if (clock) clock.end = performance.now() + clock.patience;
}

function addTick(db: DatabaseSync, patience: number): void {
  const clock = { end: Infinity, patience };
  clocks.set(db, clock);
  let calls = 0;
  db.function('sta_tick', (_id: unknown) => {
    if ((++calls & 255) === 0 && performance.now() > clock.end)
      throw new StaProblem(400, `the query took longer than ${patience / 1000} s and was ended; narrow its filter`);
    return 1;
  });
}

/** Arithmetic may lead beyond what a Date holds. */
const LAST_MOMENT = 8.64e15;

/** Literals were checked before; a place may be anything that somebody wrote, and is then nowhere. */
function wktOrNull(text: string): Geometry | null {
  try {
    return parseWkt(text);
  } catch {
    return null;
  }
}

/** Text functions count in characters of the value, not in bytes. */
function addFunctions(db: DatabaseSync): void {
  // Geometries of literals recur row by row: parse each once. Bounded, because rows' own geometries pass through too.
  const cache = new Map<string, Geometry | null>();
  const geometry = (value: unknown): Geometry | null => {
    if (typeof value !== 'string') return null;
    let g = cache.get(value);
    if (g === undefined) {
      if (cache.size > 5000) cache.clear();
      g = value.startsWith('{') ? readGeoJson(value) : wktOrNull(value);
      cache.set(value, g);
    }
    return g;
  };
  const define = (name: string, f: (...args: never[]) => number | string | null): void => {
    db.function(name, { deterministic: true }, f as (...args: unknown[]) => number | string | null);
  };
  for (const [name, predicate] of Object.entries(PREDICATES))
    define(`sta_${name.replace('.', '_')}`, (a: unknown, b: unknown) => {
      const [ga, gb] = [geometry(a), geometry(b)];
      return ga && gb ? Number(predicate(ga, gb)) : null;
    });
  define('sta_relate', (a: unknown, b: unknown, pattern: unknown) => {
    const [ga, gb] = [geometry(a), geometry(b)];
    return ga && gb && typeof pattern === 'string' && isPattern(pattern) ? Number(relate(ga, gb, pattern)) : null;
  });
  define('sta_distance', (a: unknown, b: unknown) => {
    const [ga, gb] = [geometry(a), geometry(b)];
    return ga && gb ? distance(ga, gb) : null;
  });
  define('sta_length', (a: unknown) => {
    const g = geometry(a);
    return g ? length(g) : null;
  });
  define('sta_lower', (s: unknown) => (typeof s === 'string' ? s.toLowerCase() : null));
  define('sta_upper', (s: unknown) => (typeof s === 'string' ? s.toUpperCase() : null));
  define('sta_trim', (s: unknown) => (typeof s === 'string' ? s.trim() : null));
  define('sta_mod', (a: unknown, b: unknown) =>
    typeof a === 'number' && typeof b === 'number' && b !== 0 ? a % b : null,
  );
  define('sta_round', (x: unknown) => (typeof x === 'number' ? Math.sign(x) * Math.round(Math.abs(x)) : null));
  define('sta_floor', (x: unknown) => (typeof x === 'number' ? Math.floor(x) : null));
  define('sta_ceiling', (x: unknown) => (typeof x === 'number' ? Math.ceil(x) : null));
  define('sta_substring', (s: unknown, from: unknown, count: unknown) => {
    if (typeof s !== 'string' || typeof from !== 'number') return null;
    const start = Math.max(0, from);
    // Characters, as SQLite counts them; most text has no pairs of surrogates.
    const text = /[\ud800-\udfff]/.test(s) ? Array.from(s) : s;
    const part = typeof count === 'number' ? text.slice(start, start + Math.max(0, count)) : text.slice(start);
    return typeof part === 'string' ? part : part.join('');
  });
  const part = (name: string, f: (d: Date) => number | string): void =>
    define(`sta_${name}`, (t: unknown) =>
      typeof t === 'number' && Math.abs(t) <= LAST_MOMENT ? f(new Date(t)) : null,
    );
  part('year', (d) => d.getUTCFullYear());
  part('month', (d) => d.getUTCMonth() + 1);
  part('day', (d) => d.getUTCDate());
  part('hour', (d) => d.getUTCHours());
  part('minute', (d) => d.getUTCMinutes());
  part('second', (d) => d.getUTCSeconds());
  part('fractionalseconds', (d) => d.getUTCMilliseconds() / 1000);
  part('date', (d) => Math.floor(d.getTime() / 86_400_000) * 86_400_000);
  part('time', (d) => d.toISOString().slice(11, 19));
}

/** @throws Error when the file was written by a newer version */
export function openDatabase(path: string, options: { scratch: boolean; patienceMs?: number }): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 5000 });
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY',
  );
  if (catalogueVersion(db, path) === 0) {
    db.exec('BEGIN');
    createTables(db, options.scratch);
    db.exec('COMMIT');
  }
  addFunctions(db);
  addTick(db, options.patienceMs ?? PATIENCE_MS);
  return db;
}

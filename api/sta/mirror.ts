/**
 * Keeps the registry's boxes and stations as SensorThings entities: Thing, Locations with their history, one Datastream per
 * property and level (18-088 §8), FeatureOfInterest per place. Thing properties use the keys of Civil IoT Taiwan
 * (`stationID`, `authority`, `city`, `township`, `isOutdoor` … as text), so that its users' queries work here.
 */
import type { DatabaseSync } from 'node:sqlite';
import { property, type PropertyKey } from '../../model/properties.ts';
import { licence } from '../../registry/licences.ts';
import { publicPlace, publicPlaces, publicProperties } from '../../registry/place.ts';
import type { Registry, Thing } from '../../registry/registry.ts';
import { townships } from '../townships.ts';
import { boxDatastreamId, LEVELS, placeId, type ObservationLevel } from './box-ids.ts';
import { boundsJson, boundsOf, joined, type Bounds } from './geometry.ts';
import { prepared } from './read.ts';

/** What the mirror is told of a datastream in the store. */
export interface SeenDatastream {
  readonly thingNum: number;
  readonly key: PropertyKey;
  readonly firstTime: number;
  readonly lastTime: number;
  readonly lastResultTime: number;
  readonly corrected: boolean;
}

/** Things written in one transaction. */
const PIECE = 500;
const UNKNOWN_SENSOR = 'unknown';
const ENCODING = 'application/geo+json';
const MEASUREMENT = 'http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement';

const LEVEL_WORDS: Record<ObservationLevel, string> = {
  raw: 'as the box sent it',
  checked: 'after quality control: null where it failed, with the reasons in resultQuality',
  corrected: 'corrected against reference stations, with its 90 % interval in parameters',
};

export class BoxMirror {
  readonly #db: DatabaseSync;
  readonly #registry: Registry;
  #version = -1;
  readonly #known = new Set<number>();

  constructor(db: DatabaseSync, registry: Registry) {
    this.#db = db;
    this.#registry = registry;
  }

  /** Takes over what has changed in the registry. Returns the number of things written. */
  syncThings(): number {
    let written = 0;
    for (const n of this.syncing()) written += n;
    return written;
  }

  /** The same piece by piece, each with the number of things written: all of the registry at first, then only what changes. */
  *syncing(): Generator<number> {
    if (this.#version < 0) {
      const version = this.#registry.version();
      for (let after = 0; ;) {
        const page = this.#registry.list({ after, limit: PIECE, includeRetired: true });
        if (page.length === 0) break;
        after = page.at(-1)?.num ?? after;
        yield this.#writeThings(page);
      }
      this.#version = version;
    }
    while (this.#version !== this.#registry.version()) {
      const { things, version } = this.#registry.changedSince(this.#version, PIECE);
      const written = this.#writeThings(things);
      this.#version = version;
      yield written;
    }
  }

  #writeThings(things: readonly Thing[]): number {
    let written = 0;
    this.#transaction(() => {
      for (const thing of things) if (this.#writeThing(thing)) written++;
    });
    return written;
  }

  /** New datastreams, and how far the known ones reach. */
  seen(list: Iterable<SeenDatastream>): void {
    this.#transaction(() => {
      for (const s of list) this.#writeDatastreams(s);
    });
  }

  #transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      // A full disk ends the transaction by itself.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #writeThing(thing: Thing): boolean {
    const terms = licence(thing.licence);
    const place = publicPlace(thing);
    const town = place && townships().find((t) => t.holds(place.lon, place.lat));
    const properties = {
      // Of the place that is shown; what the owner or a feed says comes before it.
      ...(town ? { city: town.county, township: town.name } : {}),
      ...publicProperties(thing),
      stationID: thing.id,
      authority: thing.properties['authority'] ?? (thing.claimed ? 'community' : 'unclaimed'),
      ...(thing.nativeId === '' ? {} : { nativeId: thing.nativeId }),
      projectName: thing.project,
      isOutdoor: String(thing.exposure === 'outdoor'),
      isMobile: String(thing.exposure === 'mobile'),
      isDisplay: String(!thing.retired),
      kind: thing.kind,
      claimed: String(thing.claimed),
      exposure: thing.exposure,
      licence: thing.licence,
      ...(terms ? { licenceUrl: terms.url } : {}),
      attribution: thing.attribution,
    };
    const text = JSON.stringify(properties);
    const name = thing.name || thing.nativeId || thing.id;
    const description = thing.kind === 'station' ? 'reference station' : 'community sensor box';
    const before = prepared(this.#db, 'SELECT name, properties FROM thing WHERE id = ?').get(thing.num) as
      | { name: string; properties: string }
      | undefined;
    const placed = prepared(this.#db, 'SELECT count(*) AS n FROM historical_location WHERE thing_id = ?').get(
      thing.num,
    ) as { n: number };
    const places = place ? publicPlaces(thing, this.#registry.places(thing.id)) : [];
    if (
      before &&
      before.name === name &&
      before.properties === text &&
      placed.n === places.length &&
      places.length < 2
    ) {
      const known = prepared(this.#db, 'SELECT location FROM location WHERE id = ?').get(placeId(thing.num, 0)) as
        | { location: string }
        | undefined;
      if (!place || known?.location === point(place)) return false;
    }
    prepared(this.#db, 'INSERT OR REPLACE INTO thing (id, name, description, properties) VALUES (?, ?, ?, ?)').run(
      thing.num,
      name,
      description,
      text,
    );
    prepared(this.#db, 'DELETE FROM thing_location WHERE thing_id = ?').run(thing.num);
    prepared(
      this.#db,
      'DELETE FROM historical_location_location WHERE historical_location_id IN (SELECT id FROM historical_location WHERE thing_id = ?)',
    ).run(thing.num);
    prepared(this.#db, 'DELETE FROM historical_location WHERE thing_id = ?').run(thing.num);
    places.forEach((p, k) => {
      const id = placeId(thing.num, k);
      for (const [table, column] of [
        ['location', 'location'],
        ['feature', 'feature'],
      ] as const)
        prepared(
          this.#db,
          `INSERT OR REPLACE INTO ${table} (id, name, description, "encodingType", "${column}") VALUES (?, ?, ?, ?, ?)`,
        ).run(id, name, `where ${name} hangs`, ENCODING, point(p));
      prepared(this.#db, 'INSERT OR REPLACE INTO historical_location (id, time, thing_id) VALUES (?, ?, ?)').run(
        id,
        p.from,
        thing.num,
      );
      prepared(
        this.#db,
        'INSERT OR IGNORE INTO historical_location_location (historical_location_id, location_id) VALUES (?, ?)',
      ).run(id, id);
    });
    if (places.length > 0)
      prepared(this.#db, 'INSERT OR IGNORE INTO thing_location (thing_id, location_id) VALUES (?, ?)').run(
        thing.num,
        placeId(thing.num, places.length - 1),
      );
    prepared(this.#db, 'UPDATE datastream SET "observedArea" = ? WHERE thing_id = ?').run(
      this.#area(thing.num),
      thing.num,
    );
    return true;
  }

  /** Round all places that a Thing has had. */
  #area(thing: number): string | null {
    const places = prepared(
      this.#db,
      'SELECT l.location FROM historical_location h JOIN location l ON l.id = h.id WHERE h.thing_id = ?',
    ).all(thing) as { location: string }[];
    const area = places.reduce<Bounds | null>((sum, p) => joined(sum, boundsOf(p.location)), null);
    return area && boundsJson(area);
  }

  #sensor(model: string): number {
    const known = prepared(this.#db, 'SELECT id FROM sensor WHERE name = ? AND id < 1000000').get(model) as
      | { id: number }
      | undefined;
    if (known) return known.id;
    const next = prepared(this.#db, 'SELECT coalesce(max(id), 0) + 1 AS id FROM sensor WHERE id < 1000000').get() as {
      id: number;
    };
    prepared(
      this.#db,
      'INSERT INTO sensor (id, name, description, "encodingType", metadata) VALUES (?, ?, ?, ?, ?)',
    ).run(
      next.id,
      model,
      model === UNKNOWN_SENSOR ? 'the model of the sensor was not told' : `${model} in a community sensor box`,
      'text/plain',
      JSON.stringify(model),
    );
    return next.id;
  }

  #observedProperty(key: PropertyKey): number {
    const p = property(key);
    prepared(
      this.#db,
      'INSERT OR IGNORE INTO observed_property (id, name, definition, description, properties) VALUES (?, ?, ?, ?, ?)',
    ).run(
      p.num,
      p.key,
      `urn:lamppost:observed-property:${p.key}`,
      `${p.name.en} ${p.name.zh}`,
      JSON.stringify({ names: p.name, unit: p.unit, resolution: p.resolution }),
    );
    return p.num;
  }

  #writeDatastreams(s: SeenDatastream): void {
    const p = property(s.key);
    const levels = LEVELS.filter((l) => l !== 'corrected' || s.corrected);
    const ids = Object.fromEntries(levels.map((l) => [l, boxDatastreamId(s.thingNum, s.key, l)]));
    for (const level of levels) {
      const id = ids[level] as number;
      if (!this.#known.has(id)) {
        const thing = this.#registry.byNum(s.thingNum);
        if (!thing) return;
        if (!prepared(this.#db, 'SELECT 1 FROM thing WHERE id = ?').get(s.thingNum)) this.#writeThing(thing);
        const properties = JSON.stringify({ level, datastreams: ids, licence: thing.licence });
        const area = this.#area(s.thingNum);
        const exists = prepared(this.#db, 'UPDATE datastream SET properties = ?, "observedArea" = ? WHERE id = ?').run(
          properties,
          area,
          id,
        );
        if (exists.changes === 0)
          prepared(
            this.#db,
            `INSERT INTO datastream (id, name, description, "observationType", "unitOfMeasurement", properties, "observedArea", thing_id, sensor_id, observed_property_id, "phenomenonTime_start", "phenomenonTime_end", "resultTime_start", "resultTime_end")
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          ).run(
            id,
            `${thing.name || thing.id} ${p.key} ${level}`,
            `${p.name.en} (${p.name.zh}), ${LEVEL_WORDS[level]}`,
            MEASUREMENT,
            JSON.stringify({ name: p.unitLabel || p.unit, symbol: p.unitLabel, definition: `ucum:${p.unit}` }),
            properties,
            area,
            s.thingNum,
            this.#sensor(sensorFor(thing, s.key)),
            this.#observedProperty(s.key),
            s.firstTime,
            s.lastTime,
            s.lastResultTime,
            s.lastResultTime,
          );
        this.#known.add(id);
      }
      prepared(
        this.#db,
        `UPDATE datastream SET "phenomenonTime_start" = min("phenomenonTime_start", ?), "phenomenonTime_end" = max("phenomenonTime_end", ?), "resultTime_end" = max("resultTime_end", ?) WHERE id = ? AND ("phenomenonTime_start" > ? OR "phenomenonTime_end" < ? OR "resultTime_end" < ?)`,
      ).run(s.firstTime, s.lastTime, s.lastResultTime, id, s.firstTime, s.lastTime, s.lastResultTime);
    }
  }
}

const point = (p: { lat: number; lon: number }): string =>
  JSON.stringify({ type: 'Point', coordinates: [p.lon, p.lat] });

const PARTICLE = /^(?:PMS|SDS|SPS|HPM|PPD|NPM|IPS|G[35]|SEN5|OPC|BAM|A[34]$)/i;
const PARTICLE_KEYS = /^pm/;

/** The first named sensor that can have measured it. */
function sensorFor(thing: Thing, key: PropertyKey): string {
  const wanted = thing.sensors.filter((s) => PARTICLE.test(s) === PARTICLE_KEYS.test(key));
  return wanted[0] ?? thing.sensors[0] ?? UNKNOWN_SENSOR;
}

/**
 * The SensorThings 1.1 data model (OGC 18-088 §8) as one table: what each entity holds, what must be given when one is made,
 * and how entities are linked. Parsing, SQL and JSON are all driven by it.
 */

export type EntityName =
  | 'Thing'
  | 'Location'
  | 'HistoricalLocation'
  | 'Datastream'
  | 'Sensor'
  | 'ObservedProperty'
  | 'Observation'
  | 'FeatureOfInterest';

/**
 * `string`: text. `json`: an object (properties, unitOfMeasurement). `any`: any JSON value (result, metadata, location).
 * `geometry`: a GeoJSON value. `instant`: a time. `interval`: a time or an interval of two.
 */
export type PropertyType = 'string' | 'json' | 'any' | 'geometry' | 'instant' | 'interval';

export interface EntityProperty {
  readonly name: string;
  readonly type: PropertyType;
  readonly mandatory: boolean;
  /** TM_Period: always written as two times, even when they are the same. */
  readonly period?: boolean;
  /** Made by the service from the observations (Datastream phenomenonTime, resultTime, observedArea). */
  readonly derived?: boolean;
}

export interface Navigation {
  /** Name in the entity: `Datastreams`, `Thing`. */
  readonly name: string;
  readonly target: EntityName;
  readonly many: boolean;
  readonly mandatory: boolean;
  /** How rows are joined. `own`: this table holds the other's id. `other`: the other table holds ours. `link`: a link table. */
  readonly by:
    | { readonly kind: 'own'; readonly column: string }
    | { readonly kind: 'other'; readonly column: string }
    | { readonly kind: 'link'; readonly table: string; readonly here: string; readonly there: string };
}

export interface EntityType {
  readonly name: EntityName;
  readonly set: string;
  readonly table: string;
  readonly properties: readonly EntityProperty[];
  readonly navigation: readonly Navigation[];
}

const p = (name: string, type: PropertyType, mandatory = false, derived = false): EntityProperty => ({
  name,
  type,
  mandatory,
  ...(derived ? { derived } : {}),
});
const own = (column: string): Navigation['by'] => ({ kind: 'own', column });
const other = (column: string): Navigation['by'] => ({ kind: 'other', column });
const one = (name: string, target: EntityName, by: Navigation['by'], mandatory = false): Navigation => ({
  name,
  target,
  many: false,
  mandatory,
  by,
});
const many = (name: string, target: EntityName, by: Navigation['by']): Navigation => ({
  name,
  target,
  many: true,
  mandatory: false,
  by,
});

export const ENTITY_TYPES: readonly EntityType[] = [
  {
    name: 'Thing',
    set: 'Things',
    table: 'thing',
    properties: [p('name', 'string', true), p('description', 'string', true), p('properties', 'json')],
    navigation: [
      many('Locations', 'Location', { kind: 'link', table: 'thing_location', here: 'thing_id', there: 'location_id' }),
      many('HistoricalLocations', 'HistoricalLocation', other('thing_id')),
      many('Datastreams', 'Datastream', other('thing_id')),
    ],
  },
  {
    name: 'Location',
    set: 'Locations',
    table: 'location',
    properties: [
      p('name', 'string', true),
      p('description', 'string', true),
      p('encodingType', 'string', true),
      p('location', 'geometry', true),
      p('properties', 'json'),
    ],
    navigation: [
      many('Things', 'Thing', { kind: 'link', table: 'thing_location', here: 'location_id', there: 'thing_id' }),
      many('HistoricalLocations', 'HistoricalLocation', {
        kind: 'link',
        table: 'historical_location_location',
        here: 'location_id',
        there: 'historical_location_id',
      }),
    ],
  },
  {
    name: 'HistoricalLocation',
    set: 'HistoricalLocations',
    table: 'historical_location',
    properties: [p('time', 'instant', true)],
    navigation: [
      one('Thing', 'Thing', own('thing_id'), true),
      many('Locations', 'Location', {
        kind: 'link',
        table: 'historical_location_location',
        here: 'historical_location_id',
        there: 'location_id',
      }),
    ],
  },
  {
    name: 'Datastream',
    set: 'Datastreams',
    table: 'datastream',
    properties: [
      p('name', 'string', true),
      p('description', 'string', true),
      p('observationType', 'string', true),
      p('unitOfMeasurement', 'json', true),
      p('observedArea', 'geometry', false, true),
      { ...p('phenomenonTime', 'interval', false, true), period: true },
      { ...p('resultTime', 'interval', false, true), period: true },
      p('properties', 'json'),
    ],
    navigation: [
      one('Thing', 'Thing', own('thing_id'), true),
      one('Sensor', 'Sensor', own('sensor_id'), true),
      one('ObservedProperty', 'ObservedProperty', own('observed_property_id'), true),
      many('Observations', 'Observation', other('datastream_id')),
    ],
  },
  {
    name: 'Sensor',
    set: 'Sensors',
    table: 'sensor',
    properties: [
      p('name', 'string', true),
      p('description', 'string', true),
      p('encodingType', 'string', true),
      p('metadata', 'any', true),
      p('properties', 'json'),
    ],
    navigation: [many('Datastreams', 'Datastream', other('sensor_id'))],
  },
  {
    name: 'ObservedProperty',
    set: 'ObservedProperties',
    table: 'observed_property',
    properties: [
      p('name', 'string', true),
      p('definition', 'string', true),
      p('description', 'string', true),
      p('properties', 'json'),
    ],
    navigation: [many('Datastreams', 'Datastream', other('observed_property_id'))],
  },
  {
    name: 'Observation',
    set: 'Observations',
    table: 'observation',
    properties: [
      // Absent when made: the service fills in the time of receipt (18-088 table 12 note).
      p('phenomenonTime', 'interval'),
      p('result', 'any', true),
      p('resultTime', 'instant'),
      p('resultQuality', 'any'),
      { ...p('validTime', 'interval'), period: true },
      p('parameters', 'json'),
    ],
    navigation: [
      one('Datastream', 'Datastream', own('datastream_id'), true),
      one('FeatureOfInterest', 'FeatureOfInterest', own('feature_id')),
    ],
  },
  {
    name: 'FeatureOfInterest',
    set: 'FeaturesOfInterest',
    table: 'feature',
    properties: [
      p('name', 'string', true),
      p('description', 'string', true),
      p('encodingType', 'string', true),
      p('feature', 'geometry', true),
      p('properties', 'json'),
    ],
    navigation: [many('Observations', 'Observation', other('feature_id'))],
  },
];

const bySet = new Map(ENTITY_TYPES.map((t) => [t.set, t]));
const byName = new Map(ENTITY_TYPES.map((t) => [t.name, t]));

export const entityBySet = (set: string): EntityType | undefined => bySet.get(set);
export const entity = (name: EntityName): EntityType => byName.get(name) as EntityType;
export const navigationOf = (type: EntityType, name: string): Navigation | undefined =>
  type.navigation.find((n) => n.name === name);
export const propertyOf = (type: EntityType, name: string): EntityProperty | undefined =>
  type.properties.find((q) => q.name === name);

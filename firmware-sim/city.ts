/**
 * A synthetic city whose true air is known everywhere and at every moment: regional background with slow weather, a daily
 * course with two rush hours, steady sources, and plumes that drift with the wind. Pure functions of (seed, place, time).
 *
 * Simplifications, on purpose: flat ground, one wind for the whole city, plumes are round Gaussian puffs. What matters for a
 * test instrument is that truth is smooth in space where nothing happens, and that events are seen by several boxes.
 */
import { hash01, hashNormal, smoothNoise } from './random.ts';

export interface Position {
  readonly lat: number;
  readonly lon: number;
}

/** What the air really is: µg/m³, °C, %. */
export interface Air {
  readonly pm1: number;
  readonly pm25: number;
  readonly pm10: number;
  readonly temperature: number;
  readonly humidity: number;
}

export interface Source extends Position {
  /** µg/m³ at its centre under mean wind. */
  readonly strength: number;
  /** 1-σ radius [km]. */
  readonly radiusKm: number;
}

export interface Plume extends Position {
  /** Start [epoch ms] and length [ms]. */
  readonly start: number;
  readonly durationMs: number;
  /** µg/m³ at the centre at its strongest. */
  readonly peak: number;
  /** 1-σ radius at the start [km]; it widens as it goes. */
  readonly radiusKm: number;
  /** Drift [km/h] eastward and northward. */
  readonly eastKmh: number;
  readonly northKmh: number;
}

export interface CityOptions {
  readonly seed: number;
  readonly centre?: Position;
  /** Boxes and sources lie within this distance of the centre [km]. */
  readonly radiusKm?: number;
  /** Whole-city mean of the regional background [µg/m³]. */
  readonly background?: number;
  /** Plumes a day on average. */
  readonly plumesPerDay?: number;
  /** Local solar time minus UTC [h]; default by longitude. */
  readonly solarOffsetH?: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Kilometres of a degree of latitude. */
const KM_PER_DEGREE = 111.195;

export interface City {
  readonly seed: number;
  readonly centre: Position;
  readonly radiusKm: number;
  readonly sources: readonly Source[];
  at(place: Position, time: number): Air;
  plumesAt(time: number): Plume[];
  /** How much of PM2.5 at that place and time comes from plumes [µg/m³]. */
  plumePm25(place: Position, time: number): number;
  /** A place inside the city that belongs to these numbers. */
  place(index: number, salt: number): Position;
  /** Elevation of the sun as a fraction of its noon height, 0 at night. */
  sun(time: number): number;
}

/** Taichung, where Taiwan's boxes stand densest. */
const TAICHUNG: Position = { lat: 24.147, lon: 120.674 };

export function distanceKm(a: Position, b: Position): number {
  const dy = (a.lat - b.lat) * KM_PER_DEGREE;
  const dx = (a.lon - b.lon) * KM_PER_DEGREE * Math.cos(((a.lat + b.lat) / 2) * (Math.PI / 180));
  return Math.hypot(dx, dy);
}

export function moveKm(from: Position, eastKm: number, northKm: number): Position {
  const lat = from.lat + northKm / KM_PER_DEGREE;
  return { lat, lon: from.lon + eastKm / (KM_PER_DEGREE * Math.cos(lat * (Math.PI / 180))) };
}

export function createCity(options: CityOptions): City {
  const { seed } = options;
  const centre = options.centre ?? TAICHUNG;
  const radiusKm = options.radiusKm ?? 8;
  const background = options.background ?? 20;
  const plumesPerDay = options.plumesPerDay ?? 4;
  const solarOffsetMs = (options.solarOffsetH ?? centre.lon / 15) * HOUR_MS;

  const place = (index: number, salt: number): Position => {
    const r = radiusKm * Math.sqrt(hash01(seed ^ salt, index, 1));
    const angle = 2 * Math.PI * hash01(seed ^ salt, index, 2);
    return moveKm(centre, r * Math.cos(angle), r * Math.sin(angle));
  };

  const sources: Source[] = Array.from({ length: 6 }, (_, i) => ({
    ...place(i, 0x50),
    strength: 4 + 14 * hash01(seed, i, 0x51),
    radiusKm: 0.8 + 1.8 * hash01(seed, i, 0x52),
  }));

  const solarHour = (time: number): number => ((((time + solarOffsetMs) % DAY_MS) + DAY_MS) % DAY_MS) / HOUR_MS;
  const sun = (time: number): number => Math.max(0, Math.cos(((solarHour(time) - 12) / 12) * Math.PI));

  /** Morning and evening rush, mixing at noon: a factor with mean about 1. */
  const dailyCourse = (time: number): number => {
    const h = solarHour(time);
    const bump = (at: number, width: number): number => Math.exp(-(((h - at) / width) ** 2) / 2);
    return 0.85 + 0.35 * bump(8, 1.8) + 0.4 * bump(19.5, 2.2) - 0.2 * bump(13.5, 2.5);
  };

  const weather = (time: number): { temperature: number; humidity: number } => {
    const temperature =
      23 + 5 * Math.cos(((solarHour(time) - 14) / 12) * Math.PI) + 3 * smoothNoise(seed ^ 0x61, time / (2 * DAY_MS));
    const humidity = 74 - 3.4 * (temperature - 23) + 9 * smoothNoise(seed ^ 0x62, time / (9 * HOUR_MS));
    return { temperature, humidity: Math.min(98.5, Math.max(30, humidity)) };
  };

  /** Wind [km/h]: direction turns over days, a sea breeze by day. */
  const wind = (time: number): { east: number; north: number } => ({
    east: 4 + 5 * smoothNoise(seed ^ 0x71, time / (16 * HOUR_MS)) + 3 * sun(time),
    north: -2 + 5 * smoothNoise(seed ^ 0x72, time / (16 * HOUR_MS)),
  });

  /** The k-th plume slot of a day; slots make plumes random access in time. */
  const plumeOf = (slot: number): Plume | null => {
    const slotMs = DAY_MS / Math.max(1, plumesPerDay);
    if (plumesPerDay <= 0 || hash01(seed, slot, 0x80) > 0.8) return null;
    const start = (slot + hash01(seed, slot, 0x81)) * slotMs;
    const blow = wind(start);
    const origin = place(slot, 0x82);
    return {
      lat: centre.lat + (origin.lat - centre.lat) * 0.7,
      lon: centre.lon + (origin.lon - centre.lon) * 0.7,
      start,
      durationMs: (1 + 2 * hash01(seed, slot, 0x83)) * HOUR_MS,
      peak: 40 + 90 * hash01(seed, slot, 0x84),
      radiusKm: 0.9 + 0.9 * hash01(seed, slot, 0x85),
      eastKmh: blow.east * 0.3,
      northKmh: blow.north * 0.3,
    };
  };

  const plumesAt = (time: number): Plume[] => {
    const slotMs = DAY_MS / Math.max(1, plumesPerDay);
    const slot = Math.floor(time / slotMs);
    const back = Math.ceil((3 * HOUR_MS) / slotMs);
    const found: Plume[] = [];
    for (let s = slot - back; s <= slot; s++) {
      const p = plumeOf(s);
      if (p && time >= p.start && time < p.start + p.durationMs) found.push(p);
    }
    return found;
  };

  const contribution = (p: Plume, where: Position, time: number): number => {
    const age = (time - p.start) / HOUR_MS;
    const phase = (time - p.start) / p.durationMs;
    const here = moveKm(p, p.eastKmh * age, p.northKmh * age);
    const radius = p.radiusKm * (1 + 0.4 * age);
    const rise = Math.sin(Math.PI * Math.min(1, Math.max(0, phase)));
    return p.peak * rise * Math.exp(-((distanceKm(here, where) / radius) ** 2) / 2);
  };

  const plumePm25 = (where: Position, time: number): number =>
    plumesAt(time).reduce((sum, p) => sum + contribution(p, where, time), 0);

  return {
    seed,
    centre,
    radiusKm,
    sources,
    plumesAt,
    plumePm25,
    place,
    sun,
    at(where, time) {
      const { temperature, humidity } = weather(time);
      const regional = background * Math.exp(0.35 * smoothNoise(seed ^ 0x11, time / (1.5 * DAY_MS)));
      const course = dailyCourse(time);
      const calm = Math.exp(0.2 * smoothNoise(seed ^ 0x12, time / (5 * HOUR_MS)));
      let pm25 = regional * course * calm;
      for (const s of sources)
        pm25 += s.strength * course * calm * Math.exp(-((distanceKm(s, where) / s.radiusKm) ** 2) / 2);
      // A gentle slope across the city, so that the background is not one number.
      pm25 *= 1 + (0.15 * (where.lon - centre.lon) * 100) / radiusKm;
      pm25 = Math.max(1, pm25) + plumePm25(where, time);
      const coarse = 0.45 + 0.15 * smoothNoise(seed ^ 0x13, time / (12 * HOUR_MS));
      return {
        pm1: pm25 * 0.68,
        pm25,
        pm10: pm25 * (1 + Math.max(0.15, coarse)),
        temperature:
          temperature + 0.2 * hashNormal(seed ^ 0x14, Math.round(where.lat * 500), Math.round(where.lon * 500)),
        humidity,
      };
    },
  };
}

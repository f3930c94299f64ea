/**
 * A plume goes with the wind: a box that rises some minutes after one upwind of it, as long as the air takes from there to here, has seen the same
 * (event gate S8, calibration note §6: "a downwind lag consistent with wind"). For boxes that stand too far apart to be in one plume at one time.
 * Kept are the beginnings of the rises of the last hours and the latest wind of each place that measures it; without wind nothing is said.
 */
import { distanceKm } from '../geo/distance.ts';

export const DOWNWIND = {
  /** How far a plume is followed, and from where on boxes see it at the same time anyway [km]. */
  reachKm: 8,
  leastKm: 0.3,
  /** Wind of a place within this distance [km], not older than this [s] (stations tell hours), counts. */
  windKm: 15,
  windS: 3 * 3600,
  /** Calm air goes anywhere [m/s]. */
  calm: 1,
  /** The wind at the mast is not that of the street: the plume may take this part of the time, or so many times it, and some minutes. */
  early: 0.6,
  late: 1.6,
  slackS: 600,
  /** Half width of a plume: so much at once, and this share of the way. */
  wideKm: 0.4,
  widens: 0.3,
  /** A rise that lasts longer is no plume but a fault or a site [s]. */
  lastsS: 2 * 3600,
  /** Rises and winds kept at most. */
  most: 20_000,
} as const;

interface Rise {
  /** Since when and when last [s]. */
  since: number;
  last: number;
  lat: number;
  lon: number;
}
interface Wind {
  lat: number;
  lon: number;
  t: number;
  /** Where the air goes [m/s]. */
  east: number;
  north: number;
}

export interface PlumesState {
  rises: Map<number, Rise>;
  winds: Map<string, Wind>;
}

/** Where the air goes, of wind that comes from `direction` [° from north, clockwise]. */
export const towards = (speed: number, direction: number): { east: number; north: number } => ({
  east: -speed * Math.sin((direction * Math.PI) / 180),
  north: -speed * Math.cos((direction * Math.PI) / 180),
});

export class Plumes {
  #rises = new Map<number, Rise>();
  #winds = new Map<string, Wind>();

  wind(place: string, lat: number, lon: number, t: number, east: number, north: number): void {
    if (!this.#winds.has(place) && this.#winds.size >= DOWNWIND.most) return;
    const before = this.#winds.get(place);
    if (!before || before.t <= t) this.#winds.set(place, { lat, lon, t, east, north });
  }

  /** A site stands far above what it should read. */
  rises(site: number, lat: number, lon: number, t: number): void {
    const known = this.#rises.get(site);
    if (known && t >= known.last && t - known.last <= 3600) {
      known.last = t;
      return;
    }
    if (known && t < known.since) return;
    // The oldest stands first: a new rise goes to the end.
    this.#rises.delete(site);
    this.#rises.set(site, { since: t, last: t, lat, lon });
    if (this.#rises.size > DOWNWIND.most) this.#rises.delete(this.#rises.keys().next().value as number);
  }

  /** Whether one of these other sites rose upwind, as long ago as the air takes from there. */
  explain(site: number, others: Iterable<number>, lat: number, lon: number, t: number): boolean {
    const wind = this.#windAt(lat, lon, t);
    if (!wind) return false;
    const speed = Math.hypot(wind.east, wind.north);
    if (speed < DOWNWIND.calm) return false;
    for (const other of others) {
      const rise = other === site ? undefined : this.#rises.get(other);
      if (!rise || rise.since >= t || rise.last - rise.since > DOWNWIND.lastsS) continue;
      const km = distanceKm(lat, lon, rise.lat, rise.lon);
      if (km > DOWNWIND.reachKm || km < DOWNWIND.leastKm) continue;
      const north = (lat - rise.lat) * 111.195;
      const east = (lon - rise.lon) * 111.195 * Math.cos((lat * Math.PI) / 180);
      const along = (east * wind.east + north * wind.north) / speed;
      const across = Math.abs(east * wind.north - north * wind.east) / speed;
      if (along <= 0 || across > DOWNWIND.wideKm + DOWNWIND.widens * along) continue;
      const takes = (1000 * along) / speed;
      if (t - rise.since < DOWNWIND.early * takes - DOWNWIND.slackS / 2) continue;
      if (t - rise.last <= DOWNWIND.late * takes + DOWNWIND.slackS) return true;
    }
    return false;
  }

  #windAt(lat: number, lon: number, t: number): Wind | null {
    let found: Wind | null = null;
    let nearest: number = DOWNWIND.windKm;
    for (const wind of this.#winds.values()) {
      if (Math.abs(t - wind.t) > DOWNWIND.windS) continue;
      const km = distanceKm(lat, lon, wind.lat, wind.lon);
      if (km > nearest) continue;
      nearest = km;
      found = wind;
    }
    return found;
  }

  state(): PlumesState {
    return { rises: this.#rises, winds: this.#winds };
  }
  restore(from: PlumesState): void {
    this.#rises = new Map([...from.rises].map(([site, rise]) => [site, { ...rise }]));
    this.#winds = new Map(from.winds);
  }
}

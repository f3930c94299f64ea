/** Where boxes hang, in terms of quality control: each at a site among its neighbours, or at none. */
import { reason } from '../../model/flags.ts';
import type { RawReading } from '../../model/observation.ts';
import { distanceKm, isPlace } from '../geo/distance.ts';
import type { StageBox } from '../stage.ts';
import type { Draft } from './draft.ts';
import { S, type Sites } from './sites.ts';
import { Spots } from './spots.ts';
import type { Tiles } from './tiles.ts';

/** More boxes than a roof of a co-location campaign holds. */
const MAX_ON_SPOT = 12;
/** A box that moved less stays the same site [km] (calibration note §8.1 S0). */
const MOVE_KM = 0.2;
/** For so long a reading says that its box has been moved [s]. */
const MOVED_S = 24 * 3600;
const MOVED = reason('moved');

export class Places {
  /** Boxes that hang elsewhere now, by number: since when [s], 0 = no reading has come from there. */
  readonly moved = new Map<number, number>();
  readonly #sites: Sites;
  readonly #tiles: Tiles;
  /** Sites by the spot they claim, about 10 m wide. */
  readonly #spots: Spots;

  constructor(sites: Sites, tiles: Tiles) {
    this.#sites = sites;
    this.#tiles = tiles;
    this.#spots = new Spots(
      (site) =>
        Math.round((sites.read(site, S.lat) + 90) * 1e4) * 4e6 + Math.round((sites.read(site, S.lon) + 180) * 1e4),
    );
  }

  setBox(box: StageBox): void {
    const sites = this.#sites;
    const { lat, lon, num: thingNum } = box;
    const placed = isPlace(lat, lon) && box.exposure !== 'indoor' && box.exposure !== 'mobile';
    const site = sites.get(thingNum);
    if (site !== 0 && placed) {
      const km = distanceKm(sites.read(site, S.lat), sites.read(site, S.lon), lat as number, lon as number);
      if (km < MOVE_KM) return;
    }
    if (site !== 0) {
      // Another place is another site: nothing learnt at the old one holds.
      this.#leave(site);
      sites.byThing.set(thingNum, 0);
      if (placed) this.moved.set(thingNum, 0);
    }
    if (placed) this.#place(sites.add(thingNum, lat as number, lon as number));
  }

  /**
   * Puts a site among its neighbours. A spot with very many boxes is a default position (a factory setting, a town's centre): those
   * boxes hang elsewhere, so they neither bear witness nor are they judged in space.
   */
  #place(site: number): void {
    this.#spots.add(site);
    if (this.#spots.count(site, MAX_ON_SPOT + 1) > MAX_ON_SPOT)
      for (const other of this.#spots.on(site)) this.#tiles.remove(other);
    else this.#tiles.add(site);
  }

  #leave(site: number): void {
    this.#tiles.remove(site);
    this.#spots.remove(site);
  }

  /** A remark on all that a box sends on its first day at a new place. */
  say({ thingNum, phenomenonTime }: RawReading, draft: Draft): void {
    const since = this.moved.get(thingNum);
    if (since === undefined) return;
    const t = Math.floor(phenomenonTime / 1000);
    if (since === 0) this.moved.set(thingNum, t);
    else if (t - since >= MOVED_S) return void this.moved.delete(thingNum);
    for (const v of draft.values) v.reasons |= MOVED;
  }

  restore(moved: ReadonlyMap<number, number>, byThing: ArrayLike<number>): void {
    this.moved.clear();
    for (const [thingNum, since] of moved) this.moved.set(thingNum, since);
    this.#spots.clear();
    for (let k = 0; k < byThing.length; k++) if (byThing[k] !== 0) this.#spots.add(byThing[k] as number);
  }
}

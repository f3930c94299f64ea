/**
 * Which sites claim the same spot. Only their numbers are kept, in an open-addressed table of the first site of each spot and a list from each
 * site to the next: 12 to 20 bytes a site, where a map takes 44. Not part of a saved state: made again from the sites.
 */
const FIRST = 1024;

export class Spots {
  /** One number for the spot of a site. */
  readonly #spotOf: (site: number) => number;
  /** First site of a spot; 0 = free, −1 = was taken. */
  #slots = new Int32Array(FIRST);
  #taken = 0;
  /** By site: the next one there, 0 = none. */
  #next = new Int32Array(FIRST);

  constructor(spotOf: (site: number) => number) {
    this.#spotOf = spotOf;
  }

  add(site: number): void {
    if (site >= this.#next.length) {
      const longer = new Int32Array(Math.ceil(1.25 * site) + 1);
      longer.set(this.#next);
      this.#next = longer;
    }
    if (2 * this.#taken >= this.#slots.length) this.#rehash();
    const slot = this.#slotOf(this.#spotOf(site));
    const first = this.#slots[slot] as number;
    if (first === 0) this.#taken++;
    this.#next[site] = Math.max(0, first);
    this.#slots[slot] = site;
  }

  clear(): void {
    this.#slots = new Int32Array(FIRST);
    this.#taken = 0;
  }

  remove(site: number): void {
    const slot = this.#slotOf(this.#spotOf(site));
    let before = 0;
    for (let s = Math.max(0, this.#slots[slot] as number); s !== 0; before = s, s = this.#next[s] as number) {
      if (s !== site) continue;
      const after = this.#next[site] as number;
      if (before !== 0) this.#next[before] = after;
      else this.#slots[slot] = after || -1;
      return;
    }
  }

  /** All sites on the spot of this one, itself included, while it is there. */
  *on(site: number): Generator<number> {
    for (let s = this.#first(site); s !== 0;) {
      const next = this.#next[s] as number;
      yield s;
      s = next;
    }
  }

  /** How many there are, counted up to `most`. */
  count(site: number, most: number): number {
    let n = 0;
    for (let s = this.#first(site); s !== 0 && n < most; n++) s = this.#next[s] as number;
    return n;
  }

  #first(site: number): number {
    return Math.max(0, this.#slots[this.#slotOf(this.#spotOf(site))] as number);
  }

  #rehash(): void {
    const old = this.#slots;
    let spots = 0;
    for (const first of old) if (first > 0) spots++;
    this.#slots = new Int32Array(4 * spots >= old.length ? 2 * old.length : old.length);
    this.#taken = spots;
    for (const first of old) if (first > 0) this.#slots[this.#slotOf(this.#spotOf(first))] = first;
  }

  /** Where a spot is, or would be. */
  #slotOf(spot: number): number {
    const mask = this.#slots.length - 1;
    let slot = (Math.imul(spot >>> 0, 0x9e3779b1) ^ Math.imul(Math.floor(spot / 2 ** 32), 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & mask;
    let free = -1;
    for (;;) {
      const first = this.#slots[slot] as number;
      if (first === 0) return free < 0 ? slot : free;
      if (first < 0) {
        if (free < 0) free = slot;
      } else if (this.#spotOf(first) === spot) return slot;
      slot = (slot + 1) & mask;
    }
  }
}

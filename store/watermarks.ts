/**
 * The newest stored time of each datastream, so that almost every row is known to be new without asking the database.
 * An open-addressing table in typed arrays: 12 bytes a slot at most half full, so about 24–48 bytes a datastream
 * (100–200 MB for the four million of a million boxes).
 */
export class Watermarks {
  #keys = new Int32Array(1 << 10);
  #times = new Float64Array(1 << 10);
  #used = 0;
  /** What `raise` overwrote since `begin`: slot and former time, to be put back by `rollBack`. */
  #undoSlots: Int32Array = new Int32Array(0);
  #undoTimes: Float64Array = new Float64Array(0);
  #undone = 0;

  get size(): number {
    return this.#used;
  }

  /** Before a batch of at most `rows` raises. */
  begin(rows: number): void {
    this.#undone = 0;
    if (this.#undoSlots.length < rows) {
      this.#undoSlots = new Int32Array(rows * 2);
      this.#undoTimes = new Float64Array(rows * 2);
    }
    // Slots must not move inside a batch.
    while ((this.#used + rows) * 2 > this.#keys.length) this.#grow();
  }

  /** Newest times as they are stored, at start. */
  load(datastreams: Float64Array, times: Float64Array): void {
    while ((this.#used + datastreams.length) * 2 > this.#keys.length) this.#grow();
    for (let i = 0; i < datastreams.length; i++) this.#times[this.#slot(datastreams[i] as number)] = times[i] as number;
  }

  rollBack(): void {
    while (this.#undone > 0) {
      this.#undone--;
      this.#times[this.#undoSlots[this.#undone] as number] = this.#undoTimes[this.#undone] as number;
    }
  }

  /** What was raised since `begin`: a datastream for each time it was, with its newest time. */
  raised(): { readonly datastreams: Int32Array; readonly times: Float64Array } {
    const slots = this.#undoSlots.subarray(0, this.#undone);
    return {
      datastreams: slots.map((slot) => this.#keys[slot] as number),
      times: Float64Array.from(slots, (slot) => this.#times[slot] as number),
    };
  }

  /** -Infinity where nothing is known. */
  timeOf(datastream: number): number {
    const mask = this.#keys.length - 1;
    for (let slot = this.#first(datastream); ; slot = (slot + 1) & mask) {
      if (this.#keys[slot] === datastream) return this.#times[slot] as number;
      if (this.#keys[slot] === 0) return -Infinity;
    }
  }

  datastreams(): Int32Array {
    return this.#keys.filter((key) => key !== 0);
  }

  /** true when `time` is newer than everything known of that datastream and than `floor`; it is then the newest. */
  raise(datastream: number, time: number, floor: number): boolean {
    const slot = this.#slot(datastream);
    const before = this.#times[slot] as number;
    if (time <= before) return false;
    this.#undoSlots[this.#undone] = slot;
    this.#undoTimes[this.#undone++] = before;
    this.#times[slot] = time;
    return time > floor;
  }

  #first(datastream: number): number {
    return Math.imul(datastream, 0x9e3779b1) >>> (32 - Math.log2(this.#keys.length));
  }

  /** Datastream ids are ≥ 64, so 0 marks a free slot. A new one starts at -Infinity. */
  #slot(datastream: number): number {
    const mask = this.#keys.length - 1;
    let slot = this.#first(datastream);
    for (;;) {
      const key = this.#keys[slot];
      if (key === datastream) return slot;
      if (key === 0) {
        this.#keys[slot] = datastream;
        this.#times[slot] = -Infinity;
        this.#used++;
        return slot;
      }
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const keys = this.#keys;
    const times = this.#times;
    this.#keys = new Int32Array(keys.length * 2);
    this.#times = new Float64Array(keys.length * 2);
    this.#used = 0;
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] !== 0) this.#times[this.#slot(keys[i] as number)] = times[i] as number;
    }
  }
}

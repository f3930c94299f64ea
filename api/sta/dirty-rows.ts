import { thingNumOf } from '../../model/datastream.ts';
import { PROPERTY_SLOTS } from '../../model/properties.ts';

/** Stored datastreams that have changed, one byte each: a set of numbers would cost forty, and four million of them change each minute. */
export class DirtyRows {
  readonly #marks: (Uint8Array | undefined)[] = [];
  #size = 0;
  /** Where the last round stopped: the next one goes on there, so that none waits for ever. */
  #property = 0;
  #thing = 0;

  get size(): number {
    return this.#size;
  }

  add(stored: number): void {
    const thing = thingNumOf(stored);
    const property = stored % PROPERTY_SLOTS;
    let marks = this.#marks[property];
    if (!marks || thing >= marks.length) {
      const longer = new Uint8Array(Math.ceil(1.5 * thing) + 64);
      if (marks) longer.set(marks);
      this.#marks[property] = marks = longer;
    }
    if (marks[thing] === 1) return;
    marks[thing] = 1;
    this.#size++;
  }

  /** Each one given is no longer dirty; the caller stops when it has enough. */
  *taken(): Generator<number> {
    for (let left = PROPERTY_SLOTS + 1; left > 0 && this.#size > 0; left--) {
      const marks = this.#marks[this.#property];
      for (; marks && this.#thing < marks.length; this.#thing++) {
        if (marks[this.#thing] === 0) continue;
        marks[this.#thing] = 0;
        this.#size--;
        yield this.#thing++ * PROPERTY_SLOTS + this.#property;
        this.#thing--;
      }
      this.#thing = 0;
      this.#property = (this.#property + 1) % PROPERTY_SLOTS;
    }
  }
}

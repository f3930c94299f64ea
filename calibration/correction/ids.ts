/**
 * Names in one array, numbered in the order in which they come: a million of them as strings and as keys of a map take 60 bytes more each.
 * Open addressing; a name of one byte a character costs its length, one more, and 12 to 20 for finding it.
 */

/** Stands in the place of a length for a name that does not fit; such names are kept as strings. */
const ODD = 255;
const FIRST = 1024;

/** The bytes are live. */
export interface IdsState {
  readonly count: number;
  readonly bytes: Uint8Array;
  /** Names that do not fit, by number. */
  readonly odd: ReadonlyMap<number, string>;
}

/** FNV-1a, 32 bit. */
function hashOf(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

function longer<T extends Uint8Array | Uint32Array>(array: T, length: number): T {
  const out = new (array.constructor as new (n: number) => T)(length);
  out.set(array);
  return out;
}

function isPlain(text: string): boolean {
  if (text.length >= ODD) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 255) return false;
  return true;
}

export class Ids {
  /** Number + 1, 0 = free. */
  #slots = new Int32Array(2 * FIRST);
  #at = new Uint32Array(FIRST);
  /** Each name behind its length. */
  #bytes = new Uint8Array(16 * FIRST);
  #end = 0;
  #count = 0;
  #odd = new Map<number, string>();

  get size(): number {
    return this.#count;
  }

  /** −1 = not there. */
  find(id: string): number {
    return (this.#slots[this.#slotOf(id)] as number) - 1;
  }

  /** The number of a name that is not there yet. */
  add(id: string): number {
    const number = this.#enter();
    if (isPlain(id)) {
      if (this.#end + id.length + 1 > this.#bytes.length)
        this.#bytes = longer(this.#bytes, Math.ceil(1.25 * (this.#end + ODD)));
      this.#bytes[this.#end++] = id.length;
      for (let i = 0; i < id.length; i++) this.#bytes[this.#end++] = id.charCodeAt(i);
    } else {
      if (this.#end === this.#bytes.length) this.#bytes = longer(this.#bytes, Math.ceil(1.25 * (this.#end + ODD)));
      this.#bytes[this.#end++] = ODD;
      this.#odd.set(number, id);
    }
    this.#slots[this.#slotOf(id)] = number + 1;
    return number;
  }

  text(number: number): string {
    const at = this.#at[number] as number;
    const length = this.#bytes[at] as number;
    if (length === ODD) return this.#odd.get(number) as string;
    return Buffer.from(this.#bytes.buffer, at + 1, length).toString('latin1');
  }

  state(): IdsState {
    return { count: this.#count, bytes: this.#bytes.subarray(0, this.#end), odd: this.#odd };
  }

  restore({ count, bytes, odd }: IdsState): void {
    this.#bytes = Uint8Array.from(bytes);
    this.#odd = new Map(odd);
    this.#slots = new Int32Array(Math.max(2 * FIRST, 2 ** Math.ceil(Math.log2(2 * count))));
    this.#at = new Uint32Array(Math.max(FIRST, count));
    this.#count = this.#end = 0;
    for (let i = 0; i < count; i++) {
      const number = this.#enter();
      const length = this.#bytes[this.#end] as number;
      this.#end += 1 + (length === ODD ? 0 : length);
      this.#slots[this.#slotOf(this.text(number))] = number + 1;
    }
  }

  /** Room for one more, whose bytes come next. */
  #enter(): number {
    const number = this.#count++;
    if (number >= this.#at.length) this.#at = longer(this.#at, Math.ceil(1.25 * number));
    this.#at[number] = this.#end;
    // At most three quarters full.
    if (4 * this.#count > 3 * this.#slots.length) {
      this.#slots = new Int32Array(2 * this.#slots.length);
      for (let i = 0; i < number; i++) this.#slots[this.#slotOf(this.text(i))] = i + 1;
    }
    return number;
  }

  /** Where a name is, or would be. */
  #slotOf(id: string): number {
    const mask = this.#slots.length - 1;
    let slot = hashOf(id) & mask;
    for (;;) {
      const number = (this.#slots[slot] as number) - 1;
      if (number < 0 || this.#is(number, id)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #is(number: number, id: string): boolean {
    let at = this.#at[number] as number;
    const length = this.#bytes[at++] as number;
    if (length === ODD) return this.#odd.get(number) === id;
    if (length !== id.length) return false;
    for (let i = 0; i < length; i++) if (this.#bytes[at++] !== id.charCodeAt(i)) return false;
    return true;
  }
}

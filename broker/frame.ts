/** Cuts a byte stream into whole MQTT packets, whatever the slices it comes in, and never keeps more than one packet. */

export type Frame =
  | { readonly kind: 'packet'; readonly bytes: Buffer; readonly headerBytes: number }
  /** Nothing whole yet. */
  | { readonly kind: 'more' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'too-large'; readonly announced: number };

/** Ctrl-Z: modems in a fixed-length send mode pass on the end mark of the other mode (NB-IoT boxes, formats §1.8). */
const CTRL_Z = 0x1a;
const EMPTY = Buffer.alloc(0);
const MORE: Frame = { kind: 'more' };
const MALFORMED: Frame = { kind: 'malformed' };

export class FrameReader {
  #buffer: Buffer = EMPTY;
  #at = 0;
  /** Slices of a packet that is not whole yet; joined once, when it is. */
  #parts: Buffer[] = [];
  #partsLength = 0;
  #needed = 0;
  /** 0x1A bytes dropped between packets. As a packet's first byte it would be a CONNECT with reserved flags, which cannot be. */
  strayBytes = 0;

  push(chunk: Buffer): void {
    if (this.#partsLength > 0 || this.#at < this.#buffer.length) {
      if (this.#at < this.#buffer.length) {
        const rest = this.#buffer.subarray(this.#at);
        this.#parts.push(rest);
        this.#partsLength += rest.length;
      }
      this.#parts.push(chunk);
      this.#partsLength += chunk.length;
      this.#buffer = EMPTY;
      this.#at = 0;
      if (this.#partsLength >= this.#needed) this.#join();
    } else {
      this.#buffer = chunk;
      this.#at = 0;
    }
  }

  #join(): void {
    this.#buffer = Buffer.concat(this.#parts, this.#partsLength);
    this.#at = 0;
    this.#parts = [];
    this.#partsLength = 0;
    this.#needed = 0;
  }

  /**
   * The next whole packet; `maxBytes` bounds it by its announced length, header included. With `first`, one that begins
   * with another byte is malformed at once, so that a web browser at the wrong port is not waited for.
   */
  next(maxBytes: number, first?: number): Frame {
    const buffer = this.#buffer;
    const end = buffer.length;
    let at = this.#at;
    while (at < end && buffer[at] === CTRL_Z) {
      at++;
      this.strayBytes++;
    }
    this.#at = at;
    if (first !== undefined && at < end && buffer[at] !== first) return MALFORMED;
    let length = 0;
    let shift = 0;
    let header = 1;
    for (;;) {
      if (at + header >= end) {
        // the fifth byte of a header must be none of the length [MQTT-2.2.3]
        this.#keep(end - at + 1);
        return MORE;
      }
      const byte = buffer[at + header] as number;
      header++;
      length |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) break;
      if (header > 4) return MALFORMED;
    }
    const total = header + length;
    if (total > maxBytes) return { kind: 'too-large', announced: total };
    if (at + total > end) {
      this.#keep(total);
      return MORE;
    }
    this.#at = at + total;
    return { kind: 'packet', bytes: buffer.subarray(at, at + total), headerBytes: header };
  }

  #keep(needed: number): void {
    if (this.#at < this.#buffer.length) {
      const rest = this.#buffer.subarray(this.#at);
      this.#parts.push(rest);
      this.#partsLength += rest.length;
    }
    this.#needed = needed;
    this.#buffer = EMPTY;
    this.#at = 0;
  }

  /** Puts back the packet that `next` gave last. */
  unread(bytes: number): void {
    this.#at -= bytes;
  }

  /** Whether bytes wait that may be a whole packet. */
  get waiting(): boolean {
    return this.#at < this.#buffer.length;
  }
}

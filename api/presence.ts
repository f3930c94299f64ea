/**
 * What is known of boxes beyond their readings: that something else came from them (heartbeats, log lines, packets that were
 * refused), and whether they say themselves online (`boxes/<id>/status`, their last will). In memory: a restart forgets it, and
 * the boxes say it again.
 */
import { DAY, type EpochMs } from '../model/time.ts';

export type Connection = 'online' | 'offline';

/** Beyond it the oldest are forgotten; boxes that send readings are none of them. */
const MAX_KEPT = 200_000;

function put<T>(map: Map<number, T>, num: number, value: T): void {
  map.delete(num);
  map.set(num, value);
  if (map.size > MAX_KEPT) map.delete(map.keys().next().value as number);
}

export class Presence {
  readonly #heard = new Map<number, EpochMs>();
  readonly #connection = new Map<number, Connection>();

  /** Something came that was no reading. */
  heard(num: number, at: EpochMs): void {
    const last = this.#heard.get(num) ?? 0;
    // So much older says that the clock was ahead before.
    if (at > last || at < last - DAY) put(this.#heard, num, at);
  }

  /** As the box, its will or a bridge says; anything else than the two words ends what was known. */
  status(num: number, word: string, at: EpochMs): void {
    const plain = word.trim().toLowerCase();
    if (plain === 'online' || plain === 'offline') put(this.#connection, num, plain);
    else this.#connection.delete(num);
    // An `offline` is mostly the will of a connection that broke: no sign of life.
    if (plain === 'online') this.heard(num, at);
  }

  lastHeard(num: number): EpochMs | null {
    return this.#heard.get(num) ?? null;
  }

  /** null = it never said. */
  connection(num: number): Connection | null {
    return this.#connection.get(num) ?? null;
  }
}

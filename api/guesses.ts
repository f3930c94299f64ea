/**
 * Wrong keys, tokens and links are counted by address, so that nobody tries many. Keys have 160 random bits: the limit keeps the
 * log and the registry quiet, and makes a box with an old key visible as such.
 */
import { elapsed, MINUTE, type Clock } from '../model/time.ts';
import { Problem } from './problem.ts';

const LOOPBACK = /^(?:::1|127\.|::ffff:127\.)/;
const MAX_ADDRESSES = 20_000;

/** IPv4 address, or the /64 of an IPv6 one: a household has 2⁶⁴ of the latter. */
const neighbourhood = (ip: string): string =>
  ip.includes(':') && !ip.includes('.') ? ip.split(':').slice(0, 4).join(':') : ip;

export class Guesses {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #counts = new Map<string, { n: number; until: number }>();

  /** @param max wrong ones a minute and address; loopback (a proxy that does not say whose request it is) has a hundred times as many */
  constructor(clock: Clock = elapsed, max = 30) {
    this.#clock = clock;
    this.#max = max;
  }

  /** @throws Problem when this address has tried too many */
  check(ip: string): void {
    const count = this.#counts.get(neighbourhood(ip));
    const now = this.#clock();
    if (!count || count.until <= now) return;
    if (count.n < this.#max * (LOOPBACK.test(ip) ? 100 : 1)) return;
    const wait = Math.ceil((count.until - now) / 1000);
    throw new Problem('too-many-requests', `Too many wrong keys from this address; try again in ${wait} s`, {
      headers: { 'retry-after': String(wait) },
    });
  }

  wrong(ip: string): void {
    const key = neighbourhood(ip);
    const now = this.#clock();
    const count = this.#counts.get(key);
    if (count && count.until > now) {
      count.n++;
      return;
    }
    if (this.#counts.size >= MAX_ADDRESSES) this.#counts.clear();
    this.#counts.set(key, { n: 1, until: now + MINUTE });
  }
}

/** Requests of an address in its present window, which ends by a clock that nobody can set; the store of the package goes by the machine's. */
import type { FastifyRateLimitStore } from '@fastify/rate-limit';
import { elapsed } from '../model/time.ts';

/** Beyond, those whose window began first are forgotten. */
const MAX_ADDRESSES = 20_000;

export class RequestCounts implements FastifyRateLimitStore {
  readonly #counts = new Map<string, { n: number; readonly since: number }>();

  incr(...[address, done, window]: Parameters<FastifyRateLimitStore['incr']>): void {
    const now = elapsed();
    let count = this.#counts.get(address);
    if (!count || now - count.since >= window) {
      this.#counts.delete(address);
      if (this.#counts.size >= MAX_ADDRESSES) this.#counts.delete(this.#counts.keys().next().value as string);
      this.#counts.set(address, (count = { n: 0, since: now }));
    }
    count.n++;
    done(null, { current: count.n, ttl: window - (now - count.since) });
  }

  child(): RequestCounts {
    return new RequestCounts();
  }
}

/**
 * The way to the server: writes that are confirmed or say why not, queries whose answer streams. Errors never hold the token.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { flux, HttpError, InfluxDB, type ParameterizedQuery, type Transport } from '@influxdata/influxdb-client';
import { MINUTE, SECOND } from '../../model/time.ts';
import { StoreUnavailable } from '../store.ts';
import { SERIES } from './schema.ts';
import { readTable, type TableRow } from './tables.ts';

export interface InfluxAddress {
  readonly url: string;
  readonly token: string;
  readonly org: string;
  readonly bucket: string;
}

export interface ConnectionOptions extends InfluxAddress {
  /** Series at most; a bucket keeps the number it began with. @default SERIES */
  readonly series?: number;
  /** Bodies larger than this are sent gzipped [bytes]. @default 1000; a server on this machine gets them as they are */
  readonly gzipThreshold?: number;
  /** Attempts of one write before its error is told. @default 3 */
  readonly attempts?: number;
  /** First wait after a failed attempt [ms], doubled each time, with jitter. @default 200 */
  readonly retry?: number;
}

/** A write must be confirmed within this; a query must go on sending within this. */
const WRITE_TIMEOUT = 30 * SECOND;
const QUERY_TIMEOUT = MINUTE;
const PING_TIMEOUT = 3 * SECOND;
/** Longest wait the server may ask for between attempts; the pipeline has a longer breath of its own. */
const MAX_WAIT = 5 * SECOND;

/** The server took the connection and refused what was in the body: sending it again is of no use. */
export class Refused extends Error {}

/** What to do, in words for the operator. */
function explain(
  error: unknown,
  { url, org, bucket }: InfluxAddress,
): { words: string; again: boolean; body: boolean } {
  if (error instanceof HttpError) {
    const said = error.message.slice(0, 500);
    if (error.statusCode === 401 || error.statusCode === 403)
      return {
        words: `InfluxDB at ${url} refuses the token (${said}); influxToken needs read and write for bucket "${bucket}"`,
        again: false,
        body: false,
      };
    // The query call says 400 to an organisation it does not know.
    if (error.statusCode === 404 || /^.{0,60}(organization|bucket) .*not found/.test(said))
      return {
        words: `InfluxDB at ${url} says: ${said}; check influxOrg ("${org}") and influxBucket ("${bucket}"), or run lamppost influx setup`,
        again: false,
        body: false,
      };
    const body = error.statusCode === 400 || error.statusCode === 413 || error.statusCode === 422;
    return { words: `InfluxDB at ${url} says: ${said}`, again: !body, body };
  }
  const { code, message, errors } = error as NodeJS.ErrnoException & { errors?: readonly Error[] };
  // Both addresses of a name refused: Node's AggregateError has no words of its own.
  const said = message || errors?.[0]?.message || code || String(error);
  return { words: `InfluxDB at ${url} cannot be reached: ${said}`, again: true, body: false };
}

/** On the loopback gzip costs both sides more than it saves. */
const isHere = (url: string): boolean => /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname);

const pack = promisify(gzip);

const waitAsked = (error: unknown): number => (error instanceof HttpError ? error.retryAfter() * SECOND : 0);

export class Connection {
  readonly address: InfluxAddress;
  readonly series: number;
  readonly #options: ConnectionOptions;
  readonly #writing: InfluxDB;
  readonly #asking: InfluxDB;
  readonly #pinging: InfluxDB;
  readonly #closing = new AbortController();
  /** What was wrong the last time, '' = nothing; and when the server last answered. */
  #problem = '';
  #answered = -Infinity;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { url, token, org, bucket } = options;
    this.address = { url, token, org, bucket };
    this.series = options.series ?? SERIES;
    this.#writing = new InfluxDB({ url, token, timeout: WRITE_TIMEOUT });
    this.#asking = new InfluxDB({ url, token, timeout: QUERY_TIMEOUT });
    this.#pinging = new InfluxDB({ url, token, timeout: PING_TIMEOUT });
  }

  get problem(): string {
    return this.#problem;
  }

  /**
   * A signal for one request that follows the closing of the connection and `also`. The client never takes its listeners off a
   * signal, and they hold the request's body: on a signal that lives on, every body would stay in memory.
   */
  async #scoped<T>(work: (signal: AbortSignal) => Promise<T>, also?: AbortSignal): Promise<T> {
    const own = new AbortController();
    const abort = (): void => own.abort();
    const followed = also ? [this.#closing.signal, also] : [this.#closing.signal];
    for (const signal of followed) {
      if (signal.aborted) own.abort();
      signal.addEventListener('abort', abort);
    }
    try {
      return await work(own.signal);
    } finally {
      for (const signal of followed) signal.removeEventListener('abort', abort);
    }
  }

  #worked(): void {
    this.#problem = '';
    this.#answered = performance.now();
  }

  /** @returns what a caller should throw */
  #failed(error: unknown): Error {
    const { words, body } = explain(error, this.address);
    if (body) return new Refused(words, { cause: error });
    this.#problem = words;
    return new StoreUnavailable(words, { cause: error });
  }

  /** `request` of the client makes text of every body; `send` hands bytes on as they are, though its type says string. */
  async #post(path: string, body: Uint8Array, options: Parameters<Transport['send']>[2]): Promise<void> {
    return new Promise((resolve, reject) => {
      const callbacks = { next: () => true, error: reject, complete: resolve };
      this.#writing.transport.send(path, body as unknown as string, options, callbacks);
    });
  }

  /**
   * Resolves when the server has confirmed the lines.
   * @throws Refused when it does not want (some of) them, StoreUnavailable when it is away or busy after some attempts
   */
  async write(lines: Uint8Array): Promise<void> {
    const { org, bucket } = this.address;
    const path = `/api/v2/write?org=${encodeURIComponent(org)}&bucket=${encodeURIComponent(bucket)}&precision=ns`;
    const headers: Record<string, string> = { 'content-type': 'text/plain; charset=utf-8' };
    let body = lines;
    if (lines.length > (this.#options.gzipThreshold ?? (isHere(this.address.url) ? Infinity : 1000))) {
      // In libuv's threads. Level 1: lines are so alike that the others cost four times as much and save a tenth.
      body = await pack(lines, { level: 1 });
      headers['content-encoding'] = 'gzip';
    }
    const attempts = this.#options.attempts ?? 3;
    for (let attempt = 1, wait = this.#options.retry ?? 200; ; attempt++, wait *= 2) {
      try {
        await this.#scoped((signal) => this.#post(path, body, { method: 'POST', headers, signal }));
        this.#worked();
        return;
      } catch (error) {
        if (attempt >= attempts || !explain(error, this.address).again) throw this.#failed(error);
        // Half of the wait is by chance, so that many servers do not come back at the same moment.
        const pause = Math.min(MAX_WAIT, Math.max(waitAsked(error), wait * (0.5 + Math.random() / 2)));
        await delay(pause, undefined, { signal: this.#closing.signal }).catch(() => undefined);
        if (this.#closing.signal.aborted) throw this.#failed(error);
      }
    }
  }

  /**
   * Asks in Flux and hands each row to `each`; returning false there ends the query.
   * @throws the signal's reason, StoreUnavailable, or an Error in the server's words
   */
  async query(
    text: ParameterizedQuery | string,
    each: (row: TableRow) => boolean | void,
    signal?: AbortSignal,
  ): Promise<void> {
    signal?.throwIfAborted();
    const body = JSON.stringify({
      query: text.toString(),
      type: 'flux',
      dialect: { header: true, delimiter: ',', annotations: ['default'], commentPrefix: '#' },
    });
    try {
      await this.#scoped(async (own) => {
        const options = {
          method: 'POST',
          headers: { 'content-type': 'application/json', accept: 'text/csv' },
          signal: own,
        };
        const path = `/api/v2/query?org=${encodeURIComponent(this.address.org)}`;
        await readTable(this.#asking.transport.iterate(path, body, options), each);
      }, signal);
      this.#worked();
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#failed(error);
    }
  }

  /** A call of the management API; the answer as parsed JSON. */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    try {
      const answer = await this.#scoped<unknown>((signal) =>
        this.#writing.transport.request(path, body ? JSON.stringify(body) : '', {
          method,
          headers: { 'content-type': 'application/json', accept: 'application/json' },
          signal,
        }),
      );
      this.#worked();
      return answer;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** How long values are kept in the bucket [ms]; Infinity = for ever, null = the token may not see it. */
  async retention(): Promise<number | null> {
    const { org, bucket } = this.address;
    const path = `/api/v2/buckets?org=${encodeURIComponent(org)}&name=${encodeURIComponent(bucket)}`;
    try {
      const { buckets = [] } = (await this.call('GET', path)) as {
        buckets?: { retentionRules?: { everySeconds?: number }[] }[];
      };
      const rules = buckets[0]?.retentionRules;
      if (!rules) return null;
      const seconds = rules[0]?.everySeconds ?? 0;
      return seconds > 0 ? seconds * SECOND : Infinity;
    } catch (error) {
      if (error instanceof StoreUnavailable && error.cause instanceof HttpError && error.cause.statusCode < 429) {
        this.#problem = '';
        return null;
      }
      throw error;
    }
  }

  /** Asks whether the server is there unless it has just answered; `problem` says what came of it. */
  async look(now = performance.now()): Promise<void> {
    if (this.#problem === '' && now - this.#answered < 10 * SECOND) return;
    try {
      // Needs the token and the organisation, writes nothing and reads nothing.
      const query = flux`import "array"\narray.from(rows: [{ok: 1}])`.toString();
      await this.#scoped((signal) =>
        this.#pinging.transport.request(
          `/api/v2/query?org=${encodeURIComponent(this.address.org)}`,
          JSON.stringify({ query, type: 'flux' }),
          { method: 'POST', headers: { 'content-type': 'application/json', accept: 'text/csv' }, signal },
        ),
      );
      this.#worked();
    } catch (error) {
      this.#failed(error);
    }
  }

  close(): void {
    this.#closing.abort();
  }
}

/**
 * A feed brings readings of another network in: it polls or subscribes, and hands each message to the journal as a packet.
 *
 * Promises: a message counts as delivered only when `accept` resolved (it is on disk); until then a polled record is taken
 * again next time and a subscribed message is not acknowledged. A feed never stops for an error: it waits, longer each time,
 * and says in `health` what is wrong. Secrets in addresses (api keys) never appear in health or logs.
 */
import type { Packet } from '../../model/packet.ts';
import { HOUR, MINUTE, SECOND, type Clock, type EpochMs } from '../../model/time.ts';

/** Puts a packet into the journal; resolves when it is on disk. */
export type Accept = (packet: Packet) => Promise<unknown>;
/** Resolves after `ms`, or at once when `signal` fires. */
export type Pause = (ms: number, signal: AbortSignal) => Promise<void>;

export interface FeedHealth {
  readonly name: string;
  readonly kind: string;
  readonly ok: boolean;
  /** What is wrong, in words for the operator; '' when ok. No secrets. */
  readonly problem: string;
  readonly lastSuccess: EpochMs | null;
  /** Consecutive failures. */
  readonly failures: number;
  /** Packets that are on disk since start. */
  readonly packets: number;
  /** Polls that brought nothing new, since start. */
  readonly unchanged: number;
  /** Messages that were not taken (retained replays, topics of registered boxes), since start. */
  readonly skipped: number;
}

export interface Feed {
  readonly name: string;
  start(): void;
  /** Ends requests and connections; what was accepted stays accepted. */
  stop(): Promise<void>;
  health(): FeedHealth;
}

export interface FeedParts {
  readonly accept: Accept;
  readonly clock: Clock;
  readonly pause?: Pause;
  /** Tests pass their own; default is the global one. */
  readonly fetch?: typeof fetch;
}

export const pause: Pause = (ms, signal) =>
  new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal.addEventListener('abort', done);
  });

/** First wait after a failure, doubled with each further one up to an hour. */
const FIRST_BACKOFF = 15 * SECOND;
const LONGEST_BACKOFF = HOUR;

/** A failure of the other side, with the wait it asked for (`Retry-After`), if it did. */
export class FeedError extends Error {
  readonly retryAfterMs: number | null;
  constructor(message: string, retryAfterMs: number | null = null, cause?: unknown) {
    super(message, { cause });
    this.name = 'FeedError';
    this.retryAfterMs = retryAfterMs;
  }
}

/** Between 0.75 and 1.25, from the name: instances that start together do not knock together, and a test knows the wait. */
function spread(name: string): number {
  let h = 2166136261;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 16777619);
  return 0.75 + ((h >>> 0) % 1000) / 2000;
}

/** How long to wait after `failures` (≥ 1) failures in a row. */
export function backoffMs(name: string, failures: number, retryAfterMs: number | null): number {
  const own = Math.min(LONGEST_BACKOFF, Math.round(FIRST_BACKOFF * spread(name)) * 2 ** Math.min(failures - 1, 20));
  return Math.max(own, Math.min(retryAfterMs ?? 0, 24 * HOUR));
}

/** What a poll tells about itself, counted into the health. */
export interface PollResult {
  readonly packets: number;
}

export interface PolledFeedOptions {
  readonly name: string;
  readonly kind: string;
  readonly intervalMs: number;
  /** One round; throws when the other side or the journal fails. */
  poll(signal: AbortSignal): Promise<PollResult>;
}

/** Runs `poll` at once and then in its interval, with backoff after failures. */
export function polledFeed(options: PolledFeedOptions, parts: FeedParts): Feed {
  const wait = parts.pause ?? pause;
  let abort: AbortController | null = null;
  let running: Promise<void> = Promise.resolve();
  let problem = 'not polled yet';
  let lastSuccess: EpochMs | null = null;
  let failures = 0;
  let packets = 0;
  let unchanged = 0;

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let delay = options.intervalMs;
      try {
        const result = await options.poll(signal);
        packets += result.packets;
        if (result.packets === 0) unchanged++;
        failures = 0;
        problem = '';
        lastSuccess = parts.clock();
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        problem = wordsOf(error);
        delay = backoffMs(options.name, failures, error instanceof FeedError ? error.retryAfterMs : null);
      }
      await wait(delay, signal);
    }
  }

  return {
    name: options.name,
    start() {
      if (abort) return;
      abort = new AbortController();
      running = run(abort.signal);
    },
    async stop() {
      abort?.abort();
      await running;
      abort = null;
    },
    health: () => ({
      name: options.name,
      kind: options.kind,
      // One failed poll is weather; three in a row are a fault.
      ok: failures < 3,
      problem,
      lastSuccess,
      failures,
      packets,
      unchanged,
      skipped: 0,
    }),
  };
}

/** The message of an error and of its cause (fetch hides the reason there), without query strings, which may hold keys. */
export function wordsOf(error: unknown): string {
  const parts: string[] = [];
  for (let e: unknown = error; e instanceof Error && parts.length < 3; e = e.cause) parts.push(e.message);
  const text = parts.length > 0 ? parts.join(': ') : String(error);
  return text
    .replace(/\?[^\s'")]*/g, '?…')
    .replace(/\/\/[^/@\s]+@/g, '//…@')
    .slice(0, 300);
}

export const DEFAULT_INTERVAL = 5 * MINUTE;

/** What every route gets to work with. */
import type { FastifyBaseLogger, FastifyInstance, FastifyTypeProvider, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Clock } from '../model/time.ts';
import type { Registry } from '../registry/registry.ts';
import type { ObservationStore } from '../store/store.ts';
import type { Gatekeeper } from './gatekeeper.ts';
import type { LatestTable } from './latest.ts';
import type { LocalTime } from './localtime.ts';
import type { ModelNames } from './models.ts';
import type { Presence } from './presence.ts';
import type { ApiLogger, ApiOptions } from './options.ts';
import type { ThingCache } from './things.ts';

/** Requests are typed by their schemas. Answers are not: many are text or streams already; the tests hold them against the schemas. */
export interface Checked extends FastifyTypeProvider {
  readonly validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown;
  readonly serializer: unknown;
}

export type App = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, Checked>;

export interface Context {
  readonly options: ApiOptions;
  readonly registry: Registry;
  readonly store: ObservationStore;
  readonly latest: LatestTable;
  readonly presence: Presence;
  readonly things: ThingCache;
  readonly models: ModelNames;
  readonly gatekeeper: Gatekeeper;
  readonly clock: Clock;
  /** For spans of time [ms]: goes on evenly when the clock is set. */
  readonly elapsed: () => number;
  readonly logger: ApiLogger;
  readonly timezone: string;
  readonly localTime: LocalTime;
  /** Different at every start: version counters begin anew, so they may not meet an ETag of the former run. */
  readonly run: string;
  /** Aborted when the server begins to close: long answers end. */
  readonly closing: AbortSignal;
  /** `https://host` of this server as the client sees it. */
  baseUrl(request: { protocol: string; host: string }): string;
}

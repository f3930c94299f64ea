/**
 * SensorThings in a thread of its own: SQLite answers synchronously, and a hostile query must stall neither acknowledgements
 * nor the other calls. Whoever started it ends it when a request takes too long.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { propertyOf, thingNumOf } from '../../model/datastream.ts';
import { PROPERTIES } from '../../model/properties.ts';
import type { Registry } from '../../registry/registry.ts';
import {
  StoreCannot,
  StoreUnavailable,
  allocateColumns,
  type BulkStore,
  type ObservationColumns,
} from '../../store/store.ts';
import { LatestView, type LatestTable, type SharedColumn } from '../latest.ts';
import { BoxObservations, type LatestRows } from './box-observations.ts';
import { openDatabase } from './database.ts';
import { DirtyRows } from './dirty-rows.ts';
import { entity } from './entities.ts';
import { changedRow, LiveTopics, type LiveMessage } from './live-topics.ts';
import { BoxMirror, type SeenDatastream } from './mirror.ts';
import type { ReadContext } from './read.ts';
import { problem, createStaService, type StaRequest, type StaResponse, type StaService } from './service.ts';

export interface StaThreadData {
  readonly role: 'sta';
  readonly databasePath: string;
  /** '' in a scratch instance: no boxes. */
  readonly registryPath: string;
  readonly scratch: boolean;
  /** Longest time one statement may take [ms]. @default 5000 */
  readonly patienceMs?: number;
}

export interface MqttState {
  /** `https://host/sta/v1.1`, for the links in messages that no HTTP request led to. */
  readonly base: string;
  readonly topics: readonly string[];
  readonly port: number;
  /** null = TLS is off */
  readonly tlsPort: number | null;
}

export type ToStaThread =
  | { readonly kind: 'request'; readonly id: number; readonly base: string; readonly request: StaRequest }
  /** The columns of latest values, once again when they were made anew. */
  | { readonly kind: 'latest'; readonly columns: (SharedColumn | undefined)[] }
  /** Datastreams with new rows. */
  | { readonly kind: 'changed'; readonly datastreams: ArrayLike<number> }
  /** The rows themselves, while somebody listens to them. */
  | { readonly kind: 'rows'; readonly rows: ObservationColumns }
  | { readonly kind: 'store'; readonly port: MessagePort }
  | { readonly kind: 'mqtt'; readonly state: MqttState }
  | { readonly kind: 'close' };
export type FromStaThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'response'; readonly id: number; readonly response: StaResponse }
  | { readonly kind: 'publish'; readonly messages: readonly LiveMessage[] }
  | { readonly kind: 'failed'; readonly message: string };

export interface StaThreadParts {
  readonly openRegistry: (path: string, options: { readOnly: boolean }) => Registry;
  readonly connectStore: (port: MessagePort) => BulkStore;
}

/** How often a store that is away is asked whether it has come. */
const STORE_AGAIN_MS = 2000;
/** How often the catalogue takes over what the registry and the latest values say. */
const SYNC_EVERY_MS = 5000;
/** Time a round may take [ms], so that a million boxes cost this thread little; how far a datastream reaches is always answered from memory. */
const SYNC_MS = 250;
const SYNC_PIECE = 200;
/** At the start: so long without pause [ms], then pauses this many times as long as the work. */
const HASTE_MS = 3000;
const PATIENCE = 6;
const MAX_SYNC_AT_ONCE = 500;
/** Messages, or rounds of them, that wait for subscribers; live ones past it are left out. */
const MAX_UNSENT = 10_000;

const PROPERTY_NUMS = new Map<string, number>(PROPERTIES.map((p) => [p.key, p.num]));

/** Newest rows out of the table of latest values, each a copy. */
export function newestOf(view: LatestView): LatestRows {
  return {
    newest(stored) {
      const columns = allocateColumns(1);
      const found = view.read(PROPERTY_NUMS.get(propertyOf(stored)) as number, thingNumOf(stored), columns);
      return found ? { index: 0, columns } : null;
    },
  };
}

/** The same of a table in this thread, as it is at each moment. */
export function newestIn(table: LatestTable): LatestRows {
  const view = new LatestView();
  const rows = newestOf(view);
  return {
    newest(stored) {
      view.adopt(table.shared());
      return rows.newest(stored);
    },
  };
}

export async function runStaThread(port: MessagePort, data: StaThreadData, parts: StaThreadParts): Promise<void> {
  const post = (message: FromStaThread): void => port.postMessage(message);
  const db = openDatabase(data.databasePath, {
    scratch: data.scratch,
    ...(data.patienceMs === undefined ? {} : { patienceMs: data.patienceMs }),
  });
  const view = new LatestView();
  const dirty = new DirtyRows();
  let boxes: { mirror: BoxMirror; observations: BoxObservations; store: BulkStore; registry: Registry } | null = null;

  const changed = (datastreams: ArrayLike<number>): void => {
    for (let i = 0; i < datastreams.length; i++) dirty.add(datastreams[i] as number);
  };

  const topics = new LiveTopics();
  let mqtt: MqttState | null = null;
  const context = (base: string): ReadContext => ({ db, base, now: Date.now(), foreign: boxes?.observations ?? null });
  // One after the other: messages leave in the order in which things happened.
  let publishing = Promise.resolve();
  let unsent = 0;
  const publishNow = async (work: () => Promise<LiveMessage[]>): Promise<void> => {
    try {
      const messages = await work();
      if (messages.length > 0) post({ kind: 'publish', messages });
    } catch (error) {
      post({ kind: 'failed', message: String(error) });
    } finally {
      unsent--;
    }
  };
  const publish = (work: () => Promise<LiveMessage[]>): void => {
    if (unsent >= MAX_UNSENT) return;
    unsent++;
    publishing = publishing.then(() => publishNow(work));
  };

  /** Observations of boxes to whoever subscribes to one of the three Datastreams, or to all. */
  const tell = async (rows: ObservationColumns): Promise<LiveMessage[]> => {
    const messages: LiveMessage[] = [];
    const type = entity('Observation');
    for (let i = 0; i < rows.length && messages.length < MAX_UNSENT; i++)
      for (const row of (await boxes?.observations.liveRows(rows, i, (id) => topics.hears(id))) ?? [])
        messages.push(...(await topics.messages(context(mqtt?.base ?? ''), type, row)));
    return messages;
  };

  const sync = (): void => {
    if (!boxes) return;
    const until = performance.now() + SYNC_MS;
    for (const _ of boxes.mirror.syncing()) if (performance.now() > until) return;
    const row = allocateColumns(1);
    let seen: SeenDatastream[] = [];
    for (const stored of dirty.taken()) {
      if (!view.read(PROPERTY_NUMS.get(propertyOf(stored)) as number, thingNumOf(stored), row)) continue;
      const time = row.phenomenonTime[0] as number;
      seen.push({
        thingNum: thingNumOf(stored),
        key: propertyOf(stored),
        firstTime: time,
        lastTime: time,
        lastResultTime: row.resultTime[0] as number,
        corrected: !Number.isNaN(row.corrected[0]),
      });
      if (seen.length < SYNC_PIECE) continue;
      boxes.mirror.seen(seen);
      seen = [];
      if (performance.now() > until) break;
    }
    if (seen.length > 0) boxes.mirror.seen(seen);
  };

  /** At start: which datastreams there are and since when. */
  const fill = async (store: BulkStore, mirror: BoxMirror): Promise<void> => {
    const began = performance.now();
    let worked = began;
    for (const _ of mirror.syncing()) {
      const now = performance.now();
      // A small network is there at once; a large one must not take a processor from everything else for minutes.
      if (now - began > HASTE_MS) await delay(PATIENCE * (now - worked));
      worked = performance.now();
    }
    const extents = await store.extents();
    for (let from = 0; from < extents.length; from += SYNC_PIECE) {
      const piece = performance.now();
      const seen: SeenDatastream[] = [];
      for (let i = from; i < Math.min(extents.length, from + SYNC_PIECE); i++) {
        const stored = extents.datastream[i] as number;
        seen.push({
          thingNum: thingNumOf(stored),
          key: propertyOf(stored),
          firstTime: extents.first[i] as number,
          lastTime: extents.last[i] as number,
          lastResultTime: extents.lastResult[i] as number,
          corrected: extents.corrected[i] === 1,
        });
      }
      mirror.seen(seen);
      const now = performance.now();
      if (now - began > HASTE_MS) await delay(PATIENCE * (now - piece));
    }
  };

  const services = new Map<string, StaService>();
  const serviceFor = (base: string): StaService => {
    let service = services.get(base);
    if (!service) {
      // Bases come from the Host header: a client may send any, so only some are kept.
      if (services.size > 16) services.clear();
      service = createStaService({
        db,
        base,
        clock: Date.now,
        scratch: data.scratch,
        foreign: boxes?.observations ?? null,
        mqtt: () => mqtt,
        changed: ({ type, id }) => {
          if (topics.isEmpty) return;
          const row = changedRow(context(base), type, id);
          if (row) publish(() => topics.messages(context(base), type, row));
        },
      });
      services.set(base, service);
    }
    return service;
  };

  /** A few new datastreams are shown at once; a flood of them waits for its turn. */
  let synced = -Infinity;
  const freshen = (): void => {
    const now = performance.now();
    if (dirty.size === 0 || dirty.size > MAX_SYNC_AT_ONCE || now - synced < 200) return;
    synced = now;
    sync();
  };

  const answer = async (id: number, base: string, request: StaRequest): Promise<void> => {
    let response: StaResponse;
    try {
      freshen();
      response = await serviceFor(base).handle(request);
    } catch (error) {
      if (!(error instanceof StoreCannot))
        post({ kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      if (error instanceof StoreCannot) response = problem(501, error.message);
      else if (error instanceof StoreUnavailable)
        response = problem(503, 'the store of observations cannot be reached at the moment; try again');
      else response = problem(500, 'the request failed inside the server; the operator can see why in the log');
    }
    post({ kind: 'response', id, response });
  };

  let ended = false;
  const open = async (storePort: MessagePort): Promise<void> => {
    const registry = parts.openRegistry(data.registryPath, { readOnly: true });
    const store = parts.connectStore(storePort);
    const observations = new BoxObservations(db, store, newestOf(view));
    boxes = { mirror: new BoxMirror(db, registry), observations, store, registry };
    for (;;) {
      try {
        await fill(store, boxes.mirror);
        break;
      } catch (error) {
        // A store on another machine may come later than this thread.
        if (!(error instanceof StoreUnavailable) || ended) throw error;
        await delay(STORE_AGAIN_MS);
      }
    }
    services.clear();
  };

  let timer: NodeJS.Timeout | undefined;
  const begin = async (storePort: MessagePort): Promise<void> => {
    try {
      await open(storePort);
      timer = setInterval(() => {
        try {
          sync();
        } catch (error) {
          post({ kind: 'failed', message: String(error) });
        }
      }, SYNC_EVERY_MS);
      post({ kind: 'ready' });
    } catch (error) {
      post({ kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  };
  port.on('message', (message: ToStaThread) => {
    switch (message.kind) {
      case 'request':
        void answer(message.id, message.base, message.request);
        break;
      case 'latest':
        view.adopt(message.columns);
        break;
      case 'changed':
        changed(message.datastreams);
        break;
      case 'rows':
        changed(message.rows.datastream);
        if (boxes && !topics.isEmpty) publish(() => tell(message.rows));
        break;
      case 'mqtt': {
        const { state } = message;
        mqtt = state;
        publish(async () => {
          await topics.set(state.topics, context(state.base));
          return [];
        });
        break;
      }
      case 'store':
        void begin(message.port);
        break;
      case 'close':
        ended = true;
        clearInterval(timer);
        boxes?.registry.close();
        db.close();
        port.close();
        break;
    }
  });
  if (data.scratch) post({ kind: 'ready' });
}

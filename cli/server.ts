/**
 * The server: opens the parts in the order in which they lean on each other, closes them in the other order.
 *
 *   registry → store → journal (numbered behind the store's checkpoint) → pipeline thread → API → broker → control socket
 *
 * Nothing is acknowledged before the journal is open; nothing is lost when any of the later parts fails or is killed.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { Api, ApiOptions, PartHealth } from '../api/options.ts';
import { LATEST_SPAN, LatestTable } from '../api/latest.ts';
import type { StaHost } from '../api/sta/host.ts';
import type { Broker, BrokerOptions } from '../broker/broker.ts';
import type { Config } from '../config.ts';
import type { Feeds } from '../ingest/feeds/index.ts';
import { readModelCard } from '../ingest/model-cards.ts';
import { decide, readTurns, writtenDecisions } from '../ingest/model-decisions.ts';
import { ownKeyProof } from '../ingest/own-key.ts';
import { startRecompute, type RecomputeStart } from '../ingest/recompute-thread.ts';
import { revisionLedger } from '../ingest/revisions.ts';
import { stationWords } from '../api/routes/quality.ts';
import { startPipelineThread, type PipelineThread } from '../ingest/thread.ts';
import type { JournalWriter } from '../journal/journal.ts';
import { encodePacket, type Packet } from '../model/packet.ts';
import { DAY, elapsed, HOUR, MINUTE, SECOND, parseTime, startOfDay } from '../model/time.ts';
import type { Registry } from '../registry/registry.ts';
import type { StoreHealth } from '../store/store.ts';
import { openAccessLog } from './access-log.ts';
import { saidIn, StatusTeller, TELL_EVERY } from './apart.ts';
import { startCare } from './care.ts';
import {
  askServer,
  runningServer,
  startControl,
  type Control,
  type ControlHandler,
  type ControlRequest,
} from './control.ts';
import { BoxDumps } from './box-dumps.ts';
import { dumpsMaker, type MakeDumps } from './dumps-thread.ts';
import { Dumps, type DumpFormat } from './dumps.ts';
import { makeDataFolder, type DataFolder } from './folder.ts';
import { createLog, type Log } from './log.ts';
import { createMetrics, type ServerMetrics } from './metrics.ts';
import { webPages } from './pages.ts';
import { publicReason } from './public-reason.ts';
import type { OpenStore, Parts } from './parts.ts';
import { watchThreads } from './threads.ts';

export const ROLES = ['broker', 'ingest', 'calibrate', 'api'] as const;
export type Role = (typeof ROLES)[number];

export interface ServerOptions {
  readonly config: Config;
  readonly parts: Parts;
  readonly log: Log;
  readonly roles?: readonly Role[];
  /** Build and serve the web pages. @default true */
  readonly pages?: boolean;
  /** Before the listeners open, with the registry and data folder at hand (demo: makes its boxes). */
  readonly prepare?: (registry: Registry, folder: DataFolder) => void;
}

export interface RunningServer {
  /** null = that part does not run in this process. */
  readonly http: number | null;
  readonly mqtt: number | null;
  readonly registry: Registry;
  /** Rejects when a part dies without which nothing goes on. */
  readonly failed: Promise<never>;
  /** Finishes what is in hand, flushes, closes. */
  close(): Promise<void>;
}

/** How often rows are moved out of the recent file: at a million boxes this is eight million. */
const COMPACT_EVERY = 2 * MINUTE;
const NIGHTLY_LOOK_EVERY = 15 * MINUTE;
const PRODUCTS_LOOK_EVERY = MINUTE;
/** Changes when an hour has become due of which the revised values are wanted (ingest/products.ts: an hour and ten minutes behind). */
const productHour = (now: number): number => Math.floor((now - 10 * MINUTE) / HOUR);
const STORE_HEALTH_EVERY = 5 * SECOND;
const JOURNAL_HEALTH_EVERY = SECOND;
/** A pipeline further behind than this is not ready. */
const MAX_LAG = 5 * MINUTE;

/** @throws Error when the roles cannot stand together in one process with this store */
export function checkRoles(roles: readonly Role[]): void {
  const core = (['ingest', 'calibrate', 'api'] as const).filter((r) => roles.includes(r));
  if (core.length > 0 && core.length < 3) {
    throw new Error(
      `with the embedded store ingest, calibrate and api share one process; --roles ${roles.join(',')} lacks some of them. Only broker may stand alone`,
    );
  }
}

/** A scratch instance may be started again; a folder with boxes that was none must not become one. */
function checkScratch(config: Config, folder: DataFolder, registry: Registry): void {
  const mark = join(folder.root, 'sta-scratch');
  if (!config.staScratch) return;
  if (!existsSync(mark) && registry.count() > 0) {
    throw new Error(
      `LAMPPOST_STA_SCRATCH is set, but ${folder.root} holds ${registry.count()} real boxes that anyone could then delete; set LAMPPOST_DATA_DIR to an empty folder`,
    );
  }
  writeFileSync(mark, 'anyone may write and delete here\n');
}

/** Records a batch: InfluxDB takes 9 % more values a second of these than of half as many (docs/influxdb.md). */
const INFLUX_BATCH = 10_000;

/** Of what lives in a heap, so much garbage may come before it is collected [%]. */
const HEAP_GROWS = 60;

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  // V8 lets a heap grow to several times what lives in it before it collects; in five threads of a large network that is a gigabyte of garbage.
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWS}`);
  const { config, parts, log } = options;
  const roles = options.roles ?? ROLES;
  checkRoles(roles);
  const withBroker = roles.includes('broker');
  const withCore = roles.includes('ingest');
  const folder = makeDataFolder(config.dataDir);
  // A broker that stands alone shares the folder with the other process.
  if (withCore) {
    const pid = await runningServer(folder.control);
    if (pid !== null)
      throw new Error(`a server (process ${pid}) already runs on ${folder.root}; stop it, or set LAMPPOST_DATA_DIR`);
  }
  const closers: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) {
      try {
        await closer();
      } catch (error) {
        log.error({ error: (error as Error).message }, 'a part did not close cleanly');
      }
    }
  };
  try {
    return await open(closers, close);
  } catch (error) {
    await close();
    throw error;
  }

  async function open(closers: (() => Promise<void> | void)[], close: () => Promise<void>): Promise<RunningServer> {
    // The pages are built beside everything else; the listeners wait for them.
    const pages = withCore && options.pages !== false ? webPages(log, config.mapStyle) : Promise.resolve('');
    pages.catch(() => undefined);
    const registry = parts.openRegistry(folder.registry, { maxUnclaimed: config.maxUnclaimed });
    closers.push(() => registry.close());
    checkScratch(config, folder, registry);
    const threads = watchThreads();
    closers.push(() => threads.close());
    options.prepare?.(registry, folder);

    let storeHealth: StoreHealth | null = null;
    let store: OpenStore | null = null;
    if (withCore) {
      store = await parts.openStore(config, folder.store, (message) => log.warn({}, `store: ${message}`));
      closers.push(store.close);
    }
    const checkpoint = (await store?.store.checkpoint()) ?? 0;
    const journal = await parts.openJournal(folder.journal, {
      ...(store ? { startAfter: checkpoint } : {}),
      maxBytes: config.journalMaxMb * 2 ** 20,
    });
    closers.push(() => journal.close());

    const watch = new AbortController();
    closers.push(() => watch.abort());
    let journalProblem = '';
    every(
      JOURNAL_HEALTH_EVERY,
      async () => {
        const { problem } = journal.health();
        if ((problem === '') !== (journalProblem === ''))
          if (problem) log.error({ problem }, 'journal');
          else log.info({}, 'the journal takes packets again');
        journalProblem = problem;
      },
      watch.signal,
    );

    let api: Api | null = null;
    let broker: Broker | null = null;
    /** Ends the connection of a box whose key is no longer its own, wherever the broker runs. */
    const keyEnded = (box: unknown): void => {
      if (typeof box !== 'string') return;
      if (withBroker) broker?.drop(box);
      else
        askServer(folder.brokerControl, { command: 'key-ended', box }).catch((error: unknown) =>
          log.warn({ error: String(error), box }, 'the broker was not told that a key ended'),
        );
    };
    let pipeline: PipelineThread | null = null;
    let sta: StaHost | null = null;
    let feeds: Feeds | null = null;
    let again: RecomputeStart | null = null;
    let bulkFiles: MakeDumps | null = null;
    const metrics = createMetrics({
      journal: () => journal.health(),
      pipeline: () => pipeline?.status() ?? null,
      stations: () => pipeline?.stations() ?? [],
      store: () => storeHealth,
      broker: () => broker?.stats() ?? null,
      threads: () => threads.read(),
    });
    const accept = acceptInto(journal, metrics);

    if (store) {
      const opened = store;
      const stopped = new AbortController();
      closers.push(() => stopped.abort());
      const look = async (): Promise<void> => {
        storeHealth = await opened.store.health().catch((error: unknown) => ({
          ok: false,
          problem: error instanceof Error ? error.message : String(error),
          rows: storeHealth?.rows ?? 0,
          bytes: storeHealth?.bytes ?? 0,
        }));
      };
      await look();
      every(STORE_HEALTH_EVERY, look, stopped.signal);
      const latest = new LatestTable();
      latest.expect(registry.lastNum());
      // The longest piece of work of a start over the data of a large network: beside the others.
      const filled = opened.store.latest(Date.now() - LATEST_SPAN).then((rows) => void latest.apply(rows, false));
      filled.catch(() => undefined);
      pipeline = await startPipelineThread({
        entry: parts.entry,
        checkpoint,
        data: {
          registryPath: folder.registry,
          journalFolder: folder.journal,
          folder: folder.pipeline,
          cardFolder: folder.models,
          maxUnclaimed: config.maxUnclaimed,
          ...(config.store === 'influxdb' ? { batchRecords: INFLUX_BATCH } : {}),
        },
        storePort: opened.connect,
        onRows: (rows) => {
          // What comes while the table is still being read from the store must not be missing in it.
          if (api) api.live(rows);
          else latest.apply(rows);
          sta?.live(rows);
        },
        onCommit: (commit) => {
          metrics.committed(commit, Date.now());
          api?.heard(commit.heard);
        },
        onTrim: (upTo) => {
          journal
            .trim(upTo)
            .catch((error: unknown) => log.error({ error: String(error) }, 'trimming the journal failed'));
        },
        onNotice: (words) => log.warn({}, words),
        onProblem: (problem) =>
          problem ? log.error({ problem }, 'pipeline') : log.info({}, 'the pipeline works again'),
      });
      closers.push(() => pipeline?.stop());
      every(
        COMPACT_EVERY,
        () =>
          opened.store.compact(Date.now()).catch((error: unknown) => {
            // What the server's end has cut off is done after the next start.
            if (!stopped.signal.aborted) log.error({ error: String(error) }, 'compacting the store failed');
          }),
        stopped.signal,
      );
      const revisions = revisionLedger(folder.revisions);
      again = {
        entry: parts.entry,
        data: { registryPath: folder.registry, revisionFolder: folder.revisions, cardFolder: folder.models },
        storePort: opened.connect,
        onNotice: (words) => log.warn({}, words),
      };
      const products = again;
      let productsMade = productHour(Date.now());
      every(
        PRODUCTS_LOOK_EVERY,
        async () => {
          const hour = productHour(Date.now());
          if (hour === productsMade) return;
          productsMade = hour;
          try {
            await startRecompute(products, { products: Date.now() }, () => undefined, stopped.signal);
          } catch (error) {
            if (!stopped.signal.aborted)
              log.error({ error: String(error) }, 'revised and archive values were not made');
          }
        },
        stopped.signal,
      );
      const dumps = new Dumps(folder.dumps, opened.store, registry, Date.now, revisions);
      const boxDumps = new BoxDumps(folder.dumps, opened.store, registry, Date.now, revisions);
      const bulk = dumpsMaker({
        entry: parts.entry,
        data: {
          registryPath: folder.registry,
          dumpFolder: folder.dumps,
          revisionFolder: folder.revisions,
        },
        storePort: opened.connect,
      });
      bulkFiles = bulk;
      const make = async (work: 'begin' | 'nightly'): Promise<void> => {
        try {
          await bulk(work, () => undefined, stopped.signal);
        } catch (error) {
          if (!stopped.signal.aborted) log.error({ error: String(error) }, 'the bulk files were not made');
        }
      };
      // A store in InfluxDB makes no bulk files (docs/influxdb.md).
      const makes = config.store === 'duckdb';
      if (makes && !dumps.begun()) void make('begin');
      every(NIGHTLY_LOOK_EVERY, async () => (makes && dumps.due() ? make('nightly') : undefined), stopped.signal);
      sta = await parts.startSta({
        entry: parts.entry,
        data: {
          role: 'sta',
          databasePath: folder.sta,
          registryPath: config.staScratch ? '' : folder.registry,
          scratch: config.staScratch,
        },
        ...(config.staScratch ? {} : { storePort: opened.connect, latest }),
        onProblem: (problem) => log.error({ problem }, 'sensorthings'),
        onPublish: (messages) => {
          for (const { topic, json } of messages) broker?.publish(topic, json, { qos: 1 });
        },
      });
      closers.push(() => sta?.close());
      const care = startCare({
        config,
        registry,
        latest,
        store: opened.store,
        log,
        every: (ms, work) => every(ms, work, stopped.signal),
      });
      closers.push(() => care.close());
      api = await startApiAt(parts, {
        registry,
        publicConfig: {
          // The ports are known when the listeners are open, which is after this one.
          get mqtt() {
            return { port: broker?.port ?? null, tlsPort: broker?.tlsPort ?? null };
          },
          url: config.publicUrl,
          mail: care.confirmEmail !== undefined,
        },
        provesKey: ownKeyProof(folder.root),
        firmware: config.firmwareDir,
        onKeyEnded: keyEnded,
        ...(care.confirmEmail ? { confirmEmail: care.confirmEmail } : {}),
        sta: { host: sta, scratch: config.staScratch },
        store: opened.store,
        latest,
        filled,
        accept,
        host: config.httpHost,
        port: config.httpPort,
        publicUrl: config.publicUrl,
        trustProxy: config.trustProxy as boolean,
        timezone: config.timezone,
        publisher: config.publisher,
        contact: config.contact,
        adminToken: config.adminToken,
        openPush: config.openPush,
        dashboard: await pages,
        dumps: folder.dumps,
        boxDumps: (id) => boxDumps.manifest(id),
        health: () => [...health(journal, pipeline, storeHealth), ...stationParts(pipeline), ...feedParts(feeds)],
        stationVerdicts: () => pipeline?.stations() ?? [],
        quality: async (thingNum) => pipeline?.health(thingNum) ?? null,
        revisions,
        modelCard: async (id) => readModelCard(folder.models, id) ?? parts.publishedModel(id),
        modelsInForce: () => pipeline?.models() ?? [],
        modelTurns: (limit) => readTurns(folder.models, limit),
        metrics: metrics.registry,
        logger: log,
      });
      closers.push(() => api?.close());
    }

    if (withBroker) {
      // Connections that are refused: the only place where addresses are written down.
      const access = openAccessLog(join(folder.root, 'access'), log);
      const prune = async (): Promise<void> => void access.prune(Date.now());
      void prune();
      every(HOUR, prune, watch.signal);
      const apart = withCore ? null : new StatusTeller(folder.control);
      if (apart)
        every(
          TELL_EVERY,
          () =>
            apart
              .tell()
              .catch((error: unknown) => log.warn({ error: String(error) }, 'the states of boxes were not told')),
          watch.signal,
        );
      broker = await parts.startBroker({
        registry,
        accept,
        host: config.mqttHost,
        port: config.mqttPort,
        ...(config.mqttTlsPort === null
          ? {}
          : { tls: { port: config.mqttTlsPort, cert: config.mqttTlsCert, key: config.mqttTlsKey } }),
        openTopics: config.openTopics,
        adminToken: config.adminToken,
        trustProxy: config.trustProxy !== false,
        log: access.log,
        onStatus: (box, status) => (apart ? apart.note(box, status) : api?.status(box, status)),
        ...(sta && api ? sensorThingsOver(sta, api.url, () => broker) : {}),
        sensorThingsForAll: config.staScratch,
      });
      const started = broker;
      sta?.mqtt({ base: staBase(api?.url ?? ''), topics: [], port: started.port, tlsPort: started.tlsPort });
      closers.push(() => started.close());
      if (apart) {
        const control = await startControl(folder.brokerControl, { 'key-ended': async ({ box }) => keyEnded(box) });
        closers.push(() => control.close());
      }
      api?.server.on('upgrade', (request, socket, head) => {
        if (request.url?.split('?', 1)[0] === '/mqtt') started.handleUpgrade(request, socket, head);
        else socket.destroy();
      });
    }

    if (withCore && config.feeds.length > 0) {
      feeds = await parts.openFeeds(config.feeds, registry, accept, metrics.registry);
      const opened = feeds;
      closers.push(() => opened.stop());
      opened.start();
    }

    if (store) {
      const control: Control = await startControl(folder.control, {
        ...handlers(
          store,
          pipeline as PipelineThread,
          registry,
          folder,
          bulkFiles as MakeDumps,
          again as RecomputeStart,
        ),
        'key-ended': async ({ box }) => keyEnded(box),
        'box-status': async ({ statuses }) => {
          for (const [box, status] of saidIn(statuses)) api?.status(box, status);
          return { pid: process.pid };
        },
      });
      closers.push(() => control.close());
    }
    const failed = store?.died ?? new Promise<never>(() => undefined);
    failed.catch(() => undefined);
    return { http: api?.port ?? null, mqtt: broker?.port ?? null, registry, failed, close };
  }
}

/** @throws Error that says what to do when the port cannot be had */
async function startApiAt(parts: Parts, options: ApiOptions): Promise<Api> {
  try {
    return await parts.startApi(options);
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (syscall !== 'listen') throw cause;
    const why =
      code === 'EADDRINUSE'
        ? 'is taken by another program; stop it or set LAMPPOST_HTTP_PORT'
        : code === 'EACCES'
          ? 'may not be opened by this user; set LAMPPOST_HTTP_PORT to one above 1023'
          : `cannot be opened on ${options.host}: ${(cause as Error).message}; check LAMPPOST_HTTP_HOST`;
    throw new Error(`HTTP port ${options.port} ${why}`, { cause });
  }
}

const staBase = (url: string): string => `${url}/sta/v1.1`;

/** Publishing on a SensorThings topic is a POST to the path of the same name; subscribing asks for what happens there. */
function sensorThingsOver(
  sta: StaHost,
  url: string,
  broker: () => Broker | null,
): Pick<BrokerOptions, 'onSensorThings' | 'onLiveTopics'> {
  return {
    async onSensorThings(topic, payload) {
      const response = await sta.handle(staBase(url), {
        method: 'POST',
        path: topic.slice('v1.1'.length),
        query: '',
        contentType: 'application/json',
        body: Buffer.from(payload).toString('utf8'),
        mayWrite: true,
      });
      if (response.status >= 400) throw new Error(response.body);
    },
    onLiveTopics(topics) {
      const running = broker();
      if (running) sta.mqtt({ base: staBase(url), topics, port: running.port, tlsPort: running.tlsPort });
    },
  };
}

/** Into the journal; resolves after fsync. */
function acceptInto(journal: JournalWriter, metrics: ServerMetrics): (packet: Packet) => Promise<void> {
  return async (packet) => {
    const bytes = encodePacket(packet);
    await journal.append(bytes);
    metrics.accepted(packet.via, bytes.length);
  };
}

function every(ms: number, work: () => Promise<void>, signal: AbortSignal): void {
  let running = false;
  const timer = setInterval(() => {
    if (running) return;
    running = true;
    void work().finally(() => (running = false));
  }, ms);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer));
}

function health(journal: JournalWriter, pipeline: PipelineThread | null, store: StoreHealth | null): PartHealth[] {
  const written = journal.health();
  const status = pipeline?.status();
  const lag = status && status.backlog > 0 && status.newest > 0 ? Date.now() - status.newest : 0;
  const behind =
    lag > MAX_LAG ? `${status?.backlog} records behind, the newest stored came ${Math.round(lag / 1000)} s ago` : '';
  return [
    { name: 'journal', ok: written.ok, problem: written.ok ? '' : publicReason('the journal takes no packets', written.problem) }, // prettier-ignore
    { name: 'store', ok: store?.ok === true, problem: store?.ok ? '' : publicReason('the store does not work', store?.problem ?? '') }, // prettier-ignore
    {
      name: 'pipeline',
      ok: status?.running === true && status.problem === '' && behind === '',
      problem: status?.running
        ? behind || (status.problem && publicReason('the pipeline is held up', status.problem))
        : 'not running',
    },
  ];
}

/** Feeds say what is wrong with them, but another server's trouble does not make this one unready. */
const feedParts = (feeds: Feeds | null): PartHealth[] =>
  (feeds?.health() ?? []).map((f) => ({ name: `feed ${f.name}`, ok: true, problem: f.ok ? '' : f.problem }));

const timeOf = (name: string, value: unknown): number => {
  const t = typeof value === 'string' ? parseTime(value) : null;
  if (t === null) throw new Error(`${name} must be an RFC 3339 time such as 2026-11-21T00:00:00Z`);
  return t;
};

/** One file a day and format; days without values make none, unchanged ones no new file. */
async function dump(
  bulk: MakeDumps,
  folder: DataFolder,
  request: ControlRequest,
  progress: (done: number) => void,
  signal: AbortSignal,
): Promise<object[]> {
  const today = startOfDay(Date.now());
  const day = (name: 'from' | 'to', otherwise: number): number => {
    const given = request[name];
    return typeof given === 'string' && given !== '' ? timeOf(name, `${given}T00:00:00Z`) : otherwise;
  };
  const to = day('to', today);
  const work = { from: day('from', to - 7 * DAY), to, formats: request['formats'] as DumpFormat[] };
  const files = await bulk(work, progress, signal);
  return files.map((f) => ({ ...f, file: join(folder.dumps, f.file) }));
}

function handlers(
  store: OpenStore,
  pipeline: PipelineThread,
  registry: Registry,
  folder: DataFolder,
  bulk: MakeDumps,
  again: RecomputeStart,
): Record<string, ControlHandler> {
  return {
    ping: async () => ({ pid: process.pid }),
    status: async () => ({
      pid: process.pid,
      pipeline: pipeline.status(),
      store: await store.store.health(),
      boxes: registry.count('box'),
      stations: registry.count('station'),
    }),
    dump: (request, progress, signal) => dump(bulk, folder, request, progress, signal),
    compact: async () => store.store.compact(Date.now()),
    models: async (request) => models(pipeline, folder, request),
    recompute: (request, progress, signal) =>
      startRecompute(
        again,
        {
          from: timeOf('from', request['from']),
          to: timeOf('to', request['to']),
          box: typeof request['box'] === 'string' ? request['box'] : '',
          product: request['product'] === 'archive' ? 'archive' : 'revised',
          ...(typeof request['leadIn'] === 'number' ? { leadIn: request['leadIn'] } : {}),
        },
        progress,
        signal,
      ),
  };
}

/** `lamppost models`. */
function models(pipeline: PipelineThread, folder: DataFolder, request: ControlRequest): unknown {
  const { action, subject } = request;
  const name = typeof subject === 'string' ? subject : '';
  const now = Date.now();
  switch (action) {
    case 'list':
      return {
        inForce: pipeline.models(),
        decisions: writtenDecisions(folder.models),
        turns: readTurns(folder.models, 20),
      };
    case 'show': {
      const card = readModelCard(folder.models, name);
      if (!card) throw new Error(`no card of a model ${name} is kept`);
      return card;
    }
    case 'rollback':
    case 'release': {
      const back = action === 'rollback';
      const at = request['since'] ? timeOf('since', request['since']) : now;
      if (at > now) throw new Error('--since lies in the future');
      const why = typeof request['why'] === 'string' ? request['why'].slice(0, 500) : '';
      const decision = decide(
        folder.models,
        { model: back ? name : '', pool: back ? '' : name, at, hold: back && request['hold'] === true, why },
        now,
      );
      pipeline.decided();
      return decision;
    }
    default:
      throw new Error(`models knows no action "${String(action)}"`);
  }
}

/** Stations that are left out, by name. The server works without them: it is ready. */
const stationParts = (pipeline: PipelineThread | null): PartHealth[] =>
  (pipeline?.stations() ?? []).map((v) => ({ name: `station ${v.station}`, ok: true, problem: stationWords(v).en }));

/** Asks the running server; when none runs, opens the parts without listening to the outside, asks those, closes them. */
export async function askOrOpen(
  config: Config,
  parts: Parts,
  folder: DataFolder,
  request: ControlRequest,
  progress: (done: number) => void,
): Promise<unknown> {
  const answer = await askServer(folder.control, request, progress);
  if (answer) return answer.result;
  const server = await startServer({
    config: { ...config, httpPort: 0, httpHost: '127.0.0.1' },
    parts,
    log: createLog('error'),
    roles: ['ingest', 'calibrate', 'api'],
    pages: false,
  });
  try {
    return (await askServer(folder.control, request, progress))?.result;
  } finally {
    await server.close();
  }
}

/** Retries an action that may need a moment, for at most `ms`. */
export async function eventually(action: () => Promise<boolean>, ms = 30 * SECOND): Promise<boolean> {
  const end = elapsed() + ms;
  for (;;) {
    if (await action().catch(() => false)) return true;
    if (elapsed() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

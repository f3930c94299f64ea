/**
 * Lamppost. This file alone picks implementations: the commands, and behind them journal, registry, store, calibration stage,
 * decoders, broker and API. Started as a thread of itself it is the pipeline, or the SensorThings service.
 */
import { dirname } from 'node:path';
import { isMainThread, parentPort, workerData, type MessagePort } from 'node:worker_threads';
import type { Command } from './cli/command.ts';
import type { DumpsThreadData } from './cli/dumps-thread.ts';
import type { Parts } from './cli/parts.ts';
import { PUBLISHED_CARDS } from './calibration/correction/published.ts';
import { QUANTITY_CARDS } from './calibration/quantities/quantities.ts';
import { ConfigError, type Config } from './config.ts';
import { UsageError } from './cli/terminal.ts';
import type { StaThreadData } from './api/sta/thread.ts';
import type { PipelineThreadData } from './ingest/messages.ts';
import type { RecomputeThreadData } from './ingest/recompute-thread.ts';

const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: () => import('./cli/serve.ts'),
  demo: () => import('./cli/demo.ts'),
  sim: () => import('./cli/sim.ts'),
  replay: () => import('./cli/replay.ts'),
  backtest: () => import('./cli/backtest.ts'),
  recompute: () => import('./cli/recompute.ts'),
  models: () => import('./cli/models.ts'),
  dump: () => import('./cli/dump.ts'),
  migrate: () => import('./cli/migrate.ts'),
  influx: () => import('./cli/influx.ts'),
  box: () => import('./cli/box.ts'),
  station: () => import('./cli/station.ts'),
  token: () => import('./cli/token.ts'),
  doctor: () => import('./cli/doctor.ts'),
};

/** For DuckDB: with less a month is put together more slowly, with more a million boxes do not fit into 4 GB. */
const STORE_MB = 600;

/** The threads beside the first read the registry once, or rarely. */
const unmapped = <T extends object>(options: T): T & { mapped: 0 } => ({ ...options, mapped: 0 });

/** Loaded on first use, so that `--help` and the small commands start at once. */
const { openRegistry } = await import('./registry/sqlite.ts');

const influxAddress = (config: Config): { url: string; token: string; org: string; bucket: string } => ({
  url: config.influxUrl,
  token: config.influxToken,
  org: config.influxOrg,
  bucket: config.influxBucket,
});

const parts: Parts = {
  entry: new URL(import.meta.url),
  openRegistry,
  async openStore(config, folder, log) {
    const { connectStore, startInfluxWorker, startStoreWorker } = await import('./store/remote.ts');
    const worker =
      config.store === 'influxdb'
        ? await startInfluxWorker(folder, { ...influxAddress(config), ...(log ? { log } : {}) })
        : await startStoreWorker(folder, {
            maxRejects: config.maxRejects,
            memoryMb: STORE_MB,
            ...(log ? { log } : {}),
          });
    const store = connectStore(worker.connect());
    return {
      store,
      connect: () => worker.connect(),
      died: worker.died,
      async close() {
        await store.close();
        await worker.close();
      },
    };
  },
  async setupInflux(config, options) {
    const { setup } = await import('./store/influx/setup.ts');
    return setup(influxAddress(config), options);
  },
  async openJournal(folder, options) {
    const { openJournal } = await import('./journal/lmdb.ts');
    return openJournal(folder, options);
  },
  async openJournalReader(folder) {
    const { openJournalReader } = await import('./journal/lmdb.ts');
    return openJournalReader(folder);
  },
  async startBroker(options) {
    const { startBroker } = await import('./broker/broker.ts');
    return startBroker(options);
  },
  publishedModel(id) {
    const cards = { ...PUBLISHED_CARDS, ...QUANTITY_CARDS };
    return Object.hasOwn(cards, id) ? (cards[id] ?? null) : null;
  },
  async startSta(options) {
    const { startSta } = await import('./api/sta/host.ts');
    return startSta(options);
  },
  async openFeeds(settings, registry, accept, metrics) {
    const { createFeeds, feedMetrics } = await import('./ingest/feeds/index.ts');
    const feeds = createFeeds(settings, registry, { accept, clock: Date.now });
    feedMetrics(feeds, metrics);
    return feeds;
  },
  async startApi(options) {
    const { startApi } = await import('./api/server.ts');
    return startApi(options);
  },
};

async function pipelineThread(port: MessagePort, data: PipelineThreadData): Promise<void> {
  const [{ runPipelineThread }, { openJournalReader }, { connectStore }, { createStage }, decoding, names, secret] =
    await Promise.all([
      import('./ingest/worker.ts'),
      import('./journal/lmdb.ts'),
      import('./store/remote.ts'),
      import('./calibration/create.ts'),
      import('./ingest/decoders/index.ts'),
      import('./ingest/decoders/pseudonym.ts'),
      import('./ingest/pseudonym-key.ts'),
    ]);
  names.setPseudonymKey(secret.pseudonymKeyIn(dirname(data.registryPath)));
  await runPipelineThread(port, data, {
    openRegistry: (path, options) => openRegistry(path, unmapped(options)),
    openJournalReader,
    connectStore,
    createStage,
    ...decoding,
  });
}

async function staThread(port: MessagePort, data: StaThreadData): Promise<void> {
  const [{ runStaThread }, { connectStore }] = await Promise.all([
    import('./api/sta/thread.ts'),
    import('./store/remote.ts'),
  ]);
  await runStaThread(port, data, {
    openRegistry: (path, options) => openRegistry(path, unmapped(options)),
    connectStore,
  });
}

async function recomputeThread(port: MessagePort, data: RecomputeThreadData): Promise<void> {
  const [{ runRecomputeThread }, { connectStore }, { createStage }] = await Promise.all([
    import('./ingest/recompute-thread.ts'),
    import('./store/remote.ts'),
    import('./calibration/create.ts'),
  ]);
  await runRecomputeThread(port, data, {
    openRegistry: (path) => openRegistry(path, unmapped({})),
    connectStore,
    createStage,
  });
}

async function dumpsThread(port: MessagePort, data: DumpsThreadData): Promise<void> {
  const [{ runDumpsThread }, { connectStore }] = await Promise.all([
    import('./cli/dumps-thread.ts'),
    import('./store/remote.ts'),
  ]);
  await runDumpsThread(port, data, {
    openRegistry: (path) => openRegistry(path, unmapped({ maxUnclaimed: 0, readOnly: true })),
    connectStore,
  });
}

const overview = async (): Promise<string> => {
  const lines: string[] = [];
  for (const [name, load] of Object.entries(COMMANDS)) lines.push(`  ${name.padEnd(10)} ${(await load()).summary}`);
  return `lamppost COMMAND: an open pipeline for community sensor boxes

${lines.join('\n')}

lamppost COMMAND --help says more.`;
};

const isWrongUse = (error: unknown): error is Error =>
  error instanceof UsageError ||
  error instanceof ConfigError ||
  (error instanceof Error && String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS'));

/** Exit code: 0 done, 1 failed, 2 wrong use. */
async function command(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    (name === undefined ? process.stderr : process.stdout).write(`${await overview()}\n`);
    return name === undefined ? 2 : 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!load) {
    process.stderr.write(`lamppost knows no command "${name}"; lamppost --help lists them\n`);
    return 2;
  }
  const { help, run } = await load();
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(`${help}\n`);
    return 0;
  }
  try {
    return await run(rest, parts);
  } catch (error) {
    if (isWrongUse(error)) {
      const what = error instanceof ConfigError ? 'the settings are not right' : `lamppost ${name}`;
      process.stderr.write(`${what}: ${error.message}\n`);
      return 2;
    }
    process.stderr.write(`lamppost ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    if (process.env['LAMPPOST_LOG_LEVEL'] === 'debug' && error instanceof Error)
      process.stderr.write(`${error.stack}\n`);
    return 1;
  }
}

if (isMainThread) {
  const code = await command(process.argv.slice(2));
  // A timer that some part left behind must not keep a finished command alive; what was printed goes out first.
  process.stdout.write('', () => process.exit(code));
} else if (parentPort) {
  const { role } = workerData as { role?: unknown };
  if (role === 'pipeline') await pipelineThread(parentPort, workerData as PipelineThreadData);
  else if (role === 'sta') await staThread(parentPort, workerData as StaThreadData);
  else if (role === 'dumps') await dumpsThread(parentPort, workerData as DumpsThreadData);
  else if (role === 'recompute') await recomputeThread(parentPort, workerData as RecomputeThreadData);
}

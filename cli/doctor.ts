import { accessSync, constants, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { ConfigError, type Config } from '../config.ts';
import { CONFIG_HELP, configFrom, configOption } from './command.ts';
import { askServer, runningServer } from './control.ts';
import { makeDataFolder, type DataFolder } from './folder.ts';
import type { Parts } from './parts.ts';

export const summary = 'checks configuration, ports, disk, permissions, store and clock; says what to do';

export const help = `lamppost doctor: checks everything the server needs, without changing anything but an empty data folder

${CONFIG_HELP}

One line a check. Exit code 0 when nothing is wrong, 1 when something is.`;

interface Finding {
  readonly level: 'ok' | 'warn' | 'bad';
  readonly what: string;
  readonly words: string;
}

const ok = (what: string, words: string): Finding => ({ level: 'ok', what, words });
const warn = (what: string, words: string): Finding => ({ level: 'warn', what, words });
const bad = (what: string, words: string): Finding => ({ level: 'bad', what, words });

/** Free disk below which we warn, and below which nothing works for long [bytes]. */
const LITTLE_DISK = 5 * 2 ** 30;
const NO_DISK = 2 ** 28;
/** A server made before this has a clock that was reset. */
const EARLIEST_NOW = Date.UTC(2026, 0, 1);

function tryPort(what: string, host: string, port: number, setting: string): Promise<Finding> {
  if (port === 0) return Promise.resolve(ok(what, 'any free port'));
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const advice =
        error.code === 'EADDRINUSE'
          ? `another program listens there; stop it or set ${setting}`
          : error.code === 'EACCES'
            ? `this user may not listen below 1024; set ${setting} to a higher port`
            : `${error.message}; check the host setting`;
      resolve(bad(what, `port ${port} on ${host}: ${advice}`));
    });
    server.listen(port, host, () => server.close(() => resolve(ok(what, `port ${port} on ${host} is free`))));
  });
}

function disk(folder: DataFolder): Finding[] {
  const found: Finding[] = [];
  try {
    accessSync(folder.root, constants.R_OK | constants.W_OK | constants.X_OK);
    found.push(ok('permissions', `${folder.root} may be read and written`));
  } catch {
    found.push(
      bad('permissions', `${folder.root} may not be written by this user; change its owner or set LAMPPOST_DATA_DIR`),
    );
  }
  const { bavail, bsize } = statfsSync(folder.root);
  const free = bavail * bsize;
  const words = `${(free / 2 ** 30).toFixed(1)} GiB free in ${folder.root}`;
  found.push(
    free < NO_DISK
      ? bad('disk', `${words}: too little, readings could not be acknowledged; make room`)
      : free < LITTLE_DISK
        ? warn('disk', `${words}: make room soon; a million values take about 4 MB`)
        : ok('disk', words),
  );
  return found;
}

async function whole(config: Config, folder: DataFolder, parts: Parts): Promise<Finding[]> {
  const found: Finding[] = [];
  const registry = parts.openRegistry(folder.registry, { maxUnclaimed: config.maxUnclaimed });
  found.push(ok('registry', `${registry.count('box')} boxes, ${registry.count('station')} reference stations`));
  registry.close();
  const store = await parts.openStore(config, folder.store);
  try {
    const health = await store.store.health();
    const size = `${health.rows} values, ${(health.bytes / 2 ** 20).toFixed(1)} MiB`;
    found.push(health.ok ? ok('store', size) : bad('store', health.problem));
    const checkpoint = await store.store.checkpoint();
    const journal = await parts.openJournalReader(folder.journal);
    const last = journal.lastSeq();
    await journal.close();
    found.push(
      last < checkpoint && last > 0
        ? warn(
            'journal',
            `ends at ${last}, the store has taken up to ${checkpoint}: it was put back from an older copy`,
          )
        : ok('journal', `${Math.max(0, last - checkpoint)} records wait for the pipeline`),
    );
  } finally {
    await store.close();
  }
  return found;
}

export async function run(args: string[], parts: Parts): Promise<number> {
  const { values } = parseArgs({ args, options: configOption });
  const found: Finding[] = [ok('node', process.version)];
  let config: Config | null = null;
  try {
    config = configFrom(values);
    found.push(ok('settings', 'all known and possible'));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) found.push(bad('settings', problem));
  }
  const now = Date.now();
  found.push(
    now < EARLIEST_NOW
      ? bad(
          'clock',
          `it is ${new Date(now).toISOString()} here: set the clock, readings without own time get this time`,
        )
      : ok('clock', new Date(now).toISOString()),
  );
  if (config) {
    const settings = config;
    const part = async (what: string, check: () => Promise<Finding[]>): Promise<void> => {
      try {
        found.push(...(await check()));
      } catch (error) {
        found.push(bad(what, error instanceof Error ? error.message : String(error)));
      }
    };
    await part('data folder', async () => {
      const folder = makeDataFolder(settings.dataDir);
      found.push(...disk(folder));
      const pid = await runningServer(folder.control);
      if (pid === null) {
        found.push(await tryPort('http', settings.httpHost, settings.httpPort, 'LAMPPOST_HTTP_PORT'));
        found.push(await tryPort('mqtt', settings.mqttHost, settings.mqttPort, 'LAMPPOST_MQTT_PORT'));
        if (settings.mqttTlsPort !== null) {
          found.push(await tryPort('mqtt tls', settings.mqttHost, settings.mqttTlsPort, 'LAMPPOST_MQTT_TLS_PORT'));
        }
        return whole(settings, folder, parts);
      }
      const status = (await askServer(folder.control, { command: 'status' }))?.result as {
        pipeline: { problem: string; backlog: number };
        store: { ok: boolean; problem: string; rows: number };
      };
      return [
        ok('server', `process ${pid} runs on this folder`),
        status.store.ok ? ok('store', `${status.store.rows} values`) : bad('store', status.store.problem),
        status.pipeline.problem
          ? bad('pipeline', status.pipeline.problem)
          : ok('pipeline', `${status.pipeline.backlog} records wait`),
      ];
    });
    if (config.adminToken !== '' && config.adminToken.length < 16) {
      found.push(
        warn('admin token', 'shorter than 16 characters: easy to guess; make one with "openssl rand -hex 20"'),
      );
    }
    if (config.publicUrl === '') {
      found.push(warn('public address', 'LAMPPOST_PUBLIC_URL is not set: links in dumps and mails will not be right'));
    }
  }
  for (const f of found) process.stdout.write(`${f.level.padEnd(5)}${f.what}: ${f.words}\n`);
  return found.some((f) => f.level === 'bad') ? 1 : 0;
}

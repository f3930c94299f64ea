import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Config } from '../config.ts';
import { migrate, type MigrateReport } from '../store/migrate.ts';
import { CONFIG_HELP, configFrom, configOption, print } from './command.ts';
import { runningServer } from './control.ts';
import { makeDataFolder } from './folder.ts';
import type { Parts } from './parts.ts';
import { abortOnSignal, progress, UsageError } from './terminal.ts';

export const summary = 'copy all observations from one store into another';

export const help = `lamppost migrate --from STORE --to STORE: copy all observations from one store into another

  --from STORE, --to STORE   duckdb or influxdb; the settings of InfluxDB (LAMPPOST_INFLUX_…) must be there
  --verify                   compare only, change nothing
${CONFIG_HELP}

Stop the server first. Copies rejects and every row with its corrections, a UTC day at a time, and compares count and checksum
of each datastream of each day on both sides. Stopped or killed, call it again: it goes on at the day it was in. When all is
equal the new store also holds the journal's place: set LAMPPOST_STORE to it and start the server. Nothing is removed from
the old store. Exit code 1 when a datastream of a day differs; the first 20 are printed.`;

const STORES = ['duckdb', 'influxdb'] as const;
type StoreName = Config['store'];

const storeName = (option: string, value: string | undefined): StoreName => {
  const found = STORES.find((name) => name === value);
  if (!found) throw new UsageError(`--${option} ${value ?? '(not given)'}: one of ${STORES.join(', ')}`);
  return found;
};

export async function run(args: string[], parts: Parts): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      ...configOption,
      from: { type: 'string' },
      to: { type: 'string' },
      verify: { type: 'boolean', default: false },
    },
  });
  const [from, to] = [storeName('from', values.from), storeName('to', values.to)];
  if (from === to) throw new UsageError(`--from and --to are both ${from}; name two stores`);
  const config = configFrom(values);
  checkInflux(config);
  const folder = makeDataFolder(config.dataDir);
  const pid = await runningServer(folder.control);
  if (pid !== null) throw new Error(`a server (process ${pid}) runs on ${folder.root}; stop it first`);

  const signal = abortOnSignal();
  const source = await parts.openStore({ ...config, store: from }, folder.store);
  let report: MigrateReport;
  try {
    const target = await parts.openStore({ ...config, store: to }, folder.store);
    try {
      const show = progress('rows');
      report = await migrate({
        from: source.store,
        to: target.store,
        stateFile: join(folder.root, `migrate-${from}-${to}.json`),
        verifyOnly: values.verify,
        onProgress: (rows) => show.update(rows),
        signal,
      }).finally(() => show.end());
    } finally {
      await target.close();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new Error('stopped; the same command goes on from here', { cause: error });
  } finally {
    await source.close();
  }
  print(report);
  if (report.differing === 0 && report.surplus === 0) {
    if (!values.verify)
      process.stderr.write(`all equal; set LAMPPOST_STORE=${to} and start the server. The old store is untouched.\n`);
    return 0;
  }
  process.stderr.write(
    `${to} does not hold the same as ${from}: ${report.differing} datastreams and days differ, ${report.surplus} rows ${report.surplus < 0 ? 'are missing' : 'too many'}; ` +
      `was something else written to it? Empty it and begin anew (remove migrate-${from}-${to}.json).\n`,
  );
  return 1;
}

/** One of the two is InfluxDB, whatever `store` says. */
function checkInflux(config: Config): void {
  const needed = { influxUrl: 'URL', influxToken: 'TOKEN', influxOrg: 'ORG', influxBucket: 'BUCKET' } as const;
  for (const [key, name] of Object.entries(needed))
    if (!config[key as keyof typeof needed]) throw new UsageError(`LAMPPOST_INFLUX_${name} is not set`);
}

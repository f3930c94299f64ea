import { parseArgs } from 'node:util';
import { parseTime } from '../model/time.ts';
import { CONFIG_HELP, configFrom, configOption, print } from './command.ts';
import { makeDataFolder } from './folder.ts';
import type { Parts } from './parts.ts';
import { askOrOpen } from './server.ts';
import { progress, UsageError } from './terminal.ts';

export const summary = 'write the daily Parquet and CSV dumps now';

export const help = `lamppost dump: write the daily dumps now, into "dumps" of the data folder (served at /dumps/)

  --from DAY, --to DAY   YYYY-MM-DD in UTC, from inclusive, to exclusive; default the last seven full days
  --format LIST          parquet, csv.gz, csv; default parquet,csv.gz
${CONFIG_HELP}

Prints one JSON line a file. Works through the running server, or opens the files itself when none runs.`;

const FORMATS = ['parquet', 'csv.gz', 'csv'];

export async function run(args: string[], parts: Parts): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      ...configOption,
      from: { type: 'string' },
      to: { type: 'string' },
      format: { type: 'string', default: 'parquet,csv.gz' },
    },
  });
  for (const name of ['from', 'to'] as const) {
    const day = values[name];
    if (day !== undefined && parseTime(`${day}T00:00:00Z`) === null)
      throw new UsageError(`--${name} ${day}: expected YYYY-MM-DD`);
  }
  const formats = values.format.split(',').map((f) => f.trim());
  for (const f of formats)
    if (!FORMATS.includes(f)) throw new UsageError(`--format ${f}: one of ${FORMATS.join(', ')}`);
  const config = configFrom(values);
  const show = progress('files written');
  const request = { command: 'dump', from: values.from ?? '', to: values.to ?? '', formats };
  const result = await askOrOpen(config, parts, makeDataFolder(config.dataDir), request, (n) => show.update(n));
  show.end();
  for (const file of result as object[]) print(file);
  return 0;
}

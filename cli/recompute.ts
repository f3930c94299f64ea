import { parseArgs } from 'node:util';
import { parseTime } from '../model/time.ts';
import { CONFIG_HELP, configFrom, configOption, print } from './command.ts';
import { makeDataFolder } from './folder.ts';
import type { Parts } from './parts.ts';
import { askOrOpen } from './server.ts';
import { progress, UsageError } from './terminal.ts';

export const summary = 'rerun QC and correction over stored raw data';

export const help = `lamppost recompute --from T --to T: rerun QC and correction over stored raw data

  --from T, --to T   RFC 3339 with zone; from inclusive, to exclusive
  --box ID           write only this box (its neighbours are read all the same)
${CONFIG_HELP}

Raw values and times never change. Works through the running server, or opens the files itself when none runs.`;

export async function run(args: string[], parts: Parts): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { ...configOption, from: { type: 'string' }, to: { type: 'string' }, box: { type: 'string' } },
  });
  for (const name of ['from', 'to'] as const) {
    if (parseTime(values[name] ?? '') === null) {
      throw new UsageError(
        `--${name} ${values[name] ?? '(not given)'}: expected RFC 3339 such as 2026-11-21T00:00:00Z`,
      );
    }
  }
  const config = configFrom(values);
  const show = progress('rows read');
  const request = { command: 'recompute', from: values.from, to: values.to, box: values.box ?? '' };
  const result = await askOrOpen(config, parts, makeDataFolder(config.dataDir), request, (n) => show.update(n));
  show.end();
  print(result);
  return 0;
}

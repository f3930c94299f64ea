import { parseArgs } from 'node:util';
import { parseDuration } from '../calibration/backtest/command.ts';
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
  --lead-in DURATION how long before --from it begins to learn, such as P45D (default: that, or less where the data are many)
  --product NAME     revised or archive: as what the values are published (default revised)
${CONFIG_HELP}

Raw values and times never change. What moved is written to the changelog of values (/api/v1/revisions). Works through the running server, or opens the files itself when none runs.`;

export async function run(args: string[], parts: Parts): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      ...configOption,
      from: { type: 'string' },
      to: { type: 'string' },
      box: { type: 'string' },
      'lead-in': { type: 'string' },
      product: { type: 'string' },
    },
  });
  for (const name of ['from', 'to'] as const) {
    if (parseTime(values[name] ?? '') === null) {
      throw new UsageError(
        `--${name} ${values[name] ?? '(not given)'}: expected RFC 3339 such as 2026-11-21T00:00:00Z`,
      );
    }
  }
  const leadIn = values['lead-in'] === undefined ? undefined : parseDuration(values['lead-in']);
  if (leadIn === null)
    throw new UsageError(`--lead-in ${values['lead-in']}: expected an ISO 8601 duration such as P45D`);
  const product = values.product ?? 'revised';
  if (product !== 'revised' && product !== 'archive')
    throw new UsageError(`--product ${product}: expected revised or archive`);
  const config = configFrom(values);
  const show = progress('rows read');
  const request = {
    command: 'recompute',
    from: values.from,
    to: values.to,
    box: values.box ?? '',
    product,
    ...(leadIn === undefined ? {} : { leadIn }),
  };
  const result = await askOrOpen(config, parts, makeDataFolder(config.dataDir), request, (n) => show.update(n));
  show.end();
  print(result);
  return 0;
}

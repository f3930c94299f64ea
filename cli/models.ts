import { parseArgs } from 'node:util';
import { parseTime } from '../model/time.ts';
import { CONFIG_HELP, configFrom, configOption, print } from './command.ts';
import { makeDataFolder } from './folder.ts';
import type { Parts } from './parts.ts';
import { askOrOpen } from './server.ts';
import { UsageError } from './terminal.ts';

export const summary = 'correction models: which are in force, put an earlier one back';

export const help = `lamppost models [ACTION]: correction models: which are in force, put an earlier one back

  list                  the pooled models in force, what runs in their shadow, the latest changes, what was decided by hand (default)
  show ID               the card of a model
  rollback ID           put the pooled model ID back into force for its type of sensor
    --since T           from this time of the data on (default: now); then \`lamppost recompute --from T\` rewrites what was
                        published since, and the changelog says what moved
    --hold              let no later fit take over before it is released; otherwise later fits have to win a day in the shadow
    --why TEXT          kept with the decision
  release POOL          a held model may be replaced again (POOL as \`list\` names it)
${CONFIG_HELP}

Decisions are kept in models/decisions.jsonl of the data folder and hold in every later recomputation.`;

export async function run(args: string[], parts: Parts): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      ...configOption,
      since: { type: 'string' },
      hold: { type: 'boolean' },
      why: { type: 'string' },
    },
    allowPositionals: true,
  });
  const [action = 'list', subject = '', ...more] = positionals;
  if (!['list', 'show', 'rollback', 'release'].includes(action))
    throw new UsageError(`say what to do: lamppost models list, show, rollback or release, not "${action}"`);
  if (more.length > 0)
    throw new UsageError(`lamppost models ${action}: one thing at a time, not also "${more.join(' ')}"`);
  if (action !== 'list' && subject === '')
    throw new UsageError(
      `lamppost models ${action} needs ${action === 'release' ? 'the type of sensor' : 'the id of a model'}`,
    );
  if (action !== 'rollback' && (values.since !== undefined || values.hold))
    throw new UsageError('--since and --hold go with rollback');
  if (values.since !== undefined && parseTime(values.since) === null)
    throw new UsageError(`--since ${values.since}: expected RFC 3339 such as 2026-11-21T00:00:00Z`);
  const config = configFrom(values);
  const request = {
    command: 'models',
    action,
    subject,
    since: values.since ?? '',
    hold: values.hold ?? false,
    why: values.why ?? '',
  };
  print(await askOrOpen(config, parts, makeDataFolder(config.dataDir), request, () => undefined));
  return 0;
}

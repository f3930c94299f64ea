import { parseArgs } from 'node:util';
import { formatTime } from '../model/time.ts';
import type { TokenScope } from '../registry/registry.ts';
import { CONFIG_HELP, configFrom, configOption, print } from './command.ts';
import { makeDataFolder } from './folder.ts';
import type { Parts } from './parts.ts';
import { UsageError } from './terminal.ts';

const SCOPES: readonly TokenScope[] = ['sta-write', 'admin', 'bridge'];

export const summary = 'tokens for programs that write or administer: add, list, remove';

export const help = `lamppost token ACTION: tokens for programs that write or administer

  add --scope S [--name N]   a new token, printed this once; scopes: ${SCOPES.join(', ')}
  list                       names, scopes and when they were made
  remove NAME                ends a token at once
${CONFIG_HELP}`;

export async function run(args: string[], parts: Parts): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { ...configOption, scope: { type: 'string' }, name: { type: 'string' } },
    allowPositionals: true,
  });
  const [action, name] = positionals;
  const config = configFrom(values);
  const registry = parts.openRegistry(makeDataFolder(config.dataDir).registry, { maxUnclaimed: config.maxUnclaimed });
  try {
    switch (action) {
      case 'add': {
        const scope = SCOPES.find((s) => s === values.scope);
        if (!scope) throw new UsageError(`--scope ${values.scope ?? '(not given)'}: one of ${SCOPES.join(', ')}`);
        const now = Date.now();
        const as = values.name ?? name ?? `${scope} ${formatTime(now).replaceAll(':', '.')}`;
        print({ name: as, scope, token: registry.addToken(scope, as, now) });
        return 0;
      }
      case 'list':
        for (const t of registry.tokens()) print({ ...t, createdAt: formatTime(t.createdAt) });
        return 0;
      case 'remove': {
        if (!name) throw new UsageError('lamppost token remove needs the name');
        if (!registry.removeToken(name))
          throw new Error(`there is no token named "${name}"; "lamppost token list" shows them`);
        print({ name, removed: true });
        return 0;
      }
      default:
        throw new UsageError(`say what to do: lamppost token add, list or remove${action ? `, not "${action}"` : ''}`);
    }
  } catch (error) {
    if ((error as Error).name === 'InvalidThing') throw new UsageError((error as Error).message);
    throw error;
  } finally {
    registry.close();
  }
}

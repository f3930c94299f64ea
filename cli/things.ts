/** The commands `box` and `station`: the registry for operators. It is opened directly, also beside a running server. */
import { parseArgs } from 'node:util';
import { formatTime } from '../model/time.ts';
import type { Exposure, NewThing, Registry, Thing, ThingKind } from '../registry/registry.ts';
import { askServer } from './control.ts';
import { CONFIG_HELP, configFrom, configOption, print } from './command.ts';
import { makeDataFolder } from './folder.ts';
import { importFleet, labelPage } from './fleet.ts';
import type { Parts } from './parts.ts';
import { UsageError } from './terminal.ts';

/** Actions after which the former key opens nothing. */
const KEY_ENDS = new Set(['rotate-key', 'retire', 'forget']);
const EXPOSURES = ['outdoor', 'indoor', 'mobile', 'unknown'];
const options = {
  ...configOption,
  id: { type: 'string' },
  name: { type: 'string' },
  'native-id': { type: 'string' },
  format: { type: 'string' },
  lat: { type: 'string' },
  lon: { type: 'string' },
  height: { type: 'string' },
  grid: { type: 'boolean' },
  exposure: { type: 'string' },
  sensor: { type: 'string', multiple: true },
  field: { type: 'string' },
  project: { type: 'string' },
  licence: { type: 'string' },
  attribution: { type: 'string' },
  limit: { type: 'string' },
  retired: { type: 'boolean' },
  count: { type: 'string' },
} as const;

export const thingHelp = (kind: ThingKind): string => {
  const word = kind === 'box' ? 'box' : 'reference station';
  return `lamppost ${kind} ACTION: the ${kind === 'box' ? 'boxes' : 'reference stations'} of this server

  add                a new ${word}; prints its id, key and owner token (shown this once)
  list               one JSON line each
  show ID            everything known, with its places over time
  set ID             changes what the options below say; a new --lat --lon is a move from now on
  rotate-key ID      a new key; the old one ends at once
  rotate-owner ID    a new owner token
  retire ID          no more readings; what was measured stays
  forget ID          retire, and delete name, addresses, keys, exact places and reports
  labels [ID]        a page of labels to print (HTML on stdout): of one, of a --project, or of all${
    kind === 'box'
      ? `
  import FILE        many boxes from a CSV (lamp posts): columns name, lat, lon, height, exposure, sensors (with ; between), batch,
                     format, project, licence, attribution, native_id, lamp_post, side, precision, id; all of the file or
                     nothing; prints a CSV with the keys (shown this once)`
      : ''
  }

  --name, --native-id, --format, --exposure outdoor|indoor|mobile|unknown, --lat, --lon, --height METRES,
  --grid (show the place only roughly), --sensor MODEL (may be repeated), --field cf1|atm, --project,
  --licence SPDX, --attribution
  --id ID            for add: instead of a made one
  --count N          for add: N alike, named with a number; prints "id key" lines for sim --token-file
  --limit N, --retired   for list: at most N (default all), with retired ones
${CONFIG_HELP}`;
};

function numberOf(name: string, text: string): number {
  const n = Number(text);
  if (text.trim() === '' || !Number.isFinite(n)) throw new UsageError(`--${name} ${text}: expected a number`);
  return n;
}

/** What is shown of a Thing: everything but its secrets. */
const shown = (t: Thing): object => ({ ...t, createdAt: formatTime(t.createdAt), place: t.place && placed(t.place) });
const placed = (p: NonNullable<Thing['place']>): object => ({ ...p, from: formatTime(p.from) });

export function runThings(kind: ThingKind) {
  return async (args: string[], parts: Parts): Promise<number> => {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    const [action, id, ...rest] = positionals;
    if (!action)
      throw new UsageError(
        `say what to do: lamppost ${kind} add, list, show, set, rotate-key, rotate-owner, retire, forget or labels`,
      );
    if (rest.length > 0) throw new UsageError(`"${rest.join(' ')}" is too much`);
    if (values.exposure !== undefined && !EXPOSURES.includes(values.exposure)) {
      throw new UsageError(`--exposure ${values.exposure}: one of ${EXPOSURES.join(', ')}`);
    }
    if (values.field !== undefined && !['cf1', 'atm', ''].includes(values.field)) {
      throw new UsageError(`--field ${values.field}: cf1 or atm`);
    }
    const given: NewThing = {
      ...(values.name === undefined ? {} : { name: values.name }),
      ...(values['native-id'] === undefined ? {} : { nativeId: values['native-id'] }),
      ...(values.format === undefined ? {} : { format: values.format }),
      ...(values.lat === undefined ? {} : { lat: numberOf('lat', values.lat) }),
      ...(values.lon === undefined ? {} : { lon: numberOf('lon', values.lon) }),
      ...(values.height === undefined ? {} : { height: numberOf('height', values.height) }),
      ...(values.grid ? { placePrecision: 'grid' as const } : {}),
      ...(values.exposure === undefined ? {} : { exposure: values.exposure as Exposure }),
      ...(values.sensor === undefined ? {} : { sensors: values.sensor }),
      ...(values.field === undefined ? {} : { field: values.field as 'cf1' | 'atm' | '' }),
      ...(values.project === undefined ? {} : { project: values.project }),
      ...(values.licence === undefined ? {} : { licence: values.licence }),
      ...(values.attribution === undefined ? {} : { attribution: values.attribution }),
    };
    const config = configFrom(values);
    const folder = makeDataFolder(config.dataDir);
    const registry = parts.openRegistry(folder.registry, { maxUnclaimed: config.maxUnclaimed });
    try {
      if (action === 'import') {
        if (kind !== 'box' || !id) throw new UsageError('lamppost box import FILE: a CSV with one line a box');
        process.stdout.write(importFleet(registry, id, Date.now()));
        return 0;
      }
      if (action === 'labels') {
        if (config.publicUrl === '')
          throw new UsageError('labels lead to the pages of the boxes: set LAMPPOST_PUBLIC_URL');
        const chosen = id ? [registry.get(id)] : registry.list({ kind, ...(values.project === undefined ? {} : { project: values.project }) }); // prettier-ignore
        process.stdout.write(
          await labelPage(
            chosen.filter((t) => t !== null),
            config.publicUrl,
          ),
        );
        return 0;
      }
      const code = act(registry, kind, action, id, given, values);
      // Whoever is connected with a key that has ended is to go now, not at the next reconnect.
      // A broker that runs while the rest of the server is stopped.
      if (id && KEY_ENDS.has(action) && !(await askServer(folder.control, { command: 'key-ended', box: id })))
        await askServer(folder.brokerControl, { command: 'key-ended', box: id });
      return code;
    } catch (error) {
      if ((error as Error).name === 'InvalidThing') throw new UsageError((error as Error).message);
      throw error;
    } finally {
      registry.close();
    }
  };
}

function act(
  registry: Registry,
  kind: ThingKind,
  action: string,
  id: string | undefined,
  given: NewThing,
  values: { id?: string; limit?: string; retired?: boolean; count?: string },
): number {
  const now = Date.now();
  const one = (): string => {
    if (!id) throw new UsageError(`lamppost ${kind} ${action} needs the id`);
    if (registry.get(id)?.kind !== kind)
      throw new Error(`no ${kind} has the id ${id}; "lamppost ${kind} list" shows them`);
    return id;
  };
  switch (action) {
    case 'add': {
      if (id) throw new UsageError(`"${id}" is too much; an id of your own is given with --id`);
      if (values.count !== undefined) {
        const n = Number(values.count);
        if (!Number.isInteger(n) || n < 1 || n > 1_000_000) throw new UsageError('--count: from 1 to 1000000');
        const alike = Array.from({ length: n }, (_, i) => ({ kind, ...given, name: `${given.name ?? kind} ${i + 1}` }));
        for (const made of registry.addMany(alike, now)) process.stdout.write(`${made.id} ${made.key}\n`);
        return 0;
      }
      const made = registry.add({ kind, ...given, ...(values.id === undefined ? {} : { id: values.id }) }, now);
      print({ id: made.thing.id, key: made.key, ownerToken: made.ownerToken, name: made.thing.name });
      return 0;
    }
    case 'list': {
      const limit = values.limit === undefined ? Infinity : numberOf('limit', values.limit);
      let after = 0;
      for (let left = limit; left > 0;) {
        const page = registry.list({
          kind,
          after,
          limit: Math.min(1000, left),
          includeRetired: values.retired === true,
        });
        for (const thing of page) print(shown(thing));
        if (page.length === 0) break;
        after = (page.at(-1) as Thing).num;
        left -= page.length;
      }
      return 0;
    }
    case 'show': {
      const thing = registry.get(one()) as Thing;
      print({ ...shown(thing), places: registry.places(thing.id).map(placed) });
      return 0;
    }
    case 'set':
      print(shown(registry.update(one(), given, now)));
      return 0;
    case 'rotate-key':
      print({ id: one(), key: registry.rotateKey(one()) });
      return 0;
    case 'rotate-owner':
      print({ id: one(), ownerToken: registry.rotateOwnerToken(one()) });
      return 0;
    case 'forget':
      registry.care.forget(one(), now);
      print({ id, retired: true, personal: 'deleted' });
      return 0;
    case 'retire':
      registry.retire(one(), now);
      print({ id, retired: true });
      return 0;
    default:
      throw new UsageError(`lamppost ${kind} knows no "${action}"; see lamppost ${kind} --help`);
  }
}

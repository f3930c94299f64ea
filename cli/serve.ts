import { createConnection } from 'node:net';
import { parseArgs } from 'node:util';
import { CONFIG_HELP, configFrom, configOption } from './command.ts';
import { createLog } from './log.ts';
import type { Parts } from './parts.ts';
import { eventually, ROLES, startServer, type Role, type RunningServer } from './server.ts';
import { abortOnSignal, UsageError } from './terminal.ts';

export const summary = 'the server: MQTT in, calibration, store, API and web pages';

export const help = `lamppost serve: the server

  --roles LIST       which parts run in this process, default ${ROLES.join(',')};
                     with the embedded store only broker may run apart from the others
  --no-pages         neither build nor serve the web pages
${CONFIG_HELP}

Prints one line {"event":"ready","http":PORT,"mqtt":PORT,"pid":PID} on stdout when everything answers. Stops on Ctrl-C or SIGTERM.`;

function rolesOf(text: string): Role[] {
  const roles = text.split(',').map((r) => r.trim());
  for (const role of roles) {
    if (!(ROLES as readonly string[]).includes(role))
      throw new UsageError(`--roles: "${role}" is none of ${ROLES.join(', ')}`);
  }
  const known = ROLES.filter((r) => roles.includes(r));
  if (known.some((r) => r !== 'broker') && known.filter((r) => r !== 'broker').length < 3) {
    throw new UsageError(
      'with the embedded store ingest, calibrate and api share one process; only broker may run apart',
    );
  }
  return known;
}

/** Waits until the listeners answer, then prints the ready line. */
export async function announce(server: RunningServer, hosts: { http: string; mqtt: string }): Promise<void> {
  const local = (host: string): string =>
    host === '0.0.0.0' || host === '' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const { http, mqtt } = server;
  const httpHost = local(hosts.http);
  if (http !== null) {
    const url = `http://${httpHost.includes(':') ? `[${httpHost}]` : httpHost}:${http}/healthz`;
    if (!(await eventually(async () => (await fetch(url)).ok)))
      throw new Error(`the HTTP port ${http} does not answer`);
  }
  if (mqtt !== null) {
    const reached = (): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = createConnection(mqtt, local(hosts.mqtt));
        socket.once('connect', () => socket.end(() => resolve(true)));
        socket.once('error', () => resolve(false));
      });
    if (!(await eventually(reached))) throw new Error(`the MQTT port ${mqtt} does not answer`);
  }
  process.stdout.write(`${JSON.stringify({ event: 'ready', http, mqtt, pid: process.pid })}\n`);
}

export async function run(args: string[], parts: Parts): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { ...configOption, roles: { type: 'string', default: ROLES.join(',') }, 'no-pages': { type: 'boolean' } },
  });
  const roles = rolesOf(values.roles);
  const config = configFrom(values);
  const log = createLog(config.logLevel);
  const signal = abortOnSignal();
  const server = await startServer({ config, parts, log, roles, pages: !values['no-pages'] });
  try {
    await announce(server, { http: config.httpHost, mqtt: config.mqttHost });
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    if (!signal.aborted) await Promise.race([stopped, server.failed]);
    log.info({}, 'stopping');
  } finally {
    await server.close();
  }
  return 0;
}

/**
 * The InfluxDB that these tests run against: `INFLUXD` (a binary), the one `node scripts/influxd.ts` built, or a server that is
 * there already (`LAMPPOST_INFLUX_URL`, `_TOKEN` with all access, `_ORG`; buckets named `lamppost-test-…` are made and removed).
 */
import { randomUUID } from 'node:crypto';
import { influxd, startInfluxd, type RunningInflux } from '../../../scripts/influxd.ts';
import type { InfluxAddress } from '../../../store/influx/connection.ts';

const given = process.env['LAMPPOST_INFLUX_URL'];
const binary = influxd();

/** For titles: why everything of a suite is skipped, '' = it runs. */
export const NO_INFLUX =
  binary !== null || given ? '' : ' (skipped: no influxd; node scripts/influxd.ts builds one, or set INFLUXD)';
/** The same for suites that kill the server, which is done to none but our own. */
export const NO_INFLUXD =
  binary !== null ? '' : ' (skipped: no influxd of our own; node scripts/influxd.ts builds one)';

/** A server of this test file's own. */
export const startOwn = async (args?: readonly string[]): Promise<RunningInflux> =>
  startInfluxd(binary as string, args);

interface Server {
  readonly url: string;
  readonly token: string;
  readonly org: string;
  readonly bucket: (name: string, seconds?: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** A server that is there already; the buckets that were made on it are removed at the end. */
async function foreign(url: string): Promise<Server> {
  const token = process.env['LAMPPOST_INFLUX_TOKEN'] ?? '';
  const org = process.env['LAMPPOST_INFLUX_ORG'] ?? '';
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Token ${token}`, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  };
  const { orgs } = (await call('GET', `/api/v2/orgs?org=${encodeURIComponent(org)}`)) as { orgs: { id: string }[] };
  const made: string[] = [];
  return {
    url,
    token,
    org,
    async bucket(name, seconds = 0) {
      const rules = seconds > 0 ? [{ type: 'expire', everySeconds: seconds }] : [];
      const body = { orgID: orgs[0]?.id, name, retentionRules: rules };
      made.push(((await call('POST', '/api/v2/buckets', body)) as { id: string }).id);
    },
    async stop() {
      for (const id of made) await call('DELETE', `/api/v2/buckets/${id}`);
    },
  };
}

let running: Promise<Server> | null = null;
const server = async (): Promise<Server> => (running ??= given ? foreign(given) : startOwn());

/** A new, empty bucket of the server. */
export async function newBucket(seconds = 0): Promise<InfluxAddress> {
  const { url, token, org, bucket } = await server();
  const name = `lamppost-test-${randomUUID().slice(0, 13)}`;
  await bucket(name, seconds);
  return { url, token, org, bucket: name };
}

export async function stopServer(): Promise<void> {
  await (await running)?.stop();
  running = null;
}

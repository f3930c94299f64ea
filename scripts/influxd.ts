/**
 * `node scripts/influxd.ts`: builds influxd 2.7 from its published Go module into `${XDG_CACHE_HOME:-~/.cache}/lamppost`, for
 * the tests and benchmarks of the InfluxDB store. Needs `go` ≥ 1.23, `cargo` (Rust ≥ 1.70), a C compiler and `pkg-config`; an
 * hour of one core the first time, nothing afterwards. `docs/influxdb.md` says what is odd about the build.
 *
 * Tests and benchmarks import `influxd` and `startInfluxd` from here.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = 'v2.7.12';
const CACHE = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'lamppost');
const BINARY = join(CACHE, `influxd-${VERSION}`);

/** The server to test against: `INFLUXD`, or the one this script built; null = none. */
export function influxd(): string | null {
  const given = process.env['INFLUXD'];
  if (given) return given;
  return existsSync(BINARY) ? BINARY : null;
}

export interface RunningInflux {
  readonly url: string;
  readonly token: string;
  readonly org: string;
  readonly pid: number;
  /** As a power cut would. */
  kill(): Promise<void>;
  /** Again with the same data and port. */
  restart(): Promise<void>;
  /** Makes a bucket of that name; `seconds` 0 = values are kept for ever. */
  bucket(name: string, seconds?: number): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function until(what: string, ready: () => Promise<boolean>, ms = 60_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await ready().catch(() => false))) {
    if (Date.now() > end) throw new Error(`${what} did not come within ${ms / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const ORG = 'lamppost';
const TOKEN = 'a-token-of-the-tests';

/** A run that fails must not leave servers behind. */
const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Starts a server of its own on a free port with a temporary folder, set up with an organisation and an all-access token. */
export async function startInfluxd(binary: string, args: readonly string[] = []): Promise<RunningInflux> {
  const folder = mkdtempSync(join(tmpdir(), 'lamppost-influxd-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    child = spawn(
      binary,
      [
        '--bolt-path',
        join(folder, 'influxd.bolt'),
        '--sqlite-path',
        join(folder, 'influxd.sqlite'),
        '--engine-path',
        join(folder, 'engine'),
        '--http-bind-address',
        `127.0.0.1:${port}`,
        '--reporting-disabled',
        '--ui-disabled',
        '--log-level',
        'error',
        ...args,
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    alive.add(child);
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`influxd ended at once (${String(code)})`);
    });
    ended.catch(() => undefined);
    await Promise.race([ended, until('influxd', async () => (await fetch(`${url}/health`)).ok)]);
  };
  const call = async (path: string, body: object): Promise<Response> =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization: `Token ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  };
  await start();
  const setup = await call('/api/v2/setup', {
    username: 'test',
    password: 'a-password',
    org: ORG,
    bucket: 'first',
    token: TOKEN,
  });
  if (!setup.ok) throw new Error(`influxd cannot be set up: ${await setup.text()}`);
  const { org } = (await setup.json()) as { org: { id: string } };
  return {
    url,
    token: TOKEN,
    org: ORG,
    get pid() {
      return child?.pid ?? 0;
    },
    kill: () => end('SIGKILL'),
    restart: start,
    async bucket(name, seconds = 0) {
      const rules = seconds > 0 ? [{ type: 'expire', everySeconds: seconds }] : [];
      const made = await call('/api/v2/buckets', { orgID: org.id, name, retentionRules: rules });
      if (!made.ok) throw new Error(`bucket ${name}: ${await made.text()}`);
    },
    async stop() {
      await end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function need(program: string, what: string): void {
  if (spawnSync(program, ['--version'], { stdio: 'ignore' }).error) throw new Error(`${program} is missing: ${what}`);
}

/** The Rust toolchain at hand; flux asks for one of its own by name, which rustup would want to download. */
function rustToolchain(): Record<string, string> {
  const { stdout, status } = spawnSync('rustup', ['default'], { encoding: 'utf8' });
  const name = status === 0 ? stdout.split(' ')[0]?.trim() : '';
  return name ? { RUSTUP_TOOLCHAIN: name } : {};
}

function build(): void {
  need('go', 'install Go 1.23 or newer');
  need('cargo', 'install Rust 1.70 or newer');
  need('cc', 'install a C compiler');
  need('pkg-config', "install pkg-config; flux's wrapper of the same name hands everything else on to it");
  const go = (args: string[], cwd: string, env: Record<string, string> = {}): string =>
    execFileSync('go', args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      maxBuffer: 2 ** 28,
      env: { ...process.env, GOFLAGS: '-mod=mod -buildvcs=false', ...env },
    });
  const work = join(CACHE, `build-${VERSION}`);
  const source = join(work, 'influxdb');
  mkdirSync(work, { recursive: true });
  console.error(`influxd ${VERSION} is built in ${work}`);
  if (!existsSync(source)) {
    const { Dir } = JSON.parse(
      go(['mod', 'download', '-json', `github.com/influxdata/influxdb/v2@${VERSION}`], work),
    ) as { Dir: string };
    // The module cache is read-only, and the build writes go.sum. Without the tag `assets` neither UI nor swagger is needed.
    execFileSync('cp', ['-r', '--no-preserve=mode', Dir, `${source}.tmp`]);
    renameSync(`${source}.tmp`, source);
  }
  const wrapper = join(work, 'pkg-config');
  go(['build', '-o', wrapper, 'github.com/influxdata/pkg-config'], source);
  const lenient = join(work, 'rustc-lenient');
  writeFileSync(lenient, '#!/bin/sh\nexec "$@" --cap-lints warn\n', { mode: 0o755 });
  const out = join(work, 'influxd');
  const flags = [
    '-trimpath',
    '-tags',
    'sqlite_foreign_keys,sqlite_json',
    '-ldflags',
    `-s -w -X main.version=${VERSION}`,
  ];
  console.error('libflux (Rust) and influxd (Go) are compiled; this takes a while and says nothing');
  go(['build', ...flags, '-o', out, './cmd/influxd'], source, {
    PKG_CONFIG: wrapper,
    // flux denies warnings, of which a compiler newer than its own has more. RUSTFLAGS would not reach what cargo builds to be
    // run while building, flux-core among it.
    RUSTC_WRAPPER: lenient,
    ...rustToolchain(),
  });
  console.error(execFileSync(out, ['version'], { encoding: 'utf8' }).trim());
  cpSync(out, `${BINARY}.tmp`);
  renameSync(`${BINARY}.tmp`, BINARY);
  rmSync(work, { recursive: true, force: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!existsSync(BINARY)) build();
  console.log(BINARY);
}

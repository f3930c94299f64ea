/** The real server as a child process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface ChildServer {
  readonly http: number;
  readonly mqtt: number;
  readonly pid: number;
  readonly process: ChildProcess;
  /** What it said on stderr so far. */
  readonly log: () => string;
  /** SIGKILL; resolves when it is gone. */
  readonly kill: () => Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  readonly stop: () => Promise<number | null>;
}

const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Environment without settings of whoever runs the tests. */
export const cleanEnv = (settings: Record<string, string>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LAMPPOST_'))),
  ...settings,
});

/** Resolves with the ready line; rejects with what it said when it ends before. */
export async function startChild(
  settings: Record<string, string>,
  args = ['serve', '--no-pages'],
): Promise<ChildServer> {
  const child = spawn(process.execPath, ['main.ts', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: cleanEnv({
      LAMPPOST_HTTP_PORT: '0',
      LAMPPOST_MQTT_PORT: '0',
      LAMPPOST_HTTP_HOST: '127.0.0.1',
      LAMPPOST_MQTT_HOST: '127.0.0.1',
      ...settings,
    }),
  });
  alive.add(child);
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const gone = once(child, 'exit').then(([code]) => {
    alive.delete(child);
    return code as number | null;
  });
  const ready = await new Promise<{ http: number; mqtt: number; pid: number }>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = JSON.parse(line) as { event: string; http: number; mqtt: number; pid: number };
      if (event.event === 'ready') resolve(event);
    });
    void gone.then((code) => reject(new Error(`the server ended with ${code} before it was ready:\n${log}`)));
  });
  return {
    ...ready,
    process: child,
    log: () => log,
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
    async stop() {
      child.kill('SIGTERM');
      return gone;
    },
  };
}

/** Runs a command to its end. */
export async function runCommand(
  args: string[],
  settings: Record<string, string> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['main.ts', ...args], {
    cwd: ROOT,
    env: cleanEnv(settings),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  alive.add(child);
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  alive.delete(child);
  return { code, out, err };
}

/** Asks again until it is so; the caller's test timeout is the limit. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 25));
}

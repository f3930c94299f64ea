/** The built web pages: made with Vite when they are missing or older than their source. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { elapsed } from '../model/time.ts';
import type { Log } from './log.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCES = ['dashboard', 'model', 'package-lock.json'];
const BUILT = join(ROOT, 'dist', 'dashboard');

function newest(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/** Whether what is built shows the present source. */
const current = (): boolean => {
  const built = statSync(join(BUILT, 'index.html'), { throwIfNoEntry: false });
  return built !== undefined && built.mtimeMs >= Math.max(...SOURCES.map((s) => newest(join(ROOT, s))));
};

function viteBuild(outDir: string, mapStyle: string): Promise<void> {
  const vite = join(dirname(createRequire(import.meta.url).resolve('vite/package.json')), 'bin', 'vite.js');
  // A process of its own: the bundler's memory is given back before the server has anything to do.
  const args = [
    vite,
    'build',
    '--config',
    join(ROOT, 'dashboard', 'vite.config.ts'),
    '--outDir',
    outDir,
    '--logLevel',
    'warn',
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LAMPPOST_MAP_STYLE: mapStyle },
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(said.trim().slice(-2000)))));
  });
}

/** The folder with the pages; '' when there are none. Building that fails leaves the older pages in use. */
export async function webPages(log: Log, mapStyle: string): Promise<string> {
  if (!existsSync(join(ROOT, 'dashboard', 'vite.config.ts'))) return existsSync(BUILT) ? BUILT : '';
  if (current()) return BUILT;
  log.info({}, 'building the web pages');
  const started = elapsed();
  const fresh = `${BUILT}.${process.pid}`;
  try {
    await viteBuild(fresh, mapStyle);
    const old = `${BUILT}.old.${process.pid}`;
    if (existsSync(BUILT)) renameSync(BUILT, old);
    renameSync(fresh, BUILT);
    rmSync(old, { recursive: true, force: true });
    log.info({ ms: Math.round(elapsed() - started) }, 'web pages built');
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    log.error({ error: (error as Error).message }, 'the web pages could not be built; the API works without them');
  }
  return existsSync(join(BUILT, 'index.html')) ? BUILT : '';
}

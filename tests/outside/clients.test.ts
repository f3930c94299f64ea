/**
 * Clients, validators and readers of others against the real server: what each sees is what it is built to see. Each is run where
 * Python has it, else skipped by name; `CLIENTS_PYTHON` names a Python that has them (`.ci/run` makes one).
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand, startChild, until, type ChildServer } from '../e2e/server.ts';

const PYTHON = process.env['CLIENTS_PYTHON'] ?? 'python3';
const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const run = promisify(execFile);
const NEEDS: Record<string, readonly string[]> = {
  pandas: ['pandas', 'pyarrow'],
  pyarrow_by_ranges: ['pyarrow', 'fsspec', 'aiohttp'],
  duckdb_by_url: ['duckdb', 'fsspec', 'aiohttp'],
  geopandas: ['geopandas', 'pyarrow'],
  csvw: ['csvw'],
  openapi: ['openapi_spec_validator'],
  shacl: ['pyshacl'],
  sensorthings: ['frost_sta_client'],
};
const NAMES = [...new Set(Object.values(NEEDS).flat())];
const found = spawnSync(PYTHON, ['-c', `import importlib.util as u; print(*[n for n in '${NAMES.join(' ')}'.split() if u.find_spec(n)])`]); // prettier-ignore
const has = new Set(found.status === 0 ? found.stdout.toString().trim().split(' ') : []);
const checks = Object.entries(NEEDS).map(([check, needs]) => ({ check, missing: needs.filter((n) => !has.has(n)) }));
const any = checks.some((c) => c.missing.length === 0);

const dir = mkdtempSync(join(tmpdir(), 'lamppost-outside-'));
let server: ChildServer;

beforeAll(async () => {
  if (!any) return;
  server = await startChild({ LAMPPOST_DATA_DIR: join(dir, 'data'), LAMPPOST_ADMIN_TOKEN: 'admin-token-of-the-test' });
  const base = `http://127.0.0.1:${server.http}`;
  const post = (path: string, body: unknown, key = ''): Promise<Response> =>
    fetch(base + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
      body: JSON.stringify(body),
    });
  const now = Date.now();
  for (const [i, name] of ['school', 'balcony, "north"'].entries()) {
    const registered = await post('/api/v1/boxes', { name, lat: 25.03 + i / 50, lon: 121.56, exposure: 'outdoor', sensors: ['PMS5003'], licence: i ? 'CC0-1.0' : 'CC-BY-4.0' }); // prettier-ignore
    const { id, key } = (await registered.json()) as { id: string; key: string };
    const readings = Array.from({ length: 120 }, (_, k) => ({
      t: new Date(now - (120 - k) * 60_000).toISOString(),
      pm25: 10 + k / 10,
      humidity: 60,
    }));
    expect((await post(`/api/v1/boxes/${id}/readings`, readings, key)).status).toBe(202);
    await until(async () => (await (await fetch(`${base}/api/v1/boxes/${id}/observations?limit=200`)).json() as { items: unknown[] }).items.length === 120); // prettier-ignore
  }
  await until(async () => ((await (await fetch(`${base}/sta/v1.1/Datastreams`)).json()) as { value: unknown[] }).value.length >= 8); // prettier-ignore
  const day = (t: number): string => new Date(t).toISOString().slice(0, 10);
  const range = ['--from', day(now - 86_400_000), '--to', day(now + 86_400_000)];
  const dumped = await runCommand(['dump', ...range], { LAMPPOST_DATA_DIR: join(dir, 'data') });
  expect(dumped.code, dumped.err).toBe(0);
});
afterAll(async () => {
  if (any) await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

for (const { check, missing } of checks)
  it.skipIf(missing.length > 0)(
    `${check.replaceAll('_', ' ')}${missing.length > 0 ? ` (Python lacks ${missing.join(', ')})` : ''}`,
    async () => {
      const { stdout } = await run(PYTHON, [join(FOLDER, 'clients.py'), check, `http://127.0.0.1:${server.http}`, FOLDER]);
      expect(stdout.trim()).not.toBe('');
    },
  ); // prettier-ignore

/** Examples of the page, by tool. */
async function examples(): Promise<{ tool: string; code: string }[]> {
  const html = await (await fetch(`http://127.0.0.1:${server.http}/data?lang=en`)).text();
  return [...html.matchAll(/<pre data-tool="([^"]+)"[^>]*>(.*?)<\/pre>/gs)].map(([, tool = '', code = '']) => ({
    tool,
    code: code.replace(/&#(\d+);/g, (_, n: string) => String.fromCharCode(Number(n))),
  }));
}
const RUNNERS: readonly { tool: string; needs: readonly string[]; command: string; args: readonly string[]; says: RegExp }[] = [
  { tool: 'pandas', needs: ['pandas'], command: PYTHON, args: ['-c'], says: /count +mean/ },
  { tool: 'GeoPandas', needs: ['geopandas', 'pyarrow'], command: PYTHON, args: ['-c'], says: /POINT/ },
]; // prettier-ignore
for (const { tool, needs, command, args, says } of RUNNERS) {
  const missing = needs.filter((n) => !has.has(n));
  it.skipIf(missing.length > 0)(
    `the example of /data for ${tool} runs as it stands${missing.length > 0 ? ` (Python lacks ${missing.join(', ')})` : ''}`,
    async () => {
      const [example] = (await examples()).filter((e) => e.tool === tool);
      const { stdout } = await run(command, [...args, example?.code ?? ''], { cwd: dir });
      expect(stdout).toMatch(says);
    },
  );
}
const hasR = any && spawnSync('Rscript', ['--version']).status === 0;
it.skipIf(!hasR)(`the example of /data for R runs as it stands${hasR ? '' : ' (Rscript is not there)'}`, async () => {
  const [example] = (await examples()).filter((e) => e.tool === 'R');
  const { stdout } = await run('Rscript', ['-e', `${example?.code ?? ''}\nstr(pm25)`], { cwd: dir });
  expect(stdout).toContain('POSIXct');
});

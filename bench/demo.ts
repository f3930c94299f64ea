/**
 * From `npm run demo` on a fresh data folder to boxes with a corrected value, which the map colours: `node bench/demo.ts [runs]`.
 * Pages are built before, as after a first start. The question is asked over HTTP, as the map asks it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildPages } from '../tests/dashboard/browser.ts';
import { figure } from './figures.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PATIENCE = 120_000;
const runs = Number(process.argv[2] ?? 3);

async function fromStart(): Promise<{ ready: number; coloured: number; boxes: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-demo-'));
  const started = performance.now();
  const child = spawn(process.execPath, ['main.ts', 'demo'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, LAMPPOST_DATA_DIR: folder, LAMPPOST_HTTP_PORT: '0', LAMPPOST_MQTT_PORT: '0' },
  });
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const ready = performance.now() - started;
    const { http } = JSON.parse(line) as { http: number };
    const url = `http://127.0.0.1:${http}/api/v1/latest.geojson?property=pm25&level=corrected`;
    for (;;) {
      const { features } = (await (await fetch(url)).json()) as {
        features: { properties: { value: number | null } }[];
      };
      const boxes = features.filter((f) => f.properties.value !== null).length;
      const coloured = performance.now() - started;
      if (boxes > 0) return { ready, coloured, boxes };
      if (coloured > PATIENCE) throw new Error('no box had a corrected value after two minutes');
      await delay(50);
    }
  } finally {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  }
}

await buildPages();
console.log(
  `${cpus().length} × ${cpus()[0]?.model ?? '?'}, Node ${process.version}; seed 1, 120 boxes, 24 h of history`,
);
for (let run = 1; run <= runs; run++) {
  const { ready, coloured, boxes } = await fromStart();
  const s = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  figure(`run ${run}: server ready; ${boxes} boxes coloured`, `${s(ready)}; ${s(coloured)}`, '10 s');
  console.log(`run ${run}: ready after ${s(ready)}, ${boxes} coloured boxes after ${s(coloured)} (required < 10 s)`);
}

/**
 * The map in headless Chromium: `node bench/map.ts [--boxes 10000,100000]`. Drawn by SwiftShader (no graphics card), so frame times
 * are an upper bound. Seeded; prints one table.
 */
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { buildPages, CHROMIUM, openBrowser, WITHOUT_CHROMIUM } from '../tests/dashboard/browser.ts';
import { DIST, startServer } from '../tests/dashboard/server.ts';
import { figure, leftOut, whole } from './figures.ts';

export interface MapFigures {
  readonly boxes: number;
  /** Navigation to the first frame with coloured boxes [ms]. */
  readonly firstBoxesMs: number;
  /** Longest task of the main thread during 20 s of live updates [ms]. */
  readonly longestTaskMs: number;
  readonly updatesPerSecond: number;
  /** Frame times while panning and zooming [ms]. */
  readonly frameMedianMs: number;
  readonly frameP95Ms: number;
  /** Long tasks (above 50 ms) in these 20 s. */
  readonly longTasks: number;
  readonly frameMaxMs: number;
  /** JavaScript heap of the page [MB]. */
  readonly heapMb: number;
  /** The whole renderer process: heap, columns, workers, drawing [MB]; NaN where /proc is not there. */
  readonly residentMb: number;
  /** Names of the scripts the page loaded by itself. */
  readonly scripts: readonly string[];
}

/** Runs in the browser. Strings, because the project's own types know no browser. */
const WATCH = `
  window.longest = 0;
  window.longTasks = 0;
  new PerformanceObserver((list) => {
    for (const e of list.getEntries()) {
      window.longTasks++;
      window.longest = Math.max(window.longest, e.duration);
    }
  }).observe({ type: 'longtask', buffered: false });
`;
const PAN = `new Promise((done) => {
  const map = window.lamppostMap.map;
  const times = [];
  const began = performance.now();
  let last = began;
  const frame = (now) => {
    times.push(now - last);
    last = now;
    const t = (now - began) / 6000;
    map.jumpTo({ center: [120.6 + 0.6 * Math.sin(t * 6.28), 23.9 + 0.7 * Math.cos(t * 6.28)], zoom: 8 + 2.2 * Math.sin(t * 12.56) });
    if (t < 1) requestAnimationFrame(frame);
    else done(times.slice(2));
  };
  requestAnimationFrame(frame);
})`;

export async function measure(browser: Browser, boxes: number): Promise<MapFigures> {
  const rate = Math.round(boxes / 60);
  const server = await startServer({ boxes, rate });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, serviceWorkers: 'block' });
  context.setDefaultTimeout(180_000);
  try {
    const page = await context.newPage();
    // Once before: the server's and the browser's own caches are not what is measured.
    await page.goto(`${server.url}/?at=24.1,120.7,9`);
    await page.waitForFunction('window.lamppostMap?.firstDrawn > 0');
    await page.goto('about:blank');
    await page.goto(`${server.url}/?at=24.1,120.7,9`);
    await page.waitForFunction('window.lamppostMap?.firstDrawn > 0');
    const firstBoxesMs = (await page.evaluate('window.lamppostMap.firstDrawn')) as number;
    await page.waitForFunction('window.lamppostMap.map.loaded()');
    await page.evaluate(WATCH);
    await page.waitForTimeout(20_000);
    const longestTaskMs = (await page.evaluate('window.longest')) as number;
    const longTasks = (await page.evaluate('window.longTasks')) as number;
    const scripts = (await page.evaluate(
      `performance.getEntriesByType('resource').map((e) => new URL(e.name).pathname).filter((n) => n.endsWith('.js'))`,
    )) as string[];
    const frames = (await page.evaluate<number[]>(PAN)).sort((a, b) => a - b);
    const residentMb = await rendererMb(browser);
    const heapMb = ((await page.evaluate('performance.memory.usedJSHeapSize')) as number) / 2 ** 20;
    const at = (share: number): number => frames[Math.floor((frames.length - 1) * share)] ?? NaN;
    return {
      boxes,
      firstBoxesMs,
      longestTaskMs,
      updatesPerSecond: rate,
      frameMedianMs: at(0.5),
      frameP95Ms: at(0.95),
      frameMaxMs: at(1),
      longTasks,
      heapMb,
      residentMb,
      scripts: [...new Set(scripts)],
    };
  } finally {
    await context.close();
    await server.close();
  }
}

/** The largest renderer of this browser: the page's. */
async function rendererMb(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const resident = processInfo
    .filter((p) => p.type === 'renderer' && existsSync(`/proc/${p.id}/status`))
    .map((p) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${p.id}/status`, 'utf8'))?.[1] ?? NaN) / 1024);
  return resident.length === 0 ? NaN : Math.max(...resident);
}

/** What these scripts weigh, without the map library's worker. */
export function scriptBytes(scripts: readonly string[]): { gzip: number; brotli: number } {
  const files = scripts.filter((f) => !/maplibre-gl-worker/.test(f)).map((f) => readFileSync(join(DIST, f)));
  const sum = (of: (b: Buffer) => Buffer): number => files.reduce((n, b) => n + of(b).length, 0);
  return { gzip: sum((b) => gzipSync(b)), brotli: sum((b) => brotliCompressSync(b)) };
}

if (import.meta.main) {
  if (!CHROMIUM) {
    console.error(WITHOUT_CHROMIUM);
    leftOut('the map', WITHOUT_CHROMIUM);
    process.exit(process.env['BENCH_FIGURES'] ? 0 : 1);
  }
  const { values } = parseArgs({ options: { boxes: { type: 'string', default: '10000,100000' } } });
  await buildPages();
  const browser = await openBrowser();
  console.log(
    `${cpus()[0]?.model ?? ''} × ${cpus().length}, Node ${process.version}, Chromium ${browser.version()}, SwiftShader`,
  );
  const rows: Record<string, string | number>[] = [];
  for (const n of values.boxes.split(',').map(Number)) {
    const f = await measure(browser, n);
    if (rows.length === 0) {
      const bytes = scriptBytes(f.scripts);
      figure('JavaScript of the map page', `${Math.round(bytes.gzip / 1024)} KB gzip`, '500 KB');
      console.log(
        `JavaScript of the map page: ${Math.round(bytes.gzip / 1024)} KB gzip, ${Math.round(bytes.brotli / 1024)} KB brotli (at most 500)`,
      );
    }
    figure(`${whole(f.boxes)} boxes: first coloured; heap`, `${Math.round(f.firstBoxesMs)} ms; ${Math.round(f.heapMb)} MB`, f.boxes <= 10_000 ? '1,500 ms' : ''); // prettier-ignore
    figure(`… ${f.updatesPerSecond} live updates/s: longest task; frame median, p95`, `${Math.round(f.longestTaskMs)} ms; ${Math.round(f.frameMedianMs)}, ${Math.round(f.frameP95Ms)} ms`, f.boxes <= 10_000 ? 'task 100 ms' : ''); // prettier-ignore
    rows.push({
      boxes: f.boxes,
      'first coloured boxes [ms]': Math.round(f.firstBoxesMs),
      'live updates/s': f.updatesPerSecond,
      'longest task [ms]': Math.round(f.longestTaskMs),
      'tasks > 50 ms': f.longTasks,
      'frame median [ms]': Math.round(f.frameMedianMs),
      'frame p95 [ms]': Math.round(f.frameP95Ms),
      'frame max [ms]': Math.round(f.frameMaxMs),
      'heap [MB]': Math.round(f.heapMb),
      'renderer [MB]': Math.round(f.residentMb),
    });
  }
  await browser.close();
  console.table(rows);
}

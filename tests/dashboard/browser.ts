/** The Chromium the page tests drive, and the built pages they look at. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { DIST } from './server.ts';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
export const CHROMIUM = process.env['LAMPPOST_CHROMIUM'] ?? CANDIDATES.find((p) => existsSync(p));
export const WITHOUT_CHROMIUM = 'no Chromium: apt-get install chromium fonts-noto-cjk';

/** The map is WebGL: without a graphics card it is drawn by SwiftShader. */
const FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
];

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ ...(CHROMIUM ? { executablePath: CHROMIUM } : {}), args: FLAGS });

const SOURCES = fileURLToPath(new URL('../../dashboard/', import.meta.url));
const newest = (folder: string): number =>
  Math.max(
    0,
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((e) => e.isFile())
      .map((e) => statSync(join(e.parentPath, e.name)).mtimeMs),
  );

/** Builds the pages when they are missing or older than their source. */
export async function buildPages(): Promise<void> {
  const built = join(DIST, 'index.html');
  const sources = Math.max(newest(SOURCES), newest(fileURLToPath(new URL('../../model/', import.meta.url))));
  if (existsSync(built) && statSync(built).mtimeMs >= sources) return;
  const { build } = await import('vite');
  await build({ configFile: join(SOURCES, 'vite.config.ts'), logLevel: 'warn' });
}

#!/usr/bin/env node
// Plain JavaScript on purpose: an old Node must be able to read this file to say what is wrong
// (a .ts command dies on Node 20 with "unknown file extension").
import { existsSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MINIMUM = 24;
const major = Number(process.versions.node.split('.')[0]);
const main = fileURLToPath(new URL('../main.ts', import.meta.url));

// Store queries, compaction and file reads each hold one of libuv's threads for a while; four are too few for all of them.
process.env.UV_THREADPOOL_SIZE ??= '8';

if (major >= MINIMUM) {
  await import(main);
} else {
  const bundled = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  if (!existsSync(bundled)) {
    console.error(`lamppost needs Node ${MINIMUM} or newer; this is ${process.version}.
Run "npm ci" in the project folder: it brings Node ${MINIMUM} for Linux and Windows. Elsewhere install it from your system.`);
    process.exit(2);
  }
  const child = spawn(bundled, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
}

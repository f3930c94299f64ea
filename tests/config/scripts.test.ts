import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { BENCHES } from '../../bench/run.ts';

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const { scripts, bin } = JSON.parse(readFileSync(path('package.json'), 'utf8')) as {
  scripts: Record<string, string>;
  bin: Record<string, string>;
};

it('every program that package.json and the benchmarks name is there', () => {
  const files = [
    ...Object.values(scripts).flatMap((s) => [...s.matchAll(/\bnode (\S+\.ts)/g)].map((m) => m[1] as string)),
    ...Object.values(bin),
    ...BENCHES.map((b) => `bench/${b.file ?? b.name}.ts`),
  ];
  expect(files.length).toBeGreaterThan(12);
  expect(files.filter((f) => !existsSync(path(f)))).toEqual([]);
});

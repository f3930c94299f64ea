import { describe, expect, it } from 'vitest';
import { readdirSync, readFileSync } from 'node:fs';

/** Read as text: the module itself follows the language of a browser. */
const source = readFileSync(new URL('../../dashboard/i18n/volunteers.ts', import.meta.url), 'utf8');
const rows = [...source.matchAll(/^ {2}'([^']+)': \[\s*'((?:[^'\\]|\\.)*)',\s*'((?:[^'\\]|\\.)*)',?\s*\],/gm)].map((m) => [m[1], m[2], m[3]] as [string, string, string]); // prettier-ignore
const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1] as string).sort();

describe('words of volunteers', () => {
  it('are all read by this test', () => {
    expect(rows.length).toBeGreaterThan(180);
    expect(rows.length).toBe(source.match(/^ {2}'[^']+': \[/gm)?.length);
  });
  it.each(rows)('%s', (_key, zh, en) => {
    expect(zh.trim()).not.toBe('');
    expect(/[一-鿿]/.test(en)).toBe(false);
    expect(holes(zh)).toEqual(holes(en));
    // Full-width punctuation between Chinese characters.
    expect(/[一-鿿][,:;?!][一-鿿]/.test(zh)).toBe(false);
    if (!/Webhook/.test(zh)) expect(/[一-鿿]/.test(zh)).toBe(true);
  });
});

/** Where packets are refused: every code that stands there. */
const folders = ['ingest', 'ingest/decoders'].map((f) => new URL(`../../${f}/`, import.meta.url));
const codes = new Set(
  folders.flatMap(
    (folder) =>
    readdirSync(folder)
      .filter((f) => f.endsWith('.ts'))
      .flatMap((f) => [...readFileSync(new URL(f, folder), 'utf8').matchAll(/(?:rejected\(|code: |reject\([^'`;]*?)'([a-z]+(?:-[a-z]+)*)'/g)].map((m) => m[1] as string)), // prettier-ignore
  ),
);
describe('a refusal is told in the language of the reader', () => {
  it('of every code there is', () => {
    expect(codes.size).toBeGreaterThan(20);
    // Passed over in silence, so nobody reads of it.
    codes.delete('not-a-reading');
    expect([...codes].filter((code) => !rows.some(([key]) => key === `fix.${code}`)).sort()).toEqual([]);
  });
});

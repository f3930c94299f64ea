import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pseudonymKeyIn } from '../../ingest/pseudonym-key.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lamppost-key-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the key for pseudonyms', () => {
  it('is made once, readable by the server alone, and the same at every start', () => {
    const key = pseudonymKeyIn(folder);
    expect(key).toHaveLength(32);
    expect(pseudonymKeyIn(folder)).toEqual(key);
    expect(statSync(join(folder, 'pseudonym.key')).mode & 0o077).toBe(0);
    expect(readFileSync(join(folder, 'pseudonym.key'), 'utf8')).toContain(key.toString('hex'));
  });
  it('a damaged one stops the start and is left as it is: another key would rename every box', () => {
    writeFileSync(join(folder, 'pseudonym.key'), 'abc');
    expect(() => pseudonymKeyIn(folder)).toThrow(/restore it/);
    expect(readFileSync(join(folder, 'pseudonym.key'), 'utf8')).toBe('abc');
  });
});

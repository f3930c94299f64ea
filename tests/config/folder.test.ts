import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeDataFolder } from '../../cli/folder.ts';

const root = mkdtempSync(join(tmpdir(), 'lamppost-folder-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('the data folder', () => {
  it('is made with those above it, for its owner alone, and may be there already', () => {
    const path = join(root, 'a', 'b');
    for (let i = 0; i < 2; i++) expect(makeDataFolder(path).root).toBe(path);
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it('below a file is refused in words', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => makeDataFolder(join(root, 'file', 'data'))).toThrow(/cannot make the data folder .*LAMPPOST_DATA_DIR/);
  });

  it.skipIf(process.platform !== 'linux')(
    'where the system lets nobody make one, is refused and not tried for ever',
    () => {
      expect(() => makeDataFolder('/proc/lamppost/data')).toThrow(/cannot make the data folder \/proc\/lamppost\/data/);
    },
  );
});

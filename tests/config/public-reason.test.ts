import { expect, it } from 'vitest';
import { publicReason } from '../../cli/public-reason.ts';

it.each([
  ['ENOSPC: no space left on device, write /data/journal/data.mdb', 'the disk is full'],
  ['IO Error: Could not write file "/data/x": No space left on device', 'the disk is full'],
  ['EROFS: read-only file system, open /home/li/data', 'the disk is read-only'],
  ['Cannot open file: Permission denied', 'the data folder may not be written'],
  ['EIO: i/o error, fsync', 'the disk reports errors'],
  ['damaged files were set aside as *.corrupt: parquet/days/…', 'files are damaged'],
])('says of "%s" that %s, and no path', (problem, kind) => {
  expect(publicReason('the journal takes no packets', problem)).toBe(
    `the journal takes no packets: ${kind}; the log says more`,
  );
});

it('says nothing of what it does not know', () => {
  expect(publicReason('the store does not work', 'secret /path')).toBe('the store does not work; the log says why');
});

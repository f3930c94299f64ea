import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openAccessLog } from '../../cli/access-log.ts';
import type { Log } from '../../cli/log.ts';
import { DAY, HOUR } from '../../model/time.ts';

const T = Date.UTC(2026, 10, 21, 23, 30);
const folder = mkdtempSync(join(tmpdir(), 'lamppost-access-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('addresses stand in the file of the day, never in the log, and end after 28 days', () => {
  const said: string[] = [];
  const write = (details: object, message: string): void => void said.push(JSON.stringify([details, message]));
  const log: Log = { error: write, warn: write, info: write, debug: write };
  let now = T;
  const access = openAccessLog(join(folder, 'access'), log, () => now);
  expect(access.prune(now)).toBe(0);
  access.log.warn({ address: '203.0.113.77', user: 'abc', reason: 'credentials' }, 'refused');
  access.log.info({ boxes: 3 }, 'ready');
  now += HOUR;
  access.log.warn({ address: '2001:db8::1', reason: 'bad-topic' }, 'refused');
  expect(said).toEqual([
    '[{"user":"abc","reason":"credentials"},"refused"]',
    '[{"boxes":3},"ready"]',
    '[{"reason":"bad-topic"},"refused"]',
  ]);
  const files = () => readdirSync(join(folder, 'access')).sort();
  expect(files()).toEqual(['2026-11-21.jsonl', '2026-11-22.jsonl']);
  const [line] = readFileSync(join(folder, 'access', '2026-11-21.jsonl'), 'utf8')
    .trim()
    .split('\n');
  expect(JSON.parse(line ?? '')).toEqual({ time: '2026-11-21T23:30:00Z', address: '203.0.113.77', message: 'refused', user: 'abc', reason: 'credentials' }); // prettier-ignore
  writeFileSync(join(folder, 'access', 'notes.txt'), 'not ours');
  // A day goes when its last line is 28 days old, not before.
  expect(access.prune(Date.UTC(2026, 10, 22) + 28 * DAY - 1)).toBe(0);
  expect(access.prune(Date.UTC(2026, 10, 22) + 28 * DAY)).toBe(1);
  expect(files()).toEqual(['2026-11-22.jsonl', 'notes.txt']);
});

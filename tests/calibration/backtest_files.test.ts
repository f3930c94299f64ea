import { execFileSync, spawn } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseDuration, runBacktest } from '../../calibration/backtest/command.ts';

let dir: string;
let said: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lamppost-backtest-'));
  said = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.push(String(text));
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true });
});

const BOXES = 'box,lat,lon,sensor\nA,24.1,120.6,PMS5003\nB,,,\n';
const READINGS =
  'box,time,pm25,temperature,humidity\nA,2026-01-01T00:00:00Z,20,20,60\nB,2026-01-01T00:00:00Z,7,,\nA,2026-01-01T00:00:00Z,21,20,60\n';

const put = (name: string, content: string | Buffer): string => {
  const file = join(dir, name);
  writeFileSync(file, content);
  return file;
};
const run = (files: { boxes?: string; readings?: string | Buffer; more?: string[] }): Promise<number> =>
  runBacktest([
    '--boxes',
    put('boxes.csv', files.boxes ?? BOXES),
    '--readings',
    put('readings.csv', files.readings ?? READINGS),
    '--out',
    join(dir, 'out.csv'),
    ...(files.more ?? []),
  ]);
const left = (): string[] => readdirSync(dir).filter((f) => f.startsWith('out'));

describe('lamppost backtest on files', () => {
  it('writes one row per reading in the order of the file', async () => {
    expect(await run({})).toBe(0);
    const lines = readFileSync(join(dir, 'out.csv'), 'utf8').split('\n');
    expect(lines[0]).toBe('box,time,raw,corrected,lo90,hi90,flag,reasons,level,model');
    // Barkjohn: 0.524·20 − 0.0862·60 + 5.75 = 11.058
    expect(lines[1]).toMatch(/^A,2026-01-01T00:00:00Z,20,11\.1,/);
    expect(lines[1]).toMatch(/,L2,barkjohn-2021$/);
    expect(lines[2]).toMatch(/^B,2026-01-01T00:00:00Z,7,,,,\d,[^,]*pm25\.no_model,,$/);
    expect(lines[3]).toMatch(/^A,2026-01-01T00:00:00Z,21,,,,4,pm25\.duplicate,,$/);
    expect(lines).toHaveLength(5);
  });
  it('reads gzip, whatever the name, and writes the same bytes twice', async () => {
    await run({});
    const plain = readFileSync(join(dir, 'out.csv'));
    expect(await run({ readings: gzipSync(READINGS) })).toBe(0);
    expect(readFileSync(join(dir, 'out.csv')).equals(plain)).toBe(true);
  });
  it('a header alone is a run without rows', async () => {
    expect(await run({ readings: 'box,time,pm25\n' })).toBe(0);
    expect(readFileSync(join(dir, 'out.csv'), 'utf8').split('\n')).toHaveLength(2);
  });
  it.each([
    ['', 'readings.csv, line 1, column box'],
    ['box,time\nA,2026-01-01T00:00:00Z\n', 'readings.csv, line 1, column pm25'],
    ['box,time,pm25\nA,2026-01-01T00:00:00Z,abc\n', 'readings.csv, line 2, column pm25'],
    ['box,time,pm25\nA,yesterday,1\n', 'readings.csv, line 2, column time'],
    ['box,time,pm25\nA,2026-02-30T00:00:00Z,1\n', 'readings.csv, line 2, column time'],
    ['box,time,pm25\n,2026-01-01T00:00:00Z,1\n', 'readings.csv, line 2, column box'],
    ['box,time,pm25\nA,2026-01-01T00:00:00Z\n', 'readings.csv, line 2, column 3'],
    ['box,time,pm25\nA,"2026-01-01T00:00:00Z,1\n', 'readings.csv, line'],
    ['box,time,pm25,pm25\n', 'readings.csv, line 1, column pm25: appears twice'],
  ])('%j is an error that says where', async (readings, where) => {
    expect(await run({ readings })).toBe(1);
    expect(said.join('')).toContain(where);
    expect(left()).toEqual([]);
  });
  it('the case of column names does not count', async () => {
    await run({});
    const plain = readFileSync(join(dir, 'out.csv'), 'utf8');
    expect(await run({ readings: READINGS.replace('box,time,pm25,temperature,humidity', 'Box,TIME,PM25,Temperature,Humidity') })).toBe(0); // prettier-ignore
    expect(readFileSync(join(dir, 'out.csv'), 'utf8')).toBe(plain);
  });
  it('says which columns are not used, and which names only one file knows', async () => {
    // prettier-ignore
    const files = [
      '--stations', put('stations.csv', 'station,lat,lon\nS,24,120\n'),
      '--reference', put('reference.csv', 'station,time,pm25\nS,2026-01-01T00:00:00Z,9\nT,2026-01-01T00:00:00Z,9\n'),
      '--colocation', put('colocation.csv', 'box,station\nA,Q\nZ,S\n'),
    ];
    const readings = READINGS.replace('humidity', 'rh').replace('B,2026', 'C,2026');
    expect(await run({ readings, more: files })).toBe(0);
    const words = said.join('');
    expect(words).toContain('not used: column rh; known are');
    expect(words).toContain('1 boxes of the readings are not in the list of boxes (no place, no sensor): C\n');
    expect(words).toContain('1 stations of the reference are not in the list of stations (no place): T\n');
    expect(words).toContain('1 boxes of the co-location are not in the readings: Z\n');
    expect(words).toContain('1 stations of the co-location are not in the reference: Q\n');
    said.length = 0;
    expect(await run({})).toBe(0);
    expect(said.join('')).not.toContain('note');
  });
  it('shows a header it cannot use, and no bytes that are no text', async () => {
    expect(await run({ readings: 'box;time;pm25\nA;2026-01-01T00:00:00Z;3\n' })).toBe(1);
    expect(said.join('')).toContain('found: box;time;pm25\n');
    expect(await run({ readings: `box,time,pm25\nA,"\x1b[2J\x07${'x'.repeat(500)}"y,3\n` })).toBe(1);
    for (const odd of ['\x07', '\x1b', 'x'.repeat(300)]) expect(said.join('')).not.toContain(odd);
  });
  it('damaged gzip is an error and leaves nothing', async () => {
    const bytes = gzipSync(READINGS.repeat(50));
    expect(await run({ readings: bytes.subarray(0, bytes.length - 20) })).toBe(1);
    expect(said.join('')).toContain('readings.csv');
    expect(left()).toEqual([]);
  });
  it('wrong places and boxes listed twice are errors', async () => {
    expect(await run({ boxes: 'box,lat,lon,sensor\nA,124,20,\n' })).toBe(1);
    expect(await run({ boxes: 'box,lat,lon,sensor\nA,1,2,\nA,1,2,\n' })).toBe(1);
    expect(said.join('')).toContain('boxes.csv, line 2, column lat');
    expect(said.join('')).toContain('boxes.csv, line 3, column box');
  });
  it('what was not measured is missing (9), whatever stands for it', async () => {
    const cells = ['', 'NaN', 'n/a', 'inf'];
    const rows = cells.map((v, i) => `A,2026-01-01T0${i}:00:00Z,${v},20,60\n`).join('');
    expect(await run({ readings: `box,time,pm25,temperature,humidity\n${rows}` })).toBe(0);
    const lines = readFileSync(join(dir, 'out.csv'), 'utf8').trim().split('\n').slice(1);
    expect(lines.map((line) => line.split(',').slice(2).join(','))).toEqual(cells.map(() => ',,,,9,pm25.missing,,'));
  });
  it('does not write over what it reads, nor computes what it cannot write', async () => {
    const readings = put('readings.csv', READINGS);
    const args = ['--boxes', put('boxes.csv', BOXES), '--readings', readings, '--out'];
    expect(await runBacktest([...args, join(dir, '.', 'readings.csv')])).toBe(2);
    expect(readFileSync(readings, 'utf8')).toBe(READINGS);
    expect(await runBacktest([...args, join(dir, 'no', 'folder', 'out.csv')])).toBe(1);
    expect(said.join('')).toContain('cannot be written');
    mkdirSync(join(dir, 'folder'));
    expect(await runBacktest([...args, join(dir, 'folder')])).toBe(1);
    expect(said.join('')).toContain('folder: cannot be written (it is a folder)');
  });
  it.skipIf(process.platform === 'win32')(
    'writes into a pipe or a device instead of putting a file in its place',
    async () => {
      await run({});
      const pipe = join(dir, 'pipe');
      execFileSync('mkfifo', [pipe]);
      const reader = spawn('cat', [pipe], { timeout: 10_000 });
      const heard = text(reader.stdout);
      expect(await run({ more: ['--out', pipe] })).toBe(0);
      expect(lstatSync(pipe).isFIFO()).toBe(true);
      expect(await heard).toBe(readFileSync(join(dir, 'out.csv'), 'utf8'));
    },
  );
  it('wrong use is 2, a missing file 1', async () => {
    expect(await runBacktest(['--boxes', 'x'])).toBe(2);
    expect(await runBacktest(['--nonsense'])).toBe(2);
    expect(await run({ more: ['--reference-step', 'tomorrow'] })).toBe(2);
    expect(await run({ more: ['--fit-until', 'soon'] })).toBe(2);
    expect(await run({ more: ['--reference', 'r.csv'] })).toBe(2);
    expect(
      await runBacktest(['--boxes', join(dir, 'none.csv'), '--readings', 'x', '--out', join(dir, 'out.csv')]),
    ).toBe(1);
  });
  it.each([
    ['PT1H', 3_600_000],
    ['P1D', 86_400_000],
    ['PT0S', 0],
    ['PT30M', 1_800_000],
    ['P1M', null],
    ['1H', null],
    ['PT', null],
  ])('duration %s', (text, ms) => expect(parseDuration(text)).toBe(ms));
});

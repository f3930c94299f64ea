/**
 * Holes in the data, each through `lamppost backtest` on files: a clear error, or rows that each carry a number with its interval or say why not.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runBacktest } from '../../calibration/backtest/command.ts';
import { formatTime } from '../../model/time.ts';
import { HOUR, smallCity, START, type Row } from './small_city.ts';

const DAYS = 9;
const city = smallCity(DAYS, { seed: 8 });

let dir: string;
let said: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lamppost-bad-'));
  said = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true });
});

interface Files {
  boxes: string;
  readings: string;
  stations: string | null;
  reference: string | null;
  colocation: string | null;
}
const HEAD = 'box,time,pm25,temperature,humidity';
const line = (r: Row): string =>
  `${r.box},${formatTime(r.time)},${r.pm25.toFixed(2)},${r.temperature.toFixed(1)},${Number.isNaN(r.humidity) ? '' : r.humidity.toFixed(1)}`;
const csv = (head: string, lines: readonly string[]): string => `${[head, ...lines].join('\n')}\n`;
const good = (rows: readonly Row[] = city.rows): Files => ({
  boxes: csv(
    'box,lat,lon,sensor',
    city.input.boxes.map((b) => `${b.id},${b.lat},${b.lon},${b.sensor}`),
  ),
  readings: csv(HEAD, rows.map(line)),
  stations: csv(
    'station,lat,lon',
    city.input.stations.map((s) => `${s.id},${s.lat},${s.lon}`),
  ),
  reference: csv('station,time,pm25', city.input.reference.map((r) => `${r.station},${formatTime(r.time)},${r.pm25.toFixed(2)}`)), // prettier-ignore
  colocation: csv('box,station', ['b0,s0', 'b1,s1', 'b2,s2']),
});

async function run(files: Files): Promise<number> {
  const args: string[] = ['--out', join(dir, 'out.csv')];
  for (const [name, text] of Object.entries(files) as [string, string | null][]) {
    if (text === null) continue;
    writeFileSync(join(dir, `${name}.csv`), text);
    args.push(`--${name}`, join(dir, `${name}.csv`));
  }
  return runBacktest(args);
}

interface Answer {
  readonly box: string;
  readonly time: string;
  readonly raw: string;
  readonly corrected: string;
  readonly flag: number;
  readonly reasons: string;
  readonly level: string;
}
/** Every row of the output holds: numbers only, an interval exactly with a value, a reason without one. */
function answers(): Answer[] {
  const lines = readFileSync(join(dir, 'out.csv'), 'utf8').trimEnd().split('\n').slice(1);
  return lines.map((text) => {
    const [box = '', time = '', raw = '', corrected = '', lo = '', hi = '', flag = '', reasons = '', level = '', model = ''] = text.split(','); // prettier-ignore
    expect(text).not.toMatch(/NaN|Infinity|undefined|null/);
    expect([1, 2, 3, 4, 9]).toContain(Number(flag));
    expect([lo === '', hi === '', level === '', model === ''], text).toEqual(Array(4).fill(corrected === ''));
    if (corrected === '') expect(reasons, text).not.toBe('');
    else {
      expect(Number(lo)).toBeLessThanOrEqual(Number(corrected));
      expect(Number(hi)).toBeGreaterThanOrEqual(Number(corrected));
      expect(Number(flag)).not.toBe(4);
    }
    return { box, time, raw, corrected, flag: Number(flag), reasons, level };
  });
}
const rmse = (found: readonly Answer[], from = 5): number => {
  const errors = found.flatMap((a) => {
    const t = Date.parse(a.time);
    const y = city.truth.get(`${a.box} ${t}`);
    return a.corrected === '' || y === undefined || t < START + from * 24 * HOUR
      ? []
      : [(Number(a.corrected) - y) ** 2];
  });
  return Math.sqrt(errors.reduce((s, e) => s + e, 0) / errors.length);
};

describe('holes in the data', () => {
  it('nothing wrong', async () => {
    expect(await run(good())).toBe(0);
    expect(rmse(answers())).toBeLessThan(2.5);
  });
  it('no humidity: answers beside and near stations, refusals before there is a fit', async () => {
    const rows = city.rows.map((r) => ({ ...r, humidity: NaN }));
    const files = { ...good(rows), readings: csv('box,time,pm25', rows.map((r) => `${r.box},${formatTime(r.time)},${r.pm25.toFixed(2)}`)) }; // prettier-ignore
    expect(await run(files)).toBe(0);
    const found = answers();
    expect(found[0]?.reasons).toContain('pm25.input');
    expect(found.filter((a) => a.corrected !== '').length).toBeGreaterThan(found.length / 2);
  });
  it('no station at all: the published equation, or a refusal', async () => {
    expect(await run({ ...good(), stations: null, reference: null, colocation: null })).toBe(0);
    expect(new Set(answers().map((a) => a.level))).toEqual(new Set(['L2']));
  });
  it('no station alive: every reference empty', async () => {
    const reference = csv(
      'station,time,pm25',
      city.input.reference.map((r) => `${r.station},${formatTime(r.time)},`),
    );
    expect(await run({ ...good(), reference })).toBe(0);
    expect(new Set(answers().map((a) => a.level))).toEqual(new Set(['L2']));
  });
  it('reference of another year', async () => {
    const old = city.input.reference.map((r) => `${r.station},${formatTime(r.time - 9000 * HOUR)},${r.pm25.toFixed(2)}`); // prettier-ignore
    expect(await run({ ...good(), reference: csv('station,time,pm25', old) })).toBe(0);
    expect(answers().every((a) => a.corrected !== '')).toBe(true);
  });
  it('one box alone', async () => {
    const rows = city.rows.filter((r) => r.box === 'b4');
    const boxes = 'box,lat,lon,sensor\nb4,24.08,120.64,PMS5003\n';
    expect(await run({ boxes, readings: csv(HEAD, rows.map(line)), stations: null, reference: null, colocation: null })).toBe(0); // prettier-ignore
    expect(answers()).toHaveLength(rows.length);
  });
  it('all boxes shifted together is air, not a fault', async () => {
    const rows = city.rows.map((r) => (r.time > START + 6 * 24 * HOUR ? { ...r, pm25: 2 * r.pm25 + 20 } : r));
    expect(await run(good(rows))).toBe(0);
    const found = answers().filter((a) => Date.parse(a.time) > START + 6 * 24 * HOUR);
    expect(found.filter((a) => a.flag >= 3).length / found.length).toBeLessThan(0.05);
  });
  it.each([
    ['constant', () => 17],
    ['far too high', (y: number) => 3 * y + 40],
    ['error codes', (_y: number, i: number) => [-999, 9999, 985, 65535][i % 4] as number],
  ] as const)('a station that lies: %s', async (_name, lie) => {
    const reference = city.input.reference.map((r, i) => `${r.station},${formatTime(r.time)},${(r.station === 's0' ? lie(r.pm25, i) : r.pm25).toFixed(2)}`); // prettier-ignore
    expect(await run({ ...good(), reference: csv('station,time,pm25', reference) })).toBe(0);
    const others = answers().filter((a) => ['b1', 'b2', 'b4', 'b5'].includes(a.box));
    expect(rmse(others)).toBeLessThan(5);
  });
  it('wrong clocks: a reference three hours early, a box that stamps a year ahead and back', async () => {
    const reference = city.input.reference.map((r) => `${r.station},${formatTime(r.time - 3 * HOUR)},${r.pm25.toFixed(2)}`); // prettier-ignore
    const rows = city.rows.map((r, i) => (r.box === 'b5' && i % 7 === 0 ? { ...r, time: r.time + (i % 2 ? 1 : -1) * 8766 * HOUR } : r)); // prettier-ignore
    expect(await run({ ...good(rows), reference: csv('station,time,pm25', reference) })).toBe(0);
    expect(answers()).toHaveLength(rows.length);
  });
  it('duplicate rows: the first counts, the others say so', async () => {
    const rows = city.rows.flatMap((r, i) => (i % 5 === 0 ? [r, { ...r, pm25: r.pm25 + 50 }] : [r]));
    expect(await run(good(rows))).toBe(0);
    const found = answers();
    expect(found.filter((a) => a.reasons.includes('pm25.duplicate')).length).toBe(rows.length - city.rows.length);
    expect(rmse(found)).toBeLessThan(2.5);
  });
  it('unsorted rows give the same answers', async () => {
    expect(await run(good())).toBe(0);
    const straight = new Map(answers().map((a) => [`${a.box} ${a.time}`, a]));
    const shuffled = city.rows.map((r, i) => ({ r, key: (i * 7919) % city.rows.length })).sort((a, b) => a.key - b.key).map(({ r }) => r); // prettier-ignore
    const reversed = [...city.input.reference].reverse().map((r) => `${r.station},${formatTime(r.time)},${r.pm25.toFixed(2)}`); // prettier-ignore
    expect(await run({ ...good(shuffled), reference: csv('station,time,pm25', reversed) })).toBe(0);
    for (const a of answers()) expect(a).toEqual(straight.get(`${a.box} ${a.time}`));
  });
  it('boxes that boxes.csv does not know, places that are none', async () => {
    const files = { ...good(), boxes: 'box,lat,lon,sensor\nb0,0,0,PMS5003\nb1,,,PMS5003\n', colocation: null };
    expect(await run(files)).toBe(0);
    expect(answers().filter((a) => a.box === 'b5').every((a) => a.corrected === '' && a.reasons.includes('no_model'))).toBe(true); // prettier-ignore
  });
  it('every reading of the file at one moment', async () => {
    expect(await run(good(city.rows.slice(0, 60).map((r) => ({ ...r, time: START }))))).toBe(0);
    expect(answers().filter((a) => a.reasons.includes('duplicate')).length).toBe(54);
  });
  it('nothing but missing values and error codes', async () => {
    const codes = ['', '-999', '65535', '-1', '1e9', '-0', '0'];
    const lines = city.rows.slice(0, 300).map((r, i) => `${r.box},${formatTime(r.time)},${codes[i % codes.length]},${codes[(i + 1) % codes.length]},${codes[(i + 2) % codes.length]}`); // prettier-ignore
    expect(await run({ ...good(), readings: csv(HEAD, lines) })).toBe(0);
    answers();
  });
});

describe('files that cannot be read are named, and nothing is left behind', () => {
  it.each([
    ['an empty file', { readings: '' }, /readings\.csv, line 1, column box: the file is empty/],
    ['empty reference', { reference: '' }, /reference\.csv, line 1, column station: the file is empty/],
    ['empty boxes', { boxes: '' }, /boxes\.csv, line 1, column box: the file is empty/],
    ['wrong columns', { readings: 'device,when,value\na,b,c\n' }, /readings\.csv, line 1, column box: is missing from the header; needed: box, time, pm25/],
    ['wrong columns of stations', { stations: 'id,lat,lon\ns0,24,120\n' }, /stations\.csv, line 1, column station: is missing/],
    ['a time without zone', { readings: 'box,time,pm25\nb0,2026-01-05 00:00,12\n' }, /readings\.csv, line 2, column time: "2026-01-05 00:00" is not an RFC 3339 time/],
    ['words for a number', { readings: 'box,time,pm25\nb0,2026-01-05T00:00:00Z,high\n' }, /readings\.csv, line 2, column pm25: "high" is not a number/],
    ['a comma too many', { readings: 'box,time,pm25\nb0,2026-01-05T00:00:00Z,12,3\n' }, /readings\.csv, line 2, column 4: 4 cells where the header has 3/],
    ['an impossible place', { boxes: 'box,lat,lon,sensor\nb0,120,24,PMS5003\n' }, /boxes\.csv, line 2, column lat: must lie between/],
  ] as const)('%s', async (_name, change, words) => {
    expect(await run({ ...good(city.rows.slice(0, 30)), ...change })).toBe(1);
    expect(said).toMatch(words);
    expect(readdirSync(dir).filter((f) => f.startsWith('out'))).toEqual([]);
  }); // prettier-ignore
  it('a header alone is a run without rows', async () => {
    expect(await run({ ...good(), readings: `${HEAD}\n`, reference: 'station,time,pm25\n' })).toBe(0);
    expect(answers()).toEqual([]);
  });
});

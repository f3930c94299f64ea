/** Made-up places that once broke the correction; `node bench/evaluate/adversary.ts` has all of them, and the numbers. */
import { describe, expect, it } from 'vitest';
import { runBacktest } from '../../calibration/backtest/run.ts';
import type { StageBox } from '../../calibration/stage.ts';
import { judgeWorld, type Row as Judged } from '../../bench/evaluate/adversary.ts';
import type { WorldName } from '../../bench/evaluate/worlds.ts';
import { DAY, HOURLY, smallCity, START, table, type Row } from './small_city.ts';

const row = (name: WorldName, kind: Judged['kind']): Judged =>
  judgeWorld(name, [11]).find((r) => r.kind === kind) as Judged;

describe('made-up places', () => {
  it.each([
    ['Delhi, raw nearly right', 'without', 1],
    ['Oslo, one station', 'without', 0.95],
    ['liar', 'beside', 0.25],
    ['three days', 'without', 0.5],
  ] as const)(
    '%s: boxes %s a station of their own come out better than raw, and the intervals hold',
    (name, kind, most) => {
      const r = row(name, kind);
      expect(r.answered).toBeGreaterThan(0.95);
      expect(r.corrected).toBeLessThan(most * r.raw);
      expect(r.coverage).toBeGreaterThan(85);
    },
  );
});

describe('a box beside a station that nobody declared', () => {
  it('learns from the boxes beside it, and has an interval of its own kind', () => {
    const city = smallCity(20, { seed: 5 });
    const like = (id: string, gain: number): Row[] =>
      city.rows.filter((r) => r.box === 'b0').map((r) => ({ ...r, box: id, pm25: gain * r.pm25 }));
    const rows = [...city.rows, ...like('b6', 1.2), ...like('b7', 1.1)].sort((a, b) => a.time - b.time);
    const [first] = city.input.boxes;
    const boxes = [...city.input.boxes, { ...first, id: 'b6', num: 7 }, { ...first, id: 'b7', num: 8 }] as StageBox[];
    const colocations = [...(city.input.colocations ?? []), { box: 'b6', station: 's0' }];
    const out = runBacktest({ ...city.input, boxes, readings: table(rows), colocations }, HOURLY);
    const judge = (box: string): { width: number; coverage: number } => {
      let [n, width, inside] = [0, 0, 0];
      rows.forEach((row, i) => {
        const y = city.truth.get(`${box === 'b7' ? 'b0' : box} ${row.time}`) as number;
        if (row.box !== box || row.time < START + 10 * DAY || Number.isNaN(out.corrected[i])) return;
        const [lo, hi] = [out.lo90[i] as number, out.hi90[i] as number];
        n++;
        width += hi - lo;
        if (lo <= y && y <= hi) inside++;
      });
      return { width: width / n, coverage: inside / n };
    };
    expect(judge('b7').coverage).toBeGreaterThan(0.85);
    expect(judge('b7').width).toBeLessThan(0.75 * judge('b5').width);
  });
});

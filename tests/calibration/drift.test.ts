/** Boxes without a station that lose or gain a percent a day: what is sure of it is taken off, and what is said of it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { createStage } from '../../calibration/create.ts';
import { reason } from '../../model/flags.ts';
import type { RawReading } from '../../model/observation.ts';
import { HOUR, random, START } from './small_city.ts';

const DRIFT = reason('drift');
/** Boxes beside stations 0–2, then boxes without: 6 loses 1 % a day from day 18 on, 9 gains 1 %. */
const RATE = new Map([
  [6, -0.01],
  [9, 0.01],
]);
const FROM = 18;
const BOXES = 12;

interface Tally {
  n: number;
  error: number;
  raw: number;
  bias: number;
  hits: number;
  remarked: number;
}

function simulate(
  days: number,
  rates: ReadonlyMap<number, number>,
  repairedOn = Infinity,
): Map<number, Map<number, Tally>> {
  const next = random(11);
  const stage = createStage({ lagMs: 0 });
  const place = (i: number) => ({ lat: 24 + 0.012 * (i % 4), lon: 120.6 + 0.012 * Math.floor(i / 4) });
  for (let i = 0; i < 3; i++) stage.setStation({ id: `s${i}`, num: 100 + i, ...place(5 * i) });
  for (let i = 0; i < BOXES; i++)
    stage.setBox({ id: `b${i}`, num: i + 1, ...place(i < 3 ? 5 * i : i), sensor: 'PMS5003', field: '', trusted: true, exposure: 'outdoor' }); // prettier-ignore
  stage.setColocations([0, 1, 2].map((i) => ({ box: `b${i}`, station: `s${i}` })));
  const gains = Array.from({ length: BOXES }, () => Math.exp(0.1 * (next() + next() + next() - 1.5)));
  const weeks = new Map<number, Map<number, Tally>>();
  let level = 20;
  for (let h = 0; h < days * 24; h++) {
    const time = START + h * HOUR;
    const day = h / 24;
    level = Math.max(4, level + (next() - 0.5) * 6 + 0.04 * (20 - level));
    const rh = 60 + 20 * Math.sin((2 * Math.PI * h) / 24);
    const airs = gains.map(() => level * (1 + 0.06 * (next() - 0.5)));
    stage.advance(time);
    const readings = gains.map((gain, i): RawReading => {
      const gone = day < repairedOn ? Math.max(0, day - FROM) : 0;
      const raw = 1.8 * gain * (airs[i] as number) * (1 + (rates.get(i) ?? 0)) ** gone;
      return {
        stage: 'raw',
        thing: `b${i}`,
        thingNum: i + 1,
        phenomenonTime: time,
        resultTime: time,
        clock: 'box',
        seq: 0,
        values: [
          { property: 'pm25', raw: Math.round(10 * (raw + (next() - 0.5))) / 10 },
          { property: 'temperature', raw: 20 },
          { property: 'humidity', raw: rh },
        ],
      };
    });
    for (const [i, r] of stage.correct(stage.check(readings)).entries()) {
      const v = r.values[0];
      const air = airs[i] as number;
      const week = Math.floor(day / 7);
      const of = weeks.get(week) ?? new Map<number, Tally>();
      weeks.set(week, of);
      const t = of.get(i) ?? { n: 0, error: 0, raw: 0, bias: 0, hits: 0, remarked: 0 };
      of.set(i, t);
      if (!v || v.corrected === null) continue;
      t.n++;
      t.error += (v.corrected - air) ** 2;
      t.raw += (v.raw - air) ** 2;
      t.bias += Math.log(v.corrected + 5) - Math.log(air + 5);
      if (air >= (v.lo90 as number) && air <= (v.hi90 as number)) t.hits++;
      if (v.reasons & DRIFT) t.remarked++;
    }
    stage.reference([0, 1, 2].map((i) => ({ station: `s${i}`, time, pm25: (airs[i] as number) + (next() - 0.5) })));
  }
  return weeks;
}

describe('a box without station that drifts by 1 % a day for seven weeks', () => {
  let weeks = new Map<number, Map<number, Tally>>();
  beforeAll(() => {
    weeks = simulate(FROM + 52, RATE);
  });
  it.each([6, 9])('box %i never is further off than a sixth, and says that it drifts', (i) => {
    for (const [week, of] of weeks) {
      const t = of.get(i) as Tally;
      expect(Math.abs(t.bias / t.n), `week ${week}`).toBeLessThan(0.18);
      if (week >= 7) expect(t.hits / t.n, `interval of week ${week}`).toBeGreaterThan(0.45);
      if (week >= 7) expect(t.remarked / t.n, `remark of week ${week}`).toBeGreaterThan(0.95);
    }
  });
  it('leaves the others alone', () => {
    for (const [week, of] of weeks)
      for (const i of [3, 4, 5, 7, 8, 10, 11]) expect((of.get(i) as Tally).remarked, `box ${i}, week ${week}`).toBe(0);
  });
});

it('is believed again when it has been repaired', () => {
  const weeks = simulate(FROM + 59, RATE, FROM + 38);
  const last = weeks.get(Math.floor((FROM + 58) / 7)) as Map<number, Tally>;
  for (const i of [6, 9]) {
    const t = last.get(i) as Tally;
    expect(Math.abs(t.bias / t.n)).toBeLessThan(0.15);
    expect(t.remarked).toBe(0);
  }
});

describe('a town whose boxes without station all lose 1 % a day', () => {
  const all = (from: number): Map<number, number> => new Map(Array.from({ length: BOXES - from }, (_, i) => [from + i, -0.01])); // prettier-ignore
  const bias = (of: ReadonlyMap<number, Tally>): number => {
    const tallies = [...of].filter(([i]) => i >= 3).map(([, t]) => t.bias / t.n);
    return tallies.reduce((a, b) => a + b, 0) / tallies.length;
  };
  it('is told by the boxes beside stations', () => {
    const weeks = simulate(FROM + 45, all(3));
    const first = bias(weeks.get(1) as Map<number, Tally>);
    for (const [week, of] of weeks) {
      if (week === 9) break;
      // Left alone it would be 0.25 in the last week.
      expect(Math.abs(bias(of) - first), `week ${week}`).toBeLessThan(0.2);
    }
    const last = weeks.get(8) as Map<number, Tally>;
    expect(Math.abs(bias(last) - first)).toBeLessThan(0.16);
    for (const [i, t] of last) expect(t.remarked > 0, `box ${i}`).toBe(i >= 3);
  });
  it('is not blamed when the boxes beside stations do the same: that is the weather, or the reference', () => {
    for (const [week, of] of simulate(FROM + 45, all(0)))
      for (const [i, t] of of) expect(t.remarked, `box ${i}, week ${week}`).toBe(0);
  });
});

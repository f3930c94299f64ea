import { describe, expect, it } from 'vitest';
import { scanClock } from '../../calibration/correction/clock.ts';
import { consensusOf, consent, logOf, newGain } from '../../calibration/correction/consensus.ts';
import { answerIn, newHistory, record, stepMean } from '../../calibration/correction/history.ts';
import { Correction } from '../../calibration/correction/correction.ts';
import { fitRobust, newRows } from '../../calibration/correction/linear.ts';
import { nameModel } from '../../calibration/correction/models.ts';
import { isReference, isStuck, newStuck } from '../../calibration/correction/reference.ts';
import { krige } from '../../calibration/correction/spatial.ts';
import {
  gainsInScores,
  intervalForNewPlace,
  keep,
  newScores,
  SAME_PLACE,
} from '../../calibration/correction/places.ts';
import {
  lean,
  newQuantiles,
  newTilt,
  newUnrest,
  startScale,
  stir,
  tilted,
  track,
  unrestNow,
} from '../../calibration/correction/uncertainty.ts';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';

/** mulberry32: seeded, so that a failure can be repeated. */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

describe('regression', () => {
  it('is pulled little by outliers and towards the prior without data', () => {
    const rows = newRows(2);
    for (let i = 0; i < 200; i++) {
      rows.x.push(1, i % 40);
      rows.y.push(3 + 0.5 * (i % 40) + ((i * 7) % 5) * 0.2 + (i % 20 === 0 ? 300 : 0));
      rows.w.push(1);
      rows.n++;
    }
    const none = { mean: [0, 0], spread: [1000, 1000] };
    const fit = fitRobust(rows, none, 1.5, 0.1, 12);
    expect(fit?.beta[1]).toBeCloseTo(0.5, 1);
    const prior = fitRobust(newRows(2), { mean: [5, 0.5], spread: [1, 1] }, 2, 1);
    expect(prior?.beta).toEqual([expect.closeTo(5, 6), expect.closeTo(0.5, 6)]);
  });
  it('keeps its slope where errors grow with the concentration and are skewed, when its bounds grow with them', () => {
    const rows = newRows(2);
    const spreads: number[] = [];
    for (let i = 0; i < 400; i++) {
      const x = i % 5 === 0 ? 150 + (i % 7) * 10 : 10 + (i % 11);
      rows.x.push(1, x);
      rows.y.push(2 * x * (Math.floor(i / 5) % 4 === 0 ? 1.6 : 0.8));
      rows.w.push(1 / x ** 2);
      spreads.push(x);
      rows.n++;
    }
    const none = { mean: [0, 0], spread: [1000, 1000] };
    const slope = (of: readonly number[] | null): number => fitRobust(rows, none, 2, 0.01, 12, of)?.beta[1] as number;
    expect(slope(spreads)).toBeCloseTo(2, 1);
    expect(slope(null)).toBeLessThan(1.85);
  });
});

describe('means over a reference step', () => {
  it('need three quarters of the step', () => {
    const h = newHistory(HOUR / 4);
    for (let m = 0; m < 600; m += 10) record(h, m * MINUTE, m < 300 ? 10 : 20, NaN, NaN, NaN, NaN);
    expect(stepMean(h, 0, HOUR)?.x).toBe(10);
    expect(stepMean(h, 4.5 * HOUR, HOUR)?.x).toBe(15);
    expect(stepMean(h, 9.5 * HOUR, HOUR)).toBeNull();
  });
  it('hourly readings serve reference hours that begin at half past', () => {
    const h = newHistory(HOUR / 4);
    for (let i = 0; i < 10; i++) record(h, i * HOUR, i, 50, 20, NaN, NaN);
    expect(stepMean(h, 4.5 * HOUR, HOUR)?.x).toBeCloseTo(4.5, 6);
  });
});

describe('the answer that a step is judged by', () => {
  it('is of every part of the step in turn', () => {
    const h = newHistory(6 * HOUR);
    for (let i = 0; i < 24 * 8; i++) record(h, i * HOUR, 1, 50, 20, i % 24 < 6 ? NaN : i % 24, 2);
    const answers = Array.from({ length: 6 }, (_, day) => answerIn(h, day * DAY, DAY));
    expect(answers.map((a) => a?.y)).toEqual([6, 12, 18, 6, 12, 18]);
    expect(answers[0]?.scale).toBe(2);
    expect(answerIn(h, 9 * DAY, DAY)).toBeNull();
  });
});
describe('reference quality', () => {
  it('keeps honest noise below zero and drops error codes and their means', () => {
    expect([-3, 0, 12.5, 400].every(isReference)).toBe(true);
    expect([-999, -41.6, 985, 9999, NaN, Infinity].some(isReference)).toBe(false);
  });
  it('sees an analyser that stands still, not integer rounding in clean air', () => {
    const s = newStuck();
    expect(Array.from({ length: 10 }, (_, i) => isStuck(s, 17.3, i * HOUR)).indexOf(true)).toBe(6);
    const clean = newStuck();
    expect(Array.from({ length: 30 }, (_, i) => isStuck(clean, 2, i * HOUR)).includes(true)).toBe(false);
  });
  it('sees an analyser that shows nothing, not a clean night', () => {
    const s = newStuck();
    const stuck = (y: number, from: number, hours: number): number =>
      Array.from({ length: hours }, (_, i) => isStuck(s, y, (from + i) * HOUR)).indexOf(true);
    expect(stuck(0.02, 0, 1)).toBe(0);
    expect(stuck(4, 1, 1)).toBe(-1);
    expect(stuck(-0.5, 2, 7 * 24)).toBe(-1);
    expect(stuck(0.4, 2 + 7 * 24, 5)).toBe(0);
    expect(stuck(3, 200, 1)).toBe(-1);
  });
});

it('the night after a clock that was a year ahead for a moment is the next one', () => {
  const correction = new Correction();
  correction.setStation({ id: 's', num: 1, lat: 25, lon: 121.5 });
  const noon = Date.UTC(2026, 2, 1, 4);
  const nights = [noon, noon + 365 * DAY, noon + MINUTE].map((now) => {
    correction.advance(now);
    return (correction.state().state as { nextFit: number }).nextFit;
  });
  expect(nights).toEqual([nights[0], (nights[0] as number) + 365 * DAY, nights[0]]);
});

describe('clock scan', () => {
  const make = (shiftMs: number, days: number, noise: number, smoke = 1, seed = 3) => {
    const next = random(seed);
    const h = newHistory(HOUR / 4);
    const truth: number[] = [];
    let level = 20;
    for (let i = 0; i < days * 24; i++) {
      level = Math.max(2, level + (next() - 0.5) * 8 + 0.05 * (20 - level));
      const air = level * (i >= 48 && i < 84 ? smoke : 1);
      truth.push(air);
      for (let k = 0; k < 6; k++) record(h, i * HOUR + k * 10 * MINUTE, 2 * air + next(), 60, 20, NaN, NaN);
    }
    const time = truth.map((_, i) => i * HOUR - shiftMs);
    const y = truth.map((v) => v + (next() - 0.5) * noise);
    return { h, time, y };
  };
  it.each([5 * HOUR, -1 * HOUR, 5.5 * HOUR, -8 * HOUR])('finds %d ms', (shift) => {
    const { h, time, y } = make(shift, 10, 4);
    expect(scanClock(time, y, [h], HOUR, 0, -Infinity)?.lagMs).toBe(shift);
  });
  it('is not blinded by hours of maintenance', () => {
    const { h, time, y } = make(5 * HOUR, 10, 4);
    const spiked = y.map((v, i) => (i % 31 === 0 ? 8 * v + 100 : v));
    expect(scanClock(time, spiked, [h], HOUR, 0, -Infinity)?.lagMs).toBe(5 * HOUR);
  });
  it('is not blinded by a day and a half of smoke, which outweighs all other days together', () => {
    const { h, time, y } = make(5 * HOUR, 8, 1, 12);
    expect(scanClock(time, y, [h], HOUR, 0, -Infinity)?.lagMs).toBe(5 * HOUR);
    for (let seed = 1; seed <= 20; seed++) {
      const right = make(0, 8, 10, 12, seed);
      expect(scanClock(right.time, right.y, [right.h], HOUR, 0, -Infinity)).toBeNull();
    }
  });
  it('leaves a right clock alone, and one it has too little evidence about', () => {
    const right = make(0, 20, 10);
    expect(scanClock(right.time, right.y, [right.h], HOUR, 0, -Infinity)).toBeNull();
    const short = make(5 * HOUR, 3, 4);
    expect(scanClock(short.time, short.y, [short.h], HOUR, 0, -Infinity)).toBeNull();
  });
});

describe('intervals', () => {
  it('hold nine in ten whatever the shape of the errors', () => {
    const next = random(11);
    const q = newQuantiles();
    let hits = 0;
    const n = 6000;
    for (let i = 0; i < n; i++) {
      const score = next() ** 3 * 8 - 1; // far from symmetric
      if (i >= 500 && score <= q.high && -score <= q.low) hits++;
      track(q, score);
    }
    expect(hits / (n - 500)).toBeGreaterThan(0.885);
    expect(hits / (n - 500)).toBeLessThan(0.925);
  });
});

describe('a scale that follows', () => {
  const next = random(3);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  it('spells of large errors: most are held in the middle of one too (60 % without)', () => {
    const q = newQuantiles();
    const unrest = newUnrest();
    const hits = { calm: [0, 0], wild: [0, 0] };
    for (let i = 0; i < 8000; i++) {
      const wild = i % 400 >= 300;
      const score = (wild ? 2.5 : 0.8) * normal();
      const spell = unrestNow(unrest);
      const inside = score <= q.high * spell && -score <= q.low * spell;
      // Not the first hours of a spell: nobody can know.
      if (i > 1000 && i % 400 !== 0 && (i % 100 > 20 || !wild)) {
        const at = hits[wild ? 'wild' : 'calm'];
        at[0] = (at[0] as number) + (inside ? 1 : 0);
        at[1] = (at[1] as number) + 1;
      }
      track(q, score / spell);
      stir(unrest, score);
    }
    expect((hits.wild[0] as number) / (hits.wild[1] as number)).toBeGreaterThan(0.8);
    expect((hits.calm[0] as number) / (hits.calm[1] as number)).toBeGreaterThan(0.88);
  });
  it('errors that grow faster with the level than was assumed: the tilt is found, within bounds', () => {
    const tilt = newTilt();
    for (let i = 0; i < 20_000; i++) {
      const y = 5 * Math.exp(1.5 * next() * 2);
      lean(tilt, ((y + 5) / 20) ** 0.5 * normal(), y);
    }
    expect(tilt.power).toBeGreaterThan(0.35);
    expect(tilt.power).toBeLessThan(0.65);
    expect(tilted(tilt, 80) / tilted(tilt, 5)).toBeGreaterThan(1.8);
    const wild = newTilt();
    for (let i = 0; i < 5000; i++) lean(wild, i % 2 ? 1e9 : 0, i % 2 ? 1e6 : 0);
    expect(wild.power).toBeLessThanOrEqual(0.75);
    expect(tilted(wild, 1e9)).toBeLessThan(5);
  });
});

describe('intervals for a place that has not been seen', () => {
  it('hold about nine in ten of new places, three known ones or twelve', () => {
    const next = random(5);
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    for (const known of [3, 12]) {
      let hits = 0;
      let n = 0;
      for (let city = 0; city < 60; city++) {
        const places = Array.from({ length: known }, () => {
          const s = newScores();
          const persistent = 0.5 * normal();
          for (let i = 0; i < 200; i++) keep(s, persistent + normal(), 10);
          return s;
        });
        const { low, high } = intervalForNewPlace(places);
        for (let box = 0; box < 20; box++) {
          const persistent = 0.5 * normal();
          for (let i = 0; i < 20; i++, n++) {
            const score = persistent + normal();
            if (score <= high && -score <= low) hits++;
          }
        }
      }
      expect(hits / n).toBeGreaterThan(0.88);
      // Three say little of how places differ: rather too wide than too narrow.
      expect(hits / n).toBeLessThan(known < 5 ? 0.96 : 0.93);
    }
  });
  const hours = (persistent: number): ReturnType<typeof newScores> => {
    const next = random(9);
    const s = newScores();
    for (let i = 0; i < 300; i++) keep(s, persistent + 2 * (next() - 0.5), 10);
    return s;
  };
  it('are narrower for a box beside a station: only its gain is its own', () => {
    const two = [hours(0.1), hours(-0.1)];
    expect(intervalForNewPlace(two, SAME_PLACE).high).toBeLessThan(0.85 * intervalForNewPlace(two).high);
  });

  it('know that boxes of a type differ, when two that happen to be alike stand beside stations', () => {
    const next = random(3);
    const calm = (): ReturnType<typeof newScores> => {
      const s = newScores();
      for (let i = 0; i < 300; i++) keep(s, 0.4 * (next() - 0.5), 100);
      return s;
    };
    const two = [calm(), calm()];
    const plain = intervalForNewPlace(two).high;
    // A box that is a factor 1.22 off, at 100 µg/m³.
    const gains = 0.04;
    const off = (Math.sqrt(gains) * 105) / startScale('L4', 100, 0, Math.sqrt(gains));
    expect(plain).toBeLessThan(0.5 * off);
    const least = gainsInScores(two, 'L4', gains);
    expect(least).toBeCloseTo(off ** 2, 9);
    expect(intervalForNewPlace(two, undefined, least).high).toBeGreaterThan(1.2 * off);
    // Where hours differ more than gains do, nothing changes.
    const wild = [hours(0.1), hours(-0.1)];
    expect(intervalForNewPlace(wild, undefined, gainsInScores(wild, 'L4', 0.001))).toEqual(intervalForNewPlace(wild));
  });
});

describe('consensus', () => {
  const numbers = consensusOf({ box: 0.05, place: 0.1 });
  /** What a box far from all is told after three days beside four that read 20. */
  const after = (reads: number, km: number): number => {
    const own = newGain();
    const around = [1, 2, 3, 4].map(() => ({ gain: { ...newGain(), log: logOf(20), time: 0 }, km }));
    let y = 0;
    for (let i = 1; i <= 100; i++) {
      for (const a of around) a.gain.time = i * HOUR;
      ({ y } = consent(own, reads, i * HOUR, around, 2 * HOUR, consensusOf({ box: 0.02, place: 0.08 })));
    }
    return y;
  };
  it('leaves most of the difference to the place, where boxes are kilometres apart', () => {
    expect(after(14, 4)).toBeGreaterThan(14);
    expect(after(14, 4)).toBeLessThan(16);
  });
  it('does not hold against a box for long what was a fault for a day', () => {
    const own = newGain();
    const around = [1, 2, 3, 4].map(() => ({ gain: { ...newGain(), log: logOf(20), time: 0 }, km: 4 }));
    let y = 0;
    for (let i = 1; i <= 100; i++) {
      for (const a of around) a.gain.time = i * HOUR;
      ({ y } = consent(own, i <= 80 ? 0 : 20, i * HOUR, around, 2 * HOUR, consensusOf({ box: 0.02, place: 0.08 })));
    }
    expect(y).toBeLessThan(25);
  });
  it('takes away most of what sets a box apart from boxes at the same place', () => {
    const own = newGain();
    const around = [1, 2].map(() => ({ gain: { ...newGain(), log: logOf(20), time: 0 }, km: 0.01 }));
    let y = 0;
    for (let i = 1; i <= 300; i++) {
      for (const a of around) a.gain.time = i * HOUR;
      ({ y } = consent(own, 12, i * HOUR, around, 2 * HOUR, numbers));
    }
    expect(y).toBeGreaterThan(15);
    expect(y).toBeLessThan(20);
  });
  it('takes most of a difference away when the box is known to drift: places do not', () => {
    const told = (drifting: boolean): number => {
      const own = newGain();
      const around = [1, 2, 3, 4].map(() => ({ gain: { ...newGain(), log: logOf(20), time: 0 }, km: 4 }));
      let y = 0;
      for (let i = 1; i <= 300; i++) {
        for (const a of around) a.gain.time = i * HOUR;
        ({ y } = consent(own, 14, i * HOUR, around, 2 * HOUR, consensusOf({ box: 0.02, place: 0.08 }), drifting));
      }
      return y;
    };
    expect(told(false)).toBeLessThan(15.5);
    expect(told(true)).toBeGreaterThan(16);
  });
  it('says nothing without neighbours', () => expect(consent(newGain(), 12, 0, [], HOUR, numbers).y).toBe(12));
});

describe('kriging of residuals', () => {
  it('fades with distance and leaves out what it is told to', () => {
    const at = (lat: number) => ({ lat, lon: 121 });
    const near = krige([at(25)], [0.4], at(25.01), 30, 0.5);
    const far = krige([at(25)], [0.4], at(27), 30, 0.5);
    expect(near.value).toBeGreaterThan(0.2);
    expect(Math.abs(far.value)).toBeLessThan(0.01);
    expect(krige([at(25)], [0.4], at(25), 30, 0.5, 0).value).toBe(0);
  });
});

describe('models', () => {
  it('are named by what they are', () => {
    const card = {
      kind: 'pooled' as const,
      subject: 'plantower',
      madeAt: DAY,
      from: 0,
      to: DAY,
      pairs: 24,
      stations: ['a'],
      coefficients: { P: [1, 0.5] },
      scale: 2,
      live: {},
      guards: [],
    };
    expect(nameModel(card).id).toMatch(/^[0-9a-f]{16}$/);
    expect(nameModel({ ...card }).id).toBe(nameModel(card).id);
    expect(nameModel({ ...card, coefficients: { P: [1, 0.51] } }).id).not.toBe(nameModel(card).id);
  });
});

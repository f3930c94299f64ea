/** A reference station that lies is found by name, whatever its lie; the others are not accused. And no card of a model is lost. */
import { describe, expect, it } from 'vitest';
import { createStage } from '../../calibration/create.ts';
import type { CalibrationStage, StageCard } from '../../calibration/stage.ts';
import { HOUR } from '../../model/time.ts';
import { reading, START } from '../qc/town.ts';
import { random } from './small_city.ts';

const N = 6;
type Lie = (y: number, h: number, air: readonly number[]) => number;

function run(days: number, lie: Lie, each: (stage: CalibrationStage) => void = () => {}): CalibrationStage {
  const next = random(3);
  const stage = createStage();
  for (let i = 0; i < N; i++) {
    const place = { lat: 24 + 0.06 * i, lon: 120.6 + 0.05 * (i % 3) };
    stage.setStation({ id: `s${i}`, num: 100 + i, ...place });
    stage.setBox({ id: `box-${String(i + 1).padStart(6, '0')}`, num: i + 1, ...place, sensor: 'PMS5003', field: '', trusted: true, exposure: 'outdoor' }); // prettier-ignore
  }
  stage.setColocations(Array.from({ length: N }, (_, i) => ({ box: `box-${String(i + 1).padStart(6, '0')}`, station: `s${i}` }))); // prettier-ignore
  const air: number[] = [];
  let level = 18;
  for (let h = 0; h < days * 24; h++) {
    level = Math.max(3, level + (next() - 0.5) * 6 + 0.05 * (18 - level));
    air.push(level + 4 * Math.sin((2 * Math.PI * h) / 24));
    const t = START + h * HOUR;
    const past = h - 1;
    if (past >= 0) {
      const values = Array.from({ length: N }, (_, i) => {
        const y = (air[past] as number) * (1 + 0.03 * i) + (next() - 0.5);
        return { station: `s${i}`, time: t - HOUR, pm25: i === 0 ? lie(y, past, air) : y };
      });
      stage.reference(values);
    }
    stage.advance(t);
    const readings = Array.from(
      { length: N },
      (_, i) =>
      reading(i + 1, t, { pm25: Math.max(0, 1.7 * (air[h] as number) * (0.9 + 0.04 * i) + next()), humidity: 60, temperature: 22 }), // prettier-ignore
    );
    stage.correct(stage.check(readings));
    each(stage);
  }
  return stage;
}

describe('a station that lies is named', () => {
  it('honest stations have no entry', () => expect(run(14, (y) => y).stationVerdicts()).toEqual([]));
  it('constant', () => {
    const [v, ...others] = run(14, () => 12.5).stationVerdicts();
    expect([v?.station, v?.stuck, others.length]).toEqual(['s0', true, 0]);
  });
  it.each([
    ['shifted by 30 µg/m³', (y: number): number => y + 30],
    ['twice as much', (y: number): number => 2.2 * y],
    ['half as much', (y: number): number => 0.4 * y],
    ['going its own way', (_y: number, h: number): number => 8 + ((h * 7) % 11) / 2],
  ] as const)('%s', (_name, lie) => {
    const verdicts = run(14, lie).stationVerdicts();
    expect(verdicts.map((v) => v.station)).toEqual(['s0']);
    expect(verdicts[0]?.excludedFor).toEqual(['plantower']);
  });
  it('five hours early by its clock: put right, and still used', () => {
    const verdicts = run(25, (y, h, air) => (air[h - 5] ?? y) * 1).stationVerdicts();
    expect(verdicts.map((v) => [v.station, v.clockMs / HOUR, v.excludedFor.length])).toEqual([['s0', -5, 0]]);
  });
  it('is believed again when it has been put right', () => {
    const stage = run(40, (y, h) => (h < 14 * 24 ? 2.5 * y : y));
    expect(stage.stationVerdicts()).toEqual([]);
  });
});

it('every model that a value names has a card, over nights and restarts', () => {
  const named = new Set<string>();
  const kept = new Map<string, StageCard>();
  const stage = run(
    20,
    (y) => y,
    (s) => {
      for (const card of s.cards) kept.set(card.id, card);
    },
  );
  const t = START + 20 * 24 * HOUR;
  for (const r of stage.correct(stage.check([reading(1, t, { pm25: 30, humidity: 60, temperature: 22 })])))
    for (const v of r.values) if (v.model !== '') named.add(v.model);
  expect(named.size).toBe(1);
  for (const id of named) expect(kept.has(id)).toBe(true);
});
